"""
From a manifest's sources to bytes: files are read, URLs fetched, hashes checked.

Nobody sees the bytes before their hash is right. They come as they were supplied: text format stays text, the
engine assembles it. What the bytes mean is not looked at here, except to say what a wrong file looks like.
"""

from __future__ import annotations

import errno
import os
import stat

from extism._dataclass import dataclass
from extism._digest import is_same, sha256
from extism.errors import CapabilityDenied, HashMismatch, SourceError
from extism.escapes import harmless_line, shown, shown_path
from extism.manifest import WasmData, WasmFile, sniff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import BinaryIO, Final

    from extism._capabilities.http import Http
    from extism._known import FileNote, KnownFiles
    from extism.manifest import Manifest, WasmSource, WasmUrl

__all__ = [
    "FETCH_TIMEOUT",
    "MAX_FETCH_BYTES",
    "KnownModule",
    "ResolvedModule",
    "SourcePolicy",
    "bounded",
    "resolve",
]

MAX_FETCH_BYTES: Final = 64 << 20
"""What a URL or a file may give: more than any module, less than what hurts."""

FETCH_TIMEOUT: Final = 30.0
"""Seconds for one URL, redirects included."""

_SCHEMES: Final = ("path", "data", "http", "https")

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class SourcePolicy:
    """
    What a host that loads other people's manifests takes modules from.

    Attributes:
        schemes: `path`, `data`, `http`, `https`; all of them by default.
        folders: Where files may lie, symbolic links followed; None for anywhere.
        digests: SHA-256 in hexadecimal digits of the only modules that are taken; None for any.
    """

    schemes: Collection[str] = _SCHEMES
    folders: Collection[str | os.PathLike[str]] | None = None
    digests: Collection[str] | None = None

    def check_source(self, source: WasmSource) -> None:
        """
        Look at a source before anything is read or fetched.

        Raises:
            SourceError: It may not be used.
        """
        scheme, origin = _scheme(source)
        # What is no scheme at all is the download's to refuse, in upstream's words.
        if scheme in _SCHEMES and scheme not in self.schemes:
            allowed = ", ".join(self.schemes) or "nothing"
            raise SourceError(
                f"the source policy takes modules from {allowed}, not from {scheme}: {shown_path(origin)}",
                source=origin,
            )
        if isinstance(source, WasmFile) and self.folders is not None:
            self._check_folder(source.path)

    def check_module(self, data: bytes, origin: str) -> None:
        """
        Look at a module that was read.

        Raises:
            HashMismatch: It is none of those that are taken.
        """
        if self.digests is None:
            return
        found = sha256(data).hex()
        if found not in {digest.lower() for digest in self.digests}:
            expected = f"one of {len(self.digests)} digests"
            text = f"the source policy takes {expected}, and {origin} has {found}"
            raise HashMismatch(text, source=origin, expected=expected, found=found)

    def _check_folder(self, given: str) -> None:
        from pathlib import Path

        path = Path(given).resolve()
        if not any(path.is_relative_to(Path(folder).resolve()) for folder in self.folders or ()):
            listed = ", ".join(str(folder) for folder in self.folders or ()) or "no folder"
            raise SourceError(
                f'the source policy takes files from {listed}, not "{shown_path(given)}"',
                source=given,
            )


def _scheme(source: WasmSource) -> tuple[str, str]:
    """Return the scheme that a policy knows a source by, and its origin for people."""
    match source:
        case WasmData():
            return "data", "data"
        case WasmFile():
            return "path", source.path
    return source.url.partition(":")[0].strip().lower(), _without_userinfo(source.url)


def _without_userinfo(url: str) -> str:
    import re

    return harmless_line(re.sub(r"//[^/?#]*@", "//", url)[:200])


@dataclass(frozen=True)
class ResolvedModule:
    """
    A module at hand.

    Attributes:
        name: In the plug-in; one of them is `main`.
        data: Binary or text format.
        origin: Where it came from, for people: a path, a URL, or `data`.
    """

    name: str
    data: bytes
    origin: str

    def __repr__(self) -> str:
        return f"ResolvedModule({self.name!r}, <{len(self.data)} bytes>, {self.origin!r})"


