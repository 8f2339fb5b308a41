"""HTTP: hops, addresses, bodies, limits, time. Real servers on 127.0.0.1; names come from a fake resolver."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import ssl
import threading
import time
import zlib
from pathlib import Path

import pytest
from http_server import authority, message, serve
from patience import AGES, ROOM, until, within

from extism._capabilities.hosts import AllowedHosts
from extism._capabilities.http import Http
from extism._capabilities.http_request import Request
from extism.errors import CallTimeout, Cancelled, CapabilityDenied

LOCAL = AllowedHosts(["127.0.0.1"])


@pytest.fixture
def server():
    with serve() as running:
        yield running


@pytest.fixture
def other():
    with serve() as running:
        yield running


def send(url, body=None, *, hosts=LOCAL, max_bytes=1 << 20, method="GET", headers=None, **more):
    options = {key: more.pop(key) for key in ("look", "ca_bundle", "timeout") if key in more}
    request = Request(url, method, headers or {})
    return Http(hosts, max_bytes, **options).send(request, body, **more)


def names(**addresses):
    """A resolver that knows these names only."""

    def look(host, _port):
        try:
            return addresses[host.replace(".", "_")]
        except KeyError:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None

    return look


# Requests and answers -----------------------------------------------------------------------------


def test_a_guests_json_is_sent(server):
    """The request in JSON reaches the server with its method, headers and body."""
    server.answer("/hook", 201, b'{"ok":true}', [("X-Reply", "yes")])
    text = json.dumps(
        {
            "url": server.url("/hook?a=b#frag"),
            "method": "post",
            "headers": {"Content-Type": "application/json"},
        }
    )
    answer = Http(LOCAL).send(text.encode(), b'{"name": "x"}')
    seen = server.seen[0]

    assert (answer.status, answer.body) == (201, b'{"ok":true}')
    assert answer.headers == {"x-reply": "yes", "content-length": "11"}
    assert (seen.method, seen.target, seen.body) == ("POST", "/hook?a=b", b'{"name": "x"}')
    assert dict(seen.headers) == {
        "host": f"127.0.0.1:{server.port}",
        "connection": "close",
        "accept": "*/*",
        "accept-encoding": "gzip",
        "user-agent": "extism-python",
        "content-type": "application/json",
        "content-length": "13",
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_sends_its_body(server, method):
    """A body is sent with any method, and with its length."""
    server.answer("/", body=b"" if method == "HEAD" else b"done")
    send(server.url("/"), b"body", method=method)

    assert (server.seen[0].method, server.seen[0].body) == (method, b"body")
    assert server.seen[0].header("transfer-encoding") is None


@pytest.mark.parametrize(
    ("method", "length"), [("GET", None), ("DELETE", None), ("POST", "0"), ("PUT", "0")]
)
def test_no_body_is_no_body(server, method, length):
    """Without a body only methods that usually have one say that its length is 0."""
    server.answer("/")
    send(server.url("/"), method=method)

    assert server.seen[0].header("content-length") == length


@pytest.mark.parametrize("status", [200, 204, 304, 401, 404, 418, 500, 503])
def test_no_status_is_an_error(server, status):
    """Whatever the status, it is handed over."""
    body = b"" if status in {204, 304} else b"text"
    server.raw("/", message(status, body, [("content-length", str(len(body)))]))

    answer = send(server.url("/"))

    assert (answer.status, answer.body) == (status, body)


def test_guests_override_the_friendly_headers(server):
    """accept, accept-encoding and user-agent are defaults only."""
    server.answer("/")
    send(server.url("/"), headers={"User-Agent": "me", "ACCEPT": "a/b", "Accept-Encoding": "x"})
    seen = server.seen[0]

    found = [seen.header(name) for name in ("user-agent", "accept", "accept-encoding")]
    assert found == ["me", "a/b", "x"]


def test_header_values_go_out_as_utf_8(server):
    """Letters beyond ASCII reach the server as UTF-8, which it may read as it likes."""
    server.answer("/")
    send(server.url("/"), headers={"X-Name": "Zoë €"})

    assert server.seen[0].header("x-name") == "Zoë €".encode().decode("latin-1")


def test_userinfo_becomes_basic_authorization(server):
    """User and password of the URL are sent as a header, unless the guest sets one."""
    server.answer("/")
    send(server.url("/", host="us%40er:p%3Aw@127.0.0.1"))
    send(server.url("/", host="a:b@127.0.0.1"), headers={"Authorization": "Bearer t"})

    assert [each.header("authorization") for each in server.seen] == [
        "Basic dXNAZXI6cDp3",
        "Bearer t",
    ]


def test_the_last_of_repeated_headers_counts(server):
    """Repeated headers give the last value; values that are not visible ASCII are dropped."""
    server.raw(
        "/",
        b"HTTP/1.1 200 OK\r\nX-Multi: one\r\nx-multi: two\r\nX-Odd: \xff\r\nX-Tab: a\tb\r\n"
        b"Content-Length: 0\r\n\r\n",
    )

    assert send(server.url("/")).headers == {
        "x-multi": "two",
        "x-tab": "a\tb",
        "content-length": "0",
    }


def test_chunked_and_unframed_answers(server):
    """Chunked answers, with and without trailers, and answers that end with the connection are read."""
    server.raw(
        "/chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n",
    )
    server.raw("/unframed", b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

    assert send(server.url("/chunked")).body == b"abcdefg"
    assert send(server.url("/unframed")).body == b"until the end"


def test_a_large_body_goes_up_and_down(server):
    """Eight megabytes each way arrive unchanged."""
    data = os.urandom(8 << 20)
    server.answer("/", body=data)

    assert send(server.url("/"), data, max_bytes=8 << 20).body == data
    assert server.seen[0].body == data


def test_an_early_answer_to_a_long_body_is_heard(server):
    """A server that answers before it has read the body, and closes, is heard where it can be."""

    def refuse(connection):
        connection.sendall(message(413, b"too large"))

    server.serve_one = refuse
    answer = send(server.url("/"), b"x" * 1000, method="POST")

    assert (answer.status, answer.body) == (413, b"too large")


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("GZIP", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:])),
    ],
    ids=["gzip", "deflate", "upper case", "two members"],
)
def test_encoded_bodies_are_decoded(server, encoding, encode):
    """gzip and deflate are decoded, and the headers that spoke of the encoded form are gone."""
    data = b"some text, " * 100
    server.answer("/", body=encode(data), headers=[("Content-Encoding", encoding), ("A", "b")])
    answer = send(server.url("/"))

    assert answer.body == data
    assert answer.headers == {"a": "b"}


def test_informational_answers_are_skipped(server):
    """Up to ten 1xx answers may come before the real one."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5
    server.raw("/", early + message(200, b"at last"))

    answer = send(server.url("/"))

    assert (answer.status, answer.body) == (200, b"at last")
    assert "link" not in answer.headers


