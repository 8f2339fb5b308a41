"""
What do small plug-ins on a shared runtime cost, beside single files, to build, to load, to start and to call?

Both are made by our `extism-py` from the same source, and run on both hosts; a small one has its runtime in the manifest.
`process` is a whole one that imports, loads with warm caches and calls, less one that does nothing. `instance` is
`Plugin(compiled)` and its first call, 1000 times. `memory` is what each of nine more small plug-ins adds to a process.
The upstream column of sizes is the single file's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plan import ROOT
from rows import Row, quantile
from workers import interleaved, probed

from extism.compiler import build, write_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plan import Plan, Side

THREE_LINES = """
import extism


@extism.plugin_fn
def nothing():
    pass


@extism.plugin_fn
def upper():
    extism.output_str(extism.input_str().upper())
"""

FOUR_MODULES = f"import datetime\nimport decimal\nimport hashlib\nimport random\n{THREE_LINES}"

PACKAGES = """
import attrs
import extism
import jinja2


@attrs.define
class Guest:
    name: str


@extism.plugin_fn
def greet():
    guest = Guest(extism.input_str())
    extism.output_str(jinja2.Template("Hello, {{ guest.name }}").render(guest=guest))
"""

LARGER = (
    ("four", FOUR_MODULES, "datetime, decimal, hashlib, random"),
    ("packages", PACKAGES, "jinja2 and attrs"),
)
"""Name, source, and what is in it."""

PLUGINS = 10


def measure(plan: Plan) -> Iterator[Row]:
    if not plan.wants("small plug-in"):
        return
    runtime = plan.folder / "python.wasm"
    write_runtime(runtime)
    small = [made(plan, f"small{n}", f"{THREE_LINES}\nN = {n}\n") for n in range(PLUGINS)]
    single = made(plan, "single", THREE_LINES, shared=False)
    yield sizes("small plug-in of three lines, size", small[0], single)
    for name, source, what in LARGER:
        pair = [made(plan, name, source, shared=shared) for shared in (True, False)]
        yield sizes(f"small plug-in with {what}, size", *pair)
    yield Row("small plug-in, build", {"ours": list(builds(plan))}, base="ours")
    shapes = {
        "small plug-in": [linked(runtime, path) for path in small],
        "single file": [json.dumps({"wasm": [{"path": str(single)}]})],
    }
    for shape, manifests in shapes.items():
        yield from processes(plan, shape, manifests[0])
        yield from instances(plan, shape, manifests[0])
    runs = {
        side.name: partial(ask, plan, side, "memory", *shapes["small plug-in"])
        for side in plan.sides
    }
    interleaved(runs, 1)  # the caches are warm then: compiling leaves memory behind
    found = interleaved(runs, 1 + plan.processes // 3)
    grown = {name: [each["bytes"] for each in found[name]] for name in found}
    yield Row("small plug-in, memory of one more", grown, "B")


def made(plan: Plan, name: str, source: str, *, shared: bool = True) -> Path:
    path = plan.folder / f"{name}.py"
    path.write_text(source)
    wasm = path.with_name(f"{name}{'.small' if shared else ''}.wasm")
    build(path, wasm, shared=shared, sites=[sysconfig.get_path("purelib")])
    return wasm


def linked(runtime: Path, small: Path) -> str:
    entries = [{"name": "python", "path": str(runtime)}, {"name": "main", "path": str(small)}]
    return json.dumps({"wasm": entries})


def sizes(case: str, small: Path, single: Path) -> Row:
    return Row(
        case,
        {"upstream": [float(single.stat().st_size)], "ours": [float(small.stat().st_size)]},
        "B",
    )


def builds(plan: Plan) -> Iterator[float]:
    """Give the seconds of whole commands, with the interpreter's native code in the cache."""
    command = [Path(sys.executable).with_name("extism-py"), plan.folder / "single.py"]
    command += ["-o", plan.folder / "again.wasm", "--shared", "-q"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment["PYTHONPATH"] = str(ROOT / "src")
    for _ in range(1 + plan.processes):
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True)
        yield time.perf_counter() - started


def processes(plan: Plan, shape: str, manifest: str) -> Iterator[Row]:
    runs: dict[str, Callable[[], float]] = {}
    for side in plan.sides:
        ask(plan, side, "process", manifest)  # the caches are warm then
        runs[side.name] = partial(beyond, plan, side, manifest)
    yield Row(f"{shape}, process beyond Python's", interleaved(runs, 2 * plan.processes))


def beyond(plan: Plan, side: Side, manifest: str) -> float:
    """Return how much longer a process lives than one that does nothing."""
    probe = [ROOT / "benchmarks" / "shared_probe.py", "process", manifest]
    seconds = []
    for arguments in (["-c", "pass"], probe):
        started = time.perf_counter()
        subprocess.run(
            [side.python, *arguments],
            env=side.variables(home(plan, side)),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        seconds.append(time.perf_counter() - started)
    return seconds[1] - seconds[0]


def instances(plan: Plan, shape: str, manifest: str) -> Iterator[Row]:
    runs = {side.name: partial(ask, plan, side, "instances", manifest) for side in plan.sides}
    found = interleaved(runs, 1 + plan.processes // 3)

    def row(case: str, figure: Callable[[dict[str, Any]], float]) -> Row:
        return Row(
            f"{shape}, {case}", {name: [figure(each) for each in found[name]] for name in found}
        )

    yield row("instance and first call", lambda each: min(each["seconds"]))
    yield row(
        "instance and first call, 99th percentile", lambda each: quantile(each["seconds"], 0.99)
    )
    yield row("empty call", lambda each: each["empty call"])
    yield row(
        "empty call beyond twice a WAT one",
        lambda each: max(each["empty call"] - 2 * each["empty call of WAT"], 1e-9),
    )


def ask(plan: Plan, side: Side, *arguments: str) -> Any:
    return probed(side, "shared_probe", *arguments, home=home(plan, side))


def home(plan: Plan, side: Side) -> Path:
    path = plan.folder / "homes" / side.name
    path.mkdir(parents=True, exist_ok=True)
    return path
