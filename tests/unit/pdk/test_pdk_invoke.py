"""invoke: what the end of the author's function means to the host."""

from __future__ import annotations

import asyncio
import sys
from enum import IntEnum

import pytest

from extism.pdk import Http, exports, ffi
from extism.pdk.invoke import invoke

FILE = "webhook.py"


class Code(IntEnum):
    BAD = 4


@pytest.fixture
def run(host):
    """Run a function as export 0; return its code and the error text, None where none was set."""

    def run(function):
        exports.functions[:] = [exports.Export("f", function, None, function)]
        code = invoke(0)
        return code, host.errors[-1].decode() if host.errors else None

    return run


def author(source):
    """Return `f` of a module as the author would have written it, with its lines known."""
    import linecache

    names = {"__name__": "webhook"}
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    exec(compile(source, FILE, "exec"), names)
    return names["f"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, 0),
        (0, 0),
        (3, 3),
        (-1, -1),
        (Code.BAD, 4),
        (True, 0),
        (False, 0),
        ("text", 0),
        (3.5, 0),
        (2**31 - 1, 2**31 - 1),
    ],
)
def test_what_a_function_returns(run, value, code):
    """An int is the return code, bool is none, anything else is success."""
    assert run(lambda: value) == (code, None)


def test_a_number_that_is_no_return_code(run):
    """It is an error, not cut to 32 bits, where 2**32 would be success."""
    code, text = run(lambda: 2**32)

    assert code == 1
    assert text == "ValueError: 4294967296 is no return code: it has to fit into 32 bits, signed"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), (0, None)),
        ((None,), (0, None)),
        ((0,), (0, None)),
        ((3,), (3, None)),
        ((True,), (1, None)),
        (("no luck",), (1, "no luck")),
        ((3.5,), (1, "3.5")),
    ],
)
def test_sys_exit(run, arguments, expected):
    """sys.exit ends the call as it ends a program."""
    assert run(lambda: sys.exit(*arguments)) == expected


def test_an_exception_is_reported_with_its_lines(run):
    """The text is Python's own traceback, from the author's first frame, with source lines."""
    source = "def g(x):\n    return 1 / x\n\ndef f():\n    g(0)\n"
    code, text = run(author(source))

    lines = [line for line in text.splitlines() if set(line) - set(" ^~")]
    assert code == 1
    assert lines == [
        "Traceback (most recent call last):",
        '  File "webhook.py", line 5, in f',
        "    g(0)",
        '  File "webhook.py", line 2, in g',
        "    return 1 / x",
        "ZeroDivisionError: division by zero",
    ]


def test_exceptions_behind_are_shown_without_the_library_too(run):
    """What was raised while a loop, or this library, handled another error begins at the author's first frame."""
    source = "async def g():\n    raise KeyError('first')\n\ndef f():\n    return g()\n"
    start = author(source)

    def f():
        try:
            asyncio.run(start())
        except KeyError as error:
            error.__traceback__ = error.__traceback__.tb_next  # as if the loop had caught it
            raise ValueError("second") from error

    code, text = run(f)
    frames = [line.strip() for line in text.splitlines() if line.startswith("  File ")]

    assert code == 1
    assert frames[0] == 'File "webhook.py", line 2, in g'
    assert [frame.endswith("in f") for frame in frames] == [False, True]


def test_a_frame_of_the_library_below_the_authors_is_shown(run):
    """Only leading frames are cut: where the library raises, the author sees the way there."""
    code, text = run(lambda: Http.request(5))

    assert code == 1
    assert text.splitlines()[1].endswith("in <lambda>")
    assert text.splitlines()[-1] == "TypeError: the url of a request is str, not int"


def test_causes_and_notes_are_reported(run):
    """Everything that Python prints is there: the cause, notes, and text that is no UTF-8."""
    source = (
        "def f():\n"
        "    try:\n"
        "        {}['k']\n"
        "    except KeyError as e:\n"
        "        error = ValueError('bad \\udc80')\n"
        "        error.add_note('see above')\n"
        "        raise error from e\n"
    )
    _, text = run(author(source))

    assert "KeyError: 'k'" in text
    assert "The above exception was the direct cause of the following exception:" in text
    assert text.endswith("ValueError: bad \\udc80\nsee above")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit, BaseException])
def test_every_exception_is_the_hosts_to_see(run, kind):
    """Also those that are no Exception."""

    def f():
        raise kind

    code, text = run(f)

    assert (code, text.splitlines()[-1]) == (1, kind.__name__)


def test_deep_recursion_is_reported(run):
    """RecursionError gives a traceback in which the repeated lines are counted, not printed."""
    code, text = run(author("def f():\n    f()\n"))

    assert code == 1
    assert "[Previous line repeated" in text
    assert text.splitlines()[-1].startswith("RecursionError: maximum recursion depth exceeded")


def test_memory_is_given_back_before_the_traceback_is_made(run):
    """What filled the memory is dropped; the lines are still shown."""
    source = (
        "class Big:\n"
        "    alive = 0\n"
        "    def __init__(self): Big.alive += 1\n"
        "    def __del__(self): Big.alive -= 1\n"
        "class Full(MemoryError):\n"
        "    def __str__(self): return f'alive: {Big.alive}'\n"
        "def g():\n"
        "    big = Big()\n"
        "    raise Full\n"
        "def f():\n"
        "    g()\n"
    )
    _, text = run(author(source))

    assert "    raise Full" in text
    assert text.splitlines()[-1] == "webhook.Full: alive: 0"


def test_no_room_for_a_traceback(run):
    """Where not even the text can be made, the error still has a name."""

    class Nameless(type):
        def __getattribute__(cls, name):
            if name == "__qualname__":
                raise MemoryError
            return super().__getattribute__(name)

    class Full(MemoryError, metaclass=Nameless):
        pass

    def f():
        raise Full

    assert run(f) == (1, "Full (no room for the traceback: MemoryError)")


class Stream:
    def __init__(self, error=None):
        self.flushed = 0
        self.error = error

    def flush(self):
        self.flushed += 1
        if self.error:
            raise self.error


@pytest.mark.parametrize("function", [lambda: None, lambda: 1 / 0], ids=["returns", "raises"])
def test_what_was_printed_is_flushed(run, monkeypatch, function):
    """At the end of each call, whatever its end."""
    streams = Stream(), Stream(ValueError("I/O operation on closed file"))
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    run(function)

    assert [stream.flushed for stream in streams] == [1, 1]


def test_a_missing_stream_is_no_error(run, monkeypatch):
    """Python sets a stream that the host does not have to None."""
    monkeypatch.setattr(sys, "stdout", None)

    assert run(lambda: 2) == (2, None)


def test_the_error_text_goes_through_the_seam(host):
    """The library has no other way to its host than ffi.host."""
    assert ffi.host is host


def test_a_value_that_nobody_gets_is_told(host, run):
    """A function without annotations that returns text is no error, but its author may think that it is the output."""

    def greet():
        return "hello"

    end = run(greet)
    ((level, text),) = host.lines

    assert end == (0, None)
    assert level == 3
    assert text == (
        b"f returned a value of the type str, which nobody gets: annotate it, as in `def f() -> str`, and "
        b"what it returns is the output"
    )
