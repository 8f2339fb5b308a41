"""The interpreter at work inside a plug-in: limits, libraries, and what differs from copy to copy."""

from __future__ import annotations

import ast
import textwrap
import time

import pytest

import extism

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]

# Each value nests deeper than any stack; Python must notice, the machine must not.
DEEP = {
    "json array": "json.loads('[' * 100000)",
    "json dump": "json.dumps(nested(list))",
    "repr": "repr(nested(list))",
    "comparison": "nested(list) == nested(list)",
    "parentheses": "compile('(' * 500 + ')' * 500, 'x', 'eval')",
    "long sum": "compile('1' + '+1' * 20000, 'x', 'eval')",
    "minus signs": "compile('-' * 5000 + '1', 'x', 'eval')",
    "literal": "ast.literal_eval('[' * 1000 + ']' * 1000)",
    "getattr": "Endless().foo",
    "str": "str(Endless())",
    "property": "Endless().prop",
    "sort key": "sort_key(1)",
    "map": "mapped(1)",
    "partial": "partial()",
    "eval": "evaluated()",
    "deepcopy": "copy.deepcopy(nested(list))",
    "pickle": "pickle.dumps(nested(list))",
    "regular expression": "re.compile('(' * 2000 + ')' * 2000)",
    "isinstance": "isinstance('', nested(lambda pair: tuple(pair), int))",
    "generators": "list(generate(100000))",
    "nested source far down": "far_down(1000, '[' * 85 + '1' + ']' * 85)",
    "nested source at each level": "evaluated('[' * 30 + 'evaluated(text)' + ']' * 30)",
    "plain function": "plain()",
}

LIBRARIES = """
    abc argparse array ast asyncio base64 bisect calendar cmath cmd code codecs collections.abc colorsys
    concurrent.futures configparser contextlib contextvars copy cProfile csv dataclasses datetime decimal difflib
    dis doctest email email.message enum errno fnmatch fractions functools gc getpass gettext glob graphlib gzip
    hashlib heapq hmac html html.parser http.client http.cookies imaplib importlib.metadata importlib.resources
    inspect io ipaddress itertools json keyword linecache locale logging logging.handlers mailbox math mimetypes
    multiprocessing netrc ntpath numbers operator optparse os pathlib pdb pickle pickletools pkgutil platform
    plistlib poplib posixpath pprint profile pstats py_compile pyclbr pydoc queue quopri random re reprlib runpy
    sched secrets select selectors shelve shlex shutil signal smtplib socket socketserver stat statistics string
    stringprep struct subprocess symtable sys sysconfig tabnanny tarfile tempfile textwrap threading time timeit
    token tokenize tomllib trace traceback tracemalloc types typing unicodedata unittest unittest.mock urllib.error
    urllib.parse urllib.request uuid warnings wave weakref wsgiref.util xml.dom.minidom xml.etree.ElementTree
    xml.sax xmlrpc.client zipapp zipfile zipimport zlib zoneinfo
    """

SOURCE = textwrap.dedent(
    """
    import ast, copy, functools, importlib, json, os, pickle, random, re, sys, time

    import extism

    seen_while_building = random.random()


    def nested(wrap, value=None):
        value = [] if value is None else value
        for _ in range(100000):
            value = wrap((value,))
        return value


    class Endless:
        def __getattr__(self, name):
            return getattr(self, name + "x")

        def __str__(self):
            return str(self)

        @property
        def prop(self):
            return self.prop


    def sort_key(x):
        return sorted([1, 2], key=sort_key)


    def mapped(x):
        return list(map(mapped, [x]))


    def partial():
        return functools.partial(partial)()


    def evaluated(text="evaluated()"):
        return eval(text, {"evaluated": evaluated, "text": text})


    def far_down(depth, text):
        return list(map(lambda _: far_down(depth - 1, text), [1])) if depth else eval(text)


    def generate(n):
        if n:
            yield from generate(n - 1)
        yield 1


    def plain():
        return plain()


    @extism.plugin_fn
    def deep():
        try:
            eval(extism.input_str())
        except (RecursionError, MemoryError) as error:
            extism.output_str(type(error).__name__)


    @extism.plugin_fn
    def run():
        names = dict(globals())
        exec(extism.input_str(), names)
        extism.output_str(str(names.get("answer")))


    @extism.plugin_fn
    def import_all():
        failed = []
        for name in extism.input_str().split():
            try:
                importlib.import_module(name)
            except Exception as error:
                failed.append(f"{name}: {error!r}")
        extism.output_json(failed)
    """
)


