"""The host's twelve functions over a real kernel: what they read, give, free and refuse."""

from __future__ import annotations

import json
import logging

import pytest
from http_server import serve

from extism import abi
from extism._capabilities.config import Config
from extism._capabilities.hosts import AllowedHosts
from extism._capabilities.http import Http, Response
from extism._capabilities.variables import Variables
from extism._engine.engine import shared_engine
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._runtime.call import Call
from extism._runtime.env import host_imports
from extism._runtime.kernel import Kernel
from extism._runtime.kernel_source import kernel_wasm
from extism._runtime.state import PluginState
from extism.errors import CallError, CapabilityDenied, OutOfMemory

PAGE = 65536
IMPORTS = {item.name: item for item in host_imports()}


@pytest.fixture(scope="module")
def code():
    return shared_engine().compile(kernel_wasm())


@pytest.fixture
def call(code):
    """A running call with a kernel, and everything granted a little."""
    state = PluginState(
        make_config=lambda: Config({"key": "value", "empty": ""}),
        max_var_bytes=1000,
        make_http=lambda: Http(AllowedHosts(["127.0.0.1"])),
        logger="extism.plugin",
    )
    kernel = Kernel(Linker(shared_engine()).instantiate(Store(shared_engine()), code))
    call = Call("run", state)
    call.kernel = kernel
    return call


def use(call, name, *values):
    """Call a function of the host as the guest would; handles are made of bytes."""
    handles = [call.kernel.store(v) if isinstance(v, bytes) else v for v in values]
    results = IMPORTS[name].body(call, *handles)
    return (results[0] if results else None), handles


def test_there_are_exactly_the_functions_of_the_abi():
    """Each with its types, in its namespace."""
    rows = {row.name: row for row in abi.FUNCTIONS.values() if row.by == "host"}

    assert set(IMPORTS) == set(rows)
    assert all(
        (item.namespace, item.params, item.results)
        == (abi.ENV, rows[name].params, rows[name].results)
        for name, item in IMPORTS.items()
    )


@pytest.mark.parametrize(
    ("key", "value"), [(b"key", b"value"), (b"empty", None), (b"missing", None), (0, None)]
)
def test_config_get_gives_a_block(call, key, value):
    """0 for what is not there or empty."""
    handle, _ = use(call, "config_get", key)

    assert (call.kernel.read(handle) if handle else None) == value


def test_variables_are_set_read_and_removed(call):
    """By handle; 0 as value removes."""
    use(call, "var_set", b"k", b"\0bytes")
    handle, _ = use(call, "var_get", b"k")
    found = call.kernel.read(handle)
    use(call, "var_set", b"k", 0)

    assert found == b"\0bytes"
    assert use(call, "var_get", b"k")[0] == 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("config_get", (b"key",)),
        ("var_get", (b"key",)),
        ("var_set", (b"key", b"value")),
        *((f"log_{level}", (b"text",)) for level in ("trace", "debug", "info", "warn", "error")),
    ],
)
def test_what_is_taken_is_freed(call, name, values):
    """All the handles of the table, and no other."""
    _, handles = use(call, name, *values)

    assert [call.kernel.length(handle) for handle in handles] == [0] * len(handles)
    assert len(handles) == len(abi.FUNCTIONS[name].takes)


def test_one_handle_given_twice_is_freed_once(call):
    """A block that came to lie there meanwhile is not hit."""
    handle = call.kernel.store(b"same")
    IMPORTS["var_set"].body(call, handle, handle)

    assert use(call, "var_get", b"same")[0] != 0
    assert call.state.variables.get("same") == b"same"


@pytest.mark.parametrize("handle", [1, 513, 4096, 2**40, -1, -(2**63)])
@pytest.mark.parametrize(
    ("name", "place", "what"),
    [
        ("config_get", 0, "config key"),
        ("var_get", 0, "var key"),
        ("var_set", 0, "var key"),
        ("var_set", 1, "var value"),
        ("http_request", 0, "http request"),
        ("http_request", 1, "http request body"),
        ("log_error", 0, "log message"),
    ],
)
def test_a_wild_handle_is_named(call, name, place, what, handle):
    """By what it should have been, and by its offset as the guest sees it."""
    values = [b"{}"] * len(abi.FUNCTIONS[name].params)
    values[place] = handle
    with pytest.raises(CallError) as caught:
        use(call, name, *values)

    assert str(caught.value) == f"invalid handle offset for {what}: {handle % 2**64}"
    assert caught.value.function == "run"


