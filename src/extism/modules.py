"""
From the bytes of a plugin's modules, or from what is known of them, to parts that can be linked and compiled.

The digest of a module comes first: what was loaded before is found by it, in this process or on disk, its outline
(`_wasm/outline.py`) as its native code, and then nothing here reads or decodes anything.
"""

from __future__ import annotations

from extism import abi
from extism._dataclass import dataclass, replace
from extism._digest import sha256
from extism._engine.engine import shared_engine, wat_to_wasm
from extism._kept import Kept
from extism._runtime.linking import Part
from extism._vault import detail
from extism._wasm.outline import LAYOUT, SUFFIX, Outline
from extism.errors import CompileError, WasmError
from extism.sources import KnownModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from extism._engine.engine import Settings
    from extism._known import KnownFiles
    from extism._vault import Vault
    from extism.sources import ResolvedModule

__all__ = ["Loaded", "digest_of", "loaded"]

_LARGE: Final = 1 << 16

_outlines = Kept(64, 1 << 20)
"""By the digest of their modules; how large one is, its note says."""

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
    module: ResolvedModule | KnownModule,
    settings: Settings,
    vault: Vault,
    files: KnownFiles | None = None,
) -> Loaded:
    """
    Return a module with its outline; what is no module at all is the engine's to describe.

    Args:
        module: Where it is.
        settings: Of the engine.
        vault: Where outlines are noted.
        files: Where its file is noted, if it comes from one.

    Raises:
        CompileError: It is malformed.
    """
    if isinstance(module, KnownModule):
        digest, size = module.note.digest, module.note.size
    elif module.data.startswith(b"\0asm"):
        digest, size = digest_of(module), len(module.data)
    else:
        wasm = wat_to_wasm(module.data, module.name)
        module, digest, size = replace(module, data=wasm), sha256(wasm), len(wasm)
        files = None  # what is noted of a file is the digest of its bytes
    outline = _noted(vault, digest)
    if outline is None:
        outline = _read(module.name, module.data, settings)
        _note(vault, digest, outline)
    if files is not None and files.can_note(module.origin):
        files.note(module.origin, digest)
    return Loaded(Part(module.name, outline), digest, size, lambda: module.data)


def _read(name: str, wasm: bytes, settings: Settings) -> Outline:
    from extism._wasm.reader import read

    try:
        return Outline.of(read(wasm), (abi.RUNTIME_SECTION,))
    except WasmError as exc:
        shared_engine(settings).validate(wasm, name)
        raise CompileError(
            f"the engine takes this module, the toolkit does not: {exc}", module=name
        ) from exc


def _noted(vault: Vault, digest: bytes) -> Outline | None:
    """Return the outline of a module that was read before, in this process or by this user."""
    outline: Outline | None = _outlines.get(digest)
    if outline is not None:
        return outline
    try:
        note = vault.read(_name(digest))
    except OSError as exc:
        detail("a module is read again: %s", exc)
        return None
    if note is None:
        return None
    outline = Outline.from_note(note)
    _outlines.put(digest, outline, len(note))
    return outline


def _note(vault: Vault, digest: bytes, outline: Outline) -> None:
    note = outline.to_note()
    _outlines.put(digest, outline, len(note))
    if not vault.is_writable:
        return
    try:
        vault.write(_name(digest), note)
    except OSError as exc:
        detail("a module will be read again next time: %s", exc)


def _name(digest: bytes) -> str:
    return f"{digest.hex()}-{LAYOUT}{SUFFIX}"
