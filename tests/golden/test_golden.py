"""
What a person sees: each `;; RUN:` line of a guest, and what the command writes, kept beside it.

In a RUN line `%` is the guest. In `NAME.out` follow the command, its stdout, its stderr with `2> ` before each
line, and its exit code unless it is 0. `BLESS=1 pytest tests/golden` writes what is there now: read the diff.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from extism_command import extism

HERE = Path(__file__).parent
GUESTS = sorted(HERE.glob("*.wat"))
RUN = ";; RUN: extism "
TIME = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", re.MULTILINE)
OFFSET = re.compile(r"\b0x[0-9a-f]+ - ")
"""In the kernel's code and the guest's as one, which changes with the kernel, and by a byte with how the engine began."""


def transcript(guest):
    lines = guest.read_text(encoding="utf-8").splitlines()
    runs = [line.removeprefix(RUN) for line in lines if line.startswith(RUN)]
    return "\n".join(shown(run.replace("%", guest.name)) for run in runs)


def shown(run):
    done = extism(*shlex.split(run), cwd=HERE)
    errors = OFFSET.sub("<offset> - ", TIME.sub("<time> ", done.err.decode()))
    parts = [f"$ extism {run}", *whole_lines(done.out.decode())]
    parts += [f"2> {line}".rstrip() for line in whole_lines(errors)]
    return "\n".join([*parts, *([f"[exit {done.code}]"] if done.code else []), ""])


def whole_lines(text):
    *lines, rest = text.split("\n")
    return [*lines, f"{rest}\\ no line break"] if rest else lines


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.stem)
def test_what_a_person_sees(guest):
    """Every command of the guest writes what is kept beside it."""
    kept = guest.with_suffix(".out")
    seen = transcript(guest)
    if os.environ.get("BLESS"):
        kept.write_text(seen, encoding="utf-8")

    assert seen == kept.read_text(encoding="utf-8")


def test_every_transcript_has_its_guest():
    """Nothing is kept that nobody compares."""
    assert {path.stem for path in HERE.glob("*.out")} == {guest.stem for guest in GUESTS}
