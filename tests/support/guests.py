"""The compiled guests of `tests/guests`, as a fixture."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from compilers import compile_guest


@pytest.fixture(scope="session")
def guest(pytestconfig):
    """
    A function from the name of a guest's source, such as `zig/echo.zig`, to the path of its module.

    Modules are kept in `EXTISM_TEST_CACHE`, else in pytest's own cache.
    """
    chosen = os.environ.get("EXTISM_TEST_CACHE")
    cache = Path(chosen).resolve() if chosen else pytestconfig.cache.mkdir("guests")

    return lambda name: compile_guest(name, cache)
