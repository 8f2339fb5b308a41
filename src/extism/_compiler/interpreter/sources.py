"""
What the interpreter is built from: five archives, each pinned by the SHA-256 of its bytes.

An archive is taken from the first place that has it: the cache, the folder that `EXTISM_SOURCES`
names, its project's own site, Debian's source archive. Bytes with another hash are refused, and no
later place is asked: a wrong archive is news. `apt` knows how to ask Debian.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism._compiler.interpreter import apt
from extism.errors import BuildError, HashMismatch, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism._compiler.interpreter.shell import Say

__all__ = ["BZIP2", "OVERRIDE", "PYTHON", "SQLITE", "XZ", "ZLIB", "Archive", "Source", "obtain"]

OVERRIDE: Final = "EXTISM_SOURCES"

# Of one connection or read. A machine without a network must not wait for each place in turn.
_TIMEOUT_SECONDS = 5.0
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Archive:
    """A file that holds the source: its name, its promised hash, and the addresses that have it."""

    file: str
    sha256: str
    urls: tuple[str, ...] = ()
    debian: str = ""
    """The Debian source package whose original tarball this is, `""` where it is not one."""


@dataclass(frozen=True)
class Source:
    """One project at one version, and the archives that are accepted for it."""

    name: str
    version: str
    archives: tuple[Archive, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """What decides the bytes: the version and the accepted hashes."""
        return (self.version, *(archive.sha256 for archive in self.archives))


def _as_it_came(name: str, version: str, url: str, sha256: str, debian: str) -> Source:
    """Return a project whose tarball Debian keeps as it came: the same bytes, under a name of its own."""
    file = url.rpartition("/")[2]
    renamed = f"{debian}_{version}.orig.tar.{file.rpartition('.')[2]}"
    own = Archive(file, sha256, urls=(url,))
    return Source(name, version, (own, Archive(renamed, sha256, debian=debian)))


PYTHON: Final = _as_it_came(
    "CPython",
    "3.13.5",
    "https://www.python.org/ftp/python/3.13.5/Python-3.13.5.tar.xz",
    "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
    debian="python3.13",
)

ZLIB: Final = Source(
    "zlib",
    "1.3.1",
    (
        Archive(
            "zlib-1.3.1.tar.gz",
            "9a93b2b7dfdac77ceba5a558a580e74667dd6fede4585b91eefb60f03b72df23",
            urls=(
                "https://zlib.net/fossils/zlib-1.3.1.tar.gz",
                "https://zlib.net/zlib-1.3.1.tar.gz",
            ),
        ),
        # Repacked by Debian without some of contrib/; the files that are compiled are the same.
        Archive(
            "zlib_1.3.dfsg+really1.3.1.orig.tar.gz",
            "60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb",
            debian="zlib",
        ),
    ),
)

BZIP2: Final = _as_it_came(
    "bzip2",
    "1.0.8",
    "https://sourceware.org/pub/bzip2/bzip2-1.0.8.tar.gz",
    "ab5a03176ee106d3f0fa90e381da478ddae405918153cca248e682cd0c4a2269",
    debian="bzip2",
)

XZ: Final = _as_it_came(
    "XZ Utils",
    "5.8.1",
    "https://tukaani.org/xz/xz-5.8.1.tar.xz",
    "0b54f79df85912504de0b14aec7971e3f964491af1812d83447005807513cd9e",
    debian="xz-utils",
)

SQLITE: Final = Source(
    "SQLite",
    "3.46.1",
    (
        Archive(
            "sqlite-amalgamation-3460100.zip",
            "77823cb110929c2bcb0f5d48e4833b5c59a8a6e40cdea3936b99e199dbbe5784",
            urls=("https://www.sqlite.org/2024/sqlite-amalgamation-3460100.zip",),
        ),
        # SQLite's own tarball would have to be made into one file by Tcl. Perl's driver carries that
        # file, as SQLite made it.
        Archive(
            "libdbd-sqlite3-perl_1.76.orig.tar.gz",
            "0a33a7a935be63371071dbe600cfaefa67cd971b67580a917bbf6ebaf723c584",
            debian="libdbd-sqlite3-perl",
        ),
    ),
)


def obtain(source: Source, folder: Path, say: Say) -> Path:
    """
    Return the path of a verified archive of `source`, in `folder` if it had to be fetched.

    Raises:
        HashMismatch: A place gave other bytes than the promised ones.
        SourceError: No place has it; the text lists what each one said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    excuses: list[str] = []
    for path in _finds(source, folder, say, excuses):
        return path
    names = " or ".join(f"{one.file} (sha256 {one.sha256})" for one in source.archives)
    raise SourceError(
        f"the source of {source.name} {source.version} could not be had:\n"
        + "\n".join(f"  {excuse}" for excuse in excuses)
        + f"\nPut {names} into a folder and name the folder in {OVERRIDE}.",
        source=source.name,
    )


