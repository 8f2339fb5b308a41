"""Requests of guests: strict JSON, and headers that cannot harm."""

from __future__ import annotations

import json

import pytest

from extism._capabilities.http_request import METHODS, Request
from extism.errors import CapabilityDenied


def test_only_the_url_is_required():
    """Method and headers have defaults; the method is upper-cased, header names lower-cased."""
    assert Request.parse(b'{"url": "http://a"}') == Request("http://a", "GET", {})
    assert Request.parse(b'{"url":"http://a","method":null}').method == "GET"
    full = b'{"url": "http://a", "method": "patch", "headers": {"X-A": " b ", "Accept": ""}}'
    assert Request.parse(full) == Request("http://a", "PATCH", {"x-a": "b", "accept": ""})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"{}", "missing field `url`"),
        (b'{"url":"a","foo":1}', "unknown field `foo`, expected one of `url`, `headers`, `method`"),
        (b'{"url":"a","header":{}}', "unknown field `header`, expected one of"),
        (b'{"url":"a","headers":null}', "invalid type: null, expected a map for `headers`"),
        (b'{"url":5}', "invalid type: an integer, expected a string for `url`"),
        (b'{"url":"a","method":[]}', "invalid type: a sequence, expected a string or null for"),
        (
            b'{"url":"a","headers":{"x":1}}',
            "invalid type: an integer, expected a string for header",
        ),
        (b"[]", "invalid type: a sequence, expected a map"),
        (b"true", "invalid type: a boolean, expected a map"),
        (b"{", "http request: not JSON: "),
        (b"", "http request: not JSON: "),
        (b"\xff", "http request: not JSON: "),
        (b"[" * 200_000, "http request: JSON nested too deeply"),
        (b" " * (1 << 20) + b"{}", "http request: 1048578 bytes of JSON; at most 1048576"),
        (b'{"url":"a","method":"FOO"}', "protocol: FOO not valid for HTTP version HTTP/1.1"),
        (b'{"url":"a","method":"CONNECT"}', "protocol: CONNECT not valid for HTTP version"),
        (b'{"url":"a","method":"GET /x"}', "invalid HTTP method: 'GET /x'"),
        (b'{"url":"a","method":"GET\\r\\nX"}', "invalid HTTP method: 'GET\\r\\nX'"),
        (b'{"url":"a","method":""}', "invalid HTTP method: ''"),
        (b'{"url":"a","headers":{"x y":"1"}}', "invalid HTTP header name: 'x y'"),
        (b'{"url":"a","headers":{"":"1"}}', "invalid HTTP header name: ''"),
        (b'{"url":"a","headers":{"x\\r\\ny":"1"}}', "invalid HTTP header name: 'x\\r\\ny'"),
        (b'{"url":"a","headers":{"x":"1\\r\\nY: 2"}}', "failed to parse header value of x"),
        (b'{"url":"a","headers":{"x":"\\u0000"}}', "failed to parse header value of x"),
        (b'{"url":"a","headers":{"x":"\\u007f"}}', "failed to parse header value of x"),
    ],
    ids=lambda value: str(value[:40]),
)
def test_what_is_no_request_is_refused(data, text):
    """JSON that is no request, unknown methods and anything that could forge a header are errors."""
    with pytest.raises(ValueError, match=r"^") as caught:
        Request.parse(data)

    assert str(caught.value)[: len(text)] == text
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
def test_routing_and_framing_are_the_hosts(name):
    """Headers that decide which server answers, or where a message ends, are refused."""
    with pytest.raises(CapabilityDenied) as caught:
        Request("http://a", headers={name: "x"})

    assert (caught.value.capability, caught.value.wanted) == ("http", name)


@pytest.mark.parametrize(
    "name", ["Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect", "Proxy-Connection"]
)
def test_headers_of_one_connection_are_left_out(name):
    """What concerns the connection only is dropped: the host makes it."""
    assert Request("http://a", headers={name: "x", "A": "b"}).headers == {"a": "b"}


def test_every_standard_method_is_known():
    """All methods but CONNECT, which is no request for a resource."""
    for method in METHODS:
        data = json.dumps({"url": "http://a", "method": method.lower()}).encode()
        assert Request.parse(data).method == method
