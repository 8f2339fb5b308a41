"""What we promise: for each case the highest ratio of ours to upstream's, and how far to reach then; or how much more."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TARGETS", "Target", "target_of"]


@dataclass(frozen=True)
class Target:
    """
    The promise for one case.

    Attributes:
        limit: Best over best must not be higher; of a case that counts `times`, our best must not be lower.
        reach: What to reach for then.
        is_excess: It is no ratio, but the seconds by which our best may exceed that of the side that it is beside.
        unit: It is no ratio, but what our best must not exceed, in `s` or `B`.
    """

    case: str
    limit: float
    reach: float | None = None
    is_least: bool = False
    is_excess: bool = False
    unit: str = ""

    def is_met_by(self, figure: float) -> bool:
        return figure >= self.limit if self.is_least else figure <= self.limit

    def __str__(self) -> str:
        if self.is_least:
            return f"at least {self.limit}" + (f" ({self.reach:.2f})" if self.reach else "")
        if self.is_excess:
            return f"{self.limit * 1e6:g} us more"
        if self.unit:
            return f"{self.limit * 1e3:g} ms" if self.unit == "s" else f"{self.limit / 1e3:g} KB"
        return f"{self.limit:.2f}" + (f" ({self.reach:.2f})" if self.reach else "")


TARGETS = (
    Target("echo 16 B", 0.13, 0.08),
    Target("echo 1 KB", 0.15, 0.10),
    Target("echo 64 KB", 0.23, 0.15),
    Target("echo 1 MB", 0.31, 0.20),
    Target("echo 16 MB", 0.45, 0.30),
    Target("instance and call", 0.25),
    Target("instance and call, 1.9 MB", 0.60),
    Target("host int x1000", 0.12),
    Target("host str x1000", 0.18),
    Target("var get x1000", 0.10),
    Target("var set x1000", 0.10),
    Target("config get x1000", 0.10),
    Target("burn", 1.05),
    Target("burn, interruptible=False", 0.85),
    Target("sieve", 1.05),
    Target("sieve, interruptible=False", 0.85),
    Target("fibonacci", 1.05),
    Target("fibonacci, interruptible=False", 0.85),
    Target("Plugin(bytes) again", 0.10),
    Target("Plugin(bytes) in a fresh process, CPU", 0.60),
    Target("memory of an instance", 0.50, 0.40),
    Target("memory of an instance, 1.9 MB", 0.65),
    Target("two threads, 1 ms guest", 1.9, is_least=True),
    Target("isolation: echo 16 B", 60e-6, is_excess=True),
    Target("isolation: echo 1 MB", 1.5e-3, is_excess=True),
    Target("awaited call that does not wait", 15e-6, is_excess=True),
    Target("ten thousand wait 0.2 s", 2.8, is_excess=True),
    Target("heartbeat of 1 ms beside four that compute", 10e-3, is_excess=True),
    Target("Python plug-in, load", 0.06),
    Target("Python plug-in, empty call", 0.30),
    Target("echo 16 B, RUST_BACKTRACE=1", 0.13, 0.08),
    Target("echo 1 KB, RUST_BACKTRACE=1", 0.15, 0.10),
    Target("host int x1000, RUST_BACKTRACE=1", 0.12),
    Target("host str x1000, RUST_BACKTRACE=1", 0.18),
    Target("instance and call, RUST_BACKTRACE=1", 0.25),
    Target("Python plug-in, empty call, RUST_BACKTRACE=1", 0.30),
    Target("small plug-in of three lines, size", 100e3, unit="B"),
    Target("small plug-in with datetime, decimal, hashlib, random, size", 300e3, unit="B"),
    Target("small plug-in with jinja2 and attrs, size", 2.5e6, unit="B"),
    Target("small plug-in, build", 1.0, unit="s"),
    Target("small plug-in, process beyond Python's", 0.120, unit="s"),
    Target("single file, process beyond Python's", 0.120, unit="s"),
    Target("small plug-in, instance and first call", 0.5e-3, unit="s"),
    Target("small plug-in, instance and first call, 99th percentile", 2e-3, unit="s"),
    Target("single file, instance and first call", 0.5e-3, unit="s"),
    Target("single file, instance and first call, 99th percentile", 2e-3, unit="s"),
    Target("small plug-in, empty call beyond twice a WAT one", 15e-6, unit="s"),
    Target("small plug-in, memory of one more", 5e6, unit="B"),
    Target("guest speed, geometric mean", 0.30, 0.40, is_least=True),
)


def target_of(case: str) -> Target | None:
    """Return the promise for a case, if there is one."""
    return next((target for target in TARGETS if target.case == case), None)
