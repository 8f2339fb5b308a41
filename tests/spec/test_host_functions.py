"""Functions of the host: what crosses, in which type, and what happens when one fails."""

from __future__ import annotations

import functools
import json
import pickle
import struct
import threading
from dataclasses import dataclass, field
from typing import Annotated, Any, Optional

import pytest
from wat_guests import ECHO, SHOUT, wat

import extism
from extism import Codec, CurrentPlugin, Function, Json, Pickle, Raw, Val, ValType, host_fn
from extism.errors import CallError, GuestError, HostFunctionError, OutOfMemory, SignatureError


@pytest.fixture(autouse=True)
def own_registry(registry):
    """What is decorated here is forgotten afterwards."""


def user(name, type_):
    return f'(import "extism:host/user" "{name}" (func ${name} {type_}))'


def shouting(f, **options):
    """A plug-in whose `run` gives its input to `f` as a handle and outputs the block that comes back."""
    return extism.Plugin(SHOUT, functions=[host_fn(name="shout", **options)(f)])


def reading(f, type_, push):
    """A plug-in whose `run` calls `f`, which takes one number, with what `push` pushes."""
    text = wat(f'(func (export "run") (call $f {push}))', before=user("f", f"(param {type_})"))
    return extism.Plugin(text, functions=[host_fn(name="f")(f)])


def giving(f, type_, store):
    """A plug-in whose `run` outputs the number that `f` gives, stored as `store` says."""
    text = wat(
        f'(func (export "run") (call $give_i64 {store}))', before=user("f", f"(result {type_})")
    )
    return extism.Plugin(text, functions=[host_fn(name="f")(f)])


@dataclass
class Point:
    x: int
    y: float = 0.5


@dataclass
class Shape:
    name: str
    points: list[Point]
    centre: Point | None = None
    named: dict[str, Point] = field(default_factory=dict)


