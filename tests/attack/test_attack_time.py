"""Group C: what runs too long is ended, what would take too long is not begun, and nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest
from bombs import (
    calls_of_many_values,
    chained_blocks,
    computed_elements,
    computed_value,
    distant_joins,
    grouped_types,
    jump_tables,
    kept_elements,
    laid_out_elements,
    loops,
    loops_over_locals,
    many_locals,
    many_sections,
    nested_blocks,
    small_functions,
    small_types,
    straight_line,
)
from http_server import serve
from in_a_child import in_a_child, peak_memory
from patience import AGES, ROOM, repeating, took
from wat_guests import ECHO, LOOP, wat

import extism
from extism.errors import (
    CallError,
    CallTimeout,
    Cancelled,
    CompileError,
    Error,
    HostFunctionError,
    Trap,
)

MS = 300
SPIN = "(loop $again (br $again))"
GET = wat(
    '(func (export "get") (call $give (call $http_request (call $copy_input) (i64.const 0))))'
)
TWO = wat(f'(func (export "loop") {SPIN}) (func (export "echo") (call $give (call $input_offset)))')


def endless_call(timeout_ms: int) -> tuple[float, str]:
    """How long a loop went on, and what the same plug-in says to the next call."""
    source = {"wasm": [{"data": TWO.encode()}]}
    plugin, limited = extism.Plugin(source), extism.Plugin({**source, "timeout_ms": timeout_ms})
    seconds = [
        took(lambda: plugin.call("loop", "", timeout=timeout_ms / 1000), CallTimeout),
        took(lambda: limited.call("loop", ""), CallTimeout),
    ]
    return max(seconds), plugin.call("echo", "on").decode()


def test_c01_endless_loop():
    """A loop without end is over when its time is, and the plug-in goes on."""
    seconds, answer = in_a_child(endless_call, MS, seconds=60)

    assert MS / 1000 <= seconds < MS / 1000 + ROOM
    assert answer == "on"


def nobody_watches() -> list[object]:
    """What plug-ins say while no thread can be started, and afterwards how long a loop goes on."""
    said: list[object] = []
    threading.stack_size(1 << 46)  # more than there is
    for _ in range(2):
        try:
            extism.Plugin(TWO, functions=[]).call("loop", "", timeout=MS / 1000)
        except CallError as exc:
            said.append(str(exc).partition(":")[0])
    threading.stack_size(0)
    return [*said, *endless_call(MS)]


def test_c01_a_clock_that_cannot_be_started():
    """No code runs while nobody could end it, and what failed once is tried again."""
    *said, seconds, answer = in_a_child(nobody_watches, seconds=60)

    assert said == ["the time of calls cannot be watched, which takes a thread"] * 2
    assert seconds < MS / 1000 + ROOM
    assert answer == "on"


def test_c09_after_a_timeout(plugin):
    """The plug-in whose call was ended answers the next one, time and again."""
    made = plugin(TWO)
    for number in range(5):
        took(lambda: made.call("loop", "", timeout=0.05), CallTimeout)

        assert made.call("echo", str(number)) == str(number).encode()


@pytest.mark.parametrize("ends", [True, False], ids=["control", "attack"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"(func $go {SPIN}) (start $go)", id="C02-start"),
        pytest.param(f'(func (export "_initialize") {SPIN})', id="C03-_initialize"),
        pytest.param(f'(func (export "__wasm_call_ctors") {SPIN})', id="C04-__wasm_call_ctors"),
        pytest.param(f'(func (export "hs_init") (param i32 i32) {SPIN})', id="C04-hs_init"),
    ],
)
def test_what_runs_at_the_start_has_the_deadline(plugin, body, ends):
    """Start functions and initialisers are ended as calls are; those that end are followed by calls."""
    module = wat((body.replace(SPIN, "nop") if ends else body) + '(func (export "noop"))')

    if ends:
        assert plugin(module, timeout_ms=20_000).call("noop", "") == b""
    else:
        seconds = took(lambda: plugin(module, timeout_ms=MS), CallTimeout)

        assert MS / 1000 <= seconds < MS / 1000 + ROOM


def fill(megabytes: int) -> tuple[float, int]:
    """Fill so much memory for ever, and come back."""
    module = wat(
        f"""(func (export "fill") (loop $again
            (memory.fill (i32.const 0) (i32.const 7) (i32.const {megabytes << 20}))
            (br $again)))
            (func (export "once") (memory.fill (i32.const 0) (i32.const 7) (i32.const 65536)))""",
        memory=f"(memory {megabytes << 4})",
    )
    plugin = extism.Plugin({"wasm": [{"data": module.encode()}]}, max_memory=2 << 30)
    plugin.call("once", "")
    seconds = took(lambda: plugin.call("fill", "", timeout=MS / 1000), CallTimeout)
    return seconds, peak_memory()


def test_c05_endless_memory_fill():
    """A bulk instruction is not cut, but the one after it; and it fills no more than the plug-in has."""
    seconds, peak = in_a_child(fill, 256, seconds=60)

    assert seconds < MS / 1000 + ROOM
    assert peak < 600 << 20


def test_c06_cancel_from_another_thread(plugin):
    """The handle ends the loop, and only that call."""
    made = plugin(TWO)
    with repeating(made.cancel_handle().cancel):
        seconds = took(lambda: made.call("loop", ""), Cancelled)

    assert seconds < ROOM
    assert made.call("echo", "on") == b"on"


def test_c07_cancel_during_the_start_function():
    """A plug-in that has been made once can be cancelled while it is made again."""
    calls = []

    @extism.host_fn(name="is_first", signature=([], [extism.ValType.I32]))
    def is_first(_plugin, _inputs, outputs):
        calls.append(1)
        outputs[0].value = int(len(calls) == 1)

    module = wat(
        f"""(func $go (if (i32.eqz (call $is_first)) (then {SPIN}))) (start $go)
            (func (export "_start"))""",
        before='(import "extism:host/user" "is_first" (func $is_first (result i32)))',
    )
    with (
        extism.Plugin(module, functions=[is_first]) as plugin,
        repeating(plugin.cancel_handle().cancel),
    ):
        seconds = took(plugin.restart, Cancelled)

    assert seconds < ROOM


def test_c08_cancel_while_idle(plugin):
    """It is forgotten: the next call is a call like any other."""
    made = plugin(TWO)
    for _ in range(20):
        made.cancel_handle().cancel()

        assert made.call("echo", "x") == b"x"


@pytest.mark.parametrize(
    "how", [pytest.param("timeout", id="C10"), pytest.param("cancel", id="C11")]
)
def test_siblings_go_on(how):
    """One ends, the other, of the same code on the same engine, runs until its own end."""
    compiled = extism.CompiledPlugin({"wasm": [{"data": TWO.encode()}]}, functions=[])
    first, second = extism.Plugin(compiled), extism.Plugin(compiled)
    ends = []
    long = threading.Thread(
        target=lambda: ends.append(took(lambda: second.call("loop", ""), Cancelled))
    )
    long.start()
    if how == "timeout":
        took(lambda: first.call("loop", "", timeout=0.2), CallTimeout)
    else:
        with repeating(first.cancel_handle().cancel):
            took(lambda: first.call("loop", ""), Cancelled)
    goes_on = long.is_alive()
    with repeating(second.cancel_handle().cancel):
        long.join()

    assert (goes_on, len(ends)) == (True, 1)
    assert (first.call("echo", "1"), second.call("echo", "2")) == (b"1", b"2")


def sleeper(seconds: float):
    """A host function that sleeps, and a plug-in that calls it once and goes on."""

    @extism.host_fn(name="sleep", signature=([], []))
    def sleep(*_):
        time.sleep(seconds)

    module = wat(
        '(func (export "run") (call $sleep))',
        before='(import "extism:host/user" "sleep" (func $sleep))',
    )
    return module, sleep


@pytest.mark.parametrize(("seconds", "is_late"), [(0.0, False), (0.6, True)])
def test_c15_slow_host_function(plugin, seconds, is_late):
    """A call whose host function took too long is an error, though the guest would have come to its end."""
    module, sleep = sleeper(seconds)
    made = plugin(module, functions=[sleep], timeout_ms=MS if is_late else 20_000)

    if is_late:
        took(lambda: made.call("run", ""), CallTimeout)
    else:
        assert made.call("run", "") == b""


def drip(head: bytes):
    """What sends `head`, then a byte of nothing much every tenth of a second."""

    def script(connection):
        connection.sendall(head)
        while True:  # until the other side goes away
            time.sleep(0.1)
            connection.sendall(b"x")

    return script


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(lambda _: time.sleep(AGES), id="C16-nothing"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"), id="C17-body"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nx-slow: "), id="C18-headers"),
    ],
)
def test_slow_servers(plugin, script):
    """However little a server sends, the request ends with its call; one that answers is answered."""
    with serve() as server:
        made = plugin(GET, allowed_hosts=[server.host])
        good = json.dumps({"url": server.answer("/good", body=b"ok")})
        bad = json.dumps({"url": server.script("/bad", script)})

        assert made.call("get", good) == b"ok"
        assert took(lambda: made.call("get", bad, timeout=0.5), CallTimeout) < 0.5 + ROOM
        assert made.call("get", good) == b"ok"


def test_c19_a_request_has_a_limit_of_its_own(plugin, monkeypatch):
    """30 s without any deadline of the call; shortened here, as nobody waits for a test so long."""
    from extism._capabilities import http

    assert http.DEFAULT_TIMEOUT == 30
    with serve() as server:
        made = plugin(GET, allowed_hosts=[server.host])
        bad = json.dumps({"url": server.script("/bad", lambda _: time.sleep(AGES))})
        good = json.dumps({"url": server.answer("/good", body=b"ok")})
        with monkeypatch.context() as patch:
            patch.setattr(made._life.state.http, "_timeout", 0.5)

            assert took(lambda: made.call("get", bad), CallError) < 0.5 + ROOM
        assert made.call("get", good) == b"ok"


def test_c20_cancel_during_a_request(plugin):
    """The request is given up, and the call is cancelled."""
    with serve() as server:
        made = plugin(GET, allowed_hosts=[server.host])
        bad = json.dumps({"url": server.script("/bad", lambda _: time.sleep(AGES))})
        with repeating(made.cancel_handle().cancel):
            seconds = took(lambda: made.call("get", bad), Cancelled)

    assert seconds < ROOM


RECURSE = wat(
    """(func $down (param i64) (result i64)
         (i64.add (i64.const 1) (call $down (i64.add (local.get 0) (i64.const 1)))))
       (func (export "down") (drop (call $down (i64.const 0))))
       (func (export "echo") (call $give (call $input_offset)))"""
)


def recurse(stack: int, times: int) -> list[str]:
    """What a guest that recurses without end comes to, on a thread with so much stack."""
    results = []

    def work():
        plugin = extism.Plugin(RECURSE, functions=[])
        for _ in range(times):
            try:
                plugin.call("down", "")
            except Trap as trap:
                results.append(trap.kind)
            results.append(plugin.call("echo", "on").decode())

    if stack:
        threading.stack_size(stack)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
    return results


def test_c21_endless_recursion():
    """A trap that says so, and the plug-in is called again."""
    assert in_a_child(recurse, 0, 3) == ["stack overflow", "on"] * 3


@pytest.mark.parametrize("kilobytes", [64, 256, 512, 640, 1024, 2048])
def test_c22_recursion_on_a_small_stack(kilobytes):
    """The same on a thread whose stack is smaller than what the engine grants."""
    assert in_a_child(recurse, kilobytes << 10, 3) == ["stack overflow", "on"] * 3


def context_on_a_small_stack() -> list[object]:
    """What a host function sees when its call runs on a thread of ours."""
    import contextvars

    name = contextvars.ContextVar("name", default="none")
    seen: list[object] = []

    @extism.host_fn(name="look", signature=([], []))
    def look(current, *_):
        seen.append(name.get())
        try:
            plugin.call("run", "")
        except Error as exc:
            seen.append(type(exc).__name__)
        plugin.close()
        seen.append(current.host_context())

    plugin = extism.Plugin(
        wat(
            '(func (export "run") (call $look))',
            before='(import "extism:host/user" "look" (func $look))',
        ),
        functions=[look],
    )

    def work():
        name.set("caller")
        plugin.call("run", "", host_context="context")

    threading.stack_size(256 << 10)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return seen


def test_c22_host_functions_on_a_small_stack():
    """They see the caller's context, may close the plug-in, and are told that it is busy."""
    assert in_a_child(context_on_a_small_stack) == ["caller", "PluginBusy", "context"]


