"""
Packages of others, installed by pip into a folder of the cache, for the guest's Python.

Asked for are wheels for CPython 3.13: pure ones, and those with native code, which is dropped, since many packages
work without. What comes without a wheel is built here once, as pip does it, and taken if it came out pure. The folder is
named by what was asked for, so the second build asks nobody: no network, and the same versions.

What can go wrong: the cache cannot be written; pip is not there or refuses. Nothing half made is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism import caches
from extism._compiler import guest_pip
from extism._compiler.interpreter.sources import PYTHON
from extism._compiler.interpreter.steps import prune
from extism._compiler.searchpath import NATIVE
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from extism._compiler.requirements import Requirements

__all__ = ["install"]

_LAYOUT: Final = "1"
"""Part of the names of folders: of what this file makes there."""

_KEPT: Final = 64
_SITE: Final = "site"
_LOCK: Final = "lock.json"
_BUILDS: Final = 16
_SHORT: Final = "".join(PYTHON.version.split(".")[:2])

_PLATFORMS: Final = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(40, 4, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
)
"""Whose wheels are taken where none is pure: one family, so that it does not matter who builds."""

_TARGET: Final = (
    "--only-binary=:all:",
    f"--python-version={PYTHON.version}",
    "--implementation=cp",
    f"--abi=cp{_SHORT}",
    "--abi=abi3",
    "--abi=none",
    *(f"--platform={platform}" for platform in _PLATFORMS),
)

_EXCUSES: Final = {
    guest_pip.NO_PIP: "install pip beside extism",
    guest_pip.OTHER_PIP: "install pip 23 to 26 beside extism",
}
"""Why `guest_pip` did not begin, and what to do."""

_NO_WHEEL: Final = re.compile(
    r"No matching distribution found for ([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?[^\s(;]*)"
    r"|no matching distributions available for your environment:\s+(\S+)"
)


def install(
    wanted: Requirements, say: Callable[[str], None], *, is_fresh: bool = False
) -> Path | None:
    """
    Return the folder that holds these packages, installed now if it was not there; None for no packages.

    Args:
        wanted: What is asked for.
        say: Called with a line of text when something begins that takes a while.
        is_fresh: Whether to install anew what is there: versions that are not pinned may have gone on.

    Raises:
        BuildError: The packages cannot be had; the text has pip's own words.
    """
    if not wanted.lines:
        return None
    cache = caches.packages_directory()
    place = cache / _key(wanted)
    if (place / _SITE).is_dir() and not is_fresh and not wanted.is_local:
        os.utime(place)
        return place / _SITE
    say(f"installing {_listed(wanted.lines)}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as scratch:
            _fill(Path(scratch), wanted, say)
            _move(Path(scratch), place)
    except OSError as error:
        raise BuildError(
            f"cannot keep packages in {cache}: {error}",
            path=str(cache),
            hint=f"name another folder with {caches.CACHE_DIR}",
        ) from error
    prune(cache, "[0-9a-f]" * len(place.name), _KEPT)
    return place / _SITE


def _key(wanted: Requirements) -> str:
    """Return the digest of what decides the packages, as far as it is known here."""
    said = json.dumps([_LAYOUT, PYTHON.version, wanted.lines, wanted.constraints])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _listed(lines: Iterable[str]) -> str:
    text = ", ".join(line for line in lines if not line.startswith("-"))
    return text if len(text) < 100 else f"{text[:100]}..."


def _fill(scratch: Path, wanted: Requirements, say: Callable[[str], None]) -> None:
    """Install into a folder; what has no wheel is built, one package after the other, until all is there."""
    wheels = scratch / "wheels"
    wheels.mkdir()
    (scratch / "requirements.txt").write_text("\n".join(wanted.lines), encoding="utf-8")
    (scratch / "constraints.txt").write_text("\n".join(wanted.constraints), encoding="utf-8")
    options = (
        "install",
        "--ignore-installed",
        "--no-compile",
        *("--target", str(scratch / _SITE)),
        *("--report", str(scratch / _LOCK)),
        *("--find-links", str(wheels)),
        *("-r", str(scratch / "requirements.txt")),
        *("-c", str(scratch / "constraints.txt")),
        *_TARGET,
    )
    for _ in range(_BUILDS):
        said = _pip(PYTHON.version, *options)
        if said is None:
            break
        _build_wheel(_named(said, wanted), wheels, say)
    _clean(scratch)


def _named(said: str, wanted: Requirements) -> str:
    """Return what pip said with the requirements themselves in the place of lines in a file of ours."""
    return re.sub(
        r"-r \S*requirements\.txt \(line (\d+)\)",
        lambda match: wanted.lines[int(match[1]) - 1],
        said,
    )


def _pip(release: str, *arguments: str) -> str | None:
    """Run pip; return None if all went well, else what it said."""
    command = [sys.executable, "-I", str(Path(guest_pip.__file__)), release, *arguments]
    quiet = ("--disable-pip-version-check", "--no-input", "--no-color")
    environment = os.environ | {"PIP_USER": "0", "PIP_QUIET": "0"}
    environment.pop("PIP_TARGET", None)
    done = subprocess.run(  # noqa: S603  our own program, in a list
        [*command, *quiet],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return None if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"


def _build_wheel(said: str, wheels: Path, say: Callable[[str], None]) -> None:
    """Build what pip found no wheel of, or tell why there is nothing to install."""
    found = _NO_WHEEL.search(said)
    if found is None:
        raise _refused(said)
    requirement = found[1] or found[2]
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    say(f"building {requirement}, which comes without a wheel")
    before = set(wheels.iterdir())
    problem = _pip("", "wheel", "--no-deps", f"--no-binary={name}", "-w", str(wheels), requirement)
    fresh = set(wheels.iterdir()) - before
    if problem is not None or not fresh:
        raise _refused(said if problem is None or _NO_WHEEL.search(problem) else problem)
    for wheel in fresh:
        if not wheel.name.endswith("-none-any.whl"):
            raise BuildError(
                f"{requirement} is native code: it comes without a wheel, and building gave {wheel.name}",
                hint="a plug-in runs pure Python; look for another package that does the same",
            )


def _refused(said: str) -> BuildError:
    """Return the error for packages that pip did not install."""
    for excuse, remedy in _EXCUSES.items():
        if excuse in said:
            return BuildError(
                f"the packages of the plug-in cannot be installed: {excuse} ({sys.executable})",
                hint=f"{remedy}, or give the packages with --site DIR",
            )
    errors = [line for line in said.splitlines() if line.startswith("ERROR: ")] or [said.strip()]
    text = "\n".join(line.removeprefix("ERROR: ") for line in errors)
    return BuildError(
        f"the packages of the plug-in cannot be installed; pip says:\n{text}",
        hint=f"plug-ins take packages that run on CPython {PYTHON.version} without native code",
    )


def _clean(scratch: Path) -> None:
    """Take away what no plug-in can use: programs, and native code, which is noted where it was."""
    site = scratch / _SITE
    site.mkdir(exist_ok=True)
    shutil.rmtree(site / "bin", ignore_errors=True)
    for path in sorted(site.rglob("*")):
        if path.name.endswith(NATIVE) and path.is_file():
            path.unlink()
    (scratch / "requirements.txt").unlink()
    (scratch / "constraints.txt").unlink()
    shutil.rmtree(scratch / "wheels")


def _move(scratch: Path, place: Path) -> None:
    """Put the finished folder to its place; what was there is replaced."""
    fresh = scratch / "fresh"
    fresh.mkdir()
    for path in (scratch / _SITE, scratch / _LOCK):
        path.rename(fresh / path.name)
    if place.exists():
        place.rename(scratch / "old")
    try:
        fresh.rename(place)
    except OSError:
        if not (place / _SITE).is_dir():  # somebody was quicker, with the same
            raise
