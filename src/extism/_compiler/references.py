"""
The imports of a source file, as its syntax tree shows them: which modules, from where, and how much they are needed.

Imports in functions count as others do, since a function is called sometime. Literal `import_module("a.b")` counts;
what is put together at run time cannot be seen. What the guest never comes to is left out (`conditions.py`).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from extism._compiler import conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Reference", "references"]


@dataclass(frozen=True, slots=True)
class Reference:
    """
    One import statement, reduced to what names files.

    Attributes:
        module: The dotted name after `import` or `from`, "" for `from . import x`.
        level: How many dots stand before it.
        names: What is taken from it: each may be a submodule. `*` may be all of them.
        line: Where it stands.
        is_optional: Whether the file goes on without it: it stands in a `try` that catches ImportError.
        is_deferred: Whether it stands in a function, and waits for a call.
    """

    module: str
    level: int = 0
    names: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)
    is_optional: bool = field(default=False, compare=False)
    is_deferred: bool = field(default=False, compare=False)


def references(tree: ast.Module) -> tuple[Reference, ...]:
    """Return the imports of a file, each once, in the order of the text."""
    return _strictest(_references(tree))


def _strictest(references: Iterable[Reference]) -> tuple[Reference, ...]:
    """Return each import once, as the first place says it that needs it most."""
    best: dict[Reference, Reference] = {}
    for row in references:
        known = best.get(row)
        if known is None or (row.is_optional, row.is_deferred) < (
            known.is_optional,
            known.is_deferred,
        ):
            best[row] = row
    return tuple(best.values())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file a node stands: what that means for the imports there."""

    is_optional: bool = False
    is_deferred: bool = False


def _references(tree: ast.Module) -> Iterator[Reference]:
    """Give the imports of a file, in the order of the text, without those that the guest never comes to."""
    ahead: list[tuple[ast.AST, _Place]] = [(tree, _Place())]
    while ahead:
        node, place = ahead.pop()
        for module, level, names in _imported(node):
            line = getattr(node, "lineno", 0)
            yield Reference(module, level, names, line, place.is_optional, place.is_deferred)
        ahead += reversed(list(_below(node, place)))


def _imported(node: ast.AST) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Give what one node imports: module, level, names."""
    match node:
        case ast.Import(names=names):
            yield from ((alias.name, 0, ()) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            yield module or "", level, tuple(alias.name for alias in names)
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            module = name.lstrip(".")
            if len(name) == len(module) or _is_from_here(node):
                yield module, len(name) - len(module), ()


def _is_from_here(call: ast.Call) -> bool:
    """Tell whether `import_module(".x", package)` begins at the package of the file."""
    packages = [*call.args[1:], *(each.value for each in call.keywords if each.arg == "package")]
    return [getattr(package, "id", "") for package in packages] in (["__package__"], ["__name__"])


def _below(node: ast.AST, place: _Place) -> Iterator[tuple[ast.AST, _Place]]:
    """Give what stands below a node, and what that place means."""
    match node:
        case ast.If():
            truth = conditions.holds(node.test)
            nodes = [node.test, *(node.body if truth is not False else [])]
            yield from ((each, place) for each in nodes)
            yield from ((each, place) for each in node.orelse if truth is not True)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            inner = replace(place, is_deferred=True)
            yield from ((each, inner) for each in ast.iter_child_nodes(node))
        case ast.Try() if any(_forgives(handler.type) for handler in node.handlers):
            optional = replace(place, is_optional=True)
            yield from ((each, optional) for each in (*node.body, *node.handlers))
            yield from ((each, place) for each in (*node.orelse, *node.finalbody))
        case ast.With() if any(_is_suppress(item.context_expr) for item in node.items):
            optional = replace(place, is_optional=True)
            yield from ((each, optional) for each in node.body)
        case _:
            yield from ((each, place) for each in ast.iter_child_nodes(node))


_FORGIVING: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def _forgives(caught: ast.expr | None) -> bool:
    """Tell whether an `except` with this expression catches a failed import."""
    match caught:
        case None:
            return True
        case ast.Tuple(elts=items):
            return any(map(_forgives, items))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _FORGIVING
    return False


def _is_suppress(expression: ast.expr) -> bool:
    match expression:
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=items):
            return any(map(_forgives, items))
    return False
