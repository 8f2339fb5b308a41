"""references: how much an import is needed, and which imports the guest never comes to."""

from __future__ import annotations

import ast

import pytest

from extism._compiler.references import references


def told(text):
    return [
        (row.module, row.line, row.is_optional, row.is_deferred)
        for row in references(ast.parse(text))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a", [("a", 1, False, False)]),
        ("def f():\n  import a", [("a", 2, False, True)]),
        ("async def f():\n  import a", [("a", 2, False, True)]),
        ("class C:\n  def f(self):\n    import a", [("a", 3, False, True)]),
        ("class C:\n  import a", [("a", 2, False, False)]),
        ("x = lambda: __import__('a')", [("a", 1, False, True)]),
        ("try:\n  import a\nexcept ImportError: pass", [("a", 2, True, False)]),
        ("try:\n  import a\nexcept (KeyError, ModuleNotFoundError): pass", [("a", 2, True, False)]),
        ("try:\n  import a\nexcept builtins.ImportError: pass", [("a", 2, True, False)]),
        ("try:\n  import a\nexcept: pass", [("a", 2, True, False)]),
        ("try:\n  import a\nexcept KeyError: pass", [("a", 2, False, False)]),
        ("try:\n  pass\nexcept ImportError:\n  import a", [("a", 4, True, False)]),
        ("try:\n  pass\nexcept ImportError: pass\nelse:\n  import a", [("a", 5, False, False)]),
        ("try:\n  pass\nfinally:\n  import a", [("a", 4, False, False)]),
        ("with suppress(ImportError):\n  import a", [("a", 2, True, False)]),
        ("with contextlib.suppress(ImportError):\n  import a", [("a", 2, True, False)]),
        ("with open(x):\n  import a", [("a", 2, False, False)]),
        ("def f():\n  try:\n    import a\n  except ImportError: pass", [("a", 3, True, True)]),
    ],
)
def test_how_much_an_import_is_needed(text, expected):
    """What catches ImportError makes an import optional; a function defers it."""
    assert told(text) == expected


def test_the_place_that_needs_it_most_counts():
    """Of several imports of one module, that one is told which cannot fail."""
    text = "def f():\n  import a\ntry:\n  import a\nexcept ImportError: pass\nimport a"

    assert told(text) == [("a", 6, False, False)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if sys.platform == 'win32':\n  import a\nelse:\n  import b", ["b"]),
        ("if sys.version_info >= (3, 11):\n  import a\nelse:\n  import b", ["a"]),
        ("if DEBUG:\n  import a\nelse:\n  import b", ["a", "b"]),
        (
            "if TYPE_CHECKING:\n  import a\nelif os.name == 'nt':\n  import b\nelse:\n  import c",
            ["c"],
        ),
        ("if import_module('a'):\n  pass", ["a"]),
    ],
)
def test_what_the_guest_never_comes_to(text, expected):
    """Branches for other platforms, other versions and type checkers are no imports."""
    assert [row.module for row in references(ast.parse(text))] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import_module('a.b')", ("a.b", 0)),
        ("importlib.import_module('.b', __package__)", ("b", 1)),
        ("importlib.import_module('..b', package=__name__)", ("b", 2)),
    ],
)
def test_literal_dynamic_imports(text, expected):
    """A literal name is followed, a relative one where it begins at the file's own package."""
    assert [(row.module, row.level) for row in references(ast.parse(text))] == [expected]


@pytest.mark.parametrize(
    "text", ["import_module(name)", "import_module('.b', other)", "import_module('.b')"]
)
def test_what_cannot_be_known(text):
    """Names and packages that are made at run time are not guessed."""
    assert references(ast.parse(text)) == ()
