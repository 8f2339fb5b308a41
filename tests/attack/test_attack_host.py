"""Group H: host functions that fail, guests that lie to them, and an API that is misused."""

from __future__ import annotations

import gc
import pickle
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Annotated

import pytest
from in_a_child import in_a_child, peak_memory
from patience import within
from wat_guests import ECHO, SHOUT, UNREACHABLE, wat

import extism
from extism import Json, Pickle, ValType
from extism.errors import (
    CallError,
    CallTimeout,
    CompileError,
    Error,
    FunctionNotFound,
    GuestError,
    HostFunctionError,
    LinkError,
    OutOfMemory,
    PluginBusy,
    PluginClosed,
    SignatureError,
    Trap,
)

TAKES = wat(
    '(func (export "run") (call $shout (call $copy_input)))',
    before='(import "extism:host/user" "shout" (func $shout (param i64)))',
)
"""`run` hands its input to `shout`."""

GIVES = wat(
    '(func (export "run") (call $give (call $shout)))',
    before='(import "extism:host/user" "shout" (func $shout (result i64)))',
)
"""`run` gives what `shout` gives."""


def shout(function):
    """The function as the host function that the plug-ins of this file call."""
    return extism.host_fn(name="shout")(function)


def caught(function, expected=Error):
    with pytest.raises(expected) as found:
        function()
    return found.value


class Odd(Exception):
    """It has no text: asking for it fails."""

    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("mine"),
        OSError(5, "mine"),
        StopIteration(1),
        RecursionError(),
        Odd(),
        MemoryError(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_h01_a_host_function_raises(plugin, raised):
    """The call fails with it, whatever it is, and the plug-in goes on."""
    broken = [True]

    @shout
    def fails(data: bytes) -> bytes:
        if broken.pop():
            raise raised
        return data

    made = plugin(SHOUT, functions=[fails])
    error = caught(lambda: made.call("run", "x"), HostFunctionError)
    chain = [error]
    while chain[-1].__cause__ or chain[-1].__context__:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    broken.append(False)

    assert raised in chain
    assert made.call("run", "still") == b"still"


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(SystemExit, id="H02-SystemExit"),
        pytest.param(KeyboardInterrupt, id="H03-KeyboardInterrupt"),
        pytest.param(GeneratorExit, id="H02-GeneratorExit"),
    ],
)
def test_base_exceptions_pass_through(plugin, kind):
    """The very object reaches the caller, and the plug-in can be called again."""
    raised = [kind("mine")]

    @shout
    def leaves(data: bytes) -> bytes:
        if raised:
            raise raised[0]
        return data

    made = plugin(SHOUT, functions=[leaves])

    assert caught(lambda: made.call("run", "x"), kind) is raised[0]
    raised.clear()
    assert made.call("run", "still") == b"still"


def generator():
    yield b"never looked at"


@pytest.mark.parametrize("result", [7, None, object(), generator(), "text", [b"x"], b"right"])
def test_h04_wrong_results(plugin, result):
    """Named with function and parameter; the right type goes through."""

    @shout
    def gives() -> bytes:
        return result

    made = plugin(GIVES, functions=[gives])
    if result == b"right":
        assert made.call("run", "") == b"right"
        return
    error = caught(lambda: made.call("run", ""), HostFunctionError)

    assert "extism:host/user::shout returned a wrong value: bytes wanted" in str(error)


