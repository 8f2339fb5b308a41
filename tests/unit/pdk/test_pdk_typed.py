"""Plug-in functions with annotations: what fills their parameters, and what becomes of their results."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar

import pytest

from extism.pdk import (
    I32,
    MemoryHandle,
    PluginError,
    ReturnCode,
    exports,
    input_json,
    memory,
    output_json,
    output_str,
    plugin_fn,
    set_error_format,
    shared_fn,
)
from extism.pdk.invoke import invoke


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    name: str
    price: float


@dataclass
class Request:
    items: list[Item]


@pytest.fixture
def run(host):
    """Export a function, call it with an input; return code, output and error text."""

    def run(function, given=b"", decorator=plugin_fn):
        decorator(function)
        host.given = given
        code = invoke(len(exports.functions) - 1)
        output = host.outputs[-1] if host.outputs else None
        return code, output, host.errors[-1].decode() if host.errors else None

    return run


def text(a: str) -> str:
    return a * 2


def data(a: bytes) -> bytes:
    return a * 2


def number(a: int) -> float:
    return a / 2


def flag(a: bool) -> bool:
    return not a


def colour(a: Colour) -> Colour:
    return a


def word(a: Literal["x", "y"]) -> str:
    return a


def maybe(a: str | None) -> str:
    return repr(a)


def maybe_item(a: Item | None) -> Item | None:
    return a


def default(a: int = 5) -> int:
    return a


def record(a: Request) -> list[Item]:
    return a.items


def marked(a: Annotated[dict[str, int], "marked"]) -> Any:
    return a


def nothing(a: None) -> None:
    assert a is None


def some(a: str):
    return {"a": a}


def constant() -> int:
    return 42


@pytest.mark.parametrize(
    ("function", "given", "output"),
    [
        (text, "é".encode(), "éé".encode()),
        (text, b"", b""),
        (data, b"\xff", b"\xff\xff"),
        (number, b"5", b"2.5"),
        (flag, b"true", b"false"),
        (colour, b"red", b"red"),
        (colour, b'"blue"', b"blue"),
        (word, b"x", b"x"),
        (word, b'"y"', b"y"),
        (maybe, b"", b"None"),
        (maybe, b"a", b"'a'"),
        (maybe_item, b"", b"null"),
        (maybe_item, b"null", b"null"),
        (maybe_item, b'{"name": "a", "price": 1}', b'{"name": "a", "price": 1.0}'),
        (default, b"", b"5"),
        (default, b"7", b"7"),
        (record, b'{"items": [{"name": "a", "price": 1}]}', b'[{"name": "a", "price": 1.0}]'),
        (marked, b'{"a": 1}', b'{"a": 1}'),
        (nothing, b"", None),
        (nothing, b"null", None),
        (some, b"x", b'{"a": "x"}'),
        (constant, b"ignored", b"42"),
    ],
)
def test_one_parameter_is_the_whole_input(run, function, given, output):
    """Text and bytes as they are, everything else from JSON; what is returned goes out the same way."""
    assert run(function, given) == (0, output, None)


@pytest.mark.parametrize(
    ("given", "output"),
    [
        (b'{"a": 1, "d": "x"}', b'[1, 2, 3.0, "x"]'),
        (b'{"a": 1, "c": 0.5, "d": "x", "e": 1}', b'[1, 2, 0.5, "x"]'),
    ],
)
def test_several_parameters_are_the_members_of_an_object(run, given, output):
    """By name, whatever their kind; those with a default may be missing."""

    def several(a: int, b: int = 2, /, c: float = 3.0, *, d: str) -> list:
        return [a, b, c, d]

    assert run(several, given) == (0, output, None)


def pair(a: int, b: Item):
    """Fail to be called."""


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (record, b'{"items": [{"name": "a", "price": "x"}]}', 'record: a.items[0].price: expected a number, got "x"'),
        (record, b"{}", "record: a.items: is missing"),
        (record, b"", "record: a: expected JSON, got nothing"),
        (number, b"one", 'number: a: expected an integer, got "one"'),
        (number, b"", "number: a: expected an integer, got nothing"),
        (flag, b"yes", 'flag: a: expected true or false, got "yes"'),
        (record, b"{", 'record: a: expected JSON, got "{": Expecting property name enclosed in double quotes: line 1 column 2 (char 1)'),
        (colour, b"green", 'colour: a: expected one of "red", "blue", got "green"'),
        (colour, b"5", 'colour: a: expected one of "red", "blue", got 5'),
        (pair, b"[]", "pair: expected a JSON object with a, b, got []"),
        (pair, b"x", 'pair: expected a JSON object with a, b, got "x": Expecting value: line 1 column 1 (char 0)'),
        (pair, b'{"a": 1}', "pair: b: is missing"),
        (pair, b'{"a": 1, "b": {"name": 1}}', "pair: b.name: expected a string, got 1"),
    ],
)  # fmt: skip
def test_a_wrong_input_names_the_field(run, function, given, message):
    """The error is that text, without a traceback."""
    assert run(function, given) == (1, None, message)


def wrong_text(a: str) -> str:
    return 5  # type: ignore[return-value]


def wrong_number() -> int:
    return "5"  # type: ignore[return-value]


def no_number() -> float:
    return None  # type: ignore[return-value]


def wrong_flag() -> bool | None:
    return 1  # type: ignore[return-value]


def no_text() -> str:
    return "\ud800"


def endless() -> list:
    endless: list[object] = []
    endless.append(endless)
    return endless


def wrong_code() -> ReturnCode:
    return 5  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (wrong_text, "TypeError: wrong_text: result: expected str, got int"),
        (wrong_number, "TypeError: wrong_number: result: expected int, got str"),
        (no_number, "TypeError: no_number: result: expected float, got NoneType"),
        (wrong_flag, "TypeError: wrong_flag: result: expected bool, got int"),
        (
            no_text,
            "ValueError: no_text: result: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        ),
        (endless, "ValueError: endless: result: Circular reference detected"),
        (wrong_code, "TypeError: wrong_code: result: expected a ReturnCode, got int"),
    ],
)
def test_a_result_that_is_not_what_was_promised(run, function, message):
    """It is the author's mistake, told as any other."""
    assert run(function, b"x") == (1, None, message)


