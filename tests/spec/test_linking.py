"""Modules of one plug-in that import each other, and what happens when an import has no giver."""

from __future__ import annotations

import pytest
from wat_guests import ECHO, wat

import extism
from extism.errors import CallError, LinkError


def linked(*parts, wasi=False, functions=(), **manifest):
    """A plug-in from (name, text) pairs, in this order."""
    sources = [{"data": text.encode(), **({"name": name} if name else {})} for name, text in parts]
    return extism.Plugin({"wasm": sources, **manifest}, wasi=wasi, functions=list(functions))


COUNTER = """(module
    (global $n (mut i64) (i64.const 0))
    (func (export "next") (result i64)
      (global.set $n (i64.add (global.get $n) (i64.const 1)))
      (global.get $n)))"""

COMMAND_COUNTER = COUNTER[:-1] + '(func (export "_start")))'

USES_COUNTER = wat(
    '(func (export "run") (drop (call $next)) (call $give_i64 (call $next)))',
    before='(import "lib" "next" (func $next (result i64)))',
)


def number(output):
    return int.from_bytes(output, "little", signed=True)


def test_a_reactor_library_keeps_its_state():
    """A library without `_start` is one instance for the plug-in's life."""
    with linked(("lib", COUNTER), ("main", USES_COUNTER)) as plugin:
        assert [number(plugin.call("run", "")) for _ in range(3)] == [2, 4, 6]


