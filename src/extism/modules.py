"""
From the bytes of a plugin's modules, or from what is known of them, to parts that can be linked and compiled.

The digest of a module comes first: what was loaded before is found by it, in this process or on disk, and then nothing
here reads or decodes anything.
"""

from __future__ import annotations

from extism import abi
from extism._dataclass import dataclass
from extism._digest import sha256
from extism._engine.engine import shared_engine, wat_to_wasm
from extism._kept import Kept
from extism._runtime.linking import Part
from extism._wasm.reader import read
from extism.errors import CompileError, WasmError
from extism.sources import KnownModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from extism._engine.engine import Settings
    from extism._known import KnownFiles
    from extism.sources import ResolvedModule

__all__ = ["Loaded", "digest_of", "loaded"]

_LARGE: Final = 1 << 16

_digests = Kept(16, 64 << 20)
"""Of large `bytes`, by their `id`: hashing 13 MB takes 8 ms, and they never change."""


@dataclass(frozen=True)
class Loaded:
    """
    One module, ready to be linked and compiled.

    Attributes:
        part: What it is, as far as linking goes.
        digest: SHA-256 of the binary.
        size: Its bytes.
        binary: Gives the binary, for the compiler.
    """

    part: Part
    digest: bytes
    size: int
    binary: Callable[[], bytes]


def digest_of(module: ResolvedModule | KnownModule) -> bytes:
    """Return SHA-256 of a module as it was supplied."""
    if isinstance(module, KnownModule):
        return module.note.digest
    data = module.data
    if len(data) < _LARGE:
        return sha256(data)
    found: tuple[bytes, bytes] | None = _digests.get(id(data))
    if found is None or found[0] is not data:
        found = data, sha256(data)
        _digests.put(id(data), found, len(data))
    return found[1]


def loaded(
    module: ResolvedModule | KnownModule, settings: Settings, files: KnownFiles | None
) -> Loaded:
    """
    Return a module read; what is no module at all is the engine's to describe.

    Raises:
        CompileError: It is malformed.
    """
    if isinstance(module, KnownModule):
        part = Part(module.name, read(module.note.husk))
        return Loaded(part, module.note.digest, module.note.size, lambda: module.data)
    if not module.data.startswith(b"\0asm"):
        wasm = wat_to_wasm(module.data, module.name)
        return Loaded(_part(module.name, wasm, settings), sha256(wasm), len(wasm), lambda: wasm)
    data, digest = module.data, digest_of(module)
    part = _part(module.name, data, settings)
    if files is not None and files.can_note(module.origin):
        from extism._wasm.husk import husk

        files.note(module.origin, digest, husk(part.outline, (abi.RUNTIME_SECTION,)))
    return Loaded(part, digest, len(data), lambda: data)


def _part(name: str, wasm: bytes, settings: Settings) -> Part:
    try:
        part = Part(name, read(wasm))
        part.decode()
    except WasmError as exc:
        shared_engine(settings).validate(wasm, name)
        raise CompileError(
            f"the engine takes this module, the toolkit does not: {exc}", module=name
        ) from exc
    return part
