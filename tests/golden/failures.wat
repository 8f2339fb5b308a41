;; What a person sees when it does not work.
;; RUN: extism call % code
;; RUN: extism call % says
;; RUN: extism call % trap
;; RUN: extism call % spin --timeout 20
;; RUN: extism call % fetch
;; RUN: extism call % logs
;; RUN: extism call % cod
;; RUN: extism call % parameters
;; RUN: extism call %
;; RUN: extism call failure.wat code
;; RUN: extism call failures.toml code
;; RUN: extism call -m failures.toml code
;; RUN: extism call % code --timeout soon
;; RUN: extism run % code
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "log_error" (func $log_error (param i64)))
  (import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
  (memory 1)
  (data (i32.const 0) "the shelf is empty\0alook in the cellar")
  (data (i32.const 64) "{\"method\": \"GET\", \"url\": \"http://example.com/x?y\"}")
  (func $text (param $from i32) (param $size i32) (result i64) (local $handle i64) (local $at i32)
    (local.set $handle (call $alloc (i64.extend_i32_u (local.get $size))))
    (loop $next
      (call $store_u8 (i64.add (local.get $handle) (i64.extend_i32_u (local.get $at)))
                      (i32.load8_u (i32.add (local.get $from) (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $size))))
    (local.get $handle))
  (func (export "code") (result i32) (i32.const 3))
  (func (export "says") (result i32)
    (call $error_set (call $text (i32.const 0) (i32.const 37))) (i32.const 3))
  (func (export "trap") unreachable)
  (func (export "spin") (loop $again (br $again)))
  (func (export "fetch")
    (drop (call $http_request (call $text (i32.const 64) (i32.const 50)) (i64.const 0))))
  (func (export "logs") (call $log_error (call $text (i32.const 0) (i32.const 18))))
  (func (export "parameters") (param i32)))
