"""The cases of `bench_isolation.py`, for `worker.py`; the environment says where the plug-ins live."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from worker import Case

import extism

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "BENCH_ISOLATION"
"""Names the environment variable."""


@extism.host_fn(signature=([extism.ValType.I64], [extism.ValType.I64]))
def add_one(_plugin, inputs, outputs):
    outputs[0].value = inputs[0].value + 1


@extism.host_fn()
def upper(text: str) -> str:
    return text.upper()


def plugin(wasm: Path, *functions: extism.Function) -> extism.Plugin:
    manifest = {"wasm": [{"path": str(wasm)}], "config": {"greeting": "hello there"}}
    isolation = os.environ.get(VARIABLE)
    return extism.Plugin(manifest, functions=functions, isolation=isolation)


def call(wasm: Path, function: str, data: bytes, *functions: extism.Function) -> Case:
    return Case(plugin(wasm, *functions).call, (function, data))


def begin(wasm: Path) -> Case:
    def once() -> bytes:
        with plugin(wasm) as made:
            return made.call("echo", b"0123456789abcdef")

    return Case(once)


def cases(folder: Path):
    small, host, state = (folder / f"{name}.wasm" for name in ("small", "host", "state"))
    text = b"Some text of thirty-two letters."
    return {
        "isolation: echo 16 B": partial(call, small, "echo", b"0123456789abcdef"),
        "isolation: echo 1 MB": partial(call, small, "echo", bytes(range(256)) * 4096),
        "isolation: host int x1000": partial(call, host, "ints", b"", add_one, upper),
        "isolation: host str x1000": partial(call, host, "texts", text, add_one, upper),
        "isolation: var get x1000": partial(call, state, "var_get", b""),
        "isolation: config get x1000": partial(call, state, "config_get", b""),
        "isolation: plug-in, call, close": partial(begin, small),
    }
