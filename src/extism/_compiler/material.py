"""
What a plug-in is made of, put together: the author's files, the packages that they ask for, other folders.

Who looks for modules where: the author's own folder, PYTHONPATH, the packages that were asked for, other folders
with installed packages (`--site`). Which of all that travels is decided in `bundle.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from extism._compiler import packages
from extism._compiler.bundle import bundle
from extism._compiler.notes import notes_of_builds
from extism._compiler.project import open_project
from extism._compiler.remembered import Memory
from extism._compiler.requirements import gather
from extism.errors import BuildError

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from pathlib import Path

    from extism._compiler.bundle import Bundle
    from extism._compiler.project import Project
    from extism._compiler.syntax import Source

__all__ = ["Material"]


@dataclass(frozen=True, slots=True)
class Material:
    """
    What the author gives.

    Attributes:
        path: The plug-in: a file, or a folder.
        paths: Folders of other modules, as PYTHONPATH.
        sites: Folders with installed packages.
        requirements: Requirements files.
        include: Modules to take that no import statement names.
        exclude: Modules to leave out.
        is_fresh: Whether packages are installed anew.
    """

    path: Path
    paths: tuple[Path, ...] = ()
    sites: tuple[Path, ...] = ()
    requirements: tuple[Path, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    is_fresh: bool = False

    def open(self) -> Project:
        """
        Return what the path means.

        Raises:
            BuildError: Nothing there can be a plug-in, or a folder is not there.
        """
        for folder in self.sites:
            if not folder.is_dir():
                raise BuildError(f"--site {folder}: there is no such folder", path=str(folder))
        return open_project(self.path)

    def libraries(self, project: Project, say: Callable[[str], None]) -> list[Path]:
        """
        Return the folders of other modules, with the packages installed that the plug-in asks for.

        Raises:
            BuildError: They cannot be installed.
        """
        wanted = gather(project.needs.dependencies, self.requirements)
        installed = packages.install(wanted, say, is_fresh=self.is_fresh)
        return [*self.paths, *([installed] if installed else []), *self.sites]

    def bundle(
        self, project: Project, libraries: list[Path], parse: Callable[[Source], ast.Module]
    ) -> Bundle:
        """
        Return all files that travel.

        Raises:
            BuildError: They cannot become a plug-in.
        """
        return bundle(
            project,
            libraries,
            parse,
            include=(*project.needs.include, *self.include),
            exclude=(*project.needs.exclude, *self.exclude),
            memory=Memory(notes_of_builds()),
        )
