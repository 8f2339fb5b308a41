"""What Extism means: kernel, calls, ownership, linking. It knows nothing of wasmtime."""
