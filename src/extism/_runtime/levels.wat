;; A part of the kernel (`kernel.py` puts the parts together): the log functions, as far as they need
;; nobody else. What nobody wants to hear ends here; a message that somebody wants goes to the host.
;;
;; The host tells what is wanted in the root record, when it is asked first and then before each call:
;;
;;   root   offset  bytes
;;              80      4   wanted: the lowest wanted level + 1; 0 for not known, so ask the host

  (func $get_log_level (export "get_log_level") (result i32)
    (local $wanted i32)
    (local.set $wanted (i32.load $data offset=80 (i32.const 0)))
    (if (i32.eqz (local.get $wanted)) (then (return (call $host.get_log_level))))
    (i32.sub (local.get $wanted) (i32.const 1)))

  (func $log_trace (export "log_trace") (param $message i64)
    (if (call $is_heard (i32.const 0) (local.get $message))
      (then (call $host.log_trace (local.get $message)))))

  (func $log_debug (export "log_debug") (param $message i64)
    (if (call $is_heard (i32.const 1) (local.get $message))
      (then (call $host.log_debug (local.get $message)))))

  (func $log_info (export "log_info") (param $message i64)
    (if (call $is_heard (i32.const 2) (local.get $message))
      (then (call $host.log_info (local.get $message)))))

  (func $log_warn (export "log_warn") (param $message i64)
    (if (call $is_heard (i32.const 3) (local.get $message))
      (then (call $host.log_warn (local.get $message)))))

  (func $log_error (export "log_error") (param $message i64)
    (if (call $is_heard (i32.const 4) (local.get $message))
      (then (call $host.log_error (local.get $message)))))

  ;; 1 iff the host has to see the message; otherwise it is freed, whatever its handle is.
  (func $is_heard (param $level i32) (param $message i64) (result i32)
    (if (i32.ge_u (i32.add (local.get $level) (i32.const 1))
                  (i32.load $data offset=80 (i32.const 0)))
      (then (return (i32.const 1))))
    (call $free (local.get $message))
    (i32.const 0))
