"""
HTTP requests, which the host makes for the plug-in, to the hosts that it allows.

A request that is not allowed, and one that finds no server, ends the call: there is nothing to catch. A
response of any status is a response.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import ffi

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Http", "HttpRequest", "HttpResponse"]


class HttpResponse:
    """The answer to a request; it keeps its values when the next request is made."""

    def __init__(self, status_code: int, data: bytes, headers: bytes | None) -> None:
        self._status_code = status_code
        self._data = data
        self._headers = headers

    def __repr__(self) -> str:
        return f"<HttpResponse {self._status_code}, {len(self._data)} bytes>"

    @property
    def status_code(self) -> int:
        """The status, such as 200."""
        return self._status_code

    def data_bytes(self) -> bytes:
        """Return the body."""
        return self._data

    def data_str(self) -> str:
        """Return the body, read as UTF-8."""
        return self._data.decode()

    def data_json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self._data)

    def headers(self) -> dict[str, str]:
        """
        Return the headers by name, names in lower case.

        Raises:
            RuntimeError: The host does not hand response headers to plug-ins.
        """
        if self._headers is None:
            raise RuntimeError(
                "this host does not hand response headers to plug-ins; it has to enable them "
                "(extism call: --enable-http-response-headers)"
            )
        headers: dict[str, str] = json.loads(self._headers)
        return headers


@dataclass
class HttpRequest:
    """
    A request that has not been sent yet.

    Attributes:
        url: With scheme `http` or `https`.
        method: In any case; None is GET.
        headers: By name.
    """

    url: str
    method: str | None = None
    headers: Mapping[str, str] | None = field(default=None)

    def send(self, body: bytes | bytearray | memoryview | str | None = None) -> HttpResponse:
        """
        Send the request and return the answer.

        Args:
            body: Text is sent as UTF-8; None sends none.

        Raises:
            TypeError: A header or the body is of a type that cannot be sent.
        """
        data = ffi.host.http_request(self._json(), _body(body))
        return HttpResponse(ffi.host.http_status_code(), data, ffi.host.http_headers())

    def _json(self) -> bytes:
        method = self.method or "GET"
        headers = dict(self.headers or {})
        _check("url", self.url)
        _check("method", method)
        for name, value in headers.items():
            _check("name of a header", name)
            _check(f"header {name}", value)
        return json.dumps({"url": self.url, "method": method, "headers": headers}).encode()


def _check(what: str, value: object) -> None:
    # The host ends the call over a value that it cannot read: say it here, where it can be caught.
    if not isinstance(value, str):
        raise TypeError(f"the {what} of a request is str, not {type(value).__name__}")


def _body(body: bytes | bytearray | memoryview | str | None) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise TypeError(f"the body of a request is str or bytes, not {type(body).__name__}")


class Http:
    """Requests over HTTP."""

    @staticmethod
    def request(
        url: str,
        meth: str = "GET",
        body: bytes | bytearray | memoryview | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """
        Send a request and return the answer.

        Args:
            url: With scheme `http` or `https`; its host must be among those that the host allows.
            meth: The method.
            body: Text is sent as UTF-8; None sends none.
            headers: By name.

        Raises:
            TypeError: A value is of a type that cannot be sent.
        """
        return HttpRequest(url, meth, headers).send(body)
