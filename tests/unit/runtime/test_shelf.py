"""The host's side of the shelf: what it finds there, when it puts something there, and who may look on."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wat_guests import wat

import extism
from extism._capabilities.variables import Variables
from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._runtime.env import host_imports
from extism._runtime.kernel import Kernel
from extism._runtime.kernel_source import PARTS, kernel_parts, kernel_wasm
from extism._runtime.shelf import PATIENCE
from extism.abi import PAGE

GUEST = wat("""
    (data (i32.const 0) "key")
    (func $key (result i64) (call $put (i32.const 0) (i32.const 3)))
    (func (export "set") (call $var_set (call $key) (call $copy_input)))
    (func (export "get") (call $give (call $var_get (call $key))))
    (func (export "config") (call $give (call $config_get (call $key))))
    (func (export "count")
      (local $h i64) (local $i i64)
      (loop $next
        (local.set $h (call $alloc (i64.const 16)))
        (call $store_u64 (local.get $h) (local.get $i))
        (call $store_u64 (i64.add (local.get $h) (i64.const 8)) (local.get $i))
        (call $var_set (call $key) (local.get $h))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br_if $next (i64.lt_u (local.get $i) (call $input_load_u64 (i64.const 0))))))""")


@pytest.fixture(params=[True, False], ids=["fused", "apart"])
def plugin(request):
    """A plugin, fused and apart."""
    manifest = {"wasm": [{"data": wat_to_wasm(GUEST)}], "config": {"key": "configured"}}
    compiled = extism.CompiledPlugin(manifest, functions=[], fuse=request.param)
    with extism.Plugin(compiled) as made:
        yield made


def kernel_of(plugin):
    return plugin._life.instance._kernel


def is_lent(plugin):
    """Whether the guest finds variables without asking."""
    return (
        plugin._life.state.variables._shelf is not None and not plugin._life.state.variables._values
    )


@pytest.fixture
def kernel():
    """A kernel with its shelf, whose functions of the host nobody calls."""
    linker = Linker(shared_engine())
    for item in host_imports():
        linker.define_function(item.namespace, item.name, item.params, item.results, item.body)
    code = shared_engine().compile(kernel_wasm(("shelf",)))
    made = Kernel(linker.instantiate(Store(shared_engine()), code))
    made.begin(b"")
    return made


# ------------------------------------------------ what is found


def test_what_was_put_is_found(kernel):
    """Both kinds by themselves, oldest first; what was taken away and what never was is None."""
    variables, config = kernel.shelves
    variables.put([(b"a", b"1"), (b"b", b""), (b"c", b"3"), (b"a", b"one")])
    variables.put([(b"c", None), (b"never", None)])
    config.put([(b"a", b"configured")])

    assert list(variables.items().items()) == [(b"a", b"one"), (b"b", b"")]
    assert config.items() == {b"a": b"configured"}
    assert [variables.get(key) for key in (b"a", b"b", b"c", b"d")] == [b"one", b"", None, None]
    assert (config.get(b"a"), config.get(b"b")) == (b"configured", None)
    assert variables.used == 48 + 1 + 3 + 48 + 1


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=40), max_size=60))
@example({bytes(n): b"zeros" for n in range(20)})
@example({b"\xff" * n: b"ones" for n in range(20)})
def test_python_and_the_kernel_agree_on_places(entries):
    """Every key that the kernel has placed is found from Python, of whatever bytes."""
    shelf = SHARED[0].shelves.variables
    shelf.put(entries.items())
    found = {key: shelf.get(key) for key in entries}
    shelf.put((key, None) for key in entries)

    assert found == entries
    assert shelf.items() == {}


@pytest.fixture(autouse=True, scope="module")
def _shared():
    linker = Linker(shared_engine())
    for item in host_imports():
        linker.define_function(item.namespace, item.name, item.params, item.results, item.body)
    code = shared_engine().compile(kernel_wasm(("shelf",)))
    SHARED.append(Kernel(linker.instantiate(Store(shared_engine()), code)))
    yield
    SHARED.clear()


SHARED = []


def test_much_is_put_without_growing_data(kernel):
    """A megabyte in many entries passes through the room that is there."""
    entries = {b"%d" % number: bytes(1000) for number in range(1000)}
    before = kernel.data.size

    assert kernel.shelves.variables.put(entries.items()) is True
    assert kernel.shelves.variables.items() == entries
    assert kernel.data.size == before


def test_putting_leaves_no_block_behind(kernel):
    """Neither where there was room nor where there was none."""
    kernel.instance.store.limit_memory(17 * PAGE)
    first = kernel.alloc(8)
    kernel.free(first)
    done = [kernel.shelves.variables.put([(b"%d" % number, bytes(400_000))]) for number in range(3)]

    assert done == [True, True, False]
    assert kernel.alloc(8) == first


def test_what_would_make_data_grow_is_not_put(kernel):
    """The guest might have wanted that room, and pays for pages."""
    before = kernel.data.size
    done = kernel.shelves.variables.put([(b"k", bytes(before))])

    assert done is False
    assert kernel.data.size == before


def test_what_the_shelf_may_not_hold_is_not_put(kernel):
    """Its memory is under the store's limit, as every memory."""
    kernel.instance.store.limit_memory(17 * PAGE)
    done = [kernel.shelves.variables.put([(b"%d" % number, bytes(400_000))]) for number in range(3)]

    assert done == [True, True, False]
    assert list(kernel.shelves.variables.items()) == [b"0", b"1"]


