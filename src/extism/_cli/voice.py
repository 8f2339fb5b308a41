"""
How the command `extism` speaks: output to stdout, byte for byte; everything else to stderr.

A `Voice` knows what the user wants to hear (`-v`, `-q`); it lives in click's context. What a guest logs takes
the way of `logging`, and so do the library's own remarks: `logs.py`. Errors are told by `failures.py`.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import click

from extism.escapes import harmless_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["Voice", "is_colourful", "visible", "voice_options", "write_output"]


@dataclass
class Voice:
    """
    What the user wants to hear beside output and errors.

    Attributes:
        is_verbose: What is being done, and what it took.
        is_quiet: Nothing at all.
    """

    is_verbose: bool = False
    is_quiet: bool = False

    def warn(self, text: str) -> None:
        """Say what the user probably did not mean."""
        if not self.is_quiet:
            click.echo(f"{_styled('Warning:', 'yellow')} {visible(text)}", err=True)

    def status(self, text: str) -> AbstractContextManager[Any]:
        """Show on a terminal that something goes on, for as long as the context is open."""
        if self.is_quiet or not sys.stderr.isatty():
            return nullcontext()
        from rich.console import Console

        return Console(stderr=True, highlight=False).status(visible(text))


def voice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `-v` and `-q`; they may stand before its name as well as behind."""
    quiet = click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_turns_on("is_quiet"),
        help="Say nothing but the output and errors.",
    )
    verbose = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_turns_on("is_verbose"),
        help="Say what is being done.",
    )
    return verbose(quiet(command))


def _turns_on(attribute: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
        voice = context.ensure_object(Voice)
        if value:
            setattr(voice, attribute, True)
        if voice.is_quiet and voice.is_verbose:
            raise click.UsageError("--quiet and --verbose exclude each other.", context)

    return callback


def write_output(data: bytes) -> None:
    """
    Write to stdout at once: a guest may write there too, behind Python's back.

    Raises:
        OSError: It is closed, full, or nobody reads it any more.
    """
    if sys.stdout is None:
        raise OSError("the standard output is closed")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def visible(text: str) -> str:
    """Return a text of foreign origin with its lines, but nothing in it that could act on a terminal."""
    return "\n".join(map(harmless_line, text.replace("\r\n", "\n").split("\n")))


def is_colourful(stream: TextIO) -> bool:
    """Tell whether a stream leads to a terminal on which colours are wanted."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _styled(text: str, colour: str) -> str:
    return click.style(text, fg=colour, bold=True) if is_colourful(sys.stderr) else text
