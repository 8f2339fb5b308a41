"""
Compiles the stdlib to bytecode: a program for the helper, which is what knows the guest's version.

Usage: helper bytecode.py LIB RESULT PREFIX LEVEL < list of files, relative to LIB, one a line.
It has no extension modules: no `struct`, no `zlib`, and by design nothing of this house.
"""

import importlib.util
import marshal
import os
import sys

# A .pyc begins with the magic number, flags, and the time and size of a source that nobody compares.
HEADER = importlib.util.MAGIC_NUMBER + bytes(12)


def main(lib: str, result: str, prefix: str, level: str) -> None:
    """Write a .pyc for each listed file, under the name that its tracebacks shall show."""
    for line in sys.stdin:
        name = line.rstrip("\n")
        with open(os.path.join(lib, name), "rb") as stream:  # noqa: PTH118, PTH123
            source = stream.read()
        code = compile(source, prefix + name, "exec", dont_inherit=True, optimize=int(level))
        target = os.path.join(result, name + "c")  # noqa: PTH118
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(target, "wb") as stream:  # noqa: PTH123
            stream.write(HEADER + marshal.dumps(code))


if __name__ == "__main__":
    main(*sys.argv[1:])
