"""
The runtime of a small Python plug-in, supplied where the manifest does not: found on this machine by its digest.

Such a plug-in says in a custom section (`abi.RUNTIME_SECTION`) which module it has to be linked with. It would destroy
any other, so one that the manifest does give is held to the same digest. For every other plug-in this is one look-up
in a dict.
"""

from __future__ import annotations

from extism import abi
from extism._dataclass import dataclass, replace
from extism.errors import CompileError, HashMismatch, SourceError
from extism.escapes import shown
from extism.manifest import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from extism._engine.engine import Settings
    from extism._known import KnownFiles
    from extism._vault import Vault
    from extism.modules import Loaded
    from extism.sources import KnownModule, ResolvedModule

__all__ = ["Need", "need_of", "with_runtime"]

_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Need:
    """
    What a plug-in says that it has to be linked with.

    Attributes:
        name: What it imports the module as.
        digest: SHA-256 of the module in hexadecimal digits.
        package: What pip installs to have it.
    """

    name: str
    digest: str
    package: str


def with_runtime(modules: Sequence[Loaded], settings: Settings, vault: Vault) -> Sequence[Loaded]:
    """
    Return the modules of a plug-in, with the runtime that its main module needs if it is not among them.

    Raises:
        HashMismatch: Another module has its name.
        SourceError: It is not on this machine.
        CompileError: What the plug-in says of it cannot be read.
    """
    main = next((each for each in modules if each.part.name == MAIN), None)
    said = None if main is None else main.part.outline.custom.get(abi.RUNTIME_SECTION)
    if said is None:
        return modules
    need = need_of(said)
    given = next((each for each in modules if each.part.name == need.name), None)
    if given is None:
        return [*modules, _supplied(need, settings, vault)]
    if given.digest.hex() != need.digest:
        raise HashMismatch(
            f"the plugin was built for another runtime than the module {shown(need.name)} of the manifest: "
            f"for the one with SHA-256 {need.digest}, and this one has {given.digest.hex()}\n{_remedy(need)}",
            source=need.name,
            expected=need.digest,
            found=given.digest.hex(),
        )
    return modules


def need_of(said: bytes) -> Need:
    """
    Return what a module says in its section `extism.runtime` that it has to be linked with.

    Raises:
        CompileError: It cannot be read.
    """
    words = said.decode("utf-8", "replace").split()
    if len(words) != 3 or len(words[1]) != 64 or not _HEX.issuperset(words[1]):
        raise CompileError(
            f"the section {abi.RUNTIME_SECTION} should be a name, a SHA-256 and a package, not "
            f"{shown(' '.join(words))!r}",
            module=MAIN,
        )
    return Need(*words)


def _supplied(need: Need, settings: Settings, vault: Vault) -> Loaded:
    from extism._known import KnownFiles
    from extism.modules import digest_of, loaded

    files = KnownFiles(vault)
    module = _kept(need, files)
    if module is None or digest_of(module).hex() != need.digest:
        module = _unpacked(need)
    if module is None:
        raise SourceError(
            f"the plugin needs the runtime {shown(need.name)} with SHA-256 {need.digest}, and it is not on this "
            f"machine\n{_remedy(need)}",
            source=need.name,
        )
    return loaded(module, settings, vault, files)


def _kept(need: Need, files: KnownFiles) -> ResolvedModule | KnownModule | None:
    """Return what is kept under the digest, read or known."""
    from extism._bases import kept_image
    from extism.manifest import Manifest, WasmFile
    from extism.sources import resolve

    path = kept_image(need.digest)
    if path is None:
        return None
    try:
        found = resolve(Manifest(wasm=(WasmFile(path),)), files=files)[0]
        return replace(found, name=need.name)
    except SourceError:
        return None  # somebody has tidied it away; a data wheel may have it


def _unpacked(need: Need) -> ResolvedModule | None:
    """Return the runtime of the installed data wheel, and keep it."""
    from extism._compiler.runtime import unpack
    from extism.sources import ResolvedModule

    image = unpack(need.digest)
    return None if image is None else ResolvedModule(need.name, image, need.package)


def _remedy(need: Need) -> str:
    return (
        f"Have it here: pip install {shown(need.package)}; or write it with `extism-py --runtime {shown(need.name)}.wasm` "
        f"where the plugin was built, and add it to the manifest under the name {shown(need.name)}"
    )
