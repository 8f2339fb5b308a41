"""The targets in order: what each is fed with, and how often."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TARGETS", "Entry"]


class Entry(NamedTuple):
    """
    One target, as the plan has it; what it does is a `case.Target`.

    Attributes:
        name: Its file is `fuzz_<name>.py`.
        title: What is done with what.
        cases: At full size.
    """

    name: str
    title: str
    cases: int


TARGETS = (
    Entry(
        "modules", "modules with flipped, cut and swapped bytes: read, rebuilt, fused, run", 40_000
    ),
    Entry("fused", "guests at random, with the kernel inside and apart", 3_000),
    Entry("kernel", "sequences of the kernel's functions against a model in Python", 1_500),
    Entry("upstream", "good modules times 20 inputs, ours and upstream's package", 500),
    Entry("manifests", "manifests as dict, JSON and TOML: read, written, read again", 500_000),
    Entry("urls", "URLs, hosts and patterns: one reading, and no way round it", 2_000_000),
    Entry("http", "answers of servers by a grammar with faults", 60_000),
    Entry("codecs", "values through annotations, and bytes that are none", 400_000),
    Entry("texts", "names and messages in errors and logs", 40_000),
    Entry("cache", "files of the compile cache cut, flipped, swapped and taken away", 2_000),
)
