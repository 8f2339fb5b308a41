"""HTTP, on both packages: what guests may ask for, what the server sees, what comes back."""

from __future__ import annotations

import gzip
import json

import pytest
from http_server import message
from peer_guests import guest, in_every_language, module

from peer import Case

# Guests are compiled when they are first needed.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

# `request` sends what the input says, without a body; `send` takes the body from the configuration.
GUEST = """
  (func $body (result i64) (local $k i64)
    (local.set $k (call $alloc (i64.const 1))) (call $store_u8 (local.get $k) (i32.const 98))
    (call $config_get (local.get $k)))
  (func (export "request") (call $give (call $http_request (call $copy_input) (i64.const 0))))
  (func (export "send") (call $give (call $http_request (call $copy_input) (call $body))))
  (func (export "status") (call $give_i64 (i64.extend_i32_u (call $http_status_code))))
  (func (export "request_status") (drop (call $http_request (call $copy_input) (i64.const 0)))
    (call $give_i64 (i64.extend_i32_u (call $http_status_code))))
  (func (export "handle") (call $give_i64 (call $http_request (call $copy_input) (i64.const 0))))
  (func (export "headers") (call $give_i64 (call $http_headers)))
  (func (export "freed") (local $h i64) (local.set $h (call $copy_input))
    (drop (call $http_request (local.get $h) (i64.const 0)))
    (call $give_i64 (call $length (local.get $h))))"""

OPEN = module(GUEST, allowed_hosts=["127.0.0.1"], config={"b": "the body", "url": "<server>"})


def ask(path: str = "/ok", *, host: str = "", **keys: object) -> str:
    """A request for a path of the server, or of the same port of another name of its host."""
    server = f"<server at {host}>" if host else "<server>"
    return json.dumps({"url": f"{server}{path}", **keys})


def step(name: str, text: str) -> list:
    """A call whose input has placeholders, which a base64 text could not have."""
    return ["call_text", name, text]


# Without this, upstream would send the next request over a connection that the server has closed.
CLOSE = ("connection", "close")


@pytest.fixture(scope="module", autouse=True)
def answers(peer_server):
    """What the server answers, for all cases."""
    for path, body in {"/ok": b"fine", "/empty": b"", "/bytes": bytes(range(256))}.items():
        peer_server.answer(path, 200, body, [CLOSE])
    peer_server.answer("/large", 200, b"x" * 300_000, [CLOSE])
    for status in (201, 202, 299, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 599):
        peer_server.answer(f"/{status}", status, f"this is {status}".encode(), [CLOSE])
    for status in (204, 304):
        bare = message(status, headers=[CLOSE]).replace(b"content-length: 0\r\n", b"")
        peer_server.raw(f"/{status}", bare)
    for status in (301, 302, 303, 307, 308):
        redirect(peer_server, f"/to-{status}", "/ok", status)
    redirect(peer_server, "/circle", "/circle")
    redirect(peer_server, "/chain-0", "/ok")
    for n in range(1, 15):
        redirect(peer_server, f"/chain-{n}", f"/chain-{n - 1}")
    redirect(peer_server, "/bad-location", "http://[/")
    redirect(peer_server, "/to-ftp", "ftp://127.0.0.1/x")
    peer_server.answer("/no-location", 302, b"nowhere to go", [CLOSE])
    peer_server.answer("/gzip", 200, gzip.compress(b"packed " * 50), [CLOSE, PACKED])
    peer_server.answer("/bad-gzip", 200, b"not packed", [CLOSE, PACKED])
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n"
    chunks = b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    peer_server.raw("/chunked", head + chunks)
    peer_server.raw("/until-close", head + b"\r\nuntil the end")
    peer_server.raw("/cut-off", head + b"content-length: 100\r\n\r\nonly this")
    peer_server.raw("/not-http", b"SSH-2.0-OpenSSH\r\n")
    peer_server.raw("/nothing", b"")
    peer_server.raw("/bad-status", b"HTTP/1.1 abc\r\n\r\n")
    peer_server.answer("/header", 200, b"", [CLOSE, ("x-one", "1"), ("x-two", "a"), ("x-two", "b")])


