"""Every name that upstream's package has is here, and whoever calls it as upstream allows can call it here."""

from __future__ import annotations

import inspect
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

import extism
import extism.extism
from peer import PEER_PYTHON, environment_of

pytestmark = pytest.mark.peer

SCRIPT = Path(__file__).parents[1] / "support" / "peer_surface.py"

NOT_MADE_BY_HAND = {"CancelHandle", "CurrentPlugin"}
"""Classes whose constructor takes a pointer of upstream's C library: nobody else can have one."""


def surface_of(python) -> dict:
    done = subprocess.run(
        [python, SCRIPT], check=True, capture_output=True, timeout=60, env=environment_of(python)
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def theirs():
    return surface_of(PEER_PYTHON)


def signature_of(rows) -> inspect.Signature:
    return inspect.Signature(
        inspect.Parameter(
            name, getattr(inspect.Parameter, kind), default=None if has else inspect._empty
        )
        for name, kind, has in rows
    )


def calls_of(signature: inspect.Signature):
    """Every way to spread the parameters over positions and keywords, with and without the optional ones."""
    plain = [
        each for each in signature.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    rest = any(each.kind is each.VAR_POSITIONAL for each in signature.parameters.values())
    for count in range(len(plain) + 1):
        keywords = [each.name for each in plain[count:]]
        for size in range(len(keywords) + 1):
            for chosen in itertools.combinations(keywords, size):
                yield (None,) * count, dict.fromkeys(chosen)
    if rest:
        yield (None,) * (len(plain) + 3), {}


def binds(signature: inspect.Signature, call) -> bool:
    try:
        signature.bind(*call[0], **call[1])
    except TypeError:
        return False
    return True


def find(name: str):
    found = extism.extism
    for part in name.split("."):
        found = (
            inspect.getattr_static(found, part) if inspect.isclass(found) else getattr(found, part)
        )
    return found


def test_every_public_name_is_exported(theirs):
    """`from extism import *` gives at least what it gives there."""
    assert set(theirs["all"]) - set(extism.__all__) == set()


def test_every_name_of_the_module_is_here(theirs):
    """Also the private ones."""
    here = surface_of(sys.executable)["names"]

    assert set(theirs["names"]) - set(here) == set()


def test_every_call_that_binds_there_binds_here(theirs):
    """By position, by keyword and in every mixture, for functions, constructors and methods."""
    refused, tried = [], 0
    for name, rows in theirs["names"].items():
        if rows is None or name in NOT_MADE_BY_HAND:
            continue
        ours = inspect.signature(find(name))
        for call in filter(
            lambda call: binds(signature_of(rows), call), calls_of(signature_of(rows))
        ):
            tried += 1
            if not binds(ours, call):
                refused.append((name, len(call[0]), *call[1]))

    assert refused == []
    assert tried > 100


def test_types_have_the_same_members(theirs):
    """`ValType` has every member of upstream's, with its number."""
    members = {
        name.removeprefix("ValType.") for name in theirs["names"] if name.startswith("ValType.")
    }

    assert members <= set(extism.ValType.__members__)
    assert (extism.ValType.PTR, extism.ValType.I64.value) == (extism.ValType.I64, 1)
