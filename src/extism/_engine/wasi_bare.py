"""
WASI for programs that are granted nothing, which are most: an empty world, and what linking has to know.

In that world there is no argument, no variable, an empty standard input, output that goes nowhere, and no directory. More
is in `wasi.py`. What the house's own functions of WASI do is in `wasi_shadows.py` and `wasi_behind.py`, which are loaded
when the first of them is called.
"""

from __future__ import annotations

from extism._engine.bindings import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Literal, TypeAlias

    from extism._capabilities.files import Disk

__all__ = [
    "MAX_OPEN_FILES",
    "MEASURED",
    "NAMESPACE",
    "SHADOWS",
    "TYPES",
    "BareWasi",
    "Output",
    "World",
]

Output: TypeAlias = "Callable[[bytes], object] | Literal['inherit'] | None"
"""Where output goes: to a function, with each write, on a thread of the engine's; to the host's own; or nowhere."""

NAMESPACE: Final = "wasi_snapshot_preview1"

TYPES: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(params.split())
    for name, params in {
        "clock_time_get": "i32 i64 i32",
        "fd_allocate": "i32 i64 i64",
        "fd_close": "i32",
        "fd_fdstat_get": "i32 i32",
        "fd_filestat_get": "i32 i32",
        "fd_filestat_set_size": "i32 i64",
        "fd_pwrite": "i32 i32 i32 i64 i32",
        "fd_renumber": "i32 i32",
        "fd_tell": "i32 i32",
        "fd_write": "i32 i32 i32 i32",
        "path_create_directory": "i32 i32 i32",
        "path_filestat_get": "i32 i32 i32 i32 i32",
        "path_link": "i32 i32 i32 i32 i32 i32 i32",
        "path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32",
        "path_remove_directory": "i32 i32 i32",
        "path_rename": "i32 i32 i32 i32 i32 i32",
        "path_symlink": "i32 i32 i32 i32 i32",
        "path_unlink_file": "i32 i32 i32",
        "poll_oneoff": "i32 i32 i32 i32",
        "random_get": "i32 i32",
    }.items()
}
"""The functions that the house gives itself or calls, with their parameters; each gives an error number."""

SHADOWS: Final = (
    "fd_close",
    "fd_renumber",
    "path_open",
    "path_symlink",
    "poll_oneoff",
    "random_get",
)
"""Those of ours that always stand before the engine's own."""

MEASURED: Final = (
    "fd_allocate",
    "fd_filestat_set_size",
    "fd_pwrite",
    "fd_write",
    "path_create_directory",
    "path_link",
    "path_remove_directory",
    "path_rename",
    "path_unlink_file",
)
"""Those that do so where what files take is limited (`Wasi.disk`)."""

MAX_OPEN_FILES: Final = 64
"""Descriptors that a program may open, beside those that it is given."""


class BareWasi:
    """
    The world of one store, in which there is nothing.

    Attributes:
        stdout: Where output goes: nowhere.
        stderr: The same.
    """

    stdout: Output = None
    stderr: Output = None

    def configure(self, _caller: Callable[[], int]) -> tuple[int, World]:
        """Return a new configuration for a store, and what the house keeps of it."""
        return lib.wasi_config_new(), World([], MAX_OPEN_FILES, None)


class World:
    """
    What the house knows of the world of one store.

    Attributes:
        opened: The inode of each descriptor that the program has opened.
        max_open_files: How many that may be.
        disk: The room that files may take; None for any.
        behind: The `Behind` of the store; None until it is needed (`Caller.behind`).
    """

    __slots__ = ("_keep", "behind", "disk", "max_open_files", "opened")

    def __init__(self, keep: list[Any], max_open_files: int, disk: Disk | None) -> None:
        self._keep = keep
        self.behind: Any = None
        self.opened: dict[int, int] = {}
        self.max_open_files = max_open_files
        self.disk = disk
