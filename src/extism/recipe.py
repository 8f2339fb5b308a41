"""
`Recipe`: what becomes a program when modules are compiled and linked, and how it is found when it was made before.

A program without host functions depends on nothing but the recipe. Such programs are kept for a while after the last
plugin of theirs has gone: at most 32, of at most 64 MB of modules together, five minutes after their last use, and
none of them when memory runs out.
"""

from __future__ import annotations

import os

from extism import abi
from extism._cached import cache, cached_property
from extism._dataclass import dataclass
from extism._engine.cache import Rewrite
from extism._engine.engine import shared_engine
from extism._engine.faults import cause_first
from extism._kept import Kept
from extism._runtime.budget import Budget, metering
from extism._runtime.fusing import fused_label, home_of, kernel_functions
from extism._runtime.homes import Homes, Prepared, Rest
from extism._runtime.instance import Program
from extism._runtime.kernel_source import PARTS, kernel_parts, kernel_wasm, memory_count
from extism._runtime.linking import Unit, check_imports, host_linker, in_order, may_wait
from extism._runtime.outcome import CREATION
from extism.errors import CompileError, Error, LinkError, WasmError
from extism.manifest import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from types import TracebackType
    from typing import Final, Literal

    from extism._engine.cache import ModuleCache
    from extism._engine.engine import Engine, Module, Settings
    from extism._engine.linker import Linker
    from extism._engine.wasi_bare import BareWasi
    from extism._runtime.linking import Part
    from extism.abi import HostImport
    from extism.functions import Function
    from extism.limits import CompileLimits
    from extism.manifest import Manifest
    from extism.modules import Loaded
    from extism.world import WasiOptions, Worlds

__all__ = ["FUSE", "Recipe", "Stage", "inherited_output"]

_WASI_OUTPUT: Final = "EXTISM_ENABLE_WASI_OUTPUT"
"""Set to anything in the host's environment, guests write to the host's own stdout and stderr."""

FUSE: Final = "EXTISM_FUSE"
"""The environment variable that leaves kernel and plugins apart if it is 0."""

_programs: Final = Kept(32, 64 << 20)


