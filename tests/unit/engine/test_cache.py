"""Native code that is kept: found again, never believed blindly, never a reason to fail."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from extism._engine import cache as cache_module
from extism._engine.cache import ModuleCache
from extism._engine.engine import Engine, Settings, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism.errors import CompileError


def answering(number):
    """A module whose `get` gives that number."""
    return wat_to_wasm(f'(module (func (export "get") (result i32) (i32.const {number})))')


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "native"


@pytest.fixture
def compiled(engine, monkeypatch):
    """The names of the modules that the engine compiled, in order."""
    names = []
    compile_ = Engine.compile

    def counting(self, wasm, name=""):
        names.append(name)
        return compile_(self, wasm, name)

    monkeypatch.setattr(Engine, "compile", counting)
    return names


def ask(engine, directory, number, name="m"):
    """Get the module of `number` through a new cache, as a new process would, and run it."""
    module = ModuleCache(directory).module(engine, answering(number), name)
    function = Linker(engine).instantiate(Store(engine), module).function("get", (), ("i32",))
    assert function(None) is None
    return function.results[0]


def artefacts(folder):
    return sorted(folder.glob("*.cwasm"))


def test_a_module_is_compiled_once(engine, folder, compiled):
    """The second time it comes from the disk."""
    assert [ask(engine, folder, 7) for _ in range(3)] == [7, 7, 7]
    assert compiled == ["m"]


def test_within_a_process_a_module_is_one_object(engine, folder, compiled):
    """As long as somebody holds it."""
    cache = ModuleCache(folder)
    first = cache.module(engine, answering(1))
    second = cache.module(engine, answering(1))

    assert first is second


def test_an_entry_is_two_files_of_this_user_alone(engine, folder):
    """Artefact and MAC; directory 0700, files 0600."""
    ask(engine, folder, 1)
    names = sorted(path.suffix for path in folder.iterdir())

    assert names == ["", ".cwasm", ".mac"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_without_a_directory_nothing_is_kept(engine, compiled):
    """None switches the disk off."""
    assert [ask(engine, None, 3) for _ in range(2)] == [3, 3]
    assert compiled == ["m", "m"]


def test_other_settings_have_other_entries(engine, folder, compiled):
    """Code of one engine is not handed to another."""
    other = Engine(Settings(is_optimized=False))

    assert (ask(engine, folder, 1), ask(other, folder, 1)) == (1, 1)
    assert len(artefacts(folder)) == 2


def test_what_cannot_be_compiled_is_not_kept(engine, folder):
    """The error is the engine's; nothing is left behind."""
    with pytest.raises(CompileError) as caught:
        ModuleCache(folder).module(engine, b"\0asm\1\0\0\0\xff", "bad")

    assert caught.value.module == "bad"
    assert artefacts(folder) == []


@pytest.mark.parametrize("suffix", [".cwasm", ".mac"])
@pytest.mark.parametrize("damage", ["half", "empty", "gone", "longer", "a directory"])
def test_a_damaged_entry_is_compiled_again(engine, folder, compiled, suffix, damage, caplog):
    """The answer is right, and so is the next one from the disk."""
    ask(engine, folder, 5)
    (path,) = folder.glob(f"*{suffix}")
    data = path.read_bytes()
    path.unlink()
    if damage == "a directory":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes(
            {"half": data[: len(data) // 2], "empty": b"", "longer": data + b"x"}[damage]
        )

    assert ask(engine, folder, 5) == 5
    assert len(compiled) == 2


def test_flipped_bits_never_run(engine, folder, compiled):
    """Whatever bit of artefact or MAC is another: no crash, the right answer."""
    chance = random.Random(1)
    ask(engine, folder, 9)
    for _ in range(40):
        path = chance.choice([*folder.glob("*.cwasm"), *folder.glob("*.mac")])
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)

        assert ask(engine, folder, 9) == 9
    assert len(compiled) == 41


def test_the_code_of_another_module_is_not_taken(engine, folder, compiled, caplog):
    """A valid artefact with its valid MAC, put in the place of another, is refused and told."""
    ask(engine, folder, 1)
    (one,) = artefacts(folder)
    ask(engine, folder, 2)
    (other,) = (path for path in artefacts(folder) if path != one)
    for suffix in (".cwasm", ".mac"):
        other.with_suffix(suffix).write_bytes(one.with_suffix(suffix).read_bytes())

    assert ask(engine, folder, 2) == 2
    assert "was changed by somebody" in caplog.text


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o720, 0o702])
def test_a_directory_that_others_may_write_to_is_not_used(engine, folder, compiled, caplog, mode):
    """Nothing is read from it or written to it; one warning says what to do."""
    ask(engine, folder, 4)
    folder.chmod(mode)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    assert ask(engine, folder, 4) == 4
    assert len(compiled) == 2
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "must belong to this user alone (chmod 700)" in caplog.text


def test_a_directory_of_another_user_is_not_used(engine, folder, compiled, monkeypatch, caplog):
    """Whoever owns it could put anything there."""
    ask(engine, folder, 4)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)

    assert ask(engine, folder, 4) == 4
    assert len(compiled) == 2
    assert "must belong to this user alone" in caplog.text


