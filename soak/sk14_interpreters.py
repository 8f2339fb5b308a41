"""SK14: the library in sub-interpreters, and without the GIL where this Python is built so: it works, or says no."""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import extism
from soak.forks import Ended, forked
from soak.guests import WORKER

if TYPE_CHECKING:
    from soak.run import Run

SCRIPT = f"""
import sys
sys.path[:] = {{path!r}}
import os
out = {{out}}
try:
    import extism
    with extism.Plugin({WORKER!r}, functions=[]) as plugin:
        said = plugin.call("echo", b"worked").decode()
except ImportError as exc:
    said = "refused: " + str(exc)
os.write(out, said.encode())
"""


def soak(run: Run) -> None:
    """Neither the sub-interpreter nor the main one is harmed."""
    is_free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    run.figures["build"] = "without the GIL" if is_free else "with the GIL"
    module = interpreters()
    if module is None:
        run.figures["sub-interpreters"] = "not offered by this Python"
        return
    for step in run.steps(run.count(50, 2)):
        try:
            said = forked(lambda: inside(module))
        except Ended as exc:
            said = str(exc)
        run.calls += 1
        run.figures["sub-interpreters"] = said
        fit = said.startswith(("worked", "refused: "))
        run.expect(fit, f"step {step}: {said}")


def interpreters() -> Any:
    """Return the module for sub-interpreters under whatever name this Python has it."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def inside(module: Any) -> str:
    """What the library says in a sub-interpreter, if the main one can still call afterwards."""
    out, into = os.pipe()
    # Newer Pythons take a kind, older ones a flag: the one that lets threads be started.
    is_new = module.__name__ == "_interpreters"
    interpreter = module.create("legacy") if is_new else module.create(isolated=False)
    failed = module.run_string(interpreter, SCRIPT.format(path=sys.path, out=into))
    module.destroy(interpreter)
    os.close(into)
    with os.fdopen(out) as file:
        said = file.read()
    with extism.Plugin(WORKER, functions=[]) as plugin:
        answer = plugin.call("echo", b"main")
    return said if answer == b"main" and not failed else f"{failed} {said} {answer!r}"
