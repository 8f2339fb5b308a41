"""
Which files travel with a plug-in: those that its imports reach, and the rest of their packages.

Where modules are found is said in `searchpath.py`. What the guest's standard library has is taken from there. What
is found nowhere is left to the guest, whose error has a traceback, unless it would show only when a function of the
author's is called. What a file says is read in `analyze.py`; how the bundle reaches the interpreter is in `preinit.py`.

Imports whose names are made at run time cannot be seen. So a package that is reached comes whole, with its data,
without its tests; the files that no import statement reaches are carried, not read.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, field
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism._compiler import analyze, missing
from extism._compiler.data_files import TESTS, data_files
from extism._compiler.distributions import distributions
from extism._compiler.notes import Notes
from extism._compiler.remembered import Memory
from extism._compiler.searchpath import ANONYMOUS, SearchPath
from extism._compiler.syntax import Source, parse
from extism.errors import BuildError

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from extism._compiler.distributions import Distribution
    from extism._compiler.interface import Interface
    from extism._compiler.project import Project
    from extism._compiler.references import Reference

__all__ = ["Bundle", "Module", "bundle"]

_ABSENT: Final = frozenset(
    (  # noqa: SIM905  as a list it would be thirty lines
        "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib "
        "nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib "  # gone in 3.12, 3.13
        "annotationlib compression"  # new in 3.14
    ).split()
)
"""In the standard library of a Python that may run this, not in that of the guest."""

_STDLIB: Final = sys.stdlib_module_names - _ABSENT


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
        is_own: Whether the author wrote it, and no library has it.
    """

    name: str
    file: str
    path: str
    is_package: bool
    source: bytes
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class Bundle:
    """
    All files of a plug-in.

    Attributes:
        main: The plug-in's own file; it is in `modules` too.
        modules: By name, sorted.
        facts: What each file says that an import statement reaches, the main one first.
        data: Files that are no modules: their bytes, by path beside the modules'.
        distributions: What the carried packages of others are called, by name.
        advise: Returns why modules that were imported are not there, what to do, and of which package.
    """

    main: Module
    modules: tuple[Module, ...]
    facts: tuple[analyze.ModuleFacts, ...]
    data: Mapping[str, bytes] = field(default_factory=dict)
    distributions: tuple[Distribution, ...] = ()
    advise: Callable[[Sequence[str]], tuple[str, str, str]] = field(
        default=lambda _missing: ("", "", ""), compare=False
    )

    @property
    def paths(self) -> dict[str, str]:
        """Where each module was found, by the file that tracebacks show."""
        return {module.file: module.path for module in self.modules}

    def files(self, interface: Interface, first_slot: int) -> dict[str, bytes]:
        """
        Return what the interpreter is shown, by path relative to its folder.

        Layout:
            `bundle.json`: main, modules, data, imports (`[module, name, parameters, results]` in
                slot order), first_slot.
            `src/FILE`: the bytes of each module, and of each data file.
        """
        description = {
            "main": {"name": self.main.name, "file": self.main.file},
            "modules": {
                module.name: {"file": module.file, "package": module.is_package}
                for module in self.modules
            },
            "data": sorted(self.data),
            "imports": [
                [row.module, row.name, row.type.params, row.type.results]
                for row in interface.imports
            ],
            "first_slot": first_slot,
        }
        files = {"bundle.json": json.dumps(description, sort_keys=True).encode()}
        sources = {f"src/{module.file}": module.source for module in self.modules}
        return files | {f"src/{file}": data for file, data in self.data.items()} | sources


