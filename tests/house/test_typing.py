"""Types are part of the API: `make check` holds `tests/typing` against mypy, and a wrong use is really refused."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PRELUDE = """\
import extism

@extism.host_fn()
def greet(name: str) -> str:
    return name

plugin = extism.Plugin("plugin.wasm", functions=[greet])
pool = extism.Pool("plugin.wasm", 2)
"""

WRONG = [
    ("greet(7)", "arg-type"),
    ("number: int = greet('Ada')", "assignment"),
    ("extism.Plugin(functions=[greet])", "call-arg"),
    ("extism.Plugin('plugin.wasm', functions=[print])", "list-item"),
    ("plugin.call('greet')", "call-overload"),
    ("plugin.call('greet', None)", "call-overload"),
    ("text: str = plugin.call('greet', '')", "assignment"),
    ("length: str = plugin.call('greet', '', len)", "assignment"),
    ("plugin.reed", "attr-defined"),
    ("pool.call('greet', 7)", "call-overload"),
    ("extism.Pool('plugin.wasm', maximal=3)", "call-arg"),
    ("extism.nonsense()", "attr-defined"),
    ("word: str = extism.Var.get('n', int, 0)", "assignment"),
    ("extism.plugin_fn(7)", "arg-type"),
    ("extism.Http.get('http://a/', params=7)", "arg-type"),
    ("extism.PluginError('x', code='y')", "arg-type"),
    ("extism.extism.nonsense()", "attr-defined"),
]
"""Lines that a user must not get past a type checker, and mypy's word for each."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What `mypy --strict` says of a user's program, far from this project's settings: codes by line."""
    folder = tmp_path_factory.mktemp("user")
    program = folder / "program.py"
    program.write_text(PRELUDE + "".join(f"{line}\n" for line, _ in WRONG), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        folder / "cache",
        program.name,
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.stderr == ""
    found: dict[int, set[str]] = {}
    for line in done.stdout.splitlines():
        if at := re.match(r"program\.py:(\d+): error: .*\[([a-z-]+)\]$", line):
            found.setdefault(int(at[1]), set()).add(at[2])
    return found


@pytest.mark.parametrize(("line", "code"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_use_is_refused(verdicts, line, code):
    """mypy names the line and the kind of mistake, from the installed package alone."""
    number = PRELUDE.count("\n") + 1 + [each for each, _ in WRONG].index(line)

    assert code in verdicts.get(number, set())


def test_the_right_lines_pass(verdicts):
    """The program is wrong where it is meant to be, and nowhere else."""
    first = PRELUDE.count("\n") + 1

    assert sorted(verdicts) == list(range(first, first + len(WRONG)))


def test_the_users_view_is_checked():
    """mypy's own list of what it checks, which `make check` uses, has the API tests in it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]

    assert settings["strict"] is True
    assert "tests/typing" in settings["files"]
    assert (ROOT / "tests" / "typing" / "api.py").exists()
