"""Secrets: readable on purpose only."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from extism.secret import Secret, reveal


def test_a_secret_shows_a_mask():
    """repr, str, format and the repr of what holds it show three stars."""
    secret = Secret("hunter2")

    assert repr(secret) == str(secret) == f"{secret}" == "Secret('***')"
    assert repr({"k": secret}) == "{'k': Secret('***')}"


def test_a_secret_is_revealed_on_purpose():
    """`reveal` gives the text of a secret and of a plain str."""
    assert (Secret("a").reveal(), reveal(Secret("a")), reveal("a")) == ("a", "a", "a")


def test_secrets_compare_by_text():
    """Equal texts make equal secrets; a plain text equals none."""
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_copies_are_the_secret_itself():
    """Copying gives the same object; there is no second place to leak from."""
    secret = Secret("a")

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize("dump", [pickle.dumps, json.dumps, vars])
def test_a_secret_is_not_serialised(dump):
    """No serialiser gets at the text."""
    with pytest.raises(TypeError):
        dump(Secret("a"))


def test_a_secret_holds_a_text():
    """Anything but a str is refused at once."""
    with pytest.raises(TypeError, match="a Secret holds a str, not bytes"):
        Secret(b"a")
