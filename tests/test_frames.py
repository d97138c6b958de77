"""Frames: what is read, what is refused, and what is written."""

from __future__ import annotations

import random
import sys
import tracemalloc

import pytest
from servers import frame

from realtime_sync._wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    FrameWriter,
    close_payload,
    find_mask,
    mask,
)
from realtime_sync.errors import RemoteProtocolError


LIMIT = 1 << 20


def read(data: bytes, *, limit: int = LIMIT, piece: int = 1 << 30) -> list[Frame]:
    """Return the frames in *data*, which arrives in pieces."""
    reader = FrameReader(limit)
    frames = []
    while data:
        room = reader.room()
        count = min(len(room), len(data), piece)
        room[:count] = data[:count]
        reader.filled(count)
        data = data[count:]
        while taken := reader.take():
            frames += taken
    return frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 300_000])
@pytest.mark.parametrize("piece", [1 << 30, 7919])
def test_message_of_every_header(size: int, piece: int) -> None:
    """Messages of each of the three header forms are read, however they arrive."""
    payload = random.Random(size).randbytes(size)

    frames = read(frame(TEXT, payload) + frame(BINARY, payload), piece=piece)

    assert [(TEXT, payload), (BINARY, payload)] == frames


def test_byte_by_byte() -> None:
    """Frames that arrive byte by byte are whole in the end."""
    data = frame(TEXT, b"one") + frame(PING, b"?") + frame(TEXT, b"x" * 200)

    assert [(TEXT, b"one"), (PING, b"?"), (TEXT, b"x" * 200)] == read(data, piece=1)


def test_burst_is_taken_at_once() -> None:
    """All that is there is taken with one call, up to the bound of a batch."""
    reader = FrameReader(LIMIT, frame(TEXT) * 1500)

    assert [1024, 476, 0] == [len(reader.take()) for _ in range(3)]


def test_bytes_that_came_with_the_upgrade() -> None:
    """What was received before is read first, and continued."""
    data = frame(TEXT, b"hello")
    reader = FrameReader(LIMIT, data[:4])

    early = reader.take()
    reader.room()[:3] = data[4:]
    reader.filled(3)

    assert ([], [(TEXT, b"hello")]) == (early, reader.take())


def test_fragments_with_control_frames_between() -> None:
    """Fragments make one message; control frames between them come out first."""
    data = (
        frame(TEXT, b"a", fin=False)
        + frame(PING, b"!")
        + frame(CONTINUATION, b"", fin=False)
        + frame(PONG)
        + frame(CONTINUATION, b"b")
        + frame(TEXT, b"c")
    )

    frames = read(data)

    assert [(PING, b"!"), (PONG, b""), (TEXT, b"ab"), (TEXT, b"c")] == frames


def test_many_fragments_are_read_in_linear_time_and_memory() -> None:
    """Neither tiny nor empty fragments cost more than their bytes."""
    tiny = frame(CONTINUATION, b"x", fin=False)
    empty = frame(CONTINUATION, b"", fin=False)
    data = (
        frame(TEXT, b"", fin=False)
        + tiny * 50_000
        + empty * 50_000
        + frame(CONTINUATION, b"y")
    )
    tracemalloc.start()

    frames = read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [(TEXT, b"x" * 50_000 + b"y")] == frames
    # The rest of the data is copied for each read.
    assert peak < 2 * len(data) + 500_000


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"x", reserved=4),
        frame(PING, b"x", reserved=1),
        frame(3),
        frame(0xB),
        frame(TEXT, b"x", masked=True),
        frame(TEXT, b"x" * 200, masked=True),
        frame(PING, b"x" * 126),
        frame(PING, fin=False),
        frame(CLOSE, b"\x03\xe8", fin=False),
        frame(CONTINUATION, b"x"),
        frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
        frame(TEXT, b"x", fin=False) + frame(BINARY, b"y"),
        frame(CLOSE, b"\x03"),
        frame(CLOSE, (1005).to_bytes(2, "big")),
        frame(CLOSE, (1006).to_bytes(2, "big")),
        frame(CLOSE, (999).to_bytes(2, "big")),
        frame(CLOSE, (2999).to_bytes(2, "big")),
        frame(CLOSE, (5000).to_bytes(2, "big")),
    ],
)
def test_broken_rules(data: bytes) -> None:
    """What no server may send is refused as a protocol error."""
    with pytest.raises(RemoteProtocolError, match="the server") as caught:
        read(data)

    assert 1002 == caught.value.close_code


