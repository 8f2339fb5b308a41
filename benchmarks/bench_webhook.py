"""
How long does the main job take, here and on upstream's package?

Builds the webhook plug-in, then runs whole processes that import the SDK, load the plug-in and call it
against a server on 127.0.0.1: on ours and on upstream's package, in turns, with caches cold and warm.
Prints a table in Markdown. `make bench` runs it; benchmarks/README.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOSTS = {
    "ours": ROOT / ".venv" / "bin" / "python",
    "upstream": ROOT / ".venv-peer" / "bin" / "python",
}
CALLS = 200

WORKER = """
import json, sys, time
start = time.perf_counter()
import extism
imported = time.perf_counter()
wasm, given, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
manifest = {"wasm": [{"path": wasm}], "allowed_hosts": ["127.0.0.1"]}
plugin = extism.Plugin(manifest, wasi=True)
created = time.perf_counter()
answer = plugin.call("post_json", given)
answered = time.perf_counter()
times = []
for _ in range(calls):
    began = time.perf_counter()
    plugin.call("post_json", given)
    times.append(time.perf_counter() - began)
print(json.dumps({
    "answer": json.loads(bytes(answer)), "import": imported - start, "create": created - imported,
    "first call": answered - created, "to first answer": answered - start,
    "call": min(times, default=0.0), "call, median": sorted(times)[len(times) // 2] if times else 0.0,
}))
"""


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


def run_worker(host: str, wasm: Path, given: str, calls: int, home: Path) -> dict[str, object]:
    """Run one process of a host whose caches lie in `home`."""
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    done = subprocess.run(
        [HOSTS[host], "-c", WORKER, wasm, given, str(calls)],
        env={**os.environ, **places, "EXTISM_CACHE_DIR": str(home / "extism")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def build_times(folder: Path) -> dict[str, float]:
    """Return the seconds of `extism-py webhook.py`, without and with native code in the cache."""
    command = [ROOT / ".venv" / "bin" / "extism-py", ROOT / "examples" / "webhook" / "webhook.py"]
    times = {}
    for name in ("cold", "warm", "warm again"):
        began = time.perf_counter()
        environment = {**os.environ, "EXTISM_NATIVE_CACHE_DIR": str(folder / "native")}
        subprocess.run(
            [*command, folder / "webhook.wasm"], env=environment, check=True, capture_output=True
        )
        times[name] = time.perf_counter() - began
    return {"cold": times["cold"], "warm": min(times["warm"], times["warm again"])}


def measure(folder: Path, given: str, rounds: int) -> dict[tuple[str, str], list[dict]]:
    """Return what the workers said, by host and state of the caches; hosts take turns."""
    found: dict[tuple[str, str], list[dict]] = {}
    wasm = folder / "webhook.wasm"
    for host in HOSTS:
        (folder / host).mkdir()
        found[host, "cold"] = [run_worker(host, wasm, given, 0, folder / host)]
    for turn in range(rounds):
        for host in sorted(HOSTS, reverse=bool(turn % 2)):
            found.setdefault((host, "warm"), []).append(
                run_worker(host, wasm, given, CALLS, folder / host)
            )
    answers = {json.dumps(row["answer"]) for rows in found.values() for row in rows}
    assert len(answers) == 1, f"the hosts disagree: {answers}"
    return found


def row(name: str, ours: float, theirs: float) -> str:
    return f"| {name} | {ours * 1e3:.2f} | {theirs * 1e3:.2f} | {ours / theirs:.2f} |"


def report(found: dict[tuple[str, str], list[dict]]) -> str:
    lines = ["| milliseconds | ours | upstream | ratio |", "|---|--:|--:|--:|"]

    def pair(state: str, key: str, pick) -> tuple[float, float]:
        return tuple(pick(item[key] for item in found[host, state]) for host in HOSTS)

    lines.append(row("first answer, caches cold (compiles)", *pair("cold", "to first answer", min)))
    for key in ("to first answer", "import", "create", "first call"):
        name = {"to first answer": "import to first answer, caches warm"}.get(key, f"- {key}")
        lines.append(row(f"{name}, best", *pair("warm", key, min)))
    lines.append(
        row("import to first answer, median", *pair("warm", "to first answer", statistics.median))
    )
    lines.append(row(f"one call with its request, best of {CALLS}", *pair("warm", "call", min)))
    lines.append(
        row("one call with its request, median", *pair("warm", "call, median", statistics.median))
    )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="processes of each host, in turns")
    rounds = parser.parse_args().rounds
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    given = json.dumps({"url": f"http://127.0.0.1:{server.server_port}/", "payload": {"seq": 1}})
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build = build_times(folder)
        size = (folder / "webhook.wasm").stat().st_size
        found = measure(folder, given, rounds)
    server.shutdown()
    print(
        f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n"
    )
    print(
        f"webhook.wasm: {size / 1e6:.2f} MB; built in {build['warm']:.2f} s (first time {build['cold']:.1f} s)\n"
    )
    print(report(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
