"""
One exchange of bytes with one server, awaited: what `wire.py` does, without a thread and without holding up the loop.

The answer is collected, and `http.py` reads it from memory, with the same code as from a socket. So here is known of
HTTP only where an answer ends; whether it is one is judged there, and what is not is handed over as it is.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from extism._capabilities.urls import parse_address
from extism._capabilities.wire import (
    MAX_ATTEMPTS,
    MAX_HEAD_BYTES,
    Wire,
    connection_refused,
    failed_lookup,
)

if TYPE_CHECKING:
    from collections.abc import Buffer, Sequence  # type: ignore[attr-defined]

    from extism._capabilities.urls import Address
    from extism._capabilities.wire import Lookup

__all__ = ["Hungry", "Line", "Replay", "resolve"]

_BLOCK: Final = 65536
_ATTEMPT_SECONDS: Final = 5.0
"""For each address of a name but the last."""

_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_INFORMATIONAL: Final = re.compile(rb"HTTP/1\.[01] 1")
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,16}")


class Hungry(Exception):
    """There is more to come. No OSError, so that nobody on the way takes it for a broken connection."""


class Replay(Wire):
    """
    Bytes that were received, in the place of a connection; what is sent over it is kept.

    Args:
        received: All bytes so far.
        has_ended: Whether there are no more.
        broken: Why not, if the connection broke.
    """

    def __init__(
        self,
        received: bytes | bytearray = b"",
        *,
        has_ended: bool = False,
        broken: ConnectionError | None = None,
    ) -> None:
        self.sent = bytearray()
        self._received = memoryview(bytes(received))
        self._at = 0
        self._has_ended = has_ended
        self._broken = broken

    def sendall(self, data: Buffer) -> None:
        """Keep everything."""
        self.sent += memoryview(data).cast("B")

    def receive_into(self, buffer: Buffer) -> int:
        """
        Fill a part of the buffer, and return how many bytes; 0 at the end.

        Raises:
            Hungry: There are no more so far.
            ConnectionError: There will be none: the connection broke.
        """
        part = self._received[self._at : self._at + len(memoryview(buffer))]
        if not part and not self._has_ended:
            raise Hungry
        if not part and self._broken is not None:
            raise self._broken
        memoryview(buffer)[: len(part)] = part
        self._at += len(part)
        return len(part)

    def shut(self) -> None:
        """Do nothing: there is no connection."""


class Line:
    """
    A connection, and all that has come over it.

    Args:
        reader: Where bytes come from.
        writer: Where they go.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = bytearray()
        self._has_ended = False
        self._broken: ConnectionError | None = None

    @classmethod
    async def to(
        cls,
        addresses: Sequence[Address],
        port: int,
        context: ssl.SSLContext | None,
        name: str,
    ) -> Line:
        """
        Return a connection to the first address that answers.

        Raises:
            ConnectionError: None does, or its certificate is refused.
        """
        tried = addresses[:MAX_ATTEMPTS]
        last: OSError = OSError("no address")
        for address in tried:
            limit = None if address is tried[-1] else _ATTEMPT_SECONDS
            try:
                async with asyncio.timeout(limit):
                    return cls(*await _opened(address, port, context, name))
            except ssl.SSLCertVerificationError as error:
                raise ConnectionError(
                    f"tls: {name}: certificate refused: {error.verify_message}"
                ) from error
            except ssl.SSLError as error:
                raise ConnectionError(f"tls: {name}: {error.strerror or error}") from error
            except OSError as error:
                last = error
        raise connection_refused(last)

    async def send(self, data: bytes | bytearray) -> None:
        """Send everything; the other side may answer, and close, before it has read it all."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> None:
        """Wait for more bytes, or for the end."""
        part = b""
        try:
            part = await self._reader.read(_BLOCK)
        except ConnectionError as error:
            self._broken = error
        self.received += part
        self._has_ended = not part

    def replay(self) -> Replay:
        """Return what can be read in the place of this connection."""
        return Replay(self.received, has_ended=self._has_ended, broken=self._broken)

    async def receive_all(self, length: int | None, *, is_chunked: bool, limit: int) -> None:
        """
        Wait for the rest of an answer whose head is there, or until it is longer than `limit`.

        Args:
            length: Of its body; None for one that ends with the connection, or with its last chunk.
            is_chunked: Whether it comes in chunks.
            limit: In bytes.
        """
        start = self._body_start()
        chunks = _Chunks(start)
        while not self._has_ended and len(self.received) - start <= limit:
            if is_chunked:
                if chunks.has_end(self.received):
                    return
            elif length is not None and len(self.received) - start >= length:
                return
            await self.receive()

    def _body_start(self) -> int:
        """Return where the head of the answer ends, behind informational ones."""
        at = 0
        while (end := _HEAD.search(self.received, at)) is not None:
            if not _INFORMATIONAL.match(self.received, at):
                return end.end()
            at = end.end()
        return len(self.received)

    def shut(self) -> None:
        """Close the connection, without waiting for anything."""
        self._writer.transport.abort()


class _Chunks:
    """Where the chunks of a body end, looked for as far as they have come."""

    def __init__(self, start: int) -> None:
        self._at = start
        self._trailers: int | None = None

    def has_end(self, data: bytearray) -> bool:
        """Tell whether the last chunk is there; what are no chunks, or no trailers, has its end everywhere."""
        while (end := data.find(b"\n", self._at)) >= 0:
            line = bytes(data[self._at : end]).strip()
            self._at = end + 1
            if self._trailers is not None:
                if not line:
                    return True
                continue
            size = _SIZE.match(line)
            if size is None:
                return True
            length = int(size[0], 16)
            if length:
                self._at += length + 2
            else:
                self._trailers = self._at
        begun = self._at if self._trailers is None else self._trailers
        return len(data) - begun > MAX_HEAD_BYTES


async def _opened(
    address: Address, port: int, context: ssl.SSLContext | None, name: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    server = name if context is not None else None
    return await asyncio.open_connection(str(address), port, ssl=context, server_hostname=server)


async def resolve(host: str, port: int, look: Lookup) -> list[Address]:
    """
    Return the addresses of a name, which is looked up on a thread of the loop's.

    Raises:
        ConnectionError: There are none.
    """
    loop = asyncio.get_running_loop()
    try:
        answer = await loop.run_in_executor(None, look, host, port)
    except (OSError, UnicodeError) as error:
        raise failed_lookup(host, error) from error
    addresses = [address for text in answer if (address := parse_address(text)) is not None]
    if not addresses:
        raise failed_lookup(host, None)
    return addresses
