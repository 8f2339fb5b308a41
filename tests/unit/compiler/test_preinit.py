"""Running the interpreter while a plug-in is built: what it sees, what is kept, how it fails."""

from __future__ import annotations

import hashlib
import json

import pytest

from extism._compiler import preinit, runtime
from extism._compiler.interface import Exported
from extism._compiler.interpreter import build
from extism._wasm.leb128 import read_signed
from extism._wasm.reader import read
from extism._wasm.snapshot import snapshot
from extism.errors import BuildError
from extism.pdk import testing

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def base():
    return runtime.base_image()


@pytest.fixture
def load(base, tmp_path):
    """Load a plug-in from the text of its module, and of others by file name."""
    count = 0

    def load(source, name="plugin", others=(), **options):
        nonlocal count
        count += 1
        app = tmp_path / f"app{count}"
        modules = {name: {"file": f"{name}.py", "package": False}}
        texts = {f"{name}.py": source, **dict(others)}
        for file, text in texts.items():
            path = app / "src" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            dotted = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            modules[dotted] = {"file": file, "package": file.endswith("__init__.py")}
        description = {"main": {"name": name, "file": f"{name}.py"}, "modules": modules}
        (app / "bundle.json").write_text(json.dumps(description))
        return preinit.load(base, app, runtime.native_cache(), **options)

    return load


@pytest.fixture
def printed(load):
    """What a module prints while the plug-in is built."""

    def printed(source, **options):
        said = bytearray()
        load(source, show=said.extend, **options)
        return said.decode()

    return printed


def failure(load, source, **options):
    with pytest.raises(BuildError) as caught:
        load(source, **options)
    return caught.value


EXPORT = "import extism\n@extism.plugin_fn\ndef b(): ...\n@extism.plugin_fn\ndef a(): ...\n"
B_AND_A = (Exported("b"), Exported("a"))


def test_exports_are_named_in_the_order_of_their_indices(load):
    """The order in which the decorators ran is the order of the numbers that py_invoke takes."""
    loaded = load(EXPORT)

    assert loaded.exports == B_AND_A
    assert len(loaded.image) % 65536 == 0


def test_two_builds_give_the_same_image(load):
    """Neither time, chance, the order of sets nor the folder of the build gets into the memory."""
    source = EXPORT + (
        "import time, random, uuid, os, tempfile, datetime\n"
        "x = [time.time(), random.random(), uuid.uuid4(), os.urandom(8), {'a', 'b', 'c'}, object()]\n"
        "y = datetime.datetime.now(), hash('text'), id(x), os.environ.copy(), os.getcwd()\n"
    )

    assert load(source).image == load(source).image


def test_starting_gives_the_base_image_again(base, tmp_path):
    """The interpreter is started once more, from another folder: the same bytes."""
    interpreter = build.find()
    if interpreter is None:
        pytest.skip("the raw interpreter is not in the cache")
    (tmp_path / "python313.zip").write_bytes(interpreter.stdlib.read_bytes())

    again = preinit.start(interpreter.runtime.read_bytes(), tmp_path)

    assert hashlib.sha256(again).hexdigest() == hashlib.sha256(base).hexdigest()


def test_the_base_image_has_left_its_start_behind(base):
    """What ran is no export any more."""
    names = sorted(export.name for export in read(base).exports)
    assert [name for name in names if " " not in name] == [
        "__indirect_function_table",
        "__stack_pointer",
        "memory",
        "py_frame",
        "py_invoke",
        "py_load",
    ]


def test_the_dead_stack_is_not_shipped(base):
    """The C stack is the first part of the memory; nothing of it is in the data."""
    module = read(base)
    stack_top, _ = read_signed(module.own_globals[0].init, 1, 10)
    offsets = [read_signed(row.offset, 1, 10)[0] for row in module.data_segments if row.offset]

    assert stack_top == 2 << 20
    assert min(offset for offset in offsets if offset) >= stack_top


def test_no_path_of_this_machine_is_in_the_base_image(base, tmp_path):
    """Neither the checkout nor the folders of the build left their names in the memory."""
    folders = [build.RECIPE, build.interpreter_directory(), tmp_path.parent]

    assert [str(path) for path in folders if str(path).encode() in base] == []


def test_freed_memory_is_not_shipped(base, load):
    """What was only used while building leaves no bytes behind."""
    source = "x = ''.join(['sec', 'ret', '-mar', 'ker'])\ny = x.encode() * 3\ndel x, y\n" + EXPORT
    image = load(source).image

    assert image.count(b"secret-marker") == 0


def test_what_modules_made_is_shipped(load):
    """Objects that live are in the image: the counterpart of the test above."""
    source = "x = ''.join(['sec', 'ret', '-mar', 'ker'])\n" + EXPORT

    assert load(source).image.count(b"secret-marker") == 1


