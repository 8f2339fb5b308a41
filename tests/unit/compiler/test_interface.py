"""The interface of a plug-in: what its files say together, compared with what ran."""

from __future__ import annotations

import pytest

from extism._compiler.interface import (
    Export,
    HostFunction,
    Interface,
    Origin,
    check_registered,
    combine,
    typed,
)
from extism._wasm.externs import FuncType
from extism.errors import BuildError

RULE = "only functions at the top level of a module, marked with @extism.plugin_fn or @extism.shared_fn, can be exported"
F = Export("f", "a.py", 3)
G = Export("g", "b.py", 7)
EATS = FuncType(("i64",), ("i64",))
EAT = HostFunction("extism:host/user", "eat", EATS, "a.py", 10)
HERE = Origin("a.py", 3, is_top=True)
INNER = Origin("a.py", 3, is_top=False)
NOWHERE = Origin("", 0, is_top=True)
DRINK = HostFunction("extism:host/user", "drink", FuncType(), "a.py", 20)


def test_files_together():
    """Exports and imports keep the order in which they were given."""
    assert combine([G, F], [EAT, DRINK]) == Interface((G, F), (EAT, DRINK))


def test_no_exports():
    """A plug-in that nothing can be called in is an error, in upstream's words."""
    with pytest.raises(BuildError) as caught:
        combine([], [EAT])

    assert str(caught.value) == (
        "No exports found, use the @extism.plugin_fn decorator to specify exported functions"
    )


def test_no_exports_but_one_in_hiding():
    """Where the decorator was used in vain, the hint says where and why."""
    with pytest.raises(BuildError) as caught:
        combine([], [], [Export("h", "a.py", 5)])

    assert caught.value.hint == f"a.py:5: h is not at the top level: {RULE}"


def test_a_name_is_exported_once():
    """The second is the guilty one, the first is named."""
    with pytest.raises(BuildError) as caught:
        combine([F, Export("f", "b.py", 9)], [])

    assert str(caught.value) == "b.py:9: f is exported already, at a.py:3"
    assert (caught.value.path, caught.value.line) == ("b.py", 9)


def test_a_host_function_may_be_declared_twice():
    """The same type twice is one import."""
    again = HostFunction("extism:host/user", "eat", EATS, "b.py", 2)

    assert combine([F], [EAT, DRINK, again]).imports == (EAT, DRINK)


def test_a_host_function_has_one_type():
    """Two declarations that differ could not be linked: both places are named."""
    other = HostFunction("extism:host/user", "eat", FuncType(("i64", "i64")), "b.py", 2)
    with pytest.raises(BuildError) as caught:
        combine([F], [EAT, other])

    assert str(caught.value) == (
        "b.py:2: extism:host/user/eat is declared as (func (param i64 i64)) here and as "
        "(func (param i64) (result i64)) at a.py:10; a host function has one type"
    )


def test_types_that_turned_out():
    """What a declaration was found to mean when it ran goes before what its source seemed to say."""
    found = FuncType(("f64",), ("i32",))

    assert typed([EAT, DRINK], {("extism:host/user", "eat"): found}) == (
        HostFunction("extism:host/user", "eat", found, "a.py", 10),
        DRINK,
    )


def test_registered_in_any_order():
    """The numbering may differ from the order of the files; the names may not."""
    assert check_registered(combine([F, G], []), [], {"g": HERE, "f": HERE}) is None


def test_one_that_did_not_register():
    """A function whose module was never imported, or whose name was lost, is told with its line."""
    with pytest.raises(BuildError) as caught:
        check_registered(combine([F, G], []), [], {"f": HERE})

    assert str(caught.value) == (
        "b.py:7: g is marked as an export, but was not exported when the plug-in was loaded"
    )
    assert (caught.value.path, caught.value.line) == ("b.py", 7)


def test_one_more_at_the_top_level():
    """A function that a call exports, or a decorator of the author's own, is as good as one that is marked."""
    more = {"f": HERE, "h": HERE}

    assert check_registered(combine([F], []), [], more) is None
    assert check_registered(combine([], [], may_be_more=True), [], more) is None


@pytest.mark.parametrize(
    ("hidden", "origin", "message"),
    [
        ([Export("h", "a.py", 5)], HERE, f"a.py:5: h is not at the top level: {RULE}"),
        ([], INNER, f"a.py:3: h is not at the top level: {RULE}"),
        (
            [],
            NOWHERE,
            f"h was exported while the plug-in was loaded, but is no function of the plug-in's own: {RULE}",
        ),
    ],
    ids=["seen", "unseen", "of others"],
)
def test_one_that_registered_without_being_promised(hidden, origin, message):
    """A function that is no export of the plug-in's top level is refused, with the line if there is one."""
    with pytest.raises(BuildError) as caught:
        check_registered(combine([F], []), hidden, {"f": HERE, "h": origin})

    assert str(caught.value) == message


def test_one_more_with_a_name_of_the_hosts():
    """What hosts call by themselves cannot be an export, however it came to be one."""
    with pytest.raises(BuildError) as caught:
        check_registered(combine([F], []), [], {"f": HERE, "_start": HERE})

    assert str(caught.value) == (
        "a.py:3: a plug-in function cannot be called _start: hosts run it as a program"
    )


def test_none_after_all():
    """Where running the files shows no export either, there is none."""
    with pytest.raises(
        BuildError, match=r"^No exports found, use the @extism\.plugin_fn decorator"
    ):
        check_registered(combine([], [], may_be_more=True), [], {})
