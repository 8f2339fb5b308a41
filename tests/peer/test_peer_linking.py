"""Imports and linked modules, on both packages: who gives what, in which order, and what is refused."""

from __future__ import annotations

import pytest
from peer_guests import data, guest, module
from wat_guests import wat

from peer import Case

# Guests are compiled when they are first needed.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

COUNTER = """(module
  (global $n (export "total") (mut i64) (i64.const 0))
  (memory (export "memory") 1)
  (table (export "table") 2 funcref)
  (func (export "next") (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n))
  (func (export "own") (result i32) (i32.const 0)))"""

COMMAND = """(module
  (global $n (mut i64) (i64.const 0))
  (func (export "_start"))
  (func (export "next") (result i64)
    (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n)))"""

NEXT = '(import "counter" "next" (func $next (result i64)))'
USES = wat('(func (export "run") (call $give_i64 (call $next)))', before=NEXT)
GIVES = '(func (export "run") (call $give (call $hello)))'
HELLO = '(import "{}" "hello" (func $hello (result i64)))'


def linked(*modules: tuple[str | None, str], **manifest: object) -> dict:
    """A manifest of modules, each a name (or None) and its text."""
    sources = [data(body, **({"name": name} if name else {})) for name, body in modules]
    return {"wasm": sources, **manifest}


def giving(value: int, *, before: str = "", more: str = "") -> str:
    return wat(f'(func (export "value") (result i64) (i64.const {value})) {more}', before=before)


def asking(*imports: str, body: str = '(func (export "run"))') -> dict:
    """A module with these imports, and their order."""
    return module(body, before=" ".join(imports))


RUNS = ("run", "run", "run")

