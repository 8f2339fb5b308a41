"""
What the Python SDK's own suite checks, checked here for real, with guests of ours.

`tests/house/test_upstream_table.py` lists upstream's tests and which of ours stands for each.
"""

from __future__ import annotations

import json
import pickle
from typing import Annotated, Any

import pytest
from wat_guests import ECHO, wat

import extism
from extism.errors import Error, FunctionNotFound, PluginClosed

# Guests are compiled when they are first needed.
pytestmark = pytest.mark.timeout(300)

CALLS_HELLO = """
    (func (export "run") (call $give (call $hello (call $copy_input))))
    (func (export "count_vowels") (call $give (call $hello (call $copy_input))))"""
IMPORTS_HELLO = '(import "extism:host/user" "hello" (func $hello (param i64) (result i64)))'
RUN = wat(CALLS_HELLO, before=IMPORTS_HELLO)


def counted(output: bytes) -> tuple[int, int]:
    answer = json.loads(output)
    return answer["count"], answer["total"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("this is a test", 4),
        ("this is a test again", 7),
        ("this is a test thrice", 6),
        ("🌎hello🌎world🌎", 3),
    ],
)
@pytest.mark.parametrize(
    "name", ["c/count_vowels.c", "zig/count_vowels.zig", "assemblyscript/count_vowels.ts"]
)
def test_vowels_are_counted(guest_plugin, name, text, count):
    """The four inputs of upstream's suites, str and bytes, in three languages."""
    counter = guest_plugin(name)

    assert counted(counter.call("count_vowels", text)) == (count, count)
    assert counted(counter.call("count_vowels", text.encode())) == (count, 2 * count)


def test_functions_exist_or_are_not_found(guest_plugin):
    """`function_exists` and `Function not found`; the error lists what there is."""
    counter = guest_plugin("c/count_vowels.c")
    with pytest.raises(FunctionNotFound, match="Function not found: i_dont_exist") as caught:
        counter.call("i_dont_exist", "someinput")

    assert counter.function_exists("count_vowels")
    assert not counter.function_exists("i_dont_exist")
    assert caught.value.available == ("count_vowels",)


def test_a_closed_plugin_says_so(plugin):
    """After `with`, `close()` or `del`, a call is `PluginClosed`; closing twice is fine."""
    echo = plugin(ECHO)
    with echo:
        assert echo.call("echo", "x") == b"x"
    echo.close()
    with pytest.raises(PluginClosed):
        echo.call("echo", "x")

    assert (echo.plugin, echo.compiled_plugin) == (-1, None)


def test_a_bad_manifest_is_an_error():
    """No manifest, no module: `extism.Error`."""
    with pytest.raises(Error):
        extism.Plugin({"wasm": []}, functions=[])
    with pytest.raises(Error, match="Unknown manifest format"):
        extism.Plugin('{"wasm": [], "other": 1}', functions=[])


def test_there_is_a_version():
    """Three numbers and perhaps more."""
    assert [part.isdigit() for part in extism.extism_version().split(".")[:2]] == [True, True]


def test_host_functions_explicit_and_inferred(plugin):
    """The same function in both styles, with user data, JSON, a codec and a pickle."""
    seen = []

    @extism.host_fn(
        name="hello", signature=([extism.ValType.I64], [extism.ValType.I64]), user_data=[b"data"]
    )
    def explicit(current, inputs, outputs, data):
        seen.append((current.input_string(inputs[0]), data))
        current.return_string(outputs[0], "explicit")

    @extism.host_fn(name="hello", user_data=[b"data"])
    def inferred(text: str, data) -> str:
        seen.append((text, data))
        return "inferred"

    @extism.host_fn(name="hello")
    def as_json(value: Annotated[dict, extism.Json]) -> Annotated[dict, extism.Json]:
        return {"got": value["a"]}

    @extism.host_fn(name="hello")
    def coded(
        value: Annotated[str, extism.Codec(lambda data: data.decode()[::-1])],
    ) -> Annotated[Any, extism.Pickle]:
        return [value]

    outputs = [
        plugin(RUN, functions=[function]).call("run", '{"a": 1}')
        for function in (explicit, inferred, as_json, coded)
    ]

    assert seen == [('{"a": 1}', b"data")] * 2
    assert outputs[:3] == [b"explicit", b"inferred", b'{"got": 1}']
    assert pickle.loads(outputs[3]) == ['}1 :"a"{']
