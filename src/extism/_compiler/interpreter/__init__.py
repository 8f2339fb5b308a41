"""
The recipe of the guest interpreter: from source archives to `runtime.wasm` and the stdlib's zip.

Reading order: `sources` (what is fetched) · `apt` (one of the places) · `steps` (how a step is done
once) · `shell` (how a command runs) · `toolchain` (the one compiler) · `tree`, `helper`, `libraries`,
`library`, `linking`, `timezones`, `stdlib`, `licences` (the steps) · `build` (all of them, under a
lock) · `wheel` (the result as a data wheel). The C files, `boot.py`, `asyncio_wasi.py` and
`wasi_limits.py` end up inside the interpreter. PROVENANCE.md says what is built from what, and under
which licences.

Not here: starting the interpreter and taking its memory (`preinit`), and the choice between cache,
data wheel and recipe (`runtime`).
"""
