"""
Names to definitions to instances.

A linker holds what modules may import: host functions and WASI, which belong to no store, and instances
of one store. One linker with the former is made for each compiled plugin and cloned for each store.
"""

from __future__ import annotations

from extism._cached import cache
from extism._engine import bindings
from extism._engine.bindings import EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_MEMORY, Extern, Handle, lib
from extism._engine.faults import Fault, ProgramExit, error_text
from extism._engine.foreign import addressof, byref, c_void_p
from extism._engine.function import Function
from extism._engine.memory import Memory
from extism._engine.trampoline import Trampoline, functype, late, uncalled
from extism.errors import LinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from extism._engine.engine import Engine, Module
    from extism._engine.fibers import Fiber
    from extism._engine.global_cell import GlobalCell
    from extism._engine.store import Store
    from extism._engine.trampoline import Entry

__all__ = ["Instance", "InstancePre", "Linker"]


class Linker:
    """What modules of one engine may import, by namespace and name; a later definition shadows."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._trampolines: list[Trampoline] = []
        self._types: dict[tuple[tuple[str, ...], tuple[str, ...]], Handle] = {}
        self._own(lib.wasmtime_linker_new(engine.pointer))
        lib.wasmtime_linker_allow_shadowing(self._pointer, True)  # noqa: FBT003 - a C function

    def _own(self, pointer: int) -> None:
        self._pointer = pointer
        self._handle = Handle(pointer, lib.wasmtime_linker_delete)

    def clone(self) -> Linker:
        """Return a linker with the same definitions, to which instances of one store can be added."""
        copy = Linker.__new__(Linker)
        copy.engine = self.engine
        copy._trampolines = self._trampolines  # noqa: SLF001 - the same class
        copy._types = self._types  # noqa: SLF001 - the same class
        copy._own(lib.wasmtime_linker_clone(self._pointer))  # noqa: SLF001 - the same class
        return copy

    def define_function(
        self,
        namespace: str,
        name: str,
        params: Sequence[str],
        results: Sequence[str],
        body: Callable[..., Sequence[Any]],
    ) -> None:
        """
        Let modules import the Python function `body` (see `Trampoline`).

        Raises:
            ValueError: A type is not a number type.
        """
        self.define_trampoline(
            namespace, name, Trampoline(params, results, body, f"{namespace}::{name}")
        )

    def define_trampoline(self, namespace: str, name: str, trampoline: Trampoline) -> None:
        """Let modules import a function that is ready; linkers may share it."""
        self._define_callback(
            namespace, name, trampoline.params, trampoline.results, trampoline.callback
        )
        self._trampolines.append(trampoline)

    def define_uncalled(
        self, namespace: str, name: str, params: Sequence[str], results: Sequence[str]
    ) -> None:
        """Let modules import what they never call."""
        self._define_callback(namespace, name, params, results, uncalled())

    def _define_callback(
        self,
        namespace: str,
        name: str,
        params: Sequence[str],
        results: Sequence[str],
        callback: Any,
    ) -> None:
        """Let modules import what C calls; whoever made it keeps it."""
        space, label = namespace.encode(), name.encode()
        error = lib.wasmtime_linker_define_func_unchecked(
            self._pointer,
            space,
            len(space),
            label,
            len(label),
            self._type(tuple(params), tuple(results)).pointer,
            callback,
            None,
            None,
        )
        _raise(error, namespace, name)

    def _type(self, params: tuple[str, ...], results: tuple[str, ...]) -> Handle:
        """Return a function type: dozens of functions have a handful."""
        found = self._types.get((params, results))
        if found is None:
            found = Handle(functype(params, results), lib.wasm_functype_delete)
            self._types[params, results] = found
        return found

    def define_wasi(self, *, is_measured: bool = False) -> None:
        """
        Let modules import WASI preview 1; each store that runs them needs a `Wasi`.

        NB. The engine's own `proc_exit` refuses every status from 126 on; ours takes them all. What else
        is ours is in `wasi_shadows.py`.

        Args:
            is_measured: Whether the worlds of those stores limit what files take (`Wasi.disk`).
        """
        from extism._engine.wasi_bare import MEASURED, NAMESPACE, SHADOWS, TYPES

        _raise(lib.wasmtime_linker_define_wasi(self._pointer))
        self.define_trampoline(NAMESPACE, "proc_exit", _proc_exit())
        for name in (*SHADOWS, *MEASURED) if is_measured else SHADOWS:
            self._define_callback(NAMESPACE, name, TYPES[name], ("i32",), _shadow(name))

    def define_instance(self, namespace: str, instance: Instance) -> None:
        """Let modules of the same store import every export of `instance`."""
        space = namespace.encode()
        error = lib.wasmtime_linker_define_instance(
            self._pointer, instance.store.context, space, len(space), instance.struct
        )
        _raise(error, namespace)

    def define_export(self, namespace: str, name: str, instance: Instance, export: str) -> None:
        """Let modules of the same store import one export of `instance`."""
        space, label = namespace.encode(), name.encode()
        extern = instance.extern(export)
        error = lib.wasmtime_linker_define(
            self._pointer,
            instance.store.context,
            space,
            len(space),
            label,
            len(label),
            byref(extern),
        )
        _raise(error, namespace, name)

    def define_command(self, store: Store, namespace: str, module: Module) -> None:
        """Let modules import a command: each call of an export runs in an instance of its own."""
        space = namespace.encode()
        store.keep((self._trampolines, module))
        error = lib.wasmtime_linker_module(
            self._pointer, store.context, space, len(space), module.pointer
        )
        _raise(error, namespace)

    def instantiate(self, store: Store, module: Module, data: object = None) -> Instance | Fault:
        """
        Return a new instance of `module` in `store`, or how its start function ended badly.

        Raises:
            LinkError: An import is missing or has another type; the text is the engine's.
        """
        struct = bindings.Instance()
        store.keep((self._trampolines, module))
        fault = store.enter(
            data,
            lib.wasmtime_linker_instantiate,
            self._pointer,
            store.context,
            module.pointer,
            addressof(struct),
        )
        return fault or Instance(store, bytes(struct))

    def prepare(self, module: Module) -> InstancePre:
        """
        Return `module` with its imports resolved, where all of them belong to no store.

        Raises:
            LinkError: An import is missing or has another type; the text is the engine's.
        """
        out = c_void_p()
        _raise(lib.wasmtime_linker_instantiate_pre(self._pointer, module.pointer, byref(out)))
        return InstancePre(self.engine, out.value or 0, (self._trampolines, module))


class InstancePre:
    """A module with resolved imports: the fastest way to many instances, in stores of its engine."""

    def __init__(self, engine: Engine, pointer: int, keep: object) -> None:
        self.engine = engine
        self._pointer = pointer
        self._handle = Handle(pointer, lib.wasmtime_instance_pre_delete)
        self._keep = keep

    def instantiate(self, store: Store, data: object = None) -> Instance | Fault:
        """Return a new instance in `store`, or how its start function ended badly."""
        struct = bindings.Instance()
        store.keep(self._keep)
        fault = store.enter(
            data,
            lib.wasmtime_instance_pre_instantiate,
            self._pointer,
            store.context,
            addressof(struct),
        )
        return fault or Instance(store, bytes(struct))


class Instance:
    """
    An instance in a store; its exports by name.

    What the engine knows it by, like its memories and functions, is kept as `bytes`: half as large as a struct of ctypes.
    """

    __slots__ = ("store", "struct")

    def __init__(self, store: Store, struct: bytes) -> None:
        self.store = store
        self.struct = struct

    def extern(self, name: str) -> Extern:
        """
        Return the export called `name` as the engine's own struct.

        Raises:
            KeyError: There is none.
        """
        label = name.encode()
        extern = Extern()
        if not lib.wasmtime_instance_export_get(
            self.store.context, self.struct, label, len(label), byref(extern)
        ):
            raise KeyError(name)
        return extern

    def function(self, name: str, params: Sequence[str], results: Sequence[str]) -> Function:
        """
        Return the exported function `name`, which must have exactly this type.

        The type is trusted: a wrong one corrupts memory. Callers read it off the module's bytes.

        Raises:
            KeyError: There is no such function.
        """
        extern = self._extern_of_kind(name, EXTERN_FUNC)
        return Function(self.store, bytes(extern.of.func), params, results)

    def fiber(self, name: str, params: Sequence[str], results: Sequence[str]) -> Fiber:
        """
        Return the same, for calls that can stop and go on.

        Raises:
            KeyError: There is no such function.
        """
        from extism._engine.fibers import Fiber

        if self.store.world is not None and self.store.world.behind is None:
            from extism._engine.wasi_behind import Behind

            # On a fiber, nothing can be instantiated.
            self.store.world.behind = Behind(self.store)
        extern = self._extern_of_kind(name, EXTERN_FUNC)
        return Fiber(self.store, bindings.Func.from_buffer_copy(extern.of.func), params, results)

    def memory(self, name: str, size: int | None = None) -> Memory:
        """
        Return the exported memory `name`; `size` is how large it is now, for whoever knows.

        Raises:
            KeyError: There is no such memory.
        """
        extern = self._extern_of_kind(name, EXTERN_MEMORY)
        return Memory(self.store, bytes(extern.of.memory), size)

    def global_(self, name: str) -> GlobalCell:
        """
        Return the exported global `name`.

        Raises:
            KeyError: There is no such global.
        """
        from extism._engine.global_cell import GlobalCell

        extern = self._extern_of_kind(name, EXTERN_GLOBAL)
        return GlobalCell(self.store, bindings.Global.from_buffer_copy(extern.of.global_))

    def _extern_of_kind(self, name: str, kind: int) -> Extern:
        extern = self.extern(name)
        if extern.kind != kind:
            raise KeyError(name)
        return extern


@cache
def _proc_exit() -> Trampoline:
    def proc_exit(_data: object, status: int) -> tuple[()]:
        raise ProgramExit(status)

    return Trampoline(("i32",), (), proc_exit)


@cache
def _shadow(name: str) -> Any:
    """Return what C calls instead of a function of WASI; what that stands on is loaded when it is called."""

    def make() -> Entry:
        from extism._engine.wasi_shadows import shadow

        return shadow(name)

    return late(make)


def _raise(error: int | None, namespace: str = "", name: str = "") -> None:
    if error:
        raise LinkError(error_text(error), module=namespace, name=name)
