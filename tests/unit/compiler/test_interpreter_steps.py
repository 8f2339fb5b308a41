"""Steps of the recipe: done once, resumed, never seen half done; and the commands that they run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from patience import until

from extism._compiler.interpreter import shell
from extism._compiler.interpreter.shell import Journal, clock
from extism._compiler.interpreter.steps import Site, Step, digest, exclusive, missing, prune
from extism._compiler.interpreter.toolchain import Toolchain
from extism.errors import BuildError

if sys.platform == "win32":
    pytest.skip("the recipe runs on Linux and macOS only", allow_module_level=True)

TOOLS = Toolchain(Path("/nowhere/zig"), Path("make"), Path("/bin/sh"))


@pytest.fixture
def said():
    return []


@pytest.fixture
def site(tmp_path, said):
    folder = tmp_path / "cache"
    return Site(folder, TOOLS, Journal(folder / "build.log", said.append))


def writing(text, log):
    def make(_site, step, result):
        log.append(step.name)
        (result / "text").write_text(text)

    return make


def do_all(site, step):
    steps = missing(step, site)
    for number, one in enumerate(steps, 1):
        site.do(one, number, len(steps))
    return [one.name for one in steps]


def test_a_finished_step_is_not_repeated(site):
    """The second run finds the folders of the first and does nothing."""
    log = []
    first = Step("first", "one", writing("1", log), files=())
    second = Step("second", "two", writing("2", log), files=(), needs=(first,))

    assert do_all(site, second) == ["first", "second"]
    assert do_all(site, second) == []
    assert log == ["first", "second"]
    assert (site.part(second) / "text").read_text() == "2"


def test_needs_of_a_finished_step_are_not_asked_for(site):
    """What was swept away is made again only if a missing step needs it."""
    log = []
    tree = Step("tree", "big", writing("1", log), files=())
    result = Step("result", "small", writing("2", log), files=(), needs=(tree,))
    do_all(site, result)

    site.sweep((result,))

    assert not site.part(tree).exists()
    assert not site.work.exists()
    assert do_all(site, result) == []


def test_a_failed_step_leaves_no_result_but_its_work(site):
    """A step that fails is missing afterwards, the ones before it are kept, and so is its bench."""
    log = []

    def fail(site, step, result):
        (site.bench(step) / "object.o").touch()
        (result / "half").touch()
        raise BuildError("no luck")

    good = Step("good", "", writing("1", log), files=())
    bad = Step("bad", "", fail, files=(), needs=(good,))
    with pytest.raises(BuildError, match="no luck"):
        do_all(site, bad)

    assert [step.name for step in missing(bad, site)] == ["bad"]
    assert (site.bench(bad) / "object.o").exists()


def test_a_second_run_starts_with_an_empty_result(site):
    """What a failed run had put into its result does not leak into the next one's."""
    runs = []

    def stumble(_site, _step, result):
        (result / f"run{len(runs)}").touch()
        runs.append(1)
        if len(runs) == 1:
            raise BuildError("no luck")

    step = Step("step", "", stumble, files=())
    with pytest.raises(BuildError, match="no luck"):
        do_all(site, step)
    do_all(site, step)

    assert [path.name for path in site.part(step).iterdir()] == ["run1"]


def test_the_digest_covers_files_facts_and_needs(tmp_path):
    """Each of them changes the digest, and that of every step that needs the step."""
    (tmp_path / "a.c").write_text("int a;")
    inner = Step("inner", "", writing("", []), files=("a.c",), facts=("1.0",))
    outer = Step("outer", "", writing("", []), files=(), needs=(inner,))
    other = Step(
        "outer", "", writing("", []), files=(), needs=(Step("x", "", writing("", []), ()),)
    )
    before = digest(outer, tmp_path)

    assert digest(outer, tmp_path) == before
    assert digest(other, tmp_path) != before
    assert digest(Step("inner", "", inner.make, ("a.c",), ("1.1",)), tmp_path) != digest(
        inner, tmp_path
    )

    (tmp_path / "a.c").write_text("int b;")

    assert digest(outer, tmp_path) != before


def test_a_cache_path_that_make_cannot_bear_is_worked_around(tmp_path):
    """Under a path with a blank the work is done elsewhere, in the same place each time."""
    folder = tmp_path / "my cache"
    journal = Journal(folder / "build.log", print)
    site = Site(folder, TOOLS, journal)
    step = Step("step", "", writing("1", []), files=())

    assert " " not in str(site.work)
    assert Site(folder, TOOLS, journal).work == site.work

    do_all(site, step)
    site.sweep((step,))

    assert (site.part(step) / "text").read_text() == "1"
    assert not site.work.exists()


def test_two_builders_take_turns(tmp_path, said):
    """The second waits for the first, and says so."""
    order = []

    def second():
        with exclusive(tmp_path, said.append):
            order.append("second")

    with exclusive(tmp_path, said.append):
        thread = threading.Thread(target=second)
        thread.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
    thread.join(10)

    assert order == ["first", "second"]
    assert said == [f"another process is building in {tmp_path}; waiting for it"]


