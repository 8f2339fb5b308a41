"""What the source says about public names: where each is defined, how it is called, its docstring."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Definition",
    "definitions",
    "docstring",
    "fields",
    "is_property",
    "line",
    "members",
    "origins",
    "own",
    "signature",
]

ROOT = Path(__file__).parents[2] / "src"

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = ast.ClassDef | Function | ast.AnnAssign

_WIDTH = 92


@cache
def tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _shown(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body as a type checker sees them."""
    for node in body:
        is_for_checkers = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        yield from _shown(node.body) if is_for_checkers else [node]


@cache
def origins(package: str) -> dict[str, str]:
    """The module that defines each public name of a package, as its `__init__` imports them."""
    found: dict[str, str] = {}
    for node in _shown(tree(package).body):
        if isinstance(node, ast.ImportFrom):
            start = package if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            found |= {each.name: module for each in node.names}
    return {name: found.get(name, package) for name in own(package)}


def own(module: str) -> list[str]:
    """The names in `__all__`."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no __all__")


def definitions(module: str, name: str) -> list[Definition]:
    """The class, constant or function of that name; a function with its overloads before it."""
    return [node for node in _shown(tree(module).body) if _name(node) == name]  # type: ignore[misc]


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.ClassDef | Function):
        return node.name
    return ast.unparse(node.target) if isinstance(node, ast.AnnAssign) else ""


def line(module: str, name: str) -> int:
    """Where in its module a name is defined, so that names can stand in the order of the source."""
    found = definitions(module, name)
    return found[0].lineno if found else 0


def docstring(module: str, node: Definition) -> str:
    """Its docstring; a constant's is the text below it."""
    if not isinstance(node, ast.AnnAssign):
        return ast.get_docstring(node) or ""
    body = tree(module).body
    after = body[body.index(node) + 1]
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        return str(after.value.value).strip()
    return ""


def members(module: str, node: ast.ClassDef) -> list[list[Function]]:
    """The public methods and properties of a class, those of its bases first, each behind its overloads."""
    found: dict[str, list[Function]] = {}
    for each in [*_inherited(module, node), *_shown(node.body)]:
        if isinstance(each, Function) and not each.name.startswith("_"):
            found.setdefault(each.name, []).append(each)
    return list(found.values())


def _inherited(module: str, node: ast.ClassDef) -> Iterator[ast.stmt]:
    """What stands in the bases of a class that come from other modules of the house."""
    for line_ in tree(module).body:
        source = _source_of(line_, module) if isinstance(line_, ast.ImportFrom) else ""
        if isinstance(line_, ast.ImportFrom) and source.startswith("extism."):
            names = {each.name for each in line_.names} & {ast.unparse(base) for base in node.bases}
            for base in [each for name in names for each in definitions(source, name)]:
                yield from _shown(base.body) if isinstance(base, ast.ClassDef) else ()


def _source_of(statement: ast.ImportFrom, module: str) -> str:
    """The module that `from ... import` means, dots resolved."""
    is_package = ROOT.joinpath(*module.split(".")).is_dir()
    package = module if is_package else module.rpartition(".")[0]
    return resolve_name("." * statement.level + (statement.module or ""), package)


def fields(node: ast.ClassDef) -> list[ast.AnnAssign]:
    """The fields of a dataclass or named tuple."""
    return [
        each
        for each in node.body
        if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith("_")
    ]


def is_property(node: Function) -> bool:
    return any("property" in ast.unparse(each) for each in node.decorator_list)


def signature(name: str, nodes: list[Definition]) -> str:
    """How it is called: one line, or one line for each argument; of overloads, each of them."""
    node = nodes[-1]
    if isinstance(node, ast.AnnAssign):
        return f"{name}{_value(node)}"
    if isinstance(node, ast.ClassDef):
        return _constructor(name, node)
    if is_property(node):
        return f"{name}: {_returns(node)}"
    functions = [each for each in nodes if isinstance(each, Function)]
    shown = functions[:-1] or functions
    name = f"await {name}" if isinstance(node, ast.AsyncFunctionDef) else name
    return "\n\n".join(_called(name, _arguments(each.args), _returns(each)) for each in shown)


def _value(node: ast.AnnAssign) -> str:
    """A constant's type and value: a type that is none says nothing, nor does a value that is long."""
    kind = ast.unparse(node.annotation)
    shown = "" if kind in {"Final", "TypeAlias"} else f": {kind.removeprefix('Final')}"
    value = node.value
    if kind == "TypeAlias" and isinstance(value, ast.Constant):
        return f" = {value.value!s}"
    return f"{shown} = {ast.unparse(value)}" if value is not None else shown


def _constructor(name: str, node: ast.ClassDef) -> str:
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _called(name, _arguments(each.args), "")
    if any("Enum" in ast.unparse(base) for base in node.bases):
        values = [ast.unparse(each) for each in node.body if isinstance(each, ast.Assign)]
        return "\n".join(f"{name}.{value}" for value in values)
    return _called(name, [_argument(each) for each in fields(node)], "")


def _argument(field: ast.AnnAssign) -> str:
    """A field as an argument; a default that is made each time is shown as what makes it."""
    head = f"{ast.unparse(field.target)}: {ast.unparse(field.annotation)}"
    value = field.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        ((key, made),) = [(each.arg, ast.unparse(each.value)) for each in value.keywords]
        return f"{head} = {made}()" if key == "default_factory" else f"{head} = {made}"
    return head if value is None else f"{head} = {ast.unparse(value)}"


def _returns(node: Function) -> str:
    return ast.unparse(node.returns) if node.returns else ""


def _arguments(args: ast.arguments) -> list[str]:
    """Each argument as it is written, with the mark before keyword ones; no `self`, no mark behind positional ones."""
    plain = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(plain) - len(args.defaults)) + args.defaults
    parts = [_written(arg, default) for arg, default in zip(plain, defaults, strict=True)]
    if args.vararg:
        parts.append(f"*{_written(args.vararg, None)}")
    elif args.kwonlyargs:
        parts.append("*")
    parts += [
        _written(arg, default)
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    if args.kwarg:
        parts.append(f"**{_written(args.kwarg, None)}")
    return [part for part in parts if part not in {"self", "cls"}]


def _written(arg: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(arg.annotation)}" if arg.annotation else ""
    return f"{arg.arg}{kind}" + (f" = {ast.unparse(default)}" if default else "")


def _called(name: str, arguments: list[str], returns: str) -> str:
    arrow = f" -> {returns}" if returns else ""
    whole = f"{name}({', '.join(arguments)}){arrow}"
    if len(whole) <= _WIDTH:
        return whole
    return "\n".join([f"{name}(", *(f"    {each}," for each in arguments), f"){arrow}"])
