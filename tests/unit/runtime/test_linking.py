"""What can be known of imports from the modules' bytes: givers, types, order, circles."""

from __future__ import annotations

import pytest

from extism import abi
from extism._engine.engine import wat_to_wasm
from extism._runtime.linking import Part, check_imports, in_order
from extism._wasm.reader import read
from extism.abi import HostImport
from extism.errors import LinkError


def part(name, *fields):
    return Part(name, read(wat_to_wasm(f"(module {' '.join(fields)})")))


def needs(*modules):
    return [f'(import "{module}" "f" (func))' for module in modules]


GIVES = '(func (export "f"))'


def host(name, params=(), results=(), namespace=abi.USER):
    return HostImport(namespace, name, params, results, lambda *_: ())


def fault(*parts, functions=(), has_wasi=False):
    with pytest.raises(LinkError) as caught:
        check_imports(parts, functions, has_wasi=has_wasi)
    return caught.value


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"main": []}, ["main"]),
        ({"main": [], "b": [], "a": []}, ["a", "b", "main"]),
        ({"main": ["z"], "z": []}, ["z", "main"]),
        ({"a": ["z"], "main": ["a"], "z": []}, ["z", "a", "main"]),
        ({"a": ["main"], "main": []}, ["main", "a"]),
        ({"main": ["b", "a"], "b": ["c"], "a": ["c"], "c": []}, ["c", "a", "b", "main"]),
    ],
)
def test_dependencies_come_first(edges, expected):
    """Names decide where nothing else does; the order of the manifest does not."""
    parts = [part(name, *needs(*wanted), GIVES) for name, wanted in edges.items()]

    assert [each.name for each in in_order(parts)] == expected
    assert [each.name for each in in_order(parts[::-1])] == expected


@pytest.mark.parametrize(
    ("edges", "circle"),
    [
        ({"main": ["main"]}, "main -> main"),
        ({"a": ["b"], "b": ["a"], "main": []}, "a -> b -> a"),
        ({"main": ["x"], "x": ["y"], "y": ["x"]}, "x -> y -> x"),
    ],
)
def test_a_circle_is_named(edges, circle):
    """Only the modules that are in it."""
    parts = [part(name, *needs(*wanted), GIVES) for name, wanted in edges.items()]
    with pytest.raises(LinkError, match=f"in a circle: {circle}$"):
        in_order(parts)


@pytest.mark.parametrize("row", abi.FUNCTIONS.values(), ids=lambda row: row.name)
def test_every_function_of_the_abi_has_its_giver(row):
    """With its type; with another one it is refused."""
    params, results = (" ".join(types) for types in (row.params, row.results))
    right = f'(import "{abi.ENV}" "{row.name}" (func (param {params}) (result {results})))'
    wrong = f'(import "{abi.ENV}" "{row.name}" (func (param f32)))'
    check_imports([part("main", right)], [], has_wasi=False)

    assert "types incompatible: expected type `(func (param f32))`" in str(
        fault(part("main", wrong))
    )


def test_host_functions_are_givers():
    """By namespace and name, with their types."""
    text = '(import "ns" "f" (func (param i32 f64) (result i64)))'
    check_imports([part("main", text)], [host("f", ("i32", "f64"), ("i64",), "ns")], has_wasi=False)

    error = fault(part("main", text), functions=[host("f", ("i32",), (), "ns")])
    assert "found type `(func (param i32))`" in str(error)


def test_a_host_function_may_take_the_place_of_one_of_the_hosts():
    """config_get of extism:host/env can be given by somebody else, as upstream."""
    text = f'(import "{abi.ENV}" "config_get" (func (param i32)))'

    check_imports([part("main", text)], [host("config_get", ("i32",), (), abi.ENV)], has_wasi=False)


@pytest.mark.parametrize("name", ["alloc", "load_u8", "reset"])
def test_nobody_takes_the_place_of_the_kernel(name):
    """Its memory belongs to it."""
    assert "the kernel gives that" in str(
        fault(part("main"), functions=[host(name, namespace=abi.ENV)])
    )


def test_wasi_is_the_engines_to_check():
    """With WASI on every name passes here; off, the text says what to do."""
    text = f'(import "{abi.WASI}" "no_such_function" (func))'
    check_imports([part("main", text)], [], has_wasi=True)

    assert "pass wasi=True" in str(fault(part("main", text)))


def test_all_that_is_missing_is_told_at_once():
    """The first in full, the others by name, and no more than twenty of them."""
    error = fault(part("main", *needs(*(f"m{n:02}" for n in range(30)))))
    first, *others = str(error).splitlines()

    assert "`m00::f`" in first
    assert others[-1].startswith("Also missing or of another type: m01::f, m02::f")
    assert others[-1].endswith("m20::f and 9 more")
    assert (error.module, error.name, error.wanted) == ("m00", "f", "(func)")


def test_missing_imports_of_libraries_are_told_too():
    """Every module of the plug-in is looked at."""
    assert fault(part("lib", *needs("x")), part("main")).module == "x"


def error_kind(text):
    return text.strip("()").split()[0]


@pytest.mark.parametrize("kind", ["(memory 1)", "(table 1 funcref)", "(global i32)", "(tag)"])
def test_things_of_other_kinds_are_told_by_their_kind(kind):
    """A function where a memory is wanted, and the reverse."""
    error = fault(part("lib", GIVES), part("main", f'(import "lib" "f" {kind})'))

    assert str(error).startswith(
        f"expected {error_kind(kind)}, but found func\ntypes incompatible in"
    )
    assert error.available == ("f",)


def test_a_module_that_exports_and_imports_itself_under_another_name_is_fine():
    """Only names count."""
    check_imports([part("lib", GIVES), part("main", *needs("lib"))], [], has_wasi=False)
