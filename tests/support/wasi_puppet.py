"""
A guest on strings: each function of WASI is an export, and Python decides what it is called with.

    puppet = Puppet(plugin(PUPPET, wasi=True, allowed_paths={"/some/where": "/data"}))
    errno, fd = puppet.open("file.txt")

Its memory is read and written from here too. What lies where: paths from 1024, a second path from 2048, one
vector at 512, numbers that functions give from 0, data from 65536.
"""

from __future__ import annotations

import struct
from typing import Any

from wat_guests import wat

__all__ = ["DATA", "PUPPET", "TYPES", "WASI", "Puppet", "wasi_import"]

WASI = "wasi_snapshot_preview1"
DATA = 65536
_PATH, _OTHER_PATH, _VECTOR = 1024, 2048, 512

TYPES = {
    "args_sizes_get": "i32 i32",
    "clock_time_get": "i32 i64 i32",
    "environ_sizes_get": "i32 i32",
    "fd_advise": "i32 i64 i64 i32",
    "fd_allocate": "i32 i64 i64",
    "fd_close": "i32",
    "fd_datasync": "i32",
    "fd_fdstat_get": "i32 i32",
    "fd_fdstat_set_flags": "i32 i32",
    "fd_fdstat_set_rights": "i32 i64 i64",
    "fd_filestat_get": "i32 i32",
    "fd_filestat_set_size": "i32 i64",
    "fd_filestat_set_times": "i32 i64 i64 i32",
    "fd_pread": "i32 i32 i32 i64 i32",
    "fd_prestat_get": "i32 i32",
    "fd_prestat_dir_name": "i32 i32 i32",
    "fd_pwrite": "i32 i32 i32 i64 i32",
    "fd_read": "i32 i32 i32 i32",
    "fd_readdir": "i32 i32 i32 i64 i32",
    "fd_renumber": "i32 i32",
    "fd_seek": "i32 i64 i32 i32",
    "fd_sync": "i32",
    "fd_tell": "i32 i32",
    "fd_write": "i32 i32 i32 i32",
    "path_create_directory": "i32 i32 i32",
    "path_filestat_get": "i32 i32 i32 i32 i32",
    "path_filestat_set_times": "i32 i32 i32 i32 i64 i64 i32",
    "path_link": "i32 i32 i32 i32 i32 i32 i32",
    "path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32",
    "path_readlink": "i32 i32 i32 i32 i32 i32",
    "path_remove_directory": "i32 i32 i32",
    "path_rename": "i32 i32 i32 i32 i32 i32",
    "path_symlink": "i32 i32 i32 i32 i32",
    "path_unlink_file": "i32 i32 i32",
    "poll_oneoff": "i32 i32 i32 i32",
    "random_get": "i32 i32",
    "sched_yield": "",
}


def wasi_import(name: str) -> str:
    """The import of a function of WASI, as `$name`."""
    params = f" (param {TYPES[name]})" if TYPES[name] else ""
    return f'(import "{WASI}" "{name}" (func ${name}{params} (result i32)))'


def _export(name: str) -> str:
    values = []
    for index, kind in enumerate(TYPES[name].split()):
        value = f"(call $input_load_u64 (i64.const {8 * index}))"
        values.append(value if kind == "i64" else f"(i32.wrap_i64 {value})")
    call = f"(call ${name} {' '.join(values)})"
    return f'(func (export "{name}") (call $give_i64 (i64.extend_i32_u {call})))'


PUPPET = wat(
    "\n".join(_export(name) for name in TYPES)
    + """
    (func (export "peek") (call $give (call $put
      (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))
      (i32.wrap_i64 (call $input_load_u64 (i64.const 8))))))
    (func (export "poke") (local $i i64) (local $at i32)
      (local.set $at (i32.wrap_i64 (call $input_load_u64 (i64.const 0))))
      (local.set $i (i64.const 8))
      (block $done (loop $next
        (br_if $done (i64.ge_u (local.get $i) (call $input_length)))
        (i32.store8 (i32.add (local.get $at) (i32.wrap_i64 (i64.sub (local.get $i) (i64.const 8))))
          (call $input_load_u8 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next))))
    (func (export "exit") (call $exit (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))))""",
    before="\n".join(wasi_import(name) for name in TYPES)
    + f'(import "{WASI}" "proc_exit" (func $exit (param i32)))',
    memory='(memory (export "memory") 8)',
)
"""Exports of the functions' own names take their arguments as eight bytes each, and give the error number."""


class Puppet:
    """The guest, as Python sees it."""

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    def __getattr__(self, name: str) -> Any:
        """The function of WASI: numbers in, error number out."""
        if name not in TYPES:
            raise AttributeError(name)
        return lambda *values: self.call(name, *values)

    def call(self, name: str, *values: int) -> int:
        data = b"".join((value % 2**64).to_bytes(8, "little") for value in values)
        return int.from_bytes(self.plugin.call(name, data), "little")

    def peek(self, offset: int, length: int) -> bytes:
        return bytes(self.plugin.call("peek", struct.pack("<QQ", offset, length)))

    def poke(self, offset: int, data: bytes) -> None:
        self.plugin.call("poke", struct.pack("<Q", offset) + data)

    def number(self, offset: int = 0) -> int:
        return int.from_bytes(self.peek(offset, 4), "little")

    def path(self, text: str | bytes, at: int = _PATH) -> tuple[int, int]:
        data = text.encode() if isinstance(text, str) else text
        self.poke(at, data)
        return at, len(data)

    def other_path(self, text: str | bytes) -> tuple[int, int]:
        return self.path(text, _OTHER_PATH)

    def open(
        self,
        path: str | bytes,
        oflags: int = 0,
        rights: int = 2,
        *,
        fd: int = 3,
        fdflags: int = 0,
        follow: int = 1,
    ) -> tuple[int, int]:
        """Error number and new descriptor; the rights are to read unless others are asked for."""
        at, length = self.path(path)
        errno = self.path_open(fd, follow, at, length, oflags, rights, rights, fdflags, 0)
        return errno, self.number()

    def read(self, fd: int, length: int = 1000) -> tuple[int, bytes]:
        self.poke(_VECTOR, struct.pack("<II", DATA, length))
        errno = self.fd_read(fd, _VECTOR, 1, 0)
        return errno, b"" if errno else self.peek(DATA, self.number())

    def write(self, fd: int, data: bytes) -> tuple[int, int]:
        self.poke(DATA, data)
        self.poke(_VECTOR, struct.pack("<II", DATA, len(data)))
        return self.fd_write(fd, _VECTOR, 1, 0), self.number()

    def poll(self, *subscriptions: bytes) -> tuple[int, list[tuple[int, int, int]]]:
        """Error number, and of each event: userdata, error, kind."""
        self.poke(DATA, b"".join(subscriptions))
        errno = self.poll_oneoff(DATA, DATA + 32768, len(subscriptions), 0)
        data = b"" if errno else self.peek(DATA + 32768, 32 * self.number())
        return errno, [struct.unpack_from("<QHB", data, 32 * i) for i in range(len(data) // 32)]
