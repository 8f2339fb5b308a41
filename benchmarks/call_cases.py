"""The cases of `bench_call.py`, for `worker.py`: calls of a living plug-in."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

from sizes import INPUT_SIZES, label
from worker import Case

import extism

if TYPE_CHECKING:
    from pathlib import Path

PATTERN = bytes(range(256))
STATE = ("var_get", "var_set", "config_get", "log_level", "log_off")

IS_OURS = extism.Plugin.__module__ == "extism.plugin"
HAS_INTERRUPTIBLE = "interruptible" in inspect.signature(extism.Plugin).parameters


@extism.host_fn(signature=([extism.ValType.I64], [extism.ValType.I64]))
def add_one(_plugin, inputs, outputs):
    outputs[0].value = inputs[0].value + 1


@extism.host_fn()
def upper(text: str) -> str:
    return text.upper()


def call(wasm: Path, function: str, data: bytes, **options) -> Case:
    manifest = {"wasm": [{"data": wasm.read_bytes()}], "config": {"greeting": "hello there"}}
    plugin = extism.Plugin(manifest, **{"functions": [], **options})
    return Case(plugin.call, (function, data))


def pattern(size: int) -> bytes:
    return (PATTERN * (size // 256 + 1))[:size]


def cases(folder: Path):
    small, host, state = (folder / f"{name}.wasm" for name in ("small", "host", "state"))
    found = {"noop": partial(call, small, "noop", b"")}
    for size in INPUT_SIZES:
        found[f"echo {label(size)}"] = partial(call, small, "echo", pattern(size))
    found["give 64 KB"] = partial(call, small, "give", pattern(64 << 10))
    found["count vowels 4 KB"] = partial(call, small, "count", pattern(4 << 10))
    for name in ("burn", "sieve", "fibonacci"):
        found[name] = partial(call, small, name, b"")
        if HAS_INTERRUPTIBLE or not IS_OURS:
            # Upstream's can always be interrupted: there is nothing to switch off.
            options = {"interruptible": False} if IS_OURS else {}
            found[f"{name}, interruptible=False"] = partial(call, small, name, b"", **options)
    functions = [add_one, upper]
    found["host int x1000"] = partial(call, host, "ints", b"", functions=functions)
    text = b"Some text of thirty-two letters."
    found["host str x1000"] = partial(call, host, "texts", text, functions=functions)
    for name in STATE:
        found[f"{name.replace('_', ' ')} x1000"] = partial(call, state, name, b"")
    return found