def test_a_shelf_that_could_not_be_begun_is_empty(kernel):
    """What is asked of it is answered, and closing it is no error."""
    shelf = kernel.shelves.variables
    done = shelf.put([(b"k", bytes(kernel.data.size))])
    shelf.close()

    assert (done, shelf.used, shelf.items(), shelf.get(b"k")) == (False, 0, {}, None)


def test_a_reader_begins_anew_when_everything_has_moved(kernel):
    """What it found, or could not read, in between is forgotten."""
    shelf = kernel.shelves.variables
    shelf.put([])
    seen = []

    def read(head):
        seen.append(head.base)
        if len(seen) < 3:
            shelf.put([(b"k", bytes(10_000 * 30 ** (len(seen) - 1)))])
        if len(seen) == 2:
            raise IndexError("moved away")
        return len(seen)

    assert shelf._steady(read) == 3
    assert len(set(seen)) > 1


def test_what_cannot_be_read_where_nothing_moved_is_an_error(kernel):
    """It is not tried for ever."""

    def read(_head):
        raise IndexError("nonsense")

    with pytest.raises(IndexError, match="nonsense"):
        kernel.shelves.variables._steady(read)


def test_a_guest_is_patient_and_more_so_after_a_refusal(kernel):
    """What was not possible is tried half as often from then on, until it is possible."""
    shelf = kernel.shelves.variables
    asks = [shelf.is_wanted() for _ in range(PATIENCE)]
    shelf.put([(b"k", bytes(kernel.data.size))])
    later = [shelf.is_wanted() for _ in range(2 * PATIENCE)]
    shelf.put([])
    again = [shelf.is_wanted() for _ in range(PATIENCE)]

    assert asks == again == [False] * (PATIENCE - 1) + [True]
    assert later == [False] * (2 * PATIENCE - 1) + [True]


@pytest.mark.parametrize(
    ("imported", "taken", "parts"),
    [
        ((), (), ()),
        (("alloc", "http_request"), (), ()),
        (("var_get",), (), ("shelf",)),
        (("log_info",), (), ("levels",)),
        (("get_log_level", "config_get"), (), ("levels", "shelf")),
        (("var_get", "log_warn"), ("var_set",), ("levels",)),
        (("var_get", "log_warn"), ("log_error",), ("shelf",)),
        (("var_get",), ("alloc",), ("shelf",)),
    ],
)
def test_a_kernel_has_the_parts_that_are_imported(imported, taken, parts):
    """And none whose functions somebody else gives."""
    assert kernel_parts(imported, taken) == parts


def test_every_part_is_named_after_what_it_spares():
    """Nine functions of the host, each in one part."""
    names = [name for part in PARTS.values() for name in part]

    assert len(names) == len(set(names)) == 9
    assert set(names) <= {item.name for item in host_imports()}


