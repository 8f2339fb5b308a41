"""
Bytes of a source file to a syntax tree, in the grammar of the guest's Python.

This process's own parser is asked first. Where it is older than the guest's and refuses, the guest's parser has
the word (`guest_parser.py`, run inside the interpreter): so `extism-py` under Python 3.11 compiles what Python
3.13 can read. Parsing runs no line of the author's code.
"""

from __future__ import annotations

import ast
import json
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from extism._compiler import guest_parser, preinit
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from extism._engine.cache import ModuleCache

__all__ = ["GUEST_VERSION", "Source", "parse", "parse_in_guest"]

GUEST_VERSION: Final = (3, 13)
"""The Python that plug-ins run."""


@dataclass(frozen=True, slots=True)
class Source:
    """
    A file of the plug-in.

    Attributes:
        path: As the author would write it on the command line, for messages.
        text: Its bytes; Python itself finds out the encoding.
    """

    path: str
    text: bytes


def parse(source: Source, ask_guest: Callable[[Source], ast.Module] | None = None) -> ast.Module:
    """
    Return the syntax tree of a file.

    Args:
        source: The file.
        ask_guest: `parse_in_guest` with an interpreter; asked where this Python knows less than the guest's.

    Raises:
        BuildError: It is not Python; the text shows the line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are the guest compiler's to give
            return ast.parse(source.text, source.path)
    except SyntaxError as error:
        if ask_guest is not None and sys.version_info < GUEST_VERSION:
            return ask_guest(source)
        raise _fault(source, guest_parser.complaint(error)) from None
    except ValueError as error:  # a null byte, before Python 3.12
        raise BuildError(f"{source.path}: {error}", path=source.path) from None
    except (RecursionError, MemoryError):
        message = f"{source.path}: its expressions are nested too deeply"
        raise BuildError(message, path=source.path) from None


def parse_in_guest(source: Source, base: bytes, cache: ModuleCache) -> ast.Module:
    """
    Return the syntax tree of a file as the guest's parser makes it.

    Args:
        source: The file.
        base: The interpreter's base image.
        cache: Where its native code is kept.

    Raises:
        BuildError: It is not Python; the text shows the line.
    """
    with tempfile.TemporaryDirectory(prefix="extism-") as folder:
        app = Path(folder)
        program = f"{Path(guest_parser.__file__).read_text(encoding='utf-8')}\nanswer('/app')\n"
        main = {"name": "extism_syntax", "file": "extism_syntax.py"}
        (app / "src").mkdir()
        (app / "src" / main["file"]).write_text(program, encoding="utf-8")
        (app / "bundle.json").write_text(json.dumps({"main": main}), encoding="utf-8")
        (app / guest_parser.QUESTION).write_bytes(source.text)
        preinit.load(base, app, cache)
        answer = json.loads((app / guest_parser.ANSWER).read_text(encoding="utf-8"))
    if "complaint" in answer:
        raise _fault(source, answer["complaint"])
    return _tree(answer["nodes"])


def _tree(rows: list[list[Any]]) -> ast.Module:
    """Return the tree whose nodes are listed with their type, line and fields (`guest_parser.listed`)."""
    nodes = [_node(kind, fields) for kind, _, fields in rows]
    for node, (_, line, fields) in zip(nodes, rows, strict=True):
        node.lineno = line  # type: ignore[attr-defined, unused-ignore]
        for name, value in fields.items():
            is_list = isinstance(value, list)
            filled = [_value(item, nodes) for item in value] if is_list else _value(value, nodes)
            setattr(node, name, filled)
    module = nodes[0]
    assert isinstance(module, ast.Module)
    return module


def _node(kind: str, fields: dict[str, Any]) -> ast.AST:
    known: type[ast.AST] | None = getattr(ast, kind, None)
    if known is None:  # newer than this Python: walked through, never looked at
        known = type(kind, (ast.AST,), {"_fields": tuple(fields)})
    return known.__new__(known)


def _value(value: Any, nodes: list[ast.AST]) -> Any:
    return nodes[value["node"]] if isinstance(value, dict) else value


def _fault(source: Source, complaint: dict[str, Any]) -> BuildError:
    """Return the error for what a parser complains about, with the line and a caret as Python shows it."""
    line, path = complaint["line"], source.path
    where = f"{path}:{line}" if line else path
    picture = ""
    if complaint["text"]:
        text = complaint["text"].rstrip("\n").expandtabs(1)
        indent = len(text) - len(text.lstrip())
        caret = max(complaint["column"] - 1 - indent, 0)
        picture = f"\n    {text.strip()}\n    {' ' * caret}^"
    return BuildError(
        f"{where}: {complaint['kind']}: {complaint['message']}{picture}", path=path, line=line
    )
