"""
`CompiledPlugin`: a manifest resolved, compiled and linked as far as that goes without a plugin.

Frozen once made: any number of plugins, in any number of threads, are brought to life from one.
"""

from __future__ import annotations

from extism import abi
from extism._cached import cache
from extism._engine.cache import ModuleCache
from extism._engine.engine import Settings
from extism._runtime.instance import Program
from extism.caches import native_directory
from extism.errors import PluginClosed
from extism.escapes import shown
from extism.given import manifest_of
from extism.manifest import WasmData
from extism.modules import digest_of, loaded
from extism.recipe import Recipe, Stage
from extism.registry import HOST_FN_REGISTRY
from extism.sources import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Any, Final

    from extism._capabilities.config import Config
    from extism._capabilities.hosts import AllowedHosts
    from extism._capabilities.http import Http
    from extism._isolation.limits import Isolation, WorkerLimits
    from extism._isolation.program import IsolatedProgram
    from extism._known import KnownFiles
    from extism._runtime.linking import Part
    from extism.functions import Function
    from extism.given import PluginSource
    from extism.limits import CompileLimits
    from extism.listing import ExportInfo, ImportInfo
    from extism.manifest import Manifest
    from extism.modules import Loaded
    from extism.sources import SourcePolicy
    from extism.world import WasiOptions

__all__ = ["CompiledForOne", "CompiledPlugin"]

_FEATURES: Final = frozenset({"gc", "memory64"})

_caches: dict[str | None, ModuleCache] = {}


