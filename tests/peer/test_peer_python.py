"""Python plug-ins of ours on both hosts: the stdlib, state, errors, exits, deep recursion."""

from __future__ import annotations

import json

import pytest

from peer import Case

pytestmark = [pytest.mark.guest_python, pytest.mark.peer, pytest.mark.timeout(300)]

SOURCE = """
import dataclasses
import datetime
import decimal
import hashlib
import json
import random
import re
import sys

import extism

state = []


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int = 2


@extism.plugin_fn
def stdlib():
    when = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
    with decimal.localcontext() as context:
        context.prec = 30
        third = str(decimal.Decimal(1) / 3)
    extism.output_json({
        "json": json.loads('{"a": [1, 2.5, null, "\\\\u00e9"]}'),
        "datetime": (when + datetime.timedelta(days=366)).isoformat(),
        "decimal": third,
        "re": re.findall(r"(\\w+)@(\\w+)", "a@b, ccc@ddd"),
        "dataclass": dataclasses.asdict(dataclasses.replace(Point(1), y=5)),
        "repr": repr(Point(3)),
        "sha256": hashlib.sha256(extism.input_bytes()).hexdigest(),
        "blake2": hashlib.blake2b(b"x", digest_size=8).hexdigest(),
        "md5": hashlib.md5(b"x").hexdigest(),
        "version": sys.version_info[:2],
        "hash": hash("a string"),
    })


@extism.plugin_fn
def lazy():
    import base64
    import fractions
    import textwrap
    import zlib

    data = zlib.decompress(zlib.compress(b"abc" * 1000))
    extism.output_json([base64.b64encode(b"hi").decode(), str(fractions.Fraction(3, 9)),
                        textwrap.shorten("a b c d", 5), len(data)])


@extism.plugin_fn
def dice():
    extism.output_json([random.random(), random.getrandbits(64)])


@extism.plugin_fn
def remember():
    state.append(extism.input_str())
    extism.output_json(state)


@extism.plugin_fn
def fail():
    def inner(value):
        raise ValueError(f"no {value}")

    inner(extism.input_str())


@extism.plugin_fn
def chained():
    try:
        {}["missing"]
    except KeyError as exc:
        raise RuntimeError("while looking") from exc


@extism.plugin_fn
def leave():
    extism.output_str("left behind")
    sys.exit(int(extism.input_str()))


@extism.plugin_fn
def leave_with_text():
    sys.exit("I am leaving")


@extism.plugin_fn
def returns():
    return int(extism.input_str())


@extism.plugin_fn
def returns_true():
    extism.output_str("fine")
    return True


@extism.plugin_fn
def recurse():
    def down():
        return down()

    down()


@extism.plugin_fn
def nested_json():
    json.loads("[" * 100000)


@extism.plugin_fn
def nested_repr():
    value = []
    for _ in range(100000):
        value = [value]
    repr(value)


@extism.plugin_fn
def nested_source():
    eval("(" * 150 + ")" * 150)


@extism.plugin_fn
def nested_compare():
    a, b = [], []
    a.append(a)
    b.append(b)
    a == b


@extism.plugin_fn
def echo():
    extism.output_bytes(extism.input_bytes())


@extism.plugin_fn
def variables():
    before = extism.Var.get_str("seen")
    extism.Var.set("seen", (before or "") + extism.input_str())
    extism.output_json([before, extism.Var.get_bytes("seen").decode(), extism.Var.get_str("other")])


@extism.plugin_fn
def configuration():
    extism.output_json([extism.Config.get_str("k"), extism.Config.get_str("missing")])
"""

ANSWERS = [
    *[("stdlib", b"some input"), ("lazy", b""), ("returns", b"0"), ("returns_true", b"")],
    *[("remember", b"one"), ("remember", b"two"), ("variables", b"a"), ("variables", b"b")],
    *[("configuration", b""), ("leave", b"0"), ("echo", bytes(range(256)) * 300), ("echo", b"")],
]

FAILING_LINE = SOURCE[: SOURCE.index("inner(extism")].count("\n") + 1

FAILURES = {
    "fail": (
        "Traceback (most recent call last):\n",
        f'  File "sample.py", line {FAILING_LINE}, in fail\n    inner(extism.input_str())\n',
        'raise ValueError(f"no {value}")\n',
        "ValueError: no thing",
    ),
    "chained": ("KeyError: 'missing'", "direct cause", "RuntimeError: while looking"),
    "leave_with_text": ("I am leaving",),
    "recurse": ("RecursionError: maximum recursion depth exceeded",),
    "nested_json": ("RecursionError: maximum recursion depth exceeded",),
    "nested_repr": ("RecursionError: maximum recursion depth exceeded",),
    "nested_compare": ("RecursionError: maximum recursion depth exceeded",),
    "nested_source": ("MemoryError",),
}


@pytest.fixture(scope="module", params=["single", "runtime first", "runtime last"])
def manifest(python_plugin, request):
    """The plug-in as one file, and as a small one with the runtime beside it, in either order."""
    wasm = python_plugin(SOURCE, "sample", shared=request.param != "single")
    sources = [{"path": str(wasm)}]
    if request.param != "single":
        sources[0]["name"] = "main"
        runtime = {"name": "python", "path": str(wasm.with_name("python.wasm"))}
        sources.insert(request.param == "runtime last", runtime)
    return {"wasm": sources, "config": {"k": "v"}}


@pytest.mark.parametrize(("function", "data"), ANSWERS, ids=lambda value: str(value)[:24])
def test_the_same_call_gives_the_same_output(duel, manifest, function, data):
    """Output is equal on both hosts, byte for byte; state and variables live from call to call."""
    steps = ((function, data), (function, data))

    assert duel(Case(f"python: {function}", manifest, steps, wasi=True)) == []


@pytest.mark.parametrize("function", FAILURES)
def test_a_failure_tells_the_same_story(duel, ours, manifest, function):
    """The error is the guest's own traceback with source lines, the same on both hosts; no trap."""
    answer = ours.call(manifest, function, b"thing", wasi=True)

    assert duel(Case(f"python: {function}", manifest, ((function, b"thing"),), wasi=True)) == []
    assert answer.output is None
    assert [piece for piece in FAILURES[function] if piece not in answer.error] == []


@pytest.mark.parametrize(("function", "code"), [("leave", b"3"), ("returns", b"4")])
def test_codes_arrive_as_codes(duel, ours, manifest, function, code):
    """`sys.exit(3)` and `return 4` are return codes, without a text of their own."""
    answer = ours.call(manifest, function, code, wasi=True)

    assert duel(Case(f"python: {function}", manifest, ((function, code),), wasi=True)) == []
    assert answer.error == f"Error code: {code.decode()}"


def test_every_instance_has_its_own_dice(ours, peer, manifest):
    """What the snapshot froze is seeded anew: instances on either host give different numbers."""
    throws = [
        json.loads(host.call({**manifest, "config": {"n": str(n)}}, "dice", wasi=True).output)
        for host in (ours, peer)
        for n in range(2)
    ]

    assert len({number for throw in throws for number in throw}) == 8


def test_the_plugin_works_on_after_a_failure(ours, peer, manifest):
    """After exceptions, exits and deep recursion the next call answers, on both hosts."""
    for host in (ours, peer):
        for function in ("recurse", "fail", "leave_with_text"):
            assert host.call(manifest, function, b"x", wasi=True).error
        assert host.call(manifest, "echo", b"still here", wasi=True).output == b"still here"
