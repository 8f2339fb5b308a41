"""
A module without what is large in it: all that others see of it, in the few kilobytes that say so.

Code, data and the initial contents of tables are left out, custom sections are empty but for chosen ones. No engine would take a husk;
`reader.Module` answers every question about imports, exports and types as it does for the module itself.

Before and after::

    (module                                            (module
      (import "env" "f" (func (param i32)))              (import "env" "f" (func (param i32)))
      (memory (export "memory") 200)                     (memory (export "memory") 200)
      (data (i32.const 0) "ten megabytes")
      (func (export "run") (result i32) ...))            (func (export "run") (result i32)))
"""

from __future__ import annotations

from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import SectionId
from extism._wasm.reader import HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Final

    from extism._wasm.model import Section
    from extism._wasm.reader import Module

__all__ = ["husk"]

_KEPT: Final = (
    SectionId.TYPE,
    SectionId.IMPORT,
    SectionId.FUNCTION,
    SectionId.TABLE,
    SectionId.MEMORY,
    SectionId.TAG,
    SectionId.GLOBAL,
    SectionId.EXPORT,
    SectionId.START,
)


def husk(module: Module, customs: Collection[str] = ()) -> bytes:
    """Return the husk of a module, as bytes that `reader.read` takes, with the content of these custom sections."""
    return HEADER + b"".join([_left(section, customs) for section in module.sections])


def _left(section: Section, customs: Collection[str]) -> bytes:
    if section.id in _KEPT or (section.id == SectionId.CUSTOM and section.name in customs):
        return bytes(section.raw)
    if section.id != SectionId.CUSTOM:
        return b""
    name = section.name.encode()
    label = write_unsigned(len(name)) + name
    return b"\0" + write_unsigned(len(label)) + label
