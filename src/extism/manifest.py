"""
The manifest: where the WebAssembly comes from, and what the plug-in is granted.

Here are the dataclasses, how they are made of a dict, and `sniff`, which tells modules from manifests; JSON and
TOML are in `_manifest_text.py`. Nothing here touches a file or a socket: `sources.py` fetches, `_capabilities/` grants.

The one thing to know: every class checks its own fields through one table, `_FIELDS`, so a manifest that
was built by hand is as strict as one that was parsed. Each fault is a `ManifestError` that names its key.
"""

from __future__ import annotations

from extism import _fields as check
from extism._cached import cached_property
from extism._dataclass import dataclass, field
from extism.abi import DEFAULT_MAX_HTTP_RESPONSE_BYTES, DEFAULT_MAX_VAR_BYTES, ENV
from extism.errors import ManifestError
from extism.escapes import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final, Literal, TypeAlias, TypeVar

    from extism.secret import Secret

    T = TypeVar("T")


__all__ = [
    "MAIN",
    "Manifest",
    "MemoryOptions",
    "WasmData",
    "WasmFile",
    "WasmSource",
    "WasmUrl",
    "sniff",
]

MAIN: Final = "main"
"""The name of the module whose exports are called."""


@dataclass(frozen=True)
class WasmFile:
    """
    A module in a file.

    Attributes:
        path: Binary or text format; a relative path starts at the working directory of the process.
        name: What other modules import it as.
        hash: SHA-256 of the bytes, 64 hexadecimal digits; what has another one is refused.
    """

    path: str
    name: str | None = None
    hash: str | None = None

    def __post_init__(self) -> None:
        _check_fields(self)


@dataclass(frozen=True)
class WasmData:
    """
    A module in memory.

    Attributes:
        data: Binary or text format: bytes, or a text that is their standard base64.
        name: What other modules import it as.
        hash: SHA-256 of the bytes, 64 hexadecimal digits; what has another one is refused.
    """

    data: bytes
    name: str | None = None
    hash: str | None = None

    def __post_init__(self) -> None:
        _check_fields(self)

    def __repr__(self) -> str:
        return f"WasmData(<{len(self.data)} bytes>, name={self.name!r}, hash={self.hash!r})"


@dataclass(frozen=True)
class WasmUrl:
    """
    A module behind a URL; `allowed_hosts` does not apply to it.

    Attributes:
        url: With scheme http or https; its answer must have the status 200.
        headers: Sent with the request.
        method: Of the request, in any case.
        name: What other modules import it as.
        hash: SHA-256 of the bytes, 64 hexadecimal digits; what has another one is refused.
    """

    url: str
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    method: str = "GET"
    name: str | None = None
    hash: str | None = None

    def __post_init__(self) -> None:
        _check_fields(self)


WasmSource: TypeAlias = "WasmFile | WasmData | WasmUrl"


@dataclass(frozen=True)
class MemoryOptions:
    """
    How much a plug-in may hold; None is the default.

    Attributes:
        max_pages: Growth of all memories, tables and blocks together, in pages of 64 KiB; a call that wants
            more ends as `OutOfMemory`.
        max_http_response_bytes: Bytes of one decoded response body; 0 lets only empty bodies in.
        max_var_bytes: Bytes of all variables, 48 + key + value for each; 0 switches them off.
    """

    max_pages: int | None = None
    max_http_response_bytes: int | None = None
    max_var_bytes: int | None = None

    def __post_init__(self) -> None:
        _check_fields(self)

    @property
    def http_response_limit(self) -> int:
        """`max_http_response_bytes`, or 50 MiB."""
        given = self.max_http_response_bytes
        return DEFAULT_MAX_HTTP_RESPONSE_BYTES if given is None else given

    @property
    def var_limit(self) -> int:
        """`max_var_bytes`, or 1 MiB."""
        return DEFAULT_MAX_VAR_BYTES if self.max_var_bytes is None else self.max_var_bytes


