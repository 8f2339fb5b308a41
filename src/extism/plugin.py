"""
`Plugin`: one living plugin; `call` runs an export and gives its output.

How it is called is in `calls.py`; whose turn it is, and how its instances come and go, in `life.py`.
"""

from __future__ import annotations

from _thread import get_ident

from extism import abi
from extism._engine.stacks import StackTooSmall
from extism._runtime.call import deadline_after
from extism._runtime.outcome import settle
from extism._runtime.state import PluginState
from extism.calls import Calls
from extism.compiled import CompiledForOne, CompiledPlugin
from extism.errors import PluginClosed
from extism.life import Life
from extism.registry import HOST_FN_REGISTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self

    from extism._isolation.limits import Isolation
    from extism._runtime.kernel import Data
    from extism.functions import Function
    from extism.given import PluginSource
    from extism.limits import CompileLimits
    from extism.listing import ExportInfo, ImportInfo
    from extism.secret import Secret
    from extism.sources import SourcePolicy
    from extism.vars import Vars
    from extism.world import WasiOptions

__all__ = ["CancelHandle", "Plugin"]


class Plugin(Calls):
    """
    One living plugin.

    Args:
        plugin: What it is made of, see `CompiledPlugin`; or a `CompiledPlugin`, whose `wasi` and
            `functions` then hold.
        wasi: Let the modules use WASI preview 1; `WasiOptions` say what they see there.
        config: Texts that the guest may read, merged over the manifest's; None takes a key away.
        functions: The host functions that the plugin may import; those ever decorated if left out.
        http_response_headers: Let the plugin read the headers of responses.
        logger: Name of the `logging` logger that gets what the plugin logs.
        fuel_limit: See `CompiledPlugin`; so are `ca_bundle`, `policy`, `max_memory`, `fuse`,
            `interruptible`, `features`, `compile_limits` and `isolation`.

    Raises:
        Error: It cannot be made; the text begins with `Unable to compile` or `Unable to create`.
        TypeError: A value of `config` is no text.
        ValueError: `isolation` is asked for, and the `CompiledPlugin` was made without.
    """

    def __init__(
        self,
        plugin: PluginSource | CompiledPlugin,
        wasi: bool | WasiOptions = False,  # noqa: FBT001, FBT002 - upstream's signature
        config: Mapping[str, str | Secret | None] | None = None,
        functions: Sequence[Function] | None = HOST_FN_REGISTRY,
        *,
        http_response_headers: bool = False,
        logger: str = abi.LOGGER,
        fuel_limit: int | None = None,
        ca_bundle: str | None = None,
        policy: SourcePolicy | None = None,
        max_memory: int | None = abi.DEFAULT_MAX_MEMORY,
        fuse: bool | None = None,
        interruptible: bool = True,
        features: Collection[str] = (),
        compile_limits: CompileLimits | None = None,
        isolation: Isolation = None,
    ) -> None:
        self._owns_compiled_plugin = not isinstance(plugin, CompiledPlugin)
        compiled = (
            plugin
            if isinstance(plugin, CompiledPlugin)
            else CompiledForOne(
                plugin,
                wasi,
                functions,
                fuel_limit=fuel_limit,
                ca_bundle=ca_bundle,
                policy=policy,
                max_memory=max_memory,
                fuse=fuse,
                interruptible=interruptible,
                features=features,
                compile_limits=compile_limits,
                isolation=isolation,
            )
        )
        if isolation is not None and not compiled.is_isolated:
            raise ValueError(
                "the CompiledPlugin was compiled in this process: hand `isolation` to it instead"
            )
        self.compiled_plugin: CompiledPlugin | None = compiled
        state = _state(compiled, config or {}, logger, has_headers=http_response_headers)
        self._life = Life(compiled.program.lodge(), state, compiled.manifest.timeout_ms)
        try:
            self._life.revive()
        except BaseException:
            # Whatever came between: the process of an isolated plugin must not wait for the collector.
            self.close()
            raise

    @property
    def id(self) -> uuid.UUID:
        """The plugin's own name, new for each."""
        return self._life.state.id

    @property
    def plugin(self) -> int:
        """A number that tells this plugin from the others that live; -1 once it is closed, as upstream."""
        return -1 if self._life.is_closed else id(self._life.state)

    def function_exists(self, name: str) -> bool:
        """Return whether `call` can run an export of that name."""
        return name in self._life.program.callable_names()

    @property
    def fuel_used(self) -> int | None:
        """How much the last call executed; None without a `fuel_limit`, or before the first call."""
        instance = self._life.instance
        return None if instance is None else instance.fuel_used

    @property
    def vars(self) -> Vars:
        """The plugin's variables, to be read and changed like a dict of bytes."""
        from extism.vars import Vars

        return Vars(self._life.state.variables)

    @property
    def exports(self) -> tuple[ExportInfo, ...]:
        """Everything that the plugin exports."""
        return self._open_compiled().exports

    @property
    def imports(self) -> tuple[ImportInfo, ...]:
        """Everything that the plugin imports."""
        return self._open_compiled().imports

    def reset(self) -> None:
        """
        Forget the last call's input, output and blocks now; the guest's own memory stays as it is.

        Raises:
            PluginBusy: A host function of the running call asked for it.
            PluginClosed: The plugin was closed.
        """
        life = self._life
        life.take()
        try:
            if life.instance is not None:
                life.instance.forget()
        finally:
            life.give_back()

    def restart(self) -> None:
        """
        Give the guest a fresh memory, as if the plugin had just been made; variables and config stay.

        Raises:
            Error: A start function or an initialiser ended badly.
            PluginBusy: A host function of the running call asked for it.
            PluginClosed: The plugin was closed.
        """
        life = self._life
        life.take()
        try:
            life.revive()
        finally:
            life.give_back()

    def cancel_handle(self) -> CancelHandle:
        """Return what ends the running call from another thread."""
        self._check_open()
        return CancelHandle(self._life)

    def close(self) -> None:
        """
        Give the plugin's memory back; closing again does nothing.

        Called by a host function of the plugin, it takes effect when the call is over.
        """
        self._life.close()
        if self._owns_compiled_plugin:
            self.compiled_plugin = None

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # What a failed `__init__` leaves behind has nothing to give back.
        if hasattr(self, "_life"):
            self.close()

    def __repr__(self) -> str:
        return f"<Plugin {self.id} {'closed' if self._life.is_closed else 'open'}>"

    def __reduce__(self) -> Any:
        raise TypeError("a living Plugin cannot be pickled; send its manifest and make one there")

    def _check_open(self) -> None:
        if self._life.is_closed:
            raise PluginClosed("the plugin is closed")

    def _open_compiled(self) -> CompiledPlugin:
        compiled = self.compiled_plugin
        if self._life.is_closed or compiled is None:
            raise PluginClosed("the plugin is closed")
        return compiled

    def _run(self, name: str, data: Data, host_context: Any, timeout: float | None) -> bytes:
        life = self._life
        if life.owner is not None:
            life.check_free()
        try:
            with life.lock:
                life.owner = get_ident()
                try:
                    instance = life.instance
                    if instance is None or instance.is_worn:
                        instance = life.revive()
                    limit = life.timeout_ms
                    deadline = None if limit is timeout is None else deadline_after(limit, timeout)
                    call = life.call or life.new_call()
                    call.function = name
                    call.input = data
                    call.deadline = deadline
                    call.host_context = host_context
                    try:
                        run = life.entries.get(name) or life.entry(instance, name)
                        ended = run(call)
                        return ended if isinstance(ended, bytes) else settle(name, ended)
                    finally:
                        # `Call.end` in line, which holds on to nothing either.
                        call.kernel = call.host_context = None
                        call.input = b""
                        if call.current is not None:  # a function of the host may have kept it
                            life.call = call.current = None
                finally:
                    life.owner = None
                    if life.is_closed:
                        life.end_turn()
        except StackTooSmall:
            return self._run_elsewhere(name, data, host_context, timeout)

    def _run_elsewhere(
        self, name: str, data: Data, host_context: Any, timeout: float | None
    ) -> bytes:
        # A function of its own: whatever a lambda refers to, the one around it reaches more slowly.
        # Not `self._run`, which the copies of a pool count.
        return self._life.elsewhere(lambda: Plugin._run(self, name, data, host_context, timeout))

    def _arun(
        self, name: str, data: Data, host_context: Any, timeout: float | None
    ) -> Coroutine[Any, Any, bytes]:
        from extism.acall import acall

        return acall(self._life, name, data, host_context, timeout)


class CancelHandle:
    """Ends the running call of a plugin; may be used from any thread, and after the plugin's end."""

    __slots__ = ("_life", "_may")

    def __init__(self, life: Life, may: Callable[[], bool] | None = None) -> None:
        self._life = life
        self._may = may

    @property
    def pointer(self) -> int:
        """A number that tells its plugin from the others that live; upstream's raw pointer, opaque here."""
        return id(self._life.state)

    def cancel(self) -> bool:
        """End the call that runs now, if any; one that begins later is not touched."""
        self._life.cancel(self._may)
        return True


def _state(
    compiled: CompiledPlugin,
    config: Mapping[str, str | Secret | None],
    logger: str,
    *,
    has_headers: bool,
) -> PluginState:
    # For its plugins, and not for their users.
    make_config, make_http = compiled._make_config, compiled._make_http  # noqa: SLF001
    if config:
        merged = make_config().updated(config)
        make_config = lambda: merged  # noqa: E731 - beside the other
    return PluginState(
        make_config,
        compiled.manifest.memory.var_limit,
        make_http,
        logger,
        has_response_headers=has_headers,
    )
