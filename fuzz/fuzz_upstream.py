"""Good programs at random times 20 inputs, in ours and in upstream's package: the same outputs, codes, errors and traps."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Self

from extism._engine.engine import wat_to_wasm
from fuzz.case import Finding, Target
from fuzz.programs import program
from peer import Case, answers_of, call, our_worker, their_worker

if TYPE_CHECKING:
    import random

INPUTS = 20


class Fuzz(Target):
    """Both packages, in a process of its own each."""

    def __enter__(self) -> Self:
        self._ours, self._theirs = our_worker(), their_worker()
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._theirs.close()

    def case(self, dice: random.Random) -> None:
        """Make one program on both sides, and call it with the same inputs."""
        text = program(dice)
        steps = tuple(
            call(f"run{number % 3}", dice.randbytes(dice.choice((0, 1, 7, 8, 9, 64, 300))))
            for number in range(INPUTS)
        )
        manifest = {
            "wasm": [{"data": base64.b64encode(wat_to_wasm(text)).decode()}],
            "config": {"a": "one", "c": "three"},
        }
        scene = Case("fuzz", manifest, steps).scene(lambda value: value)
        ours, theirs = (answers_of(worker.play(scene)) for worker in (self._ours, self._theirs))
        for step, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
            if not mine.agrees_with(other):
                raise Finding(f"step {step}: ours {mine}, theirs {other}"[:600], text)
        if len(ours) != len(theirs) or len(ours) < INPUTS:
            raise Finding(f"{len(ours)} answers here, {len(theirs)} there: {ours[0]}"[:600], text)
