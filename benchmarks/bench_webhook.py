"""
How long does the main job take, from the import to the answer?

Builds the webhook plug-in of the examples, then runs whole processes that load it and call it against a server on
127.0.0.1, with caches cold and warm. Every sample is a fresh process (`webhook_probe.py`).
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from plan import ROOT
from rows import Row
from workers import agreed, interleaved, probed

from extism.compiler import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan

CALLS = 200

STEPS = ("to first answer", "import", "create", "first call", "call")


class Receiver(BaseHTTPRequestHandler):
    """Takes a POST and answers at once."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        """Stay quiet: printing would be measured."""


@contextmanager
def receiver() -> Iterator[str]:
    """The URL of a server that runs as long as the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def measure(plan: Plan) -> Iterator[Row]:
    if not plan.wants("webhook"):
        return
    wasm = plan.folder / "webhook.wasm"
    build(ROOT / "examples" / "webhook" / "webhook.py", wasm)
    with receiver() as url:
        given = json.dumps({"url": url, "payload": {"seq": 1}})

        def run(side, calls):
            home = plan.folder / "homes" / side.name
            home.mkdir(parents=True, exist_ok=True)
            return probed(side, "webhook_probe", wasm, given, str(calls), home=home)

        cold = interleaved({side.name: partial(run, side, 0) for side in plan.sides}, 1)
        warm = interleaved(
            {side.name: partial(run, side, CALLS) for side in plan.sides}, plan.processes
        )
    agreed("webhook", {name: cold[name][0]["answer"] for name in cold})
    agreed("webhook", {name: warm[name][-1]["answer"] for name in warm})
    step = STEPS[0]
    yield Row(
        f"webhook {step}, caches cold", {name: [runs[0][step]] for name, runs in cold.items()}
    )
    for step in STEPS:
        yield Row(f"webhook {step}", {name: [each[step] for each in warm[name]] for name in warm})
