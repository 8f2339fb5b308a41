"""The wheel of the engine, and what is said where there is none; each platform's is in `tests/house`."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from extism._engine import wheel


def test_the_version_is_the_wheels():
    """It is part of the key of cached native code."""
    assert wheel.engine_version() == metadata.version("wasmtime")


def test_a_platform_without_a_wheel_is_told(monkeypatch):
    """The error lists what is served."""
    monkeypatch.setattr(sys, "platform", "plan9")
    with pytest.raises(
        ImportError, match="no wasmtime wheel serves the platform plan9; served are linux"
    ):
        wheel.library_path()


def test_a_missing_wheel_says_what_to_install(monkeypatch):
    """The error is the command line that mends it."""
    monkeypatch.setattr(wheel, "_package_folders", list)
    with pytest.raises(ImportError, match="pip install 'wasmtime>=50,<51'"):
        wheel.library_path()
    assert wheel.engine_version() == "unknown"
