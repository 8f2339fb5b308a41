"""Both packages, once for each test process; `duel` plays a case on both; the counts at the end of the run."""

from __future__ import annotations

import re
import shutil
import zlib
from collections import Counter
from contextlib import ExitStack, closing
from functools import cache
from typing import TYPE_CHECKING

import pytest
from http_server import serve
from peer_differences import DIFFERENT

from peer import (
    PATIENCE_SECONDS,
    Played,
    answers_of,
    awaiting_worker,
    complaints,
    our_worker,
    their_worker,
)

if TYPE_CHECKING:
    from pathlib import Path

COUNTED = "peer case"
AWAITED = 10
_AT = re.compile(r"<server(?: at (\S+))?>")


@pytest.fixture(scope="session")
def workers():
    """A function from a log level to the pair of workers, ours first, that log so."""
    with ExitStack() as stack:
        pairs = {}

        def pair(log=""):
            if log not in pairs:
                made = (our_worker(log), their_worker(log))
                pairs[log] = tuple(stack.enter_context(closing(each)) for each in made)
            return pairs[log]

        yield pair


@pytest.fixture(scope="session")
def awaiting():
    """A function from a log level to the worker of ours that logs so, and awaits all calls."""
    with ExitStack() as stack:
        yield cache(lambda log="": stack.enter_context(closing(awaiting_worker(log))))


@pytest.fixture(scope="session")
def ours(workers):
    return workers()[0]


@pytest.fixture(scope="session")
def peer(workers):
    return workers()[1]


@pytest.fixture(scope="session")
def peer_server():
    """The server that guests of the differential suite talk to."""
    with serve() as server:
        yield server


@pytest.fixture
def duel(request, workers, awaiting, tmp_path):
    """
    A function that plays a case on both packages, and gives what is not as the case promises.

    One in ten is played by ours a second time, with its calls awaited (`make awaited` has all of them so).
    """

    def fought(case):
        request.node.user_properties.append(
            (COUNTED, "differ" if case.name in DIFFERENT else "agree")
        )
        own, theirs = workers(case.log)
        played = [
            _play(case, own, tmp_path / "scene", request),
            _play(case, theirs, tmp_path / "scene", request, case.hangs_after),
        ]
        faults = complaints(case, *played)
        if zlib.crc32(case.name.encode()) % AWAITED == 0:
            again = _play(case, awaiting(case.log), tmp_path / "scene", request)
            told, wanted = map(_without_offsets, (again, played[0]))
            faults += [] if told == wanted else [f"awaited: {told}, not {wanted}"]
        return faults

    return fought


def _without_offsets(played: Played) -> str:
    """What came of a case; a look at the clock where a function begins moves the offset of a trap there by a byte."""
    return re.sub(r"0x[0-9a-f]+", "0x", repr(played))


def _play(case, worker, folder, request, seconds=PATIENCE_SECONDS) -> Played:
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder.mkdir(exist_ok=True)
    has_server = "<server" in repr([case.plugin, case.config, case.steps])
    server = request.getfixturevalue("peer_server") if has_server else None
    if server:
        server.seen.clear()
    scene = case.scene(lambda value: _resolved(value, folder, server, request))
    played = worker.play(scene, seconds)
    files = _tree(folder)
    shutil.rmtree(folder)
    return Played(
        answers_of(played),
        tuple(played.get("heard", ())),
        played.get("stdout", ""),
        tuple(_request(each) for each in server.seen) if server else (),
        files,
    )


def _resolved(value, folder: Path, server, request):
    """Return `value` with real things for its placeholders, at any depth."""
    if isinstance(value, str):
        value = value.replace("<folder>", str(folder))
        return _AT.sub(lambda at: server.url("", at[1]), value) if server else value
    if isinstance(value, list | tuple):
        return [_resolved(each, folder, server, request) for each in value]
    if isinstance(value, dict):
        if "guest" in value:
            path = request.getfixturevalue("guest")(value["guest"])
            rest = {name: each for name, each in value.items() if name != "guest"}
            return {"path": str(path), **_resolved(rest, folder, server, request)}
        return {
            _resolved(name, folder, server, request): _resolved(each, folder, server, request)
            for name, each in value.items()
        }
    return value


def _request(seen):
    """What a guest decides of a request: not the headers that the host adds, nor how it says "no body"."""
    own = {"accept", "user-agent", "host", "connection", "accept-encoding", "transfer-encoding"}
    headers = sorted((name.lower(), text) for name, text in seen.headers if name.lower() not in own)
    sent = tuple(header for header in headers if header != ("content-length", "0"))
    return seen.method, seen.target, seen.body, sent


def _tree(folder: Path):
    return tuple(
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def pytest_terminal_summary(terminalreporter):
    """Say how many cases agree with upstream, and how many differ on purpose."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        if report.when == "call":
            counts.update(value for name, value in report.user_properties if name == COUNTED)
    if counts:
        terminalreporter.write_line(
            f"compared with upstream: {counts['agree']} cases agree, "
            f"{counts['differ']} differ on purpose (docs/differences.md)"
        )
