"""The time zones as a module: what is equal is kept once, what is changed is refused."""

from __future__ import annotations

import importlib.metadata
import shutil

import pytest

from extism._compiler.interpreter.timezones import find_tzdata, read_zones, zones_module
from extism.errors import BuildError


def loaded(zones):
    namespace = {}
    exec(zones_module(zones), namespace)
    return namespace


@pytest.fixture
def tzdata():
    try:
        return find_tzdata()
    except BuildError:
        pytest.skip("the package tzdata is not installed in its pinned version")


def test_each_zone_is_found_again():
    """Names give their bytes back, other names give None, all names can be listed."""
    zones = {"Europe/Berlin": b"TZif-b", "UTC": b"TZif-u", "Etc/UTC": b"TZif-u"}
    module = loaded(zones)

    assert {name: module["find"](name) for name in module["names"]()} == zones
    assert module["find"]("Europe") is None


def test_equal_zones_take_their_room_once():
    """Two names of one zone point at the same bytes."""
    module = loaded({"UTC": b"12345678", "Etc/UTC": b"12345678", "Zulu": b"12345678"})

    assert module["_DATA"] == b"12345678"


def test_the_pinned_zones_are_whole(tzdata):
    """All zones of the release are there, each a TZif file."""
    zones = read_zones(tzdata)

    assert len(zones) == 598
    assert {data[:4] for data in zones.values()} == {b"TZif"}


def test_a_changed_zone_is_refused(tzdata, tmp_path):
    """A file that is not the pinned release's stops the build."""
    copy = tmp_path / "tzdata"
    shutil.copytree(tzdata, copy)
    (copy / "zoneinfo" / "UTC").write_bytes(b"TZif, but of another kind")

    with pytest.raises(BuildError, match="are not those of tzdata"):
        read_zones(copy)


def test_another_tzdata_is_refused(monkeypatch):
    """The bytes depend on the release: any other version than the pinned one is an error."""
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "2020.1")

    with pytest.raises(BuildError, match=r"needs the package tzdata \S+, and \S+ is installed"):
        find_tzdata()
