"""`features` and `interruptible`: what of the engine a host can choose."""

import time

import pytest

import extism
from extism.errors import CallTimeout, CompileError

MEMORY64 = b"""(module (memory i64 1) (func (export "run") (result i32)
    (i32.store (i64.const 8) (i32.const 3))
    (i32.sub (i32.load (i64.const 8)) (i32.const 3))))"""
GC = b"""(module (type $box (struct (field i32))) (func (export "run") (result i32)
    (struct.get $box 0 (struct.new $box (i32.const 0)))))"""
LONG = b"""(module (func (export "run") (local i32) (loop $l (br_if $l (i32.ne (i32.const 300000000)
    (local.tee 0 (i32.add (local.get 0) (i32.const 1))))))))"""


@pytest.mark.parametrize(("wat", "feature"), [(MEMORY64, "memory64"), (GC, "gc")])
def test_a_proposal_is_off_unless_it_is_named(wat, feature):
    """Without the feature the module is refused, with it the plug-in runs."""
    with pytest.raises(CompileError, match=r"memory64 must be enabled|without the gc feature"):
        extism.Plugin(wat, functions=[])
    with extism.Plugin(wat, functions=[], features=[feature]) as plugin:
        assert plugin.call("run", b"") == b""


def test_an_unknown_feature_is_refused():
    """The error names those that there are."""
    with pytest.raises(ValueError, match="no feature 'threads' to turn on; there are gc, memory64"):
        extism.Plugin(GC, functions=[], features=["threads"])


def test_code_that_cannot_be_interrupted_is_late_when_it_returns():
    """The deadline is noticed, but only at the end; the same code is ended in time by default."""
    manifest = {"wasm": [{"data": LONG}], "timeout_ms": 1}
    ends = []
    for interruptible in (False, True):
        with extism.Plugin(manifest, functions=[], interruptible=interruptible) as plugin:
            started = time.monotonic()
            with pytest.raises(CallTimeout):
                plugin.call("run", b"")
            ends.append(time.monotonic() - started)

    assert ends[0] > 0.01


def test_a_pool_hands_both_on():
    """They hold for every copy."""
    pool = extism.Pool(MEMORY64, functions=[], features=["memory64"], interruptible=False)
    with pool.plugin() as plugin:
        assert plugin.call("run", b"") == b""


def test_numbers_of_bytes_are_an_input():
    """As upstream takes them."""
    echo = b"""(module
        (import "extism:host/env" "input_offset" (func $o (result i64)))
        (import "extism:host/env" "input_length" (func $l (result i64)))
        (import "extism:host/env" "output_set" (func $s (param i64 i64)))
        (func (export "echo") (call $s (call $o) (call $l))))"""
    with extism.Plugin(echo, functions=[]) as plugin:
        assert [plugin.call("echo", each) for each in ([], [1, 2, 255], (65,))] == [
            b"",
            b"\1\2\xff",
            b"A",
        ]
        with pytest.raises(ValueError, match="range"):
            plugin.call("echo", [256])
