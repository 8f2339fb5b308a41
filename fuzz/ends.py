"""How plug-ins end: what two of them can be compared by."""

from __future__ import annotations

from typing import Any

import extism
from extism.errors import CallTimeout, Error

__all__ = ["UNTOLD", "of_calls", "of_plugin"]

UNTOLD = "timeout"
"""The end of whatever ran into a limit of time: where the guest was by then is anybody's guess."""


def of_calls(
    compiled: extism.CompiledPlugin, calls: list[tuple[str, bytes]], seconds: float = 1.0
) -> list[Any]:
    """Return how each call ends, up to the first that runs out of time."""
    try:
        plugin = extism.Plugin(compiled)
    except CallTimeout:
        return [UNTOLD]
    except Error as exc:
        return [_shown(exc)]
    ends: list[Any] = []
    with plugin:
        for name, data in calls:
            try:
                ends.append(plugin.call(name, data, timeout=seconds))
            except CallTimeout:
                return [*ends, UNTOLD]
            except Error as exc:
                ends.append(_shown(exc))
    return ends


def of_plugin(
    source: Any, *, fuse: bool, inputs: list[bytes], names: list[str] | None = None
) -> list[Any]:
    """Return how it ends to make a plug-in and to call its exports, or those named."""
    try:
        compiled = extism.CompiledPlugin(source, functions=[], fuse=fuse)
    except Error as exc:
        return [_shown(exc)]
    if names is None:
        names = sorted(each.name for each in compiled.exports if each.is_callable)
    return of_calls(compiled, [(name, data) for data in inputs for name in names])


def _shown(error: Error) -> tuple[str, str]:
    lines = str(error).splitlines()
    return type(error).__name__, lines[0] if lines else ""
