"""
A module and the state that it reached to a module that starts in that state.

The program is run elsewhere; `instrument.py` exports what has to be read. Here the data section is
written anew from the memory images, and limits and globals get their new initial values. Code is not
touched, so debug information stays true.

Before, and after `init` has stored 7 at address 16 and grown the memory by a page::

    (module                                  (module
      (memory (export "m") 1)                  (memory (export "m") 2)
      (global (mut i32) (i32.const 0))         (global (mut i32) (i32.const 1))
      (func (export "init") ...)
      (func (export "run") ...)                (func (export "run") ...)
      (data (i32.const 0) "abc"))              (data (i32.const 0) "abc" and 0 ... 0, 7))

What can go wrong:
    Tables keep their first content, and a passive segment that `init` has dropped is whole again:
    neither can be read from outside. A program that relies on either cannot be snapshotted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from extism._wasm.builder import Builder
from extism._wasm.model import DataSegment
from extism._wasm.reader import read
from extism._wasm.segments import MOST, segments
from extism.errors import WasmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from extism._wasm.assembly import Value
    from extism._wasm.externs import Limits, MemoryType
    from extism._wasm.reader import Module

__all__ = ["snapshot"]

EMPTY = DataSegment(memoryview(b""))


def snapshot(
    wasm: bytes,
    memories: Mapping[int, bytes | bytearray | memoryview],
    globals_: Mapping[int, Value] | None = None,
    *,
    remove_exports: Iterable[str] = (),
) -> bytes:
    """
    Return the module that starts where a run of `wasm` has got to.

    Args:
        wasm: The module that was run.
        memories: The whole content of every memory of its own, by index.
        globals_: Values of its mutable globals, by index; others keep their initial value.
        remove_exports: Names that the new module must not have, such as what ran just now.

    The start function is removed, for it has run. Equal arguments give equal bytes.

    Raises:
        WasmError: An image is missing, has no whole number of pages or is smaller than the memory was;
            or there is no such global or export.

    Layout:
        Memories: min = pages of the image; max stays if the module had one and the image fits in it.
        Data: passive segments, and empty ones for the old active ones if code may name segments by
        index (there is a DataCount section), in their old places; then active segments with what is
        not zero in the images.
    """
    module = read(wasm)
    builder = Builder(module)
    _check(module, memories)
    images = {index: bytes(memories[index]) for index in sorted(memories)}
    for index, image in images.items():
        builder.set_memory_limits(_limits(module.memories[index], len(image)), index)
    for index, value in (globals_ or {}).items():
        builder.set_global(index, value)
    for name in remove_exports:
        builder.remove_export(name)
    if module.start is not None:
        builder.set_start(None)
    kept = list(_kept(module))
    most = (MOST - len(kept)) // max(1, len(images))
    builder.remove_data()
    builder.add_data(kept)
    for index, image in images.items():
        builder.add_data(segments(image, index, module.memories[index], most))
    return builder.build()


def _check(module: Module, memories: Mapping[int, bytes | bytearray | memoryview]) -> None:
    first = module.imported_count("memory")
    own = range(first, len(module.memories))
    if set(own) != set(memories):
        text = f"images of memories {sorted(memories)} for a module whose own are {list(own)}"
        raise WasmError(text, section="memory")
    for index, image in memories.items():
        type_, length = module.memories[index], len(image)
        if length % type_.page_size or length < type_.limits.min * type_.page_size:
            text = f"{length} bytes are no image of memory {index}, {type_}"
            raise WasmError(text, section="memory")


def _limits(type_: MemoryType, length: int) -> Limits:
    pages = length >> type_.page_size_log2
    highest = type_.limits.max
    fits = highest is not None and pages <= highest
    return replace(type_.limits, min=pages, max=highest if fits else None)


def _kept(module: Module) -> Iterator[DataSegment]:
    """Give the segments that stay in their places because code may name them by index."""
    if module.data_count is None:
        return
    for segment in module.data_segments:
        yield segment if segment.memory is None else EMPTY
