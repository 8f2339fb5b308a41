"""
Plug-ins in text format for the tests of the command, each showing what one flag does.

`TOOLBOX` needs only the kernel, `WASI` prints and opens files, `LINKED` imports from a module `library`.
"""

from __future__ import annotations

KERNEL = """
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
  (import "extism:host/env" "http_headers" (func $http_headers (result i64)))
  (import "extism:host/env" "log_trace" (func $log_trace (param i64)))
  (import "extism:host/env" "log_debug" (func $log_debug (param i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (import "extism:host/env" "log_warn" (func $log_warn (param i64)))
  (import "extism:host/env" "log_error" (func $log_error (param i64)))
"""

HANDLES = """
  (func $input (result i64) (local $handle i64) (local $at i64)
    (local.set $handle (call $alloc (call $input_length)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $at) (call $input_length)))
      (call $store_u8 (i64.add (local.get $handle) (local.get $at))
                      (call $input_load_u8 (local.get $at)))
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (br $next)))
    (local.get $handle))
  (func $text (param $from i32) (param $size i32) (result i64)
    (local $handle i64) (local $at i32)
    (local.set $handle (call $alloc (i64.extend_i32_u (local.get $size))))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $size)))
      (call $store_u8 (i64.add (local.get $handle) (i64.extend_i32_u (local.get $at)))
                      (i32.load8_u (i32.add (local.get $from) (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
    (local.get $handle))
  (func $output (param $handle i64)
    (call $output_set (local.get $handle) (call $length (local.get $handle))))
"""

TOOLBOX = rf"""(module {KERNEL}
  (memory (export "memory") 1)
  (data (i32.const 0) "trace-debug-info-warn-error-")
  (data (i32.const 100) "it went\nwrong\1b[31m")
  {HANDLES}
  (func (export "echo") (call $output (call $input)))
  (func (export "config") (call $output (call $config_get (call $input))))
  (func (export "keep") (call $var_set (call $text (i32.const 0) (i32.const 1)) (call $input)))
  (global $count (mut i32) (i32.const 48))
  (func (export "count")
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store8 (i32.const 200) (global.get $count))
    (call $output (call $text (i32.const 200) (i32.const 1))))
  (func (export "get") (call $output (call $http_request (call $input) (i64.const 0))))
  (func (export "headers")
    (drop (call $http_request (call $input) (i64.const 0)))
    (call $output (call $http_headers)))
  (func (export "grow") (local $left i32)
    (local.set $left (i32.const 100))
    (loop $next
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
  (func (export "log")
    (call $log_trace (call $text (i32.const 0) (i32.const 5)))
    (call $log_debug (call $text (i32.const 6) (i32.const 5)))
    (call $log_info (call $text (i32.const 12) (i32.const 4)))
    (call $log_warn (call $text (i32.const 17) (i32.const 4)))
    (call $log_error (call $text (i32.const 22) (i32.const 5))))
  (func (export "seven") (result i32) (i32.const 7))
  (func (export "fail") (result i32)
    (call $error_set (call $text (i32.const 100) (i32.const 18))) (i32.const 7))
  (func (export "complain") (call $error_set (call $text (i32.const 100) (i32.const 7))))
  (func (export "trap") unreachable)
  (func (export "spin") (loop $again (br $again))))
"""

WASI = r"""(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\06\00\00\00\20\00\00\00\04\00\00\00outout\0a")
  (data (i32.const 16) "to out")
  (data (i32.const 32) "err\0a")
  (data (i32.const 48) "file")
  (func $open (param $flags i32) (param $rights i64) (result i32)
    (call $path_open (i32.const 3) (i32.const 0) (i32.const 48) (i32.const 4)
      (local.get $flags) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 64)))
  (func (export "print") (result i32)
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
    (call $fd_write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 64)))
  (func (export "read") (result i32) (call $open (i32.const 0) (i64.const 2)))
  (func (export "create") (result i32) (call $open (i32.const 1) (i64.const 64)))
  (func (export "leave") (call $proc_exit (i32.const 5))))
"""

LIBRARY = '(module (func (export "code") (result i32) (i32.const 9)))'

LINKED = """(module (import "library" "code" (func $code (result i32)))
  (func (export "code") (result i32) (call $code)))
"""
