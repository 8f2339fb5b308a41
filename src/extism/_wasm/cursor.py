"""
A place in a module that moves forward and never leaves its section.

Every reader of this package goes through it, so every malformed byte ends as a `WasmError` that names
section and offset. The walk through code is the exception: for speed it has a loop of its own
(`relocate.py`), which falls back to this one wherever it has to look closer.
"""

from __future__ import annotations

from extism._wasm import leb128
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extism._wasm.model import Section

__all__ = ["Cursor"]

MOST_ITEMS = 10_000_000
"""In any list: the JavaScript API's limit for the largest (a table), which engines share."""


class Cursor:
    """
    Read `data` from `offset` up to `end`.

    Attributes:
        data: Usually the whole module, so that offsets are those of the file.
        offset: Of the next byte.
        end: Nothing at or behind it is read.
        section: The name that errors carry.
    """

    __slots__ = ("data", "end", "offset", "section")

    def __init__(
        self, data: bytes, offset: int = 0, end: int | None = None, section: str = ""
    ) -> None:
        self.data = data
        self.offset = offset
        self.end = len(data) if end is None else end
        self.section = section

    @classmethod
    def over(cls, section: Section) -> Cursor:
        """Return a cursor at the first byte of the section's body."""
        return cls(section.data, section.body, section.end, section.name)

    @property
    def remaining(self) -> int:
        """Bytes that are left."""
        return self.end - self.offset

    def fail(self, what: str, offset: int | None = None) -> WasmError:
        """Return the error that says `what` is wrong here, or at `offset`."""
        at = self.offset if offset is None else offset
        where = f" of section {self.section!r}" if self.section else ""
        return WasmError(f"{what} (at byte {at}{where})", offset=at, section=self.section)

    def byte(self) -> int:
        """Read one byte."""
        if self.offset >= self.end:
            raise self.fail("the bytes end too early")
        value = self.data[self.offset]
        self.offset += 1
        return value

    def peek(self) -> int:
        """Return the next byte and stay before it."""
        if self.offset >= self.end:
            raise self.fail("the bytes end too early")
        return self.data[self.offset]

    def u32(self) -> int:
        """Read an unsigned number of at most 32 bits."""
        offset = self.offset
        if offset < self.end:
            value = self.data[offset]
            if value < 0x80:
                self.offset = offset + 1
                return value
        return self._unsigned(32)

    def u64(self) -> int:
        """Read an unsigned number of at most 64 bits."""
        return self._unsigned(64)

    def _unsigned(self, bits: int) -> int:
        try:
            value, self.offset = leb128.read_unsigned(self.data, self.offset, self.end, bits)
        except WasmError as error:
            raise self.fail(str(error), error.offset) from None
        return value

    def signed(self, bits: int) -> int:
        """Read a signed number of at most `bits` bits."""
        try:
            value, self.offset = leb128.read_signed(self.data, self.offset, self.end, bits)
        except WasmError as error:
            raise self.fail(str(error), error.offset) from None
        return value

    def skip(self, length: int) -> int:
        """Move over `length` bytes and return the offset of the first of them."""
        start = self.offset
        if length > self.end - start:
            raise self.fail(f"{length} bytes are announced, {self.end - start} are left")
        self.offset = start + length
        return start

    def take(self, length: int) -> bytes:
        """Read `length` bytes, as a copy."""
        start = self.skip(length)
        return self.data[start : self.offset]

    def name(self) -> str:
        """Read a name: a length, then UTF-8."""
        start = self.offset
        length = self.u32()
        first = self.offset
        if length > self.end - first:
            self.skip(length)  # raises
        self.offset = end = first + length
        try:
            return self.data[first:end].decode()
        except UnicodeDecodeError:
            raise self.fail("a name is not UTF-8", start) from None

    def count(self, smallest: int = 1, most: int = MOST_ITEMS) -> int:
        """
        Read the number of items that follow, each of at least `smallest` bytes.

        Raises:
            WasmError: The bytes that are left cannot hold that many, or no engine takes so many: no
                list is made on a promise.
        """
        start = self.offset
        count = self.u32()
        if count * smallest > self.remaining:
            raise self.fail(f"{count} items are announced, {self.remaining} bytes are left", start)
        if count > most:
            raise self.fail(f"{count} items are more than the {most} that are read", start)
        return count

    def inner(self) -> Cursor:
        """Read a size and return a cursor over that many bytes; this one moves behind them."""
        start = self.skip(self.u32())
        return Cursor(self.data, start, self.offset, self.section)

    def finish(self) -> None:
        """Check that nothing is left."""
        if self.offset != self.end:
            raise self.fail(f"{self.remaining} bytes are left over")
