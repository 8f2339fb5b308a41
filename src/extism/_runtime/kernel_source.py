"""
What a kernel is made of: `kernel.wat`, and the parts that a plugin has use for.

How the host uses one that lives is in `kernel.py`.
"""

from __future__ import annotations

import os

from extism import abi
from extism._cached import cache
from extism._engine.engine import wat_to_wasm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, Final

__all__ = ["DIGESTS", "PARTS", "kernel_parts", "kernel_text", "kernel_wasm", "memory_count"]

PARTS: Final = {
    "levels": (
        *("log_trace", "log_debug", "log_info", "log_warn", "log_error"),
        "get_log_level",
    ),
    "shelf": ("config_get", "var_get", "var_set"),
}
"""
What `kernel.wat` can be extended by, as `NAME.wat`: short ways to functions of the host.

Each part exports functions under the host's names and imports the host's own, for what it leaves to them.
"""

DIGESTS: Final[dict[tuple[str, ...], str]] = {
    (): "c133d8b5fc45fe3f",
    ("levels",): "2244a473aa514667",
    ("shelf",): "27678e6067cc318c",
    ("levels", "shelf"): "b01f14531bb19a02",
}
"""
The first 16 digits of SHA-256 of the text of each kernel, by its parts.

Native code is found by them: reading and hashing 55 KB of text would be a fifteenth of a load. A test says when the
text has changed, and what they are then.
"""


def kernel_parts(imported: Collection[str], taken: Collection[str] = ()) -> tuple[str, ...]:
    """
    Return which parts the kernel of a plugin gets: those with a function that it imports.

    Args:
        imported: What its modules import of the ABI.
        taken: What the user gives in the host's place; a part with such a function is left out.
    """
    return tuple(
        part
        for part, names in PARTS.items()
        if not set(names).isdisjoint(imported) and set(names).isdisjoint(taken)
    )


@cache
def kernel_wasm(parts: tuple[str, ...] = ()) -> bytes:
    """Return the kernel with `parts` as a binary module, assembled once for each process."""
    return wat_to_wasm(kernel_text(parts), "kernel")


@cache
def kernel_text(parts: tuple[str, ...] = ()) -> str:
    """Return the kernel with `parts` as one module in the text format."""
    head, opening, fields = _source("kernel").partition("(module")
    name, line, fields = fields.partition("\n")
    imports = [_import(name) for part in parts for name in PARTS[part]]
    added = [_source(part) for part in parts]
    body = fields.rstrip().removesuffix(")")
    return "".join([head, opening, name, line, *imports, body, *added, ")"])


def _source(name: str) -> str:
    # As `importlib.resources` does it, which takes 10 ms to import.
    loader: Any = __loader__  # type: ignore[name-defined]
    text: bytes = loader.get_data(os.path.join(os.path.dirname(__file__), f"{name}.wat"))
    return text.decode()


def memory_count(parts: tuple[str, ...]) -> int:
    """Return how many memories the kernel with `parts` has."""
    return 2 + ("shelf" in parts)


def _import(name: str) -> str:
    """Return the import of a function of the host, which its part knows as `$host.name`."""
    row = abi.FUNCTIONS[name]
    params, results = " ".join(row.params), " ".join(row.results)
    return (
        f'  (import "{abi.ENV}" "{name}" (func $host.{name} (param {params}) (result {results})))\n'
    )
