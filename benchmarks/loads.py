"""
How long one module takes to load: with empty caches, with warm ones, and again in the same process.

Every sample is a fresh process (`load_probe.py`); the time is that of `Plugin(...)`, import not counted.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from workers import agreed, interleaved, probed

if TYPE_CHECKING:
    from pathlib import Path

    from plan import Plan

__all__ = ["loaded"]


def loaded(plan: Plan, wasm: Path, function: str, *how: str) -> dict[str, dict[str, list[float]]]:
    """Return samples by side, for `cold`, `warm` and `again`; `how` is the probe's to understand."""

    def probe(side, *, is_cold: bool):
        home = plan.folder / "homes" / f"{wasm.stem} {side.name}"

        def run() -> dict[str, Any]:
            if is_cold:
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir(parents=True)
            return probed(side, "load_probe", wasm, function, *how, home=home)

        return run

    cold = interleaved(
        {side.name: probe(side, is_cold=True) for side in plan.sides}, 1 + plan.processes // 3
    )
    warm = interleaved(
        {side.name: probe(side, is_cold=False) for side in plan.sides}, plan.processes
    )
    agreed(wasm.name, {name: [runs[0]["output"]] for name, runs in [*cold.items()]})
    agreed(
        wasm.name, {name: sorted({run["output"] for run in runs}) for name, runs in warm.items()}
    )
    return {
        "cold": {name: [run["load"] for run in runs] for name, runs in cold.items()},
        "warm": {name: [run["load"] for run in runs] for name, runs in warm.items()},
        "again": {name: [run["again"] for run in runs] for name, runs in warm.items()},
    }
