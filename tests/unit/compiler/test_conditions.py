"""conditions: what an `if` will find inside a plug-in."""

from __future__ import annotations

import ast

import pytest

from extism._compiler.conditions import holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TYPE_CHECKING", False),
        ("typing.TYPE_CHECKING", False),
        ("not TYPE_CHECKING", True),
        ("False", False),
        ("True", True),
        ("sys.platform == 'win32'", False),
        ("sys.platform != 'win32'", True),
        ("'wasi' == sys.platform", True),
        ("sys.platform in ('linux', 'darwin')", False),
        ("sys.platform not in ['linux']", True),
        ("sys.platform.startswith('win')", False),
        ("not sys.platform.startswith('win')", True),
        ("os.name == 'nt'", False),
        ("os.name == 'posix'", True),
        ("sys.version_info >= (3, 11)", True),
        ("sys.version_info < (3, 13)", False),
        ("sys.version_info >= (3, 13, 1)", True),
        ("sys.version_info[:2] >= (3, 14)", False),
        ("sys.version_info >= (3,)", True),
        ("sys.version_info[0] == 2", False),
        ("sys.version_info.major < 3", False),
        ("sys.implementation.name == 'pypy'", False),
        ("sys.platform == 'win32' or os.name == 'nt'", False),
        ("sys.platform == 'win32' or DEBUG", None),
        ("os.name == 'posix' or DEBUG", True),
        ("os.name == 'posix' and DEBUG", None),
        ("os.name == 'nt' and DEBUG", False),
        ("DEBUG", None),
        ("1 == 1", None),
        ("sys.platform == PLATFORM", None),
        ("sys.version_info >= '3'", None),
        ("sys.platform is None", None),
        ("1 < sys.version_info[0] < 4", None),
        ("sys.platform.startswith(prefix)", None),
        ("name.startswith('win')", None),
        ("f()", None),
    ],
)
def test_conditions(text, expected):
    """What is plain to see is told; everything else may be true or not."""
    assert holds(ast.parse(text, mode="eval").body) is expected