GOOD = [
    Case("a library", linked(("counter", COUNTER), ("main", USES)), RUNS),
    Case("main named first", linked(("main", USES), ("counter", COUNTER)), RUNS),
    Case("main is the last", linked(("counter", COUNTER), (None, USES)), RUNS),
    Case("main is the last, with another name", linked(("counter", COUNTER), ("app", USES)), RUNS),
    Case("main is the first, without a name", linked((None, USES), ("counter", COUNTER)), RUNS),
    Case(
        "exports of a library",
        linked(("counter", COUNTER), ("main", USES)),
        ("own", ["exists", "own"], ["exists", "run"]),
    ),
    Case("a command as library", linked(("counter", COMMAND), ("main", USES)), RUNS),
    Case(
        "library state after a trap",
        linked(
            ("counter", COUNTER),
            (
                "main",
                wat(
                    '(func (export "run") (call $give_i64 (call $next)))'
                    '(func (export "trap") (drop (call $next)) unreachable)',
                    before=NEXT,
                ),
            ),
        ),
        ("run", "trap", "run"),
    ),
    Case(
        "library state after _start",
        linked(
            ("counter", COUNTER),
            (
                "main",
                wat(
                    '(func (export "run") (call $give_i64 (call $next))) (func (export "_start"))',
                    before=NEXT,
                ),
            ),
        ),
        ("run", "run", "_start", "run"),
    ),
    Case(
        "memory, table and global of a library",
        linked(
            ("counter", COUNTER),
            (
                "main",
                wat(
                    """(func (export "run")
                         (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 5)))
                         (global.set $total (i64.add (global.get $total) (i64.const 2)))
                         (call $give_i64 (i64.add (i64.mul (i64.load (i32.const 0)) (i64.const 1000))
                           (i64.add (global.get $total) (i64.extend_i32_u (table.size $t))))))""",
                    before="""(import "counter" "memory" (memory 1))
                         (import "counter" "table" (table $t 1 funcref))
                         (import "counter" "total" (global $total (mut i64)))""",
                    memory="",
                ),
            ),
        ),
        RUNS,
    ),
    Case(
        "a library with the kernel and variables",
        linked(
            (
                "lib",
                wat("""(func (export "keep") (result i64) (local $h i64)
                (call $var_set (call $copy_input) (call $copy_input)) (call $var_get (call $copy_input)))"""),
            ),
            (
                "main",
                wat(
                    '(func (export "run") (call $give (call $keep)))',
                    before='(import "lib" "keep" (func $keep (result i64)))',
                ),
            ),
        ),
        (("run", "some text"),),
    ),
    Case(
        "a chain of libraries, in any order",
        linked(
            ("c", giving(3)),
            (
                "main",
                wat(
                    '(func (export "run") (call $give_i64 (call $value)))',
                    before='(import "a" "value" (func $value (result i64)))',
                ),
            ),
            (
                "a",
                wat(
                    '(func (export "value") (result i64) (i64.add (call $b) (i64.const 100)))',
                    before='(import "b" "value" (func $b (result i64)))',
                ),
            ),
            (
                "b",
                wat(
                    '(func (export "value") (result i64) (i64.add (call $c) (i64.const 20)))',
                    before='(import "c" "value" (func $c (result i64)))',
                ),
            ),
        ),
        RUNS,
    ),
    Case(
        "one library shared by two",
        linked(
            ("counter", COUNTER),
            ("a", wat('(func (export "value") (result i64) (call $next))', before=NEXT)),
            ("b", wat('(func (export "value") (result i64) (call $next))', before=NEXT)),
            (
                "main",
                wat(
                    '(func (export "run") (call $give_i64 (i64.add (i64.mul (call $a) (i64.const 100)) (call $b))))',
                    before='(import "a" "value" (func $a (result i64))) (import "b" "value" (func $b (result i64)))',
                ),
            ),
        ),
        RUNS,
    ),
    Case(
        "initialisers of libraries",
        linked(
            (
                "counter",
                """(module (global $n (mut i64) (i64.const 0))
                (func $add (param i64) (global.set $n (i64.add (global.get $n) (local.get 0))))
                (func $s (call $add (i64.const 1))) (start $s)
                (func (export "_initialize") (call $add (i64.const 10)))
                (func (export "__wasm_call_ctors") (call $add (i64.const 100)))
                (func (export "hs_init") (param i32 i32) (call $add (i64.const 1000)))
                (func (export "next") (result i64) (global.get $n)))""",
            ),
            ("main", USES),
        ),
        ("run",),
    ),
    Case(
        "an unused library is instantiated too",
        linked(
            ("unused", "(module (func $s unreachable) (start $s))"),
            ("main", USES),
            ("counter", COUNTER),
        ),
        ("run",),
        refused=True,
    ),
    Case(
        "a library named as the namespace of host functions",
        linked(
            ("extism:host/user", wat('(func (export "hello") (result i64) (call $copy_input))')),
            ("main", wat(GIVES, before=HELLO.format("extism:host/user"))),
        ),
        (("run", "from the library"),),
    ),
    Case(
        "a library in C",
        {
            "wasm": [
                {"guest": "c/library.c", "name": "library"},
                {"guest": "c/uses_library.c", "name": "main"},
            ]
        },
        (("shout", "grüße, welt"), "count", "count", ("shout", ""), ("shout", "x" * 5000), "count"),
    ),
    Case(
        "a host function",
        module(GIVES, before=HELLO.format("extism:host/user")),
        RUNS,
        functions=("hello",),
    ),
    Case(
        "a host function of another namespace",
        module(GIVES, before=HELLO.format("test")),
        RUNS,
        functions=("hello", "test::hello"),
    ),
    Case(
        "two namespaces, the other order",
        module(GIVES, before=HELLO.format("extism:host/user")),
        RUNS,
        functions=("test::hello", "hello"),
    ),
    Case(
        "the later of two host functions",
        module(GIVES, before=HELLO.format("extism:host/user")),
        RUNS,
        functions=("hello", "hello again"),
    ),
    Case(
        "the later of two, the other order",
        module(GIVES, before=HELLO.format("extism:host/user")),
        RUNS,
        functions=("hello again", "hello"),
    ),
    Case(
        "host functions that nobody imports",
        module(GIVES, before=HELLO.format("test")),
        RUNS,
        functions=("add", "test::hello", "shout"),
    ),
    Case(
        "a host function in place of the host's own",
        module('(func (export "run") (call $give (call $config_get (i64.const 0))))'),
        RUNS,
        functions=("env::config_get",),
    ),
    Case(
        "a host function in place of the kernel's own",
        module('(func (export "run") (call $give_i64 (call $input_length)))'),
        ("run",),
        functions=("env::input_length",),
    ),
    Case(
        "a host function in place of WASI's own",
        asking(
            '(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))',
            body='(memory (export "memory") 1) (func (export "run") (call $give_i64 (i64.extend_i32_u (call $random (i32.const 0) (i32.const 4)))))',
        ),
        ("run",),
        wasi=True,
        functions=("wasi::random_get",),
    ),
    Case(
        "a library in place of WASI",
        linked(
            (
                "wasi_snapshot_preview1",
                '(module (func (export "random_get") (param i32 i32) (result i32) (i32.const 99)))',
            ),
            (
                "main",
                wat(
                    '(func (export "run") (call $give_i64 (i64.extend_i32_u (call $random (i32.const 0) (i32.const 4)))))',
                    before='(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))',
                ),
            ),
        ),
        ("run",),
        wasi=True,
    ),
    Case(
        "a library in place of a host function",
        linked(
            ("extism:host/user", wat('(func (export "hello") (result i64) (call $copy_input))')),
            ("main", wat(GIVES, before=HELLO.format("extism:host/user"))),
        ),
        (("run", "from the library"),),
        functions=("hello",),
    ),
    Case(
        "main as a library's giver",
        linked(
            (
                "lib",
                wat(
                    '(func (export "value") (result i64) (call $seven))',
                    before='(import "main" "seven" (func $seven (result i64)))',
                ),
            ),
            (
                "main",
                wat('(func (export "seven") (result i64) (i64.const 7)) (func (export "run"))'),
            ),
        ),
        ("run",),
    ),
    Case(
        "references to functions",
        module("""(table $t 1 funcref) (elem declare func $f)
        (func $f (result i32) (i32.const 5))
        (func (export "run") (table.set $t (i32.const 0) (ref.func $f))
          (call $give_i64 (i64.extend_i32_u (call_indirect $t (result i32) (i32.const 0)))))"""),
        RUNS,
    ),
]

