"""`pausing.py`: functions that stand before imports, and ask for patience where the host does."""

import pytest

from extism._engine.engine import Engine, Settings, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._wasm.meter import meter
from extism._wasm.reader import read

ENGINE = Engine(Settings())
TEXT = """(module
  (import "h" "plain" (func $plain (param i64) (result i64)))
  (import "h" "ask" (func $ask (param i32 f64) (result i64 f32)))
  (import "h" "go" (func $go))
  (table (export "table") 1 funcref) (elem (i32.const 0) $go)
  (export "again" (func $ask))
  (func (export "run") (result i64 f32)
    (call $go) (drop (call $plain (i64.const 1))) (call $ask (i32.const 2) (f64.const 0.5)))
  (func (export "indirect") (call_indirect (i32.const 0))))"""
WAITS = (("h", "ask"), ("h", "go"))


def made(imports):
    return meter(wat_to_wasm(TEXT), "home", "budget", waits=imports, flag="flag")


@pytest.fixture
def instance():
    """The module, with functions of the host that note their calls, and ask for patience when they are told to."""
    asked, wanted = [], set()
    linker = Linker(ENGINE)
    linker.define_function("home", "nothing", (), (), lambda _: ())

    def host(name, results):
        def body(_, *values):
            asked.append((name, *values))
            if name in wanted:
                wanted.discard(name)
                living.global_("flag").value = 1
            return results

        return body

    linker.define_function("h", "plain", ("i64",), ("i64",), host("plain", (7,)))
    linker.define_function("h", "ask", ("i32", "f64"), ("i64", "f32"), host("ask", (3, 1.5)))
    linker.define_function("h", "go", (), (), host("go", ()))
    store = Store(ENGINE)
    budget = linker.instantiate(
        store,
        ENGINE.compile(wat_to_wasm('(module (global (export "budget") (mut i64) (i64.const 0)))')),
    )
    linker.define_instance("home", budget)
    living = linker.instantiate(store, ENGINE.compile(made(WAITS)))
    return living, asked, wanted


def test_a_function_that_needs_no_patience_is_called_once(instance):
    """Its results are those of the import."""
    living, asked, _ = instance
    run = living.function("run", (), ("i64", "f32"))

    assert (run(None), run.results) == (None, (3, 1.5))
    assert asked == [("go",), ("plain", 1), ("ask", 2, 0.5)]


def test_a_function_that_asks_for_patience_is_called_again(instance):
    """With the same arguments, after the pause; the flag is down again."""
    living, asked, wanted = instance
    wanted |= {"ask", "go"}
    run = living.function("run", (), ("i64", "f32"))

    assert (run(None), run.results) == (None, (3, 1.5))
    assert asked == [("go",), ("go",), ("plain", 1), ("ask", 2, 0.5), ("ask", 2, 0.5)]
    assert living.global_("flag").value == 0


@pytest.mark.parametrize(
    ("export", "values", "name"), [("indirect", (), "go"), ("again", (1, 0.25), "ask")]
)
def test_every_mention_leads_there(instance, export, values, name):
    """Tables and exports of the import, too."""
    living, asked, wanted = instance
    wanted.add(name)
    kind = ((), ()) if name == "go" else (("i32", "f64"), ("i64", "f32"))
    living.function(export, *kind)(None, *values)

    assert asked == [(name, *values)] * 2


def test_a_module_that_imports_nothing_that_waits_is_left_alone():
    """No flag, no functions."""
    wasm = wat_to_wasm('(module (import "h" "plain" (func (param i64) (result i64))))')

    assert meter(wasm, "home", "budget", waits=WAITS, flag="flag") is wasm
    assert read(made(())).export("flag") is None
