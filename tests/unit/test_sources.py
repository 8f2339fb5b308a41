"""Sources: bytes from files, data and URLs, and nothing else than what was promised."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time

import pytest
from http_server import authority, message, serve
from patience import AGES, ROOM

from extism import sources
from extism.errors import HashMismatch, SourceError
from extism.manifest import Manifest
from extism.secret import Secret
from extism.sources import ResolvedModule, resolve

WASM = b"\0asm\1\0\0\0"
WAT = b";; a module\n(module)"


def get(*wasm, **options):
    return resolve(Manifest.parse({"wasm": list(wasm)}), **options)


@pytest.fixture
def server():
    with serve() as running:
        yield running


def test_every_kind_in_the_order_of_the_manifest(tmp_path, server):
    """Files, data and URLs give their bytes under the names that the manifest gives them."""
    path = tmp_path / "lib.wat"
    path.write_bytes(WAT)
    url = server.answer("/main.wasm", body=WASM)

    assert get({"path": path, "name": "lib"}, {"data": WASM, "name": "two"}, {"url": url}) == (
        ResolvedModule("lib", WAT, str(path)),
        ResolvedModule("two", WASM, "data"),
        ResolvedModule("main", WASM, url),
    )


def test_a_byte_order_mark_is_taken_off_the_text(tmp_path):
    """Text format may begin with a byte order mark; its hash is that of the file."""
    path = tmp_path / "a.wat"
    path.write_bytes(b"\xef\xbb\xbf(module)")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    assert get({"path": path, "hash": digest})[0].data == b"(module)"


def test_data_is_handed_on_whatever_it_is():
    """What is wrong with data, the engine says best."""
    assert get({"data": b"nonsense"})[0].data == b"nonsense"


def test_repr_does_not_print_the_module():
    """The bytes are counted, not shown."""
    assert repr(get({"data": bytes(100)})[0]) == "ResolvedModule('main', <100 bytes>, 'data')"


# Files --------------------------------------------------------------------------------------------


def test_relative_paths_start_at_the_working_directory(tmp_path, monkeypatch):
    """A relative path is found from the working directory, and an error says which that is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wasm").write_bytes(WASM)

    assert get({"path": "a.wasm"})[0].data == WASM
    with pytest.raises(SourceError) as caught:
        get({"path": "b.wasm"})
    assert str(caught.value) == (
        'Unable to load Wasm file "b.wasm": entity not found; '
        f"relative paths start at {str(tmp_path)!r}"
    )
    assert caught.value.source == "b.wasm"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing", "entity not found"),
        ("folder", "is a directory"),
        ("file/below", "not a directory"),
        ("nul\0", "embedded null byte"),
        ("x" * 500, "file name too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, text):
    """The error has upstream's words, the path in a form that can be shown, and the reason."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    path = f"{tmp_path}/{name}"
    with pytest.raises(SourceError) as caught:
        get({"path": path})

    shown = path.replace("\0", "\\x00")
    assert str(caught.value) == f'Unable to load Wasm file "{shown}": {text}'


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_pipes_and_devices_are_refused_at_once(tmp_path):
    """What may never end, or never begin, is no module."""
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(SourceError, match="not a regular file"):
            get({"path": path})


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"<!DOCTYPE html>", "it looks like an HTML or XML page"),
        (b'\n{"wasm": []}', "it looks like JSON"),
        (b"[[wasm]]", "it looks like a manifest in TOML"),
        (
            b"version https://git-lfs.github.com/spec/v1",
            "it is a pointer of Git LFS; fetch the file itself",
        ),
        (b"import os\n", "it begins with b'import os\\n'"),
        (
            b'"""Greets."""\nfrom extism import plugin_fn\n',
            "it is the Python source of a plug-in; extism-py makes the module of it",
        ),
        (b"\x7fELF\xff\xff", "it begins with b'\\x7fELF\\xff\\xff'"),
    ],
)
def test_a_file_that_is_no_module_is_described(tmp_path, content, look):
    """The error says what the file looks like instead."""
    path = tmp_path / "plugin.wasm"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        get({"path": path})

    assert str(caught.value) == f'"{path}" is no WebAssembly: {look}'


# Hashes -------------------------------------------------------------------------------------------

DIGEST = hashlib.sha256(WASM).hexdigest()


@pytest.mark.parametrize("digest", [DIGEST, DIGEST.upper()])
def test_the_right_hash_is_accepted(digest):
    """The SHA-256 of the bytes as supplied, in either case."""
    assert get({"data": WASM, "hash": digest})[0].data == WASM


@pytest.mark.parametrize(
    ("digest", "hint"),
    [
        ("0" * 64, ""),
        ("", "; a hash is the SHA-256 in 64 hexadecimal digits"),
        (f"sha256:{DIGEST}", "; a hash is the SHA-256 in 64 hexadecimal digits"),
        ("é", "; a hash is the SHA-256 in 64 hexadecimal digits"),
    ],
)
def test_a_wrong_hash_is_refused(digest, hint):
    """The error has upstream's words, both hashes, and a hint where it cannot be one."""
    with pytest.raises(HashMismatch) as caught:
        get({"data": WASM, "hash": digest})

    text = f"Hash mismatch, found {DIGEST} but expected {digest}: data{hint}"
    assert str(caught.value) == text
    assert (caught.value.expected, caught.value.found) == (digest, DIGEST)


@pytest.mark.parametrize("kind", ["path", "url"])
def test_files_and_downloads_are_checked_too(tmp_path, server, kind):
    """Every kind of source is checked, and an error page is recognised."""
    (tmp_path / "a").write_bytes(b"<html>")
    value = str(tmp_path / "a") if kind == "path" else server.answer("/", body=b"<html>")
    with pytest.raises(HashMismatch, match="it looks like an HTML or XML page"):
        get({kind: value, "hash": DIGEST})


# URLs ---------------------------------------------------------------------------------------------


def test_a_url_is_fetched_with_its_method_and_headers(server):
    """Method, headers (secret ones too) and userinfo are sent; none of them is in the origin."""
    server.answer("/a.wasm", body=WASM)
    url = server.url("/a.wasm?x=1", host="me:pw@127.0.0.1")
    found = get({"url": url, "method": "post", "headers": {"X-Token": Secret("t0ken")}})

    assert found == (ResolvedModule("main", WASM, server.url("/a.wasm?x=1")),)
    assert server.seen[0].method == "POST"
    assert server.seen[0].header("x-token") == "t0ken"
    assert server.seen[0].header("authorization") == "Basic bWU6cHc="


def test_allowed_hosts_do_not_apply_to_downloads(server):
    """The application's own download needs no entry, also through redirects."""
    server.redirect("/a", "/b")
    server.answer("/b", body=WASM)

    assert get({"url": server.url("/a")})[0].data == WASM


@pytest.mark.parametrize("status", [304, 401, 404, 500])
def test_only_a_good_status_brings_a_module(server, status):
    """Anything but 2xx is an error in upstream's words."""
    server.raw("/", message(status, b"", [("content-length", "0")]))
    with pytest.raises(SourceError) as caught:
        get({"url": server.url("/")})

    text = f"http status: {status}: unable to fetch {server.url('/')}"
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("body", "look"),
    [(b"", "it is empty"), (b"<html>login</html>", "it looks like an HTML or XML page")],
)
def test_a_page_is_no_module(server, body, look):
    """A 200 with something else is described."""
    url = server.answer("/", body=body)
    with pytest.raises(SourceError) as caught:
        get({"url": url})

    assert str(caught.value) == f'"{url}" is no WebAssembly: {look}'


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("nope", "Invalid URL: RelativeUrlWithoutBase: unable to fetch nope"),
        ("file:///etc/hostname", "bad uri: unknown scheme: file: unable to fetch file:///etc"),
        ("ftp://me:pw@a/x", "bad uri: unknown scheme: ftp: unable to fetch ftp://a/x"),
    ],
)
def test_only_http_and_https_are_fetched(url, text):
    """Other schemes and other texts are errors, without userinfo."""
    with pytest.raises(SourceError) as caught:
        get({"url": url})

    assert str(caught.value).startswith(text)
    assert "pw" not in str(caught.value)