class Model:
    """What pydantic's models look like from outside."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def model_validate_json(cls, data):
        return cls(json.loads(data)["value"])

    def model_dump_json(self):
        return json.dumps({"value": self.value})


PARAMETERS = [
    pytest.param(str, "grüß".encode(), "grüß", id="str"),
    pytest.param(bytes, b"\0\xff", b"\0\xff", id="bytes"),
    pytest.param(Annotated[dict, Json], b'{"a": [1]}', {"a": [1]}, id="Json"),
    pytest.param(Annotated[Any, Json()], b"null", None, id="Json of an instance"),
    pytest.param(Annotated[list, Pickle(trusted=True)], pickle.dumps([1, 2]), [1, 2], id="Pickle"),
    pytest.param(Annotated[int, Codec(int)], b" 42 ", 42, id="Codec"),
    pytest.param(Point, b'{"x": 3}', Point(3), id="dataclass"),
    pytest.param(Annotated[Point, Json], b'{"x": 3, "y": 1}', Point(3, 1), id="dataclass as Json"),
    pytest.param(
        Shape,
        b'{"name": "s", "points": [{"x": 1}], "centre": {"x": 2}, "named": {"a": {"x": 3}}}',
        Shape("s", [Point(1)], Point(2), {"a": Point(3)}),
        id="nested dataclasses",
    ),
    pytest.param(Optional[str], b"text", "text", id="Optional"),  # noqa: UP045 - the old form too
    pytest.param(str | None, b"text", "text", id="or None"),
]


@pytest.mark.parametrize(("annotation", "sent", "expected"), PARAMETERS)
def test_a_block_becomes_a_parameter(annotation, sent, expected):
    """What the guest sends as a handle arrives as what the annotation says."""
    seen = []

    def f(value) -> str:
        seen.append(value)
        return ""

    f.__annotations__["value"] = annotation
    with shouting(f) as plugin:
        plugin.call("run", sent)

    assert seen == [expected]


@pytest.mark.parametrize(
    ("annotation", "expected"), [(str, ""), (bytes, b""), (str | None, None), (Point | None, None)]
)
def test_the_null_handle_is_empty_or_none(annotation, expected):
    """0 is the empty text; where the annotation allows None it is that."""
    seen = []

    def f(value) -> None:
        seen.append(value)

    f.__annotations__["value"] = annotation
    with reading(f, "i64", "(i64.const 0)") as plugin:
        plugin.call("run", "")

    assert seen == [expected]


@pytest.mark.parametrize(
    ("annotation", "type_", "push", "expected"),
    [
        (int, "i64", "(i64.const -7)", -7),
        (int, "i64", "(i64.const 0x8000000000000000)", -(2**63)),
        (int, "i64", "(i64.const 512)", 512),
        (Annotated[int, Raw], "i64", "(i64.const 9)", 9),
        (int | None, "i64", "(i64.const 5)", 5),
        (int | None, "i64", "(i64.const 0)", None),
        (float, "f64", "(f64.const 0.1)", 0.1),
        (float, "f64", "(f64.const -inf)", float("-inf")),
        (bool, "i32", "(i32.const 2)", True),
        (bool, "i32", "(i32.const 0)", False),
    ],
)
def test_a_number_becomes_a_parameter(annotation, type_, push, expected):
    """Numbers cross as they are; an int is the signed i64 itself, never a handle."""
    seen = []

    def f(value) -> None:
        seen.append(value)

    f.__annotations__["value"] = annotation
    with reading(f, type_, push) as plugin:
        plugin.call("run", "")

    assert (seen, type(seen[0])) == ([expected], type(expected))


RESULTS = [
    pytest.param(str, "grüß", "grüß".encode(), id="str"),
    pytest.param(str, "", b"", id="empty str"),
    pytest.param(bytes, b"\0\xff", b"\0\xff", id="bytes"),
    pytest.param(bytes, bytearray(b"abc"), b"abc", id="bytearray"),
    pytest.param(Annotated[dict, Json], {"a": [1]}, b'{"a": [1]}', id="Json"),
    pytest.param(
        Annotated[Any, Json], [Point(1)], b'[{"x": 1, "y": 0.5}]', id="Json of dataclasses"
    ),
    pytest.param(Annotated[list, Pickle], [1, 2], pickle.dumps([1, 2]), id="Pickle"),
    pytest.param(Annotated[str, Codec(str.encode)], "text", b"text", id="Codec"),
    pytest.param(Annotated[list, Codec(bytearray)], [1, 2], b"\1\2", id="Codec to a bytearray"),
    pytest.param(int, 7, struct.pack("<q", 7), id="int"),
    pytest.param(int, -7, struct.pack("<q", -7), id="negative int"),
    pytest.param(Point, Point(1), b'{"x": 1, "y": 0.5}', id="dataclass"),
    pytest.param(Model, Model(3), b'{"value": 3}', id="model"),
    pytest.param(str | None, None, b"", id="None"),
    pytest.param(str | None, "text", b"text", id="text or None"),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), RESULTS)
def test_a_result_becomes_a_block(annotation, value, expected):
    """What the function returns lies in a block whose handle the guest gets; an int in 8 bytes."""

    def f(_: str):
        return value

    f.__annotations__["return"] = annotation
    with shouting(f) as plugin:
        assert plugin.call("run", "x") == expected


@pytest.mark.parametrize(
    ("annotation", "value", "type_", "store", "expected"),
    [
        (Annotated[int, Raw], -5, "i64", "(call $f)", -5),
        (Annotated[int, Raw()], 2**64 - 5, "i64", "(call $f)", -5),
        (bool, True, "i32", "(i64.extend_i32_u (call $f))", 1),
        (bool, False, "i32", "(i64.extend_i32_u (call $f))", 0),
        (float, 2.5, "f64", "(i64.reinterpret_f64 (call $f))", 0x4004000000000000),
        (float, 2, "f64", "(i64.trunc_f64_s (call $f))", 2),
        (str | None, None, "i64", "(call $f)", 0),
    ],
)
def test_a_number_is_a_result_as_it_is(annotation, value, type_, store, expected):
    """Raw ints, bools and floats are the value itself."""

    def f():
        return value

    f.__annotations__["return"] = annotation
    with giving(f, type_, store) as plugin:
        assert int.from_bytes(plugin.call("run", ""), "little", signed=True) == expected


def test_a_model_is_read_by_its_own_method():
    """Whatever has model_validate_json and model_dump_json crosses as JSON."""

    def f(model: Model) -> Model:
        return Model(model.value + 1)

    with shouting(f) as plugin:
        assert plugin.call("run", b'{"value": 41}') == b'{"value": 42}'


def test_a_tuple_is_several_results():
    """Each item is one wasm result, by the rules for its type."""

    def f() -> tuple[str, float, Annotated[int, Raw], bool]:
        return "text", 1.5, 7, True

    text = wat(
        """(func (export "run") (local $h i64) (local $f f64) (local $n i64) (local $b i32)
          (call $f) (local.set $b) (local.set $n) (local.set $f) (local.set $h)
          (if (i32.eqz (i32.and (local.get $b) (i32.and (i64.eq (local.get $n) (i64.const 7))
                (f64.eq (local.get $f) (f64.const 1.5))))) (then unreachable))
          (call $give (local.get $h)))""",
        before=user("f", "(result i64 f64 i64 i32)"),
    )
    with extism.Plugin(text, functions=[host_fn(name="f")(f)]) as plugin:
        assert plugin.call("run", "") == b"text"


def test_none_is_no_result():
    """`-> None`, and no annotation of the result, mean a function without one."""

    def f(value: int) -> None: ...

    def g(value: int): ...

    assert [host_fn(name="f")(each).returns for each in (f, g)] == [[], []]


def test_string_annotations_work():
    """This file's own annotations are texts, as `from __future__ import annotations` makes them."""

    @host_fn()
    def shout(text: str) -> str:
        return text.upper()

    assert shout.args == [ValType.I64.value]
    with extism.Plugin(SHOUT, functions=[shout]) as plugin:
        assert plugin.call("run", "loud") == b"LOUD"


