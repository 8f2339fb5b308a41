"""The standard library inside a plug-in: what is there works, what cannot work says what to do instead."""

from __future__ import annotations

import json
import textwrap

import pytest

import extism

pytestmark = [pytest.mark.guest_python, pytest.mark.timeout(300)]

SOURCE = textwrap.dedent(
    """
    import extism


    @extism.plugin_fn
    def run():
        names = {}
        try:
            exec(extism.input_str(), names)
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            extism.output_json([kinds[: kinds.index("Exception")], str(error)])
        else:
            extism.output_json(names.get("answer"))
    """
)

THREADS = (
    "a plug-in runs in one thread; use asyncio, or several instances of the plug-in on the host"
)
PROCESSES = (
    "a plug-in cannot start processes; let the host do it, in a host function (extism.import_fn)"
)
SOCKETS = "a plug-in has no sockets; use extism.Http for requests that the host allows"

# Code, the error's class with those above it, what its text ends with.
REFUSED = {
    "thread": ("import threading; threading.Thread().start()", "RuntimeError", THREADS),
    "raw thread": ("import _thread; _thread.start_new_thread(print, ())", "RuntimeError", THREADS),
    "executor": (
        "from concurrent.futures import *; ThreadPoolExecutor().submit(print)",
        "RuntimeError",
        THREADS,
    ),
    "lock that is held": (
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "RuntimeError",
        "a plug-in has no other thread that could release the lock",
    ),
    "empty queue": (
        "import queue; queue.Queue().get()",
        "RuntimeError",
        "a plug-in has no other thread that could release the lock",
    ),
    "empty simple queue": (
        "import queue; queue.SimpleQueue().get()",
        "RuntimeError",
        "a plug-in has no other thread that could release the lock",
    ),
    "subprocess": ("import subprocess; subprocess.run(['ls'])", "OSError", PROCESSES),
    "popen": ("import os; os.popen('ls')", "OSError", PROCESSES),
    "multiprocessing": (
        "import multiprocessing; multiprocessing.Process(target=print).start()",
        "OSError",
        PROCESSES,
    ),
    "fork": ("import os; os.fork()", "AttributeError", PROCESSES),
    "system": ("import os; os.system('ls')", "AttributeError", PROCESSES),
    "socket": ("import socket; socket.socket()", "OSError", SOCKETS),
    "connection": (
        "import socket; socket.create_connection(('example.com', 80))",
        "gaierror OSError",
        SOCKETS,
    ),
    "http client": (
        "import http.client; http.client.HTTPConnection('example.com').request('GET', '/')",
        "gaierror OSError",
        SOCKETS,
    ),
    "http client, by address": (
        "import http.client; http.client.HTTPConnection('127.0.0.1').request('GET', '/')",
        "OSError",
        SOCKETS,
    ),
    "ftp": ("import ftplib; ftplib.FTP('example.com')", "gaierror OSError", SOCKETS),
    "ftp, by URL": (
        "import urllib.request; urllib.request.urlopen('ftp://example.com/x')",
        "URLError OSError",
        f"{SOCKETS}>",
    ),
    "smtp": ("import smtplib; smtplib.SMTP('example.com')", "gaierror OSError", SOCKETS),
    "server": (
        "import http.server; http.server.HTTPServer(('', 0), None)",
        "OSError",
        SOCKETS,
    ),
    "asyncio's connection": (
        "import asyncio; asyncio.run(asyncio.open_connection('example.com', 80))",
        "gaierror OSError",
        SOCKETS,
    ),
    "asyncio's server": (
        "import asyncio; asyncio.run(asyncio.start_server(print, '127.0.0.1', 80))",
        "OSError",
        SOCKETS,
    ),
    "asyncio's unix connection": (
        "import asyncio; asyncio.EventLoop().create_unix_connection(print, '/x')",
        "NotImplementedError RuntimeError",
        SOCKETS,
    ),
    "asyncio's subprocess": (
        "import asyncio; asyncio.run(asyncio.create_subprocess_exec('ls'))",
        "NotImplementedError RuntimeError",
        PROCESSES,
    ),
    "asyncio's reader": (
        "import asyncio; asyncio.EventLoop().add_reader(0, print)",
        "NotImplementedError RuntimeError",
        "nothing but the clock wakes the event loop of a plug-in; read and write at once instead",
    ),
    "asyncio's signal handler": (
        "import asyncio; asyncio.EventLoop().add_signal_handler(15, print)",
        "NotImplementedError RuntimeError",
        "nothing signals a plug-in; the host limits its time (timeout_ms), asyncio has timers",
    ),
    "asyncio, threads by name": (
        """
        import asyncio, concurrent.futures
        pool = concurrent.futures.ThreadPoolExecutor()
        asyncio.EventLoop().run_in_executor(pool, print)
        """,
        "RuntimeError",
        THREADS,
    ),
    "process pool": (
        "from concurrent.futures import *; ProcessPoolExecutor()",
        "NotImplementedError RuntimeError",
        PROCESSES,
    ),
    "gethostbyname": (
        "import socket; socket.gethostbyname('example.com')",
        "gaierror OSError",
        SOCKETS,
    ),
    "gethostbyname_ex": (
        "import socket; socket.gethostbyname_ex('example.com')",
        "gaierror OSError",
        SOCKETS,
    ),
    "gethostbyname_ex, by address": (
        "import socket; socket.gethostbyname_ex('127.0.0.1')",
        "herror OSError",
        SOCKETS,
    ),
    "gethostbyaddr": (
        "import socket; socket.gethostbyaddr('127.0.0.1')",
        "herror OSError",
        SOCKETS,
    ),
    "getnameinfo": (
        "import socket; socket.getnameinfo(('example.com', 80), 0)",
        "gaierror OSError",
        SOCKETS,
    ),
    "getaddrinfo": (
        "import socket; socket.getaddrinfo('example.com', 80)",
        "gaierror OSError",
        SOCKETS,
    ),
    "ssl": ("import ssl", "ModuleNotFoundError ImportError", SOCKETS),
    "tkinter": (
        "import tkinter",
        "ModuleNotFoundError ImportError",
        "a plug-in has no screen and no keyboard; return what is to be shown",
    ),
    "ctypes": (
        "import ctypes",
        "ModuleNotFoundError ImportError",
        "a plug-in cannot load native code",
    ),
    "chown": (
        "import os; os.chown('/x', 1, 1)",
        "AttributeError",
        "a plug-in knows no users, groups and rights of files",
    ),
    "alarm": (
        "import signal; signal.alarm(1)",
        "AttributeError",
        "nothing signals a plug-in; the host limits its time (timeout_ms), asyncio has timers",
    ),
    "unknown module": ("import nosuch", "ModuleNotFoundError ImportError", "'nosuch'"),
    "unknown attribute": ("import os; os.nosuch", "AttributeError", "no attribute 'nosuch'"),
}

