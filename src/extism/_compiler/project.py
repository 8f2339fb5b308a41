"""
What the author names, and what it means: a file, a folder, a package, a project with its pyproject.toml.

::

    plugin.py                   the file; modules beside it can be imported
    shop/plugin.py              the same; with `shop/__init__.py` and relative imports, the module shop.plugin
    shop/                       has __init__.py: the package, and __main__.py or plugin.py in it
    shop/                       has none: __main__.py, plugin.py or main.py, with the modules beside it
    shop/ or pyproject.toml     [tool.extism] main, else as above, in src/NAME and NAME too

Which files come along is decided in `bundle.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from extism._compiler.needs import Needs, of_project, of_script
from extism._compiler.searchpath import ANONYMOUS
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Project", "open_project"]

_PYPROJECT: Final = "pyproject.toml"
_INIT: Final = "__init__.py"
_IN_PACKAGE: Final = ("__main__.py", "plugin.py", _INIT)
_IN_FOLDER: Final = ("__main__.py", "plugin.py", "main.py")
_RELATIVE_IMPORT: Final = re.compile(rb"^\s*from\s+\.", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Project:
    """
    A plug-in, as it lies on the disk.

    Attributes:
        main: Its own file.
        source: The bytes of that file.
        name: The dotted name of that file in its package, "" where it is in none.
        root: Where other modules of the author lie, None where all are in the package.
        packages: Folders of the author's own packages, by name.
        needs: What it says that it needs.
    """

    main: Path
    source: bytes
    name: str = ""
    root: Path | None = None
    packages: Mapping[str, Path] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)


def open_project(path: Path) -> Project:
    """
    Return the plug-in that a path means.

    Raises:
        BuildError: Nothing there can be a plug-in.
    """
    if path.name == _PYPROJECT and path.is_file():
        return _of_folder(path.parent)
    return _of_folder(path) if path.is_dir() else _of_file(path)


def _of_file(path: Path) -> Project:
    source = _read(path)
    needs = of_script(path, source)
    top = _top(path)
    if path.name == _INIT:
        packages = {ANONYMOUS: path.parent}
        return Project(path, source, ANONYMOUS, path.parent, packages, needs)
    if top is None or not _RELATIVE_IMPORT.search(source):
        return Project(path, source, root=path.parent, needs=needs)
    return replace(_in_package(top, path), root=path.parent, needs=needs)


def _top(path: Path) -> Path | None:
    """Return the folder of the outermost package that a file is in."""
    found, folder = None, path.absolute().parent
    while (folder / _INIT).is_file() and folder.name.isidentifier():
        found, folder = folder, folder.parent
    if found is None:
        return None
    up = len(path.absolute().parent.relative_to(found).parts)
    return path.parents[up] if up < len(path.parents) else found


def _of_folder(folder: Path) -> Project:
    said = folder / _PYPROJECT
    needs = of_project(said) if said.is_file() else Needs()
    if needs.main:
        found = open_project(folder / needs.main)
    else:
        found = next(_candidates(folder, needs.name), None) or _nothing(folder)
    own = found.needs
    return replace(
        found,
        needs=replace(
            needs,
            dependencies=needs.dependencies + own.dependencies,
            include=needs.include + own.include,
            exclude=needs.exclude + own.exclude,
        ),
    )


def _candidates(folder: Path, name: str) -> Iterator[Project]:
    """Give the plug-ins that a folder may mean, the likeliest first."""
    module = re.sub(r"\W", "_", name)
    if (folder / _INIT).is_file():
        yield from (_in_package(folder, path) for path in _present(folder, _IN_PACKAGE))
        return
    yield from map(_of_file, _present(folder, _IN_FOLDER))
    for place in (folder / "src", folder) if module else ():
        package = place / module
        if (package / _INIT).is_file():
            yield from (_in_package(package, path) for path in _present(package, _IN_PACKAGE))
        yield from map(_of_file, _present(place, (f"{module}.py",)))


def _present(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    return (folder / name for name in names if (folder / name).is_file())


def _in_package(folder: Path, path: Path) -> Project:
    """Return the plug-in whose own file is in a package."""
    source = _read(path)
    top = folder.absolute().name
    if not top.isidentifier():
        raise BuildError(
            f"{folder} is a package, and {top} cannot be the name of one",
            path=str(folder),
            hint="rename the folder: letters, digits and underscores",
        )
    inner = path.relative_to(folder).with_suffix("").parts
    name = ".".join([top, *(part for part in inner if part != "__init__")])
    return Project(path, source, name, packages={top: folder}, needs=of_script(path, source))


def _nothing(folder: Path) -> Project:
    raise BuildError(
        f"{folder} is a folder without a plug-in: there is no {', '.join(_IN_FOLDER)} or {_INIT} in it",
        path=str(folder),
        hint=f'name the file itself, or say it in {folder / _PYPROJECT}: [tool.extism] main = "FILE"',
    )


def _read(path: Path) -> bytes:
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
    return source