def test_a_decorated_function_is_still_the_function():
    """It can be called as before, and keeps its name and text."""

    @host_fn()
    def shout(text: str) -> str:
        """Make it loud."""
        return text.upper()

    assert (shout("x"), shout.__name__, shout.__doc__) == ("X", "shout", "Make it loud.")
    assert repr(shout) == "<Function extism:host/user::shout (i64) -> (i64)>"


def test_the_decorator_works_without_parentheses():
    """`@host_fn` is `@host_fn()`, where upstream would register nothing."""

    @host_fn
    def shout(text: str) -> str:
        return text.upper()

    with extism.Plugin(SHOUT, functions=[shout]) as plugin:
        assert plugin.call("run", "x") == b"X"


def test_name_and_namespace_are_what_the_plugin_imports():
    """Both can be chosen; the same name in another namespace is another function."""

    @host_fn(name="f", namespace="one")
    def first(n: int) -> Annotated[int, Raw]:
        return n + 1

    @host_fn(name="f", namespace="two")
    def second(n: int) -> Annotated[int, Raw]:
        return n * 10

    text = wat(
        '(func (export "run") (call $give_i64 (call $g (call $f (i64.const 3)))))',
        before="""(import "one" "f" (func $f (param i64) (result i64)))
                  (import "two" "f" (func $g (param i64) (result i64)))""",
    )
    with extism.Plugin(text, functions=[first, second]) as plugin:
        assert plugin.call("run", "")[0] == 40


def test_of_two_functions_with_one_name_the_last_wins():
    """As upstream."""
    functions = [
        host_fn(name="shout")(f)
        for f in (lambda text: "first", lambda text: "second")
        if not f.__annotations__.update({"text": str, "return": str})
    ]
    with extism.Plugin(SHOUT, functions=functions) as plugin:
        assert plugin.call("run", "x") == b"second"


# ---------------------------------------------------------------- the explicit style


def test_an_explicit_function_gets_and_gives_vals():
    """Inputs are `Val`s, results are assigned to the outputs."""
    seen = []

    @host_fn(signature=([ValType.I64], [ValType.I64]))
    def shout(plugin, inputs, outputs):
        seen.extend(inputs)
        plugin.return_string(outputs[0], plugin.input_string(inputs[0]).upper())

    with extism.Plugin(SHOUT, functions=[shout]) as made:
        assert made.call("run", "text") == b"TEXT"
    assert seen == [Val(ValType.I64, seen[0].value)]
    assert ValType.PTR is ValType.I64


NUMBERS = [
    ("i32", ValType.I32, "(i32.const -3)", -3, "(i64.extend_i32_s (call $f (i32.const -3)))"),
    ("i64", ValType.I64, "(i64.const -3)", -3, "(call $f (i64.const -3))"),
    ("f32", ValType.F32, "(f32.const -3)", -3.0, "(i64.trunc_f32_s (call $f (f32.const -3)))"),
    ("f64", ValType.F64, "(f64.const -3)", -3.0, "(i64.trunc_f64_s (call $f (f64.const -3)))"),
]


@pytest.mark.parametrize(("name", "kind", "push", "expected", "store"), NUMBERS)
def test_every_number_type_crosses_explicitly(name, kind, push, expected, store):
    """All four come as Python numbers, integers signed, and go back."""
    seen = []

    @host_fn(name="f", signature=([kind], [kind]))
    def f(plugin, inputs, outputs):
        seen.append(inputs[0].value)
        outputs[0] = Val(kind, inputs[0].value)

    text = wat(
        f'(func (export "run") (call $give_i64 {store}))',
        before=user("f", f"(param {name}) (result {name})"),
    )
    with extism.Plugin(text, functions=[f]) as plugin:
        result = plugin.call("run", "")

    assert (seen, type(seen[0])) == ([expected], type(expected))
    assert int.from_bytes(result, "little", signed=True) == -3


def explicit(f, kind="i64", value_type=ValType.I64):
    text = wat('(func (export "run") (drop (call $f)))', before=user("f", f"(result {kind})"))
    function = host_fn(name="f", signature=([], [value_type]))(f)
    return extism.Plugin(text, functions=[function])


@pytest.mark.parametrize(
    ("kind", "value_type", "value", "cause"),
    [
        ("i64", ValType.I64, 2**70, OverflowError),
        ("i64", ValType.I64, 2**64, OverflowError),
        ("i64", ValType.I64, -(2**63) - 1, OverflowError),
        ("i32", ValType.I32, 2**32, OverflowError),
        ("f32", ValType.F32, 1e300, OverflowError),
        ("i64", ValType.I64, "7", TypeError),
        ("i64", ValType.I64, 7.0, TypeError),
        ("i64", ValType.I64, None, TypeError),
        ("f64", ValType.F64, "7", TypeError),
    ],
)
def test_a_result_that_is_no_such_number_is_an_error(kind, value_type, value, cause):
    """What does not fit is refused and never cut."""

    def f(plugin, inputs, outputs):
        outputs[0].value = value

    with explicit(f, kind, value_type) as plugin, pytest.raises(HostFunctionError) as caught:
        plugin.call("run", "")

    assert type(caught.value.__cause__) is cause


