"""From Python source to plugin.wasm: analyze, bundle, preinit, snapshot, shim, merge."""
