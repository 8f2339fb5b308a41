"""`confinement`: what a process can do no more once it is confined; tried in one that had it all."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems confine less"
)

LIMITS = {"memory_bytes": None, "cpu_seconds": None, "open_files": None, "file_bytes": None}

PROGRAM = """
import json, os, resource, signal, socket, subprocess, sys, threading
from pathlib import Path

import extism
from extism._isolation.confinement import Confinement

root, limits = Path(sys.argv[1]), json.loads(sys.argv[2])
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
address = listener.getsockname()
unconnected = socket.socket()


def connect():
    unconnected.settimeout(5)
    unconnected.connect(address)


def grow():
    return len(bytearray(1 << 30))


TRIALS = {
    "read granted": lambda: (root / "rw" / "file").read_text(),
    "write granted": lambda: (root / "rw" / "new").write_text("x"),
    "remove granted": lambda: (root / "rw" / "new").unlink(),
    "read read-only": lambda: (root / "ro" / "file").read_text(),
    "write read-only": lambda: (root / "ro" / "new").write_text("x"),
    "truncate read-only": lambda: os.truncate(root / "ro" / "file", 0),
    "read other": lambda: (root / "other" / "file").read_text(),
    "list other": lambda: os.listdir(root / "other"),
    "write other": lambda: (root / "other" / "new").write_text("x"),
    "link out": lambda: os.link(root / "rw" / "named", root / "other" / "link"),
    "use the cache": lambda: (root / "cache" / "code").write_text("x"),
    "read /etc/passwd": lambda: Path("/etc/passwd").read_text(),
    "read the parent": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "make a socket": socket.socket,
    "connect": connect,
    "fork": lambda: os.fork() or os._exit(0),
    "run": lambda: subprocess.run(["/bin/true"]),
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "limit the parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE),
    "pin the parent": lambda: os.sched_setaffinity(os.getppid(), {0}),
    "limit itself": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "start a thread": lambda: threading.Thread(target=int).start(),
    "change modes": lambda: (root / "rw" / "file").chmod(0o777),
    "make a FIFO": lambda: os.mkfifo(root / "rw" / "fifo"),
    "rename granted": lambda: (root / "rw" / "file").rename(root / "rw" / "named"),
    "read its memory": lambda: open("/proc/self/mem"),
    "import": lambda: __import__("extism.extism"),
    "allocate": grow,
    "open many": lambda: [os.dup(0) for _ in range(64)],
    "write much": lambda: (root / "rw" / "big").write_bytes(bytes(1 << 21)),
}


def outcome(trial):
    try:
        trial()
    except OSError as exc:
        return "refused" if exc.errno in (1, 13) else str(exc)
    except MemoryError:
        return "no memory"
    return "done"


signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
paths = {str(root / "rw"): "/rw", f"ro:{root / 'ro'}": "/ro"}
confinement = Confinement(limits, paths, str(root / "cache"))
compiling = outcome(TRIALS["use the cache"])
is_sealed = confinement.complete()
found = {name: outcome(TRIALS[name]) for name in json.loads(sys.argv[3])}
print(json.dumps([compiling, is_sealed, found]))
"""


@pytest.fixture
def confined(tmp_path):
    """A function from names of trials to how they end in a confined process."""
    program = tmp_path / "code" / "program.py"
    for name in ("code", "rw", "ro", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
    program.write_text(PROGRAM)

    def run(*trials, **limits):
        arguments = [tmp_path, json.dumps(LIMITS | limits), json.dumps(trials)]
        command = [sys.executable, program, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


def has_landlock():
    version = ctypes.CDLL(None).syscall(
        ctypes.c_long(444), None, ctypes.c_long(0), ctypes.c_long(1)
    )
    return version >= 4


def test_files_are_what_was_granted(confined):
    """Granted folders can be used, read-only ones read; nothing else, and the cache only to compile."""
    granted = (
        *("read granted", "write granted", "remove granted", "rename granted"),
        *("read read-only", "import"),
    )
    other = (
        *("write read-only", "truncate read-only", "read other", "list other", "write other"),
        *("link out", "use the cache", "connect", "read /etc/passwd", "read the parent"),
        *("make a FIFO", "read its memory", "change modes"),
    )
    if not has_landlock():
        pytest.skip("this system has no Landlock for files and networks")
    compiling, is_sealed, found = confined(*granted, *other)

    assert (compiling, is_sealed) == ("done", True)
    assert found == dict.fromkeys(granted, "done") | dict.fromkeys(other, "refused")


def test_networks_and_other_processes_are_out_of_reach(confined):
    """No new socket, no connection with one that there was, no child, no signal, no limits for others."""
    refused = (
        *("make a socket", "fork", "run", "signal the parent"),
        *("limit the parent", "pin the parent"),
    )
    own = ("limit itself", "start a thread")
    _, _, found = confined(*refused, *own)

    assert found == dict.fromkeys(refused, "refused") | dict.fromkeys(own, "done")


def test_memory_and_descriptors_end_where_they_were_told_to(confined):
    """A gibibyte of a quarter, and 64 of 32."""
    _, _, found = confined("allocate", "open many", memory_bytes=1 << 28, open_files=32)

    assert found["allocate"] == "no memory"
    assert "Too many open files" in found["open many"]


def test_files_end_where_they_were_told_to(confined):
    """Two megabytes of one."""
    _, _, found = confined("write much", file_bytes=1 << 20)

    assert "File too large" in found["write much"]
