"""Sequences of the kernel's functions against the model of the test suite, which says what holds between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from test_kernel_wat_model import KernelAgainstModel

from fuzz.case import Finding, Target

if TYPE_CHECKING:
    import random

SEQUENCES = 4
SETTINGS = settings(
    max_examples=SEQUENCES,
    stateful_step_count=80,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


class Fuzz(Target):
    """See the module."""

    def case(self, dice: random.Random) -> None:
        """Run some sequences; what fails is made as short as can be."""
        machine = seed(dice.getrandbits(64))(type("Machine", (KernelAgainstModel,), {}))
        try:
            run_state_machine_as_test(machine, settings=SETTINGS)
        except AssertionError as exc:
            notes = "\n".join(getattr(exc, "__notes__", ()))
            raise Finding(f"kernel and model differ: {exc}"[:600], notes) from exc
