;; The kernel: the memory that a plug-in and its host share, and the twenty functions of
;; `extism:host/env` that reach it. The host's twelve functions are in `env.py`; short ways to nine of
;; them, which spare the crossing, are further parts of this module: `levels.wat` and `shelf.wat`.
;; The host's side of it is `kernel.py`.
;;
;; Theory of operation
;; -------------------
;; Two memories. `data` holds the bytes that guests own, from offset 2048 on. What the kernel and the
;; host believe (the root record, the bins, the headers of blocks) lies below, and in `meta`. All that
;; touches either memory on a guest's behalf stands in this file and in `shelf.wat`, and an offset that a
;; guest names counts for nothing unless it is 2048 or more: load_* and store_* compare it, *_set
;; take no range that begins lower, no handle is smaller. So a guest that scribbles hurts its own bytes:
;; it cannot forge a length, a handle or a range.
;;
;; `data` is cut into granules of 32 bytes. A block is a run of whole granules; its handle is the
;; offset of its first byte. There are 16 bytes of header for each granule, written only where a block
;; starts and where a free one ends. The header of the block at offset p has the address p / 2 - 768:
;; those of the first 112 granules are 256 to 2047 and lie in `data`, right behind the root; all from
;; 2048 on lie in `meta`. Either way an address is the place in the memory, and no header lies in both.
;;
;;          0      256           2048                  2048 + span      2048 + dirty            size
;;   data   | root | 112 headers | block | free | ... | of dead blocks | never written: zeros |
;;          0                    2048                  256 + span / 2                         size
;;   meta   | never touched      | header of each further granule ... |                       |
;;
;; That is so for the sake of pages of the machine, of 4096 bytes: a call with 2048 bytes of blocks
;; writes to one page of the kernel's. `meta` is first touched for a block that ends behind 5632.
;;
;;   root   offset  bytes
;;               0      8   output_offset     the first three are what the host reads after a call
;;               8      8   output_length
;;              16      8   error             handle or 0; its length is in its header
;;              24      8   input_offset
;;              32      8   input_length
;;              40      8   input_words       how many indices start 8 bytes of input: length - 7
;;              48      8   span              bytes handed out: offsets 2048 .. 2048 + span - 1
;;              56      8   words             how many of them start 8 bytes: span - 7, at least 0
;;              64      8   dirty             the largest span there ever was
;;              72      4   generation        even; starts at 0, two more at each reset
;;              76      4   zero
;;              80      4   wanted            the host's; what it is for is told in `levels.wat`
;;              84     40   the host's        zeros, never touched here
;;             124      4   filled            bit i is set: bin i is not empty
;;             128    108   27 bins           each 4: first free block of class i, or 0
;;             236     20   always zero       so nothing free lies below the first block
;;
;;   header of a live block            of a free block                   of its last granule
;;     0  4  generation                  0  4  generation + 1              0  4  generation + 1
;;     4  4  capacity, in granules       4  4  capacity                    4  4  capacity
;;     8  4  used, in bytes, not 0       8  4  previous in its bin or 0    (the same 16 bytes when
;;    12  4  0                          12  4  next in its bin or 0         capacity is 1)
;;
;; All numbers are little-endian; links are addresses of headers. Memories full of zeros are a valid
;; empty kernel, so nothing has to be initialised.
;;
;; A handle is live iff it is a multiple of 32, lies inside the span, and its header holds the
;; current generation and a used that is not 0. Reset raises the generation: all headers die at
;; once, at the same cost after one block and after a million. When the generation wraps to 0, all
;; headers are cleared.
;;
;; alloc looks in four places: (1) the first 8 free blocks of its class (bin i holds capacities of
;; 2^i .. 2^(i+1)-1), (2) above the span, (3) the first block of the next larger class that has one,
;; (4) new pages. When those are refused it searches its class to the end before it gives up with 0.
;; It cuts off what it does not need. free joins a block with its free neighbours, so no two free
;; blocks touch; one that touches the end of the span lowers the span instead.
;;
;; Fresh blocks read as zero. From 2048 + dirty on nothing was ever written; what lies below is wiped
;; when it is handed out, before the span reaches it. `begin` and `reserve` wipe only the padding:
;; the host writes all the rest before a guest runs.
;;
;; The budget is what all memories and tables of the plug-in may still grow by, in bytes; its layout is
;; in `_wasm/meter.py`, which makes the growth of the plug-in's own code come out of it too. New pages
;; of `data` come out of it; those of `meta`, always half as many, are the kernel's own affair.
;;
;; What can go wrong
;; -----------------
;; * New pages are refused, by the budget or the engine: a guest's alloc gives 0, or ends the guest
;;   where the budget is strict; the host's `reserve` gives 0. All blocks stand. If only `meta` was
;;   refused, the new pages of `data` wait until it grows too: there is room where both reach.
;; * Wild arguments: never a trap. Offsets are compared unsigned, by differences that cannot wrap (what
;;   is below 2048 becomes a number that no span reaches); no header ends above 2^31 - 768, so sums of
;;   two header addresses stay below 2^32.
;; * A deadline, fuel or a trapping limiter cuts a function off in the middle: lists may be torn, or
;;   a block lost. Reset (so `begin`) mends that without reading them; the host calls it first.
;; * A wrong offset from the host, or a check that is missing here, would reach what is believed. So the
;;   host writes blocks where a handle was given out, and fixed places of the root; nothing else.
;; * A guest frees its input, output or error, or sets them to pieces of blocks: the host then gets
;;   what lies there, always bytes of this call, for the span never shows those of an earlier one.

