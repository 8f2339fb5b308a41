"""
A request on its way: what it sets out with, and where a redirect leads it, with how much of that.

Whether it may go there is `http.py`'s to ask, before anything is connected.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from extism._capabilities.urls import Url
from extism._dataclass import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from extism._capabilities.http_request import Request

__all__ = ["Hop", "cut", "first_hop", "next_hop"]

_KEEPS_BODY: Final = frozenset({307, 308})
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_DEFAULTS: Final = {"accept": "*/*", "accept-encoding": "gzip", "user-agent": "extism-python"}


@dataclass(frozen=True)
class Hop:
    """One request on its way, and the URL that redirected to it."""

    url: Url
    method: str
    headers: Mapping[str, str]
    body: bytes | None
    redirected_from: Url | None = None


def first_hop(request: Request, body: bytes | None) -> Hop:
    """Return the request as it sets out."""
    url = Url.parse(request.url)
    headers = _DEFAULTS | dict(request.headers)
    if url.userinfo is not None and "authorization" not in headers:
        headers["authorization"] = f"Basic {base64.b64encode(url.userinfo).decode('ascii')}"
    return Hop(url, request.method, headers, body)


def next_hop(hop: Hop, status: int, location: str) -> Hop:
    """
    Return where a redirect leads, with what may go there.

    Raises:
        ConnectionError: It leads nowhere, or would take a body to another origin.
    """
    try:
        url = hop.url.join(location)
    except ValueError as error:
        raise ConnectionError(f"redirect failed: {error} (from {cut(str(hop.url))})") from error
    headers = dict(hop.headers)
    following = replace(hop, url=url, redirected_from=hop.url)
    is_elsewhere = url.origin != hop.url.origin
    if is_elsewhere:
        headers = {name: headers[name] for name in headers if name not in _CREDENTIALS}
    if status in _KEEPS_BODY:
        if is_elsewhere and hop.body is not None:
            there = cut(str(url))
            raise ConnectionError(
                f"redirect failed: a body is not sent on to another origin, {there}"
            )
        return replace(following, headers=headers)
    method = "HEAD" if hop.method == "HEAD" else "GET"
    headers = {name: headers[name] for name in headers if not name.startswith("content-")}
    return replace(following, method=method, headers=headers, body=None)


def cut(text: str) -> str:
    """Return the beginning of a text of a stranger's, for an error."""
    return text if len(text) <= 200 else f"{text[:200]}…"
