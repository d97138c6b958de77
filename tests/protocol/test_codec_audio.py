"""Audio deltas that are decoded without parsing their JSON, and those that are not."""

from __future__ import annotations

import base64
import json
import sys
import threading

import pytest

from realtime_sync.errors import DecodeError
from realtime_sync.protocol._codec_audio import AudioFrames
from realtime_sync.protocol._model import ServerEvent
from realtime_sync.protocol.codec import (
    Dialect,
    decode_server_event,
    encode,
    structure,
)
from realtime_sync.protocol.server_events import ResponseOutputAudioDelta


PAYLOAD = {
    "type": "response.output_audio.delta",
    "event_id": "event_1",
    "response_id": "resp_1",
    "item_id": "item_1",
    "output_index": 0,
    "content_index": 0,
    "delta": base64.b64encode(bytes(range(256)) * 3).decode(),
}
COMPACT = (",", ":")


def dump(separators: tuple[str, str] = COMPACT, **changes: object) -> bytes:
    return json.dumps({**PAYLOAD, **changes}, separators=separators).encode()


@pytest.fixture(name="frames")
def _frames() -> AudioFrames:
    """Return what has learnt the frame of one message."""
    frames = AudioFrames()
    frames.learn(dump(), decode_server_event(dump()))
    return frames


@pytest.mark.parametrize("event_id", ["event_2", "3f1c-22", "{x: [1], y}", ""])
@pytest.mark.parametrize("size", [0, 600, 601, 602, 4800])
def test_known_frame(frames: AudioFrames, size: int, event_id: str) -> None:
    """Another message of the same speech is decoded to what its JSON says."""
    pcm = bytes(index * 7 % 251 for index in range(size))
    data = dump(event_id=event_id, delta=base64.b64encode(pcm).decode())
    event = frames.decode(data)

    assert structure(json.loads(data), ServerEvent) == event
    assert bytes is type(event.delta)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data",
    [
        dump(response_id="resp_2"),
        dump(content_index=1),
        dump(type="response.output_audio_transcript.delta"),
        dump(event_id='event"2'),
        dump(event_id="event\\2"),
        dump(event_id="event\n2"),
        dump(event_id="??").replace(b"??", "\xea".encode()),
        dump(event_id=None),
        dump(event_id=["event_2"]),
        dump(separators=(", ", ": ")),
        dump(further=1),
        dump(delta=f"{PAYLOAD['delta']}QR=="),  # stray bits
        dump(delta=f"{PAYLOAD['delta']}QQ"),  # no padding
        dump(delta=f"{PAYLOAD['delta']}?"),
        dump(delta=f'{PAYLOAD["delta"]}","delta":"QUJD'),
        dump(delta=None),
        dump() + b" ",
        dump()[:-1],
        dump()[:-2],
        dump()[1:],
        b"",
        b"{}",
        b'"event_id":""delta":"',
        b'{"type":"response.output_audio.delta","event_id":"x"}',
    ],
)
def test_anything_else(frames: AudioFrames, data: bytes) -> None:
    """What is not the same frame with two plain strings is left to others."""
    assert frames.decode(data) is None


@pytest.mark.parametrize(
    "data",
    [
        dump(separators=(", ", ": ")),
        dump(further=1),
        dump(event_id="event\\1"),
        dump()[:1] + b'"event_id":"event_1",' + dump()[1:],  # twice
        dump(delta="QQ"),
        json.dumps(dict(reversed(PAYLOAD.items())), separators=COMPACT).encode(),
    ],
)
def test_odd_frames_are_not_learnt(data: bytes) -> None:
    """A message in any other form teaches nothing."""
    frames = AudioFrames()
    frames.learn(data, decode_server_event(data))

    assert {} == frames._known[1]


def test_other_events_are_not_learnt() -> None:
    """A message with another meaning than its frame's teaches nothing."""
    frames = AudioFrames()
    event = decode_server_event(dump(response_id="resp_2"))
    frames.learn(dump(type="some.other"), decode_server_event(dump(type="some.other")))
    frames.learn(dump(event_id="another"), event)

    assert {} == frames._known[1]


def test_another_order() -> None:
    """A service that orders the fields otherwise is learnt anew, and not mixed up."""
    frames = AudioFrames()
    for response in ("resp_1", "resp_2", "resp_1"):
        front = {"response_id": response, **PAYLOAD, "output_index": 0}
        data = json.dumps({**front, "response_id": response}, separators=COMPACT)
        frames.learn(data.encode(), decode_server_event(data.encode()))
        event = frames.decode(data.encode())

        assert event is not None
        assert response == event.response_id


def test_memory_is_bounded() -> None:
    """Of very many responses only the newest are remembered."""
    frames = AudioFrames()
    for number in range(3000):
        data = dump(response_id=f"resp_{number}", delta="QUJD")
        frames.learn(data, decode_server_event(data))

    assert len(frames._known[1]) <= 1024
    assert frames.decode(data) is not None


@pytest.mark.parametrize("dialect", ["ga", "preview"])
def test_codec(dialect: Dialect) -> None:
    """The codec decodes the first and the next delta alike, in both dialects."""
    ga = [structure({**PAYLOAD, "event_id": f"event_{n}"}, ServerEvent) for n in (1, 2)]
    messages = [encode(event, dialect) for event in ga]
    decoded = [decode_server_event(data, dialect) for data in (*messages, *messages)]

    assert ga * 2 == decoded
    assert messages * 2 == [encode(event, dialect) for event in decoded]


def test_a_fault_is_told_behind_a_known_frame() -> None:
    """Audio that is no base64 is an error with its path."""
    decode_server_event(dump())

    with pytest.raises(DecodeError, match="base64") as caught:
        decode_server_event(dump(delta=f"{PAYLOAD['delta']}?"))
    assert "$.delta" == caught.value.path


def test_two_threads() -> None:
    """Connections on many threads share what was learnt, however it is forgotten."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    wrong: list[object] = []

    def decode(thread: int) -> None:
        for number in range(1200):
            response = f"resp_{thread}_{number // 2}"
            event = decode_server_event(dump(response_id=response))
            assert isinstance(event, ResponseOutputAudioDelta)
            if event.response_id != response:
                wrong.append(event)

    threads = [threading.Thread(target=decode, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    sys.setswitchinterval(before)

    assert [] == wrong
