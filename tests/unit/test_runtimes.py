"""runtimes: a small plug-in gets the module that it needs, from wherever it lies, and no other."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile

import pytest
import wasmtime

import extism
from extism import _known, abi, recipe
from extism._compiler.interpreter.wheel import pack_wheel
from extism._wasm.builder import Builder
from extism._wasm.reader import read
from extism.caches import CACHE_DIR
from extism.errors import CompileError, HashMismatch, SourceError

RUNTIME = bytes(
    wasmtime.wat2wasm("""(module (func (export "code") (result i32) (i32.const 42)))""")
)
OTHER = bytes(wasmtime.wat2wasm("""(module (func (export "code") (result i32) (i32.const 1)))"""))
MAIN = bytes(
    wasmtime.wat2wasm("""
    (module (import "snake" "code" (func $code (result i32)))
      (func (export "run") (result i32) (i32.sub (call $code) (i32.const 42))))
    """)
)
DIGEST = hashlib.sha256(RUNTIME).hexdigest()


def needing(text, wasm=MAIN):
    builder = Builder(read(wasm))
    builder.set_custom(abi.RUNTIME_SECTION, text.encode())
    return builder.build()


SMALL = needing(f"snake {DIGEST} snake-wheel==1.2")
LARGE = needing(
    f"snake {DIGEST} snake-wheel==1.2",
    bytes(
        wasmtime.wat2wasm("(module (memory 2) (data (i32.const 0) " + '"' + "x" * 70_000 + '"))')
    ),
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of interpreters; native code is kept where it was."""
    monkeypatch.setenv("EXTISM_NATIVE_CACHE_DIR", str(tmp_path / "native"))
    monkeypatch.setenv(CACHE_DIR, str(tmp_path / "cache"))
    return tmp_path / "cache" / "interpreter"


def put(cache, module=RUNTIME, digest=DIGEST, key="a"):
    folder = cache / f"base-{key}"
    folder.mkdir(parents=True)
    (folder / "base.wasm").write_bytes(module)
    (folder / "sha256").write_text(f"{digest}\n", encoding="utf-8")
    return folder


def outcome(plugin):
    with extism.Plugin(plugin, functions=[]) as made:
        return made.call("run", b"")


@pytest.fixture(params=["bytes", "path", "manifest", "manifest with a name"])
def small(request, tmp_path):
    """The small plug-in, in each form in which a plug-in can be handed over."""
    path = tmp_path / "small.wasm"
    path.write_bytes(SMALL)
    return {
        "bytes": SMALL,
        "path": path,
        "manifest": {"wasm": [{"data": SMALL}]},
        "manifest with a name": {"wasm": [{"path": str(path), "name": "main"}]},
    }[request.param]


def test_it_is_found_in_the_cache(cache, small):
    """By its digest, among images of other versions."""
    put(cache, OTHER, hashlib.sha256(OTHER).hexdigest(), key="0")
    put(cache)

    assert outcome(small) == b""


def test_a_plugin_of_another_process_finds_what_is_known_of_it(cache, tmp_path, monkeypatch):
    """A small plug-in that is large enough to be noted keeps what it needs in its note."""
    put(cache)
    path = tmp_path / "large.wasm"
    path.write_bytes(LARGE)
    monkeypatch.setattr(_known, "_SETTLED_AFTER", -1.0)
    names = []
    for _ in range(2):
        recipe._programs.clear()  # as in a new process
        plugin = extism.CompiledPlugin(path, functions=[])
        names.append([unit.name for unit in plugin.program.units])

    assert names == [["main", "snake"], ["main", "snake"]]
    assert len(list((tmp_path / "native").glob("*.file"))) == 1


def test_it_is_unpacked_from_the_data_wheel(cache, tmp_path, monkeypatch):
    """And kept, so that the next time it is not unpacked again."""
    zipfile.ZipFile(io.BytesIO(pack_wheel(RUNTIME, "key", "1.2", {}))).extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    assert outcome(SMALL) == b""
    assert (cache / "base-key" / "base.wasm").read_bytes() == RUNTIME


@pytest.mark.parametrize("lack", ["nothing", "damaged", "emptied", "of another digest"])
def test_it_is_not_there(cache, lack):
    """The error says what is missing, and where it can be had."""
    if lack == "damaged":
        put(cache, RUNTIME + b"\0")
    if lack == "emptied":
        (put(cache) / "base.wasm").unlink()
    if lack == "of another digest":
        put(cache, OTHER, hashlib.sha256(OTHER).hexdigest())

    with pytest.raises(SourceError) as caught:
        extism.Plugin(SMALL, functions=[])
    assert caught.value.source == "snake"
    assert str(caught.value) == (
        f"Unable to compile Extism plugin: the plugin needs the runtime snake with SHA-256 {DIGEST}, and it is not on "
        "this machine\n"
        "Have it here: pip install snake-wheel==1.2; or write it with `extism-py --runtime snake.wasm` where the "
        "plugin was built, and add it to the manifest under the name snake"
    )


def test_the_manifest_goes_first(cache):
    """A runtime that the manifest gives is used; nothing is looked for."""
    manifest = {"wasm": [{"data": RUNTIME, "name": "snake"}, {"data": SMALL, "name": "main"}]}

    assert outcome(manifest) == b""
    assert not cache.exists()


def test_the_manifest_gives_another_one(cache):
    """It is refused, also where the right one could be found: the manifest has to be mended."""
    put(cache)
    manifest = {"wasm": [{"data": OTHER, "name": "snake"}, {"data": SMALL, "name": "main"}]}
    found = hashlib.sha256(OTHER).hexdigest()

    with pytest.raises(HashMismatch) as caught:
        extism.Plugin(manifest, functions=[])
    assert (caught.value.expected, caught.value.found) == (DIGEST, found)
    assert str(caught.value).startswith(
        "Unable to compile Extism plugin: the plugin was built for another runtime than the module snake of the "
        f"manifest: for the one with SHA-256 {DIGEST}, and this one has {found}\nHave it here: "
    )


@pytest.mark.parametrize("text", ["", "snake", f"snake {DIGEST}", f"snake {DIGEST[1:]}g wheel"])
def test_a_section_that_cannot_be_read(text):
    """It is refused with its words."""
    with pytest.raises(CompileError, match=re.escape("should be a name, a SHA-256 and a package")):
        extism.Plugin(needing(text), functions=[])


def test_only_the_main_module_is_asked(cache):
    """A library with such a section is a module like any other."""
    library = needing("x", RUNTIME)

    assert outcome({"wasm": [{"data": library, "name": "snake"}, {"data": MAIN}]}) == b""


@pytest.mark.parametrize("fuse", [True, False])
def test_the_runtime_is_compiled_once(cache, tmp_path, fuse):
    """Its native code is kept under its own digest, for all plug-ins and processes; each plug-in adds its own."""
    put(cache)
    for number in range(3):
        builder = Builder(read(SMALL))
        builder.set_custom("number", bytes([number]))
        extism.CompiledPlugin(builder.build(), functions=[], fuse=fuse)

    of_kernel = 0 if fuse else 1
    assert len(list((tmp_path / "native").glob("*.cwasm"))) == 1 + 3 + of_kernel
