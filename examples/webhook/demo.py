"""
`make demo`: the whole story of the webhook plug-in, on this machine.

Starts a web server on 127.0.0.1, compiles `webhook.py`, calls the plug-in from the command line and from
`host.py`, and shows what happens when a host is not allowed. The two scripts are the published ones;
only the address of the public web site is replaced by that of the local server, in a copy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
PUBLIC = "webhook.site"


class Receiver(BaseHTTPRequestHandler):
    """Answers every POST with what it received, and remembers it."""

    received: ClassVar[list[dict[str, str]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append({"type": self.headers["Content-Type"], "body": body.decode()})
        answer = json.dumps({"received": json.loads(body)}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Stay quiet: the demo prints what arrived itself."""


def main() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copy(HERE / "webhook.py", work)
        host = (HERE / "host.py").read_text(encoding="utf-8")
        host = host.replace(f"https://{PUBLIC}/", f"http://{address}/")
        (work / "host.py").write_text(host.replace(PUBLIC, "127.0.0.1"), encoding="utf-8")
        story(work, address)
    server.shutdown()
    print(f"\nAll of it worked, in {time.monotonic() - started:.1f} s.")
    return 0


def story(work: Path, address: str) -> None:
    url = f"http://{address}/0b757518"
    payload = {"name": "Thejesh from inside the sandbox", "seq": 1}
    given = json.dumps({"url": url, "payload": payload})
    call = ["extism", "call", "webhook.wasm", "post_json"]

    chapter("1. A Python file becomes a plug-in")
    run(work, ["extism-py", "webhook.py", "webhook.wasm"])
    print(
        f"   webhook.wasm: {(work / 'webhook.wasm').stat().st_size / 1e6:.1f} MB, all of CPython inside"
    )

    chapter("2. Call it from the command line (the first time, it is compiled to native code)")
    answer = run(work, [*call, "--allow-host", "127.0.0.1", "--wasi", "--input", given])
    check(json.loads(answer)["status"] == 201, "the plug-in got the server's answer")
    check(json.loads(Receiver.received[-1]["body"]) == payload, "the server got the payload")
    check(Receiver.received[-1]["type"] == "application/json", "the server got the content type")

    chapter("3. Call it from an application: host.py")
    answer = run(work, ["python", "host.py"])
    check(json.loads(answer)["status"] == 201, "the application got the server's answer")
    check(len(Receiver.received) == 2, "the server was asked once more")

    chapter("4. A host that is not allowed is refused")
    refused = run(
        work, [*call, "--allow-host", "example.com", "--wasi", "--input", given], fails=True
    )
    check(
        "127.0.0.1" in refused and "allowed_hosts" in refused,
        "the error names the host and the cure",
    )
    check(len(Receiver.received) == 2, "the server was not asked")


def chapter(title: str) -> None:
    print(f"\n{title}")


def run(work: Path, command: list[str], *, fails: bool = False) -> str:
    """Show and run a command; return what it printed, on stderr if it is to fail."""
    print(
        "   $ "
        + " ".join(
            word if word.isprintable() and " " not in word else repr(word) for word in command
        )
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = done.stderr if fails else done.stdout
    print("".join(f"   {line}\n" for line in shown.strip().splitlines()), end="")
    if bool(done.returncode) != fails:
        raise SystemExit(f"{command[0]} ended with exit code {done.returncode}:\n{done.stderr}")
    return shown


def check(holds: bool, claim: str) -> None:
    if not holds:
        raise SystemExit(f"   NOT SO: {claim}")
    print(f"   ok: {claim}")


if __name__ == "__main__":
    sys.exit(main())