# ------------------------------------------------ when, and for how long


def test_a_guest_that_asks_rarely_has_no_shelf(plugin):
    """Not a page of memory is there before it is worth it."""
    for _ in range(PATIENCE - 1):
        plugin.call("get", b"")
    rare = is_lent(plugin)
    plugin.call("get", b"")

    assert (rare, is_lent(plugin)) == (False, True)
    assert kernel_of(plugin).shelf_memory.size == PAGE


def test_the_host_sees_what_the_guest_did_without_asking(plugin):
    """And the guest what the host did; then it asks again for a while."""
    for number in range(2 * PATIENCE):
        plugin.call("set", b"%d" % number)
    lent = [is_lent(plugin)]
    found = dict(plugin.vars)
    plugin.vars["key"] = b"the host's"
    lent.append(is_lent(plugin))
    read = [plugin.call("get", b"") for _ in range(PATIENCE)]
    lent.append(is_lent(plugin))

    assert found == {"key": b"%d" % (2 * PATIENCE - 1)}
    assert read == [b"the host's"] * PATIENCE
    assert lent == [True, False, True]


@pytest.mark.parametrize("act", ["get", "vars", "set", "remove"])
def test_a_variable_that_is_too_large_to_be_lent_stays_at_hand(plugin, act):
    """For guest and host, and whatever else there is with it."""
    large = b"x" * ((1 << 20) - 1000)
    plugin.vars.update(key=large, other=b"small")
    for _ in range(3 * PATIENCE):
        plugin.call("get", b"")
    found = {
        "get": lambda: plugin.call("get", b""),
        "vars": lambda: plugin.vars["key"],
        "set": lambda: plugin.call("set", b"new") or plugin.vars["key"],
        "remove": lambda: plugin.call("set", b"") or plugin.vars.get("key"),
    }[act]()

    assert found == {"get": large, "vars": large, "set": b"new", "remove": None}[act]
    assert plugin.vars["other"] == b"small"


def test_config_that_is_no_text_is_never_lent():
    """The host says what is wrong with it, each time."""
    config = {"key": "fine", "broken": "\ud800"}
    with extism.Plugin(
        {"wasm": [{"data": wat_to_wasm(GUEST)}]}, config=config, functions=[]
    ) as plugin:
        read = [plugin.call("config", b"") for _ in range(3 * PATIENCE)]

        assert read == [b"fine"] * (3 * PATIENCE)
        assert kernel_of(plugin).shelves.config.items() == {}


@pytest.mark.parametrize("name", ["var_get", "var_set", "config_get"])
@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "apart"])
def test_a_function_in_the_hosts_place_is_used_for_ever(name, fuse):
    """A plugin with a function of that name gets it each time, and the house's own for the others."""
    asked = []

    def body(_current, inputs, outputs):
        asked.append(inputs)
        if outputs:
            outputs[0].value = 0

    types = {"var_set": (["I64", "I64"], [])}.get(name, (["I64"], ["I64"]))
    signature = tuple([getattr(extism.ValType, kind) for kind in kinds] for kinds in types)
    mine = extism.Function("extism:host/env", name, *signature, body)
    manifest = {"wasm": [{"data": wat_to_wasm(GUEST)}], "config": {"key": "configured"}}
    compiled = extism.CompiledPlugin(manifest, functions=[mine], fuse=fuse)
    with extism.Plugin(compiled) as plugin:
        plugin.vars["key"] = b"first"
        for _ in range(2 * PATIENCE):
            found = plugin.call("get", b""), plugin.call("config", b"")
            plugin.call("set", b"value")
        kept = dict(plugin.vars)

    assert len(asked) == 2 * PATIENCE
    assert found == (
        {"var_get": b"", "var_set": b"first"}.get(name, b"value"),
        b"" if name == "config_get" else b"configured",
    )
    assert kept == {"key": b"first" if name == "var_set" else b"value"}


@pytest.mark.parametrize("act", ["close", "restart"])
def test_variables_come_home_before_their_instance_goes(plugin, act):
    """They are there afterwards, and nothing keeps the old memory."""
    for _ in range(2 * PATIENCE):
        plugin.call("set", b"kept")
    kept = plugin.vars
    store = weakref.ref(plugin._life.instance.store)
    gc.disable()
    try:
        getattr(plugin, act)()
        is_gone = store() is None
    finally:
        gc.enable()

    assert is_gone
    assert dict(kept) == {"key": b"kept"}


