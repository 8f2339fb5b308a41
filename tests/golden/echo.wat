;; Input becomes output.
;; RUN: extism call % echo --input hello
;; RUN: extism call % echo --input hello --loop 2
;; RUN: extism call % echo --input hello --raw
;; RUN: extism call --manifest echo.toml echo
;; RUN: extism call --manifest echo.toml language
;; RUN: extism call --manifest echo.toml language --config language=fr
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (func (export "echo")
    (call $output_set (call $input_offset) (call $input_length)))
  (func (export "language") (local $at i64)
    (local.set $at (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $at) (i64.const 0x65676175676e616c)) ;; "language"
    (local.set $at (call $config_get (local.get $at)))
    (call $output_set (local.get $at) (call $length (local.get $at)))))
