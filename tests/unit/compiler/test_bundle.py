"""bundle: which files travel, under which names, in which bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from extism._compiler.bundle import bundle
from extism._compiler.interface import combine
from extism._compiler.project import open_project
from extism.errors import BuildError


def carried(main, *search):
    found = bundle(open_project(Path(main)), [Path(folder) for folder in search])
    return {module.name: module.file for module in found.modules}


def test_a_file_alone(tree):
    """A plug-in without other modules is its own file, under its own name."""
    tree({"webhook.py": "import json, extism, os.path, nowhere", "other.py": ""})

    assert carried("webhook.py") == {"webhook": "webhook.py"}


def test_modules_beside_it_are_followed(tree):
    """Imports are followed from file to file, inside functions too, and round in circles."""
    tree(
        {
            "p/main.py": "import a",
            "p/a.py": "def f():\n    from b import x",
            "p/b.py": "import main, a",
            "p/unused.py": "",
        }
    )

    assert carried("p/main.py") == {"main": "main.py", "a": "a.py", "b": "b.py"}


def test_packages(tree):
    """A package comes whole but for its tests; what its other files import is not followed."""
    tree(
        {
            "main.py": "import pkg.sub.deep",
            "pkg/__init__.py": "from . import near",
            "pkg/near.py": "from .sub import other as o",
            "pkg/sub/__init__.py": "",
            "pkg/sub/deep.py": "from ..far import x",
            "pkg/sub/other.py": "",
            "pkg/far.py": "",
            "pkg/chosen_at_run_time.py": "import beside",
            "pkg/tests/test_pkg.py": "import pytest",
            "pkg/not-a-module.py": "",
            "beside.py": "",
        }
    )

    assert carried("main.py") == {
        "main": "main.py",
        "pkg": "pkg/__init__.py",
        "pkg.chosen_at_run_time": "pkg/chosen_at_run_time.py",
        "pkg.far": "pkg/far.py",
        "pkg.near": "pkg/near.py",
        "pkg.sub": "pkg/sub/__init__.py",
        "pkg.sub.deep": "pkg/sub/deep.py",
        "pkg.sub.other": "pkg/sub/other.py",
    }


def test_tests_that_are_imported_come_along(tree):
    """A module that an import statement names is taken wherever it is."""
    tree({"main.py": "from pkg.tests import data", "pkg/__init__.py": "", "pkg/tests/data.py": ""})

    assert carried("main.py")["pkg.tests.data"] == "pkg/tests/data.py"


def test_a_star_takes_every_module_of_the_package(tree):
    """What `__all__` may name comes along, and is read."""
    tree(
        {
            "main.py": "from pkg import *",
            "pkg/__init__.py": "__all__ = ['a']",
            "pkg/a.py": "import beside",
            "beside.py": "",
        }
    )

    assert sorted(carried("main.py")) == ["beside", "main", "pkg", "pkg.a"]


def test_namespace_packages_are_put_together(tree):
    """A folder without __init__.py may have portions in several places; only what is imported travels."""
    tree(
        {
            "p/main.py": "import ns.a\nfrom ns import b",
            "p/ns/a.py": "",
            "p/ns/unused.py": "",
            "lib/ns/b.py": "",
        }
    )

    assert carried("p/main.py", "lib") == {"main": "main.py", "ns.a": "ns/a.py", "ns.b": "ns/b.py"}


def test_the_search_path_comes_after_the_folder(tree):
    """The author's folder goes first, then the folders in their order; missing ones are passed over."""
    tree(
        {
            "p/main.py": "import a, b, c",
            "p/a.py": "# p",
            "one/a.py": "# one",
            "one/b.py": "# one",
            "two/b.py": "# two",
            "two/c.py": "# two",
        }
    )
    found = bundle(open_project(Path("p/main.py")), [Path("missing"), Path("one"), Path("two")])

    assert {module.name: module.path for module in found.modules} == {
        "a": str(Path("p/a.py")),
        "b": str(Path("one/b.py")),
        "c": str(Path("two/c.py")),
        "main": str(Path("p/main.py")),
    }


