"""`wire_awaited.py`: where the chunks of an answer end, and bytes in the place of a connection."""

import pytest

from extism._capabilities.wire import MAX_HEAD_BYTES
from extism._capabilities.wire_awaited import Hungry, Replay, _Chunks


@pytest.mark.parametrize(
    ("data", "has_end"),
    [
        (b"", False),
        (b"5", False),
        (b"5\r\nhel", False),
        (b"5\r\nhello\r\n", False),
        (b"5\r\nhello\r\n0\r\n", False),
        (b"5\r\nhello\r\n0\r\n\r\n", True),
        (b"5;name=value\nhello\r\n0\r\nx: y\r\n", False),
        (b"5\r\n\r\n\r\n\r\r\n0\r\nx: y\r\n\r\n", True),
        (b"no size\r\n", True),
        (b"0" * (MAX_HEAD_BYTES + 1), True),
        (b"0\r\n" + b"x: y\r\n" * 11000, True),
    ],
)
def test_the_end_of_chunks_is_found(data, has_end):
    """In one look, and byte by byte; what goes on for ever, and what are no chunks, has its end at once."""
    assert _Chunks(0).has_end(bytearray(data)) is has_end
    if len(data) < 100:
        chunks = _Chunks(0)
        assert [chunks.has_end(bytearray(data[:end])) for end in range(len(data) + 1)][
            -1
        ] is has_end


def test_bytes_stand_for_a_connection():
    """What was received is read, and then there is more to come, the end, or what broke it."""
    buffer = bytearray(3)
    hungry, ended, broken = (
        Replay(b"four"),
        Replay(b"four", has_ended=True),
        Replay(b"four", has_ended=True, broken=ConnectionResetError(104, "reset")),
    )
    for replay in (hungry, ended, broken):
        assert [replay.receive_into(buffer), bytes(buffer)] == [3, b"fou"]
        assert [replay.receive_into(buffer), bytes(buffer)] == [1, b"rou"]
    with pytest.raises(Hungry):
        hungry.receive_into(buffer)
    assert ended.receive_into(buffer) == 0
    with pytest.raises(ConnectionResetError):
        broken.receive_into(buffer)
