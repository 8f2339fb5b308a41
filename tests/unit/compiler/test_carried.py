"""carried: the files that travel in a plug-in's memory, found where Python looks for files."""

from __future__ import annotations

import json

import pytest

import extism
from extism.compiler import build

pytestmark = pytest.mark.guest_python

FILES = {
    "pyproject.toml": '[project]\nname = "p"\n',
    "p/__init__.py": "",
    "p/sub/__init__.py": "",
    "p/sub/mod.py": "",
    "p/page.html": "<p>é</p>\r\n",
    "p/sub/data.bin": "\0\1",
    "site/dep/__init__.py": "",
    "site/dep/data.txt": "dep",
    "site/dep_lib-2.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: dep.lib\nVersion: 2.5\n",
    "site/dep_lib-2.5.dist-info/entry_points.txt": "[group]\nit = dep:f\n",
    "site/dep_lib-2.5.dist-info/RECORD": "dep/__init__.py,,\n",
}

HEAD = """
import dep, extism, os, sys
from . import sub

@extism.plugin_fn
def f():
    extism.output_json(answer())

def answer():
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function from the lines of a function to what it returns, asked in a plug-in that carries `FILES`."""
    count = 0

    def ask(*lines, **manifest):
        nonlocal count
        count += 1
        folder = tmp_path_factory.mktemp(f"project{count}")
        source = HEAD + "".join(f"    {line}\n" for line in lines)
        for name, text in {**FILES, "p/plugin.py": source}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
        wasm = build(folder, sites=[folder / "site"], shared=True)
        with extism.Plugin({"wasm": [{"data": wasm}], **manifest}, wasi=True) as plugin:
            return plugin.call("f", "", parse=json.loads)

    return ask


def test_resources(ask):
    """importlib.resources and pkgutil read them."""
    assert ask(
        "from importlib.resources import as_file, files, read_text",
        "import pkgutil",
        "with as_file(files('p') / 'page.html') as path:",
        "    whole = path.read_bytes().decode()",
        "return [",
        "    files('p').joinpath('page.html').read_text(encoding='utf-8'),",
        "    whole,",
        "    read_text('dep', 'data.txt'),",
        "    list(files(sub).joinpath('data.bin').read_bytes()),",
        "    sorted(each.name for each in files('p').iterdir()),",
        "    pkgutil.get_data('p', 'sub/data.bin').decode(),",
        "    files('p').joinpath('none').is_file(),",
        "]",
    ) == ["<p>é</p>\n", "<p>é</p>\r\n", "dep", [0, 1], ["page.html", "sub"], "\0\1", False]


def test_files(ask):
    """open, os and pathlib find them beside the module's own file."""
    assert ask(
        "import glob, pathlib",
        "here = os.path.dirname(__file__)",
        "page = pathlib.Path(__file__).resolve().with_name('page.html')",
        "return [",
        "    __file__,",
        "    open(os.path.join(here, 'page.html'), encoding='utf-8').read(),",
        "    page.read_text(encoding='utf-8', newline=''),",
        "    [page.exists(), page.is_dir(), page.parent.is_dir(), page.stat().st_size],",
        "    os.listdir('/p'),",
        "    list(os.walk('/p')),",
        "    sorted(glob.glob('/p/**/*.bin', recursive=True)),",
        "    [str(each) for each in pathlib.Path('/').rglob('*.txt')],",
        "]",
    ) == [
        "p/plugin.py",
        "<p>é</p>\n",
        "<p>é</p>\r\n",
        [True, False, True, 11],
        ["page.html", "sub"],
        [["/p", ["sub"], ["page.html"]], ["/p/sub", [], ["data.bin"]]],
        ["/p/sub/data.bin"],
        ["/dep/data.txt", "/dep_lib-2.5.dist-info/entry_points.txt"],
    ]


def test_they_can_only_be_read(ask):
    """Writing, removing, and files that are not there fail as without them."""
    assert ask(
        "def tried(act):",
        "    try:",
        "        return repr(act())",
        "    except OSError as error:",
        "        return type(error).__name__",
        "return [tried(act) for act in (",
        "    lambda: open('/p/page.html', 'w'),",
        "    lambda: open('/p/page.html', 'r+'),",
        "    lambda: open('/p/none'),",
        "    lambda: open('/p'),",
        "    lambda: os.remove('/p/page.html'),",
        "    lambda: os.listdir('/p/page.html'),",
        "    lambda: os.listdir('/none'),",
        "    lambda: os.stat('/none'),",
        "    lambda: open('/p/page.html', 'rb').name,",
        ")]",
    ) == [
        *["FileNotFoundError"] * 5,
        "NotADirectoryError",
        *["FileNotFoundError"] * 2,
        "'/p/page.html'",
    ]


def test_real_files_go_first(ask, tmp_path):
    """What the host grants hides what is carried under the same path."""
    (tmp_path / "page.html").write_text("real")

    assert ask(
        "return [open('/p/page.html').read(), open('/dep/data.txt').read(), os.listdir('/p')]",
        allowed_paths={str(tmp_path): "/p"},
    ) == ["real", "dep", ["page.html"]]


def test_metadata(ask):
    """importlib.metadata knows the distributions that came along, and their entry points."""
    assert ask(
        "import importlib.metadata as metadata",
        "try:",
        "    metadata.version('none')",
        "except metadata.PackageNotFoundError as error:",
        "    missing = str(error)",
        "return [",
        "    metadata.version('Dep_Lib'),",
        "    metadata.metadata('dep-lib')['Name'],",
        "    [each.name for each in metadata.distributions()],",
        "    [(each.group, each.name, each.value) for each in metadata.entry_points()],",
        "    missing,",
        "]",
    ) == [
        "2.5",
        "dep.lib",
        ["dep.lib"],
        [["group", "it", "dep:f"]],
        "No package metadata was found for none",
    ]


def test_packages_can_be_walked(ask):
    """pkgutil lists the modules of carried packages."""
    assert ask(
        "import pkgutil, p",
        "return [",
        "    [[each.name, each.ispkg] for each in pkgutil.iter_modules(p.__path__, 'p.')],",
        "    [each.name for each in pkgutil.walk_packages(p.__path__, 'p.')],",
        "    [sub.__path__, list(pkgutil.iter_modules(['/none']))],",
        "]",
    ) == [
        [["p.plugin", False], ["p.sub", True]],
        ["p.plugin", "p.sub", "p.sub.mod"],
        [["/p/sub"], []],
    ]


def test_an_imported_module_can_be_loaded_again(ask):
    """Its code is not kept once it has run; it is compiled from its text."""
    assert ask(
        "import importlib",
        "before = sub.mod if hasattr(sub, 'mod') else importlib.import_module('p.sub.mod')",
        "return [importlib.reload(sub) is sub, importlib.reload(before).__name__]",
    ) == [True, "p.sub.mod"]
