"""Python functions as functions of WebAssembly: numbers both ways, and the way back of exceptions."""

from __future__ import annotations

import math
from _thread import get_ident

import pytest

from extism._engine.engine import wat_to_wasm
from extism._engine.faults import FaultKind
from extism._engine.linker import Linker
from extism._engine.stacks import calls
from extism._engine.trampoline import SLOT, Trampoline, late, layout, running, trap

MAX = {"i32": 2**32, "i64": 2**64}


def through(instantiate, params, results, body):
    """A function of WebAssembly that hands its parameters to `body` and gives its results."""
    types = f"{f'(param {params})' if params else ''} {f'(result {results})' if results else ''}"
    count = len(params.split())
    gets = " ".join(f"(local.get {n})" for n in range(count))
    instance = instantiate(
        f"""(module (import "host" "f" (func $f {types}))
              (func (export "run") {types} (call $f {gets})))""",
        f=(params.split(), results.split(), body),
    )
    return instance.function("run", params.split(), results.split())


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("i32", 0), ("i32", 1), ("i32", -1), ("i32", 2**31 - 1), ("i32", -(2**31)),
        ("i64", 0), ("i64", -1), ("i64", 2**63 - 1), ("i64", -(2**63)),
        ("f32", 0.5), ("f32", -0.0), ("f32", math.inf), ("f64", 0.1), ("f64", -math.inf),
    ],
)  # fmt: skip
def test_a_number_goes_through_and_comes_back(instantiate, kind, number):
    """Every number type carries its values both ways, integers signed."""
    seen = []

    def body(_data, value):
        seen.append(value)
        return (value,)

    run = through(instantiate, kind, kind, body)

    assert run(None, number) is None
    assert (seen, run.results) == ([number], (number,))
    assert math.copysign(1, run.results[0]) == math.copysign(1, number)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_nan_goes_through(instantiate, kind):
    """NaN is a number like any other here."""
    run = through(instantiate, kind, kind, lambda _data, value: (value,))
    run(None, math.nan)

    assert math.isnan(run.results[0])


@pytest.mark.parametrize("kind", ["i32", "i64"])
def test_a_result_may_have_either_sign(instantiate, kind):
    """The largest unsigned number is -1."""
    run = through(instantiate, "", kind, lambda _data: (MAX[kind] - 1,))
    run(None)

    assert run.results == (-1,)


@pytest.mark.parametrize("result", ["i32", "i64", "f32", "f64"])
@pytest.mark.parametrize("param", ["i32", "i64", "f32", "f64"])
def test_one_slot_holds_both_types(instantiate, param, result):
    """Of what the parameter leaves in it, nothing is part of the result."""
    run = through(instantiate, param, result, lambda _data, value: (int(value + 3),))
    run(None, -2)

    assert run.results == (1,)


def test_many_values_of_all_types_keep_their_places(instantiate):
    """Twelve parameters and four results lie where they belong."""
    types = "i32 i64 f32 f64 " * 3
    run = through(
        instantiate, types.strip(), "f64 f32 i64 i32", lambda _d, *v: (v[11], v[6], v[5], v[0])
    )
    run(None, 1, 2, 3.0, 4.0, 5, 6, 7.0, 8.0, 9, 10, 11.0, 12.0)

    assert run.results == (12.0, 7.0, 6, 1)


def test_a_function_of_nothing_to_nothing(instantiate):
    """Neither parameters nor results are needed."""
    seen = []
    run = through(instantiate, "", "", lambda data: seen.append(data) or ())

    assert run("data") is None
    assert (seen, run.results) == (["data"], ())


@pytest.mark.parametrize(
    ("kind", "results", "error"),
    [
        ("i64", (), TypeError),
        ("i64", (1, 2), TypeError),
        ("i64", (2**64,), OverflowError),
        ("i64", (-(2**63) - 1,), OverflowError),
        ("i32", (2**32,), OverflowError),
        ("i32", (-(2**31) - 1,), OverflowError),
        ("f32", (1e39,), OverflowError),
        ("i64", ("7",), TypeError),
        ("i64", (7.0,), TypeError),
        ("i64", (None,), TypeError),
        ("f64", ("7",), TypeError),
        ("f64", (None,), TypeError),
        ("i64", None, TypeError),
    ],
)
def test_results_that_do_not_fit_are_faults(instantiate, kind, results, error):
    """A wrong count, type or size ends the code; it is never cut or made up."""
    fault = through(instantiate, "", kind, lambda _data: results)(None)

    assert (fault.kind, type(fault.raised)) == (FaultKind.HOST, error)


def test_the_fault_of_a_wrong_result_names_the_function(instantiate):
    """Whoever reads the error knows whose fault it is."""
    fault = through(instantiate, "", "i64", lambda _data: (2**70,))(None)

    assert str(fault.raised) == f"host::f gave {2**70}, which has more than 64 bits"


class Number:
    def __index__(self):
        return 42


