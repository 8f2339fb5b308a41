"""import_fn: how arguments travel to a host function, and how its result is read."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import pytest

from extism.pdk import F32, I32, InputError, MemoryHandle, import_fn, imports, memory
from extism.pdk.signatures import Signature

if TYPE_CHECKING:
    from nowhere import OnlyForTheChecker

USER = "extism:host/user"
SLOT = 4546


Flag = Annotated[bool, I32]


@dataclass
class Item:
    name: str
    price: float


class Priority(IntEnum):
    HIGH = 2


class Colour(Enum):
    RED = "red"


@pytest.fixture
def declare(host):
    """Declare a function of the host that returns what `body` makes of the raw numbers."""

    def declare(function, body=lambda *_: 0):
        types = Signature("f", function).types
        imports.bind([["other", "name", [], []], [USER, "f", *types]], SLOT)
        host.slots[SLOT + 1] = body
        return import_fn(USER, "f")(function)

    return declare


def test_numbers_travel_as_they_are(host, declare):
    """int and bool are passed raw, negative ones in two's complement; None is 0."""

    def f(a, b, c, d, e): ...

    declare(f)(5, -1, True, None, (1 << 64) - 1)

    assert host.calls == [(SLOT + 1, (5, -1, 1, 0, -1))]


@pytest.mark.parametrize("number", [1 << 64, -(1 << 63) - 1])
def test_a_number_that_has_no_64_bits(host, declare, number):
    """It is refused, not cut off."""

    def f(a): ...

    with pytest.raises(
        OverflowError, match=rf"^f: parameter a: {number} does not fit into the 64 bits"
    ):
        declare(f)(number)
    assert host.calls == []


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("é", b"\xc3\xa9"),
        (b"\xff", b"\xff"),
        ({"a": 1}, b'{"a": 1}'),
        ([1], b"[1]"),
        (Colour.RED, b"red"),
    ],
)
def test_other_values_travel_as_blocks(host, declare, value, data):
    """The host finds the bytes under the handle, and the block is freed when it is done."""
    seen = []

    def f(a): ...

    declare(f, lambda handle: seen.append(host.blocks[handle]))(value)

    assert seen == [data]
    assert host.blocks == {}


@pytest.mark.parametrize(
    "value", [1.5, (1,), {1}, object()], ids=["float", "tuple", "set", "object"]
)
def test_values_that_cannot_travel(host, declare, value):
    """They are refused, and blocks already made for the call are freed."""

    def f(a, b): ...

    with pytest.raises(TypeError, match="Unsupported python type: "):
        declare(f)("x", value)
    assert (host.calls, host.blocks) == ([], {})


@pytest.mark.parametrize(
    ("annotation", "value", "data"),
    [
        (int | str, 5, b"5"),
        (int | str, "x", b'"x"'),
        (float | bool, True, b"true"),
        (Literal[1, "a"], 1, b"1"),
        (Decimal, 5, b"5"),
        (list[int], 5, b"5"),
        (str, "5", b"5"),
        (bytes, b"5", b"5"),
    ],
)
def test_a_number_is_no_handle_where_something_else_is_annotated(
    host, declare, annotation, value, data
):
    """It travels as JSON, as all values of a union do: whoever takes the block reads it so."""
    seen = []

    def f(a): ...

    f.__annotations__["a"] = annotation
    declare(f, lambda handle: seen.append(host.blocks[handle]))(value)

    assert seen == [data]


@pytest.mark.parametrize("annotation", [int, bool, int | None])
def test_text_is_no_number(host, declare, annotation):
    """It would be the handle of its block."""

    def f(a): ...

    f.__annotations__["a"] = annotation
    with pytest.raises(TypeError) as caught:
        declare(f)("5")

    assert str(caught.value) == "f: parameter a: an int is wanted, not str"
    assert (host.calls, host.blocks) == ([], {})


def test_a_member_of_an_enum_of_numbers_is_its_number(host, declare):
    """Where an int is annotated; elsewhere members travel as text."""

    def f(a: int): ...

    declare(f)(Priority.HIGH)

    assert host.calls == [(SLOT + 1, (2,))]


@pytest.mark.parametrize("annotation", [str, bytes, str | None])
def test_a_number_is_no_text(host, declare, annotation):
    """It would be the handle of another block, or none."""

    def f(a): ...

    f.__annotations__["a"] = annotation
    with pytest.raises(TypeError) as caught:
        declare(f)(5)

    assert str(caught.value) == "f: parameter a: text or bytes are wanted, not int"
    assert host.calls == []


def test_a_handle_of_the_author_is_passed_and_kept(host, declare):
    """MemoryHandle travels as its offset; its block stays the author's."""

    def f(a): ...

    handle = memory.alloc("abc")
    declare(f)(handle)

    assert host.calls == [(SLOT + 1, (handle.offset,))]
    assert memory.string(handle) == "abc"


