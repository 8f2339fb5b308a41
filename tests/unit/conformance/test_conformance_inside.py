"""The code that runs a test module and writes down what it did, natively, on a library of a few lines."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time

import one_module
import pytest
from judgement import read

MODULE = """
    import os, time, unittest
    from test import support


    class Case(unittest.TestCase):
        def test_good(self):
            pass

        def test_bad(self):
            self.assertEqual(1, 2)

        def test_skipped(self):
            self.skipTest("no reason")

        def test_flag(self):
            self.assertTrue(support.has_socket_support)

        def test_sub(self):
            with self.subTest(1):
                self.fail("inner")

        def test_ends_it_all(self):
            os._exit(3)

        def test_never_ends(self):
            time.sleep(60)


    class Unready(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise unittest.SkipTest("not today")

        def test_a(self):
            pass
"""

NEEDY = """
    import unittest
    import _testnowhere
    from _testnowhere import NUMBER


    class Case(unittest.TestCase):
        def test_it(self):
            _testnowhere.function()

        def test_number(self):
            self.assertEqual(NUMBER, 1)

        def test_other(self):
            pass
"""

IDLE = """
    import os
    import shutil
    import unittest


    class Case(unittest.TestCase):
        def setUp(self):
            with shutil.nosuch(True):
                os.nosuch("file", 0).attach(self)

        def test_it(self):
            pass

        def test_deep(self):
            self.assertTrue(hasattr(unittest.TestCase, "nosuch"))
"""

LEAVER = """
    import subprocess, sys, unittest


    class Case(unittest.TestCase):
        def test_it(self):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            with open({path!r}, "w") as file:
                file.write(str(child.pid))
"""

LOOPS = """
    import unittest


    class Case(unittest.IsolatedAsyncioTestCase):
        async def test_a(self):
            self._asyncioRunner.close = lambda: 1 / 0

        async def test_b(self):
            pass
"""


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "Lib" / "test"
    (folder / "support").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "support" / "__init__.py").write_text("has_socket_support = False\n")
    (folder / "test_small.py").write_text(textwrap.dedent(MODULE))
    (folder / "test_broken.py").write_text("import nosuch\n")
    (folder / "test_not_here.py").write_text("import unittest; raise unittest.SkipTest('away')\n")
    (folder / "test_needy.py").write_text(textwrap.dedent(NEEDY))
    (folder / "test_idle.py").write_text(textwrap.dedent(IDLE))
    (folder / "test_loops.py").write_text(textwrap.dedent(LOOPS))
    return tmp_path / "Lib"


def ends(library, module, **adjustments):
    order = {"module": module, "library": str(library), **adjustments}
    results = library.parent / "results"
    one_module.main("native", sys.executable, json.dumps(order), str(results), "4")
    return {
        name.removeprefix(f"test.{module}."): (status, text.strip().splitlines()[-1:])
        for name, (status, text) in read(results).items()
    }


def test_each_test_gets_its_end(library):
    """Also what ends the interpreter, and what never ends; the others run all the same."""
    found = ends(library, "test_small", flags=["has_socket_support"])

    assert found == {
        "Case.test_bad": ("failed", ["AssertionError: 1 != 2"]),
        "Case.test_ends_it_all": ("failed", ["the interpreter ended with 3"]),
        "Case.test_flag": ("passed", []),
        "Case.test_good": ("passed", []),
        "Case.test_never_ends": ("failed", ["the interpreter ended with -9"]),
        "Case.test_skipped": ("skipped", ["no reason"]),
        "Case.test_sub": ("failed", ["AssertionError: inner"]),
        "setUpClass (test.test_small.Unready)": ("skipped", ["not today"]),
    }


@pytest.mark.parametrize(
    ("module", "name", "end"),
    [
        ("test_broken", "unittest.loader._FailedTest.test_broken", "failed"),
        ("test_not_here", "*", "skipped"),
    ],
)
def test_a_module_that_cannot_be_loaded_has_one_end(library, module, name, end):
    """It stands for all of its tests."""
    found = ends(library, module)

    assert {name: status for name, (status, _) in found.items()} == {name: end}


def test_a_stand_in_skips_those_who_touch_it(library):
    """A module in C that only CPython has does not take the tests along that never use what it has."""
    assert ends(library, "test_needy", stand_ins=["_testnowhere"]) == {
        "Case.test_it": ("skipped", ["needs _testnowhere"]),
        "Case.test_number": ("skipped", ["needs _testnowhere"]),
        "Case.test_other": ("passed", []),
    }


def test_what_is_idle_lets_a_set_up_go_on(library):
    """A function, an object or a block that only a set-up needs does not take its tests along."""
    idle = ["os.nosuch", "shutil.nosuch", "unittest:TestCase.nosuch"]

    assert ends(library, "test_idle", idle=idle) == {
        "Case.test_deep": ("passed", []),
        "Case.test_it": ("passed", []),
    }


def test_a_loop_that_cannot_be_closed_fails_its_own_test_alone(library):
    """unittest lets the error out of the suite, and no later test would have an end."""
    assert ends(library, "test_loops") == {
        "Case.test_a": ("failed", ["ZeroDivisionError: division by zero"]),
        "Case.test_b": ("passed", []),
    }


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_tests_leave_running_is_ended(library):
    """Else a busy one would take its share of the machine for as long as it is up."""
    path = library.parent / "child"
    text = textwrap.dedent(LEAVER).format(path=str(path))
    (library / "test" / "test_leaver.py").write_text(text)
    ends(library, "test_leaver")
    child = int(path.read_text())
    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert not is_running(child)
