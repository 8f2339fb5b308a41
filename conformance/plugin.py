# /// script
# [tool.extism]
# exclude = ["test"]  # from a directory of the host, at run time
# ///
"""The plug-in that runs CPython's tests: one module a call, in the folders that the host shows."""

import logging
import os

import inside

import extism


@extism.plugin_fn
def run():
    """Run the tests that the input orders; what they did is in the file that it names."""
    # The guest library's, which hands log lines to the host; CPython's tests want none before theirs.
    logging.getLogger().handlers.clear()
    order = extism.input_json()
    cwd = order.pop("cwd")
    os.makedirs(cwd, exist_ok=True)
    os.chdir(cwd)
    inside.run(**order)
