"""
How a command of the recipe runs: its output goes to one log, and the user sees that it is alive.

A `Journal` is the log of one build and the voice that tells the user. A command that fails ends in a
`BuildError` with its last lines and the log's path; one that is interrupted takes its children with
it.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from extism.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Journal", "Say", "clock"]

Say: TypeAlias = Callable[[str], None]
"""Whoever shows progress: called with one line of text, from the building thread."""

_SIGN_OF_LIFE_SECONDS = 15
_LAST_LINES = 12


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, such as `1:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Journal:
    """The log of one build."""

    def __init__(self, path: Path, say: Say) -> None:
        self.path = path
        self.say = say
        self.started = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def elapsed(self) -> str:
        """The time since the build began."""
        return clock(time.monotonic() - self.started)

    def note(self, text: str) -> None:
        """Write a line to the log, and tell the user."""
        with self.path.open("a", encoding="utf-8") as log:
            log.write(f"=== {self.elapsed} {text}\n")
        self.say(text)

    def run(
        self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]
    ) -> None:
        """
        Run a command to its end, with a word to the user each quarter of a minute.

        Raises:
            BuildError: It could not start, or ended with another code than 0.
        """
        words = [str(word) for word in command]
        with self.path.open("ab") as log:
            log.write(f"=== {self.elapsed} in {folder}: {shlex.join(words)}\n".encode())
            log.flush()
            start = log.tell()
            try:
                process = subprocess.Popen(  # noqa: S603  no shell; the words are the recipe's
                    words,
                    cwd=folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise BuildError(f"{words[0]} could not be started: {error}") from error
            code = self._wait(process)
        if code:
            self._blame(words, code, start)

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the end; an interruption ends the whole process group."""
        try:
            while True:
                try:
                    return process.wait(_SIGN_OF_LIFE_SECONDS)
                except subprocess.TimeoutExpired:
                    self.say(f"    {self.elapsed}  {self._newest_line()}")
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise

    def _newest_line(self) -> str:
        """Return the end of the log's last line, cut to what fits on a screen."""
        with self.path.open("rb") as log:
            log.seek(max(0, self.path.stat().st_size - 2000))
            lines = log.read().decode("utf-8", "replace").split("\n")
        spoken = (line.strip() for line in reversed(lines) if not line.startswith("==="))
        return next((line[:70] for line in spoken if line), "")

    def _blame(self, words: list[str], code: int, start: int) -> None:
        """Raise the error of a failed command."""
        with self.path.open("rb") as log:
            log.seek(start)
            lines = log.read().decode("utf-8", "replace").splitlines()
        tail = "\n".join(f"  {line}" for line in lines[-_LAST_LINES:]) or "  (it printed nothing)"
        raise BuildError(
            f"building the interpreter failed: {shlex.join(words)[:200]} ended with {code}. Its last "
            f"lines:\n{tail}\nThe full log is {self.path}",
            path=str(self.path),
            hint="a second run continues where this one stopped",
        )