WORKS = {
    "sqlite in memory": (
        """
        import sqlite3
        db = sqlite3.connect(":memory:")
        db.execute("CREATE TABLE t(a, b)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, n * n) for n in range(10)])
        answer = db.execute("SELECT sum(a), max(b), sqrt(16.0) FROM t").fetchone()
        """,
        [45, 81, 4.0],
    ),
    "sqlite searches texts": (
        """
        import sqlite3
        db = sqlite3.connect(":memory:")
        db.execute("CREATE VIRTUAL TABLE t USING fts5(text)")
        db.executemany("INSERT INTO t VALUES (?)", [("red fox",), ("blue bird",)])
        answer = db.execute("SELECT text FROM t WHERE t MATCH 'bird'").fetchall()
        """,
        [["blue bird"]],
    ),
    "bz2": ("import bz2; answer = bz2.decompress(bz2.compress(b'x' * 9)).decode()", "x" * 9),
    "lzma": ("import lzma; answer = lzma.decompress(lzma.compress(b'x' * 9)).decode()", "x" * 9),
    "lzma, all filters": (
        """
        import lzma
        filters = [{"id": lzma.FILTER_DELTA}, {"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2}]
        packed = lzma.compress(bytes(range(256)), check=lzma.CHECK_SHA256, filters=filters)
        answer = lzma.decompress(packed) == bytes(range(256))
        """,
        True,
    ),
    "tar.xz": (
        """
        import io, tarfile
        row = io.BytesIO()
        with tarfile.open(fileobj=row, mode="w:xz") as tar:
            tar.addfile(tarfile.TarInfo("name"))
        answer = tarfile.open(fileobj=io.BytesIO(row.getvalue())).getnames()
        """,
        ["name"],
    ),
    "time zones": (
        """
        import datetime, zoneinfo
        noon = datetime.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("America/New_York"))
        answer = [str(noon), len(zoneinfo.available_timezones())]
        """,
        ["2026-07-01 12:00:00-04:00", 598],
    ),
    "no such zone": (
        """
        import zoneinfo
        try:
            zoneinfo.ZoneInfo("Mars/Olympus")
        except zoneinfo.ZoneInfoNotFoundError as error:
            answer = str(error)
        """,
        "'No time zone found with key Mars/Olympus'",
    ),
    "log2 of the smallest numbers": ("import math; answer = math.log2(2.0**-1074)", -1074.0),
    "addresses in numbers": (
        """
        import socket
        answer = [
            socket.gethostbyname("127.0.0.1"),
            socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
            socket.getaddrinfo("127.0.0.1", 80)[0][4],
        ]
        """,
        ["127.0.0.1", ["127.0.0.1", "80"], ["127.0.0.1", 80]],
    ),
    "asyncio.to_thread": (
        """
        import asyncio, contextvars, functools
        name = contextvars.ContextVar("name")

        async def main():
            name.set("kept")
            loop = asyncio.get_running_loop()
            return await asyncio.gather(
                asyncio.to_thread(sorted, [2, 1], reverse=True),
                loop.run_in_executor(None, functools.partial(int, "11", base=2)),
                asyncio.to_thread(name.get),
            )

        answer = asyncio.run(main())
        """,
        [[2, 1], 3, "kept"],
    ),
    "asyncio.to_thread, what it raises": (
        """
        import asyncio

        async def main():
            failed = asyncio.create_task(asyncio.to_thread(int, "x"))
            return [str(error) for error in await asyncio.gather(failed, return_exceptions=True)]

        answer = asyncio.run(main())
        """,
        ["invalid literal for int() with base 10: 'x'"],
    ),
    "asyncio.to_thread, a loop inside": (
        """
        import asyncio

        async def main():
            inner = await asyncio.to_thread(asyncio.run, asyncio.sleep(0.001, "inner"))
            return [inner, await asyncio.sleep(0.001, "outer")]

        answer = asyncio.run(main())
        """,
        ["inner", "outer"],
    ),
    "name of the machine": ("import socket; answer = socket.gethostname()", "localhost"),
    "who looks first": (
        """
        import importlib.util, os, signal
        answer = [importlib.util.find_spec("ctypes"), hasattr(os, "fork"), hasattr(signal, "alarm")]
        """,
        [None, False, False],
    ),
    "a lock with a time-out": (
        """
        import threading, time
        lock = threading.Lock()
        lock.acquire()
        began = time.monotonic()
        answer = [lock.acquire(timeout=0.05), time.monotonic() - began >= 0.05]
        """,
        [False, True],
    ),
    "a queue with a time-out": (
        """
        import queue
        answer = []
        for kind in (queue.Queue, queue.SimpleQueue):
            try:
                kind().get(timeout=0.01)
            except queue.Empty:
                answer.append("empty")
        """,
        ["empty", "empty"],
    ),
    "a loop over a selector": (
        """
        import asyncio, selectors
        loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        answer = loop.run_until_complete(asyncio.sleep(0.001, "slept"))
        loop.close()
        """,
        "slept",
    ),
    "signals of one's own": (
        """
        import signal
        seen = []
        signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
        signal.raise_signal(signal.SIGTERM)
        answer = seen
        """,
        [15],
    ),
}


