"""plugin_fn: what it takes, what it refuses, and that it leaves the function alone."""

from __future__ import annotations

import functools

import pytest

from extism.pdk import exports, plugin_fn


def test_functions_are_numbered_as_they_are_decorated(host):
    """The order of decoration is the order of the indices."""

    @plugin_fn
    def second(): ...

    @plugin_fn
    def first(): ...

    assert exports.names() == ["second", "first"]


def test_the_function_stays_what_it_was(host):
    """The decorated name is the very function: its name, docstring and result are kept."""

    def greet():
        """Greet."""
        return 7

    assert plugin_fn(greet) is greet


@pytest.mark.parametrize(
    "use",
    [
        plugin_fn,
        lambda: plugin_fn("greet"),
        lambda: plugin_fn(len, len),
        lambda: plugin_fn(name="greet"),
    ],
    ids=["nothing", "a name", "two", "keyword"],
)
def test_parentheses_are_refused(host, use):
    """The decorator is used bare; anything else is an error in upstream's words."""
    with pytest.raises(TypeError) as caught:
        use()

    assert str(caught.value) == "extism.plugin_fn takes no arguments"


def one(name): ...
def keyword(*, name): ...
async def later_many():
    yield 1


def many():
    yield 1


class Shape: ...


PLAIN = "plugin_fn expects a plain function, {}: calling it would run nothing"
ARITY = (
    "plugin_fn expects a function with no arguments, {} should have no arguments; or say what name is, "
    "such as name: str: then it is read from the input"
)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (one, ARITY.format("one")),
        (keyword, ARITY.format("keyword")),
        (lambda name: name, ARITY.format("<lambda>")),
        (
            later_many,
            PLAIN.format("later_many is an async generator"),
        ),
        (
            many,
            PLAIN.format("many is a generator"),
        ),
        (Shape, "plugin_fn expects a plain function, Shape is a class"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_functions_that_cannot_be_exported(host, function, message):
    """A function that the host could not call usefully is refused, with the reason."""
    with pytest.raises(TypeError) as caught:
        plugin_fn(function)

    assert str(caught.value) == message
    assert exports.names() == []


def test_optional_arguments_are_allowed(host):
    """Arguments with defaults, *args and **kwargs do not stand in the way of a call without any."""

    @plugin_fn
    def greet(name="you", *rest, loud=False, **more): ...

    assert exports.names() == ["greet"]


def test_a_decorator_below_may_supply_the_arguments(host):
    """It is the wrapper's own signature that counts, not that of the function it wraps."""

    def with_name(function):
        @functools.wraps(function)
        def inner():
            return function("you")

        return inner

    @plugin_fn
    @with_name
    def greet(name): ...

    assert exports.names() == ["greet"]


def test_a_name_is_exported_once(host):
    """Two functions of one name would be one export: the second is refused."""

    def greet(): ...

    plugin_fn(greet)
    with pytest.raises(ValueError, match="a function called greet is exported already"):
        plugin_fn(greet)
