"""Manifests as dict, JSON and TOML: each is read, or refused with a `ManifestError`, and what was read is written the same."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from extism.errors import ManifestError
from extism.manifest import Manifest
from fuzz.case import Finding, Target
from fuzz.fuzz_texts import ACTIVE

if TYPE_CHECKING:
    import random

EMPTY = b"\0asm\1\0\0\0"
WORDS = (
    *("", "main", "extism:host/env", "a", "é", "𝄞", "\0", "\n", "\x1b[31m", "\u202e", "\ud800"),
    *("..", "/", "*", "http://127.0.0.1/x.wasm", "0" * 64, "null", "x" * 300, "wasm", "__class__"),
)
NUMBERS = (0, 1, -1, 2**31, 2**32, 2**63, 2**64, 2**64 - 1, 0.0, 1.5, -0.0, 1e308, float("inf"))
KEYS = {
    "wasm": ("path", "data", "url", "name", "hash", "headers", "method"),
    "memory": ("max_pages", "max_http_response_bytes", "max_var_bytes"),
}
TOP = ("wasm", "memory", "config", "allowed_hosts", "allowed_paths", "timeout_ms")


class Fuzz(Target):
    """See the module."""

    def case(self, dice: random.Random) -> None:
        """Read a manifest in all its forms."""
        value = manifest(dice)
        made = _read(value)
        try:
            text = json.dumps(value, ensure_ascii=dice.random() < 0.5)
        except (TypeError, ValueError):
            return
        if "Infinity" not in text:
            again = _read(text)
            if again != made:
                raise Finding(f"from a dict {made}, from JSON {again}"[:600], text)
        if isinstance(made, Manifest) and not _is_same(made):
            raise Finding("a manifest is written as another one", text)
        broken = list(text)
        for _ in range(dice.randint(1, 3)):
            broken[dice.randrange(len(broken))] = dice.choice('{}[]",:0tn\\= \n#' + "é")
        _read("".join(broken))
        _read("".join(broken).encode("utf-8", "surrogatepass"))


def _is_same(made: Manifest) -> bool:
    return Manifest.parse(made.to_dict()) == made and Manifest.parse(made.to_json()) == made


def _read(value: Any) -> Manifest | str:
    """Return the manifest, or that it was refused; anything else is a finding, as is an unruly text."""
    try:
        return Manifest.parse(value)
    except ManifestError as exc:
        text = str(exc)
        if len(text) > 5000 or ACTIVE.search(text):
            raise Finding(f"an error of {len(text)} characters: {text[:300]!r}", value) from exc
        return "refused"


def manifest(dice: random.Random) -> Any:
    """Return something near to a manifest."""
    if dice.random() < 0.02:
        return anything(dice, 0)
    found: dict[str, Any] = {"wasm": [source(dice) for _ in range(dice.choice((1, 1, 1, 0, 2, 3)))]}
    makers: dict[str, Any] = {
        "memory": lambda: _some(dice, KEYS["memory"], lambda: dice.choice((*NUMBERS[:8], None))),
        "config": lambda: {dice.choice(WORDS): dice.choice((*WORDS, None)) for _ in range(2)},
        "allowed_hosts": lambda: dice.choice((None, [], [dice.choice(WORDS)])),
        "allowed_paths": lambda: dice.choice((None, {}, {dice.choice(WORDS): dice.choice(WORDS)})),
        "timeout_ms": lambda: dice.choice((*NUMBERS[:8], None)),
    }
    for key, make in makers.items():
        if dice.random() < 0.4:
            found[key] = make()
    while dice.random() < 0.3:
        found[dice.choice((*TOP, *WORDS))] = anything(dice, 0)
    return found


def source(dice: random.Random) -> Any:
    """Return something near to a source of a module."""
    if dice.random() < 0.05:
        return anything(dice, 1)
    kind = dice.choice(("path", "data", "url"))
    content: Any = {
        "path": dice.choice(WORDS),
        "data": dice.choice((base64.b64encode(EMPTY).decode(), EMPTY, "!", "AA=", "")),
        "url": dice.choice(WORDS),
    }[kind]
    found = {kind: content}
    while dice.random() < 0.4:
        found[dice.choice(KEYS["wasm"])] = dice.choice((*WORDS, None, {}, {"a": "b"}, "GET"))
    return found


def anything(dice: random.Random, depth: int) -> Any:
    """Return any value that JSON has."""
    pick = dice.randrange(5 if depth > 3 else 7)
    if pick < 2:
        return dice.choice(WORDS)
    if pick == 2:
        return dice.choice(NUMBERS)
    if pick < 5:
        return dice.choice((None, True, False))
    if pick == 5:
        return [anything(dice, depth + 1) for _ in range(dice.randrange(3))]
    return {dice.choice(WORDS): anything(dice, depth + 1) for _ in range(dice.randrange(3))}


def _some(dice: random.Random, keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {key: value() for key in keys if dice.random() < 0.5}
