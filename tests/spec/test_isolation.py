"""`isolation="process"`: the guest is in another process, and whatever becomes of that, the host goes on."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from patience import AGES, ROOM, repeating, until
from wat_guests import ECHO, LOOP, STATEFUL, wat
from worker_processes import is_alive, new_worker, workers

import extism
from extism.errors import (
    CallError,
    CallTimeout,
    Cancelled,
    CompileError,
    Error,
    HostFunctionError,
    WorkerDied,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks at processes in /proc"
)

SHOUT = wat(
    '(func (export "run") (call $give (call $host (call $copy_input))))',
    before='(import "extism:host/user" "host" (func $host (param i64) (result i64)))',
)

VARIABLES = wat("""
    (data (i32.const 8) "k")
    (func (export "keep") (call $var_set (call $put (i32.const 8) (i32.const 1)) (call $copy_input)))
    (func (export "kept") (call $give (call $var_get (call $put (i32.const 8) (i32.const 1)))))
    (func (export "loop") (loop $l (br $l)))""")


def host_fn(function):
    """A host function that is in no registry."""
    made = extism.host_fn(name="host")(function)
    extism.HOST_FN_REGISTRY.remove(made)
    return made


@pytest.fixture
def isolated():
    """A function from module text to an isolated plug-in and the number of its process."""
    with contextlib.ExitStack() as stack:

        def make(text, *, functions=(), isolation="process", **manifest):
            source = {"wasm": [{"data": text.encode()}], **manifest}
            with new_worker() as found:
                plugin = extism.Plugin(source, functions=list(functions), isolation=isolation)
            (process,) = found
            stack.enter_context(plugin)
            # A test that failed may have left it running, and closing would wait for the end.
            stack.callback(end, process)
            return plugin, process

        yield make


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def in_a_thread(function):
    """Run a function beside the test; returns what waits for its end and raises what it raised."""
    ended = []

    def run():
        try:
            ended.append(function())
        except BaseException as exc:  # noqa: BLE001 - raised below
            ended.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait():
        thread.join(AGES)
        (found,) = ended
        if isinstance(found, BaseException):
            raise found
        return found

    return wait


def computes(process):
    """Wait until a process has used 50 ms, which none does that only wakes; on a busy machine that takes longer."""
    before = ticks(process)
    return until(lambda: ticks(process) - before >= 5)


def ticks(process):
    """How many ticks of the processor, of 10 ms mostly, a process has used in user mode."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


def stop(process):
    """Stop a process, and wait until it has."""
    os.kill(process, signal.SIGSTOP)
    assert until(lambda: states(process) == {"T"})


def states(process):
    """The states of the threads of a process, each by its letter."""
    lines = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/stat")]
    return {line.rpartition(")")[2].split()[0] for line in lines}


# --- A worker that dies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SIGKILL", "SIGABRT", "SIGTERM"])
def test_a_worker_that_dies_in_a_call_is_an_error_and_the_next_call_gets_a_fresh_one(
    isolated, kind
):
    """The error says how it ended, the next call is served by another process, without what the guest remembered."""
    plugin, process = isolated(VARIABLES)
    plugin.call("keep", "kept")
    wait = in_a_thread(lambda: plugin.call("loop", ""))
    assert computes(process)
    os.kill(process, getattr(signal, kind))
    with pytest.raises(
        WorkerDied, match=f"the worker process .* died: {kind}.*; the next call gets a fresh one"
    ) as caught:
        wait()

    assert caught.value.returncode == -getattr(signal, kind)
    assert (caught.value.function, caught.value.exit_code) == ("loop", -1)
    assert plugin.call("kept", "") == b"kept"
    assert not is_alive(process)


CRASHING = """
import ctypes, sys
sys.argv = sys.argv[sys.argv.index("-c") + 1 :]
sys.path[:0] = sys.argv[4:]
from extism._isolation import worker
from extism._isolation.frames import Kind
worker._DUTIES[Kind.CALL] = lambda *_: ctypes.string_at(0)
worker.main()
"""


