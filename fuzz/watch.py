"""Runs a target in processes of its own: one that dies or does not go on is a finding, and the next goes on behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from fuzz import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Watched"]

SECONDS_A_CASE = 60.0
MOST_FINDINGS = 20
LOOK = 0.2


class Watched:
    """
    A target, run from one case to another.

    Attributes:
        findings: What was found, with the number of each case.
        crashes: How many cases ended the process, or had to be ended.
    """

    def __init__(self, name: str, seed: int, folder: Path) -> None:
        self.findings: list[dict[str, Any]] = []
        self.crashes = 0
        self._name, self._seed, self._folder = name, seed, folder
        self._number = folder / "number"

    def run(self, first: int, last: int, show: Callable[[int], None]) -> int:
        """Run the cases and return how many there were; twenty findings are enough."""
        at = first
        while at < last and len(self.findings) < MOST_FINDINGS:
            self._number.write_bytes(at.to_bytes(8, "little"))
            at = self._some(at, last, show)
        return at - first

    def _some(self, first: int, last: int, show: Callable[[int], None]) -> int:
        """Run cases until the process ends; give the number of the first that has not been run."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self._started(first, last, out, err)
            try:
                is_stuck = self._wait(process, show)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            out.seek(0)
            self.findings += [json.loads(line) for line in out if line.startswith(b"{")]
            at = self._at()
            if process.returncode == 0:
                return last
            err.seek(0)
            words = err.read().decode("utf-8", "replace")[-3000:]
        self.crashes += 1
        how = "did not go on" if is_stuck else f"ended the process with {process.returncode}"
        self.findings.append({"case": at, "text": f"the case {how}", "made_of": words})
        return at + 1

    def _started(self, first: int, last: int, out: Any, err: Any) -> subprocess.Popen[bytes]:
        numbers = [str(number) for number in (self._seed, first, last)]
        return subprocess.Popen(
            [
                *(sys.executable, "-X", "faulthandler", "-m", "fuzz.child"),
                *(self._name, *numbers, str(self._number)),
            ],
            cwd=self._folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
                "EXTISM_NATIVE_CACHE_DIR": "",
            },
            stdout=out,
            stderr=err,
            start_new_session=True,
        )

    def _wait(self, process: subprocess.Popen[bytes], show: Callable[[int], None]) -> bool:
        """Wait for the end; tell whether a case had to be ended."""
        last, since = -1, time.monotonic()
        while True:
            try:
                process.wait(LOOK)
            except subprocess.TimeoutExpired:
                at = self._at()
                show(at)
                if at != last:
                    last, since = at, time.monotonic()
                if time.monotonic() - since > SECONDS_A_CASE:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    return True
            else:
                return False

    def _at(self) -> int:
        return int.from_bytes(self._number.read_bytes(), "little")
