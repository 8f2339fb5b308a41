;; A part of the kernel (`kernel.py` puts the parts together): configuration and variables, where a
;; guest gets at them without its host. The host's side of it is `shelf.py`; what is allowed is decided in
;; `_capabilities/`.
;;
;; Theory of operation
;; -------------------
;; A third memory, which no guest instruction reaches and no reset touches. It has no pages until the host
;; puts something there (`fill`), which it does once a guest has asked often enough. Until then, and whenever
;; something is not as it should be (a handle, the text of a key, the budget, room), the functions do
;; nothing themselves: they hand the call on to the host, as it came. So errors are the host's to tell.
;;
;; A hash table with open addresses over a log: an entry is written behind the last one and never changed;
;; its slot then points to it instead of to the one before. What has no slot any more is dead. When slots
;; or bytes run out, the living move to a new region, beside the old one.
;;
;;          0      64                                                    size
;;   shelf  | head | region, dead or none | slots | entries | free | ... |
;;                                        base              top    end
;;
;;   head   offset  bytes
;;               0      4   1 while guests may use the variables    both are the host's: it closes
;;               4      4   1 while they may use the configuration  what it has changed elsewhere
;;               8      4   version: odd while base, top, end and slots change
;;              12      4   base
;;              16      4   top
;;              20      4   end
;;              24      4   slots, a power of two
;;              28      4   filled: slots that are not 0
;;              32      4   entries: slots that lead to one
;;              36      4   order: of the next new entry
;;              40      8   live: bytes of all entries that have a slot
;;              48      8   used: of the budget for variables
;;              56      8   max: that budget
;;
;;   slot: 0, and no search goes on from here; 1 for one that was emptied, until the next move; else
;;   where its entry is
;;
;;   entry  offset  bytes
;;               0      4   tag: the key's hash; bit 31 is set for configuration
;;               4      4   order: variables are listed by it
;;               8      4   length of the key
;;              12      4   length of the value
;;              16      .   key, then zeros up to a multiple of 8
;;               .      .   value, then anything up to a multiple of 8
;;
;; The hash is the key as a number (little-endian), modulo a prime: Python has that in one operation.
;;
;; What can go wrong
;; -----------------
;; * A deadline or fuel ends a function in the middle. That happens where a function begins or a loop goes
;;   round, never in straight code: so everything is written where nothing points to yet, and
;;   what makes it count is a run of stores. There is the old value or the new one.
;; * Another thread of the host looks on. It finds entries whole, since they never change, and begins anew
;;   when the version has changed.
;; * memory.grow is refused, or all is larger than half a gigabyte: the host takes everything back.

  (memory $shelf (export "shelf") 0 65536)

  ;; ------------------------------------------------ guests

  (func $config_get (export "config_get") (param $key i64) (result i64)
    (local $handle i64)
    (local.set $handle (call $get (i32.const 1) (local.get $key)))
    (if (i64.eq (local.get $handle) (i64.const -1))
      (then (return (call $host.config_get (local.get $key)))))
    (local.get $handle))

  (func $var_get (export "var_get") (param $key i64) (result i64)
    (local $handle i64)
    (local.set $handle (call $get (i32.const 0) (local.get $key)))
    (if (i64.eq (local.get $handle) (i64.const -1))
      (then (return (call $host.var_get (local.get $key)))))
    (local.get $handle))

  (func $var_set (export "var_set") (param $key i64) (param $value i64)
    (if (call $set (local.get $key) (local.get $value))
      (then
        (call $free (local.get $key))
        (call $free (local.get $value)))
      (else (call $host.var_set (local.get $key) (local.get $value)))))

  ;; A new block with the value, 0 for none; the key is freed. -1 when the host has to be asked.
  (func $get (param $kind i32) (param $key i64) (result i64)
    (local $tag i64) (local $entry i32) (local $length i32) (local $handle i64)
    (local.set $tag (call $tag_of (local.get $kind) (local.get $key)))
    (if (i64.eq (local.get $tag) (i64.const -1)) (then (return (i64.const -1))))
    (local.set $entry
      (i32.load $shelf (call $find (i32.wrap_i64 (local.get $tag))
        (i32.wrap_i64 (local.get $key)) (i32.wrap_i64 (call $length (local.get $key))))))
    (if (local.get $entry)
      (then (local.set $length (i32.load $shelf offset=12 (local.get $entry)))))
    (if (local.get $length)
      (then
        (local.set $handle (call $reserve (i64.extend_i32_u (local.get $length))))
        (if (i64.eqz (local.get $handle)) (then (return (i64.const -1))))
        (memory.copy $data $shelf
          (i32.wrap_i64 (local.get $handle)) (call $value (local.get $entry)) (local.get $length))))
    (call $free (local.get $key))
    (local.get $handle))

  ;; Keep a variable, or forget it if the value is 0; 0 when the host has to be asked.
  (func $set (param $key i64) (param $value i64) (result i32)
    (local $tag i64) (local $key_length i32) (local $length i64)
    (local.set $tag (call $tag_of (i32.const 0) (local.get $key)))
    (local.set $length (call $length (local.get $value)))
    (if (i32.or (i64.eq (local.get $tag) (i64.const -1))
                (i32.and (i64.eqz (local.get $length)) (i64.ne (local.get $value) (i64.const 0))))
      (then (return (i32.const 0))))
    (local.set $key_length (i32.wrap_i64 (call $length (local.get $key))))
    (if (i64.eqz (local.get $value))
      (then
        (call $remove (call $find (i32.wrap_i64 (local.get $tag))
          (i32.wrap_i64 (local.get $key)) (local.get $key_length)))
        (return (i32.const 1))))
    (call $put (i32.wrap_i64 (local.get $tag))
      (i32.wrap_i64 (local.get $key)) (local.get $key_length)
      (i32.wrap_i64 (local.get $value)) (i32.wrap_i64 (local.get $length))
      (i64.load $shelf offset=56 (i32.const 0))))

  ;; The tag of the key in a block; -1 for what is not open, no block or no text.
  (func $tag_of (param $kind i32) (param $key i64) (result i64)
    (local $p i32) (local $length i32) (local $hash i64)
    (if (i32.eqz (memory.size $shelf)) (then (return (i64.const -1))))
    (if (i32.eqz (i32.load $shelf (i32.shl (local.get $kind) (i32.const 2))))
      (then (return (i64.const -1))))
    (local.set $p (i32.wrap_i64 (local.get $key)))
    (local.set $length (i32.wrap_i64 (call $length (local.get $key))))
    (if (i32.and (i32.eqz (local.get $length)) (i64.ne (local.get $key) (i64.const 0)))
      (then (return (i64.const -1))))
    (local.set $hash (call $hash (local.get $p) (local.get $length)))
    (if (i64.ge_u (local.get $hash) (i64.const 0x100000000))
      (then (if (i32.eqz (call $is_utf8 (local.get $p) (local.get $length)))
        (then (return (i64.const -1))))))
    (i64.extend_i32_u (call $tag (local.get $kind) (local.get $hash))))

  ;; 1 iff the bytes are UTF-8: no character in more bytes than it needs, no surrogate, none too large.
  (func $is_utf8 (param $p i32) (param $length i32) (result i32)
    (local $end i32) (local $next i32) (local $byte i32) (local $code i32) (local $bytes i32)
    (local.set $end (i32.add (local.get $p) (local.get $length)))
    (loop $character
      (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 1))))
      (local.set $byte (i32.load8_u $data (local.get $p)))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br_if $character (i32.lt_u (local.get $byte) (i32.const 0x80)))
      (local.set $bytes
        (i32.sub (i32.clz (i32.xor (local.get $byte) (i32.const 0xff))) (i32.const 24)))
      (if (i32.gt_u (i32.sub (local.get $bytes) (i32.const 2)) (i32.const 2))
        (then (return (i32.const 0))))
      (local.set $next
        (i32.sub (i32.add (local.get $p) (local.get $bytes)) (i32.const 1)))
      (if (i32.gt_u (local.get $next) (local.get $end)) (then (return (i32.const 0))))
      (local.set $code
        (i32.and (local.get $byte) (i32.shr_u (i32.const 0x7f) (local.get $bytes))))
      (loop $more
        (local.set $byte (i32.load8_u $data (local.get $p)))
        (if (i32.ne (i32.and (local.get $byte) (i32.const 0xc0)) (i32.const 0x80))
          (then (return (i32.const 0))))
        (local.set $code
          (i32.or (i32.shl (local.get $code) (i32.const 6))
                  (i32.and (local.get $byte) (i32.const 0x3f))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $p) (local.get $next))))
      ;; Two bytes begin at 2^7, three at 2^11, four at 2^16.
      (if (i32.lt_u (local.get $code)
            (i32.shl (i32.const 1)
              (select (i32.const 7)
                      (i32.sub (i32.mul (local.get $bytes) (i32.const 5)) (i32.const 4))
                      (i32.eq (local.get $bytes) (i32.const 2)))))
        (then (return (i32.const 0))))
      (if (i32.or (i32.eq (i32.shr_u (local.get $code) (i32.const 11)) (i32.const 27))
                  (i32.gt_u (local.get $code) (i32.const 0x10ffff)))
        (then (return (i32.const 0))))
      (br $character))
    (unreachable))

  ;; ------------------------------------------------ the host alone; no guest gets it

  ;; Put entries there that lie in a block; 0 when room ran out on the way. The block begins with their
  ;; kind (8); each entry is
  ;;   key length (4), value length (4; all bits set: remove the key), key, value, both filled up to 8.
  (func $fill (export "fill") (param $block i64) (result i32)
    (local $kind i32) (local $at i32) (local $end i32) (local $key i32) (local $key_length i32)
    (local $value i32) (local $length i32) (local $tag i32)
    (if (i32.eqz (call $reach (i64.const 64))) (then (return (i32.const 0))))
    (if (i32.eqz (call $room (i64.const 0))) (then (return (i32.const 0))))
    (local.set $at (i32.wrap_i64 (local.get $block)))
    (local.set $end (i32.add (local.get $at) (i32.wrap_i64 (call $length (local.get $block)))))
    (local.set $kind (i32.load $data (local.get $at)))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (loop $next
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 1))))
      (local.set $key_length (i32.load $data (local.get $at)))
      (local.set $length (i32.load $data offset=4 (local.get $at)))
      (local.set $key (i32.add (local.get $at) (i32.const 8)))
      (local.set $value (i32.add (local.get $key) (call $padded (local.get $key_length))))
      (local.set $at (local.get $value))
      (local.set $tag
        (call $tag (local.get $kind) (call $hash (local.get $key) (local.get $key_length))))
      (if (i32.eq (local.get $length) (i32.const -1))
        (then
          (call $remove
            (call $find (local.get $tag) (local.get $key) (local.get $key_length))))
        (else
          (if (i32.eqz (call $put (local.get $tag) (local.get $key) (local.get $key_length)
                                  (local.get $value) (local.get $length) (i64.const -1)))
            (then (return (i32.const 0))))
          (local.set $at (i32.add (local.get $value) (call $padded (local.get $length))))))
      (br $next))
    (unreachable))

  ;; ------------------------------------------------ keys

  ;; The hash of the bytes at `p`, below 2^30; 2^32 more where not all of them are ASCII.
  (func $hash (param $p i32) (param $length i32) (result i64)
    (local $i i32) (local $word i64) (local $all i64) (local $hash i64)
    (local.set $i (i32.and (i32.add (local.get $length) (i32.const 3)) (i32.const -4)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $i)))
        (local.set $i (i32.sub (local.get $i) (i32.const 4)))
        (local.set $word (call $word (i32.add (local.get $p) (local.get $i))
                                     (i32.sub (local.get $length) (local.get $i))))
        (local.set $all (i64.or (local.get $all) (local.get $word)))
        (local.set $hash
          (i64.rem_u (i64.or (i64.shl (local.get $hash) (i64.const 32)) (local.get $word))
                     (i64.const 663608929)))
        (br $next)))
    (i64.or (local.get $hash)
            (i64.shl (i64.extend_i32_u
                       (i64.ne (i64.and (local.get $all) (i64.const 0x80808080)) (i64.const 0)))
                     (i64.const 32))))

  ;; Four bytes at `p` as a number, or as many as there are when `left` is less. What lies behind a key
  ;; is in memory too: blocks end with their granule.
  (func $word (param $p i32) (param $left i32) (result i64)
    (i64.and (i64.load32_u $data (local.get $p))
             (select
               (i64.const 0xffffffff)
               (i64.sub (i64.shl (i64.const 1)
                                 (i64.extend_i32_u (i32.shl (local.get $left) (i32.const 3))))
                        (i64.const 1))
               (i32.gt_u (local.get $left) (i32.const 3)))))

  (func $tag (param $kind i32) (param $hash i64) (result i32)
    (i32.or (i32.wrap_i64 (local.get $hash)) (i32.shl (local.get $kind) (i32.const 31))))

  ;; The index of the slot where the search for a tag begins.
  (func $home (param $tag i32) (param $slots i32) (result i32)
    (i32.wrap_i64
      (i64.shr_u (i64.mul (i64.extend_i32_u (i32.xor (local.get $tag)
                                                     (i32.shr_u (local.get $tag) (i32.const 15))))
                          (i64.const 0x9e3779b97f4a7c15))
                 (i64.extend_i32_u (i32.add (i32.clz (local.get $slots)) (i32.const 33))))))

  ;; The slot of a key; where it has none, the one that it would get, which is 0.
  (func $find (param $tag i32) (param $p i32) (param $length i32) (result i32)
    (local $base i32) (local $end i32) (local $slot i32) (local $entry i32)
    (local.set $base (i32.load $shelf offset=12 (i32.const 0)))
    (local.set $end
      (i32.add (local.get $base)
               (i32.shl (i32.load $shelf offset=24 (i32.const 0)) (i32.const 2))))
    (local.set $slot
      (i32.add (local.get $base)
               (i32.shl (call $home (local.get $tag) (i32.load $shelf offset=24 (i32.const 0)))
                        (i32.const 2))))
    (loop $next
      (local.set $entry (i32.load $shelf (local.get $slot)))
      (if (i32.eqz (local.get $entry)) (then (return (local.get $slot))))
      (if (i32.ne (local.get $entry) (i32.const 1))
        (then
          (if (call $is (local.get $entry) (local.get $tag) (local.get $p) (local.get $length))
            (then (return (local.get $slot))))))
      (local.set $slot (i32.add (local.get $slot) (i32.const 4)))
      (if (i32.eq (local.get $slot) (local.get $end))
        (then (local.set $slot (local.get $base))))
      (br $next))
    (unreachable))

  ;; 1 iff an entry has this tag and this key.
  (func $is (param $entry i32) (param $tag i32) (param $p i32) (param $length i32) (result i32)
    (local $i i32)
    (if (i32.ne (i32.load $shelf (local.get $entry)) (local.get $tag))
      (then (return (i32.const 0))))
    (if (i32.ne (i32.load $shelf offset=8 (local.get $entry)) (local.get $length))
      (then (return (i32.const 0))))
    (loop $next
      (if (i32.ge_u (local.get $i) (local.get $length)) (then (return (i32.const 1))))
      (if (i64.ne (i64.load32_u $shelf offset=16 (i32.add (local.get $entry) (local.get $i)))
                  (call $word (i32.add (local.get $p) (local.get $i))
                              (i32.sub (local.get $length) (local.get $i))))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br $next))
    (unreachable))

  ;; ------------------------------------------------ entries

  (func $padded (param $length i32) (result i32)
    (i32.and (i32.add (local.get $length) (i32.const 7)) (i32.const -8)))

  ;; Where the value of an entry begins.
  (func $value (param $entry i32) (result i32)
    (i32.add (i32.add (local.get $entry) (i32.const 16))
             (call $padded (i32.load $shelf offset=8 (local.get $entry)))))

  ;; Bytes of an entry with such a key and value.
  (func $size (param $key_length i32) (param $length i32) (result i64)
    (i64.and (i64.const -8)
      (i64.add (i64.add (i64.extend_i32_u (local.get $key_length)) (i64.const 23))
               (i64.and (i64.add (i64.extend_i32_u (local.get $length)) (i64.const 7))
                        (i64.const -8)))))

  ;; The size of what a slot leads to; 0 for nothing.
  (func $size_of (param $entry i32) (result i64)
    (if (i32.eqz (local.get $entry)) (then (return (i64.const 0))))
    (call $size (i32.load $shelf offset=8 (local.get $entry))
                (i32.load $shelf offset=12 (local.get $entry))))

  ;; What an entry takes of the budget: configuration takes nothing.
  (func $cost_of (param $entry i32) (result i64)
    (if (i32.eqz (local.get $entry)) (then (return (i64.const 0))))
    (if (i32.lt_s (i32.load $shelf (local.get $entry)) (i32.const 0))
      (then (return (i64.const 0))))
    (i64.add (i64.add (i64.load32_u $shelf offset=8 (local.get $entry))
                      (i64.load32_u $shelf offset=12 (local.get $entry)))
             (i64.const 48)))

  ;; Keep a value; 0, and nothing has changed, when there is no room or `used` would pass `max`.
  (func $put (param $tag i32) (param $key i32) (param $key_length i32)
             (param $value i32) (param $length i32) (param $max i64) (result i32)
    (local $slot i32) (local $old i32) (local $entry i32) (local $is_new i32)
    (local $size i64) (local $live i64) (local $used i64)
    (local.set $size (call $size (local.get $key_length) (local.get $length)))
    (if (i32.eqz (call $room (local.get $size))) (then (return (i32.const 0))))
    (local.set $slot
      (call $find (local.get $tag) (local.get $key) (local.get $key_length)))
    (local.set $old (i32.load $shelf (local.get $slot)))
    (local.set $is_new (i32.eqz (local.get $old)))
    (local.set $entry (i32.load $shelf offset=16 (i32.const 0)))
    ;; The last word of the key first, zeros included; it lies on the lengths when there is no key.
    (i64.store $shelf offset=8
      (i32.add (local.get $entry) (call $padded (local.get $key_length))) (i64.const 0))
    (i32.store $shelf (local.get $entry) (local.get $tag))
    ;; The order of the entry that it follows, or the next one, which is at 32 + 4.
    (i32.store $shelf offset=4 (local.get $entry)
      (i32.load $shelf offset=4
        (select (i32.const 32) (local.get $old) (local.get $is_new))))
    (i32.store $shelf offset=8 (local.get $entry) (local.get $key_length))
    (i32.store $shelf offset=12 (local.get $entry) (local.get $length))
    (memory.copy $shelf $data (i32.add (local.get $entry) (i32.const 16))
                              (local.get $key) (local.get $key_length))
    (memory.copy $shelf $data (call $value (local.get $entry))
                              (local.get $value) (local.get $length))
    (local.set $live
      (i64.add (i64.sub (i64.load $shelf offset=40 (i32.const 0)) (call $size_of (local.get $old)))
               (local.get $size)))
    (local.set $used
      (i64.add (i64.sub (i64.load $shelf offset=48 (i32.const 0)) (call $cost_of (local.get $old)))
               (call $cost_of (local.get $entry))))
    (if (i64.gt_u (local.get $used) (local.get $max)) (then (return (i32.const 0))))
    ;; From here on there is no call and no loop.
    (i32.store $shelf (local.get $slot) (local.get $entry))
    (i32.store $shelf offset=16 (i32.const 0)
      (i32.add (local.get $entry) (i32.wrap_i64 (local.get $size))))
    (i32.store $shelf offset=28 (i32.const 0)
      (i32.add (i32.load $shelf offset=28 (i32.const 0)) (local.get $is_new)))
    (i32.store $shelf offset=32 (i32.const 0)
      (i32.add (i32.load $shelf offset=32 (i32.const 0)) (local.get $is_new)))
    (i32.store $shelf offset=36 (i32.const 0)
      (i32.add (i32.load $shelf offset=36 (i32.const 0)) (local.get $is_new)))
    (i64.store $shelf offset=40 (i32.const 0) (local.get $live))
    (i64.store $shelf offset=48 (i32.const 0) (local.get $used))
    (i32.const 1))

  ;; Let a slot lead nowhere any more.
  (func $remove (param $slot i32)
    (local $old i32) (local $live i64) (local $used i64)
    (local.set $old (i32.load $shelf (local.get $slot)))
    (if (i32.eqz (local.get $old)) (then (return)))
    (local.set $live
      (i64.sub (i64.load $shelf offset=40 (i32.const 0)) (call $size_of (local.get $old))))
    (local.set $used
      (i64.sub (i64.load $shelf offset=48 (i32.const 0)) (call $cost_of (local.get $old))))
    ;; From here on there is no call and no loop.
    (i32.store $shelf (local.get $slot) (i32.const 1))
    (i32.store $shelf offset=32 (i32.const 0)
      (i32.sub (i32.load $shelf offset=32 (i32.const 0)) (i32.const 1)))
    (i64.store $shelf offset=40 (i32.const 0) (local.get $live))
    (i64.store $shelf offset=48 (i32.const 0) (local.get $used)))

  ;; ------------------------------------------------ regions

  ;; Have a slot and `size` bytes for one entry more; 1 when they are there.
  (func $room (param $size i64) (result i32)
    (if (i32.and
          (i32.le_u (i32.shl (i32.add (i32.load $shelf offset=28 (i32.const 0)) (i32.const 1))
                             (i32.const 2))
                    (i32.mul (i32.load $shelf offset=24 (i32.const 0)) (i32.const 3)))
          (i64.le_u (i64.add (i64.load32_u $shelf offset=16 (i32.const 0)) (local.get $size))
                    (i64.load32_u $shelf offset=20 (i32.const 0))))
      (then (return (i32.const 1))))
    (call $move (local.get $size)))

  ;; Move everything that lives to a new region with room for `size` bytes, and as much again: in front
  ;; of the old one where it fits, else behind it. 1 when that was possible.
  (func $move (param $size i64) (result i32)
    (local $live i64) (local $bytes i64) (local $slots i32) (local $base i32) (local $top i32)
    (local $from i32) (local $stop i32) (local $entry i32) (local $slot i32)
    (local.set $live (i64.add (i64.load $shelf offset=40 (i32.const 0)) (local.get $size)))
    (if (i64.gt_u (local.get $live) (i64.const 0x20000000)) (then (return (i32.const 0))))
    (local.set $slots
      (i32.shl (i32.const 1)
        (i32.sub (i32.const 32)
          (i32.clz (i32.or (i32.const 7)
            (i32.shl (i32.add (i32.load $shelf offset=32 (i32.const 0)) (i32.const 1))
                     (i32.const 1)))))))
    (local.set $bytes
      (i64.add (i64.add (i64.extend_i32_u (i32.shl (local.get $slots) (i32.const 2)))
                        (i64.shl (local.get $live) (i64.const 1)))
               (i64.const 1024)))
    (local.set $base (i32.const 64))
    (if (i64.gt_u (i64.add (local.get $bytes) (i64.const 64))
                  (i64.load32_u $shelf offset=12 (i32.const 0)))
      (then (local.set $base
        (select (i32.load $shelf offset=20 (i32.const 0)) (i32.const 64)
                (i32.load $shelf offset=20 (i32.const 0))))))
    (if (i32.eqz (call $reach
          (i64.add (i64.extend_i32_u (local.get $base)) (local.get $bytes))))
      (then (return (i32.const 0))))
    (memory.fill $shelf (local.get $base) (i32.const 0) (i32.shl (local.get $slots) (i32.const 2)))
    (local.set $top (i32.add (local.get $base) (i32.shl (local.get $slots) (i32.const 2))))
    (local.set $from (i32.load $shelf offset=12 (i32.const 0)))
    (local.set $stop
      (i32.add (local.get $from)
               (i32.shl (i32.load $shelf offset=24 (i32.const 0)) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $from) (local.get $stop)))
        (local.set $entry (i32.load $shelf (local.get $from)))
        (local.set $from (i32.add (local.get $from) (i32.const 4)))
        (br_if $next (i32.le_u (local.get $entry) (i32.const 1)))
        (local.set $slot
          (call $home (i32.load $shelf (local.get $entry)) (local.get $slots)))
        (block $found
          (loop $probe
            (br_if $found (i32.eqz (i32.load $shelf
              (i32.add (local.get $base) (i32.shl (local.get $slot) (i32.const 2))))))
            (local.set $slot
              (i32.and (i32.add (local.get $slot) (i32.const 1))
                       (i32.sub (local.get $slots) (i32.const 1))))
            (br $probe)))
        (i32.store $shelf
          (i32.add (local.get $base) (i32.shl (local.get $slot) (i32.const 2))) (local.get $top))
        (local.set $size (call $size_of (local.get $entry)))
        (memory.copy $shelf $shelf
          (local.get $top) (local.get $entry) (i32.wrap_i64 (local.get $size)))
        (local.set $top (i32.add (local.get $top) (i32.wrap_i64 (local.get $size))))
        (br $next)))
    ;; From here on there is no call and no loop.
    (i32.store $shelf offset=8 (i32.const 0)
      (i32.add (i32.load $shelf offset=8 (i32.const 0)) (i32.const 1)))
    (i32.store $shelf offset=12 (i32.const 0) (local.get $base))
    (i32.store $shelf offset=16 (i32.const 0) (local.get $top))
    (i32.store $shelf offset=20 (i32.const 0)
      (i32.add (local.get $base) (i32.wrap_i64 (local.get $bytes))))
    (i32.store $shelf offset=24 (i32.const 0) (local.get $slots))
    (i32.store $shelf offset=28 (i32.const 0) (i32.load $shelf offset=32 (i32.const 0)))
    (i32.store $shelf offset=8 (i32.const 0)
      (i32.add (i32.load $shelf offset=8 (i32.const 0)) (i32.const 1)))
    (i32.const 1))

  ;; Have pages up to `end`; 1 when they are there.
  (func $reach (param $end i64) (result i32)
    (local $more i32)
    (local.set $more
      (i32.sub (i32.wrap_i64 (i64.shr_u (i64.add (local.get $end) (i64.const 0xffff))
                                        (i64.const 16)))
               (memory.size $shelf)))
    (if (i32.le_s (local.get $more) (i32.const 0)) (then (return (i32.const 1))))
    (i32.ne (memory.grow $shelf (local.get $more)) (i32.const -1)))
