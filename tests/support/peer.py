"""Upstream's package as a peer: the same calls on both hosts, and what each made of them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import extism

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("peer_worker.py")
PEER_PYTHON = Path(os.environ.get("EXTISM_PEER_PYTHON", ROOT / ".venv-peer" / "bin" / "python"))


@dataclass(frozen=True)
class Answer:
    """What a call gave: output, or the text of the error."""

    output: bytes | None = None
    error: str | None = None


class Peer:
    """Upstream's package in a process of its own."""

    def __init__(self):
        if not PEER_PYTHON.exists():
            raise FileNotFoundError(f"{PEER_PYTHON} is not there: `make test` installs the peer")
        self._process = subprocess.Popen(
            [PEER_PYTHON, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def call(self, manifest, function, data=b"", *, wasi=False, config=None) -> Answer:
        request = {
            "manifest": manifest,
            "wasi": wasi,
            "config": config or {},
            "function": function,
            "input": base64.b64encode(data).decode(),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer died (exit code {self._process.wait()})")
        given = json.loads(line)
        output = given.get("output")
        return Answer(None if output is None else base64.b64decode(output), given.get("error"))

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


class Ours:
    """The same interface over this project, in this process."""

    def __init__(self):
        self._plugins = {}

    def call(self, manifest, function, data=b"", *, wasi=False, config=None) -> Answer:
        key = json.dumps([manifest, wasi, config], sort_keys=True)
        try:
            if key not in self._plugins:
                self._plugins[key] = extism.Plugin(manifest, wasi=wasi, config=config, functions=[])
            return Answer(output=self._plugins[key].call(function, data))
        except extism.Error as error:
            return Answer(error=str(error))

    def close(self):
        for plugin in self._plugins.values():
            plugin.close()
