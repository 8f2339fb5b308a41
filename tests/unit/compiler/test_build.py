"""build and `extism-py` with the interpreter: what comes out, what is said, what is left behind."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from extism._wasm.reader import read
from extism.compiler import BuildReport, build
from extism.errors import BuildError

pytestmark = pytest.mark.guest_python

GREET = "import extism\n@extism.plugin_fn\ndef greet():\n    extism.output_str('hello')\n"


def failure(path, **options):
    with pytest.raises(BuildError) as caught:
        build(path, **options)
    return caught.value


def test_a_plugin_is_one_module_with_its_functions_only(tree):
    """It imports what Extism hosts give, and exports its memory and the annotated functions."""
    tree(
        {
            "plugin.py": "import extism\n"
            "@extism.plugin_fn\ndef b(): ...\n"
            "@extism.plugin_fn\ndef a(): ...\n"
            "@extism.import_fn('extism:host/user', 'eat')\ndef eat(fruit) -> str: ...\n"
            "def helper(): ...\n"
        }
    )
    reports = []
    wasm = build("plugin.py", "out.wasm", report=reports.append)
    module = read(wasm)

    assert [export.name for export in module.exports] == ["memory", "b", "a"]
    assert {item.module for item in module.imports} == {
        "extism:host/env",
        "extism:host/user",
        "wasi_snapshot_preview1",
    }
    assert Path("out.wasm").read_bytes() == wasm
    seconds, digest = reports[0].seconds, hashlib.sha256(wasm).hexdigest()
    imports = ("extism:host/user/eat",)
    assert reports == [BuildReport(("b", "a"), imports, (), "", len(wasm), digest, seconds)]
    assert list(seconds) == ["analyze", "interpreter", "preinit", "snapshot", "shim"]


@pytest.mark.parametrize(
    ("modules", "most"),
    [
        ("extism", 20_000),
        ("asyncio, logging, pathlib", 20_000),
        ("datetime, decimal, hashlib, random", 150_000),
    ],
)
def test_a_shared_plugin_is_small(tree, modules, most):
    """What plug-ins often import is in the runtime; a plug-in that imports it does not grow."""
    tree({"greet.py": f"import {modules}\n{GREET}"})

    assert len(build("greet.py", shared=True)) < most


def test_both_forms_of_the_command_write_the_same(tree, extism_py):
    """`IN OUT` and `IN -o OUT` give the same bytes; so does a build elsewhere, and the default name."""
    folder = tree({"greet.py": GREET})
    results = [
        extism_py("greet.py", "one.wasm"),
        extism_py("greet.py", "-o", "two.wasm"),
        extism_py(str(folder / "greet.py")),
    ]

    assert [code for code, _, _ in results] == [0, 0, 0]
    assert Path("one.wasm").read_bytes() == Path("two.wasm").read_bytes()
    assert Path("one.wasm").read_bytes() == Path("index.wasm").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [
        "greet.py",
        "index.wasm",
        "one.wasm",
        "two.wasm",
    ]


def test_a_small_plugin_and_its_runtime(tree, extism_py):
    """The one imports from the other; nothing but its functions is exported, and INPUT may be left out."""
    folder = tree({"greet.py": GREET})
    both = extism_py("greet.py", "-o", "greet.wasm", "--shared", "--runtime", "python.wasm")
    alone = extism_py("--runtime", "again.wasm")
    small, runtime = (
        read((folder / "greet.wasm").read_bytes()),
        (folder / "python.wasm").read_bytes(),
    )

    assert (both[:2], alone[:2]) == ((0, ""), (0, ""))
    digest = hashlib.sha256(runtime).hexdigest()
    size = f"{len(runtime) / 1e6:.1f} MB"
    assert alone[2] == f"again.wasm: the runtime of --shared plug-ins, {size}, SHA-256 {digest}\n"
    assert (folder / "again.wasm").read_bytes() == runtime
    assert [export.name for export in small.exports] == ["greet"]
    assert {item.module for item in small.imports} == {"python"}
    assert {item.name for item in small.imports} <= {item.name for item in read(runtime).exports}
    assert digest in bytes(small.custom["extism.runtime"].payload).decode()
    assert len(small.data) < 100_000


def test_the_summary(tree, extism_py):
    """One line with exports, size and time; what the host must give; with -v, each step; with -q, nothing."""
    tree(
        {
            "plugin.py": f"{GREET}@extism.plugin_fn\ndef leave(): ...\n"
            "@extism.import_fn('ns', 'eat')\ndef eat(): ...\n"
        }
    )
    code, out, err = extism_py("plugin.py", "plugin.wasm", "-v")

    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert re.fullmatch(
        r"plugin\.wasm: 2 exports \(greet, leave\), \d+\.\d MB, \d+\.\d s", lines[-7]
    )
    assert lines[-6] == "  needs from its host: ns/eat"
    assert [line.split()[0] for line in lines[-5:]] == [
        "analyze",
        "interpreter",
        "preinit",
        "snapshot",
        "shim",
    ]
    assert extism_py("plugin.py", "plugin.wasm", "-q") == (0, "", "")


def test_the_summary_of_a_small_plugin(tree, extism_py):
    """Its size is told in kilobytes, and with -v which runtime it needs."""
    tree({"greet.py": GREET})
    report = json.loads(extism_py("greet.py", "greet.wasm", "--shared", "--json")[1])["plugin"]
    lines = extism_py("greet.py", "greet.wasm", "--shared", "-v")[2].splitlines()

    size = f"{report['size'] / 1e3:.1f} KB"
    assert re.fullmatch(rf"greet\.wasm: 1 export \(greet\), {size}, \d+\.\d s", lines[0])
    assert lines[1] == f"  needs the runtime with SHA-256 {report['runtime']}"
    assert [line.split()[0] for line in lines[2:]] == [
        "analyze",
        "interpreter",
        "preinit",
        "overlay",
    ]


def test_what_comes_along_is_in_the_summary(tree, extism_py):
    """By package, with the number of modules where there are several."""
    tree(
        {
            "plugin.py": f"import near, lib.deep\n{GREET}",
            "near.py": "",
            "lib/__init__.py": "",
            "lib/deep.py": "",
        }
    )
    _, _, err = extism_py("plugin.py", "plugin.wasm")

    assert err.splitlines()[1:] == ["  bundles lib (2 modules), near"]


def test_the_report_as_json(tree, extism_py):
    """On stdout all that is known of both files, and nothing else; no summary."""
    folder = tree({"plugin.py": f"import near\n{GREET}", "near.py": ""})
    arguments = ("plugin.py", "-o", "plugin.wasm", "--shared", "--runtime", "python.wasm")
    code, out, err = extism_py(*arguments, "--json")
    found = json.loads(out)
    wasm, runtime = (folder / "plugin.wasm").read_bytes(), (folder / "python.wasm").read_bytes()
    seconds = found["plugin"].pop("seconds")

    assert (code, err) == (0, "")
    assert found == {
        "runtime": {
            "output": "python.wasm",
            "size": len(runtime),
            "sha256": hashlib.sha256(runtime).hexdigest(),
        },
        "plugin": {
            "output": "plugin.wasm",
            "exports": ["greet"],
            "imports": [],
            "modules": ["near"],
            "runtime": hashlib.sha256(runtime).hexdigest(),
            "size": len(wasm),
            "sha256": hashlib.sha256(wasm).hexdigest(),
            "packages": [],
        },
    }
    assert list(seconds) == ["analyze", "interpreter", "preinit", "overlay"]


def test_a_new_file_has_the_usual_permissions(tree):
    """The output can be read by whom the user's umask lets, not by its owner alone."""
    tree({"greet.py": GREET})
    old = os.umask(0o022)
    try:
        build("greet.py", "greet.wasm")
    finally:
        os.umask(old)

    assert Path("greet.wasm").stat().st_mode & 0o777 == 0o644