def test_what_counts_as_an_integer_is_one(instantiate):
    """Booleans, and the integers of other libraries, are taken."""
    run = through(instantiate, "", "i64 i32", lambda _data: [Number(), True])
    run(None)

    assert run.results == (42, 1)


@pytest.mark.parametrize(
    "exception", [ValueError("v"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()]
)
def test_every_exception_comes_back(instantiate, exception):
    """The very object that was raised is in the fault, whatever its class."""

    def body(_data):
        raise exception

    fault = through(instantiate, "", "", body)(None)

    assert fault.kind is FaultKind.HOST
    assert fault.raised is exception
    assert running.raised is None


def test_code_does_not_go_on_after_an_exception(instantiate):
    """The trap unwinds every frame of the guest."""
    seen = []

    def fail(_data):
        raise ValueError

    instance = instantiate(
        """(module (import "host" "fail" (func $fail)) (import "host" "seen" (func $seen))
             (func $inner (call $fail) (call $seen))
             (func (export "run") (call $inner) (call $seen)))""",
        fail=((), (), fail),
        seen=((), (), lambda _data: seen.append(1) or ()),
    )

    assert instance.function("run", (), ())(None).raised is not None
    assert seen == []


def test_calls_inside_calls_have_each_their_own_data(instantiate):
    """A function that runs other code finds its own data again afterwards."""
    seen = []

    def body(data, depth):
        seen.append((data, depth))
        if depth:
            assert run(f"inside {data}", depth - 1) is None
        seen.append((calls[get_ident()], depth))
        return ()

    run = through(instantiate, "i32", "", body)
    run("first", 2)

    assert seen == [
        ("first", 2),
        ("inside first", 1),
        ("inside inside first", 0),
        ("inside inside first", 0),
        ("inside first", 1),
        ("first", 2),
    ]
    assert calls.get(get_ident()) is None


def test_an_exception_that_was_handled_inside_is_gone(instantiate):
    """A fault of an inner call does not become one of the outer call."""

    def body(_data, depth):
        if not depth:
            raise ValueError("inside")
        fault = run(None, 0)
        assert isinstance(fault.raised, ValueError)
        return ()

    run = through(instantiate, "i32", "", body)

    assert run(None, 1) is None


def test_an_exception_in_a_start_function_comes_back(instantiate):
    """Also code that runs at instantiation gives its exception back."""

    def body(_data):
        raise ValueError("at start")

    fault = instantiate('(module (import "host" "f" (func $f)) (start $f))', f=((), (), body))

    assert str(fault.raised) == "at start"


CALLS = '(module (import "host" "f" (func $f)) (func (export "run") (call $f)))'


def run_with(engine, store, define):
    """A function that calls an import which `define` puts into a linker."""
    linker = Linker(engine)
    define(linker)
    return linker.instantiate(store, engine.compile(wat_to_wasm(CALLS))).function("run", (), ())


def test_what_is_called_late_is_made_at_the_first_call(engine, store):
    """Not before, and once."""
    steps = []

    def make():
        steps.append("made")
        return lambda *_: steps.append("called")

    run = run_with(
        engine,
        store,
        lambda linker: linker.define_trampoline("host", "f", Trampoline.of((), (), late(make))),
    )
    steps.append("linked")

    assert [run(None), run(None)] == [None, None]
    assert steps == ["linked", "made", "called", "called"]


def test_what_is_called_late_may_end_the_code(engine, store):
    """What it gives is what the engine gets."""
    callback = late(lambda: lambda *_: trap("no"))
    run = run_with(
        engine,
        store,
        lambda linker: linker.define_trampoline("host", "f", Trampoline.of((), (), callback)),
    )

    assert (run(None).kind, "no" in run(None).text) == (FaultKind.ERROR, True)


def test_an_exception_on_the_way_to_what_is_called_late_comes_back(engine, store):
    """As one of the function itself; the next call tries again."""
    errors = [MemoryError(), None]

    def make():
        error = errors.pop(0)
        if error:
            raise error
        return lambda *_: None

    run = run_with(
        engine,
        store,
        lambda linker: linker.define_trampoline("host", "f", Trampoline.of((), (), late(make))),
    )

    assert isinstance(run(None).raised, MemoryError)
    assert run(None) is None


def test_what_nothing_calls_ends_the_code_that_calls_it(engine, store):
    """An import that was only to be met says so."""
    run = run_with(engine, store, lambda linker: linker.define_uncalled("host", "f", (), ()))

    assert "a function was called that nothing calls" in run(None).text


@pytest.mark.parametrize("kind", ["v128", "funcref", "externref", "i128"])
def test_a_type_that_is_no_number_is_refused(instantiate, kind):
    """Only the four number types have a form in Python."""
    with pytest.raises(ValueError, match=f"no host value for the type {kind}"):
        layout((kind,))
    with pytest.raises(ValueError, match=f"no host value for the type {kind}"):
        instantiate("(module)", f=([kind], (), lambda _data: ()))


def test_a_slot_has_sixteen_bytes():
    """The layout of many values is the row of their slots."""
    assert layout(("i32", "f64", "i64")).size == 3 * SLOT
