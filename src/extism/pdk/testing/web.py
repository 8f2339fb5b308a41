"""HTTP of a simulated host: answers that a test has given, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["Request", "Web"]


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


def _only_stars(pattern: str) -> str:
    """Return a pattern in which only `*` is special: URLs have question marks."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