def test_a_package_goes_before_a_module(tree):
    """As in Python, a folder with __init__.py wins over a file of the same name."""
    tree({"main.py": "import a", "a.py": "", "a/__init__.py": ""})

    assert carried("main.py")["a"] == "a/__init__.py"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("webhook.py", "webhook"),
        ("count-vowels.py", "count_vowels"),
        ("my.plugin.py", "my_plugin"),
        ("été.py", "été"),
        ("json.py", "extism_plugin"),
        ("extism.py", "extism_plugin"),
        ("class.py", "extism_plugin"),
        ("2fast.py", "extism_plugin"),
        ("__main__.py", "extism_plugin"),
        ("plugin", "plugin"),
    ],
)
def test_the_name_of_the_main_module(tree, file, name):
    """It is the file's, where that can be a module's name and is not taken."""
    tree({file: "import json, extism"})
    found = bundle(open_project(Path(file)))

    assert (found.main.name, found.main.file) == (name, file)
    assert [module.name for module in found.modules] == [name]


def test_a_main_name_that_another_module_has(tree):
    """A package of the same name keeps it."""
    tree({"webhook.py": "import webhook.a", "webhook/__init__.py": "", "webhook/a.py": ""})

    assert carried("webhook.py") == {
        "extism_plugin": "webhook.py",
        "webhook": "webhook/__init__.py",
        "webhook.a": "webhook/a.py",
    }


def test_a_main_file_that_is_a_package(tree):
    """Relative imports work in an __init__.py, and so do absolute ones of the files beside it."""
    tree(
        {
            "plugin/__init__.py": "from .a import x\nimport plugin",
            "plugin/a.py": "from . import b",
            "plugin/b.py": "",
            "plugin/plugin.py": "",
            "plugin/unused.py": "",
        }
    )
    found = bundle(open_project(Path("plugin/__init__.py")), [Path("plugin")])

    assert {module.name: module.file for module in found.modules} == {
        "extism_plugin": "__init__.py",
        "extism_plugin.a": "a.py",
        "extism_plugin.b": "b.py",
        "plugin": "plugin.py",
    }
    assert found.main.is_package


def test_the_standard_library_and_the_guest_library_never_travel(tree):
    """On the search path, files of those names are passed over."""
    tree({"p/main.py": "import json, extism.http", "lib/json.py": "", "lib/extism/__init__.py": ""})

    assert carried("p/main.py", "lib") == {"main": "main.py"}


def test_a_module_that_only_other_pythons_have_travels(tree):
    """What the guest's Python no longer has is no part of its standard library."""
    tree({"p/main.py": "import cgi", "lib/cgi.py": ""})

    assert carried("p/main.py", "lib") == {"main": "main.py", "cgi": "cgi.py"}


def test_a_file_that_shadows_the_standard_library(tree):
    """A file of the author that Python would have taken instead is an error, not a surprise."""
    tree({"main.py": "import random", "random.py": ""})
    with pytest.raises(BuildError) as caught:
        bundle(open_project(Path("main.py")))

    assert str(caught.value) == (
        "random.py: main.py imports random, which is also a module of the standard library"
    )
    assert caught.value.path == "random.py"


def test_a_shadow_that_nobody_of_the_author_casts(tree):
    """A library that means the standard library gets it, whatever lies in the author's folder."""
    tree({"p/main.py": "import dep", "p/random.py": "", "lib/dep.py": "import random"})

    assert sorted(carried("p/main.py", "lib")) == ["dep", "main"]


def test_a_broken_module_is_carried(tree):
    """Only the main file has to be readable here: the guest speaks when a broken one is imported."""
    tree({"main.py": "try:\n    import a\nexcept SyntaxError: pass", "a.py": "x = = 1\nimport b"})

    assert sorted(carried("main.py")) == ["a", "main"]


def test_declarations_of_all_reached_modules_are_known(tree):
    """Facts are given for the main file first, then for each module that is reached."""
    tree(
        {
            "main.py": "import extism, a\n@extism.plugin_fn\ndef f(): ...",
            "a.py": "import extism\n@extism.import_fn('m', 'n')\ndef n(): ...",
        }
    )
    found = bundle(open_project(Path("main.py")))

    assert [row.name for facts in found.facts for row in facts.exports] == ["f"]
    assert [row.path for facts in found.facts for row in facts.imports] == ["a.py"]


def test_misuse_in_another_module_is_told(tree):
    """A bad decorator is an error in whichever reached file it stands."""
    tree({"p/main.py": "import a", "p/a.py": "import extism\n@extism.plugin_fn()\ndef f(): ..."})
    with pytest.raises(BuildError) as caught:
        bundle(open_project(Path("p/main.py")))

    assert str(caught.value).endswith("a.py:2: extism.plugin_fn takes no arguments")
    assert caught.value.path == str(Path("p/a.py"))


