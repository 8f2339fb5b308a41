"""
What one source file says about the plug-in: exports, imports of the host, imports of other modules.

Reads the syntax tree (`syntax.py` makes it) and nothing else: no line of the author's code runs here. What the
tree cannot tell (a function that becomes an export while the module runs) is found later, by comparing
(`interface.py`). Which files are read is decided in `bundle.py`.

Decorators are known by what they are, not by how they are written: `import extism as x`, `from extism import
plugin_fn as export` and `export = extism.plugin_fn` are all followed.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from extism import abi
from extism._compiler.interface import RESERVED, Export, HostFunction
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from extism._compiler.syntax import Source

__all__ = ["LIBRARY", "ModuleFacts", "Reference", "analyze"]

LIBRARY: Final = "extism"
"""The guest library's name inside a plug-in."""

MAX_PARAMETERS: Final = 5
"""Of a host function: what the interpreter's call through the table carries (`call_slot`)."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Reference:
    """
    One import statement, reduced to what names files.

    Attributes:
        module: The dotted name after `import` or `from`, "" for `from . import x`.
        level: How many dots stand before it.
        names: What is taken from it: each may be a submodule. `*` may be all of them.
    """

    module: str
    level: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """
    What a source file says.

    Attributes:
        exports: Top-level functions with `plugin_fn`, in order.
        hidden: Functions with `plugin_fn` elsewhere: in a condition, a class, another function.
        imports: Declarations with `import_fn`, in order.
        references: Imports of other modules, wherever they stand.
    """

    exports: tuple[Export, ...]
    hidden: tuple[Export, ...]
    imports: tuple[HostFunction, ...]
    references: tuple[Reference, ...]


def analyze(source: Source, tree: ast.Module) -> ModuleFacts:
    """
    Return what a source file says about the plug-in.

    Args:
        source: The file, for messages.
        tree: Its syntax tree.

    Raises:
        BuildError: A decorator of the library is used in a way that cannot work.
    """
    reader = _Reader(source)
    reader.learn_names(tree)
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            reader.read_decorators(node, is_top=id(node) in top)
    return ModuleFacts(
        _in_order(reader.exports),
        _in_order(reader.hidden),
        tuple(sorted(reader.imports, key=lambda row: row.line)),
        tuple(dict.fromkeys(_references(tree))),
    )


def _in_order(exports: Iterable[Export]) -> tuple[Export, ...]:
    return tuple(sorted(exports, key=lambda row: row.line))


@dataclass
class _Reader:
    """Reads the decorators of one file, once it knows under which names the library goes there."""

    source: Source
    modules: set[str] = field(default_factory=set)  # names bound to the library
    functions: dict[str, str] = field(default_factory=dict)  # name here -> name in the library
    exports: list[Export] = field(default_factory=list)
    hidden: list[Export] = field(default_factory=list)
    imports: list[HostFunction] = field(default_factory=list)

    def learn_names(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name == LIBRARY or (
                        alias.name.startswith(f"{LIBRARY}.") and not alias.asname
                    ):
                        self.modules.add(alias.asname or LIBRARY)
            elif isinstance(node, ast.ImportFrom) and _is_of_library(node):
                self._learn_from(node)
        for node in tree.body:
            if isinstance(node, ast.Assign):
                self._learn_assigned(node)

    def _learn_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.functions |= {"plugin_fn": "plugin_fn", "import_fn": "import_fn"}
            else:
                self.functions[alias.asname or alias.name] = alias.name

    def _learn_assigned(self, node: ast.Assign) -> None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            self.modules |= set(names)
        elif known := self.known(node.value):
            self.functions |= dict.fromkeys(names, known)

    def known(self, node: ast.expr) -> str:
        """Return the library's name for what an expression means, "" where it means something else."""
        if isinstance(node, ast.Name):
            return self.functions.get(node.id, "")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr if node.value.id in self.modules else ""
        return ""

    def read_decorators(self, node: FunctionNode | ast.ClassDef, *, is_top: bool) -> None:
        for place, decorator in enumerate(node.decorator_list):
            called = decorator.func if isinstance(decorator, ast.Call) else None
            match self.known(called or decorator):
                case "plugin_fn":
                    if called:
                        raise self._fault("extism.plugin_fn takes no arguments", decorator)
                    is_innermost = place == len(node.decorator_list) - 1
                    self._read_export(node, is_top=is_top, is_innermost=is_innermost)
                case "import_fn":
                    self._read_import(node, decorator)

    def _read_export(
        self, node: FunctionNode | ast.ClassDef, *, is_top: bool, is_innermost: bool
    ) -> None:
        if not isinstance(node, ast.FunctionDef):
            kind = "a class" if isinstance(node, ast.ClassDef) else "async"
            raise self._fault(f"plugin_fn expects a plain function, {node.name} is {kind}", node)
        if is_top and is_innermost and _required_arguments(node.args):
            raise self._fault(
                f"plugin_fn expects a function with no arguments, {node.name} should have no arguments",
                node,
            )
        if is_top and node.name in RESERVED:
            raise self._fault(
                f"a plug-in function cannot be called {node.name}: {RESERVED[node.name]}", node
            )
        rows = self.exports if is_top else self.hidden
        rows.append(Export(node.name, self.source.path, node.lineno))

    def _read_import(self, node: FunctionNode | ast.ClassDef, decorator: ast.expr) -> None:
        pair = _literal_pair(decorator)
        if pair is None:
            raise self._fault(
                "Invalid import, import_fn must include a module name and function name",
                decorator,
                hint='write both as literal strings: @extism.import_fn("extism:host/user", "name")',
            )
        if not isinstance(node, ast.FunctionDef):
            raise self._fault(f"import_fn expects a plain function, {node.name} is not one", node)
        if pair[0] in {abi.ENV, abi.WASI}:
            raise self._fault(
                f"import_fn cannot take functions of {pair[0]}: the library uses them for you", node
            )
        count = self._param_count(node)
        has_result = not (node.returns is None or _is_none(node.returns))
        self.imports.append(HostFunction(*pair, count, has_result, self.source.path, node.lineno))

    def _param_count(self, node: ast.FunctionDef) -> int:
        arguments = node.args
        if arguments.vararg or arguments.kwonlyargs or arguments.kwarg:
            raise self._fault(
                f"a host function has plain parameters only, {node.name} has others", node
            )
        count = len(arguments.posonlyargs) + len(arguments.args)
        if count > MAX_PARAMETERS:
            raise self._fault(
                f"Host functions with more than {MAX_PARAMETERS} parameters are not supported: "
                f"{node.name} has {count}",
                node,
            )
        return count

    def _fault(
        self, message: str, node: ast.expr | FunctionNode | ast.ClassDef, *, hint: str = ""
    ) -> BuildError:
        path, line = self.source.path, node.lineno
        return BuildError(f"{path}:{line}: {message}", path=path, line=line, hint=hint)


