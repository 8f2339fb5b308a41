"""Every name of the Python guest library, inside a plug-in, on both packages."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from extism import pdk
from peer import Case, answers_of

pytestmark = [pytest.mark.guest_python, pytest.mark.peer, pytest.mark.timeout(300)]

SOURCE = Path(__file__).parents[1] / "guests" / "python" / "every_name.py"
ITEM = json.dumps({"name": "a", "price": 1.0})

OUTPUTS = [
    ("input_bytes input_str input_json input output_json", "inputs", ITEM, ["$", "$", "$$", "a", 1.0]),
    ("output_bytes", "output_bytes", "", b"\xff\0"),
    ("output_str", "output_str", "", "é".encode()),
    ("output", "output", "", [{"name": "a", "price": 1.0}, "red"]),
    ("plugin_fn", "typed", '{"item": $, "times": 1}', ["$$"]),
    ("plugin_fn", "awaited", "0.01", ["a", "b"]),
    ("plugin_fn", "is_no_code", "", True),
    ("ReturnCode", "code", "0", b""),
    ("InputError", "input_error", '{"name": 1}', b"input.name: expected a string, got 1"),
    ("Config.get_str Config.get_json Config.get", "config", "", ["Zoé", [1, 2], [1, 2], "y"]),
    ("Var.get Var.get_str Var.get_bytes Var.get_json Var.set Var.delete", "variables", "", [None, "$", "$", "$$", None]),
    (
        "Http.request Http.get Http.post Http.put Http.patch Http.delete HttpRequest HttpRequest.send",
        "requests",
        "<server>/any",
        [201] * 7,
    ),
    (
        ("HttpResponse HttpResponse.status_code HttpResponse.ok HttpResponse.method HttpResponse.url "
        "HttpResponse.data_bytes HttpResponse.data_str HttpResponse.data_json HttpResponse.json "
        "HttpResponse.has_headers HttpResponse.headers HttpResponse.header HttpResponse.raise_for_status"),
        "response",
        "<server>/item",
        [[200, True, "GET", True], ["$", "$", "$$", "a"], [], True],
    ),
    ("HttpError", "http_error", "<server>/gone", [410, "gone"]),
    ("urllib.request", "urllib_error", "<server>/gone", [410, "gone"]),
    (
        "memory.alloc memory.find memory.string memory.bytes memory.free MemoryHandle memory.MemoryHandle",
        "blocks",
        "",
        ["text", "text", True, None],
    ),
    ("import_fn I32 I64 F32 F64", "host_functions", "", ["ABC", 5, [7, 9]]),
]  # fmt: skip
"""Names, the function that uses them, its input, its output: bytes or JSON, with `$` for the item."""

ERRORS = [
    ("set_error", "set_error", "", (0, "no good")),
    ("PluginError", "plugin_error", "", (4, "no such city")),
    ("set_error_format", "formatted_error", "0", (1, "KeyError('k')")),
    ("ReturnCode", "code", "3", (3, "Error code: 3")),
    ("plugin_fn", "typed", '{"item": {"name": "a", "price": "x"}}', (1, 'typed: item.price: expected a number, got "x"')),
]  # fmt: skip

LOGS = ("log LogLevel logging", "logs")
SHARED = "shared_fn"
MAIN = """(module
  (import "lib" "scaled" (func $scaled (param f32 i32 i64 i64) (result f64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (func (export "run") (result i32) (local $text i64)
    (local.set $text (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $text) (i32.const 65))
    (i32.trunc_f64_s
      (call $scaled (f32.const 0.5) (i32.const -4) (local.get $text) (i64.const 10)))))"""


def filled(text):
    return text.replace('"$$"', ITEM).replace('"$"', json.dumps(ITEM)).replace("$", ITEM)


@pytest.fixture(scope="module")
def manifest(python_plugin):
    path = str(python_plugin(SOURCE.read_text(encoding="utf-8"), "every_name"))
    return {
        "wasm": [{"path": path}],
        "allowed_hosts": ["127.0.0.1"],
        "config": {"user": "Zoé", "limits": "[1, 2]"},
    }


@pytest.fixture(scope="module", autouse=True)
def answers(peer_server):
    close = [("connection", "close"), ("x-b", "2")]
    peer_server.answer("/item", 200, ITEM.encode(), close)
    peer_server.answer("/any", 201, b"", close)
    peer_server.answer("/any?q=a+b", 201, b"", close)
    peer_server.answer("/gone", 410, b"gone", close)


FUNCTIONS = ("shout", "price", "hear_all", "explicit_f32", "explicit_i32", "two_results")


@pytest.fixture
def both(duel, workers, peer_server):
    """Play one call on both packages, which must agree; return our answer."""

    def both(manifest, function, data):
        step = ["call_text", function, data.replace("$", ITEM)]
        case = Case(f"pdk: {function}", manifest, (step,), wasi=True, functions=FUNCTIONS)
        assert duel(case) == []
        scene = json.dumps(case.scene(lambda value: value)).replace("<server>", peer_server.url(""))
        return answers_of(workers()[0].play(json.loads(scene)))[0]

    return both


@pytest.mark.parametrize(("function", "data", "output"), [row[1:] for row in OUTPUTS])
def test_what_it_gives(both, manifest, function, data, output):
    """Output and requests are the same on both, and what the table says."""
    found = both(manifest, function, data).output

    if isinstance(output, bytes):
        assert found == output
    else:
        assert json.loads(found) == json.loads(filled(json.dumps(output)))


@pytest.mark.parametrize(("function", "data", "expected"), [row[1:] for row in ERRORS])
def test_how_it_fails(both, manifest, function, data, expected):
    """Error text and return code are the same on both, and what the table says."""
    answer = both(manifest, function, data)

    assert (answer.code, answer.error) == expected


def test_floats_of_host_functions(workers, manifest):
    """Results that are floats arrive; upstream's package gives none."""
    case = Case("pdk: floats", manifest, ("floats",), wasi=True, functions=FUNCTIONS)
    (answer,) = answers_of(workers()[0].play(case.scene(lambda value: value)))

    assert answer.output == b"[-3.0, 0.25]"


def test_what_it_logs(duel, workers, manifest):
    """Both ways of logging reach both hosts, with their levels."""
    case = Case(
        "pdk: logs", manifest, (["log", "logs", ""],), wasi=True, functions=FUNCTIONS, log="info"
    )

    assert duel(case) == []
    said = str(answers_of(workers("info")[0].play(case.scene(lambda value: value)))[0])
    assert "by extism" in said
    assert "shop: by logging" in said


def test_functions_for_other_modules(duel, manifest, tmp_path):
    """A module that is no Python calls a shared function, with numbers of every type and text."""
    main = tmp_path / "main.wat"
    main.write_text(MAIN, encoding="utf-8")
    modules = [{"name": "lib", **manifest["wasm"][0]}, {"name": "main", "path": str(main)}]
    case = Case("pdk: shared_fn", {"wasm": modules}, ("run",), wasi=True, functions=FUNCTIONS)

    assert duel(case) == []


def test_no_name_is_missing():
    """Every public name of the guest library is in one of the tables."""
    classes = {"Config", "Http", "HttpRequest", "HttpResponse", "Var"}
    names = {name for name in pdk.__all__ if name not in {*classes, "ffi", "memory"}}
    names |= {f"memory.{name}" for name in pdk.memory.__all__}
    for each in classes:
        names |= {
            f"{each}.{name}" for name, _ in inspect.getmembers(getattr(pdk, each)) if name[0] != "_"
        }
    names -= {"HttpRequest.headers", "HttpRequest.method"}  # its fields, given when it is made
    used = {name for row in (*OUTPUTS, *ERRORS) for name in row[0].split()} | {
        *LOGS[0].split(),
        SHARED,
    }

    assert names - used == set()
