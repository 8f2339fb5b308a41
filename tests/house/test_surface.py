"""The public surface: names, errors, ABI and docstrings say the same thing."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

import pytest

import extism
from extism import abi, errors
from extism._engine.engine import wat_to_wasm
from extism._runtime.env import host_imports
from extism._runtime.kernel_source import kernel_wasm
from extism._wasm.externs import FuncType
from extism._wasm.reader import read

HOSTS_OWN = {"accept", "begin", "budget", "conclude", "data", "meta", "reserve"}
"""What the kernel exports for the host; no guest may import it."""

TYPING_ONLY = {"TYPE_CHECKING", "Any", "Final", "annotations"}

MODULES = sorted(
    {
        value.__module__
        for name in extism.__all__
        if (value := getattr(extism, name)) is not None and hasattr(value, "__module__")
    }
)


def public_names(module):
    """The names that a module has, without those of modules, of typing and with an underscore."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in TYPING_ONLY
    }


def test_all_is_what_the_front_door_has():
    """Every public name is listed, and every listed name is there."""
    assert set(extism.__all__) - {"errors"} == public_names(extism)
    assert len(extism.__all__) == len(set(extism.__all__))
    assert [name for name in extism.__all__ if not hasattr(extism, name)] == []


UPSTREAM = {
    "Plugin", "Error", "CurrentPlugin", "set_log_file", "set_log_custom", "extism_version", "Memory",
    "host_fn", "Function", "ValType", "Val", "Codec", "Json", "Pickle",
}  # fmt: skip


def test_upstreams_names_are_there():
    """What `from extism import ...` gave there, it gives here."""
    assert set(extism.__all__) >= UPSTREAM


def test_a_name_of_the_guest_says_where_it_belongs():
    """The error tells the two libraries of one name apart."""
    with pytest.raises(AttributeError, match="'plugin_fn' belongs to the guest"):
        _ = extism.plugin_fn
    with pytest.raises(AttributeError, match="module 'extism' has no attribute 'nothing'"):
        _ = extism.nothing


def drawn_tree():
    """The tree in the docstring: class to parent, as its indentation says."""
    parents, path = {}, []
    for line in errors.__doc__.splitlines():
        found = re.match(r"^    ((?:[│├└─ ]*))([A-Z]\w+)", line)
        if not found or " " in line.strip().partition(found[2])[0].strip("│├└─ "):
            continue
        depth = len(found[1]) // 4
        path = [*path[:depth], found[2]]
        parents[found[2]] = path[depth - 1] if depth else None
    return parents


def test_the_tree_of_errors_is_the_one_that_is_drawn():
    """Every class stands in the docstring below its parent, and nothing else does."""
    classes = {name: getattr(errors, name) for name in errors.__all__}
    real = {
        name: next((base.__name__ for base in each.__mro__[1:] if base in classes.values()), None)
        for name, each in classes.items()
    }

    assert drawn_tree() == real


def test_the_second_parents_are_the_ones_that_are_drawn():
    """The builtin classes in brackets are bases."""
    drawn = {}
    for line in errors.__doc__.splitlines():
        found = re.match(r"^    [│├└─ ]*([A-Z]\w+) +\((\w+(?:, \w+)*)\)", line)
        if found:
            drawn[found[1]] = tuple(found[2].split(", "))
    real = {
        name: tuple(
            base.__name__
            for base in getattr(errors, name).__bases__
            if base.__module__ == "builtins"
        )
        for name in errors.__all__
        if name != "Error"
    }

    assert drawn == {name: bases for name, bases in real.items() if bases}


def test_errors_names_all_its_classes():
    """`__all__` is complete and in order."""
    own = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]

    assert errors.__all__ == sorted(own)


def test_the_abi_is_what_kernel_and_host_give():
    """Every function of the table has one giver with its type, and nobody gives more."""
    kernel = {
        name: kind
        for name, kind in read(kernel_wasm()).exported_functions().items()
        if name not in HOSTS_OWN
    }
    host = {item.name: FuncType(item.params, item.results) for item in host_imports()}
    table = {row.name: FuncType(row.params, row.results) for row in abi.FUNCTIONS.values()}

    assert kernel | host == table
    assert {row.name for row in abi.FUNCTIONS.values() if row.by == "kernel"} == set(kernel)


def test_the_kernel_exports_for_the_host_what_the_host_uses():
    """Nothing that nobody needs."""
    exports = {export.name for export in read(kernel_wasm()).exports}

    assert exports - set(abi.FUNCTIONS) == HOSTS_OWN


def test_handles_that_are_taken_are_i64_parameters():
    """The columns of the table fit each other."""
    for row in abi.FUNCTIONS.values():
        assert [row.params[index] for index in row.takes] == ["i64"] * len(row.takes)
        assert not row.gives or row.results == ("i64",)


def members(cls):
    """The public methods and properties that a class defines itself."""
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value):
            yield name, value


@pytest.mark.parametrize("name", [name for name in extism.__all__ if name != "HOST_FN_REGISTRY"])
def test_every_public_name_has_a_docstring(name):
    """So has every public method and property of the classes."""
    value = getattr(extism, name)
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        assert [
            f"{name}.{each}" for each, member in members(value) if not inspect.getdoc(member)
        ] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_lists_what_it_gives(module):
    """`__all__` of every module behind the front door names only what is there."""
    found = import_module(module)

    assert [name for name in getattr(found, "__all__", ()) if not hasattr(found, name)] == []


def test_the_engine_assembles_the_kernel_once():
    """Its bytes are those of the text."""
    from importlib.resources import files

    text = files("extism._runtime").joinpath("kernel.wat").read_bytes()

    assert kernel_wasm() == wat_to_wasm(text)
    assert kernel_wasm() is kernel_wasm()
