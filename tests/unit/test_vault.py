"""A private folder: what is read from it was written by this user, whole, under that name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from extism import _vault
from extism._vault import Vault, identity


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path / "vault")


def test_a_note_is_read_as_it_was_written(vault):
    """By this vault and by a later one over the folder."""
    vault.write("name", b"content")
    vault.write("empty", b"")

    assert (vault.read("name"), vault.read("empty"), vault.read("other")) == (b"content", b"", None)
    assert Vault(vault.directory).read("name") == b"content"


@pytest.mark.parametrize("place", range(39))
def test_a_note_with_a_changed_byte_is_none(vault, place):
    """Wherever it was changed: 32 bytes of MAC, 7 of content."""
    vault.write("name", b"content")
    path = Path(vault.path("name"))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)

    assert vault.read("name") is None


@pytest.mark.parametrize("length", [0, 1, 31, 32, 38])
def test_a_note_that_was_cut_is_none(vault, length):
    """Whatever is left."""
    vault.write("name", b"content")
    os.truncate(vault.path("name"), length)

    assert vault.read("name") is None


def to_fifo(path):
    os.mkfifo(path)


def to_device(path):
    path.symlink_to("/dev/zero")


def to_folder(path):
    path.mkdir()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX has FIFOs and devices")
@pytest.mark.parametrize("make", [to_fifo, to_device, to_folder])
def test_what_is_no_file_is_refused_at_once(vault, make):
    """A FIFO would be waited for, a device never end."""
    vault.write("name", b"content")
    path = Path(vault.path("name"))
    path.unlink()
    make(path)
    with pytest.raises(OSError, match=r"not a plain file|symbolic links"):
        vault.read("name")


def test_a_note_under_another_name_is_none(vault):
    """It is bound to its own."""
    vault.write("name", b"content")
    Path(vault.path("name")).rename(vault.path("other"))

    assert vault.read("other") is None


def test_a_note_of_another_secret_is_none(vault, tmp_path):
    """What another folder's secret signed is not believed here."""
    other = Vault(tmp_path / "other")
    other.write("name", b"content")
    vault.write("name", b"content")
    Path(other.path("name")).replace(vault.path("name"))

    assert vault.read("name") is None


def test_without_a_folder_nothing_is_found_and_nothing_kept():
    """And nothing fails."""
    vault = Vault(None)
    vault.write("name", b"content")

    assert (vault.is_open, vault.is_writable, vault.read("name")) == (False, False, None)


def test_the_first_secret_stays(tmp_path):
    """Of two processes that make one at the same time both use the same."""
    path = tmp_path / "secret"
    _vault._write_once(str(path), b"first")
    _vault._write_once(str(path), b"second")

    assert path.read_bytes() == b"first"
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_the_identity_changes_with_the_file(tmp_path):
    """Its content, its times, or another file in its place."""
    path, other = tmp_path / "file", tmp_path / "other"
    found = []
    for step in (
        lambda: path.write_bytes(b"one"),
        lambda: path.write_bytes(b"longer"),
        lambda: os.utime(path, (1, 1)),
        lambda: (other.write_bytes(b"longer"), os.utime(other, (1, 1)), other.replace(path)),
    ):
        step()
        found.append(identity(path.stat()))

    assert len(set(found)) == 4
    assert identity(path.stat()) == found[-1]
