"""
Which Python files travel with a plug-in: those that its imports reach, and the rest of their packages.

Files are looked for as Python does: first in the folder of the plug-in's own file, then in the folders of
PYTHONPATH. What the guest's standard library has is taken from there; what is found nowhere is left to the
guest, whose error has a traceback. What a file says is read in `analyze.py`; how the bundle reaches the
interpreter is in `preinit.py`.

Imports whose names are made at run time cannot be seen. So a package that is reached comes whole, without its
tests; the files that no import statement reaches are carried, not read.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, replace
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism._compiler import analyze
from extism._compiler.syntax import Source, parse
from extism.errors import BuildError

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from extism._compiler.interface import Interface

__all__ = ["Bundle", "Module", "bundle"]

MAIN: Final = "extism_plugin"
"""What the plug-in's own module is called where its file's name will not do."""

_ABSENT: Final = frozenset(
    (  # noqa: SIM905  as a list it would be thirty lines
        "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib "
        "nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib "  # gone in 3.12, 3.13
        "annotationlib compression"  # new in 3.14
    ).split()
)
"""In the standard library of a Python that may run this, not in that of the guest."""

_STDLIB: Final = sys.stdlib_module_names - _ABSENT
_TESTS: Final = frozenset({"test", "tests"})


@dataclass(frozen=True, slots=True)
class Module:
    """
    A source file under its name in the plug-in.

    Attributes:
        name: Dotted.
        file: Relative to the folder where it was found, with `/`: what tracebacks show.
        path: Where it was found, as the author would write it.
        is_package: Whether it is an `__init__.py`.
        source: Its bytes.
    """

    name: str
    file: str
    path: str
    is_package: bool
    source: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """
    All source files of a plug-in.

    Attributes:
        main: The plug-in's own file; it is in `modules` too.
        modules: By name, sorted.
        facts: What each file says that an import statement reaches, the main one first.
    """

    main: Module
    modules: tuple[Module, ...]
    facts: tuple[analyze.ModuleFacts, ...]

    def files(self, interface: Interface, first_slot: int) -> dict[str, bytes]:
        """
        Return what the interpreter is shown, by path relative to its folder.

        Layout:
            `bundle.json`: main, modules, imports (`[module, name, parameters, results]` in
                slot order), exports, first_slot.
            `src/FILE`: the bytes of each module.
        """
        description = {
            "main": {"name": self.main.name, "file": self.main.file},
            "modules": {
                module.name: {"file": module.file, "package": module.is_package}
                for module in self.modules
            },
            "data": {},
            "imports": [
                [row.module, row.name, row.type.params, row.type.results]
                for row in interface.imports
            ],
            "exports": [row.name for row in interface.exports],
            "first_slot": first_slot,
        }
        files = {"bundle.json": json.dumps(description, sort_keys=True).encode()}
        return files | {f"src/{module.file}": module.source for module in self.modules}


def bundle(
    path: Path, search: Iterable[Path] = (), parse: Callable[[Source], ast.Module] = parse
) -> Bundle:
    """
    Return the plug-in whose own file is `path`, with every module that it reaches.

    Args:
        path: The file that the author names.
        search: Folders to look in after the file's own, as PYTHONPATH; missing ones are passed over.
        parse: Gives the syntax tree of a file.

    Raises:
        BuildError: A file cannot be read, the main one is not Python, or a decorator is misused.
    """
    collector = _Collector(path, [folder for folder in search if folder.is_dir()], parse)
    collector.collect()
    modules = tuple(collector.modules[name] for name in sorted(collector.modules))
    return Bundle(collector.main, modules, tuple(collector.facts))


class _Collector:
    """Follows the imports from the main file, one module after the other."""

    def __init__(
        self, path: Path, search: Sequence[Path], parse: Callable[[Source], ast.Module]
    ) -> None:
        self.parse = parse
        self.folder = path.parent
        self.roots = [self.folder, *search]
        self.main = replace(_read(MAIN, path, self.folder), name=self._main_name(path))
        self.modules = {self.main.name: self.main}
        self.facts: list[analyze.ModuleFacts] = []
        self.ahead = [self.main]

    def _main_name(self, path: Path) -> str:
        name = re.sub(r"\W", "_", path.stem)
        is_taken = name in _STDLIB or name.startswith("__") or name == analyze.LIBRARY
        if is_taken or not name.isidentifier() or iskeyword(name):
            return MAIN
        other = self._find(name)
        return MAIN if other and other.path != str(path) else name

    def collect(self) -> None:
        """Fill `modules` and `facts`."""
        while self.ahead:
            module = self.ahead.pop(0)
            facts = self._facts(module)
            self.facts.append(facts)
            for reference in facts.references:
                for name in self._names(module, reference):
                    self._take(name, module)
        for name in sorted(
            {name.split(".", maxsplit=1)[0] for name in self.modules} - {self.main.name}
        ):
            self._carry_rest(name)

    def _facts(self, module: Module) -> analyze.ModuleFacts:
        source = Source(module.path, module.source)
        try:
            tree = self.parse(source)
        except BuildError:
            if module is self.main:
                raise
            # A file that is never run may be broken; if this one is, the guest says so, with a traceback.
            return analyze.ModuleFacts((), (), (), ())
        return analyze.analyze(source, tree)

    def _names(self, module: Module, reference: analyze.Reference) -> Iterator[str]:
        """Give every name that an import statement may load, packages before what is in them."""
        target = _absolute(module, reference)
        if not target:
            return
        parts = target.split(".")
        yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
        for name in reference.names:
            if name == "*":
                yield from (f"{target}.{child}" for child in self._children(target))
            else:
                yield f"{target}.{name}"

    def _children(self, package: str) -> list[str]:
        """Return the names of the modules directly in a package."""
        found: set[str] = set()
        for folder in self._folders(package):
            found |= {path.stem for path in folder.glob("*.py")} - {"__init__"}
        return sorted(name for name in found if name.isidentifier())

    def _take(self, name: str, by: Module) -> None:
        top = name.split(".", maxsplit=1)[0]
        if name in self.modules or top == analyze.LIBRARY:
            return
        if top in _STDLIB:
            self._check_shadow(name, by)
            return
        if module := self._find(name):
            self.modules[name] = module
            self.ahead.append(module)

    def _check_shadow(self, name: str, by: Module) -> None:
        """Refuse a file of the author that Python would have taken for a module of the stdlib."""
        if "." in name or self._root_of(Path(by.path)) != self.folder:
            return
        found = _in_folders(name, [self.folder])
        if found and str(found) != self.main.path:
            raise BuildError(
                f"{found}: {by.path} imports {name}, which is also a module of the standard library",
                path=str(found),
                hint="rename the file: inside a plug-in the standard library's module would be taken",
            )

    def _find(self, name: str) -> Module | None:
        parent, _, last = name.rpartition(".")
        folders = self._folders(parent) if parent else self.roots
        path = _in_folders(last, folders)
        return _read(name, path, self._root_of(path)) if path else None

    def _folders(self, package: str) -> list[Path]:
        """Return the folders that make up a package: one, or the portions of a namespace package."""
        if package == self.main.name and self.main.is_package:
            return [self.folder]
        parent, _, last = package.rpartition(".")
        around = self._folders(parent) if parent else self.roots
        found = _in_folders(last, around)
        if found:
            return [found.parent] if found.name == "__init__.py" else []
        return [folder / last for folder in around if (folder / last).is_dir()]

    def _root_of(self, path: Path) -> Path:
        return max(
            (root for root in self.roots if path.is_relative_to(root)), key=lambda r: len(r.parts)
        )

    def _carry_rest(self, package: str) -> None:
        """Add the files of a regular package that nothing was seen to import, tests aside."""
        top = self.modules.get(package)
        if top is None or not top.is_package:
            return
        for path in _python_files(Path(top.path).parent):
            parts = path.relative_to(Path(top.path).parent).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join([package, *(parts[:-1] if is_package else parts)])
            if name not in self.modules:
                self.modules[name] = _read(name, path, self._root_of(path))


def _absolute(module: Module, reference: analyze.Reference) -> str:
    """Return the dotted name that a reference means, "" where there is no such package."""
    if not reference.level:
        return reference.module
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    base = package[: len(package) - reference.level + 1]
    return ".".join([*base, *filter(None, [reference.module])]) if base else ""


def _in_folders(name: str, folders: Iterable[Path]) -> Path | None:
    """Return the file of a module called `name`: in each folder a package goes before a module."""
    for folder in folders:
        for path in (folder / name / "__init__.py", folder / f"{name}.py"):
            if path.is_file():
                return path
    return None


def _python_files(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name not in _TESTS)
        for file in sorted(files):
            path = Path(where, file)
            if path.suffix == ".py" and path.stem.isidentifier():
                yield path


def _read(name: str, path: Path, root: Path) -> Module:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}", path=str(path)) from error
    if source.startswith(b"\0asm"):
        raise BuildError(
            f"{path} is a WebAssembly module, not Python source",
            path=str(path),
            hint="the source comes first: extism-py plugin.py plugin.wasm",
        )
    file = path.relative_to(root).as_posix()
    return Module(name, file, str(path), path.name == "__init__.py", source)
