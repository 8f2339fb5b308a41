"""
What the flags of `extism call` grant, and how that is laid over a manifest.

A flag that was not given leaves what the manifest says. The flags are those of the Go command, which has no
way to write a read-only mount or a drive letter, and takes one memory flag for a statement about all three.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import unquote, urlsplit

import click

from extism import _fields
from extism._cli.files import is_url, module_at
from extism.errors import ManifestError

if TYPE_CHECKING:
    from extism.manifest import Manifest, MemoryOptions

__all__ = ["Grants", "grant_options", "within"]

Command = TypeVar("Command", bound=Callable[..., Any])

_READ_ONLY: Final = "ro:"
_DRIVE: Final = {True: re.compile(r"[A-Za-z]:[\\/]"), False: re.compile(r"[A-Za-z]:\\")}
"""What begins a path with a drive letter, on Windows or not: elsewhere `c:/x` shows `c` as `/x`."""


@dataclass(frozen=True, slots=True)
class Grants:
    """
    What the command line says about a plug-in, one field for each flag.

    Attributes:
        link: Name and place of the modules to put in front.
        allow_path: Key and value of `allowed_paths` for each directory.
        allow_host: Patterns.
        timeout: Milliseconds; 0 was not given.
        memory_max: Pages; 0 was not given.
        http_response_max: Bytes; -1 was not given.
        var_max: Bytes; -1 was not given.
        set_config: Texts by key; `config` wins.
        config: Key and text.
    """

    link: tuple[tuple[str, str], ...] = ()
    allow_path: tuple[tuple[str, str], ...] = ()
    allow_host: tuple[str, ...] = ()
    timeout: int = 0
    memory_max: int = 0
    http_response_max: int = -1
    var_max: int = -1
    set_config: Mapping[str, str] | None = None
    config: tuple[tuple[str, str], ...] = ()

    def over(self, manifest: Manifest) -> Manifest:
        """
        Return the manifest with the grants laid over it.

        Raises:
            ManifestError: Together they make no manifest; two modules of one name, for example.
            SourceError: A module to link cannot be opened.
        """
        return replace(
            manifest,
            wasm=(*(module_at(place, name) for name, place in self.link), *manifest.wasm),
            memory=self._memory(manifest.memory),
            config={**manifest.config, **(self.set_config or {}), **dict(self.config)},
            allowed_hosts=(*manifest.allowed_hosts, *self.allow_host),
            allowed_paths=_mounts_over(manifest.allowed_paths, self.allow_path),
            timeout_ms=self.timeout or manifest.timeout_ms,
        )

    def _memory(self, memory: MemoryOptions) -> MemoryOptions:
        given = {
            "max_pages": self.memory_max or None,
            "max_http_response_bytes": _unless_negative(self.http_response_max),
            "max_var_bytes": _unless_negative(self.var_max),
        }
        return replace(memory, **{key: value for key, value in given.items() if value is not None})


def _unless_negative(number: int) -> int | None:
    return None if number < 0 else number


def _mounts_over(
    manifest: Mapping[str, str], given: Iterable[tuple[str, str]]
) -> Mapping[str, str]:
    """Return `allowed_paths` in which a given directory replaces what stood at its place in the guest."""
    mounts = dict(given)
    hosts = {key.removeprefix(_READ_ONLY) for key in mounts}
    kept = {
        key: guest
        for key, guest in manifest.items()
        if key.removeprefix(_READ_ONLY) not in hosts and guest not in mounts.values()
    }
    return kept | mounts


# ---------------------------------------------------------------------------------------------------
# Texts of flags
# ---------------------------------------------------------------------------------------------------


def parse_path(text: str, *, is_windows: bool = os.name == "nt") -> tuple[str, str]:
    """
    Return key and value of `allowed_paths` for `[ro:]HOST[:GUEST]`.

    Raises:
        ValueError: There is no directory, or nothing behind the colon.
    """
    prefix = _READ_ONLY if text.startswith(_READ_ONLY) else ""
    rest = text.removeprefix(prefix)
    drive = rest[:2] if _DRIVE[is_windows].match(rest) else ""
    host, colon, guest = rest.removeprefix(drive).partition(":")
    host = drive + host
    if not host or (colon and not guest):
        raise ValueError(f"{text!r}: wanted is [ro:]HOST or [ro:]HOST:GUEST")
    return prefix + host, guest if colon else host


def parse_config(text: str) -> tuple[str, str]:
    """
    Return key and text of `KEY=VALUE`; without `=` the text is empty.

    Raises:
        ValueError: There is no key.
    """
    key, _, value = text.partition("=")
    if not key:
        raise ValueError("there is no key before the =; wanted is KEY=VALUE")
    return key, value


def parse_config_object(text: str) -> dict[str, str]:
    """
    Return texts by key from a JSON object.

    Raises:
        ValueError: It is none; the error shows no text of it, which may be a password.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error
    try:
        return cast("dict[str, str]", _fields.texts_by_key(value, ""))
    except ManifestError as error:
        where = f"{error.where} " if error.where else ""
        raise ValueError(f"{where}is no text; wanted is a JSON object of texts") from error