def test_the_files_for_the_interpreter(tree):
    """bundle.json and the sources, byte for byte."""
    tree(
        {
            "p/webhook.py": "import extism, a\n@extism.plugin_fn\ndef post(): ...\n"
            "@extism.import_fn('m', 'é')\ndef n(): ...\n",
            "p/a.py": "# été\n",
        }
    )
    found = bundle(open_project(Path("p/webhook.py")))
    interface = combine(found.facts[0].exports, found.facts[0].imports)
    files = found.files(interface, 4546)

    assert json.loads(files.pop("bundle.json")) == {
        "main": {"name": "webhook", "file": "webhook.py"},
        "modules": {
            "a": {"file": "a.py", "package": False},
            "webhook": {"file": "webhook.py", "package": False},
        },
        "data": [],
        "imports": [["m", "é", [], []]],
        "first_slot": 4546,
    }
    assert files == {
        "src/a.py": "# été\n".encode(),
        "src/webhook.py": found.main.source,
    }


def test_the_same_files_give_the_same_bytes(tree):
    """Neither the order of the folder nor where it lies shows."""
    files = {
        "main.py": "import extism, pkg\n@extism.plugin_fn\ndef f(): ...",
        "pkg/__init__.py": "",
    }
    files |= {f"pkg/m{n}.py": f"x = {n}" for n in range(20)}
    tree({f"one/{name}": text for name, text in files.items()})
    tree({f"two/{name}": files[name] for name in reversed(files)})
    one, two = (
        bundle(open_project(Path("one/main.py"))),
        bundle(open_project(Path("two/main.py").absolute())),
    )
    given = [found.files(combine(found.facts[0].exports, ()), 7) for found in (one, two)]

    assert given[0] == given[1]
    assert list(given[0]) == list(given[1])


def test_a_file_that_is_not_there(tree):
    """The error names the file and the system's reason."""
    with pytest.raises(BuildError) as caught:
        bundle(open_project(Path("webhook.py")))

    assert str(caught.value) == "cannot read webhook.py: No such file or directory"
    assert caught.value.path == "webhook.py"


def test_a_folder_without_a_plugin(tree):
    """Naming a folder in which nothing is the plug-in is an error that says what would be."""
    tree({"p/x.py": ""})
    with pytest.raises(BuildError) as caught:
        open_project(Path("p"))

    assert str(caught.value) == (
        "p is a folder without a plug-in: there is no __main__.py, plugin.py, main.py or __init__.py in it"
    )


def test_a_wasm_module_is_no_source(tmp_path):
    """Swapped arguments are recognised."""
    path = tmp_path / "webhook.wasm"
    path.write_bytes(b"\0asm\x01\0\0\0")
    with pytest.raises(BuildError) as caught:
        open_project(path)

    assert str(caught.value) == f"{path} is a WebAssembly module, not Python source"
    assert caught.value.hint == "the source comes first: extism-py plugin.py plugin.wasm"


def refused(main, *search, **options):
    with pytest.raises(BuildError) as caught:
        bundle(open_project(Path(main)), [Path(folder) for folder in search], **options)
    return caught.value


def test_data_travels_with_its_package(tree):
    """Of packages that come whole, the author's own and others', not of the folder of the plug-in."""
    tree(
        {
            "p/plugin.py": "import own, lib",
            "p/secret.txt": "",
            "p/own/__init__.py": "",
            "p/own/page.html": "<p>",
            "site/lib/__init__.py": "",
            "site/lib/data/x.json": "{}",
            "site/other/__init__.py": "",
            "site/other/y.json": "{}",
        }
    )
    found = bundle(open_project(Path("p/plugin.py")), [Path("site")])

    assert found.data == {"own/page.html": b"<p>", "lib/data/x.json": b"{}"}


def test_a_package_is_named_by_its_folder(tree):
    """The plug-in is a module of it; relative and absolute imports find the others."""
    tree(
        {
            "shop/__init__.py": "",
            "shop/plugin.py": "from . import a\nimport shop.sub.b",
            "shop/a.py": "",
            "shop/sub/__init__.py": "",
            "shop/sub/b.py": "from .. import a",
            "shop/sub/x.txt": "x",
            "outside.py": "",
        }
    )
    found = bundle(open_project(Path("shop")))

    assert (found.main.name, found.main.file) == ("shop.plugin", "shop/plugin.py")
    assert carried("shop") == {
        "shop": "shop/__init__.py",
        "shop.a": "shop/a.py",
        "shop.plugin": "shop/plugin.py",
        "shop.sub": "shop/sub/__init__.py",
        "shop.sub.b": "shop/sub/b.py",
    }
    assert list(found.data) == ["shop/sub/x.txt"]


