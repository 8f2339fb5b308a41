"""Both hosts, once for each test process."""

from __future__ import annotations

from contextlib import closing

import pytest

from peer import Ours, Peer


@pytest.fixture(scope="session")
def peer():
    with closing(Peer()) as process:
        yield process


@pytest.fixture(scope="session")
def ours():
    with closing(Ours()) as host:
        yield host