@pytest.mark.parametrize(
    ("annotation", "sent", "good"),
    [
        pytest.param(str, b"\xff\xfe", b"text", id="H05-utf-8"),
        pytest.param(Annotated[dict, Json], b"{broken", b"{}", id="H06-json"),
        pytest.param(Annotated[dict, Json], b"[1]", b"{}", id="H06-another type"),
        pytest.param(Annotated[list, Json], b"[" * 200_000, b"[[]]", id="H07-nested"),
        pytest.param(
            Annotated[list, Json],
            b"[" * 200_000 + b"]" * 200_000,
            b"[]",
            id="H07-nested and closed",
        ),
        pytest.param(Annotated[dict, Json], b'{"a":' * 200_000, b"{}", id="H07-objects"),
        pytest.param(Annotated[int, Json], b"9" * 100_000, b"9", id="H06-digits"),
    ],
)
def test_what_a_guest_sends(annotation, sent, good):
    """Refused by the names of function and parameter, before the function is called."""
    seen = []

    def take(value) -> None:
        seen.append(value)

    take.__annotations__["value"] = annotation
    with extism.Plugin(TAKES, functions=[shout(take)]) as plugin:
        error = caught(lambda: plugin.call("run", sent), HostFunctionError)
        plugin.call("run", good)

    assert "value of extism:host/user::shout" in str(error)
    assert len(str(error)) < 1000
    assert len(seen) == 1


class Bomb:
    """Opening its pickle would be noticed."""

    went_off = False

    def __reduce__(self):
        return setattr, (Bomb, "went_off", True)


def test_h08_pickles():
    """One from a guest is not opened: the function cannot even be declared without saying that it is trusted."""
    with pytest.raises(SignatureError, match="trusted=True"):

        @shout
        def opens(value: Annotated[object, Pickle]) -> None: ...

    opened = []

    @shout
    def takes(value: Annotated[object, Pickle(trusted=True)]) -> None:
        opened.append(value)

    @shout
    def gives() -> Annotated[object, Pickle]:
        return {"a": 1}

    with extism.Plugin(TAKES, functions=[takes]) as plugin:
        plugin.call("run", pickle.dumps([1]))
    with extism.Plugin(GIVES, functions=[gives]) as plugin:
        assert pickle.loads(plugin.call("run", "")) == {"a": 1}

    assert opened == [[1]]
    assert not Bomb.went_off


def test_h08_a_pickle_is_bytes_to_others():
    """A function that takes bytes gets the bytes of a hostile pickle, and nothing runs."""
    seen = []

    @shout
    def takes(value: bytes) -> None:
        seen.append(value)

    with extism.Plugin(TAKES, functions=[takes]) as plugin:
        plugin.call("run", pickle.dumps(Bomb()))

    assert seen == [pickle.dumps(Bomb())]
    assert not Bomb.went_off


NUMBERS = """(module
  (import "extism:host/user" "number" (func $number (result {kind})))
  (func (export "run") (drop (call $number))))"""


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("i64", -1, 2**70),
        ("i64", 2**64 - 1, -(2**63) - 1),
        ("i32", 2**32 - 1, 2**32),
        ("i32", 0, "7"),
        ("f64", 1e308, "7"),
        ("f64", 1, None),
    ],
)
def test_h09_numbers(plugin, kind, good, bad):
    """What does not fit the type is an error that says so, never another number."""
    values = [bad, good]

    @extism.host_fn(name="number", signature=([], [getattr(ValType, kind.upper())]))
    def number(_plugin, _inputs, outputs):
        outputs[0].value = values.pop(0)

    made = plugin(NUMBERS.format(kind=kind), functions=[number])
    error = caught(lambda: made.call("run", ""), HostFunctionError)

    assert "extism:host/user::number" in str(error)
    assert made.call("run", "") == b""


@pytest.mark.parametrize("act", ["call", "reset", "restart"])
def test_h10_reentrancy(act):
    """The plug-in that is running is busy, to its own host functions; another of the same code is not."""
    found = []

    @shout
    def again(data: bytes) -> bytes:
        if data == b"inner":
            return b"from inside"
        try:
            getattr(outer, act)(*(("run", "x") if act == "call" else ()))
        except PluginBusy as exc:
            found.append(str(exc))
        return other.call("run", "inner")

    outer = extism.Plugin(SHOUT, functions=[again])
    other = extism.Plugin(SHOUT, functions=[again])

    assert outer.call("run", "outer") == b"from inside"
    assert found[0].startswith("cannot make reentrant calls into plugin")


