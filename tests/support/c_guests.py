"""Real modules, made by clang and lld from C source at test time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def compile_c(source: str, folder: Path, *options: str) -> bytes:
    """Return the free-standing wasm32 module that the C source is."""
    path, target = folder / "guest.c", folder / "guest.wasm"
    path.write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-nostdlib"]
    always = ["-Wl,--no-entry", "-fno-sanitize=undefined", "-o", str(target), str(path)]
    subprocess.run([*command, *options, *always], check=True, timeout=100)
    return target.read_bytes()
