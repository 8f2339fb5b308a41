"""
The guest's side of the build: module `_extism_boot`, which runs inside the interpreter only.

Here: the three moments in a copy's life at which the glue calls back (`start`, `load`, `wake`). Not
here: the finder that holds modules in memory (finder.py), files in memory (carried.py), what the
author is told of a failure (failures.py), what each copy gets anew (renewals.py), what a plugin sees
(the guest library), and the functions of the host (host.c). The one thing to know: every object made
before `wake` is shipped, in the memory of each plugin.
"""

# pathlib would be shipped in each plugin; the import system's parts are private.
# ruff: noqa: PTH104, PTH110, PTH123, SLF001

import _imp
import functools
import gc
import importlib
import importlib.util
import io
import json
import linecache
import os
import site
import sys
import zipimport
import zlib
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

import _extism_carried as carried
import _extism_renewals as renewals
from _extism_failures import describe
from _extism_finder import Record, compile_source, finder, following, pack

STDLIB_ZIP = "/lib/python313.zip"
STDLIB = "/lib/python3.13"
GUEST_ZIP = "/guest/library.zip"
GUEST_LIBRARY = STDLIB + "/site-packages"
APP = "/app"

# Python writes this module when it is installed; `sysconfig` (hence `zoneinfo`) asks for it.
SYSCONFIG_DATA = "_sysconfigdata__wasi_wasm32-wasi"

# What plugins and packages often import: started once here instead of in each build or first call. Not here:
# `random` and what imports it, which would have to be seeded in the first call of every copy.
COMMON = (
    "asyncio",
    "base64",
    "bisect",
    "calendar",
    "collections",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fnmatch",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "inspect",
    "ipaddress",
    "itertools",
    "json",
    "linecache",
    "logging",
    "math",
    "numbers",
    "operator",
    "pathlib",
    "pickle",
    "platform",
    "re",
    "shutil",
    "string",
    "struct",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "warnings",
    "weakref",
    "zlib",
)


# How many files can be open at once, in any host of ours.
MOST_FILES = 64

# So often that bytecode has adapted itself for good.
REHEARSALS = 20


def start() -> Any:
    """Take the standard and the guest library into memory; return the guest library's `invoke`."""
    keep_stdlib()
    keep_guest_library()
    forget_files()
    adapters = importlib.import_module("extism.adapters")
    following.steps |= dict.fromkeys(adapters.ADAPTERS, adapters.adapt)
    following.steps["random"] = renewals.watch
    for name in COMMON:
        importlib.import_module(name)
    site.setquit()
    site.sethelper()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr, unused-ignore]
    invoke = importlib.import_module("extism.invoke").invoke
    rehearse(invoke)
    settle()
    return invoke


def keep_stdlib() -> None:
    """Keep every module of the zip that is not frozen into the interpreter already."""
    archive = zipimport.zipimporter(STDLIB_ZIP)
    for path in sorted(archive._get_files()):  # type: ignore[attr-defined, unused-ignore]
        name, is_package = module_name(path.removesuffix("c"))
        if not _imp.is_frozen(name):
            code = archive.get_data(path)[16:]
            file = f"{STDLIB}/{path.removesuffix('c')}"
            finder.add(name, Record(file, is_package, zlib.compress(code, 9), None))
    variables = pack(compile_source(b"build_time_vars = {}", ""))
    finder.add(SYSCONFIG_DATA, Record("", is_package=False, code=variables, source=None))


def keep_guest_library() -> None:
    """Keep the package `extism` and this module, with their sources for tracebacks."""
    archive = zipimport.zipimporter(GUEST_ZIP)
    for path in sorted(archive._get_files()):  # type: ignore[attr-defined, unused-ignore]
        name, is_package = module_name(path)
        file = f"{GUEST_LIBRARY}/{path}"
        source = archive.get_data(path)
        code = pack(compile_source(source, file))
        finder.add(name, Record(file, is_package, code, zlib.compress(source, 9)))


def module_name(path: str) -> tuple[str, bool]:
    """Return the dotted name of a `.py` file in a library, and whether it is a package."""
    name = path.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__"), name.endswith(".__init__")


