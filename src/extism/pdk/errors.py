"""
Errors that a plug-in raises on purpose: their text reaches the host as it is, without a traceback.

Any other exception reaches it as a traceback; how a call ends is told in `invoke.py`.
"""

from __future__ import annotations

__all__ = ["InputError", "PluginError"]


class PluginError(Exception):
    """
    Ends the call with this text as its error.

    Subclasses may set the attributes for all of their instances.

    Attributes:
        code: The return code of the call, not 0.
        show_traceback: Whether the host is shown where it was raised, as for any other exception.
    """

    code: int = 1
    show_traceback: bool = False

    def __init__(
        self, text: object = "", *, code: int | None = None, show_traceback: bool | None = None
    ) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code
        if show_traceback is not None:
            self.show_traceback = show_traceback
        if not self.code:
            raise ValueError("code 0 is success, which no error is")


class InputError(PluginError, ValueError, TypeError):
    """
    A value from outside is not what its annotation says.

    Attributes:
        path: Where it is, such as `post: request.items[2].price`; `""` for the whole.
        reason: What is wrong with it.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def under(self, place: str) -> InputError:
        """Put the place of what holds the value before its own, and return the same error."""
        self.path = place + self.path
        return self
