"""`foreign.py`: the names of `ctypes` without `ctypes`, each as good as the original."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest

from extism import _engine
from extism._engine import foreign

TYPES = [name for name in foreign.__all__ if name.startswith(("c_", "py_"))]


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_as_the_original(name):
    """As large, as aligned, converted from and to the same values."""
    ours, original = getattr(foreign, name), getattr(ctypes, name)
    value = {"c_char": b"x", "c_char_p": b"text", "c_bool": True, "py_object": [1]}.get(name, 1)

    assert ctypes.sizeof(ours) == ctypes.sizeof(original)
    assert ctypes.alignment(ours) == ctypes.alignment(original)
    assert ours(value).value == original(value).value
    assert type(ours(value).value) is type(original(value).value)


def test_bytes_are_copied_and_read():
    """`memmove` and `string_at` take what those of `ctypes` take."""
    target = (foreign.c_char * 4)()
    foreign.memmove(foreign.addressof(target), b"abcd", 3)

    assert foreign.string_at(foreign.addressof(target), 2) == b"ab"
    assert foreign.string_at(foreign.addressof(target)) == b"abc"


def test_functions_of_a_library_are_called():
    """Those of C without Python's lock, those of Python with it; what one raises is raised."""
    library = foreign.CDLL(None)
    length = library["strlen"]
    length.restype, length.argtypes = foreign.c_size_t, (foreign.c_char_p,)
    long_from = foreign.pythonapi["PyLong_FromVoidPtr"]
    long_from.restype, long_from.argtypes = foreign.py_object, (foreign.c_void_p,)
    refuse = foreign.pythonapi["PyLong_FromString"]

    assert length(b"four") == 4
    assert long_from(7) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        refuse(b"no number", None, 10)
    with pytest.raises(AttributeError):
        library["no such function"]


def test_c_calls_python():
    """With what parameters point to, and what it returns."""
    kind = foreign.CFUNCTYPE(foreign.c_int, foreign.POINTER(foreign.c_int), foreign.c_bool)
    callback = kind(lambda number, is_right: number[0] + is_right)

    assert callback(foreign.byref(foreign.c_int(41)), True) == 42


def test_no_module_of_the_engine_mixes_the_two():
    """What is declared with the ones takes none of the others; `stacks.py` asks Windows by itself, in a function."""
    paths = [path for path in Path(_engine.__file__).parent.glob("*.py") if path.stem != "foreign"]
    mixing = [
        path.name
        for path in paths
        if re.search(r"^(from|import) ctypes\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert len(paths) > 20
    assert mixing == []


WITHOUT = """
import ctypes, _ctypes
del _ctypes._string_at_addr
import extism
from extism._engine import foreign
print(foreign.c_void_p is ctypes.c_void_p)
with extism.Plugin(b'(module (func (export "run") unreachable))', functions=[]) as plugin:
    try:
        plugin.call("run", b"")
    except extism.errors.Trap as exc:
        print(exc.kind)
"""


def test_where_python_has_not_what_it_takes_it_is_ctypes():
    """All of it, and plug-ins run."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == ["True", "unreachable"]
