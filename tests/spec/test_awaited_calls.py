"""Awaited calls: a plug-in waits without a thread, takes turns, and ends with its task."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import struct
import sys
import threading
import time

import anyio
import pytest
from patience import AGES, ROOM, repeating, within
from wat_guests import ECHO, LOOP, STATEFUL, UNREACHABLE, wat

import extism
from extism.errors import (
    CallError,
    CallTimeout,
    Cancelled,
    FunctionNotFound,
    HostFunctionError,
    OutOfFuel,
    PluginBusy,
    PluginClosed,
    Trap,
)

ASK = '(import "extism:host/user" "ask" (func $ask (param i64) (result i64)))'
ASKS = wat(
    '(func (export "ask") (call $give (call $ask (call $copy_input))))'
    ' (func (export "echo") (call $give (call $input_offset)))'
    ' (func (export "twice") (call $give (call $ask (call $ask (call $copy_input)))))'
    ' (func (export "loops") (loop $again (br $again)))',
    before=ASK,
)
SPINS = wat(
    """(func (export "spin") (local $i i64)
         (loop $again
           (local.set $i (i64.add (local.get $i) (i64.const 1)))
           (br_if $again (i64.lt_u (local.get $i) (i64.const 60000000))))
         (call $give (call $input_offset)))"""
)
SLEEPS = wat(
    """(data (i32.const 16) "\\00\\00\\00\\00\\00\\00\\00\\00\\01")
       (func (export "sleep") (result i32)
         (i64.store (i32.const 24) (call $input_load_u64 (i64.const 0)))
         (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))""",
    before='(import "wasi_snapshot_preview1" "poll_oneoff"'
    " (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))",
)


def asking(function):
    """A host function called `ask`, of text to text."""
    return extism.host_fn(name="ask")(function)


async def shouted(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


async def patient(text: str) -> str:
    await asyncio.sleep(0.1)
    return text.upper()


async def endless(text: str) -> str:
    await asyncio.sleep(3600)
    return text


@pytest.fixture
def asker(plugin, registry):
    """A function from an `async def` to a plug-in that asks it."""
    return lambda function, **manifest: plugin(ASKS, functions=[asking(function)], **manifest)


def test_an_awaited_call_gives_what_a_call_gives(plugin):
    """Output, parsed or as a buffer; by either path, in turn."""
    echo = plugin(ECHO)

    async def main():
        return [
            await echo.acall("echo", "one"),
            echo.call("echo", b"two"),
            await echo.acall("echo", b"3", int),
            bytes(await echo.acall("echo", b"four", None)),
        ]

    assert asyncio.run(main()) == [b"one", b"two", 3, b"four"]


@pytest.mark.parametrize(
    ("text", "function", "timeout_ms", "error"),
    [
        (UNREACHABLE, "trap", 60_000, Trap),
        (ECHO, "missing", 60_000, FunctionNotFound),
        (LOOP, "loop", 50, CallTimeout),
    ],
)
def test_an_awaited_call_fails_as_a_call_fails(plugin, text, function, timeout_ms, error):
    """The same error, with the same text."""
    guest = plugin(text, timeout_ms=timeout_ms)

    async def main():
        with pytest.raises(error) as found:
            await guest.acall(function, b"")
        return str(found.value)

    with pytest.raises(error) as by_call:
        guest.call(function, b"")

    assert asyncio.run(main()) == str(by_call.value)


@pytest.mark.same_process("there the function runs in a task of its own")
def test_an_async_host_function_is_awaited_on_the_callers_loop(asker):
    """In the task that awaits the call, with its context."""
    seen = []
    color = contextvars.ContextVar("color")

    async def ask(text: str) -> str:
        await asyncio.sleep(0)
        seen.append((asyncio.get_running_loop(), asyncio.current_task(), color.get()))
        return text + "!"

    guest = asker(ask)

    async def main():
        color.set("red")
        found = await guest.acall("twice", "hey")
        return found, [(asyncio.get_running_loop(), asyncio.current_task(), "red")] * 2

    found, expected = asyncio.run(main())
    assert (found, seen) == (b"hey!!", expected)


@pytest.mark.same_process("it looks at memory in place")
def test_an_async_host_function_with_a_signature_gives_its_outputs(plugin, registry):
    """As a plain one does: by assigning, after it has waited, with the plug-in's memory at hand."""

    @extism.host_fn(name="ask", signature=([extism.ValType.I64], [extism.ValType.I64]))
    async def ask(current, inputs, outputs):
        text = current.input_string(inputs[0])
        await asyncio.sleep(0)
        block = current.alloc(len(text))
        current.memory(block)[:] = text[::-1].encode()
        await asyncio.sleep(0)
        outputs[0].value = block.offset

    guest = plugin(ASKS, functions=[ask])

    assert asyncio.run(guest.acall("ask", "abc")) == b"cba"


