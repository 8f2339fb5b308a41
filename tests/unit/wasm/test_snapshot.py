"""A snapshot is the same program: init, then run, equals run on the snapshot."""

from __future__ import annotations

import pytest
from c_guests import compile_c
from oracle import Live, validate, wat

from extism._wasm.externs import Limits, MemoryType
from extism._wasm.instrument import Instrumented, instrument
from extism._wasm.model import SectionId
from extism._wasm.reader import read
from extism._wasm.snapshot import snapshot
from extism.errors import WasmError

PAGE = 65536


def snapped(wasm: bytes, *calls: tuple, remove: tuple[str, ...] = ()) -> tuple[bytes, Live]:
    """Return a snapshot of the module after these calls, and the instance that it was taken of."""
    open_ = instrument(wasm)
    live = Live(open_.wasm)
    for name, *args in calls:
        live.call(name, *args)
    images = {index: live.memory(name) for index, name in open_.memories.items()}
    values = {index: live.value(name) for index, name in open_.globals.items()}
    return snapshot(wasm, images, values, remove_exports=remove), live


PROGRAMS = [
    pytest.param(
        """(module (memory 1) (global $g (mut i32) (i32.const 1))
             (func (export "init") (global.set $g (i32.const 99))
               (i32.store (i32.const 1000) (i32.const 23)))
             (func (export "run") (result i64)
               (i64.extend_i32_s (i32.add (global.get $g) (i32.load (i32.const 1000))))))""",
        id="memory-and-global",
    ),
    pytest.param(
        """(module (memory 1 9)
             (func (export "init") (drop (memory.grow (i32.const 3)))
               (i32.store (i32.const 262140) (i32.const 7)))
             (func (export "run") (result i64) (i64.extend_i32_s
               (i32.add (memory.size) (i32.load (i32.const 262140))))))""",
        id="grown-to-the-last-byte",
    ),
    pytest.param(
        """(module (memory 1) (data (i32.const 8) "will be overwritten")
             (func (export "init") (memory.fill (i32.const 8) (i32.const 0) (i32.const 9)))
             (func (export "run") (result i64) (i64.add
               (i64.load (i32.const 8)) (i64.load (i32.const 17)))))""",
        id="old-data-does-not-come-back",
    ),
    pytest.param(
        """(module (memory $a 1) (memory $b i64 1)
             (global $x (mut i64) (i64.const 0)) (global $y (mut f64) (f64.const 0))
             (global $z (mut f32) (f32.const 0))
             (func (export "init") (i64.store $b (i64.const 70) (i64.const -3))
               (i64.store $a (i32.const 70) (i64.const 8))
               (global.set $x (i64.const -9223372036854775808))
               (global.set $y (f64.const -2.5)) (global.set $z (f32.const 0.1)))
             (func (export "run") (result i64) (i64.add (i64.load $b (i64.const 70))
               (i64.add (i64.load $a (i32.const 70)) (i64.add (global.get $x)
               (i64.add (i64.trunc_f64_s (global.get $y))
                 (i64.extend_i32_s (i32.reinterpret_f32 (global.get $z)))))))))""",
        id="two-memories-all-numbers",
    ),
    pytest.param(
        """(module (memory 1) (data $p "passive") (data (i32.const 500) "active") (data $q "second")
             (func (export "init") (memory.init $p (i32.const 0) (i32.const 0) (i32.const 3)))
             (func (export "run") (result i64)
               (memory.init $q (i32.const 3) (i32.const 1) (i32.const 5)) (data.drop $q)
               (memory.init $p (i32.const 600) (i32.const 0) (i32.const 7))
               (i64.add (i64.load (i32.const 0)) (i64.load (i32.const 600)))))""",
        id="passive-data",
    ),
    pytest.param(
        """(module (memory 1) (table 2 funcref) (elem (i32.const 0) $one $two)
             (global $n (mut i32) (i32.const 0))
             (func $boot (global.set $n (i32.add (global.get $n) (i32.const 1)))) (start $boot)
             (func $one (result i64) (i64.const 10)) (func $two (result i64) (i64.const 20))
             (func (export "init"))
             (func (export "run") (result i64) (i64.add (i64.extend_i32_s (global.get $n))
               (call_indirect (result i64) (i32.const 1)))))""",
        id="start-runs-once",
    ),
    pytest.param(
        """(module (global $n (mut i32) (i32.const 0))
             (func (export "init") (global.set $n (i32.const 5)))
             (func (export "run") (result i64) (i64.extend_i32_s (global.get $n))))""",
        id="no-memory",
    ),
    pytest.param(
        """(module (memory 10 300 (pagesize 1))
             (func (export "init") (drop (memory.grow (i32.const 77)))
               (i32.store8 (i32.const 86) (i32.const 200)))
             (func (export "run") (result i64) (i64.add (i64.extend_i32_u (memory.size))
               (i64.load8_u (i32.const 86)))))""",
        id="memory-of-bytes",
    ),
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_snapshot_is_the_same_program(text: str) -> None:
    """Result, memories and globals after `run` are those of the original after `init` and `run`."""
    wasm = wat(text)
    new, original = snapped(wasm, ("init",), remove=("init",))
    open_ = instrument(new)
    copy = Live(open_.wasm)
    hidden = [*open_.memories.values()]

    assert copy.call("run") == original.call("run")
    assert [copy.memory(name) for name in hidden] == [original.memory(name) for name in hidden]
    assert [copy.value(name) for name in open_.globals.values()] == [
        original.value(name) for name in open_.globals.values()
    ]
    assert "init" not in {export.name for export in read(new).exports}


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_snapshot_of_a_snapshot_is_the_same_again(text: str) -> None:
    """Nothing runs in between, so a second snapshot has the same memories, globals and answers."""
    once, _ = snapped(wat(text), ("init",))
    twice, _ = snapped(once)

    assert Live(twice).call("run") == Live(once).call("run")


@pytest.mark.parametrize("text", PROGRAMS)
def test_equal_states_give_equal_bytes(text: str) -> None:
    """Two runs of one program give one snapshot."""
    assert snapped(wat(text), ("init",))[0] == snapped(wat(text), ("init",))[0]


def test_code_and_everything_else_stays_verbatim() -> None:
    """Only memory, global, export, start and data are made anew."""
    wasm = wat(
        """(module $m (type (func)) (import "m" "f" (func)) (memory (export "mem") 1)
             (global (mut i32) (i32.const 0)) (table 1 funcref) (elem (i32.const 0) $f)
             (func $f (export "init")) (start $f) (data (i32.const 0) "x"))"""
    )
    old, new = read(wasm), read(snapshot(wasm, {0: bytes(PAGE)}, {0: 3}, remove_exports=["init"]))
    changed = {SectionId.MEMORY, SectionId.GLOBAL, SectionId.EXPORT, SectionId.DATA}
    raw = {section.name: bytes(section.raw) for section in new.sections}

    assert [*raw] == [
        section.name for section in old.sections if section.name not in {"start", "data"}
    ]
    assert all(
        raw[section.name] == bytes(section.raw)
        for section in old.sections
        if section.name in raw and section.id not in changed
    )


@pytest.mark.parametrize(
    ("memory", "pages", "limits"),
    [
        ("1", 3, Limits(3)),
        ("1 8", 3, Limits(3, 8)),
        ("1 3", 3, Limits(3, 3)),
        ("1 2", 3, Limits(3)),
        ("1 4 shared", 3, Limits(3, 4, is_shared=True)),
        ("i64 1 8", 3, Limits(3, 8, is_64=True)),
    ],
    ids=["no-max", "max", "exact-max", "max-too-small", "shared", "i64"],
)
def test_a_memory_starts_as_large_as_its_image(memory: str, pages: int, limits: Limits) -> None:
    """The minimum is the image's size; a maximum stays while the image fits in it."""
    new = snapshot(wat(f"(module (memory {memory}))"), {0: bytes(pages * PAGE)})
    validate(new)

    assert read(new).memories == (MemoryType(limits),)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_an_image_may_be_any_bytes(kind) -> None:
    """bytes, bytearray and memoryview images give the same module."""
    wasm, image = wat("(module (memory 1))"), b"abc" + bytes(PAGE - 3)

    assert snapshot(wasm, {0: kind(image)}) == snapshot(wasm, {0: image})


def test_an_empty_image_leaves_no_data_section() -> None:
    """A memory of zeros needs no segments, and the count of data says none."""
    wasm = wat('(module (memory 1) (data (i32.const 0) "x") (data $p "") (func (data.drop $p)))')
    new = read(snapshot(wasm, {0: bytes(PAGE)}))

    assert new.data_count == len(new.data_segments) == 2
    assert [bytes(segment.data) for segment in new.data_segments] == [b"", b""]
    assert read(snapshot(wat("(module (memory 1))"), {0: bytes(PAGE)})).data_segments == ()


def test_the_number_of_segments_is_bounded() -> None:
    """An image of many far-apart bytes still gives fewer segments than engines allow."""
    image = (b"\1" + bytes(127)) * 81920
    new = snapshot(wat('(module (memory (export "m") 1))'), {0: image})

    assert len(read(new).data_segments) <= 50_000
    assert Live(new).memory("m") == image


@pytest.mark.parametrize(
    ("text", "images", "error"),
    [
        ("(module (memory 1))", {}, "images of memories [] for a module whose own are [0]"),
        ("(module)", {0: b""}, "images of memories [0] for a module whose own are []"),
        (
            '(module (import "m" "m" (memory 1)))',
            {0: bytes(PAGE)},
            "images of memories [0] for a module whose own are []",
        ),
        ("(module (memory 1))", {0: bytes(7)}, "7 bytes are no image of memory 0, (memory 1)"),
        (
            "(module (memory 2))",
            {0: bytes(PAGE)},
            "65536 bytes are no image of memory 0, (memory 2)",
        ),
    ],
    ids=["missing", "no-memory", "imported", "no-whole-page", "smaller"],
)
def test_images_that_cannot_be_are_refused(text: str, images: dict, error: str) -> None:
    """Every memory of the module's own needs an image of whole pages, at least its first size."""
    with pytest.raises(WasmError) as caught:
        snapshot(wat(text), images)

    assert str(caught.value) == error


def test_exports_and_globals_must_be_there() -> None:
    """Removing or setting what does not exist is an error."""
    with pytest.raises(WasmError, match="no export 'init'"):
        snapshot(wat("(module)"), {}, remove_exports=["init"])
    with pytest.raises(WasmError, match="global 0"):
        snapshot(wat("(module)"), {}, {0: 1})


def test_everything_hidden_is_exported() -> None:
    """Memories and mutable globals of the module's own get exports; what has one keeps it."""
    wasm = wat(
        """(module (import "m" "g" (global (mut i32))) (memory (export "memory") 1) (memory 1)
             (global i32 (i32.const 1)) (global (mut i64) (i64.const 1))
             (global (export "sp") (mut i32) (i32.const 1))
             (func (export "__hidden_memory_1")))"""
    )
    open_ = instrument(wasm)
    validate(open_.wasm)

    assert open_.memories == {0: "memory", 1: "__hidden_memory_1_"}
    assert open_.globals == {2: "__hidden_global_2", 3: "sp"}
    assert {item.name: item.index for item in read(open_.wasm).exports if item.kind != "func"} == {
        "memory": 0,
        "__hidden_memory_1_": 1,
        "__hidden_global_2": 2,
        "sp": 3,
    }


def test_a_module_with_nothing_hidden_is_not_touched() -> None:
    """Exported already, or nothing there: the same bytes come back."""
    wasm = wat('(module (memory (export "m") 1) (global i32 (i32.const 0)))')

    assert instrument(wasm) == Instrumented(wasm, {0: "m"}, {})


def test_state_that_cannot_be_kept_is_refused() -> None:
    """A mutable reference has no value that can be written down."""
    with pytest.raises(WasmError, match="global 1 is a mutable externref"):
        instrument(
            wat("(module (global i32 (i32.const 0)) (global (mut externref) (ref.null extern)))")
        )


C_GUEST = r"""
typedef unsigned (*step)(unsigned);
static unsigned shift(unsigned x) { return x << 3 ^ x >> 5; }
static unsigned turn(unsigned x) { return x * 2654435761u; }
static step steps[] = {shift, turn};
static unsigned primes[500], count;
static char *heap;
static double mean = 0.25;

void init(void) {
    for (unsigned n = 2; count < 500; n++) {
        unsigned is_prime = 1;
        for (unsigned i = 0; i < count; i++) if (n % primes[i] == 0) { is_prime = 0; break; }
        if (is_prime) primes[count++] = n;
    }
    heap = (char *)(__builtin_wasm_memory_grow(0, 3) * 65536ul);
    for (unsigned i = 0; i < 3 * 65536; i += 997) heap[i] = (char)steps[i & 1](i);
    for (unsigned i = 0; i < count; i++) mean += primes[i] / 500.0;
}

unsigned run(unsigned x) {
    volatile char stack[5000];
    stack[x % 5000] = 1;
    if (!heap) return 0;
    for (unsigned i = 0; i < count; i++) x = steps[x & 1](x ^ primes[i]) + heap[x % (3 * 65536)];
    heap[x % (3 * 65536)] += stack[x % 5000];
    primes[x % 500]++;
    mean *= 1.5;
    return x + (unsigned)mean;
}
"""


@pytest.mark.parametrize("options", ["-Os", "-O2 -mbulk-memory -msimd128"])
def test_a_compiled_guest_goes_on_where_it_was(options: str, tmp_path) -> None:
    """A C program with tables, heap and stack gives the same answers from its snapshot, call by call."""
    exports = ["-Wl,--export=init", "-Wl,--export=run"]
    wasm = compile_c(C_GUEST, tmp_path, *options.split(), *exports)
    new, original = snapped(wasm, ("init",), remove=("init",))
    copy = Live(new)
    numbers = [1, 2, 3, 1, 2, 3, 10**9]

    assert Live(wasm).call("run", 1) == 0
    assert [copy.call("run", n) for n in numbers] == [original.call("run", n) for n in numbers]
