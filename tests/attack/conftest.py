"""
What all attacks share: a cache of native code of its own, and plug-ins from text.

One row of `rows/*.txt`, one test (or parametrised case) called after its id: `test_c01_endless_loop`. Each
has its control beside the attack: legal use that goes on working. What might crash or hang the process runs
in one of its own (`tests/support/in_a_child.py`). The scoreboard at the end of a run is printed by
`tests/support/scoreboard.py`.
"""

from __future__ import annotations

import pytest

import extism


@pytest.fixture(scope="session")
def native_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


@pytest.fixture(autouse=True)
def own_native_cache(native_cache, monkeypatch):
    """Attackers do not fill the user's cache; children inherit it."""
    monkeypatch.setenv("EXTISM_NATIVE_CACHE_DIR", str(native_cache))


@pytest.fixture
def plugin():
    """A function from module text or bytes and options to a plug-in that is closed after the test."""
    made = []

    def make(module, *, wasi=False, config=None, functions=(), options=None, **manifest):
        data = module.encode() if isinstance(module, str) else module
        source = {"wasm": [{"data": data}], **manifest}
        made.append(
            extism.Plugin(
                source, wasi=wasi, config=config, functions=list(functions), **(options or {})
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(params=["fused", "apart"])
def both_ways(request, monkeypatch):
    """Whether plug-ins take the kernel in; what is said of memory and handles holds either way."""
    monkeypatch.setenv("EXTISM_FUSE", "0" if request.param == "apart" else "1")
    return request.param
