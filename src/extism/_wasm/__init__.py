"""A small toolkit for WebAssembly binaries: bytes to bytes. It knows nothing of Extism."""
