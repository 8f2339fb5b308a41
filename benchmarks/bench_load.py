"""
How long does a module take to load, and how does that grow with its size?

The modules are generated, half code and half data. `cold` compiles, `warm` finds native code on disk, `again` in the
process; the first two in fresh processes, without the import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guest_texts import module_of_size
from loads import loaded
from rows import Row
from sizes import MODULE_SIZES, label

from extism._engine.engine import wat_to_wasm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan

QUICK_SIZES = MODULE_SIZES[:3]


def measure(plan: Plan) -> Iterator[Row]:
    for size in QUICK_SIZES if plan.is_quick else MODULE_SIZES:
        if not plan.wants(f"load {label(size)}"):
            continue
        wasm = plan.folder / f"{size}.wasm"
        wasm.write_bytes(wat_to_wasm(module_of_size(size)))
        for state, samples in loaded(plan, wasm, "echo").items():
            name = f"load {label(size)}, {state}"
            yield Row(name, samples, series=f"load {state} by module size", at=wasm.stat().st_size)
