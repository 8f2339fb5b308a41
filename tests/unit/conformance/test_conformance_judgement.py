"""How the two runs of a test module are compared, and what the table leaves out."""

from __future__ import annotations

import json

import pytest
from conformance import modules
from judgement import end_of, judge
from left_out import Reason, Table, read_table

TABLE = Table(
    not_shipped=frozenset({"test_gone", "test_two.test_b"}),
    apart=frozenset({"test_two"}),
    inside={"flags": {"has_socket_support": ["test_net"]}, "stand_ins": {}},
    reasons=(
        Reason("needs threads", ("test_threads*",), (), ("start new thread",)),
        Reason("is slow", (), ("*.test_slow",), ()),
    ),
)


def write(folder, module, **ends):
    """Write one side's results down: each test with its status, and what it said."""
    folder.mkdir(exist_ok=True)
    lines = [
        json.dumps({"id": name, "status": end.partition(":")[0], "text": end.partition(":")[2]})
        for name, end in ends.items()
    ]
    (folder / f"{module}.jsonl").write_text("\n".join(lines) + '\n{"id": "torn', encoding="utf-8")


def judged(tmp_path, native, inside, module="test_x"):
    write(tmp_path / "native", module, **native)
    if inside is not None:
        write(tmp_path / "inside", module, **inside)
    folders = {side: tmp_path / side for side in ("native", "inside")}
    return judge(module, folders, TABLE)


def test_only_what_passes_natively_counts(tmp_path):
    """What fails or is skipped there says nothing about the inside."""
    count = judged(tmp_path, {"a": "passed", "b": "failed:x", "c": "skipped:y"}, {"a": "passed"})

    assert (count.native, count.passed, count.failed) == (1, 1, [])


def test_a_reason_takes_tests_out_by_module_name_and_text(tmp_path):
    """Three ways to be named in the table; a text counts for failures and skips alike."""
    native = dict.fromkeys(("a", "b", "x.test_slow"), "passed")
    inside = {
        "a": "failed:RuntimeError: can't start new thread",
        "b": "skipped:start new thread",
        "x.test_slow": "failed:whatever",
    }

    assert judged(tmp_path, native, inside).left_out == {"needs threads": 2, "is slow": 1}
    assert judged(tmp_path, {"a": "passed"}, None, "test_threads_x").left_out == {
        "needs threads": 1
    }


def test_what_nobody_listed_has_failed(tmp_path):
    """A skip without a listed reason is no better than a failure; nor is a test that is not there."""
    count = judged(
        tmp_path,
        {"a": "passed", "b": "passed", "c": "passed"},
        {"a": "skipped:odd", "b": "failed:no"},
    )

    assert count.failed == [("a", "odd"), ("b", "no"), ("c", "it was not there inside")]


@pytest.mark.parametrize(
    "part",
    [
        "setUpClass (test.test_x.Class)",
        "setUpModule (test.test_x)",
        "unittest.loader.ModuleSkipped.test.test_x",
        "unittest.loader._FailedTest.test_x",
        "*",
    ],
)
def test_a_test_shares_the_end_of_what_it_is_in(part):
    """A class, a file or a module that never began ends all of its tests."""
    assert end_of("test.test_x.Class.test_a", {part: ("skipped", "why")}) == ("skipped", "why")


def test_another_class_ends_for_itself():
    """A class that was skipped says nothing about one whose name begins like its own."""
    ends = {"setUpClass (test.test_x.Class)": ("skipped", "why")}

    assert end_of("test.test_x.Classic.test_a", ends) == ("missing", "it was not there inside")


def test_adjustments_are_those_of_the_module():
    """What the table sets inside, it sets for the modules that it names."""
    assert TABLE.adjustments("test_net") == {"flags": ["has_socket_support"], "stand_ins": []}
    assert TABLE.adjustments("test_x") == {"flags": [], "stand_ins": []}


def test_the_modules_of_some_packages_run_one_by_one(tmp_path):
    """A package counts as one module, unless it is listed; what has no subject inside is not there."""
    for file in ("test_one.py", "test_gone.py", "test_three/__init__.py", "test_three/test_c.py"):
        (tmp_path / "test" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / file).write_text("pass")
    for file in ("__init__", "test_a", "test_b"):
        (tmp_path / "test" / "test_two").mkdir(exist_ok=True)
        (tmp_path / "test" / "test_two" / f"{file}.py").touch()

    assert modules(tmp_path, TABLE, []) == ["test_three", "test_one", "test_two.test_a"]
    assert modules(tmp_path, TABLE, ["test_two"]) == ["test_two.test_a", "test_two.test_b"]


def test_the_table_has_a_reason_for_everything():
    """Each entry says why in words, and names something."""
    table = read_table()

    assert all(one.reason and (one.modules or one.tests or one.texts) for one in table.reasons)
    assert len({one.reason for one in table.reasons}) == len(table.reasons)
