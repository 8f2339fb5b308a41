"""The same sources give the same bytes, whoever builds them where; and nothing of the builder is in them."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import extism
from extism.caches import interpreter_directory, native_directory

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]

SOURCES = {
    "plugin.py": """
import os
import platform
import random
import sys
import time

import extism
from near import deep

NOW = time.time(), time.monotonic(), time.localtime().tm_gmtoff
CHANCE = random.random(), os.urandom(8).hex(), hash("text"), list({"a", "b", "c", "d"})
PLACE = os.getcwd(), __file__, sys.path, sys.argv, dict(os.environ), platform.node(), deep.PLACE


@extism.plugin_fn
def look():
    extism.output_json([NOW, CHANCE, PLACE])
""",
    "near/__init__.py": "",
    "near/deep.py": "PLACE = __file__\n\n\ndef fail():\n    raise ValueError\n",
    "near/broken.py": "this is no Python\n",
}

COMMAND = [sys.executable, "-c", "from extism._cli.compile import main; main()"]
SHAPES = pytest.mark.parametrize("shape", [(), ("--shared",)], ids=["single", "shared"])


def lay(folder: Path, names) -> Path:
    """Write the sources in this order: folders list their files as they were made."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCES[name], encoding="utf-8")
    return folder


def built(folder: Path, source: str, shape, environment, seconds=0) -> bytes:
    """Build in a process of its own, with nothing in its environment but what is given."""
    for path in folder.rglob("*.py"):
        os.utime(path, (seconds, seconds))
    needed = {
        "EXTISM_CACHE_DIR": str(interpreter_directory().parent),
        "EXTISM_NATIVE_CACHE_DIR": native_directory() or "",
        "PYTHONPATH": str(Path(extism.__file__).parents[1]),
    }
    subprocess.run(
        [*COMMAND, source, "-o", "out.wasm", "-q", *shape],
        cwd=folder,
        env={**needed, **environment},
        check=True,
    )
    return (folder / "out.wasm").read_bytes()


def unpacked(wasm: bytes) -> bytes:
    """Return the module and all that lies compressed in it, one after the other."""
    parts = [wasm]
    for start in re.finditer(rb"\x78\xda", wasm):
        try:
            parts.append(zlib.decompressobj().decompress(wasm[start.start() :]))
        except zlib.error:
            continue
    return b"\n".join(parts)


@SHAPES
def test_the_same_sources_give_the_same_bytes(tmp_path, shape):
    """Another folder, user, locale, time zone, hash seed, cache path, age and order of files, and spelling of the path."""
    one = lay(tmp_path / "one", SOURCES)
    two = lay(tmp_path / "another folder" / "deep", reversed(SOURCES))
    cache = tmp_path / "cache"
    cache.symlink_to(interpreter_directory().parent)
    first = built(one, "plugin.py", shape, {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"})
    second = built(
        two,
        str(two / "plugin.py"),
        shape,
        {
            "EXTISM_CACHE_DIR": str(cache),
            "HOME": str(two),
            "LC_ALL": "C.UTF-8",
            "LOGNAME": "somebody",
            "PYTHONHASHSEED": "2",
            "PYTHONUTF8": "1",
            "SECRET": "a-secret-of-this-machine",
            "TZ": "Asia/Tokyo",
            "USER": "somebody",
        },
        seconds=1_500_000_000,
    )

    assert first == second


@SHAPES
def test_nothing_of_the_builder_is_in_a_plugin(tmp_path, shape):
    """Neither paths nor names nor the environment, also not in what is compressed; the sources are."""
    folder = lay(tmp_path / "a-folder-to-be-found", SOURCES)
    environment = {
        "HOME": str(tmp_path / "a-home-to-be-found"),
        "SECRET": "a-secret-to-be-found",
        "USER": "a-user-to-be-found",
    }
    text = unpacked(built(folder, str(folder / "plugin.py"), shape, environment))
    secret = {
        *(value.encode() for value in environment.values()),
        os.fsencode(tmp_path),
        os.fsencode(Path(extism.__file__).parents[1]),
        os.fsencode(sys.prefix),
        os.fsencode(interpreter_directory()),
        *(name.encode() for name in (socket.gethostname(), getpass.getuser()) if len(name) > 5),
    }

    assert [each for each in secret if each in text] == []
    assert b"to-be-found" not in text
    assert b"raise ValueError" in text


def test_what_a_module_level_sees_of_the_builder(tmp_path):
    """A day that is always the same, no chance, no environment, no folders: what it keeps is the same everywhere."""
    folder = lay(tmp_path, SOURCES)
    built(folder, "plugin.py", ("--shared",), {"HOME": "/a-home", "TZ": "Asia/Tokyo"})
    with extism.Plugin(folder / "out.wasm", wasi=True, functions=[]) as plugin:
        (now, _, offset), chance, place = plugin.call("look", "", parse=json.loads)

    assert 1_749_600_000 <= now < 1_749_600_001
    assert offset == 0
    assert chance[1] == "0" * 16
    assert place == ["/", "plugin.py", [], [""], {}, "(none)", "near/deep.py"]


def test_the_sources_alone_decide(tmp_path):
    """One more letter gives other bytes: the comparisons above can fail."""
    folder = lay(tmp_path / "one", SOURCES)
    other = shutil.copytree(folder, tmp_path / "two")
    with (other / "near" / "deep.py").open("a") as file:
        file.write("#")

    environment = {"PYTHONHASHSEED": "1"}
    assert built(folder, "plugin.py", ("--shared",), environment) != built(
        other, "plugin.py", ("--shared",), environment
    )