ENV = "extism:host/env"
REFUSED = {
    "an unknown function of the host": f'(import "{ENV}" "nope" (func (param i64) (result i64)))',
    "an unknown function without a type": f'(import "{ENV}" "nope" (func))',
    "an unknown global of the host": f'(import "{ENV}" "nope" (global i32))',
    "the kernel's memory": f'(import "{ENV}" "memory" (memory 1))',
    "the kernel's context": f'(import "{ENV}" "extism_context" (global (mut externref)))',
    "the kernel's end of data": f'(import "{ENV}" "__data_end" (global i32))',
    "an unknown table of the host": f'(import "{ENV}" "nope" (table 1 funcref))',
    "alloc of a wrong type": f'(import "{ENV}" "alloc" (func (param i32) (result i64)))',
    "alloc without a result": f'(import "{ENV}" "alloc" (func (param i64)))',
    "config_get of a wrong type": f'(import "{ENV}" "config_get" (func (param i64 i64) (result i64)))',
    "alloc as a global": f'(import "{ENV}" "alloc" (global i64))',
    "a host function that is not given": '(import "extism:host/user" "missing" (func (param i64)))',
    "a namespace that is not given": '(import "some/where" "missing" (func))',
    "a memory that is not given": '(import "env" "memory" (memory 1))',
    "a host function of a wrong type": '(import "extism:host/user" "hello" (func (param i32)))',
    "abort": '(import "env" "abort" (func (param i32 i32 i32 i32)))',
    "WASI without WASI": '(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))',
    "an older WASI": '(import "wasi_unstable" "proc_exit" (func (param i32)))',
}
MODULES_REFUSED = {
    "two main modules": linked(("main", USES), ("main", USES), ("counter", COUNTER)),
    "two of one name": linked(("counter", COUNTER), ("counter", COUNTER), ("main", USES)),
    "two without a name": linked((None, COUNTER), (None, USES)),
    "a module in place of the kernel": linked((ENV, COUNTER), ("main", USES)),
    "a library that lacks the export": linked(("counter", "(module)"), ("main", USES)),
    "a library's function of a wrong type": linked(
        ("counter", '(module (func (export "next") (result i32) (i32.const 1)))'), ("main", USES)
    ),
    "a library's global instead of a function": linked(
        ("counter", '(module (global (export "next") i64 (i64.const 1)))'), ("main", USES)
    ),
    "a library's smaller memory": linked(
        ("lib", '(module (memory (export "memory") 1))'),
        ("main", '(module (import "lib" "memory" (memory 2)))'),
    ),
    "a library's constant global": linked(
        ("lib", '(module (global (export "g") i32 (i32.const 1)))'),
        ("main", '(module (import "lib" "g" (global (mut i32))))'),
    ),
    "a library whose initialiser traps": linked(
        (
            "counter",
            COUNTER.replace(
                '(func (export "own")',
                '(func (export "_initialize") unreachable) (func (export "own")',
            ),
        ),
        ("main", USES),
    ),
    "modules in a circle": linked(
        ("a", giving(1, before='(import "b" "value" (func (result i64)))')),
        ("b", giving(2, before='(import "a" "value" (func (result i64)))')),
        ("main", "(module)"),
    ),
    "a module that imports itself": linked(
        ("a", giving(1, before='(import "a" "value" (func (result i64)))')), ("main", "(module)")
    ),
    "a single module that imports main": linked(
        ("x", giving(1, before='(import "x" "value" (func (result i64)))'))
    ),
}

CASES = [
    *GOOD,
    *[
        Case(name, asking(text), ("run",), functions=("hello",), refused=True)
        for name, text in REFUSED.items()
    ],
    Case(
        "an unknown function of WASI",
        asking('(import "wasi_snapshot_preview1" "nope" (func))'),
        ("run",),
        wasi=True,
        refused=True,
    ),
    Case(
        "a function of WASI of a wrong type",
        asking('(import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))'),
        ("run",),
        wasi=True,
        refused=True,
    ),
    Case(
        "a new function in the host's namespace",
        asking(f'(import "{ENV}" "new" (func $new))', body='(func (export "run") (call $new))'),
        ("run",),
        functions=("env::new",),
    ),
    *[Case(name, manifest, ("run",), refused=True) for name, manifest in MODULES_REFUSED.items()],
    Case("every function of the host", guest("c/logs.c"), ("log_all",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_linking(duel, case):
    """The same modules get the same givers, and the same ones are refused, for the same reason."""
    assert duel(case) == []
