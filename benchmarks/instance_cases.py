"""The cases of `bench_instances.py` that repeat one thing, for `worker.py`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from worker import Case

import extism
from extism.extism import CompiledPlugin

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"0123456789abcdef"


def first_call(source) -> bytes:
    with extism.Plugin(source, functions=[]) as plugin:
        return plugin.call("echo", DATA)


def from_compiled(wasm: Path) -> Case:
    return Case(first_call, (CompiledPlugin(wasm.read_bytes(), functions=[]),))


def from_bytes(wasm: Path, *, is_one_alive: bool) -> Case:
    """While a plug-in of these bytes is alive, their code is in memory; else it may have to be loaded."""
    content = wasm.read_bytes()
    alive = extism.Plugin(content, functions=[]) if is_one_alive else None

    def again() -> bytes:
        assert (alive is not None) == is_one_alive
        return first_call(content)

    return Case(again)


def cases(folder: Path):
    small, large = folder / "small.wasm", folder / "large.wasm"
    return {
        "instance and call": partial(from_compiled, small),
        "instance and call, 1.9 MB": partial(from_compiled, large),
        "Plugin(bytes) again, none alive": partial(from_bytes, small, is_one_alive=False),
        "Plugin(bytes) again": partial(from_bytes, small, is_one_alive=True),
    }
