;; The module of a plug-in on a shared runtime, before its exports and host functions are added (`overlay.py`, which
;; fills in the names in braces and the two data segments).
;;
;; When it is instantiated, the runtime's memory is as it was when the runtime was built: Python has started, and that
;; is all. `$load` turns it into the memory that the plug-in's build has left.
;;
;; The patch: `$pieces` holds (address, length) of each piece, two i32, and `$content` the bytes of all pieces, one
;; after the other. The table is read from the memory itself, right below the top of C's stack, where all is zero
;; between two calls, and is again afterwards.
;;
;; What can go wrong: some hosts instantiate this module twice, without a call in between. The second time changes
;; nothing.

(module
  (import "{runtime}" "{memory}" (memory $memory {first_pages}))
  (import "{runtime}" "{table}" (table $slots {slots} funcref))
  (import "{runtime}" "{door}" (func $invoke (param i32) (result i32)))
  (import "{runtime}" "{frame}" (func $frame (param i32) (result i32)))

  (func $load
    (local $piece i32) (local $from i32) (local $length i32)
    (local.set $length (i32.sub (i32.const {pages}) (memory.size)))
    (if (i32.gt_s (local.get $length) (i32.const 0))
      (then
        (if (i32.lt_s (memory.grow (local.get $length)) (i32.const 0))
          (then unreachable))))
    (memory.init $pieces (i32.const {table_start}) (i32.const 0) (i32.const {table_bytes}))
    (local.set $piece (i32.const {table_start}))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $piece) (i32.const {table_end})))
        (local.set $length (i32.load offset=4 (local.get $piece)))
        (memory.init $content
          (i32.load (local.get $piece)) (local.get $from) (local.get $length))
        (local.set $from (i32.add (local.get $from) (local.get $length)))
        (local.set $piece (i32.add (local.get $piece) (i32.const 8)))
        (br $next)))
    (memory.fill (i32.const {table_start}) (i32.const 0) (i32.const {table_bytes}))
    (data.drop $pieces)
    (data.drop $content))

  (start $load)
  (data $pieces "")
  (data $content ""))
