"""`CurrentPlugin` beyond blocks: variables, configuration, error text, time, name, while the call lasts."""

from __future__ import annotations

import weakref

import pytest

import extism

GUEST = """
(module
  (import "extism:host/user" "ask" (func $ask))
  (import "extism:host/env" "error_get" (func $error (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (func (export "run") (call $ask))
  (func (export "idle"))
  (func (export "error") (call $ask) (call $output (call $error) (call $length (call $error)))))
"""


def plugin(body, **manifest):
    ask = extism.Function(None, "ask", [], [], lambda current, _inputs, _outputs: body(current))
    return extism.Plugin({"wasm": [{"data": GUEST.encode()}], **manifest}, functions=[ask])


def test_an_error_text_set_by_the_host_is_the_call_s_error():
    """Though the host function returns normally, the call fails with its text."""
    with (
        plugin(lambda current: current.set_error("TEST")) as made,
        pytest.raises(extism.errors.GuestError) as caught,
    ):
        made.call("run", "")

    assert str(caught.value) == "TEST"


def test_an_error_text_can_be_taken_back():
    """The empty text means none, and the call goes well."""

    def body(current):
        current.set_error("never mind")
        current.set_error("")

    with plugin(body) as made:
        assert made.call("run", "") == b""


def test_the_guest_sees_the_error_text_of_the_host():
    """`error_get` gives the block that the host function made."""
    with (
        plugin(lambda current: current.set_error("seen")) as made,
        pytest.raises(extism.errors.GuestError, match=r"^seen$"),
    ):
        made.call("error", "")


def test_variables_configuration_and_name_are_the_plugin_s_own():
    """What a host function changes the plugin keeps; secrets are readable for the host."""
    seen = {}

    def body(current):
        seen.update(config=current.config("k"), missing=current.config("none"), id=current.id)
        current.vars["count"] = str(len(current.vars)).encode()

    with plugin(body, config={"k": extism.Secret("hidden")}) as made:
        made.call("run", "")
        kept, own = dict(made.vars), made.id

    assert seen == {"config": "hidden", "missing": None, "id": own}
    assert kept == {"count": b"0"}


def test_time_remaining_is_what_the_call_has_left():
    """None without a limit; else it only shrinks."""
    seen = []
    with plugin(lambda current: seen.append(current.time_remaining())) as made:
        made.call("run", "")
        made.call("run", "", timeout=60)

    assert seen[0] is None
    assert 50 < seen[1] <= 60


@pytest.mark.parametrize(
    "use",
    [
        lambda current: current.vars,
        lambda current: current.config("k"),
        lambda current: current.set_error("late"),
        lambda current: current.id,
        lambda current: current.host_context(),
    ],
    ids=["vars", "config", "set_error", "id", "host_context"],
)
def test_nothing_works_once_the_call_is_over(use):
    """A `CurrentPlugin` that was kept reaches into no later call."""
    kept = []
    with plugin(kept.append) as made:
        made.call("run", "")
        with pytest.raises(extism.errors.CallError, match="over"):
            use(kept[0])


def test_nothing_of_an_earlier_call_works_in_a_later_one():
    """Each call has its own `CurrentPlugin`, also where calls in between asked for none."""
    kept, told = [], []

    def look(current):
        kept.append(current)
        try:
            told.append(kept[0].host_context())
        except extism.errors.CallError as exc:
            told.append(str(exc))

    with plugin(look) as made:
        for context in ("first", "second"):
            made.call("run", "", host_context=context)
            made.call("idle", "", host_context="idle")

    assert told == ["first", "the call that this belongs to is over"]
    assert kept[0] is not kept[1]


def test_a_call_keeps_nothing_alive():
    """Not its input, and not the caller's object, although what the guest is handed is used again."""

    class Thing:
        pass

    class Data(bytearray):
        pass

    with plugin(lambda current: None) as made:
        for name in ("run", "idle"):
            thing, data = Thing(), Data(b"input")
            gone = [weakref.ref(thing), weakref.ref(data)]
            made.call(name, data, host_context=thing)
            del thing, data

            assert [each() for each in gone] == [None, None], name