def test_a_failing_command_is_told_with_its_last_lines(site):
    """The error has the code, the end of the output and the path of the log."""
    with pytest.raises(BuildError) as caught:
        site.run("sh", "-c", "for i in $(seq 30); do echo line $i; done; exit 3", folder=site.work)

    text = str(caught.value)
    assert "ended with 3" in text
    assert "  line 30\n" in text
    assert "line 18\n" not in text
    assert text.endswith(f"The full log is {site.journal.path}")
    assert "line 1\n" in site.journal.path.read_text()


def test_a_command_that_is_not_there_is_told(site):
    """The name of the missing program is in the error."""
    with pytest.raises(BuildError, match="no-such-tool could not be started"):
        site.run("no-such-tool", folder=site.work)


def test_the_users_environment_does_not_get_in(site, monkeypatch, tmp_path):
    """CFLAGS, MAKEFLAGS and the like are not inherited; dates and hash seeds are fixed."""
    monkeypatch.setenv("CFLAGS", "-funroll-loops")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    fresh = Site(tmp_path / "other", TOOLS, site.journal)
    fresh.run("sh", "-c", "env > environment", folder=fresh.work)

    lines = (fresh.work / "environment").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert not names & {"CFLAGS", "MAKEFLAGS", "EXTISM_CACHE_DIR"}
    assert "PYTHONHASHSEED=0" in lines
    assert "SOURCE_DATE_EPOCH=1749600000" in lines


def test_a_long_command_gives_signs_of_life(site, said, monkeypatch):
    """While a command runs, its newest line is shown from time to time."""
    monkeypatch.setattr(shell, "_SIGN_OF_LIFE_SECONDS", 0.05)

    def say(line):
        said.append(line)
        if line.endswith("compiling ceval.c"):
            (site.work / "seen").touch()

    site.journal.say = say
    wait = "echo compiling ceval.c; until test -e seen; do sleep 0.05; done"
    site.run("sh", "-c", wait, folder=site.work)

    assert re.fullmatch(r" +\d+:\d\d  compiling ceval\.c", said[-1])


def test_an_interruption_takes_the_children_along(site, monkeypatch):
    """Ctrl-C ends the whole process group of the command, and goes on to the caller."""
    monkeypatch.setattr(shell, "_SIGN_OF_LIFE_SECONDS", 0.2)

    beats = site.work / "beats"

    def interrupt(_text):
        if beats.exists():
            raise KeyboardInterrupt

    def is_still():
        before = beats.read_text()
        time.sleep(0.3)
        return beats.read_text() == before

    site.journal.say = interrupt
    heart = "(while :; do echo x >> beats; sleep 0.05; done) & wait"
    with pytest.raises(KeyboardInterrupt):
        site.run("sh", "-c", heart, folder=site.work)

    assert until(is_still)


def test_make_goes_on_where_it_was_killed(tmp_path):
    """A build that is killed in a step resumes in the same bench: finished objects are not remade."""
    program = textwrap.dedent(
        """
        import sys, pathlib
        from extism._compiler.interpreter.shell import Journal
        from extism._compiler.interpreter.steps import Site, Step
        from extism._compiler.interpreter.toolchain import Toolchain
        P = pathlib.Path

        def make(site, step, result):
            bench = site.bench(step)
            (bench / "Makefile").write_text(
                "all: a b\\na:\\n\\techo a >> log; touch a\\n"
                "b:\\n\\techo b >> log; test -e ../../go || sleep 60; touch b\\n")
            site.run("make", folder=bench)
            (result / "log").write_bytes((bench / "log").read_bytes())

        site = Site(P(sys.argv[1]), Toolchain(P("zig"), P("make"), P("sh")), Journal(P(sys.argv[1]) / "l", print))
        site.do(Step("step", "", make, files=()), 1, 1)
        """
    )
    cache = tmp_path / "cache"
    command = [sys.executable, "-c", program, str(cache)]
    first = subprocess.Popen(command, start_new_session=True)
    while not any(path.read_text() == "a\nb\n" for path in cache.glob("work/step-*/log")):
        assert first.poll() is None
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGINT)
    first.wait(20)
    (cache / "go").touch()

    subprocess.run(command, check=True, timeout=60)

    (log,) = cache.glob("parts/step-*/log")
    assert log.read_text() == "a\nb\nb\n"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3671.9, "61:11")])
def test_clock(seconds, text):
    """Durations are minutes and seconds."""
    assert clock(seconds) == text


def test_only_the_newest_results_of_other_versions_are_kept(tmp_path):
    """Each version leaves a folder; the oldest go, whatever their names."""
    for age, name in enumerate(["base-c", "base-a", "base-b", "other"]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    prune(tmp_path, "base-*", 2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["base-a", "base-c", "other"]
