"""What our host adds for Python plug-ins: a trap in the interpreter costs one instance, not the plug-in."""

from __future__ import annotations

import asyncio
import time

import pytest

import extism

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]

SOURCE = """
import extism

calls = 0


@extism.plugin_fn
def count():
    global calls
    calls += 1
    extism.Var.set("seen", str(calls))
    extism.output_str(str(calls))


@extism.plugin_fn
def spin():
    while True:
        pass


@extism.plugin_fn
def seen():
    extism.output_str(extism.Var.get_str("seen"))
"""


@pytest.mark.parametrize(
    ("shared", "isolation"),
    [(False, None), (True, None), (False, "process")],
    ids=["single", "shared", "in a worker"],
)
def test_after_a_time_out_the_interpreter_is_a_fresh_one(python_plugin, shared, isolation):
    """An interpreter that was stopped in the middle is never called again; variables are carried over."""
    manifest = {"wasm": [{"path": str(python_plugin(SOURCE, shared=shared))}]}
    with extism.Plugin(manifest, wasi=True, functions=[], isolation=isolation) as plugin:
        before = [plugin.call("count", "") for _ in range(3)]
        with pytest.raises(extism.errors.CallTimeout):
            plugin.call("spin", "", timeout=0.5)
        after = plugin.call("seen", ""), plugin.call("count", "")

    assert before == [b"1", b"2", b"3"]
    assert after == (b"3", b"1")


WAITS = """
import time
import extism


@extism.import_fn("extism:host/user", "find")
def find(key: str) -> str: ...


@extism.plugin_fn
def look():
    extism.output_str(find(extism.input_str()) + find("b"))


@extism.plugin_fn
def sleep():
    time.sleep(0.1)
    extism.output_str("slept")


@extism.plugin_fn
def spin():
    while True:
        pass
"""


def test_a_python_plugin_is_awaited(python_plugin, registry):
    """Where it asks the host, sleeps or computes, others go on; ended in the middle, it gets a fresh interpreter."""

    @extism.host_fn()
    async def find(key: str) -> str:
        await asyncio.sleep(0.1)
        return key.upper()

    path = str(python_plugin(WAITS))
    compiled = extism.CompiledPlugin(path, wasi=True, functions=[find])
    guests = [extism.Plugin(compiled) for _ in range(4)]

    async def main():
        before = time.monotonic()
        found = await asyncio.gather(
            guests[0].acall("look", "a"), guests[1].acall("look", "c"), guests[2].acall("sleep", "")
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await guests[3].acall("spin", "")
        found.append(await guests[3].acall("look", "again"))
        return found, time.monotonic() - before

    found, seconds = asyncio.run(main())
    assert found == [b"AB", b"CB", b"slept", b"AGAINB"]
    assert seconds < 120


AWAITS = """
import asyncio
import extism


@extism.import_fn("extism:host/user", "find")
async def find(key: str) -> str: ...


@extism.import_fn("extism:host/user", "ask")
def ask(key: str) -> str: ...


async def found(key):
    async with asyncio.timeout(60):
        await asyncio.sleep(0.01)
        return await find(key) + await find(ask(key))


@extism.plugin_fn
async def both(keys: list[str]) -> list[str]:
    return await asyncio.gather(*map(found, keys))
"""


def test_async_functions_of_a_python_plugin_await_those_of_the_host(python_plugin, registry):
    """Its coroutines get their answers, one host function after the other; the loop of the host goes on meanwhile."""
    seen = []

    @extism.host_fn()
    async def find(key: str) -> str:
        seen.append(key)
        await asyncio.sleep(0.02)
        if key == "bad":
            raise KeyError(key)
        return key.upper()

    @extism.host_fn()
    async def ask(key: str) -> str:
        await asyncio.sleep(0)
        return key + key

    compiled = extism.CompiledPlugin(str(python_plugin(AWAITS)), wasi=True, functions=[find, ask])
    guests = [extism.Plugin(compiled) for _ in range(2)]

    async def main():
        calls = [guest.acall("both", '["a", "b"]') for guest in guests]
        answers = await asyncio.gather(*calls)
        with pytest.raises(extism.errors.HostFunctionError, match="find raised KeyError"):
            await guests[0].acall("both", '["bad"]')
        return [*answers, await guests[0].acall("both", '["c"]')]

    assert asyncio.run(main()) == [b'["AAA", "BBB"]', b'["AAA", "BBB"]', b'["CCC"]']
    assert sorted(seen[:8]) == ["a", "a", "aa", "aa", "b", "b", "bb", "bb"]
