"""How a call can end badly, and what its caller sees."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from wat_guests import STATEFUL, UNREACHABLE, wat

import extism
from extism.errors import (
    Error,
    GuestError,
    GuestExit,
    Trap,
)

SAYS = wat("""
    (func (export "zero") (result i32) (call $error_set (call $input_offset)) (i32.const 0))
    (func (export "one") (result i32) (call $error_set (call $input_offset)) (i32.const 1))
    (func (export "none") (call $error_set (call $input_offset)))
    (func (export "trap") (call $error_set (call $input_offset)) unreachable)
    (func (export "cleared") (call $error_set (call $input_offset)) (call $error_set (i64.const 0))
                             (call $give (call $input_offset)))
    (func (export "interior")
      (call $error_set (i64.add (call $input_offset) (i64.const 1)))
      (call $give (call $input_offset)))
    (func (export "freed")
      (call $error_set (call $input_offset)) (call $free (call $input_offset)))
    (func (export "wild") (call $error_set (i64.const -1)) (call $give (call $input_offset)))
    (func (export "with_output") (result i32)
      (call $give (call $input_offset)) (call $error_set (call $input_offset)) (i32.const 0))""")

CODES = wat("""
    (func (export "seven") (result i32) (call $give (call $input_offset)) (i32.const 7))
    (func (export "minus") (result i32) (i32.const -1))
    (func (export "zero") (result i32) (i32.const 0))""")

TRAPS = {
    "unreachable": "unreachable",
    "memory out of bounds": "(drop (i32.load (i32.const 65536)))",
    "table out of bounds": "(drop (table.get (i32.const 9)))",
    "indirect call to null": "(call_indirect (i32.const 0))",
    "indirect call type mismatch": "(call_indirect (param i32) (i32.const 0) (i32.const 1))",
    "integer divide by zero": "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
    "integer overflow": "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
    "invalid conversion to integer": "(drop (i32.trunc_f32_s (f32.const nan)))",
    "null reference": "(call_ref $plain (ref.null $plain))",
    "stack overflow": "(call $deep)",
}


@pytest.mark.parametrize("name", ["zero", "one", "none", "trap", "with_output"])
def test_a_text_that_the_guest_set_is_the_error(plugin, name):
    """Whatever else happened, return code and trap included, the guest's own words win."""
    with pytest.raises(GuestError) as caught:
        plugin(SAYS).call(name, "what went wrong")

    assert (str(caught.value), caught.value.message) == ("what went wrong",) * 2
    assert caught.value.function == name


@pytest.mark.parametrize(("name", "code"), [("zero", 0), ("one", 1), ("none", 0), ("trap", 134)])
def test_the_guests_return_code_is_kept(plugin, name, code):
    """`exit_code` is what the guest returned, 134 where it trapped."""
    with pytest.raises(GuestError) as caught:
        plugin(SAYS).call(name, "text")

    assert caught.value.exit_code == code


@pytest.mark.parametrize("name", ["cleared", "interior", "wild"])
def test_an_error_that_is_no_block_is_none(plugin, name):
    """A cleared error, a pointer into a block and a wild one do not make the call fail."""
    assert plugin(SAYS).call(name, "fine") == b"fine"


def test_a_freed_error_is_none(plugin):
    """The text has to be there when the call ends."""
    assert plugin(SAYS).call("freed", "gone") == b""


def test_an_error_does_not_outlive_its_call(plugin):
    """The next call begins without one."""
    made = plugin(SAYS)
    with pytest.raises(GuestError):
        made.call("none", "text")

    assert made.call("cleared", "fine") == b"fine"


def test_a_text_of_no_bytes_is_no_error(plugin):
    """Setting the handle of an empty input sets nothing."""
    assert plugin(SAYS).call("none", "") == b""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"before\0after", "before\0after"),
        (b"bad \xff byte", "bad \\xff byte"),
        ("süß 👋".encode(), "süß 👋"),
    ],
    ids=["NUL", "not UTF-8", "not ASCII"],
)
def test_every_byte_of_the_text_is_shown(plugin, text, shown):
    """Neither a NUL nor broken UTF-8 hides what the guest said."""
    with pytest.raises(GuestError) as caught:
        plugin(SAYS).call("one", text)

    assert str(caught.value) == shown


def test_a_text_without_end_is_cut(plugin):
    """64 KiB are shown, and how much is left out is said."""
    with pytest.raises(GuestError) as caught:
        plugin(SAYS).call("one", b"x" * 200_000)

    assert str(caught.value) == "x" * 65536 + "... (134464 bytes more)"


@pytest.mark.parametrize(("name", "code"), [("seven", 7), ("minus", -1)])
def test_a_return_code_without_a_text_is_an_error(plugin, name, code):
    """The text is upstream's, the number is there as a number too."""
    with pytest.raises(GuestError) as caught:
        plugin(CODES).call(name, "output that is discarded")

    assert (str(caught.value), caught.value.exit_code) == (f"Error code: {code}", code)


@pytest.mark.parametrize("kind", TRAPS)
def test_a_trap_says_which_rule_was_broken(plugin, kind):
    """The engine's word is in `kind`, the reason in the text, the code is 134."""
    made = plugin(
        wat(
            f"""
        (type $plain (func))
        (table 2 funcref) (elem (i32.const 1) $ok)
        (func $ok (export "ok"))
        (func $deep (call $deep))
        (func (export "run") {TRAPS[kind]})""",
            memory="(memory 1)",
        )
    )
    with pytest.raises(Trap) as caught:
        made.call("run", "")

    assert (caught.value.kind, caught.value.exit_code) == (kind, 134)
    assert str(caught.value).startswith("error while executing at wasm backtrace:\n    0:")
    assert "\n\nCaused by:\n" in str(caught.value)
    assert made.call("ok", "") == b""


