"""What the two ways to talk with a browser make of what the service says."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import scripted
from scripted import WAIT


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from realtime_sync import RealtimeConnection
from realtime_sync.flask import Limits
from realtime_sync.flask._desk import Desk, Hooks
from realtime_sync.flask._raw import RawDesk
from realtime_sync.flask._simple import SimpleDesk
from realtime_sync.protocol.server_events import InputAudioBufferCleared
from realtime_sync.transport import FakeTransport


class Listener:
    """A browser, as a desk sees it."""

    def __init__(self) -> None:
        self.dropped = 0

    def put(self, message: object, *, speech: bool = False) -> None:
        """Take a message."""

    put_frame = put

    def drop_speech(self) -> None:
        self.dropped += 1


def open_desk(mode: str, connection: RealtimeConnection, outbox: Any) -> Desk:
    options: dict[str, Any] = {
        "user": "ada",
        "limits": Limits(),
        "hooks": Hooks(),
        "show_tools": False,
    }
    desk: Desk
    if mode == "raw":
        desk = RawDesk(connection, outbox, **options)
    else:
        desk = SimpleDesk(connection, outbox, turns="open", **options)
    desk.listen()
    return desk


def tell(
    transport: FakeTransport, connection: RealtimeConnection, *events: dict[str, Any]
) -> None:
    """Let the service say something; return when all of it was heard."""
    heard = threading.Event()
    connection.on(InputAudioBufferCleared, lambda event: heard.set())
    for event in (*events, {"type": "input_audio_buffer.cleared"}):
        transport.feed({"event_id": "event_1", **event})
    assert heard.wait(WAIT)


STARTED = {
    "type": "input_audio_buffer.speech_started",
    "audio_start_ms": 0,
    "item_id": "item_1",
}
TIMEOUT = {
    "type": "input_audio_buffer.timeout_triggered",
    "audio_start_ms": 0,
    "audio_end_ms": 100,
    "item_id": "item_2",
}
ADDED = {
    "type": "conversation.item.added",
    "item": scripted.message("item_1"),
    "previous_item_id": None,
}


@pytest.mark.parametrize("mode", ["simple", "raw"])
@pytest.mark.parametrize(("interrupts", "expected"), [(True, 1), (False, 0)])
def test_speech_is_dropped_where_it_is_interrupted(
    transport: FakeTransport,
    connection: RealtimeConnection,
    mode: str,
    interrupts: bool,
    expected: int,
) -> None:
    """An answer that goes on while the user speaks is heard to its end."""
    detection = {"type": "server_vad", "interrupt_response": interrupts}
    session = {"audio": {"input": {"turn_detection": detection}}}
    outbox = Listener()
    open_desk(mode, connection, outbox)

    updated = {**scripted.created(**session), "type": "session.updated"}
    tell(transport, connection, updated, STARTED)

    assert expected == outbox.dropped


@pytest.mark.parametrize("mode", ["simple", "raw"])
@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([STARTED], True),
        ([scripted.delta("Hello")], True),
        ([ADDED], False),
        ([scripted.refusal()], False),
        ([TIMEOUT, scripted.delta("Are you there?")], False),
        ([TIMEOUT, STARTED, scripted.delta("There you are")], True),
    ],
    ids=["voice", "answer", "item", "error", "nobody there", "somebody again"],
)
def test_what_counts_as_activity(
    transport: FakeTransport,
    connection: RealtimeConnection,
    mode: str,
    events: list[dict[str, Any]],
    expected: bool,
) -> None:
    """A voice does, and an answer to somebody; what the machines do among them no."""
    desk = open_desk(mode, connection, Listener())
    desk.active_at = 0.0

    tell(transport, connection, *events)

    assert expected == (desk.active_at > 0)


@pytest.mark.parametrize(
    ("mode", "message", "expected"),
    [
        ("simple", '{"type": "played", "item_id": "x", "ms": 1}', False),
        ("simple", '{"type": "turns", "turns": "open"}', False),
        ("simple", b"\0\0", False),
        ("raw", '{"type": "input_audio_buffer.append", "audio": "AAA="}', False),
        ("raw", '{"type": "input_audio_buffer.clear"}', False),
        ("raw", '{"type": "input_audio_buffer.commit"}', True),
        ("raw", '{"type": "response.create"}', True),
        ("raw", '{"type": "session.update"}', False),
    ],
)
def test_which_messages_count_as_activity(
    connection: RealtimeConnection, mode: str, message: str | bytes, expected: bool
) -> None:
    """Those that a user has sent do, and not those that a page sends by itself."""
    desk = open_desk(mode, connection, Listener())
    desk.active_at = 0.0

    desk.handle(message)

    assert expected == (desk.active_at > 0)
