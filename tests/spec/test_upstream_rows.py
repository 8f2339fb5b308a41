"""
What upstream's own suites check, checked here for real, with guests of ours.

`tests/house/test_upstream_table.py` lists upstream's tests (Rust runtime, Python, Go and JS SDK) and which of
these stands for each. Several of upstream's pass without checking anything; these do not.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import pickle
import struct
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import pytest
from http_server import serve
from wat_guests import ECHO, STATEFUL, wat

import extism
from extism.errors import (
    CallTimeout,
    CapabilityDenied,
    Error,
    FunctionNotFound,
    GuestError,
    GuestExit,
    HashMismatch,
    LinkError,
    ManifestError,
    OutOfFuel,
    OutOfMemory,
    PluginClosed,
    Trap,
)

# Guests are compiled when they are first needed.
pytestmark = pytest.mark.timeout(300)

CALLS_HELLO = """
    (func (export "run") (call $give (call $hello (call $copy_input))))
    (func (export "count_vowels") (call $give (call $hello (call $copy_input))))"""
IMPORTS_HELLO = '(import "extism:host/user" "hello" (func $hello (param i64) (result i64)))'
RUN = wat(CALLS_HELLO, before=IMPORTS_HELLO)
LOOP = wat('(func (export "loop_forever") (loop $again (br $again))) (func (export "fine"))')


@pytest.fixture
def made(guest):
    """A function from the name of a guest's source to a plug-in that is closed after the test."""
    plugins = []

    def make(*names, wasi=False, config=None, functions=(), headers=False, **manifest):
        sources = [{"path": str(guest(name)), "name": Path(name).stem} for name in names[:-1]] + [
            {"path": str(guest(names[-1])), "name": "main"}
        ]
        plugins.append(
            extism.Plugin(
                {"wasm": sources, **manifest},
                wasi=wasi,
                config=config,
                functions=list(functions),
                http_response_headers=headers,
            )
        )
        return plugins[-1]

    yield make
    for each in plugins:
        each.close()


@pytest.fixture(scope="module")
def server():
    with serve() as running:
        running.answer("/page", body=b"a page", headers=[("content-type", "text/html")])
        running.answer("/missing", 404, b"nothing")
        running.answer("/large", body=b"x" * 5000)
        running.script("/slow", lambda connection: time.sleep(2))
        yield running


def counted(output: bytes) -> tuple[int, int]:
    answer = json.loads(output)
    return answer["count"], answer["total"]


def u64(output: bytes) -> int:
    return int.from_bytes(output, "little")


# ---- A. Rust runtime ------------------------------------------------------------------------------


def test_a_host_function_of_another_namespace_is_never_called(plugin, tmp_path, fresh_log_sink):
    """Of two functions of one name the namespace decides; 100 calls with 64 KiB and more; a log file."""
    called = []

    @extism.host_fn(name="hello")
    def mine(text: bytes) -> bytes:
        called.append("mine")
        return text[::-1]

    @extism.host_fn(name="hello", namespace="test")
    def other(text: bytes) -> bytes:
        called.append("other")
        return b"never"

    extism.set_log_file(str(tmp_path / "log"), "info")
    body = CALLS_HELLO.replace(
        "(call $give (call $hello (call $copy_input)))",
        "(call $log_info (call $copy_input)) (call $give (call $hello (call $copy_input)))",
        1,
    )
    caller = plugin(wat(body, before=IMPORTS_HELLO), functions=[mine, other])
    data = b"a" * 65536 + b"hello"
    outputs = {caller.call("count_vowels", data) for _ in range(100)}
    caller.call("run", "a line for the log")

    assert outputs == {data[::-1]}
    assert called == ["mine"] * 101
    assert "a line for the log" in (tmp_path / "log").read_text()


