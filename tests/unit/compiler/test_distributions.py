"""distributions: what is installed in a folder."""

from __future__ import annotations

import pytest

from extism._compiler.distributions import distributions, normal


def info(folder, name, version, record="", **files):
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (place / "RECORD").write_text(record)
    for file, text in files.items():
        (place / file).write_text(text)


def test_a_distribution(tmp_path):
    """Its name, its version, its modules, and which of them are native."""
    record = (
        "yaml/__init__.py,,\nyaml/_yaml.cpython-313-darwin.so,,\n_yaml.pyd,,\nsix.py,,\n"
        "../../bin/x,,\nyaml/data.txt,,\n"
    )
    info(tmp_path, "PyYAML", "6.0", record, INSTALLER="pip", top_level="")
    (found,) = distributions([tmp_path])

    assert (found.name, found.version) == ("PyYAML", "6.0")
    assert found.modules == {"yaml", "_yaml", "six"}
    assert found.native == {"yaml._yaml", "_yaml"}
    assert [path.name for path in found.files()] == ["METADATA"]


def test_what_a_plugin_is_told(tmp_path):
    """Nothing that differs between machines: not where files are, not who installed them."""
    files = {"entry_points.txt": "", "top_level.txt": "", "direct_url.json": "", "REQUESTED": ""}
    info(tmp_path, "a", "1", **files)

    assert [path.name for path in distributions([tmp_path])[0].files()] == [
        "METADATA",
        "entry_points.txt",
        "top_level.txt",
    ]


def test_several_folders(tmp_path):
    """By name; what is found first hides others of its name, however it is written."""
    info(tmp_path / "one", "a.b", "1")
    info(tmp_path / "two", "A_B", "2")
    info(tmp_path / "two", "0", "3")
    found = distributions([tmp_path / "one", tmp_path / "two", tmp_path / "none"])

    assert [(row.name, row.version) for row in found] == [("0", "3"), ("a.b", "1")]


@pytest.mark.parametrize("name", ["a-b", "A_B", "a.b", "a--b", "a._b"])
def test_names(name):
    """Names are compared as indices do."""
    assert normal(name) == "a-b"
