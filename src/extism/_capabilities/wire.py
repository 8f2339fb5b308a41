"""
`Wire`: a connection to one checked address on which nothing lasts longer than it may.

Theory of operation: every wait (name lookup, connect, TLS handshake, each read and write) is done in slices
of 50 ms, and before each slice `Patience` is asked whether time is up or somebody cancelled. So a server
that sends one byte a second, or a name server that never answers, holds nobody up. `urllib3` speaks HTTP
over the wire as over any socket; it never opens one itself.

What can go wrong: an answer may be endless before its body begins. `_Answer` limits and checks its head.
"""

from __future__ import annotations

import errno
import io
import math
import os
import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from extism._capabilities.urls import Address, parse_address
from extism.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

__all__ = ["Expired", "Lookup", "Patience", "Wire", "lookup", "resolve"]

SLICE: Final = 0.05
"""Seconds of one wait: so late is a cancellation noticed at most."""

MAX_ATTEMPTS: Final = 8
"""Addresses of one name that are tried."""

MAX_HEAD_BYTES: Final = 64 << 10
MAX_INFORMATIONAL: Final = 10

Lookup: TypeAlias = Callable[[str, int], Sequence[str]]
"""From host and port to addresses; it may block."""


class Expired(Exception):
    """Time is up. No OSError, so that nobody on the way takes it for a broken connection."""


class Patience:
    """How long to go on: until a deadline, or until somebody cancels."""

    __slots__ = ("deadline", "is_cancelled")

    def __init__(self, deadline: float, is_cancelled: Callable[[], bool] | None = None) -> None:
        self.deadline = deadline
        self.is_cancelled = is_cancelled

    def left(self) -> float:
        """
        Return the seconds left, more than 0.

        Raises:
            Expired: There are none.
            Cancelled: Somebody cancelled.
        """
        if self.is_cancelled is not None and self.is_cancelled():
            raise Cancelled("timeout: the call was cancelled")
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise Expired
        return seconds

    def slice(self) -> float:
        """Return how long to wait before asking again; raises as `left` does."""
        return max(0.001, min(self.left(), SLICE))


def lookup(host: str, port: int) -> list[str]:
    """Return the addresses that the system's resolver knows for a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def resolve(host: str, port: int, look: Lookup, patience: Patience) -> list[Address]:
    """
    Return the addresses of a name.

    Raises:
        ConnectionError: There are none.
    """
    answers: list[Sequence[str] | BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            answers.append(look(host, port))
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
            answers.append(error)
        done.set()

    threading.Thread(target=ask, name=f"extism lookup {host[:40]}", daemon=True).start()
    while not done.wait(patience.slice()):
        pass
    answer = answers[0]
    if isinstance(answer, OSError | UnicodeError):
        raise failed_lookup(host, answer) from answer
    if isinstance(answer, BaseException):
        raise answer
    addresses = [address for text in answer if (address := parse_address(text)) is not None]
    if not addresses:
        raise failed_lookup(host, None)
    return addresses


def failed_lookup(host: str, reason: OSError | UnicodeError | None) -> ConnectionError:
    """Return the error of a name that leads nowhere, in the words of upstream."""
    text = "no address" if reason is None else getattr(reason, "strerror", None) or str(reason)
    return ConnectionError(f"io: failed to lookup address information: {text} ({host})")


def connection_refused(last: OSError) -> ConnectionError:
    """Return the error where no address answered, of what the last one said."""
    number = last.errno or 0
    return ConnectionError(f"io: {os.strerror(number)} (os error {number})")


def _connect(addresses: Sequence[Address], port: int, patience: Patience) -> socket.socket:
    """Return a socket connected to the first address that answers; each gets its share of the time."""
    left = min(len(addresses), MAX_ATTEMPTS)
    for address in addresses[:left]:
        # The last one needs no share: for it, time is up when patience says so.
        share = patience.left() / left if left > 1 else math.inf
        left -= 1
        try:
            return _connect_one(address, port, patience, time.monotonic() + share)
        except OSError as error:
            last = error
    raise connection_refused(last) from last


def _connect_one(address: Address, port: int, patience: Patience, until: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        code = sock.connect_ex((str(address), port))
        if code in {errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)}:
            _wait_until_connected(sock, patience, until)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        _check(code)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        # Time is up, somebody cancelled, or Ctrl-C: nobody else knows of the socket.
        sock.close()
        raise
    return sock


def _wait_until_connected(sock: socket.socket, patience: Patience, until: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        while not selector.select(patience.slice()):
            if time.monotonic() >= until:
                _check(errno.ETIMEDOUT)


def _check(code: int) -> None:
    if code:
        raise OSError(code, os.strerror(code))


def _secure(
    sock: socket.socket, context: ssl.SSLContext, name: str, patience: Patience
) -> ssl.SSLSocket:
    """Return the socket with TLS on it; certificate and name are checked by the handshake."""
    tls = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    try:
        while True:
            tls.settimeout(patience.slice())
            try:
                tls.do_handshake()
            except TimeoutError:
                continue
            return tls
    except ssl.SSLCertVerificationError as error:
        tls.close()
        raise ConnectionError(
            f"tls: {name}: certificate refused: {error.verify_message}"
        ) from error
    except BaseException as error:
        # As in `_connect_one`.
        tls.close()
        if isinstance(error, OSError):
            raise ConnectionError(f"tls: {name}: {error.strerror or error}") from error
        raise


class Wire:
    """
    A connection; what `http.client` and `urllib3` need of a socket, with patience.

    They close it as soon as they have seen the head of an answer. So `close` does nothing and `shut` does.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        port: int,
        patience: Patience,
        *,
        context: ssl.SSLContext | None = None,
        name: str = "",
    ) -> None:
        self._patience = patience
        sock = _connect(addresses, port, patience)
        self._sock = sock if context is None else _secure(sock, context, name, patience)

    def sendall(self, data: Buffer) -> None:
        """Send everything."""
        rest = memoryview(data).cast("B")
        while rest:
            self._sock.settimeout(self._patience.slice())
            try:
                rest = rest[self._sock.send(rest[:65536]) :]
            except TimeoutError:
                continue

    def receive_into(self, buffer: Buffer) -> int:
        """Fill a part of the buffer, and return how many bytes; 0 at the end."""
        while True:
            self._sock.settimeout(self._patience.slice())
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue

    def makefile(self, mode: str) -> _Answer:
        """Return the answer as a file."""
        assert mode == "rb", mode
        return _Answer(_Incoming(self))

    def settimeout(self, seconds: object) -> None:
        """Do nothing: patience decides."""

    def close(self) -> None:
        """Do nothing: `shut` closes."""

    def shut(self) -> None:
        """Close the connection."""
        self._sock.close()