def forget_files() -> None:
    """Let imports find memory first, and nothing of the folders that only the build host has."""
    sys.meta_path.insert(sys.meta_path.index(PathFinder), finder)
    sys.path.clear()
    sys.path_importer_cache.clear()
    zipimport._zip_directory_cache.clear()  # type: ignore[attr-defined, unused-ignore]
    for module in list(sys.modules.values()):
        finder.adopt(module)


def settle() -> None:
    """Free what is dead, and keep the collector off what is shipped: a shared page stays shared."""
    linecache.clearcache()
    gc.collect()
    gc.freeze()


class Bundle(NamedTuple):
    """What the compiler wrote to bundle.json."""

    main: str
    main_file: str
    modules: dict[str, dict[str, Any]]
    data: list[str]
    imports: list[list[Any]]
    first_slot: int


def read_json(name: str) -> Any:
    """Return what is in a file that the build host shows at /app."""
    with open(f"{APP}/{name}", encoding="utf-8") as stream:
        return json.load(stream)


def read_bundle() -> Bundle:
    """Return the bundle that the build host shows at /app."""
    given = read_json("bundle.json")
    main = given["main"]
    return Bundle(
        main["name"],
        main["file"],
        given.get("modules", {}),
        given.get("data", []),
        given.get("imports", []),
        given.get("first_slot", 0),
    )


def check_name(bundle: Bundle) -> None:
    """Refuse a plugin that imports cannot tell from a library."""
    if bundle.main in finder.records or bundle.main in sys.modules:
        raise ImportError(
            f"{bundle.main_file} has the name of a library module, and every `import {bundle.main}` "
            "would find the one for the other; rename the file"
        )


def load() -> int:
    """
    Do one of two passes over the plugin, and leave /app/result.json.

    Where /app/prepare.json exists, the files that it names are compiled and compressed to /app/prepared.bin and
    nothing runs: the compiler's garbage stays in an instance that is thrown away. Otherwise the plugin's module
    level runs, out of /app/kept.bin. Returns 1 where the plugin's own code failed.
    """
    bundle = read_bundle()
    if os.path.exists(f"{APP}/prepare.json"):
        return report(prepare_files, bundle)
    return report(run_bundle, bundle)


def report(step: Any, bundle: Bundle) -> int:
    """Run one step, write what it returns or why it failed; return 0 or 1."""
    try:
        result = step(bundle)
    except BaseException as error:  # noqa: BLE001  the author's code may raise anything
        result = {"error": describe(error, bundle.main_file, author_files(bundle))}
    with open(f"{APP}/result.json", "w", encoding="utf-8") as stream:
        stream.write(json.dumps(result))  # `dump` would run what is written in Python
    return 1 if "error" in result else 0


def prepare_files(bundle: Bundle) -> dict[str, Any]:
    """Compile modules and compress files; only the main one must succeed, a library's bad file may never be used."""
    check_name(bundle)
    lengths = {}
    with open(f"{APP}/prepared.bin", "wb") as stream:
        for file in read_json("prepare.json"):
            source = read_source(file)
            try:
                code = pack(compile_source(source, file)) if file.endswith(".py") else b""
            except (SyntaxError, ValueError):
                if file == bundle.main_file:
                    raise
                code = b""
            packed = zlib.compress(source, 9)
            lengths[file] = [len(code), len(packed)]
            stream.write(code + packed)
    return {"lengths": lengths}


def run_bundle(bundle: Bundle) -> dict[str, Any]:
    """Import the main module, which registers the plugin's functions; return what they are, in order."""
    keep_bundle(bundle)
    imports = importlib.import_module("extism.imports")
    imports.bind(bundle.imports, bundle.first_slot)
    before = open_files()
    importlib.import_module(bundle.main)
    refuse(open_files() - before)
    renewals.end_watch()
    renewals.forget()
    exports = importlib.import_module("extism.exports")
    result = {"exports": exports.report(), "imports": imports.report()}
    exports.close()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    forget_code()
    settle()
    remember_lines(bundle)
    return result