def test_an_engine_that_reaches_for_wild_memory_is_an_error(tmp_path, monkeypatch):
    """A real fault in the middle of a call, as a bug in compiled code would be one."""
    (tmp_path / "crashing.py").write_text(CRASHING)
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/crashing.py" "$@"\n')
    interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with extism.Plugin(ECHO, functions=[], isolation="process") as plugin:
        for _ in range(2):
            with pytest.raises(WorkerDied, match="SIGSEGV") as caught:
                plugin.call("echo", "x")

            assert caught.value.returncode == -signal.SIGSEGV


def test_a_worker_that_died_while_nobody_called_is_an_error_too(isolated):
    """What the guest remembered is gone, so the next call must not go on as if nothing had happened."""
    plugin, process = isolated(STATEFUL)
    first = plugin.call("count", "")
    os.kill(process, signal.SIGKILL)

    with pytest.raises(WorkerDied):
        plugin.call("count", "")
    assert plugin.call("count", "") == first


def test_a_worker_that_dies_under_a_host_function_is_an_error(isolated):
    """The host function sees it when it reaches for the plug-in, the caller in any case."""
    seen = []

    @host_fn
    def host(current: extism.CurrentPlugin, text: str) -> str:
        os.kill(int(text), signal.SIGKILL)
        assert until(lambda: not is_alive(int(text)))
        with pytest.raises(CallError, match="is gone") as caught:
            current.write(b"x")
        seen.append(caught.value)
        return text

    plugin, process = isolated(SHOUT, functions=[host])
    with pytest.raises(WorkerDied):
        plugin.call("run", str(process))

    assert len(seen) == 1


def test_what_a_worker_said_at_its_end_is_a_note(isolated):
    """What it wrote to its standard error, which nobody sees otherwise."""
    limits = extism.WorkerLimits(memory_bytes=1 << 20)
    with pytest.raises(CompileError, match="the worker process that ran the plugin died") as caught:
        isolated(ECHO, isolation=limits)

    assert isinstance(caught.value.__cause__, WorkerDied)
    assert caught.value.__notes__[0].startswith("the worker said: ")


def test_an_input_that_is_more_than_a_worker_may_hold_ends_it_and_nothing_else(isolated):
    """The error says which limit it was, and the next call is served."""
    plugin, _ = isolated(ECHO, isolation=extism.WorkerLimits(memory_bytes=300 << 20))
    with pytest.raises(
        WorkerDied, match=r"SIGABRT \(.* raise WorkerLimits\(memory_bytes=\.\.\.\)\)"
    ):
        plugin.call("echo", bytes(400 << 20))

    assert plugin.call("echo", "again") == b"again"


