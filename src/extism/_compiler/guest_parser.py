"""
A parser for another Python: reads a source file, answers with its syntax tree as JSON.

Runs inside the guest interpreter, as its text (`syntax.py` sends it there and reads the answer), so it
imports the standard library alone. Nothing of the source is run.
"""

from __future__ import annotations

import ast
import json
from typing import Any

__all__ = ["ANSWER", "QUESTION", "answer", "complaint", "listed"]

QUESTION = "question.py"
ANSWER = "answer.json"

LARGEST = 1 << 31
"""Numbers in a syntax tree that mean something are small; literals of the source may be of any size."""


def answer(folder: str) -> None:
    """Parse the question in the folder and leave the answer there."""
    with open(f"{folder}/{QUESTION}", "rb") as file:  # noqa: PTH123  pathlib is not loaded in the guest
        text = file.read()
    try:
        said: dict[str, Any] = {"nodes": listed(ast.parse(text))}
    except SyntaxError as error:
        said = {"complaint": complaint(error)}
    except (ValueError, RecursionError, MemoryError) as error:
        message = str(error) or "nested too deeply"
        kind = type(error).__name__
        said = {"complaint": {"kind": kind, "message": message, "line": 0, "column": 0, "text": ""}}
    with open(f"{folder}/{ANSWER}", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(said, file)


def complaint(error: SyntaxError) -> dict[str, Any]:
    """Return what a parser says: its kind of error, the message, line, column and text of the place."""
    return {
        "kind": type(error).__name__,
        "message": error.msg,
        "line": error.lineno or 0,
        "column": error.offset or 1,
        "text": error.text or "",
    }


def listed(tree: ast.Module) -> list[list[Any]]:
    """
    Return the nodes of a tree, the tree itself first, as `[type, line, fields]`.

    A field that is a node is `{"node": its place in the list}`, whatever the depth of the tree; a literal that
    is no text, boolean, small number or None is None.
    """
    nodes: list[ast.AST] = [tree]
    rows = []
    for node in nodes:  # it grows meanwhile
        fields = {
            name: [_plain(item, nodes) for item in value]
            if isinstance(value, list)
            else _plain(value, nodes)
            for name, value in ast.iter_fields(node)
        }
        rows.append([type(node).__name__, getattr(node, "lineno", 0), fields])
    return rows


def _plain(value: object, nodes: list[ast.AST]) -> Any:
    if isinstance(value, ast.AST):
        nodes.append(value)
        return {"node": len(nodes) - 1}
    if isinstance(value, int) and not -LARGEST < value < LARGEST:
        return None
    return value if isinstance(value, (str, int)) else None
