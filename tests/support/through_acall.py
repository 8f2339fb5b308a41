"""Calls by the other path: `Plugin.call` awaits `Plugin.acall` on a loop of its own."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

from extism.plugin import Plugin

__all__ = ["VARIABLE", "awaited_calls"]

VARIABLE = "EXTISM_TEST_ACALL"
"""The environment variable that has all calls of a process awaited."""

_call = Plugin.call


def _awaited(self, function_name, data, parse=bytes, host_context=None, *, timeout=None):
    """As `Plugin.call`; a host function that is running on a loop has no other choice than the plain path."""
    if asyncio._get_running_loop() is not None:
        return _call(self, function_name, data, parse, host_context, timeout=timeout)
    loop = asyncio.new_event_loop()
    try:
        awaited = Plugin.acall(self, function_name, data, parse, host_context, timeout=timeout)
        return loop.run_until_complete(awaited)
    finally:
        loop.close()


@contextmanager
def awaited_calls():
    """While it lasts, every plain call is awaited instead."""
    Plugin.call = _awaited
    try:
        yield
    finally:
        Plugin.call = _call
