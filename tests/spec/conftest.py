"""What all promises share: a cache of native code of its own, and plug-ins from text."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

import pytest
from through_acall import awaited_calls

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


ALSO_ISOLATED = {
    "test_calls",
    "test_config",
    "test_current_plugin",
    "test_errors",
    "test_fuel",
    "test_host_functions",
    "test_http",
    "test_limits",
    "test_logging",
    "test_paths",
    "test_plugin_life",
    "test_timeout_and_cancel",
    "test_variables",
    "test_world",
}
"""Promises that are looked at in a worker, and with calls awaited, too, the first case of each: a process for each takes a fifth of a second."""

EVERYTHING = os.environ.get("ISOLATED") == "all"
"""Set by `make isolation`: all promises, and all cases."""


def pytest_generate_tests(metafunc):
    """Every promise holds whether kernel and plug-in are one module or two, in another process, and by `acall`."""
    if "fusing" in metafunc.fixturenames:
        marks = {mark.name for mark in metafunc.definition.iter_markers()}
        name = metafunc.module.__name__.rpartition(".")[2]
        is_whole = "guest_python" in marks or name == "test_isolation"
        ways = ["fused"] if is_whole else ["fused", "apart"]
        is_wanted = EVERYTHING or name in ALSO_ISOLATED
        if is_wanted and not (is_whole or "same_process" in marks):
            ways.append("isolated")
        if name in ALSO_ISOLATED and not is_whole:
            ways.append("awaited")
        metafunc.parametrize("fusing", ways, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Of a table of cases, one in a worker, and one awaited, is enough to tell whether those keep the promise."""
    seen, left_out = set(), set()
    for item in items:
        callspec = getattr(item, "callspec", None)
        way = None if callspec is None else callspec.params.get("fusing")
        if way not in {"isolated", "awaited"} or (EVERYTHING and way == "isolated"):
            continue
        promise = item.path, item.originalname, way
        if promise in seen:
            left_out.add(item)
        seen.add(promise)
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))


@pytest.fixture(autouse=True)
def fusing(request, monkeypatch):
    """Whether plug-ins take the kernel in, live in processes of their own, and have their calls awaited."""
    monkeypatch.setenv("EXTISM_FUSE", "0" if request.param == "apart" else "1")
    if request.param == "isolated":
        if sys.platform == "win32":
            pytest.skip("Windows has no worker processes")
        compile_here = extism.CompiledPlugin.__init__

        def compile_apart(self, *args, isolation=None, **options):
            compile_here(self, *args, isolation=isolation or "process", **options)

        monkeypatch.setattr(extism.CompiledPlugin, "__init__", compile_apart)
    with awaited_calls() if request.param == "awaited" else nullcontext():
        yield request.param