@pytest.fixture(scope="module", params=[False, True], ids=["single", "shared"])
def compiled(python_plugin, request):
    wasm = python_plugin(SOURCE, shared=request.param)
    return extism.CompiledPlugin({"wasm": [{"path": str(wasm)}]}, wasi=True)


@pytest.fixture(scope="module")
def plugin(compiled):
    with extism.Plugin(compiled) as plugin:
        yield plugin


def run(plugin, text):
    return plugin.call("run", textwrap.dedent(text).encode()).decode()


@pytest.mark.parametrize("expression", DEEP.values(), ids=DEEP)
def test_too_deep_is_an_exception_not_a_trap(plugin, expression):
    """Where Python looks after its depth, the plug-in sees an exception and goes on working."""
    assert plugin.call("deep", expression).decode() in ("RecursionError", "MemoryError")
    assert run(plugin, "answer = 1 + 1") == "2"


def test_libraries_are_there_at_run_time(plugin):
    """Modules that nothing imported while building are loaded from memory, without any file."""
    assert plugin.call("import_all", LIBRARIES) == b"[]"


def test_each_copy_draws_its_own_numbers(compiled):
    """`random` differs from instance to instance, also where it was used while building."""
    drawn, built = set(), set()
    for _ in range(3):
        with extism.Plugin(compiled) as plugin:
            drawn.add(run(plugin, "answer = random.random()"))
            built.add(run(plugin, "answer = seen_while_building"))

    assert len(drawn) == 3
    assert len(built) == 1


def test_secrets_and_uuids_are_drawn_at_run_time(plugin):
    """The system's randomness is real once the plug-in runs."""
    assert run(plugin, "import secrets; answer = secrets.token_hex(8)") != "0" * 16
    assert run(plugin, "import uuid; answer = uuid.uuid4() != uuid.uuid4()") == "True"


def test_the_clock_is_real_at_run_time(plugin):
    """Time goes on from the host's, not from the build's; a clock on the wall may be set while one sleeps."""
    before = time.time()
    told, slept = ast.literal_eval(
        run(
            plugin,
            """
            start = time.monotonic()
            time.sleep(0.01)
            answer = time.time(), time.monotonic() - start
            """,
        )
    )

    assert before - 60 < told < time.time() + 60
    assert slept >= 0.01


def test_the_rehearsal_is_forgotten(plugin):
    """The plug-in that was loaded while the interpreter was built is in no copy."""
    text = run(
        plugin,
        """
        import importlib.util, sys
        answer = "rehearsal" in sys.modules, importlib.util.find_spec("rehearsal")
        """,
    )

    assert text == "(False, None)"


def test_folders_of_the_build_are_gone(plugin):
    """What the build host had shown is no name any more."""
    text = run(
        plugin,
        """
        answer = []
        for path in ("/app", "/lib", "/guest", "/app/bundle.json", "/lib/python313.zip"):
            try:
                os.stat(path)
                answer.append(path)
            except OSError:
                pass
        """,
    )

    assert text == "[]"


