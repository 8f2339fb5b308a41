"""
Which plugins take the kernel in, and how the host finds its way in those that did.

How a module and the kernel become one is in `fuse.py`, which is loaded when that has to be done: code that was fused
before comes from the cache.
"""

from __future__ import annotations

from extism import abi
from extism._cached import cache
from extism._runtime.kernel_source import DIGESTS
from extism._wasm.externs import FuncType
from extism._wasm.marks import PAUSING
from extism.manifest import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from extism._runtime.linking import Part
    from extism._wasm.outline import Outline

__all__ = [
    "ENTRY",
    "ENTRY_NAME",
    "ENTRY_TYPE",
    "PREFIX",
    "START",
    "can_fuse",
    "fused_label",
    "home_of",
    "kernel_functions",
    "without_ours",
]

PREFIX: Final = "extism:kernel "
"""What the host finds the kernel's exports under, in a fused module."""

START: Final = PREFIX + "start"
"""The export that was the module's start function."""

ENTRY: Final = PREFIX + "enter "
"""What the entry of a callable export is exported as, before its name."""

ENTRY_TYPE: Final = FuncType(("i64",), ("i64", "i64", "i64"))
"""
The type of all entries: the length of the input, which the host has written at the first handle, to where the output
begins and ends, and the return code (0 where the function has none).

The end is -1 where the call did not end well: the code is not 0, or the guest has set an error.
"""

ENTRY_NAME: Final = "kernel.enter"
"""What entries are called in backtraces, until `without_ours` takes them out."""

_VERSION: Final = "10"
"""Changes whenever equal modules are fused differently with the same kernel."""


def without_ours(text: str) -> str:
    """Return a backtrace without the frames of functions that are none of the plugin's."""
    import re

    ours = "|".join(map(re.escape, (ENTRY_NAME, PAUSING)))
    return re.sub(rf"(?m)^ +\d+: .*!(?:{ours})\n?", "", text)


@cache
def kernel_functions() -> tuple[abi.Function, ...]:
    """Return the functions of the ABI that are in the kernel: a fused module calls those inside, not its imports."""
    return tuple([row for row in abi.FUNCTIONS.values() if row.by == "kernel"])


@cache
def fused_label(parts: tuple[str, ...], waits: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the name of what `fuse` does with a kernel of `parts`, for the cache: it changes with what is done."""
    return f"fused {_VERSION} {DIGESTS[parts]}" + (f" waits {waits}" if waits else "")


def home_of(parts: Sequence[Part]) -> Part | None:
    """
    Return the module of a plugin that takes the kernel in; None where all stay apart.

    The only module; or of two the library, where it alone imports the kernel's functions and nothing of the main one.
    """
    if len(parts) == 1:
        return parts[0] if can_fuse(parts[0].outline) else None
    if len(parts) != _PAIR:
        return None
    main, library = sorted(parts, key=lambda part: part.name != MAIN)
    wants = {item.module for item in main.outline.imports}
    needs = {item.module for item in library.outline.imports}
    is_below = abi.ENV not in wants and library.name in wants and main.name not in needs
    return library if is_below and not library.is_command and can_fuse(library.outline) else None


_PAIR: Final = 2
_MAX_EXPORTS: Final = 1000
"""Each export gets an entry, which is compiled: more of them would take longer than they save."""


def can_fuse(module: Outline) -> bool:
    """Tell whether a module can take the kernel in, as far as its bytes show."""
    return (
        len(module.exports) <= _MAX_EXPORTS
        and not module.imported_count("memory")
        and not any(export.name.startswith(PREFIX) for export in module.exports)
        and all(module.is_plain(item) for item in module.imports if item.module == abi.ENV)
    )
