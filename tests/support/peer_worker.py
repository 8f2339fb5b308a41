"""
Plays scenes with the package that this interpreter has, driven over pipes by `peer.py`.

One scene a line in, one list of answers a line out, as JSON. The first argument is the level or filter of the
package's log. Guests that write to standard output reach a file, not the pipe: what it holds goes along.
"""

import json
import os
import sys
import tempfile
from contextlib import nullcontext

from peer_stage import Stage


def main():
    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryFile() as written, awaited_calls():
        os.dup2(written.fileno(), 1)
        stage = Stage(sys.argv[1] or None)
        for line in sys.stdin:
            played = stage.play(json.loads(line))
            sys.stdout.flush()
            played["stdout"] = taken(written)
            answers.write(json.dumps(played) + "\n")
            answers.flush()


def awaited_calls():
    """What has every call awaited, where that is asked for, and where this is our package: upstream's cannot."""
    if os.environ.get("EXTISM_TEST_ACALL"):
        try:
            import through_acall
        except ImportError:
            return nullcontext()
        return through_acall.awaited_calls()
    return nullcontext()


def taken(file):
    """What has been written since the last time."""
    file.seek(0)
    content = file.read()
    file.seek(0)
    file.truncate()
    return content.decode("utf-8", "replace")


main()
