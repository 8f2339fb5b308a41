"""What a process started afresh runs: it gets a description, and makes its own plugin."""

from __future__ import annotations


def call_in_child(spec, data):
    with spec.plugin() as plugin:
        return plugin.call("echo", data)
