"""`CompileLimits`: what is too heavy is refused in words that say how it can be had."""

from __future__ import annotations

import pytest

from extism._engine.engine import wat_to_wasm
from extism.errors import CompileError
from extism.limits import CompileLimits, check_weight

TWO = wat_to_wasm("(module (func (local i32)) (func (local i32 i32) (nop)))")


def test_what_compilers_make_is_light():
    """The default lets it pass, and gives nothing."""
    assert check_weight(TWO, "main", CompileLimits()) is None


@pytest.mark.parametrize(
    ("limits", "rule", "text"),
    [
        (
            CompileLimits(module_bytes=20),
            "module_bytes",
            (
                "the module has 33 bytes, and at most 20 are compiled; "
                "compile_limits=CompileLimits(module_bytes=...) allows more, None any number"
            ),
        ),
        (
            CompileLimits(function_bytes=4),
            "function_bytes",
            (
                "function 1 has 5 bytes of code, and at most 4 are compiled; "
                "compile_limits=CompileLimits(function_bytes=...) allows more, None any number"
            ),
        ),
        (
            CompileLimits(locals=2),
            "locals",
            (
                "the module up to function 1 has 3 locals, and at most 2 are compiled; "
                "compile_limits=CompileLimits(locals=...) allows more, None any number"
            ),
        ),
    ],
)
def test_a_refusal_says_rule_value_limit_and_switch(limits, rule, text):
    """All that is needed to decide whether to allow it."""
    with pytest.raises(CompileError) as caught:
        check_weight(TWO, "main", limits)

    assert (str(caught.value), caught.value.module, caught.value.rule) == (text, "main", rule)


def test_none_lifts_a_limit():
    """Each by itself."""
    limits = CompileLimits(None, None, None, None, None, None, None, None)

    assert check_weight(TWO, "main", limits) is None
