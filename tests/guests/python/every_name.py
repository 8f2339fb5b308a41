"""Every public name of the guest library in use: what `test_peer_pdk.py` calls on both hosts."""

from __future__ import annotations

import asyncio
import logging
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import Enum

import extism


class Colour(Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    price: float


@extism.import_fn("extism:host/user", "shout")
def shout(text: str) -> str: ...


@extism.import_fn("shop", "price")
def price(text: str, count: extism.I32) -> float: ...


@extism.import_fn("extism:host/user", "hear_all")
def hear_all(a: extism.I32, b: extism.I64, *, c: extism.F32, d: extism.F64) -> None: ...


@extism.import_fn("extism:host/user", "explicit_f32")
def explicit_f32(number: extism.F32) -> extism.F32: ...


@extism.import_fn("extism:host/user", "explicit_i32")
def explicit_i32(number: extism.I32) -> extism.I32: ...


@extism.import_fn("extism:host/user", "two_results")
def two_results() -> tuple[int, extism.I32]: ...


@extism.plugin_fn
def inputs():
    extism.output_json(
        [
            extism.input_bytes().decode(),
            extism.input_str(),
            extism.input_json(),
            extism.input_json(Item).name,
            extism.input(Item).price,
        ]
    )


@extism.plugin_fn
def output_bytes():
    extism.output_bytes(b"\xff\x00")


@extism.plugin_fn
def output_str():
    extism.output_str("é")


@extism.plugin_fn
def output():
    extism.output([Item("a", 1.0), Colour.RED])


@extism.plugin_fn
def typed(item: Item, times: int = 2) -> list[Item]:
    return [item] * times


@extism.plugin_fn
async def awaited(seconds: float) -> list[str]:
    return await asyncio.gather(asyncio.sleep(seconds, "a"), asyncio.sleep(0, "b"))


@extism.plugin_fn
def code(number: int) -> extism.ReturnCode:
    return extism.ReturnCode(number)


@extism.plugin_fn
def set_error():
    extism.set_error("no good")


@extism.plugin_fn
def plugin_error():
    raise extism.PluginError("no such city", code=4)


@extism.plugin_fn
def formatted_error():
    extism.set_error_format(repr)
    try:
        1 / int(extism.input_str())
    except ZeroDivisionError:
        raise KeyError("k") from None


@extism.plugin_fn
def input_error() -> str:
    try:
        extism.input(Item)
    except extism.InputError as error:
        return str(error)
    return ""


@extism.plugin_fn
def config() -> list:
    get = extism.Config
    return [
        get.get_str("user"),
        get.get_json("limits"),
        get.get("limits", list[int]),
        get.get_str("x", "y"),
    ]


@extism.plugin_fn
def variables() -> list:
    var = extism.Var
    before = var.get("item", Item)
    var.set("item", Item("a", 1.0))
    var.set("gone", "soon")
    var.delete("gone")
    return [
        before,
        var.get_str("item"),
        var.get_bytes("item").decode(),
        var.get_json("item"),
        var.get_str("gone"),
    ]


@extism.plugin_fn
def requests(url: str) -> list:
    http = extism.Http
    made = [
        http.request(url, meth="PUT", body="é", headers={"x-a": "1"}),
        http.get(url, params={"q": "a b"}),
        http.post(url, json={"a": 1}),
        http.put(url, b"b"),
        http.patch(url, "c"),
        http.delete(url),
        extism.HttpRequest(url, method="POST", headers={"x-a": "2"}).send(b"d"),
    ]
    return [each.status_code for each in made]


@extism.plugin_fn
def response(url: str) -> list:
    found = extism.Http.get(url)
    seen = [found.status_code, found.ok, found.method, found.url == url]
    body = [found.data_bytes().decode(), found.data_str(), found.data_json(), found.json(Item).name]
    headers = []
    if found.has_headers:
        headers = [found.headers()["x-b"], found.header("X-B")]
    return [seen, body, headers, found.raise_for_status() is found]


@extism.plugin_fn
def http_error(url: str) -> list:
    try:
        extism.Http.get(url).raise_for_status()
    except extism.HttpError as error:
        return [error.response.status_code, error.response.data_str()]
    return []


@extism.plugin_fn
def urllib_error(url: str) -> list:
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
    return []


@extism.plugin_fn
def logs():
    extism.log(extism.LogLevel.Info, "by extism")
    logging.getLogger("shop").warning("by logging")


@extism.plugin_fn
def blocks() -> list:
    memory = extism.memory
    handle = memory.alloc("text")
    found = memory.find(handle.offset)
    read = [
        memory.string(handle),
        memory.bytes(handle).decode(),
        isinstance(found, extism.MemoryHandle),
    ]
    memory.free(handle)
    return [*read, memory.find(handle.offset)]


@extism.plugin_fn
def host_functions() -> list:
    hear_all(-1, -(2**40), d=0.25, c=0.5)
    return [shout("abc"), explicit_i32(-5), two_results()]


@extism.plugin_fn
def floats() -> list:
    return [price("abc", -2), explicit_f32(0.5)]


@extism.shared_fn
def scaled(a: extism.F32, b: extism.I32, text: str, c: int) -> float:
    return a * b + c + len(text)


@extism.plugin_fn
def is_no_code() -> bool:
    return True