def _finds(source: Source, folder: Path, say: Say, excuses: list[str]) -> Iterator[Path]:
    """Yield the archive from each place that has it, the cheapest first; note why others have not."""
    for archive in source.archives:
        if (folder / archive.file).exists():
            yield _verified(folder / archive.file, archive)
    yield from _overrides(source, excuses)
    for archive in source.archives:
        for url in archive.urls:
            with _excused(excuses, url):
                yield _download(url, archive, folder, say)
    for archive in source.archives:
        if archive.debian:
            with _excused(excuses, f"Debian's source package {archive.debian}"):
                say(f"asking Debian's archive for {archive.file}")
                apt.fetch(archive.debian, archive.file, folder)
                yield _verified(folder / archive.file, archive)


def _overrides(source: Source, excuses: list[str]) -> Iterator[Path]:
    """Yield the archive from the folder that the user named."""
    named = os.environ.get(OVERRIDE)
    if not named:
        return
    if not Path(named).is_dir():
        raise BuildError(
            f"{OVERRIDE} names {named}, which is not a folder", path=named, hint=f"unset {OVERRIDE}"
        )
    for archive in source.archives:
        if (Path(named) / archive.file).exists():
            yield _verified(Path(named) / archive.file, archive)
    excuses.append(f"{named} ({OVERRIDE}): no such file there")


@contextlib.contextmanager
def _excused(excuses: list[str], place: str) -> Iterator[None]:
    """Turn the failure of a place that could not be asked into an excuse; a wrong hash is no excuse."""
    try:
        yield
    except HashMismatch:
        raise
    except (OSError, http.client.HTTPException) as error:
        excuses.append(f"{place}: {_reason(error)}")
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it has the connection


def _reason(error: Exception) -> object:
    """Return what went wrong: `<urlopen error ...>` around it says nothing, an HTTP status does."""
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return error.reason
    return error


def _download(url: str, archive: Archive, folder: Path, say: Say) -> Path:
    """Fetch one file; it gets its name only after its hash was found right."""
    partial = folder / (archive.file + ".part")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  ours
        say(f"fetching {url}")
        with partial.open("wb") as stream:
            shutil.copyfileobj(response, stream, _CHUNK_BYTES)
        promised = int(response.headers.get("Content-Length", partial.stat().st_size))
    if partial.stat().st_size != promised:
        raise OSError(f"the connection ended after {partial.stat().st_size} of {promised} bytes")
    _verified(partial, archive, origin=url)
    return partial.replace(folder / archive.file)


def _verified(path: Path, archive: Archive, origin: str = "") -> Path:
    """Return the path if its bytes have the promised hash."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != archive.sha256:
        raise HashMismatch(
            f"{origin or path} is not the {archive.file} that the recipe was written for: expected "
            f"sha256 {archive.sha256}, found {found}. Remove it, or name a folder with the right "
            f"file in {OVERRIDE}.",
            source=origin or str(path),
            expected=archive.sha256,
            found=found,
        )
    return path
