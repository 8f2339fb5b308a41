"""
What a target is made of: a class with `case`, which is one case.

    class Fuzz(Target):
        def case(self, dice):
            text = dice.choice(...)
            if read(write(text)) != text:
                raise Finding("read differently", text)

All that happens in a case follows from its dice, which follow from the seed, the target and the number of the
case: so each can be run again, alone. A `Finding` is a fault, as is any other exception that leaves a case; so is
a process that dies or does not go on.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Finding", "Target", "dice_of"]


class Finding(Exception):
    """
    Something is not as it should be.

    Attributes:
        text: What.
        made_of: What it takes to see it, as far as it can be shown.
    """

    def __init__(self, text: str, made_of: Any = None) -> None:
        super().__init__(text)
        self.text = text
        self.made_of = made_of


class Target:
    """What is fuzzed. As a context it holds what all of its cases share."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give back what is shared."""

    def case(self, dice: random.Random) -> None:
        """
        Run one case.

        Raises:
            Finding: Something is wrong.
        """
        raise NotImplementedError


def dice_of(seed: int, target: str, number: int) -> random.Random:
    """Return what one case is made of."""
    return random.Random(f"{seed} {target} {number}")