@pytest.fixture(scope="module")
def compiled(python_plugin):
    return extism.CompiledPlugin({"wasm": [{"path": str(python_plugin(SOURCE))}]}, wasi=True)


@pytest.fixture(scope="module")
def plugin(compiled):
    with extism.Plugin(compiled) as plugin:
        yield plugin


def run(plugin, text):
    return plugin.call("run", textwrap.dedent(text).encode(), parse=json.loads)


@pytest.mark.parametrize(("text", "classes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_says_so(plugin, text, classes, words):
    """The error is of the class that code expects there, and says what to do instead."""
    found, said = run(plugin, text)

    assert found == classes.split()
    assert said.endswith(words)


@pytest.mark.parametrize(("text", "answer"), WORKS.values(), ids=WORKS)
def test_what_is_there_works(plugin, text, answer):
    """Modules on C libraries, data of the stdlib, and what stands in for the missing kernel."""
    assert run(plugin, text) == answer


def test_a_database_lives_in_a_folder_of_the_host(python_plugin, tmp_path):
    """What one instance stores another one reads; no lock is left behind."""
    manifest = {
        "wasm": [{"path": str(python_plugin(SOURCE))}],
        "allowed_paths": {str(tmp_path): "/data"},
    }
    with extism.Plugin(manifest, wasi=True) as writer:
        run(
            writer,
            """
            import sqlite3
            with sqlite3.connect("/data/x.db") as db:
                db.execute("CREATE TABLE t(a)")
                db.execute("INSERT INTO t VALUES ('kept')")
            db.close()
            """,
        )
    with extism.Plugin(manifest, wasi=True) as reader:
        rows = run(
            reader,
            """
            import sqlite3
            answer = sqlite3.connect("/data/x.db").execute("SELECT a FROM t").fetchall()
            """,
        )

    assert rows == [["kept"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.db"]