@pytest.mark.parametrize("value", [0, 3, -1])
def test_a_return_code_is_explicit(run, value):
    """Whether it is annotated or not, a ReturnCode is the code of the call."""

    def coded(a: str) -> ReturnCode:
        return ReturnCode(value)

    def untyped():
        return ReturnCode(value)

    assert run(coded) == run(untyped) == (value, None, None)


def test_an_awaited_function(run):
    """`async def` runs to its end, with an input and an output like any other."""

    async def later(names: list[str]) -> list[str]:
        async def one(name):
            await asyncio.sleep(0.001)
            return name.upper()

        return await asyncio.gather(*map(one, names))

    assert run(later, b'["a", "b"]') == (0, b'["A", "B"]', None)


def test_a_traceback_does_not_show_the_loop(run):
    """The first line is the author's, as for any function."""

    async def fail():
        raise KeyError("x")

    code, output, error = run(fail)

    assert (code, output, error.splitlines()[2].strip()) == (1, None, 'raise KeyError("x")')


def test_a_decorator_that_hands_on_what_it_gets(run):
    """The wrapped function's annotations count."""

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    assert run(logged(text), b"a") == (0, b"aa", None)


def test_a_function_without_annotations_is_as_before(run):
    """What it returns is no output."""

    def greet() -> None:
        output_str("you")

    def ignored():
        return "text"

    assert run(greet, b"x") == (0, b"you", None)
    assert run(ignored, b"x") == (0, b"you", None)


def test_an_annotation_that_has_no_form_is_refused_at_once(host):
    """The text names function and parameter, while the plug-in is built."""

    def wrong(a: complex): ...
    def wrong_result() -> complex: ...

    with pytest.raises(TypeError, match=r"^wrong: parameter a: complex has no form in JSON$"):
        plugin_fn(wrong)
    with pytest.raises(TypeError, match=r"^wrong_result: result: complex has no form in JSON$"):
        plugin_fn(wrong_result)


def test_an_annotation_further_down_is_found_later(host):
    """What is not there when the function is decorated may be there when all modules are loaded."""
    names = {"plugin_fn": plugin_fn, "__name__": "guest"}
    exec(  # the order of definitions is what is tested
        "from __future__ import annotations\n@plugin_fn\ndef f(a: Later) -> str: return repr(a)\nLater = int\n", names
    )  # fmt: skip
    host.given = b"5"

    assert [(row["name"], row["shared"]) for row in exports.report()] == [("f", None)]
    assert (invoke(0), host.outputs) == (0, [b"5"])


class Refused(PluginError):
    code = 7


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PluginError("no such city"), (1, "no such city")),
        (PluginError("no such city", code=4), (4, "no such city")),
        (PluginError(), (1, "PluginError")),
        (Refused("not you"), (7, "not you")),
    ],
)
def test_a_plugin_error_is_its_text(run, error, expected):
    """The host gets the text alone, and the code."""

    def fail():
        raise error

    code, _, text = run(fail)

    assert (code, text) == expected


def test_a_plugin_error_may_show_where_it_was_raised(run):
    """Then it is told as any other exception."""

    def fail():
        raise PluginError("no", code=4, show_traceback=True)

    code, _, text = run(fail)

    assert (code, text.splitlines()[0]) == (4, "Traceback (most recent call last):")