def parse_link(text: str) -> tuple[str, str]:
    """
    Return name and place of `NAME=PLACE` or `PLACE`, which is a path or an http(s) URL.

    A place without a name gets that of its file, without the ending. A URL, or a file that exists, may have
    a `=` in it.

    Raises:
        ValueError: There is no place, or no name and none in the place.
    """
    name, equals, place = text.partition("=")
    if not equals or is_url(text) or Path(text).exists():
        path = unquote(urlsplit(text).path) if is_url(text) else Path(text).as_posix()
        name, place = PurePosixPath(path).stem, text
    if not name or not place:
        raise ValueError(f"{text!r}: wanted is NAME=PATH_OR_URL, or PATH_OR_URL")
    return name, place


def parse_mounts(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """
    Return key and value of `allowed_paths` for each text.

    Raises:
        ValueError: One is wrong, or a directory is to be seen at two places, which no manifest can say.
    """
    mounts: dict[str, str] = {}
    for key, guest in map(parse_path, texts):
        if mounts.setdefault(key, guest) != guest:
            raise ValueError(f"{key!r} is given twice, as {mounts[key]!r} and as {guest!r}")
    return tuple(mounts.items())


# ---------------------------------------------------------------------------------------------------
# Flags
# ---------------------------------------------------------------------------------------------------

_Callback: TypeAlias = Callable[[click.Context, click.Parameter, Any], Any]


def _checked(parse: Callable[[Any], Any]) -> _Callback:
    """Return the callback that makes a usage error of what `parse` refuses."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def within(least: int, most: int) -> _Callback:
    """Return the callback that lets numbers of a range through."""

    def check(number: int) -> int:
        if not least <= number <= most:
            raise ValueError(f"{number} is not in the range from {least} to {most}.")
        return number

    return _checked(check)


def _each(parse: Callable[[str], Any]) -> _Callback:
    return _checked(lambda texts: tuple(map(parse, texts)))


_OPTIONS: Final = (
    click.option(
        "--link",
        metavar="[NAME=]PLACE",
        multiple=True,
        callback=_each(parse_link),
        help="Put another module in front, a path or URL; NAME is the file's without its ending.",
    ),
    click.option(
        "--allow-path",
        metavar="[ro:]HOST[:GUEST]",
        multiple=True,
        callback=_checked(parse_mounts),
        help="Show the guest a directory, `ro:` for reading only. Needs --wasi.",
    ),
    click.option(
        "--allow-host",
        metavar="PATTERN",
        multiple=True,
        help="Let the guest send HTTP requests to a host; `*` and `?` stand for any characters.",
    ),
    click.option(
        "--timeout",
        metavar="MS",
        type=int,
        callback=within(0, 2**64 - 1),
        default=0,
        help="End a call after that many milliseconds. 0: as the manifest says, else never.",
    ),
    click.option(
        "--memory-max",
        metavar="PAGES",
        type=int,
        callback=within(0, 2**32 - 1),
        default=0,
        help="Let memory grow so many pages of 64 KiB. 0: as the manifest says, else 8192.",
    ),
    click.option(
        "--http-response-max",
        metavar="BYTES",
        type=int,
        callback=within(-1, 2**64 - 1),
        default=-1,
        help="Size of a response body. -1: as the manifest says, else 50 MiB.",
    ),
    click.option(
        "--var-max",
        metavar="BYTES",
        type=int,
        callback=within(-1, 2**64 - 1),
        default=-1,
        help="Size of all variables, 0 for none at all. -1: as the manifest says, else 1 MiB.",
    ),
    click.option(
        "--set-config",
        metavar="JSON",
        callback=_checked(parse_config_object),
        help="Configuration as a JSON object of texts.",
    ),
    click.option(
        "--config",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_each(parse_config),
        help="One text of the configuration; wins over --set-config.",
    ),
)


def grant_options(command: Command) -> Command:
    """Give a command the flags that are the fields of `Grants`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
