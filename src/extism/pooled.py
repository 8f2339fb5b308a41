"""
`PooledPlugin`: one copy of a pool, a plugin that knows when it is not to be lent again.

How copies are lent, and to whom, is in `pool.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

from extism.errors import CallError, GuestError, PluginClosed
from extism.plugin import CancelHandle, Plugin

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from extism._isolation.limits import Isolation
    from extism._runtime.kernel import Data
    from extism.functions import Function
    from extism.limits import CompileLimits
    from extism.secret import Secret
    from extism.sources import SourcePolicy
    from extism.world import WasiOptions

__all__ = ["PluginOptions", "PooledPlugin"]

_UNWOUND: Final = (134, -1)
"""Exit codes of guests that set an error text and then did not return: a trap, or the host's end."""


class PluginOptions(TypedDict, total=False):
    """The options of `Plugin`, for the copies of a pool."""

    wasi: bool | WasiOptions
    config: Mapping[str, str | Secret | None] | None
    functions: Sequence[Function] | None
    http_response_headers: bool
    logger: str
    fuel_limit: int | None
    ca_bundle: str | None
    policy: SourcePolicy | None
    max_memory: int | None
    fuse: bool | None
    interruptible: bool
    features: Collection[str]
    compile_limits: CompileLimits | None
    isolation: Isolation


class PooledPlugin(Plugin):
    """
    A copy of a pool; `call` and `acall` work only while it is lent.

    Attributes:
        is_lent: Whether somebody has it.
        loan: How often it was lent so far.
        call_count: How many calls it was asked for.
    """

    is_lent = False
    loan = 0
    call_count = 0
    _is_in_doubt = False

    def cancel_handle(self) -> CancelHandle:
        """Return what ends the running call of this loan; when the copy was given back, it does nothing."""
        self._check_open()
        loan = self.loan
        return CancelHandle(self._life, lambda: self.is_lent and self.loan == loan)

    def is_worn(self, max_calls: int | None) -> bool:
        """Return whether it is not to be lent again."""
        is_spent = max_calls is not None and self.call_count >= max_calls
        return is_spent or self._is_in_doubt or self._life.is_closed

    def _run(self, name: str, data: Data, host_context: Any, timeout: float | None) -> bytes:
        self._count()
        try:
            return super()._run(name, data, host_context, timeout)
        except BaseException as exc:
            # Ctrl-C and the like leave the guest in doubt, too.
            self._is_in_doubt = self._is_in_doubt or _leaves_doubt(exc)
            raise

    async def _arun(self, name: str, data: Data, host_context: Any, timeout: float | None) -> bytes:
        self._count()
        try:
            return await super()._arun(name, data, host_context, timeout)
        except BaseException as exc:
            # So does a task that is cancelled.
            self._is_in_doubt = self._is_in_doubt or _leaves_doubt(exc)
            raise

    def _count(self) -> None:
        if not self.is_lent:
            raise PluginClosed(
                "the plugin was given back to its pool; use it inside its `with` block"
            )
        self.call_count += 1


def _leaves_doubt(error: BaseException) -> bool:
    """Tell whether a call that ended so may have stopped the guest in the middle of something."""
    if isinstance(error, GuestError):
        return error.exit_code in _UNWOUND
    return isinstance(error, CallError) or not isinstance(error, Exception)
