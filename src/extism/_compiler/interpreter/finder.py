"""
Modules in memory: module `_extism_finder`, which runs inside the interpreter only.

Its one object, `finder`, holds the standard library, the guest library and the plugin's modules, from the moment
that the interpreter is started on. Who puts them there is boot.py; files that are no modules are in carried.py.
"""

# The import system's parts are private; marshal reads what this file wrote; what is annotated is imported.
# ruff: noqa: PTH123, S302, SLF001, TC003

import importlib
import importlib.util
import marshal
import posixpath
import zlib
from collections.abc import Callable
from importlib import _bootstrap_external
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import _extism_carried as carried


class Record(NamedTuple):
    """One module in memory; `code` and `source` are compressed, `None` where there is none."""

    file: str
    is_package: bool
    code: bytes | None
    source: bytes | None


class MemoryFinder(_bootstrap_external._LoaderBasics):  # type: ignore[misc, name-defined, unused-ignore]
    """
    Finds and loads the modules whose code is in memory, so that lazy imports need no file.

    The base class runs the code with importlib's own `exec_module`, whose frames Python cuts out
    of tracebacks.
    """

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.carried: set[str] = set()  # the names of the plug-in's own

    def find_spec(
        self, name: str, _path: object = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module in memory, `None` for any other."""
        record = self.records.get(name)
        if record is None:
            return None
        loader = following if name in following.steps else self
        spec = ModuleSpec(name, loader, origin=record.file, is_package=record.is_package)
        spec.has_location = bool(record.file)
        if record.is_package and (record.file or name in self.carried):
            spec.submodule_search_locations = [self.folder(name)]
        return spec

    def folder(self, name: str) -> str:
        """Return where the files of a package are found: there are some if it is the plug-in's own."""
        file = self.records[name].file
        place: str = carried.place(posixpath.dirname(file) if file else name.replace(".", "/"))
        return place

    def get_code(self, name: str) -> CodeType:
        """Return the module's code, compiled now where the build could not."""
        record = self.records[name]
        if record.code is None:
            return compile_source(self.get_data_of(name), record.file)
        code: CodeType = marshal.loads(zlib.decompress(record.code))
        return code

    def get_data_of(self, name: str) -> bytes:
        """Return the bytes of the module's source, empty where only code was kept."""
        source = self.records[name].source
        return b"" if source is None else zlib.decompress(source)

    def get_source(self, name: str) -> str | None:
        """Return the module's text, from which `linecache` shows lines in tracebacks."""
        if self.records[name].source is None:
            return None
        return importlib.util.decode_source(self.get_data_of(name))

    def get_filename(self, name: str) -> str:
        """Return the file name that tracebacks show."""
        return self.records[name].file

    def is_package(self, name: str) -> bool:
        """Tell whether the module can have submodules."""
        return self.records[name].is_package

    def get_data(self, path: str) -> bytes:
        """Return the bytes of a file beside a module, for `pkgutil.get_data`."""
        with open(path, "rb") as stream:
            data: bytes = stream.read()
        return data

    def get_resource_reader(self, name: str) -> Any:
        """Return what `importlib.resources` reads a package's files with."""
        return carried.reader(self.folder(name))

    def find_distributions(self, context: Any = None) -> Any:
        """Return the distributions that came along, for `importlib.metadata`."""
        return carried.distributions(context)

    def add(self, name: str, record: Record) -> None:
        """Keep a module, and an empty package for each parent that nobody keeps."""
        self.records[name] = record
        parent = name.rpartition(".")[0]
        if parent and parent not in self.records:
            empty = pack(compile_source(b"", ""))
            self.add(parent, Record("", is_package=True, code=empty, source=None))

    def adopt(self, module: ModuleType) -> None:
        """Make a module that came from a file look as if it had come from memory."""
        spec = self.find_spec(module.__name__)
        if spec is not None:
            module.__spec__ = spec
            module.__loader__ = self
            module.__file__ = spec.origin
            if spec.submodule_search_locations is not None:
                module.__path__ = spec.submodule_search_locations


class FollowingLoader(MemoryFinder):
    """Loads the few modules of the standard library that something is done to once they are there."""

    def __init__(self, records: dict[str, Record]) -> None:
        super().__init__()
        self.records = records
        self.steps: dict[str, Callable[[str], object]] = {}  # called with the module's name

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, and take the step."""
        super().exec_module(module)
        self.steps[module.__name__](module.__name__)


finder = MemoryFinder()
following = FollowingLoader(finder.records)


def compile_source(source: bytes, file: str) -> CodeType:
    """Compile a module as Python does by default: nothing of this file's own settings is inherited."""
    return compile(source, file, "exec", dont_inherit=True, optimize=0)


def pack(code: CodeType) -> bytes:
    """Return the code in the form in which records keep it."""
    return zlib.compress(marshal.dumps(code), 9)
