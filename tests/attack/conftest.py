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

AWAITED = {
    f"test_{name}"
    for name in (
        "c01_endless_loop",
        "c05_endless_memory_fill",
        "c06_cancel_from_another_thread",
        "c13_a_cancel_ends_a_sleep",
        "c21_endless_recursion",
        "c34_cancel_storm",
        "h01_a_host_function_raises",
        "h10_reentrancy",
        "h11_closing_inside",
        "h12_a_kept_current_plugin",
        "m32_made_up_handles",
        "m33_a_result_that_does_not_fit",
        "m34_an_input_that_does_not_fit",
        "m38_freed_blocks",
        "m55_after_want_of_memory",
    )
}
"""Attacks on calls that are tried on awaited ones, too; `make awaited` has all of them so."""


def pytest_generate_tests(metafunc):
    if metafunc.function.__name__ in AWAITED:
        metafunc.parametrize("by_the_other_path", ["plain", "awaited"], indirect=True)


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
