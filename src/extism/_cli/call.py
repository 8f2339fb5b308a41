"""`extism call`: load a plug-in, run one of its functions, write what it gives."""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from extism._cli.completion import callable_names_at, complete_function
from extism._cli.files import plugin_at
from extism._cli.logs import LEVELS, logged
from extism._cli.options import Grants, grant_options, within
from extism._cli.voice import Voice, voice_options, write_output
from extism._cli.waiting import wait_for
from extism.compiled import CompiledPlugin
from extism.plugin import Plugin

if TYPE_CHECKING:
    from extism.manifest import Manifest

__all__ = ["call"]

_WASI_OUTPUT: Final = "EXTISM_ENABLE_WASI_OUTPUT"

_log: Final = logging.getLogger("extism.call")

EXAMPLES: Final = """
\b
Examples:
  extism call plugin.wasm greet --input Ada
  extism call plugin.wasm post --wasi --allow-host api.example.com --stdin < body.json
  extism call plugin.wasm index --wasi --allow-path ro:./docs:/docs --config lang=en
  extism call --manifest plugin.toml greet --timeout 500

\b
Exit code: 0 it worked, 1 it did not, 2 wrong command line, 124 time-out.
"""


@dataclass(frozen=True, slots=True)
class _Run:
    """The flags that are not the manifest's business."""

    input: str | None
    stdin: bool
    loop: int
    wasi: bool
    manifest: bool
    enable_http_response_headers: bool
    ca_bundle: str | None
    log_level: str | None
    raw: bool


@click.command("call", epilog=EXAMPLES, short_help="Call a function of a plug-in.")
@click.argument("wasm_file")
@click.argument("function", metavar="FUNCTION", required=False, shell_complete=complete_function)
@click.option("-i", "--input", metavar="TEXT", help="What the function gets as input.")
@click.option("--stdin", is_flag=True, help="Read the input from stdin, to its end.")
@click.option(
    "--loop",
    metavar="N",
    type=int,
    callback=within(0, 2**63),
    default=1,
    help="Call so many times, with a blank line behind each output.",
)
@click.option("--raw", is_flag=True, help="Write the output's bytes alone, without a line break.")
@click.option("-m", "--manifest", is_flag=True, help="WASM_FILE is a manifest, in JSON or TOML.")
@click.option("--wasi", is_flag=True, help="Give the guest WASI; what it prints comes out here.")
@grant_options
@click.option(
    "--enable-http-response-headers",
    is_flag=True,
    help="Let the guest read the headers of HTTP responses.",
)
@click.option(
    "--ca-bundle",
    metavar="FILE",
    type=click.Path(exists=True),
    help="Trust the certificates in a file or folder, not the system's: for URLs here and the guest's.",
)
@click.option(
    "--log-level",
    type=click.Choice(list(LEVELS), case_sensitive=False),
    help="Show what the guest logs from this level on, on stderr.  [default: error]",
)
@voice_options
@click.pass_context
def call(context: click.Context, /, wasm_file: str, function: str | None, **flags: Any) -> None:
    """
    Call FUNCTION of the plug-in WASM_FILE.

    WASM_FILE is a path or an http(s) URL of a module, binary or text format, or with --manifest the path of
    a manifest. The output goes to stdout with a line break behind it, everything else to stderr.
    """
    run = _Run(**{name: flags.pop(name) for name in _Run.__slots__})
    if run.stdin and run.input is not None:
        raise click.UsageError("--input and --stdin exclude each other.", context)
    voice = context.ensure_object(Voice)
    with logged(run.log_level, voice):
        manifest = plugin_at(wasm_file, is_manifest=run.manifest)
        if function is None:
            raise click.UsageError(f"Missing argument 'FUNCTION'.{_choice(manifest)}", context)
        manifest = Grants(**flags).over(manifest)
        if manifest.allowed_paths and not run.wasi:
            voice.warn("directories are shown through WASI only; add --wasi")
        _call(wasm_file, function, manifest, run, voice)


def _call(wasm_file: str, function: str, manifest: Manifest, run: _Run, voice: Voice) -> None:
    if run.wasi:
        os.environ.setdefault(_WASI_OUTPUT, "1")
    started = time.monotonic()
    load = partial(CompiledPlugin, manifest, run.wasi, [], ca_bundle=run.ca_bundle)
    compiled = wait_for(load, f"Loading {wasm_file}", voice)
    _log.debug("loaded %s in %.3f s", wasm_file, time.monotonic() - started)
    with Plugin(compiled, http_response_headers=run.enable_http_response_headers) as plugin:
        data = _input(run)
        _log.debug("calling %s with %d bytes", function, len(data))
        for _ in range(run.loop):
            started = time.monotonic()
            output = plugin.call(function, data)
            _log.debug("%d bytes in %.3f s", len(output), time.monotonic() - started)
            write_output(output + _end(run))


def _choice(manifest: Manifest) -> str:
    """Return which functions there are, as far as that is known without loading anything."""
    names = [name for source in manifest.wasm for name in callable_names_at(source)]
    return f" There are: {', '.join(names[:20])}." if names else ""


def _input(run: _Run) -> bytes:
    """Return the input: the text's bytes as they were typed, or all of stdin."""
    if run.stdin:
        return sys.stdin.buffer.read() if sys.stdin is not None else b""
    return os.fsencode(run.input or "")


def _end(run: _Run) -> bytes:
    if run.raw:
        return b""
    return b"\n\n" if run.loop > 1 else b"\n"
