"""
The pytest plug-in: a fixture `extism_plugin`, with which a test of a plug-in runs natively, and again in WebAssembly.

Loaded by pytest itself, in every project that has this package installed: nothing heavy is imported before a test
asks for the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["extism_plugin"]

_MARK: Final = "extism_plugin"
_WAYS: Final = {"both": ["native", "wasm"], "native": ["native"], "wasm": ["wasm"]}
_OPTIONS: Final = frozenset({"config", "functions", "search", "log_level"})

_modules = pytest.StashKey[dict[tuple[Any, ...], bytes]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer `--extism`, and the setting that names the plug-in."""
    group = parser.getgroup("extism")
    group.addoption(
        "--extism",
        choices=sorted(_WAYS),
        default="both",
        help="run tests of plug-ins natively, in WebAssembly, or both (default)",
    )
    parser.addini(_MARK, "file of the plug-in that the fixture extism_plugin loads", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(path, *, config, functions, search, log_level): the plug-in that a test is about, and its host",
    )
    config.stash[_modules] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for the fixture on every host."""
    if _MARK in metafunc.fixturenames:
        ways = _WAYS[metafunc.config.getoption("--extism")]
        metafunc.parametrize(_MARK, ways, indirect=True)


@pytest.fixture
def extism_plugin(request: pytest.FixtureRequest) -> Iterator[Any]:
    """
    Give the plug-in on a host of its own: simulated, or in WebAssembly.

    Which one is said by the marker `extism_plugin`, or by the setting of the same name; markers nearer to the test
    add to those of its class and module, and win. What can be done with it: `extism.pdk.testing.Host`.
    """
    path, options = _asked(request)
    search = tuple(str(path.parent / each) for each in options.pop("search", ()))
    if request.param == "native":
        from extism.pdk import testing

        with testing.host(path, search=search, **options) as host:
            yield host
    else:
        from extism._in_wasm import InWasm, module_of
        from extism.pdk import LogLevel

        modules = request.config.stash[_modules]
        key = (path, search)
        if key not in modules:
            modules[key] = module_of(path, search)
        defaults = {"config": {}, "functions": (), "log_level": LogLevel.Trace}
        with InWasm(modules[key], **{**defaults, **options}) as host_of_wasm:
            yield host_of_wasm


def _asked(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    """Return the file that a test is about, and how its host is to be."""
    setting = str(request.config.getini(_MARK))
    path = request.config.rootpath / setting if setting else None
    options: dict[str, Any] = {}
    for node, mark in reversed(list(request.node.iter_markers_with_node(_MARK))):
        unknown = set(mark.kwargs) - _OPTIONS
        if unknown or len(mark.args) > 1:
            raise pytest.UsageError(
                f"the marker {_MARK} takes a path and {', '.join(sorted(_OPTIONS))}"
            )
        options |= mark.kwargs
        if mark.args:
            path = (
                Path(node.path).parent.joinpath(mark.args[0])
                if node.path.is_file()
                else Path(mark.args[0])
            )
    if path is None:
        raise pytest.UsageError(
            f"which plug-in? Mark the test with @pytest.mark.{_MARK}('plugin.py'), or set {_MARK} = 'plugin.py' in "
            "pytest's configuration"
        )
    return path, options
