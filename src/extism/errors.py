"""
The exception tree. What each error means to you, and what it carries.

::

    Error                                   everything this library raises on purpose
    ├── ManifestError      (ValueError)     the manifest is wrong                    .where
    ├── SourceError        (OSError)        bytes could not be had                   .source
    │   └── HashMismatch                    they came, but are not the promised ones .expected .found
    ├── CompileError       (ValueError)     the engine refused the module            .module .rule
    ├── LinkError                           an import has no giver                   .module .name .wanted .available
    ├── SignatureError     (TypeError)      a host function cannot be typed          .function .parameter
    ├── FunctionNotFound   (LookupError)    the plugin has no such export            .name .available
    ├── CallError                           the call began and did not end well      .function .exit_code
    │   ├── GuestError                      the plugin said so                       .message
    │   ├── GuestExit                       proc_exit(n), n != 0                     .exit_code
    │   ├── Trap                            the code broke                           .kind .backtrace
    │   │   └── OutOfMemory    (MemoryError)
    │   ├── OutOfFuel
    │   ├── CallTimeout        (TimeoutError)
    │   ├── Cancelled
    │   ├── CapabilityDenied   (PermissionError)   host, path or budget not allowed  .capability .wanted
    │   ├── HostFunctionError               *your* function raised                   __cause__ is the original
    │   └── WorkerDied                      isolation="process": its process ended   .returncode
    ├── PluginBusy         (RuntimeError)   this very thread has what it would wait for
    ├── PluginClosed       (RuntimeError, TypeError)   TypeError is upstream's
    ├── PoolTimeout        (TimeoutError)   no free plugin in time
    ├── WasmError          (ValueError)     toolkit: malformed or unsupported bytes  .offset .section
    └── BuildError                          extism-py: the source cannot become a plugin  .path .line .hint

`except extism.Error` is always enough. Translation happens at two borders only: `_engine/faults.py`
(engine to Fault) and `_runtime/outcome.py` (the end of a call to one of these).
"""

from __future__ import annotations

from extism.escapes import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BuildError",
    "CallError",
    "CallTimeout",
    "Cancelled",
    "CapabilityDenied",
    "CompileError",
    "Error",
    "FunctionNotFound",
    "GuestError",
    "GuestExit",
    "HashMismatch",
    "HostFunctionError",
    "LinkError",
    "ManifestError",
    "OutOfFuel",
    "OutOfMemory",
    "PluginBusy",
    "PluginClosed",
    "PoolTimeout",
    "SignatureError",
    "SourceError",
    "Trap",
    "WasmError",
    "WorkerDied",
]


class Error(Exception):
    """
    Everything this library raises on purpose; its text is the first argument.

    Much of a text may come from a plug-in: what could act on a terminal is shown as an escape.
    """

    def __str__(self) -> str:
        # OSError, MemoryError and LookupError as second parents each have a str() of their own.
        return harmless(str(self.args[0])) if self.args else ""


class ManifestError(Error, ValueError):
    """The manifest is wrong; `where` is the path of the guilty key, such as `wasm[1].hash`."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class SourceError(Error, OSError):
    """The bytes of a module or manifest could not be had from `source`."""

    def __init__(self, message: str, *, source: str = "") -> None:
        super().__init__(message)
        self.source = source


class HashMismatch(SourceError):
    """The bytes came, but their SHA-256 is `found` where the manifest promised `expected`."""

    def __init__(
        self, message: str, *, source: str = "", expected: str = "", found: str = ""
    ) -> None:
        super().__init__(message, source=source)
        self.expected = expected
        self.found = found


class CompileError(Error, ValueError):
    """
    The engine refused the module called `module`: malformed, invalid, too large or unsupported.

    Attributes:
        module: The module's name in the manifest.
        rule: The field of `CompileLimits` that it breaks, `""` for none.
    """

    def __init__(self, message: str, *, module: str = "", rule: str = "") -> None:
        super().__init__(message)
        self.module = module
        self.rule = rule


class LinkError(Error):
    """
    An import has no giver, or the giver has another type.

    Attributes:
        module: The namespace that is imported from, such as `extism:host/user`.
        name: The imported name.
        wanted: The type that the plugin asks for, in the text format.
        available: What the namespace does offer.
    """

    def __init__(
        self,
        message: str,
        *,
        module: str = "",
        name: str = "",
        wanted: str = "",
        available: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.module = module
        self.name = name
        self.wanted = wanted
        self.available = tuple(available)


class SignatureError(Error, TypeError):
    """A host function cannot be typed, or was given or gave a value that is not of its type."""

    def __init__(self, message: str, *, function: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.function = function
        self.parameter = parameter


class FunctionNotFound(Error, LookupError):
    """The plugin has no callable export called `name`; `available` lists those that it has."""

    def __init__(self, message: str, *, name: str = "", available: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.available = tuple(available)


class CallError(Error):
    """
    The call began and did not end well.

    Attributes:
        function: The export that was called.
        exit_code: The guest's own return code; 134 for a trap, -1 where the host ended the call.
    """

    def __init__(self, message: str, *, function: str = "", exit_code: int = -1) -> None:
        super().__init__(message)
        self.function = function
        self.exit_code = exit_code


class GuestError(CallError):
    """
    The plugin reported an error itself; `message` is its text, `Error code: n` where it gave none.

    That is the one text which is kept as the plug-in said it.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    @property
    def message(self) -> str:
        """The text that the plugin set."""
        return str(self)


