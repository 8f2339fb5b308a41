"""
`CurrentPlugin`: what a host function may touch of the plugin that called it, while the call lasts.

Everything goes through the call that is running; when that is over, every method says so instead of
reaching into a later call.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Any

from extism._runtime.kernel import NoRoom
from extism.buffers import in_place
from extism.errors import OutOfMemory
from extism.values import Val
from extism.vars import Vars

if TYPE_CHECKING:
    import uuid

    from extism._runtime.call import Call
    from extism.buffers import ByteBuffer

__all__ = ["CurrentPlugin", "Memory"]


@dataclass(slots=True, init=False)
class Memory:
    """A block of the plugin's: `offset` is its handle, `length` its size in bytes."""

    offset: int
    length: int

    def __init__(self, offs: int, length: int) -> None:
        self.offset = offs
        self.length = length

    def __len__(self) -> int:
        return self.length


class CurrentPlugin:
    """
    The plugin that called a host function; every method raises `CallError` once that call is over.

    Handles that a guest sent are checked: what is no live block has length 0.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def pointer(self) -> int:
        """A number that tells this plugin from the others that live; upstream's raw pointer, opaque here."""
        return id(self._call.state)

    def memory(self, mem: Memory) -> ByteBuffer:
        """
        Return the bytes of a block in place; writing to them changes the plugin's memory.

        Raises:
            IndexError: The range is not inside the memory where the plugin's blocks lie.
        """
        return in_place(self._call.live_kernel().lend(mem.offset, mem.length))

    def alloc(self, size: int) -> Memory:
        """
        Return a new block of `size` zero bytes, owned by whoever gets its handle.

        Raises:
            OverflowError: `size` is negative.
            TypeError: It is no whole number.
            OutOfMemory: The plugin may not have that much.
        """
        size = index(size)
        if size < 0:
            raise OverflowError(f"a block cannot have {size} bytes")
        try:
            return Memory(self._call.live_kernel().alloc(size), size)
        except NoRoom:
            raise OutOfMemory("oom", function=self._call.function) from None

    def free(self, mem: Memory) -> None:
        """Free a block; what is no live block is left as it is."""
        self._call.live_kernel().free(mem.offset)

    def memory_at_offset(self, offs: int | Val) -> Memory:
        """Return the live block at a handle; its length is 0 where there is none."""
        handle = _handle(offs)
        return Memory(handle, self._call.live_kernel().length(handle))

    def return_bytes(self, output: Val, b: bytes) -> None:
        """Put `b` in a new block and its handle in `output`."""
        output.value = self.write(b)

    def return_string(self, output: Val, s: str) -> None:
        """Put `s` as UTF-8 in a new block and its handle in `output`."""
        self.return_bytes(output, s.encode())

    def input_buffer(self, input: Val) -> ByteBuffer:  # noqa: A002 - upstream's name
        """Return the bytes at the handle in `input` in place; none where there is no live block."""
        return self.memory(self.memory_at_offset(input))

    def input_bytes(self, input: Val) -> bytes:  # noqa: A002 - upstream's name
        """Return a copy of the bytes at the handle in `input`; `b""` where there is no live block."""
        return self._call.live_kernel().read(_handle(input)) or b""

    def input_string(self, input: Val) -> str:  # noqa: A002 - upstream's name
        """
        Return the UTF-8 text at the handle in `input`.

        Raises:
            UnicodeDecodeError: The bytes are not UTF-8.
        """
        return self.input_bytes(input).decode()

    def host_context(self) -> Any:
        """Return what the caller gave to `Plugin.call(..., host_context=...)`; None if nothing."""
        self._call.live_kernel()
        return self._call.host_context

    def time_remaining(self) -> float | None:
        """Return the seconds that are left of the call's `timeout_ms`, not below 0; None for no limit."""
        self._call.live_kernel()
        return self._call.time_remaining()

    @property
    def id(self) -> uuid.UUID:
        """The plugin's own name."""
        self._call.live_kernel()
        return self._call.state.id

    @property
    def vars(self) -> Vars:
        """The plugin's variables, to be read and changed like a dict of bytes."""
        self._call.live_kernel()
        return Vars(self._call.state.variables)

    def config(self, key: str) -> str | None:
        """Return the plugin's configuration value under `key`, secrets revealed; None where there is none."""
        self._call.live_kernel()
        return self._call.state.config.get(key)

    def set_error(self, text: str) -> None:
        """
        Set the error text of the call, as the guest could; `""` takes back what was set.

        Raises:
            OutOfMemory: The plugin may not have that much.
        """
        try:
            self._call.live_kernel().set_error(text.encode())
        except NoRoom:
            raise OutOfMemory("oom", function=self._call.function) from None

    @classmethod
    def of(cls, call: Call) -> CurrentPlugin:
        """Return what host functions are handed of a call, the same for all that it calls."""
        current: CurrentPlugin | None = call.current
        if current is None:
            current = call.current = cls(call)
        return current

    def read(self, handle: int) -> bytes:
        """
        Return a copy of the live block at `handle`; `b""` for 0.

        Raises:
            ValueError: There is no live block; upstream hands on an empty one.
        """
        call = self._call
        data = (call.kernel or call.live_kernel()).read(handle)
        if data is None:
            raise ValueError(f"invalid handle offset: {handle}")
        return data

    def write(self, data: bytes) -> int:
        """
        Return the handle of a new block that holds `data`; 0 for no data.

        Raises:
            OutOfMemory: The plugin may not have that much.
        """
        call = self._call
        try:
            return (call.kernel or call.live_kernel()).store(data)
        except NoRoom:
            raise OutOfMemory("oom", function=self._call.function) from None


def _handle(offset: int | Val) -> int:
    value = offset.value if isinstance(offset, Val) else offset
    return int(value)
