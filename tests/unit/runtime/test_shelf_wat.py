"""The shelf in the kernel: what guests set and read there, and what it leaves to the host."""

from __future__ import annotations

import struct

import pytest
import wasmtime
from bare_kernel import engine
from bare_shelf import CONFIG, VARIABLES, BareShelf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extism.abi import ENV, FUNCTIONS, PAGE

U64 = (1 << 64) - 1
NAMES = ("config_get", "var_get", "var_set")


@pytest.fixture
def shelf():
    return BareShelf()


def test_it_imports_what_it_leaves_to_the_host(shelf):
    """The host's three functions under the ABI's name, with its types; it exports three of the same."""
    from extism._runtime.kernel_source import kernel_text

    module = wasmtime.Module(engine(), kernel_text(("shelf",)))
    types = {name: (FUNCTIONS[name].params, FUNCTIONS[name].results) for name in NAMES}

    def found(items):
        return {
            item.name: (tuple(map(str, item.type.params)), tuple(map(str, item.type.results)))
            for item in items
            if item.name in NAMES
        }

    assert {item.module for item in module.imports} == {ENV}
    assert found(module.imports) == found(module.exports) == types


def test_nothing_is_there_before_the_host_puts_it_there():
    """No page, and every function asks the host, with the handles as they came."""
    shelf = BareShelf(None)
    key, value = shelf.block(b"k"), shelf.block(b"v")
    given = [shelf.var_get(key), shelf.config_get(key)]
    shelf.var_set(key, value)

    assert shelf.shelf.size(shelf.store) == 0
    assert given == [77, 77]
    assert shelf.asked == [("var_get", key), ("config_get", key), ("var_set", key, value)]
    assert (shelf.length(key), shelf.length(value)) == (1, 1)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 7, 8, 9, 31, 32, 33, 1000])
def test_a_variable_of_any_length_comes_back(shelf, length):
    """Keys and values to the last byte, whatever lies behind them in their blocks."""
    key, value = b"k" * length, bytes(n % 255 for n in range(1, length + 2))
    shelf.set(key, value)

    assert (shelf.get(key), shelf.get(key + b"k"), shelf.get(key[:-1] + b"j")) == (value, b"", b"")
    shelf.check_shelf()


def test_what_is_taken_is_freed_and_what_is_given_is_new(shelf):
    """Keys and values of guests are gone afterwards; a value that was read is a block of its own."""
    key, value = shelf.block(b"key"), shelf.block(b"value")
    shelf.var_set(key, value)
    lengths = [shelf.length(key), shelf.length(value)]
    asked = shelf.block(b"key")
    one = shelf.var_get(asked)
    lengths.append(shelf.length(asked))
    two = shelf.var_get(shelf.block(b"key"))
    shelf.store_u8(one, ord("V"))

    assert lengths == [0, 0, 0]
    assert (shelf.read(one, 5), shelf.read(two, 5)) == (b"Value", b"value")
    assert shelf.get(b"key") == b"value"


def test_key_and_value_may_be_one_block(shelf):
    """It is freed once."""
    handle = shelf.block(b"same")
    shelf.var_set(handle, handle)

    assert (shelf.length(handle), shelf.get(b"same")) == (0, b"same")


def test_configuration_and_variables_are_apart(shelf):
    """The same key may be in both; a value without bytes reads as none."""
    shelf.put(CONFIG, (b"k", b"configured"), (b"empty", b""), (b"only", b"x"))
    shelf.open_config()
    shelf.set(b"k", b"set")

    assert shelf.get(b"k", "config_get") == b"configured"
    assert (shelf.get(b"k"), shelf.get(b"only")) == (b"set", b"")
    assert (shelf.get(b"empty", "config_get"), shelf.get(b"no", "config_get")) == (b"", b"")
    assert shelf.head.used == 48 + 1 + 3
    shelf.set(b"k", None)
    assert (shelf.get(b"k"), shelf.get(b"k", "config_get")) == (b"", b"configured")


def test_each_kind_is_opened_for_itself(shelf):
    """What is closed is asked for at the host."""
    shelf.put(CONFIG, (b"k", b"v"))

    assert shelf.get(b"k", "config_get") is None
    assert shelf.get(b"k") == b""


@pytest.mark.parametrize(
    "handle", [1, 512, 2047, 2049, 2080, 1 << 20, 1 << 32, (1 << 32) + 2048, U64]
)
@pytest.mark.parametrize("name", ["config_get", "var_get", "var_set key", "var_set value"])
def test_a_wild_handle_is_the_hosts_to_refuse(shelf, name, handle):
    """Nothing is done, and nothing freed."""
    shelf.open_config()
    good = shelf.block(b"good")
    name, _, place = name.partition(" ")
    handles = {"": [handle], "key": [handle, good], "value": [good, handle]}[place]
    getattr(shelf, name)(*handles)

    signed = [each - (1 << 64) if each >> 63 else each for each in handles]
    assert shelf.asked == [(name, *signed)]
    assert (shelf.length(good), shelf.variables()) == (4, {})


