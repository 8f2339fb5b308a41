"""What applications and tests written for upstream's package rely on: each case of its suite, with guests of ours."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
import time
from collections import namedtuple
from typing import Annotated

import pytest
from patience import ROOM, repeating
from wat_guests import wat

import extism
from extism.errors import CallTimeout, Cancelled, PluginClosed
from extism.extism import (
    HOST_FN_REGISTRY,
    CancelHandle,
    CompiledPlugin,
    CustomLogger,
    ExplicitFunction,
    TypeInferredFunction,
    _ExtismFunctionMetadata,
)

COUNT_WITH_HOST = wat(
    """
    (memory (export "memory") 1)
    (data (i32.const 0) "{\\"count\\": 0}")
    (data (i32.const 64) "aeiouAEIOU")
    (func $is_vowel (param $letter i32) (result i32)
      (local $i i32)
      (loop $next
        (if (i32.eq (local.get $letter) (i32.load8_u offset=64 (local.get $i)))
          (then (return (i32.const 1))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 10))))
      (i32.const 0))
    (func (export "count_vowels") (result i32)
      (local $i i64) (local $count i32)
      (block $done (loop $next
        (br_if $done (i64.ge_u (local.get $i) (call $input_length)))
        (local.set $count (i32.add (local.get $count)
          (call $is_vowel (call $input_load_u8 (local.get $i)))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
      (i32.store8 (i32.const 10) (i32.add (i32.const 48) (local.get $count)))
      (call $give (call $hello_world (call $put (i32.const 0) (i32.const 12))))
      (i32.const 0))""",
    before='(import "extism:host/user" "hello_world" (func $hello_world (param i64) (result i64)))',
    memory="",
)

LOOP = """(module (func (export "loop_forever") (loop $again (br $again)))
                  (func (export "once") ))"""


class Gribble:
    """Something that can be pickled."""

    def __init__(self, v):
        self.v = v

    def frobbitz(self):
        return f"gromble {self.v}"


def manifest_of(wasm, **more):
    return {"wasm": [{"data": wasm, "hash": hashlib.sha256(wasm).hexdigest()}], **more}


@pytest.fixture
def code(guest):
    """A manifest of the guest that counts vowels, and keeps the total in a variable."""
    return manifest_of(guest("c/count_vowels.c").read_bytes())


@pytest.fixture
def with_host(registry):
    """A function from a host function to what the guest that calls `hello_world` says of "aaa"."""

    def called(hello_world, **more):
        manifest = manifest_of(COUNT_WITH_HOST.encode())
        plugin = extism.Plugin(manifest, functions=[hello_world], wasi=True)
        return plugin.call("count_vowels", "aaa", **more)

    return called


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("this is a test", 4),
        ("this is a test again", 7),
        ("this is a test thrice", 6),
        ("🌎hello🌎world🌎", 3),
    ],
)
def test_a_plugin_counts(code, text, count):
    """Text goes in, JSON comes out."""
    assert (
        json.loads(extism.Plugin(code, functions=[]).call("count_vowels", text))["count"] == count
    )


def test_variables_and_config_live_in_the_plugin(code):
    """The total grows from call to call, and the configuration says what counts."""
    plugin = extism.Plugin(code, functions=[], config={"vowels": "t"})

    assert plugin.call("count_vowels", "total") == b'{"count": 2, "total": 2}'
    assert plugin.call("count_vowels", "tt") == b'{"count": 2, "total": 4}'


def test_function_exists(code):
    """An export can be asked for before it is called."""
    plugin = extism.Plugin(code, functions=[])

    assert plugin.function_exists("count_vowels") is True
    assert plugin.function_exists("i_dont_exist") is False


def test_an_unknown_function_is_an_error(code):
    """Calling what is not there raises `extism.Error`."""
    with pytest.raises(extism.Error, match="Function not found: i_dont_exist"):
        extism.Plugin(code).call("i_dont_exist", "someinput")


def test_a_plugin_can_be_deleted(code):
    """`del` is all that an application does to be rid of one."""
    plugin = extism.Plugin(code)
    handle = plugin.plugin
    del plugin

    assert handle != -1


def test_leaving_the_block_frees_the_plugin(code):
    """Afterwards the handle is -1 and the compiled plugin, its own, is gone; freeing again is harmless."""
    with extism.Plugin(code, functions=[]) as plugin:
        assert json.loads(plugin.call("count_vowels", "test"))["count"] == 1
        assert plugin._owns_compiled_plugin is True
        assert plugin.plugin != -1
    plugin.__del__()
    plugin.__del__()

    assert (plugin.plugin, plugin.compiled_plugin) == (-1, None)


def test_a_compiled_plugin_outlives_its_plugins_until_it_is_freed(code):
    """A plugin does not free what was handed to it; freed by its owner, the pointer is -1."""
    compiled = CompiledPlugin(code, functions=[])
    plugin = extism.Plugin(compiled)
    before = compiled.pointer

    assert json.loads(plugin.call("count_vowels", "test"))["count"] == 1
    assert plugin._owns_compiled_plugin is False
    plugin.__del__()
    assert plugin.plugin == -1
    assert plugin.compiled_plugin is compiled
    assert compiled.pointer == before != -1
    compiled.__del__()
    compiled.__del__()
    assert compiled.pointer == -1


def test_a_freed_compiled_plugin_leaves_its_plugins_alone(code):
    """What was made of it goes on; nothing new can be made."""
    compiled = CompiledPlugin(code, functions=[])
    with extism.Plugin(compiled) as plugin:
        compiled.__del__()

        assert plugin.call("count_vowels", "a") == b'{"count": 1, "total": 1}'
        assert plugin.function_exists("count_vowels")
        with pytest.raises(PluginClosed, match="the compiled plugin is closed"):
            extism.Plugin(compiled)
        assert repr(compiled) == "<CompiledPlugin closed>"


def test_use_after_the_end_is_a_type_error_too(code):
    """Upstream raises a TypeError there, by accident; applications may rely on it."""
    with extism.Plugin(code, functions=[]) as plugin:
        pass

    for use in (
        lambda: plugin.call("count_vowels", "a"),
        lambda: plugin.function_exists("count_vowels"),
        plugin.cancel_handle,
    ):
        with pytest.raises(TypeError) as caught:
            use()
        assert isinstance(caught.value, extism.Error)


def test_pointers_are_numbers_that_tell_one_from_the_other(code):
    """Handles of upstream's are opaque here, and stay the same while their plugin lives."""
    seen = []

    @extism.host_fn(name="hello_world")
    def keep(current: extism.CurrentPlugin, text: str) -> str:
        seen.append(current.pointer)
        return text

    plugin = extism.Plugin(manifest_of(COUNT_WITH_HOST.encode()), functions=[keep])
    plugin.call("count_vowels", "a")
    plugin.call("count_vowels", "b")

    assert len(set(seen)) == 1
    assert plugin.cancel_handle().pointer == plugin.plugin
    assert all(isinstance(each, int) for each in [*seen, plugin.plugin])


def test_what_is_made_of_a_function_lets_go_of_it():
    """The object behind a function has a pointer until it is freed."""

    def echo(inp: str) -> str:
        return inp

    made = _ExtismFunctionMetadata(TypeInferredFunction(None, "echo", echo, []))
    assert made.pointer is not None
    made.__del__()

    assert made.pointer is None


def test_a_bad_manifest_is_an_error():
    """A dict that is no manifest raises `extism.Error`."""
    with pytest.raises(extism.Error):
        extism.Plugin({"invalid_manifest": True})


def test_there_is_a_version():
    """`extism_version` gives the version of the package that is installed, 2 or later."""
    assert int(extism.extism_version().split(".")[0]) >= 2


def test_a_loop_times_out():
    """A call ends at `timeout_ms`, for the right reason: upstream's own test calls a name that is not there."""
    plugin = extism.Plugin(manifest_of(LOOP.encode(), timeout_ms=300))
    start = time.monotonic()
    with pytest.raises(CallTimeout, match="timeout"):
        plugin.call("loop_forever", b"")

    assert 0.3 <= time.monotonic() - start < 0.3 + ROOM


def test_a_loop_can_be_cancelled_from_another_thread():
    """The handle ends the call while it runs: upstream's own test cancels before there is one."""
    plugin = extism.Plugin(manifest_of(LOOP.encode(), timeout_ms=60_000))
    handle = plugin.cancel_handle()
    assert isinstance(handle, CancelHandle)
    with repeating(handle.cancel), pytest.raises(Cancelled, match="timeout"):
        plugin.call("loop_forever", b"")

    assert plugin.call("once", b"") == b""


@pytest.mark.same_process("live views of memory")
def test_an_explicit_host_function_allocates_and_returns(with_host):
    """A signature, a block of its own, its offset as the result; bytes as user data are one more argument."""

    @extism.host_fn(signature=([extism.ValType.I64], [extism.ValType.I64]), user_data=b"test")
    def hello_world(plugin, params, results, user_data):
        offs = plugin.alloc(len(user_data))
        mem = plugin.memory(offs)
        mem[:] = user_data
        results[0].value = offs.offset

    assert with_host(hello_world) == b"test"


def test_an_inferred_host_function_gets_text_and_user_data(with_host):
    """Annotations say how values cross."""

    @extism.host_fn(user_data=b"test")
    def hello_world(inp: str, *user_data) -> str:
        return f"hello world: {inp} {user_data[0].decode()}"

    assert with_host(hello_world) == b'hello world: {"count": 3} test'


def test_json_is_a_value_in_python(with_host):
    """`Annotated[dict, Json]` is parsed before the function sees it."""

    @extism.host_fn(user_data=b"test")
    def hello_world(inp: Annotated[dict, extism.Json], *user_data) -> str:
        return f"hello world: {inp['count']} {user_data[0].decode()}"

    assert with_host(hello_world) == b"hello world: 3 test"


def test_codecs_read_and_write(with_host):
    """On a parameter a codec makes the value out of bytes, on a result bytes out of the value."""

    @extism.host_fn(user_data=b"test")
    def hello_world(
        inp: Annotated[str, extism.Codec(lambda data: data.decode().replace("o", "u"))],
        *_user_data,
    ) -> Annotated[str, extism.Codec(lambda text: text.replace("u", "a").encode())]:
        return inp

    assert with_host(hello_world) == b'{"caant": 3}'


def test_a_pickle_is_a_result(with_host):
    """Objects go out as pickles."""

    @extism.host_fn(user_data=b"test")
    def hello_world(
        _inp: Annotated[dict, extism.Json], *_user_data
    ) -> Annotated[Gribble, extism.Pickle]:
        return Gribble("robble")

    assert pickle.loads(with_host(hello_world)).frobbitz() == "gromble robble"


def test_the_host_context_is_the_callers_own_object(with_host):
    """A first parameter of type `CurrentPlugin` leads to what the caller handed over, and can change it."""

    class Context:
        x, y = 100, 200

    @extism.host_fn(user_data=b"test")
    def hello_world(
        current_plugin: extism.CurrentPlugin,
        _inp: Annotated[dict, extism.Json],
        *_user_data,
    ) -> str:
        current_plugin.host_context().x = 1000
        return "done"

    context = Context()

    assert with_host(hello_world, host_context=context) == b"done"
    assert (context.x, context.y) == (1000, 200)


def struct_of(tag, **fields):
    """What upstream's C interface hands over, as a tuple: a tag and a union."""
    union = namedtuple("Union", fields)(**fields)  # noqa: PYI024 - made at run time
    return namedtuple("Value", ["t", "v"])(tag, union)  # noqa: PYI024


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (struct_of(0, i32=-3), extism.Val(extism.ValType.I32, -3)),
        (struct_of(1, i64=2**40), extism.Val(extism.ValType.I64, 2**40)),
        (struct_of(2, f32=0.5), extism.Val(extism.ValType.F32, 0.5)),
        (struct_of(3, f64=3.14), extism.Val(extism.ValType.F64, 3.14)),
        (struct_of(4, i64=1), None),
    ],
    ids=["i32", "i64", "f32", "f64", "v128"],
)
def test_a_c_value_becomes_a_val(given, expected):
    """Each tag has its field; what is no number has no value."""
    assert extism.extism._convert_value(given) == expected


class Slot:
    """A C value that can be written."""

    def __init__(self, tag):
        self.t = tag
        self.v = type("Union", (), {})()


def test_a_val_becomes_a_c_value():
    """The number goes to the field of its type, floats included, which upstream refuses."""
    integer, number = Slot(0), Slot(3)
    extism.extism._convert_output(integer, extism.Val(extism.ValType.I32, 7.0))
    extism.extism._convert_output(number, extism.Val(extism.ValType.F64, 2))

    assert (integer.v.i32, number.v.f64) == (7, 2.0)


@pytest.mark.parametrize(
    ("tag", "kind", "text"),
    [
        (0, extism.ValType.F64, "Output type mismatch, got ValType.F64 but expected 0"),
        (4, extism.ValType.V128, "Unsupported return type: 4"),
    ],
)
def test_a_val_of_another_type_is_refused(tag, kind, text):
    """With upstream's words."""
    with pytest.raises(extism.Error) as caught:
        extism.extism._convert_output(Slot(tag), extism.Val(kind, 1))

    assert str(caught.value) == text


def test_functions_made_by_hand_take_the_place_of_the_registry(registry, plugin):
    """Applications make `TypeInferredFunction`s with a place in the registry, which is not handed on."""
    seen = []

    def hello_world(text: str, *rest) -> str:
        seen.append(rest)
        return text.upper()

    made = [
        TypeInferredFunction(None, "hello_world", hello_world, [(0).to_bytes(4, "big")]),
        TypeInferredFunction(None, "hello_world", hello_world, ["data", (0).to_bytes(4, "big")]),
        TypeInferredFunction(None, "hello_world", hello_world, [b"bytes"]),
        TypeInferredFunction(None, "hello_world", hello_world, []),
    ]
    HOST_FN_REGISTRY.clear()
    HOST_FN_REGISTRY.extend(made)
    for function in made:
        compiled = CompiledPlugin(COUNT_WITH_HOST, wasi=True, functions=[function])
        assert extism.Plugin(compiled).call("count_vowels", data=b"aa") == b'{"COUNT": 2}'

    assert seen == [(), ("data",), (b"bytes",), ()]


def test_an_explicit_function_made_by_hand(registry):
    """The class behind `host_fn(signature=...)`: its `func` is the Python function, and it can be called."""

    def hello_world(plugin, inputs, outputs, data):
        plugin.return_string(outputs[0], plugin.input_string(inputs[0]) + data)

    kinds = [extism.ValType.PTR]
    made = ExplicitFunction(None, "hello_world", kinds, kinds, hello_world, ["!", b"\0\0\0\0"])
    plugin = extism.Plugin(COUNT_WITH_HOST, functions=[made])

    assert plugin.call("count_vowels", "aa") == b'{"count": 2}!'
    assert made.func is hello_world
    assert isinstance(made, extism.Function)


@pytest.mark.parametrize(
    ("signature", "classes"),
    [(None, (True, True)), (([extism.ValType.I64], [extism.ValType.I64]), (False, True))],
    ids=["inferred", "explicit"],
)
def test_decorated_functions_are_of_upstreams_classes(registry, signature, classes):
    """Applications tell the two styles apart by class, and find the Python function in `func`."""

    def f(text: str) -> str:
        return text

    made = extism.host_fn(signature=signature)(f)

    assert (isinstance(made, TypeInferredFunction), isinstance(made, ExplicitFunction)) == classes
    assert made.func is f
    assert made.__wrapped__ is f


def test_four_bytes_of_user_data_are_no_place_in_the_registry(with_host):
    """The decorator hands on what it was given, whatever its length."""

    @extism.host_fn(user_data=[1, b"four"])
    def hello_world(text: str, *rest) -> str:
        return repr(rest)

    assert with_host(hello_world) == b"(1, b'four')"


def test_upstreams_way_to_the_bytes_is_there(tmp_path):
    """`_wasm` reads a file, takes text as it is and writes a dict as JSON with base64."""
    file = tmp_path / "module.wasm"
    file.write_bytes(b"content")
    given = {"wasm": [{"data": b"content"}], "config": {"key": "value"}}

    assert extism.extism._wasm(str(file)) == b"content"
    assert extism.extism._wasm("no such file") == b"no such file"
    assert extism.extism._wasm(b"bytes") == b"bytes"
    assert json.loads(extism.extism._wasm(given)) == {
        "wasm": [{"data": "Y29udGVudA=="}],
        "config": {"key": "value"},
    }
    with pytest.raises(TypeError, match="not JSON serializable"):
        extism.extism._wasm({"wasm": object()})


def test_a_val_can_be_assigned_upstreams_way():
    """`_assign` sets the value."""
    val = extism.Val(extism.ValType.I32, 1)
    val._assign(2)

    assert val == extism.Val(extism.ValType.I32, 2)


def test_functions_of_the_registry_can_be_marked_and_chosen(registry):
    """Applications set attributes on what is in the registry, and pick by them."""

    @extism.host_fn()
    def hello_world(text: str) -> str:
        return text

    HOST_FN_REGISTRY[-1].mine = True
    chosen = [each for each in HOST_FN_REGISTRY if getattr(each, "mine", False)]

    assert extism.HOST_FN_REGISTRY is HOST_FN_REGISTRY
    assert extism.Plugin(COUNT_WITH_HOST, True, functions=chosen).call("count_vowels", "")


def test_upstreams_tables_of_annotations_are_there(registry):
    """`_map_arg` and `_map_ret` give a type and what moves a value; applications wrap them."""
    kind, extract = extism.extism._map_arg("text", str)
    ((written, emplace),) = extism.extism._map_ret(bytes)

    @extism.host_fn(signature=([extism.ValType.I64], [extism.ValType.I64]))
    def hello_world(plugin, inputs, outputs):
        emplace(plugin, outputs[0], extract(plugin, inputs[0]).upper().encode())

    plugin = extism.Plugin(COUNT_WITH_HOST, functions=[hello_world])

    assert (kind, written) == (extism.ValType.I64, extism.ValType.I64)
    assert plugin.call("count_vowels", "a") == b'{"COUNT": 1}'


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: extism.extism._map_arg("x", dict), "Could not infer input type for argument x"),
        (lambda: extism.extism._map_ret(set), "Could not infer return type"),
    ],
)
def test_upstreams_tables_refuse_in_upstreams_words(ask, text):
    """A TypeError, and then which types there are."""
    with pytest.raises(TypeError, match=text):
        ask()


