"""
`CompiledPlugin`: a manifest resolved, compiled and linked as far as that goes without a plugin.

Frozen once made: any number of plugins, in any number of threads, are brought to life from one.
"""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from extism import abi
from extism._capabilities.config import Config
from extism._capabilities.hosts import AllowedHosts
from extism._capabilities.paths import mounts
from extism._engine.cache import ModuleCache
from extism._engine.engine import Settings, shared_engine, wat_to_wasm
from extism._engine.faults import cause_first
from extism._runtime.budget import Budget, metering
from extism._runtime.env import host_imports
from extism._runtime.fuse import can_fuse, fusing, kernel_imports
from extism._runtime.homes import Homes
from extism._runtime.instance import Program
from extism._runtime.kernel import PARTS, kernel_parts, kernel_wasm, memory_count
from extism._runtime.linking import Part, Unit, check_imports, host_linker, in_order
from extism._runtime.outcome import CREATION
from extism._wasm.reader import read
from extism.caches import native_directory
from extism.errors import (
    CompileError,
    Error,
    LinkError,
    ManifestError,
    PluginClosed,
    SourceError,
    WasmError,
)
from extism.functions import HOST_FN_REGISTRY, functions_of
from extism.manifest import MAIN, Manifest, WasmData, WasmFile, sniff
from extism.sources import SourcePolicy, resolve
from extism.world import WasiOptions, wasi_asked, wasi_world

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from extism._engine.engine import Engine, Module
    from extism._engine.linker import InstancePre, Linker
    from extism._engine.wasi import Wasi
    from extism.abi import HostImport
    from extism.functions import Function
    from extism.sources import ResolvedModule

__all__ = ["CompiledPlugin", "ExportInfo", "ImportInfo", "PluginSource"]

PluginSource: TypeAlias = (
    "str | bytes | bytearray | memoryview | os.PathLike[str] | Mapping[str, Any] | Manifest"
)
"""What a plugin can be made of: a manifest, or a module, as a value, as text, or as a path."""

_WASI_OUTPUT: Final = "EXTISM_ENABLE_WASI_OUTPUT"
"""Set to anything in the host's environment, guests write to the host's own stdout and stderr."""

_FILE_ENDINGS: Final = (".wasm", ".wat", ".toml", ".json")
_LONGEST_PATH: Final = 4096

_FEATURES: Final = frozenset({"gc", "memory64"})

_FUSE: Final = "EXTISM_FUSE"
"""The environment variable that leaves kernel and plugins apart if it is 0."""

_log = logging.getLogger("extism.compiled")

_caches: dict[Path | None, ModuleCache] = {}


class ExportInfo(NamedTuple):
    """An export: its type in the text format, and whether `Plugin.call` can run it."""

    name: str
    type: str
    is_callable: bool