def test_reason_that_is_no_text() -> None:
    """A close reason that is not UTF-8 is invalid data."""
    with pytest.raises(RemoteProtocolError) as caught:
        read(frame(CLOSE, b"\x03\xe8\xff"))

    assert 1007 == caught.value.close_code


def test_frames_before_a_broken_rule_are_not_lost() -> None:
    """What came in order is returned before the error, which then stays."""
    reader = FrameReader(LIMIT, frame(TEXT, b"fine") + frame(3) + frame(TEXT, b"no"))

    frames = reader.take()

    assert [(TEXT, b"fine")] == frames
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            reader.take()


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_close_is_the_last_frame(code: int) -> None:
    """A close frame is returned; what follows it is not."""
    payload = close_payload(code, "bye")
    reader = FrameReader(LIMIT, frame(CLOSE, payload) + frame(3) + frame(TEXT, b"x"))

    taken = [reader.take(), reader.take()]
    reader.filled(len(reader.room()))

    assert [[(CLOSE, payload)], [], []] == [*taken, reader.take()]


def test_close_without_a_code() -> None:
    """A close frame may be empty."""
    assert [(CLOSE, b"")] == read(frame(CLOSE))


def test_message_of_exactly_the_limit() -> None:
    """The limit itself is allowed."""
    assert [(TEXT, b"x" * 5000)] == read(frame(TEXT, b"x" * 5000), limit=5000)


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, length=5001),
        frame(BINARY, length=1 << 62),
        frame(TEXT, b"x" * 3000, fin=False) + frame(CONTINUATION, length=2001),
    ],
)
def test_message_above_the_limit(data: bytes) -> None:
    """One byte more is refused as soon as it is announced."""
    with pytest.raises(RemoteProtocolError, match="5000") as caught:
        read(data, limit=5000)

    assert 1009 == caught.value.close_code


def test_announced_bytes_take_no_memory() -> None:
    """What is announced takes memory only when it arrives."""
    tracemalloc.start()

    read(frame(TEXT, b"x" * 100_000, length=16 << 20), limit=16 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1_000_000


def test_memory_shrinks_after_a_large_message() -> None:
    """The buffer of a large message is given back."""
    reader = FrameReader(LIMIT, frame(TEXT, b"x" * 500_000))

    taken = reader.take()

    assert (1, 64 * 1024) == (len(taken), len(reader.room()))


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 16384, 16385, 65535, 65536])
def test_written_frames_are_masked(size: int) -> None:
    """A written frame has the right header, a key, and gives back its payload."""
    payload = random.Random(size).randbytes(size)

    data = b"".join(FrameWriter().encode([(TEXT, payload)]))

    head = frame(TEXT, b"", masked=True, length=size)
    assert head[:-4] == data[: len(head) - 4]
    key = data[len(head) - 4 : len(head)]
    assert payload == mask(data[len(head) :], key)


def test_frames_are_written_in_few_pieces() -> None:
    """Small frames share a piece; a piece ends when it is large."""
    frames = [(TEXT, b"x" * 1000)] * 100

    pieces = list(FrameWriter().encode(frames))

    assert [66 * 1008, 34 * 1008] == [len(piece) for piece in pieces]


def test_every_frame_has_a_key_of_its_own() -> None:
    """No two of a thousand keys are the same."""
    data = b"".join(FrameWriter().encode([(PING, b"")] * 1000))

    keys = {data[at + 2 : at + 6] for at in range(0, len(data), 6)}

    assert len(keys) > 990


@pytest.mark.parametrize("size", [0, 1, 5, 1000, 16384, 16387, 100_001])
def test_masks_agree(size: int) -> None:
    """Every way to mask does what the protocol says."""
    payload = random.Random(size).randbytes(size)
    key = b"\x01\x80\xfe\x7f"

    expected = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))

    assert expected == mask(payload, key)
    assert expected == find_mask()(payload, key)


def test_mask_without_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library with the fastest mask is not installed, the own one is used."""
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)

    assert mask is find_mask.__wrapped__()


def test_close_reason_is_cut_between_characters() -> None:
    """A close payload fits into a control frame and stays UTF-8."""
    payload = close_payload(1000, "ä" * 100)

    assert 124 == len(payload)
    assert "ä" * 61 == payload[2:].decode()