(module $kernel
  (memory $data (export "data") 16 65536)
  (memory $meta (export "meta") 8 32768)

  ;; What `Budget` (budget.py) is by default; the host puts in what it grants.
  (global $budget (export "budget") (mut i64) (i64.const 536870912))

  ;; ------------------------------------------------ guests: bytes

  (func (export "load_u8") (param $p i64) (result i32)
    (if (result i32) (i64.lt_u (i64.sub (local.get $p) (i64.const 2048))
                               (i64.load $data offset=48 (i32.const 0)))
      (then (i32.load8_u $data (i32.wrap_i64 (local.get $p))))
      (else (i32.const 0))))

  (func (export "load_u64") (param $p i64) (result i64)
    (if (result i64) (i64.lt_u (i64.sub (local.get $p) (i64.const 2048))
                               (i64.load $data offset=56 (i32.const 0)))
      (then (i64.load $data align=1 (i32.wrap_i64 (local.get $p))))
      (else (i64.const 0))))

  (func (export "store_u8") (param $p i64) (param $value i32)
    (if (i64.lt_u (i64.sub (local.get $p) (i64.const 2048))
                  (i64.load $data offset=48 (i32.const 0)))
      (then (i32.store8 $data (i32.wrap_i64 (local.get $p)) (local.get $value)))))

  (func (export "store_u64") (param $p i64) (param $value i64)
    (if (i64.lt_u (i64.sub (local.get $p) (i64.const 2048))
                  (i64.load $data offset=56 (i32.const 0)))
      (then (i64.store $data align=1 (i32.wrap_i64 (local.get $p)) (local.get $value)))))

  (func (export "input_load_u8") (param $index i64) (result i32)
    (if (result i32) (i64.lt_u (local.get $index) (i64.load $data offset=32 (i32.const 0)))
      (then (i32.load8_u $data (i32.wrap_i64
        (i64.add (local.get $index) (i64.load $data offset=24 (i32.const 0))))))
      (else (i32.const 0))))

  (func (export "input_load_u64") (param $index i64) (result i64)
    (if (result i64) (i64.lt_u (local.get $index) (i64.load $data offset=40 (i32.const 0)))
      (then (i64.load $data align=1 (i32.wrap_i64
        (i64.add (local.get $index) (i64.load $data offset=24 (i32.const 0))))))
      (else (i64.const 0))))

  ;; ------------------------------------------------ guests: input, output, error

  (func (export "input_length") (result i64) (i64.load $data offset=32 (i32.const 0)))
  (func (export "input_offset") (result i64) (i64.load $data offset=24 (i32.const 0)))
  (func (export "output_length") (result i64) (i64.load $data offset=8 (i32.const 0)))
  (func (export "output_offset") (result i64) (i64.load $data offset=0 (i32.const 0)))
  (func (export "error_get") (result i64) (i64.load $data offset=16 (i32.const 0)))

  ;; 1 iff `length` bytes at `p`, or the one at `p` when it is 0, lie inside the span.
  (func $inside (param $p i64) (param $length i64) (result i32)
    (local $span i64)
    (local.set $span (i64.load $data offset=48 (i32.const 0)))
    (local.set $length
      (i64.add (local.get $length) (i64.extend_i32_u (i64.eqz (local.get $length)))))
    (i32.and (i64.le_u (local.get $length) (local.get $span))
             (i64.le_u (i64.sub (local.get $p) (i64.const 2048))
                       (i64.sub (local.get $span) (local.get $length)))))

  ;; Record the input, unchecked.
  (func $input (param $p i64) (param $length i64)
    (i64.store $data offset=24 (i32.const 0) (local.get $p))
    (i64.store $data offset=32 (i32.const 0) (local.get $length))
    (i64.store $data offset=40 (i32.const 0) (call $words (local.get $length))))

  ;; How many offsets start eight of `bytes` bytes.
  (func $words (param $bytes i64) (result i64)
    (select (i64.sub (local.get $bytes) (i64.const 7)) (i64.const 0)
            (i64.gt_u (local.get $bytes) (i64.const 7))))

  (func (export "input_set") (param $p i64) (param $length i64)
    (if (call $inside (local.get $p) (local.get $length))
      (then (call $input (local.get $p) (local.get $length)))))

  (func (export "output_set") (param $p i64) (param $length i64)
    (if (call $inside (local.get $p) (local.get $length))
      (then
        (i64.store $data offset=0 (i32.const 0) (local.get $p))
        (i64.store $data offset=8 (i32.const 0) (local.get $length)))))

  (func (export "error_set") (param $p i64)
    (if (i32.or (i64.eqz (local.get $p)) (call $inside (local.get $p) (i64.const 1)))
      (then (i64.store $data offset=16 (i32.const 0) (local.get $p)))))

  ;; ------------------------------------------------ guests: blocks

  (func (export "memory_bytes") (result i64)
    (i64.shl (i64.extend_i32_u (memory.size $data)) (i64.const 16)))

  ;; The rotation moves the low five bits to the top: one compare refuses what is unaligned, below
  ;; the first handle or past the span.
  (func $length (export "length") (export "length_unsafe") (param $handle i64) (result i64)
    (local $header i32)
    (if (i64.ge_u (i64.rotr (i64.sub (local.get $handle) (i64.const 2048)) (i64.const 5))
                  (i64.shr_u (i64.load $data offset=48 (i32.const 0)) (i64.const 5)))
      (then (return (i64.const 0))))
    (local.set $header
      (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $handle) (i64.const 1))) (i32.const 768)))
    (if (result i64) (i32.lt_u (local.get $header) (i32.const 2048))
      (then
        (select (i64.load32_u $data offset=8 (local.get $header)) (i64.const 0)
          (i32.eq (i32.load $data (local.get $header)) (i32.load $data offset=72 (i32.const 0)))))
      (else
        (select (i64.load32_u $meta offset=8 (local.get $header)) (i64.const 0)
          (i32.eq (i32.load $meta (local.get $header)) (i32.load $data offset=72 (i32.const 0)))))))

  (func (export "alloc") (param $length i64) (result i64)
    (local $need i32) (local $header i32)
    (local.set $need (call $granules (local.get $length)))
    (if (i32.eqz (local.get $need)) (then (return (i64.const 0))))
    (local.set $header (call $place (local.get $need)))
    (if (i32.eqz (local.get $header))
      (then (call $refuse) (return (i64.const 0))))
    (call $wipe (local.get $header) (local.get $need))
    (call $claim (local.get $header) (local.get $need) (local.get $length)))

  (func $free (export "free") (param $handle i64)
    (local $header i32) (local $end i32) (local $dead i32) (local $mark i64)
    (if (i64.eqz (call $length (local.get $handle))) (then (return)))
    (if (i64.eq (local.get $handle) (i64.load $data offset=24 (i32.const 0)))
      (then (call $input (local.get $handle) (i64.const 0))))
    (local.set $header
      (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $handle) (i64.const 1))) (i32.const 768)))
    (local.set $end
      (i32.add (local.get $header) (call $extent (call $peek (local.get $header)))))
    (local.set $dead (i32.add (i32.load $data offset=72 (i32.const 0)) (i32.const 1)))
    (call $poke (local.get $header) (local.get $dead))
    (local.set $mark (call $peek (i32.sub (local.get $header) (i32.const 16))))
    (if (i32.eq (i32.wrap_i64 (local.get $mark)) (local.get $dead))
      (then
        (local.set $header
          (i32.sub (local.get $header) (call $extent (local.get $mark))))
        (call $unlink (local.get $header))))
    (if (i32.eq (local.get $end) (call $top))
      (then (call $span (local.get $header)) (return)))
    (local.set $mark (call $peek (local.get $end)))
    (if (i32.eq (i32.wrap_i64 (local.get $mark)) (local.get $dead))
      (then
        (call $unlink (local.get $end))
        (local.set $end (i32.add (local.get $end) (call $extent (local.get $mark))))))
    (call $link (local.get $header) (local.get $end)))

  (func $reset (export "reset")
    (local $generation i32)
    (local.set $generation (i32.add (i32.load $data offset=72 (i32.const 0)) (i32.const 2)))
    (if (i32.eqz (local.get $generation))
      (then
        (memory.fill $data (i32.const 256) (i32.const 0) (i32.const 1792))
        (memory.fill $meta (i32.const 2048) (i32.const 0)
          (i32.sub (i32.shl (memory.size $meta) (i32.const 16)) (i32.const 2048)))))
    (i64.store $data offset=72 (i32.const 0) (i64.extend_i32_u (local.get $generation)))
    (memory.fill $data (i32.const 0) (i32.const 0) (i32.const 64))
    (memory.fill $data (i32.const 124) (i32.const 0) (i32.const 112)))

  ;; ------------------------------------------------ the host alone; no guest gets it

  ;; alloc for a host that overwrites all `length` bytes at once: only the padding is wiped.
  (func $reserve (export "reserve") (param $length i64) (result i64)
    (local $need i32) (local $header i32)
    (local.set $need (call $granules (local.get $length)))
    (if (i32.eqz (local.get $need)) (then (return (i64.const 0))))
    (local.set $header (call $place (local.get $need)))
    (if (i32.eqz (local.get $header)) (then (return (i64.const 0))))
    (memory.fill $data
      (i32.sub
        (i32.shl (i32.add (i32.add (local.get $header) (i32.shl (local.get $need) (i32.const 4)))
                          (i32.const 768))
                 (i32.const 1))
        (i32.const 32))
      (i32.const 0) (i32.const 32))
    (call $claim (local.get $header) (local.get $need) (local.get $length)))

  ;; Start a call: forget the last one and reserve the input block, in one crossing. Gives its
  ;; offset for the host to fill; 0 for an empty input; -1, with no input set, for want of room.
  (func (export "begin") (param $length i64) (result i64)
    (local $handle i64)
    (call $reset)
    (if (i64.eqz (local.get $length)) (then (return (i64.const 0))))
    (local.set $handle (call $reserve (local.get $length)))
    (if (i64.eqz (local.get $handle)) (then (return (i64.const -1))))
    (call $input (local.get $handle) (local.get $length))
    (local.get $handle))

  ;; The same for a host that has written the input at the first handle already, where `data` reaches
  ;; as far: nothing is placed and nothing can be refused. In a new generation no mark of a free block
  ;; can be found, so the header is all there is to write. Ends in the entry of a fused module.
  (func (export "accept") (param $length i64)
    (local $need i32)
    (call $reset)
    (local.set $need (call $granules (local.get $length)))
    (if (i32.eqz (local.get $need)) (then (return)))
    (memory.fill $data
      (i32.add (i32.wrap_i64 (local.get $length)) (i32.const 2048))
      (i32.const 0)
      (i32.sub (i32.shl (local.get $need) (i32.const 5)) (i32.wrap_i64 (local.get $length))))
    (i64.store $data offset=256 (i32.const 0)
      (i64.or (i64.load32_u $data offset=72 (i32.const 0))
              (i64.shl (i64.extend_i32_u (local.get $need)) (i64.const 32))))
    (i64.store $data offset=264 (i32.const 0) (local.get $length))
    (call $span (i32.add (i32.const 256) (i32.shl (local.get $need) (i32.const 4))))
    (call $input (i64.const 2048) (local.get $length)))

  ;; End it: gives where the output begins and ends, and the code as it was handed over. The end is -1 where the
  ;; code is not 0 or an error is set. Stands behind the guest in the entry of a fused module.
  (func (export "conclude") (param $code i32) (result i64 i64 i64)
    (i64.load $data offset=0 (i32.const 0))
    (select (i64.const -1)
            (i64.add (i64.load $data offset=0 (i32.const 0)) (i64.load $data offset=8 (i32.const 0)))
            (i32.or (local.get $code)
                    (i64.ne (i64.load $data offset=16 (i32.const 0)) (i64.const 0))))
    (i64.extend_i32_s (local.get $code)))

  ;; ------------------------------------------------ headers, by address

  ;; Eight bytes: the first of a header, or its last.
  (func $peek (param $at i32) (result i64)
    (if (result i64) (i32.lt_u (local.get $at) (i32.const 2048))
      (then (i64.load $data (local.get $at)))
      (else (i64.load $meta (local.get $at)))))

  (func $poke (param $at i32) (param $value i32)
    (if (i32.lt_u (local.get $at) (i32.const 2048))
      (then (i32.store $data (local.get $at) (local.get $value)))
      (else (i32.store $meta (local.get $at) (local.get $value)))))

  ;; Write a header: its first eight bytes and its last.
  (func $note (param $header i32) (param $mark i64) (param $rest i64)
    (if (i32.lt_u (local.get $header) (i32.const 2048))
      (then
        (i64.store $data (local.get $header) (local.get $mark))
        (i64.store $data offset=8 (local.get $header) (local.get $rest)))
      (else
        (i64.store $meta (local.get $header) (local.get $mark))
        (i64.store $meta offset=8 (local.get $header) (local.get $rest)))))

  ;; How many bytes of headers the granules of a block have, by the first eight bytes of its own.
  (func $extent (param $mark i64) (result i32)
    (i32.shl (i32.wrap_i64 (i64.shr_u (local.get $mark) (i64.const 32))) (i32.const 4)))

  ;; ------------------------------------------------ placing

  ;; Granules for `length` bytes; 0 for no bytes and for more than the largest memory could hold.
  (func $granules (param $length i64) (result i32)
    (if (i64.ge_u (i64.sub (local.get $length) (i64.const 1)) (i64.const 0xfffff800))
      (then (return (i32.const 0))))
    (i32.wrap_i64 (i64.shr_u (i64.add (local.get $length) (i64.const 31)) (i64.const 5))))

  ;; Where the header of the first block above the span would stand.
  (func $top (result i32)
    (i32.wrap_i64 (i64.add (i64.shr_u (i64.load $data offset=48 (i32.const 0)) (i64.const 1))
                           (i64.const 256))))

  ;; Let the span end where the block of `header` would start.
  (func $span (param $header i32)
    (local $span i64)
    (local.set $span
      (i64.shl (i64.extend_i32_u (i32.sub (local.get $header) (i32.const 256))) (i64.const 1)))
    (if (i64.gt_u (local.get $span) (i64.load $data offset=64 (i32.const 0)))
      (then (i64.store $data offset=64 (i32.const 0) (local.get $span))))
    (i64.store $data offset=48 (i32.const 0) (local.get $span))
    (i64.store $data offset=56 (i32.const 0)
      (select (i64.sub (local.get $span) (i64.const 7)) (i64.const 0)
              (i64.ne (local.get $span) (i64.const 0)))))

  ;; The header of `need` granules that are in no bin: inside the span, or right above it where
  ;; both memories reach. 0 when there is no room.
  (func $place (param $need i32) (result i32)
    (local $header i32) (local $class i32)
    (local.set $class (i32.sub (i32.const 31) (i32.clz (local.get $need))))
    (if (i32.load $data offset=128 (i32.shl (local.get $class) (i32.const 2)))
      (then
        (local.set $header (call $fit (local.get $class) (local.get $need) (i32.const 8)))))
    (if (i32.eqz (local.get $header))
      (then
        (local.set $header (call $above (local.get $need)))
        (if (local.get $header) (then (return (local.get $header))))
        (local.set $header (call $larger (local.get $class)))))
    (if (i32.eqz (local.get $header))
      (then
        (if (call $grow (local.get $need)) (then (return (call $above (local.get $need)))))
        (local.set $header (call $fit (local.get $class) (local.get $need) (i32.const -1)))))
    (if (local.get $header)
      (then (call $carve (local.get $header) (local.get $need))))
    (local.get $header))

  ;; The first of at most `steps` free blocks in a bin that has `need` granules, or 0.
  (func $fit (param $class i32) (param $need i32) (param $steps i32) (result i32)
    (local $header i32)
    (local.set $header (i32.load $data offset=128 (i32.shl (local.get $class) (i32.const 2))))
    (loop $next
      (if (i32.eqz (local.get $header)) (then (return (i32.const 0))))
      (if (i32.ge_u (call $extent (call $peek (local.get $header)))
                    (i32.shl (local.get $need) (i32.const 4)))
        (then (return (local.get $header))))
      (local.set $header (i32.wrap_i64
        (i64.shr_u (call $peek (i32.add (local.get $header) (i32.const 8))) (i64.const 32))))
      (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
      (br_if $next (local.get $steps)))
    (i32.const 0))

  ;; The first free block of the next class above `class` that has one, or 0.
  (func $larger (param $class i32) (result i32)
    (local $filled i32)
    (local.set $filled (i32.and (i32.load $data offset=124 (i32.const 0))
                                (i32.shl (i32.const -2) (local.get $class))))
    (if (i32.eqz (local.get $filled)) (then (return (i32.const 0))))
    (i32.load $data offset=128 (i32.shl (i32.ctz (local.get $filled)) (i32.const 2))))

  ;; Take a free block out of its bin and give what it has above `need` granules back.
  (func $carve (param $header i32) (param $need i32)
    (local $end i32) (local $cut i32)
    (local.set $end
      (i32.add (local.get $header) (call $extent (call $peek (local.get $header)))))
    (local.set $cut (i32.add (local.get $header) (i32.shl (local.get $need) (i32.const 4))))
    (call $unlink (local.get $header))
    (if (i32.ne (local.get $cut) (local.get $end))
      (then (call $link (local.get $cut) (local.get $end)))))

  ;; The header of the `need` granules above the span, or 0 when the pages are not there.
  (func $above (param $need i32) (result i32)
    (local $top i32) (local $room i32) (local $covered i32)
    (local.set $top (call $top))
    (local.set $room
      (i32.sub (i32.shl (memory.size $data) (i32.const 15)) (i32.const 768)))
    (local.set $covered (i32.shl (memory.size $meta) (i32.const 16)))
    (if (i32.lt_u (local.get $covered) (local.get $room))
      (then (local.set $room (local.get $covered))))
    (select (local.get $top) (i32.const 0)
      (i32.le_u (i32.shl (local.get $need) (i32.const 4))
                (i32.sub (local.get $room) (local.get $top)))))

  ;; Have pages for `need` granules above the span; 1 when they are there.
  (func $grow (param $need i32) (result i32)
    (local $pages i32) (local $more i32)
    (if (i32.gt_u (i32.shl (local.get $need) (i32.const 4))
                  (i32.sub (i32.const 0x7ffffd00) (call $top))) ;; 2^31 - 768
      (then (return (i32.const 0))))
    (local.set $pages
      (i32.shr_u (i32.add (i32.add (call $top) (i32.shl (local.get $need) (i32.const 4)))
                          (i32.const 33535)) ;; 768, and 2^15 - 1 to round up
                 (i32.const 15)))
    (local.set $more (i32.sub (local.get $pages) (memory.size $data)))
    (if (i32.gt_s (local.get $more) (i32.const 0))
      (then (if (i32.eq (call $extend (local.get $more)) (i32.const -1))
        (then (return (i32.const 0))))))
    (local.set $more
      (i32.sub (i32.shr_u (i32.add (local.get $pages) (i32.const 1)) (i32.const 1))
               (memory.size $meta)))
    (if (i32.gt_s (local.get $more) (i32.const 0))
      (then (return (i32.ne (memory.grow $meta (local.get $more)) (i32.const -1)))))
    (i32.const 1))

  ;; Add pages to `data` out of the budget; -1 if there is too little left, or the engine refuses.
  (func $extend (param $pages i32) (result i32)
    (local $bytes i64)
    (local.set $bytes (i64.shl (i64.extend_i32_u (local.get $pages)) (i64.const 16)))
    (if (i64.gt_u (local.get $bytes) (global.get $budget)) (then (return (i32.const -1))))
    (global.set $budget (i64.sub (global.get $budget) (local.get $bytes)))
    (local.set $pages (memory.grow $data (local.get $pages)))
    (if (i32.eq (local.get $pages) (i32.const -1))
      (then (global.set $budget (i64.add (global.get $budget) (local.get $bytes)))))
    (local.get $pages))

  ;; Mark that a guest is told that there is no room (2); or end it, marked (4), if the budget is strict (1).
  (func $refuse
    (if (i32.wrap_i64 (i64.and (global.get $budget) (i64.const 1)))
      (then (global.set $budget (i64.or (global.get $budget) (i64.const 4))) (unreachable)))
    (global.set $budget (i64.or (global.get $budget) (i64.const 2))))

  ;; Zero the bytes of a block that is about to be handed out, as far as any were ever written.
  (func $wipe (param $header i32) (param $need i32)
    (local $start i64) (local $stale i64) (local $bytes i64)
    (local.set $start
      (i64.shl (i64.extend_i32_u (i32.sub (local.get $header) (i32.const 256))) (i64.const 1)))
    (local.set $bytes (i64.shl (i64.extend_i32_u (local.get $need)) (i64.const 5)))
    (local.set $stale (i64.sub (i64.load $data offset=64 (i32.const 0)) (local.get $start)))
    (if (i64.lt_s (local.get $stale) (local.get $bytes))
      (then (local.set $bytes (local.get $stale))))
    (if (i64.gt_s (local.get $bytes) (i64.const 0))
      (then
        (memory.fill $data
          (i32.shl (i32.add (local.get $header) (i32.const 768)) (i32.const 1))
          (i32.const 0)
          (i32.wrap_i64 (local.get $bytes))))))

  ;; Make the block live, and the span reach it. Gives its handle.
  (func $claim (param $header i32) (param $need i32) (param $used i64) (result i64)
    (local $last i32) (local $end i32)
    ;; A free block may once have ended where this one ends: its mark must not be found again.
    (local.set $end (i32.add (local.get $header) (i32.shl (local.get $need) (i32.const 4))))
    (local.set $last (i32.sub (local.get $end) (i32.const 16)))
    (if (i32.ne (local.get $last) (local.get $header))
      (then (call $note (local.get $last) (i64.const 0) (i64.const 0))))
    (call $note (local.get $header)
      (i64.or (i64.load32_u $data offset=72 (i32.const 0))
              (i64.shl (i64.extend_i32_u (local.get $need)) (i64.const 32)))
      (local.get $used))
    (if (i32.gt_u (local.get $end) (call $top)) (then (call $span (local.get $end))))
    (i64.shl (i64.extend_i32_u (i32.add (local.get $header) (i32.const 768))) (i64.const 1)))

  ;; ------------------------------------------------ bins

  ;; Put the granules from `header` to `end` into their bin.
  (func $link (param $header i32) (param $end i32)
    (local $capacity i32) (local $class i32) (local $bin i32) (local $next i32) (local $mark i64)
    (local.set $capacity
      (i32.shr_u (i32.sub (local.get $end) (local.get $header)) (i32.const 4)))
    (local.set $class (i32.sub (i32.const 31) (i32.clz (local.get $capacity))))
    (local.set $bin (i32.shl (local.get $class) (i32.const 2)))
    (local.set $next (i32.load $data offset=128 (local.get $bin)))
    (local.set $mark
      (i64.or (i64.add (i64.load32_u $data offset=72 (i32.const 0)) (i64.const 1))
              (i64.shl (i64.extend_i32_u (local.get $capacity)) (i64.const 32))))
    (call $note (i32.sub (local.get $end) (i32.const 16)) (local.get $mark) (i64.const 0))
    (call $note (local.get $header) (local.get $mark)
      (i64.shl (i64.extend_i32_u (local.get $next)) (i64.const 32)))
    (if (local.get $next)
      (then (call $poke (i32.add (local.get $next) (i32.const 8)) (local.get $header))))
    (i32.store $data offset=128 (local.get $bin) (local.get $header))
    (i32.store $data offset=124 (i32.const 0)
      (i32.or (i32.load $data offset=124 (i32.const 0))
              (i32.shl (i32.const 1) (local.get $class)))))

  ;; Take a free block out of its bin.
  (func $unlink (param $header i32)
    (local $links i64) (local $class i32) (local $previous i32) (local $next i32)
    (local.set $links (call $peek (i32.add (local.get $header) (i32.const 8))))
    (local.set $previous (i32.wrap_i64 (local.get $links)))
    (local.set $next (i32.wrap_i64 (i64.shr_u (local.get $links) (i64.const 32))))
    (if (local.get $next)
      (then (call $poke (i32.add (local.get $next) (i32.const 8)) (local.get $previous))))
    (if (local.get $previous)
      (then
        (call $poke (i32.add (local.get $previous) (i32.const 12)) (local.get $next))
        (return)))
    ;; The capacity is 16 times smaller than the extent, so its class is smaller by 4.
    (local.set $class
      (i32.sub (i32.const 27) (i32.clz (call $extent (call $peek (local.get $header))))))
    (i32.store $data offset=128 (i32.shl (local.get $class) (i32.const 2)) (local.get $next))
    (if (i32.eqz (local.get $next))
      (then (i32.store $data offset=124 (i32.const 0)
        (i32.and (i32.load $data offset=124 (i32.const 0))
                 (i32.xor (i32.const -1) (i32.shl (i32.const 1) (local.get $class)))))))))
