"""Where caches are: where the platform keeps a user's, unless somebody says otherwise."""

from __future__ import annotations

import platformdirs
import pytest

from extism import caches


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
    for name in ("HOME", "XDG_CACHE_HOME", caches.CACHE_DIR, caches.NATIVE_CACHE_DIR):
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
    ],
)
def test_variables_move_them(monkeypatch, variables, native):
    """Both, or native code alone; or switch that off."""
    monkeypatch.delenv(caches.NATIVE_CACHE_DIR, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert caches.native_directory() == native
    assert str(caches.interpreter_directory()) == "/all/interpreter"