def interrupted(after: float) -> tuple[float, str]:
    """How long a loop goes on after Ctrl-C, and whether the next call works."""
    plugin = extism.Plugin(TWO, functions=[])

    def attack():
        threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()
        plugin.call("loop", "")

    seconds = took(attack, KeyboardInterrupt)
    return seconds, plugin.call("echo", "on").decode()


def test_c23_ctrl_c():
    """KeyboardInterrupt comes out of the call, and the plug-in goes on."""
    seconds, answer = in_a_child(interrupted, 0.3, seconds=60)

    assert seconds < 0.3 + ROOM
    assert answer == "on"


def test_c23_ctrl_c_on_a_small_stack():
    """The main thread waits for one of ours then, and hears the signal all the same."""
    seconds, answer = in_a_child(interrupted_with_small_stack, 0.3, seconds=60)

    assert seconds < 0.3 + ROOM
    assert answer == "on"


def interrupted_with_small_stack(after: float) -> tuple[float, str]:
    """The same, where the main thread's stack holds no call."""
    from extism._engine import stacks

    stacks.levels[threading.get_ident()] = 0
    return interrupted(after)


def test_c24_no_waiting_on_shared_memory(plugin):
    """Threads are off: a module that would wait is refused; one that shares nothing and does not wait is not."""
    module = """(module (memory 1 1 {})
      (func (export "wait") (drop ({} (i32.const 0) {}))))"""
    wait = "memory.atomic.wait32", "(i32.const 0) (i64.const -1)"
    for shared in ("shared", ""):
        with pytest.raises(CompileError):
            plugin(module.format(shared, *wait), timeout_ms=MS)

    assert plugin(module.format("", "i32.load", ""), timeout_ms=MS).call("wait", "") == b""


