"""Digests are the standard's, by whichever code they are made."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys

import pytest

from extism import _digest
from extism._digest import mac, sha256


@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 19) - 1, 1 << 19, 1 << 20])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_digest_is_sha_256(size, kind):
    """Small and large, and of anything that holds bytes."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)

    assert sha256(kind(data)) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("length", [0, 1, 32, 64])
def test_the_mac_is_hmac(length):
    """RFC 2104 over SHA-256."""
    key = bytes(range(length))

    assert mac(key, b"message") == hmac.new(key, b"message", "sha256").digest()


def test_openssl_is_not_loaded_for_what_is_small():
    """And is for what is large."""
    code = (
        "import sys; from extism._digest import sha256; sha256(bytes(1000)); "
        "print('hashlib' in sys.modules); sha256(bytes(1 << 20)); print('hashlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == ["False", "True"]


def test_a_python_without_its_own_has_openssl(monkeypatch):
    """Some builds leave all digests to it."""
    monkeypatch.setattr(_digest, "_MODULE", "_no_such_module")
    _digest._built_in.cache_clear()
    found = _digest._built_in()
    _digest._built_in.cache_clear()

    assert found is hashlib.sha256
