"""
Running the interpreter while a plug-in is built, and taking the memory that it leaves.

Twice in the life of a plug-in: `start` makes the base image (Python started, libraries in memory),
once for each version of the interpreter; `load` runs the plug-in's module level on a copy of it. What
runs is sandboxed: it sees the folders that are named here, and neither time, chance nor environment,
so that the same source gives the same bytes. What the guest does on its side is in
`interpreter/boot.py` and `interpreter/glue.c`; modules are made of memories in `_wasm/snapshot`.
"""

from __future__ import annotations

import itertools
import json
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from extism import abi
from extism._compiler.doors import LOAD, MEMORY, STACK, opened
from extism._compiler.interface import Exported, Origin
from extism._compiler.interpreter.stdlib import pack
from extism._compiler.notes import Notes
from extism._compiler.prepare import Shelf, prepare
from extism._engine.engine import Settings, shared_engine
from extism._engine.faults import Fault, FaultKind
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._engine.wasi import Preopen, Wasi
from extism._wasm.externs import FuncType
from extism._wasm.instrument import instrument
from extism._wasm.snapshot import snapshot
from extism.errors import BuildError

if TYPE_CHECKING:
    from extism._engine.cache import ModuleCache
    from extism._engine.engine import Module
    from extism._engine.memory import Memory
    from extism._wasm.externs import ValType

__all__ = ["Loaded", "guest_files", "load", "start"]

_HERE: Final = Path(__file__).parent
_LIBRARY: Final = _HERE.parent / "pdk"

_REHEARSAL: Final = {
    "bundle.json": '{"main": {"name": "rehearsal", "file": "rehearsal.py"}}',
    "prepare.json": '["rehearsal.py"]',
    "src/rehearsal.py": "import extism\n\n\n@extism.plugin_fn\ndef greet(): ...\n",
}
"""The plug-in that `start` has loaded and forgotten (`rehearse` in boot.py)."""

_INSIDE: Final = ("boot", "carried", "failures", "finder", "renewals")
"""Files of `interpreter` that run in the guest."""

_STARTERS: Final = ("_initialize", "py_init")

# The day that the interpreter's own build is dated with. Each look at the clock moves it on, or a
# loop that waits for a time to come would never end.
_EPOCH_NS: Final = 1_749_600_000 * 10**9
_TICK_NS: Final = 1000

_U32: Final = 0xFFFFFFFF
_EINVAL: Final = 28
_ENOTSUP: Final = 58

_MAX_BYTES: Final = 1 << 30
"""What the memory may grow to while a plug-in is built: all of it is shipped."""


Advise = Callable[[Sequence[str]], tuple[str, str, str]]
"""
Returns, for modules that are missing: why, what an author can do, and the package if they are its native code.

Each is "" where it is not known.
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    A plug-in after its module level has run.

    Attributes:
        image: The whole memory; its length is a whole number of pages.
        exports: The plug-in's functions, in the order of their indices.
        imports: The types of the host functions that it declared, by module and name.
        origins: Where its functions stand, by name; the guest's names of files.
    """

    image: bytes
    exports: tuple[Exported, ...]
    imports: dict[tuple[str, str], FuncType]
    origins: dict[str, Origin] = field(default_factory=dict)


def guest_files() -> dict[str, bytes]:
    """Return the Python files that live inside the interpreter, by their path in its library."""
    inside = _HERE / "interpreter"
    files = {f"_extism_{name}.py": (inside / f"{name}.py").read_bytes() for name in _INSIDE}
    for path in sorted(_LIBRARY.rglob("*.py")):
        name = path.relative_to(_LIBRARY).as_posix()
        if not name.startswith("testing/"):
            files[f"extism/{name}"] = path.read_bytes()
    return files


def start(runtime: bytes, stdlib: Path) -> bytes:
    """
    Return the base image: the runtime with Python started and the libraries in its memory.

    Args:
        runtime: The raw runtime, `runtime.wasm`.
        stdlib: The folder that holds python313.zip.

    Raises:
        BuildError: Python did not start; the text is what it printed.
    """
    said = bytearray()
    with tempfile.TemporaryDirectory(prefix="extism-") as folder:
        guest, app = Path(folder, "guest"), Path(folder, "app")
        for place in (guest, app / "src"):
            place.mkdir(parents=True)
        (guest / "library.zip").write_bytes(pack(guest_files()))
        for name, text in _REHEARSAL.items():
            (app / name).write_text(text, encoding="utf-8")
        preopens = (
            Preopen(str(stdlib), "/lib", is_read_only=True),
            Preopen(str(guest), "/guest", is_read_only=True),
            Preopen(str(app), "/app"),
        )
        # Run once: code that is made fast beats fast code.
        engine = shared_engine(Settings(is_optimized=False))
        module = engine.compile(instrument(runtime).wasm, "the interpreter")
        machine = _Machine(module, preopens, said.extend, None)
        for name in _STARTERS:
            results = () if name == "_initialize" else ("i32",)
            fault, code = machine.call(name, results)
            if fault or code:
                text = fault.text if fault else said.decode("utf-8", "replace")
                raise BuildError(f"the guest interpreter did not start:\n{text}")
        return opened(snapshot(runtime, {0: machine.image()}, remove_exports=_STARTERS))


