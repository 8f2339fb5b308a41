"""Sizes in bytes as people read them, and the sizes of input that curves are made of."""

from __future__ import annotations

__all__ = ["COPY_SIZES", "INPUT_SIZES", "MODULE_SIZES", "label"]

INPUT_SIZES = (16, 256, 1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20)

MODULE_SIZES = (1 << 10, 32 << 10, 1 << 20, 4 << 20, 15 << 20)

COPY_SIZES = (64 << 10, 1 << 20, 16 << 20)


def label(size: float) -> str:
    """Return a size as a number below 1024 and its unit."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GB"
