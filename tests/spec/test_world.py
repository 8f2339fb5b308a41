"""`WasiOptions`: arguments, environment and streams of a plugin with WASI."""

from __future__ import annotations

import io
import logging

import pytest

import extism
from extism.errors import PluginBusy

# One function for each thing: what WASI says is copied to the output, or written to a stream.
GUEST = """
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $arg_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 2000) "to stdout\\nhalf")
  (data (i32.const 2100) "to stderr\\n")
  (func $give (param $from i32) (param $length i32) (local $h i64) (local $i i32)
    (local.set $h (call $alloc (i64.extend_i32_u (local.get $length))))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $length)))
      (call $store (i64.add (local.get $h) (i64.extend_i32_u (local.get $i)))
                   (i32.load8_u (i32.add (local.get $from) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (call $output (local.get $h) (i64.extend_i32_u (local.get $length))))
  (func (export "args")
    (drop (call $arg_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 100) (i32.const 1000)))
    (call $give (i32.const 1000) (i32.load (i32.const 4))))
  (func (export "environ")
    (drop (call $env_sizes (i32.const 0) (i32.const 4)))
    (drop (call $env (i32.const 100) (i32.const 1000)))
    (call $give (i32.const 1000) (i32.load (i32.const 4))))
  (func (export "stdin")
    (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 500))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $give (i32.const 1000) (i32.load (i32.const 8))))
  (func (export "print")
    (i32.store (i32.const 0) (i32.const 2000)) (i32.store (i32.const 4) (i32.const 14))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 0) (i32.const 2100)) (i32.store (i32.const 4) (i32.const 10))
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))
"""


def plugin(wasi):
    return extism.Plugin(GUEST, wasi=wasi, functions=[])


def test_the_world_is_empty_unless_it_is_furnished():
    """No argument, no variable, no input."""
    with plugin(True) as made:
        assert [made.call(name, "") for name in ("args", "environ", "stdin")] == [b"", b"", b""]


def test_arguments_environment_and_input_are_what_the_host_says():
    """Each arrives as WASI gives it; a secret is given to the guest too."""
    options = extism.WasiOptions(
        argv=["prog", "--flag"], env={"A": "1", "B": extism.Secret("two")}, stdin="typed"
    )
    with plugin(options) as made:
        assert made.call("args", "") == b"prog\0--flag\0"
        assert made.call("environ", "") == b"A=1\0B=two\0"
        assert made.call("stdin", "") == b"typed"
        assert made.call("stdin", "") == b""


def test_output_goes_to_files_and_functions():
    """Anything with `write`, and any function, gets the bytes of each write."""
    file, pieces = io.BytesIO(), []
    with plugin(extism.WasiOptions(stdout=file, stderr=pieces.append)) as made:
        made.call("print", "")

    assert (file.getvalue(), pieces) == (b"to stdout\nhalf", [b"to stderr\n"])


def test_a_receiver_cannot_call_the_plugin_that_prints():
    """It would wait for itself; other plugins it may call."""
    ends = []

    def receive(_data):
        ends.append(other.call("args", ""))
        try:
            made.call("args", "")
        except extism.Error as exc:
            ends.append(type(exc))

    with plugin(True) as other, plugin(extism.WasiOptions(stdout=receive)) as made:
        made.call("print", "", timeout=10)
        made.call("print", "", timeout=10)

    assert ends == [b"", PluginBusy] * 2


def test_output_goes_to_logging_line_by_line(caplog):
    """A line begun in one call is logged when a later one ends it."""
    with (
        caplog.at_level(logging.INFO, logger="extism.plugin"),
        plugin(extism.WasiOptions(stdout="log", stderr="log")) as made,
    ):
        made.call("print", "")
        made.call("print", "")

    assert [(r.levelname, r.message) for r in caplog.records if r.name == "extism.plugin"] == [
        ("INFO", "to stdout"),
        ("WARNING", "to stderr"),
        ("INFO", "halfto stdout"),
        ("WARNING", "to stderr"),
    ]


def test_an_unknown_word_for_an_output_is_refused():
    """The error lists the words that there are."""
    with pytest.raises(ValueError, match=r'allowed: None, "inherit", "log"'):
        plugin(extism.WasiOptions(stdout="nowhere"))


def test_nothing_of_the_host_s_output_is_touched_by_default(capfd):
    """What a guest prints goes nowhere; `"inherit"` sends it to the process's own streams."""
    with plugin(True) as made:
        made.call("print", "")
    before = capfd.readouterr()
    with plugin(extism.WasiOptions(stdout="inherit", stderr="inherit")) as made:
        made.call("print", "")
    after = capfd.readouterr()

    assert (before.out, before.err) == ("", "")
    assert (after.out, after.err) == ("to stdout\nhalf", "to stderr\n")
