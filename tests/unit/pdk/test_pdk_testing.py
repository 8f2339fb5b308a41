"""The simulated host: a plug-in's functions under plain CPython, with everything that a host grants."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Annotated

import pytest

import extism
from extism import pdk
from extism.pdk import LogLevel, exports, ffi, imports, testing

PLUGIN = """
from __future__ import annotations

import asyncio
import logging
import urllib.request
from dataclasses import dataclass

import extism
from extism import Config, Var, log
from helper import decorated

LOADED = []


@dataclass
class Item:
    name: str
    price: float


@extism.import_fn("extism:host/user", "lookup")
def lookup(name: str) -> Item | None: ...


@extism.import_fn("extism:host/user", "count")
def count(text: str, times: int) -> int: ...


@extism.import_fn("shop", "rate")
def rate(kind: str, factor: float) -> float: ...


@extism.plugin_fn
def greet(name: str) -> str:
    Var.set("last", name)
    return decorated(f"{Config.get_str('greeting', 'Hello')}, {name}")


@extism.plugin_fn
def late() -> str:
    from extism.memory import alloc, string
    from late_helper import word

    return string(alloc(word()))


@extism.plugin_fn
def price(name: str) -> float:
    try:
        item = lookup(name)
    except Exception:
        return -1.0
    return item.price if item else 0.0


@extism.plugin_fn
def numbers() -> list:
    return [rate("a", 2), count("abc", 2) > 0]


@extism.import_fn("extism:host/user", "ask")
async def ask(question: str) -> str: ...


@extism.plugin_fn
async def ask_twice(question: str) -> list[str]:
    return await asyncio.gather(ask(question + "?"), ask(question + "!"))


@extism.plugin_fn
def fetch(url: str) -> list:
    response = extism.Http.post(url, json={"a": 1}, headers={"X-A": "1"})
    return [response.status_code, response.data_str(), response.header("x-b")]


@extism.plugin_fn
def fetch_with_urllib(url: str) -> str:
    with urllib.request.urlopen(url) as response:
        return response.read().decode()


@extism.plugin_fn
def logs():
    log(extism.LogLevel.Info, "by extism")
    logging.getLogger("shop").warning("by logging")


@extism.plugin_fn
def fail():
    raise KeyError("x")


@extism.plugin_fn
def code(n: int) -> extism.ReturnCode:
    return extism.ReturnCode(n)


@extism.plugin_fn
def complain():
    extism.set_error("no good")