def test_a_directory_that_cannot_be_made_costs_one_warning(engine, tmp_path, caplog):
    """Its parent is a file."""
    (tmp_path / "file").write_text("")
    cache = ModuleCache(tmp_path / "file" / "native")
    for number in range(3):
        cache.module(engine, answering(number))

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "native code is not cached" in caplog.text


def test_a_full_disk_costs_one_warning(engine, folder, monkeypatch, caplog):
    """Nothing half-written stays, and no later module tries again."""
    cache = ModuleCache(folder)
    cache.module(engine, answering(0))
    held = [cache.module(engine, answering(0))]

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    held += [cache.module(engine, answering(number)) for number in range(1, 4)]

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text
    assert not list(folder.glob("tmp-*"))


FILE_LIMIT = """
import resource, signal, sys
from pathlib import Path
from extism._engine.cache import ModuleCache
from extism._engine.engine import shared_engine, wat_to_wasm
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
wasm = wat_to_wasm('(module (func (export "f")))')
for _ in range(2):
    module = ModuleCache(folder).module(shared_engine(), wasm)
print(sorted(path.name for path in folder.iterdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_file_that_may_not_grow_is_given_up(folder):
    """With a limit of 4 KiB a file, the process goes on and nothing is left but the secret."""
    done = subprocess.run(
        [sys.executable, "-c", FILE_LIMIT, str(folder)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert done.stdout == "['secret']\n"


def test_a_directory_that_vanishes_is_no_trouble(engine, folder):
    """Somebody cleaned up while we were running."""
    cache = ModuleCache(folder)
    cache.module(engine, answering(1))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    assert cache.module(engine, answering(2)) is not None


@pytest.mark.parametrize("secret", [b"", b"short", b"x" * 33])
def test_a_damaged_secret_switches_the_cache_off(engine, folder, compiled, caplog, secret):
    """Nothing is believed, nothing is overwritten; the warning says what to delete."""
    ask(engine, folder, 6)
    (folder / "secret").write_bytes(secret)

    assert ask(engine, folder, 6) == 6
    assert "secret is damaged; delete it" in caplog.text
    assert (folder / "secret").read_bytes() == secret


def test_another_secret_makes_all_entries_worthless(engine, folder, compiled):
    """Entries are tied to the secret that they were made with, and made anew with the new one."""
    ask(engine, folder, 6)
    (folder / "secret").write_bytes(b"k" * 32)

    assert [ask(engine, folder, 6) for _ in range(2)] == [6, 6]
    assert len(compiled) == 2


WRITER = """
import sys
from pathlib import Path
from extism._engine.cache import ModuleCache
from extism._engine.engine import shared_engine, wat_to_wasm
folder, start = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for number in range(start, start + 10_000):
    wasm = wat_to_wasm(f'(module (func (export "get") (result i32) (i32.const {number % 5})))')
    for path in folder.glob("*.cwasm"):
        path.unlink(missing_ok=True)
    ModuleCache(folder).module(shared_engine(), wasm)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_writer_that_is_killed_leaves_nothing_wrong(engine, folder):
    """Killed at ten random moments, the cache never gives a wrong module."""
    chance = random.Random(2)
    for _ in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), "0"], stdout=subprocess.PIPE
        )
        writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

        assert [ask(engine, folder, number) for number in range(5)] == [0, 1, 2, 3, 4]


def test_many_threads_and_caches_write_one_directory(engine, folder):
    """Whoever comes first, everybody gets the right module."""
    wrong = []

    def work(seed):
        chance = random.Random(seed)
        for _ in range(15):
            number = chance.randrange(4)
            if ask(engine, folder, number) != number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(artefacts(folder)) == 4
    assert not list(folder.glob("tmp-*"))


def test_the_least_recently_used_goes_first(engine, folder, monkeypatch):
    """Over the limit the entries that were used longest ago are deleted, with their MACs."""
    for number in range(3):
        ask(engine, folder, number)
    first, second, third = artefacts(folder)
    for path, used in ((first, 100), (second, 50), (third, 99)):
        os.utime(path, (used, used))
    monkeypatch.setattr(cache_module, "MAX_BYTES", first.stat().st_size + third.stat().st_size)
    cache_module._prune(folder)

    assert artefacts(folder) == sorted([first, third])
    assert not second.with_suffix(".mac").exists()
    assert first.with_suffix(".mac").exists()


def test_using_an_entry_makes_it_young(engine, folder):
    """A hit moves the artefact's time forward."""
    ask(engine, folder, 1)
    (path,) = artefacts(folder)
    os.utime(path, (1000, 1000))
    ask(engine, folder, 1)

    assert path.stat().st_mtime > 1_000_000


def test_old_temporary_files_are_swept(engine, folder):
    """What a crash left an hour ago belongs to nobody; what is young may be somebody's."""
    ask(engine, folder, 1)
    old, young = folder / "tmp-old", folder / "tmp-young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (1, 1))
    cache_module._prune(folder)

    assert (old.exists(), young.exists()) == (False, True)
