"""Group N: a guest reaches the hosts that it may, at the addresses that were checked, and gets what it can hold."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import json
import os
import re
import socket
import threading
import time
import zlib

import pytest
from http_server import authority, message, serve
from in_a_child import in_a_child, peak_memory
from patience import AGES, ROOM, until
from wat_guests import wat

import extism
from extism._capabilities.hosts import AllowedHosts
from extism._capabilities.http import Http
from extism._capabilities.http_request import Request
from extism.errors import (
    CallError,
    CallTimeout,
    CapabilityDenied,
    Error,
    HashMismatch,
    SourceError,
)

BROWSER = wat(
    """
    (data (i32.const 64) "the secret body")
    (func (export "get") (call $give (call $http_request (call $copy_input) (i64.const 0))))
    (func (export "post")
      (call $give (call $http_request (call $copy_input) (call $put (i32.const 64) (i32.const 15)))))
    (func (export "status")
      (call $give_i64 (i64.extend_i32_u (call $http_status_code))))"""
)
"""`get` and `post` send the request that the input describes; `post` with a body."""

SECRETS = {"Authorization": "Bearer t0ken", "Cookie": "session=1", "Proxy-Authorization": "x"}


@pytest.fixture
def server():
    with serve() as running:
        yield running


@pytest.fixture
def other():
    """Another port of the same host."""
    with serve() as running:
        yield running


@pytest.fixture
def forbidden():
    """What listens at 127.0.0.2, where nobody may go."""
    with serve(host="127.0.0.2") as running:
        running.answer("/", 200, b"forbidden")
        yield running


class Browser:
    """A plug-in that sends what it is told to."""

    def __init__(self, plugin):
        self.plugin = plugin

    def get(self, url, *, export="get", **request):
        return self.plugin.call(export, json.dumps({"url": url, **request}))

    @property
    def status(self):
        return int.from_bytes(self.plugin.call("status", b""), "little")


@pytest.fixture
def browser(plugin):
    """A function from patterns of hosts to a browser; without any, 127.0.0.1 is allowed."""

    def make(*hosts, options=None, **manifest):
        allowed = list(hosts or ["127.0.0.1"])
        return Browser(plugin(BROWSER, options=options, **{"allowed_hosts": allowed, **manifest}))

    return make


def refused(browser, url, **request):
    with pytest.raises(CallError) as caught:
        browser.get(url, **request)
    return caught.value


# The list of hosts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param(None, id="N01-none"),
        pytest.param([], id="N02-empty"),
        pytest.param(["127.0.0.2", "example.com"], id="N03-others"),
    ],
)
def test_a_host_that_is_not_listed(browser, server, allowed):
    """Refused before anything is sent; with the host in the list it is reached."""
    url = server.answer("/", 200, b"reached")

    assert isinstance(refused(browser(allowed_hosts=allowed), url), CapabilityDenied)
    assert server.connection_count == 0
    assert browser("127.0.0.1").get(url) == b"reached"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_n04_redirect_to_a_forbidden_host(browser, server, forbidden, status):
    """The hop is refused and nothing is sent there; a redirect to an allowed host is followed."""
    url = server.redirect("/out", forbidden.url("/"), status)
    assert isinstance(refused(browser(), url), CapabilityDenied)
    assert forbidden.connection_count == 0

    server.answer("/there", 200, b"arrived")
    assert browser().get(server.redirect("/in", "/there", status)) == b"arrived"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_n05_no_body_goes_to_another_origin(browser, server, other, forbidden, status):
    """Neither to a forbidden host nor to another allowed origin; within one origin it does."""
    refused(browser(), server.redirect("/out", forbidden.url("/"), status), export="post")
    assert forbidden.connection_count == 0

    other.answer("/", 200, b"other")
    with contextlib.suppress(CallError):
        browser().get(
            server.redirect("/port", other.url("/"), status), export="post", method="POST"
        )
    assert [each.body for each in other.seen] in ([], [b""])

    server.answer("/same", 200, b"same")
    browser().get(server.redirect("/in", "/same", status), export="post", method="POST")
    assert server.seen[-1].body == (b"the secret body" if status in {307, 308} else b"")


def test_n06_credentials_to_a_forbidden_host(browser, server, forbidden):
    """Refused at all; and an allowed host gets none of them."""
    url = server.redirect("/out", forbidden.url("/"), 301)
    refused(browser(), url, headers={"Authorization": "Bearer t0ken", "Cookie": "session=1"})
    assert forbidden.connection_count == 0

    both = browser("127.0.0.1", "127.0.0.2")
    assert both.get(url, headers={**SECRETS, "X-Kept": "1"}) == b"forbidden"
    found = {name for name, _ in forbidden.seen[0].headers}
    assert found & {"authorization", "cookie", "proxy-authorization"} == set()
    assert "x-kept" in found


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/"]
)
def test_n07_redirect_to_a_file(browser, server, target):
    """No scheme but http and https is followed."""
    error = refused(browser("*", "127.0.0.1"), server.redirect("/", target))

    assert "root:" not in str(error)
    assert browser().get(server.answer("/ok", 200, b"ok")) == b"ok"


def test_n08_circle_of_redirects(browser, server):
    """It ends after ten hops; ten hops to a place are followed."""
    error = refused(browser(), server.redirect("/loop", "/loop"))
    assert "too many redirects" in str(error)
    assert server.connection_count == 11

    for number in range(10):
        server.redirect(f"/{number}", f"/{number + 1}")
    server.answer("/10", 200, b"arrived")
    assert browser().get(server.url("/0")) == b"arrived"


def test_n09_credentials_to_another_port(browser, server, other):
    """Another port is another origin; the same origin gets them."""
    other.answer("/", 200, b"other")
    browser().get(server.redirect("/out", other.url("/")), headers=SECRETS)
    assert other.seen[0].header("authorization") is None
    assert other.seen[0].header("cookie") is None

    server.answer("/same", 200, b"same")
    browser().get(server.redirect("/in", "/same"), headers=SECRETS)
    assert server.seen[-1].header("authorization") == "Bearer t0ken"


# Spellings ------------------------------------------------------------------------------------------

SPELLINGS = [
    pytest.param("http://2130706434:PORT/", id="N10-decimal"),
    pytest.param("http://0x7f000002:PORT/", id="N11-hexadecimal"),
    pytest.param("http://0177.0.0.2:PORT/", id="N12-octal"),
    pytest.param("http://127.2:PORT/", id="N13-short"),
    pytest.param("http://[::ffff:127.0.0.2]:PORT/", id="N14-mapped"),
    pytest.param("http://127.0.0.2.:PORT/", id="N15-dot"),
    pytest.param("http://%31%32%37.0.0.2:PORT/", id="N16-percent"),
    pytest.param("http://127。0。0。2:PORT/", id="N17-ideographic"),
    pytest.param("http://⑫7.0.0.2:PORT/", id="N18-circled"),
    pytest.param("http://127.0.0.1@127.0.0.2:PORT/", id="N20-userinfo"),
    pytest.param("http://127.0.0.1:x@127.0.0.2:PORT/", id="N21-password"),
    pytest.param("http://127.0.0.1\\@127.0.0.2:PORT/", id="N22-backslash"),
    pytest.param("http://127.0.0.1#@127.0.0.2:PORT/", id="N23-fragment"),
    pytest.param("http://127.0.0.1%2f@127.0.0.2:PORT/", id="N24-slash"),
    pytest.param("http://127.0.0.1;@127.0.0.2:PORT/", id="N25-semicolon"),
    pytest.param("http:\\\\127.0.0.2:PORT\\", id="N26-backslashes"),
    pytest.param("http:/127.0.0.2:PORT/", id="N27-one slash"),
    pytest.param("http://127.0.0.2:PORT\t/", id="N28-tab"),
    pytest.param("//127.0.0.2:PORT/", id="N29-no scheme"),
    pytest.param("http://a@127.0.0.1@127.0.0.2:PORT/", id="N30-two ats"),
    pytest.param("http://127.0.0.1?@127.0.0.2:PORT/", id="N31-question mark"),
]


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_spelling_leads_to_a_forbidden_address(browser, forbidden, url):
    """Whatever another parser makes of it; the plain spelling of an allowed address works."""
    with contextlib.suppress(Error):
        assert browser().get(url.replace("PORT", str(forbidden.port))) != b"forbidden"
    assert forbidden.connection_count == 0
    assert browser("127.0.0.2").get(forbidden.url("/")) == b"forbidden"


@pytest.mark.parametrize(
    "url",
    ["http://[::ffff:7f00:2]:PORT/", "http://[0:0:0:0:0:ffff:127.0.0.2]:PORT/", "http://[::127.0.0.2]:PORT/",
     "http://127.0.0.2%00.example:PORT/", "http://127.0.0.1 @127.0.0.2:PORT/", "http://127.0.0.02:PORT/"],
)  # fmt: skip
def test_n14_further_spellings(browser, forbidden, url):
    """Nor do others of their kind."""
    refused(browser(), url.replace("PORT", str(forbidden.port)))
    assert forbidden.connection_count == 0
    assert browser("127.0.0.2").get(forbidden.url("/")) == b"forbidden"


@pytest.mark.parametrize("pattern", ["127.0.0.[!2]", "[!a]27.0.0.1", "[::1]", "[", "127.0.0.?["])
def test_n33_patterns_with_brackets(browser, forbidden, pattern):
    """None of them opens 127.0.0.2; a class that spells the address does."""
    refused(browser(pattern), forbidden.url("/"))
    assert forbidden.connection_count == 0
    assert browser("127.0.0.[2-3]").get(forbidden.url("/")) == b"forbidden"


@pytest.mark.parametrize("entry", ["::1", "[::1]", "0:0:0:0:0:0:0:1"])
def test_n34_ipv6(browser, entry):
    """Either spelling opens it, and nothing else does."""
    with serve(host="::1") as six:
        url = six.answer("/", 200, b"six")
        assert browser(entry).get(url) == b"six"
        refused(browser("127.0.0.1", "::2"), url)


def looking_up(**addresses):
    """A resolver that knows these names only."""

    def look(host, _port):
        try:
            return addresses[host.replace(".", "_").replace("-", "_")]
        except KeyError:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None

    return look


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("API.Example.com", "api.example.COM"),
        ("*.EXAMPLE.com", "Api.example.com"),
        ("bücher.example", "BÜCHER.example"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("api.example.com.", "api.example.com"),
        ("api.example.com", "api.example.com."),
    ],
)
def test_n35_case_and_idna(server, entry, host):
    """One host, however it is written; and no other."""
    server.answer("/", 200, b"found")
    look = looking_up(
        api_example_com=["127.0.0.1"],
        xn__bcher_kva_example=["127.0.0.1"],
        evil_example=["127.0.0.1"],
    )
    http = Http(AllowedHosts([entry, "127.0.*"]), look=look)

    assert http.send(Request(server.url("/", host=host))).body == b"found"
    with pytest.raises(CapabilityDenied):
        http.send(Request(server.url("/", host="evil.example")))


NEIGHBOURS = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
    "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1", "fec0::1", "64:ff9b:1::a00:1", "::10.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", NEIGHBOURS)
def test_n36_a_wildcard_does_not_open_the_neighbourhood(browser, address):
    """Neither by address, nor by a name that leads there, nor in company of a public address."""
    shown = f"[{address}]" if ":" in address else address
    assert isinstance(refused(browser("*"), f"http://{shown}:9/"), CallError)
    for answers in ([address], ["93.184.216.34", address]):
        http = Http(AllowedHosts(["*", "*.example"]), look=looking_up(evil_example=answers))
        with pytest.raises(CapabilityDenied):
            http.send(Request("http://evil.example:9/"))


def test_n36_control(browser, server):
    """An exact entry, or a pattern that spells the range, opens what it names."""
    url = server.answer("/", 200, b"near")
    for entry in ("127.0.0.1", "127.0.*", "127.*"):
        assert browser(entry).get(url) == b"near"
    named = Http(AllowedHosts(["near.example"]), look=looking_up(near_example=["127.0.0.1"]))
    assert named.send(Request(server.url("/", host="near.example"))).body == b"near"


def test_n37_an_entry_with_a_port(browser, server, other):
    """It opens that port and no other, on a redirect either."""
    url = server.answer("/", 200, b"right")
    other.answer("/", 200, b"wrong")
    it = browser(f"127.0.0.1:{server.port}")

    assert it.get(url) == b"right"
    assert isinstance(refused(it, other.url("/")), CapabilityDenied)
    assert isinstance(refused(it, server.redirect("/out", other.url("/"))), CapabilityDenied)
    assert other.connection_count == 0


@pytest.mark.parametrize(
    "url",
    ["file:///etc/hostname", "file://127.0.0.1/etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/",
     "data:text/plain,x", "ws://127.0.0.1/", "unix:///x", "jar:http://127.0.0.1/", "HTTP+UNIX://127.0.0.1/"],
)  # fmt: skip
def test_n38_other_schemes(browser, server, url):
    """Refused with every pattern there is; http works in any case."""
    error = refused(browser("*", "", "127.0.0.1"), url)
    assert "unknown scheme" in str(error) or "Invalid URL" in str(error)
    assert browser().get(server.answer("/", 200, b"ok").replace("http:", "HtTp:")) == b"ok"


# What a guest may send ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": {"X": "a\r\nEvil: 1"}},
        {"headers": {"X": "a\nEvil: 1"}},
        {"headers": {"X": "a\0b"}},
        {"headers": {"X\r\nEvil": "1"}},
        {"headers": {"X Y": "1"}},
        {"headers": {"": "1"}},
        {"headers": {"X:": "1"}},
        {"method": "GET / HTTP/1.1\r\nEvil: 1\r\n\r\n"},
        {"method": "GET "},
        {"method": ""},
        {"method": "CONNECT"},
    ],
    ids=str,
)
def test_n39_line_breaks(browser, server, request_):
    """Refused before anything is sent; odd but legal headers arrive."""
    url = server.answer("/", 200, b"ok")
    refused(browser(), url, **request_)
    assert server.connection_count == 0

    assert browser().get(url, headers={"X-Odd": "a\tb; \"c\" 'd' ä"}, method="get") == b"ok"
    assert server.seen[0].header("x-odd") is not None


@pytest.mark.parametrize(
    "path", ["/\r\nEvil: 1", "/ HTTP/1.1\r\nEvil: 1", "/\0", "/\x7f", "/\u2028"]
)
def test_n39_line_breaks_in_the_path(browser, server, path):
    """Refused, or sent percent-encoded as one line."""
    server.answer("/", 200, b"ok")
    with contextlib.suppress(CallError):
        browser().get(server.url(path))
    assert all(not re.search(r"[\s\0\x7f]", each.target) for each in server.seen)
    assert all(each.header("evil") is None for each in server.seen)
    assert browser().get(server.url("/")) == b"ok"


@pytest.mark.parametrize("name", ["Host", "host", "HOST"])
def test_n40_the_host_header(browser, server, name):
    """It cannot be set, alone or beside ours; ours is what was allowed."""
    url = server.answer("/", 200, b"ok")
    refused(browser(), url, headers={name: "internal.example"})
    browser().get(url)
    assert [each.header("host") for each in server.seen] == [f"127.0.0.1:{server.port}"]


@pytest.mark.parametrize("name", ["Connection", "TE", "Upgrade", "Expect", "Keep-Alive", "Trailer"])
def test_n40_headers_of_the_connection(browser, server, name):
    """They are left out, and the request is sent."""
    assert browser().get(server.answer("/", 200, b"ok"), headers={name: "100-continue"}) == b"ok"
    ours = ["close"] if name == "Connection" else []
    assert [v for k, v in server.seen[0].headers if k.lower() == name.lower()] == ours


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "content-length"])
@pytest.mark.parametrize("value", ["0", "5", "1000", "chunked"])
def test_n41_the_length_of_a_message(browser, server, name, value):
    """It cannot be set; ours fits the body."""
    url = server.answer("/", 200, b"ok")
    refused(browser(), url, export="post", method="POST", headers={name: value})
    assert server.connection_count == 0

    assert browser().get(url, export="post", method="POST") == b"ok"
    assert server.seen[0].header("content-length") == "15"
    assert server.seen[0].header("transfer-encoding") is None


# What a server may send -----------------------------------------------------------------------------


def endless(head, *parts):
    """A script that sends a head and then parts again and again, until nobody listens."""

    def script(connection):
        connection.sendall(head)
        for part in itertools.cycle(parts):
            connection.sendall(part)

    return script


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n"
LIMIT = {"max_http_response_bytes": 1000}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(endless(LONG, b"x" * 65536), id="N42-long"),
        pytest.param(endless(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"), id="N43-endless"),
        pytest.param(endless(CHUNKED, b"1\r\nx\r\n"), id="N43-endless in bytes"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000), id="N43-unframed"),
    ],
)
def test_a_body_larger_than_the_limit(browser, server, script):
    """Refused as soon as the limit is passed; a body of exactly the limit is let in."""
    server.script("/", script)
    began = time.monotonic()
    error = refused(browser(memory=LIMIT), server.url("/"))
    assert isinstance(error, CapabilityDenied)
    assert time.monotonic() - began < ROOM

    full = server.answer("/full", 200, b"y" * 1000)
    assert browser(memory=LIMIT).get(full) == b"y" * 1000


def bomb(coding: str, megabytes: int) -> bytes:
    """That many megabytes of zeros, compressed a thousandfold."""
    wbits = {"gzip": 31, "deflate": 15, "raw deflate": -15}[coding]
    made = zlib.compressobj(9, zlib.DEFLATED, wbits)
    block = bytes(1 << 20)
    return b"".join(made.compress(block) for _ in range(megabytes)) + made.flush()


def meets_a_bomb(coding: str, limit: int | None, layers: int) -> dict:
    data = bomb(coding, 600)
    for _ in range(layers - 1):
        data = gzip.compress(data)
    name = ", ".join([coding.removeprefix("raw "), *["gzip"] * (layers - 1)])
    memory = {} if limit is None else {"max_http_response_bytes": limit}
    with serve() as server:
        url = server.answer("/", 200, data, [("content-encoding", name)])
        small = server.answer(
            "/small", 200, gzip.compress(b"small"), [("content-encoding", "gzip")]
        )
        source = {"wasm": [{"data": BROWSER.encode()}], "allowed_hosts": ["127.0.0.1"]}
        with extism.Plugin({**source, "memory": memory, "timeout_ms": 30000}) as plugin:
            it = Browser(plugin)
            before = peak_memory()
            try:
                it.get(url)
                error = ""
            except Error as exc:
                error = type(exc).__name__
            grown = (peak_memory() - before) >> 20
            return {"error": error, "grown": grown, "small": it.get(small).decode()}


@pytest.mark.parametrize(
    ("coding", "limit", "layers"),
    [
        pytest.param("gzip", None, 1, id="N44-gzip"),
        pytest.param("deflate", None, 1, id="N44-deflate"),
        pytest.param("raw deflate", None, 1, id="N44-raw deflate"),
        pytest.param("gzip", None, 2, id="N44-gzip in gzip"),
        pytest.param("gzip", 1000, 1, id="N45-gzip"),
        pytest.param("gzip", 1000, 3, id="N45-three layers"),
    ],
)
def test_what_is_small_only_while_compressed(coding, limit, layers):
    """The limit counts decoded bytes, and little more than it is ever decoded."""
    found = in_a_child(meets_a_bomb, coding, limit, layers, seconds=60)

    assert found["error"] in {"CapabilityDenied", "CallError"}
    assert found["grown"] < (150 if limit is None else 40)
    assert found["small"] == "small"


@pytest.mark.parametrize(
    "headers",
    [
        [(f"x-{number}", "y") for number in range(100_000)],
        [("x", "y" * (64 << 20))],
        [("x", "y")] * 100_000,
    ],
    ids=["names", "a long line", "one name"],
)
def test_n46_too_many_headers(browser, server, headers):
    """Refused without reading them all; eighty are fine."""
    began = time.monotonic()
    refused(browser(), server.answer("/", 200, b"ok", headers))
    assert time.monotonic() - began < ROOM

    fine = server.answer("/fine", 200, b"ok", [(f"x-{number}", "y") for number in range(80)])
    assert browser().get(fine) == b"ok"


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nx: ", b"y" * 65536),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"x: y\r\n"),
        (CHUNKED + b"1;", b"y" * 65536),
    ],
    ids=["a header", "trailers", "an extension"],
)
def test_n46_headers_without_end(browser, server, head, part):
    """Neither a line nor trailers nor an extension that never end are read for long."""
    server.script("/", endless(head, part))
    began = time.monotonic()
    refused(browser(), server.url("/"))
    assert time.monotonic() - began < ROOM
    assert browser().get(server.answer("/ok", 200, b"ok")) == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 -20 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"<html>old style</html>",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: y\r\n  folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx y: z\r\n\r\n",
        CHUNKED + b"zz\r\nhello\r\n",
        CHUNKED + b"-5\r\nhello\r\n",
        CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello",
        CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
        CHUNKED + b"ffffffffffffffffffff\r\nhello",
        CHUNKED + b"5;" + b"e" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_n47_malformed_answers(browser, server, answer):
    """An error, and never a body of somebody's choosing; the next request is right."""
    server.raw("/", answer)
    it = browser(timeout_ms=50_000)
    error = refused(it, server.url("/"))
    assert not isinstance(error, CallTimeout)
    assert it.status == 0
    assert it.get(server.answer("/ok", 200, b"ok")) == b"ok"


