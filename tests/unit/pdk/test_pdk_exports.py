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
def default(kind: str, name="you"): ...
def rest(*names): ...
def annotated_rest(kind: str, *names: str) -> str: ...
def more(**names: str): ...


def renamed():
    def inner(*names): ...

    return inner


async def later_many():
    yield 1


def many():
    yield 1


class Shape: ...


def renamed_as(function):
    """Return what gives a wrapper the name of a function, and nothing else of it."""

    def rename(wrapper):
        wrapper.__name__ = function.__name__
        return wrapper

    return rename


ANY_NUMBER = "a plug-in function has a fixed number of parameters, {} takes any number ({})"
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
        (default, ARITY.format("default")),
        (rest, ANY_NUMBER.format("rest", "*names") + "; take them as one"),
        (annotated_rest, ANY_NUMBER.format("annotated_rest", "*names") + "; take them as one"),
        (more, ANY_NUMBER.format("more", "**names") + "; take them as one"),
        (
            renamed(),
            ANY_NUMBER.format("inner", "*names") + "; a decorator's own needs functools.wraps",
        ),
        (
            lambda: 1,
            "plugin_fn expects a function with a name, <lambda> is none; write a def",
        ),
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


@pytest.mark.parametrize("keep_name", [functools.wraps, renamed_as])
def test_what_a_wrapper_takes_is_its_own_business(host, keep_name):
    """Another decorator may supply any number of arguments, and those that have a default."""

    def with_more(function):
        @keep_name(function)
        def inner(*args, **kwargs):
            return function(*args, loud=True, **kwargs)

        return inner

    @plugin_fn
    @with_more
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


def test_nothing_is_exported_any_more_once_the_plugin_is_built(host):
    """A function that is decorated in a call could never be called: it is refused, until all is forgotten."""

    def late(): ...

    exports.close()
    try:
        with pytest.raises(RuntimeError) as caught:
            plugin_fn(late)
    finally:
        exports.forget()

    assert str(caught.value) == (
        "plugin_fn: late cannot be exported any more, the plug-in is built; decorate it at the top level of a module"
    )
    assert plugin_fn(late) is late


def test_where_a_function_stands(host):
    """The report says file and line, through wrappers, and whether it is the top level of a module."""

    @functools.wraps(one)
    def wrapper(): ...

    def inner(): ...

    plugin_fn(wrapper)
    plugin_fn(inner)
    places = [(row["file"], row["line"], row["is_top"]) for row in exports.report()]

    assert places == [
        (__file__, one.__code__.co_firstlineno, True),
        (__file__, inner.__code__.co_firstlineno, False),
    ]
