"""
`Http`: one request of a guest, with every hop checked and the address pinned.

For each hop (`hops.py`): read the URL strictly (`urls.py`), ask `hosts.py` about the name, look the name up, ask about
every address, connect to one of exactly those (`wire.py`), with Host, SNI and certificate after the name; then ask
(`http_exchange.py`).
Redirects are followed here, ten at most. No proxies, cookies, `.netrc` or environment variables take part.
Sockets, TLS and `urllib3` are loaded with the first request.

What can go wrong, and as what it is raised: refused by the manifest, `CapabilityDenied`; a request that is
none, `ValueError`; anything out in the world, `ConnectionError`; the call's time is up, `CallTimeout`; the
request's own time (where the call has no limit), `TimeoutError`; cancelled, `Cancelled`.
"""

from __future__ import annotations

import contextlib
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism._capabilities.hops import Hop, cut, first_hop, next_hop
from extism._capabilities.http_request import Request
from extism._dataclass import dataclass
from extism.abi import DEFAULT_MAX_HTTP_RESPONSE_BYTES
from extism.errors import CallTimeout, CapabilityDenied

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from urllib3 import BaseHTTPResponse

    from extism._capabilities.hosts import AllowedHosts
    from extism._capabilities.urls import Address
    from extism._capabilities.wire import Lookup, Patience

