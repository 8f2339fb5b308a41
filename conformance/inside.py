"""
One module of CPython's regression tests, run and written down: the same code natively and inside.

What the module's tests did is appended to a file, line by line: a test that ends the interpreter
is the one whose beginning is the last line. Nothing of the house is imported here.

Layout of a line, JSON:
    {"id": ..., "status": "begun"}
    {"id": ..., "status": "passed" | "failed" | "skipped", "seconds": ..., "text": why}
    {"id": "*", "status": "failed" | "skipped", "text": why}   the whole module
    {"id": "*", "status": "done"}
"""

import importlib
import importlib.util
import json
import os
import pkgutil
import sys
import time
import traceback
import types
import unittest
import warnings


class Book(unittest.TestResult):
    """Writes each test down when it begins and when it has ended."""

    def __init__(self, stream, names):
        super().__init__()
        self.stream = stream
        self.names = names
        self.ends = {}

    def write(self, **entry):
        self.stream.write(json.dumps(entry) + "\n")
        self.stream.flush()

    def name(self, test):
        return self.names.get(id(test)) or test.id()

    def startTest(self, test):
        super().startTest(test)
        self.end = ("passed", "")
        self.began = time.monotonic()
        self.write(id=self.name(test), status="begun")

    def stopTest(self, test):
        super().stopTest(test)
        self.failures.clear()
        self.errors.clear()
        self.write(
            id=self.name(test),
            status=self.end[0],
            seconds=round(time.monotonic() - self.began, 3),
            text=self.end[1],
        )

    def addSkip(self, test, reason):
        self._settle(test, "skipped", reason)

    def addError(self, test, error):
        self._settle(test, "failed", self._exc_info_to_string(error, test))

    addFailure = addError

    def addSubTest(self, test, _subtest, error):
        if error is not None:
            self.addError(test, error)

    def addUnexpectedSuccess(self, test):
        self._settle(test, "failed", "it was expected to fail")

    def _settle(self, test, status, text):
        """Note an end; of several a failure is the one that counts."""
        if not isinstance(test, unittest.TestCase):  # setUpClass, setUpModule
            self.write(id=test.id(), status=status, text=text[-2000:])
        elif getattr(self, "end", ("passed",))[0] != "failed":
            self.end = (status, text[-2000:])

    def broke(self, test):
        """Note an error that the test's own runner could not tell: its loop cannot be made, or closed."""
        self.write(id=self.name(test), status="failed", text=traceback.format_exc()[-2000:])


class Idle:
    """In the place of what a set-up calls and its tests do not need: nothing happens."""

    def __init__(self, *_args, **_options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None

    def __getitem__(self, _key):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Idle


class StandIn(types.ModuleType):
    """In the place of a module that is not there: whoever uses what it would have is skipped."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Needed(self.__name__)


class Needed:
    """In the place of what a module that is not there would have: it can be imported, and no more."""

    def __init__(self, module):
        self._module = module

    def _skip(self, *_args, **_options):
        raise unittest.SkipTest(f"needs {self._module}")

    __call__ = __bool__ = __iter__ = __getitem__ = __eq__ = __lt__ = __and__ = _skip
    __hash__ = object.__hash__

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        self._skip()


def prepare(library, flags=(), stand_ins=(), idle=()):
    """Make `test` importable from the library's folder, and set it up as CPython's runner does."""
    folder = f"{library}/test"
    spec = importlib.util.spec_from_file_location(
        "test", f"{folder}/__init__.py", submodule_search_locations=[folder]
    )
    sys.modules["test"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["test"])
    from test import support

    for flag in flags:
        module, _, name = f"test.support.{flag}".rpartition(".")
        setattr(importlib.import_module(module), name, True)
    for name in stand_ins:
        sys.modules[name] = StandIn(name)
    for name in idle:
        holder, _, attribute = name.rpartition(".")
        setattr(pkgutil.resolve_name(holder), attribute, Idle)
    sys.dont_write_bytecode = False  # as in a program that nobody told otherwise
    support.use_resources = {}
    support.verbose = 0
    warnings.simplefilter("ignore")
    return support


def flat(suite):
    """Yield the tests of a suite of suites, in order."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from flat(part)
        else:
            yield part


def name_all(tests):
    """Return a name for each test, by identity: its id, with a number where several have the same."""
    names, seen = {}, {}
    for test in tests:
        count = seen[test.id()] = seen.get(test.id(), 0) + 1
        names[id(test)] = test.id() if count == 1 else f"{test.id()}#{count}"
    return names


def guard_async_cases():
    """Let a test go on after one whose loop could not be closed: unittest would end them all."""
    from unittest.async_case import IsolatedAsyncioTestCase as Case

    unguarded = Case.run

    def run(self, result=None):
        if not isinstance(result, Book):
            return unguarded(self, result)
        try:
            return unguarded(self, result)
        except Exception:
            result.broke(self)

    Case.run = run


def run(module, library, results, done=(), **adjustments):
    """Run the tests of `test.<module>` that are not in `done`; append what they did to `results`."""
    with open(results, "a", encoding="utf-8") as stream:
        book = Book(stream, {})
        try:
            prepare(library, **adjustments)
            suite = unittest.TestLoader().loadTestsFromName(f"test.{module}")
        except unittest.SkipTest as skip:
            book.write(id="*", status="skipped", text=str(skip))
        except BaseException as error:
            book.write(id="*", status="failed", text=f"{type(error).__name__}: {error}")
        else:
            tests = list(flat(suite))
            book.names = name_all(tests)
            left = [test for test in tests if book.names[id(test)] not in done]
            if "unittest.async_case" in sys.modules:
                guard_async_cases()
            unittest.TestSuite(left).run(book)
        book.write(id="*", status="done")


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    os.chdir(order.pop("cwd"))
    run(**order)