def fork_and(times: int) -> list[int]:
    """The exit statuses of forked children that use an old plug-in and a new one."""

    def loops(plugin):
        return took(lambda: plugin.call("loop", "", timeout=MS / 1000), CallTimeout)

    old = extism.Plugin(TWO, functions=[])
    old.call("echo", "warm")
    background = threading.Thread(target=loops, args=(old,))
    statuses = []
    for _ in range(times):
        idle = extism.Plugin(TWO, functions=[])
        if not background.is_alive() and background.ident is None:
            background.start()
        child = os.fork()
        if not child:
            status = 1
            try:
                new = extism.Plugin(TWO, functions=[])
                seconds = [loops(each) for each in (idle, new)]
                answers = [each.call("echo", "on") for each in (idle, new)]
                status = 0 if max(seconds) < MS / 1000 + ROOM and answers == [b"on"] * 2 else 2
            finally:
                os._exit(status)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    background.join()
    return [*statuses, len(old.call("echo", "parent"))]


@pytest.mark.parametrize("row", [pytest.param(1, id="C25"), pytest.param(3, id="C26")])
def test_forked_children(row):
    """Deadlines hold there, for plug-ins of before and new ones, though another thread was in a call."""
    assert in_a_child(fork_and, row, seconds=60) == [0] * row + [6]


