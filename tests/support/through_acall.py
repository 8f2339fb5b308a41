"""Calls by the other path: `Plugin.call` awaits `Plugin.acall` on a loop of its own."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

from extism.plugin import Plugin

__all__ = ["VARIABLE", "awaited_calls"]

VARIABLE = "EXTISM_TEST_ACALL"
"""The environment variable that has all calls of a process awaited."""

_run = Plugin._run


def _awaited(self, name, data, host_context, timeout):
    """As `Plugin._run`; a host function that is running on a loop has no other choice than the plain path."""
    if asyncio._get_running_loop() is not None:
        return _run(self, name, data, host_context, timeout)
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(Plugin._arun(self, name, data, host_context, timeout))
    finally:
        loop.close()


@contextmanager
def awaited_calls():
    """While it lasts, every plain call is awaited instead."""
    Plugin._run = _awaited
    try:
        yield
    finally:
        Plugin._run = _run
