"""Http: what the host is asked, and what is made of its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from extism.pdk import Http, HttpError, HttpRequest, InputError


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


@dataclass
class Weather:
    degrees: float


def test_methods_by_name(host):
    """Each is a request with that method; params are added to the query, json is the body."""
    host.responses = [(200, b"", None)] * 5
    Http.get("http://a/?x=1#top", {"h": "1"}, params={"q": "a b", "r": [1, 2]})
    Http.post("http://a/", json=[Weather(1.5)])
    Http.put("http://a/", "text", params={})
    Http.patch("http://a/", json={}, headers={"content-type": "application/merge-patch+json"})
    Http.delete("http://a/")

    as_json = {"Content-Type": "application/json"}
    merge = {"content-type": "application/merge-patch+json"}
    rows = [
        ("http://a/?x=1&q=a+b&r=1&r=2#top", "GET", {"h": "1"}, None),
        ("http://a/", "POST", as_json, b'[{"degrees": 1.5}]'),
        ("http://a/", "PUT", {}, b"text"),
        ("http://a/", "PATCH", merge, b"{}"),
        ("http://a/", "DELETE", {}, None),
    ]
    assert asked(host) == [
        ({"url": url, "method": method, "headers": headers}, body)
        for url, method, headers, body in rows
    ]


def test_two_bodies_are_refused(host):
    """It would be unclear which is meant."""
    with pytest.raises(TypeError, match="give body or json, not both"):
        Http.post("http://a/", "text", json={})


@pytest.mark.parametrize(
    ("status", "is_ok"), [(200, True), (204, True), (302, False), (399, False)]
)
def test_statuses_that_are_no_errors(host, status, is_ok):
    """raise_for_status gives the response itself."""
    host.responses = [(status, b"", None)]
    response = Http.get("http://a/")

    assert (response.raise_for_status() is response, response.ok) == (True, is_ok)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_statuses_that_are_errors(host, status):
    """The error names the request and has the response."""
    host.responses = [(status, b"why", None)]
    with pytest.raises(HttpError) as caught:
        Http.post("http://a/x").raise_for_status()

    assert str(caught.value) == f"POST http://a/x: status {status}"
    assert caught.value.response.data_str() == "why"


def test_a_typed_answer(host):
    """JSON is made into what was asked for; an error says where it is not that."""
    host.responses = [(200, b'[{"degrees": 1.5}]', None), (200, b'[{"degrees": "x"}]', None)]

    assert Http.get("http://a/").json(list[Weather]) == [Weather(1.5)]
    with pytest.raises(InputError) as caught:
        Http.get("http://a/").json(list[Weather])
    assert str(caught.value) == 'response[0].degrees: expected a number, got "x"'


def test_one_header(host):
    """Whatever the case of its name; the default where it is missing."""
    host.responses = [(200, b"", b'{"x-n": "1"}')]
    response = Http.get("http://a/")

    assert [response.header("X-N"), response.header("x-m"), response.header("x-m", "d")] == [
        "1",
        None,
        "d",
    ]
