"""
How long a module takes to become a plug-in, in one fresh process: import apart, then once more.

    python load_probe.py FILE.wasm FUNCTION [path]

Prints `{"load": seconds, "again": seconds, "output": hex}`. `again` while the first plug-in is alive. The module is handed
over as bytes; with `path`, as the path of its file.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import extism


def main() -> None:
    file, function = Path(sys.argv[1]), sys.argv[2]
    source = {"wasm": [{"path": str(file)}]} if "path" in sys.argv[3:] else file.read_bytes()
    plugins = []
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        plugins.append(extism.Plugin(source, wasi=True, functions=[]))
        seconds.append(time.perf_counter() - started)
    output = bytes(plugins[0].call(function, b"0123456789abcdef")).hex()
    print(json.dumps({"load": seconds[0], "again": seconds[1], "output": output}))


main()