def test_success_is_no_error():
    """Code 0 would make a success of it."""
    with pytest.raises(ValueError, match="code 0 is success"):
        PluginError("x", code=0)


@pytest.fixture
def formatted():
    yield set_error_format
    set_error_format(None)


def test_the_text_of_other_errors_is_the_authors_choice(run, formatted):
    """A function makes it; one that fails is told itself."""

    def fail():
        return 1 / 0

    formatted(repr)
    assert run(fail)[2] == "ZeroDivisionError('division by zero')"
    formatted(lambda error: error.nothing)
    exports.functions.clear()
    assert run(fail)[2].splitlines()[-1] == (
        "AttributeError: 'ZeroDivisionError' object has no attribute 'nothing'"
    )


def shared(run, host, function, *numbers):
    signature = exports.Signature("f", function)
    host.given_frame = signature.parameter_cells.pack(*numbers) + bytes(8)
    code, _, error = run(function, decorator=shared_fn)
    results = signature.result_cells.unpack(host.frame) if signature.results else ()
    return code, error, results


def test_a_shared_function(run, host):
    """Numbers and blocks come out of the frame, the result goes back into it."""

    def scale(a: I32, b: float, text: str, handle, *, last: int) -> str:
        assert isinstance(handle, MemoryHandle)
        return f"{a * b} {text} {memory.string(handle)} {last}"

    given = (-2, 0.5, host.store(b"text"), host.store(b"raw"), -7)
    code, error, (result,) = shared(run, host, scale, *given)

    assert (code, error, host.blocks[result]) == (0, None, b"-1.0 text raw -7")
    assert exports.report()[-1]["shared"] == {
        "parameters": ["i32", "f64", "i64", "i64", "i64"],
        "results": ["i64"],
    }


def test_text_without_characters_reaches_a_shared_function(run, host):
    """It has no block, so its handle is 0: None only where the annotation has it."""

    def shown(a: str, b: bytes, c: str | None) -> str:
        return repr((a, b, c))

    code, error, (result,) = shared(run, host, shown, 0, 0, 0)

    assert (code, error, host.blocks[result]) == (0, None, b"('', b'', None)")


def test_a_shared_function_with_several_results(run, host):
    """A tuple is one result for each item; another number of them is an error."""

    def two(a: int) -> tuple[I32, float]:
        return (a, 0.5) if a else (1,)  # type: ignore[return-value]

    assert shared(run, host, two, 7) == (0, None, (7, 0.5))
    exports.functions.clear()
    assert shared(run, host, two, 0)[:2] == (
        1,
        "TypeError: shared_fn two: a tuple of 2 wanted, got (1,)",
    )


def test_a_shared_function_without_a_result(run, host):
    """What it returns is dropped."""

    def quiet(a: int):
        return a

    assert shared(run, host, quiet, 1) == (0, None, ())
    assert host.frame == b""


DIGITS = "0.1234567890123456789012345678901"


@dataclass
class Price:
    amount: Decimal
    note: object = None


def one_price(price: Decimal) -> str:
    return str(price)


def two_prices(price: Decimal, other: Decimal | None = None) -> str:
    return f"{price} {other}"


def nested_prices(prices: list[Price]) -> list[Price]:
    return prices


def read_price():
    output_json(input_json(Decimal))


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        (one_price, DIGITS, DIGITS),
        (one_price, "1e400", "1E+400"),
        (one_price, "123456789012345678901", "123456789012345678901"),
        (two_prices, f'{{"price": {DIGITS}, "other": -1.10}}', f"{DIGITS} -1.10"),
        (
            nested_prices,
            f'[{{"amount": {DIGITS}, "note": 0.5}}]',
            f'[{{"amount": "{DIGITS}", "note": 0.5}}]',
        ),
        (read_price, DIGITS, f'"{DIGITS}"'),
    ],
)
def test_a_decimal_has_every_digit_of_a_json_number(run, function, given, expected):
    """It is not made of a float, wherever it stands, and its text is what is given back."""
    assert run(function, given.encode()) == (0, expected.encode(), None)


@functools.cache
def kept(a: int) -> int:
    return a * 2


def test_a_function_that_functools_has_wrapped(run):
    """What is written in C has no signature of its own: that of the function inside counts."""
    assert run(kept, b"4") == (0, b"8", None)


def test_a_type_parameter_of_the_function_in_an_annotation_that_is_text(run):
    """`def same[A](a: A) -> A` is found where there are no annotations but texts."""

    def same(a: A) -> A:  # noqa: F821 - what such a function has
        return a

    same.__type_params__ = (TypeVar("A", bound=int),)

    assert run(same, b"5") == (0, b"5", None)
