"""
Upstream's package as a peer: the same scene played by it and by ours, and whether what came of it agrees.

`Worker` is one of the two packages in a process of its own. `Case` is a scene with a name. `complaints` compares,
knowing from `peer_differences.py` where the two are meant to differ.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peer_differences import DIFFERENT

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("peer_worker.py")
PEER_PYTHON = Path(os.environ.get("EXTISM_PEER_PYTHON", ROOT / ".venv-peer" / "bin" / "python"))
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """
    What came of one step.

    Attributes:
        kind: `output`, or what sort of failure: `guest`, `code`, `trap`, `exit`, `refused`, `timeout`, `oom`,
            `not found`, `uncallable`, `compile`, `create`; `crash` and `hang` are the process's; else the
            name of an exception of Python's.
        code: The return code.
        output: The output, if there is one.
        text: What is worth comparing of the error's text.
        error: All of the error's text.
    """

    kind: str
    code: int | None = None
    output: bytes | None = None
    text: str = ""
    error: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if self.kind == "output":
            return f"output {(self.output or b'')[:60]!r}"
        return f"{self.kind} ({self.code}) {self.text[:300]!r}"

    def agrees_with(self, theirs: Answer) -> bool:
        """Same kind, code and output; our text begins with theirs."""
        same = (self.kind, self.code, self.output) == (theirs.kind, theirs.code, theirs.output)
        exact = self.kind in {"guest", "code", "logged"}
        return same and (self.text == theirs.text if exact else self.text.startswith(theirs.text))


@dataclass(frozen=True)
class Played:
    """What came of a scene: its answers, what host functions heard, what the guest printed."""

    answers: tuple[Answer, ...]
    heard: tuple[str, ...] = ()
    stdout: str = ""
    seen: tuple[Any, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()


def call(name: str, data: bytes | str = b"", context: Any = None) -> list[Any]:
    """The step that calls an export."""
    given = data.encode() if isinstance(data, str) else data
    return ["call", name, base64.b64encode(given).decode(), context]


@dataclass(frozen=True)
class Case:
    """
    One scene for both packages.

    Attributes:
        name: What it is about.
        plugin: A manifest as a dict, or text or bytes as they are. In a manifest, `{"guest": "c/echo.c"}` is a
            source, and `<server>`, `<folder>` stand for the URL of the test server and a fresh folder.
        steps: What is done with it, see `peer_stage.py`; a str or a (name, input) pair is a call.
        files: Files in the fresh folder, before; compared afterwards.
        log: What both packages log, a level.
        refused: Whether neither package is to make the plug-in: without this, that is a fault of the case.
        hangs_after: Seconds after which upstream's package counts as hanging, where it is known to.
    """

    name: str
    plugin: Any
    steps: tuple[Any, ...] = ()
    wasi: bool = False
    config: Any = None
    functions: tuple[str, ...] = ()
    compiled: bool = False
    environ: dict[str, str] = field(default_factory=dict)
    in_folder: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    log: str = ""
    refused: bool = False
    hangs_after: float = PATIENCE_SECONDS

    def scene(self, resolve: Any) -> dict[str, Any]:
        """The case as JSON; `resolve` puts real things for placeholders."""
        return {
            "plugin": _source(resolve(self.plugin)),
            "wasi": self.wasi,
            "config": resolve(self.config),
            "functions": list(self.functions),
            "compiled": self.compiled,
            "environ": self.environ,
            "folder": resolve("<folder>") if self.in_folder else None,
            "steps": [resolve(_step(step)) for step in self.steps],
        }


def _step(step: Any) -> list[Any]:
    if isinstance(step, str):
        return call(step)
    return call(*step) if isinstance(step, tuple) else step


def _source(plugin: Any) -> dict[str, Any]:
    if isinstance(plugin, bytes):
        return {"data": base64.b64encode(plugin).decode()}
    return {"text": plugin} if isinstance(plugin, str) else {"manifest": plugin}


def environment_of(python: Path | str) -> dict[str, str]:
    """
    Ours, for upstream's without PYTHONPATH: a checkout of ours that it names would be taken for theirs.

    Neither looks up symbols of the engine for its errors, whatever the one who runs the tests likes to see.
    """
    own = str(python) == sys.executable
    kept = {name: value for name, value in os.environ.items() if own or name != "PYTHONPATH"}
    return {**kept, "RUST_BACKTRACE": "0"}


class Worker:
    """One package, in a process of its own that is started when needed and again after a crash."""

    def __init__(self, python: Path | str, log: str = "", **environ: str) -> None:
        if not Path(python).exists():
            raise FileNotFoundError(f"{python} is not there: `make test` installs the peer")
        self._command = [str(python), str(WORKER), log]
        self._environment = environment_of(python) | environ
        self._process: subprocess.Popen[str] | None = None

    def play(self, scene: dict[str, Any], seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Play a scene; one that kills the process or does not end is an answer too."""
        process = self._running()
        process.stdin.write(json.dumps(scene) + "\n")
        process.stdin.flush()
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            process.kill()
            self._end()
            return {"answers": [["hang", None, None, "", None]]}
        if line:
            return json.loads(line)
        process.wait(10)
        self._errors.seek(0)
        last_words = self._errors.read().decode("utf-8", "replace")[-2000:]
        self._end()
        return {"answers": [["crash", None, None, "", last_words]]}

    def call(self, manifest, function, data=b"", *, wasi=False, config=None) -> Answer:
        """Call an export of a plug-in that is kept for the next such call."""
        case = Case("", manifest, (call(function, data),), wasi=wasi, config=config)
        kept = json.dumps([manifest, wasi, config], sort_keys=True)
        played = self.play({**case.scene(lambda value: value), "keep": kept})
        return answers_of(played)[-1]

    def close(self) -> None:
        self._end()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            # Upstream's package prints the exceptions of host functions there.
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env=self._environment,
            )
            self._lines: queue.Queue[str] = queue.Queue()
            arguments = (self._process.stdout, self._lines)
            threading.Thread(target=_pump, args=arguments, daemon=True).start()
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()
        self._errors.close()
        self._process = None