def test_a_pool_lends_no_copy_whose_worker_died():
    """It is closed, and another one made."""
    with new_worker() as found:
        pool = extism.Pool(VARIABLES.encode(), 1, functions=[], isolation="process")
    with pool:
        pool.call("keep", "x")
        (process,) = found
        os.kill(process, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            pool.call("kept", "")

        assert pool.call("kept", "") == b""
        assert pool.statistics.recycled == 1


def test_a_worker_that_cannot_be_started_is_an_error_of_ours(isolated, monkeypatch):
    """When the plug-in is made and when a fresh one is needed; nothing is left open, and later all is well."""
    plugin, process = isolated(ECHO)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(WorkerDied):
        plugin.call("echo", "x")
    gc.collect()  # what other tests dropped may hold some, and go in the middle
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        for ask in (lambda: isolated(ECHO), lambda: plugin.call("echo", "x")):
            with pytest.raises(Error, match=r"no worker process could be started: .*/no/such/pyth"):
                ask()

    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
    assert plugin.call("echo", "again") == b"again"


@pytest.mark.parametrize("free", range(8))
def test_a_worker_that_finds_no_descriptors_is_an_error_of_ours(free):
    """Wherever they come to an end; none is lost, and with enough of them the worker starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # what other tests dropped may hold some, and go in the middle
    before = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    unused = [number for number in range(max(before) + 10) if number not in before]
    resource.setrlimit(resource.RLIMIT_NOFILE, (unused[free], hard))
    try:
        with pytest.raises(Error, match="no worker process could be started"):
            extism.Plugin(ECHO, functions=[], isolation="process")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert {int(path.name) for path in Path("/proc/self/fd").iterdir()} <= before
    with extism.Plugin(ECHO, functions=[], isolation="process") as plugin:
        assert plugin.call("echo", "x") == b"x"


# --- Time ---------------------------------------------------------------------------------------------


def test_a_worker_that_does_not_keep_the_deadline_is_killed(isolated):
    """One that has stopped is ended a second after the deadline; the next call is served."""
    plugin, process = isolated(ECHO)
    stop(process)
    started = time.monotonic()
    with pytest.raises(CallTimeout) as caught:
        plugin.call("echo", "x", timeout=0.1)

    assert str(caught.value) == "timeout"
    assert 1.1 <= time.monotonic() - started < 1.1 + ROOM
    assert "was killed" in caught.value.__notes__[0]
    assert plugin.call("echo", "again") == b"again"


def test_a_worker_that_does_not_heed_a_cancellation_is_killed(isolated):
    """The same, without a deadline."""
    plugin, process = isolated(ECHO)
    stop(process)
    wait = in_a_thread(lambda: plugin.call("echo", "x"))
    with repeating(plugin.cancel_handle().cancel), pytest.raises(Cancelled) as caught:
        wait()

    assert str(caught.value) == "timeout"
    assert plugin.call("echo", "again") == b"again"


def test_a_worker_that_does_not_forget_has_died(isolated, monkeypatch):
    """`reset` is no call, so it has no time-out: what it meets is a process that answers nothing."""
    for module in ("remote", "line"):
        monkeypatch.setattr(f"extism._isolation.{module}.ANSWER_SECONDS", 0.2)
    plugin, process = isolated(ECHO)
    stop(process)
    with pytest.raises(WorkerDied, match="SIGKILL") as caught:
        plugin.reset()

    assert caught.value.__notes__[-1] == "it was killed, for it said nothing for 0.2 s"
    assert plugin.call("echo", "again") == b"again"


def test_a_call_is_cancelled_and_the_guest_keeps_its_memory(isolated):
    """Where the worker does heed it, nothing is lost."""
    plugin, process = isolated(VARIABLES.replace('"loop"', '"spin"'))
    wait = in_a_thread(lambda: plugin.call("spin", ""))
    assert computes(process)
    with repeating(plugin.cancel_handle().cancel), pytest.raises(Cancelled):
        wait()

    assert plugin.call("kept", "") == b""
    assert is_alive(process)


def test_a_slow_host_function_does_not_get_the_worker_killed(isolated):
    """The time that the parent takes is not the worker's: the call has failed, the process goes on."""

    @host_fn
    def host(current: extism.CurrentPlugin, text: str) -> str:
        time.sleep(1.3)
        return current.read(current.write(text.encode())).decode()

    plugin, process = isolated(SHOUT, functions=[host])
    with pytest.raises(CallTimeout) as caught:
        plugin.call("run", "x", timeout=0.1)

    assert not hasattr(caught.value, "__notes__")
    assert is_alive(process)


@pytest.mark.parametrize("ended_by", ["the deadline", "a cancellation"])
def test_a_host_function_asks_a_worker_that_is_stuck_no_longer_than_the_call_may_last(
    isolated, monkeypatch, ended_by
):
    """What it wants of the plug-in's blocks is waited for until a second after the end of the call, as all else is."""
    monkeypatch.setattr("extism._isolation.line.ANSWER_SECONDS", AGES)
    asking = threading.Event()

    @host_fn
    def host(current: extism.CurrentPlugin, text: str) -> str:
        stop(int(text))
        asking.set()
        current.write(b"x")
        return text

    plugin, process = isolated(SHOUT, functions=[host])
    started = time.monotonic()
    if ended_by == "the deadline":
        with pytest.raises(CallTimeout) as caught:
            plugin.call("run", str(process), timeout=0.5)
    else:
        wait = in_a_thread(lambda: plugin.call("run", str(process)))
        assert asking.wait(AGES)
        plugin.cancel_handle().cancel()
        with pytest.raises(Cancelled) as caught:
            wait()

    assert str(caught.value) == "timeout"
    assert 1.0 <= time.monotonic() - started < 1.5 + ROOM
    assert not is_alive(process)


def test_code_that_cannot_be_interrupted_ends_too():
    """In this process it would go on for ever; the worker does not."""
    source = {"wasm": [{"data": LOOP.encode()}], "timeout_ms": 100}
    with (
        extism.Plugin(source, functions=[], interruptible=False, isolation="process") as plugin,
        pytest.raises(CallTimeout),
    ):
        plugin.call("loop", "")


def test_compiling_has_a_time_limit():
    """A module that takes longer is refused, and says which limit it was."""
    limits = extism.WorkerLimits(start_seconds=0.001)
    before = workers()
    with pytest.raises(CompileError, match=r"not ready within 0.001 s.*start_seconds"):
        extism.CompiledPlugin(ECHO.encode(), functions=[], isolation=limits)

    assert workers() == before


# --- What passes between them ------------------------------------------------------------------------------


def test_live_views_are_refused_in_words_that_help(isolated):
    """Memory of another process cannot be shown in place; copies can be had."""

    @host_fn
    def host(current: extism.CurrentPlugin, text: str) -> str:
        block = current.alloc(3)
        assert (block.length, current.read(block.offset)) == (3, b"\0\0\0")
        current.free(block)
        assert current.memory_at_offset(block.offset).length == 0
        current.memory(extism.Memory(512, 1))
        return text

    plugin, _ = isolated(SHOUT, functions=[host])
    with pytest.raises(HostFunctionError) as caught:
        plugin.call("run", "x")

    assert str(caught.value.__cause__) == (
        "CurrentPlugin.memory and input_buffer show the plugin's memory in place, and this plugin's is in "
        "another process (isolation='process'): use input_bytes or read(handle) to get a copy, "
        "write(data) or return_bytes to hand over a new block"
    )


def test_a_plugin_is_out_of_reach_while_its_guest_runs(isolated):
    """Another thread that kept the CurrentPlugin gets an error, and the call is not disturbed."""
    kept, ends = [], []

    @host_fn
    def host(current: extism.CurrentPlugin, text: str) -> str:
        kept.append(current)
        return text

    guest = wat(
        """(func (export "run") (local $h i64) (local $i i32) (local.set $h (call $host (call $copy_input)))
             (loop $l (br_if $l (i32.ne (i32.const 500000000)
               (local.tee $i (i32.add (local.get $i) (i32.const 1))))))
             (call $give (local.get $h)))""",
        before='(import "extism:host/user" "host" (func $host (param i64) (result i64)))',
    )
    plugin, process = isolated(guest, functions=[host])
    wait = in_a_thread(lambda: plugin.call("run", "whole"))
    assert until(lambda: kept)
    assert computes(process)
    stop(process)  # it is in the middle for as long as this takes
    for use in (lambda: kept[0].read(512), lambda: kept[0].write(b"x")):
        with pytest.raises(CallError) as caught:
            use()
        ends.append(str(caught.value))
    os.kill(process, signal.SIGCONT)

    assert wait() == b"whole"
    assert ends[0] == ends[1]
    assert "only until the host function has returned" in ends[0]


def test_a_megabyte_goes_in_and_out_whole(isolated):
    """Input, output, and what host functions take and give."""
    data = bytes(range(256)) * 4096

    @host_fn
    def host(content: bytes) -> bytes:
        return content[::-1]

    plugin, _ = isolated(SHOUT, functions=[host])

    assert plugin.call("run", data) == data[::-1]


def test_what_a_compiled_plugin_shows_is_the_same():
    """Exports and imports are read in the worker, and say what they say in this process."""
    here = extism.CompiledPlugin(VARIABLES.encode(), functions=[])
    there = extism.CompiledPlugin(VARIABLES.encode(), functions=[], isolation="process")

    assert (there.exports, there.imports) == (here.exports, here.imports)
    assert (here.is_isolated, there.is_isolated) == (False, True)
    there.close()


def test_each_plugin_has_a_process_of_its_own():
    """Two plug-ins of one CompiledPlugin, and what one remembers the other does not."""
    compiled = extism.CompiledPlugin(STATEFUL.encode(), functions=[], isolation="process")
    before = workers()  # the first one was there when the plug-in was compiled
    with extism.Plugin(compiled) as one, extism.Plugin(compiled) as two:
        counts = [plugin.call("count", "") for plugin in (one, one, two)]
        started = workers() - before

    assert counts[0] == counts[2] != counts[1]
    assert len(started) == 1


def test_the_registry_serves_isolated_plugins_too(registry):
    """With the same warning, which names the caller's line."""

    @extism.host_fn(name="host")
    def host(text: str) -> str:
        return text[::-1]

    @extism.host_fn()
    def not_wanted(text: str) -> str:
        return text

    with pytest.warns(
        UserWarning, match=r"the plugin uses host, .* say functions=\[host\]"
    ) as found:
        plugin = extism.Plugin(SHOUT.encode(), isolation="process")
    with plugin:
        assert plugin.call("run", "abc") == b"cba"
        assert plugin.compiled_plugin.functions == [host]

    assert [Path(each.filename).name for each in found] == [Path(__file__).name]


def test_isolation_belongs_to_the_compiled_plugin():
    """One that was compiled in this process cannot be isolated afterwards, and says so."""
    with pytest.raises(ValueError, match="hand `isolation` to it"):
        extism.Plugin(extism.CompiledPlugin(ECHO, functions=[]), isolation="process")


@pytest.mark.parametrize("wrong", ["thread", True, 1, "Process"])
def test_what_is_no_isolation_is_refused(wrong):
    """A typing error must not leave a plug-in unguarded."""
    with pytest.raises(TypeError, match=r'allowed: None, "process" or extism\.WorkerLimits'):
        extism.Plugin(ECHO, functions=[], isolation=wrong)


def test_limits_that_limit_to_nothing_are_refused():
    """0 bytes or seconds are a mistake."""
    with pytest.raises(ValueError, match="open_files must be more than 0, not 0"):
        extism.WorkerLimits(open_files=0)


# --- What a worker has ------------------------------------------------------------------------------------


def test_a_worker_inherits_nothing(isolated, monkeypatch, tmp_path):
    """Neither the environment nor open files of the host are there, and it leads a process group of its own."""
    monkeypatch.setenv("A_SECRET_OF_THE_HOST", "visible")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        _, process = isolated(ECHO)
    environment = Path(f"/proc/{process}/environ").read_bytes()
    links = [str(path.readlink()) for path in Path(f"/proc/{process}/fd").iterdir()]

    assert b"A_SECRET_OF_THE_HOST" not in environment
    assert not [link for link in links if str(tmp_path / "open") in link]
    assert os.getpgid(process) == process


def test_a_worker_has_given_up_what_it_does_not_need(isolated):
    """System calls are filtered, privileges can no longer be had, and no thread is left from before."""
    _, process = isolated(ECHO)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
    )

    assert (status["Seccomp"].strip(), status["NoNewPrivs"].strip()) == ("2", "1")
    assert int(status["Threads"]) <= 3  # its own, the one that listens, and the clock


