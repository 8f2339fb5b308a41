"""What the interpreter would provide, in plain Python: the other side of `extism.pdk.ffi` while one call runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from .. import imports
from ..log import LogLevel

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from .functions import Functions
    from .web import Web

__all__ = ["Building", "Ended", "LogLine", "Simulation"]

_FIRST_HANDLE = 64


class LogLine(NamedTuple):
    """One message that the plug-in has logged."""

    level: LogLevel
    message: str


class Ended(BaseException):
    """The host ends the call: nothing in the plug-in may catch it."""

    def __init__(self, text: str, cause: BaseException | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.cause = cause


_WORDS: Final = {
    "input": "the input",
    "output": "the output",
    "error": "set_error",
    "config_get": "Config",
    **dict.fromkeys(("var_get", "var_set"), "Var"),
    **dict.fromkeys(("http_request", "http_status_code", "http_headers"), "Http"),
    "log_level": "log",
    **dict.fromkeys(("alloc", "free", "length", "load"), "memory"),
    "store": "memory or a host function",
    "call_slot": "a host function",
}
"""What an author calls the methods of `ffi.Host`, where it is another name; those of host.c."""


class Building:
    """The host while a plug-in is loaded: there is none."""

    def is_building(self) -> bool:
        return True

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(
            f"module-level code runs when the plug-in is built; {_WORDS.get(name, name)} can only be "
            "used inside a plug-in function"
        )


class Simulation:
    """
    A host of one call after the other; its methods are those of `ffi.Host`.

    Attributes:
        output_data: The output of the call.
        error_text: The error that the plug-in set, "" for none.
        cause: The exception that made it do so, if there was one.
        ended: Why the host ended the call, if it did.
    """

    def __init__(
        self,
        config: Mapping[str, str],
        variables: MutableMapping[str, bytes],
        logs: list[LogLine],
        web: Web,
        level: LogLevel,
    ) -> None:
        self._config = config
        self._variables = variables
        self._logs = logs
        self._web = web
        self._level = level
        self._functions: Functions | None = None
        self.begin(b"", None)

    def begin(self, data: bytes, functions: Functions | None) -> None:
        """Forget the call before, and take the input of the next."""
        self._input = data
        self._functions = functions
        self._blocks: dict[int, bytes] = {}
        self._next = _FIRST_HANDLE
        self._status, self._headers = 0, b"{}"
        self.output_data, self.error_text = b"", ""
        self.cause: BaseException | None = None
        self.ended: Ended | None = None

    def is_building(self) -> bool:
        return False

    def input(self) -> bytes:
        return self._input

    def output(self, data: bytes | bytearray | memoryview, /) -> None:
        self.output_data = bytes(data)

    def error(self, text: bytes, /) -> None:
        self.error_text = text.decode()
        self.cause = sys.exc_info()[1]

    def config_get(self, key: bytes, /) -> bytes | None:
        return self._config.get(key.decode(), "").encode() or None

    def var_get(self, key: bytes, /) -> bytes | None:
        return self._variables.get(key.decode(), b"") or None

    def var_set(self, key: bytes, value: bytes | None, /) -> None:
        if value is None:
            self._variables.pop(key.decode(), None)
        else:
            self._variables[key.decode()] = value

    def http_request(self, request: bytes, body: bytes | None, /) -> bytes:
        answer = self._web.answer(json.loads(request), body)
        if answer is None:
            url = json.loads(request)["url"]
            self._end(f"HTTP request to {url} is not allowed: nothing answers it (host.respond)")
        self._status, data, headers = answer
        self._headers = json.dumps(headers).encode()
        return data

    def http_status_code(self) -> int:
        return self._status

    def http_headers(self) -> bytes | None:
        return self._headers

    def log(self, level: int, message: bytes, /) -> None:
        if level >= self._level:
            self._logs.append(LogLine(LogLevel(level), message.decode()))

    def log_level(self) -> int:
        return self._level

    def alloc(self, length: int, /) -> int:
        return self.store(bytes(length))

    def free(self, handle: int, /) -> None:
        self._blocks.pop(handle, None)

    def length(self, handle: int, /) -> int:
        return len(self._blocks.get(handle, b""))

    def load(self, handle: int, /) -> bytes | None:
        return self._blocks.get(handle)

    def store(self, data: bytes | bytearray | memoryview, /) -> int:
        content = bytes(data)
        if not content:
            return 0
        handle = self._next
        self._next += -(-len(content) // 8) * 8
        self._blocks[handle] = content
        return handle

    def call_slot(self, slot: int, frame: bytearray, /) -> None:
        declared = next(each for each in reversed(imports.declared) if each.slot == slot)
        assert self._functions is not None
        module, name = declared.key
        if declared.key not in self._functions:
            self._end(f"the plug-in calls {module}::{name}, and no such host function is given")
        try:
            self._functions.call(declared, frame)
        except Exception as error:  # noqa: BLE001  a host function may raise anything, and the call ends
            what = f"{type(error).__name__}: {error}"
            self._end(f"host function {module}::{name} raised {what}", error)

    def parameters(self) -> bytes:
        return self._no_frame()

    def results(self, _frame: bytes, /) -> None:
        self._no_frame()

    def _no_frame(self) -> NoReturn:
        self._end("other modules call shared functions, and there are none here: call it in Python")

    def _end(self, text: str, cause: BaseException | None = None) -> NoReturn:
        self.ended = Ended(text, cause)
        raise self.ended