@pytest.mark.parametrize("name", ["_lib", "_ffi", "handle_args"])
def test_the_way_into_upstreams_library_is_closed_with_a_word(name):
    """What needs upstream's C library is told that there is none."""
    with pytest.raises(AttributeError, match="reached into upstream's C library"):
        getattr(extism.extism, name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        extism.extism.nonsense  # noqa: B018 - the access is the test


def test_a_logger_is_drained(fresh_log_sink):
    """`set_log_custom` keeps lines until they are asked for."""
    lines = []
    logger = extism.set_log_custom(lines.append, "info")
    text = wat(
        """(data (i32.const 0) "hello")
           (func (export "run") (call $log_info (call $put (i32.const 0) (i32.const 5))))"""
    )
    extism.Plugin(text).call("run", "")

    assert isinstance(logger, CustomLogger)
    assert lines == []
    logger.drain()
    assert [("hello" in line, line[-1]) for line in lines] == [(True, "\n")]


def test_a_program_may_end_with_everything_open():
    """`__del__` runs while Python shuts down, in cycles and for what was never finished, and says nothing."""
    script = """
import extism
plugin = extism.Plugin(b'(module (func (export "f")))', functions=[])
compiled = extism.CompiledPlugin(b'(module (func (export "f")))', functions=[])
pool = extism.Pool(compiled, 2)
lent = pool.plugin()
lent.__enter__().call("f", "")
cycle = [plugin, plugin.cancel_handle()]
cycle.append(cycle)
for wrong in ({"wasm": []}, b"(module (func (export"):
    try:
        extism.Plugin(wrong)
    except extism.Error:
        pass
try:
    extism.Plugin(compiled, config={"key": 1})
except TypeError:
    print("done")
"""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