def test_a_package_called_like_one_of_the_stdlib(tree):
    """A plug-in's own package is what its folder says; what it imports of the stdlib is the stdlib's."""
    tree({"json/__init__.py": "from . import a", "json/a.py": "import re"})

    assert carried("json") == {"json": "json/__init__.py", "json.a": "json/a.py"}


def test_packages_inside_namespaces_come_whole(tree):
    """The outermost folder with an __init__.py is the package."""
    tree({"main.py": "import ns.pkg", "ns/pkg/__init__.py": "", "ns/pkg/x.py": "", "ns/y.py": ""})

    assert carried("main.py") == {
        "main": "main.py",
        "ns.pkg": "ns/pkg/__init__.py",
        "ns.pkg.x": "ns/pkg/x.py",
    }


def test_include(tree):
    """What no import statement names is taken where the author says so, and followed."""
    tree(
        {
            "main.py": "",
            "a.py": "import b",
            "b.py": "",
            "pkg/__init__.py": "",
            "pkg/x.py": "",
            "ns/c.py": "",
        }
    )
    found = bundle(open_project(Path("main.py")), include=["a", "pkg.x", "ns"])

    assert [module.name for module in found.modules] == ["a", "b", "main", "ns.c", "pkg", "pkg.x"]
    assert str(refused("main.py", include=["gone"])).startswith(
        "--include gone: there is no module gone beside the plug-in"
    )


def test_exclude(tree):
    """What is left out does not travel, nor what is in it, nor its data."""
    tree(
        {
            "main.py": "import a, pkg.x",
            "a.py": "",
            "pkg/__init__.py": "",
            "pkg/x.py": "",
            "pkg/sub/__init__.py": "",
            "pkg/sub/d.txt": "",
        }
    )
    found = bundle(open_project(Path("main.py")), exclude=["a", "pkg.sub"])

    assert [module.name for module in found.modules] == ["main", "pkg", "pkg.x"]
    assert found.data == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("def f():\n    import gone", "main.py:2: there is no module gone beside the plug-in"),
        ("def f():\n    from gone.x import y", "main.py:2: there is no module gone.x beside"),
        ("def f():\n    import own.gone", "main.py:2: there is no module own.gone beside"),
        ("def f():\n    import lib.fast", "main.py:2: lib.fast is native code"),
        ("import own", "own"),
    ],
)
def test_imports_in_functions_must_work(tree, text, place):
    """What would fail in a call fails now, with file and line; libraries know what they do."""
    tree(
        {
            "main.py": text,
            "own/__init__.py": "def f():\n    import missing",
            "site/lib/__init__.py": "def f():\n    import missing",
            "site/lib/fast.abi3.so": "",
        }
    )
    error = refused("main.py", "site")

    assert str(error).startswith(place if ":" in place else f"{Path('own/__init__.py')}:2: ")
    assert error.line == 2
    assert error.hint


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n  try:\n    import gone\n  except ImportError: pass",
        "def f():\n  if sys.platform == 'win32':\n    import gone",
        "if TYPE_CHECKING:\n  import gone",
        "import gone",
        "def f():\n  from own import attribute",
        "def f():\n  import lib.none",
    ],
)
def test_imports_that_may_fail(tree, text):
    """Optional ones, those of other platforms, and all that runs while the plug-in is built."""
    tree({"main.py": text, "own.py": "", "site/lib/none.py": ""})

    assert "main" in carried("main.py", "site")


def test_the_distributions_of_what_is_carried(tree):
    """They are known by name and version, and their metadata travels; of others nothing does."""
    files = {"main.py": "import a"}
    for name in ("a", "b"):
        info = f"site/{name}-1.0.dist-info"
        files[f"site/{name}.py"] = ""
        files[f"{info}/METADATA"] = f"Name: {name}\nVersion: 1.0\n"
        files[f"{info}/RECORD"] = f"{name}.py,,\n"
    tree(files)
    found = bundle(open_project(Path("main.py")), [Path("site")])

    assert [(row.name, row.version) for row in found.distributions] == [("a", "1.0")]
    assert found.data == {"a-1.0.dist-info/METADATA": b"Name: a\nVersion: 1.0\n"}
