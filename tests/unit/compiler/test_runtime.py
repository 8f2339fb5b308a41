"""Where the base image comes from: the cache, then an installed data wheel, then the recipe."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile

import pytest

from extism._compiler import preinit, runtime
from extism._compiler.interpreter.wheel import pack_wheel
from extism.caches import CACHE_DIR
from extism.errors import BuildError

BASE = b"\0asm the base image"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache on a machine without tools: what is not there cannot be built."""
    monkeypatch.setenv(CACHE_DIR, str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path / "cache" / "interpreter"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a data wheel for this process."""

    def install(wheel):
        site = tmp_path / "site"
        zipfile.ZipFile(io.BytesIO(wheel)).extractall(site)
        monkeypatch.syspath_prepend(str(site))
        return site / "extism_guest_python"

    return install


def put(cache, base, digest):
    folder = cache / f"base-{runtime.base_key()}"
    folder.mkdir(parents=True)
    (folder / "base.wasm").write_bytes(base)
    (folder / "sha256").write_text(f"{digest}\n")
    return folder


def test_the_cache_goes_first(cache, install):
    """A cached image is returned without a word, and no data wheel is unpacked."""
    install(pack_wheel(b"another", runtime.base_key(), "1.0", {}))
    put(cache, BASE, hashlib.sha256(BASE).hexdigest())
    said = []

    assert runtime.base_image(said.append) == BASE
    assert said == []


def test_an_installed_data_wheel_is_used_and_cached(cache, install):
    """The image of a wheel of this version needs no tools, and is unpacked once only."""
    package = install(pack_wheel(BASE, runtime.base_key(), "1.0", {}))

    assert runtime.base_image() == BASE
    (package / "base.wasm.xz").unlink()
    assert runtime.base_image() == BASE
    assert [path.name for path in cache.iterdir()] == [f"base-{runtime.base_key()}"]


def test_the_licences_of_a_cached_image_lie_beside_it(cache, install):
    """What it takes to pack a data wheel is there with the image, and nothing has to be built for it."""
    texts = {"zlib.txt": b"zlib", "PROVENANCE.md": b"# parts"}
    install(pack_wheel(BASE, runtime.base_key(), "1.0", texts))
    runtime.base_image()

    assert runtime.licences() == texts


def test_the_licences_of_an_image_from_before_are_the_interpreters(cache):
    """An older cache has none beside the image; then the interpreter is needed, which cannot be built here."""
    put(cache, BASE, hashlib.sha256(BASE).hexdigest())

    with pytest.raises(BuildError, match="building the interpreter needs make"):
        runtime.licences()


def test_a_damaged_cache_entry_is_replaced(cache, install):
    """An image whose hash is wrong is not run: it is said, removed and had anew."""
    folder = put(cache, BASE[:-1], hashlib.sha256(BASE).hexdigest())
    install(pack_wheel(BASE, runtime.base_key(), "1.0", {}))
    said = []

    assert runtime.base_image(said.append) == BASE
    assert said == [f"{folder / 'base.wasm'} is damaged and is made anew"]


def test_a_damaged_data_wheel_is_an_error(cache, install):
    """The wheel's own statement does not fit: reinstalling it is what helps."""
    package = install(pack_wheel(BASE, runtime.base_key(), "1.0", {}))
    text = (package / "image.json").read_text()
    (package / "image.json").write_text(text.replace(hashlib.sha256(BASE).hexdigest(), "0" * 64))

    with pytest.raises(BuildError, match="damaged") as caught:
        runtime.base_image()

    assert caught.value.hint == "pip install --force-reinstall extism-guest-python"


def test_without_anything_the_error_says_what_to_install(cache):
    """Where nothing is cached, installed or buildable, the text lists all three and the hint helps."""
    with pytest.raises(BuildError) as caught:
        runtime.base_image()

    assert str(caught.value) == (
        f"there is no built guest interpreter: none in {cache}, extism-guest-python is not "
        "installed; building the interpreter needs make"
    )
    assert "extism-guest-python" in caught.value.hint


def test_a_data_wheel_of_another_version_is_named(cache, install):
    """An image of another key is never used; the error says that it was seen."""
    install(pack_wheel(BASE, "another key", "1.0", {}))

    with pytest.raises(
        BuildError, match=r"installed extism-guest-python 1\.0 is for another version"
    ):
        runtime.base_image()


def test_the_key_covers_the_guest_library_and_the_boot_code(monkeypatch):
    """Each file that lives inside the interpreter changes the key."""
    files = preinit.guest_files()
    before = runtime.base_key()
    keys = {before}
    for name in files:
        monkeypatch.setattr(preinit, "guest_files", lambda name=name: {**files, name: b"changed"})
        keys.add(runtime.base_key())

    assert len(keys) == len(files) + 1


def test_the_guest_library_is_the_package_without_its_simulated_host():
    """Inside the interpreter the library is called `extism`; what is for tests outside stays outside."""
    files = preinit.guest_files()

    assert {"_extism_boot.py", "extism/__init__.py", "extism/invoke.py"} <= set(files)
    assert "extism/testing.py" not in files


def test_a_cache_that_cannot_be_written_costs_only_time(cache, install):
    """The data wheel is used all the same, and the reason is said."""
    cache.parent.write_text("a file where the cache's folder should be")
    install(pack_wheel(BASE, runtime.base_key(), "1.0", {}))
    said = []

    assert runtime.base_image(said.append) == BASE
    assert [line.partition(":")[0] for line in said] == [f"the interpreter is not kept in {cache}"]
