"""SK12: 50,000 requests to a server that resets 5 %, is slow for 5 % and redirects 20 %."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from http_server import message, serve

import extism
from extism.errors import CallTimeout, Error
from soak.guests import fetcher

if TYPE_CHECKING:
    from soak.run import Run

PLUGINS = 3
SLOW, LIMIT = 0.3, 0.1
KINDS = (("reset", 0.05), ("slow", 0.05), ("redirect", 0.20), ("plain", 0.70))


def reset(connection: socket.socket) -> None:
    """Close so that the other side is told of a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def soak(run: Run) -> None:
    """Each request ends as it should, and each has a connection of its own."""
    with serve() as server:
        host = server.host
        server.answer("/plain", body=b"plain answer")
        server.redirect("/redirect", server.url("/plain"))
        server.script("/reset", reset)
        server.script("/slow", slow)
        manifest = {"wasm": [{"data": fetcher().encode()}], "allowed_hosts": [host]}
        plugins = [extism.Plugin(manifest, functions=[]) for _ in range(PLUGINS)]
        dice, hops = random.Random(12), 0
        for step in run.steps(run.count(50_000, 100)):
            kind = dice.choices([k for k, _ in KINDS], [share for _, share in KINDS])[0]
            plugin = plugins[step % PLUGINS]
            check(run, plugin, server.url(f"/{kind}"), kind)
            hops += 2 if kind == "redirect" else 1
            server.seen.clear()
            if step % 1000 == 999:
                settle()
        run.figures["connections"] = f"{server.connection_count} for {hops} hops"
        run.expect(server.connection_count == hops, run.figures["connections"])
        settle()


def check(run: Run, plugin: extism.Plugin, url: str, kind: str) -> None:
    """Send one request and look at its end."""
    request = json.dumps({"url": url, "method": "GET"})
    try:
        answer = plugin.call("get", request, timeout=LIMIT if kind == "slow" else 30)
    except Error as exc:
        right = (kind == "slow" and isinstance(exc, CallTimeout)) or (
            kind == "reset" and "os error" in str(exc)
        )
        run.expect(right, f"{kind}: {exc!r}"[:300])
    else:
        right = kind in {"plain", "redirect"} and answer == b"\xc8\0\0\0plain answer"
        run.expect(right, f"{kind}: {answer[:60]!r}")
    run.called(None if kind == "plain" else kind)


def slow(connection: socket.socket) -> None:
    """Answer too late."""
    time.sleep(SLOW)
    connection.sendall(message(200, b"at last"))


def settle() -> None:
    """Wait until the server's threads have gone, so that they do not count as ours."""
    end = time.monotonic() + 10
    while threading.active_count() > 3 and time.monotonic() < end:
        time.sleep(0.02)