def open_files() -> set[int]:
    """Return the numbers of all open files and folders."""
    found = set()
    for number in range(MOST_FILES):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.add(number)
    return found


def refuse(left: set[int]) -> None:
    """Refuse files that the module level has left open: no copy has them, and their numbers will mean others."""
    names = {
        each.fileno(): each.name
        for each in gc.get_objects()
        if isinstance(each, io.FileIO) and not each.closed
    }
    for number in sorted(left):
        raise OSError(
            f"the file {names.get(number, number)!r} is still open when the module level has run; no instance of the "
            "plugin would have it: close it, or open it inside a plugin function"
        )


def keep_bundle(bundle: Bundle) -> None:
    """Keep the plugin's modules and files as they were prepared; the libraries' own names win."""
    check_name(bundle)
    prepared = read_prepared()
    libraries = set(finder.records)
    for name, module in all_modules(bundle):
        if name in libraries:
            continue
        code, source = prepared[module["file"]]
        is_package = module.get("package", False)
        finder.add(name, Record(module["file"], is_package, code or None, source))
    finder.carried = set(finder.records) - libraries
    for name in sorted(finder.carried):
        parent, _, last = name.rpartition(".")
        if parent in finder.carried:
            siblings = carried.Folder.packages.setdefault(finder.folder(parent), {})
            siblings[last] = finder.records[name].is_package
    for file in bundle.data:
        carried.keep(file, prepared[file][1])
    carried.install()


def read_prepared() -> dict[str, tuple[bytes, bytes]]:
    """Return the code and the text of each file, both compressed."""
    with open(f"{APP}/kept.bin", "rb") as stream:
        return {
            file: (stream.read(code), stream.read(source))
            for file, (code, source) in read_json("kept.json").items()
        }


def forget_code() -> None:
    """Drop the code of what has been imported: it has run, and could be compiled again."""
    for name in finder.carried & set(sys.modules):
        record = finder.records[name]
        if record.source is not None:
            finder.records[name] = record._replace(code=None)


def all_modules(bundle: Bundle) -> list[tuple[str, dict[str, Any]]]:
    """Return each module of the bundle with its name, the main one last."""
    main = {"file": bundle.main_file, "package": False}
    others = [(name, module) for name, module in bundle.modules.items() if name != bundle.main]
    return [*sorted(others), (bundle.main, bundle.modules.get(bundle.main, main))]


def author_files(bundle: Bundle) -> set[str]:
    """Return what tracebacks call the files of the bundle."""
    return {module["file"] for _, module in all_modules(bundle)}


def read_source(file: str) -> bytes:
    """Return the bytes of a source file of the bundle."""
    with open(f"{APP}/src/{file}", "rb") as stream:
        return stream.read()


def rehearse(invoke: Any) -> None:
    """
    Load the plugin that the build host shows at /app, call its function, and forget it, a few times.

    What every load and call changes in what all plugins share (bytecode that adapts itself, caches that fill) is then in the
    image already: small plugins do not carry it, and copies have fewer pages of their own.
    """
    bundle = read_bundle()
    exports = importlib.import_module("extism.exports")
    lengths = prepare_files(bundle)["lengths"]
    os.rename(f"{APP}/prepared.bin", f"{APP}/kept.bin")
    with open(f"{APP}/kept.json", "w", encoding="utf-8") as stream:
        json.dump(lengths, stream)
    for _ in range(REHEARSALS):
        if report(run_bundle, bundle):
            raise ImportError(f"the rehearsal failed: {read_json('result.json')}")
        invoke(0)
        exports.forget()
        for name, _module in all_modules(bundle):
            del finder.records[name]
            del sys.modules[name]
        finder.carried.clear()


def remember_lines(bundle: Bundle) -> None:
    """Show source lines of the main module also for code without a module, such as `exec`'s, once they are asked for."""
    linecache.cache[bundle.main_file] = (functools.partial(finder.get_source, bundle.main),)


def wake() -> None:
    """Make a copy of the snapshot differ from its siblings: the first call of each comes through here."""
    renewals.renew()