def test_n48_informational_answers_without_end(browser, server):
    """Refused after ten; two are skipped."""
    server.script("/", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"))
    began = time.monotonic()
    refused(browser(timeout_ms=50_000), server.url("/"))
    assert time.monotonic() - began < ROOM

    server.raw("/two", b"HTTP/1.1 103 Early\r\n\r\n" * 2 + message(200, b"real"))
    assert browser().get(server.url("/two")) == b"real"


def test_n49_the_status_is_not_stale(browser, server, forbidden):
    """0 after whatever kind of failure; right after the next answer."""
    it = browser()
    ok = server.answer("/", 201, b"ok")
    failures = [
        (forbidden.url("/"), {}),
        (server.url("/"), {"headers": {"Host": "x"}}),
        ("nonsense", {}),
        (server.raw("/broken", b"broken"), {}),
    ]
    for url, more in failures:
        it.get(ok)
        assert it.status == 201
        refused(it, url, **more)
        assert it.status == 0


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, 599])
def test_n50_answers_that_say_no(browser, server, status):
    """They are delivered with their body."""
    it = browser()
    assert it.get(server.answer("/", status, b"sorry")) == b"sorry"
    assert it.status == status


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"http://127.0.0.1/"',
        b"{}",
        b'{"url": 1}',
        b'{"url": null}',
        b'{"url": "http://127.0.0.1/", "method": 5}',
        b'{"url": "http://127.0.0.1/", "headers": []}',
        b'{"url": "http://127.0.0.1/", "headers": {"a": 1}}',
        b'{"url": "http://127.0.0.1/", "header": {}}',
        b"[" * 200_000,
        b'{"url":' * 100_000,
        b'{"url": "http://127.0.0.1/' + b"a" * (10 << 20) + b'"}',
        b'{"url": ' + b"1" * 100_000 + b"}",
        b'{"url": 1e999999}',
        b'{"url": NaN}',
        b'{"url": "\\ud800"}',
        b"\xff\xfe{}",
        b'{"url": "http://127.0.0.1/\xff"}',
    ],
    ids=lambda text: repr(text[:40]),
)
def test_n51_requests_that_are_none(browser, server, text):
    """Each is an error of bounded length, in bounded time; the next request works."""
    it = browser()
    began = time.monotonic()
    with pytest.raises(CallError) as caught:
        it.plugin.call("get", text)
    assert time.monotonic() - began < ROOM
    assert len(str(caught.value)) < 2000
    assert it.get(server.answer("/", 200, b"ok")) == b"ok"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a path that is none