def test_c27_no_time_at_all(plugin):
    """0 fails at once; a little is enough for little."""
    made = plugin(TWO, timeout_ms=0)
    with pytest.raises(CallTimeout):
        made.call("loop", "")
    assert plugin(TWO, timeout_ms=20_000).call("echo", "x") == b"x"


def compile_bomb(name: str, *numbers: int) -> tuple[str, float, int]:
    """What becomes of a bomb: the rule that refuses it, the seconds, and the most memory."""
    import bombs

    wasm = getattr(bombs, name)(*numbers)
    started = time.monotonic()
    try:
        extism.Plugin(wasm, functions=[])
    except CompileError as exc:
        return exc.rule, time.monotonic() - started, peak_memory()
    return "compiled", time.monotonic() - started, peak_memory()


@pytest.mark.parametrize(
    ("bomb", "numbers", "rule"),
    [
        pytest.param(straight_line, (6 << 20,), "function_bytes", id="C28-one function"),
        pytest.param(straight_line, (65 << 20,), "module_bytes", id="C28-module"),
        pytest.param(nested_blocks, (300_000,), "nesting", id="C29-blocks"),
        pytest.param(loops, (100_000,), "function_tangle", id="C29-loops"),
        pytest.param(chained_blocks, (100_000,), "function_tangle", id="C29-values"),
        pytest.param(many_locals, (3000, 50_000), "locals", id="C30-functions"),
        pytest.param(small_functions, (500_000,), "entries", id="C30-small functions"),
        pytest.param(small_types, (280_000,), "entries", id="C30-small types"),
        pytest.param(grouped_types, (280_000,), "entries", id="C30-grouped types"),
        pytest.param(many_sections, (1_000_000,), "", id="C30-sections"),
        pytest.param(computed_value, (2_000_000,), "entries", id="C30-a computed value"),
        pytest.param(kept_elements, (200_000,), "entries", id="C30-kept elements"),
        pytest.param(computed_elements, (100_000,), "entries", id="C30-computed elements"),
        pytest.param(laid_out_elements, (3_000_000,), "entries", id="C30-elements"),
        pytest.param(laid_out_elements, (200_000, 2_000_000), "entries", id="C30-far elements"),
        pytest.param(loops_over_locals, (10_000, 10_000), "function_tangle", id="C30-loops"),
        pytest.param(distant_joins, (10_000, 10_000), "function_tangle", id="C30-joins"),
        pytest.param(calls_of_many_values, (1000, 1000), "function_tangle", id="C30-values"),
        pytest.param(jump_tables, (2000, 10_000), "jump_targets", id="C31-jump tables"),
    ],
)
def test_compile_bombs(bomb, numbers, rule):
    """Refused by the rule that names it, quickly, and without the memory that it was to cost."""
    found, seconds, peak = in_a_child(compile_bomb, bomb.__name__, *numbers, seconds=100)

    assert found == rule
    assert seconds < 30
    assert peak < 600 << 20


