"""
What the JS SDK's own suite checks, checked here for real, with guests of ours.

`tests/house/test_upstream_table.py` lists upstream's tests and which of ours stands for each.
"""

from __future__ import annotations

import pytest
from http_server import serve
from wat_guests import ECHO, STATEFUL, wat

import extism
from extism.errors import CallTimeout, CapabilityDenied, Error, GuestError, LinkError

# Guests are compiled when they are first needed.
pytestmark = pytest.mark.timeout(300)

CALLS_HELLO = """
    (func (export "run") (call $give (call $hello (call $copy_input))))
    (func (export "count_vowels") (call $give (call $hello (call $copy_input))))"""
IMPORTS_HELLO = '(import "extism:host/user" "hello" (func $hello (param i64) (result i64)))'
RUN = wat(CALLS_HELLO, before=IMPORTS_HELLO)


@pytest.fixture(scope="module")
def server():
    with serve() as running:
        running.answer("/page", body=b"a page", headers=[("content-type", "text/html")])
        running.answer("/large", body=b"x" * 5000)
        yield running


def u64(output: bytes) -> int:
    return int.from_bytes(output, "little")


def test_what_a_module_offers_and_needs_can_be_listed(guest_plugin):
    """Exports and imports by name."""
    counter = guest_plugin("c/count_vowels.c")

    assert "count_vowels" in [each.name for each in counter.exports]
    assert {"alloc", "var_get", "config_get"} <= {each.name for each in counter.imports}


def test_a_host_function_may_be_a_linked_module(guest):
    """A module called `extism:host/user` gives what would be a host function."""
    library = wat("""(func (export "hello") (param i64) (result i64) (local.get 0))""")
    sources = [{"data": library.encode(), "name": "extism:host/user"}]
    sources.append({"data": RUN.encode(), "name": "main"})
    with extism.Plugin({"wasm": sources}, functions=[]) as linked:
        assert linked.call("run", "Hello, world!") == b"Hello, world!"


def test_modules_in_a_circle_are_refused():
    """Upstream's process dies; here the circle is named."""
    a = wat('(func (export "f"))', before='(import "b" "f" (func))')
    b = wat('(func (export "f"))', before='(import "a" "f" (func))')
    sources = [{"data": text.encode(), "name": name} for name, text in (("a", a), ("b", b))]
    with pytest.raises(LinkError, match=r"circle: a -> b -> a$"):
        extism.Plugin({"wasm": [*sources, {"data": ECHO.encode(), "name": "main"}]}, functions=[])


def test_a_missing_dependency_is_named():
    """The error says which namespace and name nobody gives."""
    with pytest.raises(LinkError, match="haha::missing") as caught:
        extism.Plugin(wat("", before='(import "haha" "missing" (func))'), functions=[])

    assert (caught.value.module, caught.value.name) == ("haha", "missing")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_inputs_of_every_kind_of_bytes(plugin, kind):
    """A view's own part is sent, not what it is a view of."""
    data = kind(b"-hello-")

    assert plugin(ECHO).call("echo", data[1:6]) == b"hello"


def test_an_exception_of_a_host_function_reaches_the_caller(plugin):
    """With its own text, and itself as the cause."""

    @extism.host_fn(name="hello")
    def failing(text: str) -> str:
        raise ValueError("damn the torpedoes")

    with pytest.raises(extism.errors.HostFunctionError, match="damn the torpedoes") as caught:
        plugin(RUN, functions=[failing]).call("run", "x")

    assert isinstance(caught.value.__cause__, ValueError)


def test_the_variable_limit_is_a_message_and_no_more(plugin):
    """Over the limit: an error; under it the same plug-in works on."""
    setter = plugin(
        wat('(func (export "set") (call $var_set (call $alloc (i64.const 1)) (call $copy_input)))'),
        memory={"max_var_bytes": 1024},
    )
    with pytest.raises(CapabilityDenied, match="Variable store is full"):
        setter.call("set", bytes(2000))

    assert setter.call("set", bytes(900)) == b""


def test_reset_drops_blocks(plugin):
    """After `reset()` the output of the last call is gone, state is not."""
    counter = plugin(STATEFUL)
    counter.call("count", b"")
    counter.reset()

    assert u64(counter.call("count", b"")) == 2


def test_output_of_a_program_is_dropped_or_caught(guest):
    """Nothing of what a guest prints appears, unless it is asked for."""
    path = str(guest("c/files.c"))
    kept: list[bytes] = []
    with extism.Plugin(path, wasi=True, functions=[]) as silent:
        silent.call("print", "hello")
    with extism.Plugin(path, wasi=extism.WasiOptions(stdout=kept.append), functions=[]) as heard:
        heard.call("print", "hello")

    assert b"".join(kept) == b"out: hello\n"


def test_an_initialiser_has_a_time_limit(plugin):
    """A module that loops while it is started is an error, after `timeout_ms`."""
    with pytest.raises(CallTimeout, match="timeout"):
        plugin(wat('(func (export "_initialize") (loop $l (br $l)))'), timeout_ms=200)


def test_a_plugin_is_not_reentrant(plugin):
    """A host function that calls its own plug-in gets an error, at once."""
    plugins = []

    @extism.host_fn(name="hello")
    def again(text: str) -> str:
        return plugins[0].call("run", text).decode()

    plugins.append(plugin(RUN, functions=[again]))
    with pytest.raises(Error, match="reentrant"):
        plugins[0].call("run", "x")


def test_a_response_that_is_too_large(guest_plugin, server):
    """max_http_response_bytes: one byte too many is an error that names the limit."""

    def fetching(limit):
        return guest_plugin(
            "c/http.c",
            allowed_hosts=["127.0.0.1"],
            config={"url": server.url("/large")},
            memory={"max_http_response_bytes": limit},
        )

    with pytest.raises(Error, match="maximum number of bytes: 4999"):
        fetching(4999).call("get", b"")

    assert fetching(5000).call("get", b"") == b"200 " + b"x" * 5000


def test_files_of_a_granted_directory(guest_plugin, tmp_path):
    """Reading and writing where the manifest allows it, and nowhere else."""
    files = guest_plugin(
        "c/files.c",
        wasi=True,
        config={"path": "/data/new.txt"},
        allowed_paths={str(tmp_path): "/data"},
    )
    files.call("write_file", "written")
    elsewhere = guest_plugin(
        "c/files.c",
        wasi=True,
        config={"path": "/etc/passwd"},
        allowed_paths={str(tmp_path): "/data"},
    )
    with pytest.raises(GuestError, match="open: errno"):
        elsewhere.call("read_file", b"")

    assert files.call("read_file", b"") == b"written"
    assert (tmp_path / "new.txt").read_text() == "written"


def test_the_registry_is_what_a_plugin_gets_by_default(registry, recwarn):
    """Without `functions` a plug-in has every function ever decorated; None and [] are none."""

    @extism.host_fn(name="hello")
    def hello(text: str) -> str:
        return text.title()

    with extism.Plugin(RUN) as caller:
        output = caller.call("run", "some words")
    for none in (None, []):
        with pytest.raises(LinkError):
            extism.Plugin(RUN, functions=none)

    assert output == b"Some Words"