@pytest.mark.plain_path("it is about them")
def test_a_plain_call_cannot_wait_for_an_async_host_function(asker):
    """The error says what to do, and nothing is left that was never awaited."""
    guest = asker(shouted)

    with pytest.raises(CallError, match="ask is async, and nobody awaits this call: use `await"):
        guest.call("ask", "x")
    assert asyncio.run(guest.acall("ask", "x")) == b"X"


def test_what_an_async_host_function_raises_is_the_cause(asker):
    """As with a plain one; the plug-in can be called again."""

    async def ask(text: str) -> str:
        await asyncio.sleep(0)
        if text == "bad":
            raise ValueError("too bad")
        return text

    guest = asker(ask)

    async def main():
        with pytest.raises(HostFunctionError, match="ask raised ValueError: too bad") as found:
            await guest.acall("ask", "bad")
        return type(found.value.__cause__), await guest.acall("ask", "good")

    assert asyncio.run(main()) == (ValueError, b"good")


def test_a_wrong_result_of_an_async_host_function_is_its_fault(asker):
    """Found when it has been awaited, and told as that of a plain one."""

    async def ask(text: str) -> str:
        return 3

    with pytest.raises(HostFunctionError, match="ask returned a wrong value"):
        asyncio.run(asker(ask).acall("ask", "x"))


def test_a_limit_ends_a_wait(asker):
    """The host function is cancelled at the deadline, and the call ends as a late one."""
    ends = []

    async def ask(text: str) -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return text

    guest = asker(ask)

    async def main():
        with pytest.raises(CallTimeout, match=r"^timeout"):
            await guest.acall("ask", "x", timeout=0.4)
        return await guest.acall("echo", "y", timeout=60)

    assert (asyncio.run(main()), ends) == (b"y", ["cancelled"])