@pytest.mark.parametrize(
    ("bomb", "numbers", "limits"),
    [
        pytest.param(straight_line, (1 << 20,), {"function_bytes": 2 << 20}, id="C28-option"),
        pytest.param(nested_blocks, (25_000,), {"nesting": None}, id="C29-option"),
        pytest.param(many_locals, (300, 20_000), {"locals": 10_000_000}, id="C30-option"),
        pytest.param(kept_elements, (42_000,), {"entries": None}, id="C30-elements"),
        pytest.param(jump_tables, (201, 10_000), {"jump_targets": None}, id="C31-option"),
    ],
)
def test_compile_limits_are_lifted_by_name(bomb, numbers, limits):
    """What is refused by default is compiled where it is allowed."""
    wasm = bomb(*numbers)
    with pytest.raises(CompileError):
        extism.Plugin(wasm, functions=[])

    extism.Plugin(wasm, functions=[], compile_limits=extism.CompileLimits(**limits)).close()


@pytest.mark.parametrize(
    "module",
    [
        # More than any compiler puts in one function, in a hundred.
        pytest.param(straight_line(100_000, 80), id="C28-8 MB"),
        pytest.param(laid_out_elements(400_000), id="C30-a large table"),
        pytest.param(kept_elements(20_000), id="C30-kept elements"),
        pytest.param(computed_value(1000), id="C30-a computed value"),
        pytest.param(many_sections(1000), id="C30-sections"),
    ],
)
def test_large_modules_are_no_bombs(module):
    """What is large, and not made to be slow, is compiled."""
    extism.Plugin(module, functions=[]).close()


def ping_pong(depth: int) -> tuple[str, int]:
    """Plug-ins that call each other, going down `depth` frames before each call."""
    levels = []
    plugins: list[extism.Plugin] = []

    @extism.host_fn(name="other", signature=([], []))
    def other(*_):
        levels.append(1)
        plugins[len(levels)].call("run", "")

    module = wat(
        f"""(func $down (param i32) (result i32)
              (if (i32.eqz (local.get 0)) (then (call $other) (return (i32.const 0))))
              (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
            (func (export "run") (drop (call $down (i32.const {depth}))))""",
        before='(import "extism:host/user" "other" (func $other))',
    )
    compiled = extism.CompiledPlugin(module, functions=[other])
    plugins += [extism.Plugin(compiled) for _ in range(40)]
    try:
        plugins[0].call("run", "")
    except HostFunctionError as exc:
        cause: BaseException = exc
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return str(cause), len(levels)
    return "no end", len(levels)


@pytest.mark.parametrize("depth", [0, 16_350])
def test_c32_nested_calls(depth):
    """Sixteen calls inside each other are enough, each may use all the stack that it is granted."""
    text = "16 calls are running inside each other's host functions; no more may begin"

    assert in_a_child(ping_pong, depth) == [text, 16]


def test_c33_forty_at_once():
    """Each has its own deadline, and none waits for the others'."""
    compiled = extism.CompiledPlugin({"wasm": [{"data": TWO.encode()}]}, functions=[])
    plugins = [extism.Plugin(compiled) for _ in range(40)]
    seconds = []

    def run(plugin):
        seconds.append(took(lambda: plugin.call("loop", "", timeout=0.5), CallTimeout))

    threads = [threading.Thread(target=run, args=(plugin,)) for plugin in plugins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seconds) == 40
    assert max(seconds) < 0.5 + ROOM
    assert [plugin.call("echo", "x") for plugin in plugins] == [b"x"] * 40


def test_c34_cancel_storm(plugin):
    """Each call is right or cancelled; when the storm is over, all are right."""
    made = plugin(ECHO)
    handle, over = made.cancel_handle(), threading.Event()

    def storm():
        while not over.is_set():
            handle.cancel()

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    answers = []
    try:
        for number in range(300):
            try:
                answers.append(made.call("echo", str(number)) == str(number).encode())
            except Cancelled:
                answers.append(True)
    finally:
        over.set()
        for thread in threads:
            thread.join()

    assert answers == [True] * 300
    assert [made.call("echo", "calm") for _ in range(5)] == [b"calm"] * 5


def test_c01_the_control_of_all(plugin):
    """A call that ends in time gives what it gives."""
    assert plugin(LOOP, timeout_ms=20_000).call("noop", "") == b""
