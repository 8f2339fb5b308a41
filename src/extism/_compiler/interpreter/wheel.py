"""
The base image as a data wheel, so that pip can install what otherwise takes minutes to build.

The wheel holds one package with no code: the image under xz, a statement of what it is, and in its
metadata the licence texts of everything that is linked into it. Equal images give equal bytes.

Layout:
    extism_guest_python/__init__.py
    extism_guest_python/base.wasm.xz
    extism_guest_python/image.json           {"key": ..., "sha256": of the image, "size": in bytes}
    extism_guest_python-V.dist-info/METADATA, WHEEL, RECORD, licenses/*
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import lzma
import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IMAGE", "MODULE", "PROJECT", "STATEMENT", "pack_wheel", "wheel_name"]

PROJECT: Final = "extism-guest-python"
MODULE: Final = "extism_guest_python"
IMAGE: Final = "base.wasm.xz"
STATEMENT: Final = "image.json"

_PACKAGE: Final = '"""The guest interpreter of extism-py: data only, see image.json."""\n'

_LICENCE: Final = (
    "BSD-3-Clause AND PSF-2.0 AND Zlib AND MIT AND BSD-2-Clause AND CC0-1.0 AND Apache-2.0 AND "
    "Apache-2.0 WITH LLVM-exception AND bzip2-1.0.6 AND 0BSD AND blessing"
)

_DESCRIPTION: Final = """\
The interpreter that `extism-py` builds Python plug-ins on: CPython for wasm32-wasip1, already started,
with its standard library and the guest library of `extism` in memory.

It is built by the recipe in `extism._compiler.interpreter`; with this package installed nobody needs
to build it. It fits the version of `extism` that has the same version number. PROVENANCE.md, among
the licence texts, says what it is made of.
"""


def wheel_name(version: str) -> str:
    """Return the wheel's file name."""
    return f"{MODULE}-{version}-py3-none-any.whl"


def pack_wheel(
    base: bytes, key: str, version: str, licences: Mapping[str, bytes], level: int = 9
) -> bytes:
    """
    Return the data wheel.

    Args:
        base: The base image.
        key: Its key, by which `runtime` knows whether it is the wanted one.
        version: Of the wheel: that of `extism`.
        licences: Licence texts by file name.
        level: Of xz, 0 to 9: how much time is taken to make it small.
    """
    info = f"{MODULE}-{version}.dist-info"
    statement = {"key": key, "sha256": hashlib.sha256(base).hexdigest(), "size": len(base)}
    files = {
        f"{MODULE}/__init__.py": _PACKAGE.encode(),
        f"{MODULE}/{IMAGE}": lzma.compress(base, preset=level),
        f"{MODULE}/{STATEMENT}": json.dumps(statement, indent=1).encode() + b"\n",
        f"{info}/METADATA": _metadata(version, sorted(licences)).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: extism\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
        **{f"{info}/licenses/{name}": licences[name] for name in sorted(licences)},
    }
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD").encode()
    return _zip(files)


def _metadata(version: str, licences: list[str]) -> str:
    """Return the core metadata."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {PROJECT}",
        f"Version: {version}",
        "Summary: The built guest interpreter of extism-py: CPython for WebAssembly, already started.",
        f"License-Expression: {_LICENCE}",
        *(f"License-File: {name}" for name in licences),
        "Requires-Python: >=3.11",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + "\n\n" + _DESCRIPTION


def _record(files: Mapping[str, bytes], own_name: str) -> str:
    """Return the list of files with their hashes; the list itself has none."""
    lines = [f"{name},{_record_hash(data)},{len(data)}" for name, data in files.items()]
    return "\n".join([*lines, f"{own_name},,"]) + "\n"


def _record_hash(data: bytes) -> str:
    text = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={text}"


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Return the zip, its metadata last, every entry with the same date and rights."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            is_packed = name.endswith(".xz")
            entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return stream.getvalue()
