"""
Run a function of a test file in a process of its own, so that a crash is counted and not suffered.

    assert in_a_child(recursion, 256 << 10) == "stack overflow"

The function stands at the top of its file; its arguments and its result are JSON. The child has a time
limit and, where asked for, limits on memory and files.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoreboard import Crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["in_a_child", "peak_memory", "resident_memory"]

_MARK = "\0result "
_SUPPORT = Path(__file__).parent


def in_a_child(
    function: Callable[..., Any],
    *args: Any,
    seconds: float = 60,
    limits: Mapping[int, int] | None = None,
    env: Mapping[str, str] | None = None,
) -> Any:
    """
    Return what `function(*args)` returns in a fresh process.

    Args:
        function: Defined at the top of a test file.
        args: Whatever JSON carries.
        seconds: After this long the child is killed, and counts as crashed.
        limits: `resource.RLIMIT_...` to a number, set before the function is called.
        env: Variables beside those of this process.

    Raises:
        Crashed: The child died of a signal, or was killed.
        AssertionError: The function raised; the text has its traceback.
    """
    task = {
        "file": inspect.getfile(function),
        "function": function.__name__,
        "args": args,
        "limits": {str(kind): number for kind, number in (limits or {}).items()},
    }
    command = [sys.executable, "-X", "faulthandler", __file__, json.dumps(task)]
    everything = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=seconds, env=everything, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise Crashed(f"still running after {seconds} s:\n{_text(exc.stderr)}") from None
    out, err = _text(done.stdout), _text(done.stderr)
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise Crashed(f"died of {name}:\n{out[-2000:]}\n{err[-6000:]}")
    if _MARK not in out:
        raise AssertionError(f"ended with {done.returncode}:\n{out[-2000:]}\n{err[-6000:]}")
    return json.loads(out.rpartition(_MARK)[2])


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "backslashreplace")


def peak_memory() -> int:
    """The most bytes that this process ever had resident; its parent's do not count, as they do in `ru_maxrss`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def resident_memory() -> int:
    """The bytes that this process has resident now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _main() -> None:
    task = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.insert(0, str(_SUPPORT))
    spec = importlib.util.spec_from_file_location("attack", task["file"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["attack"] = module
    spec.loader.exec_module(module)
    for kind, number in task["limits"].items():
        resource.setrlimit(int(kind), (number, number))
    result = getattr(module, task["function"])(*task["args"])
    print(_MARK + json.dumps(result), flush=True)


if __name__ == "__main__":
    _main()
