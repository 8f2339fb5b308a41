"""needs: what a plug-in says in its file, or in the pyproject.toml beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from extism._compiler.needs import Needs, of_project, of_script
from extism.errors import BuildError

PLUGIN = Path("plugin.py")


def script(*lines):
    return "\n".join(["# /// script", *lines, "# ///", "import extism"]).encode()


def test_a_file_without_a_block():
    """It needs nothing; blocks of other types and comments are none."""
    text = b"import extism\n# /// other\n# x = 1\n# ///\n# /// script\n"
    with pytest.raises(BuildError, match=r"plugin\.py:5: the block # /// script is not closed"):
        of_script(PLUGIN, text)

    assert of_script(PLUGIN, b"import extism\n# /// other\n# x = 1\n# ///\n") == Needs()
    assert of_script(PLUGIN, b"# //// script\n# ///script\n") == Needs()


def test_a_block():
    """Dependencies, and the table of this library."""
    source = script(
        '# requires-python = ">=3.11"',
        "# dependencies = [",
        '#   "jinja2>=3.1",',
        "# ]",
        "#",
        "# [tool.extism]",
        '# include = ["a"]',
        '# exclude = ["b.c"]',
    )

    assert of_script(PLUGIN, source) == Needs(
        dependencies=("jinja2>=3.1",), include=("a",), exclude=("b.c",)
    )


def test_line_ends_of_windows():
    """A file with CRLF is read like any other."""
    source = script('# dependencies = ["a"]').replace(b"\n", b"\r\n")

    assert of_script(PLUGIN, source).dependencies == ("a",)


def test_the_last_closing_line_counts():
    """TOML may hold three slashes itself, as PEP 723 says."""
    source = script('# dependencies = ["a"]', "# x = '''", "# ///", "# '''")

    assert of_script(PLUGIN, source).dependencies == ("a",)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["# dependencies = ["], "plugin.py:1: the block # /// script is not TOML: "),
        (["# dependencies = 1"], "plugin.py:1: dependencies must be a list of texts"),
        (["# dependencies = [1]"], "plugin.py:1: dependencies must be a list of texts"),
        (["# requires-python = 3"], "plugin.py:1: requires-python must be a text"),
        (
            ['# requires-python = "three"'],
            "plugin.py:1: requires-python is no list of versions: three",
        ),
        (
            ['# requires-python = ">=3.14"'],
            "plugin.py:1: it requires Python >=3.14, and plug-ins run Python 3.13.5",
        ),
        (
            ["# [tool.extism]", '# inclde = ["a"]'],
            "plugin.py:1: tool.extism has no key inclde: there are main, include, exclude",
        ),
        (["# [tool]", "# extism = 1"], "plugin.py:1: tool.extism must be a table"),
        (
            ["# ///", "x = 1", "# /// script"],
            "plugin.py:4: it has more than one block # /// script",
        ),
    ],
)
def test_what_cannot_be_read(lines, text):
    """The error says what is wrong, and in which line the block begins."""
    with pytest.raises(BuildError) as caught:
        of_script(PLUGIN, script(*lines))

    assert str(caught.value).startswith(text)
    assert (caught.value.path, caught.value.line) == ("plugin.py", 4 if "more" in text else 1)


def test_a_project(tmp_path):
    """Its name, its dependencies and the table of this library; other tables are others' business."""
    path = tmp_path / "pyproject.toml"
    path.write_text(
        '[project]\nname = "shop"\nrequires-python = ">=3.11"\ndependencies = ["a", "b"]\n'
        '[tool.extism]\nmain = "src/x.py"\n[tool.other]\nx = 1\n'
    )

    assert of_project(path) == Needs("shop", ("a", "b"), main="src/x.py")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"[project", "pyproject.toml: it is not TOML: "),
        (b"project = 1", "pyproject.toml: project must be a table"),
        (b"\xff", "cannot read "),
    ],
)
def test_a_project_that_cannot_be_read(tmp_path, content, text):
    """The error names the file."""
    path = tmp_path / "pyproject.toml"
    path.write_bytes(content)
    with pytest.raises(BuildError) as caught:
        of_project(path)

    assert text in str(caught.value)
    assert caught.value.path == str(path)
