"""The PDK files of the guests declare the ABI: every function of the table, with its types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from extism import abi

GUESTS = Path(__file__).parents[1] / "guests"
WASM = {
    "u8": "i32",
    "i32": "i32",
    "int32_t": "i32",
    "uint8_t": "i32",
    "u64": "i64",
    "uint64_t": "i64",
}
WASM |= {"ExtismHandle": "i64", "void": None, "": None}

C = re.compile(r'^EXTISM_ENV\("(\w+)"\) (\w+) extism_(\w+)\((.*)\);', re.MULTILINE)
ZIG = re.compile(r'pub extern "extism:host/env" fn (\w+)\((.*)\) (\w+);')
ASSEMBLYSCRIPT = re.compile(
    r'@external\("extism:host/env", "(\w+)"\)\s+export declare function (\w+)\((.*)\): (\w+);'
)


def types(parameters: str, language: str) -> tuple[str, ...]:
    """The wasm types of a list of parameters: the type stands first in C, last elsewhere."""
    words = [each.split() for each in parameters.split(",")]
    named = [(each[0] if language == "c" else each[-1]) if each else "" for each in words]
    return tuple(WASM[name] for name in named if WASM[name])


def row(name: str, own: str, parameters: str, result: str, language: str):
    assert name == own
    return name, types(parameters, language), types(result, language)


def declared(language: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    if language == "c":
        text = (GUESTS / "c" / "extism-pdk.h").read_text(encoding="utf-8")
        return [row(n, own, params, result, "c") for n, result, own, params in C.findall(text)]
    if language == "zig":
        text = (GUESTS / "zig" / "extism.zig").read_text(encoding="utf-8")
        return [row(n, n, params, result, "zig") for n, params, result in ZIG.findall(text)]
    text = (GUESTS / "assemblyscript" / "extism.ts").read_text(encoding="utf-8")
    found = ASSEMBLYSCRIPT.findall(text)
    return [row(n, own, params, result, "assemblyscript") for n, own, params, result in found]


@pytest.mark.parametrize("language", ["c", "zig", "assemblyscript"])
def test_a_pdk_declares_every_function_of_the_abi(language):
    """Names, parameters and results are those of `abi.FUNCTIONS`, each once."""
    table = [(each.name, each.params, each.results) for each in abi.FUNCTIONS.values()]

    assert sorted(declared(language)) == sorted(table)
