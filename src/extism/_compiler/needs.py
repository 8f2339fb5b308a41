"""
What a plug-in says that it needs: in its file's own metadata (PEP 723), or in the pyproject.toml beside it.

::

    # /// script                            [project]
    # requires-python = ">=3.11"            requires-python = ">=3.11"
    # dependencies = ["jinja2>=3.1"]        dependencies = ["jinja2>=3.1"]
    #
    # [tool.extism]                         [tool.extism]
    # exclude = ["jinja2.ext"]              main = "src/shop/plugin.py"
    # ///

Here it is read; packages are had in `packages.py`. Nothing else of `[tool.extism]` is known, and a key that is not
known is an error.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from extism._compiler.interpreter.sources import PYTHON
from extism._compiler.versions import admits
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Needs", "of_project", "of_script"]

_RELEASE: Final = tuple(map(int, PYTHON.version.split(".")))
_OPENING: Final = re.compile(r"# /// ([a-zA-Z0-9-]+)\s*")
_KEYS: Final = ("main", "include", "exclude")


@dataclass(frozen=True, slots=True)
class Needs:
    """
    What was said.

    Attributes:
        name: The project's own name, "" for a file.
        dependencies: Requirements, as pip reads them.
        include: Modules that no import statement names.
        exclude: Modules that are left out.
        main: The plug-in's own file, relative to the pyproject.toml; "" where that is not said.
    """

    name: str = ""
    dependencies: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    main: str = ""


def of_script(path: Path, source: bytes) -> Needs:
    """
    Return what a file says in its block `# /// script`; without one it needs nothing.

    Raises:
        BuildError: The block cannot be read, or the guest's Python is not one that it wants.
    """
    lines = source.decode("utf-8", "replace").splitlines()
    blocks = list(_blocks(path, lines))
    if not blocks:
        return Needs()
    if len(blocks) > 1:
        raise _fault(path, "it has more than one block # /// script", blocks[1][0])
    line, text = blocks[0]
    said = _toml(path, text, line)
    return _needs(path, said, said, line)


def of_project(path: Path) -> Needs:
    """
    Return what a pyproject.toml says.

    Raises:
        BuildError: It cannot be read, or the guest's Python is not one that it wants.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"cannot read {path}: {error}", path=str(path)) from error
    said = _toml(path, text, 0)
    project = said.get("project", {})
    if not isinstance(project, dict):
        raise _fault(path, "project must be a table", 0)
    return _needs(path, project, said, 0)


def _blocks(path: Path, lines: list[str]) -> list[tuple[int, str]]:
    """Return the blocks of type `script`: the line where each begins, and its text without the hashes."""
    found, number = [], 0
    while number < len(lines):
        opening = _OPENING.fullmatch(lines[number])
        number += 1
        if opening is None:
            continue
        end = number
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            end += 1
        # The last closing line counts: TOML may hold three slashes itself.
        closings = [at for at in range(number, end) if lines[at].rstrip() == "# ///"]
        if not closings:
            if opening[1] == "script":
                raise _fault(path, "the block # /// script is not closed with # ///", number)
            continue
        if opening[1] == "script":
            text = "\n".join(line[2:] for line in lines[number : closings[-1]])
            found.append((number, text))
        number = closings[-1] + 1
    return found


def _toml(path: Path, text: str, line: int) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = "the block # /// script" if line else "it"
        raise _fault(path, f"{where} is not TOML: {error}", line) from None


def _needs(path: Path, project: Mapping[str, Any], said: Mapping[str, Any], line: int) -> Needs:
    tool = said.get("tool", {})
    ours = tool.get("extism", {}) if isinstance(tool, dict) else {}
    if not isinstance(ours, dict):
        raise _fault(path, "tool.extism must be a table", line)
    for key in ours:
        if key not in _KEYS:
            raise _fault(path, f"tool.extism has no key {key}: there are {', '.join(_KEYS)}", line)
    _check_python(path, _text(path, project, "requires-python", line), line)
    return Needs(
        name=_text(path, project, "name", line),
        dependencies=_texts(path, project, "dependencies", line),
        include=_texts(path, ours, "include", line),
        exclude=_texts(path, ours, "exclude", line),
        main=_text(path, ours, "main", line),
    )


def _check_python(path: Path, specifier: str, line: int) -> None:
    try:
        is_admitted = admits(specifier, _RELEASE)
    except ValueError as error:
        raise _fault(path, f"requires-python is no list of versions: {error}", line) from None
    if not is_admitted:
        raise _fault(
            path,
            f"it requires Python {specifier}, and plug-ins run Python {PYTHON.version}",
            line,
        )


def _text(path: Path, table: Mapping[str, Any], key: str, line: int) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _fault(path, f"{key} must be a text", line)
    return value


def _texts(path: Path, table: Mapping[str, Any], key: str, line: int) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _fault(path, f"{key} must be a list of texts", line)
    return tuple(value)


def _fault(path: Path, message: str, line: int) -> BuildError:
    where = f"{path}:{line}" if line else str(path)
    return BuildError(f"{where}: {message}", path=str(path), line=line)
