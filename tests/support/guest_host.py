"""The other side of `extism.pdk.ffi`, in plain Python: what a host would hold while one call runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from extism.pdk import imports

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGING_OFF = 0x7FFFFFFF


class GuestHost:
    """
    A host of one call.

    Attributes:
        slots: Functions of the module's table, called with the numbers that crossed, for one number or a tuple.
        calls: Which slot was called with which numbers.
        given_frame: The parameters of a shared function; its results are left in `frame`.
        responses: What `http_request` answers, first one first: (status, body, headers).
        freed: Handles in the order in which the guest freed them.
    """

    def __init__(self, given: bytes = b"") -> None:
        self.given = given
        self.outputs: list[bytes] = []
        self.errors: list[bytes] = []
        self.config: dict[bytes, bytes] = {}
        self.variables: dict[bytes, bytes] = {}
        self.requests: list[tuple[bytes, bytes | None]] = []
        self.responses: list[tuple[int, bytes, bytes | None]] = []
        self.status, self.headers = 0, None
        self.lines: list[tuple[int, bytes]] = []
        self.level = 0
        self.blocks: dict[int, bytes] = {}
        self.freed: list[int] = []
        self.slots: dict[int, Callable[..., int]] = {}
        self.calls: list[tuple[int, tuple[float, ...]]] = []
        self.given_frame, self.frame = b"", b""
        self._next = 64

    def is_building(self) -> bool:
        return False

    def input(self) -> bytes:
        return self.given

    def output(self, data) -> None:
        self.outputs.append(bytes(data))

    def error(self, text: bytes) -> None:
        self.errors.append(text)

    def config_get(self, key: bytes) -> bytes | None:
        return self.config.get(key) or None

    def var_get(self, key: bytes) -> bytes | None:
        return self.variables.get(key) or None

    def var_set(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.variables.pop(key, None)
        else:
            self.variables[key] = value

    def http_request(self, request: bytes, body: bytes | None) -> bytes:
        self.requests.append((request, body))
        self.status, data, self.headers = self.responses.pop(0)
        return data

    def http_status_code(self) -> int:
        return self.status

    def http_headers(self) -> bytes | None:
        return self.headers

    def log(self, level: int, message: bytes) -> None:
        self.lines.append((level, message))

    def log_level(self) -> int:
        return self.level

    def alloc(self, length: int) -> int:
        return self.store(bytes(length))

    def free(self, handle: int) -> None:
        self.freed.append(handle)
        self.blocks.pop(handle, None)

    def length(self, handle: int) -> int:
        return len(self.blocks.get(handle, b""))

    def load(self, handle: int) -> bytes | None:
        return self.blocks.get(handle)

    def store(self, data) -> int:
        content = bytes(data)
        if not content:
            return 0
        handle, self._next = self._next, self._next + len(content)
        self.blocks[handle] = content
        return handle

    def call_slot(self, slot: int, frame: bytearray) -> None:
        declared = [each for each in imports.declared if each.slot == slot]
        signature = declared[-1].signature
        numbers = signature.parameter_cells.unpack_from(frame)
        self.calls.append((slot, numbers))
        found = self.slots[slot](*numbers)
        results = found if isinstance(found, tuple) else (found,)
        if signature.results:
            signature.result_cells.pack_into(frame, 0, *results)

    def parameters(self) -> bytes:
        return self.given_frame

    def results(self, frame: bytes) -> None:
        self.frame = frame