def test_a_link_stays_a_link(tree):
    """Through a symbolic link the file behind it is replaced."""
    folder = tree({"greet.py": GREET, "real/old.wasm": "old"})
    (folder / "greet.wasm").symlink_to("real/old.wasm")
    wasm = build("greet.py", "greet.wasm")

    assert (folder / "greet.wasm").is_symlink()
    assert (folder / "real/old.wasm").read_bytes() == wasm


def test_a_device_is_written_to(tree):
    """What is no regular file is not replaced by one."""
    tree({"greet.py": GREET})
    before = Path(os.devnull).stat()
    build("greet.py", os.devnull)

    assert Path(os.devnull).stat().st_ino == before.st_ino


def test_modules_come_along(tree):
    """From the file's folder and from PYTHONPATH; imports inside functions find them at run time."""
    tree(
        {
            "p/plugin.py": f"from near.deep import x\nassert x == 1\n{GREET}    import far\n",
            "p/near/__init__.py": "",
            "p/near/deep.py": "from . import value\nx = value.VALUE",
            "p/near/value.py": "VALUE = 1",
            "lib/far.py": "",
        }
    )
    wasm = build("p/plugin.py", paths=["lib"])

    assert [export.name for export in read(wasm).exports] == ["memory", "greet"]


def test_the_environments_path_is_used_and_not_shipped(tree, monkeypatch):
    """PYTHONPATH of the environment is where modules are found; nothing of the environment is in the plug-in."""
    folder = tree(
        {"p/plugin.py": f"import os, far\nassert not os.environ\n{GREET}", "lib/far.py": ""}
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["missing", str(folder / "lib")]))
    monkeypatch.setenv("A_SECRET", "a-secret-of-this-machine")
    wasm = build("p/plugin.py")

    assert b"a-secret-of-this-machine" not in wasm
    assert str(folder).encode() not in wasm