@dataclass(frozen=True)
class KnownModule:
    """
    A module in a file that was read before and not changed since.

    Attributes:
        name: As in `ResolvedModule`.
        note: What is known of it.
        origin: Its path.
    """

    name: str
    note: FileNote
    origin: str

    @property
    def data(self) -> bytes:
        """
        Its bytes, read after all.

        Raises:
            SourceError: The file was changed since it was looked at, or cannot be read.
        """
        data = _read(self.origin, None)
        if sha256(data) != self.note.digest:
            text = f"{_unable(self.origin)}: it was changed while it was being loaded"
            raise SourceError(text, source=self.origin)
        return data


def resolve(
    manifest: Manifest,
    *,
    ca_bundle: str | None = None,
    policy: SourcePolicy | None = None,
    files: KnownFiles | None = None,
) -> tuple[ResolvedModule | KnownModule, ...]:
    """
    Return every module of a manifest, in its order.

    Args:
        manifest: What to get; its `allowed_hosts` are for the guest and do not matter here.
        ca_bundle: Certificates to trust instead of the system's.
        policy: What modules are taken from; anything without one. All sources are looked at first.
        files: Asked for files that need not be read; all are without it. What has to have a certain hash is
            always read.

    Raises:
        SourceError: A file cannot be read, a URL does not give a module, or the policy refuses it.
        HashMismatch: The bytes are not the promised ones.
    """
    if policy is not None:
        for source in manifest.wasm:
            policy.check_source(source)
    pairs = zip(manifest.wasm, manifest.module_names, strict=True)
    return tuple([_resolve_one(source, name, ca_bundle, policy, files) for source, name in pairs])


def _resolve_one(
    source: WasmSource,
    name: str,
    ca_bundle: str | None,
    policy: SourcePolicy | None,
    files: KnownFiles | None,
) -> ResolvedModule | KnownModule:
    is_any = source.hash is None and (policy is None or policy.digests is None)
    if files is not None and is_any and isinstance(source, WasmFile):
        note = files.find(source.path)
        if note is not None:
            return KnownModule(name, note, source.path)
    origin, data = _bytes(source, ca_bundle, files)
    if policy is not None:
        policy.check_module(data, origin)
    if source.hash is not None:
        _check_hash(data, source.hash, origin)
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not isinstance(source, WasmData) and not _is_module(data):
        raise SourceError(f'"{shown_path(origin)}" is no WebAssembly: {_look(data)}', source=origin)
    return ResolvedModule(name, data, origin)


def _bytes(
    source: WasmSource, ca_bundle: str | None, files: KnownFiles | None
) -> tuple[str, bytes]:
    """Return where the bytes are from, and the bytes."""
    match source:
        case WasmData():
            return "data", source.data
        case WasmFile():
            return source.path, _read(source.path, files)
    return _fetch(source, ca_bundle)


# ---------------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------------

_KINDS: Final = {
    errno.ENOENT: "entity not found",
    errno.EISDIR: "is a directory",
    errno.EACCES: "permission denied",
    errno.ENOTDIR: "not a directory",
}


def _read(path: str, files: KnownFiles | None) -> bytes:
    """Return the content of a regular file; pipes and devices, which may never end, are refused."""
    try:
        # A pipe without a writer would keep open() waiting.
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(f"{_unable(path)}: not a regular file", source=path)
            content = bounded(file, path)
            if files is not None:
                files.was_read(path, status, os.fstat(file.fileno()))
            return content
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        kind = _KINDS.get(error.errno or 0, str(error.strerror).lower())
        raise SourceError(f"{_unable(path)}: {kind}{_hint(path, error)}", source=path) from error
    except ValueError as error:
        raise SourceError(f"{_unable(path)}: {error}", source=path) from error


