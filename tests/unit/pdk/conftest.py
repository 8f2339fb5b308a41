"""The guest library over a host of plain Python, with no exports and no imports yet."""

from __future__ import annotations

import pytest
from guest_host import GuestHost

from extism.pdk import exports, ffi, imports


@pytest.fixture
def host(monkeypatch):
    host = GuestHost()
    monkeypatch.setattr(ffi, "host", host)
    monkeypatch.setattr(exports, "functions", [])
    monkeypatch.setattr(imports, "declared", [])
    monkeypatch.setattr(imports, "_bindings", None)
    return host
