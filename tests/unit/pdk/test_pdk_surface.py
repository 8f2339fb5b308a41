"""The front door of the guest library: what `import extism` gives a plug-in, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import extism.pdk

PACKAGE = Path(extism.pdk.__file__).parent


def test_all_names_are_there():
    """Every name in `__all__` can be had, and is there once."""
    assert [name for name in extism.pdk.__all__ if not hasattr(extism.pdk, name)] == []
    assert len(extism.pdk.__all__) == len(set(extism.pdk.__all__))


def test_a_name_of_the_host_says_where_it_belongs():
    """Asking the guest library for `Plugin` says that it is the host's."""
    with pytest.raises(AttributeError, match="'Plugin' belongs to the host"):
        _ = extism.pdk.Plugin


def test_an_unknown_name_is_an_ordinary_attribute_error():
    """A name that nobody has is reported as Python does."""
    with pytest.raises(AttributeError, match=r"module 'extism.pdk' has no attribute 'plugin_func'"):
        _ = extism.pdk.plugin_func


def test_without_a_host_each_use_says_so():
    """Outside a plug-in the library imports, and a call says what to do."""
    with pytest.raises(RuntimeError) as caught:
        extism.pdk.input_str()

    assert str(caught.value) == (
        "input: there is no Extism host here, this is not a plug-in; build the file with "
        "extism-py, or test it with extism.pdk.testing"
    )


def test_the_package_works_under_the_name_extism(tmp_path):
    """Copied to another place and called `extism`, as in a plug-in, the same files work by themselves."""
    (tmp_path / "extism").symlink_to(PACKAGE, target_is_directory=True)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import extism\n"
        "@extism.plugin_fn\n"
        "def greet(): return 3\n"
        "from extism.invoke import invoke\n"
        "print(invoke(0), extism.__name__, [m for m in sys.modules if m.startswith('extism.pdk')])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )

    assert (ran.stdout, ran.stderr) == ("3 extism []\n", "")