"""


@pytest.fixture
def plugin(tmp_path):
    """Write a plug-in with two modules beside it; return its path."""
    (tmp_path / "helper.py").write_text(
        "import extism\n\ndef decorated(text):\n    assert extism.plugin_fn\n    return f'*{text}*'\n"
    )
    (tmp_path / "late_helper.py").write_text(
        "import extism\n\ndef word():\n    return extism.__name__\n"
    )
    path = tmp_path / "shop.py"
    path.write_text(PLUGIN)
    return path


def test_a_call(plugin):
    """Input in, output out; modules beside the plug-in know the guest library too, whenever they are imported."""
    with testing.host(plugin) as host:
        assert host.call("greet", "Ada") == b"*Hello, Ada*"
        assert host.call("greet", b"Bob", parse=bytes.decode) == "*Hello, Bob*"
        assert host.call("late") == b"extism.pdk"


def test_config_and_variables(plugin):
    """Both can be looked at and changed between calls."""
    with testing.host(plugin, config={"greeting": "Hi"}) as host:
        first = host.call("greet", "Ada")
        host.config["greeting"] = "Yo"
        second = host.call("greet", "Bob")

        assert (first, second, host.vars) == (b"*Hi, Ada*", b"*Yo, Bob*", {"last": b"Bob"})


@dataclass
class Found:
    name: str
    price: float


def lookup(name: str) -> Found | None:
    if name == "boom":
        raise ValueError("the database is gone")
    return Found(name, 2.5) if name else None


def rate(kind: str, factor: float) -> float:
    return len(kind) * factor / 4


def count(text: str, times: int) -> Annotated[int, extism.Raw]:
    return len(text) * times


FUNCTIONS = {"lookup": lookup, ("shop", "rate"): rate, "count": count}


def test_host_functions(plugin):
    """Arguments arrive as the function's annotations say, results as the plug-in's do."""
    with testing.host(plugin, functions=FUNCTIONS) as host:
        assert [host.call("price", name) for name in ("lamp", "")] == [b"2.5", b"0.0"]
        assert host.call("numbers", parse=json.loads) == [0.5, True]


def test_async_host_functions(plugin):
    """They are awaited, whether the plug-in has a loop of its own running or not."""

    async def ask(question: str) -> str:
        await asyncio.sleep(0)
        return question.upper()

    async def find(name: str) -> Found | None:
        return Found(name, 4.0)

    with testing.host(plugin, functions={"ask": ask, "lookup": find}) as host:
        assert host.call("ask_twice", "how", parse=json.loads) == ["HOW?", "HOW!"]
        assert host.call("price", "x") == b"4.0"


def test_host_functions_of_the_host_sdk(plugin):
    """What `host_fn` has decorated is taken as it is."""

    @extism.host_fn("lookup")
    def named(name: str) -> Found | None:
        return Found(name, 1.0)

    with testing.host(plugin, functions=[named]) as host:
        assert host.call("price", "x") == b"1.0"


def test_a_host_function_that_raises_ends_the_call(plugin):
    """The plug-in cannot catch it; the exception is the cause of what the test sees."""
    with testing.host(plugin, functions=[lookup]) as host:
        with pytest.raises(testing.CallFailed) as caught:
            host.call("price", "boom")

        assert (str(caught.value), caught.value.is_of_host) == (
            "host function extism:host/user::lookup raised ValueError: the database is gone",
            True,
        )
        assert isinstance(caught.value.__cause__, ValueError)


def test_a_host_function_that_nobody_gave(plugin):
    """The text names it."""
    with testing.host(plugin) as host, pytest.raises(testing.CallFailed) as caught:
        host.call("price", "x")

    assert str(caught.value) == (
        "the plug-in calls extism:host/user::lookup, and no such host function is given"
    )


def test_http(plugin):
    """The test answers for the network, and sees what was asked."""
    with testing.host(plugin) as host:
        host.respond("https://a.example/*", "other", status=404)
        host.respond("https://a.example/x?y=1", json=[1], headers={"X-B": "2"}, method="post")

        found = host.call("fetch", "https://a.example/x?y=1", parse=json.loads)
        assert found == [200, "[1]", "2"]
        assert host.call("fetch", "https://a.example/z", parse=json.loads) == [404, "other", None]
        asked = host.requests[0]
        assert (asked.method, asked.url, asked.body, asked.headers["x-a"]) == (
            "POST",
            "https://a.example/x?y=1",
            b'{"a": 1}',
            "1",
        )


def test_urllib(plugin):
    """It asks the simulated host, as it asks the host in the sandbox."""
    with testing.host(plugin) as host:
        host.respond("https://a.example/x", "here")

        assert host.call("fetch_with_urllib", "https://a.example/x") == b"here"


def test_urllib_is_the_processes_own_afterwards(plugin):
    """What the plug-in's requests have left in the standard library is gone with the host."""
    with testing.host(plugin) as host:
        host.respond("https://a.example/x", "here")
        host.call("fetch_with_urllib", "https://a.example/x")

    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen("http://127.0.0.1:9/", timeout=5)


def test_a_request_that_nothing_answers(plugin):
    """It ends the call, as one to a host that is not allowed."""
    with testing.host(plugin) as host:
        host.respond("https://b.example/")
        with pytest.raises(testing.CallFailed, match=r"https://a\.example/ is not allowed"):
            host.call("fetch", "https://a.example/")

        assert host.requests == []


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (LogLevel.Trace, [(LogLevel.Info, "by extism"), (LogLevel.Warn, "shop: by logging")]),
        (LogLevel.Warn, [(LogLevel.Warn, "shop: by logging")]),
    ],
)
def test_logs(plugin, level, expected):
    """Both ways of logging, from the host's level on."""
    with testing.host(plugin, log_level=level) as host:
        host.call("logs")

        assert host.logs == expected


