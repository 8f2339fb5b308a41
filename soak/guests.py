"""The plug-ins that the programs call, in text."""

from __future__ import annotations

from wat_guests import SHOUT, wat

__all__ = ["NEEDS", "SHOUT", "WORKER", "fetcher", "sleeper", "versioned"]

NEEDS = '(module (import "extism:host/user" "nobody gives this" (func)) (func (export "run")))'
"""Cannot be linked."""

WORKER = wat(
    """(global $state (mut i64) (i64.const 0))
    (func $turn (param $n i64)
      (loop $more
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br_if $more (i64.gt_s (local.get $n) (i64.const 0)))))
    (func (export "echo") (call $give (call $copy_input)))
    (func (export "work") (call $turn (i64.const 600000)) (call $give (call $copy_input)))
    (func (export "trap") unreachable)
    (func (export "loop") (loop $again (br $again)))
    (func (export "grow") (loop $more (drop (memory.grow (i32.const 16))) (br $more)))""",
    memory='(memory (export "memory") 1)',
)
"""
Echoes, works for a fraction of a millisecond, and ends in every way that needs no host.

`work` echoes after 600,000 turns of a loop, some 0.3 ms.
"""


def versioned(version: int) -> str:
    """Return a module whose `version` gives that number, 8 bytes."""
    return wat(f'(func (export "version") (call $give_i64 (i64.const {version})))')


def sleeper(milliseconds: int) -> str:
    """Return a module whose `sleep` waits in WASI, and whose `echo` does not."""
    nanoseconds = milliseconds * 1_000_000
    return wat(
        f"""(func (export "echo") (call $give (call $copy_input)))
        (func (export "sleep")
          (i64.store (i32.const 0) (i64.const 7))          ;; userdata
          (i32.store (i32.const 8) (i32.const 0))          ;; a clock
          (i32.store (i32.const 16) (i32.const 1))         ;; the monotonic one
          (i64.store (i32.const 24) (i64.const {nanoseconds}))
          (i64.store (i32.const 32) (i64.const 0))
          (i32.store16 (i32.const 40) (i32.const 0))       ;; from now on
          (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
          (call $give (call $copy_input)))""",
        before='(import "wasi_snapshot_preview1" "poll_oneoff"'
        " (func $poll (param i32 i32 i32 i32) (result i32)))",
        memory='(memory (export "memory") 1)',
    )


def fetcher() -> str:
    """Return a module whose `get` sends its input as a request and gives the answer's status and body."""
    return wat(
        """(func (export "get") (local $h i64) (local $out i64) (local $i i64)
          (local.set $h (call $http_request (call $copy_input) (i64.const 0)))
          (local.set $out (call $alloc (i64.add (call $length (local.get $h)) (i64.const 4))))
          (call $store_u64 (local.get $out) (i64.extend_i32_u (call $http_status_code)))
          (block $done (loop $next
            (br_if $done (i64.ge_u (local.get $i) (call $length (local.get $h))))
            (call $store_u8 (i64.add (local.get $out) (i64.add (local.get $i) (i64.const 4)))
              (call $load_u8 (i64.add (local.get $h) (local.get $i))))
            (local.set $i (i64.add (local.get $i) (i64.const 1)))
            (br $next)))
          (call $give (local.get $out)))
        (func (export "fetch") (drop (call $http_request (call $copy_input) (i64.const 0))))"""
    )