# What may be reached ------------------------------------------------------------------------------


def test_nothing_is_reached_without_allowed_hosts(server):
    """No entry, no request: not even a connection is made."""
    with pytest.raises(CapabilityDenied) as caught:
        send(server.url("/x"), hosts=AllowedHosts([]))

    assert str(caught.value) == (
        f"HTTP request to {server.url('/x')} is not allowed: host 127.0.0.1 is not in allowed_hosts; "
        "allowed_hosts: it holds nothing; to allow this host, add '127.0.0.1'"
    )
    assert (caught.value.capability, caught.value.wanted) == ("http", server.url("/x"))
    assert server.connection_count == 0


def test_a_denial_names_the_host_and_what_is_held(server):
    """The error shows the URL without userinfo, the host and the entries that there are."""
    with pytest.raises(CapabilityDenied) as caught:
        send(server.url("/", host="user:secret@localhost"), hosts=AllowedHosts(["a.b", "*.c"]))
    text = str(caught.value)

    assert text.startswith(f"HTTP request to http://localhost:{server.port}/ is not allowed: ")
    assert "host localhost is not in allowed_hosts" in text
    assert "it holds a.b, *.c; to allow this host, add 'localhost'" in text
    assert "secret" not in text


def test_a_denial_is_short(server):
    """Long URLs and long lists are cut."""
    hosts = AllowedHosts([f"host-{n}.example" for n in range(1000)])
    with pytest.raises(CapabilityDenied) as caught:
        send(server.url("/" + "x" * 10_000), hosts=hosts)

    assert len(str(caught.value)) < 700


