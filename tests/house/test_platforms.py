"""
Nothing is bound to one platform: what cannot be run here is simulated, one difference at a time.

wasmtime's wheel serves Linux, macOS and Windows on x86-64 and arm64. What differs for us: where the library lies
in the wheel, which modules and functions of the stdlib exist, and where caches belong.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from extism._engine import wheel

ROOT = Path(__file__).parents[2]
IN_THE_GUEST = (
    "asyncio_wasi.py",
    "boot.py",
    "carried.py",
    "failures.py",
    "finder.py",
    "renewals.py",
)
MODULES = sorted(
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "src" / "extism").rglob("*.py")
    if path.name not in {"__main__.py", *IN_THE_GUEST}
)

# A Python without what only POSIX has, as far as that can be had by taking it away before the import.
WITHOUT_POSIX = """
import importlib, os, signal, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "grp", "posix_ipc", "pty", "pwd", "resource", "termios", "tty"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for name in ("fork", "getuid", "geteuid", "uname", "register_at_fork", "killpg", "O_NONBLOCK", "O_CLOEXEC"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "SIGKILL", "SIGHUP", "pthread_sigmask", "set_wakeup_fd"):
    if hasattr(signal, name):
        delattr(signal, name)
"""


@pytest.mark.parametrize(
    ("platform", "machine", "name"),
    [
        ("linux", "x86_64", "_libwasmtime.so"),
        ("linux", "aarch64", "_libwasmtime.so"),
        ("darwin", "x86_64", "_libwasmtime.dylib"),
        ("darwin", "aarch64", "_libwasmtime.dylib"),
        ("win32", "x86_64", "_wasmtime.dll"),
        ("win32", "aarch64", "_wasmtime.dll"),
        ("android", "aarch64", "_libwasmtime.so"),
    ],
)
def test_the_library_is_found_where_each_wheel_keeps_it(
    tmp_path, monkeypatch, platform, machine, name
):
    """The folder of the one machine that the wheel is for is found without asking which machine this is."""
    folder = tmp_path / "wasmtime"
    path = folder / f"{platform}-{machine}" / name
    path.parent.mkdir(parents=True)
    path.touch()
    (tmp_path / "wasmtime-50.0.9.dist-info").mkdir()
    monkeypatch.setattr(wheel, "_package_folders", lambda: [folder])
    monkeypatch.setattr(wheel.sys, "platform", platform)

    assert wheel.library_path() == str(path)
    assert wheel.engine_version() == "50.0.9"


def test_a_platform_without_a_wheel_is_told_so(monkeypatch):
    """The import error names the platform and those that are served."""
    monkeypatch.setattr(wheel.sys, "platform", "sunos5")
    with pytest.raises(
        ImportError, match="no wasmtime wheel serves the platform sunos5; served are"
    ):
        wheel.library_path()


def test_a_missing_wheel_is_told_with_the_command_that_mends_it(tmp_path, monkeypatch):
    """The import error says what to install."""
    monkeypatch.setattr(wheel, "_package_folders", lambda: [tmp_path])
    with pytest.raises(ImportError, match="pip install 'wasmtime>=50,<51'"):
        wheel.library_path()


def test_every_module_imports_and_a_plugin_runs_without_posix(tmp_path):
    """No module needs at its import what only POSIX has, and calls work without it too."""
    script = (
        WITHOUT_POSIX
        + f"""
for name in {MODULES!r}:
    importlib.import_module(name)
import extism
guest = '''(module
  (import "extism:host/env" "input_offset" (func $o (result i64)))
  (import "extism:host/env" "input_length" (func $l (result i64)))
  (import "extism:host/env" "output_set" (func $s (param i64 i64)))
  (func (export "echo") (call $s (call $o) (call $l))))'''
with extism.Plugin({{"wasm": [{{"data": guest.encode()}}], "timeout_ms": 5000}}, wasi=True) as plugin:
    print(plugin.call("echo", "ran").decode())
"""
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={"EXTISM_CACHE_DIR": str(tmp_path), "PATH": "", "PYTHONPATH": str(ROOT / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("ran\n", "")
