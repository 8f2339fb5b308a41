"""Mounts: directories that exist, read only or not."""

from __future__ import annotations

import pytest

from extism._capabilities.paths import Mount, mounts
from extism.errors import ManifestError


def test_mounts_are_sorted_by_key_and_know_read_only(tmp_path):
    """`ro:` makes a mount read only; the order is that of the manifest's keys."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()

    assert mounts({f"ro:{second}": "in", str(second): "/b", str(first): "/a"}) == (
        Mount(str(first), "/a"),
        Mount(str(second), "/b"),
        Mount(str(second), "in", read_only=True),
    )


def test_relative_paths_start_at_the_working_directory(tmp_path, monkeypatch):
    """A relative directory is kept as written and found from the working directory."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)

    assert mounts({"ro:data": "/data"}) == (Mount("data", "/data", read_only=True),)


@pytest.mark.parametrize("prefix", ["", "ro:"])
def test_a_missing_directory_is_named(tmp_path, prefix):
    """What does not exist is refused in upstream's words, with the path and its key."""
    missing = tmp_path / "missing"
    with pytest.raises(ManifestError) as caught:
        mounts({f"{prefix}{missing}": "/in"})

    assert str(caught.value) == (
        f"No such file or directory (os error 2): allowed_paths wants to show {str(missing)!r} "
        "to the plug-in as '/in'"
    )
    assert caught.value.where == f"allowed_paths[{prefix + str(missing)!r}]"


def test_a_file_is_no_directory(tmp_path):
    """A file cannot be mounted."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ManifestError, match=r"^Not a directory \(os error 20\): "):
        mounts({str(tmp_path / "file"): "/in"})


@pytest.mark.parametrize(
    ("host", "text"),
    [("", "No such file or directory (os error 2)"), ("a\0b", "embedded null")],
)
def test_what_is_no_path_is_refused(host, text, tmp_path, monkeypatch):
    """An empty path is not the working directory, and a NUL is no crash."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError) as caught:
        mounts({host: "/in"})

    assert text in str(caught.value).partition(": allowed_paths")[0]
    assert str(tmp_path) in str(caught.value)
