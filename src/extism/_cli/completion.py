"""`extism completion`: scripts for shells; and what the shells are told about functions of a plug-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import get_completion_class

from extism._cli.facts import callable_names, outline
from extism._cli.files import read_file
from extism._cli.voice import write_output
from extism.errors import Error
from extism.manifest import WasmData, WasmFile

if TYPE_CHECKING:
    from extism.manifest import WasmSource

__all__ = ["VARIABLE", "callable_names_at", "complete_function", "completion"]

VARIABLE: Final = "_EXTISM_COMPLETE"
"""In the environment when a shell asks for completions."""

EXAMPLES: Final = """
\b
Examples:
  source <(extism completion bash)
  extism completion zsh > "${fpath[1]}/_extism"
  extism completion fish > ~/.config/fish/completions/extism.fish
"""


@click.command(
    "completion", epilog=EXAMPLES, short_help="Print the script for a shell's completion."
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands, flags, files and functions of plug-ins."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root()
    write_output(kind(root.command, {}, "extism", VARIABLE).source().encode())


def complete_function(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the functions that the module named before has."""
    place = context.params.get("wasm_file")
    names = callable_names_at(WasmFile(place)) if place else ()
    return [name for name in names if name.startswith(incomplete)]


def callable_names_at(source: WasmSource) -> tuple[str, ...]:
    """Return the functions of a module that is on this machine; none where it cannot be read."""
    try:
        match source:
            case WasmData():
                return callable_names(outline(source.data))
            case WasmFile():
                return callable_names(outline(read_file(source.path)))
    except Error:
        return ()  # What is wrong with it is said when it is used.
    return ()