def test_h11_closing_inside():
    """It takes effect when the call is over, which gives what it gives."""

    @shout
    def closes(data: bytes) -> bytes:
        plugin.close()
        gc.collect()
        return data + b"!"

    plugin = extism.Plugin(SHOUT, functions=[closes])

    assert plugin.call("run", "last") == b"last!"
    with pytest.raises(PluginClosed):
        plugin.call("run", "more")


def test_h11_closing_inside_from_another_thread():
    """The other thread waits for the call, which is not disturbed."""

    @shout
    def closes(data: bytes) -> bytes:
        thread.start()
        time.sleep(0.1)
        return data + b"!"

    plugin = extism.Plugin(SHOUT, functions=[closes])
    thread = threading.Thread(target=plugin.close)

    assert plugin.call("run", "last") == b"last!"
    thread.join()
    with pytest.raises(PluginClosed):
        plugin.call("run", "more")


def keep_current() -> list[str]:
    """What each method of a CurrentPlugin says that was kept, while another call runs and after the plug-in's end."""
    kept = []

    @extism.host_fn(name="shout", signature=([ValType.I64], [ValType.I64]))
    def keeps(current, inputs, outputs):
        outputs[0].value = inputs[0].value
        if not kept:
            kept.append((current, current.memory_at_offset(inputs[0])))
            return
        found.extend(said())

    def said():
        current, memory = kept[0]
        for use in (
            lambda: current.memory(memory),
            lambda: current.alloc(8),
            lambda: current.free(memory),
            lambda: current.memory_at_offset(memory.offset),
            lambda: current.read(memory.offset),
            lambda: current.write(b"x"),
            lambda: current.set_error("x"),
            current.host_context,
            current.time_remaining,
            lambda: current.vars,
            lambda: current.config("x"),
            lambda: current.id,
        ):
            try:
                use()
            except CallError as exc:
                yield str(exc)
            else:
                yield "went through"

    found: list[str] = []
    plugin = extism.Plugin(SHOUT, functions=[keeps])
    plugin.call("run", "first")
    plugin.call("run", "second")
    plugin.close()
    del plugin
    gc.collect()
    found.extend(said())
    return found


def test_h12_a_kept_current_plugin():
    """Every method says that its call is over: in the next call, and when there is no plug-in any more."""
    assert in_a_child(keep_current) == ["the call that this belongs to is over"] * 24


def test_h12_a_kept_view():
    """Bytes that were seen in place can be read after the plug-in's end; they keep its memory."""
    assert in_a_child(keep_view) == "first"


def keep_view() -> str:
    kept = []

    @extism.host_fn(name="shout", signature=([ValType.I64], [ValType.I64]))
    def keeps(current, inputs, outputs):
        outputs[0].value = inputs[0].value
        kept.append(current.input_buffer(inputs[0]))

    plugin = extism.Plugin(SHOUT, functions=[keeps])
    plugin.call("run", "first")
    plugin.close()
    del plugin
    gc.collect()
    return bytes(kept[0]).decode()


def test_h13_a_closed_plugin(plugin):
    """Calls, resets and restarts are refused, in words; closing again does nothing."""
    made = plugin(ECHO)
    assert made.call("echo", "x") == b"x"
    made.close()
    made.close()
    for use in (lambda: made.call("echo", "x"), made.reset, made.restart, made.cancel_handle):
        assert str(caught(use, PluginClosed)) == "the plugin is closed"


def test_h14_the_compiled_plugin_is_dropped():
    """Plug-ins made of it go on."""
    compiled = extism.CompiledPlugin({"wasm": [{"data": ECHO.encode()}]}, functions=[])
    plugins = [extism.Plugin(compiled) for _ in range(3)]
    compiled.close()
    del compiled
    gc.collect()

    assert [plugin.call("echo", "x") for plugin in plugins] == [b"x"] * 3
    plugins[0].restart()
    assert plugins[0].call("echo", "x") == b"x"


def keep_output() -> list[str]:
    plugin = extism.Plugin(ECHO, functions=[])
    kept = plugin.call("echo", "first", parse=None)
    plugin.call("echo", "second, and longer")
    plugin.close()
    del plugin
    gc.collect()
    return [bytes(kept).decode()]


