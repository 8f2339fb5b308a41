"""The example plug-ins with packages of others: built and called as their READMEs say, on both hosts."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from extism._cli.compile import NAME, compile_file
from extism._cli.main import run
from extism.compiler import write_runtime
from peer import Case

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.guest_python,
    pytest.mark.peer,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("package_cache"),
]

NOTE = "---\ntags: [b, a]\ndate: 2026-01-02\ntitle: Été\n---\n# Hello\n\n|a|b|\n|-|-|\n|1|2|\n"
REMINDER = {"title": "Tea", "begins": "2026-01-05 16:00", "rule": "FREQ=DAILY", "tags": ["x"]}

OUTPUTS = {
    "invoice": {
        "README": "<h1>Invoice for Ada &amp; Sons</h1>\n<table>\n"
        "  <tr><td>Wheel</td><td>4</td><td>50.00</td></tr>\n</table>\n<p>Total: 50.00</p>",
    },
    "notes": {
        "README": '{"data": {}, "html": "<h1>Hello</h1>"}',
        (
            "convert",
            NOTE,
        ): '{"data": {"tags": ["b", "a"], "date": "2026-01-02", "title": "\\u00c9t\\u00e9"}, '
        '"html": "<h1>Hello</h1>\\n<table>\\n<thead>\\n<tr>\\n<th>a</th>\\n<th>b</th>\\n</tr>\\n</thead>\\n'
        '<tbody>\\n<tr>\\n<td>1</td>\\n<td>2</td>\\n</tr>\\n</tbody>\\n</table>"}',
        (
            "tidy",
            NOTE,
        ): "---\ndate: 2026-01-02\ntags:\n- b\n- a\ntitle: Été\n---\n# Hello\n\n|a|b|\n|-|-|\n|1|2|\n",
    },
    "reminders": {
        "README": '{"title": "Backup", "days": ["2026-01-05", "2026-01-08", "2026-01-12", "2026-01-15", '
        '"2026-01-19"]}',
        (
            "settings",
            json.dumps([REMINDER]),
        ): '[[reminder]]\ntitle = "Tea"\nbegins = 2026-01-05 16:00:00\n'
        'rule = "FREQ=DAILY"\ntags = [\n    "x",\n]\n',
    },
}

FAILURES = [
    (
        "invoice",
        "render",
        '{"customer": "Ada", "lines": [{"title": "Wheel", "price": "1", "count": 0}]}',
        "ValueError: 'count' must be > 0: 0",
    ),
    ("notes", "convert", "---\na: [\n---\n", "yaml.parser.ParserError: while parsing a flow node"),
    (
        "reminders",
        "next_days",
        '{"title": "x", "begins": "x", "rule": "x", "tags": 1}',
        "reminder.tags",
    ),
]


def commands(example):
    """The command lines of an example's README."""
    text = (ROOT / "examples" / example / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1].replace("\\\n", " ")
    return [shlex.split(line) for line in block.splitlines()]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """The runtime of small plug-ins, for upstream's host."""
    path = tmp_path_factory.mktemp("runtime") / "python.wasm"
    write_runtime(path)
    return path


@pytest.fixture(scope="module")
def modules():
    """Examples that were built, by name."""
    return {}


@pytest.fixture
def built(runtime, modules, tmp_path_factory, monkeypatch):
    """A function from the name of an example to a manifest with its module, built once by its README's command."""

    def made(example):
        if example not in modules:
            monkeypatch.chdir(ROOT)
            (_, *arguments), _ = commands(example)
            modules[example] = tmp_path_factory.mktemp(example) / f"{example}.wasm"
            place = arguments.index("-o")
            arguments[place + 1] = str(modules[example])
            assert run([*arguments, "--shared"], compile_file, NAME) == 0
        main = {"name": "main", "path": str(modules[example])}
        return {"wasm": [{"name": "python", "path": str(runtime)}, main]}

    return made


def step(example, key):
    """The function and input of a call, for "README" those that it shows."""
    if key != "README":
        return key
    _, (_, _, _, function, _, _, data) = commands(example)
    return function, data


@pytest.mark.parametrize(
    ("example", "key"),
    [(example, key) for example, outputs in OUTPUTS.items() for key in outputs],
    ids=lambda value: str(value)[:24],
)
def test_examples(duel, ours, built, example, key):
    """The output is what one would expect, and equal on both hosts."""
    manifest = built(example)
    function, data = step(example, key)
    answer = ours.call(manifest, function, data, wasi=True)

    assert answer.output is not None, answer.error
    assert answer.output.decode() == OUTPUTS[example][key]
    assert duel(Case(f"{example}: {function}", manifest, ((function, data),), wasi=True)) == []


@pytest.mark.parametrize(("example", "function", "data", "text"), FAILURES)
def test_their_errors(duel, ours, built, example, function, data, text):
    """What a package refuses reaches the caller with its traceback, the same on both hosts."""
    manifest = built(example)
    answer = ours.call(manifest, function, data, wasi=True)

    assert text in answer.error
    assert duel(Case(f"{example}: {function}", manifest, ((function, data),), wasi=True)) == []
