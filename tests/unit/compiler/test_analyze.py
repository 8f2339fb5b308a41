"""analyze: what the syntax tree says about exports, host functions and imports."""

from __future__ import annotations

import pytest

from extism._compiler.analyze import Reference, analyze
from extism._compiler.interface import RESERVED
from extism._compiler.syntax import Source, parse
from extism.errors import BuildError


def facts(text: str):
    source = Source("plugin.py", text.encode())
    return analyze(source, parse(source))


def names(exports):
    return [(row.name, row.line) for row in exports]


@pytest.mark.parametrize(
    "text",
    [
        "import extism\n@extism.plugin_fn\ndef f(): ...",
        "import extism as x\n@x.plugin_fn\ndef f(): ...",
        "from extism import plugin_fn\n@plugin_fn\ndef f(): ...",
        "from extism import plugin_fn as export\n@export\ndef f(): ...",
        "from extism import *\n@plugin_fn\ndef f(): ...",
        "from extism.exports import plugin_fn\n@plugin_fn\ndef f(): ...",
        "import extism.http\n@extism.plugin_fn\ndef f(): ...",
        "import extism; export = extism.plugin_fn\n@export\ndef f(): ...",
        "import extism; x = y = extism\n@y.plugin_fn\ndef f(): ...",
        "import extism; export: object = extism.plugin_fn\n@export\ndef f(): ...",
        "if 1: import extism; export = extism.plugin_fn\n@export\ndef f(): ...",
    ],
)
def test_the_decorator_is_known_by_what_it_is(text):
    """However the library was imported, its plugin_fn marks an export."""
    assert names(facts(text).exports) == [("f", 3)]


@pytest.mark.parametrize(
    "text",
    [
        "import other\n@other.plugin_fn\ndef f(): ...",
        "from other import plugin_fn\n@plugin_fn\ndef f(): ...",
        "from .extism import plugin_fn\n@plugin_fn\ndef f(): ...",
        "import extism\n@extism.log\ndef f(): ...",
        "import extism\n@x.extism.plugin_fn\ndef f(): ...",
        "def plugin_fn(f): ...\n@plugin_fn\ndef f(): ...",
    ],
)
def test_other_decorators_mean_nothing(text):
    """A name that only looks like the library's does not mark an export."""
    assert facts(text).exports == ()


def test_only_functions_at_the_top_level_are_exports():
    """Elsewhere the decorator is noted, so that the author can be told the line."""
    found = facts(
        "import extism\n"
        "@extism.plugin_fn\n"
        "def top(): ...\n"
        "if extism:\n"
        "    @extism.plugin_fn\n"
        "    def in_condition(): ...\n"
        "class C:\n"
        "    @extism.plugin_fn\n"
        "    def in_class(self): ...\n"
        "def plain():\n"
        "    @extism.plugin_fn\n"
        "    def in_function(): ...\n"
    )

    assert names(found.exports) == [("top", 3)]
    assert names(found.hidden) == [("in_condition", 6), ("in_class", 9), ("in_function", 12)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import extism.http", True),
        ("from extism import log", True),
        ("def f():\n    import extism", True),
        ("import other\nother.plugin_fn(f)", False),
    ],
)
def test_what_may_export_more_than_is_seen(text, expected):
    """Whoever has the library can call plugin_fn in ways that only running the file shows."""
    assert facts(text).may_export_more == expected


def test_other_decorators_may_stand_around_it():
    """Below or above, the function is an export; what one below does to the arguments is not known here."""
    found = facts(
        "from extism import plugin_fn\n"
        "@plugin_fn\n@other\ndef f(x): ...\n"
        "@other\n@plugin_fn\ndef g(): ...\n"
    )

    assert names(found.exports) == [("f", 4), ("g", 7)]