def test_h15_a_kept_output():
    """It is the caller's own: later calls and the plug-in's end do not change it."""
    assert in_a_child(keep_output) == ["first"]


def test_h16_two_threads_one_plugin(plugin):
    """Each gets its own answers, in 600 calls at once."""
    made, wrong = plugin(ECHO), []

    def work(name):
        for number in range(600):
            text = f"{name} {number}".encode() * 10
            if made.call("echo", text) != text:
                wrong.append(text)

    run_all(work, 2)

    assert wrong == []


def test_h17_a_plugin_for_each_thread():
    """They share the code, and nothing else."""
    compiled, wrong = extism.CompiledPlugin(ECHO, functions=[]), []

    def work(name):
        with extism.Plugin(compiled) as plugin:
            for number in range(300):
                text = f"{name} {number}".encode()
                if plugin.call("echo", text) != text:
                    wrong.append(text)

    run_all(work, 8)

    assert wrong == []


def run_all(work, count):
    threads = [threading.Thread(target=work, args=(name,)) for name in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_h18_functions_nobody_gave():
    """`functions=[]` gives none; the registry of upstream gives them, with a warning."""

    @shout
    def secret(data: bytes) -> bytes:
        return data

    with pytest.raises(LinkError, match="extism:host/user::shout"):
        extism.Plugin(SHOUT, functions=[])
    with pytest.warns(UserWarning, match="the plugin uses shout, which it got only because"):
        extism.Plugin(SHOUT).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert extism.Plugin(SHOUT, functions=[secret]).call("run", "x") == b"x"


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch):
    """Functions of one test are not another's."""
    kept = list(extism.HOST_FN_REGISTRY)
    yield
    extism.HOST_FN_REGISTRY[:] = kept


@pytest.mark.parametrize("way", ["start", "_initialize"])
def test_h19_host_functions_at_the_start(plugin, both_ways, way):
    """They are called with the memory of the plug-in that is being made."""
    seen = []

    @shout
    def hears(data: str) -> None:
        seen.append(data)

    say = "(call $shout (call $put (i32.const 64) (i32.const 5)))"
    begin = (
        f"(func $go {say}) (start $go)"
        if way == "start"
        else f'(func (export "_initialize") {say})'
    )
    module = wat(
        f'{begin} (func (export "noop")) (data (i32.const 64) "hello")',
        before='(import "extism:host/user" "shout" (func $shout (param i64)))',
    )

    assert plugin(module, functions=[hears]).call("noop", "") == b""
    assert seen == ["hello"]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(ValType.EXTERN_REF, id="H20-externref"),
        pytest.param(ValType.V128, id="H21-v128"),
        pytest.param(ValType.FUNC_REF, id="H20-funcref"),
    ],
)
def test_types_no_host_function_has(kind):
    """Refused where it is declared; number types are not."""
    with pytest.raises(SignatureError, match="extism:host/user::odd"):
        extism.host_fn(name="odd", signature=([kind], []))(lambda *_: None)
    with pytest.raises(SignatureError):
        extism.host_fn(name="odd", signature=([], [kind]))(lambda *_: None)

    extism.host_fn(name="even", signature=([ValType.I32, ValType.F64], []))(lambda *_: None)


def test_h22_another_signature(plugin):
    """The link error shows both types."""

    @extism.host_fn(name="shout", signature=([ValType.I32], []))
    def other(*_): ...

    error = caught(lambda: plugin(SHOUT, functions=[other]), LinkError)

    assert "(func (param i64) (result i64))" in str(error)
    assert "(func (param i32))" in str(error)


EXPORTS = """(module
  (func (export "f64") (result f64) (f64.const 1)) (func (export "f32") (result f32) (f32.const 1))
  (func (export "i64") (result i64) (i64.const 1)) (func (export "v128") (result v128) (v128.const i64x2 1 1))
  (func (export "ref") (result externref) (ref.null extern))
  (func (export "two") (result i32 i32) (i32.const 1) (i32.const 2))
  (func (export "parameter") (param i32))
  (global (export "global") i32 (i32.const 1)) (memory (export "memory") 1) (table (export "table") 1 funcref)
  (func (export "good") (result i32) (i32.const 0)))"""


