"""Names and messages: what a guest says comes out bounded, in the lines that it may have, and without anything that acts."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Self

from wat_guests import wat

import extism
from extism.errors import Error
from extism.escapes import MAX_TEXT, harmless, harmless_line, shown
from fuzz.case import Finding, Target

if TYPE_CHECKING:
    import random

GUEST = wat(
    """(func (export "log") (call $log_warn (call $copy_input)))
    (func (export "fail") (result i32) (call $error_set (call $copy_input)) (i32.const 1))"""
)
PIECES = (
    *("a", "é", "𝄞", "\0", "\n", "\r", "\r\n", "\t", "\x1b[2J", "\x1b]0;title\x07", "\x9b31m"),
    *("\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200f", "\u061c", "\ud800", "\x7f", "\b"),
    *("WARNING extism: forged", "x" * 1000, "\\n", "{0}", "%s", "\udcff"),
)
ACTIVE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
ACTIVE_IN_A_LINE = re.compile(ACTIVE.pattern[:-1] + "\n]")


class Fuzz(Target):
    """A plug-in that says what it is told to, and what listens to it."""

    def __enter__(self) -> Self:
        self._records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = self._records.append  # type: ignore[assignment, method-assign]
        logger = logging.getLogger("fuzz.texts")
        logger.addHandler(handler)
        logger.propagate = False
        self._plugin = extism.Plugin(GUEST, functions=[], logger="fuzz.texts")
        return self

    def case(self, dice: random.Random) -> None:
        """Say something in every way in which a guest can."""
        text = "".join(dice.choices(PIECES, k=dice.randrange(1, 9))) * dice.choice((1, 1, 1, 200))
        if ACTIVE.search(harmless(text)) or len(harmless(text)) > 8 * MAX_TEXT:
            raise Finding(f"{harmless(text)[:200]!r} is not harmless", text)
        for line in (harmless_line(text), shown(text)):
            if ACTIVE_IN_A_LINE.search(line):
                raise Finding(f"{line[:200]!r} is no harmless line", text)
        data = text.encode("utf-8", "surrogatepass")
        self._records.clear()
        self._plugin.call("log", data)
        said = [record.getMessage() for record in self._records]
        if len(said) > 1 or any(ACTIVE_IN_A_LINE.search(line) for line in said):
            raise Finding(f"logged as {said}"[:400], text)
        try:
            self._plugin.call("fail", data)
        except Error as exc:
            if len(str(exc)) > 2 * MAX_TEXT:
                raise Finding(f"an error of {len(str(exc))} characters", text) from exc
        try:
            self._plugin.call(text, b"")
        except Error as exc:
            if ACTIVE.search(str(exc)) or len(str(exc)) > 1000:
                raise Finding(f"{str(exc)[:200]!r} is not harmless", text) from exc
