"""
What one source file says about the plug-in: exports, imports of the host, imports of other modules.

Reads the syntax tree (`syntax.py` makes it) and nothing else: no line of the author's code runs here. What the
tree cannot tell (a function that becomes an export by a call, or through a decorator of the author's own) is found
later, by comparing (`interface.py`). Which files are read is decided in `bundle.py`; how imports are found in the
tree, in `references.py`.

Decorators are known by what they are, not by how they are written: `import extism as x`, `from extism import
plugin_fn as export` and `export = extism.plugin_fn` are all followed.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from extism import abi
from extism._compiler.interface import RESERVED, Export, HostFunction, reserved
from extism._compiler.references import Reference, references
from extism._wasm.externs import FuncType
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from extism._compiler.syntax import Source
    from extism._wasm.externs import ValType

__all__ = ["LIBRARY", "ModuleFacts", "Reference", "analyze"]

LIBRARY: Final = "extism"
"""The guest library's name inside a plug-in."""

_EXPORTERS: Final = frozenset({"plugin_fn", "shared_fn"})
_DECORATORS: Final = _EXPORTERS | {"import_fn"}

NUMBERS: Final[dict[str, ValType]] = {"I32": "i32", "I64": "i64", "F32": "f32", "F64": "f64"}
"""The library's names for the types of WebAssembly."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """
    What a source file says.

    Attributes:
        exports: Top-level functions with `plugin_fn` or `shared_fn`, in order.
        hidden: Functions with one of them elsewhere: in a condition, a class, another function.
        imports: Declarations with `import_fn`, in order.
        references: Imports of other modules, wherever they stand.
        may_export_more: Whether the library is imported at all, so that running the file may show what is not seen
            here.
    """

    exports: tuple[Export, ...]
    hidden: tuple[Export, ...]
    imports: tuple[HostFunction, ...]
    references: tuple[Reference, ...]
    may_export_more: bool = False


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
        references(tree),
        bool(reader.modules or reader.functions),
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
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                self._learn_assigned(node.targets, node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._learn_assigned([node.target], node.value)

    def _learn_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.functions |= {name: name for name in _DECORATORS | set(NUMBERS)}
            else:
                self.functions[alias.asname or alias.name] = alias.name

    def _learn_assigned(self, targets: list[ast.expr], value: ast.expr) -> None:
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if isinstance(value, ast.Name) and value.id in self.modules:
            self.modules |= set(names)
        elif known := self.known(value):
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
            name = self.known(called or decorator)
            if name in _EXPORTERS:
                if called:
                    raise self._fault(f"extism.{name} takes no arguments", decorator)
                self._read_export(name, node, is_top=is_top)
                if is_top and place == len(node.decorator_list) - 1:
                    self._check_parameters(name, node)
            elif name == "import_fn":
                self._read_import(node, decorator)

    def _read_export(
        self, decorator: str, node: FunctionNode | ast.ClassDef, *, is_top: bool
    ) -> None:
        if isinstance(node, ast.ClassDef):
            raise self._fault(f"{decorator} expects a plain function, {node.name} is a class", node)
        if is_top and node.name in RESERVED:
            raise self._fault(reserved(node.name), node)
        rows = self.exports if is_top else self.hidden
        rows.append(Export(node.name, self.source.path, node.lineno))

    def _check_parameters(self, decorator: str, node: FunctionNode | ast.ClassDef) -> None:
        if isinstance(node, ast.ClassDef):
            return
        if any_number := _any_number(node.args):
            kind = "plug-in" if decorator == "plugin_fn" else "shared"
            raise self._fault(
                f"a {kind} function has a fixed number of parameters, {node.name} takes any number "
                f"({any_number})",
                node,
                hint=f"take them as one, such as {_as_one(any_number)}",
            )
        if decorator == "plugin_fn" and (bare := _bare_parameter(node.args)):
            raise self._fault(
                f"plugin_fn expects a function with no arguments, {node.name} should have no arguments",
                node,
                hint=f"or say what {bare} is, such as {bare}: str: then it is read from the input",
            )

    def _read_import(self, node: FunctionNode | ast.ClassDef, decorator: ast.expr) -> None:
        pair = _literal_pair(decorator)
        if pair is None:
            raise self._fault(
                "Invalid import, import_fn must include a module name and function name",
                decorator,
                hint='write both as literal strings: @extism.import_fn("extism:host/user", "name")',
            )
        if isinstance(node, ast.ClassDef):
            raise self._fault(f"import_fn expects a plain function, {node.name} is not one", node)
        if pair[0] in {abi.ENV, abi.WASI}:
            raise self._fault(
                f"import_fn cannot take functions of {pair[0]}: the library uses them for you", node
            )
        type_ = FuncType(self._parameters(node), self._results(node.returns))
        self.imports.append(HostFunction(*pair, type_, self.source.path, node.lineno))

    def _parameters(self, node: FunctionNode) -> tuple[ValType, ...]:
        arguments = node.args
        if any_number := _any_number(arguments):
            raise self._fault(
                f"a host function has a fixed number of parameters, {node.name} takes any number "
                f"({any_number})",
                node,
                hint="declare those that it has",
            )
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        return tuple(self._type(each.annotation) for each in every)

    def _results(self, returns: ast.expr | None) -> tuple[ValType, ...]:
        match _unquoted(returns):
            case None | ast.Constant(value=None):
                return ()
            case ast.Subscript(
                value=ast.Name(id="tuple" | "Tuple"), slice=ast.Tuple(elts=items)
            ) if not any(isinstance(item, ast.Constant) and item.value is ... for item in items):
                return tuple(self._type(item) for item in items)
            case single:
                return (self._type(single),)

    def _type(self, annotation: ast.expr | None) -> ValType:
        """Return the type that an annotation seems to mean; what it does mean is known when it has run."""
        match _unquoted(annotation):
            case ast.Name(id="float"):
                return "f64"
            case ast.Subscript(
                value=ast.Name(id="Annotated") | ast.Attribute(attr="Annotated"),
                slice=ast.Tuple(elts=[plain, *marks]),
            ):
                known = [NUMBERS[name] for each in marks if (name := self.known(each)) in NUMBERS]
                return known[0] if known else self._type(plain)
            case None:
                return "i64"
            case other:
                return NUMBERS.get(self.known(other), "i64")

    def _fault(
        self, message: str, node: ast.expr | FunctionNode | ast.ClassDef, *, hint: str = ""
    ) -> BuildError:
        path, line = self.source.path, node.lineno
        return BuildError(f"{path}:{line}: {message}", path=path, line=line, hint=hint)


def _is_of_library(node: ast.ImportFrom) -> bool:
    return not node.level and (node.module or "").split(".")[0] == LIBRARY


def _bare_parameter(arguments: ast.arguments) -> str:
    """Return the name of a parameter of which nobody knows what it is; a default would be all that it ever holds."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return next((each.arg for each in every if each.annotation is None), "")


def _any_number(arguments: ast.arguments) -> str:
    """Return `*args` or `**kwargs` as it is called here, "" where there is none."""
    if arguments.vararg:
        return f"*{arguments.vararg.arg}"
    return f"**{arguments.kwarg.arg}" if arguments.kwarg else ""


def _as_one(any_number: str) -> str:
    """Return one parameter in the place of `*args` or `**kwargs`."""
    kind = "dict[str, str]" if any_number.startswith("**") else "list[str]"
    return f"{any_number.lstrip('*')}: {kind}"


def _unquoted(annotation: ast.expr | None) -> ast.expr | None:
    """Return what a quoted annotation says."""
    match annotation:
        case ast.Constant(value=str(text)):
            try:
                return ast.parse(text, mode="eval").body
            except SyntaxError:
                return annotation
    return annotation


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