def test_a_command_library_is_fresh_in_each_call():
    """A library with `_start` has a new instance for every call of an export."""
    with linked(("lib", COMMAND_COUNTER), ("main", USES_COUNTER)) as plugin:
        assert [number(plugin.call("run", "")) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("order", [("lib", "main"), ("main", "lib")])
def test_the_order_of_the_manifest_does_not_matter(order):
    """A library may stand before or behind who imports it."""
    texts = {"lib": COUNTER, "main": USES_COUNTER}
    with linked(*((name, texts[name]) for name in order)) as plugin:
        assert number(plugin.call("run", "")) == 2


def test_libraries_may_import_libraries():
    """Dependencies are brought to life before those that need them."""
    a = """(module (import "z" "next" (func $f (result i64)))
             (func (export "next") (result i64) (i64.mul (call $f) (i64.const 10))))"""
    main = USES_COUNTER.replace('"lib"', '"a"')
    with linked(("a", a), ("main", main), ("z", COUNTER)) as plugin:
        assert number(plugin.call("run", "")) == 20


def test_a_library_shares_memory_tables_and_globals():
    """Everything that a reactor exports can be imported."""
    lib = """(module (memory (export "m") 1) (global (export "g") i32 (i32.const 42))
               (table (export "t") 1 funcref) (elem (i32.const 0) $seven)
               (func $seven (result i64) (i64.const 7)) (data (i32.const 3) "\\09"))"""
    main = wat(
        """(func (export "run") (call $give_i64 (i64.add
             (i64.load8_u (i32.const 3))
             (i64.add (i64.extend_i32_u (global.get $g)) (call_indirect (result i64) (i32.const 0))))))""",
        before="""(import "lib" "m" (memory 1)) (import "lib" "g" (global $g i32))
                  (import "lib" "t" (table 1 funcref))""",
        memory="",
    )
    with linked(("lib", lib), ("main", main)) as plugin:
        assert number(plugin.call("run", "")) == 9 + 42 + 7


def test_a_library_may_import_from_main():
    """It gets the very instance whose exports are called."""
    main = """(module (global $n (export "n") (mut i64) (i64.const 5))
                (func (export "run") (global.set $n (i64.const 6))))"""
    lib = """(module (import "main" "n" (global (mut i64))))"""
    with linked(("main", main), ("lib", lib)) as plugin:
        assert plugin.call("run", "") == b""


def test_only_exports_of_main_can_be_called():
    """What a library exports is for other modules."""
    with linked(("lib", COUNTER), ("main", USES_COUNTER)) as plugin:
        with pytest.raises(extism.errors.FunctionNotFound):
            plugin.call("next", "")
        assert plugin.function_exists("next") is False


def test_a_library_may_take_the_place_of_host_functions():
    """A module called `extism:host/user` gives what the host otherwise gives."""
    lib = wat("""(func (export "shout") (param $h i64) (result i64)
      (call $store_u8 (local.get $h) (i32.const 33)) (local.get $h))""")
    main = wat(
        '(func (export "run") (call $give (call $shout (call $input_offset))))',
        before='(import "extism:host/user" "shout" (func $shout (param i64) (result i64)))',
    )
    with linked(("extism:host/user", lib), ("main", main)) as plugin:
        assert plugin.call("run", "abc") == b"!bc"


def test_libraries_are_initialised_before_main():
    """`_initialize` of a library has run when main's initialiser calls it."""
    lib = """(module (global $n (mut i64) (i64.const 0))
               (func (export "_initialize") (global.set $n (i64.const 3)))
               (func (export "next") (result i64) (global.get $n)))"""
    main = wat(
        """(global $n (mut i64) (i64.const 0))
           (func (export "_initialize") (global.set $n (call $next)))
           (func (export "run") (call $give_i64 (global.get $n)))""",
        before='(import "lib" "next" (func $next (result i64)))',
    )
    with linked(("lib", lib), ("main", main)) as plugin:
        assert number(plugin.call("run", "")) == 3


def importing(*lines, body=""):
    return wat(f'{body}(func (export "run"))', before="\n".join(lines))


def link_error(*parts, **options):
    with pytest.raises(LinkError) as caught:
        linked(*parts, **options)
    assert str(caught.value).startswith("Unable to create Extism plugin: ")
    return caught.value


def test_an_import_without_a_giver_is_named():
    """The text is upstream's; the error carries namespace, name and type."""
    error = link_error(("main", importing('(import "env" "f" (func (param i32) (result f64)))')))

    assert "unknown import: `env::f` has not been defined" in str(error)
    assert (error.module, error.name, error.wanted) == (
        "env",
        "f",
        "(func (param i32) (result f64))",
    )
    assert error.available == ()


def test_all_missing_imports_are_named_at_once():
    """Nobody has to mend them one by one."""
    text = str(
        link_error(("main", importing(*(f'(import "env" "f{n}" (func))' for n in range(3)))))
    )

    assert "`env::f0`" in text
    assert "env::f1, env::f2" in text


def test_the_error_lists_what_the_namespace_offers():
    """A wrong name is found beside the right ones."""
    main = importing('(import "lib" "nxt" (func (result i64)))')
    error = link_error(("lib", COUNTER), ("main", main))

    assert error.available == ("next",)
    assert "lib offers next" in str(error)


def test_an_import_of_another_type_shows_both():
    """The types stand side by side, as upstream writes them."""
    text = str(
        link_error(
            ("lib", COUNTER), ("main", importing('(import "lib" "next" (func (param i32)))'))
        )
    )

    assert (
        "types incompatible: expected type `(func (param i32))`, found type `(func (result i64))`"
    ) in text
    assert "`lib::next`" in text


def test_an_import_of_another_kind_is_refused():
    """A function is no memory."""
    assert "types incompatible" in str(
        link_error(("lib", COUNTER), ("main", importing('(import "lib" "next" (memory 1))')))
    )


def test_an_unknown_function_of_extism_gets_upstreams_hint():
    """A plug-in that is newer than its host says so."""
    text = str(
        link_error(
            ("main", importing('(import "extism:host/env" "fly" (func (param i64) (result i64)))'))
        )
    )

    assert (
        "Invalid function import from extism:host/env: fly (type (func (param i64) (result i64)))\n\n"
        "Note: This may indicate that the PDK"
    ) in text


@pytest.mark.parametrize(
    "what",
    [
        '"data" (memory 1)',
        '"meta" (memory 1)',
        '"memory" (memory 1)',
        '"extism_context" (global (mut externref))',
        '"alloc" (memory 1)',
    ],
)
def test_nothing_but_functions_of_the_kernel_can_be_imported(what):
    """Its memories are out of reach."""
    assert "linked modules cannot access non-function exports of extism kernel" in str(
        link_error(("main", importing(f'(import "extism:host/env" {what})')))
    )


@pytest.mark.parametrize("name", ["begin", "reserve"])
def test_the_hosts_own_functions_of_the_kernel_are_out_of_reach(name):
    """What the kernel exports for the host is no function of Extism."""
    assert f"Invalid function import from extism:host/env: {name} " in str(
        link_error(
            (
                "main",
                importing(f'(import "extism:host/env" "{name}" (func (param i64) (result i64)))'),
            )
        )
    )


@pytest.mark.parametrize(
    ("parts", "circle"),
    [
        (("a", "b"), "a -> b -> a"),
        (("a", "b", "c"), "a -> b -> c -> a"),
        (("main",), "main -> main"),
    ],
)
def test_a_circle_is_named(parts, circle):
    """Modules that wait for each other are refused, where upstream would crash."""
    following = [*parts[1:], parts[0]]
    texts = [
        (name, importing(f'(import "{after}" "f" (func))', body='(func (export "f"))'))
        for name, after in zip(parts, following, strict=True)
    ]
    if "main" not in parts:
        texts.append(("main", ECHO))

    assert f"modules import each other in a circle: {circle}" in str(link_error(*texts))


@pytest.mark.parametrize("name", ["wasi_snapshot_preview1"])
def test_a_reserved_name_is_refused(name):
    """No module of a manifest can put itself in the place of the host."""
    assert f"may not be called {name}" in str(link_error((name, COUNTER), ("main", ECHO)))


def test_the_name_of_the_kernel_is_a_duplicate():
    """`extism:host/env` is taken, as upstream says it."""
    with pytest.raises(
        extism.errors.ManifestError, match=r"Duplicate module name found .* extism:host/env"
    ):
        linked(("extism:host/env", COUNTER), ("main", ECHO))


def test_a_module_cannot_shadow_a_host_function(registry):
    """Two givers of one name are a mistake that is told."""

    @extism.host_fn(name="next", namespace="lib")
    def next_(n: int) -> int:
        return n

    assert "exports next, which is a host function too" in str(
        link_error(("lib", COUNTER), ("main", ECHO), functions=[next_])
    )


def test_a_host_function_cannot_shadow_the_kernel(registry):
    """A function called extism:host/env::alloc would give memory that nobody has."""

    @extism.host_fn(namespace="extism:host/env")
    def alloc(n: int) -> int:
        return n

    assert "the kernel gives that" in str(link_error(("main", ECHO), functions=[alloc]))


def test_the_memory_of_a_library_that_traps_is_not_lost():
    """A trap in a library is the call's error, with frames of both modules, and both live on."""
    lib = """(module $lib (global $n (mut i64) (i64.const 0))
               (func $fall (export "next") (result i64)
                 (global.set $n (i64.add (global.get $n) (i64.const 1)))
                 (if (i64.eq (global.get $n) (i64.const 1)) (then unreachable))
                 (global.get $n)))"""
    with linked(("lib", lib), ("main", USES_COUNTER)) as plugin:
        with pytest.raises(extism.errors.Trap) as caught:
            plugin.call("run", "")

        assert "lib!fall" in caught.value.backtrace
        assert number(plugin.call("run", "")) == 3


def test_ten_thousand_imports_are_no_trouble():
    """A module may import one function many times and export many."""
    text = wat(
        "".join(f'(func (export "e{n}"))' for n in range(5_000)),
        before="".join(
            f'(import "extism:host/env" "alloc" (func $i{n} (param i64) (result i64)))'
            for n in range(10_000)
        ),
    )
    with linked((None, text)) as plugin:
        assert plugin.call("e4999", "") == b""


def test_calling_a_command_by_name_runs_it_in_a_fresh_world(plugin):
    """`_start` is an export like any other, but its instance is used once."""
    made = plugin(
        wat("""
        (global $n (mut i64) (i64.const 0))
        (func $count (export "count") (global.set $n (i64.add (global.get $n) (i64.const 1)))
          (call $give_i64 (global.get $n)))
        (func (export "_start") (call $count))""")
    )

    assert [number(made.call("_start", "")) for _ in range(2)] == [1, 1]
    assert [number(made.call("count", "")) for _ in range(2)] == [1, 2]
    assert number(made.call("_start", "")) == 3
    assert number(made.call("count", "")) == 1


def test_a_name_with_a_nul_does_not_end_the_host(plugin):
    """Names are counted strings, not C strings."""
    with pytest.raises(LinkError) as caught:
        plugin('(module (import "a\\00b" "c\\00d" (func)))')

    assert (caught.value.module, caught.value.name) == ("a\0b", "c\0d")


def test_a_failed_link_is_a_creation_error_not_a_call_error():
    """It is no CallError: no call ever began."""
    assert not issubclass(LinkError, CallError)