def test_a_backtrace_names_the_functions(plugin):
    """The frames carry names where the module has a name section."""
    with pytest.raises(Trap) as caught:
        plugin(UNREACHABLE).call("trap", "")

    assert "!inner" in caught.value.backtrace
    assert "Caused by" not in caught.value.backtrace


def test_an_exception_of_wasm_that_nobody_catches_is_an_error(plugin):
    """A `throw` without a handler ends the call and not the host."""
    made = plugin(
        wat("""
        (tag $t) (func (export "run") (throw $t)) (func (export "ok"))""")
    )
    with pytest.raises(Trap) as caught:
        made.call("run", "")

    assert (caught.value.kind, caught.value.exit_code) == ("uncaught exception", 134)
    assert made.call("ok", "") == b""


def test_a_guest_lives_on_after_a_trap(plugin):
    """Its state is what it was when it trapped: instances of guests not ours are kept."""
    made = plugin(STATEFUL)
    with pytest.raises(Trap):
        made.call("count_and_trap", "")

    assert made.call("count", "")[0] == 2


EXITS = wat(
    """
    (global $n (mut i64) (i64.const 0))
    (func (export "count")
      (global.set $n (i64.add (global.get $n) (i64.const 1)))
      (call $give_i64 (global.get $n)))
    (func (export "zero") (call $give (call $input_offset)) (call $proc_exit (i32.const 0)))
    (func (export "run") (call $proc_exit (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))))
    (func (export "said") (call $error_set (call $input_offset)) (call $proc_exit (i32.const 3)))
    (func (export "said_zero")
      (call $error_set (call $input_offset)) (call $proc_exit (i32.const 0)))""",
    before='(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))',
)


def test_leaving_with_zero_is_a_good_end(plugin):
    """proc_exit(0) gives the output that was set before."""
    assert plugin(EXITS, wasi=True).call("zero", "done") == b"done"


@pytest.mark.parametrize("status", [1, 3, 125, 126, 255, 500, -1, 2**31 - 1])
def test_leaving_with_another_status_is_an_error_that_carries_it(plugin, status):
    """Every i32 is a status, also those that the engine itself refuses."""
    with pytest.raises(GuestExit) as caught:
        plugin(EXITS, wasi=True).call("run", (status % 2**32).to_bytes(8, "little"))

    assert caught.value.exit_code == status
    assert str(caught.value) == f"Exited with i32 exit status {status}"


@pytest.mark.parametrize(("name", "code"), [("said", 3), ("said_zero", 0)])
def test_a_text_wins_over_an_exit(plugin, name, code):
    """What the guest said is the error, its status is the code, 0 included."""
    with pytest.raises(GuestError) as caught:
        plugin(EXITS, wasi=True).call(name, "my reasons")

    assert (str(caught.value), caught.value.exit_code) == ("my reasons", code)


@pytest.mark.parametrize("name", ["zero", "said"])
def test_after_an_exit_the_guest_starts_anew(plugin, name):
    """A program that ended is not called again: the next call meets a fresh instance."""
    made = plugin(EXITS, wasi=True)
    made.call("count", "")
    with contextlib.suppress(GuestError):
        made.call(name, "x")

    assert made.call("count", "")[0] == 1


def test_every_error_is_an_extism_error():
    """One class catches them all."""
    found = [each for each in vars(extism.errors).values() if isinstance(each, type)]
    errors = [each for each in found if issubclass(each, Exception)]

    assert [each for each in errors if not issubclass(each, Error)] == []
    assert extism.Error is Error


def test_errors_can_be_pickled(plugin):
    """What a worker process raises arrives with its attributes."""
    with pytest.raises(GuestError) as caught:
        plugin(SAYS).call("one", "text")
    copy = pickle.loads(pickle.dumps(caught.value))

    assert (type(copy), str(copy), copy.exit_code) == (GuestError, "text", 1)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"", "No wasm files specified"),
        (b"\0asm\1\0\0\0\xff", "Unable to compile Extism plugin: "),
        (b"\0asm", "Unable to compile Extism plugin: "),
        (b"\0asm\x0d\0\1\0", "component"),
        (b"\x7fELF\x02\x01\x01\0\xff\xff", "Unable to compile Extism plugin: "),
        (b"(module (func (result i32)))", "type mismatch"),
        (b"(module", "expected `)`"),
        (b'(module (func $f) (export "a" (func $f)) (export "a" (func $f)))', "duplicate"),
        (("(" * 200_000).encode(), "Unable to compile Extism plugin: "),
    ],
    ids=[
        "empty",
        "cut section",
        "magic only",
        "component",
        "ELF",
        "invalid",
        "cut text",
        "twice",
        "nested",
    ],
)
def test_what_is_no_module_is_refused_in_words(source, text):
    """Bytes that are no plug-in end in an error of the tree whose text says what was wrong."""
    with pytest.raises(Error) as caught:
        extism.Plugin(source)

    assert text in str(caught.value)
    assert str(caught.value).startswith("Unable to compile Extism plugin: ")
