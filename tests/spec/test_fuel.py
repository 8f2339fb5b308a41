"""Fuel: a call may execute so much and no more, and the host can read how much it was."""

from __future__ import annotations

import pytest

import extism

GUEST = """
(module
  (func (export "little") (result i32) (i32.const 0))
  (func (export "much") (local $i i32)
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 10000)))))
  (func (export "endless") (loop $next (br $next))))
"""


def test_a_call_that_needs_more_than_it_may_ends():
    """The error is `OutOfFuel` in upstream's words; the next call has all of its fuel again."""
    with extism.Plugin(GUEST, functions=[], fuel_limit=5000) as plugin:
        for function in ("much", "endless"):
            with pytest.raises(extism.errors.OutOfFuel, match=r"^plugin ran out of fuel$"):
                plugin.call(function, "")
        assert plugin.call("little", "") == b""


def test_creation_does_not_use_up_the_fuel_of_a_call():
    """Even the smallest limit lets a plugin be made; then the first call says that it is too small."""
    with extism.Plugin(GUEST, functions=[], fuel_limit=1) as plugin:
        for _ in range(3):
            with pytest.raises(extism.errors.OutOfFuel):
                plugin.call("much", "")


def test_fuel_used_is_that_of_the_last_call():
    """Doing the same twice uses the same; doing more uses more."""
    with extism.Plugin(GUEST, functions=[], fuel_limit=1_000_000) as plugin:
        before = plugin.fuel_used
        used = []
        for function in ("little", "much", "little"):
            plugin.call(function, "")
            used.append(plugin.fuel_used)

    assert before is None
    assert used[0] == used[2] < 100
    assert 10_000 < used[1] < 200_000


def test_without_a_limit_nothing_is_counted():
    """`fuel_used` is None."""
    with extism.Plugin(GUEST, functions=[]) as plugin:
        plugin.call("much", "")

        assert plugin.fuel_used is None