@pytest.mark.parametrize("function", ["ask", "loops"])
def test_a_cancelled_task_ends_its_guest(asker, function):
    """Whether it waits or computes; nobody else notices, and the next call gets a fresh instance."""
    guest, other = asker(endless), asker(patient)

    async def main():
        before = time.monotonic()
        beside = asyncio.create_task(other.acall("ask", "beside"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await guest.acall(function, "x")
        return time.monotonic() - before < ROOM, await beside, await guest.acall("echo", "again")

    assert asyncio.run(main()) == (True, b"BESIDE", b"again")


def test_a_cancelled_instance_is_replaced(plugin, registry):
    """What the guest had in memory is gone, what it kept as variables is not."""
    text = wat(
        """(data (i32.const 0) "k") (global $n (mut i32) (i32.const 0))
           (func (export "count") (result i32)
             (global.set $n (i32.add (global.get $n) (i32.const 1)))
             (call $var_set (call $put (i32.const 0) (i32.const 1)) (call $copy_input))
             (call $give_i64 (i64.extend_i32_u (global.get $n)))
             (i32.const 0))
           (func (export "ask") (drop (call $ask (call $copy_input))))""",
        before=ASK,
    )
    guest = plugin(text, functions=[asking(endless)])

    async def main():
        counts = [await guest.acall("count", b"v"), guest.call("count", b"v")]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await guest.acall("ask", b"x")
        counts.append(await guest.acall("count", b"v"))
        return [struct.unpack("<q", each)[0] for each in counts]

    assert asyncio.run(main()) == [1, 2, 1]
    assert dict(guest.vars) == {"k": b"v"}


@pytest.mark.parametrize("function", ["ask", "loops"])
def test_a_cancel_handle_ends_an_awaited_call(asker, function):
    """From another thread, whether the guest waits or computes."""
    guest = asker(endless)

    async def main():
        with pytest.raises(Cancelled):
            await guest.acall(function, "x")

    with repeating(guest.cancel_handle().cancel), within(0):
        asyncio.run(main())


@pytest.mark.same_process("there each call has a thread")
def test_many_wait_at_once_in_one_thread(registry):
    """A thousand plug-ins wait for a tenth of a second, and need no thread for it."""
    compiled = extism.CompiledPlugin(ASKS, functions=[asking(patient)])
    threads = []

    async def main():
        guests = [extism.Plugin(compiled) for _ in range(1000)]
        threads.append(threading.active_count())
        waiting = asyncio.gather(*[g.acall("ask", f"n{at}") for at, g in enumerate(guests)])
        await asyncio.sleep(0.05)
        threads.append(threading.active_count())
        return await waiting

    found = asyncio.run(main())
    assert found == [f"N{at}".encode() for at in range(1000)]
    assert threads[1] <= threads[0]


def test_calls_of_one_plugin_wait_for_each_other(asker):
    """In the order in which they were asked for; one that is cancelled leaves the queue."""
    order = []

    async def ask(text: str) -> str:
        await asyncio.sleep(0.01)
        order.append(text)
        return text

    guest = asker(ask)

    async def main():
        tasks = [asyncio.create_task(guest.acall("ask", str(at))) for at in range(5)]
        await asyncio.sleep(0.001)
        tasks[2].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(main())
    assert [each for each in found if isinstance(each, bytes)] == [b"0", b"1", b"3", b"4"]
    assert isinstance(found[2], asyncio.CancelledError)
    assert order == ["0", "1", "3", "4"]


def test_a_call_that_nobody_can_await_says_so(asker):
    """Without asyncio's loop, as in trio; the plug-in is free again."""
    guest = asker(shouted)

    with pytest.raises(
        CallError, match="none is running on this thread; in trio, use trio-asyncio"
    ):
        guest.acall("echo", "x").send(None)
    assert asyncio.run(guest.acall("ask", "x")) == b"X"


def test_a_cancel_scope_of_anyio_ends_a_call(asker):
    """Waiting or computing, also where several wait in a task group."""
    guests = [asker(endless), asker(shouted)]

    async def main():
        for function in ("ask", "loops"):
            with anyio.move_on_after(0.02) as scope:
                await guests[0].acall(function, "x")
            assert scope.cancelled_caught
        async with anyio.create_task_group() as group:
            group.start_soon(guests[0].acall, "ask", "x")
            found = await guests[1].acall("ask", "y")
            group.cancel_scope.cancel()
        return found, await guests[0].acall("echo", "z")

    assert anyio.run(main) == (b"Y", b"z")


def test_either_path_sees_the_same_guest(plugin):
    """A plug-in keeps its memory, whoever calls it how."""
    guest = plugin(STATEFUL)

    async def main():
        return [guest.call("count", b""), await guest.acall("count", b""), guest.call("count", b"")]

    assert [struct.unpack("<q", each)[0] for each in asyncio.run(main())] == [1, 2, 3]


def test_a_plain_call_beside_an_awaited_one_is_refused(asker):
    """On the same thread it would wait for ever."""
    guest = asker(patient)

    async def main():
        task = asyncio.create_task(guest.acall("ask", "x"))
        await asyncio.sleep(0.01)
        with pytest.raises(PluginBusy, match="is awaited on this very thread"):
            guest.call("echo", "y")
        return await task

    assert asyncio.run(main()) == b"X"


@pytest.mark.parametrize("is_in_a_task", [False, True])
def test_a_host_function_that_awaits_its_own_plugin_is_refused(asker, is_in_a_task):
    """It would wait for ever; so would a task that it begins."""
    guests = []

    async def ask(text: str) -> str:
        call = guests[0].acall("echo", text)
        return (await (asyncio.create_task(call) if is_in_a_task else call)).decode()

    guests.append(asker(ask))

    async def main():
        with pytest.raises(HostFunctionError) as found:
            await guests[0].acall("ask", "x")
        return type(found.value.__cause__)

    assert asyncio.run(main()) is PluginBusy


def test_a_host_function_may_await_another_plugin(asker, plugin):
    """Plug-ins may await each other through the host."""
    other = asker(shouted)

    async def ask(text: str) -> str:
        return (await other.acall("ask", text)).decode() + "!"

    assert asyncio.run(asker(ask).acall("ask", "x")) == b"X!"


@pytest.mark.parametrize("is_in_a_task", [False, True])
def test_a_hundred_awaited_calls_inside_each_other_are_enough(registry, is_in_a_task):
    """Each takes a stack and an instance: one that begins another without end gets an error, and those around it end."""
    made = []

    async def ask(text: str) -> str:
        made.append(extism.Plugin(compiled))
        call = made[-1].acall("ask", text)
        return (await (asyncio.create_task(call) if is_in_a_task else call)).decode()

    compiled = extism.CompiledPlugin(ASKS, functions=[asking(ask)])

    async def main():
        with pytest.raises(HostFunctionError) as found:
            await extism.Plugin(compiled).acall("ask", "x")
        return await extism.Plugin(compiled).acall("echo", "y"), found.value

    answer, error = asyncio.run(main())
    while error.__cause__ is not None:
        error = error.__cause__
    assert (answer, len(made), type(error)) == (b"y", 100, CallError)
    assert str(error) == (
        "100 awaited calls are running inside each other's host functions; no more may begin"
    )


@pytest.mark.same_process(
    "there a task begins before the call that began it is over, and is inside it"
)
def test_tasks_that_begin_each_other_are_not_inside_each_other(asker):
    """A call that is over counts no more, however long the chain of tasks that follow from it."""
    guests, ends = [], []

    async def ask(text: str) -> str:
        number = int(text)
        ends.append(number)
        if number:
            tasks.append(asyncio.create_task(guests[number % 2].acall("ask", str(number - 1))))
        return text

    guests += [asker(ask), asker(ask)]
    tasks = []

    async def main():
        await guests[0].acall("ask", "250")
        for number in range(250):
            await tasks[number]

    asyncio.run(main())

    assert ends == list(range(250, -1, -1))


def test_a_plain_host_function_may_call_another_plugin(plugin, registry):
    """Though it runs on the small stack of a fiber: what does not fit goes to a thread."""
    inner = plugin(ECHO)
    guests = [inner]

    @extism.host_fn(name="ask")
    def ask(text: str) -> str:
        depth = int(text)
        target = guests[depth] if depth < len(guests) else None
        function = "echo" if depth == 0 else "ask"
        return target.call(function, str(depth - 1)).decode()

    guests += [plugin(ASKS, functions=[ask]) for _ in range(4)]

    assert asyncio.run(guests[4].acall("ask", "3")) == b"-1"


def test_an_awaited_call_waits_for_another_threads_call(asker):
    """Without holding up the loop."""
    began, may_end = threading.Event(), threading.Event()

    def wait(text: str) -> str:
        began.set()
        may_end.wait(AGES)
        return text

    guest = asker(wait)
    thread = threading.Thread(target=guest.call, args=("ask", "x"))

    async def main():
        thread.start()
        began.wait(AGES)
        task = asyncio.create_task(guest.acall("echo", "y"))
        await asyncio.sleep(0.02)
        is_waiting = not task.done()
        may_end.set()
        return is_waiting, await task

    assert asyncio.run(main()) == (True, b"y")
    thread.join()


def test_guests_that_compute_take_turns(plugin):
    """Four of them finish, and a heartbeat of the loop goes on meanwhile."""
    guests = [plugin(SPINS) for _ in range(4)]
    beats = []

    async def beat():
        while True:
            await asyncio.sleep(0.001)
            beats.append(1)

    async def main():
        heart = asyncio.create_task(beat())
        found = await asyncio.gather(*[g.acall("spin", f"{at}") for at, g in enumerate(guests)])
        heart.cancel()
        return found

    assert asyncio.run(main()) == [b"0", b"1", b"2", b"3"]
    assert len(beats) >= 20


def test_a_sleep_of_wasi_lets_others_run(plugin):
    """Two plug-ins that sleep do so at the same time; a limit ends a sleep."""
    one, two = plugin(SLEEPS, wasi=True), plugin(SLEEPS, wasi=True)
    tenth, hour = (100_000_000).to_bytes(8, "little"), (3600 * 10**9).to_bytes(8, "little")

    async def main():
        before = time.monotonic()
        await asyncio.gather(*[guest.acall("sleep", tenth) for guest in (one, two)])
        both = time.monotonic() - before
        beside = asyncio.create_task(one.acall("sleep", hour))
        with pytest.raises(CallTimeout):
            await two.acall("sleep", hour, timeout=0.02)
        is_sleeping = not beside.done()
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        return both >= 0.1, is_sleeping

    assert asyncio.run(main()) == (True, True)


@pytest.mark.same_process("it is about the other reason to use a thread")
def test_code_that_cannot_be_stopped_runs_on_a_thread(registry, caplog):
    """A line in the log says so, once; async host functions are awaited on the caller's loop all the same."""
    from extism.acall import _say_once

    _say_once.cache_clear()
    threads = []

    async def ask(text: str) -> str:
        await asyncio.sleep(0.01)
        threads.append(threading.current_thread())
        if text == "bad":
            raise ValueError("too bad")
        return text.upper()

    guest = extism.Plugin(ASKS, functions=[asking(ask)], interruptible=False)

    async def main():
        found = [await guest.acall("ask", "x"), await guest.acall("echo", "y")]
        with pytest.raises(HostFunctionError, match="too bad"):
            await guest.acall("ask", "bad")
        with pytest.raises(CallTimeout):
            await guest.acall("ask", "z", timeout=0.001)
        return found

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(main()) == [b"X", b"y"]
    assert set(threads) == {threading.current_thread()}
    (record,) = caplog.records
    assert record.message == (
        "awaited calls run on threads of their own: code of plugins with interruptible=False cannot be "
        "stopped in the middle"
    )


@pytest.mark.same_process("interruptible=False is not for plug-ins there")
def test_the_loop_of_a_call_on_a_thread_may_not_wait_for_it_either(registry):
    """A plain call is refused, closing is put off; another task may await its turn."""
    guest = extism.Plugin(ASKS, functions=[asking(patient)], interruptible=False)

    async def main():
        task = asyncio.create_task(guest.acall("ask", "x"))
        await asyncio.sleep(0.01)
        with pytest.raises(PluginBusy, match="is awaited on this very thread"):
            guest.call("echo", "y")
        found = [await guest.acall("echo", "z"), await task]
        task = asyncio.create_task(guest.acall("ask", "x"))
        await asyncio.sleep(0.01)
        guest.close()
        found.append(await task)
        with pytest.raises(PluginClosed):
            await guest.acall("echo", "y")
        return found

    assert asyncio.run(main()) == [b"z", b"X", b"X"]


@pytest.mark.same_process("interruptible=False is not for plug-ins there")
def test_an_instance_whose_call_on_a_thread_was_cancelled_is_replaced(registry):
    """As on a fiber: nobody heard how far the guest got."""
    text = wat(
        """(global $n (mut i32) (i32.const 0))
           (func (export "count") (result i32)
             (global.set $n (i32.add (global.get $n) (i32.const 1)))
             (call $give_i64 (i64.extend_i32_u (global.get $n)))
             (i32.const 0))
           (func (export "ask") (drop (call $ask (call $copy_input))))""",
        before=ASK,
    )
    guest = extism.Plugin(text, functions=[asking(endless)], interruptible=False)

    async def main():
        counts = [guest.call("count", b"")]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await guest.acall("ask", b"x")
        counts.append(await guest.acall("count", b""))
        return [struct.unpack("<q", each)[0] for each in counts]

    assert asyncio.run(main()) == [1, 1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="isolation needs Linux")
def test_a_plugin_in_a_process_of_its_own_is_awaited_on_a_thread(registry):
    """Its host functions are awaited on the caller's loop; a cancelled task ends its call."""
    threads = []

    async def ask(text: str) -> str:
        await asyncio.sleep(0)
        threads.append(threading.current_thread())
        return text.upper()

    async def main():
        found = [await guest.acall("ask", "x")]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await guest.acall("loops", "x")
        return [*found, await guest.acall("echo", "y")]

    with extism.Plugin(ASKS, functions=[asking(ask)], isolation="process") as guest:
        assert asyncio.run(main()) == [b"X", b"y"]
    assert threads == [threading.current_thread()]


def test_closing_takes_effect_when_the_awaited_call_is_over(asker):
    """As where a host function closes it."""
    guest = asker(patient)

    async def main():
        task = asyncio.create_task(guest.acall("ask", "x"))
        await asyncio.sleep(0.01)
        guest.close()
        found = await task
        with pytest.raises(PluginClosed):
            await guest.acall("echo", "y")
        return found

    assert asyncio.run(main()) == b"X"


def test_loops_in_several_threads_share_a_compiled_plugin(registry):
    """Each awaits its own plug-ins."""
    compiled = extism.CompiledPlugin(ASKS, functions=[asking(patient)])
    found = []

    def run(name):
        async def main():
            guests = [extism.Plugin(compiled) for _ in range(20)]
            return await asyncio.gather(*[g.acall("ask", name) for g in guests])

        found.append(asyncio.run(main()))

    threads = [threading.Thread(target=run, args=(f"t{at}",)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [[f"T{at}".encode()] * 20 for at in range(3)]


def test_one_plugin_may_be_awaited_on_two_loops(asker):
    """One call at a time."""
    guest, found = asker(patient), []

    def run(name):
        async def main():
            return await asyncio.gather(*[guest.acall("ask", name) for _ in range(3)])

        found.append(asyncio.run(main()))

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [[b"A"] * 3, [b"B"] * 3]


def test_fuel_is_counted(registry):
    """A limit of fuel ends an awaited call as it ends another, and what was used is told."""
    guest = extism.Plugin(ASKS, functions=[asking(shouted)], fuel_limit=100_000)

    async def main():
        used = guest.fuel_used
        await guest.acall("ask", "x")
        first = guest.fuel_used
        with pytest.raises(OutOfFuel):
            await guest.acall("loops", "x")
        return used, 0 < first < 100_000

    assert asyncio.run(main()) == (None, True)


def test_a_library_may_wait(plugin, registry):
    """Code of another module stops with the one that called it."""
    library = """(module
        (import "extism:host/user" "ask" (func $ask (param i64) (result i64)))
        (func (export "through") (param i64) (result i64) (call $ask (local.get 0))))"""
    main_text = wat(
        '(func (export "run") (call $give (call $through (call $copy_input))))',
        before='(import "library" "through" (func $through (param i64) (result i64)))',
    )
    manifest = {
        "wasm": [
            {"data": library.encode(), "name": "library"},
            {"data": main_text.encode(), "name": "main"},
        ]
    }
    with extism.Plugin(manifest, functions=[asking(patient)]) as guest:
        assert asyncio.run(guest.acall("run", "abc")) == b"ABC"


def test_an_import_that_waits_may_be_called_indirectly(plugin, registry):
    """Through a table, by a reference, and by another name."""
    text = wat(
        """(type $asking (func (param i64) (result i64)))
           (table 1 funcref) (elem (i32.const 0) $ask)
           (export "again" (func $ask))
           (func (export "run") (call $give
             (call_indirect (type $asking) (call $copy_input) (i32.const 0))))""",
        before=ASK,
    )
    guest = plugin(text, functions=[asking(patient)])

    assert asyncio.run(guest.acall("run", "abc")) == b"ABC"


def test_half_of_many_tasks_cancelled_at_any_point_leave_nothing(asker):
    """No wrong answer, no future that is lost, and every call after that is answered."""
    import random

    chance = random.Random(6)

    async def ask(text: str) -> str:
        await asyncio.sleep(chance.random() * 0.005)
        return text.upper()

    guests = [asker(ask) for _ in range(10)]

    async def one(at):
        task = asyncio.create_task(guests[at % 10].acall("twice", f"n{at}"))
        if at % 2:
            await asyncio.sleep(chance.random() * 0.02)
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    async def main():
        return await asyncio.gather(*[one(at) for at in range(200)])

    found = asyncio.run(main())
    assert {at for at, each in enumerate(found) if each not in {None, f"N{at}".encode()}} == set()
    assert all(found[at] is not None for at in range(0, 200, 2))
