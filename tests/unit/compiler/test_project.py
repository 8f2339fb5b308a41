"""project: what a path means that an author names."""

from __future__ import annotations

from pathlib import Path

import pytest

from extism._compiler.project import open_project
from extism.errors import BuildError


def meant(path):
    """The file, its name in a package, and where other modules are looked for."""
    found = open_project(Path(path))
    packages = {name: folder.as_posix() for name, folder in found.packages.items()}
    return found.main.as_posix(), found.name, found.root and found.root.as_posix(), packages


@pytest.mark.parametrize(
    ("files", "path", "expected"),
    [
        (["p/x.py"], "p/x.py", ("p/x.py", "", "p", {})),
        (["x.py"], "x.py", ("x.py", "", ".", {})),
        (
            ["p/__init__.py"],
            "p/__init__.py",
            ("p/__init__.py", "extism_plugin", "p", {"extism_plugin": "p"}),
        ),
        (["p/plugin.py"], "p", ("p/plugin.py", "", "p", {})),
        (["p/plugin.py", "p/__main__.py"], "p", ("p/__main__.py", "", "p", {})),
        (["p/main.py", "p/other.py"], "p", ("p/main.py", "", "p", {})),
        (["p/__init__.py"], "p", ("p/__init__.py", "p", None, {"p": "p"})),
        (["p/__init__.py", "p/plugin.py"], "p", ("p/plugin.py", "p.plugin", None, {"p": "p"})),
        (
            ["p/__init__.py", "p/__main__.py"],
            "p/",
            ("p/__main__.py", "p.__main__", None, {"p": "p"}),
        ),
        (["p/__init__.py", "p/main.py"], "p", ("p/__init__.py", "p", None, {"p": "p"})),
    ],
)
def test_files_and_folders(tree, files, path, expected):
    """A file is itself; a folder is its package, or the file in it that is called as plug-ins are."""
    tree(dict.fromkeys(files, ""))

    assert meant(path) == expected


@pytest.mark.parametrize(
    ("toml", "files", "expected"),
    [
        ('[project]\nname = "my-shop"', ["src/my_shop/__init__.py"], "src/my_shop/__init__.py"),
        ('[project]\nname = "shop"', ["shop/__init__.py", "shop/plugin.py"], "shop/plugin.py"),
        ('[project]\nname = "shop"', ["src/shop.py"], "src/shop.py"),
        ('[project]\nname = "shop"', ["shop.py"], "shop.py"),
        ('[project]\nname = "shop"', ["plugin.py", "shop.py"], "plugin.py"),
        ('[tool.extism]\nmain = "a/b.py"', ["a/b.py", "plugin.py"], "a/b.py"),
        ('[tool.extism]\nmain = "a"', ["a/__init__.py", "plugin.py"], "a/__init__.py"),
    ],
)
@pytest.mark.parametrize("named", ["p", "p/pyproject.toml"])
def test_projects(tree, toml, files, expected, named):
    """What pyproject.toml calls main, else what is found by the project's name."""
    tree({"p/pyproject.toml": toml, **{f"p/{name}": "" for name in files}})

    assert meant(named)[0] == f"p/{expected}"


def test_the_needs_of_project_and_file(tree):
    """Both are heard."""
    block = '# /// script\n# dependencies = ["b"]\n# ///\n'
    tree({"p/pyproject.toml": '[project]\nname = "p"\ndependencies = ["a"]', "p/plugin.py": block})

    assert open_project(Path("p")).needs.dependencies == ("a", "b")


def test_a_file_of_a_package_with_relative_imports(tree):
    """It is the module of its package; modules beside it are found as before."""
    tree({"top/__init__.py": "", "top/sub/__init__.py": "", "top/sub/x.py": "from ..far import y"})

    assert meant("top/sub/x.py") == ("top/sub/x.py", "top.sub.x", "top/sub", {"top": "top"})


def test_the_same_from_inside_the_package(tree, monkeypatch):
    """The package is known by the name of its folder, wherever one stands."""
    tree({"top/__init__.py": "", "top/x.py": "from . import y"})
    monkeypatch.chdir("top")
    found = open_project(Path("x.py"))

    assert found.name == "top.x"
    assert found.packages["top"].resolve() == Path.cwd()


def test_the_folder_where_one_stands(tree, monkeypatch):
    """A dot is the package of that name."""
    tree({"top/__init__.py": ""})
    monkeypatch.chdir("top")

    assert open_project(Path()).name == "top"


def test_a_folder_that_cannot_be_a_package(tree):
    """The error says what to do."""
    tree({"my-plugin/__init__.py": ""})
    with pytest.raises(BuildError) as caught:
        open_project(Path("my-plugin"))

    assert str(caught.value) == "my-plugin is a package, and my-plugin cannot be the name of one"
    assert caught.value.hint == "rename the folder: letters, digits and underscores"


def test_main_that_is_not_there(tree):
    """A main that pyproject.toml names and nobody finds is an error that names it."""
    tree({"p/pyproject.toml": '[tool.extism]\nmain = "gone.py"'})
    with pytest.raises(BuildError, match=r"cannot read p.gone\.py: No such file"):
        open_project(Path("p"))