def _pump(lines, into: queue.Queue[str]) -> None:
    with contextlib.suppress(ValueError):
        for line in lines:
            into.put(line)
    into.put("")


def answers_of(played: dict[str, Any]) -> tuple[Answer, ...]:
    return tuple(
        Answer(kind, code, None if output is None else base64.b64decode(output), text, error)
        for kind, code, output, text, error in played["answers"]
    )


_NOT_MADE = ("compile", "create", "TypeError", "crash")


def complaints(case: Case, ours: Played, theirs: Played) -> list[str]:
    """Return what is not as it should be: nothing, if they agree, or differ in the way that is listed."""
    faults = list(_faults(ours, theirs))
    is_refused = all(side.answers and side.answers[0].kind in _NOT_MADE for side in (ours, theirs))
    if is_refused != case.refused:
        faults.append(f"made by neither: {is_refused}; ours {ours.answers[0]}")
    listed = DIFFERENT.get(case.name)
    if listed is None:
        return faults
    if not faults:
        return [f"they agree: it does not differ any more ({listed.line})"]
    shown = [str(answer) for answer in ours.answers]
    wanted = len(listed.ours) == len(shown) and all(map(str.startswith, shown, listed.ours))
    return [] if wanted else [f"ours gave {shown}, promised are {list(listed.ours)}"]


def _faults(ours: Played, theirs: Played):
    for number, (mine, other) in enumerate(zip(ours.answers, theirs.answers, strict=False)):
        if not mine.agrees_with(other):
            words = "".join(f"\n{each.error}" for each in (mine, other) if each.kind == "crash")
            yield f"step {number}: ours {mine}, theirs {other}{words}"
    if len(ours.answers) != len(theirs.answers):
        yield f"ours gave {len(ours.answers)} answers, theirs {len(theirs.answers)}"
    for what in ("heard", "stdout", "seen", "files"):
        if getattr(ours, what) != getattr(theirs, what):
            yield f"{what}: ours {getattr(ours, what)}, theirs {getattr(theirs, what)}"


def our_worker(log: str = "") -> Worker:
    return Worker(sys.executable, log)


def awaiting_worker(log: str = "") -> Worker:
    """Ours, with every call awaited."""
    return Worker(sys.executable, log, EXTISM_TEST_ACALL="1")


def their_worker(log: str = "") -> Worker:
    """Upstream logs the cause of each failure, which its error does not tell."""
    return Worker(PEER_PYTHON, log or "extism::plugin=error")
