"""Stores and instances of module text, on the process's shared engine."""

from __future__ import annotations

import pytest

from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store


@pytest.fixture(scope="session")
def engine():
    return shared_engine()


@pytest.fixture
def store(engine):
    return Store(engine)


@pytest.fixture
def instantiate(engine, store):
    """A function from module text and host functions `name=(params, results, body)` to an instance."""

    def make(text, *, into=store, **functions):
        linker = Linker(engine)
        for name, (params, results, body) in functions.items():
            linker.define_function("host", name, params, results, body)
        return linker.instantiate(into, engine.compile(wat_to_wasm(text)))

    return make
