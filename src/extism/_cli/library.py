"""
`extism lib`: which library this is, and whether it works here.

The Go command installs and removes a shared library with these words; here the library is this package, and
its installer is pip.
"""

from __future__ import annotations

import platform
import sys
from typing import Final

import click

from extism import extism_version
from extism._cli.voice import voice_options, write_output
from extism._engine.wheel import engine_version
from extism.caches import interpreter_directory, native_directory
from extism.plugin import Plugin

__all__ = ["lib"]

_PROBE: Final = """
(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "echo") (call $output (call $offset) (call $length))))
"""


@click.group("lib", epilog="\b\nExamples:\n  extism lib check\n  extism lib versions")
def lib() -> None:
    """Tell about the library."""


@lib.command("versions", epilog="\b\nExample:\n  extism lib versions")
@voice_options
def versions() -> None:
    """Print the versions of this package and of the WebAssembly engine."""
    _write([f"extism {extism_version()}", f"wasmtime {engine_version()}"])


@lib.command("check", epilog="\b\nExample:\n  extism lib check && echo works")
@voice_options
def check() -> None:
    """Compile and call a small plug-in, and tell where everything is."""
    with Plugin(_PROBE, functions=[]) as plugin:
        answer = plugin.call("echo", "works").decode()
    native = native_directory()
    machine = f"{platform.system()} {platform.machine()}"
    _write(
        [
            f"extism {extism_version()}: {answer}",
            f"wasmtime {engine_version()}",
            f"python {platform.python_version()} ({machine}), {sys.executable}",
            f"native code: {native or 'not kept'}",
            f"guest interpreter: {interpreter_directory()}",
        ]
    )


def _write(lines: list[str]) -> None:
    write_output("".join(f"{line}\n" for line in lines).encode())
