"""`SourcePolicy`: what a host that loads other people's manifests takes modules from."""

from __future__ import annotations

import hashlib

import pytest

import extism
from extism.errors import HashMismatch, SourceError
from extism.manifest import Manifest
from extism.sources import SourcePolicy, resolve

WAT = b"(module)"


def manifest(**source):
    return Manifest.parse({"wasm": [source]})


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "in" / "plugin.wat"
    path.parent.mkdir()
    path.write_bytes(WAT)
    return path


def test_without_a_policy_everything_is_taken(plugin):
    """Files and inline modules are read as they are."""
    found = [resolve(manifest(path=str(plugin))), resolve(manifest(data=WAT))]

    assert [modules[0].data for modules in found] == [WAT, WAT]


@pytest.mark.parametrize(
    ("scheme", "source"),
    [
        ("path", {"path": "plugin.wasm"}),
        ("data", {"data": WAT}),
        ("http", {"url": "http://127.0.0.1:9/x"}),
        ("https", {"url": "HTTPS://127.0.0.1:9/x"}),
    ],
)
def test_a_scheme_that_is_not_named_is_refused_before_anything_is_read(scheme, source):
    """The refusal names what is taken and what was asked for."""
    others = [each for each in ("path", "data", "http", "https") if each != scheme]
    with pytest.raises(SourceError, match=f"{', '.join(others)}, not from {scheme}"):
        resolve(manifest(**source), policy=SourcePolicy(schemes=others))


def test_a_file_inside_a_folder_is_taken_and_one_outside_is_not(plugin, tmp_path):
    """Folders open what lies below them."""
    inside = SourcePolicy(folders=[tmp_path / "in"])
    elsewhere = SourcePolicy(folders=[tmp_path / "other"])

    assert resolve(manifest(path=str(plugin)), policy=inside)[0].data == WAT
    with pytest.raises(SourceError, match="takes files from"):
        resolve(manifest(path=str(plugin)), policy=elsewhere)


@pytest.mark.parametrize("way", ["link", "dots"])
def test_no_way_leads_out_of_a_folder(plugin, tmp_path, way):
    """Symbolic links and `..` are followed before the folder is compared."""
    folder = tmp_path / "jail"
    folder.mkdir()
    (folder / "link").symlink_to(plugin)
    path = folder / "link" if way == "link" else folder / ".." / "in" / "plugin.wat"
    with pytest.raises(SourceError, match="takes files from"):
        resolve(manifest(path=str(path)), policy=SourcePolicy(folders=[folder]))


def test_only_modules_with_a_named_digest_are_taken():
    """A digest in either case lets its module through and no other."""
    digest = hashlib.sha256(WAT).hexdigest()
    with pytest.raises(HashMismatch, match="source policy") as caught:
        resolve(manifest(data=WAT), policy=SourcePolicy(digests=["0" * 64]))

    assert caught.value.found == digest
    assert resolve(manifest(data=WAT), policy=SourcePolicy(digests=[digest.upper()]))


def test_a_module_given_by_its_path_is_a_file_too(plugin, tmp_path):
    """`Plugin("plugin.wat", policy=...)` is held to the policy as a manifest with that path would be."""
    inside = SourcePolicy(schemes=["path"], folders=[tmp_path / "in"])
    with extism.Plugin(str(plugin), policy=inside, functions=[]) as made:
        assert made.exports == ()
    with pytest.raises(SourceError, match="takes files from"):
        extism.Plugin(plugin, policy=SourcePolicy(folders=[tmp_path / "other"]), functions=[])
