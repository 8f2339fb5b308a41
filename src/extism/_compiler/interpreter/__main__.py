"""
`python -m extism._compiler.interpreter`: build the guest interpreter, pack it, or say where it is.

Progress goes to stderr, the answer (a path) to stdout.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from pathlib import Path

from extism import caches
from extism._compiler import runtime
from extism._compiler.interpreter.wheel import pack_wheel, wheel_name
from extism.errors import BuildError, Error


def main() -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m extism._compiler.interpreter",
        description="The interpreter inside Python plug-ins: CPython for WebAssembly.",
    )
    parser.add_argument("--output", type=Path, default=Path("dist"), help="folder for the wheel")
    parser.add_argument(
        "--level",
        type=int,
        choices=range(10),
        default=9,
        metavar="0-9",
        help="how much time is taken to make the wheel small; 9, the default, is the smallest",
    )
    parser.add_argument(
        "command",
        choices=("build", "wheel", "where"),
        help="build: have it in the cache, building it if need be; wheel: pack it as a data wheel; "
        "where: print its folder, exit code 1 if there is none",
    )
    options = parser.parse_args()
    try:
        return {"build": _build, "wheel": _wheel, "where": _where}[options.command](options)
    except KeyboardInterrupt:
        _say("stopped; a second run continues here")
        return 130
    except Error as error:
        hint = getattr(error, "hint", "")
        _say(f"error: {error}" + (f"\n{hint}" if hint else ""))
        return 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  this is the command's voice


def _answer(path: Path) -> int:
    print(path)  # noqa: T201  this is the command's answer
    return 0


def _base_folder() -> Path:
    return caches.interpreter_directory() / f"base-{runtime.base_key()}"


def _build(_options: argparse.Namespace) -> int:
    runtime.base_image(_say)
    return _answer(_base_folder())


def _where(_options: argparse.Namespace) -> int:
    if runtime.find_base(_say) is None:
        _say(f"not built: there is no {_base_folder()}; `build` builds it")
        return 1
    return _answer(_base_folder())


def _wheel(options: argparse.Namespace) -> int:
    base = runtime.base_image(_say)
    version = importlib.metadata.version("extism")
    wheel = pack_wheel(base, runtime.base_key(), version, _licences(), options.level)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / wheel_name(version)
    path.write_bytes(wheel)
    return _answer(path)


def _licences() -> dict[str, bytes]:
    """Return the licence texts: those of what is in the interpreter, and our own."""
    return {**runtime.licences(_say), "extism.txt": _own_licence()}


def _own_licence() -> bytes:
    """Return the licence of this repository, from the checkout or from the installed metadata."""
    checkout = Path(__file__).parents[4] / "LICENSE"
    if checkout.exists():
        return checkout.read_bytes()
    text = importlib.metadata.distribution("extism").read_text("licenses/LICENSE")
    if text is None:
        raise BuildError("the licence of extism is not installed with it", path=str(checkout))
    return text.encode()


if __name__ == "__main__":
    sys.exit(main())
