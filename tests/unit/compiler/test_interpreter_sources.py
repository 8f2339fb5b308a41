"""Where the interpreter's source archives come from, and which bytes are refused."""

from __future__ import annotations

import hashlib

import pytest
from http_server import serve

from extism._compiler.interpreter.sources import (
    BZIP2,
    OVERRIDE,
    PYTHON,
    SQLITE,
    XZ,
    ZLIB,
    Archive,
    Source,
    obtain,
)
from extism.errors import BuildError, HashMismatch, SourceError

RIGHT = b"the archive"
RIGHT_HASH = hashlib.sha256(RIGHT).hexdigest()


def source(*urls, file="thing-1.0.tar.gz"):
    return Source("thing", "1.0", (Archive(file, RIGHT_HASH, urls=urls),))


@pytest.fixture
def said():
    return []


@pytest.fixture(autouse=True)
def no_override(monkeypatch):
    monkeypatch.delenv(OVERRIDE, raising=False)


def test_a_fetched_archive_is_not_fetched_again(tmp_path, said):
    """What the folder holds already is checked and used; no place is asked."""
    (tmp_path / "thing-1.0.tar.gz").write_bytes(RIGHT)

    assert obtain(source("http://127.0.0.1:9/never"), tmp_path, said.append).read_bytes() == RIGHT
    assert said == []


def test_a_wrong_archive_in_the_cache_is_refused(tmp_path, said):
    """The error names the file, the promised hash and the one that was found."""
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(b"something else")

    with pytest.raises(HashMismatch) as caught:
        obtain(source(), tmp_path, said.append)

    found = hashlib.sha256(b"something else").hexdigest()
    assert (caught.value.expected, caught.value.found) == (RIGHT_HASH, found)
    assert all(part in str(caught.value) for part in (str(path), RIGHT_HASH, found))


def test_the_override_folder_goes_before_the_network(tmp_path, monkeypatch, said):
    """An archive in the folder that EXTISM_SOURCES names is used where it lies."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thing-1.0.tar.gz").write_bytes(RIGHT)
    monkeypatch.setenv(OVERRIDE, str(mine))

    found = obtain(source("http://127.0.0.1:9/never"), tmp_path / "cache", said.append)

    assert found == mine / "thing-1.0.tar.gz"


def test_a_wrong_archive_in_the_override_folder_is_refused(tmp_path, monkeypatch, said):
    """It is news that the named file is another one: no other place is asked instead."""
    (tmp_path / "thing-1.0.tar.gz").write_bytes(b"something else")
    monkeypatch.setenv(OVERRIDE, str(tmp_path))

    with serve() as server:
        server.answer("/thing", body=RIGHT)
        with pytest.raises(HashMismatch):
            obtain(source(server.url("/thing")), tmp_path / "cache", said.append)

    assert server.seen == []


def test_an_override_that_is_no_folder_is_an_error(tmp_path, monkeypatch, said):
    """A misspelt EXTISM_SOURCES does not silently mean the network."""
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "misspelt"))

    with pytest.raises(BuildError, match="misspelt, which is not a folder"):
        obtain(source(), tmp_path, said.append)


def test_the_second_address_serves_when_the_first_fails(tmp_path, said):
    """A place that does not have the file is passed over; the file is kept in the folder."""
    with serve() as server:
        server.answer("/old", status=404)
        server.answer("/new", body=RIGHT)
        found = obtain(
            source(server.url("/old"), server.url("/new")), tmp_path / "cache", said.append
        )

    assert found == tmp_path / "cache" / "thing-1.0.tar.gz"
    assert found.read_bytes() == RIGHT
    assert said == [f"fetching {server.url('/new')}"]


def test_a_wrong_download_is_refused_and_not_kept(tmp_path, said):
    """Other bytes than the promised ones are refused by name; nothing takes the archive's place."""
    with serve() as server:
        server.answer("/thing", body=b"tampered")
        with pytest.raises(HashMismatch) as caught:
            obtain(source(server.url("/thing")), tmp_path, said.append)

    assert caught.value.source == server.url("/thing")
    assert not (tmp_path / "thing-1.0.tar.gz").exists()


def test_a_cut_download_is_no_wrong_hash(tmp_path, said):
    """A connection that ends early is reported as that, so that nobody suspects the archive."""
    with serve() as server:
        server.raw("/thing", b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nthe arc")
        with pytest.raises(SourceError) as caught:
            obtain(source(server.url("/thing")), tmp_path, said.append)

    assert not isinstance(caught.value, HashMismatch)
    assert "after 7 of 11 bytes" in str(caught.value)


def test_the_last_error_lists_every_place_and_a_way_out(tmp_path, monkeypatch, said):
    """Without any place the text says what each one answered, and how to bring the file oneself."""
    monkeypatch.setenv(OVERRIDE, str(tmp_path))
    with serve() as server:
        server.answer("/thing", status=503)
        with pytest.raises(SourceError) as caught:
            obtain(source(server.url("/thing")), tmp_path / "cache", said.append)

    assert str(caught.value).splitlines() == [
        "the source of thing 1.0 could not be had:",
        f"  {tmp_path} ({OVERRIDE}): no such file there",
        f"  {server.url('/thing')}: HTTP Error 503: X",
        f"Put thing-1.0.tar.gz (sha256 {RIGHT_HASH}) into a folder and name the folder in {OVERRIDE}.",
    ]


def test_a_machine_without_network_waits_seconds_only(tmp_path, said):
    """An address where nobody listens is given up at once."""
    with pytest.raises(SourceError, match="Connection refused"):
        obtain(source("http://127.0.0.1:9/thing"), tmp_path, said.append)


@pytest.mark.parametrize(
    "pinned", [PYTHON, ZLIB, BZIP2, XZ, SQLITE], ids=lambda source: source.name
)
def test_every_pinned_archive_has_a_place(pinned):
    """Each accepted archive has its own hash and somewhere to come from; names do not collide."""
    assert len({archive.file for archive in pinned.archives}) == len(pinned.archives)
    assert all(len(bytes.fromhex(archive.sha256)) == 32 for archive in pinned.archives)
    assert all(archive.urls or archive.debian for archive in pinned.archives)
    assert all(url.startswith("https://") for archive in pinned.archives for url in archive.urls)
