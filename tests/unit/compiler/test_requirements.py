"""requirements: what pip is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from extism._compiler.requirements import Requirements, gather
from extism.errors import BuildError


def test_the_guest_library_is_never_installed(tmp_path):
    """`extism` is in every plug-in, however it is written; what only begins like it is not it."""
    file = tmp_path / "requirements.txt"
    file.write_text("Extism==1.1\nb\n")

    assert gather(["extism", "extism>=1", "extism-x", " a "], [file]).lines == (
        "extism-x",
        " a ",
        "b",
    )


def test_requirements_files(tmp_path):
    """Comments go, lines that go on are put together, files that are named are read, options stay."""
    (tmp_path / "r.txt").write_text(
        "# a comment\n\nf==1 \\\n  --hash=sha256:00  # why\n-r more/s.txt\n--index-url https://x/#frag\n"
        "-c c.txt\n"
    )
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "s.txt").write_text("g\n--requirement=../r.txt\n")
    (tmp_path / "c.txt").write_text("g<2\n")

    assert gather(["a"], [tmp_path / "r.txt"]) == Requirements(
        ("a", "f==1    --hash=sha256:00", "g", "--index-url https://x/#frag"), ("g<2",)
    )


def test_a_file_that_is_not_there():
    """The error names it."""
    with pytest.raises(BuildError, match=r"cannot read gone\.txt"):
        gather([], [Path("gone.txt")])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jinja2==3.1.6", False),
        ("x @ https://host/x-1.0-py3-none-any.whl", False),
        ("--find-links /here", False),
        ("./lib", True),
        ("lib/x.whl", True),
        ("~/lib", True),
        ("-e .", True),
        ("--editable=lib", True),
        ("x @ file:///lib", True),
        ("C:\\lib", True),
    ],
)
def test_what_may_change_under_its_name(line, expected):
    """What lies on this machine is installed anew for each build."""
    assert Requirements((line,)).is_local is expected
