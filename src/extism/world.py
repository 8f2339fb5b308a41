"""
`WasiOptions`: what a plugin with WASI sees of arguments, environment and standard streams.

`wasi=True` gives the empty world: no argument, no variable, no input, output that goes nowhere. Directories
are granted by the manifest (`allowed_paths`), not here.
"""

from __future__ import annotations

from extism._dataclass import dataclass, field
from extism._engine.wasi import MAX_DISK_BYTES, MAX_NEW_FILES, Preopen, Wasi
from extism._engine.wasi_bare import MAX_OPEN_FILES
from extism.secret import Secret, reveal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Final, Literal, Protocol, TypeAlias

    from extism._capabilities.files import Disk
    from extism._capabilities.log import PluginLog
    from extism._capabilities.paths import Mount

__all__ = ["Output", "WasiOptions", "Worlds", "wasi_asked"]


if TYPE_CHECKING:

    class Writable(Protocol):
        """Anything with a `write` for bytes, such as `io.BytesIO` or a file opened in binary mode."""

        def write(self, data: bytes, /) -> object: ...


Output: TypeAlias = "Literal['inherit', 'log'] | Writable | Callable[[bytes], object] | None"
"""
Where what a plugin prints goes: nowhere (None), to the host's own stream (`"inherit"`), line by line to
`logging` (`"log"`), to something with `write`, or to a function, each with the bytes of one write.
"""


@dataclass(frozen=True)
class WasiOptions:
    """
    The world of a plugin; hand one over as `wasi=`.

    Attributes:
        argv: Program arguments; the first is the program's own name by convention.
        env: Environment variables.
        stdin: All that standard input holds, the same for each new instance.
        stdout: Where standard output goes, see `Output`.
        stderr: Where standard error goes.
        max_open_files: Files and directories that it may have open at once, beside those it is given.
        max_disk_bytes: Bytes by which its files may grow in all; what it removes is given back. None for any.
        max_new_files: Files, directories and links that there may be more than before, counted the same way.
    """

    argv: Sequence[str] = ()
    env: Mapping[str, str | Secret] = field(default_factory=dict)
    stdin: bytes | str = b""
    stdout: Output = None
    stderr: Output = None
    max_open_files: int = MAX_OPEN_FILES
    max_disk_bytes: int | None = MAX_DISK_BYTES
    max_new_files: int | None = MAX_NEW_FILES


def wasi_asked(wasi: object) -> bool | WasiOptions:
    """
    Return what `wasi=` asks for; 1 and 0 are True and False.

    Raises:
        TypeError: It is something else, which must not open anything by accident.
    """
    if isinstance(wasi, WasiOptions):
        return wasi
    if isinstance(wasi, int):
        return bool(wasi)
    raise TypeError(f"wasi is a {type(wasi).__name__}; allowed: True, False or WasiOptions")


class Worlds:
    """
    What the plugins of one program see: to each its own, which its instances share.

    Raises:
        ValueError: An output is a word that is none of the known ones.

    Attributes:
        is_measured: Whether there is something to write to, and a limit to it.
    """

    def __init__(self, options: WasiOptions, mounts: Iterable[Mount]) -> None:
        self._options = options
        self._preopens = tuple(
            [Preopen(mount.host, mount.guest, is_read_only=mount.read_only) for mount in mounts]
        )
        is_writable = any(not preopen.is_read_only for preopen in self._preopens)
        limits = {options.max_disk_bytes, options.max_new_files}
        self.is_measured = is_writable and limits != {None}
        for output in (options.stdout, options.stderr):
            _check_output(output)

    def __call__(self, log: Callable[[], PluginLog]) -> Wasi:
        """
        Return the world that the engine builds for each new instance of a plugin.

        Args:
            log: Gives the plugin's log; asked only where its output goes there.
        """
        options = self._options
        stdin = options.stdin.encode() if isinstance(options.stdin, str) else options.stdin
        return Wasi(
            argv=tuple(options.argv),
            env=tuple((name, reveal(value)) for name, value in options.env.items()),
            stdin=stdin,
            stdout=_sink(options.stdout, _INFO, log),
            stderr=_sink(options.stderr, _WARNING, log),
            preopens=self._preopens,
            max_open_files=options.max_open_files,
            disk=self._disk(),
        )

    def _disk(self) -> Disk | None:
        if not self.is_measured:
            return None
        from extism._capabilities.files import Disk

        return Disk(self._options.max_disk_bytes, self._options.max_new_files)


def _check_output(output: Output) -> None:
    if isinstance(output, str) and output not in {"inherit", "log"}:
        raise ValueError(
            f'output is {output!r}; allowed: None, "inherit", "log", a file, a function'
        )


def _sink(
    output: Output, level: int, log: Callable[[], PluginLog]
) -> Callable[[bytes], object] | Literal["inherit"] | None:
    if output is None or output == "inherit":
        return output
    if output == "log":
        return _Lines(level, log()).take
    write = getattr(output, "write", None)
    if write is not None:
        receive: Callable[[bytes], object] = write
        return receive
    assert callable(output)
    return output


_MAX_LINE: Final = 16 << 10
_INFO: Final = 20
_WARNING: Final = 30
"""The levels of `logging`, which is loaded when there is something to log."""


class _Lines:
    """Bytes in, one log record a line out; what never ends is cut into pieces of 16 KiB."""

    def __init__(self, level: int, log: PluginLog) -> None:
        self._level = level
        self._log = log
        self._begun = b""

    def take(self, data: bytes) -> None:
        """Log the lines that `data` ends; keep the one that it begins."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._log.line(self._level, line)
        if len(self._begun) > _MAX_LINE:
            self._log.line(self._level, self._begun)
            self._begun = b""
