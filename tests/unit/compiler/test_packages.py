"""packages: installed by pip for the guest's Python, once, without a network."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
from wheelhouse import write_wheel

from extism._compiler import guest_pip
from extism._compiler.distributions import distributions
from extism._compiler.packages import install
from extism._compiler.requirements import Requirements
from extism.errors import BuildError

LINUX = "cp313-cp313-manylinux_2_17_x86_64"


@pytest.fixture
def wheels(tmp_path, monkeypatch, offline_pip):
    """A folder of wheels that pip has besides an empty cache."""
    monkeypatch.setenv("EXTISM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def installed(*lines, said=None, **options):
    folder = install(Requirements(lines), (said if said is not None else []).append, **options)
    return folder, {row.name: row.version for row in distributions([folder])}


def test_nothing_to_install():
    """Without requirements pip is not asked."""
    assert install(Requirements(), print) is None


def test_what_is_needed_by_what_is_needed(wheels):
    """Requirements of requirements come along, by the conditions of the guest: not of this Python or system."""
    write_wheel(
        wheels,
        "top",
        "1.0",
        {"top.py": b""},
        metadata="Requires-Dist: yes1; python_version == '3.13'\n"
        "Requires-Dist: yes2; sys_platform == 'wasi' and implementation_name == 'cpython'\n"
        "Requires-Dist: no1; python_version < '3.13'\n"
        "Requires-Dist: no2; sys_platform != 'wasi'\n"
        "Requires-Dist: no3; platform_system == 'Windows' or extra == 'x'\n",
    )
    for name in ("yes1", "yes2"):
        write_wheel(wheels, name, "1", {f"{name}.py": b""})

    assert installed("top")[1] == {"top": "1.0", "yes1": "1", "yes2": "1"}


def test_the_guests_version_decides(wheels):
    """A release for another Python than the guest's is passed over."""
    write_wheel(wheels, "a", "1", {"a.py": b""}, metadata="Requires-Python: >=3.13\n")
    write_wheel(wheels, "a", "2", {"a.py": b""}, metadata="Requires-Python: <3.13\n")

    assert installed("a")[1] == {"a": "1"}


def test_native_code_is_dropped(wheels):
    """Of a wheel with native code its Python is taken; what was dropped is known by name."""
    files = {"a/__init__.py": b"", "a/_fast.cpython-313-x86_64-linux-gnu.so": b"\x7fELF"}
    write_wheel(wheels, "a", "1", files, LINUX)
    folder, _ = installed("a")

    assert sorted(path.name for path in folder.glob("a/*")) == ["__init__.py"]
    assert [row.native for row in distributions([folder])] == [frozenset({"a._fast"})]


def test_the_second_build_asks_nobody(wheels):
    """The same requirements are the same folder, although there is a newer version, until they are refreshed."""
    write_wheel(wheels, "a", "1", {"a.py": b""})
    said = []
    first = installed("a", said=said)
    write_wheel(wheels, "a", "2", {"a.py": b""})
    second = installed("a", said=said)
    third = installed("a", said=said, is_fresh=True)

    assert first == second == (first[0], {"a": "1"})
    assert third == (first[0], {"a": "2"})
    assert said == ["installing a", "installing a"]


def test_what_was_installed_is_noted(wheels):
    """pip's own report lies beside the packages: names, versions, digests."""
    write_wheel(wheels, "a", "1", {"a.py": b""})
    folder, _ = installed("a")
    report = json.loads((folder.parent / "lock.json").read_text())

    assert [row["metadata"]["name"] for row in report["install"]] == ["a"]
    assert len(report["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"]) == 64


def test_what_is_here_may_have_changed(wheels, tmp_path):
    """A requirement that is a file is installed anew each time."""
    write_wheel(tmp_path / "own", "a", "1", {"a.py": b"x = 1"})
    wheel = str(tmp_path / "own" / "a-1-py3-none-any.whl")
    installed(wheel)
    write_wheel(tmp_path / "own", "a", "1", {"a.py": b"x = 2"})

    assert (installed(wheel)[0] / "a.py").read_bytes() == b"x = 2"


def test_what_is_nowhere(wheels):
    """The error has pip's own words, and nothing half made is left."""
    wheels.mkdir()
    with pytest.raises(BuildError) as caught:
        installed("there-is-none==7")

    assert str(caught.value).startswith(
        "the packages of the plug-in cannot be installed; pip says:\n"
    )
    assert "No matching distribution found for there-is-none==7" in str(caught.value)
    assert list((wheels.parent / "cache" / "packages").iterdir()) == []


def test_what_contradicts_itself(wheels):
    """Requirements that no versions meet are told by pip."""
    write_wheel(wheels, "a", "1", {"a.py": b""}, metadata="Requires-Dist: b<2\n")
    write_wheel(wheels, "b", "1", {"b.py": b""})
    write_wheel(wheels, "b", "2", {"b.py": b""})
    with pytest.raises(
        BuildError, match="Cannot install a and b>=2 because these package versions have conf"
    ):
        installed("a", "b>=2")


def test_a_cache_that_cannot_be_written(wheels):
    """The error says which folder, and how to name another."""
    Path(wheels.parent, "cache").write_text("a file")
    with pytest.raises(BuildError) as caught:
        installed("a")

    assert str(caught.value).startswith(
        f"cannot keep packages in {wheels.parent / 'cache' / 'packages'}"
    )
    assert caught.value.hint == "name another folder with EXTISM_CACHE_DIR"


def test_a_pip_that_is_not_heard_is_refused(monkeypatch):
    """A release that reads conditions another way would choose packages by the machine, and nobody would see it."""
    deaf = types.ModuleType("pip._vendor.packaging.markers")
    deaf.Marker = lambda _text: types.SimpleNamespace(evaluate=lambda: False)
    monkeypatch.setitem(sys.modules, deaf.__name__, deaf)
    with pytest.raises(SystemExit, match="this pip cannot be told"):
        guest_pip.main("3.13.5", ["--version"])
