"""
The main job in one fresh process.

    python webhook_probe.py WEBHOOK.wasm INPUT CALLS

Prints, as JSON, the seconds of each step up to the first answer, those of the best of CALLS further calls, and the
answer.
"""

import json
import sys
import time

start = time.perf_counter()
import extism  # noqa: E402 - its import is measured

imported = time.perf_counter()


def main() -> None:
    wasm, given, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    manifest = {"wasm": [{"path": wasm}], "allowed_hosts": ["127.0.0.1"]}
    began = time.perf_counter()
    plugin = extism.Plugin(manifest, wasi=True)
    created = time.perf_counter()
    answer = bytes(plugin.call("post_json", given))
    answered = time.perf_counter()
    times = []
    for _ in range(calls):
        before = time.perf_counter()
        plugin.call("post_json", given)
        times.append(time.perf_counter() - before)
    steps = {
        "to first answer": answered - start,
        "import": imported - start,
        "create": created - began,
        "first call": answered - created,
        "call": min(times, default=0.0),
    }
    print(json.dumps({**steps, "answer": json.loads(answer)}))


main()