def test_a_name_is_looked_up_and_its_address_connected(server):
    """The connection goes to the address that was looked up; the Host header has the name."""
    server.answer("/", body=b"hi")
    asked = []

    def look(host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    url = server.url("/", host="app.example")

    assert send(url, hosts=AllowedHosts(["app.example"]), look=look).body == b"hi"
    assert asked == [("app.example", server.port)]
    assert server.seen[0].header("host") == f"app.example:{server.port}"


def test_a_name_that_rebinds_is_asked_once(server):
    """A resolver that would answer differently the second time is not asked a second time."""
    server.answer("/", body=b"hi")
    answers = [["127.0.0.1"], ["127.0.0.9"]]
    hosts = AllowedHosts(["rebind.example"])

    answer = send(
        server.url("/", host="rebind.example"), hosts=hosts, look=lambda *_: answers.pop(0)
    )

    assert (answer.body, len(answers)) == (b"hi", 1)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["169.254.169.254"],
        ["0.0.0.0"],
        ["93.184.216.34"] * 1000 + ["10.0.0.1"],
    ],
    ids=["private", "mixed", "IPv6", "mapped", "NAT64", "metadata", "unspecified", "last of many"],
)
def test_a_pattern_does_not_open_private_addresses(server, addresses):
    """A name that a wildcard let through may not lead into the machine's own network."""
    with pytest.raises(CapabilityDenied, match="an address of a private network") as caught:
        send(
            server.url("/", host="evil.example"),
            hosts=AllowedHosts(["*"]),
            look=names(evil_example=addresses),
        )

    assert "add 'evil.example'" in str(caught.value)
    assert server.connection_count == 0


def test_a_pattern_that_spells_the_range_opens_it(server):
    """`127.0.*` opens loopback addresses, `*` does not."""
    server.answer("/")

    assert send(server.url("/"), hosts=AllowedHosts(["127.0.*"])).status == 200
    with pytest.raises(
        CapabilityDenied, match=r"host 127\.0\.0\.1 is an address of a private network"
    ):
        send(server.url("/"), hosts=AllowedHosts(["*"]))


def test_an_entry_with_a_port_opens_that_port(server, other):
    """Another port of the same host stays closed."""
    server.answer("/")
    hosts = AllowedHosts([f"127.0.0.1:{server.port}"])

    assert send(server.url("/"), hosts=hosts).status == 200
    with pytest.raises(CapabilityDenied):
        send(other.url("/"), hosts=hosts)


@pytest.mark.parametrize("entry", ["::1", "[::1]"])
def test_ipv6_is_reached(entry):
    """An IPv6 address can be allowed in both spellings."""
    with serve(host="::1") as server6:
        server6.answer("/", body=b"six")

        assert send(server6.url("/"), hosts=AllowedHosts([entry])).body == b"six"
        assert server6.seen[0].header("host") == f"[::1]:{server6.port}"


SPELLINGS = [
    "http://2130706434:{port}/",
    "http://0x7f000002:{port}/",
    "http://0177.0.0.2:{port}/",
    "http://127.2:{port}/",
    "http://[::ffff:127.0.0.2]:{port}/",
    "http://127.0.0.2.:{port}/",
    "http://%31%32%37.0.0.2:{port}/",
    "http://127。0。0。2:{port}/",
    "http://⑫7.0.0.2:{port}/",
    "http://127.0.0.1@127.0.0.2:{port}/",
    "http://127.0.0.1:x@127.0.0.2:{port}/",
    "http://127.0.0.1\\@127.0.0.2:{port}/",
    "http://127.0.0.1%2f@127.0.0.2:{port}/",
    "http://127.0.0.1;@127.0.0.2:{port}/",
    "http:\\\\127.0.0.2:{port}\\",
    "http:/127.0.0.2:{port}/",
    "http://127.0.0.2:{port}\t/",
    "//127.0.0.2:{port}/",
    "http://a@127.0.0.1@127.0.0.2:{port}/",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_gets_around_the_list(spelling):
    """However a forbidden address is written, its server sees no connection."""
    with serve(host="127.0.0.2") as forbidden:
        with pytest.raises((CapabilityDenied, ValueError)):
            send(spelling.format(port=forbidden.port))

        assert forbidden.connection_count == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://127.0.0.1/", "gopher://a/", "data:,x"]
)
def test_only_http_and_https(url):
    """Other schemes are refused, even where everything is allowed."""
    with pytest.raises(ValueError, match="bad uri: unknown scheme"):
        send(url, hosts=AllowedHosts(["*", ""]))


