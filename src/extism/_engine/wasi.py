"""
What a WASI program may see of the world: arguments, environment, standard streams, directories.

Nothing is inherited unless asked for: who asks for nothing gets the world of `wasi_bare.py`. Policy is not here; the
caller has decided.
"""

from __future__ import annotations

import errno
import os
from _thread import get_ident

from extism._dataclass import dataclass
from extism._engine.bindings import ByteVec, WriteCallback, lib
from extism._engine.foreign import byref, c_char_p, c_void_p, string_at
from extism._engine.stacks import stand_in
from extism._engine.wasi_bare import MAX_OPEN_FILES, BareWasi, Output, World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from extism._capabilities.files import Disk

__all__ = ["MAX_DISK_BYTES", "MAX_NEW_FILES", "Preopen", "Wasi"]

MAX_DISK_BYTES: Final = 256 << 20
"""Bytes by which its files may grow, where nothing else is said."""

MAX_NEW_FILES: Final = 1 << 16
"""Files, directories and links that it may make, where nothing else is said: disks run out of those, too."""


@dataclass(frozen=True)
class Preopen:
    """A directory of the host under the name that the program sees."""

    host: str
    guest: str
    is_read_only: bool = False


@dataclass(frozen=True)
class Wasi(BareWasi):
    """
    The world of one store.

    Attributes:
        argv: Program arguments.
        env: Environment variables.
        stdin: All that standard input holds.
        stdout: Where output goes.
        stderr: The same.
        preopens: Directories, descriptors from 3 on in this order.
        max_open_files: Descriptors that it may have open beside those.
        disk: The room that files may take; None for any. All stores of this world share it.
    """

    argv: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    stdin: bytes = b""
    stdout: Output = None
    stderr: Output = None
    preopens: tuple[Preopen, ...] = ()
    max_open_files: int = MAX_OPEN_FILES
    disk: Disk | None = None

    def configure(self, caller: Callable[[], int]) -> tuple[int, World]:
        """
        Return the same, as far as it is granted anything.

        Args:
            caller: Gives the thread that runs the store's code.

        Raises:
            OSError: A directory cannot be opened.
            ValueError: A text holds a NUL.
        """
        pointer: int = lib.wasi_config_new()
        keep: list[Any] = []
        try:
            self._set_texts(pointer)
            self._set_streams(pointer, keep, caller)
            for preopen in self.preopens:
                _preopen(pointer, preopen)
        except BaseException:  # a Ctrl-C among them: only we know of it
            lib.wasi_config_delete(pointer)
            raise
        return pointer, World(keep, self.max_open_files, self.disk)

    def _set_texts(self, pointer: int) -> None:
        if self.argv:
            lib.wasi_config_set_argv(pointer, len(self.argv), _strings(self.argv))
        if self.env:
            names, values = _strings(n for n, _ in self.env), _strings(v for _, v in self.env)
            lib.wasi_config_set_env(pointer, len(self.env), names, values)

    def _set_streams(self, pointer: int, keep: list[Any], caller: Callable[[], int]) -> None:
        if self.stdin:
            vec = ByteVec()
            lib.wasm_byte_vec_new(byref(vec), len(self.stdin), self.stdin)
            lib.wasi_config_set_stdin_bytes(pointer, byref(vec))
        for name, sink in (("stdout", self.stdout), ("stderr", self.stderr)):
            if sink == "inherit":
                getattr(lib, f"wasi_config_inherit_{name}")(pointer)
            elif sink is not None:
                callback = WriteCallback(_writer(sink, caller))
                keep.append(callback)
                getattr(lib, f"wasi_config_set_{name}_custom")(pointer, callback, None, None)


def _strings(texts: Any) -> Any:
    encoded = [_c_string(text) for text in texts]
    return (c_char_p * len(encoded))(*encoded)


def _c_string(text: str) -> bytes:
    if "\0" in text:
        raise ValueError(f"{text!r} holds a NUL, which nothing in WASI's world can")
    return text.encode()


def _writer(
    sink: Callable[[bytes], object], caller: Callable[[], int]
) -> Callable[[int, int, int], int]:
    def write(_data: int, address: int, count: int) -> int:
        # The engine writes on a thread of its own while the caller waits: a receiver that calls its own
        # plugin is told, instead of waiting for itself.
        here = get_ident()
        stand_in(here, caller())
        try:
            sink(string_at(c_void_p(address), count))
        except BaseException:
            # Nothing may be raised into C; the program sees a failed write.
            import logging

            logging.getLogger(__name__).exception("the receiver of the program's output failed")
            return -errno.EIO
        finally:
            stand_in(here, None)
        return count

    return write


def _preopen(pointer: int, preopen: Preopen) -> None:
    done = lib.wasi_config_preopen_dir(
        pointer, os.fsencode(preopen.host), _c_string(preopen.guest), not preopen.is_read_only
    )
    if not done:
        raise OSError(f"the directory {preopen.host!r} cannot be opened for the plugin")
