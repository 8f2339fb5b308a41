"""
What the Go SDK's own suite checks, checked here for real, with guests of ours.

`tests/house/test_upstream_table.py` lists upstream's tests and which of ours stands for each.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import struct
import threading

import pytest
from http_server import serve
from wat_guests import ECHO, wat

import extism
from extism.errors import CallTimeout, CapabilityDenied, GuestError, GuestExit, HashMismatch

# Guests are compiled when they are first needed.
pytestmark = pytest.mark.timeout(300)

LOOP = wat('(func (export "loop_forever") (loop $again (br $again))) (func (export "fine"))')


@pytest.fixture(scope="module")
def server():
    with serve() as running:
        running.answer("/page", body=b"a page", headers=[("content-type", "text/html")])
        running.answer("/missing", 404, b"nothing")
        yield running


def counted(output: bytes) -> tuple[int, int]:
    answer = json.loads(output)
    return answer["count"], answer["total"]


def u64(output: bytes) -> int:
    return int.from_bytes(output, "little")


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


def test_blocks_can_be_allocated_by_the_thousand(guest_plugin):
    """10000 blocks, a third freed, all lengths right, in three languages with the same numbers."""
    sums = {
        guest_plugin(name).call("allocations", b"")
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


def test_configuration_or_its_default(guest_plugin):
    """A configured key is read; one that is not set leaves the guest its default."""
    configured = guest_plugin("c/count_vowels.c", config={"vowels": "xyz"})
    given = guest_plugin("c/count_vowels.c", config=None)

    assert counted(configured.call("count_vowels", "xyz aaa")) == (3, 3)
    assert counted(given.call("count_vowels", "xyz aaa")) == (3, 3)
    assert counted(guest_plugin("c/count_vowels.c").call("count_vowels", "xyz a")) == (1, 1)


@pytest.mark.parametrize("name", ["c/failures.c", "zig/failures.zig", "assemblyscript/failures.ts"])
def test_a_guest_fails_with_its_text_and_code(guest_plugin, name):
    """Code 1 and the guest's own words."""
    with pytest.raises(GuestError) as caught:
        guest_plugin(name).call("fail", b"")

    assert (caught.value.exit_code, str(caught.value)) == (1, "this did not work: grüße")


@pytest.mark.parametrize("status", [1, 2, 125, 255])
def test_a_program_exits_with_its_status(guest_plugin, status):
    """`exit(n)` of a command is `GuestExit` with n; 0 gives the output."""
    program = guest_plugin("c/program.c", wasi=True)
    with pytest.raises(GuestExit) as caught:
        program.call("_start", b"e" + bytes([status]))

    assert caught.value.exit_code == status
    assert program.call("_start", b"e\0") == b""


@pytest.mark.same_process("live views of memory")
@pytest.mark.parametrize(
    "name", ["c/host_functions.c", "zig/host_functions.zig", "assemblyscript/host_functions.ts"]
)
def test_numbers_memory_and_namespaces(guest_plugin, name):
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

    caller = guest_plugin(name, functions=[add, shout, tell, price])
    product = caller.call("sum", struct.pack("<qq", 42, 2))
    loud = caller.call("loud", "frodo")
    cost = caller.call("buy", "apples")
    for word in ("first", "🎉 zweite", ""):
        caller.call("say", word)

    assert (u64(product), loud) == (84, b"HELLO FRODO!")
    assert struct.unpack("<d", cost) == (1.5,)
    assert heard == ["first", "🎉 zweite", ""]


def test_an_allowed_pattern_opens_a_host(guest_plugin, server):
    """`127.0.0.*` opens the server, another pattern does not; the message names the URL."""
    url = server.url("/missing")
    opened = guest_plugin("c/http.c", allowed_hosts=["127.0.0.*"], config={"url": url})
    closed = guest_plugin("c/http.c", allowed_hosts=["jsonplaceholder.*.com"], config={"url": url})
    with pytest.raises(CapabilityDenied) as caught:
        closed.call("get", b"")

    assert opened.call("get", b"") == b"404 nothing"
    assert str(caught.value).startswith(f"HTTP request to {url} is not allowed")


@pytest.mark.parametrize("name", ["c/logs.c", "zig/logs.zig", "assemblyscript/logs.ts"])
def test_logs_reach_python_with_their_levels(guest_plugin, caplog, name):
    """Each level arrives as the level of `logging`; what nobody wants is not even asked for."""
    lines = guest_plugin(name)
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


def test_log_lines_are_handed_to_a_function(guest_plugin, fresh_log_sink):
    """`set_log_custom` keeps lines until they are drained."""
    lines = []
    sink = extism.set_log_custom(lines.append, "warn")
    guest_plugin("c/logs.c").call("log_all", b"")
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


def test_a_command_reads_its_input(guest_plugin):
    """`_start` of a program reads input and gives output, run after run, each in a fresh world."""
    program = guest_plugin("c/program.c", wasi=True)

    assert program.call("_start", "?") == b"args 0, environment 0, stdin empty, run 1"
    assert program.call("_start", "?") == b"args 0, environment 0, stdin empty, run 1"


def test_an_earlier_output_is_not_overwritten(guest_plugin):
    """Totals 3 and then 4: the bytes of the first call stay what they were."""
    counter = guest_plugin("c/count_vowels.c")
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


def test_modules_are_linked(guest_plugin):
    """A plug-in in C uses a library in C: texts cross, and the library's state is its own."""
    linked = guest_plugin("c/library.c", "c/uses_library.c")

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