def test_a_result_may_be_given_in_either_sign():
    """An i64 of 2^64 - 1 is -1."""

    def f(plugin, inputs, outputs):
        outputs[0].value = 2**64 - 1

    with explicit(f) as plugin:
        assert plugin.call("run", "") == b""


@pytest.mark.parametrize("change", ["more", "less", "other type"])
def test_outputs_that_are_not_the_signatures_are_refused(change):
    """Their number and types stay as declared."""

    def f(plugin, inputs, outputs):
        if change == "more":
            outputs.append(Val(ValType.I64, 1))
        elif change == "less":
            outputs.clear()
        else:
            outputs[0] = Val(ValType.F64, 1.0)

    with explicit(f) as plugin, pytest.raises(HostFunctionError, match="Output type mismatch"):
        plugin.call("run", "")


@pytest.mark.parametrize("kind", [ValType.V128, ValType.FUNC_REF, ValType.EXTERN_REF])
@pytest.mark.parametrize("place", ["parameter", "result"])
def test_a_type_that_python_cannot_hold_is_refused_at_decoration(kind, place):
    """Vectors and references are no values of a host function."""
    signature = ([kind], []) if place == "parameter" else ([], [kind])
    with pytest.raises(SignatureError) as caught:
        host_fn(name="f", signature=signature)(lambda *_: None)

    assert (caught.value.function, caught.value.parameter) == ("extism:host/user::f", place)


def test_a_function_can_be_made_without_the_decorator():
    """`Function` takes the same things, and registers nothing."""

    def f(plugin, inputs, outputs, suffix):
        plugin.return_string(outputs[0], plugin.input_string(inputs[0]) + suffix)

    function = Function(None, "shout", [ValType.I64], [ValType.I64], f, "!")
    with extism.Plugin(SHOUT, functions=[function]) as plugin:
        assert plugin.call("run", "text") == b"text!"
    assert extism.HOST_FN_REGISTRY == []


@pytest.mark.parametrize(
    ("user_data", "expected"),
    [(b"bytes", (b"bytes",)), (["a", 1], ("a", 1)), ([], ()), (None, ())],
)
def test_user_data_follows_the_arguments(user_data, expected):
    """A list is handed on item by item, bytes as one, in both styles; the list stays as it was."""
    seen = []
    before = list(user_data) if isinstance(user_data, list) else user_data

    def inferred(text: str, *extra) -> str:
        seen.append(extra)
        return text

    def explicitly(plugin, inputs, outputs, *extra):
        seen.append(extra)

    with shouting(inferred, user_data=user_data) as plugin:
        plugin.call("run", "x")
    signature = ([ValType.I64], [ValType.I64])
    with shouting(explicitly, user_data=user_data, signature=signature) as plugin:
        plugin.call("run", "x")

    assert seen == [expected, expected]
    assert user_data == before


# ---------------------------------------------------------------- what cannot be typed


def no_hints(a, b): ...


def a_dict(a: dict) -> None: ...


def two_arms(a: int | str) -> None: ...


def a_set_result(a: int) -> set: ...


def untrusted(a: Annotated[list, Pickle]) -> None: ...


def bare_parameter(a: int, b) -> None: ...


def keyword_only(a: int, *, b: int) -> None: ...


def keyword_default(a: int, *, b: int = 1) -> None: ...


def starred(*a: int) -> None: ...


def double_starred(a: int, **b: int) -> None: ...