def test_folders_of_the_host_are_seen(python_plugin, tmp_path):
    """`allowed_paths` of the running plug-in can be listed, read and written, in UTF-8."""
    (tmp_path / "in.txt").write_text("héllo", encoding="utf-8")
    manifest = {
        "wasm": [{"path": str(python_plugin(SOURCE))}],
        "allowed_paths": {str(tmp_path): "/data"},
    }
    with extism.Plugin(manifest, wasi=True) as plugin:
        text = run(
            plugin,
            """
            with open("/data/in.txt") as stream:
                answer = stream.read(), os.listdir("/data")
            with open("/data/out.txt", "w") as stream:
                print("grüße", file=stream)
            """,
        )

    assert text == "('héllo', ['in.txt'])"
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "grüße\n"


def test_the_event_loop_runs_on_the_clock_alone(plugin):
    """asyncio works for timers, tasks and queues."""
    text = run(
        plugin,
        """
        import asyncio

        async def worker(queue, began, n):
            loop = asyncio.get_running_loop()
            due = loop.create_future()
            # Not `sleep`, which counts from now: on a busy machine the next worker begins much later.
            loop.call_at(began + 0.001 * n, due.set_result, None)
            await due
            await queue.put(n)
            return n

        async def main():
            queue = asyncio.Queue()
            async with asyncio.timeout(60):
                await asyncio.sleep(0.001)
                began = asyncio.get_running_loop().time()
                results = await asyncio.gather(*(worker(queue, began, n) for n in (3, 1, 2)))
            return results, [queue.get_nowait() for _ in range(3)]

        answer = asyncio.run(main())
        """,
    )

    assert text == "([3, 1, 2], [1, 2, 3])"


def test_an_event_loop_that_nothing_can_wake_says_so(plugin):
    """A task that waits for what no timer brings is an error, not a plug-in that hangs."""
    with pytest.raises(extism.Error, match="would wait for ever"):
        run(plugin, "import asyncio\nasync def f(): await asyncio.Event().wait()\nasyncio.run(f())")


def test_a_host_name_cannot_be_looked_up(plugin):
    """The resolver's functions exist and fail as Python expects."""
    text = run(
        plugin,
        """
        import socket
        answer = []
        for look in (lambda: socket.gethostbyname("localhost"), lambda: socket.getservbyname("http"),
                     lambda: socket.gethostbyaddr("127.0.0.1"), lambda: socket.getprotobyname("tcp")):
            try:
                look()
            except OSError as error:
                answer.append(type(error).__name__)
        """,
    )

    assert text == "['gaierror', 'OSError', 'herror', 'OSError']"


def test_the_interpreter_says_what_it_is(plugin):
    """`platform` can take sys.version apart; the version and the platform are the pinned ones."""
    text = run(
        plugin,
        "import platform; answer = platform.python_implementation(), platform.python_version(), sys.platform",
    )

    assert text == "('CPython', '3.13.5', 'wasi')"


def test_texts_are_utf_8(plugin):
    """There is no locale: encodings default to UTF-8."""
    text = run(plugin, "import locale; answer = locale.getpreferredencoding(), sys.flags.utf8_mode")

    assert text == "('utf-8', 1)"


def test_asserts_of_the_author_are_kept_those_of_the_stdlib_are_not(plugin):
    """The author's code runs as written; the stdlib's docstrings are there."""
    with pytest.raises(extism.Error, match="AssertionError"):
        run(plugin, "assert False")
    assert run(plugin, "answer = 'JSON' in json.loads.__doc__") == "True"


def test_exit_and_quit_are_there(plugin):
    """What `site` adds to the builtins and scripts use."""
    with pytest.raises(extism.Error) as caught:
        run(plugin, "exit(3)")

    assert "3" in str(caught.value)


def test_a_large_input_comes_through_whole(plugin):
    """Lengths around the width of one load, and a megabyte."""
    for length in (1, 7, 8, 9, 15, 16, 17, 1 << 20):
        text = "answer = " + repr("x" * length)

        assert run(plugin, text) == "x" * length
