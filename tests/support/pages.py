"""
Documents whose code runs: their files are written, their commands run, what they print is compared.

A block that is a file names it: in a comment on its first line, or in `<!-- file: NAME -->` above the block
where the format has no comments. A `console` block holds `$ command` lines, each followed by all that the
command prints. Blocks run in order, in one folder. Every file is written before anything runs, so that a text
may show the application before the plug-in; one that is shown again, changed, is replaced at its place.

What stands between `<!-- generated: ... -->` and `<!-- end of generated -->` is held by another test.
Not compared: how many seconds something took, and what `extism-py` says about a build that went well. Not run:
`sh` blocks, which hold `make` commands that set up the machine; their targets exist.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from extism_command import plain_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ROOT",
    "Block",
    "Command",
    "blocks",
    "commands",
    "documents",
    "needs_interpreter",
    "run_page",
]

ROOT = Path(__file__).parents[2]
TIMEOUT = 200.0

_BLOCK = re.compile(
    r"^(?:<!-- file: (?P<name>\S+) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_COMMENTS = {"python": "#", "toml": "#", "wat": ";;", "json": None, "text": None}
"""Languages of files, and how a line of comment begins; None has no comments, or may be no file."""

_GENERATED = re.compile(r"<!-- generated: .*?<!-- end of generated -->", re.DOTALL)
_BUILD = re.compile(r"(?:\w+=\S* )*extism-py ")
_SECONDS = re.compile(r"\b\d+\.\d+ ?s\b")
_OFFSET = re.compile(r"\b0x[0-9a-f]+(?= - )")
"""Of a trap, in the kernel's code and the guest's as one: it changes with the kernel, and by a byte with how the engine began."""


@dataclass(frozen=True)
class Block:
    """
    One fenced block.

    Attributes:
        language: The word behind the fence.
        text: What it holds.
        file: The name of the file that it is; None for commands and for what only pictures something.
    """

    language: str
    text: str
    file: str | None


@dataclass(frozen=True)
class Command:
    """A command and all that it prints."""

    line: str
    output: str


def blocks(document: Path) -> list[Block]:
    """Every block of a document that was written by hand, in order."""
    found = _BLOCK.finditer(_GENERATED.sub("", document.read_text(encoding="utf-8")))
    return [_block(each["language"], each["text"], each["name"]) for each in found]


def _block(language: str, text: str, above: str | None) -> Block:
    comment = _COMMENTS.get(language)
    if above is not None or comment is None:
        return Block(language, text, above)
    name = re.match(rf"{comment} (\S+\.\w+)\n", text)
    assert name, f"a {language} block without the name of its file: {text[:60]}"
    return Block(language, text, name[1])


def commands(block: Block) -> list[Command]:
    """The commands of a console block; none of any other."""
    if block.language != "console":
        return []
    before, *found = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not before, f"a console block begins with a command: {block.text[:60]}"
    return [Command(*each.split("\n", 1)) for each in found]


def needs_interpreter(document: Path) -> bool:
    """Whether a document compiles a Python plug-in."""
    lines = [each.line for block in blocks(document) for each in commands(block)]
    texts = [block.text for block in blocks(document) if block.language == "python"]
    return any("extism-py" in line or "_compiler" in line for line in lines) or any(
        "extism.compiler" in text or "extism_plugin" in text for text in texts
    )


def run_page(document: Path, folder: Path, **environment: str) -> tuple[list[str], list[str]]:
    """
    Run a document in an empty folder.

    Returns:
        What it says and what happened: each command with what it printed.
    """
    found = blocks(document)
    _check_used(document, found)
    for block in reversed(found):
        _write(block, folder)
    said, ran = [], []
    for block in found:
        _write(block, folder)
        for command in commands(block):
            said.append(_comparable(f"$ {command.line}\n{command.output}"))
            output = _run(command.line, folder, environment)
            ran.append(_comparable(f"$ {command.line}\n{output}"))
    return said, ran


def _check_used(document: Path, found: list[Block]) -> None:
    """Every block is a file, commands or a picture, and every file is used by a command or another file."""
    known = {"console", "sh", *_COMMENTS}
    strange = [block.language for block in found if block.language not in known]
    assert not strange, f"{document.name} has blocks that nothing runs: {strange}"
    for block in found:
        if block.language == "sh":
            _check_setup(block.text)
        if block.file is not None:
            users = [each.text for each in found if each.file != block.file]
            assert any(_names(block.file, text) for text in users), (
                f"{document.name} shows {block.file}, and nothing uses it"
            )


def _check_setup(text: str) -> None:
    """Every line of the block is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in text.splitlines():
        found = re.match(r"make (\w+)", line)
        assert found, f"what is not `make` goes into a console block: {line}"
        assert re.search(rf"^{found[1]}:", makefile, re.MULTILINE), f"no such target: {line}"


def _names(file: str, text: str) -> bool:
    imported = rf"(?:import|from) {Path(file).stem}\b"
    return bool(re.search(rf"\b{re.escape(file)}\b|{imported}", text))


def _write(block: Block, folder: Path) -> None:
    if block.file is not None:
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")


def _run(line: str, folder: Path, environment: dict[str, str]) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        line,
        shell=True,
        cwd=folder,
        env=plain_environment(PATH=path, PYTHONDONTWRITEBYTECODE="1", **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    is_build = _BUILD.match(line) is not None and done.returncode == 0
    return done.stdout if is_build else done.stdout + done.stderr


def _comparable(text: str) -> str:
    return _OFFSET.sub("0x", _SECONDS.sub("N s", text))


def documents(folder: str = "docs") -> Iterator[Path]:
    """Every page below a folder."""
    yield from sorted((ROOT / folder).rglob("*.md"))