def test_environment_and_netrc_take_no_part(server, other, monkeypatch, tmp_path):
    """Proxies of the environment and credentials of the user are not used."""
    server.answer("/")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url())
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    send(server.url("/"))

    assert server.seen[0].header("authorization") is None
    assert other.connection_count == 0


def test_cookies_are_not_kept(server):
    """What a server sets is not sent with the next request."""
    server.answer("/", headers=[("Set-Cookie", "a=b")])
    http = Http(LOCAL)
    http.send(Request(server.url("/")))
    http.send(Request(server.url("/")))

    assert server.seen[1].header("cookie") is None


# Redirects ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "expected_method", "keeps_body"),
    [
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (302, "HEAD", "HEAD", False),
        (307, "POST", "POST", True),
        (308, "PUT", "PUT", True),
    ],
)
def test_redirects_on_the_same_origin(server, status, method, expected_method, keeps_body):
    """301 to 303 become GET without body; 307 and 308 send the same again; credentials stay."""
    server.redirect("/a", "/b", status)
    server.answer("/b", body=b"" if method == "HEAD" else b"there")
    headers = {"Authorization": "t", "Content-Type": "text/plain", "X-Own": "1"}
    send(server.url("/a"), b"body", method=method, headers=headers)
    second = server.seen[1]

    assert (second.method, second.target) == (expected_method, "/b")
    assert second.body == (b"body" if keeps_body else b"")
    assert second.header("content-type") == ("text/plain" if keeps_body else None)
    assert second.header("content-length") == ("4" if keeps_body else None)
    assert (second.header("authorization"), second.header("x-own")) == ("t", "1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_stay_at_their_origin(server, other, status):
    """Another port is another origin: Authorization and Cookie are dropped, other headers go on."""
    server.redirect("/", other.url("/"), status)
    other.answer("/", body=b"there")
    headers = {"Authorization": "t", "Cookie": "c", "X-Own": "1"}
    answer = send(server.url("/"), headers=headers)
    seen = other.seen[0]

    assert answer.body == b"there"
    assert [seen.header(n) for n in ("authorization", "cookie", "x-own")] == [None, None, "1"]
    assert seen.header("host") == f"127.0.0.1:{other.port}"


@pytest.mark.parametrize("status", [307, 308])
def test_a_body_stays_at_its_origin(server, other, status):
    """A redirect that would hand the body to another origin fails."""
    server.redirect("/", other.url("/"), status)
    with pytest.raises(
        ConnectionError, match=r"^redirect failed: a body is not sent on to another"
    ):
        send(server.url("/"), b"body", method="POST")

    assert other.connection_count == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_hop_is_checked(server, status):
    """A redirect from an allowed to a forbidden host is refused before anything is sent."""
    with serve(host="127.0.0.2") as forbidden:
        server.redirect("/", forbidden.url("/secret"), status)
        with pytest.raises(CapabilityDenied) as caught:
            send(server.url("/"))

        assert forbidden.connection_count == 0
    assert str(caught.value).startswith(
        f"HTTP request to {forbidden.url('/secret')} is not allowed: "
    )
    assert str(caught.value).endswith(f"; redirected there from {server.url('/')}")


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http:///x",
        "http://a b/",
        "//127.1/",
        "http://[::1",
    ],
)
def test_a_redirect_that_leads_nowhere_fails(server, location):
    """A Location that is no http URL is an error that says where it came from."""
    server.redirect("/", location)
    with pytest.raises(ConnectionError, match=r"^redirect failed: ") as caught:
        send(server.url("/"))

    assert server.url("/") in str(caught.value)