@pytest.mark.parametrize(
    ("function", "data", "message", "code"),
    [
        ("complain", "", "no good", 0),
        ("code", "3", "Error code: 3", 3),
        ("code", "x", 'code: n: expected an integer, got "x"', 1),
    ],
)  # fmt: skip
def test_failures(plugin, function, data, message, code):
    """Text and code are those that a host would have."""
    with testing.host(plugin) as host, pytest.raises(testing.CallFailed) as caught:
        host.call(function, data)

    assert (caught.value.message, caught.value.exit_code) == (message, code)


def test_an_exception_is_the_cause(plugin):
    """A debugger and pytest show where it was raised; its text is the traceback, with names as in the plug-in."""
    with testing.host(plugin) as host, pytest.raises(testing.CallFailed) as caught:
        host.call("fail")

    assert isinstance(caught.value.__cause__, KeyError)
    assert '  File "shop.py", line ' in caught.value.message


def test_an_unknown_function(plugin):
    """The text says what there is."""
    with (
        testing.host(plugin) as host,
        pytest.raises(LookupError, match="there is: ask_twice, code, complain"),
    ):
        host.call("gret")


def test_functions_of_the_tests_own():
    """Without a file, what was decorated in this process is called."""
    with testing.host() as host:

        @pdk.plugin_fn
        def shout(text: str) -> str:
            return text.upper()

        assert host.call("shout", "x") == b"X"
    assert exports.names() == []