FAILING = (
    "import extism\n"
    "def load(text):\n"
    "    return int(text)\n"
    "PORT = load('eighty')\n"
    "@extism.plugin_fn\n"
    "def greet(): ...\n"
)


def test_an_exception_at_import_time(tree, extism_py):
    """The full traceback, in the author's terms, with source lines; exit code 1, no output."""
    folder = tree({"p/plugin.py": FAILING, "old.wasm": "old"})
    code, out, err = extism_py("p/plugin.py", "old.wasm")

    assert (code, out) == (1, "")
    assert err.startswith(
        "Error: plugin.py:3: ValueError: invalid literal for int() with base 10: 'eighty'\n"
    )
    assert "Traceback (most recent call last):\n" in err
    assert "  File \"plugin.py\", line 4, in <module>\n    PORT = load('eighty')\n" in err
    assert '  File "plugin.py", line 3, in load\n    return int(text)\n' in err
    assert "extism/_compiler" not in err
    assert str(folder) not in err
    assert Path("old.wasm").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["old.wasm", "p"]


def test_where_an_exception_is_told(tree):
    """path is the file where the author has it, also for another module; line is the line."""
    tree({"p/plugin.py": f"import near\n{GREET}", "p/near.py": "x = 1\nx.y\n"})
    error = failure("p/plugin.py")

    assert (Path(error.path), error.line) == (Path("p/near.py"), 2)
    assert "AttributeError: 'int' object has no attribute 'y'" in str(error)


def test_a_syntax_error_in_another_module(tree):
    """The guest says it: file, line and the offending source."""
    tree({"plugin.py": f"import near\n{GREET}", "near.py": "x = 1\nx = = 2\n"})
    error = failure("plugin.py")

    assert (error.path, error.line) == ("near.py", 2)
    assert "SyntaxError: invalid syntax" in str(error)
    assert "x = = 2" in str(error)


def test_a_missing_module(tree):
    """It is told as Python tells it, with the line of the import."""
    tree({"plugin.py": f"import nowhere_at_all\n{GREET}"})
    error = failure("plugin.py")

    assert (error.path, error.line) == ("plugin.py", 1)
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in str(error)


@pytest.mark.parametrize(
    "call",
    [
        "extism.input_str()",
        "extism.output_str('x')",
        "extism.Config.get_str('x')",
        "extism.Var.get_str('x')",
        "extism.Var.set('x', 'y')",
        "extism.Http.request('http://127.0.0.1/')",
        "extism.log(extism.LogLevel.Info, 'x')",
        "extism.memory.alloc('x')",
        "extism.memory.find(1)",
        "extism.set_error('x')",
    ],
)
def test_the_host_is_out_of_reach_while_building(tree, call):
    """Module-level code that asks for the host is told that there is none yet."""
    tree({"plugin.py": f"{GREET}{call}\n"})
    error = failure("plugin.py")

    assert (error.path, error.line) == ("plugin.py", 5)
    assert "module-level code runs when the plug-in is built" in str(error)


def test_an_export_in_a_condition(tree):
    """A function that is an export only while the module runs is refused, with its line."""
    tree({"plugin.py": f"{GREET}if True:\n    @extism.plugin_fn\n    def hidden(): ...\n"})
    error = failure("plugin.py")

    assert str(error).startswith("plugin.py:7: hidden is not at the top level: ")
    assert (error.path, error.line) == ("plugin.py", 7)


