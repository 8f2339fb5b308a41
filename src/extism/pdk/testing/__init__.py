"""
A simulated host: a plug-in's functions are called under plain CPython, with a debugger if you like.

::

    with testing.host("greet.py", config={"greeting": "Hello"}) as host:
        assert host.call("greet", "Ada") == b"Hello, Ada"

What is simulated is what a host grants: input, output, configuration, variables, HTTP, log, host functions. Python is the
one that runs the test, so what is fine here may still be missing in the sandbox: the pytest plug-in of this package
runs the same tests in WebAssembly too. None of this travels with a plug-in.
"""

from __future__ import annotations

import bdb
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from .. import adapters, exports, ffi, imports, values
from ..invoke import invoke
from ..log import LogLevel
from .functions import Functions, Slots
from .loading import Loader
from .simulation import Building, Simulation
from .web import Answering, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from .simulation import LogLine

__all__ = ["CallFailed", "Host", "Request", "host"]

T = TypeVar("T")

_THROUGH: Final = (KeyboardInterrupt, bdb.BdbQuit)
"""What is meant for whoever runs the test, and not for the host."""


class CallFailed(Exception):
    """
    A call ended with an error; what the plug-in raised is `__cause__`.

    Attributes:
        message: The error text as a host has it.
        exit_code: The return code.
        function: What was called.
        is_of_host: Whether the host ended the call: a host function raised, or a request was not allowed.
    """

    def __init__(self, message: str, exit_code: int, function: str, *, is_of_host: bool) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.function = function
        self.is_of_host = is_of_host


class Host(Answering):
    """
    A host and one plug-in; make it with `host`, and use it in a `with`.

    Attributes:
        config: What the plug-in is configured with.
        vars: Its variables, as bytes.
        logs: What it has logged, in order: lines with `level` and `message`.
        module: The plug-in's module, for what its functions do without being called by a host.
    """

    def __init__(
        self,
        plugin: str | os.PathLike[str] | None,
        *,
        config: Mapping[str, str],
        functions: Iterable[Any] | Mapping[Any, Any],
        search: Iterable[str | os.PathLike[str]],
        log_level: LogLevel,
    ) -> None:
        super().__init__()
        self.config = dict(config)
        self.vars: dict[str, bytes] = {}
        self.logs: list[LogLine] = []
        self._functions = Functions(functions)
        self._simulation = Simulation(self.config, self.vars, self.logs, self._web, log_level)
        self._slots = Slots()
        self._exports: list[exports.Export] = []
        self._imports: list[imports.Import] = []
        self._stack = contextlib.ExitStack()
        self._loader = None if plugin is None else Loader(plugin, search)
        self.module: ModuleType | None = None

    def __enter__(self) -> Self:
        self._stack.enter_context(self._in_place(Building()))
        with contextlib.ExitStack() as failing:
            failing.callback(self._stack.close)
            self._load()
            failing.pop_all()
        self._stack.enter_context(_set(ffi, "host", self._simulation))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def _in_place(self, ffi_host: Any) -> Any:
        """Have the guest library work for this host alone, as long as that lasts."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_set(ffi, "host", ffi_host))
            stack.enter_context(_set(imports, "_bindings", self._slots))
            for registry, own in (
                (exports.functions, self._exports),
                (imports.declared, self._imports),
            ):
                stack.enter_context(_contents(registry, own, keep=self._loader is None))
            yield

    def _load(self) -> None:
        for name in adapters.ADAPTERS:
            if name in sys.modules:
                self._stack.callback(adapters.adapt(name))
        if self._loader is not None:
            self._loader.on_import = self._adapt
            self._stack.callback(self._loader.unload)
            self.module = self._loader.load()
        self._exports[:] = exports.functions
        self._imports[:] = imports.declared
        exports.report()

    def _adapt(self, name: str) -> None:
        self._stack.callback(adapters.adapt(name))

    @overload
    def call(self, function: str, data: Any = b"") -> bytes: ...
    @overload
    def call(self, function: str, data: Any, parse: Callable[[bytes], T]) -> T: ...
    def call(
        self, function: str, data: Any = b"", parse: Callable[[bytes], Any] | None = None
    ) -> Any:
        """
        Call an exported function and return its output, or what `parse` makes of it.

        Args:
            function: Its name.
            data: Bytes or text, as they are; other values as JSON.
            parse: Called with the output.

        Raises:
            LookupError: There is no such export.
            CallFailed: It raised, set an error, or returned a code.
        """
        with self._in_place(self._simulation):
            names = exports.names()
            if function not in names:
                there = ", ".join(sorted(names)) or "none"
                raise LookupError(f"there is no plug-in function {function}; there is: {there}")
            self._simulation.begin(values.encode_any(data), self._functions)
            code = invoke(names.index(function))
        output = self._settled(function, code)
        return output if parse is None else parse(output)

    def _settled(self, function: str, code: int) -> bytes:
        """Return the output, or raise what the call ended with."""
        done = self._simulation
        if isinstance(done.cause, _THROUGH):
            raise done.cause
        if done.ended is not None:
            cause = done.ended.cause
            raise CallFailed(done.ended.text, -1, function, is_of_host=True) from cause
        if code or done.error_text:
            text = self._with_plain_names(done.error_text) or f"Error code: {code}"
            raise CallFailed(text, code, function, is_of_host=False) from done.cause
        return done.output_data

    def _with_plain_names(self, text: str) -> str:
        """Return a traceback with the names that files have in the plug-in, which knows no folders."""
        for folder in self._loader.folders if self._loader else []:
            text = text.replace(f'File "{folder}{os.sep}', 'File "')
        return text


def host(
    plugin: str | os.PathLike[str] | None = None,
    *,
    config: Mapping[str, str] | None = None,
    functions: Iterable[Any] | Mapping[Any, Any] = (),
    search: Iterable[str | os.PathLike[str]] = (),
    log_level: LogLevel = LogLevel.Trace,
) -> Host:
    """
    Return a simulated host for a plug-in, to be used in a `with`.

    Args:
        plugin: Its file. It is loaded anew, with `extism` being the guest library for it and for the modules beside
            it. None is for functions of the test's own, decorated with `extism.pdk`'s decorators.
        config: What the plug-in is configured with.
        functions: Host functions: Python functions with annotations, as for `extism.host_fn`; a mapping gives them
            other names, or `(module, name)`.
        search: Folders of other modules that use `extism`, as PYTHONPATH for `extism-py`.
        log_level: What is below it is not logged.
    """
    return Host(
        plugin, config=config or {}, functions=functions, search=search, log_level=log_level
    )


@contextlib.contextmanager
def _set(owner: Any, name: str, value: Any) -> Any:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def _contents(registry: list[Any], own: list[Any], *, keep: bool) -> Any:
    """Have a list of the library hold this host's entries; those before stay where there is no plug-in's file."""
    before = registry[:]
    registry[:] = own or (before if keep else [])
    try:
        yield
    finally:
        registry[:] = before
