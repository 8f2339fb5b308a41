"""`urllib.request` on the host's HTTP: what the host is asked, what comes back, and what is an error."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from extism.pdk import urls


@pytest.fixture(autouse=True)
def adapted(host, monkeypatch):
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    undo = urls.install()
    yield
    undo()


def asked(host):
    ((request, body),) = host.requests
    request = json.loads(request)
    request["headers"].pop("User-Agent")
    return request, body


@pytest.mark.parametrize("url", ["http://a.example/x?y=1", "https://a.example/x"])
def test_urlopen(host, url):
    """Status, reason, headers and body, read as from any response."""
    host.responses = [(200, b"body", b'{"content-type": "text/plain; charset=utf-8", "x-a": "1"}')]
    with urllib.request.urlopen(f"{url}#fragment") as response:
        found = response.status, response.reason, response.read(), response.getheader("X-A")
        kind = response.headers.get_content_charset(), response.geturl()

    assert found == (200, "OK", b"body", "1")
    assert kind == ("utf-8", url)
    assert asked(host) == ({"url": url, "method": "GET", "headers": {}}, None)


def test_a_request_with_data_and_headers(host):
    """A form is posted with its type; what the host sets itself is left to it."""
    host.responses = [(201, b"", None)]
    data = urllib.parse.urlencode({"a": "1"}).encode()
    request = urllib.request.Request("http://a/", data, {"X-Name": "é", "Connection": "close"})
    with urllib.request.urlopen(request) as response:
        assert dict(response.getheaders()) == {}

    headers = {"X-Name": "é", "Content-Type": "application/x-www-form-urlencoded"}
    assert asked(host) == ({"url": "http://a/", "method": "POST", "headers": headers}, b"a=1")


@pytest.mark.parametrize(
    "data",
    [io.BytesIO(b"abc"), [b"a", b"bc"], bytearray(b"abc")],
    ids=["file", "list", "bytearray"],
)
def test_data_of_any_kind(host, data):
    """Files and iterables are sent whole, with the method that was asked for."""
    host.responses = [(200, b"", None)]
    urllib.request.urlopen(urllib.request.Request("http://a/", data, method="PUT")).close()

    request, body = asked(host)
    assert (request["method"], body) == ("PUT", b"abc")


def test_a_bad_status_is_an_http_error(host):
    """With code, reason, headers and body."""
    host.responses = [(404, b"nothing here", b'{"x-a": "1"}')]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen("https://a.example/x")

    with caught.value as error:
        found = error.code, error.reason, error.headers["x-a"], error.read(), str(error)
    assert found == (404, "Not Found", "1", b"nothing here", "HTTP Error 404: Not Found")


def test_an_opener_of_the_authors(host):
    """Handlers and headers of one's own work, on top of the host."""
    host.responses = [(200, b"{}", None)]

    class Signed(urllib.request.BaseHandler):
        def https_request(self, request):
            request.add_header("X-Signed", request.get_method())
            return request

    opener = urllib.request.build_opener(Signed)
    opener.addheaders = [("User-Agent", "mine")]
    with opener.open("https://a.example/") as response:
        assert json.load(response) == {}

    headers = json.loads(host.requests[0][0])["headers"]
    assert headers == {"X-Signed": "GET", "User-Agent": "mine"}


def test_all_of_it_can_be_undone(host):
    """Afterwards the handlers are what they were."""
    members = dict(vars(urllib.request.HTTPHandler)), dict(vars(urllib.request.HTTPSHandler))
    undo = urls.install()
    undo()

    assert (
        dict(vars(urllib.request.HTTPHandler)),
        dict(vars(urllib.request.HTTPSHandler)),
    ) == members