@dataclass(frozen=True)
class Manifest:
    """
    Everything that a plug-in is made of and granted; change one with `dataclasses.replace`.

    Attributes:
        wasm: At least one source; `module_names` tells which of them is `main`.
        memory: Limits.
        config: What the guest may read, by key.
        allowed_hosts: Patterns; nothing is reachable without one.
        allowed_paths: Directory of the host, `ro:` before it for read only, to path in the guest.
        timeout_ms: Of one call; `None` for no limit.
    """

    wasm: tuple[WasmSource, ...] = ()
    memory: MemoryOptions = field(default_factory=MemoryOptions)
    config: Mapping[str, str | Secret] = field(default_factory=dict)
    allowed_hosts: tuple[str, ...] = ()
    allowed_paths: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int | None = None

    def __post_init__(self) -> None:
        _check_fields(self)
        if not self.wasm:
            raise ManifestError("No wasm files specified in Extism manifest", where="wasm")
        _check_names(self.module_names)

    @classmethod
    def parse(cls, value: Manifest | Mapping[str, Any] | str | bytes) -> Manifest:
        """
        Return the manifest in a dict (`data` may be bytes there) or in JSON or TOML text.

        Raises:
            ManifestError: The text is neither, a key is unknown, or a value is not what its key wants.
        """
        if isinstance(value, Manifest):
            return value
        given: object = value
        if isinstance(value, str | bytes | bytearray | memoryview):
            from extism._manifest_text import parsed

            given = parsed(value)
        return _build(cls, check.mapping(given, ""), "")

    @cached_property
    def module_names(self) -> tuple[str, ...]:
        """
        The name of each module, in the order of `wasm`.

        An entry without a name is `main`; the last one is, whatever its name, if no other was.
        """
        names = [MAIN if source.name is None else source.name for source in self.wasm]
        if MAIN not in names:
            names[-1] = MAIN
        return tuple(names)

    def to_dict(self) -> dict[str, Any]:
        """Return what `parse` takes, without the keys at their defaults; a `Secret` stays one."""
        from extism._manifest_text import dumped

        return dumped(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """Return JSON text: `data` in base64, each secret as `***`."""
        from extism._manifest_text import json_text

        return json_text(self.to_dict(), indent)


def sniff(content: str | bytes) -> Literal["wasm", "wat", "manifest"]:
    """
    Tell what the first argument of `Plugin` holds: a binary module, its text format, or a manifest.

    Neither JSON nor TOML can begin with `(` or `;`. Bytes that are no text at all count as a module, so
    that the engine gets to say what is wrong with them.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if content.startswith(b"\0asm"):
        return "wasm"
    try:
        start = content.decode("utf-8").removeprefix("\ufeff").lstrip()[:2]
    except UnicodeDecodeError:
        return "wasm"
    return "wat" if start.startswith(("(", ";;")) else "manifest"


# ---------------------------------------------------------------------------------------------------
# Objects
# ---------------------------------------------------------------------------------------------------


def _build(cls: type[T], value: Mapping[str, Any], where: str) -> T:
    """Return a `cls` made from a mapping that holds its fields and nothing else."""
    checks = _FIELDS[cls]
    for key in value:
        if key not in checks:
            raise check.unknown_key(key, checks, where)
    given = {key: checks[key](item, check.at(where, key)) for key, item in value.items()}
    return cls(**given)


def _check_fields(instance: Any) -> None:
    """Replace each field of a frozen dataclass by what its check makes of it; defaults need none."""
    kind, values = type(instance), instance.__dict__
    for key, kept in _FIELDS[kind].items():
        value = values[key]
        if value is not getattr(kind, key, _REQUIRED):
            values[key] = kept(value, key)


_REQUIRED: Final = object()
"""Instead of the default of a field that has none."""


def _check_names(names: tuple[str, ...]) -> None:
    seen = {ENV}
    for index, name in enumerate(names):
        if name in seen:
            text = f"Duplicate module name found in Extism manifest: {shown(name)}"
            raise ManifestError(f"{text}{_why_duplicate(name)}", where=f"wasm[{index}].name")
        seen.add(name)


def _why_duplicate(name: str) -> str:
    if name == ENV:
        return " (it belongs to the functions of Extism itself)"
    return " (an entry without a name is called main)" if name == MAIN else ""


# ---------------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------------


def _memory(value: Any, where: str) -> MemoryOptions:
    if isinstance(value, MemoryOptions):
        return value
    return _build(MemoryOptions, check.mapping(value, where), where)


def _wasm(value: Any, where: str) -> tuple[WasmSource, ...]:
    items = enumerate(check.entries(value, where))
    return tuple(_source(item, f"{where}[{index}]") for index, item in items)


def _source(value: Any, where: str) -> WasmSource:
    """Return the source that the one key among `path`, `data` and `url` decides on."""
    if isinstance(value, _CLASSES):
        return value
    given = [key for key in _SOURCES if key in check.mapping(value, where)]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else f"has the keys {check.listed(value)}"
        raise check.wrong(where, found, f"exactly one of {check.listed(_SOURCES)}")
    return _build(_SOURCES[given[0]], value, where)


_SOURCES: Final[dict[str, type[WasmSource]]] = {"path": WasmFile, "data": WasmData, "url": WasmUrl}
_CLASSES: Final = (WasmFile, WasmData, WasmUrl)

_NAMED: Final[dict[str, check.Check]] = {"name": check.text_or_none, "hash": check.text_or_none}

_FIELDS: Final[dict[type, dict[str, check.Check]]] = {
    WasmFile: {"path": check.file_path, **_NAMED},
    WasmData: {"data": check.base64_or_bytes, **_NAMED},
    WasmUrl: {"url": check.text, "headers": check.texts_by_key, "method": check.method, **_NAMED},
    MemoryOptions: {
        "max_pages": check.whole(2**32 - 1),
        "max_http_response_bytes": check.whole(2**64 - 1),
        "max_var_bytes": check.whole(2**64 - 1),
    },
    Manifest: {
        "wasm": _wasm,
        "memory": _memory,
        "config": check.texts_by_key,
        "allowed_hosts": check.texts,
        "allowed_paths": check.paths,
        "timeout_ms": check.whole(2**64 - 1),
    },
}