def test_three_threads_share_one_plugin(made):
    """3 threads of 10 calls each: every output is whole, and the totals count them all."""
    counter = made("c/count_vowels.c")
    outputs = []

    def work():
        outputs.extend(counter.call("count_vowels", "this is a test aaa") for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(counted(output) for output in outputs) == [(7, 7 * n) for n in range(1, 31)]


def test_cancelling_works_again_and_again(plugin):
    """A handle ends the running call, five times on the same plug-in, which then still works."""
    looping = plugin(LOOP)
    handle = looping.cancel_handle()
    for _ in range(5):
        threading.Timer(0.1, handle.cancel).start()
        with pytest.raises(Error) as caught:
            looping.call("loop_forever", b"")
        assert str(caught.value) == "timeout"

    assert looping.call("fine", b"") == b""


def test_a_loop_ends_with_the_word_timeout(plugin):
    """The text is exactly `timeout`, and the call takes about as long as was granted."""
    looping = plugin(LOOP, timeout_ms=300)
    start = time.monotonic()
    with pytest.raises(CallTimeout) as caught:
        looping.call("loop_forever", b"")

    assert str(caught.value) == "timeout"
    assert 0.25 < time.monotonic() - start < 1.3


def test_fuel_ends_every_call_and_is_counted():
    """With little fuel every one of many calls ends for want of fuel, and all of it is used."""
    with extism.Plugin(LOOP, fuel_limit=1000, functions=[]) as looping:
        for _ in range(200):
            with pytest.raises(OutOfFuel, match="fuel"):
                looping.call("loop_forever", b"")

        assert looping.fuel_used == 1000


def test_http_ends_at_the_deadline(made, server):
    """A server that is slower than `timeout_ms` ends the call with `timeout`."""
    fetching = made(
        "c/http.c", allowed_hosts=["127.0.0.1"], config={"url": server.url("/slow")}, timeout_ms=200
    )
    with pytest.raises(CallTimeout) as caught:
        fetching.call("get", b"")

    assert str(caught.value) == "timeout"


def test_ten_thousand_calls_of_one_plugin(made):
    """10001 calls, and the variable has counted every one."""
    counter = made("c/count_vowels.c")
    for _ in range(10_000):
        counter.call("count_vowels", "abc")

    assert counted(counter.call("count_vowels", "abc")) == (1, 10_001)


def test_a_global_counts_a_hundred_thousand_calls(plugin):
    """State of the module lasts from call to call."""
    counter = plugin(STATEFUL)

    assert [u64(counter.call("count", b"")) for _ in range(100_001)] == list(range(1, 100_002))


def test_a_toml_manifest_with_data_inside():
    """TOML text is a manifest."""
    data = base64.b64encode(ECHO.encode()).decode()
    with extism.Plugin(f'[[wasm]]\ndata = "{data}"\n', functions=[]) as echo:
        assert echo.call("echo", "this is a test") == b"this is a test"


def test_the_host_context_reaches_the_host_function(plugin):
    """The object that `call` was given is the one that the host function sees; None without one."""
    seen = []

    @extism.host_fn(name="hello")
    def look(current: extism.CurrentPlugin, text: str) -> str:
        seen.append(current.host_context())
        return text

    context = {"any": object()}
    caller = plugin(RUN, functions=[look])
    caller.call("run", "x", host_context=context)
    caller.call("run", "x")

    assert seen[0] is context
    assert seen[1] is None


def test_inputs_of_every_length_make_the_round_trip(plugin):
    """Through guest, host function and back: all lengths around what could be a boundary, others spread."""

    @extism.host_fn(name="hello")
    def reflect(data: bytes) -> bytes:
        return data

    caller = plugin(RUN, functions=[reflect])
    lengths = [*range(1, 300), *range(300, 65_200, 997), *range(65_200, 65_540)]
    pattern = bytes(range(251)) * 262

    assert [n for n in lengths if caller.call("run", pattern[:n]) != pattern[:n]] == []


def test_128_kib_need_their_pages(made):
    """Under too low a limit the input is `oom`; with room, or without a limit, it is counted."""
    data = b"a" * (128 * 1024)
    with pytest.raises(OutOfMemory, match=r"oom$"):
        made("zig/count_vowels.zig", memory={"max_pages": 16}).call("count_vowels", data)
    passes = [
        made("zig/count_vowels.zig", **limit).call("count_vowels", data)
        for limit in ({"memory": {"max_pages": 40}}, {})
    ]

    assert [counted(output) for output in passes] == [(131072, 131072)] * 2


@pytest.mark.parametrize("is_raised", [False, True])
def test_an_error_text_of_the_host_function_is_the_calls(plugin, is_raised):
    """`set_error` alone fails the call with that text; where the function raises, its exception counts."""

    @extism.host_fn(name="hello")
    def failing(current: extism.CurrentPlugin, text: str) -> str:
        current.set_error("TEST")
        if is_raised:
            raise ValueError("raised")
        return text

    with pytest.raises(Error) as caught:
        plugin(RUN, functions=[failing]).call("run", "x")

    told = [str(caught.value), *getattr(caught.value, "__notes__", ())]
    assert any("TEST" in text for text in told)
    assert (str(caught.value) == "TEST") is not is_raised


def test_user_data_is_the_object_itself(plugin, tmp_path):
    """A file that was handed over as user data is written by the host function."""
    with (tmp_path / "out").open("w") as file:

        @extism.host_fn(name="hello", user_data=[file])
        def write(text: str, out) -> str:
            out.write(text)
            return text

        plugin(RUN, functions=[write]).call("run", "written")

    assert (tmp_path / "out").read_text() == "written"


def test_http_is_denied_without_allowed_hosts(made, server):
    """No allowed_hosts: an error that names the URL, and nothing reaches the server."""
    server.seen.clear()
    url = server.url("/page")
    with pytest.raises(CapabilityDenied, match="not allowed") as caught:
        made("c/http.c", config={"url": url}).call("get", b"")

    assert str(caught.value).startswith(f"HTTP request to {url} is not allowed")
    assert server.seen == []


@pytest.mark.parametrize("name", ["c/http.c", "zig/http.zig", "assemblyscript/http.ts"])
def test_http_get_twice_and_post(made, server, name):
    """The same page twice; a body of 10000 bytes arrives with its headers."""
    server.seen.clear()
    fetching = made(name, allowed_hosts=["127.0.0.1"], config={"url": server.url("/page")})
    pages = [fetching.call("get", b""), fetching.call("get", b"")]
    posted = fetching.call("post", b"y" * 10_000)

    assert pages == [b"200 a page"] * 2
    assert posted == b"200 a page"
    assert (server.seen[2].method, server.seen[2].body) == ("POST", b"y" * 10_000)
    assert server.seen[2].header("content-type") == "text/plain"


def test_compiled_code_is_found_again(tmp_path, monkeypatch):
    """The second plug-in of the same bytes does not compile: nothing new is in the cache."""
    monkeypatch.setenv("EXTISM_NATIVE_CACHE_DIR", str(tmp_path))
    for _ in range(2):
        with extism.Plugin(ECHO.replace("echo", "echo_again"), functions=[]) as echo:
            assert echo.call("echo_again", "x") == b"x"
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    with extism.Plugin(ECHO.replace("echo", "echo_again"), functions=[]):
        pass

    assert names
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == names


def test_addresses_of_the_process_are_no_source():
    """Upstream reads any address; here `{"ptr", "len"}` is refused."""
    with pytest.raises(ManifestError, match=r"wasm\[0\]\.data"):
        extism.Plugin({"wasm": [{"data": {"ptr": 4096, "len": 8}}]}, functions=[])


def test_a_variable_that_is_too_large_fails_and_none_is_fine(plugin):
    """max_var_bytes 1: 1024 bytes fail; the empty input, a null handle, removes and succeeds."""
    setter = plugin(
        wat('(func (export "set") (call $var_set (call $alloc (i64.const 1)) (call $copy_input)))'),
        memory={"max_var_bytes": 1},
    )
    with pytest.raises(CapabilityDenied, match="Variable store is full"):
        setter.call("set", bytes(1024))

    assert setter.call("set", b"") == b""


def test_a_command_library_is_fresh_for_each_call(plugin):
    """A library with `_start` gets an instance for each call of another module: 1, five times."""
    library = """(module (global $n (mut i64) (i64.const 0)) (func (export "_start"))
        (func (export "next") (result i64)
          (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n)))"""
    main = wat(
        '(func (export "run") (call $give_i64 (call $next)))',
        before='(import "lib" "next" (func $next (result i64)))',
    )
    sources = [{"data": library.encode(), "name": "lib"}, {"data": main.encode(), "name": "main"}]
    with extism.Plugin({"wasm": sources}, functions=[]) as linked:
        assert [u64(linked.call("run", b"")) for _ in range(5)] == [1] * 5


@pytest.mark.parametrize("prefix", ["ro:", ""])
def test_read_only_directories_can_be_read_only(made, tmp_path, prefix):
    """A `ro:` mount is readable and refuses to be written; without `ro:` it is written."""
    (tmp_path / "file.txt").write_text("hello from the host")
    files = made("c/files.c", wasi=True, allowed_paths={f"{prefix}{tmp_path}": "/data"})
    read = files.call("read_file", b"")
    if prefix:
        with pytest.raises(GuestError, match="open: errno"):
            files.call("write_file", "changed")
    else:
        files.call("write_file", "changed")

    assert read == b"hello from the host"
    assert (tmp_path / "file.txt").read_text() == ("hello from the host" if prefix else "changed")


@pytest.mark.parametrize("are_granted", [True, False])
def test_response_headers_only_where_granted(made, server, are_granted):
    """With the switch the guest sees `content-type`, without it nothing."""
    fetching = made(
        "c/http.c",
        allowed_hosts=["127.0.0.1"],
        config={"url": server.url("/page")},
        headers=are_granted,
    )
    output = fetching.call("headers", b"")

    assert (json.loads(output)["content-type"] if output else None) == (
        "text/html" if are_granted else None
    )


def test_an_empty_output_is_an_empty_text(plugin):
    """No output is empty bytes, through `parse` too."""
    empty = plugin(wat('(func (export "nothing"))'))

    assert empty.call("nothing", b"") == b""
    assert empty.call("nothing", b"", lambda output: bytes(output).decode()) == ""


def test_a_trap_has_its_own_code(plugin):
    """`unreachable` is a Trap with code 134, and the reason is in its text."""
    with pytest.raises(Trap, match="unreachable") as caught:
        plugin(wat('(func (export "do_unreachable") unreachable)')).call("do_unreachable", b"")

    assert (caught.value.exit_code, caught.value.kind) == (134, "unreachable")


@pytest.mark.parametrize("maximum", [1, 2, 3])
def test_a_pool_never_has_more_than_its_maximum(guest, maximum):
    """12 threads, 5 calls each: all are served, by at most so many plug-ins; exports are known."""
    outputs = []
    with extism.Pool(str(guest("c/count_vowels.c")), maximum, functions=[]) as pool:

        def work():
            for _ in range(5):
                with pool.plugin() as one:
                    outputs.append((one.id, counted(one.call("count_vowels", "aaa"))[0]))

        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        known = [pool.function_exists(name) for name in ("count_vowels", "count_vowels", "other")]

    assert [count for _, count in outputs] == [3] * 60
    assert len({number for number, _ in outputs}) <= maximum
    assert known == [True, True, False]


# ---- C. Python SDK --------------------------------------------------------------------------------


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
def test_vowels_are_counted(made, name, text, count):
    """The four inputs of upstream's suites, str and bytes, in three languages."""
    counter = made(name)

    assert counted(counter.call("count_vowels", text)) == (count, count)
    assert counted(counter.call("count_vowels", text.encode())) == (count, 2 * count)


def test_functions_exist_or_are_not_found(made):
    """`function_exists` and `Function not found`; the error lists what there is."""
    counter = made("c/count_vowels.c")
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


# ---- D. Go SDK ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_right", [True, False])
def test_a_module_from_a_url_with_its_hash(server, is_right):
    """The bytes are fetched, and refused where the digest is another."""
    server.answer("/module.wat", body=ECHO.encode())
    digest = hashlib.sha256(ECHO.encode()).hexdigest()
    source = {"url": server.url("/module.wat"), "hash": digest if is_right else "0" * 64}
    if not is_right:
        with pytest.raises(HashMismatch, match=digest):
            extism.Plugin({"wasm": [source]}, functions=[])
        return
    with extism.Plugin({"wasm": [source]}, functions=[]) as echo:
        assert echo.call("echo", "fetched") == b"fetched"


def test_a_plugin_says_hello(plugin):
    """A text of the module's own memory is the output."""
    hello = wat(
        """(memory (export "memory") 1) (data (i32.const 8) "Hello, world!")
        (func (export "hello") (call $give (call $put (i32.const 8) (i32.const 13))))""",
        memory="",
    )

    assert plugin(hello).call("hello", b"") == b"Hello, world!"


def test_blocks_can_be_allocated_by_the_thousand(made):
    """10000 blocks, a third freed, all lengths right, in three languages with the same numbers."""
    sums = {
        made(name).call("allocations", b"")
        for name in ("c/state.c", "zig/state.zig", "assemblyscript/state.ts")
    }

    assert len(sums) == 1
    assert 3e7 < u64(sums.pop()) < 4e7


def test_one_hundred_threads_with_an_instance_each(guest):
    """Instances of one CompiledPlugin work side by side, each with variables of its own."""
    compiled = extism.CompiledPlugin(str(guest("c/count_vowels.c")), functions=[])
    outputs = []

    def work():
        with extism.Plugin(compiled) as own:
            outputs.append(counted(own.call("count_vowels", "hello world")))

    threads = [threading.Thread(target=work) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outputs == [(3, 3)] * 100


def test_three_hundred_instances_of_three_calls(guest):
    """Totals count within an instance and never across: 1, 2, 3, three hundred times."""
    compiled = extism.CompiledPlugin(str(guest("c/state.c")), functions=[])

    def counts():
        with extism.Plugin(compiled) as own:
            return [u64(own.call("count", b"")) for _ in range(3)]

    assert [counts() for _ in range(300)] == [[1, 2, 3]] * 300


def test_configuration_or_its_default(made):
    """A configured key is read; one that is not set leaves the guest its default."""
    configured = made("c/count_vowels.c", config={"vowels": "xyz"})
    given = made("c/count_vowels.c", config=None)

    assert counted(configured.call("count_vowels", "xyz aaa")) == (3, 3)
    assert counted(given.call("count_vowels", "xyz aaa")) == (3, 3)
    assert counted(made("c/count_vowels.c").call("count_vowels", "xyz a")) == (1, 1)


@pytest.mark.parametrize("name", ["c/failures.c", "zig/failures.zig", "assemblyscript/failures.ts"])
def test_a_guest_fails_with_its_text_and_code(made, name):
    """Code 1 and the guest's own words."""
    with pytest.raises(GuestError) as caught:
        made(name).call("fail", b"")

    assert (caught.value.exit_code, str(caught.value)) == (1, "this did not work: grüße")


@pytest.mark.parametrize("status", [1, 2, 125, 255])
def test_a_program_exits_with_its_status(made, status):
    """`exit(n)` of a command is `GuestExit` with n; 0 gives the output."""
    program = made("c/program.c", wasi=True)
    with pytest.raises(GuestExit) as caught:
        program.call("_start", b"e" + bytes([status]))

    assert caught.value.exit_code == status
    assert program.call("_start", b"e\0") == b""


@pytest.mark.parametrize(
    "name", ["c/host_functions.c", "zig/host_functions.zig", "assemblyscript/host_functions.ts"]
)
def test_numbers_memory_and_namespaces(made, name):
    """Raw numbers, blocks given and taken, a function of another namespace, wide letters."""
    heard = []
    i32, i64, f64 = extism.ValType.I32, extism.ValType.I64, extism.ValType.F64

    @extism.host_fn(signature=([i64, i64], [i64]))
    def add(current, inputs, outputs):
        outputs[0].value = inputs[0].value * inputs[1].value

    @extism.host_fn(signature=([i64], [i64]))
    def shout(current, inputs, outputs):
        block = current.memory_at_offset(inputs[0])
        text = bytes(current.memory(block)).decode()
        current.free(block)
        current.return_string(outputs[0], f"HELLO {text.upper()}!")

    @extism.host_fn()
    def tell(text: str):
        heard.append(text)

    @extism.host_fn(namespace="shop", signature=([i64, i32], [f64]))
    def price(current, inputs, outputs):
        outputs[0].value = 0.5 * inputs[1].value

    caller = made(name, functions=[add, shout, tell, price])
    product = caller.call("sum", struct.pack("<qq", 42, 2))
    loud = caller.call("loud", "frodo")
    cost = caller.call("buy", "apples")
    for word in ("first", "🎉 zweite", ""):
        caller.call("say", word)

    assert (u64(product), loud) == (84, b"HELLO FRODO!")
    assert struct.unpack("<d", cost) == (1.5,)
    assert heard == ["first", "🎉 zweite", ""]


def test_an_allowed_pattern_opens_a_host(made, server):
    """`127.0.0.*` opens the server, another pattern does not; the message names the URL."""
    url = server.url("/missing")
    opened = made("c/http.c", allowed_hosts=["127.0.0.*"], config={"url": url})
    closed = made("c/http.c", allowed_hosts=["jsonplaceholder.*.com"], config={"url": url})
    with pytest.raises(CapabilityDenied) as caught:
        closed.call("get", b"")

    assert opened.call("get", b"") == b"404 nothing"
    assert str(caught.value).startswith(f"HTTP request to {url} is not allowed")


@pytest.mark.parametrize("name", ["c/logs.c", "zig/logs.zig", "assemblyscript/logs.ts"])
def test_logs_reach_python_with_their_levels(made, caplog, name):
    """Each level arrives as the level of `logging`; what nobody wants is not even asked for."""
    lines = made(name)
    with caplog.at_level(logging.DEBUG, "extism"):
        lines.call("log_all", b"")
        found = [(each.levelno, each.getMessage()) for each in caplog.records]
        caplog.clear()
    with caplog.at_level(logging.WARNING, "extism"):
        lines.call("log_all", b"")
        filtered = [each.levelname for each in caplog.records]

    texts = [
        (logging.DEBUG, "some detail"),
        (logging.INFO, "a fact"),
        (logging.WARNING, "a warning"),
    ]
    assert found == [*texts, (logging.ERROR, "an error: é")]
    assert filtered == ["WARNING", "ERROR"]


def test_log_lines_are_handed_to_a_function(made, fresh_log_sink):
    """`set_log_custom` keeps lines until they are drained."""
    lines = []
    sink = extism.set_log_custom(lines.append, "warn")
    made("c/logs.c").call("log_all", b"")
    before = list(lines)
    sink.drain()

    assert before == []
    assert [line.partition("extism::pdk: ")[2].partition(" plugin=")[0] for line in lines] == [
        "a warning",
        "an error: é",
    ]


def test_a_json_manifest_with_a_time_limit():
    """`timeout_ms` of JSON text holds."""
    text = json.dumps(
        {"wasm": [{"data": base64.b64encode(LOOP.encode()).decode()}], "timeout_ms": 100}
    )
    with extism.Plugin(text, functions=[]) as looping, pytest.raises(CallTimeout):
        looping.call("loop_forever", b"")


def test_variables_live_on_the_hosts_side(plugin):
    """A value that the host has set is doubled by the guest, twice, and read by the host."""
    doubles = plugin(
        wat("""
        (func $key (result i64) (local $k i64)
          (local.set $k (call $alloc (i64.const 1))) (call $store_u8 (local.get $k) (i32.const 97))
          (local.get $k))
        (func (export "double") (local $v i64)
          (local.set $v (call $var_get (call $key)))
          (call $store_u64 (local.get $v)
            (i64.mul (call $load_u64 (local.get $v)) (i64.const 2)))
          (call $var_set (call $key) (local.get $v)))""")
    )
    doubles.vars["a"] = (10).to_bytes(8, "little")
    doubles.call("double", b"")
    doubles.call("double", b"")

    assert u64(doubles.vars["a"]) == 40


def test_variables_can_be_switched_off(plugin):
    """max_var_bytes 0: every `var_set` is refused."""
    setter = plugin(
        wat('(func (export "set") (call $var_set (call $copy_input) (call $copy_input)))'),
        memory={"max_var_bytes": 0},
    )
    with pytest.raises(CapabilityDenied, match="Vars are disabled by this host"):
        setter.call("set", "k")


def test_a_command_reads_its_input(made):
    """`_start` of a program reads input and gives output, run after run, each in a fresh world."""
    program = made("c/program.c", wasi=True)

    assert program.call("_start", "?") == b"args 0, environment 0, stdin empty, run 1"
    assert program.call("_start", "?") == b"args 0, environment 0, stdin empty, run 1"


def test_an_earlier_output_is_not_overwritten(made):
    """Totals 3 and then 4: the bytes of the first call stay what they were."""
    counter = made("c/count_vowels.c")
    first = counter.call("count_vowels", "aaa", None)
    second = counter.call("count_vowels", "a", None)

    assert (counted(bytes(first)), counted(bytes(second))) == ((3, 3), (1, 4))


def test_the_inputs_block_has_the_inputs_length(plugin):
    """`length(input_offset())` is the input's length."""
    told = plugin(
        wat('(func (export "length") (call $give_i64 (call $length (call $input_offset))))')
    )

    assert [u64(told.call("length", bytes(n))) for n in (0, 1, 13, 70_000)] == [0, 1, 13, 70_000]


def test_haskell_modules_are_started(plugin, caplog):
    """`_initialize`, then `hs_init(0, 0)`, once, before the first call; what they log is heard."""
    haskell = wat(
        """
        (memory (export "memory") 1) (data (i32.const 0) "Howdy, ") (data (i32.const 16) "init")
        (global $started (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $started (i32.const 1)))
        (func (export "hs_init") (param i32 i32)
          (if (i32.ne (global.get $started) (i32.const 1)) (then unreachable))
          (if (i32.or (local.get 0) (local.get 1)) (then unreachable))
          (global.set $started (i32.const 2)) (call $log_info (call $put (i32.const 16) (i32.const 4))))
        (func (export "greet") (result i32)
          (call $give (call $put (i32.const 0) (i32.const 7)))
          (i32.ne (global.get $started) (i32.const 2)))""",
        memory="",
    )
    with caplog.at_level(logging.INFO, "extism"):
        output = plugin(haskell).call("greet", "John")

    assert output == b"Howdy, "
    assert [each.getMessage() for each in caplog.records] == ["init"]


def test_modules_are_linked(made):
    """A plug-in in C uses a library in C: texts cross, and the library's state is its own."""
    linked = made("c/library.c", "c/uses_library.c")

    assert linked.call("shout", "Hello, Benjamin") == b"HELLO, BENJAMIN"
    assert [u64(linked.call("count", b"")) for _ in range(3)] == [1, 2, 3]


def test_linked_modules_in_many_instances(guest):
    """Instances do not share the state of their libraries."""
    sources = [{"path": str(guest("c/library.c")), "name": "library"}]
    sources.append({"path": str(guest("c/uses_library.c")), "name": "main"})
    compiled = extism.CompiledPlugin({"wasm": sources}, functions=[])

    def counts():
        with extism.Plugin(compiled) as own:
            return [u64(own.call("count", b"")), own.call("shout", "x")]

    assert [counts() for _ in range(50)] == [[1, b"X"]] * 50


# ---- E. JS SDK ------------------------------------------------------------------------------------


def test_what_a_module_offers_and_needs_can_be_listed(made):
    """Exports and imports by name."""
    counter = made("c/count_vowels.c")

    assert "count_vowels" in [each.name for each in counter.exports]
    assert {"alloc", "var_get", "config_get"} <= {each.name for each in counter.imports}


def test_a_host_function_may_be_a_linked_module(guest):
    """A module called `extism:host/user` gives what would be a host function."""
    library = wat("""(func (export "hello") (param i64) (result i64) (local.get 0))""")
    sources = [{"data": library.encode(), "name": "extism:host/user"}]
    sources.append({"data": RUN.encode(), "name": "main"})
    with extism.Plugin({"wasm": sources}, functions=[]) as linked:
        assert linked.call("run", "Hello, world!") == b"Hello, world!"


def test_modules_in_a_circle_are_refused():
    """Upstream's process dies; here the circle is named."""
    a = wat('(func (export "f"))', before='(import "b" "f" (func))')
    b = wat('(func (export "f"))', before='(import "a" "f" (func))')
    sources = [{"data": text.encode(), "name": name} for name, text in (("a", a), ("b", b))]
    with pytest.raises(LinkError, match=r"circle: a -> b -> a$"):
        extism.Plugin({"wasm": [*sources, {"data": ECHO.encode(), "name": "main"}]}, functions=[])


def test_a_missing_dependency_is_named():
    """The error says which namespace and name nobody gives."""
    with pytest.raises(LinkError, match="haha::missing") as caught:
        extism.Plugin(wat("", before='(import "haha" "missing" (func))'), functions=[])

    assert (caught.value.module, caught.value.name) == ("haha", "missing")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_inputs_of_every_kind_of_bytes(plugin, kind):
    """A view's own part is sent, not what it is a view of."""
    data = kind(b"-hello-")

    assert plugin(ECHO).call("echo", data[1:6]) == b"hello"


def test_an_exception_of_a_host_function_reaches_the_caller(plugin):
    """With its own text, and itself as the cause."""

    @extism.host_fn(name="hello")
    def failing(text: str) -> str:
        raise ValueError("damn the torpedoes")

    with pytest.raises(extism.errors.HostFunctionError, match="damn the torpedoes") as caught:
        plugin(RUN, functions=[failing]).call("run", "x")

    assert isinstance(caught.value.__cause__, ValueError)


def test_the_variable_limit_is_a_message_and_no_more(plugin):
    """Over the limit: an error; under it the same plug-in works on."""
    setter = plugin(
        wat('(func (export "set") (call $var_set (call $alloc (i64.const 1)) (call $copy_input)))'),
        memory={"max_var_bytes": 1024},
    )
    with pytest.raises(CapabilityDenied, match="Variable store is full"):
        setter.call("set", bytes(2000))

    assert setter.call("set", bytes(900)) == b""


def test_reset_drops_blocks(plugin):
    """After `reset()` the output of the last call is gone, state is not."""
    counter = plugin(STATEFUL)
    counter.call("count", b"")
    counter.reset()

    assert u64(counter.call("count", b"")) == 2


def test_output_of_a_program_is_dropped_or_caught(guest):
    """Nothing of what a guest prints appears, unless it is asked for."""
    path = str(guest("c/files.c"))
    kept: list[bytes] = []
    with extism.Plugin(path, wasi=True, functions=[]) as silent:
        silent.call("print", "hello")
    with extism.Plugin(path, wasi=extism.WasiOptions(stdout=kept.append), functions=[]) as heard:
        heard.call("print", "hello")

    assert b"".join(kept) == b"out: hello\n"


def test_an_initialiser_has_a_time_limit(plugin):
    """A module that loops while it is started is an error, after `timeout_ms`."""
    with pytest.raises(CallTimeout, match="timeout"):
        plugin(wat('(func (export "_initialize") (loop $l (br $l)))'), timeout_ms=200)


def test_a_plugin_is_not_reentrant(plugin):
    """A host function that calls its own plug-in gets an error, at once."""
    plugins = []

    @extism.host_fn(name="hello")
    def again(text: str) -> str:
        return plugins[0].call("run", text).decode()

    plugins.append(plugin(RUN, functions=[again]))
    with pytest.raises(Error, match="reentrant"):
        plugins[0].call("run", "x")


def test_a_response_that_is_too_large(made, server):
    """max_http_response_bytes: one byte too many is an error that names the limit."""

    def fetching(limit):
        return made(
            "c/http.c",
            allowed_hosts=["127.0.0.1"],
            config={"url": server.url("/large")},
            memory={"max_http_response_bytes": limit},
        )

    with pytest.raises(Error, match="maximum number of bytes: 4999"):
        fetching(4999).call("get", b"")

    assert fetching(5000).call("get", b"") == b"200 " + b"x" * 5000


def test_files_of_a_granted_directory(made, tmp_path):
    """Reading and writing where the manifest allows it, and nowhere else."""
    files = made(
        "c/files.c",
        wasi=True,
        config={"path": "/data/new.txt"},
        allowed_paths={str(tmp_path): "/data"},
    )
    files.call("write_file", "written")
    elsewhere = made(
        "c/files.c",
        wasi=True,
        config={"path": "/etc/passwd"},
        allowed_paths={str(tmp_path): "/data"},
    )
    with pytest.raises(GuestError, match="open: errno"):
        elsewhere.call("read_file", b"")

    assert files.call("read_file", b"") == b"written"
    assert (tmp_path / "new.txt").read_text() == "written"


def test_the_registry_is_what_a_plugin_gets_by_default(registry, recwarn):
    """Without `functions` a plug-in has every function ever decorated; None and [] are none."""

    @extism.host_fn(name="hello")
    def hello(text: str) -> str:
        return text.title()

    with extism.Plugin(RUN) as caller:
        output = caller.call("run", "some words")
    for none in (None, []):
        with pytest.raises(LinkError):
            extism.Plugin(RUN, functions=none)

    assert output == b"Some Words"
