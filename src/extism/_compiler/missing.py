"""
What an import that finds nothing means, and what the author can do: for the errors of a build.

The reasons: the module was left out, it is native code, or nobody said where it is. Who finds the failed import is
`bundle.py`, for what stands in functions, and the guest itself, for all that runs while the plug-in is built.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, NamedTuple

from extism._compiler.analyze import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from extism._compiler.distributions import Distribution
    from extism._compiler.searchpath import SearchPath

__all__ = ["Reason", "explain", "is_below"]


class Reason(NamedTuple):
    """Why a module is not there, as a clause, what to do, and the package if it is native code of one."""

    text: str
    hint: str
    package: str = ""


def explain(
    name: str, search: SearchPath, known: Sequence[Distribution], excluded: Iterable[str]
) -> Reason:
    """Return why the module called `name` is not in a plug-in."""
    if is_below(name, excluded):
        return Reason(f"{name} is left out of the plug-in", "take it out of --exclude")
    if is_below(name, [LIBRARY]):
        return Reason(
            f"there is no {name} inside a plug-in, where {LIBRARY} is the guest library, and not the host's",
            "use what it has: plugin_fn, input_str, output_str, Config, Var, Http, log and so on",
        )
    owner = next((row for row in known if _is_native(name, row)), None)
    path = None if owner else search.find_native(name)
    if owner or path:
        whose = f"{owner.name} {owner.version}" if owner else str(path)
        return Reason(
            f"{name} is native code ({whose}), and a plug-in runs pure Python only",
            "use a package that does the same in pure Python; where the import has a fallback, "
            "put it into try ... except ImportError",
            name.split(".", maxsplit=1)[0],
        )
    package = _provider(name.split(".", maxsplit=1)[0])
    return Reason(
        f"there is no module {name} beside the plug-in, in PYTHONPATH or in its packages",
        f"name its package in the file (# /// script, # dependencies = [{package!r}], # ///), in a "
        "pyproject.toml or with --requirements FILE, or where it is with --site DIR".replace(
            "'", '"'
        ),
    )


def is_below(name: str, tops: Iterable[str]) -> bool:
    """Tell whether a module is one of these, or in one of them."""
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def _is_native(name: str, row: Distribution) -> bool:
    return name in row.native or any(module.startswith(f"{name}.") for module in row.native)


def _provider(top: str) -> str:
    """Return the distribution that a module comes from: as on this machine, else by the same name."""
    return next(iter(importlib.metadata.packages_distributions().get(top, ())), top)
