"""
The command `extism-py`: a Python file in, a plug-in out.

What it does is `extism.compiler.build`. Progress, what the plug-in prints while it is built, and the summary go
to stderr, JSON to stdout; errors and exit codes are those of `failures.py`.
"""

from __future__ import annotations

import codecs
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from extism._cli.build_summary import as_json, lines, runtime_line
from extism._cli.main import run
from extism._cli.package_options import package_options
from extism._cli.voice import Voice, is_colourful, visible, voice_options
from extism.compiler import DEFAULT_TIMEOUT, build, write_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism.compiler import BuildReport, RuntimeReport

__all__ = ["compile_file", "main"]

NAME: Final = "extism-py"
DEFAULT_OUTPUT: Final = Path("index.wasm")

_DOING: Final = {
    "analyze": "reading the sources",
    "interpreter": "finding the interpreter",
    "preinit": "running what is outside of functions",
    "snapshot": "taking the memory",
    "shim": "adding the functions",
    "overlay": "comparing the memory with the runtime's",
}
"""What each step is called while it lasts."""

EXAMPLES: Final = """
\b
Examples:
  extism-py plugin.py plugin.wasm
  extism-py plugin.py -o plugin.wasm
  extism-py plugin.py -o plugin.wasm --shared
  extism-py plugin/ -o plugin.wasm -r requirements.txt
  extism-py --runtime python.wasm
"""


@click.command(NAME, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="INPUT", required=False, type=click.Path(path_type=Path))
@click.argument("output", metavar="[OUTPUT]", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "option",
    metavar="OUTPUT",
    type=click.Path(path_type=Path),
    help=f"Where to write; {DEFAULT_OUTPUT} by default.",
)
@click.option(
    "--shared",
    is_flag=True,
    help="Leave Python out of OUTPUT: some tens of kilobytes instead of megabytes, which need the runtime beside them. "
    "This library's hosts supply it; for others write it with --runtime.",
)
@click.option(
    "--runtime",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the runtime of --shared plug-ins: a manifest names it python, beside main. INPUT may be left out.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    help="How long code outside of functions may run.",
)
@click.option(
    "--json",
    "is_json",
    is_flag=True,
    help="Write what was built to stdout as JSON, instead of the summary.",
)
@package_options
@voice_options
@click.version_option(package_name="extism", prog_name=NAME, message="%(prog)s %(version)s")
@click.pass_obj
def compile_file(
    voice: Voice,
    /,
    source: Path | None,
    output: Path | None,
    option: Path | None,
    shared: bool,  # noqa: FBT001 - a flag of the command line
    runtime: Path | None,
    timeout: float,
    is_json: bool,  # noqa: FBT001
    **packages: Any,
) -> None:
    """
    Compile the Python file or folder INPUT to an Extism plug-in, written to OUTPUT.

    Functions at the top level that are marked with @extism.plugin_fn can be called by the host. Modules beside
    the file, and in the directories of PYTHONPATH, come along as they are imported. Packages that the file names
    in its block `# /// script`, or the folder in its pyproject.toml, are installed into a cache. Code outside of
    functions runs now, sandboxed, and what it leaves is shipped.
    """
    if output is not None and option is not None:
        raise click.UsageError("OUTPUT is given twice: as an argument and with -o.")
    if source is None and runtime is None:
        raise click.UsageError("Missing argument 'INPUT'.")
    found: dict[str, Any] = {}
    if runtime is not None:
        found["runtime"] = as_json(runtime, _write_runtime(voice, runtime, is_told=not is_json))
    if source is not None:
        place = output or option or DEFAULT_OUTPUT
        report = _build(voice, source, place, shared=shared, timeout=timeout, **packages)
        found["plugin"] = as_json(place, report)
        if not is_json:
            _tell(voice, lines(place, report, is_verbose=voice.is_verbose))
    if is_json:
        click.echo(json.dumps(found, indent=2))


def _write_runtime(voice: Voice, place: Path, *, is_told: bool) -> RuntimeReport:
    with voice.status(f"writing {place}"):
        report = write_runtime(place, say=lambda text: _say(voice, text))
    if is_told:
        _say(voice, runtime_line(place, report))
    return report


def _build(voice: Voice, source: Path, place: Path, **options: Any) -> BuildReport:
    """Build, and show meanwhile what is being done and what the plug-in prints."""
    reports: list[BuildReport] = []
    prints = _Prints()
    try:
        with voice.status(f"compiling {source}") as shown:
            build(
                source,
                place,
                **options,
                report=reports.append,
                say=lambda text: _say(voice, text),
                show=prints.take,
                begin=lambda step: shown and shown.update(visible(f"{source}: {_DOING[step]}")),
            )
    finally:
        prints.end()
    return reports[0]


class _Prints:
    """Hands on what the plug-in prints while it is built, line by line."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def take(self, data: bytes) -> None:
        """Show the lines that are complete."""
        self._begun += self._decoder.decode(data)
        *lines, self._begun = self._begun.split("\n")
        for line in lines:
            click.echo(visible(line), err=True)

    def end(self) -> None:
        """Show what was begun without an end."""
        self._begun += self._decoder.decode(b"", final=True)
        if self._begun:
            click.echo(visible(self._begun), err=True)


def _tell(voice: Voice, summary: Iterator[str]) -> None:
    """Say what was built, the first line in green."""
    _say(voice, next(summary), "green")
    for line in summary:
        _say(voice, line)


def _say(voice: Voice, text: str, colour: str | None = None) -> None:
    if not voice.is_quiet:
        text = visible(text)
        click.echo(click.style(text, fg=colour) if is_colourful(sys.stderr) else text, err=True)


def main() -> None:
    """Be the command: run it with the process's arguments, and end the process."""
    sys.exit(run(sys.argv[1:], compile_file, NAME))