def test_n52_requests_leave_no_descriptors(browser, server):
    """Good and bad ones alike."""
    it = browser(timeout_ms=50_000)
    good, bad = server.answer("/", 200, b"ok"), server.raw("/bad", CHUNKED + b"zz")

    before = descriptors()
    for _ in range(150):
        it.get(good)
        refused(it, bad)
    # Those of the server, in this process, are closed by its threads.
    assert until(lambda: descriptors() <= before + 2)


def test_n53_proxies_of_the_environment(browser, server, other, monkeypatch):
    """No variable sends a request elsewhere."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url("/"))

    assert browser().get(server.answer("/", 200, b"direct")) == b"direct"
    assert other.connection_count == 0


def test_n54_credentials_of_the_host(browser, server, monkeypatch, tmp_path):
    """Neither .netrc nor anything else of the host's is sent; what the guest says is."""
    (tmp_path / ".netrc").write_text(
        "machine 127.0.0.1 login user password secret\ndefault login a password b\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    url = server.answer("/", 200, b"ok")
    browser().get(url)
    browser().get(url, headers={"Authorization": "own"})

    assert [each.header("authorization") for each in server.seen] == [None, "own"]


def test_n55_cookies(browser, server):
    """What a server sets is sent back by nobody; what the guest says is."""
    url = server.answer("/", 200, b"ok", [("Set-Cookie", "session=1; Path=/")])
    one, other = browser(), browser()
    one.get(url)
    one.get(url)
    other.get(server.redirect("/in", "/"))
    one.get(url, headers={"Cookie": "own=1"})

    assert [each.header("cookie") for each in server.seen] == [None] * 4 + ["own=1"]


# Modules behind URLs --------------------------------------------------------------------------------


def load(url, **source):
    with extism.Plugin({"wasm": [{"url": url, **source}]}) as plugin:
        return Browser(plugin).status


@pytest.fixture
def module(server):
    """The URL of a good module, and its hash."""
    data = BROWSER.encode()
    return server.answer("/module", 200, data), hashlib.sha256(data).hexdigest()


def silent(connection):
    """Say nothing until the other side goes away."""
    connection.recv(1)


def dripping(connection):
    for byte in itertools.cycle(b"HTTP/1.1 200 OK\r\nx: y"):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("script", [silent, dripping])
def test_n56_a_module_of_a_silent_server(server, module, monkeypatch, script):
    """Fetching has a limit of its own: 30 s, one here."""
    monkeypatch.setattr("extism.sources.FETCH_TIMEOUT", 1.0)
    server.script("/", script)
    began = time.monotonic()
    with pytest.raises(SourceError):
        load(server.url("/"))
    assert time.monotonic() - began < 1 + ROOM
    assert load(module[0]) == 0


def fetches_without_end() -> dict:
    with serve() as server:
        server.script("/", endless(CHUNKED, b"10000\r\n" + bytes(65536) + b"\r\n"))
        before = peak_memory()
        try:
            load(server.url("/"))
            error = ""
        except SourceError as exc:
            error = str(exc)
        return {"error": error, "grown": (peak_memory() - before) >> 20}


def test_n57_a_module_without_end(module):
    """It stops after 64 MB."""
    found = in_a_child(fetches_without_end, seconds=60)

    assert "more than 67108864 bytes" in found["error"]
    assert found["grown"] < 300
    assert load(module[0]) == 0


def test_n58_a_module_with_another_hash(server, module):
    """Refused before anybody looks at it; with its hash it is taken, after a redirect too."""
    url, digest = module
    with pytest.raises(HashMismatch):
        load(url, hash=hashlib.sha256(b"another").hexdigest())
    with pytest.raises(HashMismatch):
        load(server.answer("/text", 200, b"no module"), hash=digest)
    assert load(url, hash=digest) == 0
    assert load(server.redirect("/moved", "/module"), hash=digest) == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>Not found</html>"), (404, BROWSER.encode()), (500, b""), (200, b""), (204, b"")],
)
def test_n59_a_page_that_is_no_module(server, module, status, body):
    """Refused with what it looks like, or with the status."""
    with pytest.raises(SourceError):
        load(server.answer("/page", status, body))
    assert load(module[0]) == 0


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname", ""])
def test_n60_a_module_of_a_file_url(server, module, url):
    """Refused, and a redirect there too."""
    with pytest.raises(SourceError):
        load(url)
    if url.startswith("file"):
        with pytest.raises(SourceError):
            load(server.redirect("/moved", url))
    assert load(module[0]) == 0


