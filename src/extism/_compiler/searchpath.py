"""
Where modules are found: the author's own folders first, then those of libraries, in their order.

As Python does it: in each folder a package goes before a module; a folder without `__init__.py` is a portion of a
namespace package where no other folder has the real thing. Which modules are looked for is decided in `bundle.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["ANONYMOUS", "NATIVE", "SearchPath"]

NATIVE: Final = (".so", ".pyd", ".dylib", ".dll")
"""How the names of files with native code end."""

ANONYMOUS: Final = "extism_plugin"
"""What the plug-in's own module or package is called where the name of its file will not do."""


class SearchPath:
    """
    Folders that modules are imported from.

    Args:
        own: The author's folders.
        libraries: Folders of others; missing ones are passed over.
        packages: Packages whose folders are known, by name: the author's, found nowhere else.
    """

    def __init__(
        self,
        own: Sequence[Path],
        libraries: Iterable[Path] = (),
        packages: Mapping[str, Path] | None = None,
    ) -> None:
        self.own = list(own)
        self.packages = dict(packages or {})
        self.libraries = [folder for folder in libraries if folder.is_dir()]
        self.roots = [*self.own, *self.libraries]

    def find(self, name: str) -> Path | None:
        """Return the source file of a module."""
        if name in self.packages:
            return self.packages[name] / "__init__.py"
        parent, _, last = name.rpartition(".")
        return _in_folders(last, self.folders(parent) if parent else self.roots)

    def find_native(self, name: str) -> Path | None:
        """Return the file with native code of a module that has no source."""
        parent, _, last = name.rpartition(".")
        for folder in self.folders(parent) if parent else self.roots:
            for path in folder.glob(f"{last}.*"):
                if path.name.endswith(NATIVE):
                    return path
        return None

    def folders(self, package: str) -> list[Path]:
        """Return the folders that make up a package: one, or the portions of a namespace package."""
        if package in self.packages:
            return [self.packages[package]]
        parent, _, last = package.rpartition(".")
        around = self.folders(parent) if parent else self.roots
        found = _in_folders(last, around)
        if found:
            return [found.parent] if found.name == "__init__.py" else []
        return [folder / last for folder in around if (folder / last).is_dir()]

    def children(self, package: str) -> list[str]:
        """Return the names of the modules directly in a package."""
        found: set[str] = set()
        for folder in self.folders(package):
            found |= {path.stem for path in folder.glob("*.py")} - {"__init__"}
        return sorted(name for name in found if name.isidentifier())

    def is_own(self, path: Path) -> bool:
        """Tell whether a file is the author's."""
        return self._package(path) is not None or self._root(path) in self.own

    def file(self, path: Path) -> str:
        """Return what tracebacks call a file: relative to the folder where it was found, with `/`."""
        package = self._package(path)
        if package is None:
            return path.relative_to(self._root(path)).as_posix()
        inner = path.relative_to(self.packages[package]).as_posix()
        return inner if package == ANONYMOUS else f"{package}/{inner}"

    def _package(self, path: Path) -> str | None:
        """Return the author's package that a file is in."""
        inside = (name for name, folder in self.packages.items() if path.is_relative_to(folder))
        return next(inside, None)

    def _root(self, path: Path) -> Path:
        around = [root for root in self.roots if path.is_relative_to(root)]
        return max(around, key=lambda folder: len(folder.parts))


def _in_folders(name: str, folders: Iterable[Path]) -> Path | None:
    """Return the file of a module called `name`: in each folder a package goes before a module."""
    for folder in folders:
        for path in (folder / name / "__init__.py", folder / f"{name}.py"):
            if path.is_file():
                return path
    return None
