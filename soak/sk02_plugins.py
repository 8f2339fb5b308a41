"""SK2: 20,000 plug-ins of five modules, made, called, and closed or dropped; compiled once or each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wat_guests import ECHO, SHOUT, STATEFUL, wat

import extism
from soak.guests import sleeper

if TYPE_CHECKING:
    from soak.run import Run

LIBRARY = wat('(func (export "size") (result i64) (call $input_length))')
MAIN = wat(
    '(func (export "run") (call $give_i64 (call $size)))',
    before='(import "library" "size" (func $size (result i64)))',
)
LINKED = {
    "wasm": [
        {"name": "library", "data": LIBRARY.encode()},
        {"name": "main", "data": MAIN.encode()},
    ]
}


@extism.host_fn(name="shout")
def upper(text: str) -> str:
    """Give the text in capitals."""
    return text.upper()


CASES: tuple[tuple[Any, dict[str, Any], str, bytes], ...] = (
    (ECHO, {"functions": []}, "echo", b"abc"),
    (STATEFUL, {"functions": []}, "count", (1).to_bytes(8, "little")),
    (SHOUT, {"functions": [upper]}, "run", b"ABC"),
    (sleeper(0), {"functions": [], "wasi": True}, "echo", b"abc"),
    (LINKED, {"functions": []}, "run", (3).to_bytes(8, "little")),
)


def soak(run: Run) -> None:
    """Each answers rightly, and leaves nothing behind."""
    compiled = [extism.CompiledPlugin(source, **options) for source, options, _, _ in CASES]
    for step in run.steps(run.count(20_000, 100)):
        source, options, name, right = CASES[step % len(CASES)]
        plugin = (
            extism.Plugin(compiled[step % len(CASES)])
            if step % 2
            else extism.Plugin(source, **options)
        )
        answer = plugin.call(name, b"abc")
        run.calls += 1
        run.expect(answer == right, f"plug-in {step} gave {answer!r}")
        if step % 3:
            plugin.close()
