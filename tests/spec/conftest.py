"""What all promises share: a cache of native code of its own, and plug-ins from text."""

from __future__ import annotations

import pytest

import extism
from extism._capabilities import log_sinks


@pytest.fixture(scope="session")
def native_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


@pytest.fixture(autouse=True)
def own_native_cache(request, native_cache, monkeypatch):
    """Small guests do not fill the user's cache; the guest interpreter stays in it, for it is slow."""
    if request.node.get_closest_marker("guest_python") is None:
        monkeypatch.setenv("EXTISM_NATIVE_CACHE_DIR", str(native_cache))


@pytest.fixture
def plugin():
    """A function from module text and options to a plug-in that is closed after the test."""
    made = []

    def make(text, *, wasi=False, config=None, functions=(), **manifest):
        source = {"wasm": [{"data": text.encode()}], **manifest}
        made.append(extism.Plugin(source, wasi=wasi, config=config, functions=list(functions)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def registry():
    """The registry of every function ever decorated, empty, and as before after the test."""
    kept = list(extism.HOST_FN_REGISTRY)
    extism.HOST_FN_REGISTRY.clear()
    yield extism.HOST_FN_REGISTRY
    extism.HOST_FN_REGISTRY[:] = kept


@pytest.fixture
def fresh_log_sink():
    """The process without a log sink, before and after."""
    log_sinks._forget()
    yield
    log_sinks._forget()


def pytest_generate_tests(metafunc):
    """Every promise holds whether kernel and plug-in are one module or two; slow guests show it once."""
    if "fusing" in metafunc.fixturenames:
        is_slow = any(metafunc.definition.iter_markers("guest_python"))
        ways = ["fused"] if is_slow else ["fused", "apart"]
        metafunc.parametrize("fusing", ways, indirect=True)


@pytest.fixture(autouse=True)
def fusing(request, monkeypatch):
    """Whether plug-ins take the kernel in."""
    monkeypatch.setenv("EXTISM_FUSE", "0" if request.param == "apart" else "1")
    return request.param
