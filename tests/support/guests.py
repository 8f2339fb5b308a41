"""The compiled guests of `tests/guests`, and plug-ins made of them, as fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from compilers import compile_guest

import extism


@pytest.fixture(scope="session")
def guest(pytestconfig):
    """
    A function from the name of a guest's source, such as `zig/echo.zig`, to the path of its module.

    Modules are kept in `EXTISM_TEST_CACHE`, else in pytest's own cache.
    """
    chosen = os.environ.get("EXTISM_TEST_CACHE")
    cache = Path(chosen).resolve() if chosen else pytestconfig.cache.mkdir("guests")

    return lambda name: compile_guest(name, cache)


@pytest.fixture
def guest_plugin(guest):
    """A function from names of guests, the last being `main`, to a plug-in that is closed after the test."""
    plugins = []

    def make(*names, wasi=False, config=None, functions=(), headers=False, **manifest):
        sources = [{"path": str(guest(name)), "name": Path(name).stem} for name in names[:-1]] + [
            {"path": str(guest(names[-1])), "name": "main"}
        ]
        plugins.append(
            extism.Plugin(
                {"wasm": sources, **manifest},
                wasi=wasi,
                config=config,
                functions=list(functions),
                http_response_headers=headers,
            )
        )
        return plugins[-1]

    yield make
    for each in plugins:
        each.close()
