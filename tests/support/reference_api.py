"""The reference of Python names: what the packages `extism` and `extism.pdk` offer, out of their source."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from reference_docstrings import first_sentence, markdown
from reference_source import (
    definitions,
    docstring,
    is_property,
    line,
    members,
    origins,
    own,
    signature,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reference_source import Definition, Function

__all__ = ["guest_api", "host_api"]

_HOST = {
    "Plug-ins": (
        "extism.plugin",
        "extism.compiled",
        "extism.listing",
        "extism.pool",
        "extism.spec",
    ),
    "What they are made of": ("extism.manifest", "extism.sources", "extism.secret"),
    "What they see and keep": ("extism.world", "extism.vars"),
    "Host functions": ("extism.functions", "extism.current", "extism.codecs", "extism.values"),
    "Logs": ("extism._capabilities.log_sinks",),
    "Version": ("extism.version",),
}
"""The chapters of the host's page, and the modules whose public names each has; the rest comes last."""

_IN_SIGNATURES = (
    ("PluginSource", "extism.given"),
    ("Output", "extism.world"),
    ("PoolStatistics", "extism.pool"),
)
"""Types that signatures mention and that are not public themselves."""

_GUEST = {
    "Exports and imports": (
        "extism.pdk.exports",
        "extism.pdk.typed",
        "extism.pdk.imports",
        "extism.pdk.wires",
    ),
    "Input and output": ("extism.pdk.io",),
    "Errors": ("extism.pdk.errors", "extism.pdk.invoke"),
    "What the host grants": (
        "extism.pdk.config",
        "extism.pdk.var",
        "extism.pdk.http",
        "extism.pdk.log",
    ),
    "Blocks (extism.memory)": ("extism.pdk.memory",),
}

_ELSEWHERE = {"Error", "errors", "ffi", "memory"}
"""Public names that are modules, or have a page of their own."""

_GIVEN = {
    "CancelHandle",
    "CurrentPlugin",
    "CustomLogger",
    "ExportInfo",
    "HttpError",
    "HttpResponse",
    "ImportInfo",
    "InputError",
    "PoolStatistics",
    "Vars",
    "testing.CallFailed",
    "testing.Host",
    "testing.Request",
}
"""Classes that the library makes; how they are made is nobody's business."""


def host_api() -> str:
    """The page of `extism`, with `extism.compiler` behind it."""
    chapters = _chapters(origins("extism"), _HOST)
    chapters["Types in signatures"] = list(_IN_SIGNATURES)
    chapters["Compiling plug-ins (extism.compiler)"] = [
        (name, "extism.compiler") for name in own("extism.compiler")
    ]
    return _page(chapters)


def guest_api() -> str:
    """The page of what a plug-in calls `extism`."""
    names = origins("extism.pdk")
    names |= {f"memory.{name}": "extism.pdk.memory" for name in own("extism.pdk.memory")}
    del names["memory.MemoryHandle"]
    chapters = _chapters(names, _GUEST)
    chapters["Testing (extism.pdk.testing, outside of plug-ins)"] = [
        (f"testing.{name}", origins("extism.pdk.testing")[name])
        for name in own("extism.pdk.testing")
    ]
    chapters["What the interpreter provides (extism.ffi)"] = [("ffi.Host", "extism.pdk.ffi")]
    return _page(chapters)


def _chapters(
    names: dict[str, str], wanted: dict[str, tuple[str, ...]]
) -> dict[str, list[tuple[str, str]]]:
    """Names with their modules by chapter, in the order of the modules and then of the source."""
    shown = [(name, module) for name, module in names.items() if name not in _ELSEWHERE]
    shown.sort(key=lambda row: line(row[1], row[0].rpartition(".")[2]))
    found = {
        title: [row for module in modules for row in shown if row[1] == module]
        for title, modules in wanted.items()
    }
    placed = {row for rows in found.values() for row in rows}
    rest = [row for row in shown if row not in placed]
    return found | ({"More": rest} if rest else {})


def _page(chapters: dict[str, list[tuple[str, str]]]) -> str:
    parts = ["".join(_contents(chapters)).rstrip()]
    for title, rows in chapters.items():
        parts.append(f"## {title}")
        parts += [entry for name, module in rows for entry in _entry(name, module)]
    return "\n\n".join(parts)


def _contents(chapters: dict[str, list[tuple[str, str]]]) -> Iterable[str]:
    for title, rows in chapters.items():
        links = ", ".join(f"[`{name}`](#{_anchor(name)})" for name, _ in rows)
        yield f"- {title}: {links}\n"


def _anchor(name: str) -> str:
    return name.lower().replace(".", "")


def _entry(name: str, module: str) -> Iterable[str]:
    nodes = definitions(module, name.rpartition(".")[2])
    assert nodes, f"{name} is not defined in {module}"
    text = docstring(module, nodes[-1])
    assert text, f"{name} of {module} has no docstring"
    yield f"### {name}"
    if name not in _GIVEN:
        yield from _called(name, nodes)
    yield markdown(text)
    node = nodes[-1]
    if isinstance(node, ast.ClassDef):
        for member in members(module, node):
            yield from _member(name, member)


def _member(owner: str, nodes: list[Function]) -> Iterable[str]:
    name = f"{owner}.{nodes[-1].name}"
    text = ast.get_docstring(nodes[-1])
    assert text, f"{name} has no docstring"
    yield f"#### {name}"
    if is_property(nodes[-1]):
        sentence = first_sentence(text)
        yield f"`{signature(nodes[-1].name, [*nodes])}`: {sentence[0].lower()}{sentence[1:]}"
        rest = text.partition("\n\n")[2]
        yield from [markdown(rest)] if rest else []
    else:
        yield from _called(name, [*nodes])
        yield markdown(text)


def _called(name: str, nodes: list[Definition]) -> Iterable[str]:
    called = signature(name, nodes)
    if called != f"{name}()":
        yield f"```python\n{called}\n```"
