"""`extism inspect`: what a module offers, what it needs, and what it is made of; nothing of it is run."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from extism import abi
from extism._cli.facts import facts, outline
from extism._cli.files import read_file
from extism._cli.voice import Voice, is_colourful, voice_options, write_output
from extism._wasm.dump import dump, quoted
from extism.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["inspect"]

EXAMPLES: Final = """
\b
Examples:
  extism inspect plugin.wasm
  extism inspect plugin.wasm --json | jq .needs
"""

_MAY: Final = {
    "http": ("send HTTP requests", "--allow-host PATTERN, allowed_hosts"),
    "paths": ("open files", "--allow-path HOST:GUEST, allowed_paths"),
    "config": ("read its configuration", "--config KEY=VALUE, config"),
    "variables": ("keep variables", "memory.max_var_bytes"),
    "log": ("log", "--log-level LEVEL"),
}
_ROLES: Final = {"initialiser": "run when the plug-in is created", "program": "run only by name"}

Row = tuple[str, ...]
"""Cells of a line."""


@click.command("inspect", epilog=EXAMPLES, short_help="Show what a module offers and needs.")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Write the facts as JSON.")
@voice_options
@click.pass_context
def inspect(context: click.Context, file: str, as_json: bool) -> None:  # noqa: FBT001
    """
    Show what the module FILE offers and needs.

    FILE is a WebAssembly module, in binary or text format. It is read, not run. With --verbose, every
    import and section is listed.
    """
    content = read_file(file)
    try:
        found = {"path": file, **facts(content)}
        if as_json:
            text = json.dumps(found, indent=2)
        else:
            text = "\n".join(_page(found))
            if context.ensure_object(Voice).is_verbose:
                text += f"\n\n{dump(outline(content))}"
    except Error as error:
        error.args = (f"{file}: {error}",)
        raise
    write_output(f"{text}\n".encode())


def _page(found: Mapping[str, Any]) -> Iterator[str]:
    """Give the lines of the page; a part with nothing in it is left out."""
    yield f"{_word(found['path'])}: {found['size']:,} bytes of {_FORMATS[found['format']]}"
    yield f"sha256 {found['sha256']}"
    if found["name"]:
        yield f"calls itself {quoted(found['name'])}"
    for title, rows in _parts(found):
        if rows:
            yield ""
            yield _heading(title)
            yield from _columns(rows)


_FORMATS: Final = {"binary": "WebAssembly", "text": "WebAssembly text"}


def _parts(found: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Row]]]:
    exports, imports, needs = found["exports"], found["imports"], found["needs"]
    called = [item for item in exports if item["callable"] and not item["role"]]
    yield "Functions to call", [(_word(item["name"]), item["type"]) for item in called]
    others = [item for item in exports if item not in called]
    yield (
        "Other exports",
        [(_word(item["name"]), item["type"], _ROLES.get(item["role"], "")) for item in others],
    )
    yield "Needs", list(_needs(needs, found["runtime"]))
    yield "May, where it is granted", [_MAY[word] for word in found["may"]]
    yield f"Imports from the kernel ({abi.ENV})", _names(imports["kernel"])
    yield f"Imports from WASI ({abi.WASI})", _names(imports["wasi"])
    yield f"Imports of host functions ({abi.USER})", _typed(imports["host_functions"])
    yield "Imports from other modules", _typed(imports["modules"])
    yield "Memories", [_memory(memory) for memory in found["memories"]]
    yield "Tables", [(table["type"], _imported(table)) for table in found["tables"]]
    yield "Start", [("code runs while it is instantiated",)] if found["start"] else []
    yield "Packages", [(_word(row["name"]), _shown(row["version"])) for row in found["packages"]]
    yield "Made with", list(_producers(found["producers"]))
    yield (
        "Custom sections",
        [
            (_word(section["name"]), f"{section['size']:,} bytes")
            for section in found["custom_sections"]
        ],
    )
    yield "Warnings", [(_shown(warning),) for warning in found["warnings"]]


def _needs(needs: Mapping[str, Any], runtime: Mapping[str, str] | None) -> Iterator[Row]:
    if runtime:
        package = _word(runtime["package"])
        yield f"runtime {_word(runtime['name'])}", f"supplied where it is; it is in {package}"
    if needs["wasi"]:
        yield "WASI", "--wasi, wasi=True"
    for name in needs["host_functions"]:
        yield f"host function {_word(name)}", "functions=[...]"
    for name in needs["modules"]:
        yield f"module {_word(name)}", f"--link {_word(name)}=FILE, or functions=[...]"


def _names(items: Sequence[Mapping[str, str]]) -> list[Row]:
    """Return names in lines of readable length."""
    lines: list[Row] = []
    line = ""
    for word in (_word(item["name"]) for item in items):
        if line and len(line) + len(word) > 90:
            lines.append((f"{line},",))
            line = ""
        line = f"{line}, {word}" if line else word
    return [*lines, (line,)] if line else lines


def _typed(items: Sequence[Mapping[str, str]]) -> list[Row]:
    return [(_word(item["module"]), _word(item["name"]), item["type"]) for item in items]


def _memory(memory: Mapping[str, Any]) -> Row:
    size = memory["min"] * memory["page_size"] / 1024
    return (
        f"{_pages(memory['min'])} ({size:,.0f} KiB)",
        "no maximum" if memory["max"] is None else f"at most {_pages(memory['max'])}",
        "shared" if "shared" in memory["type"] else "",
        _imported(memory),
    )


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count:,} pages"


def _imported(item: Mapping[str, Any]) -> str:
    return "imported" if item["imported"] else ""


def _producers(fields: Mapping[str, Mapping[str, str]]) -> Iterator[Row]:
    for field, tools in fields.items():
        for tool, version in tools.items():
            yield _word(field), _shown(f"{tool} {version}".rstrip())


def _word(name: str) -> str:
    """Return a name as it is where that is safe and clear, else in quotes."""
    shown = quoted(name)
    is_plain = name and shown == f'"{name}"' and not any(map(str.isspace, name))
    return name if is_plain else shown


def _shown(text: str) -> str:
    return quoted(text)[1:-1]


def _heading(text: str) -> str:
    in_colour = sys.stdout is not None and is_colourful(sys.stdout)
    return click.style(text, bold=True) if in_colour else text


def _columns(rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
