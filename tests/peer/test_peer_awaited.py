"""Scenes that are played with calls awaited are: `make awaited`, and one in ten of the suite, say something."""

from __future__ import annotations

from contextlib import closing

import pytest
from peer_guests import module

from peer import Case, answers_of, awaiting_worker, our_worker

pytestmark = pytest.mark.peer

ASKS = module(
    '(func (export "ask") (call $give (call $is_awaited (call $copy_input))))',
    before='(import "extism:host/user" "is_awaited" (func $is_awaited (param i64) (result i64)))',
)


@pytest.mark.parametrize(
    ("worker", "said"), [(our_worker, b"x False"), (awaiting_worker, b"x True")]
)
def test_a_worker_awaits_where_that_is_asked_for(worker, said, monkeypatch):
    """A host function sees the loop that its call is awaited on."""
    monkeypatch.delenv("EXTISM_TEST_ACALL", raising=False)
    case = Case("awaited", ASKS, (("ask", "x"),), functions=("is_awaited",))
    with closing(worker()) as playing:
        (answer,) = answers_of(playing.play(case.scene(lambda value: value)))

    assert (answer.kind, answer.output) == ("output", said)
