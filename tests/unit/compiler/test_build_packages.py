"""build and `extism-py` with packages: installed, taken along, told; and what is said where one is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wheelhouse import write_wheel

import extism
from extism._cli.facts import facts
from extism._compiler.packages import install
from extism._compiler.requirements import Requirements
from extism.compiler import build
from extism.errors import BuildError

pytestmark = [pytest.mark.guest_python, pytest.mark.usefixtures("package_cache")]

BLOCK = "# /// script\n# dependencies = ['extism', 'attrs==26.1.0']\n# ///\n"
PLUGIN = """
import attrs, extism

@attrs.define
class Point:
    x: int

@extism.plugin_fn
def point():
    extism.output_str(str(Point(2)))
"""


def failure(path, **options):
    with pytest.raises(BuildError) as caught:
        build(path, shared=True, **options)
    return caught.value


def call(wasm, name="point"):
    with extism.Plugin(wasm, wasi=True) as plugin:
        return plugin.call(name, "")


def test_the_packages_of_a_file(tree, extism_py):
    """Installed, taken along, named in the summary and in the module; the second build says nothing of pip."""
    tree({"plugin.py": BLOCK + PLUGIN})
    first = extism_py("plugin.py", "one.wasm", "--shared")
    second = extism_py("plugin.py", "two.wasm", "--shared")
    wasm = Path("one.wasm").read_bytes()

    assert (first[0], second[0]) == (0, 0)
    assert "  with attrs==26.1.0\n" in second[2]
    assert "installing" not in second[2]
    assert wasm == Path("two.wasm").read_bytes()
    assert facts(wasm)["packages"] == [{"name": "attrs", "version": "26.1.0"}]
    assert call(wasm) == b"Point(x=2)"


def test_nothing_of_this_machine(tree, package_cache):
    """Neither the folder of the plug-in nor that of the packages is in the module, in any form."""
    tree({"deep/er/plugin.py": BLOCK + PLUGIN})
    wasm = build("deep/er/plugin.py")

    assert [
        place for place in (Path.cwd(), package_cache, Path.home()) if str(place).encode() in wasm
    ] == []


@pytest.mark.parametrize(
    "arguments",
    [("-r", "requirements.txt"), ("--requirements", "requirements.txt"), ("--site", "env")],
)
def test_other_ways_to_packages(tree, extism_py, arguments):
    """A requirements file, and a folder in which they are installed."""
    tree({"plugin.py": PLUGIN, "requirements.txt": "attrs==26.1.0\n", "env/x": ""})
    if "--site" in arguments:
        installed = install(Requirements(("attrs==26.1.0",)), print)
        Path("env/x").unlink()
        Path("env").rmdir()
        Path("env").symlink_to(installed, target_is_directory=True)
    code, _, said = extism_py("plugin.py", "out.wasm", "--shared", *arguments)

    assert (code, "  with attrs==26.1.0\n" in said) == (0, True)
    assert call("out.wasm") == b"Point(x=2)"


def test_modules_that_are_named(tree, extism_py):
    """--include takes what no statement names, --exclude leaves out what one does."""
    tree(
        {
            "plugin.py": "import extism, importlib\n"
            "@extism.plugin_fn\ndef f():\n"
            "    found = []\n"
            "    for name in ('a', 'b'):\n"
            "        try: found.append(importlib.import_module(name).X)\n"
            "        except ImportError as error: found.append(str(error))\n"
            "    extism.output_json(found)\n"
            "    try: import b\n    except ImportError: pass\n",
            "a.py": "X = 1",
            "b.py": "X = 2",
        }
    )
    code, _, _ = extism_py("plugin.py", "out.wasm", "--shared", "--include", "a", "--exclude", "b")

    assert code == 0
    assert json.loads(call("out.wasm", "f")) == [1, "No module named 'b'"]


def test_a_missing_import_while_it_is_built(tree):
    """The traceback says where, and the hint what to do; in a package of others, too."""
    tree(
        {
            "plugin.py": "import extism\nimport lib\n@extism.plugin_fn\ndef f(): ...\n",
            "lib.py": "import gone_x",
        }
    )
    error = failure("plugin.py")

    assert str(error).startswith(
        "lib.py:1: there is no module gone_x beside the plug-in, in PYTHONPATH or in its packages\n"
    )
    assert str(error).endswith("\nModuleNotFoundError: No module named 'gone_x'\n")
    assert (error.path, error.line) == ("lib.py", 1)
    assert error.hint.startswith("name its package in the file ")


def test_what_fails_because_of_a_missing_import(tree):
    """The author's own error says what it says; what is missing behind it is in the hint."""
    tree(
        {
            "plugin.py": "import extism\ntry:\n    import gone_x\n"
            "except ImportError:\n    raise RuntimeError('no x') from None\n"
            "@extism.plugin_fn\ndef f(): ...\n",
        }
    )
    error = failure("plugin.py")

    assert str(error).startswith("plugin.py:5: RuntimeError: no x\n")
    assert error.hint.startswith("there is no module gone_x beside the plug-in")


def test_a_file_that_is_read_while_it_is_built(tree):
    """What lies beside a plug-in is not there when it is built, and the hint says how data travels."""
    tree(
        {
            "plugin.py": "import extism\nTEXT = open('text.txt').read()\n"
            "@extism.plugin_fn\ndef f(): ...\n",
            "text.txt": "text",
        }
    )
    error = failure("plugin.py")

    assert str(error).startswith("plugin.py:2: FileNotFoundError: ")
    assert "data files travel in a package" in error.hint


def test_native_code_while_it_is_built(tree, monkeypatch, tmp_path):
    """A package that cannot do without its native code is named, with its version and the line of its import."""
    write_wheel(
        tmp_path / "wheels",
        "fastlib",
        "1.5",
        {"fastlib/__init__.py": b"\nfrom fastlib._core import f\n", "fastlib/_core.abi3.so": b""},
        "cp39-abi3-manylinux_2_17_x86_64",
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    tree(
        {
            "plugin.py": "# /// script\n# dependencies = ['fastlib']\n# ///\n"
            "import extism, fastlib\n@extism.plugin_fn\ndef f(): ...\n"
        }
    )
    error = failure("plugin.py")

    assert str(error).startswith(
        "plugin.py:4: fastlib._core is native code (fastlib 1.5), and a plug-in runs pure Python only\n"
    )
    assert 'File "fastlib/__init__.py", line 2, in <module>' in str(error)
    assert (error.path, error.line) == ("plugin.py", 4)
    assert error.hint.startswith("use a package that does the same in pure Python; ")


def test_a_site_that_is_not_there(tree):
    """A folder that is named and missing is an error."""
    tree({"plugin.py": PLUGIN})

    assert str(failure("plugin.py", sites=["gone"])) == "--site gone: there is no such folder"
