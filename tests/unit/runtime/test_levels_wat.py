"""The levels in the kernel: messages that nobody wants end there, the others go to the host."""

from __future__ import annotations

import pytest
from bare_kernel import BareKernel

from extism._runtime.kernel_source import PARTS, kernel_text
from extism.abi import LOGGING_OFF

LEVELS = ("trace", "debug", "info", "warn", "error")


@pytest.fixture
def kernel():
    """A kernel whose host answers 77, and keeps in `asked` what it was asked."""
    asked = []

    def answer(name):
        def answer(*values):
            asked.append((name, *values))
            return 77 if name == "get_log_level" else None

        return answer

    host = {name: answer(name) for name in PARTS["levels"]}
    made = BareKernel(text=kernel_text(("levels",)), host=host)
    made.asked = asked
    return made


def tell(kernel, level):
    """Tell the kernel what is wanted, as the host does."""
    kernel.poke(80, (level + 1).to_bytes(4, "little"))


@pytest.mark.parametrize("level", [*range(5), LOGGING_OFF])
def test_what_the_host_has_told_is_given(kernel, level):
    """Without asking it again."""
    tell(kernel, level)

    assert (kernel.get_log_level(), kernel.asked) == (level, [])


def test_what_is_not_known_is_asked_for(kernel):
    """Level and messages, with their handles as they came; a call changes nothing in that."""
    kernel.begin(5)
    handle = kernel.alloc(8)
    found = kernel.get_log_level()
    for name in LEVELS:
        getattr(kernel, f"log_{name}")(handle)

    assert found == 77
    assert kernel.asked == [("get_log_level",), *((f"log_{name}", handle) for name in LEVELS)]
    assert kernel.length(handle) == 8


@pytest.mark.parametrize("wanted", [*range(5), LOGGING_OFF])
@pytest.mark.parametrize("level", range(5))
def test_only_what_is_wanted_goes_to_the_host(kernel, level, wanted):
    """What is below that is freed, and the host does not hear of it."""
    tell(kernel, wanted)
    handle = kernel.alloc(8)
    getattr(kernel, f"log_{LEVELS[level]}")(handle)

    if level < wanted:
        assert (kernel.asked, kernel.length(handle)) == ([], 0)
    else:
        assert (kernel.asked, kernel.length(handle)) == ([(f"log_{LEVELS[level]}", handle)], 8)


@pytest.mark.parametrize("handle", [0, 1, 80, 2047, 2049, 1 << 32, (1 << 64) - 1])
def test_an_unwanted_message_may_be_no_block(kernel, handle):
    """Nobody looks at it."""
    tell(kernel, LOGGING_OFF)
    kernel.log_error(handle)

    assert kernel.asked == []


def test_a_call_leaves_what_was_told(kernel):
    """Neither the host's beginning of a call nor a guest's reset takes it away."""
    tell(kernel, 2)
    kernel.begin(100)
    kernel.reset()

    assert (kernel.get_log_level(), kernel.asked) == (2, [])
