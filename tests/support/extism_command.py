"""The command `extism` as a process of its own: what it writes, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 60.0
COMMAND = (sys.executable, "-m", "extism")


@dataclass(frozen=True)
class Result:
    """Exit code, and the bytes of stdout and stderr."""

    code: int
    out: bytes
    err: bytes


def extism(
    *args: str | Path | bytes, data: bytes = b"", cwd: Path | None = None, **environment: str
) -> Result:
    """Run the command to its end, with `data` as stdin."""
    done = subprocess.run(
        [*COMMAND, *args],
        input=data,
        capture_output=True,
        timeout=TIMEOUT,
        cwd=cwd,
        env=plain_environment(**environment),
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def plain_environment(**more: str) -> dict[str, str]:
    """The environment without what would change how the command looks, or where a cache of its own is."""
    left_out = {"NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED", "_EXTISM_COMPLETE"}
    if "EXTISM_CACHE_DIR" in more:
        left_out.add("EXTISM_NATIVE_CACHE_DIR")
    if "extism" not in entry_points(group="pytest11").names:
        more = {"PYTEST_PLUGINS": "extism._pytest"} | more  # a checkout on PYTHONPATH
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"COLUMNS": "80", "TERM": "xterm", "PYTHONUTF8": "1"} | more