def _is_of_library(node: ast.ImportFrom) -> bool:
    return not node.level and (node.module or "").split(".")[0] == LIBRARY


def _required_arguments(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional > len(arguments.defaults) or None in arguments.kw_defaults


def _literal_pair(decorator: ast.expr) -> tuple[str, str] | None:
    """Return the two strings of `import_fn(module, name)`, None where it is written otherwise."""
    if not isinstance(decorator, ast.Call):
        return None
    given: dict[str | None, ast.expr] = dict(zip(("module", "name"), decorator.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in decorator.keywords}
    if set(given) != {"module", "name"} or len(decorator.args) + len(decorator.keywords) != 2:
        return None
    values = [given[key] for key in ("module", "name")]
    literals = [node.value for node in values if isinstance(node, ast.Constant)]
    match literals:
        case [str(module), str(name)]:
            return module, name
    return None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, "None")


def _references(tree: ast.Module) -> Iterator[Reference]:
    for node in _run_time_nodes(tree):
        match node:
            case ast.Import(names=names):
                yield from (Reference(alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                yield Reference(module or "", level, tuple(alias.name for alias in names))
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ) if not name.startswith("."):
                yield Reference(name)


def _run_time_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Walk the tree, in the order of the text, without what only a type checker reads."""
    ahead: list[ast.AST] = [tree]
    while ahead:
        node = ahead.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            ahead += reversed(node.orelse)
        else:
            ahead += reversed(list(ast.iter_child_nodes(node)))


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
