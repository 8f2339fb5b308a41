"""
The seam between the guest library and its host: the functions that the interpreter provides.

Inside a plug-in they are the built-in module `_extism`, written in C; elsewhere `host` says that there is
none. A simulated host for tests is any object of the shape of `Host`, assigned to `host`. Nothing else of
the library knows where it runs.

Everything here is bytes and numbers; str, JSON and the rest belong to the modules above.
"""

from __future__ import annotations

from typing import NoReturn, Protocol, cast

__all__ = ["Absent", "Host", "host"]


class Host(Protocol):
    """
    What the interpreter provides.

    While the plug-in is built, everything but `is_building` raises RuntimeError: there is no host yet.

    A *handle* is the offset of a live block in the memory shared with the host; 0 is none. All blocks end
    with the call.
    """

    def is_building(self) -> bool:
        """Return whether module-level code is running while the plug-in is built."""

    def input(self) -> bytes:
        """Return the whole input of the call."""

    def output(self, data: bytes | bytearray | memoryview, /) -> None:
        """Make `data` the output of the call, in place of any earlier output."""

    def error(self, text: bytes, /) -> None:
        """Make `text`, UTF-8, the error of the call; empty text clears it."""

    def config_get(self, key: bytes, /) -> bytes | None:
        """Return the value for `key`, None where it is missing or empty."""

    def var_get(self, key: bytes, /) -> bytes | None:
        """Return the variable `key`, None where it is missing or empty."""

    def var_set(self, key: bytes, value: bytes | None, /) -> None:
        """Store the variable `key`; None deletes it."""

    def http_request(self, request: bytes, body: bytes | None, /) -> bytes:
        """
        Send a request and return the body of the response.

        Args:
            request: JSON object `{"url": str, "method": str, "headers": {str: str}}`.
            body: None sends none.
        """

    def http_status_code(self) -> int:
        """Return the status of the last response; 0 before the first."""

    def http_headers(self) -> bytes | None:
        """Return the headers of the last response as a JSON object, None where the host keeps them."""

    def log(self, level: int, message: bytes, /) -> None:
        """Log a line of UTF-8. Levels: 0 trace, 1 debug, 2 info, 3 warn, 4 error."""

    def log_level(self) -> int:
        """Return the lowest level that is kept; the largest i32 when logging is off."""

    def alloc(self, length: int, /) -> int:
        """Return the handle of a new block of `length` zero bytes."""

    def free(self, handle: int, /) -> None:
        """Free a block; what is no live block is left alone."""

    def length(self, handle: int, /) -> int:
        """Return the length of a block in bytes; 0 for what is no live block."""

    def load(self, handle: int, /) -> bytes | None:
        """Return the bytes of a block, None for what is no live block."""

    def store(self, data: bytes | bytearray | memoryview, /) -> int:
        """Return the handle of a new block that holds `data`; 0 for no bytes."""

    def call_slot(self, slot: int, frame: bytearray, /) -> None:
        """
        Call the function in a slot of the module's table: an import of `import_fn`.

        Args:
            slot: Index in the table.
            frame: Its parameters, 8 bytes for each; the results take their place.
        """

    def parameters(self) -> bytes:
        """Return the parameters of the shared function that is being called, 8 bytes for each."""

    def results(self, frame: bytes, /) -> None:
        """Give the results of the shared function that is being called, 8 bytes for each."""


class Absent:
    """Stands in where Python runs outside a plug-in: every use says so."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(
            f"{name}: there is no Extism host here, this is not a plug-in; build the file with "
            "extism-py, or test it with extism.pdk.testing"
        )


def _find() -> Host:
    try:
        import _extism  # type: ignore[import-not-found]  # built into the guest interpreter alone
    except ImportError:
        return cast("Host", Absent())
    return cast("Host", _extism)


host: Host = _find()
