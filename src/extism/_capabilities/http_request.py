"""
`Request`: what a guest asks for over HTTP, read strictly and made safe to send.

Guests send JSON: `{"url": text, "headers": {text: text}, "method": text}`, the last two optional. Framing,
routing and the connection itself belong to the host: those headers a guest cannot set.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from extism._dataclass import dataclass, field
from extism.errors import CapabilityDenied

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["METHODS", "Request"]

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})

MAX_JSON_BYTES: Final = 1 << 20

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[^\0-\x08\x0a-\x1f\x7f]*")
"""Any text that is one line; letters beyond ASCII go out as UTF-8."""

_REFUSED: Final = frozenset({"host", "content-length", "transfer-encoding"})
"""They would change which server answers, or where a message ends."""

_OURS: Final = frozenset({"connection", "expect", "keep-alive", "te", "trailer", "upgrade"})
"""About this one connection, which a guest knows nothing of: left out without a word."""


@dataclass(frozen=True)
class Request:
    """
    One request.

    Attributes:
        url: As given; `Url.parse` checks it.
        method: In upper case, one of `METHODS`.
        headers: By name in lower case, without those that are the host's business.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", _method(self.method))
        object.__setattr__(self, "headers", dict(_headers(self.headers)))

    @classmethod
    def parse(cls, data: bytes) -> Request:
        """
        Return the request in JSON from a guest.

        Raises:
            ValueError: It is no such JSON, in upstream's words; or method or header are malformed.
            CapabilityDenied: It sets a header that is the host's.
        """
        given = _object(data)
        for key in given:
            if key not in _KINDS:
                expected = "one of `url`, `headers`, `method`"
                raise ValueError(f"unknown field `{key[:60]}`, expected {expected}")
        if "url" not in given:
            raise ValueError("missing field `url`")
        for key, value in given.items():
            kinds, name = _KINDS[key]
            if not isinstance(value, kinds):
                raise _wrong_type(value, f"{name} for `{key}`")
        method = given.get("method")
        return cls(given["url"], "GET" if method is None else method, given.get("headers", {}))


_KINDS: Final[dict[str, tuple[Any, str]]] = {
    "url": (str, "a string"),
    "headers": (dict, "a map"),
    "method": ((str, type(None)), "a string or null"),
}


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"http request: {len(data)} bytes of JSON; at most {MAX_JSON_BYTES}")
    try:
        given = json.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("http request: JSON nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"http request: not JSON: {error}") from error
    if not isinstance(given, dict):
        raise _wrong_type(given, "a map")
    return given


def _wrong_type(value: object, expected: str) -> ValueError:
    found = {
        dict: "a map",
        list: "a sequence",
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a float",
        type(None): "null",
    }[type(value)]
    return ValueError(f"invalid type: {found}, expected {expected}")


def _method(text: str) -> str:
    method = text.upper()
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"invalid HTTP method: {text[:60]!r}")
    if method not in METHODS:
        raise ValueError(f"protocol: {method[:60]} not valid for HTTP version HTTP/1.1")
    return method


def _headers(given: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the headers that go out; of two names that differ in case only, the later one counts."""
    found: dict[str, str] = {}
    for name, value in given.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"invalid HTTP header name: {name[:60]!r}")
        if not isinstance(value, str):
            raise _wrong_type(value, f"a string for header {name[:60]}")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"failed to parse header value of {name[:60]}")
        key = name.lower()
        if key in _REFUSED:
            raise CapabilityDenied(
                f"HTTP header {name} is set by the host and cannot be set by a plug-in; leave it out",
                capability="http",
                wanted=name,
            )
        if key not in _OURS and not key.startswith("proxy-"):
            found[key] = value.strip()
    return found
