"""
The standard library's `urllib.request`, whose requests the host makes.

Openers, handlers, data, headers and errors work as ever, for `http` and `https`. What the host decides is not the
plug-in's to say: proxies, certificates, time-outs, and redirects, which the host follows itself.
"""

from __future__ import annotations

import io
import urllib.request as requests  # as: while it is being imported, `urllib` does not have it yet
from http.client import HTTPMessage, responses
from typing import TYPE_CHECKING, Any, Final
from urllib.response import addinfourl

from .http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["install"]

_HOSTS_OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""Headers that the host sets, and lets nobody else set."""

_PROTOCOLS: Final = ("http", "https")


class _Response(addinfourl):
    """What `urlopen` returns, with the names that callers know from `http.client.HTTPResponse`."""

    def __init__(self, answer: HttpResponse, headers: HTTPMessage, url: str) -> None:
        super().__init__(io.BytesIO(answer.data_bytes()), headers, url, answer.status_code)
        self.reason = self.msg = responses.get(answer.status_code, "")
        self.version = 11

    def getheader(self, name: str, default: Any = None) -> Any:
        return self.headers.get(name, default)

    def getheaders(self) -> list[tuple[str, str]]:
        return list(self.headers.items())


def _open(_handler: object, request: requests.Request) -> _Response:
    """Send a request through the host: what handlers do in their `http_open`."""
    headers = {**request.unredirected_hdrs, **request.headers}
    given = {
        name.title(): value for name, value in headers.items() if name.lower() not in _HOSTS_OWN
    }
    url = request.full_url.partition("#")[0]
    answer = HttpRequest(url, request.get_method(), given).send(_body(request.data))
    return _Response(answer, _headers(answer), url)


def _body(data: Any) -> bytes | None:
    """Return the bytes of what a request may have as data: bytes, a file, or an iterable of bytes."""
    if data is None or isinstance(data, bytes):
        return data
    if hasattr(data, "read"):
        content = data.read()
        return content if isinstance(content, bytes) else str(content).encode("latin-1")
    return b"".join([data] if isinstance(data, (bytearray, memoryview)) else data)


def _headers(answer: HttpResponse) -> HTTPMessage:
    message = HTTPMessage()
    if answer.has_headers:
        for name, value in answer.headers().items():
            message[name] = value
    return message


def install() -> Callable[[], None]:
    """Have the handlers of `http` and `https` ask the host; return what undoes it."""
    prepare = requests.AbstractHTTPHandler.do_request_
    ours: dict[str, Callable[..., Any]] = {f"{protocol}_open": _open for protocol in _PROTOCOLS}
    ours |= {f"{protocol}_request": prepare for protocol in _PROTOCOLS}
    # Where there is no TLS, there is no handler of `https`: then that of `http` takes both.
    kinds = [getattr(requests, name, None) for name in ("HTTPHandler", "HTTPSHandler")]
    before = [(kind, dict(vars(kind))) for kind in kinds if kind is not None]
    for kind, _ in before:
        for name, function in ours.items():
            setattr(kind, name, function)
    # An opener knows by heart which handlers it found: what is made from now on is of no use afterwards.
    opener, requests._opener = requests._opener, None  # type: ignore[attr-defined]  # noqa: SLF001

    def undo() -> None:
        requests._opener = opener  # type: ignore[attr-defined]  # noqa: SLF001
        for kind, members in before:
            for name in ours:
                if name in members:
                    setattr(kind, name, members[name])
                else:
                    delattr(kind, name)

    return undo