class CompiledPlugin:
    """
    A plugin compiled once, ready to be brought to life many times.

    Args:
        plugin: A manifest (dict, `Manifest`, JSON or TOML text) or a module (binary or text format), as
            a value or as the path of a file.
        wasi: Let the modules use WASI preview 1; only then does `allowed_paths` count.
        functions: The host functions that the plugin may import; those ever decorated if left out.
        fuel_limit: How much a call may execute, in the engine's units (about one an instruction); None
            does not count. Code that counts is some 25 % slower.
        ca_bundle: A file or folder of certificates to trust for `url` sources and for the plugin's own
            requests, instead of the system's.
        policy: Where modules may come from; anywhere if None.
        max_memory: Bytes by which all memories together may grow where the manifest has no `max_pages`;
            None lifts the limit.
        fuse: Put the kernel into a plugin of one module, or into the one library that uses it, so that it reaches
            its blocks faster; False leaves them apart. None fuses unless the environment says `EXTISM_FUSE=0`. Plugins that count fuel, and
            modules that cannot take the kernel in, are never fused.
        interruptible: Let running code be ended. False makes code that computes up to a third faster; deadlines, `cancel`
            and Ctrl-C then take effect when the guest has returned.
        features: Proposals to turn on beside those that are in wide use: `gc`, `memory64`.
        compile_limits: What a module may weigh to be compiled; `CompileLimits()` if None.
        isolation: `"process"`, or the `WorkerLimits` of it, has each plugin compiled and run in a process of its own;
            None in this one.

    Raises:
        ManifestError: The manifest is wrong.
        SourceError: A module could not be had, is not the promised one, or the policy refuses it.
        CompileError: The engine refused a module.
        LinkError: An import has no giver.
        TypeError: An argument is of the wrong type.
    """

    _is_for_one = False

    def __init__(
        self,
        plugin: PluginSource,
        wasi: bool | WasiOptions = False,  # noqa: FBT001, FBT002 - upstream's signature
        functions: Sequence[Function] | None = HOST_FN_REGISTRY,
        *,
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
        self._program: Program | IsolatedProgram | None = None
        limits = None if isolation is None else _limits(isolation)
        self.functions = _functions(functions)
        self.wasi = wasi = wasi if isinstance(wasi, bool) else _asked(wasi)
        self.ca_bundle = ca_bundle
        is_ambient = functions is HOST_FN_REGISTRY
        with Stage("Unable to compile Extism plugin: "):
            self.manifest = manifest = manifest_of(plugin)
            settings = _settings(fuel_limit, interruptible, features)
        self._config = dict(manifest.config)
        self._hosts = _allowed(manifest.allowed_hosts) if manifest.allowed_hosts else None
        if limits is not None:
            self._isolate(
                limits,
                policy,
                compile_limits,
                is_ambient=is_ambient,
                fuel_limit=fuel_limit,
                max_memory=max_memory,
                fuse=fuse,
                interruptible=interruptible,
                features=sorted(features),
            )
            return
        with Stage("Unable to compile Extism plugin: "):
            cache = _cache(native_directory())
            files = _known_files(manifest, cache)
            modules = resolve(manifest, ca_bundle=ca_bundle, policy=policy, files=files)
            recipe = Recipe(
                settings,
                cache,
                manifest,
                tuple([digest_of(module) for module in modules]),
                wasi,
                max_memory,
                fuel_limit,
                fuse,
                compile_limits,
                self._is_for_one,
            )
        program = recipe.kept_program() if is_ambient or not self.functions else None
        if program is not None and not (is_ambient and _used(program.units)):
            self._program = program
            self.functions = []
            return
        with Stage("Unable to compile Extism plugin: "):
            own = [loaded(each, recipe.settings, cache.vault, files) for each in modules]
            found = _with_runtime(own, recipe.settings, cache)
        if is_ambient:
            self.functions = _used([each.part for each in found])
            _warn_of(self.functions)
        self._program = recipe.program(found, self.functions)

    def _isolate(
        self,
        limits: WorkerLimits,
        policy: SourcePolicy | None,
        compile_limits: CompileLimits | None,
        *,
        is_ambient: bool,
        **options: Any,
    ) -> None:
        """Have a worker compile the modules, which are found here, and keep what it found in them."""
        from extism._isolation.setup import isolated_program

        manifest, offered = self.manifest, self.functions
        with Stage("Unable to compile Extism plugin: "):
            modules = resolve(manifest, ca_bundle=self.ca_bundle, policy=policy)
        self._program = isolated_program(
            manifest,
            modules,
            offered,
            self.wasi,
            limits,
            options,
            compile_limits,
            is_ambient=is_ambient,
        )
        if is_ambient:
            used = set(self._program.listing.functions)
            self.functions = [each for index, each in enumerate(offered) if index in used]
            _warn_of(self.functions)

    @property
    def is_isolated(self) -> bool:
        """Whether its plugins live in processes of their own."""
        return not isinstance(self._program, Program | None)

    @property
    def program(self) -> Program | IsolatedProgram:
        """
        What its plugins share.

        Raises:
            PluginClosed: It was closed.
        """
        if self._program is None:
            raise PluginClosed("the compiled plugin is closed")
        return self._program

    def _make_config(self) -> Config:
        """Return what the manifest lets a plugin read."""
        from extism._capabilities.config import Config

        return Config(self._config)

    def _make_http(self) -> Http:
        """Return a plugin's own way to the network, as far as the manifest opens it."""
        from extism._capabilities.http import Http

        return Http(
            self._hosts or _allowed(()),
            self.manifest.memory.http_response_limit,
            ca_bundle=self.ca_bundle,
        )

    @property
    def pointer(self) -> int:
        """A number that tells it from the others that live; -1 once it is closed, as upstream."""
        return -1 if self._program is None else id(self)

    @property
    def exports(self) -> tuple[ExportInfo, ...]:
        """Everything that the main module exports, in its order."""
        from extism.listing import ExportInfo

        program = self.program
        if not isinstance(program, Program):
            return tuple(ExportInfo(*row) for row in program.listing.exports)
        callable_names = program.callable_names()
        main = program.main.outline
        return tuple(
            ExportInfo(item.name, str(main.type_of(item)), is_callable=item.name in callable_names)
            for item in main.exports
        )

    @property
    def imports(self) -> tuple[ImportInfo, ...]:
        """Everything that the modules import from the host or from each other, each once."""
        from extism.listing import ImportInfo

        program = self.program
        if not isinstance(program, Program):
            return tuple(ImportInfo(*row) for row in program.listing.imports)
        found = {
            (item.module, item.name): ImportInfo(item.module, item.name, str(item.type))
            for unit in program.units
            for item in unit.outline.imports
        }
        return tuple(found.values())

    def close(self) -> None:
        """Let go of the code: no plugin can be made of it any more; those that were go on."""
        program, self._program = self._program, None
        if program is not None:
            program.close()

    def __del__(self) -> None:
        # What a failed `__init__` leaves behind has nothing to give back.
        if hasattr(self, "_program"):
            self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a CompiledPlugin cannot be pickled; send a PluginSpec, or its manifest")

    def __repr__(self) -> str:
        if self._program is None:
            return "<CompiledPlugin closed>"
        return f"<CompiledPlugin {', '.join(map(shown, self._program.callable_names()[:8]))}>"


def _known_files(manifest: Manifest, cache: ModuleCache) -> KnownFiles | None:
    """Return what is known of files that were read before; None where no module is in a file."""
    if all(isinstance(source, WasmData) for source in manifest.wasm):
        return None
    from extism._known import KnownFiles

    return KnownFiles(cache.vault)


class CompiledForOne(CompiledPlugin):
    """One that a plugin makes for itself: nothing is laid out beforehand for further ones."""

    _is_for_one = True


def _with_runtime(
    modules: Sequence[Loaded], settings: Settings, cache: ModuleCache
) -> Sequence[Loaded]:
    """Return the modules, and the runtime if one of them says that it needs one."""
    if all(abi.RUNTIME_SECTION not in each.part.outline.custom for each in modules):
        return modules
    from extism.runtimes import with_runtime

    return with_runtime(modules, settings, cache.vault)


def _allowed(patterns: Iterable[str]) -> AllowedHosts:
    from extism._capabilities.hosts import AllowedHosts

    return AllowedHosts(patterns)


def _settings(
    fuel_limit: int | None,
    interruptible: bool,  # noqa: FBT001 - the caller's own
    features: Collection[str],
) -> Settings:
    unknown = sorted(set(features) - _FEATURES) if features else ()
    if unknown:
        known = ", ".join(sorted(_FEATURES))
        raise ValueError(f"there is no feature {unknown[0]!r} to turn on; there are {known}")
    return _same_settings(
        bool(interruptible), fuel_limit is not None, "gc" in features, "memory64" in features
    )


@cache
def _same_settings(
    is_interruptible: bool,  # noqa: FBT001 - what `cache` finds fast
    has_fuel: bool,  # noqa: FBT001
    has_gc: bool,  # noqa: FBT001
    has_memory64: bool,  # noqa: FBT001
) -> Settings:
    """Return the one object of equal settings: what is looked up by them is found without comparing them."""
    return Settings(is_interruptible, has_fuel, has_gc, has_memory64)


def _functions(given: Iterable[Function] | None) -> list[Function]:
    if not given:
        return []
    from extism.functions import functions_of

    return functions_of(given)


def _asked(wasi: object) -> bool | WasiOptions:
    from extism.world import wasi_asked

    return wasi_asked(wasi)


def _limits(isolation: object) -> WorkerLimits:
    from extism._isolation.limits import limits_asked

    return limits_asked(isolation)


def _warn_of(used: Sequence[Function]) -> None:
    """Warn of functions of the registry that the modules import: nobody handed them over."""
    if used:
        import warnings

        listed = ", ".join(each.name for each in used)
        warnings.warn(
            f"the plugin uses {listed}, which it got only because every function ever decorated is "
            f"given to every plugin; say functions=[{listed}]",
            stacklevel=_frames_of_ours(),
        )


def _used(parts: Sequence[Part]) -> list[Function]:
    """
    Return what of the registry the modules import.

    What a module or the kernel gives is left to them: code far away must not break this plugin.
    """
    if not HOST_FN_REGISTRY:
        return []
    names = {part.name for part in parts} | {abi.ENV}
    wanted = {(item.module, item.name) for part in parts for item in part.outline.imports}
    used = {
        key: each
        for each in HOST_FN_REGISTRY
        if (key := (each.namespace or abi.USER, each.name)) in wanted and key[0] not in names
    }
    return list(used.values())


def _frames_of_ours() -> int:
    """Return the `stacklevel` of the first caller outside this package."""
    import inspect

    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("extism."):
        level, frame = level + 1, frame.f_back
    return level - 1


def _cache(directory: str | None) -> ModuleCache:
    """Return the process's cache over that folder."""
    found = _caches.get(directory)
    return found or _caches.setdefault(directory, ModuleCache(directory))