def test_n61_hashes_in_upper_case(module):
    """They count: right ones are taken, wrong ones refused, and so is what is none."""
    url, digest = module
    assert load(url, hash=digest.upper()) == 0
    for wrong in (
        hashlib.sha256(b"").hexdigest().upper(),
        "",
        "0",
        digest[:-1],
        digest + "0",
        "ä" * 64,
    ):
        with pytest.raises(HashMismatch):
            load(url, hash=wrong)


def test_n62_an_answer_that_stays_open(browser, server):
    """More was promised than comes: the deadline ends it."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000000\r\n\r\n"
    server.script("/", lambda connection: (connection.sendall(head + b"x"), connection.recv(1)))
    began = time.monotonic()
    with pytest.raises(CallTimeout):
        browser(timeout_ms=400).get(server.url("/"))
    assert time.monotonic() - began < 0.4 + ROOM
    assert browser(timeout_ms=50_000).get(server.answer("/ok", 200, b"ok")) == b"ok"


# TLS and lookups, which no row names: part of the same promises -----------------------------------------


def test_n03_a_certificate_of_another_name(browser, tmp_path):
    """Refused although the address is pinned; the right name is taken."""
    bundle = authority().write_bundle(tmp_path)
    for name, is_right in (("127.0.0.1", True), ("other.example", False)):
        with serve(authority().context(name)) as server:
            url = server.answer("/", 200, b"safe")
            it = browser(options={"ca_bundle": bundle})
            if is_right:
                assert it.get(url) == b"safe"
            else:
                assert "certificate" in str(refused(it, url))


def test_n36_a_name_that_is_bound_again(server):
    """It is looked up once for a hop; what is connected to is what was checked."""
    server.answer("/", 200, b"near")
    asked = []

    def look(host, _port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    http = Http(AllowedHosts(["name.example"]), look=look)
    assert http.send(Request(server.url("/", host="name.example"))).body == b"near"
    assert asked == ["name.example"]


def test_n62_a_lookup_that_never_answers():
    """The deadline holds for it too."""
    never = threading.Event()
    http = Http(AllowedHosts(["name.example"]), look=lambda *_: never.wait(AGES) or [])
    began = time.monotonic()
    with pytest.raises(CallTimeout):
        http.send(Request("http://name.example/"), deadline=time.monotonic() + 0.3)
    never.set()
    assert time.monotonic() - began < 0.4 + ROOM