def bundle(
    project: Project,
    libraries: Iterable[Path] = (),
    parse: Callable[[Source], ast.Module] = parse,
    *,
    memory: Memory | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Bundle:
    """
    Return the plug-in `project`, with every module that it reaches.

    Args:
        project: What the author named.
        libraries: Folders to look in after the author's own; missing ones are passed over.
        parse: Gives the syntax tree of a file.
        memory: What is known of the files of libraries from builds before.
        include: Modules to take that no import statement names.
        exclude: Modules to leave out.

    Raises:
        BuildError: The main file is not Python, a decorator is misused, or an import cannot work.
    """
    own = [] if project.root is None else [project.root]
    search = SearchPath(own, libraries, project.packages)
    collector = _Collector(project, search, parse, memory or Memory(Notes(None)), exclude)
    collector.collect(include)
    modules = tuple(collector.modules[name] for name in sorted(collector.modules))
    carried = _carried(collector.known, modules)
    data = collector.data()
    for row in carried:
        data |= {f"{file.parent.name}/{file.name}": file.read_bytes() for file in row.files()}
    return Bundle(collector.main, modules, tuple(collector.facts), data, carried, collector.advise)


def _carried(known: Iterable[Distribution], modules: Iterable[Module]) -> tuple[Distribution, ...]:
    """Return the distributions of which something is carried."""
    tops = {module.name.split(".", maxsplit=1)[0] for module in modules if not module.is_own}
    return tuple(row for row in known if row.modules & tops)


class _Collector:
    """Follows the imports from the main file, one module after the other."""

    def __init__(
        self,
        project: Project,
        search: SearchPath,
        parse: Callable[[Source], ast.Module],
        memory: Memory,
        exclude: Sequence[str],
    ) -> None:
        self.search = search
        self.parse = parse
        self.memory = memory
        self.exclude = exclude
        self.known = distributions(search.libraries)
        name = project.name or self._main_name(project.main)
        file, path = search.file(project.main), str(project.main)
        is_package = project.main.name == "__init__.py"
        self.main = Module(name, file, path, is_package, project.source)
        self.modules = {self.main.name: self.main}
        self.facts: list[analyze.ModuleFacts] = []
        self.ahead = [self.main]

    def _main_name(self, path: Path) -> str:
        name = re.sub(r"\W", "_", path.stem)
        is_taken = name in _STDLIB or name.startswith("__") or name == analyze.LIBRARY
        if is_taken or not name.isidentifier() or iskeyword(name):
            return ANONYMOUS
        other = self.search.find(name)
        return ANONYMOUS if other and other != path else name

    def collect(self, include: Iterable[str]) -> None:
        """Fill `modules` and `facts`."""
        for name in _with_parents(self.main.name):
            self._take(name, self.main)
        for name in include:
            self._include(name)
        while self.ahead:
            module = self.ahead.pop(0)
            facts = self._facts(module)
            self.facts.append(facts)
            for reference in facts.references:
                self._follow(module, reference)
        for name in sorted(self._packages()):
            self._carry_rest(name)

    def data(self) -> dict[str, bytes]:
        """Return the data files of the packages that come whole."""
        found: dict[str, bytes] = {}
        for name in sorted(self._packages()):
            for path in data_files(Path(self.modules[name].path).parent):
                file = self.search.file(path)
                if not missing.is_below(file.replace("/", "."), self.exclude):
                    found.setdefault(file, _read(path))
        return found

    def advise(self, names: Sequence[str]) -> tuple[str, str, str]:
        """Return why modules that were imported are not there, what to do, and of which package they are."""
        for name in names:
            if name not in self.modules and name.split(".", maxsplit=1)[0] not in _STDLIB:
                return missing.explain(name, self.search, self.known, self.exclude)
        return "", "", ""

    def _packages(self) -> set[str]:
        """Return the outermost regular packages of all modules."""
        found = set()
        for name in self.modules:
            above = (each for each in _with_parents(name) if each in self.modules)
            outermost = next(above)
            if self.modules[outermost].is_package and outermost != ANONYMOUS:
                found.add(outermost)
        return found

    def _facts(self, module: Module) -> analyze.ModuleFacts:
        known = None if module.is_own else self.memory.facts(module.source)
        if known is not None:
            return known
        source = Source(module.path, module.source)
        try:
            tree = self.parse(source)
        except BuildError:
            if module is self.main:
                raise
            # A file that is never run may be broken; if this one is, the guest says so, with a traceback.
            return analyze.ModuleFacts((), (), (), ())
        facts = analyze.analyze(source, tree)
        if not module.is_own:
            self.memory.keep(module.source, facts)
        return facts

    def _follow(self, module: Module, reference: Reference) -> None:
        target = _absolute(module, reference)
        for name in self._names(target, reference):
            self._take(name, module)
        is_needed = module.is_own and reference.is_deferred and not reference.is_optional
        if is_needed and target and not self._is_there(target):
            reason = missing.explain(target, self.search, self.known, self.exclude)
            raise BuildError(
                f"{module.path}:{reference.line}: {reason.text}",
                path=module.path,
                line=reference.line,
                hint=reason.hint,
            )

    def _is_there(self, name: str) -> bool:
        top = name.split(".", maxsplit=1)[0]
        return (
            name in self.modules
            or top in _STDLIB
            or top == analyze.LIBRARY
            or missing.is_below(name, self.exclude)
            or bool(self.search.folders(name))
        )

    def _names(self, target: str, reference: Reference) -> Iterator[str]:
        """Give every name that an import statement may load, packages before what is in them."""
        if not target:
            return
        yield from _with_parents(target)
        for name in reference.names:
            if name == "*":
                yield from (f"{target}.{child}" for child in self.search.children(target))
            else:
                yield f"{target}.{name}"

    def _include(self, name: str) -> None:
        """Take a module that the author names, or all that is in a namespace package."""
        for each in (*_with_parents(name), *(f"{name}.{x}" for x in self.search.children(name))):
            self._take(each, self.main)
        if not self._is_there(name):
            reason = missing.explain(name, self.search, self.known, self.exclude)
            raise BuildError(f"--include {name}: {reason.text}", hint=reason.hint)

    def _take(self, name: str, by: Module) -> None:
        top = name.split(".", maxsplit=1)[0]
        if name in self.modules or top == analyze.LIBRARY or missing.is_below(name, self.exclude):
            return
        if top in _STDLIB and top not in self.search.packages:
            self._check_shadow(name, by)
            return
        if path := self.search.find(name):
            self.modules[name] = self._module(name, path)
            self.ahead.append(self.modules[name])

    def _module(self, name: str, path: Path) -> Module:
        file, is_package = self.search.file(path), path.name == "__init__.py"
        return Module(name, file, str(path), is_package, _read(path), self.search.is_own(path))

    def _check_shadow(self, name: str, by: Module) -> None:
        """Refuse a file of the author that Python would have taken for a module of the stdlib."""
        if "." in name or not by.is_own:
            return
        found = self.search.find(name)
        if found and self.search.is_own(found) and str(found) != self.main.path:
            raise BuildError(
                f"{found}: {by.path} imports {name}, which is also a module of the standard library",
                path=str(found),
                hint="rename the file: inside a plug-in the standard library's module would be taken",
            )

    def _carry_rest(self, package: str) -> None:
        """Add the files of a regular package that nothing was seen to import, tests aside."""
        folder = Path(self.modules[package].path).parent
        for path in _python_files(folder):
            parts = path.relative_to(folder).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join([package, *(parts[:-1] if is_package else parts)])
            if name not in self.modules and not missing.is_below(name, self.exclude):
                self.modules[name] = self._module(name, path)


def _with_parents(name: str) -> Iterator[str]:
    """Give the packages that a module is in, outermost first, and itself."""
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _absolute(module: Module, reference: Reference) -> str:
    """Return the dotted name that a reference means, "" where there is no such package."""
    if not reference.level:
        return reference.module
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    base = package[: len(package) - reference.level + 1]
    return ".".join([*base, *filter(None, [reference.module])]) if base else ""


def _python_files(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name not in TESTS)
        for file in sorted(files):
            path = Path(where, file)
            if path.suffix == ".py" and path.stem.isidentifier():
                yield path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}", path=str(path)) from error
