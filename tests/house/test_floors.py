"""The floors: imports run one way, every module is on the list, and only `_engine` touches the engine."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "extism"
LINES = (Path(__file__).parent / "floors.txt").read_text(encoding="utf-8").splitlines()
HOUSE = [line.strip() for line in LINES if line.strip() and not line.startswith("#")]
ANNEX = "pdk"
TO_THE_ANNEX = {"", "_in_wasm", "_pytest"}
"""Doors from the house to the annex: tests of a plug-in run on either side, and type checkers look through."""
ENGINE_PACKAGES = {"wasmtime"}


def module_path(module: str) -> Path:
    path = SRC.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = sorted(
    module_name(path) for path in SRC.rglob("*.py") if ANNEX not in path.relative_to(SRC).parts
)
GUEST = sorted((SRC / ANNEX).rglob("*.py"))
IN_THE_GUEST = {
    f"_compiler.interpreter.{name}"
    for name in ("boot", "carried", "failures", "finder", "renewals")
}


def imports_of(path: Path) -> set[str]:
    """Every module named by an import statement, at any depth, with relative imports made absolute."""
    package = ["extism", *path.relative_to(SRC).with_suffix("").parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            found |= {
                f"{name}.{alias.name}" if is_module(f"{name}.{alias.name}") else name
                for alias in node.names
            }
    return found


def is_module(name: str) -> bool:
    return name.startswith("extism.") and module_path(name.removeprefix("extism.")).exists()


@pytest.mark.parametrize("module", [m for m in MODULES if m not in IN_THE_GUEST])
def test_imports_only_from_below(module: str) -> None:
    """A module imports only modules that stand above it in the list (the front door: any but the doors)."""
    below = {*HOUSE[: HOUSE.index(module)], "errors"} if module else set(HOUSE)
    names = imports_of(module_path(module) if module else SRC / "__init__.py")
    ours = {name.removeprefix("extism.") for name in names if name.startswith("extism.")}
    if module in TO_THE_ANNEX:
        ours = {name for name in ours if not name.startswith(ANNEX)}

    assert sorted(ours - below) == []


@pytest.mark.parametrize("module", MODULES)
def test_only_the_engine_room_touches_the_engine(module: str) -> None:
    """No module outside `_engine` imports wasmtime."""
    found = {name.split(".")[0] for name in imports_of(module_path(module))}

    assert not (found & ENGINE_PACKAGES and not module.startswith("_engine"))


@pytest.mark.parametrize("path", GUEST, ids=lambda path: path.name)
def test_the_guest_library_imports_nothing_of_the_house(path: Path) -> None:
    """The annex `pdk` runs inside the plug-in: it imports the guest's stdlib and itself."""
    ours = {name for name in imports_of(path) if name.split(".")[0] == "extism"}

    assert {name for name in ours if not name.startswith(f"extism.{ANNEX}")} == set()


def test_the_list_names_every_module() -> None:
    """The list of floors and the files on disk are the same set."""
    assert sorted(HOUSE) == [module for module in MODULES if module and module not in IN_THE_GUEST]