ANY_NUMBER = "plugin.py:3: a {} function has a fixed number of parameters, f takes any number ({})"
ARITY = "plugin.py:3: plugin_fn expects a function with no arguments, f should have no arguments"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            "@extism.plugin_fn()\ndef f(): ...",
            2,
            "plugin.py:2: extism.plugin_fn takes no arguments",
        ),
        (
            "@extism.plugin_fn('f')\ndef f(): ...",
            2,
            "plugin.py:2: extism.plugin_fn takes no arguments",
        ),
        ("@extism.plugin_fn\ndef f(x): ...", 3, ARITY),
        ("@extism.plugin_fn\ndef f(x, y=1): ...", 3, ARITY),
        ("@extism.plugin_fn\ndef f(x: int, y=1): ...", 3, ARITY),
        ("@extism.plugin_fn\ndef f(*, x=1): ...", 3, ARITY),
        ("@extism.plugin_fn\ndef f(*x): ...", 3, ANY_NUMBER.format("plug-in", "*x")),
        ("@extism.plugin_fn\ndef f(x: int, *y: int): ...", 3, ANY_NUMBER.format("plug-in", "*y")),
        ("@extism.plugin_fn\ndef f(**x: int): ...", 3, ANY_NUMBER.format("plug-in", "**x")),
        ("@extism.shared_fn\ndef f(x, *y): ...", 3, ANY_NUMBER.format("shared", "*y")),
        ("@extism.plugin_fn\ndef f(*, x): ...", 3, ARITY),
        ("@extism.plugin_fn\ndef f(x, /): ...", 3, ARITY),
        ("@extism.plugin_fn\nasync def f(x: int, y): ...", 3, ARITY),
        (
            "@extism.shared_fn()\ndef f(): ...",
            2,
            "plugin.py:2: extism.shared_fn takes no arguments",
        ),
        (
            "@extism.plugin_fn\nclass f: ...",
            3,
            "plugin.py:3: plugin_fn expects a plain function, f is a class",
        ),
        (
            "@extism.plugin_fn\ndef memory(): ...",
            3,
            f"plugin.py:3: a plug-in function cannot be called memory: {RESERVED['memory']}",
        ),
        (
            "@extism.plugin_fn\ndef _start(): ...",
            3,
            "plugin.py:3: a plug-in function cannot be called _start: hosts run it as a program",
        ),
    ],
)
def test_misuse_of_plugin_fn(text, line, message):
    """The error says file, line and what is wrong."""
    with pytest.raises(BuildError) as caught:
        facts(f"import extism\n{text}")

    assert str(caught.value) == message
    assert (caught.value.path, caught.value.line) == ("plugin.py", line)


@pytest.mark.parametrize(
    "function",
    [
        "@extism.plugin_fn\ndef f(x: int, /, y: str = '', *, z: list[int]) -> str: ...",
        "@extism.plugin_fn\nasync def f(x: int): ...",
        "@extism.shared_fn\ndef f(x, y): ...",
        "@extism.plugin_fn\n@supplied\ndef f(x, y=1, *z): ...",
    ],
)
def test_parameters_that_something_fills(function):
    """Annotated ones come from the input, those of a shared function from the caller, others from a decorator."""
    assert [each.name for each in facts(f"import extism\n{function}").exports] == ["f"]


def imported(declaration: str):
    text = f"import extism\n@extism.import_fn('m', 'n')\n{declaration}: ..."
    (row,) = facts(text).imports
    return row


@pytest.mark.parametrize(
    ("declaration", "type_"),
    [
        ("def f()", "(func)"),
        ("def f() -> None", "(func)"),
        ("def f() -> 'None'", "(func)"),
        ("def f() -> int", "(func (result i64))"),
        ("def f(a: str, /, b=1) -> str", "(func (param i64 i64) (result i64))"),
        ("def f(a, b, c, d, e, f)", "(func (param i64 i64 i64 i64 i64 i64))"),
        ("def f(a: float, *, b: extism.I32)", "(func (param f64 i32))"),
        ("async def f(a: float) -> str", "(func (param f64) (result i64))"),
        (
            "def f(a: 'extism.F32') -> Annotated[bool, extism.I32]",
            "(func (param f32) (result i32))",
        ),
        ("def f() -> tuple[int, float]", "(func (result i64 f64))"),
        ("def f() -> tuple[int, ...]", "(func (result i64))"),
        ("def f(a: dict[str, float], b: list[float] | None)", "(func (param i64 i64))"),
        ("def f(a: 'no annotation')", "(func (param i64))"),
    ],
)
def test_the_type_of_a_host_function(declaration, type_):
    """What the annotations seem to say: handles and integers are i64, the rest goes by its name."""
    assert str(imported(declaration).type) == type_


