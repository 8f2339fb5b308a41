"""
`Http`: one request of a guest, with every hop checked and the address pinned.

For each hop: read the URL strictly (`urls.py`), ask `hosts.py` about the name, look the name up, ask about
every address, connect to one of exactly those (`wire.py`), with Host, SNI and certificate after the name.
Redirects are followed here, ten at most. No proxies, cookies, `.netrc` or environment variables take part.
Sockets, TLS and `urllib3` are loaded with the first request.

What can go wrong, and as what it is raised: refused by the manifest, `CapabilityDenied`; a request that is
none, `ValueError`; anything out in the world, `ConnectionError`; the call's time is up, `CallTimeout`; the
request's own time (where the call has no limit), `TimeoutError`; cancelled, `Cancelled`.
"""

from __future__ import annotations

import base64
import contextlib
import re
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism._capabilities.http_request import Request
from extism._capabilities.urls import Url
from extism._dataclass import dataclass, replace
from extism.abi import DEFAULT_MAX_HTTP_RESPONSE_BYTES
from extism.errors import CallTimeout, CapabilityDenied

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from urllib3 import BaseHTTPResponse

    from extism._capabilities.hosts import AllowedHosts
    from extism._capabilities.urls import Address
    from extism._capabilities.wire import Lookup, Patience, Wire

