"""
`Secret`: a text that the guest gets to read and nobody else gets to see.

Manifests and `config=` take one wherever they take a plain text for the guest. It has no text of its own in
repr, logs, errors, dumps and pickles; the only way to it is `reveal()`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn


__all__ = ["MASK", "Secret", "reveal"]

MASK: Final = "***"
"""What is shown in place of a secret."""


class Secret:
    """A text that is given to the guest and shown to nobody."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a Secret holds a str, not {type(text).__name__}")
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; call it only where the text leaves for the guest."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac

        mine, theirs = (each.reveal().encode("utf-8", "surrogatepass") for each in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: hand its text over another way and wrap it there")


def reveal(value: str | Secret) -> str:
    """Return the text of a plain or secret value."""
    return value.reveal() if isinstance(value, Secret) else value