def load(
    base: bytes,
    app: Path,
    cache: ModuleCache,
    *,
    shelf: Shelf | None = None,
    advise: Advise = lambda _missing: ("", "", ""),
    show: Callable[[bytes], None] | None = None,
    timeout: float | None = None,
) -> Loaded:
    """
    Run the module level of the plug-in in the folder `app`, on a copy of the base image.

    Two passes, each on a fresh copy: the first compiles what was not compiled before (`prepare.py`),
    and its memory is dropped with all that the compiler left there; the second runs.

    Args:
        base: The base image.
        app: A folder for this build alone, with bundle.json and src/; the passes write to it.
        cache: Where the native code of the base image is kept.
        shelf: What was compiled before.
        advise: Returns why modules that were imported are not there, and what to do.
        show: Called with what the plug-in prints meanwhile; by default that is dropped.
        timeout: Seconds for both passes together.

    Raises:
        BuildError: The plug-in's code failed. `path` and `line` say where, in the author's terms.
    """
    module = cache.module(shared_engine(), base, "the interpreter")
    deadline = None if timeout is None else time.monotonic() + timeout

    def compile_files() -> dict[str, Any]:
        _pass(module, app, advise, show, deadline)
        return _read_result(app)

    prepare(app, shelf or Shelf(Notes(None), ""), compile_files)
    machine = _pass(module, app, advise, show, deadline)
    result = _read_result(app)
    exports = tuple(_exported(row["name"], row["shared"]) for row in result["exports"])
    imports = {(row["module"], row["name"]): _type(row) for row in result["imports"]}
    origins = {
        row["name"]: Origin(row["file"], row["line"], row["is_top"]) for row in result["exports"]
    }
    return Loaded(machine.image(), exports, imports, origins)


def _exported(name: str, shared: dict[str, list[ValType]] | None) -> Exported:
    return Exported(name) if shared is None else Exported(name, _type(shared), is_shared=True)


def _type(row: dict[str, Any]) -> FuncType:
    return FuncType(tuple(row["parameters"]), tuple(row["results"]))


def _pass(
    module: Module,
    app: Path,
    advise: Advise,
    show: Callable[[bytes], None] | None,
    deadline: float | None,
) -> _Machine:
    """Run `py_load` on a fresh copy of the base image, and see that it went well."""
    preopens = (Preopen(str(app), "/app"),)
    said = bytearray()

    def hear(data: bytes) -> None:
        said.extend(data)
        if show is not None:
            show(data)

    machine = _Machine(module, preopens, hear, deadline)
    fault, code = machine.call(LOAD, ("i32",))
    if fault is not None:
        raise _explain(fault, app)
    if code == 1:
        raise _author_error(_read_result(app)["error"], advise)
    if code:
        text = said.decode("utf-8", "replace")
        raise BuildError(f"the guest interpreter could not load the plug-in:\n{text}")
    return machine


