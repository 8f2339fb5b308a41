"""
Where ours is meant to differ from upstream's package: by the name of the case, the line and what ours does.

Each line is the beginning of a row of `docs/differences.md`; `tests/peer/test_peer_differences.py` holds the
two together. A case that is listed here and agrees is an error too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """
    One case that differs on purpose.

    Attributes:
        line: What upstream does: the first cell of a row of docs/differences.md.
        ours: How each of our answers begins, as `peer.Answer` prints it.
    """

    line: str
    ours: tuple[str, ...]


_ROWS: tuple[tuple[str, dict[str, tuple[str, ...]]], ...] = (
    (
        "an error set to a handle that is no block is an error without a text",
        {
            "error_in_an_interior-5": ("output b''",),
            "error_in_an_interior_with_code-5": ("code (9) 'Error code: 9'",),
            "freed_error-5": ("code (3) 'Error code: 3'",),
        },
    ),
    (
        "error texts end at the first NUL byte, and must be UTF-8",
        {
            "error with a NUL": ("guest (4) 'before\\x00after'",),
            "error that is no text": (r"guest (4) 'a\\xff\\xfeb'",),
            "error of 70000 bytes": ("guest (4) 'xxxx",),
        },
    ),
    (
        "code -1 for a guest that sets an error text and then traps or exits",
        {
            "fail_then_crash in c, failing": (
                "guest (134) 'last words'",
                "output b'fine'",
            ),
            "fail_then_crash in zig, failing": (
                "guest (134) 'last words'",
                "output b'fine'",
            ),
            "past_the_end in zig, failing": (
                "guest (134) 'index out of bounds: index 1, len 1'",
                "output b'fine'",
            ),
            "overflow in zig, failing": (
                "guest (134) 'integer overflow'",
                "output b'fine'",
            ),
            "fail_then_crash in assemblyscript, failing": (
                "guest (134) 'last words'",
                "output b'fine'",
            ),
            "past_the_end in assemblyscript, failing": (
                "guest (134) 'Index out of range (~lib/typedarray.ts:167:45)'",
                "output b'fine'",
            ),
            "throws in assemblyscript, failing": (
                "guest (134) 'thrown (failures.ts:39:3)'",
                "output b'fine'",
            ),
            "a program in C fails": (
                "guest (1) 'the program says so'",
                "output b'args 0, environment 0, stdin empty, run 1'",
            ),
            "error and trap": ("guest (134) 'last words'",),
            "exit: error_and_exit": ("guest (0) 'text'", "output"),
            "exit: error_and_exit_3": ("guest (3) 'text'", "output"),
        },
    ),
    (
        "an error text that the guest has set hides why the host ended the call",
        {"error and refusal": ("refused (-1) 'invalid handle offset for config key: 99999'",)},
    ),
    (
        "`proc_exit` with a status from 126 on is an invalid one",
        {
            "exit 126": ("exit (126) 'Exited with i32 exit status 126'",),
            "exit 255": ("exit (255) 'Exited with i32 exit status 255'",),
            "exit 256": ("exit (256) 'Exited with i32 exit status 256'",),
            "exit -1": ("exit (-1) 'Exited with i32 exit status -1'",),
        },
    ),
    (
        "an export with another result type gives code -1",
        {
            "shape long": (
                "uncallable (-1) 'Function long has a result of type i64",
                "output b'no",
            ),
            "shape single": ("uncallable (-1) 'Function single has a result", "output b'no"),
            "shape float": ("uncallable (-1) 'Function float has a result", "output b'no"),
            "shape reference": ("uncallable (-1) 'Function reference has", "output b'no"),
        },
    ),
    (
        "a name is cut at its first NUL byte",
        {"name with a NUL": (r"not found (-1) 'Function not found: long\\x00er",)},
    ),
    (
        "`main` is instantiated twice, start functions run twice",
        {
            "_initialize prints": ("output b''", "output b''"),
            "start prints": ("output b''", "output b''"),
        },
    ),
    (
        "the first call fails if an initialiser does, the second goes on without it",
        {
            "memory that start functions take": (
                "create (None) 'Unable to create Extism plugin: oom'",
            ),
            "hs_init without parameters": (
                "create (None) 'Unable to create Extism plugin: failed to initialize Haskell",
            ),
            "hs_init with pointers of 64 bits": (
                "create (None) 'Unable to create Extism plugin: failed to initialize Haskell",
            ),
            "__wasm_call_ctors traps": (
                "create (None) 'Unable to create Extism plugin: wasm trap: ",
            ),
            "hs_init traps": ("create (None) 'Unable to create Extism plugin: wasm trap: ",),
        },
    ),
    (
        "exports called `_start` or `_initialize` must be functions",
        {
            "_initialize as a global": ("output",),
            "_start as a global": ("output",),
            "a command that exports a global": ("output",),
            "a command that exports a table": ("output",),
        },
    ),
    (
        "start functions and initialisers that call the host end the process",
        {
            "start asks for configuration": ("output b''",),
            "_initialize asks for configuration": ("output b''",),
            "start calls a host function": ("output b''",),
        },
    ),
    (
        "variables are lost after `_start`",
        {
            "a command keeps variables": ("output", "output", "output b'k'"),
            "variables after _start": ("output", "output", "output b'one'"),
        },
    ),
    (
        "modules that export both `_start` and `_initialize` are refused",
        {"a command and a reactor": ("output b''", "output b''")},
    ),
    (
        "a time-out has return code 134",
        {
            "a loop runs out of time": (
                "output b''",
                "timeout (-1) 'timeout'",
                "output b''",
                "timeout (-1) 'timeout'",
            ),
            "a loop of calls runs out of time": (
                "timeout (-1) 'timeout'",
                "output b''",
            ),
            "a time limit of 0, loop": ("timeout (-1) 'timeout'",),
            "a host function outlasts the time limit": (
                "timeout (-1) 'timeout'",
                "timeout (-1) 'timeout'",
            ),
            "a call is cancelled": (
                "timeout (-1) 'timeout'",
                "output b''",
                "timeout (-1) 'timeout'",
            ),
            "a time-out leaves others alone": (
                "timeout (-1) 'timeout'",
                "output b''",
                "output b''",
            ),
            "a loop in c runs out of time": (
                "timeout (-1) 'timeout'",
                "output b'fine'",
            ),
            "a loop in zig runs out of time": (
                "timeout (-1) 'timeout'",
                "output b'fine'",
            ),
            "a loop in assemblyscript runs out of time": (
                "timeout (-1) 'timeout'",
                "output b'fine'",
            ),
            "globals last after a time-out": ("output", "timeout (-1)", "output"),
        },
    ),
    (
        "a closed plugin raises `TypeError` about a C type",
        {"a closed plug-in": ("output", "TypeError (None) 'the plugin is closed'")},
    ),
    (
        "a linked module may take the place of WASI or of a host function",
        {
            "a library in place of WASI": (
                "create (None) 'Unable to create Extism plugin: a module of the manifest may not be called",
            ),
            "a library in place of a host function": (
                "create (None) 'Unable to create Extism plugin: the module extism:host/user exports hello, which",
            ),
        },
    ),
    (
        "new names in the namespace of the host are not found",
        {"a new function in the host's namespace": ("output b''",)},
    ),
    (
        "circular imports of modules end the process",
        {
            "modules in a circle": (
                "create (None) 'Unable to create Extism plugin: modules import each other in a circle: a -> b -> a'",
            ),
            "a module that imports itself": (
                "create (None) 'Unable to create Extism plugin: modules import each other in a circle: a -> a'",
            ),
        },
    ),
    (
        "overwriting a variable counts the old value and the new one",
        {
            "overwriting with as much": ("output", "output b''", "output b'bbb"),
            "overwriting with less": ("output", "output b''", "output b'bbbbb'"),
        },
    ),
    (
        "a wrong value in `config=` drops all of it silently",
        {
            "a number in config=": ("""TypeError (None) "config['a'] is a int""",),
            "a list as config=": ("TypeError (None) 'config is a list",),
        },
    ),
    (
        "threads, garbage collection and memory64",
        {
            "off: shared memory": (
                "compile (None) 'Unable to compile Extism plugin: threads must be enabled",
            ),
            "off: atomics": (
                "compile (None) 'Unable to compile Extism plugin: Invalid input WebAssembly code",
            ),
            "off here: garbage collection": (
                "compile (None) 'Unable to compile Extism plugin: struct indexed",
            ),
            "off here: 64-bit memory": (
                "compile (None) 'Unable to compile Extism plugin: memory64 must be",
            ),
        },
    ),
    (
        "text format must begin with `(module` or a comment",
        {
            "not from WAT after a line break": ("output",),
            "not from WAT after a space": ("output",),
            "not from fields of WAT without a module": ("output",),
        },
    ),
    (
        """`data: {"ptr", "len"}` reads any address of the process""",
        {
            "value: data that is a list": (
                "compile (None) 'Unable to compile Extism plugin: Unknown manifest format: wasm[0].data is a list",
            )
        },
    ),
    (
        "hashes must be in lower case",
        {"hash in capitals": ("output",)},
    ),
    (
        "the path of a folder raises `IsADirectoryError`",
        {
            "path of a folder, as the plug-in": (
                "compile (None) 'Unable to compile Extism plugin: Unable to load Wasm file",
            )
        },
    ),
    (
        "some modules and manifests are refused in the words of a parser",
        {
            "_initialize with a parameter": (
                "create (None) 'Unable to create Extism plugin: _initialize must",
            ),
            "_initialize with a result": (
                "create (None) 'Unable to create Extism plugin: _initialize must",
            ),
            "an unknown global of the host": (
                "create (None) 'Unable to create Extism plugin: linked modules cannot access non-function",
            ),
            "an unknown table of the host": (
                "create (None) 'Unable to create Extism plugin: linked modules cannot access non-function",
            ),
            "not from a JSON list": (
                "compile (None) 'Unable to compile Extism plugin: Unknown manifest format: not TOML",
            ),
            "not from bytes that are no text": (
                "compile (None) 'Unable to compile Extism plugin: input was not valid utf-8'",
            ),
        },
    ),
    (
        "a request that cannot be read is refused in the words of a parser",
        {
            "request of no JSON": (
                "refused (-1) 'http request: not JSON: Expecting value: line 1 column 1 (cha",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of nothing": (
                "refused (-1) 'http request: not JSON: Expecting value: line 1 column 1 (cha",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of no url": (
                "refused (-1) 'missing field `url`'",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of an unknown key": (
                "refused (-1) 'unknown field `foo`, expected one of `url`, `headers`, `metho",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of the key header": (
                "refused (-1) 'unknown field `header`, expected one of `url`, `headers`, `me",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of null headers": (
                "refused (-1) 'invalid type: null, expected a map for `headers`'",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of a number as url": (
                "refused (-1) 'invalid type: an integer, expected a string for `url`'",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of null as url": (
                "refused (-1) 'invalid type: null, expected a string for `url`'",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of a list": (
                "refused (-1) 'invalid type: a sequence, expected a map'",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "request of a number in a header": (
                "refused (-1) 'invalid type: an integer, expected a string for header a'",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "the status after a failed one": (
                "output b'this is 404'",
                "output b'\\x94\\x01\\x00\\x00\\x00\\x00\\x00\\x00'",
                "refused (-1) 'http request: not JSON: Expecting value: line 1 column 1 (cha",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
        },
    ),
    (
        '`allowed_hosts: ["*"]` opens loopback and private addresses',
        {
            "allowed by '*'": ('refused (-1) "HTTP request to http://',),
            "allowed by '**'": ('refused (-1) "HTTP request to http://',),
            "allowed by '*.0.0.1'": ('refused (-1) "HTTP request to http://',),
            "allowed by '?27.0.0.1'": ('refused (-1) "HTTP request to http://',),
            "allowed by local* for localhost": ('refused (-1) "HTTP request to http://',),
        },
    ),
    (
        "patterns are case-sensitive, cannot name a port",
        {
            "allowed by LOCALHOST for localhost": ("output b'fine'",),
        },
    ),
    (
        "white space around a pattern and a dot at its end",
        {
            "allowed by ' 127.0.0.1'": ("output b'fine'",),
            "allowed by '127.0.0.1.'": ("output b'fine'",),
        },
    ),
    (
        "307 and 308 with a body fail",
        {
            "redirect 307 of POST with a body": ("output b'fine'",),
            "redirect 307 of PUT with a body": ("output b'fine'",),
            "redirect 308 of POST with a body": ("output b'fine'",),
            "redirect 308 of PUT with a body": ("output b'fine'",),
        },
    ),
    (
        "redirects without a place, or to no URL",
        {
            "a redirect without a place": (
                "output b'nowhere to go'",
                "output b'.\\x01\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "a redirect to no URL": (
                "refused (-1) 'redirect failed: Invalid URL: InvalidPort or InvalidDomainCha",
            ),
            "a redirect to another scheme": (
                "refused (-1) 'redirect failed: bad uri: unknown scheme: ftp (from http://",
            ),
        },
    ),
    (
        "broken answers are refused in the words of its HTTP library",
        {
            "an answer: bad-gzip": (
                "refused (-1) \"protocol: the answer's body is broken: ('Received response wi",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "an answer: cut-off": (
                "refused (-1) \"protocol: the answer's body is broken: ('Connection broken: I",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "an answer: not-http": (
                "refused (-1) \"protocol: this is no HTTP/1 answer: b'SSH-2.0-OpenSSH\\\\r\\\\n'\"",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "an answer: nothing": (
                "refused (-1) 'io: the connection was closed before an answer came'",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "an answer: bad-status": (
                "refused (-1) \"protocol: this is no HTTP/1 answer: b'HTTP/1.1 abc\\\\r\\\\n'\"",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
        },
    ),
    (
        "the status of an answer that could not be read",
        {
            "a response limit of 0": (
                "refused (-1) 'HTTP response exceeds the configured maximum number of bytes:",
                "output b''",
                "refused (-1) 'HTTP response exceeds the configured maximum number of bytes:",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "a response limit of 3": (
                "refused (-1) 'HTTP response exceeds the configured maximum number of bytes:",
                "output b''",
                "refused (-1) 'HTTP response exceeds the configured maximum number of bytes:",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "a response limit of 4": (
                "output b'fine'",
                "output b''",
                "refused (-1) 'HTTP response exceeds the configured maximum number of bytes:",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "a response limit of 5": (
                "output b'fine'",
                "output b''",
                "refused (-1) 'HTTP response exceeds the configured maximum number of bytes:",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "a response limit of 349": (
                "output b'fine'",
                "output b''",
                "refused (-1) 'HTTP response exceeds the configured maximum number of bytes:",
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
        },
    ),
    (
        "guests may set the `Host` header",
        {
            "the host header": (
                "refused (-1) 'HTTP header Host is set by the host and cannot be set by a pl",
            ),
        },
    ),
    (
        "URLs with spaces are refused, letters beyond ASCII sent as they are",
        {
            "a query and a fragment": ("output b'fine'",),
            "a path with spaces": ("output b'no such path in this test'",),
        },
    ),
    (
        "`timeout_ms: 0` lets short calls through",
        {
            "a time limit of 0, short call": ("timeout (-1) 'timeout'",),
        },
    ),
    (
        "start functions and initialisers have no time limit",
        {
            "an initialiser that never ends": (
                "create (None) 'Unable to create Extism plugin: timeout'",
            ),
        },
    ),
    (
        "a memory with a maximum of its own may not grow to it under a limit: `oom`",
        {
            "growing to the module's own maximum under a limit": (
                "output b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
                "output b'\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "growing past the module's own maximum under a limit": (
                "output b'\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff'",
                "output b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
        },
    ),
    (
        "what passes between plug-in and host counts from the first 64 KiB on",
        {
            "128 KiB of input to count_vowels in assemblyscript under 8 pages": (
                'output b\'{"count": 131072, "total": 131072}\'',
                'output b\'{"count": 2, "total": 131074}\'',
            ),
        },
    ),
    (
        "an input too large for the limit is `failed to allocate extism memory`",
        {
            "megabytes of input under 16 pages": (
                "oom (-1) 'oom'",
                "output b'small'",
            ),
        },
    ),
    (
        "what linked modules begin with counts nothing",
        {
            "libraries begin with more than the limit": (
                "create (None) 'Unable to create Extism plugin: oom'",
            ),
        },
    ),
    (
        "a module that begins with more memory than its limit fails when it is called",
        {
            "more memory than the limit at the start": (
                "create (None) 'Unable to create Extism plugin: oom'",
            ),
            "a limit of 0 pages": ("create (None) 'Unable to create Extism plugin: oom'",),
            "two memories begin with more than the limit": (
                "create (None) 'Unable to create Extism plugin: oom'",
            ),
            "128 KiB of input to count_vowels in c under 8 pages": (
                "create (None) 'Unable to create Extism plugin: oom'",
            ),
            "128 KiB of input to count_vowels in zig under 8 pages": (
                "create (None) 'Unable to create Extism plugin: oom'",
            ),
        },
    ),
    (
        "an allocation of almost 2^64 bytes gives a small block",
        {
            "a block of 2^64 - 1": ("output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",),
        },
    ),
    (
        "a handle that is no block reads as empty",
        {
            "a handle that is no block": (
                "refused (-1) 'the plugin passed a wrong value as text of extism:host/user::",
                "output b'after'",
            ),
            "a freed handle": (
                "refused (-1) 'the plugin passed a wrong value as text of extism:host/user::",
            ),
        },
    ),
    (
        "an exception in a host function is printed and dropped, the guest goes on with 0",
        {
            "a text of no UTF-8": (
                'refused (-1) "the plugin passed a wrong value as text of extism:host/user::',
                "output b'after'",
            ),
            "a negative int as result": (
                "output b'\\xfa\\xff\\xff\\xff\\xff\\xff\\xff\\xff'",
                "output b'after'",
            ),
            "JSON that is none": (
                "refused (-1) 'the plugin passed a wrong value as value of extism:host/user:",
                "output b'after'",
            ),
            "JSON of nothing": (
                "refused (-1) 'the plugin passed a wrong value as value of extism:host/user:",
                "output b'after'",
            ),
            "an exception": (
                "refused (-1) 'host function extism:host/user::fails raised ValueError: cann",
                "output b'after'",
            ),
            "SystemExit": (
                "SystemExit (None) '3'",
                "output b'after'",
            ),
            "a result of a wrong type": (
                "refused (-1) 'extism:host/user::wrong_result returned a wrong value: str wa",
                "output b'after'",
            ),
        },
    ),
    (
        "`bool` parameters arrive as 0 or 1",
        {
            "a bool of 0": ("output b''",),
            "a bool of 1": ("output b''",),
            "a bool of 2": ("output b''",),
        },
    ),
    (
        "`-> float`, `-> bool`, tuples and `-> None` do not work",
        {
            "a float as result": ("output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x04@'",),
            "a bool as result": ("output b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",),
            "a tuple as result": ("output b'text'",),
            "explicit, f32": ("output b'\\x00\\x00\\xc0?\\x00\\x00\\x00\\x00'",),
            "a double of the host in c": ("output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x1e@'",),
            "a double of the host in zig": ("output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x1e@'",),
            "a double of the host in assemblyscript": (
                "output b'\\x00\\x00\\x00\\x00\\x00\\x00\\x1e@'",
            ),
        },
    ),
    (
        "`Pickle` parameters are unpickled",
        {
            "a pickle as parameter": (
                "TypeError (None) 'Could not infer input type for argument value: a pickle f",
            ),
        },
    ),
    (
        "log messages of any length and content",
        {
            "log of several lines": (
                "logged (None) ' INFO extism::pdk: one\\\\ntwo\\\\n plugin\\n'",
                "logged (None) 'ERROR extism::pdk: one\\\\ntwo\\\\n plugin\\n'",
            ),
            "log of a NUL": (
                "logged (None) ' INFO extism::pdk: a\\\\x00b plugin\\n'",
                "logged (None) 'ERROR extism::pdk: a\\\\x00b plugin\\n'",
            ),
            "log of no UTF-8": (
                "logged (None) ' INFO extism::pdk: a\\\\xff plugin\\n'",
                "logged (None) 'ERROR extism::pdk: a\\\\xff plugin\\n'",
            ),
            "a long log": (
                "logged (None) 'ERROR extism::pdk: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            ),
        },
    ),
    (
        "a byte order mark is an error",
        {
            "not from JSON with a byte order mark": ("output",),
        },
    ),
    (
        "a file that is no WebAssembly is a parser error",
        {
            "url of a page": ("compile (None) 'Unable to compile Extism plugin: \"http://",),
            "url of nothing": ("compile (None) 'Unable to compile Extism plugin: \"http://",),
            "url of a manifest": ("compile (None) 'Unable to compile Extism plugin: \"http://",),
            "path of an empty file": ("compile (None) 'Unable to compile Extism plugin: ",),
        },
    ),
    (
        "a function called like one of the kernel's takes its place",
        {
            "a host function in place of the kernel's own": (
                "create (None) 'Unable to create Extism plugin: a host function may not be called",
            ),
        },
    ),
    (
        "a source that cannot be fetched is refused in the words of its HTTP library",
        {
            "url of one that is cut off": (
                "compile (None) \"Unable to compile Extism plugin: protocol: the answer's bod",
            ),
            "url of no scheme": (
                "compile (None) 'Unable to compile Extism plugin: Invalid URL: RelativeUrlWi",
            ),
            "url of a file": (
                "compile (None) 'Unable to compile Extism plugin: bad uri: unknown scheme: f",
            ),
            "url of no host": (
                "compile (None) 'Unable to compile Extism plugin: Invalid URL: EmptyHost: un",
            ),
            "url of an empty url": (
                "compile (None) 'Unable to compile Extism plugin: Invalid URL: RelativeUrlWi",
            ),
        },
    ),
    (
        "blocks are packed, the first has handle 77",
        {
            "handle config_key_interior": ("refused (-1) 'invalid handle offset for config key: ",),
            "handle freed_key": ("refused (-1) 'invalid handle offset for config key: ",),
        },
    ),
)

DIFFERENT: dict[str, Difference] = {
    name: Difference(line, ours) for line, cases in _ROWS for name, ours in cases.items()
}