@pytest.mark.parametrize(
    "name",
    [
        "f64",
        "f32",
        "i64",
        "v128",
        "ref",
        "two",
        "parameter",
        "global",
        "memory",
        "table",
        "none",
        "",
    ],
)
def test_h23_odd_exports(plugin, both_ways, name):
    """One clear error each, and nothing runs."""
    made = plugin(EXPORTS)

    assert isinstance(caught(lambda: made.call(name, "")), (FunctionNotFound, CallError))
    assert made.call("good", "") == b""


@pytest.mark.parametrize("code", [1, 7, -1, 2**31 - 1, -(2**31), 0])
def test_h24_return_codes(plugin, both_ways, code):
    """Not 0: an error that carries it."""
    made = plugin(f'(module (func (export "run") (result i32) (i32.const {code})))')
    if not code:
        assert made.call("run", "") == b""
        return
    error = caught(lambda: made.call("run", ""), GuestError)

    assert (error.exit_code, str(error)) == (code, f"Error code: {code}")


@pytest.mark.parametrize(
    "name",
    ["", "x" * 1_000_000, "echo\0", "\0", "\udc80", "écho", "echo ", " echo"],
    ids=lambda name: repr(name)[:20],
)
def test_h25_strange_names(plugin, both_ways, name):
    """They name no export, and the text is no longer than it has to be."""
    made = plugin(ECHO)
    error = caught(lambda: made.call(name, ""), FunctionNotFound)
    str(error).encode()

    assert len(str(error)) < 10_000
    assert made.function_exists(name) is False
    assert made.call("echo", "x") == b"x"


@pytest.mark.parametrize("name", [None, 7, b"echo", ["echo"], object()])
def test_h25_names_that_are_none(plugin, name):
    """A TypeError of ours, before the plug-in is touched."""
    with pytest.raises(TypeError, match="function_name must be a str"):
        plugin(ECHO).call(name, "")


@pytest.mark.parametrize("data", [None, 7, ["x"], {}, object(), 1.5])
def test_h26_input_that_is_none(plugin, data):
    """As are these; the plug-in goes on."""
    made = plugin(ECHO)
    with pytest.raises(TypeError, match="data must be str or bytes-like"):
        made.call("echo", data)

    assert made.call("echo", "x") == b"x"


def test_h26_a_lone_surrogate(plugin):
    """It is no text that could be sent."""
    with pytest.raises(UnicodeEncodeError):
        plugin(ECHO).call("echo", "\udc80")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"abcdef", id="H26-bytes"),
        pytest.param(bytearray(b"abcdef"), id="H26-bytearray"),
        pytest.param(memoryview(b"abcdef"), id="H26-memoryview"),
        pytest.param("abcdef", id="H26-str"),
        pytest.param(memoryview(b"a-b-c-d-e-f-")[::2], id="H27-in pieces"),
        pytest.param(memoryview(b"fedcba")[::-1], id="H27-backwards"),
        pytest.param(memoryview(b"abcdef").cast("H"), id="H27-of two bytes"),
        pytest.param(memoryview(b"abcdef").cast("B", (2, 3)), id="H27-of two dimensions"),
    ],
)
def test_input_of_all_kinds(plugin, data):
    """What has bytes is sent, all of them, in their order."""
    assert plugin(ECHO).call("echo", data) == b"abcdef"


def says(text: bytes, length: int | None = None) -> str:
    """A plug-in that sets an error text."""
    escaped = "".join(f"\\{byte:02x}" for byte in text)
    return wat(
        f"""(data (i32.const 1024) "{escaped}")
        (func (export "run") (result i32)
          (call $error_set (call $put (i32.const 1024) (i32.const {len(text)}))) (i32.const 1))"""
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"a\xff\xfeb", "a\\xff\\xfeb", id="H28-invalid"),
        pytest.param(b"\xed\xa0\x80", "\\xed\\xa0\\x80", id="H28-surrogate"),
        pytest.param("schön".encode(), "schön", id="H28-control"),
    ],
)
def test_error_texts(plugin, both_ways, sent, expected):
    """Always an error, its text whole, what is no text escaped."""
    assert str(caught(lambda: plugin(says(sent)).call("run", ""), GuestError)) == expected


