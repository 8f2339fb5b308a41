"""syntax: bytes to a tree, in the grammar of the guest's Python, and what is said where there is none."""

from __future__ import annotations

import ast
import sys

import pytest

from extism._compiler import runtime
from extism._compiler.guest_parser import answer
from extism._compiler.syntax import Source, parse, parse_in_guest
from extism.compiler import build
from extism.errors import BuildError

IS_OLDER = sys.version_info < (3, 13)


def failure(text):
    with pytest.raises(BuildError) as caught:
        parse(Source("plugin.py", text if isinstance(text, bytes) else text.encode()))
    return caught.value


def test_a_syntax_error_shows_the_line():
    """File, line, Python's words, the line itself and a caret below the place."""
    error = failure("import json\n\nif 1:\n\tx = = 2\n")

    assert str(error) == "plugin.py:4: SyntaxError: invalid syntax\n    x = = 2\n        ^"
    assert (error.path, error.line) == ("plugin.py", 4)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"x = 1\n\x00", "null byte"),
        (b"\xff", "utf-8"),
        (b"# coding: nonsense\n", "nonsense"),
        (b"if 1:\nx = 1\n", "IndentationError: expected an indented block"),
        (b"x = " + b"-" * 100_000 + b"1", ""),
        (b"(" * 300, ""),
    ],
    ids=["null byte", "not UTF-8", "encoding", "indentation", "deep", "parentheses"],
)
def test_bytes_that_are_not_python(text, word):
    """Whatever is wrong with the bytes, it is a BuildError that names the file."""
    error = failure(text)

    assert str(error).startswith("plugin.py")
    assert word in str(error)
    assert error.path == "plugin.py"


@pytest.mark.parametrize(
    "text",
    ["# coding: latin-1\né = 1".encode("latin-1"), "\ufeffé = 1".encode()],
    ids=["declared", "byte order mark"],
)
def test_encodings_are_pythons(text):
    """A declared encoding and a byte order mark are honoured."""
    assert ast.unparse(parse(Source("plugin.py", text))) == "é = 1"


def test_warnings_are_the_guests_to_give():
    """What Python only warns about is read in silence."""
    assert parse(Source("plugin.py", rb"x = '\d' is '\d'")).body


@pytest.mark.skipif(not IS_OLDER, reason="only an older Python knows less than the guest's")
def test_where_this_python_is_older_the_guests_has_the_word():
    """The guest's parser is asked, and nothing else decides."""
    tree = ast.parse("x = 1")

    assert parse(Source("plugin.py", b"type X = int"), lambda _: tree) is tree


def test_what_this_python_reads_is_not_asked(tmp_path):
    """The guest's parser costs a tenth of a second: it is the exception."""

    def ask(_source):
        raise AssertionError("asked for nothing")

    assert parse(Source("plugin.py", b"x = 1"), ask).body


SAMPLE = """
from __future__ import annotations
import a.b as c, extism
from ..d import e, f as g
if True:
    import h
@extism.plugin_fn
@x.y("m", name="n")
def k(p: int, /, q=1, *r, s=None, **t) -> None:
    z = [1.5, 2j, b"b", ..., 10**400, -3, f"{q!r:>{s}}"]
    return lambda: (yield)
class L(M, metaclass=N):
    async def o(self): await self
match x:
    case {"u": [v, *_]} if w: pass
"""


@pytest.fixture(scope="module")
def in_guest():
    """Parse a text with the guest's parser."""

    def in_guest(text):
        source = Source("plugin.py", text if isinstance(text, bytes) else text.encode())
        return parse_in_guest(source, runtime.base_image(print), runtime.native_cache())

    return in_guest


def shape(node):
    """Types, lines and fields of a tree, without the literals that do not cross."""
    if isinstance(node, ast.AST):
        fields = {name: shape(value) for name, value in ast.iter_fields(node)}
        fields = {name: value for name, value in fields.items() if value not in ([], None)}
        return type(node).__name__, getattr(node, "lineno", 0), fields
    if isinstance(node, list):
        return [shape(item) for item in node]
    return node if isinstance(node, (str, int)) else None


@pytest.mark.guest_python
def test_the_guests_tree_is_the_same_tree(in_guest):
    """What crosses the border as JSON is what this process's parser makes."""
    assert shape(in_guest(SAMPLE)) == shape(ast.parse(SAMPLE))


@pytest.mark.guest_python
def test_a_deep_tree_crosses_the_border(in_guest):
    """The depth of an expression does not matter."""
    assert len(list(ast.walk(in_guest("x = 1" + " + 1" * 200)))) > 200


@pytest.mark.guest_python
def test_newer_nodes_are_walked_through(in_guest):
    """A kind of node that this Python has no class for is there, with what is in it."""
    tree = in_guest("type X[T] = f(import_module)\ndef g[T](): ...")

    assert {"import_module", "f"} <= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["g"]


@pytest.mark.guest_python
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nx = = 2", "plugin.py:2: SyntaxError: invalid syntax\n    x = = 2\n        ^"),
        (b"x\x00", "plugin.py: SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_the_guests_complaints(in_guest, text, message):
    """They read like those of this process's parser."""
    with pytest.raises(BuildError) as caught:
        in_guest(text)

    assert str(caught.value) == message


@pytest.mark.guest_python
def test_a_plugin_in_the_newest_syntax(tmp_path):
    """A plug-in may use all that Python 3.13 can read, whatever Python runs the compiler."""
    path = tmp_path / "plugin.py"
    path.write_text(
        "import extism\n"
        "type Names = list[str]\n"
        "def first[T = str](of: list[T]) -> T: return of[0]\n"
        "@extism.plugin_fn\n"
        "def greet():\n"
        '    names: Names = ["a"]\n'
        '    extism.output_str(f"{first(names) + "b"}")\n',
        encoding="utf-8",
    )

    assert build(path)


def test_the_answer_of_a_parser_that_gives_up(tmp_path):
    """Source that no parser can read is complained about without a line."""
    (tmp_path / "question.py").write_bytes(b"x = " + b"-" * 100_000 + b"1")
    answer(str(tmp_path))

    assert '"line": 0' in (tmp_path / "answer.json").read_text(encoding="utf-8")
