"""HTTP of a simulated host: answers that a test has given, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .. import values

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answering", "Request", "Web"]


@dataclass(frozen=True)
class Request:
    """
    A request that the plug-in has made.

    Attributes:
        method: In upper case.
        url: All of it.
        headers: By name in lower case.
        body: b"" where there was none.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Web:
    """Answers by URL, and the requests that were made."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._rules: list[tuple[str, str, tuple[int, bytes, dict[str, str]]]] = []

    def respond(
        self, url: str, body: bytes | str, status: int, headers: dict[str, str], method: str
    ) -> None:
        """Answer requests that fit."""
        content = body.encode() if isinstance(body, str) else body
        lower = {name.lower(): value for name, value in headers.items()}
        self._rules.append((method.upper(), url, (status, content, lower)))

    def answer(
        self, request: dict[str, Any], body: bytes | None
    ) -> tuple[int, bytes, dict[str, str]] | None:
        """Return status, body and headers for a request, and note it; None where nothing answers."""
        headers = {name.lower(): value for name, value in request.get("headers", {}).items()}
        made = Request(request.get("method", "GET").upper(), request["url"], headers, body or b"")
        for method, url, found in reversed(self._rules):
            if fnmatchcase(made.url, _only_stars(url)) and method in {"*", made.method}:
                self.requests.append(made)
                return found
        return None


class Answering:
    """A host whose network is the test: base of the simulated one, and of the one in WebAssembly."""

    def __init__(self) -> None:
        self._web = Web()

    @property
    def requests(self) -> list[Request]:
        """The HTTP requests that the plug-in has made, in order."""
        return self._web.requests

    def respond(
        self,
        url: str,
        body: bytes | str = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        method: str = "*",
    ) -> None:
        """
        Answer requests for a URL; those that nothing answers are refused, as by a host that does not allow them.

        Args:
            url: May have `*` in it. Of several that fit, the one that was said last answers.
            body: Of the answer.
            status: Of the answer.
            headers: Of the answer.
            json: Sent as JSON, in the body's place.
            method: Only requests with this method.
        """
        content = values.dumps(json) if json is not None else body
        self._web.respond(url, content, status, dict(headers or {}), method)


def _only_stars(pattern: str) -> str:
    """Return a pattern in which only `*` is special: URLs have question marks."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
