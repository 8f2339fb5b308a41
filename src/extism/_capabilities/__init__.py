"""What a plug-in may do to the world. Speaks str and bytes, never handles or WebAssembly."""
