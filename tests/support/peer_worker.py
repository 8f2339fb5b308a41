"""
Runs calls on upstream's package, in upstream's own virtual environment; driven over pipes by `peer.py`.

One JSON object a line in, one a line out; bytes travel as base64. Nothing of this project is imported.
"""

import base64
import json
import sys

import extism

plugins = {}


def plugin_for(manifest, wasi, config):
    key = json.dumps([manifest, wasi, config], sort_keys=True)
    if key not in plugins:
        plugins[key] = extism.Plugin(manifest, wasi=wasi, config=config or None, functions=[])
    return plugins[key]


def answer(request):
    try:
        plugin = plugin_for(request["manifest"], request["wasi"], request["config"])
        output = plugin.call(request["function"], base64.b64decode(request["input"]))
        return {"output": base64.b64encode(bytes(output)).decode()}
    except extism.Error as error:
        return {"error": str(error)}


def main():
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


main()
