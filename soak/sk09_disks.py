"""SK9: the compile cache on disks that are full, read-only, taken away, or broken at random."""

from __future__ import annotations

import builtins
import errno
import logging
import os
import random
import resource
import shutil
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any

from extism import _known, _vault
from extism._engine import cache
from soak.forks import Ended, forked
from soak.sk08_kills import answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.run import Run

MODULES = 6


def soak(run: Run) -> None:
    """Every call succeeds; who is told, is told once for each process."""
    ways: dict[str, Callable[[str, int], None]] = {
        "full": full,
        "read-only": read_only,
        "gone": gone,
        "broken": broken,
    }
    for step in run.steps(run.count(400, 8)):
        kind = list(ways)[step % len(ways)]
        first = step * MODULES
        with tempfile.TemporaryDirectory(prefix="soak-disk-") as folder:
            try:
                found = forked(partial(told, ways[kind], folder, first))
            except Ended as exc:
                found = [str(exc), 0]
        run.faults[kind] += 1
        run.calls += MODULES * 2
        right = list(range(first, first + MODULES))
        run.expect(found[0] == right + right, f"{kind}: {found}")
        run.expect(found[1] <= 1, f"{kind}: {found[1]} warnings that the cache is off")


def told(fault: Callable[[str, int], None], folder: str, first: int) -> tuple[list[int], int]:
    """Load modules, break the disk, load them again and others; count what is said of the cache as a whole."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("extism.cache").addHandler(handler)
    os.environ["EXTISM_NATIVE_CACHE_DIR"] = folder
    fault(folder, first)
    found = answers(range(first, first + MODULES)) + answers(range(first, first + MODULES))
    return found, sum(line.startswith("native code is not") for line in said)


def full(folder: str, first: int) -> None:
    """Nothing above 4 KB can be written."""
    del folder, first
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def read_only(folder: str, first: int) -> None:
    """The folder cannot be written to; for root, who may write anywhere, it is one of the system's."""
    del first
    os.chmod(folder, 0o500)
    if os.getuid() == 0:
        os.environ["EXTISM_NATIVE_CACHE_DIR"] = "/proc/self/fdinfo"


def gone(folder: str, first: int) -> None:
    """The folder is taken away after it was used."""
    answers(range(first + MODULES, first + MODULES + 1))
    shutil.rmtree(folder)


def broken(folder: str, first: int) -> None:
    """One of ten operations on files fails."""
    del folder
    dice = random.Random(first)

    def failing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if dice.random() < 0.1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return function(*args, **kwargs)

        return call

    class Broken:
        """The module `os`, unreliable."""

        def __getattr__(self, name: str) -> Any:
            found = getattr(os, name)
            unreliable = {"open", "stat", "replace", "write", "utime", "makedirs", "scandir"}
            return failing(found) if name in unreliable else found

    for module in (_vault, cache, _known):
        vars(module)["os"] = Broken()
        vars(module)["open"] = failing(builtins.open)