def test_ten_redirects_are_followed_and_no_more(server):
    """The tenth redirect is followed, the eleventh is an error."""
    for number in range(20):
        server.redirect(f"/{number}", f"/{number + 1}")
    server.answer("/20", body=b"end")

    assert send(server.url("/10")).body == b"end"
    with pytest.raises(ConnectionError, match=r"^too many redirects"):
        send(server.url("/9"))


def test_a_redirect_without_a_location_is_an_answer(server):
    """A 302 without Location, and a 304 or 300, are handed over."""
    server.answer("/302", 302, b"where to?")
    server.answer("/300", 300, b"choose", [("Location", "/x")])

    assert [send(server.url(path)).status for path in ("/302", "/300")] == [302, 300]


def test_the_body_of_a_redirect_is_not_read(server):
    """An endless body beside a Location costs nothing."""

    def endless(connection):
        connection.sendall(b"HTTP/1.1 302 X\r\nLocation: /b\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    server.script("/a", endless)
    server.answer("/b", body=b"there")

    assert send(server.url("/a"), max_bytes=5).body == b"there"


# Limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked", "unframed", "gzip"])
@pytest.mark.parametrize("limit", [1000, 0])
def test_exactly_the_limit_is_let_in(server, framing, limit):
    """A body of max_http_response_bytes is fine, one more byte is not; decoded bytes count."""

    def framed(body):
        if framing == "chunked":
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:7], body[7:]) if p)
            return message(200, chunks + b"0\r\n\r\n", [("Transfer-Encoding", "chunked")])
        if framing == "unframed":
            return b"HTTP/1.1 200 OK\r\n\r\n" + body
        if framing == "gzip":
            return message(200, gzip.compress(body), [("Content-Encoding", "gzip")])
        return message(200, body)

    server.raw("/fits", framed(b"x" * limit))
    server.raw("/over", framed(b"x" * (limit + 1)))

    assert len(send(server.url("/fits"), max_bytes=limit).body) == limit
    with pytest.raises(CapabilityDenied) as caught:
        send(server.url("/over"), max_bytes=limit)
    text = f"HTTP response exceeds the configured maximum number of bytes: {limit} "
    assert str(caught.value).startswith(text)


def test_a_gzip_bomb_stops_at_the_limit(server):
    """A body that would decode to 200 MB is stopped after the limit, without the memory for it."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(200)) + squeeze.flush()
    server.answer("/", body=bomb, headers=[("Content-Encoding", "gzip")])
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(CapabilityDenied, match="exceeds the configured maximum"):
            send(server.url("/"), max_bytes=1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 5_000_000


@pytest.mark.parametrize("chunked", [False, True])
def test_an_endless_body_stops_at_the_limit(server, chunked):
    """A body without end is left as soon as it is too large."""

    def endless(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
        while True:
            connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n" if chunked else b"x" * 1024)

    server.script("/", endless)
    with pytest.raises(CapabilityDenied, match="exceeds the configured maximum"):
        send(server.url("/"), max_bytes=1000, timeout=10)


OK = b"HTTP/1.1 200 OK\r\n"

BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "no number as status": b"HTTP/1.1 abc OK\r\n\r\n",
    "NUL in the status line": b"HTTP/1.1 200 O\0K\r\n\r\n",
    "cut status line": b"HTTP/1.1 200",
    "cut headers": OK + b"Content-Length: 5\r\n",
    "cut header": OK + b"Content-Le",
    "header without colon": OK + b"nonsense\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 2\r\n\r\nok",
    "folded header": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "negative length": OK + b"Content-Length: -1\r\n\r\nok",
    "length with a plus": OK + b"Content-Length: +2\r\n\r\nok",
    "length in words": OK + b"Content-Length: two\r\n\r\nok",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "two lengths in one": OK + b"Content-Length: 2, 3\r\n\r\nok!",
    "length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "cut body": OK + b"Content-Length: 10\r\n\r\nok",
    "cut chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n10\r\nok",
    "no last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
    "chunk of negative size": OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n",
    "broken gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    "many headers": OK + b"".join(b"x-%d: y\r\n" % n for n in range(200)) + b"\r\n",
    "100,000 headers": OK + b"x: y\r\n" * 100_000 + b"\r\n",
    "a header of 1 MB": OK + b"x: " + b"y" * 1_000_000 + b"\r\n\r\n",
    "a status line of 1 MB": b"HTTP/1.1 200 " + b"y" * 1_000_000,
    "eleven times 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 11 + message(200, b"late"),
    "endless 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_malformed_answer_is_an_error(server, case):
    """Nothing that is no well-formed HTTP/1 answer gets through, nor does it crash anything."""
    server.raw("/", BROKEN[case])
    with pytest.raises(ConnectionError) as caught:
        send(server.url("/"), timeout=10)

    assert str(caught.value).startswith(("protocol: ", "io: "))
    assert len(str(caught.value)) < 300


def test_equal_lengths_are_one(server):
    """The same length twice leaves no doubt."""
    server.raw("/", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok")

    assert send(server.url("/")).body == b"ok"


def test_no_file_descriptor_is_leaked(server):
    """Good, refused and broken requests leave no descriptor behind."""
    server.answer("/", body=b"x" * 100)
    server.raw("/broken", b"nonsense\r\n")
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("no list of open descriptors here")

    def attempt():
        send(server.url("/"))
        with pytest.raises(CapabilityDenied):
            send(server.url("/"), max_bytes=5)
        with pytest.raises(ConnectionError):
            send(server.url("/broken"))

    def open_sockets():
        count = 0
        for each in descriptors.iterdir():
            with contextlib.suppress(OSError):
                count += str(each.readlink()).startswith(("socket:", "anon_inode:"))
        return count

    attempt()
    before = open_sockets()
    for _ in range(50):
        attempt()

    # The server closes its side in threads of its own.
    assert until(lambda: open_sockets() <= before)


# Failures in the world ----------------------------------------------------------------------------


def test_a_refused_connection_is_told_in_upstreams_words():
    """Nobody listens: the system's words and number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionError) as caught:
        send(f"http://127.0.0.1:{port}/")

    assert str(caught.value) == "io: Connection refused (os error 111)"


