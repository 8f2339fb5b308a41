"""Guests at random, with the kernel inside and apart: the same outputs, errors and traps, whatever they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from random_guests import Writer

from fuzz.case import Finding, Target
from fuzz.ends import UNTOLD, of_plugin

if TYPE_CHECKING:
    import random


class Fuzz(Target):
    """See the module."""

    def case(self, dice: random.Random) -> None:
        """Call one guest several times, on both sides of the shelf's patience."""
        text = Writer(dice).module()
        inputs = [dice.randbytes(dice.randrange(60)) for _ in range(dice.randint(1, 6))]
        names = ["run", "raw"]
        together, apart = (
            of_plugin(text, fuse=fuse, inputs=inputs, names=names) for fuse in (True, False)
        )
        if UNTOLD not in together + apart and together != apart:
            raise Finding(
                f"fused {together}, apart {apart}"[:600], [text, [i.hex() for i in inputs]]
            )