def logged(f):
    """What decorators of applications look like."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    return wrapper


@logged
def logged_starred(*a: int) -> None: ...


def unknown_name(a: "Nowhere") -> None: ...  # noqa: F821, UP037 - the case


def late_plugin(a: int, plugin: CurrentPlugin) -> None: ...


def bare_before(a=1, b: int = 2) -> None: ...


@pytest.mark.parametrize(
    ("f", "parameter", "text"),
    [
        (no_hints, "", "Host function must include Python type annotations"),
        (a_dict, "a", "Could not infer input type for argument a: dict has no WebAssembly form"),
        (two_arms, "a", "Could not infer input type for argument a"),
        (a_set_result, "return", "Could not infer return type"),
        (untrusted, "a", "Pickle(trusted=True)"),
        (bare_parameter, "b", "b has no annotation"),
        (keyword_only, "b", "keyword-only"),
        (keyword_default, "b", "b may not have an annotation"),
        (starred, "a", "a fixed number of values, *a is any number"),
        (double_starred, "b", "a fixed number of values, **b is any number"),
        (logged_starred, "a", "a fixed number of values, *a is any number"),
        (unknown_name, "", "cannot be read"),
        (late_plugin, "plugin", "Could not infer input type for argument plugin"),
        (bare_before, "a", "a has no annotation, so it cannot come before b"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_typed_is_refused_at_decoration(f, parameter, text):
    """The error names the function and the parameter, before any plug-in runs."""
    with pytest.raises(SignatureError) as caught:
        host_fn()(f)

    assert text in str(caught.value)
    assert (caught.value.function, caught.value.parameter) == (
        f"extism:host/user::{f.__name__}",
        parameter,
    )
    assert isinstance(caught.value, TypeError)
    assert extism.HOST_FN_REGISTRY == []


def test_a_parameter_with_a_default_may_stay_bare():
    """It is no parameter of the wasm function."""

    @host_fn()
    def shout(text: str, mark="!") -> str:
        return text + mark

    with extism.Plugin(SHOUT, functions=[shout]) as plugin:
        assert plugin.call("run", "x") == b"x!"


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_a_name_that_no_module_can_spell_is_refused(name):
    """Imports are UTF-8."""
    with pytest.raises(SignatureError, match="no module can import"):
        host_fn(name=name, signature=([], []))(lambda *_: None)


def test_an_import_of_another_type_is_a_link_error():
    """The types of the function and of the import are shown side by side."""

    @host_fn()
    def shout(number: float) -> None: ...

    with pytest.raises(extism.errors.LinkError) as caught:
        extism.Plugin(SHOUT, functions=[shout])

    assert (
        "types incompatible: expected type `(func (param i64) (result i64))`, "
        "found type `(func (param f64))`"
    ) in str(caught.value)


# ---------------------------------------------------------------- what goes wrong in a call


class Boom(Exception):
    pass


@pytest.mark.parametrize("exception", [Boom("broken"), ValueError("broken"), KeyError("broken")])
def test_an_exception_fails_the_call_and_is_its_cause(exception):
    """The call raises HostFunctionError that names the function; the original is `__cause__`."""

    def f(text: str) -> str:
        raise exception

    with shouting(f) as plugin:
        with pytest.raises(HostFunctionError) as caught:
            plugin.call("run", "x")

        assert caught.value.__cause__ is exception
        kind = type(exception).__name__
        assert (
            str(caught.value) == f"host function extism:host/user::shout raised {kind}: {exception}"
        )
        assert (caught.value.function, caught.value.exit_code) == ("run", -1)


def test_an_exception_without_a_text_is_named():
    """The class alone is shown, without a dangling colon."""

    def f(text: str) -> str:
        raise Boom

    with shouting(f) as plugin, pytest.raises(HostFunctionError, match=r"raised Boom$"):
        plugin.call("run", "x")


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit(3), GeneratorExit])
def test_what_is_no_exception_passes_through_unchanged(exception):
    """KeyboardInterrupt and its kind reach the caller as they are; the plug-in lives on."""
    raising = [exception]

    def f(text: str) -> str:
        if raising:
            raise raising.pop()
        return text

    kind = exception if isinstance(exception, type) else type(exception)
    with shouting(f) as plugin:
        with pytest.raises(kind) as caught:
            plugin.call("run", "x")

        assert caught.type is kind
        assert plugin.call("run", "again") == b"again"


def test_the_guest_does_not_go_on_after_an_exception():
    """Nothing of the guest runs behind the failed call."""
    text = wat(
        """(global $n (mut i64) (i64.const 0))
           (func (export "run") (call $f) (global.set $n (i64.const 1)))
           (func (export "n") (call $give_i64 (global.get $n)))""",
        before=user("f", ""),
    )

    @host_fn()
    def f() -> None:
        raise Boom

    with extism.Plugin(text, functions=[f]) as plugin:
        with pytest.raises(HostFunctionError):
            plugin.call("run", "")

        assert plugin.call("n", "") == bytes(8)


def test_a_guest_text_goes_along_as_a_note():
    """What the plug-in had set as error is not lost, nor where it was, if its functions have names."""
    text = wat(
        """(func $deep (call $f))
           (func $run (export "run") (call $error_set (call $input_offset)) (call $deep))""",
        before=user("f", ""),
    )

    @host_fn()
    def f() -> None:
        raise Boom

    with extism.Plugin(text, functions=[f]) as plugin, pytest.raises(HostFunctionError) as caught:
        plugin.call("run", "what the guest thought")

    assert any("what the guest thought" in note for note in caught.value.__notes__)
    assert any("!deep" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("annotation", "sent", "cause"),
    [
        (str, b"\xff", UnicodeDecodeError),
        (Annotated[dict, Json], b"{", json.JSONDecodeError),
        (Annotated[list, Json], b"[" * 200_000, RecursionError),
        (Annotated[int, Codec(int)], b"x", ValueError),
        (Annotated[int, Codec(lambda data: {}[data])], b"x", KeyError),
        (Point, b"[1]", TypeError),
        (Point, b'{"x": 1, "z": 2}', TypeError),
        (Point, b"{}", TypeError),
    ],
)
def test_a_wrong_value_from_the_guest_names_the_parameter(annotation, sent, cause):
    """What cannot be read fails the call; function and parameter are told, the reason is the cause."""

    def f(value) -> str:
        raise AssertionError("is not called")

    f.__annotations__["value"] = annotation
    with shouting(f) as plugin, pytest.raises(HostFunctionError) as caught:
        plugin.call("run", sent)

    wrong = caught.value.__cause__
    assert isinstance(wrong, SignatureError)
    assert (wrong.function, wrong.parameter) == ("extism:host/user::shout", "value")
    assert "wrong value as value of extism:host/user::shout" in str(caught.value)
    assert isinstance(wrong.__cause__, cause)


def test_a_decorated_function_has_the_types_of_the_one_inside():
    """A decorator that keeps the annotations may come between."""

    @host_fn(name="shout")
    @logged
    def f(text: str) -> str:
        return text.upper()

    with extism.Plugin(SHOUT, functions=[f]) as plugin:
        assert plugin.call("run", "abc") == b"ABC"
    assert f("abc") == "ABC"


def test_a_decorator_may_change_what_the_plugin_passes():
    """Annotations say what crosses, whatever the function inside takes: applications pack arguments so."""

    def unpacked(f):
        f.__annotations__ = {"pair": Annotated[dict, Json], "return": str}

        @functools.wraps(f)
        def wrapper(*args):
            return f(**args[0])

        return wrapper

    @host_fn(name="shout")
    @unpacked
    def f(key: str, value: str) -> str:
        return f"{key}={value}"

    with extism.Plugin(SHOUT, functions=[f]) as plugin:
        assert plugin.call("run", '{"key": "a", "value": "b"}') == b"a=b"


def test_a_decorators_own_names_mean_nothing():
    """The function inside may call its parameters as the decorator calls its catch-all."""

    @host_fn(name="shout")
    @logged
    def f(kwargs: str, args: str = "!") -> str:
        return kwargs + args

    text = wat(
        """(func (export "run")
          (call $give (call $shout (call $copy_input) (call $copy_input))))""",
        before=user("shout", "(param i64 i64) (result i64)"),
    )
    with extism.Plugin(text, functions=[f]) as plugin:
        assert plugin.call("run", "ab") == b"abab"


def test_methods_can_be_decorated():
    """Applications decorate the methods of an object that holds their state."""

    class Greeter:
        greeting = "hello"

        def shout(self, name: str) -> str:
            return f"{self.greeting} {name}"

    with extism.Plugin(SHOUT, functions=[host_fn()(Greeter().shout)]) as plugin:
        assert plugin.call("run", "Ada") == b"hello Ada"


def test_an_annotation_of_nothing_is_refused():
    """What is annotated must be something that the function takes."""

    def f(text: str) -> str:
        return text

    f.__annotations__["other"] = str
    with pytest.raises(
        SignatureError, match="other has an annotation, but is no parameter"
    ) as caught:
        host_fn()(f)

    assert caught.value.parameter == "other"


@pytest.mark.parametrize("handle", [1, 513, 4096, -1, 2**40, 2**63 - 1])
def test_a_wild_handle_is_refused(handle):
    """What is no live block is no parameter."""

    def f(value: bytes) -> None:
        raise AssertionError("is not called")

    with (
        reading(f, "i64", f"(i64.const {handle})") as plugin,
        pytest.raises(HostFunctionError, match="invalid handle offset"),
    ):
        plugin.call("run", "")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, b"bytes"),
        (str, None),
        (str, 7),
        (bytes, "text"),
        (int, "7"),
        (int, 2**64),
        (int, None),
        (bool, 1),
        (float, "1"),
        (Annotated[Any, Json], 1j),
        (Point, {"x": 1}),
        (Model, 3),
        (tuple[str, str], ("one",)),
        (tuple[str, str], "abc"),
        (tuple[str, str], None),
        (str, "\ud800"),
    ],
    ids=repr,
)
def test_a_wrong_result_is_an_error(annotation, value):
    """A function that returns something else than it says fails the call."""

    def f():
        return value

    f.__annotations__["return"] = annotation
    function = host_fn(name="f")(f)
    kinds = {0: "i32", 1: "i64", 2: "f32", 3: "f64"}
    results = " ".join(kinds[kind] for kind in function.returns)
    drops = "(drop)" * len(function.returns)
    text = wat(f'(func (export "run") (call $f) {drops})', before=user("f", f"(result {results})"))
    with (
        extism.Plugin(text, functions=[function]) as plugin,
        pytest.raises(HostFunctionError, match="returned a wrong value") as caught,
    ):
        plugin.call("run", "")

    assert isinstance(caught.value.__cause__, SignatureError)
    assert caught.value.__cause__.parameter == "return"


def test_a_result_too_large_for_the_plugin_is_out_of_memory(plugin):
    """The limit of the manifest holds for what the host gives too."""

    @host_fn(name="shout")
    def shout(text: str) -> bytes:
        return bytes(10 << 20)

    made = plugin(SHOUT, functions=[shout], memory={"max_pages": 16})
    with pytest.raises(OutOfMemory, match="oom"):
        made.call("run", "x")


# ---------------------------------------------------------------- the current plug-in


def with_current(f, text=SHOUT):
    function = Function(None, "shout", [ValType.I64], [ValType.I64], f)
    return extism.Plugin(text, functions=[function])


@pytest.mark.same_process("live views of memory")
def test_memory_is_read_and_written_in_place():
    """`memory` is a view of the block; assigning to it changes the guest's bytes."""

    def f(plugin, inputs, outputs):
        memory = plugin.memory_at_offset(inputs[0])
        view = plugin.memory(memory)
        view[:4] = b"LOUD"
        assert (len(memory), memory.length, bytes(view)) == (6, 6, b"LOUDer")
        outputs[0].value = memory.offset

    with with_current(f) as plugin:
        assert plugin.call("run", "louder") == b"LOUDer"


