"""ARCHITECTURE.md cannot go stale: its index is made of the modules' own first lines, in the order of the floors."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "ARCHITECTURE.md"
MARKS = ("<!-- index -->\n", "<!-- end of index -->\n")
FLOORS = Path(__file__).parent / "floors.txt"
GUEST = sorted((ROOT / "src" / "extism" / "pdk").glob("*.py"))


def first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def path_of(module: str) -> Path:
    path = ROOT.joinpath("src", "extism", *module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def index() -> str:
    modules = [m for m in FLOORS.read_text(encoding="utf-8").splitlines() if m and m[0] != "#"]
    rows = [(path_of(module), module) for module in modules]
    rows += [(path, f"pdk.{path.stem}".removesuffix(".__init__")) for path in GUEST]
    lines = [
        f"| [`{module}`]({path.relative_to(ROOT).as_posix()}) | {first_line(path)} |\n"
        for path, module in rows
    ]
    return "".join(["| module | what lives there |\n", "|---|---|\n", *lines])


def test_the_index_is_what_the_modules_say():
    """The table in ARCHITECTURE.md lists every module with its own first sentence (BLESS=1 rewrites it)."""
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(f"({MARKS[0]}).*?({MARKS[1]})", re.DOTALL)
    wanted = pattern.sub(lambda found: f"{found[1]}{index()}{found[2]}", text)
    if os.environ.get("BLESS"):
        DOCUMENT.write_text(wanted, encoding="utf-8")
        text = wanted

    assert text == wanted
