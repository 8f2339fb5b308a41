"""`slots.py`: instances in places kept ready, as many as there are, and nowhere where there are none."""

import subprocess
import sys

import pytest

from extism._engine.engine import Engine, Settings, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.slots import ENVIRONMENT, fit
from extism._engine.store import NoSlot, Store
from extism._wasm.reader import read

GUEST = """(module (memory (export "memory") 1) (table 5 funcref)
    (func (export "get") (result i32) (i32.load (i32.const 8)))
    (func (export "set") (i32.store (i32.const 8) (i32.const 7))))"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has slots")


@pytest.fixture
def few(monkeypatch):
    """An engine with three slots."""
    monkeypatch.setenv(ENVIRONMENT, "3")
    return Engine(Settings(has_slots=True))


def test_there_are_as_many_stores_as_slots(few):
    """One more is refused; a slot comes back with the end of its store, however often."""
    for _ in range(4):
        stores = [Store(few) for _ in range(3)]
        with pytest.raises(NoSlot):
            Store(few)
        assert len(stores) == 3
        del stores


def test_a_slot_is_as_good_as_new(few):
    """Nothing that one instance wrote is there for the next, though it lives in the same place."""
    prepared = Linker(few).prepare(few.compile(wat_to_wasm(GUEST)))
    found = []
    for _ in range(10):
        instance = prepared.instantiate(Store(few))
        get = instance.function("get", (), ("i32",))
        get(None)
        found.append(get.code)
        instance.function("set", (), ())(None)
        get(None)
        found.append(get.code)

    assert found == [0, 7] * 10


def test_a_refused_world_costs_no_slot(few):
    """A store that cannot be finished gives its slot back."""
    from extism._engine.wasi import Preopen, Wasi

    wasi = Wasi(preopens=(Preopen("/does/not/exist", "/x", is_read_only=False),))
    for _ in range(5):
        with pytest.raises(OSError, match="cannot be opened"):
            Store(few, wasi=wasi)

    assert Store(few).pointer


@pytest.mark.parametrize(
    ("text", "does_fit"),
    [
        ("(module)", True),
        ("(module (memory 1) (memory 1) (table 1 funcref) (table 1 funcref))", True),
        ("(module (memory 1) (memory 1) (memory 1))", False),
        ("(module (table 1 funcref) (table 1 funcref) (table 1 funcref))", False),
        ("(module (table 33554432 funcref))", True),
        ("(module (table 33554433 funcref))", False),
    ],
)
def test_what_fits(text, does_fit):
    """Four memories, two of them further ones, and two tables of 2^25 elements."""
    assert fit([read(wat_to_wasm(text))], 2) is does_fit


@pytest.mark.parametrize(
    ("text", "does_fit"),
    [
        ('(module (import "a" "m" (memory 1)) (import "a" "t" (table 1 funcref)))', True),
        ("(module (memory 1))", False),
        ("(module (table 1 funcref))", False),
    ],
)
def test_what_fits_together(text, does_fit):
    """What a module imports takes no room."""
    first = read(wat_to_wasm("(module (memory 1) (memory 1) (table 1 funcref) (table 1 funcref))"))
    other = read(wat_to_wasm(text))

    assert fit([first, other], 2) is does_fit
    assert fit([other, other, other], 0) is False


SCRIPT = """
import resource, sys
limit = {limit}
if limit:
    resource.setrlimit(resource.RLIMIT_{kind}, (limit, limit))
import extism
from extism._engine.engine import Settings, shared_engine
plugins = [extism.Plugin(b'(module (func (export "run") (result i32) i32.const 0))', functions=[])
           for _ in range({count})]
answers = [plugin.call("run", b"") for plugin in plugins]
print(shared_engine(Settings(has_slots=True)).slots is not None, len(answers))
"""


@pytest.mark.parametrize(
    ("slots", "kind", "limit", "printed"),
    [
        ("0", "AS", 0, "False 5"),
        ("2", "AS", 0, "True 5"),
        ("256", "AS", 60 << 30, "False 5"),
        ("256", "DATA", 3 << 30, "False 5"),
        ("many", "AS", 0, "True 5"),
    ],
)
def test_more_plugins_than_slots_live_elsewhere(slots, kind, limit, printed, tmp_path):
    """Whatever the process may have, plug-ins run; a limit of address space or data leaves out the slots."""
    import os

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(limit=limit, kind=kind, count=5)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, ENVIRONMENT: slots},
    )

    assert (done.stdout.strip(), done.stderr) == (printed, "")
