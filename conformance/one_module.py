"""
One test module, natively or inside, to its end: begun again after each test that ends the interpreter.

Usage: one_module.py native PYTHON ORDER RESULTS SECONDS   or   one_module.py inside WASM ORDER RESULTS SECONDS

ORDER is what `inside.run` takes, as JSON. A test that takes longer than SECONDS, or ends the
interpreter, has failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import extism

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSIDE = Path(__file__).parent / "inside.py"
LIBRARY = "/lib/python3.13"

# A module whose tests end the interpreter again and again is given up after so many.
ROUNDS = 40


def main(side: str, program: str, order_text: str, results: str, seconds: str) -> None:
    """Run the module's tests until each has an end."""
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        book = scratch / "results"
        book.touch()
        run = {"native": run_natively, "inside": run_inside}[side]
        order = json.loads(order_text)
        for _ in range(ROUNDS):
            how = run(program, {**order, "done": ended(book)}, scratch, float(seconds))
            if not settle(book, how):
                break
        Path(results).write_bytes(book.read_bytes())


def entries(book: Path) -> list[dict[str, object]]:
    """Return what is written down; the last line may be torn."""
    lines = book.read_text("utf-8", "replace").splitlines()
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def ended(book: Path) -> list[str]:
    """Return the tests that have an end."""
    return [str(one["id"]) for one in entries(book) if one["status"] != "begun"]


def settle(book: Path, text: str) -> bool:
    """Write down the test that the interpreter ended with; tell whether there is more to run."""
    found = entries(book)
    last = found[-1] if found else {"id": "*", "status": "begun"}
    if last["id"] == "*" and last["status"] == "done":
        return False
    begun = str(last["id"]) if last["status"] == "begun" else "*"
    with book.open("a", encoding="utf-8") as stream:
        stream.write(
            "\n" + json.dumps({"id": begun, "status": "failed", "text": text[-2000:]}) + "\n"
        )
    return begun != "*"


@contextlib.contextmanager
def watched(book: Path, seconds: float, stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` if nothing is written for `seconds`."""
    over = threading.Event()

    def watch() -> None:
        size, since = -1, time.monotonic()
        while not over.wait(0.2):
            now = book.stat().st_size
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > seconds:
                stop()
                return

    guard = threading.Thread(target=watch)
    guard.start()
    try:
        yield
    finally:
        over.set()
        guard.join()


def run_natively(program: str, order: dict[str, object], scratch: Path, seconds: float) -> str:
    """Run an order in a process of the native Python; return how it ended."""
    cwd, book = scratch / "cwd", scratch / "results"
    cwd.mkdir(exist_ok=True)
    order = {**order, "cwd": str(cwd), "results": str(book)}
    home = {"HOME": str(scratch), "TMPDIR": str(scratch), "TZ": "UTC", "PYTHONHASHSEED": "0"}
    process = subprocess.Popen(
        [program, str(INSIDE), json.dumps(order)],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with watched(book, seconds, process.kill):
        code = process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what its tests have started and left running
    return f"the interpreter ended with {code}"


def run_inside(program: str, order: dict[str, object], scratch: Path, seconds: float) -> str:
    """Run an order in an instance of the plug-in; return how it ended."""
    manifest = {
        "wasm": [{"path": program}],
        "allowed_paths": {f"ro:{order['library']}": LIBRARY, str(scratch): "/tmp"},
    }
    order = {**order, "library": LIBRARY, "cwd": "/tmp/cwd", "results": "/tmp/results"}
    with extism.Plugin(manifest, wasi=True, max_memory=None) as plugin:
        cancel = plugin.cancel_handle()
        with watched(scratch / "results", seconds, cancel.cancel):
            try:
                plugin.call("run", json.dumps(order))
            except extism.Error as error:
                return f"{type(error).__name__}: {error}"
    return "the plug-in ended before its tests"


if __name__ == "__main__":
    main(*sys.argv[1:])