def test_a_worker_has_the_limits_that_were_asked_for(isolated):
    """Memory, processor time, descriptors, sizes of files; and no dumps of memory."""
    limits = extism.WorkerLimits(
        memory_bytes=700 << 20, cpu_seconds=50, open_files=40, file_bytes=1 << 20
    )
    _, process = isolated(ECHO, isolation=limits)
    found = {
        name: resource.prlimit(process, getattr(resource, f"RLIMIT_{name}"))[1]
        for name in ("DATA", "CPU", "NOFILE", "FSIZE", "CORE")
    }

    assert found == {"DATA": 700 << 20, "CPU": 50, "NOFILE": 40, "FSIZE": 1 << 20, "CORE": 0}


def test_a_host_with_small_stacks_has_workers_with_large_ones(tmp_path):
    """A guest that runs over its stack is a trap there, too, where the limit of the host's leaves no room for one."""
    guest = b'(module (func $run (export "run") (call $run)))'
    text = f"plugin = extism.Plugin({guest!r}, functions=[], isolation='process')\nplugin.call('run', '')"
    limit = "resource.setrlimit(resource.RLIMIT_STACK, (300 << 10, 300 << 10))"
    path = tmp_path / "small.py"
    path.write_text(f"import extism, resource\n{limit}\n{text}\n")
    ended = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, timeout=60, check=False
    )

    assert "extism.errors.Trap: " in ended.stderr


