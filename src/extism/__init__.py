"""Extism in Python: load WebAssembly plug-ins, call them, and decide what they may do."""
