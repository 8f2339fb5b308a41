"""The command as a whole: help, versions, completion, `python -m extism`."""

from __future__ import annotations

import os
import shutil
import subprocess

import click
import pytest
from cli_guests import TOOLBOX
from extism_command import TIMEOUT, extism, plain_environment

import extism as library
from extism._cli.main import cli, run


def commands(command=cli, path=()):
    """All commands and their paths."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example(path, capsys):
    """`--help`, `-h` and `help COMMAND` say the same, and show how."""
    assert run([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert run([*path, "-h"]) == 0
    assert capsys.readouterr().out == text
    assert run(["help", *path]) == 0
    assert capsys.readouterr().out == text

    assert text.startswith(f"Usage: {' '.join(['extism', *path])} ")
    assert "Example" in text
    assert f"\n    {' '.join(['extism', *path[:1]])} " in text


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_flag_has_help(path):
    """A flag without a word about it is no flag."""
    options = [item for item in ALL[path].params if isinstance(item, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_without_a_command_there_is_help(capsys):
    """As with --help; it is no error."""
    assert run([]) == 0
    assert capsys.readouterr().out.startswith("Usage: extism [OPTIONS] [COMMAND]")


def test_a_command_that_does_not_exist_proposes_another(capsys):
    """With the list of all."""
    assert run(["cal"]) == 2
    assert capsys.readouterr().err == (
        "Error: No such command 'cal'. Did you mean 'call'? "
        "There are: call, completion, help, inspect, lib.\nHint: extism --help shows how\n"
    )
    assert run(["help", "nope"]) == 2
    assert "No such command 'nope'" in capsys.readouterr().err


def test_the_version_of_the_package():
    """`--version`, also as `python -m extism`, which is what runs here."""
    done = extism("--version")

    assert (done.code, done.err) == (0, b"")
    assert done.out.decode() == f"extism version {library.extism_version()}\n"


def test_lib_versions(capfdbinary):
    """This package and the engine."""
    assert run(["lib", "versions"]) == 0
    first, second = capfdbinary.readouterr().out.decode().splitlines()

    assert first == f"extism {library.extism_version()}"
    assert second.startswith("wasmtime 50.")


def test_lib_check_calls_a_plugin_and_names_the_caches(capfdbinary, tmp_path, monkeypatch):
    """It works, on which Python, and where things are kept."""
    monkeypatch.setenv("EXTISM_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("EXTISM_NATIVE_CACHE_DIR", raising=False)
    assert run(["lib", "check"]) == 0
    out = capfdbinary.readouterr().out.decode()

    assert out.startswith(f"extism {library.extism_version()}: works\nwasmtime 50.")
    assert f"native code: {tmp_path / 'native'}\n" in out
    assert f"guest interpreter: {tmp_path / 'interpreter'}\n" in out


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", b"complete -o nosort"),
        ("zsh", b"#compdef extism"),
        ("fish", b"complete --no-files"),
    ],
)
def test_a_script_for_each_shell(shell, words):
    """It asks the command through the environment."""
    done = extism("completion", shell, LC_ALL="C")  # bash warns of a language that is not installed

    assert (done.code, done.err) == (0, b"")
    assert words in done.out
    assert b"_EXTISM_COMPLETE" in done.out


def test_a_shell_that_is_not_known(capsys):
    """The known ones are named."""
    assert run(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["extism", "ins"], [b"plain,inspect"]),
        (["extism", "call", "toolbox.wat", "e"], [b"plain,echo"]),
        (["extism", "call", "nothing.wat", "e"], []),
        (["extism", "call", "toolbox.wat", "echo", "--allow-h"], [b"plain,--allow-host"]),
        (["extism", "call", "--log-level", "w"], [b"plain,warn"]),
        (["extism", "call", "--ca"], [b"plain,--ca-bundle"]),
        (["extism", "call", "--ca-bundle", "ca"], [b"file,ca"]),
    ],
    ids=["command", "function", "unreadable", "flag", "choice", "file flag", "file"],
)
def test_what_a_shell_is_told(tmp_path, words, expected):
    """Commands, flags, choices, and the functions of the plug-in that was named."""
    (tmp_path / "toolbox.wat").write_text(TOOLBOX)
    environment = {
        "_EXTISM_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = extism(cwd=tmp_path, **environment)

    assert (done.code, done.err) == (0, b"")
    assert done.out.split() == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_takes_the_script(tmp_path):
    """Sourced, it registers a completion for the command."""
    script = tmp_path / "script"
    script.write_bytes(extism("completion", "bash").out)
    done = subprocess.run(
        ["bash", "--norc", "-c", f"source {script} && complete -p extism"],
        capture_output=True,
        timeout=TIMEOUT,
        env=plain_environment(LC_ALL="C"),
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"complete -o nosort -F _extism_completion extism\n"


def test_the_installed_script_is_the_same_command():
    """The entry point of the package is `main`."""
    from importlib.metadata import entry_points

    found = entry_points(group="console_scripts", name="extism")

    assert [item.value for item in found] == ["extism._cli.main:main"]


def test_help_is_there_soon():
    """Neither rich nor urllib3 is loaded to show help or make a call."""
    code = (
        "import sys; from extism._cli.main import run; run(['call', '--help']);"
        "print(sorted({'rich', 'urllib3', 'platformdirs'} & set(sys.modules)), file=sys.stderr)"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        timeout=TIMEOUT,
        env={**os.environ, "COLUMNS": "80"},
        check=False,
    )

    assert done.stderr == b"[]\n"
