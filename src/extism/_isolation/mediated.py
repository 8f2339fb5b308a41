"""
What a plugin in a worker has in the place of its state: everything is asked of the parent, which decides.

To `_runtime.env` these are configuration, variables, network and log like any others. Values of the configuration are
asked for once each, since they never change; nothing else is kept.
"""

from __future__ import annotations

import json
from typing import NamedTuple, cast

from extism._isolation.frames import Kind
from extism._isolation.reports import RaisedByParent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from extism._capabilities.http import Response
    from extism._isolation.frames import Frame, Link

__all__ = ["MediatedState"]

_KEPT_KEYS: Final = 1000


class MediatedState:
    """
    Stands where a `_runtime.state.PluginState` stands, in a worker.

    Args:
        link: Leads to the parent.
        has_response_headers: Whether the guest may read the headers of a response.
    """

    def __init__(self, link: Link, *, has_response_headers: bool) -> None:
        self.config = _Config(link)
        self.variables = _Variables(link)
        self.http = _Http(link)
        self.log = _Log(link)
        self.has_response_headers = has_response_headers
        self.last_response: Response | None = None


def _asked(
    link: Link, kind: int, body: bytes = b"", place: int = 0, *, flags: int = 0, number: int = 0
) -> Frame:
    """
    Return the parent's answer.

    Raises:
        RaisedByParent: It raised something, which it keeps.
    """
    link.send(kind, body, flags, place, number)
    frame = link.receive()
    if frame.kind == Kind.RAISED:
        raise RaisedByParent("the parent process raised it")
    return frame


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class _Config:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._found: dict[str, str | None] = {}

    def get(self, key: str) -> str | None:
        """Return the text under `key`, None where there is none."""
        if key not in self._found:
            if len(self._found) >= _KEPT_KEYS:
                self._found.clear()
            frame = _asked(self._link, Kind.CONFIG, _encoded(key))
            self._found[key] = frame.body.decode() if frame.kind == Kind.RESULT else None
        return self._found[key]

    def offer(self, shelf: object) -> None:
        """Put nothing where the guest finds it without asking: the parent is asked."""


class _Variables:
    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`, None where there are none."""
        frame = _asked(self._link, Kind.VAR_GET, _encoded(key))
        return frame.body if frame.kind == Kind.RESULT else None

    def set(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`."""
        name = _encoded(key)
        _asked(self._link, Kind.VAR_SET, name + value, len(name))

    def remove(self, key: str) -> None:
        """Forget `key`, if it is there."""
        _asked(self._link, Kind.VAR_REMOVE, _encoded(key))

    def offer(self, shelf: object) -> None:
        """Put nothing where the guest finds it without asking: the parent is asked."""


class _Response(NamedTuple):
    """What `_capabilities.http` would give; that would load libraries of the system, which are out of reach."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Http:
    def __init__(self, link: Link) -> None:
        self._link = link

    def send(
        self,
        request: bytes,
        body: bytes | None = None,
        *,
        deadline: float | None = None,  # noqa: ARG002 - the parent knows it
        is_cancelled: Callable[[], bool] | None = None,  # noqa: ARG002 - as well
    ) -> Response:
        """Have the parent send a request, and return the response."""
        has_body = body is not None
        frame = _asked(self._link, Kind.HTTP, request + (body or b""), len(request), flags=has_body)
        headers: dict[str, str] = json.loads(frame.body[: frame.place])
        return cast("Response", _Response(frame.number, headers, frame.body[frame.place :]))


class _Log:
    def __init__(self, link: Link) -> None:
        self._link = link

    def wanted_level(self) -> int:
        """Return the lowest level that anybody wants right now."""
        return _asked(self._link, Kind.LEVEL).number

    def write(self, level: int, message: bytes, *, length: int) -> None:
        """Hand on what the guest says."""
        _asked(self._link, Kind.LOG, message, level, number=length)
