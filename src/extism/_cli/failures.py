"""
Errors as the command `extism` tells them, and the exit code of each. One place, for all commands.

====  =============================================================================================
1     it did not work: the plug-in failed, or could not be had, or was refused something
2     the command line is wrong
124   the plug-in's time was up
130   Ctrl-C
141   nobody reads the output any more
====  =============================================================================================

The first line is `Error: ` and the error's own text; behind it what the guest said, whole, the cause, and where
one option of the command line would help, a hint.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from extism import abi
from extism._capabilities.urls import Url
from extism._cli.voice import is_colourful, visible
from extism.errors import (
    BuildError,
    CallTimeout,
    CapabilityDenied,
    Error,
    GuestError,
    LinkError,
    OutOfMemory,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["EXIT_BROKEN_PIPE", "EXIT_CTRL_C", "EXIT_FAILED", "EXIT_USAGE", "exit_code", "tell"]

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_TIMEOUT: Final = 124
EXIT_CTRL_C: Final = 130
EXIT_BROKEN_PIPE: Final = 141


def exit_code(error: Exception) -> int:
    """Return the exit code of the command that ended with `error`."""
    if isinstance(error, click.UsageError):
        return EXIT_USAGE
    return EXIT_TIMEOUT if isinstance(error, CallTimeout) else EXIT_FAILED


def tell(error: Exception) -> None:
    """Write an error to stderr, safe to show on a terminal."""
    if sys.stderr is None:
        return
    in_colour = is_colourful(sys.stderr)
    label = click.style("Error:", fg="red", bold=True) if in_colour else "Error:"
    text = "\n".join(_lines(error))
    click.echo(f"{label} {visible(text)}", err=True)


def _lines(error: Exception) -> Iterator[str]:
    text = _text(error)
    is_coded = isinstance(error, GuestError) and text == f"Error code: {error.exit_code}"
    if not is_coded:
        yield text.rstrip("\n")
    if isinstance(error, GuestError) and error.exit_code:
        yield f"returned non-zero exit code: {error.exit_code}"
    for note in getattr(error, "__notes__", ()):
        yield note.rstrip("\n")
    yield from _causes(error, text)
    hint = _hint(error)
    if hint:
        yield f"Hint: {hint}"


def _text(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and not isinstance(error, Error) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}"
    return str(error) or type(error).__name__


def _causes(error: BaseException, text: str) -> Iterator[str]:
    """Give each cause that the text does not tell already; those from the system it always does."""
    cause = error.__cause__
    while cause is not None:
        words = str(cause)
        if words and words not in text and not isinstance(cause, OSError):
            yield f"Caused by {type(cause).__name__}: {words}"
        cause = cause.__cause__


def _hint(error: Exception) -> str:
    if _is_untrusted(error):
        return "--ca-bundle FILE says which certificates to trust"
    for kind, hint in _HINTS.items():
        if isinstance(error, kind):
            return hint(error)
    return ""


def _is_untrusted(error: Exception) -> bool:
    """Tell whether a certificate was refused because nobody here knows who signed it."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "verify_code", None) in _UNKNOWN_SIGNERS:
            return True
        cause = cause.__cause__
    return False


def _usage(error: click.UsageError) -> str:
    return f"{error.ctx.command_path} --help shows how" if error.ctx else ""


def _denied(error: CapabilityDenied) -> str:
    if error.capability == "vars":
        return "--var-max BYTES gives variables more room"
    if error.capability != "http":
        return ""
    if "max_http_response_bytes" in str(error):
        return "--http-response-max BYTES lets larger responses in"
    if "allowed_hosts" not in str(error):
        return ""
    return f"--allow-host {Url.parse(error.wanted).host} allows it"


def _unlinked(error: LinkError) -> str:
    if error.module in {"", abi.ENV, abi.WASI}:
        return ""
    return (
        f"--link {error.module}=FILE gives a module of that name; the command has no host functions"
    )


_UNKNOWN_SIGNERS: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for certificates that sign themselves, and whose signer is not among those trusted."""

_HINTS: Final[dict[type[Exception], Callable[..., str]]] = {
    click.UsageError: _usage,
    BuildError: lambda error: error.hint,
    CapabilityDenied: _denied,
    CallTimeout: lambda _: (
        "--timeout MS, or timeout_ms in the manifest, sets how long a call may run"
    ),
    OutOfMemory: lambda _: "--memory-max PAGES (of 64 KiB) sets how much memory it may take",
    LinkError: _unlinked,
}
"""Which option of the command line helps against which error; the first row that fits holds."""
