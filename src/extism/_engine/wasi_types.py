"""
The functions of WASI that the house gives itself, or calls: their parameters. Each gives an error number.

What they do is in `wasi_shadows.py` and `wasi_behind.py`, which are loaded when the first of them is called: this is
what linking has to know.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["MEASURED", "NAMESPACE", "SHADOWS", "TYPES"]

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
