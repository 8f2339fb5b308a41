"""Modules from URLs, on both packages: what is asked for, what is taken for an answer, what is refused."""

from __future__ import annotations

import hashlib

import pytest
import wasmtime
from wat_guests import wat

from peer import Case

pytestmark = pytest.mark.peer

TEXT = wat('(func (export "run") (call $give_i64 (i64.const 7)))')
WASM = bytes(wasmtime.wat2wasm(TEXT))
CLOSE = ("connection", "close")


@pytest.fixture(scope="module", autouse=True)
def modules(peer_server):
    """What the server gives, for all cases."""
    peer_server.answer("/plugin.wasm", 200, WASM, [CLOSE])
    peer_server.answer("/plugin.wat", 200, TEXT.encode(), [CLOSE, ("content-type", "text/plain")])
    peer_server.answer("/created", 201, WASM, [CLOSE])
    peer_server.answer("/missing.wasm", 404, b"nothing", [CLOSE])
    peer_server.answer("/broken", 500, WASM, [CLOSE])
    peer_server.answer("/page", 200, b"<html>a page</html>", [CLOSE])
    peer_server.answer("/empty.wasm", 200, b"", [CLOSE])
    peer_server.answer("/manifest.json", 200, b'{"wasm": []}', [CLOSE])
    peer_server.answer("/moved", 302, headers=[CLOSE, ("location", "/plugin.wasm")])
    peer_server.answer("/circle", 302, headers=[CLOSE, ("location", "/circle")])
    peer_server.raw("/cut-off", b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n\0asm")


def at(path: str, **keys: object) -> dict:
    return {"wasm": [{"url": f"<server>{path}", **keys}]}


GOOD = {
    "a module": at("/plugin.wasm"),
    "text": at("/plugin.wat"),
    "another good status": at("/created"),
    "a redirect": at("/moved"),
    "null for the rest": at("/plugin.wasm", name=None, hash=None),
    "a method": at("/plugin.wasm", method="POST"),
    "a method in small letters": at("/plugin.wasm", method="get"),
    "headers": at("/plugin.wasm", headers={"X-Token": "secret", "Authorization": "Bearer t"}),
    "no headers": at("/plugin.wasm", headers={}),
    "a hash": at("/plugin.wasm", hash=hashlib.sha256(WASM).hexdigest()),
    "a hash of text": at("/plugin.wat", hash=hashlib.sha256(TEXT.encode()).hexdigest()),
    "hosts that are not allowed": {**at("/plugin.wasm"), "allowed_hosts": []},
    "two of them": {
        "wasm": [{"url": "<server>/plugin.wasm", "name": "a"}, {"url": "<server>/plugin.wat"}]
    },
}
BAD = {
    "a missing one": at("/missing.wasm"),
    "a server's error": at("/broken"),
    "a page": at("/page"),
    "nothing": at("/empty.wasm"),
    "a manifest": at("/manifest.json"),
    "a circle": at("/circle"),
    "one that is cut off": at("/cut-off"),
    "a wrong hash": at("/plugin.wasm", hash="0" * 64),
    "null headers": at("/plugin.wasm", headers=None),
    "a number in headers": at("/plugin.wasm", headers={"a": 1}),
    "an unknown key": at("/plugin.wasm", timeout=5),
    "a port where nobody listens": {"wasm": [{"url": "http://127.0.0.1:1/x.wasm"}]},
    "no scheme": {"wasm": [{"url": "nope"}]},
    "a file": {"wasm": [{"url": "file:///etc/hostname"}]},
    "another scheme": {"wasm": [{"url": "ftp://127.0.0.1/x.wasm"}]},
    "no host": {"wasm": [{"url": "http://"}]},
    "an empty url": {"wasm": [{"url": ""}]},
}

CASES = [
    *[Case(f"url of {name}", plugin, ("run",)) for name, plugin in GOOD.items()],
    *[Case(f"url of {name}", plugin, ("run",), refused=True) for name, plugin in BAD.items()],
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sources(duel, case):
    """The server is asked the same, and the same answers are modules."""
    assert duel(case) == []
