"""
Packages for tests, without a network: wheels packed from what is installed here, and small ones made up.

pip then resolves, chooses and installs as it does for a user, from one folder.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import zipfile
from pathlib import Path

import pytest

from extism import caches

INSTALLED = (
    "attrs",
    "jinja2",
    "markupsafe",
    "markdown",
    "pyyaml",
    "python-dateutil",
    "tzdata",
    "tomli-w",
)
NATIVE = (".so", ".pyd", ".dylib")


def write_wheel(
    folder: Path, name: str, version: str, files: dict[str, bytes], tag="py3-none-any", metadata=""
):
    """Pack a wheel of these files."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    is_pure = str(tag.endswith("-none-any")).lower()
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {is_pure}\nTag: {tag}\n".encode(),
    }
    record = [f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items()]
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def pack_installed(folder: Path, name: str):
    """Pack the wheel of a distribution that is installed here, its native code aside."""
    told = importlib.metadata.distribution(name)
    files = {}
    for file in told.files or ():
        path = file.as_posix()
        if not path.startswith("..") and "__pycache__" not in path and not path.endswith(NATIVE):
            files[path] = Path(told.locate_file(file)).read_bytes()
    kept = {path: data for path, data in files.items() if ".dist-info/" not in path}
    entries = [path for path in files if path.endswith("/entry_points.txt")]
    stem = f"{told.name.replace('-', '_')}-{told.version}.dist-info"
    kept |= {f"{stem}/entry_points.txt": files[path] for path in entries}
    needs = "".join(f"Requires-Dist: {need}\n" for need in told.requires or ())
    write_wheel(folder, told.name, told.version, kept, metadata=needs)


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory):
    """A folder with wheels of the packages that the examples use."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in INSTALLED:
        pack_installed(folder, name)
    return folder


@pytest.fixture
def offline_pip(monkeypatch, wheelhouse):
    """pip has the wheels of the wheelhouse, and no index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))


@pytest.fixture(scope="session")
def package_cache_folder(tmp_path_factory):
    """A folder for `EXTISM_CACHE_DIR` with the interpreter and native code of the usual one, and no packages."""
    folder = tmp_path_factory.mktemp("cache")
    for place in (
        caches.interpreter_directory(),
        Path(caches.native_directory() or folder / "none"),
    ):
        place.mkdir(parents=True, exist_ok=True)
        (folder / place.name).symlink_to(place, target_is_directory=True)
    return folder


@pytest.fixture
def package_cache(monkeypatch, package_cache_folder, offline_pip):
    """The cache where packages are installed and prepared during the tests, without a network."""
    monkeypatch.setenv(caches.CACHE_DIR, str(package_cache_folder))
    return package_cache_folder
