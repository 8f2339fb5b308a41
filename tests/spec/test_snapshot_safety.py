"""What a plug-in's build leaves in its memory: nothing of the machine, and nothing that copies must not share."""

from __future__ import annotations

import json
import random
import re
import time

import pytest

import extism
from extism.compiler import build
from extism.errors import BuildError

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]

SOURCE = """
import logging
import os
import random
import sys
import tempfile
import uuid

import extism

OWN = random.Random()
SEEDED = random.Random(7)
SEEDED_LATE = random.Random()
SEEDED_LATE.seed(7)
OWN.gauss(0, 1)
random.gauss(0, 1)
next(tempfile._get_candidate_names())
uuid.uuid1()


@extism.plugin_fn
def chance():
    extism.output_json([random.random(), random.gauss(0, 1), next(tempfile._get_candidate_names()),
                        str(uuid.uuid4()), os.urandom(8).hex(), OWN.random(), OWN.gauss(0, 1),
                        random.Random().random(), uuid.uuid1().node])


@extism.plugin_fn
def seeded():
    plain = "random" in random.Random.seed.__globals__["__name__"]
    extism.output_json([SEEDED.random(), SEEDED_LATE.random(), plain])


@extism.plugin_fn
def logged():
    record = logging.LogRecord("name", logging.INFO, "file", 1, "text", (), None)
    extism.output_json([record.created, record.relativeCreated])


@extism.plugin_fn
def machine():
    numbers = []
    for number in range(3, 64):
        try:
            os.fstat(number)
            numbers.append(number)
        except OSError:
            pass
    extism.output_json([numbers, dict(os.environ), os.getcwd(), sys.argv, sys.path])


@extism.plugin_fn
def hashed():
    extism.output_json([hash("text"), hash(b"text")])


@extism.plugin_fn
def recurse_in_c():
    global half_done
    half_done = True
    while True:
        pass


@extism.plugin_fn
def is_half_done():
    extism.output_json("half_done" in globals())
"""


@pytest.fixture(scope="module", params=[False, True], ids=["single", "shared"])
def wasm(python_plugin, request):
    return str(python_plugin(SOURCE, shared=request.param))


@pytest.fixture(scope="module")
def compiled(wasm):
    return extism.CompiledPlugin(wasm, wasi=True, functions=[])


def ask(compiled, function):
    with extism.Plugin(compiled) as plugin:
        return plugin.call(function, "", parse=json.loads)


def test_what_is_drawn_differs_from_copy_to_copy(compiled):
    """Numbers, normal numbers (of which a spare one was kept), names of files, identifiers, bytes, own generators."""
    drawn = [ask(compiled, "chance") for _ in range(3)]

    assert [len(set(column)) for column in zip(*drawn, strict=True)] == [3] * 9


def test_a_generator_with_a_seed_keeps_it(compiled):
    """Whoever gives a seed wants the same numbers; and `random` is as it always is, once the plug-in is built."""
    expected = random.Random(7).random()

    assert ask(compiled, "seeded") == [expected, expected, True]


def test_log_records_count_from_the_copys_start(compiled):
    """The clock of `logging` is not that of the build, which shows a day of the past."""
    created, relative = ask(compiled, "logged")

    assert abs(created - time.time()) < 60
    assert 0 <= relative < 60_000


def test_nothing_of_the_machine_is_there(compiled):
    """No open files, no environment, no folder but the root."""
    assert ask(compiled, "machine") == [[], {}, "/", [""], []]


def test_hashes_are_the_same_everywhere(compiled):
    """Sets have one order, on every machine: the price of builds that can be repeated."""
    first, second = ask(compiled, "hashed"), ask(compiled, "hashed")

    assert first == second


def test_a_copy_that_was_ended_is_never_called_again(wasm):
    """Neither by its plug-in, nor by a pool."""
    manifest = {"wasm": [{"path": wasm}]}
    with extism.Plugin(manifest, wasi=True, functions=[]) as plugin:
        plugin.call("is_half_done", "")
        with pytest.raises(extism.errors.CallTimeout):
            plugin.call("recurse_in_c", "", timeout=0.4)
        assert plugin.call("is_half_done", "") == b"false"
    with extism.Pool(manifest, 1, wasi=True, functions=[]) as pool:
        pool.call("is_half_done", "")
        with pytest.raises(extism.errors.CallTimeout):
            pool.call("recurse_in_c", "", timeout=0.4)
        assert pool.call("is_half_done", "") == b"false"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("kept = open('/app/bundle.json')", "'/app/bundle.json'"),
        ("import os; kept = os.open('/app/bundle.json', os.O_RDONLY)", r"\d"),
    ],
    ids=["file", "number"],
)
def test_a_file_that_is_left_open(tmp_path, line, name):
    """It is refused while building: no instance would have it, and its number will be another file's."""
    path = tmp_path / "plugin.py"
    path.write_text(f"import extism\n{line}\n@extism.plugin_fn\ndef f(): ...\n")

    with pytest.raises(BuildError) as caught:
        build(path)
    text = f"plugin.py: OSError: the file {name} is still open when the module level has run; "
    assert re.match(text, str(caught.value))


def test_a_file_that_was_closed(tmp_path):
    """What a module level reads and closes is fine."""
    path = tmp_path / "plugin.py"
    path.write_text(
        "import extism\nwith open('/app/bundle.json') as file: text = file.read()\n"
        "@extism.plugin_fn\ndef f(): ...\n"
    )

    assert build(path, shared=True)
