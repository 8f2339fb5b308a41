"""
What the Rust runtime's own suite checks, checked here for real, with guests of ours.

`tests/house/test_upstream_table.py` lists upstream's tests and which of ours stands for each.
"""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest
from http_server import serve
from patience import AGES, ROOM, repeating
from wat_guests import ECHO, STATEFUL, wat

import extism
from extism.errors import (
    CallTimeout,
    CapabilityDenied,
    Error,
    GuestError,
    ManifestError,
    OutOfFuel,
    OutOfMemory,
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


@pytest.fixture(scope="module")
def server():
    with serve() as running:
        running.answer("/page", body=b"a page", headers=[("content-type", "text/html")])
        running.script("/slow", lambda connection: time.sleep(AGES))
        yield running


def counted(output: bytes) -> tuple[int, int]:
    answer = json.loads(output)
    return answer["count"], answer["total"]


def u64(output: bytes) -> int:
    return int.from_bytes(output, "little")


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


def test_three_threads_share_one_plugin(guest_plugin):
    """3 threads of 10 calls each: every output is whole, and the totals count them all."""
    counter = guest_plugin("c/count_vowels.c")
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
        with repeating(handle.cancel), pytest.raises(Error) as caught:
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
    assert 0.3 <= time.monotonic() - start < 0.3 + ROOM


def test_fuel_ends_every_call_and_is_counted():
    """With little fuel every one of many calls ends for want of fuel, and all of it is used."""
    with extism.Plugin(LOOP, fuel_limit=1000, functions=[]) as looping:
        for _ in range(200):
            with pytest.raises(OutOfFuel, match="fuel"):
                looping.call("loop_forever", b"")

        assert looping.fuel_used == 1000


def test_http_ends_at_the_deadline(guest_plugin, server):
    """A server that is slower than `timeout_ms` ends the call with `timeout`."""
    fetching = guest_plugin(
        "c/http.c", allowed_hosts=["127.0.0.1"], config={"url": server.url("/slow")}, timeout_ms=200
    )
    with pytest.raises(CallTimeout) as caught:
        fetching.call("get", b"")

    assert str(caught.value) == "timeout"


def test_ten_thousand_calls_of_one_plugin(guest_plugin):
    """10001 calls, and the variable has counted every one."""
    counter = guest_plugin("c/count_vowels.c")
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


def test_128_kib_need_their_pages(guest_plugin):
    """Under too low a limit the input is `oom`; with room, or without a limit, it is counted."""
    data = b"a" * (128 * 1024)
    with pytest.raises(OutOfMemory, match=r"oom$"):
        guest_plugin("zig/count_vowels.zig", memory={"max_pages": 16}).call("count_vowels", data)
    passes = [
        guest_plugin("zig/count_vowels.zig", **limit).call("count_vowels", data)
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


def test_http_is_denied_without_allowed_hosts(guest_plugin, server):
    """No allowed_hosts: an error that names the URL, and nothing reaches the server."""
    server.seen.clear()
    url = server.url("/page")
    with pytest.raises(CapabilityDenied, match="not allowed") as caught:
        guest_plugin("c/http.c", config={"url": url}).call("get", b"")

    assert str(caught.value).startswith(f"HTTP request to {url} is not allowed")
    assert server.seen == []


@pytest.mark.parametrize("name", ["c/http.c", "zig/http.zig", "assemblyscript/http.ts"])
def test_http_get_twice_and_post(guest_plugin, server, name):
    """The same page twice; a body of 10000 bytes arrives with its headers."""
    server.seen.clear()
    fetching = guest_plugin(name, allowed_hosts=["127.0.0.1"], config={"url": server.url("/page")})
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
def test_read_only_directories_can_be_read_only(guest_plugin, tmp_path, prefix):
    """A `ro:` mount is readable and refuses to be written; without `ro:` it is written."""
    (tmp_path / "file.txt").write_text("hello from the host")
    files = guest_plugin("c/files.c", wasi=True, allowed_paths={f"{prefix}{tmp_path}": "/data"})
    read = files.call("read_file", b"")
    if prefix:
        with pytest.raises(GuestError, match="open: errno"):
            files.call("write_file", "changed")
    else:
        files.call("write_file", "changed")

    assert read == b"hello from the host"
    assert (tmp_path / "file.txt").read_text() == ("hello from the host" if prefix else "changed")


@pytest.mark.parametrize("are_granted", [True, False])
def test_response_headers_only_where_granted(guest_plugin, server, are_granted):
    """With the switch the guest sees `content-type`, without it nothing."""
    fetching = guest_plugin(
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


@pytest.mark.same_process("copies are slower to make than to use")
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