def test_the_compilers_garbage_is_not_shipped(load):
    """Modules are compiled in a copy that is dropped: the memory grows by what is kept only."""
    small = load(EXPORT)
    functions = "".join(f"def f{i}(a, b):\n    return [a, b, {i}]\n" for i in range(2000))
    big = load(EXPORT, others={"lib/__init__.py": functions})

    assert len(big.image) - len(small.image) < 3 << 20


def test_prints_reach_the_author(printed):
    """The output of module-level code is handed on, stdout and stderr."""
    source = (
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('no newline', end='')\n"
    )

    assert printed(source) == "out\nerr\nno newline"


def test_a_warning_of_the_compiler_reaches_the_author(printed):
    """A questionable escape is reported once, with the author's file and line."""
    text = printed("a = 1\nb = '\\d'\n")

    assert text.count("SyntaxWarning: invalid escape sequence") == 1
    assert text.startswith("plugin.py:2: ")


def test_time_stands_nearly_still(printed):
    """The clock shows a fixed day and moves on with each look, so that waiting loops end."""
    source = (
        "import datetime, time\n"
        "print(datetime.datetime.now().date())\n"
        "start = time.monotonic()\n"
        "while time.monotonic() < start + 0.01: pass\n"
        "time.sleep(3600)\n"
        "print(3600 < time.monotonic() - start < 3601)\n"
    )

    assert printed(source) == "2025-06-11\nTrue\n"


def test_chance_is_visibly_none(printed):
    """A secret drawn while building would be shipped: it is all zeros, so that nobody trusts it."""
    assert printed("import secrets\nprint(secrets.token_hex(8))\n") == "0" * 16 + "\n"


def test_the_build_host_is_not_visible(printed):
    """No environment, no arguments, no folder but the build's own."""
    source = (
        "import os, sys\n"
        "print(dict(os.environ), sys.argv, sys.path, os.getcwd())\n"
        "for path in ('/', '/lib', '/guest', '/etc/passwd', '/app/..'):\n"
        "    try: print(os.listdir(path))\n"
        "    except OSError as error: print(type(error).__name__)\n"
    )

    first, *rest = printed(source).splitlines()
    assert first == "{} [''] [] /"
    assert not [line for line in rest if line.startswith("[")]


def test_a_syntax_error_names_file_and_line(load):
    """The text is Python's, the place the author's."""
    error = failure(load, "x = 1\ndef f(:\n    pass\n")

    assert (error.path, error.line) == ("plugin.py", 2)
    assert str(error).startswith("plugin.py:2: SyntaxError: invalid syntax\n")
    assert "    def f(:\n" in str(error)


def test_an_exception_is_shown_with_the_authors_frames_only(load):
    """The traceback has source lines, and neither the loader's nor importlib's frames."""
    error = failure(load, "def f():\n    raise ValueError('no')\n\nf()\n")

    assert (error.path, error.line) == ("plugin.py", 2)
    assert str(error) == (
        "plugin.py:2: ValueError: no\n\n"
        "Traceback (most recent call last):\n"
        '  File "plugin.py", line 4, in <module>\n    f()\n    ~^^\n'
        "  File \"plugin.py\", line 2, in f\n    raise ValueError('no')\n"
        "ValueError: no\n"
    )


def test_an_error_in_another_module_names_that_module(load):
    """The innermost of the author's files is the place."""
    others = {"lib/__init__.py": "", "lib/sub.py": "a = 1\nb = a / 0\n"}
    error = failure(load, "import lib.sub\n", others=others)

    assert (error.path, error.line) == ("lib/sub.py", 2)
    assert 'File "plugin.py", line 1' in str(error)
    assert "importlib" not in str(error)


def test_a_broken_module_that_is_never_imported_does_not_matter(load):
    """A library's file for another Python may lie there; an import of it fails as usual."""
    others = {"lib/__init__.py": "", "lib/old.py": "print 'two'\n"}

    assert load(EXPORT, others=others).exports == B_AND_A

    error = failure(load, "import lib.old\n", others=others)

    assert (error.path, error.line) == ("lib/old.py", 1)
    assert "SyntaxError: Missing parentheses" in str(error)