__all__ = ["DEFAULT_TIMEOUT", "MAX_REDIRECTS", "Http", "Response"]

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds for a request, all hops together, where the call has no deadline."""

MAX_REDIRECTS: Final = 10

_BLOCK: Final = 65536
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEPS_BODY: Final = frozenset({307, 308})
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_DEFAULTS: Final = {"accept": "*/*", "accept-encoding": "gzip", "user-agent": "extism-python"}


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


@dataclass(frozen=True)
class _Hop:
    """One request on its way, and the URL that redirected to it."""

    url: Url
    method: str
    headers: Mapping[str, str]
    body: bytes | None
    redirected_from: Url | None = None


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
            return self._follow(_first_hop(wanted, body), Patience(until, is_over))
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
                hop = _first_hop(wanted, body)
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

    async def _awaited_exchange(self, hop: _Hop) -> Response | _Hop:
        """Return the answer, or the hop that it redirects to."""
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
            _ask(request, hop)
        line = await Line.to(found, url.port, context, url.host)
        try:
            await line.send(request.sent)
            head = None
            while head is None:
                await line.receive()
                with contextlib.suppress(Hungry):
                    head = _ask(line.replay(), hop)
            location = head.headers.get("location")
            if head.status in _REDIRECTS and location:
                return _next_hop(hop, head.status, location)
            limit, length = self._max_response_bytes + _BLOCK, _body_length(head, hop)
            while True:
                is_chunked = "transfer-encoding" in head.headers and length is None
                await line.receive_all(length, is_chunked=is_chunked, limit=limit)
                with contextlib.suppress(Hungry):
                    return self._read(_ask(line.replay(), hop), hop)
                limit = 2 * len(line.received)
        finally:
            line.shut()

    def close(self) -> None:
        """End the request that is under way, within 50 ms and from any thread; later ones may come."""
        self._closings += 1

    def _follow(self, hop: _Hop, patience: Patience) -> Response:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(hop, patience)
            if isinstance(answer, Response):
                return answer
            hop = answer
        raise _too_many(hop)

    def _exchange(self, hop: _Hop, patience: Patience) -> Response | _Hop:
        """Return the answer, or the hop that it redirects to."""
        from extism._capabilities.wire import Wire

        patience.left()
        url = hop.url
        context = self._tls if url.scheme == "https" else None
        addresses = self._checked_addresses(hop, patience)
        wire = Wire(addresses, url.port, patience, context=context, name=url.host)
        try:
            answer = _ask(wire, hop)
            location = answer.headers.get("location")
            if answer.status in _REDIRECTS and location:
                return _next_hop(hop, answer.status, location)
            return self._read(answer, hop)
        finally:
            wire.shut()

    def _checked_addresses(self, hop: _Hop, patience: Patience) -> list[Address]:
        from extism._capabilities.wire import lookup, resolve

        url = hop.url
        self._check_name(hop)
        addresses = [url.address] if url.address else None
        if addresses is None:
            addresses = resolve(url.host, url.port, self._look or lookup, patience)
        self._check_addresses(hop, addresses)
        return addresses

    def _check_name(self, hop: _Hop) -> None:
        if not self._hosts.allows(hop.url.host, hop.url.port):
            raise self._denied(hop, f"host {hop.url.host} is not in allowed_hosts")

    def _check_addresses(self, hop: _Hop, addresses: Sequence[Address]) -> None:
        url = hop.url
        for address in addresses:
            if not self._hosts.opens(address, url.host, url.port):
                leads = "is" if url.address else f"leads to {address},"
                why = f"host {url.host} {leads} an address of a private network, and no pattern opens those"
                raise self._denied(hop, why)

    def _denied(self, hop: _Hop, why: str) -> CapabilityDenied:
        url, origin = _cut(str(hop.url)), hop.redirected_from
        there = f"; redirected there from {_cut(str(origin))}" if origin else ""
        patterns = self._hosts.patterns
        held = _cut(", ".join(patterns)) if patterns else "nothing"
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

    def _read(self, answer: BaseHTTPResponse, hop: _Hop) -> Response:
        from urllib3.exceptions import HTTPError

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
                        f"(memory.max_http_response_bytes; from {_cut(str(hop.url))})",
                        capability="http",
                        wanted=str(hop.url),
                    )
        except HTTPError as error:
            raise ConnectionError(f"protocol: the answer's body is broken: {error}") from error
        return Response(answer.status, _plain_headers(answer), b"".join(parts))


def _too_many(hop: _Hop) -> ConnectionError:
    return ConnectionError(f"too many redirects: more than {MAX_REDIRECTS}, last to {hop.url}")


def _body_length(answer: BaseHTTPResponse, hop: _Hop) -> int | None:
    """Return how long the body of an answer is, as far as its head says that."""
    if hop.method == "HEAD" or answer.status in {204, 304}:
        return 0
    length = answer.headers.get("content-length", "").partition(",")[0].strip()
    return int(length) if length else None


def _first_hop(request: Request, body: bytes | None) -> _Hop:
    url = Url.parse(request.url)
    headers = _DEFAULTS | dict(request.headers)
    if url.userinfo is not None and "authorization" not in headers:
        headers["authorization"] = f"Basic {base64.b64encode(url.userinfo).decode('ascii')}"
    return _Hop(url, request.method, headers, body)


def _next_hop(hop: _Hop, status: int, location: str) -> _Hop:
    """Return where a redirect leads, with what may go there."""
    try:
        url = hop.url.join(location)
    except ValueError as error:
        raise ConnectionError(f"redirect failed: {error} (from {_cut(str(hop.url))})") from error
    headers = dict(hop.headers)
    following = replace(hop, url=url, redirected_from=hop.url)
    is_elsewhere = url.origin != hop.url.origin
    if is_elsewhere:
        headers = {name: headers[name] for name in headers if name not in _CREDENTIALS}
    if status in _KEEPS_BODY:
        if is_elsewhere and hop.body is not None:
            there = _cut(str(url))
            raise ConnectionError(
                f"redirect failed: a body is not sent on to another origin, {there}"
            )
        return replace(following, headers=headers)
    method = "HEAD" if hop.method == "HEAD" else "GET"
    headers = {name: headers[name] for name in headers if not name.startswith("content-")}
    return replace(following, method=method, headers=headers, body=None)


def _ask(wire: Wire, hop: _Hop) -> BaseHTTPResponse:
    """Send the request, and return the answer with its head read and checked."""
    from http.client import HTTPException

    from urllib3.connection import HTTPConnection
    from urllib3.exceptions import HTTPError

    connection = HTTPConnection(hop.url.host, hop.url.port)
    connection.sock = wire
    headers = {"host": hop.url.host_header, "connection": "close", **hop.headers}
    if hop.body is not None or hop.method in {"POST", "PUT", "PATCH"}:
        headers["content-length"] = str(len(hop.body or b""))
    # The library writes texts as Latin-1: this makes UTF-8 of them.
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    try:
        # The server may answer, and close, before it has read everything.
        with contextlib.suppress(BrokenPipeError):
            connection.request(hop.method, hop.url.target, hop.body, sent, preload_content=False)
        answer = connection.getresponse()
        _check_framing(answer)
    except (HTTPException, HTTPError) as error:
        raise ConnectionError(f"protocol: {error}") from error
    except ConnectionError as error:
        raise _in_the_words_of_upstream(error) from error
    return answer


def _in_the_words_of_upstream(error: ConnectionError) -> ConnectionError:
    if error.errno is None:
        return error
    return ConnectionError(f"io: {error.strerror} (os error {error.errno})")


def _check_framing(answer: BaseHTTPResponse) -> None:
    """Refuse an answer whose end two readers could see in two places."""
    lengths = {part.strip() for part in answer.headers.get("content-length", "").split(",")} - {""}
    coding = answer.headers.get("transfer-encoding")
    if not all(re.fullmatch(r"\d{1,19}", length, re.ASCII) for length in lengths):
        raise ConnectionError("protocol: the answer's content-length is no number")
    if len(lengths) + (coding is not None) > 1:
        raise ConnectionError("protocol: the answer has more than one length")
    if coding is not None and coding.strip().lower() != "chunked":
        raise ConnectionError(f"protocol: unknown transfer-encoding {coding[:60]!r}")


def _plain_headers(answer: BaseHTTPResponse) -> dict[str, str]:
    from urllib3.response import BaseHTTPResponse

    headers = {
        name.lower(): value
        for name, value in answer.headers.iteritems()
        if re.fullmatch(r"[\t\x20-\x7e]*", value)
    }
    codings = {part.strip() for part in headers.get("content-encoding", "").lower().split(",")}
    if codings <= set(BaseHTTPResponse.CONTENT_DECODERS):
        headers.pop("content-encoding")
        headers.pop("content-length", None)
    return headers


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