def test_the_budget_is_kept_to_the_byte():
    """48, key and value count, and only the new state; what is over it is left to the host."""
    shelf = BareShelf(2 * (48 + 1 + 10))
    done = [
        shelf.set(b"a", b"x" * 10),
        shelf.set(b"b", b"x" * 11),
        shelf.set(b"b", b"x" * 10),
        shelf.set(b"a", b"y" * 10),
        shelf.set(b"a", b"y" * 11),
        shelf.set(b"c", b"z"),
        shelf.set(b"b", None),
        shelf.set(b"c", b"z" * 10),
    ]

    assert done == [True, False, True, True, False, False, True, True]
    assert shelf.variables() == {b"a": b"y" * 10, b"c": b"z" * 10}
    assert (shelf.head.used, len(shelf.asked)) == (118, 3)
    shelf.check_shelf()


def test_a_variable_keeps_its_place_when_it_is_set_again(shelf):
    """They are listed as a dict lists them."""
    for key in (b"one", b"two", b"three", b"one", b"two"):
        shelf.set(key, key * 40)
    shelf.set(b"two", None)
    for number in range(100):
        shelf.set(b"one", b"x" * number or b"-")
    shelf.set(b"two", b"again")

    assert list(shelf.variables()) == [b"one", b"three", b"two"]


def test_the_host_puts_and_removes_without_a_budget():
    """It has counted by itself; what it removes need not be there."""
    shelf = BareShelf(100)
    done = shelf.put(
        VARIABLES,
        (b"a", b"x" * 500),
        (b"b", b""),
        (b"c", b"c"),
        ("\ud800".encode(errors="surrogatepass"), b"no text"),
        (b"never", None),
        (b"c", None),
    )

    assert (done, shelf.head.used) == (1, 48 + 1 + 500 + 48 + 1 + 48 + 3 + 7)
    assert list(shelf.variables()) == [b"a", b"b", b"\xed\xa0\x80"]
    assert (shelf.get(b"a"), shelf.get(b"b"), shelf.get(b"c")) == (b"x" * 500, b"", b"")
    shelf.check_shelf()


# ------------------------------------------------ keys that are text


def is_text(key):
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True


EDGES = (0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)
CHARACTERS = [chr(code).encode(errors="surrogatepass") for code in EDGES]
BROKEN = [
    *CHARACTERS,
    *(b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80"),
    *(b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\x80", b"\xbf", b"\xc2A"),
    *(b"\xe2\x82", b"\xf0\x9f\x98", b"\xe2\x28\xa1", b"\xf0\x28\x8c\xbc", b"\xf0\x9f\x98\x28"),
]


@pytest.mark.parametrize("around", [b"", b"key", b"seven..", "ж".encode()], ids=ascii)
def test_a_key_that_is_no_utf8_is_the_hosts_to_refuse(shelf, around):
    """At the edges of every length, at every place of a word."""
    for key in BROKEN:
        for whole in (around + key, key + around, around + key + around):
            assert (shelf.set(whole, b"v"), shelf.get(whole) is not None) == (is_text(whole),) * 2
    assert all(map(is_text, shelf.variables()))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=12),
        st.text(max_size=6).map(str.encode),
        st.lists(st.sampled_from(BROKEN), max_size=4).map(b"".join),
    )
)
@example(b"\xf0\x90\x80\x80" * 9)
def test_python_and_the_kernel_agree_on_what_is_text(key):
    """Whatever the bytes."""
    shelf = CHECKED[0]
    assert shelf.set(key, b"v") == is_text(key)


CHECKED = [BareShelf(1 << 40)]


# ------------------------------------------------ room


def test_space_is_used_again(shelf):
    """A value that is set five thousand times, and keys that come and go, stay in the first page."""
    for number in range(5000):
        shelf.set(b"counter", b"%d" % number)
        if number % 100 == 0:
            shelf.set(b"key %d" % number, b"x" * 50)
            shelf.set(b"key %d" % number, None)

    assert shelf.shelf.size(shelf.store) == 1
    assert shelf.variables() == {b"counter": b"4999"}
    shelf.check_shelf()


def test_memory_grows_with_what_lives():
    """A megabyte, in which values of many lengths come and go, takes no more than seven."""
    shelf = BareShelf(1 << 20)
    for number in range(3000):
        key = b"%d" % (number * 7 % 50)
        shelf.set(key, bytes([1 + number % 255]) * (number * 7919 % 20_000 + 1))

    assert shelf.head.used > 400_000
    assert shelf.shelf.data_len(shelf.store) <= 7 << 20
    shelf.check_shelf()


def test_a_hundred_thousand_keys():
    """All are found again, and those that are not there are not."""
    shelf = BareShelf(1 << 40)
    keys = [b"user:%d:name" % number for number in range(100_000)]
    for first in range(0, 100_000, 5000):
        shelf.put(VARIABLES, *((key, key[::-1]) for key in keys[first : first + 5000]))
    for number in range(0, 100_000, 999):
        shelf.set(keys[number], None)

    assert all(
        shelf.get(keys[number]) == (keys[number][::-1] if number % 999 else b"")
        for number in range(0, 100_000, 333)
    )
    assert shelf.get(b"user:100000:name") == b""
    shelf.check_shelf()