class ImportInfo(NamedTuple):
    """An import: from where, as what, and its type in the text format."""

    module: str
    name: str
    type: str


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
        max_memory: Bytes by which all memories, tables and blocks together may grow where the manifest has no
            `max_pages`; a plugin that wants more is told that there is none. None lifts the limit.
        fuse: Put the kernel into a plugin of one module, so that it reaches its blocks faster; False leaves
            them apart. None fuses unless the environment says `EXTISM_FUSE=0`. Plugins that count fuel, and
            modules that cannot take the kernel in, are never fused.
        interruptible: Let running code be ended. False makes code that computes some 20 % faster; deadlines, `cancel`
            and Ctrl-C then take effect when the guest has returned.
        features: Proposals to turn on beside those that are in wide use: `gc`, `memory64`.

    Raises:
        ManifestError: The manifest is wrong.
        SourceError: A module could not be had, is not the promised one, or the policy refuses it.
        CompileError: The engine refused a module.
        LinkError: An import has no giver.
        TypeError: An argument is of the wrong type.
    """

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
    ) -> None:
        self.functions = functions_of(functions)
        self.wasi = wasi = wasi_asked(wasi)
        self.ca_bundle = ca_bundle
        has_wasi = wasi is not False
        with _prefixed("Unable to compile Extism plugin: "):
            self.manifest = _manifest(plugin)
            settings = _settings(fuel_limit, interruptible, features)
            engine, cache = shared_engine(settings), _cache(native_directory())
            parts = [
                _part(module, engine)
                for module in resolve(self.manifest, ca_bundle=ca_bundle, policy=policy)
            ]
        if functions is HOST_FN_REGISTRY:
            self.functions = _ambient(parts)
        with _prefixed("Unable to create Extism plugin: "):
            host = tuple(function.host_import() for function in self.functions)
            check_imports(parts, (*host_imports(), *host), has_wasi=has_wasi)
            ordered = in_order(parts)
            world = _world(self.manifest, wasi)
        wants_fuse = os.environ.get(_FUSE) != "0" if fuse is None else fuse
        extras = _kernel_parts(ordered, host)

        def linker_on(
            engine: Engine, house: Sequence[HostImport], kernel: Sequence[str] = ()
        ) -> Linker:
            return host_linker(engine, house, host, ordered, kernel=kernel, has_wasi=has_wasi)

        fused = _fused(ordered, settings, cache, extras, linker_on) if wants_fuse else None
        with _prefixed("Unable to compile Extism plugin: "):
            units = tuple(
                Unit(
                    each.name,
                    each.outline,
                    None if fused else _metered_code(each, engine, cache),
                )
                for each in ordered
            )
        main = next(unit for unit in units if unit.name == MAIN)
        of_kernel = [name for part in extras for name in PARTS[part]]
        self._program: Program | None = Program(
            units=units,
            main=main,
            linker=None if fused else linker_on(engine, host_imports(), of_kernel),
            kernel=None if fused else cache.module(engine, kernel_wasm(extras), "kernel"),
            fused=fused,
            wasi=world,
            config=Config(self.manifest.config),
            hosts=AllowedHosts(self.manifest.allowed_hosts),
            budget=_budget(self.manifest, max_memory, ordered),
            is_frail=abi.FRAIL_SECTION in main.outline.custom,
            fuel=fuel_limit,
        )

    @property
    def program(self) -> Program:
        """
        What its plugins share.

        Raises:
            PluginClosed: It was closed.
        """
        if self._program is None:
            raise PluginClosed("the compiled plugin is closed")
        return self._program

    @property
    def pointer(self) -> int:
        """A number that tells it from the others that live; -1 once it is closed, as upstream."""
        return -1 if self._program is None else id(self)

    @property
    def exports(self) -> tuple[ExportInfo, ...]:
        """Everything that the main module exports, in its order."""
        callable_names = self.program.callable_names()
        main = self.program.main.outline
        return tuple(
            ExportInfo(item.name, str(main.type_of(item)), is_callable=item.name in callable_names)
            for item in main.exports
        )

    @property
    def imports(self) -> tuple[ImportInfo, ...]:
        """Everything that the modules import from the host or from each other, each once."""
        found = {
            (item.module, item.name): ImportInfo(item.module, item.name, str(item.type))
            for unit in self.program.units
            for item in unit.outline.imports
        }
        return tuple(found.values())

    def close(self) -> None:
        """Let go of the code: no plugin can be made of it any more; those that were go on."""
        self._program = None

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._program is None:
            return "<CompiledPlugin closed>"
        return f"<CompiledPlugin {', '.join(self._program.callable_names()[:8])}>"


def _settings(
    fuel_limit: int | None,
    interruptible: bool,  # noqa: FBT001 - the caller's own
    features: Collection[str],
) -> Settings:
    unknown = sorted(set(features) - _FEATURES)
    if unknown:
        known = ", ".join(sorted(_FEATURES))
        raise ValueError(f"there is no feature {unknown[0]!r} to turn on; there are {known}")
    return Settings(
        is_interruptible=interruptible,
        has_fuel=fuel_limit is not None,
        has_gc="gc" in features,
        has_memory64="memory64" in features,
    )


def _kernel_parts(parts: Sequence[Part], host: Sequence[HostImport]) -> tuple[str, ...]:
    """Return which parts the kernel of these modules gets, with `host` in the place of the house's functions."""
    imports = [item for part in parts for item in part.outline.imports]
    return kernel_parts(
        {item.name for item in imports if item.module == abi.ENV},
        {item.name for item in host if item.namespace == abi.ENV},
    )