@pytest.mark.same_process("live views of memory")
def test_blocks_can_be_made_and_freed():
    """`alloc` gives zero bytes, `free` takes a block back, lengths are told."""

    def f(plugin, inputs, outputs):
        block = plugin.alloc(100)
        assert (bytes(plugin.memory(block)), block.length) == (bytes(100), 100)
        plugin.free(block)
        assert plugin.memory_at_offset(block.offset).length == 0
        plugin.free(block)
        nothing = plugin.alloc(0)
        assert (nothing.offset, nothing.length, bytes(plugin.memory(nothing))) == (0, 0, b"")
        plugin.return_bytes(outputs[0], b"\0\1")

    with with_current(f) as plugin:
        assert plugin.call("run", "x") == b"\0\1"


@pytest.mark.same_process("live views of memory")
def test_inputs_are_read_in_three_ways():
    """As a view, as bytes, as text."""

    def f(plugin, inputs, outputs):
        assert plugin.input_buffer(inputs[0])[:] == plugin.input_bytes(inputs[0])
        assert plugin.input_bytes(inputs[0]) == "ä".encode()
        assert plugin.input_string(inputs[0]) == "ä"
        outputs[0].value = inputs[0].value

    with with_current(f) as plugin:
        assert plugin.call("run", "ä") == "ä".encode()


