"""
A worker in an attacker's hands: it does its work, and says other things than it should.

    python hostile_worker.py SEED [what an interpreter is started with for a worker]

Run in the interpreter's place. After a few honest frames, each that it sends may be changed: bits of the head, of the body,
its length; it may be sent twice, cut off, or followed by noise.
"""

from __future__ import annotations

import random
import struct
import sys

HONEST_FRAMES = 2
CHANGED_SHARE = 0.4
KINDS = (*range(16, 21), *range(32, 40), *range(48, 51), *range(64, 70), 80, 0, 255)
NUMBERS = (0, 1, -1, 512, 2**31, 2**32 - 1, 2**63 - 1, -(2**63))
WORDS = (b"null", b"{}", b"[]", b'"parent"', b"true", b"1e999", b'{"class": "SystemExit"}', b"\xff")


class Liar:
    """Stands between a link and its socket."""

    def __init__(self, end, rng):
        self._end = end
        self._rng = rng
        self._sent = 0

    def __getattr__(self, name):
        return getattr(self._end, name)

    def send(self, data):
        return self.sendmsg([data])

    def sendmsg(self, parts):
        whole = b"".join(bytes(part) for part in parts)
        self._sent += 1
        if self._sent <= HONEST_FRAMES or self._rng.random() > CHANGED_SHARE:
            self._end.sendall(whole)
        else:
            self._end.sendall(self._changed(whole))
        return len(whole)

    def _changed(self, whole):
        rng = self._rng
        kind, flags, spare, place, number, moment, length = struct.unpack("<BBHIqdQ", whole[:32])
        body = whole[32:]
        match rng.randrange(9):
            case 0:
                kind = rng.choice(KINDS)
            case 1:
                place, number = rng.choice((0, 1, 2**31, 2**32 - 1)), rng.choice(NUMBERS)
            case 2:
                length = rng.choice((0, 1, length + 1, 2**20, 2**40, 2**64 - 1))
            case 3:
                body = bytes(byte ^ (rng.random() < 0.02) * rng.randrange(256) for byte in body)
            case 4:
                body = rng.choice(WORDS)
                length = len(body)
            case 5:
                flags ^= rng.randrange(256)
            case 6:
                return whole + whole
            case 7:
                return whole[: rng.randrange(len(whole) + 1)]
            case 8:
                return whole + rng.randbytes(rng.randrange(64))
        return struct.pack("<BBHIqdQ", kind, flags, spare, place, number, moment, length) + body


def main():
    seed = sys.argv[1]
    rest = sys.argv[2:]
    # What stands behind `-c CODE`: two sockets, whom to die with, and where the library is.
    sys.argv = rest[rest.index("-c") + 1 :]
    sys.path[:0] = sys.argv[4:]
    from extism._isolation import worker
    from extism._isolation.frames import Link

    class LyingLink(Link):
        def __init__(self, end, max_bytes):
            super().__init__(end, max_bytes)
            self._end = Liar(end, random.Random(seed))

    worker.Link = LyingLink
    worker.main()


if __name__ == "__main__":
    main()
