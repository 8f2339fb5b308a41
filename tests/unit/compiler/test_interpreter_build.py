"""The recipe as a whole: what decides its key, what is not repeated, what a machine may lack."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from extism import abi
from extism._compiler.interpreter import build, stdlib
from extism._compiler.interpreter.build import INTERPRETER
from extism._compiler.interpreter.licences import head_comment
from extism._compiler.interpreter.steps import RECIPE
from extism._compiler.interpreter.toolchain import find_toolchain
from extism._compiler.interpreter.tree import CHANGES, Change, apply, unpack
from extism._wasm.reader import read
from extism.errors import BuildError


def all_steps(step):
    return {step.name: step} | {
        name: one for need in step.needs for name, one in all_steps(need).items()
    }


RECIPE_FILES = sorted({file for step in all_steps(INTERPRETER).values() for file in step.files})


@pytest.mark.parametrize("file", RECIPE_FILES)
def test_the_key_changes_with_each_recipe_file(file, tmp_path):
    """Whoever edits what decides the bytes gets another interpreter, never a stale one."""
    recipe = tmp_path / "recipe"
    shutil.copytree(RECIPE, recipe)
    before = build.key(recipe)
    with (recipe / file).open("ab") as stream:
        stream.write(b"\n")

    assert before == build.key()
    assert build.key(recipe) != before


def test_the_key_stays_when_other_files_change(tmp_path):
    """Packing, fetching and progress decide nothing about the bytes: no rebuild for them."""
    recipe = tmp_path / "recipe"
    shutil.copytree(RECIPE, recipe)
    others = {path.name for path in recipe.glob("*.*")} - set(RECIPE_FILES)
    for name in others:
        (recipe / name).write_bytes(b"changed")

    assert others >= {"build.py", "wheel.py", "shell.py", "sources.py", "apt.py", "boot.py"}
    assert build.key(recipe) == build.key()


def test_a_built_interpreter_is_not_built_again(tmp_path, monkeypatch):
    """With its folder in the cache, no tool is looked for, nothing is fetched, nothing is said."""
    folder = tmp_path / build.key()
    folder.mkdir()
    (folder / "runtime.wasm").write_bytes(b"marker")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("EXTISM_SOURCES", str(tmp_path / "nowhere"))
    said = []

    built = build.build(said.append, tmp_path)

    assert built.runtime.read_bytes() == b"marker"
    assert said == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [build.key()]


def test_an_unbuilt_interpreter_is_not_found(tmp_path):
    """Folders of other keys do not count."""
    (tmp_path / "0123456789abcdef").mkdir()

    assert build.find(tmp_path) is None


def test_a_machine_without_make_is_told_what_to_install(tmp_path, monkeypatch):
    """What is missing, and the two ways out."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BuildError) as caught:
        find_toolchain()

    assert str(caught.value) == "building the interpreter needs make"
    assert "extism-guest-python" in caught.value.hint
    assert "extism[build]" in caught.value.hint


def test_windows_is_pointed_to_the_data_wheel(monkeypatch):
    """Where the recipe does not run, the built interpreter can still be installed."""
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(BuildError, match="Linux and macOS only") as caught:
        find_toolchain()

    assert caught.value.hint.startswith("install extism-guest-python")


def test_another_ziglang_is_refused(monkeypatch):
    """The bytes depend on the compiler: any other version than the pinned one is an error."""
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "0.13.0")

    with pytest.raises(BuildError, match=r"needs ziglang 0\.17\.1, and 0\.13\.0 is installed"):
        find_toolchain()


def test_a_change_must_find_its_line_once(tmp_path):
    """Another CPython than the expected one stops the build at the first changed file."""
    (tmp_path / "a.c").write_text("#define N 4000\n#define N 4000\n")

    with pytest.raises(BuildError, match="2 times, not once"):
        apply(Change("a.c", "N 4000", "N 1500"), tmp_path)
    assert "1500" not in (tmp_path / "a.c").read_text()


def test_a_change_is_made_in_place(tmp_path):
    """One line differs afterwards, nothing else."""
    (tmp_path / "a.c").write_text("int a;\n#define N 4000\n")
    apply(Change("a.c", "N 4000", "N 1500"), tmp_path)

    assert (tmp_path / "a.c").read_text() == "int a;\n#define N 1500\n"


def test_the_dates_in_the_tree_are_fixed_in_the_form_that_platform_reads():
    """`platform` takes sys.version apart by a pattern; another form of date breaks many packages."""
    dates = [change.after for change in CHANGES if change.file == "Modules/getbuildinfo.c"]

    assert re.fullmatch(r'#define DATE "[A-Z][a-z]{2} [ \d]\d \d{4}"', dates[0])
    assert re.fullmatch(r'#define TIME "\d\d:\d\d:\d\d"', dates[1])


def test_unpack_drops_the_top_folder(tmp_path):
    """The archive's one folder takes the wanted name."""
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("thing-1.0/sub/file")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"hi"))
    unpack(path, tmp_path / "thing")

    assert (tmp_path / "thing" / "sub" / "file").read_bytes() == b"hi"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thing", "x.tar.gz"]