def test_memory_follows_from_what_the_plugin_may_grow_by(isolated):
    """A gibibyte for everything that is not the plug-in's."""
    _, process = isolated(ECHO, memory={"max_pages": 16})

    assert resource.prlimit(process, resource.RLIMIT_DATA)[1] == (1 << 30) + (1 << 20)


def test_processor_time_is_limited(isolated):
    """A worker that used up its own is killed by the system, and the error says what to raise."""
    plugin, _ = isolated(LOOP, isolation=extism.WorkerLimits(cpu_seconds=1))
    with pytest.raises(WorkerDied, match=r"cpu_seconds|SIGKILL"):
        plugin.call("loop", "")


# --- The end ----------------------------------------------------------------------------------------------


def test_nothing_is_left_when_plugins_are_closed_or_dropped():
    """No process, no zombie, no descriptor."""
    compiled = extism.CompiledPlugin(ECHO, functions=[], isolation="process")
    before, descriptors = workers(), len(list(Path("/proc/self/fd").iterdir()))
    extism.Plugin(compiled).close()
    extism.Plugin(compiled).call("echo", "x")
    with contextlib.suppress(extism.Error):
        extism.Plugin(compiled).call("missing", "x")
    compiled.close()
    gc.collect()

    assert until(lambda: not workers() & before)
    assert until(lambda: not workers())
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


