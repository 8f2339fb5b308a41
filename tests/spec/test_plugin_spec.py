"""`PluginSpec`: a plugin that travels as a description."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest
from spec_worker import call_in_child

import extism

GUEST = b"""(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "echo") (call $output (call $offset) (call $length))))"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "echo.wat"
    path.write_bytes(GUEST)
    return path


def test_a_spec_is_a_few_hundred_bytes_and_no_code(path):
    """Pickled, it holds path and digest, and nothing of the module."""
    pickled = pickle.dumps(extism.PluginSpec.of(path))

    assert len(pickled) < 1000
    assert hashlib.sha256(GUEST).hexdigest().encode() in pickled
    assert b"output_set" not in pickled
    assert pickle.loads(pickled) == extism.PluginSpec.of({"wasm": [{"path": str(path)}]})


def test_another_process_makes_its_own_plugin_of_it(path):
    """A pool of processes started afresh gets descriptions and gives answers."""
    spec = extism.PluginSpec.of(path)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        answers = list(pool.map(call_in_child, [spec, spec], [b"one", b"two"]))

    assert answers == [b"one", b"two"]


def test_a_relative_path_is_found_from_anywhere(path, monkeypatch, tmp_path):
    """The spec holds the absolute path."""
    monkeypatch.chdir(tmp_path)
    spec = extism.PluginSpec.of("echo.wat")
    monkeypatch.chdir("/")

    assert call_in_child(spec, b"x") == b"x"


def test_a_module_that_changed_is_refused(path):
    """The digest is that of the module which was described."""
    spec = extism.PluginSpec.of(path)
    path.write_bytes(GUEST + b" ;; changed")
    with pytest.raises(extism.errors.HashMismatch):
        spec.plugin()


def test_one_process_compiles_a_description_once(path):
    """Equal specs share their compiled plugin; others have their own."""
    spec = extism.PluginSpec.of(path)

    assert spec.compiled() is pickle.loads(pickle.dumps(spec)).compiled()
    assert spec.compiled() is not extism.PluginSpec.of(path, fuel_limit=1000).compiled()


@pytest.mark.parametrize(
    ("manifest", "where"),
    [
        ({"wasm": [{"data": GUEST}]}, "wasm[0].data"),
        ({"wasm": [{"path": "PATH"}], "config": {"k": extism.Secret("s")}}, "config.k"),
    ],
    ids=["code", "secret"],
)
def test_code_and_secrets_do_not_travel(path, manifest, where):
    """The error names the key, and what to do instead."""
    for source in manifest["wasm"]:
        if "path" in source:
            source["path"] = str(path)
    with pytest.raises(extism.errors.ManifestError) as caught:
        extism.PluginSpec.of(manifest)

    assert caught.value.where == where


def test_a_spec_without_digests_is_refused(path):
    """Made by hand, it needs what `of` reads off."""
    with pytest.raises(extism.errors.ManifestError, match="digest"):
        extism.PluginSpec(extism.Manifest(wasm=(extism.WasmFile(str(path)),)))
