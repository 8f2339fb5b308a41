"""
`InWasm`: a plug-in that is tested where it will run, with the face of the simulated host (`pdk/testing`).

What the manifest would open, the network, is answered by the test here too. So a test says the same words to either,
and `_pytest.py` has it run on both.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from typing import TYPE_CHECKING, Any, Final, Self

from extism import abi
from extism._capabilities.http import Response
from extism._compiler.overlay import RUNTIME
from extism._wasm.externs import FuncType
from extism._wasm.reader import read
from extism.bodies import is_async
from extism.compiled import CompiledPlugin
from extism.compiler import build
from extism.errors import CallError, CapabilityDenied, FunctionNotFound, GuestError, GuestExit
from extism.functions import Function, TypeInferredFunction
from extism.pdk import LogLevel, values
from extism.pdk.testing import CallFailed
from extism.pdk.testing.simulation import LogLine
from extism.pdk.testing.web import Answering, Web
from extism.plugin import Plugin
from extism.values import WASM_TYPES, ValType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from extism._capabilities.http_request import Request as RequestBytes

__all__ = ["InWasm", "module_of"]

_LOGGERS: Final = itertools.count(1)
_LEVELS: Final = {5: LogLevel.Trace, 10: LogLevel.Debug, 20: LogLevel.Info, 30: LogLevel.Warn}


def module_of(plugin: Path, search: Iterable[str]) -> bytes:
    """Return the plug-in made of a Python file, on the shared runtime: quickly built, quickly loaded."""
    return build(plugin, shared=True, paths=list(search) or None)


class InWasm(Answering):
    """A plug-in in WebAssembly; its methods are those of `pdk.testing.Host`."""

    def __init__(
        self,
        wasm: bytes,
        *,
        config: Mapping[str, str],
        functions: Iterable[Any] | Mapping[Any, Any],
        log_level: LogLevel,
    ) -> None:
        super().__init__()
        self.logs: list[LogLine] = []
        self.config = dict(config)
        manifest = {"wasm": [{"data": wasm}], "config": self.config}
        logger = logging.getLogger(f"extism.testing.{next(_LOGGERS)}")
        logger.setLevel(1)
        logger.propagate = False
        logger.addHandler(_Kept(self.logs, log_level))
        self._stack = contextlib.ExitStack()
        self._stack.callback(logger.handlers.clear)
        given = _all_functions(wasm, functions)
        self._is_awaited = any(is_async(each.f) for each in given)
        compiled = CompiledPlugin(manifest, wasi=True, functions=given)
        self._plugin = self._stack.enter_context(
            Plugin(compiled, http_response_headers=True, logger=logger.name)
        )
        # The test stands where the network is.
        self._plugin._life.state._make_http = lambda: _Answers(self._web)  # type: ignore[assignment,return-value]  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def vars(self) -> Any:
        """The variables, as bytes."""
        return self._plugin.vars

    def call(
        self, function: str, data: Any = b"", parse: Callable[[bytes], Any] | None = None
    ) -> Any:
        """Call an exported function and return its output, or what `parse` makes of it."""
        try:
            output = self._output(function, values.encode_any(data))
        except FunctionNotFound as error:
            raise LookupError(str(error)) from error
        except CallError as error:
            is_of_guest = isinstance(error, (GuestError, GuestExit))
            raise CallFailed(
                str(error), error.exit_code, function, is_of_host=not is_of_guest
            ) from (error.__cause__ or error)
        return output if parse is None else parse(output)

    def _output(self, function: str, data: bytes) -> bytes:
        if not self._is_awaited:
            return self._plugin.call(function, data)
        return asyncio.run(self._plugin.acall(function, data))


def _all_functions(wasm: bytes, given: Iterable[Any] | Mapping[Any, Any]) -> list[Function]:
    """Return the functions that the test gives, and for what else the plug-in imports one that says it is missing."""
    made = _functions(given)
    known = {(each.namespace or abi.USER, each.name) for each in made}
    kinds: dict[str, ValType] = {name: kind for kind, name in WASM_TYPES.items()}
    for item in read(wasm).imports:
        if item.module in {abi.ENV, abi.WASI, RUNTIME} or (item.module, item.name) in known:
            continue
        if isinstance(item.type, FuncType):
            params, results = ([kinds[each] for each in row] for row in _sides(item.type))
            body = _missing(item.module, item.name)
            made.append(Function(item.module, item.name, params, results, body))
    return made


def _sides(type_: FuncType) -> tuple[Sequence[str], Sequence[str]]:
    return type_.params, type_.results


def _missing(module: str, name: str) -> Callable[..., None]:
    def body(*_: Any) -> None:
        raise LookupError(f"the plug-in calls {module}::{name}, and no such host function is given")

    return body


def _functions(given: Iterable[Any] | Mapping[Any, Any]) -> list[Function]:
    rows = given.items() if hasattr(given, "items") else [(None, each) for each in given]
    made = []
    for name, function in rows:
        if isinstance(function, Function):
            made.append(function)
            continue
        namespace, own = name if isinstance(name, tuple) else (None, name or function.__name__)
        made.append(TypeInferredFunction(namespace, own, function, ()))
    return made


class _Answers:
    """The network of a plug-in: the answers that the test has given, and nothing else."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def send(
        self, request: RequestBytes | bytes, body: bytes | None = None, **_patience: Any
    ) -> Response:
        asked = json.loads(bytes(request)) if not hasattr(request, "url") else vars(request)
        answer = self._web.answer(asked, body)
        if answer is None:
            url = asked["url"]
            raise CapabilityDenied(
                f"HTTP request to {url} is not allowed: nothing answers it (host.respond)",
                capability="http",
                wanted=url,
            )
        status, content, headers = answer
        return Response(status, headers, content)

    def close(self) -> None:
        """There is nothing open."""


class _Kept(logging.Handler):
    """Keeps what the plug-in logs."""

    def __init__(self, lines: list[LogLine], least: LogLevel) -> None:
        super().__init__()
        self._lines, self._least = lines, least

    def emit(self, record: logging.LogRecord) -> None:
        level = _LEVELS.get(record.levelno, LogLevel.Error)
        if level >= self._least:
            self._lines.append(LogLine(level, record.getMessage()))
