"""The transport without a server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime_sync.errors import ConnectError, ConnectionClosedError
from realtime_sync.protocol import codec
from realtime_sync.protocol.client_events import (
    InputAudioBufferClear,
    InputAudioBufferCommit,
)
from realtime_sync.protocol.server_events import (
    InputAudioBufferCleared,
    ResponseOutputTextDelta,
)
from realtime_sync.transport import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    ConnectRequest,
    FakeTransport,
    close_payload,
)


CLEARED = {"type": "input_audio_buffer.cleared", "event_id": "e1"}
CLEAR = (TEXT, codec.encode(InputAudioBufferClear()))
COMMIT = (TEXT, codec.encode(InputAudioBufferCommit()))


def test_what_is_fed_is_received() -> None:
    """Events, mappings and bytes are fed alike, and received at once."""
    event = codec.structure(CLEARED, InputAudioBufferCleared)
    transport = FakeTransport(event, CLEARED)
    transport.feed(b"{}")

    frames = transport.receive()

    assert [TEXT] * 3 == [opcode for opcode, _ in frames]
    assert frames[0] == frames[1]
    assert event == codec.decode_server_event(frames[1][1])
    assert b"{}" == frames[2][1]


def test_preview_dialect() -> None:
    """A fake may speak the preview dialect."""
    transport = FakeTransport(dialect="preview")
    transport.feed(
        codec.structure(
            {
                "type": "response.output_text.delta",
                "event_id": "e",
                "response_id": "r",
                "item_id": "i",
                "output_index": 0,
                "content_index": 0,
                "delta": "x",
            },
            ResponseOutputTextDelta,
        )
    )

    [(_, payload)] = transport.receive()

    assert b"response.text.delta" in payload


def test_what_is_sent_is_decoded() -> None:
    """Events that were sent are there as objects; frames are there as they are."""
    transport = FakeTransport()

    transport.send([CLEAR, (PING, b"?"), COMMIT])

    types = [event.type for event in transport.sent]
    assert ["input_audio_buffer.clear", "input_audio_buffer.commit"] == types
    assert [CLEAR, (PING, b"?"), COMMIT] == transport.frames
    assert [(PONG, b"?")] == transport.receive()


def test_replies() -> None:
    """A fake can answer commands."""
    transport = FakeTransport(
        reply=lambda event: [CLEARED] if event.type.endswith("clear") else []
    )

    transport.send([COMMIT, CLEAR])

    assert 1 == len(transport.receive())


def test_connect() -> None:
    """A fake notes the request, and returns the headers or fails as it was told."""
    request = ConnectRequest(url="wss://host")
    transport = FakeTransport(headers={"x-request-id": "1"})
    failing = FakeTransport(failure=ConnectError("no"))

    assert {"x-request-id": "1"} == transport.connect(request)
    assert [request] == transport.requests
    with pytest.raises(ConnectError, match="no"):
        failing.connect(request)


def test_close_by_the_server() -> None:
    """A close is received after what was fed before; answered, the end follows."""
    transport = FakeTransport(CLEARED)
    transport.feed_close(4000, "why")

    frames = transport.receive()
    transport.send([(CLOSE, frames[1][1])])

    assert (CLOSE, close_payload(4000, "why")) == frames[1]
    with pytest.raises(ConnectionClosedError) as caught:
        transport.receive()
    assert 1006 == caught.value.code


def test_close_by_the_client() -> None:
    """A close of the client is answered, unless the fake does not answer."""
    transport, silent = FakeTransport(), FakeTransport(answers=False)
    for each in (transport, silent):
        each.send([(CLOSE, b"\x03\xe8"), (PING, b"")])

    frames = transport.receive()

    assert (CLOSE, b"\x03\xe8") in frames
    with pytest.raises(TimeoutError):
        silent.receive(0)


def test_failure() -> None:
    """A broken fake still hands out what was fed; sending fails at once."""
    transport = FakeTransport(CLEARED)
    transport.fail()

    frames = transport.receive()

    assert 1 == len(frames)
    for call in (transport.receive, lambda: transport.send([CLEAR])):
        with pytest.raises(ConnectionClosedError) as caught:
            call()
        assert (1006, "network") == (caught.value.code, caught.value.initiated_by)


def test_timeouts() -> None:
    """Waiting for what does not come times out."""
    transport = FakeTransport()
    transport.stall()

    with pytest.raises(TimeoutError):
        transport.receive(0.01)
    with pytest.raises(TimeoutError):
        transport.send([CLEAR], 0.01)
    with pytest.raises(TimeoutError, match="0 of 1"):
        transport.wait_sent(1, 0.01)


def test_waiting() -> None:
    """A test can wait until something was sent, and a stalled send goes on later."""
    transport = FakeTransport()
    transport.stall()
    sender = threading.Thread(target=transport.send, args=([CLEAR, COMMIT],))
    sender.start()

    transport.resume()
    events = transport.wait_sent(2)
    sender.join()

    assert 2 == len(events)


def test_abort_wakes() -> None:
    """Abort and release wake who waits, and are noted."""
    transport = FakeTransport()
    transport.stall()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(transport.receive), pool.submit(transport.send, [CLEAR])]
        transport.abort()
        errors = [future.exception(5) for future in waiting]
    transport.release()

    assert all(isinstance(error, ConnectionClosedError) for error in errors)
    assert (True, True) == (transport.aborted, transport.released)


def test_try_send_keeps_what_is_not_taken() -> None:
    """A fake that takes nothing keeps what was to be sent, for the next send."""
    transport = FakeTransport()
    transport.stall()

    assert not transport.try_send([CLEAR])
    assert [] == transport.frames
    transport.resume()
    assert transport.try_send([COMMIT])
    assert [CLEAR, COMMIT] == transport.frames
