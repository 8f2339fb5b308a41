"""WASI, on both packages: what programs see of the world, and which files they may touch."""

from __future__ import annotations

import pytest
from peer_guests import guest, module

from peer import Case

# Guests are compiled when they are first needed.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

FILES = {
    "folder/file.txt": b"what is in it",
    "folder/sub/deep.txt": b"deep",
    "outside.txt": b"secret",
}


def reading(path: str, *, mounts: dict[str, str] | None = None, name: str = "c/files.c") -> dict:
    mounts = {"<folder>/folder": "/data"} if mounts is None else mounts
    return guest(name, config={"path": path}, allowed_paths=mounts)


READ_ONLY = {"ro:<folder>/folder": "/data"}
PRINTING = {"EXTISM_ENABLE_WASI_OUTPUT": "1"}

# A command that asks for what a program may want to know; each export gives errno * 2^32 + a number.
ASKS = """
  (memory (export "memory") 1)
  (func $pair (param $errno i32) (param $n i32)
    (call $give_i64 (i64.or (i64.shl (i64.extend_i32_u (local.get $errno)) (i64.const 32))
      (i64.extend_i32_u (local.get $n)))))
  (func (export "args") (call $pair (call $args (i32.const 0) (i32.const 4)) (i32.load (i32.const 0))))
  (func (export "environ") (call $pair (call $environ (i32.const 0) (i32.const 4)) (i32.load (i32.const 0))))
  (func (export "clock") (call $pair (call $clock (i32.const 0) (i64.const 1) (i32.const 0))
    (i64.gt_u (i64.load (i32.const 0)) (i64.const 1700000000000000000))))
  (func (export "clock_of_no_kind") (call $pair (call $clock (i32.const 77) (i64.const 1) (i32.const 0)) (i32.const 0)))
  (func (export "random") (call $pair (call $random (i32.const 0) (i32.const 8))
    (i64.ne (i64.load (i32.const 0)) (i64.const 0))))
  (func (export "stdin") (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 10))
    (call $pair (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.load (i32.const 8))))
  (func (export "stdout") (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 10))
    (call $pair (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.load (i32.const 8))))
  (func (export "stderr") (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 10))
    (call $pair (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.load (i32.const 8))))
  (func (export "first_directory") (call $pair (call $prestat (i32.const 3) (i32.const 0)) (i32.load (i32.const 4))))
  (func (export "second_directory") (call $pair (call $prestat (i32.const 4) (i32.const 0)) (i32.load (i32.const 4))))
  (func (export "no_such_fd") (call $pair (call $write (i32.const 99) (i32.const 0) (i32.const 0) (i32.const 8)) (i32.const 0)))
  (func (export "out_of_memory_bounds") (call $pair (call $random (i32.const -8) (i32.const 16)) (i32.const 0)))
  (func (export "yield") (call $pair (call $yield) (i32.const 0)))"""
NEEDS = {
    "args": ("args_sizes_get", "(param i32 i32)"),
    "environ": ("environ_sizes_get", "(param i32 i32)"),
    "clock": ("clock_time_get", "(param i32 i64 i32)"),
    "random": ("random_get", "(param i32 i32)"),
    "read": ("fd_read", "(param i32 i32 i32 i32)"),
    "write": ("fd_write", "(param i32 i32 i32 i32)"),
    "prestat": ("fd_prestat_get", "(param i32 i32)"),
    "yield": ("sched_yield", ""),
}
WASI = " ".join(
    f'(import "wasi_snapshot_preview1" "{name}" (func ${label} {params} (result i32)))'
    for label, (name, params) in NEEDS.items()
)
QUESTIONS = [
    *["args", "environ", "clock", "clock_of_no_kind", "random", "stdin", "stdout", "stderr"],
    *["first_directory", "second_directory", "no_such_fd", "out_of_memory_bounds", "yield"],
]


def case(name: str, plugin: dict, *steps: object, **options: object) -> Case:
    return Case(name, plugin, steps, wasi=True, files=FILES, **options)


