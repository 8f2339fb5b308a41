"""Answers of servers by a grammar with faults: whole ones arrive whole, all others are errors, and none takes long."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import zlib
from typing import TYPE_CHECKING, Self

from extism._capabilities.hosts import AllowedHosts
from extism._capabilities.http import Http, Response
from extism._capabilities.http_request import Request
from extism.errors import CapabilityDenied
from fuzz.bytes import mutated
from fuzz.case import Finding, Target

if TYPE_CHECKING:
    import random

LIMIT = 5000
SECONDS = 2.0


class Fuzz(Target):
    """A server that sends whatever it is told to, and one client."""

    def __enter__(self) -> Self:
        self._answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()
        self._http = Http(AllowedHosts(["127.0.0.1"]), LIMIT)
        return self

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with contextlib.suppress(OSError), connection:
                connection.settimeout(SECONDS)
                while b"\r\n\r\n" not in connection.recv(65536):
                    pass
                connection.sendall(self._answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

    def case(self, dice: random.Random) -> None:
        """Send one answer, whole or broken, and look at what arrives."""
        self._answer, body = answer(dice)
        is_whole = dice.random() < 0.4
        if not is_whole:
            self._answer = mutated(dice, self._answer)
        started = time.monotonic()
        found = self._ask(started)
        passed = time.monotonic() - started
        if passed > SECONDS + 1:
            raise Finding(f"it took {passed:.1f} s", self._answer)
        if isinstance(found, Response) and len(found.body) > LIMIT:
            raise Finding(f"{len(found.body)} bytes of at most {LIMIT}", self._answer)
        if not is_whole:
            return
        got = found.body if isinstance(found, Response) else str(found)
        is_too_large = len(body) > LIMIT and isinstance(found, CapabilityDenied)
        if got != body and not is_too_large:
            raise Finding(f"{body[:60]!r} arrived as {got[:200]!r}", self._answer)

    def _ask(self, started: float) -> Response | Exception:
        """Return the answer, or the documented way in which it failed."""
        try:
            return self._http.send(Request(self._url), deadline=started + SECONDS)
        except (ConnectionError, TimeoutError, CapabilityDenied, ValueError) as exc:
            return exc


def answer(dice: random.Random) -> tuple[bytes, bytes]:
    """Return an answer as it should be, and the body that it carries."""
    body = dice.randbytes(dice.choice((0, 1, 5, 100, 4999, 5000, 5001, 20_000)))
    if dice.random() < 0.5:
        body = bytes(len(body))
    headers = [("x-" + "a" * dice.randrange(20), "b" * dice.randrange(50)) for _ in range(3)]
    sent = body
    coding = dice.choice((None, None, "gzip", "deflate"))
    if coding is not None:
        sent = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
        headers.append(("content-encoding", coding))
    framing = dice.choice(("length", "chunked", "close"))
    if framing == "length":
        headers.append(("Content-Length", str(len(sent))))
    elif framing == "chunked":
        headers.append(("Transfer-Encoding", "chunked"))
        sent = _chunked(dice, sent)
    dice.shuffle(headers)
    informational = b"HTTP/1.1 100 Continue\r\n\r\n" * dice.choice((0, 0, 0, 1, 10))
    status = dice.choice((200, 200, 201, 404, 500))
    lines = [f"HTTP/1.{dice.randrange(2)} {status} OK", *(f"{n}: {v}" for n, v in headers), "", ""]
    return informational + "\r\n".join(lines).encode() + sent, body


def _chunked(dice: random.Random, data: bytes) -> bytes:
    parts = []
    while data:
        size = min(len(data), dice.choice((1, 7, 500, 70_000)))
        extension = dice.choice(("", "", ";a=b"))
        parts.append(f"{size:x}{extension}\r\n".encode() + data[:size] + b"\r\n")
        data = data[size:]
    trailer = dice.choice((b"", b"x-trailer: 1\r\n"))
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"
