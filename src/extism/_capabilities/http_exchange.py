"""
One question and its answer in HTTP/1.1, over a wire that is connected: urllib3's words, and our strictness.

What is asked of whom, and what an answer means, is in `http.py`.
"""

from __future__ import annotations

import contextlib
import re
from http.client import HTTPException
from typing import TYPE_CHECKING

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

if TYPE_CHECKING:
    from extism._capabilities.hops import Hop
    from extism._capabilities.wire import Wire

__all__ = ["ask", "body_length", "plain_headers"]


def ask(wire: Wire, hop: Hop) -> BaseHTTPResponse:
    """
    Send the request, and return the answer with its head read and checked.

    Raises:
        ConnectionError: There is no answer, or none that is HTTP.
    """
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


def body_length(answer: BaseHTTPResponse, hop: Hop) -> int | None:
    """Return how long the body of an answer is, as far as its head says that."""
    if hop.method == "HEAD" or answer.status in {204, 304}:
        return 0
    length = answer.headers.get("content-length", "").partition(",")[0].strip()
    return int(length) if length else None


def plain_headers(answer: BaseHTTPResponse) -> dict[str, str]:
    """Return the headers that are visible ASCII, by name in lower case; without those that decoding made wrong."""
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
