"""
The stacks of fibers, laid side by side in a few large mappings.

The engine maps each stack for itself and puts a guard page below it, which makes two mappings of each; Linux lets a
process have 65,530 in all, and a plugin takes six. Here stacks share mappings, and what guards them is a mark in the
page table (`MADV_GUARD_INSTALL`, Linux 6.13), which splits nothing. Where the system has no such mark, the engine
keeps its own way.

A store keeps its stack from one call to the next. When it ends, the stack is kept for another one, without its memory
if enough with memory are kept already::

    | guard 4 KiB | stack, grows down  2 MiB - 4 KiB | guard | stack | ...

What can go wrong: these functions are called by C, also while Python is shutting down. They raise nothing, and
hold all that they need.
"""

from __future__ import annotations

import sys

from extism._engine.bindings import lib
from extism._engine.foreign import (
    CFUNCTYPE,
    POINTER,
    Structure,
    addressof,
    byref,
    c_bool,
    c_char,
    c_size_t,
    c_void_p,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import Array
    from mmap import mmap
    from typing import Any, Final

__all__ = ["configure_stacks"]

_STACK_BYTES: Final = 2 << 20
"""As many as the engine asks for, where nothing else is said."""

_GUARD_BYTES: Final = 4096
_CHUNK: Final = 64
"""Stacks of one mapping."""

_WARM: Final = 32
"""Stacks that nobody uses and that keep their memory."""

_GUARD_INSTALL: Final = 102
_PAGE_TABLE_ONLY: Final = 0x4022
"""`MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE`."""

_GetCallback = CFUNCTYPE(c_size_t, c_void_p, POINTER(c_size_t))
"""(env, length out) -> the address above the stack."""

_Finalizer = CFUNCTYPE(None, c_void_p)


class StackMemory(Structure):
    """`wasmtime_stack_memory_t`, 24 bytes."""

    _fields_ = (("env", c_void_p), ("get", _GetCallback), ("finalizer", _Finalizer))


_NewCallback = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_bool, POINTER(StackMemory))
"""(env, size, zeroed, out) -> error or NULL."""


class StackCreator(Structure):
    """`wasmtime_stack_creator_t`, 24 bytes."""

    _fields_ = (("env", c_void_p), ("new", _NewCallback), ("finalizer", c_void_p))


class _Arena:
    """All stacks of the process; safe to use from any thread."""

    def __init__(self) -> None:
        self._chunks: list[mmap] = []
        self._free: list[int] = []
        self._warm: list[int] = []
        self._offsets: dict[int, tuple[mmap, int]] = {}

    def take(self) -> int:
        """
        Return the address above a stack, which is below nothing else.

        Raises:
            OSError: There is no address space.
        """
        for free in (self._warm, self._free):
            try:
                return free.pop()
            except IndexError:
                continue
        return self._mapped()

    def give_back(self, top: int) -> None:
        """Take a stack back that nobody uses any more."""
        if len(self._warm) < _WARM:
            self._warm.append(top)
            return
        chunk, offset = self._offsets[top]
        chunk.madvise(_DONTNEED, offset, _STACK_BYTES)
        self._free.append(top)

    def _mapped(self) -> int:
        """Return one of as many new stacks as a mapping holds."""
        chunk = _mapping(_CHUNK * _STACK_BYTES)
        base = addressof(c_char.from_buffer(chunk))
        tops = []
        for offset in range(0, _CHUNK * _STACK_BYTES, _STACK_BYTES):
            chunk.madvise(_GUARD_INSTALL, offset, _GUARD_BYTES)
            tops.append(base + offset + _STACK_BYTES)
            self._offsets[tops[-1]] = chunk, offset
        self._chunks.append(chunk)
        first = tops.pop()
        self._free.extend(tops)
        return first


_DONTNEED: Final = 4
_NOHUGEPAGE: Final = 15


def _mapping(size: int) -> mmap:
    from mmap import PROT_READ, PROT_WRITE, mmap

    chunk = mmap(-1, size, flags=_PAGE_TABLE_ONLY, prot=PROT_READ | PROT_WRITE)
    chunk.madvise(_NOHUGEPAGE)
    return chunk


def _is_to_be_had() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        with _mapping(_GUARD_BYTES) as page:
            page.madvise(_GUARD_INSTALL)
    except OSError:
        return False
    return True


def _functions() -> tuple[Any, ...]:
    """Return what C calls, and all that it needs."""
    arena = _Arena()

    def get(top: int, length: Array[Any]) -> int:
        length[0] = _STACK_BYTES - _GUARD_BYTES
        return top

    ours = _GetCallback(get), _Finalizer(arena.give_back)

    def new(_env: int, _size: int, _zeroed: bool, out: Array[Any]) -> int | None:  # noqa: FBT001 - C's
        try:
            top = arena.take()
        except OSError as exc:
            error: int = lib.wasmtime_error_new(f"no stack for a fiber: {exc}".encode())
            return error
        out[0].env, (out[0].get, out[0].finalizer) = top, ours
        return None

    return _NewCallback(new), ours, arena


_kept: Any = None
"""Never let go: the engine calls them as long as it lives."""


def configure_stacks(config: int) -> None:
    """Have an engine that is made with `config` take the stacks of its fibers here, if the system can."""
    global _kept
    if _kept is None:
        _kept = _functions() if _is_to_be_had() else ()
    if _kept:
        creator = StackCreator(None, _kept[0], None)
        lib.wasmtime_config_host_stack_creator_set(config, byref(creator))
