"""Group K: whatever becomes of the compile cache, the right code runs, or code is compiled anew."""

from __future__ import annotations

import logging
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from in_a_child import in_a_child

import extism
from extism import compiled as compiled_module
from extism._engine.engine import Engine, wat_to_wasm
from extism.errors import Error, GuestError

CACHE = "EXTISM_NATIVE_CACHE_DIR"
ENDINGS = (".cwasm", ".mac", ".seen")


def answering(answer: int, size: int = 0) -> bytes:
    """A module whose `get` returns that code, with as many functions beside it."""
    more = "".join(
        f"(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const {n})))"
        for n in range(size)
    )
    return f'(module (func (export "get") (result i32) (i32.const {answer})) {more})'.encode()


def ask(answer: int, size: int = 0) -> int:
    """What the module answers, as a process would see it that has just begun."""
    compiled_module._caches.clear()
    with extism.Plugin(answering(answer, size)) as plugin:
        try:
            plugin.call("get", b"")
        except extism.errors.GuestError as error:
            return error.exit_code
    return 0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The directory of the cache, not made yet."""
    path = tmp_path / "native"
    monkeypatch.setenv(CACHE, str(path))
    yield path
    compiled_module._caches.clear()


@pytest.fixture
def compiled(monkeypatch):
    """How many modules were compiled, as the length of a list."""
    names = []
    compile_ = Engine.compile

    def counting(self, wasm, name=""):
        names.append(name)
        return compile_(self, wasm, name)

    monkeypatch.setattr(Engine, "compile", counting)
    return names


def artefacts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.cwasm"))


def test_k01_filled_used_again_and_private(folder, compiled):
    """Code is compiled once; directory and files are this user's alone."""
    assert [ask(7), ask(7), ask(7)] == [7, 7, 7]
    first = len(compiled)
    assert ask(7) == 7
    assert len(compiled) == first
    assert artefacts(folder) != []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_k01_processes_share_it(folder, compiled):
    """What one has compiled another one finds."""
    assert in_a_child(ask, 9) == 9
    before = len(compiled)
    assert ask(9) == 9
    assert len(compiled) == before


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("damage", ["half", "empty", "gone", "a directory", "a dangling link"])
def test_k02_damaged_entries(folder, ending, damage):
    """The right answer, whatever became of any of the files; and the next time too."""
    assert [ask(5), ask(5)] == [5, 5]
    for path in folder.glob(f"*{ending}"):
        data = path.read_bytes()
        path.unlink()
        if damage == "a directory":
            path.mkdir()
        elif damage == "a dangling link":
            path.symlink_to("nowhere")
        elif damage != "gone":
            path.write_bytes({"half": data[: len(data) // 2], "empty": b""}[damage])

    assert [ask(5), ask(5)] == [5, 5]


def flips(rounds: int) -> list[int]:
    chance = random.Random(3)
    folder = Path(os.environ[CACHE])
    answers = [ask(11)]
    for _ in range(rounds):
        path = chance.choice([path for path in folder.iterdir() if path.suffix in ENDINGS])
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        answers.append(ask(11))
    return answers


def test_k03_flipped_bits(folder):
    """Forty of them: no crash, the right answer each time."""
    assert set(in_a_child(flips, 40)) == {11}


def test_k03_flipped_bits_with_the_old_times(folder):
    """Neither does it help to set the times of the file back."""
    ask(11)
    ask(11)
    for path in artefacts(folder):
        before = path.stat()
        data = bytearray(path.read_bytes())
        data[-100] ^= 255
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert ask(11) == 11


def test_k04_the_code_of_another_module(folder):
    """A valid artefact with all its files is not taken in the place of another one."""
    ask(1)
    ask(1)
    ones = {path.name for path in folder.iterdir()}
    ask(2)
    ask(2)
    one = sorted(path for path in artefacts(folder) if path.name in ones)
    other = sorted(path for path in artefacts(folder) if path.name not in ones)
    for source in one:
        for target in other:
            for ending in ENDINGS:
                if source.with_suffix(ending).exists():
                    target.with_suffix(ending).write_bytes(source.with_suffix(ending).read_bytes())
            assert ask(2) == 2
    for source in one:
        for target in other:
            target.unlink()
            os.link(source, target)
            assert ask(2) == 2
    assert ask(1) == 1


@pytest.mark.parametrize("kind", ["a file", "in a file", "read-only", "dangling"])
def test_k05_no_directory(folder, monkeypatch, caplog, kind):
    """The plug-in works, and one warning says why nothing is kept."""
    if kind == "dangling":
        folder.symlink_to("nowhere/at/all")
    else:
        (folder.parent / "file").write_text("")
        there = {"a file": "file", "in a file": "file/native", "read-only": "/proc/native"}[kind]
        monkeypatch.setenv(CACHE, str(folder.parent / there))
    with caplog.at_level(logging.WARNING, logger="extism.cache"):
        assert [ask(3), ask(3)] == [3, 3]
        compiled_module._caches.clear()
        caplog.clear()
        with extism.Plugin(answering(4)), extism.Plugin(answering(5)):
            pass

    assert len(caplog.records) <= 1
    monkeypatch.setenv(CACHE, str(folder.parent / "good"))
    assert ask(3) == 3
    assert artefacts(folder.parent / "good") != []


def asks_with_little_room(folder: str) -> dict:
    os.environ[CACHE] = folder
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    answer = ask(6, 200)
    there = Path(folder)
    return {
        "answer": answer,
        "kept": len(artefacts(there)),
        "temporary": len(list(there.glob("tmp-*"))),
    }


def test_k06_a_full_disk(tmp_path):
    """With room for four KB in a file nothing is kept, nothing is left, the answer is right."""
    folder = str(tmp_path / "native")
    found = in_a_child(asks_with_little_room, folder, limits={resource.RLIMIT_FSIZE: 4096})
    assert found == {"answer": 6, "kept": 0, "temporary": 0}

    assert in_a_child(asks_with_little_room, folder)["kept"] > 0


KILLED = """
import sys, extism
sys.path.insert(0, {here!r})
import test_attack_cache as attack
print("ready", flush=True)
for number in range(1000):
    attack.ask(100 + number, 50)
"""


def test_k07_killing_a_writer(folder):
    """Eight times, at any moment: what is there afterwards loads and answers; nothing piles up."""
    chance = random.Random(5)
    code = KILLED.format(here=str(Path(__file__).parent))
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.25))
        process.kill()
        process.wait()
        process.stdout.close()

    left = list(folder.glob("tmp-*"))
    assert len(left) <= 8
    assert in_a_child(answers_of, 100, 120) == list(range(100, 120))
    old = time.time() - 7200
    for path in left:
        os.utime(path, (old, old))
    assert ask(99) == 99
    assert list(folder.glob("tmp-*")) == []


def answers_of(start: int, end: int) -> list[int]:
    return [ask(number, 50) for number in range(start, end)]


@pytest.mark.parametrize(
    "secret", [b"", b"short", b"x" * 33, "a directory", "a link", "unreadable"]
)
def test_k08_a_broken_secret(folder, caplog, secret):
    """Nothing is loaded with it; a warning names it; deleting it mends the cache."""
    ask(8)
    path = folder / "secret"
    path.unlink()
    if secret == "a directory":
        path.mkdir()
    elif secret == "a link":
        (folder.parent / "foreign").write_bytes(b"x" * 32)
        path.symlink_to("../foreign")
    elif secret == "unreadable":
        path.write_bytes(b"x" * 32)
        path.chmod(0o666)
    else:
        path.write_bytes(secret)
    with caplog.at_level(logging.WARNING, logger="extism.cache"):
        assert ask(8) == 8
    assert any("/native/secret" in record.getMessage() for record in caplog.records)

    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    caplog.clear()
    assert [ask(8), ask(8)] == [8, 8]
    assert caplog.text == "" or "changed by somebody" in caplog.text


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o1777])
def test_k09_a_directory_that_others_may_write_to(folder, compiled, caplog, mode):
    """It is not used, and a warning says what to do; private again, it is."""
    ask(4)
    folder.chmod(mode)
    before = len(compiled)
    with caplog.at_level(logging.WARNING, logger="extism.cache"):
        assert ask(4) == 4
    assert len(compiled) > before
    assert "chmod 700" in caplog.text

    folder.chmod(0o700)
    before = len(compiled)
    assert ask(4) == 4
    assert len(compiled) == before


