"""A handful of CPython's own test modules inside a plug-in; `make conformance` runs all of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from extism import caches
from extism._compiler.interpreter.sources import PYTHON

CONFORMANCE = Path(__file__).parents[2] / "conformance"

# Quick, and about what this interpreter does its own way: C libraries, numbers, texts, imports.
MODULES = ("bisect", "bz2", "fractions", "heapq", "math", "struct", "textwrap", "zlib")

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The tests out of the archive that the interpreter was built from, if it is still there."""
    sources = caches.interpreter_directory() / "sources"
    archives = [sources / one.file for one in PYTHON.archives if (sources / one.file).exists()]
    if not archives:
        pytest.skip("the source of CPython is not in the cache")
    folder = tmp_path_factory.mktemp("python")
    with tarfile.open(archives[0]) as tar:
        # By attribute: `extract` has no such argument before Python 3.11.4.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        for member in tar:
            inside = member.name.partition("/Lib/")[2]
            if inside.startswith("test/"):
                member.name = inside
                tar.extract(member, folder)
    return folder


@pytest.fixture(scope="module")
def wasm(tmp_path_factory):
    from extism.compiler import build

    folder = tmp_path_factory.mktemp("conformance")
    for name in ("plugin.py", "inside.py"):
        shutil.copy(CONFORMANCE / name, folder)
    path = folder / "plugin.wasm"
    build(folder / "plugin.py", path)
    return path


@pytest.mark.parametrize("name", MODULES)
def test_cpythons_own_tests_pass_inside(library, wasm, name, tmp_path):
    """Each test of the module passes, but for those that are left out for a listed reason."""
    order = json.dumps({"module": f"test_{name}", "library": str(library)})
    results = tmp_path / "results"
    command = [sys.executable, CONFORMANCE / "one_module.py", "inside", wasm, order, results, "60"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ends = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line]
    failed = [(end["id"], end["text"]) for end in ends if end["status"] == "failed"]
    passed = [end["id"] for end in ends if end["status"] == "passed"]

    assert failed == []
    assert len(passed) > 10
