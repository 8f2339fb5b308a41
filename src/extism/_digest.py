"""
SHA-256 and what is made of it, at the least cost for what is hashed.

`hashlib` loads OpenSSL: 3 ms, in which the function that Python itself has hashes half a megabyte. OpenSSL's is several
times faster, so what is larger is hashed with that.
"""

from __future__ import annotations

import sys
from _operator import _compare_digest as is_same  # what `hmac` takes where there is no OpenSSL

from extism._cached import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

__all__ = ["is_same", "mac", "sha256"]

_LARGE: Final = 1 << 19
_MODULE: Final = "_sha2" if sys.version_info >= (3, 12) else "_sha256"

_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def sha256(data: bytes | bytearray | memoryview) -> bytes:
    """Return the 32 bytes of the digest."""
    is_small = len(data) < _LARGE and "hashlib" not in sys.modules
    digest: bytes = (_built_in() if is_small else _openssl())(data).digest()
    return digest


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104), for a key of at most 64 bytes."""
    assert len(key) <= _BLOCK
    padded = key.ljust(_BLOCK, b"\0")
    inner = sha256(padded.translate(_INNER) + message)
    return sha256(padded.translate(_OUTER) + inner)


@cache
def _built_in() -> Callable[[Any], Any]:
    try:
        maker: Callable[[Any], Any] = __import__(_MODULE).sha256
    except ImportError:  # some builds of Python leave it to OpenSSL
        return _openssl()
    return maker


def _openssl() -> Callable[[Any], Any]:
    import hashlib

    return hashlib.sha256
