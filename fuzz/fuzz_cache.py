"""Files of the compile cache with faults: plug-ins give the right answer, whatever lies there."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from wat_guests import wat

import extism
from extism import compiled, recipe
from fuzz.bytes import mutated
from fuzz.case import Finding, Target

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

MODULES = 3


def module(number: int) -> str:
    """Return a module that gives a number."""
    return wat(f'(func (export "run") (call $give_i64 (i64.const {number})))')


class Fuzz(Target):
    """A cache as it should be, of which every case breaks a copy."""

    def __enter__(self) -> Self:
        logging.getLogger("extism.cache").addHandler(logging.NullHandler())
        logging.getLogger("extism.cache").propagate = False
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-cache-"))
        self._right, self._broken = self._folder / "right", self._folder / "broken"
        self._ask(self._right)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)

    def case(self, dice: random.Random) -> None:
        """Break the files of a copy, and ask twice: the first may mend what the second finds."""
        shutil.rmtree(self._broken, ignore_errors=True)
        shutil.copytree(self._right, self._broken)
        done = []
        for _ in range(dice.randint(1, 4)):
            path = dice.choice(_files(self._broken))
            fault = dice.choice(FAULTS)
            done.append(f"{fault.__name__[1:]} {path.name[:8]}…{path.suffix}")
            fault(dice, path)
        for _ in range(2):
            answers = self._ask(self._broken)
            if answers != list(range(MODULES)):
                raise Finding(f"plug-ins gave {answers}", done)

    def _ask(self, folder: Path) -> list[int]:
        os.environ["EXTISM_NATIVE_CACHE_DIR"] = str(folder)
        # As a process that has just begun.
        recipe._programs.clear()  # noqa: SLF001
        compiled._caches.clear()  # noqa: SLF001
        found = []
        for number in range(MODULES):
            with extism.Plugin(module(number), functions=[]) as plugin:
                found.append(int.from_bytes(plugin.call("run", b""), "little"))
        return found


def _files(folder: Path) -> list[Path]:
    """Return what is still a file; opening anything else might wait."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())


def _change(dice: random.Random, path: Path) -> None:
    path.write_bytes(mutated(dice, path.read_bytes()))


def _change_in_place(dice: random.Random, path: Path) -> None:
    """Bytes at a time, keeping size and times."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(dice.randrange(max(status.st_size, 1)))
        file.write(dice.randbytes(1))
    os.truncate(path, status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _cut(dice: random.Random, path: Path) -> None:
    os.truncate(path, dice.randrange(path.stat().st_size + 1))


def _remove(dice: random.Random, path: Path) -> None:
    del dice
    path.unlink()


def _swap(dice: random.Random, path: Path) -> None:
    other, aside = dice.choice(_files(path.parent)), path.with_name("aside")
    path.rename(aside)
    if other != path:
        other.rename(path)
    aside.rename(other)


def _copy(dice: random.Random, path: Path) -> None:
    """Another's content, an artefact of another module for example."""
    path.write_bytes(dice.choice(_files(path.parent)).read_bytes())


def _folder(dice: random.Random, path: Path) -> None:
    del dice
    path.unlink()
    path.mkdir()


def _link(dice: random.Random, path: Path) -> None:
    path.unlink()
    path.symlink_to(dice.choice(("/dev/null", "/dev/zero", path.name, "nowhere", "..")))


def _fifo(dice: random.Random, path: Path) -> None:
    del dice
    path.unlink()
    os.mkfifo(path)


FAULTS: tuple[Callable[[random.Random, Path], None], ...] = (
    *(_change, _change, _change_in_place, _cut, _remove, _swap, _copy, _folder, _link, _fifo),
)