def returns_int() -> int: ...
def returns_bool() -> bool: ...
def returns_handle() -> MemoryHandle: ...
def returns_str() -> str: ...
def returns_bytes() -> bytes: ...
def returns_dict() -> dict: ...
def returns_list() -> list[int]: ...
def returns_enum() -> Colour: ...
def returns_optional() -> str | None: ...
def returns_old_optional() -> Optional[str]: ...  # noqa: UP045  the older way of writing it
def returns_quoted() -> "str": ...  # noqa: UP037  quoted twice, as future annotations do


@pytest.mark.parametrize(
    ("function", "data", "expected"),
    [
        (returns_str, "é".encode(), "é"),
        (returns_bytes, b"\xff", b"\xff"),
        (returns_dict, b'{"a": 1}', {"a": 1}),
        (returns_list, b"[1]", [1]),
        (returns_enum, b"red", Colour.RED),
        (returns_optional, b"a", "a"),
        (returns_old_optional, b"a", "a"),
    ],
)
def test_results_that_are_blocks(host, declare, function, data, expected):
    """The block is read as the annotation says, and then freed."""
    assert declare(function, lambda: host.store(data))() == expected
    assert host.blocks == {}


@pytest.mark.parametrize("function", [returns_str, returns_optional, returns_handle, returns_list])
def test_a_result_without_a_block(host, declare, function):
    """The null handle, and any other that is no block, reads as None."""
    assert declare(function, lambda: 0)() is None
    assert declare(function, lambda: 12345)() is None


@pytest.mark.parametrize(
    ("function", "raw", "expected"),
    [
        (returns_int, 5, 5),
        (returns_int, -2, -2),
        (returns_bool, 2, True),
        (returns_bool, 0, False),
    ],
)
def test_results_that_are_numbers(host, declare, function, raw, expected):
    """int is the signed number itself."""
    assert declare(function, lambda: raw)() == expected


def test_a_result_handle_is_the_authors(host, declare):
    """Asked for as MemoryHandle, the block is not freed."""
    handle = declare(returns_handle, lambda: host.store(b"abc"))()

    assert memory.string(handle) == "abc"


def test_a_host_may_answer_with_the_block_that_it_was_given(host, declare):
    """The argument comes back as result: read it is what went in, asked for as a handle it stays alive."""

    def text(a) -> str: ...
    def handle(a) -> MemoryHandle: ...

    assert declare(text, lambda handle: handle)("abc") == "abc"
    assert host.blocks == {}
    assert memory.string(declare(handle, lambda handle: handle)("abc")) == "abc"


def test_a_block_of_the_author_survives_its_way_back(host, declare):
    """A handle that the author passed in is not freed because the host returned it."""

    def text(a) -> str: ...

    mine = memory.alloc("abc")

    assert declare(text, lambda handle: handle)(mine) == "abc"
    assert memory.string(mine) == "abc"


@pytest.mark.parametrize("annotation", [None, "None"])
def test_none_is_no_result(host, declare, annotation):
    """`-> None`, quoted or not, is the same as no annotation."""

    def f(): ...

    f.__annotations__["return"] = annotation

    assert declare(f)() is None
    assert host.calls == [(SLOT + 1, ())]


def test_a_value_that_cannot_cross_is_named(host, declare):
    """The error says which function and which parameter; no block is left behind, and nothing was called."""

    def f(text: str, count: I32): ...

    with pytest.raises(TypeError, match=r"^f: parameter count: an i32 is an int, not str$"):
        declare(f)("kept for a moment", "5")

    assert (host.calls, host.blocks) == ([], {})


def test_keywords_and_defaults(host, declare):
    """Arguments can be named, left to their defaults, and are checked like any function's."""

    def f(a, b=2, c=3): ...

    function = declare(f)
    function(1, c=5)

    assert host.calls[0][1] == (1, 2, 5)
    with pytest.raises(TypeError, match=r"^f: missing a required argument: 'a'"):
        function()
    with pytest.raises(TypeError, match=r"^f: got an unexpected keyword argument 'd'"):
        function(1, d=1)


def test_the_declaration_keeps_its_name(declare):
    """Name, docstring and signature are the declared ones."""

    def eat(fruit: str) -> str:
        """Eat it."""

    function = declare(eat)

    assert (function.__name__, function.__doc__) == ("eat", "Eat it.")
    assert str(inspect.signature(function)) == "(fruit: 'str') -> 'str'"


def test_a_parameter_may_name_what_only_a_checker_knows(host, declare):
    """Annotations of parameters are never looked up."""

    def f(a: OnlyForTheChecker) -> int: ...

    assert declare(f, lambda a: a)(4) == 4


