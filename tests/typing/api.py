"""
The public API as a type checker sees it from a user's side: never run, checked by `mypy --strict`.

What must be an error carries a `type: ignore` with its code; mypy reports one that is not needed, so a wrong use that
starts to pass fails the check.
"""

from __future__ import annotations

import array
import json
import uuid
from pathlib import Path
from typing import Annotated, Any, assert_type

import extism
from extism import errors
from extism.buffers import ByteBuffer
from extism.extism import CompiledPlugin as UpstreamCompiledPlugin
from extism.extism import ExplicitFunction, TypeInferredFunction
from extism.pool import PoolStatistics

# --- host functions: with and without parentheses, both styles, and plain Python afterwards


@extism.host_fn
def bare(text: str) -> str:
    return text


@extism.host_fn()
def greet(name: str, times: int = 1) -> str:
    return name * times


@extism.host_fn("renamed", namespace="host", user_data=[1, "two"])
def with_data(
    current: extism.CurrentPlugin, payload: Annotated[dict[str, int], extism.Json], *data: Any
) -> int:
    assert_type(current.host_context(), Any)
    assert_type(current.time_remaining(), float | None)
    return len(payload)


@extism.host_fn(
    signature=([extism.ValType.I64], [extism.ValType.PTR, extism.ValType.F64]), user_data=b"bytes"
)
def explicit(
    plugin: extism.CurrentPlugin,
    inputs: list[extism.Val],
    outputs: list[extism.Val],
    data: bytes,
) -> None:
    block = plugin.memory_at_offset(inputs[0])
    assert_type(block, extism.Memory)
    assert_type(block.offset, int)
    assert_type(len(block), int)
    assert_type(plugin.memory(block), ByteBuffer)
    assert_type(plugin.input_bytes(inputs[0]), bytes)
    assert_type(plugin.input_string(inputs[0]), str)
    assert_type(plugin.input_buffer(inputs[0]), ByteBuffer)
    assert_type(plugin.memory(block)[:], bytes)
    plugin.memory(plugin.alloc(5))[:] = b"hello"
    plugin.free(block)
    plugin.return_string(outputs[0], "text")
    plugin.return_bytes(outputs[0], data)
    outputs[1].value = 2.5


def pickled(
    number: float,
    flag: bool,
    maybe: str | None,
    trusted: Annotated[list[int], extism.Pickle(trusted=True)],
    decoded: Annotated[str, extism.Codec(bytes.decode)],
) -> Annotated[int, extism.Raw]:
    return len(trusted)


assert_type(bare("x"), str)
assert_type(greet("Ada", times=2), str)
assert_type(extism.host_fn(name="other")(pickled)(1.5, True, None, [1], "x"), int)
functions: list[extism.Function] = [bare, greet, with_data, explicit]
functions.append(extism.Function(None, "f", [extism.ValType.I32], [], lambda *_: None, 1, 2))
functions.append(TypeInferredFunction(None, "f", pickled, []))
functions.append(ExplicitFunction(None, "f", [], [], print, []))
extism.HOST_FN_REGISTRY.clear()
extism.HOST_FN_REGISTRY.extend(functions)

greet(1)  # type: ignore[arg-type]
greet("x", "y")  # type: ignore[arg-type]
greet()  # type: ignore[call-arg]
extism.host_fn(1)  # type: ignore[call-overload]
extism.host_fn(signature=[extism.ValType.I64])  # type: ignore[call-overload]
extism.host_fn(names="x")  # type: ignore[call-overload]


# --- what a plug-in is made of


manifest: dict[str, Any] = {"wasm": [{"path": "plugin.wasm"}]}
typed = extism.Manifest(
    wasm=(
        extism.WasmFile("plugin.wasm"),
        extism.WasmData(b"\0asm"),
        extism.WasmUrl("http://localhost"),
    ),
    memory=extism.MemoryOptions(max_pages=10),
    timeout_ms=100,
)
for source in (
    manifest,
    json.dumps(manifest),
    b"\0asm",
    bytearray(),
    memoryview(b""),
    Path("plugin.wasm"),
    typed,
):
    extism.Plugin(source)
extism.Plugin(
    manifest, True, {"key": "value", "secret": extism.Secret("x"), "gone": None}, functions
)
extism.Plugin(
    manifest,
    wasi=extism.WasiOptions(argv=["a"], env={"A": "b"}, stdout="log"),
    config=None,
    functions=None,
)
extism.Plugin(
    manifest,
    http_response_headers=True,
    logger="plugins",
    fuel_limit=1_000,
    policy=extism.SourcePolicy(schemes={"https"}),
)

extism.Plugin(manifest, isolation="process")
extism.Pool(manifest, isolation=extism.WorkerLimits(memory_bytes=1 << 30, cpu_seconds=None))
extism.Plugin(manifest, isolation="thread")  # type: ignore[arg-type]
extism.Plugin()  # type: ignore[call-arg]
extism.Plugin(7)  # type: ignore[arg-type]
extism.Plugin(manifest, functions=[print])  # type: ignore[list-item]
extism.Plugin(manifest, config={"key": 1})  # type: ignore[dict-item]
extism.Plugin(manifest, wassi=True)  # type: ignore[call-arg]


# --- calls


