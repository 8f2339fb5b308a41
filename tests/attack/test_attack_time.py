"""Group C: what runs too long is ended, and nothing else is."""

from __future__ import annotations

import pytest
from in_a_child import in_a_child
from wat_guests import LOOP

import extism
from extism.errors import CallTimeout


def times_out(module: str, **manifest) -> str:
    try:
        with extism.Plugin(
            {"wasm": [{"data": module.encode()}], "timeout_ms": 300, **manifest}
        ) as plugin:
            plugin.call("loop", "")
    except CallTimeout:
        return "timeout"
    return "no end"


def test_c01_endless_loop():
    """A loop without end is over when its time is, and the plug-in goes on."""
    assert in_a_child(times_out, LOOP, seconds=20) == "timeout"