class GuestExit(CallError):
    """The plugin ended itself with `proc_exit(n)`, n being `exit_code` and not 0."""


class Trap(CallError):
    """
    The code of the plugin broke a rule of the machine.

    Attributes:
        kind: The engine's word for it, such as `unreachable` or `stack overflow`.
        backtrace: The frames of the guest, innermost first, as the engine prints them.
    """

    def __init__(
        self,
        message: str,
        *,
        function: str = "",
        exit_code: int = 134,
        kind: str = "",
        backtrace: str = "",
    ) -> None:
        super().__init__(message, function=function, exit_code=exit_code)
        self.kind = kind
        self.backtrace = backtrace


class OutOfMemory(Trap, MemoryError):
    """
    The plugin wanted more memory than it was granted, and was ended where it asked for it.

    Where the system has none for a new plugin, the text is the system's.
    """

    def __init__(
        self,
        message: str,
        *,
        function: str = "",
        exit_code: int = -1,
        kind: str = "",
        backtrace: str = "",
    ) -> None:
        super().__init__(
            message, function=function, exit_code=exit_code, kind=kind, backtrace=backtrace
        )


class OutOfFuel(CallError):
    """The plugin used up the fuel of the call."""


class CallTimeout(CallError, TimeoutError):
    """The call was still running when its time was up."""


class Cancelled(CallError):
    """The call was ended through a `CancelHandle`."""


class CapabilityDenied(CallError, PermissionError):
    """
    The plugin asked for something that the host did not grant.

    Attributes:
        capability: `http`, `path` or `vars`.
        wanted: What it asked for, such as the URL.
    """

    def __init__(
        self,
        message: str,
        *,
        function: str = "",
        exit_code: int = -1,
        capability: str = "",
        wanted: str = "",
    ) -> None:
        super().__init__(message, function=function, exit_code=exit_code)
        self.capability = capability
        self.wanted = wanted


class HostFunctionError(CallError):
    """A host function raised; the original exception is `__cause__`."""


class WorkerDied(CallError):
    """
    The process of an isolated plugin ended while it was needed; the next call gets a fresh one.

    Attributes:
        returncode: How, as `subprocess` counts: an exit code, or a signal below 0.
    """

    def __init__(
        self, message: str, *, function: str = "", exit_code: int = -1, returncode: int = 0
    ) -> None:
        super().__init__(message, function=function, exit_code=exit_code)
        self.returncode = returncode


class PluginBusy(Error, RuntimeError):
    """What this thread would wait for, it holds itself: its own plugin's running call, or a whole pool."""


class PluginClosed(Error, RuntimeError, TypeError):
    """What was to be used was closed before: a plugin, a compiled plugin or a pool."""


class PoolTimeout(Error, TimeoutError):
    """No plugin of the pool became free in time."""


class WasmError(Error, ValueError):
    """
    Bytes are not a WebAssembly module that the toolkit can read.

    Attributes:
        offset: Where in the module, in bytes from its start.
        section: The section's name, `""` before the first.
    """

    def __init__(self, message: str, *, offset: int = 0, section: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.section = section


class BuildError(Error):
    """
    The source cannot become a plugin.

    Attributes:
        path: The file to look at, `""` where the fault is not in a file.
        line: The line in it, counted from 1; 0 where there is none.
        hint: What to do, `""` where the message says it all.
    """

    def __init__(self, message: str, *, path: str = "", line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.line = line
        self.hint = hint