@dataclass(frozen=True)
class Recipe:
    """
    Everything that a program depends on, but for its host functions.

    What modules may weigh decides only whether one is compiled, and for how many plugins it is only where they live.

    Attributes:
        settings: Of the engine.
        cache: Where native code is looked for.
        manifest: Limits and grants.
        digests: Of the modules as they were supplied, in the order of the manifest.
        wasi: As in `CompiledPlugin`, like the others.
    """

    settings: Settings
    cache: ModuleCache
    manifest: Manifest
    digests: tuple[bytes, ...]
    wasi: bool | WasiOptions
    max_memory: int | None
    fuel: int | None
    fuse: bool | None
    limits: CompileLimits | None = None
    is_for_one: bool = False

    def kept_program(self) -> Program | None:
        """
        Return the program without host functions, if it was made before and is still there.

        Raises:
            ManifestError: A directory that the modules are granted is not there.
        """
        key = self._key
        found: Program | None = None if key is None else _programs.get(key)
        if found is not None and self.manifest.allowed_paths:
            with Stage(CREATION):
                self._world()
        return found

    def program(self, modules: Sequence[Loaded], functions: Sequence[Function]) -> Program:
        """
        Return a program of these modules, dependencies found, imports checked, everything compiled.

        Raises:
            Error: Modules do not fit together, or the engine refuses one.
        """
        try:
            made = self._made(modules, functions)
        except MemoryError:
            self._let_go()
            made = self._made(modules, functions)
        if self._key is not None and not functions:
            _programs.put(self._key, made, sum(module.size for module in modules))
        return made

    @cached_property
    def _key(self) -> Hashable:
        """Equal for recipes of equal programs; None where that cannot be told."""
        if not isinstance(self.wasi, bool):
            return None
        manifest = self.manifest
        return (
            self.settings,
            self.cache,
            self.digests,
            manifest.module_names,
            manifest.memory.max_pages,
            self.wasi and (inherited_output(), tuple(sorted(manifest.allowed_paths.items()))),
            self.max_memory,
            self.fuel,
            self._wants_fuse,
        )

    @property
    def _engine(self) -> Engine:
        return shared_engine(self.settings)

    @property
    def _wants_fuse(self) -> bool:
        return os.environ.get(FUSE) != "0" if self.fuse is None else self.fuse

    @property
    def _may_fuse(self) -> bool:
        return self._wants_fuse and not self.settings.has_fuel

    def _let_go(self) -> None:
        _programs.clear()
        self.cache.forget()

    def _made(self, modules: Sequence[Loaded], functions: Sequence[Function]) -> Program:
        by_name = {module.part.name: module for module in modules}
        has_wasi = self.wasi is not False
        with Stage(CREATION):
            host = tuple([function.host_import() for function in functions])
            parts = [module.part for module in modules]
            check_imports(parts, host, has_wasi=has_wasi)
            ordered = in_order(parts)
            world = self._world()
        extras = _kernel_parts(ordered, host)

        def linker_on(
            engine: Engine, kernel: Sequence[str] = (), unused: Sequence[abi.Function] = ()
        ) -> Linker:
            return host_linker(
                engine,
                _of_the_host(ordered),
                host,
                ordered,
                kernel=kernel,
                unused=unused,
                has_wasi=has_wasi,
                is_measured=world is not None and world.is_measured,
            )

        def rest_on(engine: Engine) -> Rest:
            main = by_name[MAIN]
            linker = host_linker(engine, (), host, [main.part], has_wasi=has_wasi)
            return Rest(self._metered(main, engine, host), linker)

        with Stage("Unable to compile Extism plugin: "):
            home = home_of(ordered) if self._may_fuse else None
            fused = None
            if home is not None:
                inside = by_name[home.name]
                fused = self._fused(modules, inside, extras, host, linker_on, rest_on)
            units = tuple(
                [
                    Unit(
                        each.name,
                        each.outline,
                        None if fused else self._metered(by_name[each.name], self._engine, host),
                    )
                    for each in ordered
                ]
            )
        main = next(unit for unit in units if unit.name == MAIN)
        linker = kernel = None
        if fused is None:
            of_kernel = [name for part in extras for name in PARTS[part]]
            linker = linker_on(self._engine, of_kernel)
            kernel = self.cache.module(self._engine, kernel_wasm(extras), "kernel")
        return Program(
            units=units,
            main=main,
            linker=linker,
            kernel=kernel,
            fused=fused,
            home=next((unit for unit in units if home and unit.name == home.name), main),
            world=world,
            budget=self._budget(ordered),
            is_frail=abi.FRAIL_SECTION in main.outline.custom,
            fuel=self.fuel,
        )

    def _world(self) -> Worlds | _BareWorlds | None:
        wasi = self.wasi
        if wasi is False:
            return None
        paths, output = self.manifest.allowed_paths, inherited_output()
        if wasi is True and not paths and output is None:
            return _BareWorlds()
        from extism._capabilities.paths import mounts
        from extism.world import WasiOptions, Worlds

        if not isinstance(wasi, WasiOptions):
            wasi = WasiOptions(stdout=output, stderr=output)
        return Worlds(wasi, mounts(paths))

    def _fused(
        self,
        modules: Sequence[Loaded],
        module: Loaded,
        extras: tuple[str, ...],
        host: Sequence[HostImport],
        linker_on: Callable[..., Linker],
        rest_on: Callable[[Engine], Rest],
    ) -> Homes | None:
        """Return the plugin with the kernel in one module, which has `extras`; None where they have to stay apart."""
        waits = self._waits(module, host)
        rewrite = _fusing(extras, waits)

        def prepare(engine: Engine) -> Prepared:
            code = self._code(engine, module, rewrite)
            try:
                fused = linker_on(engine, unused=kernel_functions()).prepare(code)
            except LinkError as exc:  # what only the engine knows of WASI
                exc.args = (CREATION + cause_first(str(exc)),)
                raise
            return Prepared(fused, None if len(modules) == 1 else rest_on(engine))

        try:
            outlines = [each.part.outline for each in modules]
            # A library is likely to be there for other plugins, too, each of which would need it in a slot.
            is_for_one = self.is_for_one and self.cache.keeps and len(modules) == 1
            memories = memory_count(extras)
            return Homes(outlines, memories, self.settings, prepare, is_for_one=is_for_one)
        except (CompileError, WasmError) as exc:
            if isinstance(exc, CompileError) and exc.rule:
                raise
            import logging

            # Whether the module itself is to blame shows when it is compiled as it is.
            log = logging.getLogger("extism.compiled")
            log.debug("%s stays apart from the kernel: %s", module.part.name, exc)
            return None

    def _metered(self, module: Loaded, engine: Engine, host: Sequence[HostImport]) -> Module:
        """Return native code of a module that stays apart from the kernel, with its growth out of the budget."""
        part = module.part
        takes_start = part.is_command and part.name != MAIN
        rewrite = metering(takes_start=takes_start, waits=self._waits(module, host))
        try:
            return self._code(engine, module, rewrite)
        except (CompileError, WasmError) as exc:
            if isinstance(exc, CompileError) and exc.rule:
                raise
            # In the engine's words, if it is to blame itself; compiling says more, where it was weighed.
            check = engine.compile if isinstance(exc, CompileError) else engine.validate
            check(module.binary(), part.name)
            raise CompileError(
                f"the engine takes this module, but not with its memory limited: {exc}",
                module=part.name,
            ) from exc

    def _waits(self, module: Loaded, host: Sequence[HostImport]) -> tuple[tuple[str, str], ...]:
        """Return the imports that may have to wait; none where code cannot be stopped."""
        return may_wait(module.part.outline, host) if self.settings.is_interruptible else ()

    def _budget(self, parts: Sequence[Part]) -> Budget:
        """Return what the manifest grants; where it says nothing, what the host grants."""
        pages = self.manifest.memory.max_pages
        max_bytes = self.max_memory if pages is None else pages * abi.PAGE
        modules = tuple([part.outline for part in parts])
        return Budget(max_bytes, is_strict=pages is not None, modules=modules)

    def _code(self, engine: Engine, module: Loaded, rewrite: Rewrite) -> Module:
        def check(wasm: bytes) -> None:
            from extism.limits import check_weight

            check_weight(wasm, module.part.name, self.limits)

        return self.cache.module(
            engine,
            module.binary,
            module.part.name,
            rewrite,
            digest=module.digest,
            size=module.size,
            check=check,
        )


