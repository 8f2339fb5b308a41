"""
The README cannot lie: its Python blocks are written to files, its commands run, their output is compared.

A `python` block begins with the name of its file. A `console` block holds `$ command` lines, each followed by
what the command prints. Blocks run in order, in one folder; files are written before anything runs, so
that a text may show the application before the plug-in.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Command:
    """A command and all that it prints."""

    line: str
    output: str


def blocks(document: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(document.read_text(encoding="utf-8"))


def commands(text: str) -> list[Command]:
    found = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [Command(*item.split("\n", 1)) for item in found]


def run(command: Command, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command.line,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=200,
        check=False,
    )
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def test_the_tutorial_runs_as_it_is_printed(tmp_path):
    """Every command of the README's tutorial prints exactly what the README says."""
    found = blocks(ROOT / "README.md")
    files = [text for language, text in found if language == "python"]
    for text in files:
        name = re.match(r"# (\S+\.py)\n", text)
        assert name, f"a Python block without a file name: {text[:60]}"
        (tmp_path / name[1]).write_text(text, encoding="utf-8")
    told = [each for language, text in found if language == "console" for each in commands(text)]

    assert len(told) >= 5
    assert [(each.line, run(each, tmp_path)) for each in told] == [
        (each.line, each.output) for each in told
    ]


def test_the_setup_commands_exist():
    """The two commands that the README begins with are targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    setup = next(text for language, text in blocks(ROOT / "README.md") if language == "sh")
    targets = re.findall(r"^make (\w+)", setup, re.MULTILINE)

    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
