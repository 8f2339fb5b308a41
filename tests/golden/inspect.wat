;; A module, looked into.
;; RUN: extism inspect %
;; RUN: extism inspect % --json
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "extism:host/env" "http_request" (func (param i64 i64) (result i64)))
  (import "extism:host/user" "notify" (func (param i64) (result i64)))
  (memory (export "memory") 1 16)
  (func (export "_initialize"))
  (func (export "greet") (result i32) (i32.const 0)))