def test_too_many_redirects_end(server):
    """A loop of redirects ends after ten."""
    server.redirect("/", "/")
    with pytest.raises(SourceError, match=r"^too many redirects: more than 10, last to "):
        get({"url": server.url("/")})

    assert len(server.seen) == 11


def test_an_endless_body_is_refused(server, monkeypatch):
    """A download has a size limit (64 MB; less here)."""

    def endless(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + WASM)
        while True:
            connection.sendall(bytes(65536))

    monkeypatch.setattr(sources, "MAX_FETCH_BYTES", 1_000_000)
    server.script("/", endless)
    with pytest.raises(SourceError, match=r"^more than 1000000 bytes: unable to fetch "):
        get({"url": server.url("/")})


def test_a_silent_server_is_left(server, monkeypatch):
    """A download has a time limit (30 s; less here)."""
    monkeypatch.setattr(sources, "FETCH_TIMEOUT", 0.3)
    server.serve_one = lambda connection: connection.recv(1) and time.sleep(AGES)
    began = time.monotonic()
    with pytest.raises(
        SourceError, match=r"^io: no complete answer within 0\.3 s: unable to fetch"
    ):
        get({"url": server.url("/")})

    assert time.monotonic() - began < 0.3 + ROOM


def test_a_refused_connection_is_told():
    """Nobody listens: the system's words, and the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with pytest.raises(SourceError) as caught:
        get({"url": url})

    assert str(caught.value) == f"io: Connection refused (os error 111): unable to fetch {url}"


def test_a_header_that_is_not_the_users_is_refused(server):
    """Headers of a source obey the same rules as those of a guest."""
    with pytest.raises(SourceError, match="HTTP header Host is set by the host"):
        get({"url": server.url("/"), "headers": {"Host": "x"}})


def test_https_needs_a_trusted_certificate(tmp_path):
    """With the bundle the module comes, without it the certificate is refused."""
    bundle = authority().write_bundle(tmp_path)
    with serve(authority().context("localhost")) as server:
        server.answer("/", body=WASM)
        url = server.url("/", host="localhost")

        assert get({"url": url}, ca_bundle=bundle)[0].data == WASM
        with pytest.raises(SourceError, match=r"^tls: localhost: certificate refused: "):
            get({"url": url})