def test_unpack_takes_zips_too(tmp_path):
    """SQLite's own site has a zip; its one folder takes the wanted name as well."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing-1.0/file", b"hi")
    unpack(path, tmp_path / "thing")

    assert (tmp_path / "thing" / "file").read_bytes() == b"hi"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thing", "x.zip"]


def test_the_head_comment_is_the_licence(tmp_path):
    """The text of the first comment, without its decoration."""
    (tmp_path / "a.c").write_text("/*\n * Copyright X\n *\n *   Indented.\n */\nint a; /* no */\n")
    (tmp_path / "b.c").write_text("int a;\n/* Copyright */\n")

    assert head_comment(tmp_path / "a.c") == "Copyright X\n\n  Indented.\n"
    with pytest.raises(BuildError, match="does not begin with its licence"):
        head_comment(tmp_path / "b.c")


def test_the_stdlib_leaves_out_what_cannot_work(tmp_path):
    """Tests and window systems stay behind; order is by name; only sources count."""
    for name in ("json/__init__.py", "test/test_x.py", "tkinter/a.py", "abc.py", "data.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    assert stdlib.library_files(tmp_path) == ["abc.py", "json/__init__.py"]


def test_the_zip_depends_on_names_and_contents_only():
    """Equal files give equal bytes, stored, with a fixed date."""
    data = stdlib.pack({"b.pyc": b"2", "a.pyc": b"1"})

    assert data == stdlib.pack({"b.pyc": b"2", "a.pyc": b"1"})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
    assert [(e.filename, e.date_time[0], e.compress_type) for e in entries] == [
        ("b.pyc", 1980, zipfile.ZIP_STORED),
        ("a.pyc", 1980, zipfile.ZIP_STORED),
    ]


def test_bytecode_names_files_as_the_guest_shall_show_them(tmp_path):
    """The helper's program compiles each listed file under its name in the guest, asserts dropped."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "m.py").write_text('def f():\n    "doc"\n    assert False\n')
    subprocess.run(
        [
            sys.executable,
            RECIPE / "bytecode.py",
            tmp_path / "lib",
            tmp_path / "out",
            "/lib/x/",
            "1",
        ],
        input=b"m.py\n",
        check=True,
    )
    namespace: dict = {}
    import marshal

    code = marshal.loads((tmp_path / "out" / "m.pyc").read_bytes()[16:])
    exec(code, namespace)

    assert code.co_filename == "/lib/x/m.py"
    assert namespace["f"].__doc__ == "doc"
    assert namespace["f"]() is None


@pytest.fixture(scope="module")
def interpreter():
    """The interpreter in the cache; a machine that has only the data wheel does not build one for this."""
    found = build.find()
    if found is None:
        pytest.skip("the raw interpreter is not in the cache")
    return found


@pytest.mark.guest_python
def test_it_imports_extism_and_wasi_only(interpreter):
    """Every import is of the ABI table or of WASI preview 1, with the table's type."""
    module = read(interpreter.runtime.read_bytes())
    ours = {row.name: row for row in module.imports if row.module == abi.ENV}

    assert {row.module for row in module.imports} == {abi.ENV, abi.WASI}
    assert {name: (row.type.params, row.type.results) for name, row in ours.items()} == {
        name: (abi.FUNCTIONS[name].params, abi.FUNCTIONS[name].results) for name in ours
    }


@pytest.mark.guest_python
def test_it_exports_its_lives(interpreter):
    """The exports are those that glue.c and the linker were asked for."""
    module = read(interpreter.runtime.read_bytes())

    assert sorted(export.name for export in module.exports) == [
        "__indirect_function_table",
        "__stack_pointer",
        "_initialize",
        "memory",
        "py_frame",
        "py_init",
        "py_invoke",
        "py_load",
    ]


@pytest.mark.guest_python
@pytest.mark.parametrize("what", ["runtime", "stdlib"])
def test_no_path_of_the_build_machine_is_inside(interpreter, what):
    """Neither home, cache, checkout, compiler nor temporary folder left its name in the bytes."""
    data = getattr(interpreter, what).read_bytes()
    ziglang = find_toolchain().zig.parent
    folders = [Path.home(), RECIPE, interpreter.folder, ziglang]

    assert [str(path) for path in folders if str(path).encode() in data] == []
    assert b"parts/tree-" not in data


@pytest.mark.guest_python
def test_the_licences_of_all_parts_are_there(interpreter):
    """PROVENANCE.md names texts; each exists and is not empty."""
    text = (interpreter.licences / "PROVENANCE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z0-9-]+\.(?:txt|rst))`", text)) - {"extism.txt"}
    there = {path.name for path in interpreter.licences.iterdir() if path.stat().st_size > 300}

    assert named
    assert named <= there
    for start in ("wasi-libc", "compiler-rt"):
        assert any(name.startswith(start) for name in there)


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is built there")
def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    """A cache that is no folder ends in a BuildError with the way out."""
    pytest.importorskip("ziglang")
    (tmp_path / "file").touch()

    with pytest.raises(BuildError, match="cannot be built in") as caught:
        build.build(print, tmp_path / "file" / "interpreter")

    assert "EXTISM_CACHE_DIR" in caught.value.hint
