"""
The purse of a living plugin: the global of its kernel that all growth comes out of, as the host looks into it.

What is put in is said in `budget.py`. It is opened where a plugin is granted something else than usual, and where a
call ended badly; the others never load this.
"""

from __future__ import annotations

from extism._dataclass import dataclass
from extism._wasm.marks import ENDED, MARKS, REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extism._engine.global_cell import GlobalCell

__all__ = ["Purse", "Want"]


@dataclass(frozen=True)
class Want:
    """
    What became of wishes for more memory than the budget had.

    Attributes:
        was_told: Code was told that there is no more, and went on.
        was_ended: Code was ended for it.
    """

    was_told: bool
    was_ended: bool


class Purse:
    """The budget of one kernel."""

    __slots__ = ("_cell",)

    def __init__(self, cell: GlobalCell) -> None:
        self._cell = cell

    @property
    def left(self) -> int:
        """By how many bytes memories and tables may still grow."""
        return int(self._cell.value) & ~MARKS

    def fill(self, budget: int) -> None:
        """Put in what is granted (`Budget.value`)."""
        self._cell.value = budget

    def take_want(self) -> Want:
        """Tell what code wanted and did not get since this was last asked."""
        value = int(self._cell.value)
        if value & (REFUSED | ENDED):
            self._cell.value = value & ~(REFUSED | ENDED)
        return Want(bool(value & REFUSED), bool(value & ENDED))