def test_variables_that_are_nobodys_any_more_are_still_read():
    """Who keeps them when the plugin is gone has them."""
    with extism.Plugin(wat_to_wasm(GUEST), functions=[]) as plugin:
        for _ in range(2 * PATIENCE):
            plugin.call("set", b"kept")
        kept = plugin.vars
    del plugin

    kept["more"] = b"set"
    assert dict(kept) == {"key": b"kept", "more": b"set"}


# ------------------------------------------------ other threads


def test_another_thread_sees_each_change_whole(plugin):
    """While the guest counts without asking: both halves of a value are of the same turn, and turns go up."""
    for _ in range(2 * PATIENCE):
        plugin.call("set", b"0" * 16)
    seen, errors = [], []
    turns = (400_000).to_bytes(8, "little")
    caller = threading.Thread(target=plugin.call, args=("count", turns))
    caller.start()
    while caller.is_alive():
        value = plugin.vars["key"] if len(seen) % 2 else dict(plugin.vars)["key"]
        seen.append(value)
        if value[:8] != value[8:]:
            errors.append(value)
    caller.join()
    numbers = [int.from_bytes(value[:8], "little") for value in seen if value != b"0" * 16]

    assert errors == []
    assert numbers == sorted(numbers)
    assert dict(plugin.vars) == {"key": (399_999).to_bytes(8, "little") * 2}


def test_another_thread_sets_while_the_guest_sets(plugin):
    """Nothing is lost: each sees its own, and the budget counts both."""
    for _ in range(2 * PATIENCE):
        plugin.call("set", b"0" * 16)
    turns = (200_000).to_bytes(8, "little")
    caller = threading.Thread(target=plugin.call, args=("count", turns))
    caller.start()
    count = 0
    while caller.is_alive():
        plugin.vars["other"] = b"%d" % count
        assert plugin.vars["other"] == b"%d" % count
        count += 1
    caller.join()
    last = b"%d" % (count - 1)

    assert count > 10
    assert dict(plugin.vars) == {"key": (199_999).to_bytes(8, "little") * 2, "other": last}
    assert plugin._life.state.variables.used == 48 + 3 + 16 + 48 + 5 + len(last)


# ------------------------------------------------ the rules, without a kernel


class Book:
    """A shelf as a dict, which has room for so many entries."""

    def __init__(self, room=100):
        self.entries, self.room, self.max_bytes = {}, room, None

    @property
    def used(self):
        return sum(48 + len(key) + len(value) for key, value in self.entries.items())

    def get(self, key):
        return self.entries.get(key)

    def items(self):
        return dict(self.entries)

    def is_wanted(self):
        return True

    def put(self, entries):
        for key, value in entries:
            if value is None:
                self.entries.pop(key, None)
            elif len(self.entries) < self.room or key in self.entries:
                self.entries[key] = value
            else:
                return False
        return True

    def open(self, max_bytes=0):
        self.max_bytes = max_bytes

    def close(self):
        self.max_bytes = None


def test_variables_are_lent_as_far_as_there_is_room():
    """What found none stays here, and all of them together are what they were."""
    variables, book = Variables(1000), Book(room=2)
    for key in "abc":
        variables.set(key, key.encode())
    variables.offer(book)
    variables.remove("a")
    variables.set("b", b"")
    held = dict(variables.snapshot())
    used, is_open = variables.used, book.max_bytes is not None
    book.room = 9
    variables.offer(book)

    assert (held, used, is_open) == ({"b": b"", "c": b"c"}, 48 + 1 + 48 + 2, False)
    assert (book.entries, book.max_bytes) == ({b"b": b"", b"c": b"c"}, 1000)
    assert (variables.used, len(variables)) == (used, 2)


def test_variables_that_are_switched_off_are_not_lent():
    """The guest has to be told."""
    variables, book = Variables(0), Book()
    variables.offer(book)

    assert book.max_bytes is None