def test_h29_error_with_a_nul(plugin, both_ways):
    """Nothing is cut off there."""
    text = str(caught(lambda: plugin(says(b"before\0after")).call("run", ""), GuestError))

    assert text.startswith("before")
    assert text.endswith("after")


def huge_error(size: int) -> tuple[int, str, int]:
    module = wat(
        f"""(func (export "run") (result i32) (local $h i64)
          (local.set $h (call $alloc (i64.const {size})))
          (call $store_u8 (local.get $h) (i32.const 65))
          (call $error_set (local.get $h)) (i32.const 1))"""
    )
    plugin = extism.Plugin(module, functions=[])
    try:
        plugin.call("run", "")
    except GuestError as exc:
        return len(str(exc)), str(exc)[-40:], peak_memory()
    return 0, "", 0


def test_h30_an_endless_error():
    """200 MB of it are shown in part, which is said."""
    length, end, peak = in_a_child(huge_error, 200 << 20)

    assert length < 600_000
    assert end.endswith(f"({(200 << 20) - 65536} bytes more)")
    assert peak < 700 << 20


def huge_output(size: int) -> tuple[str, int, int]:
    module = wat(
        f"""(func (export "run") (local $h i64)
          (local.set $h (call $alloc (i64.const {size})))
          (call $output_set (local.get $h) (i64.const {size})))
        (func (export "some") (call $output_set (call $alloc (i64.const 1000)) (i64.const 1000)))"""
    )
    plugin = extism.Plugin(module, functions=[])
    try:
        found = str(len(plugin.call("run", "")))
    except Error as exc:
        found = type(exc).__name__
    return found, len(plugin.call("some", "")), peak_memory()


def test_h31_an_output_of_a_gigabyte():
    """There is no room for it without asking for more; smaller ones come out."""
    found, some, peak = in_a_child(huge_output, 1 << 30)

    assert found in {"0", "Trap", "OutOfMemory"}
    assert some == 1000
    assert peak < 300 << 20


def test_h31_output_within_a_limit(plugin, both_ways):
    """What a manifest grants in all is the most that comes out."""
    made = plugin(ECHO, memory={"max_pages": 20})
    with pytest.raises(OutOfMemory):
        made.call("echo", bytes(4 << 20))


def test_h32_a_trap_names_the_function(plugin, both_ways):
    """The kind, and who called whom."""
    error = caught(lambda: plugin(UNREACHABLE).call("trap", ""), Trap)

    assert error.kind == "unreachable"
    assert "inner" in error.backtrace


def test_h33_pickling(plugin, tmp_path):
    """A TypeError that says what to do instead."""
    for one in (extism.CompiledPlugin(ECHO, functions=[]), extism.Pool(ECHO, functions=[])):
        with pytest.raises(TypeError, match="cannot be pickled; send a PluginSpec"):
            pickle.dumps(one)
    with pytest.raises(TypeError, match="a living Plugin cannot be pickled; send its manifest"):
        pickle.dumps(plugin(ECHO))

    path = tmp_path / "echo.wat"
    path.write_text(ECHO)
    spec = extism.PluginSpec.of(path)
    with pickle.loads(pickle.dumps(spec)).plugin() as made:
        assert made.call("echo", "x") == b"x"


def test_h34_one_function_two_plugins(plugin):
    """Each calls it for itself."""

    @shout
    def upper(data: str) -> str:
        return data.upper()

    first, second = plugin(SHOUT, functions=[upper]), plugin(SHOUT, functions=[upper])

    assert (first.call("run", "a"), second.call("run", "b"), first.call("run", "c")) == (
        b"A",
        b"B",
        b"C",
    )