def _fused(
    parts: Sequence[Part],
    settings: Settings,
    cache: ModuleCache,
    extras: tuple[str, ...],
    linker_on: Callable[[Engine, Sequence[HostImport]], Linker],
) -> Homes | None:
    """Return the plugin with the kernel inside, which has `extras`; None where they have to stay apart."""
    if len(parts) != 1 or settings.has_fuel or not can_fuse(parts[0].outline):
        return None
    part, house = parts[0], (*host_imports(), *kernel_imports())

    def prepare(engine: Engine) -> InstancePre:
        code = cache.module(engine, part.outline.data, part.name, fusing(extras))
        try:
            return linker_on(engine, house).prepare(code)
        except LinkError as exc:  # what only the engine knows of WASI
            exc.args = (CREATION + cause_first(str(exc)),)
            raise

    try:
        memories = memory_count(extras)
        return Homes(part.outline, memories, settings, prepare)
    except (CompileError, WasmError) as exc:
        # Whether the module itself is to blame shows when it is compiled as it is.
        _log.debug("%s stays apart from the kernel: %s", part.name, exc)
        return None


def _metered_code(part: Part, engine: Engine, cache: ModuleCache) -> Module:
    """
    Return native code of a module that stays apart from the kernel, with its growth out of the budget.

    Raises:
        CompileError: The engine refuses the module, or it cannot be held to a budget.
    """
    rewrite = metering(takes_start=part.is_command and part.name != MAIN)
    try:
        return cache.module(engine, part.outline.data, part.name, rewrite)
    except (CompileError, WasmError) as exc:
        engine.compile(
            part.outline.data, part.name
        )  # in the engine's words, if it is to blame itself
        raise CompileError(
            f"the engine takes this module, but not with its memory limited: {exc}",
            module=part.name,
        ) from exc


def _manifest(plugin: object) -> Manifest:
    """Return the manifest that `plugin` is, names by its path, or is the only module of."""
    if isinstance(plugin, Manifest):
        return plugin
    if isinstance(plugin, str | bytes | bytearray | memoryview | os.PathLike):
        path = _path(plugin)
        if path is not None and _holds_a_module(path):
            return Manifest(wasm=(WasmFile(str(path)),))
        content = _file_content(path) if path is not None else _inline_content(plugin)
        if sniff(content) == "manifest":
            return _parsed(plugin, content)
        return Manifest(wasm=(WasmData(content),))
    if isinstance(plugin, Mapping):
        return Manifest.parse(plugin)
    kind = type(plugin).__name__
    raise TypeError(
        f"no plugin is made of {kind}; allowed: a manifest, a module, the path of either"
    )


def _path(plugin: str | bytes | bytearray | memoryview | os.PathLike[str]) -> Path | None:
    """Return the path that `plugin` is or names; None for text and bytes."""
    if isinstance(plugin, os.PathLike) or (isinstance(plugin, str) and _names_a_file(plugin)):
        return Path(plugin)
    return None


def _inline_content(plugin: Any) -> bytes:
    return plugin.encode() if isinstance(plugin, str) else bytes(plugin)


def _holds_a_module(path: Path) -> bool:
    """Tell whether a regular file is a module and no manifest; one that cannot be read is neither."""
    try:
        if not path.is_file():  # what a pipe gave would be gone
            return False
        with path.open("rb") as file:
            start = file.read(4)
            return start == b"\0asm" or sniff(start + file.read()) != "manifest"
    except OSError:
        return False