CASES = [
    *[case(f"wasi: {name}", module(ASKS, before=WASI), name) for name in QUESTIONS],
    case(
        "wasi: directories",
        module(
            ASKS,
            before=WASI,
            allowed_paths={"<folder>/folder": "/data", "<folder>/folder/sub": "short"},
        ),
        "first_directory",
        "second_directory",
    ),
    Case(
        "wasi: the directories need WASI",
        module('(func (export "f"))', allowed_paths={"/no/such": "/data"}),
        ("f",),
    ),
    case(
        "a program in C",
        guest("c/program.c"),
        ("_start", "?"),
        ("_start", "?"),
        "run_count",
        "run_count",
    ),
    *[
        case(
            f"a program in C ends with {n}",
            guest("c/program.c"),
            ("_start", b"e" + bytes([n])),
            ("_start", "?"),
        )
        for n in (0, 1, 2, 125)
    ],
    case("a program in C aborts", guest("c/program.c"), ("_start", "a"), ("_start", "?")),
    case("a program in C fails", guest("c/program.c"), ("_start", "f"), ("_start", "?")),
    *[
        case(
            f"a program in Zig ends with {n}",
            guest("zig/command.zig"),
            ("_start", bytes([n])),
            ("_start", b"\0"),
        )
        for n in (0, 1, 42)
    ],
    case("a program in Zig prints", guest("zig/command.zig"), ("_start", b"\0"), environ=PRINTING),
    case("constructors run once", guest("c/files.c"), "starts", "starts"),
    case("_initialize in Zig runs once", guest("zig/reactor.zig"), "start_count", "start_count"),
    case("no environment", guest("c/files.c"), "variable", environ={"HOME": "/somewhere"}),
    case("output is dropped", guest("c/files.c"), ("print", "hello")),
    case(
        "output is shown",
        guest("c/files.c"),
        ("print", "hello"),
        ("print", "again"),
        environ=PRINTING,
    ),
    case("reading", reading("/data/file.txt"), "read_file", "read_file"),
    case("reading in a folder below", reading("/data/sub/deep.txt"), "read_file"),
    case("reading in Zig", reading("file.txt", name="zig/reactor.zig"), "read_file", "directory"),
    case(
        "reading in Zig, elsewhere",
        reading("missing.txt", name="zig/reactor.zig"),
        "read_file",
        "directory",
    ),
    case(
        "reading in Zig, nothing is open",
        reading("file.txt", mounts={}, name="zig/reactor.zig"),
        "read_file",
        "directory",
    ),
    case("reading what is missing", reading("/data/missing.txt"), "read_file"),
    case("reading a folder", reading("/data/sub"), "read_file"),
    case("reading outside", reading("/data/../outside.txt"), "read_file"),
    case(
        "reading outside, by way of a folder", reading("/data/sub/../../outside.txt"), "read_file"
    ),
    case("reading what is not mounted", reading("/etc/passwd"), "read_file"),
    case("reading without a mount", reading("/data/file.txt", mounts={}), "read_file"),
    case(
        "reading under a relative name",
        reading("data/file.txt", mounts={"<folder>/folder": "data"}),
        "read_file",
    ),
    case(
        "reading under the root", reading("/file.txt", mounts={"<folder>/folder": "/"}), "read_file"
    ),
    case(
        "reading a mount in a mount",
        reading(
            "/data/inner/deep.txt",
            mounts={"<folder>/folder": "/data", "<folder>/folder/sub": "/data/inner"},
        ),
        "read_file",
    ),
    case(
        "reading from a relative host path",
        reading("/data/file.txt", mounts={"folder": "/data"}),
        "read_file",
        in_folder=True,
    ),
    case("writing", reading("/data/new.txt"), ("write_file", "fresh"), "read_file"),
    case("writing over", reading("/data/file.txt"), ("write_file", "x"), "read_file"),
    case("writing nothing", reading("/data/file.txt"), ("write_file", ""), "read_file"),
    case("writing much", reading("/data/new.txt"), ("write_file", "y" * 200_000)),
    case("writing into a missing folder", reading("/data/none/new.txt"), ("write_file", "x")),
    case("writing outside", reading("/data/../new.txt"), ("write_file", "x")),
    case("removing", reading("/data/file.txt"), "remove_file", "remove_file", "read_file"),
    case("making a folder", reading("/data/made"), "make_folder", "make_folder"),
    case("read only: reading", reading("/data/file.txt", mounts=READ_ONLY), "read_file"),
    *[
        case(
            f"read only: {step} {path}",
            reading(f"/data/{path}", mounts=READ_ONLY),
            (step, "x"),
            "read_file",
        )
        for step, path in (
            ("write_file", "file.txt"),
            ("write_file", "new.txt"),
            ("remove_file", "file.txt"),
            ("make_folder", "made"),
        )
    ],
    case(
        "read only beside writable",
        reading("/rw/new.txt", mounts={**READ_ONLY, "<folder>/folder/sub": "/rw"}),
        ("write_file", "x"),
        "read_file",
    ),
    case(
        "a mount that is missing",
        reading("/data/file.txt", mounts={"<folder>/missing": "/data"}),
        "read_file",
        refused=True,
    ),
    case(
        "a mount that is a file",
        reading("/data/file.txt", mounts={"<folder>/outside.txt": "/data"}),
        "read_file",
        refused=True,
    ),
    case(
        "a mount without a name",
        reading("/data/file.txt", mounts={"<folder>/folder": ""}),
        "read_file",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wasi(duel, case):
    """Programs see the same world, with the same error numbers, and leave the same files behind."""
    assert duel(case) == []