@pytest.mark.parametrize("handle", [1, 513, -1, 2**40, 2**63 - 1])
@pytest.mark.same_process("live views of memory")
def test_a_made_up_handle_has_no_bytes(handle):
    """Reading gives nothing, as upstream; writing past the memory is an IndexError."""

    def f(plugin, inputs, outputs):
        assert plugin.memory_at_offset(handle).length == 0
        assert plugin.input_bytes(Val(ValType.I64, handle)) == b""
        plugin.free(extism.Memory(handle, 3))
        with pytest.raises(IndexError):
            plugin.memory(extism.Memory(handle, 2**40))
        outputs[0].value = inputs[0].value

    with with_current(f) as plugin:
        assert plugin.call("run", "x") == b"x"


@pytest.mark.parametrize(
    ("size", "error"), [(-1, OverflowError), (1 << 40, OutOfMemory), (1 << 70, OutOfMemory)]
)
def test_an_absurd_block_is_refused(size, error):
    """A negative size and one that no memory holds raise in the host function."""

    def f(plugin, inputs, outputs):
        with pytest.raises(error):
            plugin.alloc(size)
        outputs[0].value = inputs[0].value

    with with_current(f) as plugin:
        assert plugin.call("run", "x") == b"x"


def test_the_current_plugin_dies_with_its_call():
    """One that was kept cannot reach into a later call."""
    kept = []

    def f(plugin, inputs, outputs):
        kept.append(plugin)
        outputs[0].value = inputs[0].value

    with with_current(f) as plugin:
        plugin.call("run", "x")
        for use in (
            lambda: kept[0].alloc(1),
            lambda: kept[0].memory_at_offset(512),
            lambda: kept[0].memory(extism.Memory(512, 1)),
            lambda: kept[0].free(extism.Memory(512, 1)),
            kept[0].host_context,
            lambda: kept[0].return_string(Val(ValType.I64, 0), "x"),
            kept[0].time_remaining,
        ):
            with pytest.raises(CallError, match="is over"):
                use()


def test_the_host_context_is_the_callers_object():
    """It goes from `call` to the host function, and is gone in the next call."""
    seen = []

    def f(plugin: CurrentPlugin, text: str) -> str:
        seen.append(plugin.host_context())
        return text

    context = object()
    with shouting(f) as plugin:
        plugin.call("run", "x", host_context=context)
        plugin.call("run", "x")

    assert seen == [context, None]


