"""What our host adds for Python plug-ins: a trap in the interpreter costs one instance, not the plug-in."""

from __future__ import annotations

import pytest

import extism

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]

SOURCE = """
import extism

calls = 0


@extism.plugin_fn
def count():
    global calls
    calls += 1
    extism.Var.set("seen", str(calls))
    extism.output_str(str(calls))


@extism.plugin_fn
def spin():
    while True:
        pass


@extism.plugin_fn
def seen():
    extism.output_str(extism.Var.get_str("seen"))
"""


@pytest.mark.parametrize(
    ("shared", "isolation"),
    [(False, None), (True, None), (False, "process")],
    ids=["single", "shared", "in a worker"],
)
def test_after_a_time_out_the_interpreter_is_a_fresh_one(python_plugin, shared, isolation):
    """An interpreter that was stopped in the middle is never called again; variables are carried over."""
    manifest = {"wasm": [{"path": str(python_plugin(SOURCE, shared=shared))}], "timeout_ms": 1500}
    with extism.Plugin(manifest, wasi=True, functions=[], isolation=isolation) as plugin:
        before = [plugin.call("count", "") for _ in range(3)]
        with pytest.raises(extism.errors.CallTimeout):
            plugin.call("spin", "")
        after = plugin.call("seen", ""), plugin.call("count", "")

    assert before == [b"1", b"2", b"3"]
    assert after == (b"3", b"1")