def test_a_missing_module_is_named(load):
    """The import that fails is the place."""
    error = failure(load, "import extism\nimport numpy\n")

    assert str(error).startswith("plugin.py:2: ModuleNotFoundError: No module named 'numpy'\n")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("extism.Config.get_str('key')", "Config"),
        ("extism.Var.get_str('key')", "Var"),
        ("extism.Var.set('key', 1)", "Var"),
        ("extism.Http.get('http://localhost')", "Http"),
        ("extism.input_str()", "the input"),
        ("extism.output_str('')", "the output"),
        ("extism.set_error('')", "set_error"),
        ("extism.log(extism.LogLevel.Info, '')", "log"),
        ("extism.memory.alloc(b'a')", "memory or a host function"),
        ("extism.memory.find(8)", "memory"),
    ],
)
def test_the_host_is_not_there_while_building(load, tmp_path, code, name):
    """What needs the host says when it can be used, in the author's words; natively too."""
    source = f"import extism\n{code}\n"
    error = failure(load, source)
    (tmp_path / "plugin.py").write_text(source, encoding="utf-8")
    with pytest.raises(RuntimeError) as natively, testing.host(tmp_path / "plugin.py"):
        pass

    text = (
        f"module-level code runs when the plug-in is built; {name} can only be used inside a "
        "plug-in function"
    )
    assert str(error).startswith(f"plugin.py:2: RuntimeError: {text}\n")
    assert str(natively.value) == text


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("@extism.plugin_fn\ndef f(a: Nope): ...", "parameter a"),
        ("@extism.plugin_fn\nasync def f(a: int) -> list[Nope]: ...", "result"),
    ],
)
def test_an_annotation_that_is_never_defined(load, code, what):
    """The function, what of it, and its line are told, though the error shows when all has been loaded."""
    error = failure(load, f"from __future__ import annotations\nimport extism\n{code}\n")

    assert str(error) == (
        f"plugin.py:3: NameError: f: {what}: name 'Nope' is not defined, or only where "
        "TYPE_CHECKING is true"
    )
    assert (error.path, error.line) == ("plugin.py", 3)


def test_sys_exit_at_module_level_is_an_error(load):
    """A script that ends itself is no plug-in."""
    error = failure(load, "import sys\nsys.exit(3)\n")

    assert str(error).startswith("plugin.py:2: SystemExit: 3\n")


def test_os_exit_is_an_error(load):
    """Nothing of the interpreter survives it, so there is no line; the text says what happened."""
    error = failure(load, "import os\nos._exit(0)\n")

    assert str(error) == (
        "plugin.py: the plug-in could not be built: its module level ended the interpreter "
        "(os._exit or the like)"
    )


def test_an_endless_loop_ends_with_the_time(load):
    """A limit for the module level is kept."""
    error = failure(load, "while True: pass\n", timeout=0.5)

    assert "still running when its time was up" in str(error)
    assert error.hint == "code outside of functions runs when the plug-in is built"


def test_too_much_memory_is_an_error(load):
    """The module level gets a gigabyte, all of which would be shipped."""
    error = failure(load, "x = bytearray(1 << 30)\n")

    assert str(error).startswith("plugin.py:1: MemoryError")


def test_errors_that_cannot_be_printed_are_reported_all_the_same(load):
    """An exception whose own `__str__` fails is still named."""
    source = "class Odd(Exception):\n    def __str__(self):\n        raise KeyError\nraise Odd\n"
    error = failure(load, source)

    assert str(error).startswith("plugin.py:4: Odd: <its text cannot be made: KeyError>\n")


def test_groups_of_exceptions_are_shown_whole(load):
    """Each member of the group is in the text."""
    error = failure(load, "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])\n")

    assert str(error).startswith("plugin.py:1: ExceptionGroup: two (2 sub-exceptions)\n")
    assert "ValueError: 1" in str(error)
    assert "TypeError: 2" in str(error)


def test_a_plugin_may_not_take_a_librarys_name(load):
    """`import json` could not mean both."""
    error = failure(load, "x = 1\n", name="json")

    assert "json.py has the name of a library module" in str(error)


def test_the_image_becomes_a_module(base, load):
    """The image fits the base image's memory; the result is a module that reads back."""
    loaded = load(EXPORT)
    module = read(snapshot(base, {0: loaded.image}))

    assert module.memories[0].limits.min == len(loaded.image) // 65536


def test_the_main_module_is_kept_beside_modules_below_it(load):
    """Modules of the plug-in's own package are kept first, and make a parent of the main one's name."""
    assert load(EXPORT, others={"plugin/part.py": "x = 1\n"}).exports == B_AND_A


def test_a_folder_without_init_is_a_package(load):
    """Modules of a namespace package are found through a parent that no file makes."""
    others = {"space/deep/part.py": "x = 1\n"}

    assert load("from space.deep.part import x\n" + EXPORT, others=others).exports == B_AND_A


def test_a_library_goes_before_a_module_of_its_name(load):
    """A dependency's copy of a stdlib module does not take that module's place."""
    others = {"json/__init__.py": "raise ImportError('the wrong json')\n"}

    assert load("import json\njson.dumps\n" + EXPORT, others=others).exports == B_AND_A