@pytest.mark.parametrize("size", [-1, -(2**63), 2**31, 2**40, 2**63, 2**64, 2**70])
def test_h35_absurd_blocks(plugin, size):
    """An error in the host function, and no block."""
    found = []

    @extism.host_fn(name="shout", signature=([ValType.I64], [ValType.I64]))
    def asks(current, _inputs, outputs):
        try:
            current.alloc(size)
        except (OverflowError, OutOfMemory) as exc:
            found.append(exc)
        outputs[0].value = current.write(b"went on")

    assert plugin(SHOUT, functions=[asks]).call("run", "x") == b"went on"
    assert len(found) == 1


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        *[(0, 2**40), (2**40, 8), (-8, 16), (2048, -1), (2**63, 2**63), (1 << 20, 1 << 33)],
        *[(0, 8), (48, 8), (256, 16), (2047, 1), (2040, 16)],  # what the kernel believes
    ],
)
def test_h36_made_up_memory(plugin, offset, length):
    """Neither read nor written: IndexError in the host function."""
    found = []

    @extism.host_fn(name="shout", signature=([ValType.I64], [ValType.I64]))
    def reaches(current, inputs, outputs):
        try:
            current.memory(extism.Memory(offset, length))[:] = b"x"
        except IndexError as exc:
            found.append(exc)
        outputs[0].value = inputs[0].value

    assert plugin(SHOUT, functions=[reaches]).call("run", "x") == b"x"
    assert len(found) == 1


def test_h37_the_host_context_is_of_one_call(plugin):
    """Even after a call that failed."""
    seen = []

    @extism.host_fn(name="shout", signature=([ValType.I64], [ValType.I64]))
    def looks(current, inputs, outputs):
        seen.append(current.host_context())
        if current.input_bytes(inputs[0]) == b"fail":
            raise ValueError
        outputs[0].value = inputs[0].value

    made = plugin(SHOUT, functions=[looks])
    made.call("run", "x", host_context="secret")
    made.call("run", "x")
    with pytest.raises(HostFunctionError):
        made.call("run", "fail", host_context="secret")
    made.call("run", "x")

    assert seen == ["secret", None, "secret", None]


def test_h38_a_slow_host_function_knows(plugin):
    """It can ask how much time is left; and one that does not care is late all the same."""
    left = []

    @extism.host_fn(name="shout", signature=([ValType.I64], [ValType.I64]))
    def slow(current, inputs, outputs):
        outputs[0].value = inputs[0].value
        left.append(current.time_remaining())
        if current.input_bytes(inputs[0]) == b"slow":
            until = time.monotonic() + 0.9
            while time.monotonic() < until:
                pass
            left.append(current.time_remaining())

    made = plugin(SHOUT, functions=[slow])
    with within(0.9), pytest.raises(CallTimeout):
        made.call("run", "slow", timeout=0.6)

    assert 0 < left[0] <= 0.6
    assert left[1] == 0
    assert made.call("run", "quick") == b"quick"


def test_h38_control_without_a_deadline(plugin):
    """There is none to be told of."""
    left = []

    @extism.host_fn(name="shout", signature=([ValType.I64], [ValType.I64]))
    def asks(current, inputs, outputs):
        outputs[0].value = inputs[0].value
        left.append(current.time_remaining())

    plugin(SHOUT, functions=[asks]).call("run", "x")

    assert left == [None]


@dataclass
class Record:
    """What crosses as JSON."""

    name: str
    count: int


def test_h06_records(plugin):
    """A field of another type is named; nothing is guessed."""
    seen = []

    @shout
    def takes(value: Record) -> None:
        seen.append(value)

    made = plugin(TAKES, functions=[takes])
    error = caught(lambda: made.call("run", '{"name": "x", "count": "7"}'), HostFunctionError)
    made.call("run", '{"name": "x", "count": 7}')

    assert "count" in str(error)
    assert seen == [Record("x", 7)]


def test_h22_modules_that_are_none(plugin):
    """What is no module is told apart from what cannot be linked."""
    with pytest.raises(CompileError):
        plugin(b"\0asm\1\0\0\0\xff")