def test_k09_a_directory_behind_a_link_of_others(folder, compiled, tmp_path):
    """A link to a private directory of this user will do; one to an open directory will not."""
    private, shared = tmp_path / "private", tmp_path / "open"
    private.mkdir(mode=0o700)
    shared.mkdir()
    shared.chmod(0o777)
    folder.symlink_to(private)
    assert [ask(4), ask(4)] == [4, 4]
    assert artefacts(private) != []

    folder.unlink()
    folder.symlink_to(shared)
    assert ask(4) == 4
    assert list(shared.iterdir()) == []


def races(answer: int) -> list[int]:
    return [ask(answer + number, 20) for number in range(20)]


def test_k07_two_processes_at_once(folder):
    """Both write the same entries at the same time; both are right, and what is left is too."""
    found: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: found.append(in_a_child(races, 1000))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [list(range(1000, 1020))] * 2
    assert in_a_child(races, 1000) == list(range(1000, 1020))


def test_k08_an_error_of_a_module_is_no_error_of_the_cache(folder):
    """A module that cannot be compiled is refused the same way with a cache and without."""
    with pytest.raises(Error):
        extism.Plugin(b"\0asm\1\0\0\0\xff")
    assert ask(8) == 8


@pytest.mark.parametrize("attack", ["swapped", "flipped"])
def test_k04_what_is_noted_of_files(folder, tmp_path, attack):
    """Notes of files that need not be read again: those of another file, or changed ones, are not believed."""
    padding = b"x" * 70_000
    old = time.time() - 60
    for answer in (21, 22):
        path = tmp_path / f"{answer}.wasm"
        custom = b"\0\xf4\xa2\4\3pad" + padding  # a custom section of 70,004 bytes
        path.write_bytes(wat_to_wasm(answering(answer)) + custom)
        os.utime(path, (old, old))

    def answers() -> list[int]:
        found = []
        for answer in (21, 22):
            compiled_module._caches.clear()
            with (
                extism.Plugin(tmp_path / f"{answer}.wasm") as plugin,
                pytest.raises(GuestError) as caught,
            ):
                plugin.call("get", b"")
            found.append(caught.value.exit_code)
        return found

    time.sleep(2.1)  # what was changed just now is not noted
    assert [answers(), answers()] == [[21, 22], [21, 22]]
    notes = sorted(folder.glob("*.file"))
    assert len(notes) == 2
    one, other = notes[0].read_bytes(), notes[1].read_bytes()
    if attack == "swapped":
        notes[0].write_bytes(other)
        notes[1].write_bytes(one)
    else:
        for note in notes:
            data = bytearray(note.read_bytes())
            data[40] ^= 1
            note.write_bytes(data)
    assert answers() == [21, 22]
