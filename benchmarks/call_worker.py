"""
One side of `bench_call.py`: the same cases over whatever package is called `extism` in this Python.

Reads lines from stdin. `CASE N` runs a case N times and prints the seconds that took; `CASE check` prints
the output of one run in hex. The guests' modules lie in the folder named by the first argument.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import extism
from extism.extism import CompiledPlugin

GUESTS = Path(sys.argv[1])


@extism.host_fn(signature=([extism.ValType.I64], [extism.ValType.I64]))
def add_one(_plugin, inputs, outputs):
    outputs[0].value = inputs[0].value + 1


@extism.host_fn()
def upper(text: str) -> str:
    return text.upper()


def made(name, **options):
    wasm = (GUESTS / f"{name}.wasm").read_bytes()
    manifest = {"wasm": [{"data": wasm}], "config": {"greeting": "hello there"}}
    return extism.Plugin(manifest, **options)


def calls(plugin, function, data):
    """A case that is one call."""
    call = plugin.call

    def run(count):
        started = time.perf_counter()
        for _ in range(count):
            call(function, data)
        return time.perf_counter() - started

    return run, lambda: call(function, data)


def first_calls(name):
    """A case that is a new instance and its first call."""
    wasm = (GUESTS / f"{name}.wasm").read_bytes()
    compiled = CompiledPlugin(wasm, functions=[])

    def once():
        with extism.Plugin(compiled) as plugin:
            return plugin.call("echo", b"0123456789abcdef")

    def run(count):
        started = time.perf_counter()
        for _ in range(count):
            once()
        return time.perf_counter() - started

    return run, once


def again(name):
    """A case that makes the same plugin again out of its bytes."""
    wasm = (GUESTS / f"{name}.wasm").read_bytes()

    def once():
        with extism.Plugin(wasm, functions=[]) as plugin:
            return plugin.call("echo", b"0123456789abcdef")

    def run(count):
        started = time.perf_counter()
        for _ in range(count):
            once()
        return time.perf_counter() - started

    return run, once


def cases():
    small = made("small", functions=[])
    host = made("host", functions=[add_one, upper])
    state = made("state", functions=[])
    pattern = bytes(range(256))
    sizes = {"16 B": 16, "1 KB": 1 << 10, "64 KB": 1 << 16, "1 MB": 1 << 20, "16 MB": 16 << 20}
    found = {"noop": calls(small, "noop", b"")}
    for label, size in sizes.items():
        data = (pattern * (size // 256 + 1))[:size]
        found[f"echo {label}"] = calls(small, "echo", data)
    found["give 64 KB"] = calls(small, "give", pattern * 256)
    found["count vowels 4 KB"] = calls(small, "count", pattern * 16)
    found["burn"] = calls(small, "burn", b"")
    found["host int x1000"] = calls(host, "ints", b"")
    found["host str x1000"] = calls(host, "texts", b"Some text of thirty-two letters.")
    for name in ("var_get", "var_set", "config_get", "log_level", "log_off"):
        found[f"{name} x1000"] = calls(state, name, b"")
    found["instance and call"] = first_calls("small")
    found["instance and call, 1.9 MB"] = first_calls("large")
    found["Plugin(bytes) again"] = again("small")
    return found


def main():
    found = cases()
    print("ready", *[name.replace(" ", "_") for name in found], flush=True)
    by_name = {name.replace(" ", "_"): pair for name, pair in found.items()}
    for line in sys.stdin:
        name, what = line.split()
        run, once = by_name[name]
        if what == "check":
            print(bytes(once()).hex(), flush=True)
        else:
            print(run(int(what)), flush=True)


main()
