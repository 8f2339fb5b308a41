"""What a pool makes its copies of, and when a copy is not to be lent again."""

from __future__ import annotations

import inspect

import pytest

import extism
from extism.compiled import CompiledPlugin
from extism.errors import GuestError, HostFunctionError, PluginClosed, Trap
from extism.plugin import Plugin
from extism.pool import _COMPILE_OPTIONS, Pool
from extism.pooled import PluginOptions, PooledPlugin, _leaves_doubt

GUEST = '(module (func (export "noop")) (func (export "trap") unreachable))'


@pytest.fixture(scope="module", autouse=True)
def own_native_cache(tmp_path_factory):
    """Small guests do not fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXTISM_NATIVE_CACHE_DIR", str(tmp_path_factory.mktemp("native")))
        yield


@pytest.fixture
def copy():
    """A function that makes copies outside of any pool."""
    compiled = CompiledPlugin(GUEST, functions=[])
    return lambda: PooledPlugin(compiled)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GuestError("said so", exit_code=1), False),
        (GuestError("then trapped", exit_code=134), True),
        (GuestError("then stopped", exit_code=-1), True),
        (Trap("unreachable"), True),
        (HostFunctionError("raised"), True),
        (extism.errors.FunctionNotFound("nothing"), False),
        (extism.errors.PluginBusy("me"), False),
        (TypeError("input"), False),
        (ValueError("from parse"), False),
        (KeyboardInterrupt(), True),
        (SystemExit(), True),
    ],
    ids=lambda value: value if isinstance(value, bool) else f"{type(value).__name__} {value}",
)
def test_what_leaves_a_copy_in_doubt(error, expected):
    """Everything that ended a guest in its middle; not what the guest returned, or what never reached it."""
    assert _leaves_doubt(error) is expected


def test_a_copy_counts_its_calls_and_knows_its_end(copy):
    """A trap, the last call that it may run, and being closed are each an end."""
    one = copy()
    with pytest.raises(PluginClosed, match="given back to its pool"):
        one.call("noop", "")
    one.is_lent = True
    one.call("noop", "")

    assert (one.call_count, one.is_worn(None), one.is_worn(2), one.is_worn(1)) == (
        1,
        False,
        False,
        True,
    )
    with pytest.raises(Trap):
        one.call("trap", "")
    assert (one.call_count, one.is_worn(None)) == (2, True)
    other = copy()
    other.close()
    assert other.is_worn(None)


def test_the_options_are_those_of_plugins():
    """Nothing that `Plugin` takes is missing, and what `CompiledPlugin` takes is handed to it."""
    of_plugins = set(inspect.signature(Plugin).parameters) - {"plugin"}
    of_compiled = set(inspect.signature(CompiledPlugin).parameters) - {"plugin"}

    assert set(PluginOptions.__annotations__) == of_plugins
    assert set(_COMPILE_OPTIONS) == of_compiled


@pytest.mark.parametrize("options", [{"maximum": 0}, {"maximum": -1}, {"max_calls": 0}])
def test_numbers_below_one_are_refused(options):
    """A pool of nothing would wait for ever."""
    with pytest.raises(ValueError, match="must be at least 1, not"):
        Pool(GUEST, functions=[], **options)
