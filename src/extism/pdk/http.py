"""
HTTP requests, which the host makes for the plug-in, to the hosts that it allows.

A request that is not allowed, and one that finds no server, ends the call: there is nothing to catch. A
response of any status is a response; `raise_for_status` makes an error of the bad ones. `urllib.request` sends its
requests here too (`urls.py`).
"""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import ffi, values
from .errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Http", "HttpError", "HttpRequest", "HttpResponse"]

T = TypeVar("T")
D = TypeVar("D")


class HttpError(Exception):
    """
    A response whose status tells of a failure, made an error by `HttpResponse.raise_for_status`.

    Attributes:
        response: All of it.
    """

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        super().__init__(f"{response.method} {response.url}: status {response.status_code}")


class HttpResponse:
    """The answer to a request; it keeps its values when the next request is made."""

    def __init__(
        self,
        status_code: int,
        data: bytes,
        headers: bytes | None,
        *,
        method: str = "GET",
        url: str = "",
    ) -> None:
        self._status_code = status_code
        self._data = data
        self._headers = headers
        self._method = method
        self._url = url

    def __repr__(self) -> str:
        return f"<HttpResponse {self._status_code}, {len(self._data)} bytes>"

    @property
    def status_code(self) -> int:
        """The status, such as 200."""
        return self._status_code

    @property
    def ok(self) -> bool:
        """Whether the status tells of success: 200 to 299."""
        return 200 <= self._status_code <= 299

    @property
    def method(self) -> str:
        """The method of the request."""
        return self._method

    @property
    def url(self) -> str:
        """The URL of the request; the host may have followed redirects."""
        return self._url

    def raise_for_status(self) -> HttpResponse:
        """
        Return the response itself, if its status is not 400 or more.

        Raises:
            HttpError: It is; the error has the response.
        """
        if self._status_code >= 400:
            raise HttpError(self)
        return self

    def data_bytes(self) -> bytes:
        """Return the body."""
        return self._data

    def data_str(self) -> str:
        """Return the body, read as UTF-8."""
        return self._data.decode()

    def data_json(self) -> Any:
        """Return the body, read as JSON."""
        return json_module.loads(self._data)

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, t: type[T]) -> T: ...
    def json(self, t: Any = Any) -> Any:
        """
        Return the body, read as JSON, as a value of the annotation `t`: a dataclass, `list[int]`, ...

        Raises:
            InputError: It is something else; the text says where.
        """
        try:
            return values.decode(t, self._data)
        except InputError as error:
            raise error.under("response") from None

    @property
    def has_headers(self) -> bool:
        """Whether the host hands response headers to plug-ins."""
        return self._headers is not None

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
        headers: dict[str, str] = json_module.loads(self._headers)
        return headers

    @overload
    def header(self, name: str) -> str | None: ...
    @overload
    def header(self, name: str, default: D) -> str | D: ...
    def header(self, name: str, default: object = None) -> object:
        """
        Return one header, whatever the case of its name, `default` where it is missing.

        Raises:
            RuntimeError: The host does not hand response headers to plug-ins.
        """
        found = {key.lower(): value for key, value in self.headers().items()}
        return found.get(name.lower(), default)


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
        method = self.method or "GET"
        data = ffi.host.http_request(self._json(method), _body(body))
        status, headers = ffi.host.http_status_code(), ffi.host.http_headers()
        return HttpResponse(status, data, headers, method=method, url=self.url)

    def _json(self, method: str) -> bytes:
        headers = dict(self.headers or {})
        _check("url", self.url)
        _check("method", method)
        for name, value in headers.items():
            _check("name of a header", name)
            _check(f"header {name}", value)
        return json_module.dumps({"url": self.url, "method": method, "headers": headers}).encode()


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
    """
    Requests over HTTP.

    `params` are added to the URL's query; `json` is sent as JSON in the body's place, with its Content-Type.
    """

    @staticmethod
    def request(
        url: str,
        meth: str = "GET",
        body: bytes | bytearray | memoryview | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        json: object = None,
    ) -> HttpResponse:
        """
        Send a request and return the answer.

        Args:
            url: With scheme `http` or `https`; its host must be among those that the host allows.
            meth: The method.
            body: Text is sent as UTF-8; None sends none.
            headers: By name.
            params: Values by name; of a list, each is sent.
            json: Any value that JSON has a form for, a dataclass too; None sends none.

        Raises:
            TypeError: A value is of a type that cannot be sent, or there are both `body` and `json`.
        """
        given = dict(headers or {})
        if json is not None:
            if body is not None:
                raise TypeError("a request has one body: give body or json, not both")
            body = values.dumps(json)
            if not any(name.lower() == "content-type" for name in given):
                given["Content-Type"] = "application/json"
        return HttpRequest(_with_query(url, params), meth, given).send(body)

    @staticmethod
    def get(
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        """Send a GET request and return the answer."""
        return Http.request(url, "GET", None, headers, params=params)

    @staticmethod
    def post(
        url: str,
        body: bytes | bytearray | memoryview | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        json: object = None,
    ) -> HttpResponse:
        """Send a POST request and return the answer."""
        return Http.request(url, "POST", body, headers, params=params, json=json)

    @staticmethod
    def put(
        url: str,
        body: bytes | bytearray | memoryview | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        json: object = None,
    ) -> HttpResponse:
        """Send a PUT request and return the answer."""
        return Http.request(url, "PUT", body, headers, params=params, json=json)

    @staticmethod
    def patch(
        url: str,
        body: bytes | bytearray | memoryview | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        json: object = None,
    ) -> HttpResponse:
        """Send a PATCH request and return the answer."""
        return Http.request(url, "PATCH", body, headers, params=params, json=json)

    @staticmethod
    def delete(
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        """Send a DELETE request and return the answer."""
        return Http.request(url, "DELETE", None, headers, params=params)


def _with_query(url: str, params: Mapping[str, object] | None) -> str:
    if not params:
        return url
    from urllib.parse import urlencode  # few plug-ins need it

    before, mark, fragment = url.partition("#")
    joint = "&" if "?" in before else "?"
    return f"{before}{joint}{urlencode(params, doseq=True)}{mark}{fragment}"
