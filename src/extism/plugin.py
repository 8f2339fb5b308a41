"""
`Plugin`: one living plugin; `call` runs an export and gives its output.

A plugin runs one call at a time. Another thread that calls it waits; a host function that calls the
plugin which is running it gets `PluginBusy`, because waiting would be for ever.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident

from extism import abi
from extism._capabilities.log_names import LOGGER
from extism._capabilities.variables import Variables
from extism._engine.stacks import StackTooSmall, first_caller
from extism._runtime.call import Call, deadline_after
from extism._runtime.outcome import settle
from extism._runtime.state import PluginState
from extism.compiled import CompiledPlugin
from extism.errors import PluginBusy, PluginClosed
from extism.registry import HOST_FN_REGISTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self, TypeVar, overload

    from typing_extensions import Buffer

    from extism._capabilities.log import PluginLog
    from extism._isolation.limits import Isolation
    from extism._isolation.program import Lodging
    from extism._isolation.remote import RemoteInstance
    from extism._runtime.instance import Entry, Instance, Program
    from extism.awaits import Awaits
    from extism.buffers import ByteBuffer
    from extism.functions import Function
    from extism.given import PluginSource
    from extism.limits import CompileLimits
    from extism.listing import ExportInfo, ImportInfo
    from extism.secret import Secret
    from extism.sources import SourcePolicy
    from extism.vars import Vars
    from extism.world import WasiOptions

    T = TypeVar("T")

__all__ = ["CancelHandle", "Plugin"]


class Plugin:
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

    _awaits: Awaits | None = None

    def __init__(
        self,
        plugin: PluginSource | CompiledPlugin,
        wasi: bool | WasiOptions = False,  # noqa: FBT001, FBT002 - upstream's signature
        config: Mapping[str, str | Secret | None] | None = None,
        functions: Sequence[Function] | None = HOST_FN_REGISTRY,
        *,
        http_response_headers: bool = False,
        logger: str = LOGGER,
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
        self._lock = allocate_lock()
        self._owner: int | None = None
        self._instance: Instance | RemoteInstance | None = None
        self._entries: dict[Any, Any] = {}
        self._is_closed = False
        self._owns_compiled_plugin = not isinstance(plugin, CompiledPlugin)
        compiled = (
            plugin
            if isinstance(plugin, CompiledPlugin)
            else CompiledPlugin(
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
        self._program: Program | Lodging | None = compiled.program.lodge()
        self._timeout_ms = compiled.manifest.timeout_ms
        self._state = _state(compiled, config or {}, logger, has_headers=http_response_headers)
        world, state = self._program.world, self._state
        self._wasi = None if world is None else world(lambda: state.log)
        try:
            self._revive()
        except BaseException:
            self.close()
            raise

    @property
    def id(self) -> uuid.UUID:
        """The plugin's own name, new for each."""
        return self._state.id

    @property
    def plugin(self) -> int:
        """A number that tells this plugin from the others that live; -1 once it is closed, as upstream."""
        return -1 if self._is_closed else id(self)

    if TYPE_CHECKING:

        @overload
        def call(
            self,
            function_name: str,
            data: str | Buffer,
            *,
            host_context: Any = None,
            timeout: float | None = None,
        ) -> bytes: ...
        @overload
        def call(
            self,
            function_name: str,
            data: str | Buffer,
            parse: Callable[[bytes], T],
            host_context: Any = None,
            *,
            timeout: float | None = None,
        ) -> T: ...
        @overload
        def call(
            self,
            function_name: str,
            data: str | Buffer,
            parse: None,
            host_context: Any = None,
            *,
            timeout: float | None = None,
        ) -> ByteBuffer: ...

    def call(
        self,
        function_name: str,
        data: str | Buffer,
        parse: Callable[[bytes], Any] | None = bytes,
        host_context: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """
        Run an export and return what it gave as output.

        Args:
            function_name: The export; it has no parameters, and no result or an i32.
            data: The input; a str is sent as UTF-8.
            parse: Makes the result out of the output; None gives a `ByteBuffer` of your own.
            host_context: Handed to host functions that ask for `CurrentPlugin.host_context`.
            timeout: Seconds for this call; the manifest's `timeout_ms` holds as well.

        Raises:
            FunctionNotFound: There is no such export.
            CallError: The call did not end well; `errors.py` lists how.
            PluginBusy: A host function of this plugin's own running call called it.
            PluginClosed: The plugin was closed.
            TypeError: An argument is of the wrong type.
        """
        content = data if data.__class__ is bytes else _input(data)
        if function_name.__class__ is not str:
            function_name = _name(function_name)
        if self._owner is not None:
            self._check_free()
        try:
            with self._lock:
                self._owner = get_ident()
                try:
                    instance = self._instance
                    if instance is None or instance.is_worn:
                        instance = self._revive()
                    limit = self._timeout_ms
                    deadline = None if limit is timeout is None else deadline_after(limit, timeout)
                    call = Call(function_name, self._state, content, deadline, host_context)
                    try:
                        run = self._entries.get(function_name)
                        if run is None:
                            run = self._entry(instance, function_name)
                        ended = run(call)
                        output = ended if isinstance(ended, bytes) else settle(function_name, ended)
                    finally:
                        call.kernel = call.current = None  # `Call.end`, without the way there
                finally:
                    self._owner = None
                    if self._is_closed:
                        self._drop()
        except StackTooSmall:

            def again() -> bytes:
                # Not `self.call`, which the copies of a pool count.
                return Plugin.call(
                    self, function_name, content, bytes, host_context, timeout=timeout
                )

            output = self._elsewhere(again)
        if parse is bytes:
            return output
        return _buffer(output) if parse is None else parse(output)

    if TYPE_CHECKING:

        @overload
        async def acall(
            self,
            function_name: str,
            data: str | Buffer,
            *,
            host_context: Any = None,
            timeout: float | None = None,
        ) -> bytes: ...
        @overload
        async def acall(
            self,
            function_name: str,
            data: str | Buffer,
            parse: Callable[[bytes], T],
            host_context: Any = None,
            *,
            timeout: float | None = None,
        ) -> T: ...
        @overload
        async def acall(
            self,
            function_name: str,
            data: str | Buffer,
            parse: None,
            host_context: Any = None,
            *,
            timeout: float | None = None,
        ) -> ByteBuffer: ...

    async def acall(
        self,
        function_name: str,
        data: str | Buffer,
        parse: Callable[[bytes], Any] | None = bytes,
        host_context: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """
        Run an export as `call` does, without a thread, while the event loop goes on.

        Functions of the host that are `async def` are awaited in the task that awaits this; a plugin that computes
        lets others run every few milliseconds. Who is cancelled ends the plugin's call at once, and
        the next call gets a fresh instance; variables and config stay. Calls that are awaited wait for each other.

        Raises:
            Error: What `call` raises.
            CancelledError: The task was cancelled.
        """
        from extism.acall import acall

        content = data if data.__class__ is bytes else _input(data)
        output = await acall(self, _name(function_name), content, host_context, timeout)
        if parse is bytes:
            return output
        return _buffer(output) if parse is None else parse(output)

    def function_exists(self, name: str) -> bool:
        """Return whether `call` can run an export of that name."""
        return name in self._check_open().callable_names()

    @property
    def fuel_used(self) -> int | None:
        """How much the last call executed; None without a `fuel_limit`, or before the first call."""
        instance = self._instance
        return None if instance is None else instance.fuel_used

    @property
    def vars(self) -> Vars:
        """The plugin's variables, to be read and changed like a dict of bytes."""
        from extism.vars import Vars

        return Vars(self._state.variables)

    @property
    def exports(self) -> tuple[ExportInfo, ...]:
        """Everything that the plugin exports."""
        return self._check_compiled().exports

    @property
    def imports(self) -> tuple[ImportInfo, ...]:
        """Everything that the plugin imports."""
        return self._check_compiled().imports

    def reset(self) -> None:
        """
        Forget the last call's input, output and blocks now; the guest's own memory stays as it is.

        Raises:
            PluginBusy: A host function of the running call asked for it.
            PluginClosed: The plugin was closed.
        """
        self._take()
        try:
            if self._instance is not None:
                self._instance.forget()
        finally:
            self._give_back()

    def restart(self) -> None:
        """
        Give the guest a fresh memory, as if the plugin had just been made; variables and config stay.

        Raises:
            Error: A start function or an initialiser ended badly.
            PluginBusy: A host function of the running call asked for it.
            PluginClosed: The plugin was closed.
        """
        self._take()
        try:
            self._revive()
        finally:
            self._give_back()

    def cancel_handle(self) -> CancelHandle:
        """Return what ends the running call from another thread."""
        self._check_open()
        return CancelHandle(self)

    def close(self) -> None:
        """
        Give the plugin's memory back; closing again does nothing.

        Called by a host function of the plugin, it takes effect when the call is over.
        """
        self._is_closed = True
        if not self._is_mine():
            with self._lock:
                self._drop()

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
        if hasattr(self, "_state"):
            self.close()

    def __repr__(self) -> str:
        return f"<Plugin {self.id} {'closed' if self._is_closed else 'open'}>"

    def __reduce__(self) -> Any:
        raise TypeError("a living Plugin cannot be pickled; send its manifest and make one there")

    def _entry(self, instance: Instance | RemoteInstance, name: str) -> Entry:
        entry = self._entries[name] = instance.entry(name)
        return entry

    def _cancel(self, may: Callable[[], bool] | None = None) -> bool:
        instance = self._instance
        return instance is not None and instance.store.cancel(may)

    def _check_open(self) -> Program | Lodging:
        program = self._program
        if self._is_closed or program is None:
            raise PluginClosed("the plugin is closed")
        return program

    def _check_compiled(self) -> CompiledPlugin:
        compiled = self.compiled_plugin
        if self._is_closed or compiled is None:
            raise PluginClosed("the plugin is closed")
        return compiled

    def _take(self) -> None:
        """Take the plugin for something but a call, which does the same in line; another thread is waited for."""
        self._check_free()
        self._lock.acquire()
        self._owner = get_ident()
        if self._is_closed:
            self._give_back()
            self._check_open()

    def _give_back(self) -> None:
        self._owner = None
        try:
            if self._is_closed:
                self._drop()
        finally:
            self._lock.release()

    def _is_mine(self) -> bool:
        """Tell whether what asks runs inside the call that runs, on its thread or on one that it waits for."""
        owner = self._owner
        return owner is not None and first_caller(owner) == first_caller(get_ident())

    def _check_free(self) -> None:
        if self._is_mine():
            raise _busy(is_awaited=self._awaits is not None and self._awaits.turn is not None)

    def _elsewhere(self, run: Callable[[], T]) -> T:
        """Return what `run` returns on a thread of ours, as this one has too small a stack."""
        from extism._engine.large_stack import on_a_large_stack

        return on_a_large_stack(run, self._cancel)

    def _drop(self) -> None:
        self._state.variables.come_home()
        program, self._program = self._program, None
        self._instance = None
        self._entries = {}
        if program is not None:
            program.leave()
        self._state.close()
        if self._owns_compiled_plugin:
            self.compiled_plugin = None

    def _revive(self) -> Instance | RemoteInstance:
        """Make a new instance; its initialisers have one `timeout_ms` together."""
        try:
            return self._made()
        except StackTooSmall:
            return self._elsewhere(self._made)

    def _made(self) -> Instance | RemoteInstance:
        self._state.variables.come_home()
        self._instance = None
        self._entries = {}
        call = Call("", self._state, deadline=deadline_after(self._timeout_ms))
        try:
            # Kept before it is started, so that starting can be cancelled.
            self._instance = instance = self._check_open().instance(self._wasi)
            instance.start(call)
        finally:
            call.end()
        return instance


class CancelHandle:
    """Ends the running call of a plugin; may be used from any thread, and after the plugin's end."""

    __slots__ = ("_may", "_plugin")

    def __init__(self, plugin: Plugin, may: Callable[[], bool] | None = None) -> None:
        self._plugin = plugin
        self._may = may

    @property
    def pointer(self) -> int:
        """A number that tells its plugin from the others that live; upstream's raw pointer, opaque here."""
        return id(self._plugin)

    def cancel(self) -> bool:
        """End the call that runs now, if any; one that begins later is not touched."""
        self._plugin._cancel(self._may)  # noqa: SLF001 - its own plugin
        return True


def _busy(*, is_awaited: bool) -> PluginBusy:
    if is_awaited:
        return PluginBusy(
            "cannot make reentrant calls into plugin: a call of it is awaited on this very thread; await "
            "`acall`, or use a second Plugin"
        )
    return PluginBusy(
        "cannot make reentrant calls into plugin: a host function called the plugin that is "
        "running it; use a second Plugin"
    )


def _name(name: object) -> str:
    """Return the name of a function, where it is one."""
    if not isinstance(name, str):
        raise TypeError(f"function_name must be a str, not {type(name).__name__}")
    return str(name)


def _input(data: str | Buffer) -> bytes | bytearray | memoryview:
    """Return bytes that are a plain row, copied only where they are none."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray):
        return data
    try:
        # Upstream takes numbers of bytes.
        view = memoryview(bytes(data) if isinstance(data, list | tuple) else data)
    except TypeError:
        raise TypeError(f"data must be str or bytes-like, not {type(data).__name__}") from None
    is_row = view.format == "B" and view.ndim == 1 and view.contiguous
    return view if is_row else view.tobytes()


def _buffer(output: bytes) -> ByteBuffer:
    from extism.buffers import copy_of

    return copy_of(output)


def _state(
    compiled: CompiledPlugin,
    config: Mapping[str, str | Secret | None],
    logger: str,
    *,
    has_headers: bool,
) -> PluginState:
    def make_log(plugin: PluginState) -> PluginLog:
        from extism._capabilities.log import PluginLog

        return PluginLog(plugin.id, logger=logger)

    # For its plugins, and not for their users.
    granted, make_http = compiled._config, compiled._make_http  # noqa: SLF001
    return PluginState(
        granted.updated(config) if config else granted,
        Variables(compiled.manifest.memory.var_limit),
        make_http,
        make_log,
        has_response_headers=has_headers,
    )