def test_every_address_is_tried(server):
    """Where the first address does not answer, the next one gets its turn."""
    server.answer("/", body=b"hi")
    look = names(app_example=["127.0.0.3", "127.0.0.1"])
    url = server.url("/", host="app.example")

    assert send(url, hosts=AllowedHosts(["app.example"]), look=look).body == b"hi"


def test_a_connection_that_breaks_is_told(server):
    """A reset in the middle of the answer is an error with the system's words."""

    def reset(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")
        linger = b"\1\0\0\0\0\0\0\0"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()

    server.script("/", reset)
    with pytest.raises(ConnectionError, match=r"^io: "):
        send(server.url("/"))


@pytest.mark.parametrize(
    ("look", "text"),
    [
        (names(), "Name or service not known (no.example)"),
        (lambda *_: [], "no address (no.example)"),
        (lambda *_: ["not an address", "fe80::1%eth0"], "no address (no.example)"),
    ],
    ids=["unknown", "empty", "nonsense"],
)
def test_a_name_without_address_is_told(look, text):
    """A name that cannot be looked up is an error that names it."""
    with pytest.raises(ConnectionError) as caught:
        send("http://no.example/", hosts=AllowedHosts(["no.example"]), look=look)

    assert str(caught.value) == f"io: failed to lookup address information: {text}"


def test_a_bug_in_a_resolver_is_not_hidden():
    """An exception that is no answer comes out as it is."""

    def look(host, port):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        send("http://a.example/", hosts=AllowedHosts(["a.example"]), look=look)


# Time ---------------------------------------------------------------------------------------------


def silence(connection):
    time.sleep(0.01)
    connection.recv(1)  # until the client goes away


def drip(start):
    def script(connection):
        connection.sendall(start)
        while True:  # until the client goes away
            time.sleep(0.05)
            connection.sendall(b"x")

    return script


def endless_continue(connection):
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\nx: ")
        time.sleep(0.05)


SLOW = {
    "silence": silence,
    "drip of a body": drip(OK + b"Content-Length: 1000\r\n\r\n"),
    "drip of headers": drip(OK + b"x-long: "),
    "drip of a chunk": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"),
    "body that never ends": lambda c: (c.sendall(OK + b"Content-Length: 9\r\n\r\n"), c.recv(1)),
    "slow 100": endless_continue,
}


@pytest.mark.parametrize("case", SLOW)
def test_the_deadline_holds_whatever_the_server_does(server, case):
    """No server, however slow, keeps a request beyond the deadline of the call."""
    server.script("/", SLOW[case])
    with within(0.3), pytest.raises(CallTimeout) as caught:
        send(server.url("/"), deadline=time.monotonic() + 0.3)

    assert str(caught.value) == "timeout"


def test_a_request_has_a_limit_of_its_own(server):
    """Where the call has no deadline, the request has: 30 s unless set."""
    server.script("/", silence)
    with pytest.raises(TimeoutError) as caught:
        send(server.url("/"), timeout=0.2)

    assert str(caught.value) == "io: no complete answer within 0.2 s"
    assert not isinstance(caught.value, CallTimeout)


def test_the_deadline_covers_all_hops(server):
    """Redirects share one deadline."""

    def slow_redirect(connection):
        time.sleep(0.15)
        connection.sendall(message(302, headers=[("Location", "/")]))

    server.script("/", slow_redirect)
    began = time.monotonic()
    with pytest.raises(CallTimeout):
        send(server.url("/"), deadline=began + 0.4)

    assert time.monotonic() - began < 0.4 + ROOM


def test_a_slow_resolver_is_in_the_deadline():
    """A lookup that does not return is left behind."""
    released = threading.Event()
    began = time.monotonic()
    with pytest.raises(CallTimeout):
        send(
            "http://slow.example/",
            hosts=AllowedHosts(["slow.example"]),
            look=lambda *_: released.wait(AGES) and [],
            deadline=began + 0.2,
        )
    released.set()

    assert time.monotonic() - began < 0.2 + ROOM


def test_a_connection_that_is_not_taken_is_in_the_deadline():
    """A full queue of connections does not keep anybody."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        began = time.monotonic()
        with pytest.raises(CallTimeout):
            send(f"http://127.0.0.1:{listener.getsockname()[1]}/", deadline=began + 0.3)

        assert time.monotonic() - began < 0.3 + ROOM


def test_a_server_that_does_not_read_is_in_the_deadline(server):
    """A body that nobody takes does not keep anybody."""
    server.serve_one = lambda connection: time.sleep(AGES)
    began = time.monotonic()
    with pytest.raises(CallTimeout):
        send(server.url("/"), bytes(32 << 20), method="POST", deadline=began + 0.3)

    assert time.monotonic() - began < 0.3 + ROOM


def test_a_deadline_in_the_past_sends_nothing(server):
    """When time is up before the request, there is no request."""
    with pytest.raises(CallTimeout):
        send(server.url("/"), deadline=time.monotonic() - 1)

    assert server.connection_count == 0


@pytest.mark.parametrize("way", ["asked", "closed"])
def test_a_request_is_cancelled_from_another_thread(server, way):
    """Both the caller's own question and `close` end a request that waits, within a moment."""
    server.script("/", silence)
    http, cancelled = Http(LOCAL), threading.Event()
    end = cancelled.set if way == "asked" else http.close
    timer = threading.Timer(0.2, end)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        http.send(Request(server.url("/")), is_cancelled=cancelled.is_set)
    timer.join()

    assert 0.2 <= time.monotonic() - began < 0.2 + ROOM


def test_a_closed_client_may_send_again(server):
    """`close` ends what runs; what comes later is a new request."""
    server.answer("/", body=b"hi")
    http = Http(LOCAL)
    http.close()

    assert http.send(Request(server.url("/"))).body == b"hi"


# TLS ----------------------------------------------------------------------------------------------

LOCALHOST = AllowedHosts(["localhost", "127.0.0.1", "other.example"])


@pytest.fixture
def bundle(tmp_path):
    return authority().write_bundle(tmp_path)


@pytest.mark.parametrize(
    ("identity", "host"), [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1")]
)
def test_https_with_a_trusted_certificate(bundle, identity, host):
    """A certificate of a trusted authority for the name or address in the URL is accepted."""
    with serve(authority().context(identity)) as server:
        server.answer("/", body=b"secret")
        answer = send(server.url("/", host=host), b"x" * 100_000, hosts=LOCALHOST, ca_bundle=bundle)

        assert answer.body == b"secret"
        assert server.seen[0].header("host") == f"{host}:{server.port}"


def test_the_name_is_told_and_checked_although_the_address_is_pinned(bundle):
    """SNI and certificate go by the name of the URL, not by the address that was looked up."""
    context, told = authority().context("other.example"), []
    context.sni_callback = lambda _socket, name, _context: told.append(name)
    with serve(context) as server:
        server.answer("/", body=b"hi")
        answer = send(
            server.url("/", host="other.example"),
            hosts=LOCALHOST,
            ca_bundle=bundle,
            look=names(other_example=["127.0.0.1"]),
        )

    assert (answer.body, told) == (b"hi", ["other.example"])


@pytest.mark.parametrize(
    ("signer", "identity", "reason"),
    [
        (1, "localhost", "unable to get local issuer certificate"),
        (0, "other.example", "Hostname mismatch"),
        (0, "127.0.0.1", "Hostname mismatch"),
    ],
    ids=["unknown authority", "another name", "the address instead of the name"],
)
def test_a_wrong_certificate_is_refused(bundle, signer, identity, reason):
    """Neither an unknown signer nor another name gets the request."""
    with serve(authority(signer).context(identity)) as server:
        with pytest.raises(
            ConnectionError, match=r"^tls: localhost: certificate refused: "
        ) as caught:
            send(server.url("/", host="localhost"), hosts=LOCALHOST, ca_bundle=bundle)

        assert server.seen == []
    assert reason in str(caught.value)


def test_the_systems_trust_is_the_default():
    """Without a bundle an authority of our own making is unknown."""
    with serve(authority().context("localhost")) as server:
        with pytest.raises(ConnectionError, match=r"^tls: localhost: certificate refused: "):
            send(server.url("/", host="localhost"), hosts=LOCALHOST)

        assert server.seen == []


def test_old_tls_is_refused(bundle):
    """A server that only speaks TLS 1.1 gets no request."""
    context = authority().context("localhost")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with serve(context) as server:
        with pytest.raises(ConnectionError, match=r"^tls: localhost: "):
            send(server.url("/", host="localhost"), hosts=LOCALHOST, ca_bundle=bundle)

        assert server.seen == []


def test_https_to_a_server_without_tls_fails(server):
    """A plain server behind an https URL is an error, not a fall-back."""
    server.serve_one = lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(ConnectionError, match=r"^tls: 127\.0\.0\.1: "):
        send(server.url("/").replace("http:", "https:"))


def test_a_handshake_that_stalls_is_in_the_deadline(server):
    """A server that accepts and says nothing does not keep anybody."""
    server.serve_one = lambda connection: time.sleep(AGES)
    began = time.monotonic()
    with pytest.raises(CallTimeout):
        send(server.url("/").replace("http:", "https:"), deadline=began + 0.3)

    assert time.monotonic() - began < 0.3 + ROOM


def test_a_drip_over_tls_is_in_the_deadline(bundle):
    """The deadline holds inside TLS as well."""
    with serve(authority().context("localhost")) as server:
        server.script("/", drip(OK + b"Content-Length: 1000\r\n\r\n"))
        url, began = server.url("/", host="localhost"), time.monotonic()
        with pytest.raises(CallTimeout):
            send(url, hosts=LOCALHOST, ca_bundle=bundle, deadline=began + 0.5)

        assert time.monotonic() - began < 0.5 + ROOM


def test_a_redirect_from_https_to_http_drops_credentials(bundle, server):
    """Leaving TLS is leaving the origin."""
    server.answer("/", body=b"plain")
    with serve(authority().context("localhost")) as secure:
        secure.redirect("/", server.url("/"))
        answer = send(
            secure.url("/", host="localhost"),
            hosts=LOCALHOST,
            ca_bundle=bundle,
            headers={"Authorization": "t"},
        )

    assert (answer.body, server.seen[0].header("authorization")) == (b"plain", None)


def test_a_bundle_that_cannot_be_read_is_named(server, tmp_path):
    """A wrong `ca_bundle` is an error that names it."""
    with pytest.raises(ConnectionError, match=r"^tls: ca_bundle '.*missing' cannot be read: "):
        send("https://127.0.0.1/", ca_bundle=str(tmp_path / "missing"))