def script(tmp_path, text, *arguments):
    """Run a script that has a living, isolated plug-in `plugin` of the guest `loop` and `echo`."""
    guest = wat(
        """(func (export "echo") (call $give (call $input_offset)))
           (func (export "loop") (loop $l (br $l)))"""
    )
    path = tmp_path / "script.py"
    path.write_text(
        "import extism, os, sys, signal, threading, time\n"
        f"plugin = extism.Plugin({guest.encode()!r}, functions=[], isolation='process')\n"
        "worker = plugin._life.program._worker.pid\n"
        f"print(worker, flush=True)\n{text}\n"
    )
    return subprocess.Popen(
        [sys.executable, path, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [("", 0), ("sys.exit(3)", 3), ("raise ValueError", 1), ("os._exit(4)", 4)],
)
def test_a_worker_ends_with_the_interpreter(tmp_path, text, code):
    """However the parent ends by itself."""
    with script(tmp_path, text) as parent:
        worker = int(parent.stdout.readline())
        parent.wait(60)

    assert parent.returncode == code
    assert until(lambda: not is_alive(worker))


def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    """Even in the middle of a call."""
    with script(tmp_path, "plugin.call('loop', '')") as parent:
        worker = int(parent.stdout.readline())
        assert computes(worker)
        parent.kill()
        parent.wait(60)

    assert until(lambda: not is_alive(worker))


def test_a_worker_of_a_thread_outlives_the_thread(isolated):
    """The system would end it with the thread that started it; it is not asked to."""
    made = in_a_thread(lambda: isolated(ECHO))()
    time.sleep(0.1)

    assert made[0].call("echo", "still there") == b"still there"


def test_ctrl_c_ends_the_call_and_not_the_worker_s_manners(tmp_path):
    """It reaches the whole group of the terminal; the parent raises, and nothing is printed by anybody else."""
    text = (
        "try:\n    plugin.call('loop', '')\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
        "print(plugin.call('echo', 'again').decode())\n"
    )
    with script(tmp_path, text) as parent:
        worker = int(parent.stdout.readline())
        assert computes(worker)
        os.killpg(parent.pid, signal.SIGINT)
        out, err = parent.communicate(timeout=60)

    assert (out, err, parent.returncode) == ("interrupted\nagain\n", "", 0)


def test_the_child_of_a_fork_gets_a_worker_of_its_own(tmp_path):
    """Parent and child go on, each with its own process; neither ends the other's."""
    text = """
plugin.vars["k"] = b"kept"
child = os.fork()
if not child:
    good = plugin.call("echo", "child") == b"child" and plugin.vars["k"] == b"kept"
    good = good and plugin._life.program._worker.pid != worker
    plugin.close()
    os._exit(0 if good else 9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(plugin.call("echo", "parent").decode(), plugin._life.program._worker.pid == worker)
"""
    with script(tmp_path, text) as parent:
        parent.stdout.readline()
        out, err = parent.communicate(timeout=60)

    assert (out, err) == ("0\nparent True\n", "")
