"""What the comparison leaves out, read from left_out.toml, and the judgement over one test."""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Reason", "Table", "read_table"]

_FILE = Path(__file__).parent / "left_out.toml"


@dataclass(frozen=True)
class Reason:
    """One reason to leave tests out: whole modules, tests by their names, or by what they say inside."""

    reason: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    texts: tuple[str, ...]

    def covers(self, module: str, test: str, text: str) -> bool:
        """Tell whether it is why this test does not pass inside."""
        return (
            any(fnmatch.fnmatchcase(module, pattern) for pattern in self.modules)
            or any(fnmatch.fnmatchcase(test, pattern) for pattern in self.tests)
            or any(words in text for words in self.texts)
        )


@dataclass(frozen=True)
class Table:
    """The whole file."""

    not_shipped: frozenset[str]
    apart: frozenset[str]
    inside: dict[str, dict[str, list[str]]]
    reasons: tuple[Reason, ...]

    def adjustments(self, module: str) -> dict[str, list[str]]:
        """Return what is set inside before a module is loaded: of each kind, the names for it or its package."""
        either = {module, module.partition(".")[0]}
        return {
            kind: [name for name, modules in table.items() if either & set(modules)]
            for kind, table in self.inside.items()
        }

    def is_left_out_whole(self, module: str) -> bool:
        """Tell whether no test of a module is run inside."""
        return any(reason.covers(module, "", "") for reason in self.reasons)

    def reason(self, module: str, test: str, text: str) -> str:
        """Return why a test is left out, `""` where nothing says so: it has failed."""
        for reason in self.reasons:
            if reason.covers(module, test, text):
                return reason.reason
        return ""


def read_table(file: Path = _FILE) -> Table:
    """Return the table."""
    given = tomllib.loads(file.read_text(encoding="utf-8"))
    return Table(
        frozenset(given["not_shipped"]["modules"]),
        frozenset(given["apart"]["modules"]),
        given["inside"],
        tuple(
            Reason(
                one["reason"],
                tuple(one.get("modules", ())),
                tuple(one.get("tests", ())),
                tuple(one.get("texts", ())),
            )
            for one in given["left_out"]
        ),
    )
