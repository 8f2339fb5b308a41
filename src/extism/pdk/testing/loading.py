"""
Loading a plug-in's file under plain CPython, with `extism` being the guest library for it.

The plug-in's module, and those that it imports from the folders given, get an `__import__` of their own, which takes
`extism` to be `extism.pdk`. All other code in the process goes on importing what it always did, also inside the same
functions' callers. While the modules are loaded they are in `sys.modules` under their own names, as in the plug-in;
afterwards what was there before is back.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import keyword
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..adapters import ADAPTERS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType

__all__ = ["Loader"]

_LIBRARY: Final = "extism"
_GUEST: Final = __name__.rpartition(".testing.")[0]
_MAIN: Final = "extism_plugin"
"""What a plug-in's module is called where its file's name will not do, as in `extism-py`."""


class Loader(importlib.abc.MetaPathFinder):
    """
    Loads one plug-in.

    Attributes:
        on_import: Called with the name of each module of the standard library that has to be adapted, once it is there.
    """

    def __init__(
        self, plugin: str | os.PathLike[str], search: Iterable[str | os.PathLike[str]]
    ) -> None:
        self.path = Path(plugin).resolve()
        self.folders = [str(self.path.parent), *(str(Path(each).resolve()) for each in search)]
        self.on_import: Callable[[str], None] = lambda _name: None
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._before: dict[str, ModuleType | None] = {}

    @property
    def name(self) -> str:
        """What the plug-in's module is called."""
        name = re.sub(r"\W", "_", self.path.stem)
        usable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
        taken = name in sys.stdlib_module_names or name == _LIBRARY
        return name if usable and not taken else _MAIN

    def load(self) -> ModuleType:
        """Run the plug-in's module level, and return the module."""
        is_package = self.path.name == "__init__.py"
        spec = importlib.util.spec_from_file_location(
            self.name,
            self.path,
            loader=_Source(self, self.name, str(self.path)),
            submodule_search_locations=[str(self.path.parent)] if is_package else None,
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self._before.setdefault(self.name, sys.modules.get(self.name))
        sys.modules[self.name] = module
        spec.loader.exec_module(module)
        return module

    def unload(self) -> None:
        """Put back what was in `sys.modules` before."""
        for name, module in self._before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        self._before.clear()

    def prepare(self, module: ModuleType) -> None:
        """Give a module of the plug-in the `__import__` that knows what `extism` is."""
        self._before.setdefault(module.__name__, None)
        module.__dict__["__builtins__"] = self._builtins

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module of the plug-in, None for any other."""
        spec = importlib.machinery.PathFinder.find_spec(name, path or self.folders)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return None
        origin = str(spec.origin)
        if not any(Path(origin).is_relative_to(folder) for folder in self.folders):
            return None
        spec.loader = _Source(self, name, origin)
        return spec

    def _import(
        self,
        name: str,
        globals: Any = None,  # noqa: A002  Python's names: they are given by keyword
        locals: Any = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0 and name.partition(".")[0] == _LIBRARY:
            full = _GUEST + name.removeprefix(_LIBRARY)
            found = importlib.import_module(full)
            return found if fromlist else importlib.import_module(_GUEST)
        present = {each for each in ADAPTERS if each in sys.modules}
        sys.meta_path.insert(0, self)
        try:
            module = builtins.__import__(name, globals, locals, fromlist or (), level)
        finally:
            sys.meta_path.remove(self)
        for each in ADAPTERS:
            if each in sys.modules and each not in present:
                self.on_import(each)
        return module


class _Source(importlib.machinery.SourceFileLoader):
    def __init__(self, loader: Loader, name: str, path: str) -> None:
        super().__init__(name, path)
        self._plugin = loader

    def exec_module(self, module: ModuleType) -> None:
        self._plugin.prepare(module)
        super().exec_module(module)
