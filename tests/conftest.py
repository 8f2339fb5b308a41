"""What the whole suite shares: where slow tests run, and plug-ins built from Python, once each."""

from __future__ import annotations

import hashlib
import os
import signal
from contextlib import nullcontext
from importlib.metadata import entry_points

import pytest
from hypothesis import HealthCheck, settings
from through_acall import VARIABLE, awaited_calls

pytest_plugins = ["guests", "peer_hosts", "scoreboard", "wheelhouse"]
if "extism" not in entry_points(group="pytest11").names:
    pytest_plugins.append("extism._pytest")  # a checkout on PYTHONPATH has no entry points

SWITCHES = ("EXTISM_ENABLE_WASI_OUTPUT", "EXTISM_FUSE", "EXTISM_SLOTS")
"""Variables that change what plug-ins do. Those that say where caches, archives and peers are stay."""


def pytest_configure():
    """
    Leave out what the caller's environment would change.

    Ctrl-C is heard again where the suite was started in the background: shells have it ignored there. What Hypothesis
    tries is the same every time, and takes the time that it takes; new cases are for `make fuzz` to find.
    """
    slow = [HealthCheck.too_slow]
    settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=slow)
    settings.load_profile("suite")
    for name in SWITCHES:
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Keep all tests that compile Python plug-ins on one worker: each takes seconds of both cores."""
    for item in items:
        if item.get_closest_marker("guest_python"):
            item.add_marker(pytest.mark.xdist_group("guest_python"))


@pytest.fixture(autouse=True)
def by_the_other_path(request):
    """Where `EXTISM_TEST_ACALL` is set (`make awaited`), or a test asks for it, every call is awaited."""
    is_asked = bool(os.environ.get(VARIABLE)) or getattr(request, "param", "") == "awaited"
    is_plain = request.node.get_closest_marker("plain_path") is not None
    with awaited_calls() if is_asked and not is_plain else nullcontext():
        yield


@pytest.fixture(scope="session")
def python_plugin(tmp_path_factory):
    """
    A function from the source text of a plug-in to the path of its module; each text is built once.

    With `shared`, the module is a small one, and the runtime lies beside it as python.wasm.
    """
    from extism.compiler import build, write_runtime

    folder = tmp_path_factory.mktemp("plugins")

    def made(source: str, name: str = "plugin", *, shared: bool = False):
        digest = hashlib.sha256(f"{name}\0{shared}\0{source}".encode()).hexdigest()[:16]
        target = folder / digest / f"{name}.wasm"
        if not target.exists():
            target.parent.mkdir()
            path = target.with_suffix(".py")
            path.write_text(source, encoding="utf-8")
            build(path, target, shared=shared)
            if shared:
                runtime = folder / "python.wasm"
                runtime.exists() or write_runtime(runtime)
                target.with_name("python.wasm").hardlink_to(runtime)
        return target

    return made
