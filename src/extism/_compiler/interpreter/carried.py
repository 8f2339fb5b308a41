"""
Files that travel in a plug-in's memory: module `_extism_carried`, which runs inside the interpreter only.

A plug-in has no files but what its host grants. What packages read beside their modules is kept here, compressed, and
found where Python looks for files: `open`, `os.stat`, `os.listdir`, `os.scandir`, and what is made of them (`pathlib`,
`os.path`, `importlib.resources`, `importlib.metadata`). Real files go first; these can only be read. A plug-in that
carries no data is left as it is.
"""

# pathlib would be shipped in each plug-in; the import system's parts are private.

import builtins
import io
import os
import posixpath
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace, TracebackType
from typing import Any, Self

FILE_MODE = stat.S_IFREG | 0o444
FOLDER_MODE = stat.S_IFDIR | 0o555

# Compressed bytes by path, and the names in each folder.
files: dict[str, bytes] = {}
folders: dict[str, dict[str, None]] = {}

real_open = io.open
real_stat = os.stat
real_lstat = os.lstat
real_listdir = os.listdir
real_scandir = os.scandir


def keep(file: str, data: bytes) -> None:
    """Carry a file; `file` is relative, `data` compressed."""
    path = place(file)
    files[path] = data
    while path != "/":
        parent, name = posixpath.split(path)
        folders.setdefault(parent, {})[name] = None
        path = parent


def install() -> None:
    """Let the files be found, if there are any."""
    if not files:
        return
    globber: Any = getattr(sys.modules.get("glob"), "_StringGlobber", None)
    for real, ours in REPLACED:
        # What was imported before has kept the real ones: pathlib's `glob`.
        if getattr(globber, real.__name__, None) is real:
            setattr(globber, real.__name__, staticmethod(ours))
        for capable in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if real in capable:
                capable.add(ours)
    builtins.open = io.open = open_file  # type: ignore[assignment, unused-ignore]
    os.stat, os.lstat, os.listdir, os.scandir = (ours for _, ours in REPLACED)
    sys.path_hooks.append(Folder)


def place(path: Any) -> str:
    """Return where a path leads to, seen from the root."""
    return posixpath.normpath(posixpath.join("/", os.fsdecode(path)))


def is_carried(path: Any) -> bool:
    """Tell whether there is such a file or folder here; numbers are open files."""
    if isinstance(path, int):
        return False
    where = place(path)
    return where in files or where in folders


def found(real: Callable[..., Any], carried: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a function that looks at the real files first, then at the carried ones."""

    def look(path: Any = ".", *arguments: Any, **options: Any) -> Any:
        try:
            return real(path, *arguments, **options)
        except FileNotFoundError:
            if not is_carried(path):
                raise
        return carried(path)

    look.__name__ = look.__qualname__ = real.__name__
    return look


def open_file(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,  # noqa: FBT001, FBT002  open's own
    opener: Any = None,
) -> Any:
    """Open a file as `open` does; a carried one can be read."""
    try:
        return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    except FileNotFoundError:
        if isinstance(file, int) or place(file) not in files or set(mode) & set("wax+"):
            raise
    stream = io.BytesIO(zlib.decompress(files[place(file)]))
    stream.name = os.fspath(file)  # type: ignore[attr-defined, unused-ignore]
    return stream if "b" in mode else io.TextIOWrapper(stream, encoding, errors, newline)


open_file.__name__ = open_file.__qualname__ = "open"


def status(path: Any) -> os.stat_result:
    """Return what `os.stat` tells of a carried file or folder."""
    data = files.get(place(path))
    mode = FOLDER_MODE if data is None else FILE_MODE
    size = 0 if data is None else len(zlib.decompress(data))
    return os.stat_result((mode, 0, 0, 1, 0, 0, size, 0, 0, 0))


def names(path: Any) -> list[str]:
    """Return the names in a carried folder."""
    where = place(path)
    if where not in folders:
        raise NotADirectoryError(20, os.strerror(20), path)
    return list(folders[where])


class Entries:
    """What `os.scandir` gives of a carried folder."""

    def __init__(self, path: Any) -> None:
        self.rows = iter([entry(path, name) for name in names(path)])

    def __iter__(self) -> Iterator[Any]:
        return self.rows

    def __next__(self) -> Any:
        return next(self.rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give no more."""
        self.rows = iter(())


def entry(folder: Any, name: str) -> Any:
    """Return an `os.DirEntry` of a carried file or folder."""
    path = posixpath.join(os.fspath(folder), name)
    is_folder = place(path) in folders
    return SimpleNamespace(
        name=name,
        path=path,
        is_dir=lambda **_options: is_folder,
        is_file=lambda **_options: not is_folder,
        is_symlink=lambda: False,
        is_junction=lambda: False,
        inode=lambda: 0,
        stat=lambda **_options: status(path),
        __fspath__=lambda: path,
    )


# The functions of `os` that look at files, and those that stand in their place.
REPLACED = (
    (real_stat, found(real_stat, status)),
    (real_lstat, found(real_lstat, status)),
    (real_listdir, found(real_listdir, names)),
    (real_scandir, found(real_scandir, Entries)),
)


class Folder:
    """
    The folder of a carried package, for `pkgutil.iter_modules`.

    Raises:
        ImportError: There is no such package; other finders are asked.
    """

    packages: dict[str, dict[str, bool]] = {}  # noqa: RUF012  filled while the plug-in is built

    def __init__(self, path: str) -> None:
        if place(path) not in self.packages:
            raise ImportError(path)
        self.modules = self.packages[place(path)]

    def find_spec(self, _name: str, _target: object = None) -> None:
        """Find nothing: the modules are found in memory."""

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """Give the modules of the package, and whether they are packages."""
        return ((prefix + name, is_package) for name, is_package in self.modules.items())


def reader(package: str) -> Any:
    """Return what `importlib.resources` reads the files of a package with."""
    from importlib.readers import FileReader

    loader: Any = SimpleNamespace(path=f"{package}/__init__.py")
    return FileReader(loader)


def distributions(context: Any) -> Iterator[Any]:
    """Give the distributions that `importlib.metadata` asks for."""
    from importlib.metadata import PathDistribution
    from pathlib import Path

    wanted = None if context is None else context.name
    for name in folders.get("/", ()):
        if name.endswith(".dist-info") and (
            wanted is None or normal(wanted) == normal(name.split("-")[0])
        ):
            yield PathDistribution(Path(f"/{name}"))


def normal(name: str) -> str:
    """Return a distribution's name as names are compared."""
    return "-".join(filter(None, name.lower().replace("_", "-").replace(".", "-").split("-")))
