"""prepare: only what was never compiled is compiled, and the guest finds all of it."""

from __future__ import annotations

import json

import pytest

from extism._compiler.notes import Notes
from extism._compiler.prepare import Prepared, Shelf, prepare


@pytest.fixture
def app(tmp_path):
    """The folder of a build."""

    def made(main, others=(), data=()):
        folder = tmp_path / "app"
        (folder / "src").mkdir(parents=True, exist_ok=True)
        for file, text in {"main.py": main, **dict(others), **dict(data)}.items():
            (folder / "src" / file).write_text(text)
        modules = {file: {"file": file} for file in dict(others)}
        bundle = {"main": {"file": "main.py"}, "modules": modules, "data": list(dict(data))}
        (folder / "bundle.json").write_text(json.dumps(bundle))
        return folder

    return made


@pytest.fixture
def compile_in(tmp_path):
    """A guest that compiles by putting letters before the text; it tells what it was asked for."""
    asked = []

    def run_in(folder):
        def run():
            files = json.loads((folder / "prepare.json").read_text())
            asked.append(files)
            lengths, out = {}, b""
            for file in files:
                text = (folder / "src" / file).read_bytes()
                code = b"C:" + text if file.endswith(".py") else b""
                lengths[file] = [len(code), len(text)]
                out += code + text
            (folder / "prepared.bin").write_bytes(out)
            return {"lengths": lengths}

        return run

    return run_in, asked


def kept(folder):
    lengths = json.loads((folder / "kept.json").read_text())
    data = (folder / "kept.bin").read_bytes()
    found, place = {}, 0
    for file, (code, text) in lengths.items():
        found[file] = (data[place : place + code], data[place + code : place + code + text])
        place += code + text
    return found


def test_what_is_new_is_compiled(app, compile_in, tmp_path):
    """The second build compiles the one file that has changed; the guest finds both, and the data."""
    run, asked = compile_in
    shelf = Shelf(Notes(tmp_path / "notes"), "interpreter")
    folder = app("one", {"lib.py": "lib"}, {"d.txt": "data"})
    prepare(folder, shelf, run(folder))
    folder = app("two", {"lib.py": "lib"}, {"d.txt": "data"})
    prepare(folder, shelf, run(folder))

    assert asked == [["d.txt", "lib.py", "main.py"], ["main.py"]]
    assert kept(folder) == {
        "d.txt": (b"", b"data"),
        "lib.py": (b"C:lib", b"lib"),
        "main.py": (b"C:two", b"two"),
    }
    assert not (folder / "prepare.json").exists()


def test_nothing_new(app, compile_in, tmp_path):
    """A build that was made before starts no interpreter to compile, and gives the same."""
    run, asked = compile_in
    shelf = Shelf(Notes(tmp_path / "notes"), "interpreter")
    folder = app("one")
    prepare(folder, shelf, run(folder))
    first = kept(folder)
    prepare(folder, shelf, run(folder))

    assert len(asked) == 1
    assert kept(folder) == first


def test_another_interpreter_compiles_anew(tmp_path):
    """Code is kept for the interpreter that made it, and under the name that tracebacks show."""
    notes = Notes(tmp_path / "notes")
    Shelf(notes, "one").keep("a.py", b"text", Prepared(b"code", b"packed"))

    assert Shelf(notes, "one").find("a.py", b"text") == (b"code", b"packed")
    assert Shelf(notes, "two").find("a.py", b"text") is None
    assert Shelf(notes, "one").find("b.py", b"text") is None
    assert Shelf(notes, "one").find("a.py", b"other") is None
    assert Shelf(Notes(None), "one").find("a.py", b"text") is None
