"""
The command `extism`: which commands there are, and the one place where errors become words and exit codes.

Each command is loaded when it is used. An `Error` never shows a Python traceback; anything else does, for it is
a defect of this library.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import shell_complete

from extism._cli import failures
from extism._cli.completion import VARIABLE
from extism._cli.voice import Voice, voice_options
from extism.errors import Error

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main", "run"]

NAME: Final = "extism"

_COMMANDS: Final = {
    "call": "extism._cli.call:call",
    "completion": "extism._cli.completion:completion",
    "help": "extism._cli.main:show_help",
    "inspect": "extism._cli.inspect:inspect",
    "lib": "extism._cli.library:lib",
}
"""Where each command is."""

EXAMPLES: Final = """
\b
Examples:
  extism inspect plugin.wasm
  extism call plugin.wasm greet --input Ada
"""


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0]), ctx)
        return super().resolve_command(ctx, args)


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, _COMMANDS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"No such command {name!r}.{hint} There are: {', '.join(_COMMANDS)}."


@click.group(
    NAME,
    cls=_Commands,
    epilog=EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@voice_options
@click.version_option(package_name=NAME, prog_name=NAME, message="%(prog)s version %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Load WebAssembly plug-ins, call them, and look into them."""
    context.ensure_object(Voice)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@click.command("help", epilog="\b\nExample:\n  extism help call")
@click.argument("commands", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def show_help(context: click.Context, commands: Sequence[str]) -> None:
    """Show what a command does."""
    about = context.find_root()
    for name in commands:
        group = about.command
        command = group.get_command(about, name) if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(f"No such command {name!r}.", about)
        about = click.Context(command, info_name=name, parent=about)
    click.echo(about.get_help())


def run(args: Sequence[str], command: click.Command = cli, name: str = NAME) -> int:
    """Run a command with these arguments, and return its exit code."""
    try:
        with command.make_context(name, list(args)) as context:
            command.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except KeyboardInterrupt:
        return failures.EXIT_CTRL_C
    except BrokenPipeError:
        _give_up_output()
        return failures.EXIT_BROKEN_PIPE
    except (click.ClickException, Error, OSError) as error:
        failures.tell(error)
        _give_up_output()
        return failures.exit_code(error)
    return 0


def _give_up_output() -> None:
    """Send what stdout still holds nowhere: Python would complain about it at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())


def main() -> None:
    """Be the command: run it with the process's arguments, and end the process."""
    instruction = os.environ.get(VARIABLE)
    if instruction:
        sys.exit(shell_complete(cli, {}, NAME, VARIABLE, instruction))
    sys.exit(run(sys.argv[1:]))
