"""The scripts of the article are those that were published: nothing was bent to make them work."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "webhook"


@pytest.mark.parametrize(
    ("file", "digest"),
    [
        ("webhook.py", "4fa3c6506e5c27792372b7b749a69dd58f6d4accfe5481382ac13c6fb180cb4e"),
        ("host.py", "496080cc6ddd9021fc4112e00bc36479d6de5d10b0bb3101267fbefa34e98fb2"),
    ],
)
def test_the_scripts_are_the_published_ones(file, digest):
    """Line by line, without indentation (which the publication had lost), the digest is the original's."""
    lines = (EXAMPLE / file).read_text(encoding="utf-8").splitlines()
    plain = "".join(f"{line.strip()}\n" for line in lines)

    assert hashlib.sha256(plain.encode()).hexdigest() == digest