def _of_the_host(parts: Iterable[Part]) -> tuple[HostImport, ...]:
    """Return the host's functions; none, which are not loaded, where modules import none of the host's."""
    names = {item.name for part in parts for item in part.outline.imports if item.module == abi.ENV}
    if not any(abi.FUNCTIONS[name].by == "host" for name in names if name in abi.FUNCTIONS):
        return ()
    from extism._runtime.env import host_imports

    return host_imports()


class _BareWorlds:
    """`Worlds` of plugins that are granted nothing, without what it takes to load that."""

    is_measured = False

    def __call__(self, _log: object) -> BareWasi:
        from extism._engine.wasi_bare import BareWasi

        return BareWasi()


@cache
def _fusing(parts: tuple[str, ...], waits: tuple[tuple[str, str], ...]) -> Rewrite:
    """Return `fuse` with a kernel of `parts`, as the cache wants it; it is loaded when it has to be done."""

    def fused(wasm: bytes) -> bytes:
        from extism._runtime.fuse import fuse

        return fuse(wasm, parts, waits)

    return Rewrite(fused_label(parts, waits), fused)


def _kernel_parts(parts: Sequence[Part], host: Sequence[HostImport]) -> tuple[str, ...]:
    """Return which parts the kernel of these modules gets, with `host` in the place of the house's functions."""
    imports = [item for part in parts for item in part.outline.imports]
    return kernel_parts(
        {item.name for item in imports if item.module == abi.ENV},
        {item.name for item in host if item.namespace == abi.ENV},
    )


def inherited_output() -> Literal["inherit"] | None:
    """Return where output goes of plugins with `wasi=True`: nowhere, unless the environment says so."""
    return "inherit" if _WASI_OUTPUT in os.environ else None


class Stage:
    """Puts upstream's words for a stage before the text of every error that ends it."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __enter__(self) -> None:
        """Begin the stage."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Error) and not str(error).startswith("Unable to c"):
            error.args = (self._prefix + str(error), *error.args[1:])
