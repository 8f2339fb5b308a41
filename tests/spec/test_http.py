"""http_request, as a guest sees it: answers, refusals, and that time and cancelling reach it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time

import pytest
from http_server import serve
from patience import AGES, ROOM, repeating, within
from wat_guests import wat

import extism
from extism.errors import CallError, CallTimeout, Cancelled, CapabilityDenied

GETS = wat("""
    (func (export "get") (call $give (call $http_request (call $copy_input) (i64.const 0))))
    (func (export "status")
      (call $give_i64 (i64.extend_i32_u (call $http_status_code))))
    (func (export "headers") (call $give (call $http_headers)))
    ;; Sends the input as request and as body, and tells whether both handles were freed.
    (func (export "post") (local $a i64) (local $b i64)
      (local.set $a (call $copy_input)) (local.set $b (call $copy_input))
      (drop (call $http_request (local.get $a) (local.get $b)))
      (call $give_i64 (i64.add (call $length (local.get $a)) (call $length (local.get $b)))))""")


@pytest.fixture
def server():
    with serve() as server:
        yield server


def request(url, **more):
    return json.dumps({"url": url, **more})


def test_an_answer_is_given_with_its_status(plugin, server):
    """The body is the block, the status is asked for, and stays until the next request."""
    made = plugin(GETS, allowed_hosts=[server.host])
    url = server.answer("/", 418, b"short and stout")

    assert made.call("get", request(url)) == b"short and stout"
    assert made.call("status", "") == (418).to_bytes(8, "little")


def test_before_a_request_there_is_no_status(plugin):
    """0, as in the ABI."""
    assert plugin(GETS).call("status", "") == bytes(8)


def test_a_body_is_sent_and_both_handles_are_taken(plugin, server):
    """The request's JSON and the body are freed by the host."""
    made = plugin(GETS, allowed_hosts=[server.host])
    text = request(server.answer("/", 200, b"ok"), method="post", headers={"X-Key": "v"})

    assert made.call("post", text) == bytes(8)
    assert (server.seen[0].method, server.seen[0].body) == ("POST", text.encode())
    assert server.seen[0].header("x-key") == "v"


def test_an_empty_answer_is_the_null_handle(plugin, server):
    """There is no block for nothing."""
    made = plugin(GETS, allowed_hosts=[server.host])

    assert made.call("get", request(server.answer("/", 204))) == b""


@pytest.mark.parametrize("allowed", [None, [], ["127.0.0.2"], ["*"]], ids=str)
def test_a_host_that_is_not_allowed_is_refused(plugin, server, allowed):
    """The error says which host, and what to add; nothing was sent."""
    made = plugin(GETS, allowed_hosts=allowed)
    url = server.answer("/", 200, b"secret")
    with pytest.raises(CapabilityDenied) as caught:
        made.call("get", request(url))

    assert str(caught.value).startswith(f"HTTP request to {url} is not allowed")
    assert (caught.value.capability, caught.value.wanted) == ("http", url)
    assert caught.value.function == "get"
    assert server.seen == []
    assert made.call("status", "") == bytes(8)


def test_a_refused_request_clears_the_status(plugin, server):
    """The status is never that of an earlier request."""
    made = plugin(GETS, allowed_hosts=[server.host])
    made.call("get", request(server.answer("/", 200, b"x")))
    with pytest.raises(CapabilityDenied):
        made.call("get", request("http://127.0.0.2/"))

    assert made.call("status", "") == bytes(8)


def test_a_redirect_is_checked_like_the_first_hop(plugin, server):
    """An allowed host cannot send the guest to one that is not."""
    made = plugin(GETS, allowed_hosts=[server.host])
    url = server.redirect("/", server.url("/", "127.0.0.2"))

    with pytest.raises(CapabilityDenied, match="redirected there from"):
        made.call("get", request(url))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "EOF|Expecting|empty|JSON"),
        ("{}", "missing field `url`"),
        ('{"url": "http://h/", "header": {}}', "unknown field `header`"),
        ('{"url": "file:///etc/passwd"}', "scheme"),
        ("[" * 100_000, "JSON|nested|deep"),
    ],
    ids=["empty", "no url", "unknown key", "scheme", "nested"],
)
def test_a_request_that_is_none_fails_the_call(plugin, text, words):
    """The text says what is wrong with it; it is no host function of the user's that failed."""
    with pytest.raises(CallError, match=words) as caught:
        plugin(GETS, allowed_hosts=["*"]).call("get", text)

    assert not isinstance(caught.value, extism.errors.HostFunctionError)


