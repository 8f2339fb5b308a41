"""
pip, told that it installs for the guest's Python: run as a program, with pip's own arguments.

pip chooses wheels for another Python when asked to (`--python-version`, `--abi`), but reads conditions such as
`; python_version >= "3.13"` and `; sys_platform == "win32"` as of the Python that runs it. So this tells it first
what they mean in a plug-in, by a function that is pip's own affair, and asks whether it was heard: a pip that goes
another way is refused, since it would choose other packages on every machine. Imports nothing of this library: it runs
alone, without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(release: str, arguments: list[str]) -> None:
    """
    Be pip.

    Args:
        release: The guest's version, such as 3.13.5; "" for what is built for the Python that runs this.
        arguments: What pip is to do.
    """
    if importlib.util.find_spec("pip") is None:
        sys.path.insert(0, bundled())
    if release:
        markers: Any = importlib.import_module("pip._vendor.packaging.markers")
        markers.default_environment = lambda: environment(release)
        if not markers.Marker('sys_platform == "wasi"').evaluate():
            sys.exit(OTHER_PIP)
    sys.argv = ["pip", *arguments]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def bundled() -> str:
    """Return the wheel of pip that Python itself carries, for environments that are made without pip."""
    folder = importlib.util.find_spec("ensurepip")
    places = (folder and folder.submodule_search_locations) or ()
    wheels = [wheel for place in places for wheel in Path(place, "_bundled").glob("pip-*.whl")]
    if not wheels:
        sys.exit(NO_PIP)
    return str(wheels[0])


NO_PIP = "there is no pip for this Python"
OTHER_PIP = "this pip cannot be told what conditions of requirements mean in a plug-in"


def environment(release: str) -> dict[str, str]:
    """Return what conditions of requirements mean in a plug-in."""
    return {
        "implementation_name": "cpython",
        "implementation_version": release,
        "os_name": "posix",
        "platform_machine": "wasm32",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "wasi",
        "platform_version": "",
        "python_full_version": release,
        "python_version": ".".join(release.split(".")[:2]),
        "sys_platform": "wasi",
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
