"""
One side's process: runs cases over whatever package is called `extism` in this Python.

    python worker.py CASES FOLDER

`CASES` is a module beside this file; its `cases(FOLDER)` gives, by name, what makes a `Case`. Speaks JSON in
lines: `[name, null]` is answered with the output of one run in hex, `[name, N]` with the seconds of N runs.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Case(NamedTuple):
    """A function and what it is called with; it returns bytes."""

    function: Callable[..., bytes]
    arguments: tuple[Any, ...] = ()

    def output(self) -> bytes:
        return bytes(self.function(*self.arguments))

    def seconds(self, count: int) -> float:
        """How long `count` runs take together."""
        function, arguments = self
        started = time.perf_counter()
        for _ in range(count):
            function(*arguments)
        return time.perf_counter() - started


def main() -> None:
    makers = import_module(sys.argv[1]).cases(Path(sys.argv[2]))
    made = {}
    print(json.dumps(list(makers)), flush=True)
    for line in sys.stdin:
        name, count = json.loads(line)
        if name not in made:
            made[name] = makers[name]()
        case = made[name]
        answer = case.output().hex() if count is None else case.seconds(count)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
