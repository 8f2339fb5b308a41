"""The page of environment variables lists those that the code reads, no more and no fewer."""

from __future__ import annotations

import ast
import re

from pages import ROOT

SOURCE = ROOT / "src" / "extism"
PAGE = ROOT / "docs" / "reference" / "environment.md"
OF_THE_PLATFORM = {"HOME", "PROCESSOR_ARCHITECTURE", "XDG_CACHE_HOME"}
"""What the platform says about itself and its user, and `platformdirs` would read."""


def constants() -> dict[str, str]:
    """Every constant of the package that is a text, by name; no two of those that matter share one."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(
                node.value, ast.Constant
            ):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(node.value.value, str):
                    found[ast.unparse(target)] = node.value.value
    return found


def keys(tree: ast.AST) -> list[ast.expr]:
    """What `os.environ` is asked for."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=base), args=[key, *_]) if is_environ(base):
                found.append(key)
            case ast.Subscript(value=base, slice=key) if is_environ(base):
                found.append(key)
            case ast.Compare(left=key, comparators=[base]) if is_environ(base):
                found.append(key)
    return found


def is_environ(node: ast.expr) -> bool:
    return ast.unparse(node) == "os.environ"


def variables() -> set[str]:
    """The names behind those keys; a key that a loop goes through is somebody else's variable."""
    named = constants()
    found = set()
    for path in SOURCE.rglob("*.py"):
        for key in keys(ast.parse(path.read_text(encoding="utf-8"))):
            text = key.value if isinstance(key, ast.Constant) else named.get(ast.unparse(key))
            if text is not None:
                found.add(text)
    return found - OF_THE_PLATFORM


def test_every_variable_is_documented():
    """The table of docs/reference/environment.md names what is read from the environment."""
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(listed) == sorted(variables())
