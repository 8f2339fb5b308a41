"""What tests of the compiler have in common: files in a folder of their own, and the command itself."""

from __future__ import annotations

import pytest

from extism._cli.compile import NAME, compile_file
from extism._cli.main import run


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Write files given as {path: text} into a folder, and stand in it; nothing is looked for elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def extism_py(capsys):
    """Run the command; return exit code, stdout, stderr."""
    return lambda *arguments: (run(arguments, compile_file, NAME), *capsys.readouterr())
