"""The data wheel: what is in it, and that equal images give equal bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import lzma
import zipfile
from importlib.metadata import PathDistribution

import pytest

from extism._compiler.interpreter.wheel import pack_wheel, wheel_name

BASE = b"\0asm" + bytes(1000) + b"image"
LICENCES = {"zlib.txt": b"zlib", "PROVENANCE.md": b"# parts"}


@pytest.fixture(scope="module")
def wheel():
    return zipfile.ZipFile(io.BytesIO(pack_wheel(BASE, "k3y", "2.0.0", LICENCES)))


def test_name():
    """The name says: any Python 3, any machine."""
    assert wheel_name("2.0.0.dev0") == "extism_guest_python-2.0.0.dev0-py3-none-any.whl"


def test_contents(wheel):
    """One package without code, the metadata after it, RECORD last."""
    assert wheel.namelist() == [
        "extism_guest_python/__init__.py",
        "extism_guest_python/base.wasm.xz",
        "extism_guest_python/image.json",
        "extism_guest_python-2.0.0.dist-info/METADATA",
        "extism_guest_python-2.0.0.dist-info/WHEEL",
        "extism_guest_python-2.0.0.dist-info/licenses/PROVENANCE.md",
        "extism_guest_python-2.0.0.dist-info/licenses/zlib.txt",
        "extism_guest_python-2.0.0.dist-info/RECORD",
    ]


def test_the_image_comes_back(wheel):
    """What is unpacked is the image that the statement describes."""
    image = lzma.decompress(wheel.read("extism_guest_python/base.wasm.xz"))

    assert image == BASE
    assert json.loads(wheel.read("extism_guest_python/image.json")) == {
        "key": "k3y",
        "sha256": hashlib.sha256(BASE).hexdigest(),
        "size": len(BASE),
    }


def test_every_file_is_recorded_with_its_hash(wheel):
    """RECORD has each file but itself with the hash that pip checks."""
    record = wheel.read("extism_guest_python-2.0.0.dist-info/RECORD").decode().splitlines()
    rows = dict(line.rsplit(",", 2)[0:2] for line in record)
    sizes = {line.rsplit(",", 2)[0]: line.rsplit(",", 2)[2] for line in record}

    assert list(rows) == wheel.namelist()
    for name in wheel.namelist()[:-1]:
        digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest())
        assert rows[name] == f"sha256={digest.decode().rstrip('=')}"
        assert sizes[name] == str(len(wheel.read(name)))


def test_installers_understand_the_metadata(wheel, tmp_path):
    """Name, version and licence files are read back by importlib.metadata."""
    wheel.extractall(tmp_path)
    found = PathDistribution(tmp_path / "extism_guest_python-2.0.0.dist-info")

    assert (found.name, found.version) == ("extism-guest-python", "2.0.0")
    assert found.metadata.get_all("License-File") == ["PROVENANCE.md", "zlib.txt"]
    assert found.read_text("licenses/zlib.txt") == "zlib"


def test_equal_images_give_equal_bytes():
    """No time, no order of a dict, no right of a file gets into the wheel."""
    reversed_ = dict(reversed(LICENCES.items()))

    assert pack_wheel(BASE, "k", "1", LICENCES) == pack_wheel(BASE, "k", "1", reversed_)


def test_who_wants_it_quickly_gets_a_larger_one():
    """The level is xz's own; the image is the same."""
    base = BASE + bytes(range(256)) * 3000 + BASE
    quick, small = (
        zipfile.ZipFile(io.BytesIO(pack_wheel(base, "k", "1", {}, level))) for level in (0, 9)
    )
    packed = [each.read("extism_guest_python/base.wasm.xz") for each in (quick, small)]

    assert [lzma.decompress(each) for each in packed] == [base, base]
    assert len(packed[0]) > len(packed[1])
