"""The world of a WASI program: arguments, environment, streams, directories."""

from __future__ import annotations

import logging
import struct

import pytest

from extism._engine.engine import wat_to_wasm
from extism._engine.faults import FaultKind
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._engine.wasi import Preopen, Wasi

SPACE = "wasi_snapshot_preview1"

PROGRAM = f"""(module
    (import "{SPACE}" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
    (import "{SPACE}" "args_get" (func $args (param i32 i32) (result i32)))
    (import "{SPACE}" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
    (import "{SPACE}" "environ_get" (func $env (param i32 i32) (result i32)))
    (import "{SPACE}" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "{SPACE}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "{SPACE}" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
    (import "{SPACE}" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2)
    (func (export "args_sizes") (result i32) (call $args_sizes (i32.const 0) (i32.const 4)))
    (func (export "args") (result i32) (call $args (i32.const 100) (i32.const 1000)))
    (func (export "env_sizes") (result i32) (call $env_sizes (i32.const 0) (i32.const 4)))
    (func (export "env") (result i32) (call $env (i32.const 100) (i32.const 1000)))
    (func (export "prestat") (param i32) (result i32)
      (call $prestat (local.get 0) (i32.const 0)))
    (func (export "read") (param i32) (result i32)
      (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (local.get 0))
      (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 0)))
    (func (export "write") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (local.get 1))
      (call $write (local.get 0) (i32.const 16) (i32.const 1) (i32.const 0)))
    (func (export "exit") (param i32) (call $exit (local.get 0))))"""


class Program:
    """The program with a world; its exports are methods, `at` reads its memory."""

    def __init__(self, engine, wasi):
        self.store = Store(engine, wasi=wasi)
        linker = Linker(engine)
        linker.define_wasi()
        self.instance = linker.instantiate(self.store, engine.compile(wat_to_wasm(PROGRAM)))
        self.memory = self.instance.memory("memory")

    def run(self, name, *values, results=("i32",)):
        function = self.instance.function(name, ("i32",) * len(values), results)
        fault = function(None, *values)
        return fault or function.results[0]

    def number(self, offset=0):
        return struct.unpack("<i", self.memory.read(offset, 4))[0]


@pytest.fixture
def program(engine):
    return lambda **world: Program(engine, Wasi(**world))


def test_nothing_is_there_unless_it_is_given(program):
    """No argument, no variable, no input, no directory; output goes nowhere."""
    it = program()

    assert (it.run("args_sizes"), it.number(0), it.number(4)) == (0, 0, 0)
    assert (it.run("env_sizes"), it.number(0), it.number(4)) == (0, 0, 0)
    assert (it.run("read", 10), it.number()) == (0, 0)
    assert it.run("prestat", 3) == 8
    assert [(it.run("write", fd, 5), it.number()) for fd in (1, 2)] == [(0, 5), (0, 5)]


def test_arguments_are_given(program):
    """In their order, UTF-8, each with its NUL."""
    it = program(argv=("prog", "--flag", "ä"))

    assert (it.run("args_sizes"), it.number(0), it.number(4)) == (0, 3, 15)
    assert it.run("args") == 0
    assert it.memory.read(1000, 15) == "prog\0--flag\0ä\0".encode()


def test_variables_are_given(program):
    """As `NAME=value`."""
    it = program(env=(("A", "1"), ("B", "zwei")))

    assert (it.run("env_sizes"), it.number(0), it.number(4)) == (0, 2, 11)
    it.run("env")
    assert it.memory.read(1000, 11) == b"A=1\0B=zwei\0"


def test_standard_input_is_given(program):
    """Its bytes, NUL included, and then its end."""
    it = program(stdin=b"in\0put")
    first = (it.run("read", 4), it.number(), it.memory.read(4096, 4))
    second = (it.run("read", 100), it.number(), it.memory.read(4096, 2))

    assert first == (0, 4, b"in\0p")
    assert second == (0, 2, b"ut")
    assert (it.run("read", 100), it.number()) == (0, 0)


@pytest.mark.parametrize(("fd", "name"), [(1, "stdout"), (2, "stderr")])
def test_output_goes_to_a_function(program, fd, name):
    """Each write is one call with the bytes."""
    seen = []
    it = program(**{name: seen.append})
    it.memory.write(4096, b"out\0put")
    it.run("write", fd, 7)
    it.run("write", fd, 3)

    assert b"".join(seen) == b"out\0putout"


def test_the_streams_are_not_mixed(program):
    """What is written to one is not heard on the other."""
    out, err = [], []
    it = program(stdout=out.append, stderr=err.append)
    it.memory.write(4096, b"x")
    it.run("write", 2, 1)

    assert (out, err) == ([], [b"x"])


def test_output_can_be_the_hosts_own(program, capfd):
    """`inherit` hands the host's streams on."""
    it = program(stdout="inherit", stderr="inherit")
    it.memory.write(4096, b"shown")
    it.run("write", 1, 5)
    it.run("write", 2, 2)

    assert capfd.readouterr() == ("shown", "sh")


@pytest.mark.parametrize("exception", [OSError("disk full"), SystemExit("disk full")])
def test_a_receiver_that_fails_is_a_failed_write(program, caplog, exception):
    """The program sees an I/O error, the host's log has the traceback; it ran on no thread of ours."""

    def fail(_data):
        raise exception

    it = program(stdout=fail)
    with caplog.at_level(logging.ERROR):
        errno = it.run("write", 1, 5)

    assert errno == 29
    assert "disk full" in caplog.text


@pytest.mark.parametrize("status", [0, 1, 125, 126, 255, -1, 2**31 - 1])
def test_every_exit_status_is_told(program, status):
    """proc_exit ends the code with the status that it was given."""
    fault = program().run("exit", status, results=())

    assert (fault.kind, fault.exit_status) == (FaultKind.EXIT, status)


def test_directories_are_numbered_from_three(program, tmp_path):
    """In the order in which they are given; the length of the name is told."""
    (tmp_path / "a").mkdir()
    it = program(
        preopens=(
            Preopen(str(tmp_path), "/all"),
            Preopen(str(tmp_path / "a"), "a", is_read_only=True),
        )
    )

    assert (it.run("prestat", 3), it.number(4)) == (0, 4)
    assert (it.run("prestat", 4), it.number(4)) == (0, 1)
    assert it.run("prestat", 5) == 8


def test_a_directory_that_is_not_there_is_an_error(engine, tmp_path):
    """Its name is in the text."""
    with pytest.raises(OSError, match="missing"):
        Store(engine, wasi=Wasi(preopens=(Preopen(str(tmp_path / "missing"), "/x"),)))


@pytest.mark.parametrize(
    "world",
    [
        {"argv": ("a\0b",)},
        {"env": (("A\0", "1"),)},
        {"env": (("A", "\0"),)},
        {"preopens": (Preopen(".", "a\0b"),)},
    ],
    ids=["argument", "name", "value", "directory"],
)
def test_a_nul_is_refused(engine, world):
    """C would cut the text there."""
    with pytest.raises(ValueError, match="NUL"):
        Store(engine, wasi=Wasi(**world))


def test_two_stores_have_each_their_world(engine):
    """A world can be used for many stores; what one reads the other still has."""
    world = Wasi(stdin=b"same")
    found = []
    for _ in range(2):
        it = Program(engine, world)
        it.run("read", 10)
        found.append(it.memory.read(4096, 4))

    assert found == [b"same", b"same"]
