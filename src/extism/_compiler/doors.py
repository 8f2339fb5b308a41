"""
The doors of the base image: what it exports, and the slots that it keeps free for a plug-in's host functions.

Both shapes of a plug-in go through them: the single file (`shim.py`), which is the image itself, and the small one
(`overlay.py`), which imports from it. The small one was made for one image and would destroy any other, so it
imports a door that only this image has: `py_invoke` under a name with the image's own digest. A host that is given another
image cannot link the two.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from extism._wasm.builder import Builder
from extism._wasm.patch import constant
from extism._wasm.reader import read
from extism.errors import BuildError

if TYPE_CHECKING:
    from extism._wasm.reader import Module

__all__ = [
    "FRAME",
    "INVOKE",
    "LOAD",
    "MEMORY",
    "SPARE_SLOTS",
    "STACK",
    "TABLE",
    "first_slot",
    "opened",
    "own_door",
    "stack_top",
]

INVOKE: Final = "py_invoke"
FRAME: Final = "py_frame"
LOAD: Final = "py_load"
MEMORY: Final = "memory"
TABLE: Final = "__indirect_function_table"
STACK: Final = "__stack_pointer"

SPARE_SLOTS: Final = 256
"""For host functions, at the end of the table: a table that cannot grow is called through faster."""

_DIGITS: Final = 16


def opened(snapshot: bytes) -> bytes:
    """Return the base image made of the interpreter's snapshot: with spare slots, and a door of its own."""
    module = read(snapshot)
    builder = Builder(module)
    digest = hashlib.sha256(snapshot).hexdigest()[:_DIGITS]
    builder.add_export(f"{INVOKE} {digest}", "func", builder.exported(INVOKE))
    limits = module.tables[0].limits
    size = limits.min + SPARE_SLOTS
    builder.set_table_limits(replace(limits, min=size, max=size))
    return builder.build()


def first_slot(base: Module) -> int:
    """Return the slot of a plug-in's first host function: the first behind the interpreter's own table."""
    return base.tables[0].limits.min - SPARE_SLOTS


def own_door(base: Module) -> str:
    """
    Return the name under which this image alone exports `py_invoke`.

    Raises:
        BuildError: It has none.
    """
    for export in base.exports:
        if export.name.startswith(f"{INVOKE} "):
            return export.name
    raise BuildError(
        "the guest interpreter cannot be shared: it has no door of its own",
        hint="it was built wrongly: build it anew",
    )


def stack_top(base: Module) -> int:
    """Return where the stack of C begins, below which all is zero between two calls."""
    export = base.export(STACK)
    assert export is not None
    return constant(base.own_globals[export.index - base.imported_count("global")].init)
