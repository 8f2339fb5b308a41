"""Where caches are: where the platform keeps a user's, unless somebody says otherwise."""

from __future__ import annotations

import platformdirs
import pytest

from extism import caches
from extism.errors import Error

VARIABLES = (caches.CACHE_DIR, caches.NATIVE_CACHE_DIR, caches.CACHE_CONFIG)


@pytest.mark.parametrize(
    "variables",
    [
        {"HOME": "/home/ada"},
        {"HOME": "/home/ada", "XDG_CACHE_HOME": "/var/ada"},
        {"HOME": "/home/ada", "XDG_CACHE_HOME": ""},
        {"HOME": "/home/ada", "XDG_CACHE_HOME": "relative"},
        {"HOME": "", "XDG_CACHE_HOME": "/var/ada"},
        {"HOME": "relative"},
    ],
)
def test_the_folder_is_the_platform_s(monkeypatch, variables):
    """What is told by two variables is read off them; it is what `platformdirs` says."""
    for name in ("HOME", "XDG_CACHE_HOME", *VARIABLES):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    expected = platformdirs.user_cache_path("extism", appauthor=False)

    assert caches.native_directory() == str(expected / "native")
    assert caches.interpreter_directory() == expected / "interpreter"


@pytest.mark.parametrize(
    ("variables", "native"),
    [
        ({caches.CACHE_DIR: "/all"}, "/all/native"),
        ({caches.CACHE_DIR: "/all", caches.NATIVE_CACHE_DIR: "/native"}, "/native"),
        ({caches.CACHE_DIR: "/all", caches.NATIVE_CACHE_DIR: ""}, None),
        ({caches.CACHE_DIR: "/all", caches.CACHE_CONFIG: ""}, None),
        (
            {
                caches.CACHE_DIR: "/all",
                caches.NATIVE_CACHE_DIR: "/native",
                caches.CACHE_CONFIG: "",
            },
            "/native",
        ),
    ],
)
def test_variables_move_them(monkeypatch, variables, native):
    """Both, or native code alone; or switch that off."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert caches.native_directory() == native
    assert str(caches.interpreter_directory()) == "/all/interpreter"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A function from the text of the file that upstream's variable names to that file."""
    monkeypatch.delenv(caches.NATIVE_CACHE_DIR, raising=False)
    monkeypatch.setenv(caches.CACHE_DIR, "/all")

    def named(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        monkeypatch.setenv(caches.CACHE_CONFIG, str(path))
        return path

    return named


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("[cache]\nenabled = false\n", None),
        ("[cache]\nenabled = true\n", "/all/native"),
        ('[cache]\nenabled = true\ndirectory = "/engine"\n', "/engine/extism"),
        ('[cache]\ndirectory = "/engine"\ncleanup-interval = "1d"\n', "/engine/extism"),
        ("", "/all/native"),
    ],
)
def test_upstream_s_variable_moves_native_code(config, text, native):
    """What its file says of keeping and of the folder; the rest is the engine's own affair."""
    config(text)

    assert caches.native_directory() == native
    assert str(caches.interpreter_directory()) == "/all/interpreter"


@pytest.mark.parametrize(
    "text", ["cache = 1", "[cache", "[cache]\nenabled = 1\n", "[cache]\ndirectory = []\n"]
)
def test_a_file_that_says_nothing_is_an_error(config, text):
    """It names the variable and the file, as upstream does when a plug-in is created."""
    path = config(text)

    with pytest.raises(Error, match=f"^EXTISM_CACHE_CONFIG={path}: "):
        caches.native_directory()


def test_a_file_that_is_not_there_is_an_error(config):
    """Nobody wants a cache elsewhere than where it was put."""
    config("").unlink()

    with pytest.raises(Error, match="No such file"):
        caches.native_directory()
