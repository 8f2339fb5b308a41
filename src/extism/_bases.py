"""
Where base images lie that are kept on this machine, and how one is found by its digest.

A base image is the started interpreter that Python plug-ins are made of; small ones are linked with it when they are
loaded. How it is had where it is not kept is in `_compiler/runtime.py`, which fills the folder.

Layout, in the folder of `caches.interpreter_directory`::

    base-KEY/base.wasm   the image
    base-KEY/sha256      its SHA-256 in hexadecimal digits, and a newline
"""

from __future__ import annotations

import os

from extism import caches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["DIGEST", "IMAGE", "PREFIX", "kept_image"]

PREFIX: Final = "base-"
IMAGE: Final = "base.wasm"
DIGEST: Final = "sha256"


def kept_image(digest: str) -> str | None:
    """Return the path of the image that is kept under the digest, which nobody has verified yet."""
    cache = caches.interpreter_path()
    try:
        names = sorted(os.listdir(cache))
    except OSError:
        return None
    for name in names:
        if name.startswith(PREFIX) and _digest(os.path.join(cache, name)) == digest:
            return os.path.join(cache, name, IMAGE)
    return None


def _digest(folder: str) -> str:
    try:
        with open(os.path.join(folder, DIGEST), encoding="ascii") as file:
            return file.read(65).strip()
    except (OSError, ValueError):
        return ""