def probes(shelf):
    """How many slots a search looks at, for each key: from its home to where it is."""
    head = shelf.head
    slots = struct.unpack(
        f"<{head.slots}I", shelf.shelf.read(shelf.store, head.base, head.base + 4 * head.slots)
    )
    place = {at: index for index, at in enumerate(slots)}
    bits = head.slots.bit_length() - 1
    for entry in shelf.entries():
        home = ((entry.tag ^ entry.tag >> 15) * 0x9E3779B97F4A7C15 & U64) >> (64 - bits)
        yield (place[entry.at] - home) % head.slots + 1


@pytest.mark.parametrize(
    "key",
    [b"%d", b"user:%d:name", b"%08d", b"%064d", b"%d" + b"x" * 100, b"a\0%d"],
    ids=ascii,
)
def test_keys_that_differ_in_a_number_are_spread(key):
    """A search looks at two slots on average, and never at many."""
    shelf = BareShelf(1 << 40)
    shelf.put(VARIABLES, *((key % number, b"v") for number in range(5000)))
    lengths = list(probes(shelf))

    assert len(lengths) == 5000
    assert sum(lengths) / 5000 < 2
    assert max(lengths) < 100


def test_refused_growth_is_left_to_the_host():
    """What is there stays there, and what has room goes on being set."""
    shelf = BareShelf(1 << 40, max_pages=18)
    shelf.set(b"small", b"s")
    big = b"b" * 500_000
    done = [shelf.set(b"one", big), shelf.set(b"two", big), shelf.set(b"three", big)]
    refused = done.index(False)

    assert done == [True] * refused + [False] * (3 - refused)
    assert shelf.set(b"small", b"t")
    assert (shelf.get(b"small"), len(shelf.asked)) == (b"t", 3 - refused)
    assert shelf.put(VARIABLES, (b"four", big)) == 0
    shelf.check_shelf()


def test_a_value_without_room_for_its_block_is_left_to_the_host():
    """The key is not freed then."""
    shelf = BareShelf(1 << 40, max_pages=20)
    shelf.set(b"k", b"x" * 400_000)
    while shelf.alloc(100_000):
        pass
    key = shelf.block(b"k")

    assert shelf.var_get(key) == 77
    assert (shelf.asked, shelf.length(key)) == ([("var_get", key)], 1)


def test_a_reset_leaves_everything(shelf):
    """Variables are not the call's."""
    shelf.set(b"k", b"v")
    shelf.reset()
    shelf.begin(100)

    assert shelf.get(b"k") == b"v"


# ------------------------------------------------ ended in the middle


class Prepared(BareShelf):
    """A shelf whose next new entry makes it move, because three quarters of its slots are filled; and back to that."""

    def __init__(self):
        super().__init__(1 << 20, fuel=True)
        for number in range(11):
            self.set(b"key %d" % number, b"old value")
        self.image = self.shelf.read(self.store)
        self.again()

    def again(self):
        self.fuel(1 << 40)
        self.shelf.write(self.store, self.image)
        self.reset()

    def change(self, key, value):
        """Return what changes a variable as a guest does, its blocks ready."""
        handles = self.block(key), self.block(value or b"")
        return lambda: self.var_set(*handles)


ACTS = {
    "overwritten": (b"key 3", b"new"),
    "overwritten, moving": (b"key 3", b"x" * 2000),
    "new": (b"new key", b"new"),
    "new, moving": (b"new key", b"x" * 2000),
    "removed": (b"key 3", None),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_change_that_is_cut_off_happened_or_did_not(act):
    """For every amount of fuel: all other variables are as before, this one is old or new, and all goes on."""
    key, value = ACTS[act]
    before = {b"key %d" % number: b"old value" for number in range(11)}
    after = {k: v for k, v in {**before, key: value}.items() if v is not None}
    shelf = Prepared()
    seen = []
    while not seen or shelf.was_cut_off:
        shelf.again()
        change = shelf.change(key, value)
        shelf.fuel(len(seen))
        try:
            change()
            shelf.was_cut_off = False
        except (wasmtime.Trap, wasmtime.WasmtimeError):
            shelf.was_cut_off = True
        shelf.fuel(1 << 40)
        shelf.check_shelf()
        found = shelf.variables()

        assert found in (before, after)
        seen.append(found == after)
        shelf.reset()
        assert shelf.set(b"later", b"value")
        assert shelf.get(key) == found.get(key, b"")
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (False, True)


def test_the_acts_move_what_their_names_say():
    """Otherwise moving would not have been cut off."""
    moved = []
    for key, value in ACTS.values():
        shelf = Prepared()
        version = shelf.head.version
        shelf.change(key, value)()
        moved.append(shelf.head.version != version)

    assert moved == [False, True, False, True, False]


def test_pages_are_64_kib():
    """The first thing that the host puts there takes one."""
    shelf = BareShelf()

    assert shelf.shelf.data_len(shelf.store) == PAGE
