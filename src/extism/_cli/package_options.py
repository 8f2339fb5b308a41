"""The options of `extism-py` about packages: which ones, from where, and which modules of them travel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["package_options"]


def package_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; they are called as the parameters of `extism.compiler.build` are."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "-r",
        "--requirements",
        metavar="FILE",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Install the packages of this requirements file into a cache, and take what is imported of them. "
        "May be repeated.",
    ),
    click.option(
        "--site",
        "sites",
        metavar="DIR",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Look for modules in this folder of installed packages, too. May be repeated.",
    ),
    click.option(
        "--include",
        metavar="MODULE",
        multiple=True,
        help="Take this module or package along, although no import statement names it. May be repeated.",
    ),
    click.option(
        "--exclude",
        metavar="MODULE",
        multiple=True,
        help="Leave this module or package out: an import of it fails. May be repeated.",
    ),
    click.option(
        "--refresh",
        "fresh",
        is_flag=True,
        help="Install packages anew: those that are not pinned may have newer versions.",
    ),
)
