"""The reference of errors: the tree, and each class with its parents, its attributes and its meaning."""

from __future__ import annotations

import builtins
import inspect
import re

from reference_docstrings import markdown

from extism import errors

__all__ = ["classes", "tree"]


def tree() -> str:
    """The tree as the module's own docstring draws it; every class is in it."""
    drawn = re.search(r"::\n\n(.*?)\n\n(?! )", inspect.getdoc(errors) or "", re.DOTALL)
    assert drawn, "errors.py draws no tree"
    text = inspect.cleandoc(drawn[1])
    missing = [name for name in errors.__all__ if not re.search(rf"\b{name}\b", text)]
    assert not missing, f"the tree of errors.py does not show {missing}"
    return f"```text\n{text}\n```"


def classes() -> str:
    """Every class, a parent before its children, in the order of the source."""
    found = [getattr(errors, name) for name in errors.__all__]
    found.sort(key=lambda cls: inspect.getsourcelines(cls)[1])
    return "\n\n".join(part for cls in found for part in _class(cls))


def _class(cls: type[errors.Error]) -> list[str]:
    parents = ", ".join(_link(base) for base in cls.__bases__)
    carried = ", ".join(f"`{name}`" for name in _carried(cls))
    lines = [f"A kind of {parents}."]
    lines += [f"Carries {carried}."] if carried else []
    return [f"## {cls.__name__}", markdown(inspect.getdoc(cls) or ""), " ".join(lines)]


def _link(base: type) -> str:
    if hasattr(builtins, base.__name__):
        return f"`{base.__name__}`"
    return f"[`{base.__name__}`](#{base.__name__.lower()})"


def _carried(cls: type[errors.Error]) -> list[str]:
    """The attributes that its constructor sets, those of its parents included, and its properties."""
    if not inspect.isfunction(cls.__init__):
        return []
    own = [name for name, each in vars(cls).items() if isinstance(each, property)]
    parameters = inspect.signature(cls).parameters.values()
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY] + own