# ---------------------------------------------------------------- who gets what


def test_a_plugin_gets_what_it_is_given():
    """`functions=[]` gives nothing, whatever was decorated."""

    @host_fn()
    def shout(text: str) -> str:
        return text

    for functions in ([], None, ()):
        with pytest.raises(extism.errors.LinkError, match="`extism:host/user::shout`"):
            extism.Plugin(SHOUT, functions=functions)


@pytest.mark.same_process("the wrapper that isolates is a caller too")
def test_the_registry_serves_who_says_nothing_with_a_warning():
    """As upstream every decorated function is there; the warning says what to write."""

    @host_fn()
    def shout(text: str) -> str:
        return text.upper()

    with pytest.warns(UserWarning, match=r"say functions=\[shout\]") as caught:
        plugin = extism.Plugin(SHOUT)
    with plugin:
        assert plugin.call("run", "x") == b"X"
    assert caught[0].filename == __file__


def test_the_registry_is_silent_where_it_is_not_used():
    """A plug-in that imports none of the functions is made without a word."""

    @host_fn()
    def shout(text: str) -> str:
        return text

    with extism.Plugin(ECHO) as plugin:
        assert plugin.call("echo", "x") == b"x"


def test_one_function_serves_many_plugins():
    """The same Function may be given to any number of plug-ins, also from other threads."""

    @host_fn()
    def shout(text: str) -> str:
        return text.upper()

    plugins = [extism.Plugin(SHOUT, functions=[shout]) for _ in range(3)]
    found = []
    threads = [
        threading.Thread(target=lambda p=p, n=n: found.append(p.call("run", f"t{n}")))
        for n, p in enumerate(plugins)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [b"T0", b"T1", b"T2"]


def test_a_host_function_may_call_another_plugin():
    """Each finds its own call; blocks, contexts and errors are not mixed up."""

    @host_fn(name="shout")
    def inner(plugin: CurrentPlugin, text: str) -> str:
        assert plugin.host_context() == "inner"
        if text == "fail":
            raise Boom("inside")
        return f"<{text}>"

    with extism.Plugin(SHOUT, functions=[inner]) as second:

        @host_fn(name="shout")
        def outer(plugin: CurrentPlugin, text: str) -> str:
            answer = second.call("run", text, host_context="inner").decode()
            assert plugin.host_context() == "outer"
            return f"[{answer}]"

        with extism.Plugin(SHOUT, functions=[outer]) as first:
            assert first.call("run", "x", host_context="outer") == b"[<x>]"
            with pytest.raises(HostFunctionError) as caught:
                first.call("run", "fail", host_context="outer")

    inside = caught.value.__cause__
    assert isinstance(inside, HostFunctionError)
    assert isinstance(inside.__cause__, Boom)
    assert str(caught.value).count("raised") == 2


def test_an_error_of_another_plugin_can_be_handled():
    """A host function that catches what its own plug-in raised lets the outer call go on."""
    failing = extism.Plugin(wat('(func (export "run") (call $error_set (call $input_offset)))'))

    @host_fn(name="shout")
    def shout(text: str) -> str:
        try:
            failing.call("run", text)
        except GuestError as exc:
            return f"handled {exc}"
        raise AssertionError

    with extism.Plugin(SHOUT, functions=[shout]) as plugin:
        assert plugin.call("run", "it") == b"handled it"


def test_plugins_that_call_each_other_without_end_are_stopped():
    """After 16 calls inside each other an error surfaces, long before a stack is used up."""
    plugins = []

    @host_fn(name="shout")
    def shout(text: str) -> str:
        plugins.append(extism.Plugin(SHOUT, functions=[shout]))
        return plugins[-1].call("run", text).decode()

    plugins.append(extism.Plugin(SHOUT, functions=[shout]))
    with pytest.raises(HostFunctionError, match="no more may begin"):
        plugins[0].call("run", "x")

    assert len(plugins) == 16


def test_host_functions_serve_start_functions():
    """They work while the plug-in is made, with memory and all."""
    seen = []

    @host_fn()
    def tell(text: str) -> None:
        seen.append(text)

    text = wat(
        """(func $init (call $tell (call $put (i32.const 0) (i32.const 5))))
           (start $init) (data (i32.const 0) "ready") (func (export "ok"))""",
        before=user("tell", "(param i64)"),
    )
    with extism.Plugin(text, functions=[tell]) as plugin:
        assert (seen, plugin.call("ok", "")) == (["ready"], b"")


def test_a_host_function_that_fails_a_start_function_fails_creation():
    """The error is the same, with the words of creation before it."""

    @host_fn()
    def tell() -> None:
        raise Boom("not today")

    text = f"(module {user('tell', '')} (start $tell))"
    with pytest.raises(HostFunctionError) as caught:
        extism.Plugin(text, functions=[tell])

    assert str(caught.value).startswith("Unable to create Extism plugin: host function ")
    assert isinstance(caught.value.__cause__, Boom)