def _read_result(app: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((app / "result.json").read_text(encoding="utf-8"))
    return result


def _author_error(error: dict[str, Any], advise: Advise) -> BuildError:
    """Return the error that tells the author what is wrong with their code."""
    reason, hint, package = advise(error["missing"])
    text = f"{error['type']}: {error['message']}"
    if error["type"] in _OF_IMPORTS:
        text = reason or text
    elif reason:  # what failed because of it says more of it
        hint = f"{reason}; {hint}"
    file, line = _importer(error["frames"], package) or (error["file"], error["line"])
    place = f"{file}:{line}: " if line else f"{file}: "
    return BuildError(
        f"{place}{text}" + (f"\n\n{error['traceback']}" if error["traceback"] else ""),
        path=file,
        line=line,
        hint=hint or _HINTS.get(error["type"], ""),
    )


_OF_IMPORTS: Final = ("ImportError", "ModuleNotFoundError")

_HINTS: Final = {
    "FileNotFoundError": (
        "code outside of functions runs when the plug-in is built, where there are no files but the "
        "plug-in's own; data files travel in a package, and importlib.resources reads them"
    ),
}


def _importer(frames: Sequence[tuple[str, int]], package: str) -> tuple[str, int] | None:
    """Return where a package is imported from outside of it."""
    if not package:
        return None
    ahead = list(itertools.takewhile(lambda frame: not frame[0].startswith(f"{package}/"), frames))
    return ahead[-1] if ahead else None


_ENDS: Final = {
    FaultKind.INTERRUPT: "its module level was still running when its time was up",
    FaultKind.EXIT: "its module level ended the interpreter (os._exit or the like)",
}


def _explain(fault: Fault, app: Path) -> BuildError:
    """Return the error for code that ended the whole interpreter."""
    bundle = json.loads((app / "bundle.json").read_text(encoding="utf-8"))
    reason = _ENDS.get(fault.kind) or f"its module level broke the interpreter\n\n{fault.text}"
    file = bundle["main"]["file"]
    return BuildError(
        f"{file}: the plug-in could not be built: {reason}",
        path=file,
        hint="code outside of functions runs when the plug-in is built",
    )


class _Machine:
    """One run of the interpreter while building: a store of its own, time and chance pinned."""

    def __init__(
        self,
        module: Module,
        preopens: tuple[Preopen, ...],
        hear: Callable[[bytes], None],
        deadline: float | None,
    ) -> None:
        self.now_ns = _EPOCH_NS
        self.deadline = deadline
        self.store = Store(module.engine, wasi=Wasi(stdout=hear, stderr=hear, preopens=preopens))
        self.store.limit_memory(_MAX_BYTES)
        instance = _linker(module).instantiate(self.store, module, self)
        if isinstance(instance, Fault):
            raise BuildError(f"the guest interpreter cannot be run:\n{instance.text}")
        self.instance = instance
        self.memory: Memory = instance.memory(MEMORY)
        self.stack_top = int(self._stack.value)

    @property
    def _stack(self) -> Any:
        return self.instance.global_(STACK)

    def call(self, name: str, results: Sequence[str]) -> tuple[Fault | None, int]:
        """Run an export without parameters; return how it ended badly, and its number."""
        function = self.instance.function(name, (), results)
        self.store.open(self.deadline)
        try:
            fault = function(self)
        finally:
            self.store.close()
        return fault, (function.results[0] if results and fault is None else 0)

    def image(self) -> bytes:
        """Return the memory, with the dead part of the C stack wiped: it is all of the stack now."""
        if self._stack.value != self.stack_top:
            raise BuildError(
                f"the interpreter left its stack at {self._stack.value}, not at {self.stack_top}"
            )
        image = bytearray(self.memory.read(0, self.memory.size))
        image[: self.stack_top] = bytes(self.stack_top)
        return bytes(image)


def _linker(module: Module) -> Linker:
    """Return what the interpreter may import while building."""
    linker = Linker(module.engine)
    linker.define_wasi()
    linker.define_function(
        abi.WASI, "clock_time_get", ("i32", "i64", "i32"), ("i32",), _clock_time_get
    )
    linker.define_function(abi.WASI, "poll_oneoff", ("i32",) * 4, ("i32",), _poll_oneoff)
    linker.define_function(abi.WASI, "random_get", ("i32", "i32"), ("i32",), _random_get)
    for row in abi.FUNCTIONS.values():
        linker.define_function(abi.ENV, row.name, row.params, row.results, _refuse(row.name))
    return linker


def _clock_time_get(machine: _Machine, _clock: int, _precision: int, offset: int) -> tuple[int]:
    """Give the time: a fixed day, and a little later with each look."""
    machine.now_ns += _TICK_NS
    machine.memory.write(offset & _U32, machine.now_ns.to_bytes(8, "little"))
    return (0,)


def _poll_oneoff(
    machine: _Machine, subscriptions: int, events: int, count: int, event_count: int
) -> tuple[int]:
    """
    Sleep: the clock moves on at once. Nothing but the clock can be waited for.

    Layout (WASI preview 1):
        subscription, 48 bytes: 0 userdata u64, 8 kind u8 (0 = clock), 24 timeout u64 in ns,
        40 flags u16 (1 = absolute)
        event, 32 bytes: 0 userdata u64, 8 error u16, 10 kind u8
    """
    wakes = []
    for index in range(count & _U32):
        entry = machine.memory.read((subscriptions & _U32) + 48 * index, 48)
        userdata, kind, timeout, flags = struct.unpack("<QB15xQ8xH6x", entry)
        if kind != 0:
            return (_ENOTSUP,)
        wakes.append((timeout if flags & 1 else machine.now_ns + timeout, userdata))
    if not wakes:
        return (_EINVAL,)
    moment, userdata = min(wakes)
    machine.now_ns = max(machine.now_ns, moment)
    machine.memory.write(events & _U32, struct.pack("<Q24x", userdata))
    machine.memory.write(event_count & _U32, (1).to_bytes(4, "little"))
    return (0,)


def _random_get(machine: _Machine, offset: int, length: int) -> tuple[int]:
    """Give zeros for chance: what is drawn while building is shipped, so it must not look secret."""
    machine.memory.write(offset & _U32, bytes(length & _U32))
    return (0,)


def _refuse(name: str) -> Callable[..., tuple[int, ...]]:
    """Return a host function that fails; the glue has refused before it could be reached."""

    def body(_machine: _Machine, *_values: float) -> tuple[int, ...]:
        raise RuntimeError(f"{name} was called while the plug-in was built")

    return body
