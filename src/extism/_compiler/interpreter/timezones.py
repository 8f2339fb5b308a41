"""
The time zones of the world as one module of the stdlib, so that `zoneinfo` needs no files.

They come from the package `tzdata`, which pip installs with the compiler and which is pinned like it.
What is equal is kept once; the module is loaded with the first zone that is asked for.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TZDATA_FACTS", "find_tzdata", "read_zones", "tzdata_licence", "zones_module"]

_VERSION: Final = "2026.6"
_SHA256: Final = "ab432b27a469684dfd135aaabee286388219cf83014b887b57b4d476c5418aa8"

TZDATA_FACTS: Final = (_VERSION, _SHA256)
"""What decides the module's bytes."""

_TEMPLATE: Final = '''\
"""The time zones of the world, as of tzdata {version}."""

_DATA = {data!r}
_PLACES = {places!r}


def find(key):
    """Return the TZif file of a zone, None for a name that is none."""
    place = _PLACES.get(key)
    return None if place is None else _DATA[place[0] : place[0] + place[1]]


def names():
    """Return the names of all zones."""
    return _PLACES.keys()
'''


def find_tzdata() -> Path:
    """
    Return the folder of the package `tzdata` in its pinned version.

    Raises:
        BuildError: It is not installed, or in another version.
    """
    spec = importlib.util.find_spec("tzdata")
    found = "none" if spec is None else importlib.metadata.version("tzdata")
    if spec is None or spec.origin is None or found != _VERSION:
        raise BuildError(
            f"building the interpreter needs the package tzdata {_VERSION}, and {found} is installed",
            hint="install extism-guest-python, which holds the built interpreter, or extism[build]",
        )
    return Path(spec.origin).parent


def read_zones(tzdata: Path) -> dict[str, bytes]:
    """Return the file of each zone by its name; what differs from the pinned release is an error."""
    names = (tzdata / "zones").read_text(encoding="utf-8").split()
    zones = {name: (tzdata / "zoneinfo" / name).read_bytes() for name in sorted(names)}
    hasher = hashlib.sha256()
    for name, data in zones.items():
        hasher.update(f"{name} {len(data)}\n".encode() + data)
    if hasher.hexdigest() != _SHA256:
        raise BuildError(
            f"the time zones in {tzdata} are not those of tzdata {_VERSION}: expected sha256 {_SHA256}, "
            f"found {hasher.hexdigest()}",
            path=str(tzdata),
            hint=f"pip install --force-reinstall tzdata=={_VERSION}",
        )
    return zones


def zones_module(zones: Mapping[str, bytes]) -> str:
    """Return the source of `zoneinfo._zones`: one row of bytes, and where in it each zone lies."""
    row = bytearray()
    starts: dict[bytes, int] = {}
    places = {}
    for name, data in zones.items():
        if data not in starts:
            starts[data] = len(row)
            row += data
        places[name] = (starts[data], len(data))
    return _TEMPLATE.format(version=_VERSION, data=bytes(row), places=places)


def tzdata_licence(file: str) -> str:
    """Return one of the licence texts that the package carries."""
    text = importlib.metadata.distribution("tzdata").read_text(f"licenses/{file}")
    if text is None:
        raise BuildError(f"tzdata {_VERSION} is installed without its licence {file}", path=file)
    return text