def test_a_server_that_is_not_there_fails_the_call(plugin):
    """Upstream's words, and the original error as the cause."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CallError, match="io: Connection refused") as caught:
        plugin(GETS, allowed_hosts=["127.0.0.1"]).call("get", request(f"http://127.0.0.1:{port}/"))

    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(("limit", "fits"), [(1000, True), (999, False)])
def test_the_size_of_an_answer_is_limited(plugin, server, limit, fits):
    """Exactly the limit is let in."""
    made = plugin(GETS, allowed_hosts=[server.host], memory={"max_http_response_bytes": limit})
    text = request(server.answer("/", 200, b"x" * 1000))
    if fits:
        assert made.call("get", text) == b"x" * 1000
        return
    with pytest.raises(
        CapabilityDenied, match="exceeds the configured maximum number of bytes: 999"
    ):
        made.call("get", text)


def silent(connection):
    connection.settimeout(AGES)
    connection.recv(1)


def test_a_silent_server_does_not_outlast_the_deadline(plugin, server):
    """`timeout_ms` covers the request too."""
    made = plugin(GETS, allowed_hosts=[server.host], timeout_ms=300)
    url = server.script("/", silent)
    started = time.monotonic()
    with pytest.raises(CallTimeout, match="timeout"):
        made.call("get", request(url))

    assert 0.3 <= time.monotonic() - started < 0.3 + ROOM


def test_cancel_ends_a_request(plugin, server):
    """A call that waits for a server can be cancelled."""
    made = plugin(GETS, allowed_hosts=[server.host])
    url = server.script("/", silent)
    with repeating(made.cancel_handle().cancel), within(0), pytest.raises(Cancelled):
        made.call("get", request(url))


def test_headers_are_shown_only_on_demand(server):
    """`http_response_headers=True` grants them; `{}` where there are none."""
    url = server.answer("/", 200, b"x", [("X-One", "1"), ("Content-Type", "text/plain")])
    options = {"wasm": [{"data": GETS.encode()}], "allowed_hosts": [server.host]}
    with (
        extism.Plugin(options) as plain,
        extism.Plugin(options, http_response_headers=True) as shown,
    ):
        before = shown.call("headers", "")
        plain.call("get", request(url))
        shown.call("get", request(url))
        found = json.loads(shown.call("headers", ""))

        assert plain.call("headers", "") == b""
    assert before == b"{}"
    assert (found["x-one"], found["content-type"]) == ("1", "text/plain")


@pytest.mark.same_process
def test_requests_that_are_awaited_go_on_at_once(plugin, server):
    """Ten of them wait for a slow server at the same time, without a thread, and each gets its answer."""
    together = threading.Barrier(10)

    def slow(connection):
        together.wait(AGES)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")

    server.scripts["/slow"] = slow
    guests = [plugin(GETS, allowed_hosts=[server.host]) for _ in range(10)]
    url = f"http://{server.host}:{server.port}/slow"
    names = []

    async def main():
        tasks = [asyncio.create_task(guest.acall("get", request(url))) for guest in guests]
        await asyncio.sleep(0)
        names.extend(thread.name for thread in threading.enumerate())
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [b"slow"] * 10
    assert not [name for name in names if "aside" in name or "asyncio" in name]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_request_that_is_awaited_ends_with_its_call(plugin, server, is_cancelled):
    """By its deadline, and with its task."""
    server.scripts["/never"] = silent
    guest = plugin(GETS, allowed_hosts=[server.host])
    url = f"http://{server.host}:{server.port}/never"

    async def main():
        before = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05 if is_cancelled else 60):
                await guest.acall("get", request(url), timeout=60 if is_cancelled else 0.05)
        return time.monotonic() - before

    assert asyncio.run(main()) < ROOM
