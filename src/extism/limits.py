"""
`CompileLimits`: what a module may weigh to be compiled at all.

Compiling runs in the host, and cannot be ended half-way. So modules that were made to take long, or much memory, are
refused by their bytes; how these are weighed is in `_wasm/weigh.py`. Code that is found in the cache was compiled
before, and is not weighed again.
"""

from __future__ import annotations

import sys

from extism._dataclass import dataclass
from extism._wasm.reader import read
from extism._wasm.weigh import weights
from extism.errors import CompileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["CompileLimits", "check_weight"]


@dataclass(frozen=True)
class CompileLimits:
    """
    The most that a module may have to be compiled; None for as much as it likes.

    No compiler in use comes near: the largest function of CPython has 68 KB.

    Attributes:
        module_bytes: The whole module.
        function_bytes: The code of one function.
        locals: Variables declared by all functions together.
        nesting: Blocks inside each other.
        jump_targets: Targets of all jump tables (`br_table`) together.
        function_tangle: Of one function: roughly, its blocks times its variables, loops counting more.
        module_tangle: The same of all functions together.
        entries: Types, imports, functions, tables, globals, tags, exports and element segments together, and what
            their initial values take where code has to be made for these (six for an element, for example).
    """

    module_bytes: int | None = 64 << 20
    function_bytes: int | None = 1 << 20
    locals: int | None = 4_000_000
    nesting: int | None = 20_000
    jump_targets: int | None = 2_000_000
    function_tangle: int | None = 40_000_000
    module_tangle: int | None = 400_000_000
    entries: int | None = 250_000


_DEFAULT: Final = CompileLimits()

_WORDS: Final = {
    "module_bytes": "bytes",
    "entries": "types, functions and other entries",
    "function_bytes": "bytes of code",
    "locals": "locals",
    "nesting": "blocks inside each other",
    "jump_targets": "targets in jump tables",
    "function_tangle": "units of tangled control flow",
    "module_tangle": "units of tangled control flow",
}
_SUMS: Final = frozenset({"locals", "jump_targets", "module_tangle"})


def check_weight(wasm: bytes, name: str, limits: CompileLimits | None = None) -> None:
    """
    Look whether a module is light enough to be compiled, by the default limits if None are given.

    Raises:
        CompileError: It is not; the text names rule, value, limit and what lifts it.
        WasmError: Its code cannot be read.
    """
    limits = limits or _DEFAULT
    shallow = sys.maxsize if limits.nesting is None else limits.nesting
    for rule, value, function in weights(read(wasm), shallow):
        most = getattr(limits, rule)
        if most is not None and value > most:
            raise CompileError(_refusal(rule, value, function, most), module=name, rule=rule)


def _refusal(rule: str, value: int, function: int | None, most: int) -> str:
    who = "the module" if function is None else f"function {function}"
    if rule in _SUMS:
        who = f"the module up to function {function}"
    return (
        f"{who} has {value} {_WORDS[rule]}, and at most {most} are compiled; "
        f"compile_limits=CompileLimits({rule}=...) allows more, None any number"
    )