with extism.Plugin(manifest, functions=[]) as plugin:
    assert_type(plugin, extism.Plugin)
    assert_type(plugin.id, uuid.UUID)
    assert_type(plugin.function_exists("f"), bool)
    assert_type(plugin.call("f", "text"), bytes)
    assert_type(plugin.call("f", data=b"bytes", host_context=object(), timeout=1.5), bytes)
    assert_type(plugin.call("f", array.array("B", b"x")), bytes)
    assert_type(plugin.call("f", "", bytes.decode), str)
    assert_type(plugin.call("f", "", parse=len), int)
    assert_type(plugin.call("f", "", lambda output: [output]), list[bytes])
    assert_type(plugin.call("f", "", parse=None), ByteBuffer)
    assert_type(plugin.call("f", "", json.loads), Any)
    assert_type(plugin.cancel_handle(), extism.CancelHandle)
    assert_type(plugin.cancel_handle().cancel(), bool)
    assert_type(plugin.compiled_plugin, extism.CompiledPlugin | None)
    assert_type(plugin.plugin, int)
    assert_type(plugin.fuel_used, int | None)
    assert_type(plugin.vars, extism.Vars)
    assert_type(plugin.vars["key"], bytes)
    assert_type(plugin.exports[0], extism.ExportInfo)
    assert_type(plugin.imports[0], extism.ImportInfo)
    plugin.vars["key"] = b"value"
    plugin.reset()
    plugin.restart()

    plugin.call("f")  # type: ignore[call-overload]
    plugin.call("f", None)  # type: ignore[call-overload]
    plugin.call("f", {"a": 1})  # type: ignore[call-overload]
    plugin.call(b"f", "")  # type: ignore[call-overload]
    plugin.call("f", "", str.encode)  # type: ignore[arg-type]
    plugin.call("f", "", timeout="1")  # type: ignore[call-overload]
    plugin.vars["key"] = 7  # type: ignore[assignment]
    text: str = plugin.call("f", "")  # type: ignore[assignment]

compiled = extism.CompiledPlugin(manifest, wasi=True, functions=functions, fuel_limit=10)
assert_type(compiled.pointer, int)
assert_type(compiled.exports, tuple[extism.ExportInfo, ...])
upstream: UpstreamCompiledPlugin = compiled
extism.Plugin(compiled, config={"key": "value"})
spec = extism.PluginSpec.of("plugin.wasm", wasi=True)
assert_type(spec.plugin(functions), extism.Plugin)
assert_type(spec.compiled(), extism.CompiledPlugin)


# --- calls that are awaited


@extism.host_fn()
async def looked_up(user: str) -> str:
    return user


async def awaiting(plugin: extism.Plugin, pool: extism.Pool) -> None:
    assert_type(await looked_up("x"), str)
    assert_type(await plugin.acall("f", "text"), bytes)
    assert_type(await plugin.acall("f", data=b"x", host_context=object(), timeout=1.5), bytes)
    assert_type(await plugin.acall("f", "", bytes.decode), str)
    assert_type(await plugin.acall("f", "", parse=None), ByteBuffer)
    assert_type(await pool.acall("f", "", len, timeout=2), int)
    async with pool.plugin(timeout=0) as lent:
        assert_type(lent, extism.Plugin)
    await plugin.acall("f")  # type: ignore[call-overload]
    await pool.acall("f", 1)  # type: ignore[call-overload]


# --- pools


with extism.Pool(compiled, 4, max_calls=100, timeout=1.5, config={"key": "value"}) as pool:
    assert_type(pool, extism.Pool)
    assert_type(pool.call("f", ""), bytes)
    assert_type(pool.call("f", "", json.loads, host_context=1, timeout=2), Any)
    assert_type(pool.call("f", "", len), int)
    assert_type(pool.call("f", "", None), ByteBuffer)
    assert_type(pool.function_exists("f"), bool)
    assert_type(pool.statistics, PoolStatistics)
    assert_type(pool.statistics.busy, int)
    assert_type(pool.maximum, int)
    with pool.plugin(timeout=0) as lent:
        assert_type(lent, extism.Plugin)
        assert_type(lent.call("f", ""), bytes)

    pool.maximum = 3  # type: ignore[misc]
    pool.call("f", 1)  # type: ignore[call-overload]

extism.Pool(manifest, wasi=True, functions=[], http_response_headers=True, logger="x", fuel_limit=1)
extism.Pool(manifest, "4")  # type: ignore[arg-type]
extism.Pool(manifest, wassi=True)  # type: ignore[call-arg]
extism.Pool(manifest, config={"key": 1})  # type: ignore[dict-item]


# --- errors


try:
    pool.call("f", "")
except errors.HashMismatch as mismatch:
    assert_type(mismatch.expected, str)
except errors.FunctionNotFound as missing:
    assert_type(missing.available, tuple[str, ...])
except errors.GuestError as said:
    assert_type(said.message, str)
    assert_type(said.exit_code, int)
except errors.Trap as trap:
    assert_type(trap.kind, str)
    assert_type(trap.backtrace, str)
except TimeoutError as late:
    assert_type(late, TimeoutError)
except (errors.PluginBusy, errors.PluginClosed, extism.Error) as error:
    assert_type(str(error), str)


# --- logging, version, values


assert_type(extism.extism_version(), str)
assert_type(extism.set_log_file("stderr", "debug"), None)
logger = extism.set_log_custom(print, level="info")
assert_type(logger, extism.CustomLogger)
logger.set_callback(lambda line: None)
logger.drain()
assert_type(extism.Val(extism.ValType.I32, 1).t, extism.ValType)
assert_type(extism.Val(t=extism.ValType.I32, v=1).value, Any)
assert_type(extism.Memory(offs=1, length=2), extism.Memory)
level: extism.LogLevel = extism.LogLevel.WARN

extism.set_log_custom("stderr")  # type: ignore[arg-type]
extism.Val(1)  # type: ignore[call-arg, arg-type]
