"""versions: whether a specifier means a version."""

from __future__ import annotations

import pytest

from extism._compiler.versions import admits


@pytest.mark.parametrize(
    ("specifier", "expected"),
    [
        ("", True),
        (">=3.11", True),
        (">=3.13.5", True),
        (">=3.13.6", False),
        (">=3.11,<3.14", True),
        (">=3.11, <3.13", False),
        ("<4", True),
        ("<=3.13", False),
        (">3.13", True),
        (">3.13.5", False),
        ("==3.13.*", True),
        ("==3.12.*", False),
        ("!=3.13.*", False),
        ("==3.13.5", True),
        ("==3.13", False),
        ("!=3.13", True),
        ("~=3.11", True),
        ("~=3.13.1", True),
        ("~=3.12.1", False),
        ("~=3.13.6", False),
        (">=v3.11", True),
    ],
)
def test_specifiers(specifier, expected):
    """As PEP 440 says, for releases of numbers: here of 3.13.5."""
    assert admits(specifier, (3, 13, 5)) is expected


@pytest.mark.parametrize("clause", ["3.11", "=>3.11", ">=3.*", ">=three", "^3.11", ">= 3.11 <4"])
def test_what_is_no_specifier(clause):
    """The error says which clause cannot be read."""
    with pytest.raises(ValueError, match=r".") as caught:
        admits(f">=3,{clause}", (3, 13, 5))

    assert str(caught.value) == clause
