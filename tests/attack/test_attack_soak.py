"""Group S: what is done again and again leaves nothing behind; `make soak` does it for longer."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest
from in_a_child import in_a_child, resident_memory
from wat_guests import ECHO, LOOP, SHOUT, UNREACHABLE, wat

import extism
from extism.errors import CallTimeout, Error

MB = 1 << 20


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def growth(step, count: int, warm: int) -> dict[str, int]:
    """What `count` steps leave behind in bytes, descriptors, threads and objects, after some to warm up."""

    def state() -> dict[str, int]:
        gc.collect()
        return {
            "bytes": resident_memory(),
            "descriptors": descriptors(),
            "threads": threading.active_count(),
            "objects": len(gc.get_objects()),
        }

    for _ in range(warm):
        step()
    before = state()
    for _ in range(count):
        step()
    after = state()
    return {name: after[name] - before[name] for name in before}


def calls(count: int) -> dict[str, int]:
    plugin = extism.Plugin(ECHO, functions=[])
    data = b"x" * 1024
    found = growth(lambda: plugin.call("echo", data), count, count // 10)
    assert plugin.call("echo", data) == data
    return found


def plugins(count: int) -> dict[str, int]:
    def step():
        with extism.Plugin(ECHO, functions=[]) as plugin:
            plugin.call("echo", "x")
        extism.Plugin(ECHO, functions=[]).call("echo", "dropped")

    return growth(step, count // 2, 20)


def failures(count: int) -> dict[str, int]:
    """Traps, errors, unknown functions, in turn."""
    broken = wat(
        """(func (export "error") (result i32)
          (call $error_set (call $copy_input)) (i32.const 1))"""
    )
    traps, errors = extism.Plugin(UNREACHABLE, functions=[]), extism.Plugin(broken, functions=[])

    def step():
        for plugin, name in ((traps, "trap"), (errors, "error"), (traps, "missing")):
            with pytest.raises(Error):
                plugin.call(name, "x")

    found = growth(step, count // 3, count // 30)
    assert traps.call("noop", "") == b""
    return found


def host_calls(count: int) -> dict[str, int]:
    @extism.host_fn(name="shout")
    def upper(text: str) -> str:
        return text.upper()

    plugin = extism.Plugin(SHOUT, functions=[upper])
    return growth(lambda: plugin.call("run", "some text"), count, count // 10)


def timeouts(count: int) -> dict[str, int]:
    plugin = extism.Plugin({"wasm": [{"data": LOOP.encode()}], "timeout_ms": 5}, functions=[])

    def step():
        with pytest.raises(CallTimeout):
            plugin.call("loop", "")

    return growth(step, count, 10)


def large_inputs(count: int) -> dict[str, int]:
    plugin = extism.Plugin(ECHO, functions=[])
    data = bytes(8 * MB)
    found = growth(lambda: plugin.call("echo", data), count, 5)
    assert len(plugin.call("echo", b"x")) == 1
    return found


def new_functions(count: int) -> dict[str, int]:
    """Made, used and dropped; what is decorated is kept by the registry, see `forgotten_functions`."""

    def step():
        function = extism.Function(
            None,
            "shout",
            [extism.ValType.I64],
            [extism.ValType.I64],
            lambda _plugin, inputs, outputs: setattr(outputs[0], "value", inputs[0].value),
        )
        with extism.Plugin(compiled_source, functions=[function]) as plugin:
            assert plugin.call("run", "x") == b"x"

    compiled_source = SHOUT
    return growth(step, count, 50)


def forgotten_functions(count: int) -> dict[str, int]:
    """Decorated, used, and taken out of the registry, which keeps them until then."""

    def step():
        @extism.host_fn(name="shout", signature=([extism.ValType.I64], [extism.ValType.I64]))
        def shout(_plugin, inputs, outputs):
            outputs[0].value = inputs[0].value

        with extism.Plugin(SHOUT, functions=[shout]) as plugin:
            assert plugin.call("run", "x") == b"x"
        extism.HOST_FN_REGISTRY.remove(shout)

    return growth(step, count, 50)


def programs(count: int) -> dict[str, int]:
    """Each run of `_start` has an instance of its own."""
    plugin = extism.Plugin(
        wat(
            '(func (export "_start") (i32.store (i32.const 60000) (i32.const 1)) (call $give (call $input_offset)))'
        ),
        functions=[],
    )

    def step():
        assert plugin.call("_start", "x") == b"x"

    return growth(step, count, 20)


@pytest.mark.parametrize(
    ("run", "count", "most"),
    [
        pytest.param(calls, 20_000, 2 * MB, id="S01-calls"),
        pytest.param(plugins, 600, 6 * MB, id="S02-plug-ins"),
        pytest.param(failures, 3000, 3 * MB, id="S03-failures"),
        pytest.param(host_calls, 8000, 2 * MB, id="S04-host functions"),
        pytest.param(timeouts, 150, 3 * MB, id="S05-time-outs"),
        pytest.param(large_inputs, 100, 20 * MB, id="S06-large inputs"),
        pytest.param(new_functions, 600, 6 * MB, id="S07-new functions"),
        pytest.param(forgotten_functions, 600, 6 * MB, id="S07-forgotten functions"),
        pytest.param(programs, 300, 6 * MB, id="S08-programs"),
    ],
)
def test_nothing_is_left_behind(run, count, most):
    """No memory, no descriptor, no thread; and each step gave what it gives."""
    left = in_a_child(run, count, seconds=100)

    assert left["bytes"] < most
    assert left["descriptors"] <= 0
    assert left["threads"] <= 0
    assert left["objects"] < 300
