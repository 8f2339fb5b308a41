"""The guest library where it belongs: inside a plug-in, over the real host."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated

import pytest
from http_server import serve

import extism
from extism.functions import TypeInferredFunction

pytestmark = pytest.mark.guest_python

SOURCE = textwrap.dedent(
    """
    import enum
    import logging
    import sys
    import urllib.error
    import urllib.request

    import extism

    logging.getLogger("loading").warning("imported")


    class Colour(enum.Enum):
        RED = "red"


    @extism.plugin_fn
    def echo():
        extism.output_bytes(extism.input_bytes())


    @extism.plugin_fn
    def replace_output():
        extism.output_str("first")
        extism.output_str("")


    @extism.plugin_fn
    def number():
        extism.output_json(extism.input_json(int) + 1)


    @extism.plugin_fn
    def colour():
        extism.output(extism.input(Colour))


    @extism.plugin_fn
    def count():
        calls = extism.Var.get_json("calls", 0) + 1
        extism.Var.set("calls", str(calls))
        extism.output_json(calls)


    @extism.plugin_fn
    def forget():
        extism.Var.delete("calls")
        extism.output_json(extism.Var.get_bytes("calls"))


    @extism.plugin_fn
    def configured():
        keys = ["user", "empty", "missing"]
        extism.output_json([extism.Config.get_str(key) for key in keys])


    @extism.plugin_fn
    def blocks():
        handle = extism.memory.alloc("héllo")
        found = extism.memory.find(handle.offset)
        text = extism.memory.string(handle)
        extism.memory.free(handle)
        extism.output_json([found == handle, text, extism.memory.find(handle.offset)])


    @extism.plugin_fn
    def fetch():
        response = extism.Http.request(extism.input_str(), meth="PUT", body="é", headers={"x-a": "1"})
        extism.output_json([response.status_code, response.data_str(), response.headers()["x-b"]])


    @extism.plugin_fn
    def fetch_with_urllib(url: str) -> list:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, b"a=1", {"X-A": "1"})) as response:
                return [response.status, response.read().decode(), response.headers["x-b"]]
        except urllib.error.HTTPError as error:
            return [error.code, error.reason, error.read().decode()]


    @extism.plugin_fn
    def write_logs():
        logging.getLogger("shop").info("a %s", "message")
        logging.error("no name")
        logging.warning("%d is no number", "this")
        print("printed")


    @extism.plugin_fn
    async def wait(seconds: float) -> str:
        import asyncio

        async with asyncio.timeout(5):
            return " ".join(await asyncio.gather(asyncio.sleep(seconds, "a"), asyncio.sleep(0, "b")))


    @extism.plugin_fn
    def code():
        return extism.input_json()


    @extism.plugin_fn
    def leave():
        sys.exit(extism.input_json())


    @extism.plugin_fn
    def complain():
        extism.set_error("no good")


    @extism.plugin_fn
    def fail():
        inner(0)


    def inner(number):
        return 1 / number


    @extism.plugin_fn
    def recurse():
        recurse()


    @extism.import_fn("extism:host/user", "greet")
    def greet(name: str, times: int = 2) -> str: ...


    @extism.import_fn("extism:host/user", "raw")
    def raw(a, b, c, d, e) -> int: ...


    @extism.import_fn("extism:host/user", "nothing")
    def nothing(): ...


    @extism.plugin_fn
    def call_host():
        extism.output_json([greet("é"), greet(times=1, name="a"), raw(1, -2, 3, -4, 5), nothing()])


    @extism.plugin_fn
    def call_host_often():
        for _ in range(2000):
            greet("x" * 1000, times=100)
    """
)


def greet(name: str, times: int) -> str:
    return name * times


def raw(a: int, b: int, c: int, d: int, e: int) -> Annotated[int, extism.Raw]:
    return a + b + c + d + e


def nothing() -> None: ...


@pytest.fixture(scope="module", params=[False, True], ids=["single", "shared"])
def wasm(python_plugin, request):
    return str(python_plugin(SOURCE, shared=request.param))


@pytest.fixture
def plugin(wasm):
    """Make an instance with more of a manifest."""
    made = []

    def plugin(*, headers=False, wasi=True, **manifest):
        functions = [TypeInferredFunction(None, f.__name__, f, ()) for f in (greet, raw, nothing)]
        manifest = {"wasm": [{"path": wasm}], **manifest}
        made.append(
            extism.Plugin(manifest, wasi=wasi, functions=functions, http_response_headers=headers)
        )
        return made[-1]

    yield plugin
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "data", [b"", b"a", b"1234567", b"12345678", b"123456789", bytes(range(256)) * 300]
)
def test_bytes_cross_the_border(plugin, data):
    """Input and output of every length around the word that they are copied in."""
    assert plugin().call("echo", data) == data


def test_an_empty_output_replaces_an_earlier_one(plugin):
    """The last output wins, also when it is nothing."""
    assert plugin().call("replace_output", b"") == b""


@pytest.mark.parametrize(
    ("function", "data", "output"),
    [
        ("number", "41", b"42"),
        ("colour", "red", b"red"),
        ("blocks", "", b'[true, "h\\u00e9llo", null]'),
    ],
)
def test_values(plugin, function, data, output):
    """JSON numbers, enums and memory handles."""
    assert plugin().call(function, data) == output


def test_variables_last_from_call_to_call(plugin):
    """As long as the instance, until they are deleted."""
    one = plugin()

    assert [one.call("count", b""), one.call("count", b"")] == [b"1", b"2"]
    assert [one.call("forget", b""), one.call("count", b"")] == [b"null", b"1"]
    assert plugin().call("count", b"") == b"1"


def test_configuration(plugin):
    """A missing and an empty value both read as None."""
    one = plugin(config={"user": "Zoé", "empty": ""})

    assert json.loads(one.call("configured", b"")) == ["Zoé", None, None]


def test_http_with_headers(plugin):
    """Method, body and headers go out; status, body and headers come back."""
    with serve() as server:
        url = server.answer("/x", 418, "tée".encode(), [("X-B", "2")])
        one = plugin(headers=True, allowed_hosts=["127.0.0.1"])

        assert json.loads(one.call("fetch", url)) == [418, "tée", "2"]
    (seen,) = server.seen
    assert (seen.method, seen.body, seen.header("x-a")) == ("PUT", "é".encode(), "1")


def test_http_without_headers(plugin):
    """Where the host keeps them, the plug-in is told so."""
    with serve() as server:
        url = server.answer("/x", 200, b"")
        one = plugin(allowed_hosts=["127.0.0.1"])
        with pytest.raises(
            extism.Error, match="this host does not hand response headers to plug-ins"
        ):
            one.call("fetch", url)


@pytest.mark.parametrize(
    ("status", "expected"), [(200, [200, "tée", "2"]), (404, [404, "Not Found", "tée"])]
)
def test_urllib(plugin, status, expected):
    """urlopen goes through the host; a bad status is the error that its users know."""
    with serve() as server:
        url = server.answer("/x", status, "tée".encode(), [("X-B", "2")])
        one = plugin(headers=True, allowed_hosts=["127.0.0.1"])

        assert json.loads(one.call("fetch_with_urllib", url)) == expected
    (seen,) = server.seen
    assert (seen.method, seen.body, seen.header("x-a")) == ("POST", b"a=1", "1")


def test_logging_and_print(plugin, caplog):
    """
    `logging` goes to the host's log with its levels, and `print` where the host has stdout go, line by line.

    A message that cannot be made is told on stderr, and the call goes on.
    """
    caplog.set_level(0)
    plugin(wasi=extism.WasiOptions(stdout="log", stderr="log")).call("write_logs", b"")
    told = [(row.levelname, row.getMessage()) for row in caplog.records]

    assert [told[0], told[1], told[-1]] == [
        ("INFO", "shop: a message"),
        ("ERROR", "no name"),
        ("INFO", "printed"),
    ]
    assert any("TypeError: %d format: a real number is required" in text for _, text in told)


def test_an_async_function(plugin):
    """Its timers wait, one after the other call."""
    one = plugin()

    assert [one.call("wait", "0.01") for _ in range(2)] == [b"a b", b"a b"]


@pytest.mark.parametrize(
    ("function", "data", "code"),
    [("code", "3", 3), ("code", "-1", -1), ("leave", "3", 3), ("leave", "true", 1)],
)
def test_return_codes(plugin, function, data, code):
    """A number is the code of the call, whether it is returned or left with."""
    with pytest.raises(extism.errors.GuestError) as caught:
        plugin().call(function, data)

    assert (caught.value.exit_code, str(caught.value)) == (code, f"Error code: {code}")


@pytest.mark.parametrize(
    ("function", "data"), [("code", "0"), ("code", "true"), ("code", '"a"'), ("leave", "null")]
)
def test_success(plugin, function, data):
    """True, text and None are no codes."""
    assert plugin().call(function, data) == b""


@pytest.mark.parametrize(
    ("function", "data", "message"),
    [("leave", '"no luck"', "no luck"), ("complain", "", "no good")],
)
def test_error_texts(plugin, function, data, message):
    """A text to leave with, and one that was set, are the error."""
    with pytest.raises(extism.errors.GuestError) as caught:
        plugin().call(function, data)

    assert str(caught.value) == message


def test_a_traceback(plugin):
    """The author's frames, with lines and carets, and nothing of the library's or the machine's."""
    with pytest.raises(extism.errors.GuestError) as caught:
        plugin().call("fail", b"")

    assert str(caught.value) == textwrap.dedent(
        """\
        Traceback (most recent call last):
          File "plugin.py", line {fail}, in fail
            inner(0)
            ~~~~~^^^
          File "plugin.py", line {inner}, in inner
            return 1 / number
                   ~~^~~~~~~~
        ZeroDivisionError: division by zero"""
    ).format(fail=line_of("    inner(0)"), inner=line_of("    return 1 / number"))


def line_of(text):
    return SOURCE.splitlines().index(text) + 1


def test_deep_recursion_is_an_error_and_no_end(plugin):
    """It is an exception like any other; the instance goes on."""
    one = plugin()
    with pytest.raises(extism.errors.GuestError) as caught:
        one.call("recurse", b"")

    assert "[Previous line repeated" in str(caught.value)
    assert str(caught.value).splitlines()[-1].startswith("RecursionError: ")
    assert one.call("echo", b"a") == b"a"


def test_host_functions(plugin):
    """Text and numbers to the host and back, by position, by keyword and by default."""
    assert json.loads(plugin().call("call_host", b"")) == ["éé", "a", 3, None]


def test_blocks_of_host_functions_are_given_back(plugin):
    """Two hundred megabytes pass through a plug-in that may hold sixty-four."""
    assert plugin(memory={"max_pages": 1024}).call("call_host_often", b"") == b""