def _file_content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SourceError(
            f'Unable to load Wasm file "{path}": {exc.strerror or exc}', source=str(path)
        ) from exc


def _names_a_file(text: str) -> bool:
    """Tell whether a str is the path of something that exists; text of a manifest or module is not."""
    try:
        return 0 < len(text) < _LONGEST_PATH and "\n" not in text and Path(text).exists()
    except (OSError, ValueError):
        return False


def _parsed(plugin: object, content: bytes) -> Manifest:
    try:
        return Manifest.parse(content)
    except ManifestError as exc:
        if (
            isinstance(plugin, str)
            and plugin.lower().endswith(_FILE_ENDINGS)
            and not _names_a_file(plugin)
        ):
            raise SourceError(
                f'Unknown manifest format: there is no file "{plugin}" in {Path.cwd()}',
                source=plugin,
            ) from exc
        raise


def _part(module: ResolvedModule, engine: Engine) -> Part:
    """Read a module; what is no module at all is the engine's to describe."""
    wasm = module.data
    if not wasm.startswith(b"\0asm"):
        wasm = wat_to_wasm(wasm, module.name)
    try:
        part = Part(module.name, read(wasm))
        part.decode()
    except WasmError as exc:
        engine.compile(wasm, module.name)
        raise CompileError(
            f"the engine takes this module, the toolkit does not: {exc}", module=module.name
        ) from exc
    return part


def _ambient(parts: Sequence[Part]) -> list[Function]:
    """
    Return what of the registry the modules import, and warn: nobody handed it to them.

    What a module or the kernel gives is left to them: code far away must not break this plugin.
    """
    names = {part.name for part in parts} | {abi.ENV}
    wanted = {(item.module, item.name) for part in parts for item in part.outline.imports}
    used = {
        key: each
        for each in HOST_FN_REGISTRY
        if (key := (each.namespace or abi.USER, each.name)) in wanted and key[0] not in names
    }
    if used:
        listed = ", ".join(each.name for each in used.values())
        warnings.warn(
            f"the plugin uses {listed}, which it got only because every function ever decorated is "
            f"given to every plugin; say functions=[{listed}]",
            stacklevel=_frames_of_ours(),
        )
    return list(used.values())


def _frames_of_ours() -> int:
    """Return the `stacklevel` of the first caller outside this package."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("extism."):
        level, frame = level + 1, frame.f_back
    return level - 1


def _world(manifest: Manifest, wasi: bool | WasiOptions) -> Wasi | None:  # noqa: FBT001 - the caller's own
    if wasi is False:
        return None
    if not isinstance(wasi, WasiOptions):
        output: Literal["inherit"] | None = "inherit" if _WASI_OUTPUT in os.environ else None
        wasi = WasiOptions(stdout=output, stderr=output)
    return wasi_world(wasi, mounts(manifest.allowed_paths))


def _budget(manifest: Manifest, otherwise: int | None, parts: Sequence[Part]) -> Budget:
    """Return what the manifest grants; where it says nothing, what the host grants."""
    pages = manifest.memory.max_pages
    max_bytes = otherwise if pages is None else pages * abi.PAGE
    modules = tuple(part.outline for part in parts)
    return Budget(max_bytes, is_strict=pages is not None, modules=modules)


def _cache(directory: Path | None) -> ModuleCache:
    """Return the process's cache over that folder."""
    return _caches.setdefault(directory, ModuleCache(directory))


@contextmanager
def _prefixed(prefix: str) -> Iterator[None]:
    """Put upstream's words for the stage before the text of every error that ends it."""
    try:
        yield
    except Error as exc:
        if not str(exc).startswith("Unable to c"):
            exc.args = (prefix + str(exc), *exc.args[1:])
        raise