def bounded(file: BinaryIO, path: str) -> bytes:
    """
    Return the rest of an open file.

    Raises:
        SourceError: It is longer than any module.
    """
    data = file.read(MAX_FETCH_BYTES + 1)
    if len(data) > MAX_FETCH_BYTES:
        raise SourceError(f"{_unable(path)}: more than {MAX_FETCH_BYTES} bytes", source=path)
    return data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _unable(path: str) -> str:
    return f'Unable to load Wasm file "{shown_path(path)}"'


def _hint(path: str, error: OSError) -> str:
    if error.errno != errno.ENOENT or os.path.isabs(path):
        return ""
    return f"; relative paths start at {os.getcwd()!r}"


# ---------------------------------------------------------------------------------------------------
# URLs
# ---------------------------------------------------------------------------------------------------


def _fetch(source: WasmUrl, ca_bundle: str | None) -> tuple[str, bytes]:
    """Return the URL without its userinfo, and the body of the answer, which must be a 200."""
    from extism._capabilities.http_request import Request
    from extism._capabilities.urls import Url
    from extism.secret import reveal

    origin = _without_userinfo(source.url)
    headers = {name: reveal(value) for name, value in source.headers.items()}
    try:
        origin = str(Url.parse(source.url))[:200]
        request = Request(source.url, source.method, headers)
    except (CapabilityDenied, ValueError) as error:
        raise SourceError(f"{error}: unable to fetch {origin}", source=origin) from error
    try:
        answer = _http(ca_bundle).send(request)
    except CapabilityDenied as error:  # every host is allowed here, so it is the size
        text = f"more than {MAX_FETCH_BYTES} bytes: unable to fetch {origin}"
        raise SourceError(text, source=origin) from error
    except OSError as error:
        raise SourceError(f"{error}: unable to fetch {origin}", source=origin) from error
    if not 200 <= answer.status < 300:
        text = f"http status: {answer.status}: unable to fetch {origin}"
        raise SourceError(text, source=origin)
    return origin, answer.body


def _http(ca_bundle: str | None) -> Http:
    from extism._capabilities.hosts import AllowedHosts
    from extism._capabilities.http import Http

    hosts = AllowedHosts.unrestricted()
    return Http(hosts, MAX_FETCH_BYTES, ca_bundle=ca_bundle, timeout=FETCH_TIMEOUT)


# ---------------------------------------------------------------------------------------------------
# Checks
# ---------------------------------------------------------------------------------------------------


def _check_hash(data: bytes, expected: str, origin: str) -> None:
    """Compare in constant time; upper case will do."""
    found = sha256(data).hex()
    if is_same(found.encode(), expected.lower().encode("utf-8", "surrogatepass")):
        return
    import re

    is_hash = re.fullmatch(r"[0-9a-fA-F]{64}", expected)
    hint = "" if is_hash else "; a hash is the SHA-256 in 64 hexadecimal digits"
    looks = "" if _is_module(data) else f"; {_look(data)}"
    text = f"Hash mismatch, found {found} but expected {shown(expected)}: {shown_path(origin)}{looks}{hint}"
    raise HashMismatch(text, source=origin, expected=expected, found=found)


def _is_module(data: bytes) -> bool:
    """Tell whether bytes begin as a module does; those that are no text need the magic number."""
    return data.startswith(b"\0asm") or (sniff(data) == "wat")


_LOOKS: Final[dict[bytes, str]] = {
    b"<": "it looks like an HTML or XML page",
    b"{": "it looks like JSON",
    b"[": "it looks like a manifest in TOML",
    b"version https://git-lfs": "it is a pointer of Git LFS; fetch the file itself",
}


def _look(data: bytes) -> str:
    start = data[:1000].lstrip()
    if not start:
        return "it is empty"
    lines = b"\n" + data[:4000]
    if b"\nimport extism" in lines or b"\nfrom extism" in lines:
        return "it is the Python source of a plug-in; extism-py makes the module of it"
    known = (look for prefix, look in _LOOKS.items() if start.startswith(prefix))
    return next(known, f"it begins with {start[:20]!r}")
