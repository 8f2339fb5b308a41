"""The only place that touches wasmtime. It knows nothing of Extism."""