__all__ = ["DEFAULT_TIMEOUT", "MAX_REDIRECTS", "Http", "Response"]

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds for a request, all hops together, where the call has no deadline."""

MAX_REDIRECTS: Final = 10

_BLOCK: Final = 65536
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Response:
    """
    An answer.

    Attributes:
        status: Any of 200 to 599; none of them is an error.
        headers: By name in lower case; of a repeated one the last, as upstream. Values that are not visible
            ASCII are left out, and so are encoding and length where the body was decoded.
        body: Decoded from gzip and deflate.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """
    The way of one plug-in, or of the host, to the network; holds nothing open between requests.

    Args:
        hosts: What may be reached.
        max_response_bytes: Of a decoded body; exactly so many are still let in.
        ca_bundle: A file or directory of certificates to trust instead of the system's.
        look: Asked for the addresses of names, instead of the system's resolver.
        timeout: Seconds for a request where the call has no deadline.
    """

    def __init__(
        self,
        hosts: AllowedHosts,
        max_response_bytes: int = DEFAULT_MAX_HTTP_RESPONSE_BYTES,
        *,
        ca_bundle: str | None = None,
        look: Lookup | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._hosts = hosts
        self._max_response_bytes = max_response_bytes
        self._ca_bundle = ca_bundle
        self._look = look
        self._timeout = timeout
        self._closings = 0

    def send(
        self,
        request: Request | bytes,
        body: bytes | None = None,
        *,
        deadline: float | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> Response:
        """
        Return the answer to a request, given as such or in the guest's JSON.

        Args:
            request: What to send.
            body: Sent with every method unless it is `None`.
            deadline: Monotonic seconds.
            is_cancelled: Asked at least every 50 ms, from this thread.

        Raises:
            CapabilityDenied: A hop leads where the manifest does not, or the body is too large.
            ValueError: The request is malformed.
            ConnectionError: Lookup, connection, TLS or HTTP failed; or there were too many redirects.
            CallTimeout: The deadline passed.
            TimeoutError: There is no deadline, and the request took too long.
            Cancelled: `is_cancelled` said so, or `close` was called meanwhile.
        """
        from extism._capabilities.wire import Expired, Patience

        wanted = request if isinstance(request, Request) else Request.parse(request)
        until = time.monotonic() + self._timeout if deadline is None else deadline
        closings = self._closings

        def is_over() -> bool:
            return self._closings != closings or (is_cancelled is not None and is_cancelled())

        try:
            return self._follow(first_hop(wanted, body), Patience(until, is_over))
        except Expired:
            if deadline is not None:
                raise CallTimeout("timeout") from None
            raise self._too_late() from None

    def _too_late(self) -> TimeoutError:
        return TimeoutError(f"io: no complete answer within {self._timeout:g} s")

    async def asend(
        self, request: Request | bytes, body: bytes | None = None, *, has_deadline: bool = False
    ) -> Response:
        """
        Return the answer to a request, as `send` does, while the event loop goes on.

        Who awaits it keeps the deadline, and ends it by cancelling; without one it has a limit of its own.

        Raises:
            Exception: What `send` raises.
        """
        import asyncio

        wanted = request if isinstance(request, Request) else Request.parse(request)
        limit = asyncio.timeout(None if has_deadline else self._timeout)
        try:
            async with limit:
                hop = first_hop(wanted, body)
                for _ in range(MAX_REDIRECTS + 1):
                    answer = await self._awaited_exchange(hop)
                    if isinstance(answer, Response):
                        return answer
                    hop = answer
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._too_late() from error
        raise _too_many(hop)

    async def _awaited_exchange(self, hop: Hop) -> Response | Hop:
        """Return the answer, or the hop that it redirects to."""
        from extism._capabilities.http_exchange import ask, body_length
        from extism._capabilities.wire import lookup
        from extism._capabilities.wire_awaited import Hungry, Line, Replay, resolve

        url = hop.url
        self._check_name(hop)
        look = self._look or lookup
        found = [url.address] if url.address else await resolve(url.host, url.port, look)
        self._check_addresses(hop, found)
        context = self._tls if url.scheme == "https" else None
        request = Replay()
        with contextlib.suppress(Hungry):
            ask(request, hop)
        line = await Line.to(found, url.port, context, url.host)
        try:
            await line.send(request.sent)
            head = None
            while head is None:
                await line.receive()
                with contextlib.suppress(Hungry):
                    head = ask(line.replay(), hop)
            location = head.headers.get("location")
            if head.status in _REDIRECTS and location:
                return next_hop(hop, head.status, location)
            limit, length = self._max_response_bytes + _BLOCK, body_length(head, hop)
            while True:
                is_chunked = "transfer-encoding" in head.headers and length is None
                await line.receive_all(length, is_chunked=is_chunked, limit=limit)
                with contextlib.suppress(Hungry):
                    return self._read(ask(line.replay(), hop), hop)
                limit = 2 * len(line.received)
        finally:
            line.shut()

    def close(self) -> None:
        """End the request that is under way, within 50 ms and from any thread; later ones may come."""
        self._closings += 1

    def _follow(self, hop: Hop, patience: Patience) -> Response:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(hop, patience)
            if isinstance(answer, Response):
                return answer
            hop = answer
        raise _too_many(hop)

    def _exchange(self, hop: Hop, patience: Patience) -> Response | Hop:
        """Return the answer, or the hop that it redirects to."""
        from extism._capabilities.http_exchange import ask
        from extism._capabilities.wire import Wire

        patience.left()
        url = hop.url
        context = self._tls if url.scheme == "https" else None
        addresses = self._checked_addresses(hop, patience)
        wire = Wire(addresses, url.port, patience, context=context, name=url.host)
        try:
            answer = ask(wire, hop)
            location = answer.headers.get("location")
            if answer.status in _REDIRECTS and location:
                return next_hop(hop, answer.status, location)
            return self._read(answer, hop)
        finally:
            wire.shut()

    def _checked_addresses(self, hop: Hop, patience: Patience) -> list[Address]:
        from extism._capabilities.wire import lookup, resolve

        url = hop.url
        self._check_name(hop)
        addresses = [url.address] if url.address else None
        if addresses is None:
            addresses = resolve(url.host, url.port, self._look or lookup, patience)
        self._check_addresses(hop, addresses)
        return addresses

    def _check_name(self, hop: Hop) -> None:
        if not self._hosts.allows(hop.url.host, hop.url.port):
            raise self._denied(hop, f"host {hop.url.host} is not in allowed_hosts")

    def _check_addresses(self, hop: Hop, addresses: Sequence[Address]) -> None:
        url = hop.url
        for address in addresses:
            if not self._hosts.opens(address, url.host, url.port):
                leads = "is" if url.address else f"leads to {address},"
                why = f"host {url.host} {leads} an address of a private network, and no pattern opens those"
                raise self._denied(hop, why)

    def _denied(self, hop: Hop, why: str) -> CapabilityDenied:
        url, origin = cut(str(hop.url)), hop.redirected_from
        there = f"; redirected there from {cut(str(origin))}" if origin else ""
        patterns = self._hosts.patterns
        held = cut(", ".join(patterns)) if patterns else "nothing"
        advice = f"it holds {held}; to allow this host, add {hop.url.host!r}"
        text = f"HTTP request to {url} is not allowed: {why}; allowed_hosts: {advice}{there}"
        return CapabilityDenied(text, capability="http", wanted=str(hop.url))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """What certificates are checked with: the system's trust, or the bundle instead."""
        import ssl

        bundle = self._ca_bundle
        is_folder = bundle is not None and Path(bundle).is_dir()
        try:
            context = ssl.create_default_context(
                cafile=None if is_folder else bundle, capath=bundle if is_folder else None
            )
        except OSError as error:
            raise ConnectionError(f"tls: ca_bundle {bundle!r} cannot be read: {error}") from error
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _read(self, answer: BaseHTTPResponse, hop: Hop) -> Response:
        from urllib3.exceptions import HTTPError

        from extism._capabilities.http_exchange import plain_headers

        limit = self._max_response_bytes
        parts: list[bytes] = []
        total = 0
        try:
            for part in answer.stream(_BLOCK, decode_content=True):
                parts.append(part)
                total += len(part)
                if total > limit:
                    raise CapabilityDenied(
                        f"HTTP response exceeds the configured maximum number of bytes: {limit} "
                        f"(memory.max_http_response_bytes; from {cut(str(hop.url))})",
                        capability="http",
                        wanted=str(hop.url),
                    )
        except HTTPError as error:
            raise ConnectionError(f"protocol: the answer's body is broken: {error}") from error
        return Response(answer.status, plain_headers(answer), b"".join(parts))


def _too_many(hop: Hop) -> ConnectionError:
    return ConnectionError(f"too many redirects: more than {MAX_REDIRECTS}, last to {hop.url}")