PACKED = ("content-encoding", "gzip")


def redirect(server, path: str, location: str, status: int = 302) -> None:
    server.answer(path, status, headers=[CLOSE, ("location", location)])


METHODS = ["GET", "get", "Post", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
STATUSES = [200, 201, 202, 204, 299, 304, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 599]

BAD_REQUESTS = {
    "no JSON": "hello",
    "nothing": "",
    "no url": "{}",
    "an unknown key": '{"url": "<server>", "foo": 1}',
    "the key header": '{"url": "<server>", "header": {}}',
    "null headers": '{"url": "<server>", "headers": null}',
    "a number as url": '{"url": 5}',
    "null as url": '{"url": null}',
    "a list": '["<server>"]',
    "a number in a header": '{"url": "<server>", "headers": {"a": 1}}',
    "a relative url": '{"url": "/ok"}',
    "no host": '{"url": "http://"}',
    "no scheme": '{"url": "127.0.0.1"}',
    "an unknown scheme": '{"url": "ftp://127.0.0.1/"}',
    "a bad port": '{"url": "http://127.0.0.1:99999/"}',
    "a bad address": '{"url": "http://[::zz]/"}',
    "a bad method": '{"url": "<server>/ok", "method": "GE T"}',
    "an unknown method": '{"url": "<server>/ok", "method": "FOO"}',
    "an empty method": '{"url": "<server>/ok", "method": ""}',
    "a bad header name": '{"url": "<server>/ok", "headers": {"a b": "c"}}',
    "a bad header value": '{"url": "<server>/ok", "headers": {"a": "b\\nc"}}',
    "a port where nobody listens": '{"url": "http://127.0.0.1:1/"}',
}

PATTERNS = {
    "127.0.0.1": True,
    "*": False,
    "**": False,
    "127.0.0.*": True,
    "127.*": True,
    "127.0.0.?": True,
    "127.0.0.[0-9]": True,
    "127.0.0.[!2]": True,
    "127.0.0.[!1]": False,
    "127.0.0.2": False,
    "*.0.0.1": False,
    "?27.0.0.1": False,
    "http://127.0.0.1": False,
    "127.0.0.1/": False,
    " 127.0.0.1": False,
    "127.0.0.1.": False,
    "": False,
    "[x": False,
    "***": False,
    "localhost": False,
    "{127.0.0.1,x}": False,
}

CASES = [
    *[
        Case(
            f"method {name}",
            OPEN,
            (step("request", ask(method=name)), step("send", ask(method=name))),
        )
        for name in METHODS
    ],
    *[
        Case(f"status {n}", OPEN, (step("request", ask("/ok" if n == 200 else f"/{n}")), "status"))
        for n in STATUSES
    ],
    *[
        Case(f"request of {name}", OPEN, (step("request", text), "status"))
        for name, text in BAD_REQUESTS.items()
    ],
    *[
        Case(
            f"allowed by {pattern!r}",
            {**OPEN, "allowed_hosts": [pattern]},
            (step("request", ask()),),
        )
        for pattern in PATTERNS
    ],
    Case("allowed by none", {**OPEN, "allowed_hosts": []}, (step("request", ask()),)),
    Case("allowed by null", {**OPEN, "allowed_hosts": None}, (step("request", ask()),)),
    Case(
        "allowed by the last of several",
        {**OPEN, "allowed_hosts": ["a", "b.*", "127.0.0.1"]},
        (step("request", ask()),),
    ),
    *[
        Case(
            f"allowed by {pattern} for localhost",
            {**OPEN, "allowed_hosts": [pattern]},
            (step("request", ask(host="localhost")),),
        )
        for pattern in ("localhost", "LOCALHOST", "local*", "127.0.0.1")
    ],
    Case(
        "a name in capitals",
        {**OPEN, "allowed_hosts": ["localhost"]},
        (step("request", ask(host="LOCALHOST")),),
    ),
    *[
        Case(f"redirect {n}", OPEN, (step("request", ask(f"/to-{n}")), "status"))
        for n in (301, 302, 303, 307, 308)
    ],
    *[
        Case(
            f"redirect {n} of {method} with a body",
            OPEN,
            (step("send", ask(f"/to-{n}", method=method)),),
        )
        for n in (301, 302, 303, 307, 308)
        for method in ("POST", "PUT")
    ],
    Case("a redirect in a circle", OPEN, (step("request", ask("/circle")), "status")),
    *[Case(f"{n + 1} redirects", OPEN, (step("request", ask(f"/chain-{n}")),)) for n in (3, 9, 10)],
    Case("a redirect without a place", OPEN, (step("request", ask("/no-location")), "status")),
    Case("a redirect to no URL", OPEN, (step("request", ask("/bad-location")),)),
    Case("a redirect to another scheme", OPEN, (step("request", ask("/to-ftp")),)),
    *[
        Case(f"an answer: {name}", OPEN, (step("request", ask(f"/{name}")), "status"))
        for name in (
            "empty",
            "bytes",
            "large",
            "chunked",
            "gzip",
            "bad-gzip",
            "until-close",
            "cut-off",
            "not-http",
            "nothing",
            "bad-status",
        )
    ],
    *[
        Case(
            f"a response limit of {limit}",
            {**OPEN, "memory": {"max_http_response_bytes": limit}},
            (
                step("request", ask()),
                step("request", ask("/empty")),
                step("request", ask("/gzip")),
                "status",
            ),
        )
        for limit in (0, 3, 4, 5, 349, 350)
    ],
    Case(
        "a large body",
        {**OPEN, "config": {"b": "z" * 200_000}},
        (step("send", ask(method="POST")),),
    ),
    Case(
        "an empty body",
        {**OPEN, "config": {"b": ""}},
        (step("send", ask(method="POST")), step("send", ask(method="GET"))),
    ),
    Case(
        "headers of the guest",
        OPEN,
        (
            step(
                "request",
                ask(
                    headers={
                        "X-Mine": "one",
                        "accept": "text/html",
                        "User-Agent": "me",
                        "x-empty": "",
                    }
                ),
            ),
        ),
    ),
    Case("a header of wide letters", OPEN, (step("request", ask(headers={"x": "ü"})),)),
    Case("the host header", OPEN, (step("request", ask(headers={"Host": "other"})),)),
    Case("a query and a fragment", OPEN, (step("request", ask("/ok?a=1&b=%20ü#part")),)),
    Case("a path with spaces", OPEN, (step("request", ask("/a b/ü")),)),
    Case("a path with dots", OPEN, (step("request", ask("/a/../ok")),)),
    Case("no path", OPEN, (step("request", ask("")),)),
    Case("the request's handle is freed", OPEN, (step("freed", ask()),)),
    Case("an empty answer is handle 0", OPEN, (step("handle", ask("/empty")),)),
    Case("the status before the first request", OPEN, ("status", "headers")),
    Case(
        "the status after a refused one",
        OPEN,
        (
            step("request", ask("/404")),
            "status",
            step("request", '{"url": "http://10.0.0.1/"}'),
            "status",
        ),
    ),
    Case(
        "the status after a failed one",
        OPEN,
        (step("request", ask("/404")), "status", step("request", "no"), "status"),
    ),
    Case("the status lasts", OPEN, (step("request_status", ask("/418")), "status", "status")),
    Case("headers are not granted", OPEN, (step("request", ask("/header")), "headers")),
    *[
        Case(
            f"http in {language}",
            guest(name, allowed_hosts=["127.0.0.1"], config={"url": "<server>/404"}),
            (("get", ""), ("post", "a body"), "status", "headers", ("post", "")),
        )
        for language, name in in_every_language("http")
    ],
    *[
        Case(
            f"http denied in {language}",
            guest(name, allowed_hosts=["localhost"], config={"url": "<server>/ok"}),
            ("get", "status"),
        )
        for language, name in in_every_language("http")
    ],
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_http(duel, case):
    """The server sees the same requests, the guest the same answers, and the same ones are refused."""
    assert duel(case) == []