def test_an_export_that_another_decorator_renames(tree):
    """A wrapper without the function's name cannot be exported under it."""
    tree(
        {
            "plugin.py": "import extism\n"
            "def other(f):\n    def wrapper(): f()\n    return wrapper\n"
            "@extism.plugin_fn\n@other\ndef greet(): ...\n"
        }
    )

    error = failure("plugin.py")

    assert str(error).startswith("plugin.py:3: wrapper is not at the top level: ")
    assert "functools.wraps" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "def greet(): ...\nextism.plugin_fn(greet)\n",
        "def greet(): ...\nother = extism.plugin_fn(greet)\n",
        "def export(f): return extism.plugin_fn(f)\n@export\ndef greet(): ...\n",
        "from near import export\n@export\ndef greet(): ...\n",
        "from near import greet\nextism.plugin_fn(greet)\n",
    ],
    ids=[
        "called",
        "assigned",
        "own decorator",
        "alias of another file",
        "function of another file",
    ],
)
def test_an_export_that_is_no_decorator_of_ours(tree, text):
    """Whatever calls plugin_fn for a function of a module's top level, the function is exported."""
    near = "from extism import plugin_fn as export\ndef greet(): ...\n"
    tree({"plugin.py": f"import extism\n{text}", "near.py": near})

    assert [export.name for export in read(build("plugin.py")).exports] == ["memory", "greet"]


def test_a_misspelt_decorator(tree):
    """It is told, and not that there are no exports."""
    tree({"plugin.py": "import extism\n@extism.plugin_fm\ndef greet(): ...\n"})

    assert str(failure("plugin.py")).startswith(
        "plugin.py:2: AttributeError: module 'extism' has no attribute 'plugin_fm'\n"
    )


def test_an_export_of_a_module_that_is_never_imported(tree):
    """What is decorated in a module that only a function imports is told, with its line."""
    tree(
        {
            "plugin.py": f"{GREET}    import near\n",
            "near.py": "import extism\n@extism.plugin_fn\ndef lost(): ...\n",
        }
    )
    error = failure("plugin.py")

    assert str(error).startswith("near.py:3: lost is marked as an export, but was not exported")
    assert "import its module at the top" in error.hint


def test_exports_of_an_imported_module(tree):
    """Functions of a module that the plug-in imports are exports like its own."""
    tree(
        {
            "plugin.py": f"from near import *\n{GREET}",
            "near.py": "import extism\n@extism.plugin_fn\ndef first(): ...\n",
        }
    )

    assert [export.name for export in read(build("plugin.py")).exports] == [
        "memory",
        "first",
        "greet",
    ]


def test_what_the_module_level_prints(tree, extism_py):
    """It is shown on stderr while building, also when the build then fails."""
    tree({"plugin.py": f"print('one [red]é')\nprint('two', end='')\n{GREET}"})
    code, out, err = extism_py("plugin.py", "-q")

    assert (code, out, err) == (0, "", "one [red]é\ntwo\n")


def test_an_endless_module_level(tree):
    """It is ended after the time that it has, and the reason is told."""
    tree({"plugin.py": f"{GREET}while True: pass\n"})
    error = failure("plugin.py", timeout=0.5)

    assert "its module level was still running when its time was up" in str(error)
    assert error.path == "plugin.py"


@pytest.mark.parametrize(
    "end", ["raise SystemExit(3)", "import sys; sys.exit()", "raise KeyboardInterrupt"]
)
def test_a_module_level_that_leaves(tree, end):
    """Leaving while the plug-in is built is an error like any other."""
    tree({"plugin.py": f"{GREET}{end}\n"})

    assert failure("plugin.py").line == 5


def test_the_module_has_its_files_name(tree):
    """`__name__` is the file's name, so that a main block does not run."""
    tree(
        {
            "plugin.py": f"{GREET}assert __name__ == 'plugin', __name__\n"
            "if __name__ == '__main__':\n    raise SystemExit\n"
        }
    )

    assert build("plugin.py")


def test_a_package_as_the_plugin(tree):
    """An __init__.py may import its neighbours relatively and absolutely, as generated projects do."""
    tree(
        {
            "plugin/__init__.py": f"from .near import x\nimport plugin\nassert x == plugin.y\n{GREET}",
            "plugin/near.py": "x = 1",
            "plugin/plugin.py": "y = 1",
        }
    )

    assert build("plugin/__init__.py", paths=["plugin"])