class _Incoming(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        return self._wire.receive_into(buffer)


_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: [^\0\r\n]*)?\r?\n")
_HEADER_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r\n]*\r?\n")
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\0\r\n]*)?\r?\n")
_BLANK: Final = frozenset({b"\r\n", b"\n"})


class _Answer(io.BufferedReader):
    """
    The bytes of an answer, whose head is checked line by line as `http.client` reads it.

    Informational answers (1xx) before the real one are skipped, ten at most. After the head, `readline` is
    only called for the sizes of chunks and for trailers, and what is read between is a chunk or the line
    break after it: the library takes any two bytes for that, and `0x5` for a size.
    """

    def __init__(self, raw: _Incoming) -> None:
        super().__init__(raw, 65536)
        self._left = MAX_HEAD_BYTES
        self._line: Callable[[], bytes] = self._status_line
        self._left_of_chunk: int | None = None

    def readline(self, _size: int | None = -1, /) -> bytes:
        """Return the next line; the limits are ours, whatever is asked for."""
        return self._line()

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; after a chunk only a line break."""
        data = super().read(size)
        left = self._left_of_chunk
        if left == 0:
            if data != b"\r\n":
                raise ConnectionError(f"protocol: no line break after a chunk: {data[:60]!r}")
            self._left_of_chunk = None
        elif left is not None:
            self._left_of_chunk = left - len(data)
        return data

    def _status_line(self) -> bytes:
        for _ in range(MAX_INFORMATIONAL + 1):
            line = self._head_line()
            if not line:
                raise ConnectionError("io: the connection was closed before an answer came")
            found = _STATUS_LINE.fullmatch(line)
            if found is None:
                raise ConnectionError(f"protocol: this is no HTTP/1 answer: {line[:60]!r}")
            if not found[1].startswith(b"1"):
                self._line = self._header_line
                return line
            if found[1] == b"101":
                raise ConnectionError("protocol: the server switches protocols unasked")
            while self._header_line() not in _BLANK:
                pass
            self._line = self._status_line
        raise ConnectionError("protocol: more than 10 informational answers")

    def _header_line(self) -> bytes:
        line = self._head_line()
        if line in _BLANK:
            self._line = self._size_line
        elif not _HEADER_LINE.fullmatch(line):
            raise ConnectionError(f"protocol: a malformed header: {line[:60]!r}")
        return line

    def _head_line(self) -> bytes:
        line = super().readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise ConnectionError(f"protocol: more than {MAX_HEAD_BYTES} bytes of headers")
        return line

    def _size_line(self) -> bytes:
        line = super().readline(MAX_HEAD_BYTES)
        found = _CHUNK_LINE.fullmatch(line)
        if line and found is None:
            raise ConnectionError(f"protocol: a malformed chunk: {line[:60]!r}")
        self._left_of_chunk = int(found[1], 16) if found else 0
        if not self._left_of_chunk:
            self._left_of_chunk = None
            self._left = MAX_HEAD_BYTES
            self._line = self._head_line  # trailers, which nobody looks at
        return line
