"""Variables against a dict: guest and host change them in any order, over any end of a call or an instance."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from wat_guests import wat

import extism
from extism._engine.engine import wat_to_wasm
from extism._runtime import shelf
from extism.errors import CallError, CapabilityDenied, Trap

# The input is one byte with the length of the key, the key, the value.
GUEST = wat(
    """
    (func $part (param $from i64) (param $to i64) (result i64)
      (local $h i64) (local $i i64)
      (local.set $h (call $alloc (i64.sub (local.get $to) (local.get $from))))
      (block $done (loop $next
        (br_if $done (i64.ge_u (i64.add (local.get $from) (local.get $i)) (local.get $to)))
        (call $store_u8 (i64.add (local.get $h) (local.get $i))
          (call $input_load_u8 (i64.add (local.get $from) (local.get $i))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
      (local.get $h))
    (func $end (result i64)
      (i64.add (i64.const 1) (i64.extend_i32_u (call $input_load_u8 (i64.const 0)))))
    (func $key (result i64) (call $part (i64.const 1) (call $end)))
    (func $value (result i64) (call $part (call $end) (call $input_length)))
    (func $set (export "set") (call $var_set (call $key) (call $value)))
    (func (export "set_and_trap") (call $set) unreachable)
    (func (export "set_and_loop") (call $set) (loop $l (br $l)))
    (func (export "_start") (call $set))
    (func (export "get") (call $give (call $var_get (call $key))))
    (func (export "config") (call $give (call $config_get (call $key))))
    (func (export "through_the_host")
      (call $set) (call $touch (call $key)) (call $give (call $var_get (call $key))))""",
    before='(import "extism:host/user" "touch" (func $touch (param i64)))',
)

BUDGET = 3000
KEYS = st.sampled_from(["", "a", "b", "seven..", "eight...", "nine.....", "ключ", "🔑" * 3, "\0"])
VALUES = st.binary(max_size=60) | st.integers(0, 1500).map(lambda length: b"x" * length)
CONFIG = {"a": "configured", "ключ": "значение", "empty": ""}


@extism.host_fn(name="touch", namespace="extism:host/user")
def touch(current: extism.CurrentPlugin, key: str) -> None:
    """What the host adds while the guest waits."""
    current.vars[key] = current.vars.get(key, b"") + b"!"


extism.HOST_FN_REGISTRY.remove(touch)


class VariablesAgainstADict(RuleBasedStateMachine):
    """A plugin whose variables lie on a shelf from the second time on that the guest asks."""

    fuse = True

    @initialize()
    def make(self):
        self.patience = pytest.MonkeyPatch()
        self.patience.setattr(shelf, "PATIENCE", 2)
        manifest = {
            "wasm": [{"data": wat_to_wasm(GUEST)}],
            "memory": {"max_var_bytes": BUDGET},
            "config": CONFIG,
        }
        compiled = extism.CompiledPlugin(manifest, functions=[touch], fuse=self.fuse)
        self.plugin = extism.Plugin(compiled)
        self.model = {}

    def teardown(self):
        if hasattr(self, "plugin"):
            self.plugin.close()
            assert dict(self.plugin.vars) == self.model
            self.patience.undo()

    def used(self, model):
        return sum(48 + len(key.encode()) + len(value) for key, value in model.items())

    def fits(self, key, value):
        return self.used({**self.model, key: value}) <= BUDGET

    def input(self, key, value=b""):
        return bytes([len(key.encode())]) + key.encode() + value

    def changed(self, key, value):
        """What the guest's setting does to the model: no bytes are removal."""
        if value:
            self.model[key] = value
        else:
            self.model.pop(key, None)

    @rule(key=KEYS, value=VALUES, name=st.sampled_from(["set", "_start"]))
    def set(self, key, value, name):
        if value and not self.fits(key, value):
            with pytest.raises(CapabilityDenied, match="Variable store is full"):
                self.plugin.call(name, self.input(key, value))
            return
        self.plugin.call(name, self.input(key, value))
        self.changed(key, value)

    @rule(key=KEYS, value=st.binary(max_size=20), times=st.integers(1, 30))
    def set_often(self, key, value, times):
        for number in range(times):
            if self.fits(key, value + b"%d" % number):
                self.set(key, value + b"%d" % number, "set")

    @rule(key=KEYS, value=VALUES)
    def set_and_trap(self, key, value):
        if not value or self.fits(key, value):
            self.changed(key, value)
        with pytest.raises((Trap, CapabilityDenied)):
            self.plugin.call("set_and_trap", self.input(key, value))

    @rule(key=KEYS, value=st.binary(max_size=20))
    def set_and_run_out_of_time(self, key, value):
        before = dict(self.model)
        if not value or self.fits(key, value):
            self.changed(key, value)
        with pytest.raises((extism.errors.CallTimeout, CapabilityDenied)):
            self.plugin.call("set_and_loop", self.input(key, value), timeout=0.002)
        found = dict(self.plugin.vars)

        assert found in (before, self.model)
        self.model = found

    @rule(key=KEYS)
    def get(self, key):
        assert self.plugin.call("get", self.input(key)) == self.model.get(key, b"")

    @rule(key=KEYS, times=st.integers(2, 5))
    def get_often(self, key, times):
        for _ in range(times):
            self.get(key)

    @rule(key=st.sampled_from([*CONFIG, "b", ""]), times=st.integers(1, 4))
    def config(self, key, times):
        for _ in range(times):
            found = self.plugin.call("config", self.input(key))

            assert found == CONFIG.get(key, "").encode()

    @rule(key=KEYS, value=VALUES)
    def set_by_the_host(self, key, value):
        if self.fits(key, value):
            self.plugin.vars[key] = value
            self.model[key] = value
            return
        with pytest.raises(CapabilityDenied):
            self.plugin.vars[key] = value

    @rule(key=KEYS)
    def remove_by_the_host(self, key):
        if key in self.model:
            del self.plugin.vars[key], self.model[key]
        else:
            with pytest.raises(KeyError):
                del self.plugin.vars[key]

    @rule(key=KEYS)
    def get_by_the_host(self, key):
        assert self.plugin.vars.get(key) == self.model.get(key)

    @rule(key=KEYS, value=st.binary(max_size=20))
    def change_in_a_call(self, key, value):
        between = dict(self.model)
        if value:
            between[key] = value
        else:
            between.pop(key, None)
        after = {**between, key: between.get(key, b"") + b"!"}
        if max(self.used(between), self.used(after)) > BUDGET:
            return
        found = self.plugin.call("through_the_host", self.input(key, value))
        self.model = after

        assert found == after[key]

    @rule(act=st.sampled_from(["restart", "reset"]))
    def begin_anew(self, act):
        getattr(self.plugin, act)()

    @rule(key=st.sampled_from([b"\xff", b"\xed\xa0\x80", b"key\xc3"]))
    def broken_key(self, key):
        with pytest.raises(CallError, match="utf-8"):
            self.plugin.call("get", bytes([len(key)]) + key)

    @invariant()
    def is_the_dict(self):
        if hasattr(self, "plugin"):
            variables = self.plugin._life.state.variables

            assert dict(variables.snapshot()) == self.model
            assert variables.used == self.used(self.model)


class TheSameApart(VariablesAgainstADict):
    """Kernel and plugin in two instances."""

    fuse = False


BOUNDED = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestFused = VariablesAgainstADict.TestCase
TestFused.settings = BOUNDED
TestApart = TheSameApart.TestCase
TestApart.settings = BOUNDED