@pytest.mark.parametrize(
    "text",
    [
        "@extism.import_fn('m', 'n')\ndef f(): ...",
        "@extism.import_fn(module='m', name='n')\ndef f(): ...",
        "@extism.import_fn('m', name='n')\ndef f(): ...",
        "if 1:\n  @extism.import_fn('m', 'n')\n  def f(): ...",
        "class C:\n  @staticmethod\n  @extism.import_fn('m', 'n')\n  def f(): ...",
        "def g():\n  @extism.import_fn('m', 'n')\n  def f(): ...",
    ],
)
def test_declarations_are_found_wherever_they_stand(text):
    """Strings by position or keyword, at any depth of the file."""
    found = facts(f"import extism\n{text}").imports

    assert [(row.module, row.name) for row in found] == [("m", "n")]


LITERAL = "Invalid import, import_fn must include a module name and function name"


@pytest.mark.parametrize(
    ("decorator", "function", "message"),
    [
        ("import_fn", "def f(): ...", LITERAL),
        ("import_fn()", "def f(): ...", LITERAL),
        ("import_fn('n')", "def f(): ...", LITERAL),
        ("import_fn('m', 'n', 'o')", "def f(): ...", LITERAL),
        ("import_fn('m', NAME)", "def f(): ...", LITERAL),
        ("import_fn('m', f'n')", "def f(): ...", LITERAL),
        ("import_fn('m', b'n')", "def f(): ...", LITERAL),
        ("import_fn(*PAIR)", "def f(): ...", LITERAL),
        ("import_fn(**PAIR)", "def f(): ...", LITERAL),
        ("import_fn('m', nome='n')", "def f(): ...", LITERAL),
        (
            "import_fn('m', 'n')",
            "def f(*a): ...",
            "a host function has a fixed number of parameters, f takes any number (*a)",
        ),
        (
            "import_fn('m', 'n')",
            "def f(**a): ...",
            "a host function has a fixed number of parameters, f takes any number (**a)",
        ),
        ("import_fn('m', 'n')", "class f: ...", "import_fn expects a plain function, f is not one"),
        (
            "import_fn('extism:host/env', 'alloc')",
            "def f(): ...",
            "import_fn cannot take functions of extism:host/env: the library uses them for you",
        ),
        (
            "import_fn('wasi_snapshot_preview1', 'fd_write')",
            "def f(): ...",
            "import_fn cannot take functions of wasi_snapshot_preview1: the library uses them for you",
        ),
    ],
)
def test_misuse_of_import_fn(decorator, function, message):
    """The error says file, line and what is wrong."""
    with pytest.raises(BuildError) as caught:
        facts(f"import extism\n@extism.{decorator}\n{function}")

    assert str(caught.value).partition(": ")[2] == message
    assert caught.value.line in {2, 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a, b.c as d", [Reference("a"), Reference("b.c")]),
        ("from a.b import c, d as e", [Reference("a.b", 0, ("c", "d"))]),
        ("from . import a", [Reference("", 1, ("a",))]),
        ("from ..a import *", [Reference("a", 2, ("*",))]),
        ("def f():\n    import a", [Reference("a")]),
        ("try:\n    import a\nexcept ImportError:\n    import b", [Reference("a"), Reference("b")]),
        (
            "import importlib\nimportlib.import_module('a.b')",
            [Reference("importlib"), Reference("a.b")],
        ),
        ("__import__('a')\nimport_module('b')", [Reference("a"), Reference("b")]),
        ("import_module(name)\nimport_module('.a', 'b')\n__import__(1)", []),
        ("import a\nimport a", [Reference("a")]),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", [Reference("b")]),
        ("if typing.TYPE_CHECKING:\n    import a", []),
        ("x = 'import a'  # import b", []),
    ],
)
def test_references(text, expected):
    """Every import that can happen at run time is noted, once, in the order of the text."""
    assert list(facts(text).references) == expected


def test_a_long_expression_is_no_deep_one():
    """Walking the tree does not depend on Python's recursion limit."""
    assert facts("import a\nx = 1" + " + 1" * 900).references == (Reference("a"),)


def test_nothing_runs():
    """The code of the file is read, not run."""
    assert facts("raise SystemExit\nopen('/nonexistent')").exports == ()
