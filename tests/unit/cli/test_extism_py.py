"""The command `extism-py`: its words, its exit codes, and that it leaves nothing half done."""

from __future__ import annotations

import pytest

from extism._cli.compile import NAME, compile_file
from extism._cli.main import run as run_command

ARITY = "plugin_fn expects a function with no arguments, greet should have no arguments"
SWAPPED = """\
Error: plugin.wasm is a WebAssembly module, not Python source
Hint: the source comes first: extism-py plugin.py plugin.wasm
"""
GREET = "import extism\n@extism.plugin_fn\ndef greet():\n    extism.output_str('hello')\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Run the command in a folder with these files; return exit code, stdout, stderr."""

    def run(*arguments, **files):
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        code = run_command(arguments, compile_file, NAME)
        return code, *capsys.readouterr()

    return run


def test_help(run):
    """--help and -h say how it is used and what it makes."""
    code, out, _ = run("--help")

    assert code == 0
    assert "extism-py [OPTIONS] INPUT [OUTPUT]" in out
    assert "extism-py plugin.py -o plugin.wasm" in out
    assert "index.wasm by default" in " ".join(out.split())
    assert run("-h")[1] == out


def test_version(run):
    """--version names the command and the version of the package."""
    code, out, _ = run("--version")

    assert code == 0
    assert out.startswith("extism-py 2.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'INPUT'"),
        (("a.py", "b.wasm", "c.wasm"), "Got unexpected extra argument (c.wasm)"),
        (("a.py", "b.wasm", "-o", "c.wasm"), "OUTPUT is given twice: as an argument and with -o."),
        (("a.py", "--timeout", "0"), "Invalid value for '--timeout'"),
        (("a.py", "--fast"), "No such option"),
    ],
)
def test_a_wrong_command_line(run, arguments, message):
    """Exit code 2, and what is wrong."""
    code, out, err = run(*arguments)

    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert message in err
    assert err.endswith("Hint: extism-py --help shows how\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import extism\n\ndef greet(:\n    pass\n",
            "Error: plugin.py:3: SyntaxError: invalid syntax\n    def greet(:\n              ^\n",
        ),
        (
            "def greet(): ...\n",
            "Error: No exports found, use the @extism.plugin_fn decorator to specify exported functions\n",
        ),
        (
            "import extism\n@extism.plugin_fn()\ndef greet(): ...\n",
            "Error: plugin.py:2: extism.plugin_fn takes no arguments\n",
        ),
        (
            "import extism\n@extism.plugin_fn\ndef greet(name): ...\n",
            f"Error: plugin.py:3: {ARITY}\n",
        ),
    ],
    ids=["syntax", "no exports", "parentheses", "argument"],
)
def test_a_source_that_cannot_become_a_plugin(run, folder, text, message):
    """Exit code 1, file and line, and neither a new output nor a change of an old one."""
    (folder / "old.wasm").write_bytes(b"old")

    code, out, err = run("plugin.py", "old.wasm", plugin=text)

    assert (code, out) == (1, "")
    assert err.startswith(message)
    assert (folder / "old.wasm").read_bytes() == b"old"
    assert sorted(path.name for path in folder.iterdir()) == ["old.wasm", "plugin.py"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.py",), "Error: cannot read nowhere.py: No such file or directory\n"),
        (("plugin.py", "."), "Error: cannot write .: it is a directory\n"),
        (
            ("plugin.py", "nowhere/p.wasm"),
            "Error: cannot write nowhere/p.wasm: its directory does not exist\n",
        ),
        (("plugin.py", "plugin.py"), "Error: cannot write plugin.py: it is the source\n"),
    ],
)
def test_files_that_cannot_be_used(run, arguments, message):
    """Exit code 1, the file and the reason."""
    assert run(*arguments, plugin=GREET) == (1, "", message)


def test_swapped_arguments(run, folder):
    """A module in place of the source is recognised, and the order is told."""
    (folder / "plugin.wasm").write_bytes(b"\0asm\x01\0\0\0")

    assert run("plugin.wasm", "plugin2.py") == (
        1,
        "",
        SWAPPED,
    )


def test_text_with_brackets_is_text(run):
    """What the author wrote is never read as markup."""
    code, _, err = run("plugin.py", plugin="x = [bold] = = [/bold]")

    assert code == 1
    assert "    x = [bold] = = [/bold]\n" in err
