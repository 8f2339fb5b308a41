"""missing: why a module is not there, and what to do."""

from __future__ import annotations

import pytest

from extism._compiler.distributions import Distribution
from extism._compiler.missing import explain, is_below
from extism._compiler.searchpath import SearchPath


def test_a_module_that_nobody_has(tmp_path):
    """The hint names the distribution as it is called here, which need not be the module's name."""
    reason = explain("yaml.nodes", SearchPath([tmp_path]), (), ())

    assert reason.text == (
        "there is no module yaml.nodes beside the plug-in, in PYTHONPATH or in its packages"
    )
    assert reason.hint == (
        'name its package in the file (# /// script, # dependencies = ["PyYAML"], # ///), in a '
        "pyproject.toml or with --requirements FILE, or where it is with --site DIR"
    )
    assert '["nobody_has_this"]' in explain("nobody_has_this", SearchPath([tmp_path]), (), ()).hint


@pytest.mark.parametrize("name", ["np.core._fast", "np.core"])
def test_native_code_of_a_distribution(tmp_path, name):
    """The distribution is named, with its version: the native module itself, or a package of such."""
    row = Distribution("numpy", "2.1", tmp_path, frozenset({"np"}), frozenset({"np.core._fast"}))

    assert explain(name, SearchPath([tmp_path]), [row], ()).text == (
        f"{name} is native code (numpy 2.1), and a plug-in runs pure Python only"
    )


def test_native_code_in_a_folder(tmp_path):
    """Without a distribution the file is named."""
    path = tmp_path / "p" / "_fast.cpython-313-darwin.so"
    path.parent.mkdir()
    path.touch()

    assert explain("p._fast", SearchPath([tmp_path]), (), ()).text == (
        f"p._fast is native code ({path}), and a plug-in runs pure Python only"
    )


def test_a_name_of_the_hosts_library(tmp_path):
    """Nobody is told to install what every plug-in has."""
    reason = explain("extism.Plugin", SearchPath([tmp_path]), (), ())

    assert reason.text == (
        "there is no extism.Plugin inside a plug-in, where extism is the guest library, and not the host's"
    )
    assert "dependencies" not in reason.hint


def test_what_was_left_out(tmp_path):
    """Who leaves a module out is told so."""
    reason = explain("a.b", SearchPath([tmp_path]), (), ["a"])

    assert reason == ("a.b is left out of the plug-in", "take it out of --exclude", "")


def test_names_below_names():
    """A module is below its package and itself, not below a name that it only begins with."""
    assert [is_below(name, ["a.b"]) for name in ("a.b", "a.b.c", "a.bc", "a")] == [
        True,
        True,
        False,
        False,
    ]