def test_a_result_may_name_a_class_further_down(host, declare):
    """A return annotation that is not there yet is looked up at the first call."""
    imports.bind([[USER, "f", [], ["i64"]]], SLOT + 1)
    names = {"import_fn": import_fn, "__name__": "guest"}
    host.slots[SLOT + 1] = lambda: host.store(b"red")
    exec(  # the order of definitions is what is tested
        "from __future__ import annotations\n"
        "from enum import Enum\n"
        f"@import_fn({USER!r}, 'f')\n"
        "def f() -> Later: ...\n"
        "class Later(Enum):\n"
        "    RED = 'red'\n",
        names,
    )

    assert names["f"]() is names["Later"].RED


def test_an_unsupported_result_is_found_at_the_declaration(declare):
    """A return type that no result can have is refused while the plug-in is built."""

    def f() -> complex: ...

    with pytest.raises(TypeError, match="result: complex has no form in JSON"):
        declare(f)


def rest(*args): ...
def more(**kwargs): ...


@pytest.mark.parametrize(("function", "parameter"), [(rest, r"\*args"), (more, r"\*\*kwargs")])
def test_signatures_that_a_host_function_cannot_have(declare, function, parameter):
    """The number of its parameters is fixed."""
    with pytest.raises(TypeError, match=f"number of parameters is fixed, {parameter} is any"):
        declare(function)


def test_every_number_type_in_any_number(host, declare):
    """Annotations name the WebAssembly type; parameters by keyword stand in the order of the declaration."""

    def f(a: int, b: I32, c: float, d: F32, e: Flag, *, g: I32 = 7, h: str = "") -> float: ...

    function = declare(f, lambda *_: 0.5)

    assert function(-1, 2**32 - 1, 1, 0.5, True, h="x", g=-2) == 0.5
    assert host.calls == [(SLOT + 1, (-1, -1, 1.0, 0.5, 1, -2, 64))]
    assert imports.report()[0]["parameters"] == ["i64", "i32", "f64", "f32", "i32", "i32", "i64"]


def test_several_results(host, declare):
    """A tuple is one result for each of its items."""

    def f() -> tuple[I32, str, float]: ...

    assert declare(f, lambda: (-5, host.store(b"text"), 0.25))() == (-5, "text", 0.25)
    assert host.blocks == {}


def test_records_there_and_back(host, declare):
    """A dataclass travels as JSON in a block; what comes back is checked, and the error names the field."""

    def f(item: Item) -> Item | None: ...

    function = declare(f, lambda handle: handle)

    assert function(Item("lamp", 2.5)) == Item("lamp", 2.5)
    with pytest.raises(InputError) as caught:
        function({"name": "lamp", "price": "x"})
    assert str(caught.value) == 'f: result.price: expected a number, got "x"'


def test_a_host_function_has_one_type(host, declare):
    """Two declarations with different types are refused when all modules are there."""

    def f(a: int): ...
    def g(a: float): ...

    declare(f)
    declare(g)
    with pytest.raises(TypeError) as caught:
        imports.report()

    assert str(caught.value) == (
        "import_fn('extism:host/user', 'f'): declared as (f64) -> nothing here and as (i64) -> nothing "
        "elsewhere; a host function has one type"
    )


def test_a_late_declaration_has_the_type_that_the_compiler_read(host):
    """A module that is imported inside a function comes too late to tell its types: a wrong one is refused."""
    imports.bind([[USER, "f", ["i64"], []]], SLOT + 1)

    @import_fn(USER, "f")
    def f(a: Flag): ...

    with pytest.raises(TypeError, match=r"declared as \(i32\) -> nothing here and as \(i64\)"):
        f(True)


def test_a_declaration_that_the_compiler_did_not_see(host):
    """Without a slot there is nothing to call: the text says how to write it."""
    imports.bind([], SLOT)
    with pytest.raises(TypeError, match="extism-py did not see this declaration"):
        import_fn(USER, "f")(lambda: None)


def test_names_are_text(host):
    """Anything else is an error in upstream's words."""
    with pytest.raises(TypeError) as caught:
        import_fn(USER, 5)

    assert str(caught.value) == (
        "Invalid import, import_fn must include a module name and function name"
    )


def test_what_is_declared_with_async_def_is_awaited(host, declare):
    """In the order in which it is awaited; until then nothing is called."""

    async def f(a: int) -> int: ...

    asked = declare(f, lambda number: number + 1)

    async def main():
        waits = [asked(1), asked(a=2)]
        before = list(host.calls)
        return before, await asyncio.gather(*waits)

    assert asyncio.run(main()) == ([], [2, 3])
    assert inspect.iscoroutinefunction(asked)


def test_without_a_plugin_a_call_says_so(host):
    """Outside a plug-in a declaration is fine; calling it is an error."""
    function = import_fn(USER, "f")(lambda: None)
    with pytest.raises(RuntimeError, match="there is no Extism host here"):
        function()
