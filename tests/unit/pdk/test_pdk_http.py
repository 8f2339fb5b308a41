"""Http: what the host is asked, and what is made of its answer."""

from __future__ import annotations

import json

import pytest

from extism.pdk import Http, HttpRequest


def asked(host):
    return [(json.loads(request), body) for request, body in host.requests]


def test_a_post_as_in_the_mission(host):
    """URL, method, headers and body reach the host; status and body come back."""
    host.responses = [(201, b'{"ok": "\xc3\xa9"}', None)]

    response = Http.request(
        "https://example.org/a",
        meth="POST",
        headers={"Content-Type": "application/json"},
        body='"é"',
    )

    assert asked(host) == [
        (
            {
                "url": "https://example.org/a",
                "method": "POST",
                "headers": {"Content-Type": "application/json"},
            },
            b'"\xc3\xa9"',
        )
    ]
    assert response.status_code == 201
    assert response.data_bytes() == b'{"ok": "\xc3\xa9"}'
    assert response.data_str() == '{"ok": "é"}'
    assert response.data_json() == {"ok": "é"}
    assert repr(response) == "<HttpResponse 201, 12 bytes>"


def test_the_least_request(host):
    """Without more words it is a GET without headers and body."""
    host.responses = [(204, b"", None)]

    assert Http.request("http://a/").data_bytes() == b""
    assert asked(host) == [({"url": "http://a/", "method": "GET", "headers": {}}, None)]


@pytest.mark.parametrize("body", [b"ab", bytearray(b"ab"), memoryview(b"ab"), "ab"])
def test_bodies(host, body):
    """A body is bytes of any kind, or text."""
    host.responses = [(200, b"", None)]
    Http.request("http://a/", "PUT", body)

    assert host.requests[0][1] == b"ab"


def test_a_request_made_first_and_sent_later(host):
    """HttpRequest is the same request in two steps."""
    host.responses = [(200, b"", None)]
    HttpRequest("http://a/", headers={"x": "1"}).send(b"z")

    assert asked(host) == [({"url": "http://a/", "method": "GET", "headers": {"x": "1"}}, b"z")]


def test_each_response_keeps_its_own_headers(host):
    """A later request does not change what an earlier response says."""
    host.responses = [(200, b"", b'{"x-n": "1"}'), (404, b"", b'{"x-n": "2"}')]
    first, second = Http.request("http://a/"), Http.request("http://a/")

    assert (first.headers(), second.headers()) == ({"x-n": "1"}, {"x-n": "2"})
    assert (first.status_code, second.status_code) == (200, 404)


def test_headers_that_the_host_keeps_to_itself(host):
    """Where the host does not hand them out, the error says so and what to do."""
    host.responses = [(200, b"", None)]
    response = Http.request("http://a/")
    with pytest.raises(RuntimeError) as caught:
        response.headers()

    assert str(caught.value) == (
        "this host does not hand response headers to plug-ins; it has to enable them "
        "(extism call: --enable-http-response-headers)"
    )


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"url": 5}, "the url of a request is str, not int"),
        ({"url": "http://a/", "meth": 5}, "the method of a request is str, not int"),
        ({"url": "http://a/", "headers": {"x": 5}}, "the header x of a request is str, not int"),
        (
            {"url": "http://a/", "headers": {5: "x"}},
            "the name of a header of a request is str, not int",
        ),
        ({"url": "http://a/", "body": {}}, "the body of a request is str or bytes, not dict"),
    ],
)
def test_what_cannot_be_sent_never_reaches_the_host(host, request_, message):
    """The host would end the call over it; the plug-in gets a TypeError that it can catch."""
    with pytest.raises(TypeError) as caught:
        Http.request(**request_)

    assert str(caught.value) == message
    assert host.requests == []
