"""data_files: what of a package travels beside its modules."""

from __future__ import annotations

import pytest

from extism._compiler.data_files import data_files


@pytest.mark.parametrize(
    ("file", "travels"),
    [
        ("a.html", True),
        ("deep/er/a.txt", True),
        ("de-DE/a.po", True),
        ("LICENSE", True),
        ("a.py", False),
        ("a.pyi", False),
        ("py.typed", False),
        ("a.cpython-313-darwin.so", False),
        ("a.pyd", False),
        ("a.c", False),
        ("a.wasm", False),
        ("__pycache__/a.txt", False),
        ("tests/a.txt", False),
        (".env", False),
        (".git/config", False),
        ("node_modules/a.json", False),
        ("env/lib/a.txt", False),
    ],
)
def test_what_travels(tmp_path, file, travels):
    """Data, but nothing that is made, hidden, for tests, or of another environment."""
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (tmp_path / "env").mkdir(exist_ok=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()

    assert list(data_files(tmp_path)) == ([path] if travels else [])


def test_the_order_is_that_of_the_paths(tmp_path):
    """Whatever the file system says first."""
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
        (tmp_path / f"{name}.txt").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in data_files(tmp_path)]

    assert found == ["a.txt", "b.txt", "c.txt", "a/x", "b/x", "c/x"]
