"""The reference of the ABI: the functions of `extism:host/env` by what they are for, out of `extism.abi`."""

from __future__ import annotations

from extism import abi

__all__ = ["functions", "limits"]

_SAID = {
    "Blocks": {
        "alloc": "makes a block of so many zero bytes; 0 for no bytes, and if there is no room (under `max_pages` the call ends then)",
        "free": "frees a block; anything else is left alone",
        "length": "the length of a live block in bytes; 0 for anything else",
        "length_unsafe": "the same",
        "load_u8": "reads a byte at an offset; 0 where no block is",
        "load_u64": "reads 8 bytes, little-endian; 0 if they are not all there",
        "store_u8": "writes a byte at an offset; nothing where no block is",
        "store_u64": "writes 8 bytes, little-endian; nothing if they are not all there",
    },
    "Input, output, error": {
        "input_length": "the length of the input in bytes",
        "input_offset": "the handle of the input; 0 for an empty one",
        "input_load_u8": "reads a byte of the input by its index; 0 behind its end",
        "input_load_u64": "reads 8 bytes of the input by the index of the first; 0 if they are not all there",
        "input_set": "makes bytes at an offset, of a length, the input",
        "output_set": "makes bytes at an offset, of a length, the output; the last call counts",
        "output_offset": "the offset of the output",
        "output_length": "the length of the output in bytes",
        "error_set": "makes a block's text the error of the call; 0 takes it back",
        "error_get": "the handle of the error; 0 for none",
        "reset": "forgets all blocks, input, output and error",
        "memory_bytes": "the size of the memory that holds the blocks",
    },
    "Configuration and variables": {
        "config_get": "the value of a key; 0 if it is missing or empty",
        "var_get": "a copy of a variable by its key; 0 if it is missing or empty",
        "var_set": "keeps a value under a key; 0 as the value forgets the key",
    },
    "HTTP": {
        "http_request": "sends a request (JSON: `url`, `method`, `headers`) with a body or 0; the response's body, 0 for an empty one",
        "http_status_code": "the status of the last response; 0 before the first, and after a request that failed",
        "http_headers": "the headers of the last response as a JSON object; 0 where the host keeps them",
    },
    "Logs": {
        "log_trace": "logs a text at level 0",
        "log_debug": "logs a text at level 1",
        "log_info": "logs a text at level 2",
        "log_warn": "logs a text at level 3",
        "log_error": "logs a text at level 4",
        "get_log_level": "the lowest level that anybody wants; 2147483647 for none",
    },
}
"""What each function does, in the words of this page; types and ownership come from `abi.FUNCTIONS`."""


def functions() -> str:
    """One table for each purpose; every function of the ABI is in one of them."""
    said = [name for rows in _SAID.values() for name in rows]
    assert sorted(said) == sorted(abi.FUNCTIONS), set(said) ^ set(abi.FUNCTIONS)
    return "\n\n".join(_table(title, rows) for title, rows in _SAID.items())


def _table(title: str, rows: dict[str, str]) -> str:
    head = "| function | type | takes | gives | by | what it does |\n|---|---|---|---|---|---|\n"
    return f"## {title}\n\n{head}" + "\n".join(
        _row(abi.FUNCTIONS[name], rows[name]) for name in rows
    )


def _row(function: abi.Function, said: str) -> str:
    results = f" -> {' '.join(function.results)}" if function.results else ""
    takes = " and ".join(_ORDINALS[index] for index in function.takes)
    gives = "a block" if function.gives else ""
    kind = f"`({', '.join(function.params)}){results}`"
    return f"| `{function.name}` | {kind} | {takes} | {gives} | {function.by} | {said} |"


_ORDINALS = ("the first", "the second")


def limits() -> str:
    """The numbers of the ABI, with their names in `extism.abi`."""
    numbers = {
        "PAGE": "bytes in a page of WebAssembly memory",
        "DEFAULT_MAX_PAGES": "pages by which all memories may grow, without `memory.max_pages`",
        "DEFAULT_MAX_VAR_BYTES": "bytes of all variables, without `memory.max_var_bytes`",
        "VAR_OVERHEAD_BYTES": "bytes counted for a variable beside key and value",
        "DEFAULT_MAX_HTTP_RESPONSE_BYTES": "bytes of a response's body, without `memory.max_http_response_bytes`",
        "LOGGING_OFF": "what `get_log_level` gives when nobody wants anything",
    }
    rows = [f"| `{name}` | {getattr(abi, name)} | {said} |" for name, said in numbers.items()]
    return "\n".join(["| name | value | what it is |", "|---|---|---|", *rows])