def test_nothing_is_left_behind(plugin):
    """Afterwards the process is as it was, also when loading fails."""
    before = dict(sys.modules), ffi.host, imports._bindings, sys.meta_path[:]
    with testing.host(plugin) as host:
        assert sys.modules["shop"] is host.module
    plugin.write_text("import helper\n1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        testing.host(plugin).__enter__()

    after = dict(sys.modules), ffi.host, imports._bindings, sys.meta_path[:]
    added = {name for name in after[0] if name not in before[0]}
    assert {name for name in added if name in {"shop", "helper", "late_helper"}} == set()
    assert (after[1:], exports.functions) == (before[1:], [])


@pytest.mark.parametrize("use", ["extism.Config.get_str('x')", "extism.input_str()"])
def test_the_module_level_has_no_host(plugin, use):
    """As when the plug-in is built, in the same words."""
    plugin.write_text(f"import extism\n{use}\n")
    with pytest.raises(RuntimeError, match="module-level code runs when the plug-in is built"):
        testing.host(plugin).__enter__()


def test_a_package(tmp_path):
    """An __init__.py is a plug-in too, with relative imports."""
    (tmp_path / "near.py").write_text("import extism\nWORD = 'near'\n")
    path = tmp_path / "__init__.py"
    path.write_text(
        "import extism\nfrom .near import WORD\n@extism.plugin_fn\ndef f() -> str:\n    return WORD\n"
    )
    with testing.host(path) as host:
        assert host.call("f") == b"near"


def test_a_breakpoint_of_the_test_is_not_caught(plugin):
    """Leaving the debugger, and Ctrl-C, are meant for whoever runs the test."""
    plugin.write_text("import extism\n@extism.plugin_fn\ndef f():\n    raise KeyboardInterrupt\n")
    with testing.host(plugin) as host, pytest.raises(KeyboardInterrupt):
        host.call("f")


TESTS = """
import json
from typing import Annotated

import extism
import pytest
from extism.pdk.testing import CallFailed

pytestmark = pytest.mark.extism_plugin("shop.py", config={"greeting": "Hi"})


def lookup(name: str) -> Annotated[dict, extism.Json]:
    if name == "boom":
        raise ValueError("the database is gone")
    return {"name": name, "price": 2.5}


def test_greet(extism_plugin):
    assert extism_plugin.call("greet", "Ada") == b"*Hi, Ada*"
    assert dict(extism_plugin.vars) == {"last": b"Ada"}


@pytest.mark.extism_plugin(functions=[lookup])
def test_host_function(extism_plugin):
    assert extism_plugin.call("price", "lamp") == b"2.5"
    with pytest.raises(CallFailed) as caught:
        extism_plugin.call("price", "boom")
    said = "host function extism:host/user::lookup raised ValueError: the database is gone"
    assert (str(caught.value).splitlines()[0], caught.value.is_of_host) == (said, True)
    assert isinstance(caught.value.__cause__, ValueError)


async def ask(question: str) -> str:
    return question.upper()


@pytest.mark.extism_plugin(functions=[ask])
def test_async_host_function(extism_plugin):
    assert extism_plugin.call("ask_twice", "how", json.loads) == ["HOW?", "HOW!"]


def test_missing_host_function(extism_plugin):
    with pytest.raises(CallFailed, match="the plug-in calls extism:host/user::lookup, and no such"):
        extism_plugin.call("price", "lamp")


def test_http(extism_plugin):
    extism_plugin.respond("https://a.example/", "here", headers={"X-B": "2"})
    assert extism_plugin.call("fetch", "https://a.example/", json.loads) == [200, "here", "2"]
    assert extism_plugin.call("fetch_with_urllib", "https://a.example/") == b"here"
    assert [(r.method, r.body) for r in extism_plugin.requests] == [("POST", b'{"a": 1}'), ("GET", b"")]
    with pytest.raises(CallFailed, match="https://b.example/ is not allowed"):
        extism_plugin.call("fetch", "https://b.example/")


def test_logs(extism_plugin):
    extism_plugin.call("logs")
    assert [(int(line.level), line.message) for line in extism_plugin.logs] == [
        (2, "by extism"), (3, "shop: by logging")
    ]


def test_failures(extism_plugin):
    with pytest.raises(CallFailed) as caught:
        extism_plugin.call("code", "3")
    assert (caught.value.message, caught.value.exit_code, caught.value.is_of_host) == ("Error code: 3", 3, False)
    with pytest.raises(CallFailed, match='File "shop.py", line'):
        extism_plugin.call("fail")
    with pytest.raises(LookupError):
        extism_plugin.call("gret")
"""


def run_pytest(folder, *arguments):
    from importlib.metadata import entry_points

    own = [] if "extism" in entry_points(group="pytest11").names else ["-p", "extism._pytest"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *own, *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=200, check=False
    ).stdout


@pytest.mark.guest_python
@pytest.mark.timeout(300)
def test_the_pytest_plugin_runs_tests_on_both(plugin):
    """Each test runs natively and in WebAssembly, and says the same of both."""
    (plugin.parent / "test_shop.py").write_text(TESTS)
    said = run_pytest(plugin.parent, "-vv")

    assert "14 passed" in said, said
    assert said.count("[native]") == said.count("[wasm]") == 7


def test_the_pytest_plugin_runs_tests_natively(plugin):
    """On demand, without an interpreter to be had."""
    (plugin.parent / "test_shop.py").write_text(TESTS)

    assert "7 passed" in run_pytest(plugin.parent, "--extism=native")


def test_a_test_that_names_no_plugin(tmp_path):
    """The text says the two ways to name one."""
    (tmp_path / "test_x.py").write_text("def test_x(extism_plugin): ...\n")

    assert "which plug-in? Mark the test with @pytest.mark.extism_plugin" in run_pytest(
        tmp_path, "--extism=native"
    )


def test_the_plugin_named_in_the_settings(plugin):
    """For a project with one plug-in."""
    (plugin.parent / "pytest.ini").write_text("[pytest]\nextism_plugin = shop.py\n")
    (plugin.parent / "test_x.py").write_text(
        textwrap.dedent(
            """
            def test_x(extism_plugin):
                assert extism_plugin.call("greet", "Ada") == b"*Hello, Ada*"
            """
        )
    )

    assert "1 passed" in run_pytest(plugin.parent, "--extism=native")
