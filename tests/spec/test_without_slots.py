"""Plug-ins for which no place is kept ready (`EXTISM_SLOTS=0`, small machines): each has its memory mapped for it."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest
from patience import repeating, within
from wat_guests import wat

import extism
from extism import compiled as compiled_module
from extism._engine import engine
from extism.errors import CallTimeout, Cancelled, Trap

pytestmark = pytest.mark.same_process("the workers' engines never have slots")

PAGES = 40
GUEST = wat(
    f"""(global $seen (mut i64) (i64.const 0))
    (table $table 8 64 funcref)
    (elem declare func $spoil)
    ;; All that it can reach, what it has grown by included, becomes ones.
    (func $spoil (export "spoil")
      (drop (memory.grow (i32.const {PAGES - 1})))
      (memory.fill (i32.const 0) (i32.const 255) (i32.const {PAGES << 16}))
      (table.fill $table (i32.const 0) (ref.func $spoil) (i32.const 8))
      (drop (table.grow $table (ref.func $spoil) (i32.const 8)))
      (global.set $seen (i64.const -1)))
    ;; The number of bytes, elements and globals that are not as they began.
    (func (export "count") (local $i i32) (local $found i64)
      (local.set $found (i64.extend_i32_u (i64.ne (global.get $seen) (i64.const 0))))
      (drop (memory.grow (i32.sub (i32.const {PAGES}) (memory.size))))
      (loop $bytes
        (local.set $found (i64.add (local.get $found)
          (i64.extend_i32_u (i64.ne (i64.load (local.get $i)) (i64.const 0)))))
        (br_if $bytes (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8)))
          (i32.const {PAGES << 16}))))
      (local.set $i (i32.const 0))
      (loop $elements
        (local.set $found (i64.add (local.get $found)
          (i64.extend_i32_u (i32.eqz (ref.is_null (table.get $table (local.get $i)))))))
        (br_if $elements (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
          (table.size $table))))
      (call $give_i64 (local.get $found)))
    (func (export "echo") (call $give (call $input_offset)))
    (func (export "loop") (loop $again (br $again)))
    (func (export "far") (drop (i64.load offset=4294967288 (i32.const -1))))
    (func (export "near") (drop (i32.load8_u (i32.shl (memory.size) (i32.const 16)))))
    (func $down (export "down") (call $down))
    (func (export "ask") (call $give (call $ask (call $copy_input))))""",
    before='(import "extism:host/user" "ask" (func $ask (param i64) (result i64)))',
)
AS_NEW = bytes(8)


@extism.host_fn(name="ask")
async def ask(text: str) -> str:
    await asyncio.sleep(random.random() * 0.005)
    return text.upper()


extism.HOST_FN_REGISTRY.remove(ask)


@pytest.fixture(scope="module")
def engines():
    return {}


@pytest.fixture
def compiled(monkeypatch, engines):
    """The guest, on engines without slots."""
    monkeypatch.setenv("EXTISM_SLOTS", "0")
    monkeypatch.setattr(engine, "_engines", engines)
    monkeypatch.setattr(compiled_module, "_caches", {})
    return extism.CompiledPlugin(GUEST, functions=[ask])


def is_mapped(plugin):
    return plugin._life.instance.store.engine.slots is None


def test_an_instance_finds_nothing_of_another(compiled):
    """Neither of one that is gone, in whose place it may live, nor of one that lives beside it."""
    found = []
    with extism.Plugin(compiled) as beside:
        for _ in range(30):
            with extism.Plugin(compiled) as plugin:
                assert is_mapped(plugin)
                found.append(plugin.call("count", ""))
                plugin.call("spoil", "")
        found.append(beside.call("count", ""))

    assert found == [AS_NEW] * 31


def test_a_restarted_one_finds_nothing_of_its_own(compiled):
    """Memory, tables and globals are as they were at first."""
    with extism.Plugin(compiled) as plugin:
        plugin.call("spoil", "")
        spoiled = plugin.call("count", "")
        plugin.restart()

        assert (spoiled == AS_NEW, plugin.call("count", "")) == (False, AS_NEW)


@pytest.mark.parametrize("export", ["far", "near", "down"])
def test_what_reaches_too_far_is_a_trap(compiled, export):
    """Past the memory's end, at the end of what 32 bits reach, and past the stack's; the plug-in goes on."""
    with extism.Plugin(compiled) as plugin:
        for number in range(3):
            with pytest.raises(Trap):
                plugin.call(export, "")

            assert plugin.call("echo", str(number)) == str(number).encode()


@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_one_ends_and_another_goes_on(compiled, how):
    """Deadlines and cancellations are of one plug-in."""
    first, second, ends = extism.Plugin(compiled), extism.Plugin(compiled), []

    def loops():
        with pytest.raises(Cancelled):
            second.call("loop", "")
        ends.append("cancelled")

    thread = threading.Thread(target=loops)
    thread.start()
    if how == "timeout":
        with within(0.1), pytest.raises(CallTimeout):
            first.call("loop", "", timeout=0.1)
    else:
        with repeating(first.cancel_handle().cancel), pytest.raises(Cancelled):
            first.call("loop", "")
    goes_on = thread.is_alive()
    with repeating(second.cancel_handle().cancel):
        thread.join()

    assert (goes_on, ends) == (True, ["cancelled"])
    assert (first.call("echo", "1"), second.call("echo", "2")) == (b"1", b"2")


def test_threads_make_call_and_drop_them(compiled):
    """Four at once, as fast as they can: each answer is its own, and each instance new."""
    found = {}

    def work(index):
        answers = []
        for number in range(40):
            with extism.Plugin(compiled) as plugin:
                text = f"{index} {number}"
                answers.append(plugin.call("echo", text) == text.encode())
                if number % 10 == 0:
                    answers.append(plugin.call("count", "") == AS_NEW)
                    plugin.call("spoil", "")
        found[index] = answers

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {index: [True] * 44 for index in range(4)}


def test_many_are_awaited_and_half_of_them_cancelled(compiled):
    """Right answers for the others, wherever the cancelled ones were; and all can be called again."""
    chance = random.Random(4)
    plugins = [extism.Plugin(compiled) for _ in range(60)]

    async def one(number):
        task = asyncio.create_task(
            plugins[number].acall("loop" if number % 6 == 1 else "ask", f"n{number}")
        )
        if number % 2:
            await asyncio.sleep(chance.random() * 0.01)
            task.cancel()
        return await asyncio.gather(task, return_exceptions=True)

    async def main():
        found = await asyncio.gather(*[one(number) for number in range(60)])
        after = await asyncio.gather(*[each.acall("ask", "again") for each in plugins])
        return [each for (each,) in found], after

    found, after = asyncio.run(main())
    assert found[::2] == [f"N{number}".encode() for number in range(0, 60, 2)]
    assert {type(each) for each in found[1::6]} == {asyncio.CancelledError}
    assert after == [b"AGAIN"] * 60


def test_a_pool_lends_them(compiled):
    """A copy that broke off is replaced by one as new."""
    with extism.Pool(compiled, 2) as pool:
        with pool.plugin() as copy:
            is_one = is_mapped(copy)
        pool.call("spoil", "")
        with pytest.raises(Trap):
            pool.call("far", "")

        assert (is_one, pool.call("count", "")) == (True, AS_NEW)