def test_a_variable_over_the_budget_frees_nothing(call):
    """The call is over anyway; the store is as it was."""
    with pytest.raises(CapabilityDenied):
        use(call, "var_set", b"k", b"v" * 1000)

    assert call.state.variables.used == 0


@pytest.mark.parametrize("name", ["config_get", "var_get"])
def test_a_value_without_room_is_out_of_memory(call, name):
    """The limit holds for what the host gives."""
    call.state._config = Config({"k": "x" * (20 * PAGE)})
    call.state._variables = Variables(1 << 30)
    call.state.variables.set("k", b"x" * (20 * PAGE))
    call.kernel.instance.store.limit_memory(17 * PAGE)
    with pytest.raises(OutOfMemory, match="oom"):
        use(call, name, b"k")


@pytest.mark.parametrize(
    ("level", "number"),
    [(5, 0), (logging.DEBUG, 1), (logging.INFO, 2), (logging.WARNING, 3), (logging.ERROR, 4)],
)
def test_the_wanted_level_is_told(call, caplog, level, number):
    """As the ABI numbers it."""
    caplog.set_level(level, logger="extism.plugin")

    assert use(call, "get_log_level")[0] == number


def test_a_message_of_any_length_is_read_to_its_limit(call, caplog):
    """A hundred megabytes cost as much as the first few."""
    caplog.set_level(logging.INFO, logger="extism.plugin")
    use(call, "log_info", b"x" * (20 << 20))

    assert caplog.records[0].getMessage() == "x" * 16384 + f"… [cut: {20 << 20} bytes]"


def test_a_level_that_nobody_wants_is_not_looked_at(call, caplog):
    """Not even the handle, but it is freed."""
    caplog.set_level(logging.ERROR, logger="extism.plugin")
    use(call, "log_debug", 4096)
    _, (handle,) = use(call, "log_debug", b"text")

    assert caplog.records == []
    assert call.kernel.length(handle) == 0


def test_a_request_is_sent_and_answered(call):
    """Body as a block, status and headers kept for the functions that ask."""
    call.state.has_response_headers = True
    with serve() as server:
        url = server.answer("/", 201, b"made", [("X-A", "1")])
        body, handles = use(call, "http_request", json.dumps({"url": url}).encode(), b"sent")

        assert server.seen[0].body == b"sent"
    assert call.kernel.read(body) == b"made"
    assert [call.kernel.length(handle) for handle in handles] == [0, 0]
    assert use(call, "http_status_code")[0] == 201
    assert json.loads(call.kernel.read(use(call, "http_headers")[0]))["x-a"] == "1"


@pytest.mark.parametrize(
    "request_", [b"no json", b'{"url": "http://127.0.0.2/"}', b'{"url": "x:"}']
)
def test_a_request_that_fails_clears_the_last_answer(call, request_):
    """Status and headers are never those of another request."""
    call.state.last_response = Response(200, {"x": "y"}, b"")
    call.state.has_response_headers = True
    with pytest.raises(CallError):
        use(call, "http_request", request_, 0)

    assert use(call, "http_status_code")[0] == 0
    assert call.kernel.read(use(call, "http_headers")[0]) == b"{}"


def test_headers_that_are_not_granted_are_null(call):
    """Whatever was answered."""
    call.state.last_response = Response(200, {"x": "y"}, b"")

    assert use(call, "http_headers")[0] == 0


@pytest.mark.parametrize(
    "name", [name for name, row in abi.FUNCTIONS.items() if row.by == "host" and row.params]
)
def test_a_call_that_is_over_is_refused(call, name, caplog):
    """Nothing reaches into a kernel whose call has ended."""
    caplog.set_level(1, logger="extism.plugin")
    call.end()
    with pytest.raises(CallError, match="is over"):
        IMPORTS[name].body(call, *[512] * len(abi.FUNCTIONS[name].params))
