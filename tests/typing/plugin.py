"""
A plug-in as a type checker sees it, which takes `extism` for the installed package: never run, checked by `mypy --strict`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, assert_type

import extism
from extism import Config, Http, plugin_fn


@dataclass
class Item:
    name: str
    price: float


@extism.plugin_fn
def untyped() -> None:
    extism.output_str(extism.input_str())


@plugin_fn
def offer(item: Item, times: int = 1) -> list[Item]:
    return [item] * times


@plugin_fn
async def later(seconds: float) -> extism.ReturnCode:
    await asyncio.sleep(seconds)
    return extism.ReturnCode(3)


@extism.shared_fn
def scale(number: extism.F32, times: extism.I32) -> float:
    return number * times


@extism.import_fn("extism:host/user", "lookup")
def lookup(name: str, count: extism.I32 = 1) -> Item | None:
    raise NotImplementedError


assert_type(offer(Item("a", 1.0)), list[Item])
assert_type(scale(0.5, 2), float)
assert_type(lookup("a", count=2), Item | None)
assert_type(extism.input(Item), Item)
assert_type(extism.input_json(list[int]), list[int])
assert_type(extism.input_json(), Any)
assert_type(Config.get_str("k"), str | None)
assert_type(Config.get_str("k", "d"), str)
assert_type(Config.get("k", int), int | None)
assert_type(extism.Var.get("k", int, 0), int)
extism.Var.set("k", Item("a", 1.0))
extism.Var.delete("k")
answer = Http.post("https://a.example/", json={"a": 1}, headers={"x": "y"})
assert_type(answer.raise_for_status().json(Item), Item)
assert_type(answer.header("x"), str | None)
assert_type(answer.status_code, int)
extism.log(extism.LogLevel.Info, "message")
assert_type(extism.memory.string(extism.memory.alloc("text")), str)
extism.set_error_format(repr)
error: Exception = extism.PluginError("no", code=4)

offer("a")  # type: ignore[arg-type]
lookup(1)  # type: ignore[arg-type]
scale("a", 2)  # type: ignore[arg-type]
