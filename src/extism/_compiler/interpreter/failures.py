"""
A failure of the author's code while the plugin is built, in words: module `_extism_failures`, inside the interpreter only.

The compiler makes a `BuildError` of what `describe` returns. How a call fails is told by the guest library (invoke.py).
"""

import importlib
import traceback
from collections.abc import Container
from typing import Any

# What frames say of the files that load an author's: importlib's own, and those beside this one. (`__file__` says
# where they are kept.)
IMPORTING = importlib.import_module.__code__.co_filename
BESIDE = (lambda: None).__code__.co_filename.rpartition("/")[0] + "/"


def describe(error: BaseException, main_file: str, author_files: Container[str]) -> dict[str, Any]:
    """Return what the compiler tells the author: the error, the place in their files, the traceback."""
    report = traceback.TracebackException.from_exception(error)
    strip(report)
    place = (getattr(error, "filename", None), getattr(error, "lineno", None))
    frames = [
        (each.filename, each.lineno) for each in report.stack if each.filename in author_files
    ]
    # A SyntaxError names its place, and so does the guest library's for an annotation of a function.
    if place[0] not in author_files or not place[1]:
        place = frames[-1] if frames else (main_file, None)
    tells = frames or isinstance(error, SyntaxError) or not place[1]
    return {
        "type": type(error).__name__,
        "message": text_of(error),
        "file": place[0],
        "line": place[1] or 0,
        "frames": frames,
        "missing": missing_names(error),
        # One that passes by none of the author's files tells them nothing.
        "traceback": "".join(report.format()) if tells else "",
    }


def missing_names(error: BaseException | None) -> list[str]:
    """Return what failed imports have looked for, of the error and of those behind it."""
    found = []
    while error is not None:
        if isinstance(error, ImportError) and error.name:
            names = (error.name, getattr(error, "name_from", None))
            found += [".".join(filter(None, names)), error.name]
        error = error.__cause__ or error.__context__
    return found


def strip(report: traceback.TracebackException) -> None:
    """Cut the frames of what loads modules, of the error and of those behind it."""
    frames = [frame for frame in report.stack if not is_inner(frame.filename)]
    report.stack = traceback.StackSummary.from_list(frames)
    for behind in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if behind is not None:
            strip(behind)


def is_inner(file: str) -> bool:
    """Tell whether code of this file stands between the build and the author's code."""
    return file == IMPORTING or file.startswith((BESIDE, "<frozen importlib."))


def text_of(error: BaseException) -> str:
    """Return the error's text without its place, which the report gives apart."""
    if isinstance(error, SyntaxError):
        return str(error.msg)
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001  `__str__` is the author's too
        return f"<its text cannot be made: {type(second).__name__}>"
