"""
The loaded interpreter becomes a small plug-in: what it has beyond the base image, and how to lay that over it.

In: the memory of the interpreter after it has run the author's modules. Out: a module that imports the base image as
`python`, and begins by turning its memory into that memory (`main.wat`). Any number of plug-ins share the image: the file,
its native code, and the pages that none of them has written to.

::

    (module                                            (module                ;; the base image, named python
      (import "python" "memory" (memory 200))            (memory (export "memory") 200)
      (import "python" "py_invoke 0123456789abcdef"      (func (export "py_invoke")
        (func $py_invoke (param i32) (result i32)))            (export "py_invoke 0123456789abcdef") ...)
      (start $load)                                      ...)
      (data "what was added" ...)
      (func (export "greet") (result i32)
        i32.const 0  call $py_invoke))

Which image it needs stands in a custom section too (`abi.RUNTIME_SECTION`), by which our host finds it.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism import abi
from extism._compiler import doors, shim
from extism._compiler.interpreter.wheel import PROJECT
from extism._engine.engine import wat_to_wasm
from extism._wasm.builder import Builder
from extism._wasm.model import DataSegment
from extism._wasm.patch import initial_memory, patch
from extism._wasm.reader import read
from extism.errors import BuildError
from extism.version import extism_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from extism._compiler.interface import Exported, HostFunction
    from extism._wasm.patch import Patch
    from extism._wasm.reader import Module

__all__ = ["RUNTIME", "overlay"]

RUNTIME: Final = "python"
"""What the base image is called among the modules of a plug-in."""

_SKELETON: Final = Path(__file__).with_name("main.wat")
_PIECE: Final = struct.Struct("<II")


def overlay(
    base: bytes, image: bytes, exports: Sequence[Exported], imports: Sequence[HostFunction]
) -> bytes:
    """
    Return the small module that ships.

    Args:
        base: The base image.
        image: Its memory, after the plug-in was loaded.
        exports: In the order of the interpreter's numbers.
        imports: In the order of their slots.

    Raises:
        BuildError: There are more host functions than spare slots.
    """
    if len(imports) > doors.SPARE_SLOTS:
        raise BuildError(
            f"the plug-in imports {len(imports)} host functions, and a shared runtime has slots for "
            f"{doors.SPARE_SLOTS}",
            hint="build it as a single file, without --shared",
        )
    runtime = read(base)
    changed = patch(initial_memory(runtime), image)
    builder = Builder(read(_skeleton(runtime, changed, len(image))))
    indices = shim.add_imports(builder, imports)
    invoke, frame = builder.index("func", 0), builder.index("func", 1)
    shim.add_exports(builder, invoke, frame, exports)
    if imports:
        builder.add_elements(shim.add_slots(builder, imports, indices), doors.first_slot(runtime))
    builder.remove_data()
    table = b"".join([_PIECE.pack(at, end - at) for at, end in changed.pieces])
    builder.add_data([DataSegment(memoryview(data)) for data in (table, changed.content)])
    builder.set_custom(abi.FRAIL_SECTION, b"")
    builder.set_custom(abi.RUNTIME_SECTION, _needs(base))
    return builder.build()


def _skeleton(runtime: Module, changed: Patch, size: int) -> bytes:
    top, table_bytes = doors.stack_top(runtime), _PIECE.size * len(changed.pieces)
    memory = runtime.memories[0]
    text = _SKELETON.read_text(encoding="utf-8").format(
        runtime=RUNTIME,
        memory=doors.MEMORY,
        table=doors.TABLE,
        door=doors.own_door(runtime),
        frame=doors.FRAME,
        first_pages=memory.limits.min,
        pages=size // memory.page_size,
        slots=runtime.tables[0].limits.min,
        table_start=top - table_bytes,
        table_end=top,
        table_bytes=table_bytes,
    )
    return wat_to_wasm(text, "the plug-in")


def _needs(base: bytes) -> bytes:
    """Return the words that tell a host what to link with: name, digest, and the package that has it."""
    digest = hashlib.sha256(base).hexdigest()
    return f"{RUNTIME} {digest} {PROJECT}=={extism_version()}".encode()
