"""The cases of `bench_python.py` that repeat one thing, for `worker.py`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from worker import Case

import extism

if TYPE_CHECKING:
    from pathlib import Path


def call(wasm: Path, function: str, data: bytes) -> Case:
    plugin = extism.Plugin(wasm.read_bytes(), wasi=True, functions=[])
    return Case(plugin.call, (function, data))


def cases(folder: Path):
    wasm = folder / "python.wasm"
    return {
        "Python plug-in, empty call": partial(call, wasm, "nothing", b""),
        "Python plug-in, text in and out": partial(
            call, wasm, "upper", b"Some text of 32 letters, or so.."
        ),
        "Python plug-in, sum to 10,000": partial(call, wasm, "total", b"10000"),
    }
