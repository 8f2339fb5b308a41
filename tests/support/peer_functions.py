"""
The host functions of the differential suite, written once and decorated by either package when a scene asks.

Only what both packages offer is used. `HEARD` is what functions without a result were told.
"""

import asyncio
import json
import time
from typing import Annotated, Any

import extism
from extism import Codec, CurrentPlugin, Json, Pickle, ValType

HEARD: list[str] = []
_OFFERED: dict[str, tuple[Any, dict[str, Any]]] = {}
_MADE: dict[str, Any] = {}


def host_function(label):
    """Return the function of that label, decorated by the package that runs."""
    if label not in _MADE:
        f, options = _OFFERED[label]
        _MADE[label] = extism.host_fn(**options)(f)
    return _MADE[label]


def offer(label=None, **options):
    """Keep a function under its label, with what `host_fn` is to be told."""

    def keep(f):
        _OFFERED[label or f.__name__] = f, options
        return f

    return keep


I32, I64, F32, F64 = ValType.I32, ValType.I64, ValType.F32, ValType.F64


@offer(signature=([I64, I64], [I64]))
def add(plugin, inputs, outputs, *user_data):
    total = inputs[0].value + inputs[1].value
    outputs[0].value = (total + 2**63) % 2**64 - 2**63


@offer()
def shout(text: str) -> str:
    return text.upper()


@offer()
def is_awaited(text: str) -> str:
    return f"{text} {asyncio._get_running_loop() is not None}"


@offer()
def tell(text: str):
    HEARD.append(text)


@offer(namespace="shop", signature=([I64, I32], [F64]))
def price(plugin, inputs, outputs, *user_data):
    outputs[0].value = len(plugin.input_string(inputs[0])) * inputs[1].value * 0.5


@offer()
def reverse(data: bytes) -> bytes:
    return data[::-1]


@offer()
def measure(data: bytes) -> int:
    return len(data)


@offer()
def double(number: int) -> int:
    return number * 2


@offer()
def hear_number(number: int):
    HEARD.append(f"int {number}")


@offer()
def hear_float(number: float):
    HEARD.append(f"float {number}")


@offer()
def hear_bool(flag: bool):
    HEARD.append(f"bool {flag!r}")


@offer()
def keys_of(value: Annotated[dict, Json]) -> Annotated[list, Json]:
    return sorted(value)


@offer()
def decoded(value: Annotated[str, Codec(lambda data: data.decode().title())]) -> str:
    return value


@offer()
def encoded(text: str) -> Annotated[str, Codec(lambda value: value.encode("utf-16-le"))]:
    return text


@offer()
def pickled(text: str) -> Annotated[Any, Pickle]:
    return {"text": text}


@offer()
def unpickled(value: Annotated[Any, Pickle]) -> str:
    return repr(value)


@offer()
def context_text(plugin: CurrentPlugin) -> str:
    return repr(plugin.host_context())


@offer(user_data=["first", 2])
def with_user_data(text: str, first, second) -> str:
    return f"{text} {first} {second}"


@offer(user_data=b"some bytes")
def with_bytes(text: str, data) -> bytes:
    return text.encode() + data


@offer(signature=([I32, I64, F32, F64], []))
def hear_all(plugin, inputs, outputs):
    HEARD.append(" ".join(f"{value.t.name} {value.value}" for value in inputs))


@offer(label="explicit_i32", signature=([I32], [I32]), name="explicit_i32")
def explicit_i32(plugin, inputs, outputs, *user_data):
    outputs[0].value = -inputs[0].value


@offer(signature=([F32], [F32]))
def explicit_f32(plugin, inputs, outputs, *user_data):
    outputs[0].value = inputs[0].value / 2


@offer(signature=([], [I64, I32]))
def two_results(plugin, inputs, outputs, *user_data):
    outputs[0].value = 7
    outputs[1].value = 9


@offer()
def half(number: float) -> float:
    return number / 2


@offer()
def negate(flag: bool) -> bool:
    return not flag


@offer()
def pair(text: str) -> tuple[str, int]:
    return text, len(text)


@offer()
def fails(text: str) -> str:
    raise ValueError(f"cannot do {text}")


@offer()
def leaves(text: str) -> str:
    raise SystemExit(3)


@offer()
def wrong_result(text: str) -> str:
    return 42


@offer()
def naps(text: str) -> str:
    time.sleep(float(text))
    return "rested"


@offer(signature=([I64], [I64]))
def by_hand(plugin, inputs, outputs, *user_data):
    """Everything that `CurrentPlugin` and `Memory` offer for blocks."""
    given = plugin.memory_at_offset(inputs[0])
    text = bytes(plugin.memory(given))
    fresh = plugin.alloc(len(text) + 2)
    plugin.memory(fresh)[:] = b"<" + text + b">"
    plugin.free(given)
    again = plugin.memory_at_offset(given.offset)
    HEARD.append(json.dumps([len(given), given.length, fresh.length, again.length]))
    outputs[0].value = fresh.offset


@offer(signature=([I64], [I64]))
def by_shortcut(plugin, inputs, outputs, *user_data):
    data = plugin.input_bytes(inputs[0])
    same = plugin.input_string(inputs[0]).encode() == data == bytes(plugin.input_buffer(inputs[0]))
    plugin.return_string(outputs[0], f"{data.decode()} {same}")


@offer(signature=([I64], [I64]))
def nothing_set(plugin, inputs, outputs, *user_data):
    """Leaves its result as it came."""


@offer(label="test::hello", name="hello", namespace="test", signature=([], [I64]))
def hello_of_test(plugin, inputs, outputs, *user_data):
    plugin.return_string(outputs[0], "from test")


@offer(label="hello", name="hello", signature=([], [I64]))
def hello(plugin, inputs, outputs, *user_data):
    plugin.return_string(outputs[0], "from user")


@offer(label="hello again", name="hello", signature=([], [I64]))
def hello_again(plugin, inputs, outputs, *user_data):
    plugin.return_string(outputs[0], "from the later one")


@offer(
    label="env::config_get",
    name="config_get",
    namespace="extism:host/env",
    signature=([I64], [I64]),
)
def own_config_get(plugin, inputs, outputs, *user_data):
    plugin.return_string(outputs[0], "from the host function")


@offer(label="env::new", name="new", namespace="extism:host/env", signature=([], []))
def new_in_env(plugin, inputs, outputs, *user_data):
    HEARD.append("new")


@offer(
    label="env::input_length",
    name="input_length",
    namespace="extism:host/env",
    signature=([], [I64]),
)
def own_input_length(plugin, inputs, outputs, *user_data):
    outputs[0].value = 3


@offer(
    label="wasi::random_get",
    name="random_get",
    namespace="wasi_snapshot_preview1",
    signature=([I32, I32], [I32]),
)
def own_random_get(plugin, inputs, outputs, *user_data):
    outputs[0].value = 52
