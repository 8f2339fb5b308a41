"""`extism_version`: which version of this library is installed."""

from __future__ import annotations

__all__ = ["extism_version"]


def extism_version() -> str:
    """Return the version of this library."""
    from importlib.metadata import version

    return version("extism")
