"""The reference of the command line: the help that the commands print, and what their exit codes mean."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import click

from extism._cli import compile as compile_command
from extism._cli import failures
from extism._cli.main import cli
from extism._compiler.interpreter.sources import BZIP2, PYTHON, SQLITE, XZ, ZLIB

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["commands", "exit_codes", "sources"]

_EXAMPLES = re.compile(r"\n?(\w[\w ]+):\n((?:  .+\n?)+)")


def commands() -> str:
    """Every command: how it is used, its options, its examples."""
    return "\n\n".join(
        part
        for top in (cli, compile_command.compile_file)
        for context in _contexts(top, None)
        for part in _page(context)
    )


def _contexts(command: click.Command, parent: click.Context | None) -> Iterator[click.Context]:
    settings = command.context_settings
    context = click.Context(command, info_name=command.name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            yield from _contexts(child, context)


def _page(context: click.Context) -> Iterator[str]:
    command = context.command
    assert command.help, f"{context.command_path} has no help"
    yield f"## {context.command_path}"
    yield f"`{' '.join([context.command_path, *command.collect_usage_pieces(context)])}`"
    yield inspect.cleandoc(command.help)
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    yield "\n".join(["| option | meaning |", "|---|---|", *map(_row, options)])
    for title, lines in _EXAMPLES.findall((command.epilog or "").replace("\b\n", "")):
        yield f"{title}:\n\n```text\n{inspect.cleandoc(lines)}\n```"


def _row(option: click.Option) -> str:
    assert option.help, f"{option.name} has no help"
    names = ", ".join(f"`{name}`" for name in option.opts)
    taken = f" `{_metavar(option)}`" if not option.is_flag else ""
    default = f" By default {option.default}." if option.show_default else ""
    return f"| {names}{taken} | {option.help}{default} |"


def _metavar(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return " or ".join(option.type.choices)
    assert option.metavar, f"{option.name} has no metavar"
    return option.metavar


def exit_codes() -> str:
    """The table in the docstring of `failures.py`, and 0."""
    rows = re.findall(r"^(\d+) +(.+)$", inspect.getdoc(failures) or "", re.MULTILINE)
    assert rows, "failures.py lists no exit codes"
    lines = [f"| {code} | {meaning} |" for code, meaning in [("0", "it worked"), *rows]]
    return "\n".join(["| code | meaning |", "|---|---|", *lines])


def sources() -> str:
    """The archives that the guest interpreter is built from; one of each project is enough."""
    rows = [
        f"| {source.name} {source.version} | `{archive.file}` | `{archive.sha256}` |"
        for source in (PYTHON, ZLIB, BZIP2, XZ, SQLITE)
        for archive in source.archives
    ]
    return "\n".join(["| source | file | SHA-256 |", "|---|---|---|", *rows])
