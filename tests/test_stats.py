"""What a connection says of itself: counted where it is done, read by anybody."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import repeat

import pytest
import scripted

from realtime_sync import (
    ConnectionStats,
    RealtimeClient,
    RealtimeConnection,
    Reconnected,
    ReconnectPolicy,
    Response,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    SendQueueFull,
    ServerError,
)
from realtime_sync._connection.stats import ResponseClock
from realtime_sync.emulator import EmulatorSettings, Fault, RealtimeEmulator, ToneSpeech
from realtime_sync.transport import FakeTransport


PATIENCE = 60.0  # seconds after which a test has failed


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(
        speech=ToneSpeech(), settings=EmulatorSettings.instant()
    ) as emulator:
        yield emulator


@pytest.fixture(name="live")
def _live(emulator: RealtimeEmulator) -> Iterator[RealtimeConnection]:
    client = RealtimeClient(emulator.endpoint, "any", model="m", proxy="")
    with client.connect() as connection:
        yield connection


def test_a_new_connection(live: RealtimeConnection) -> None:
    """A connection that did nothing yet has nothing to tell but its age."""
    stats = live.stats

    assert isinstance(stats, ConnectionStats)
    assert stats.age > 0
    assert (0, 0, None) == (stats.messages_sent, stats.reconnects, stats.ping)
    assert ({}, {}, {}) == (stats.responses, stats.errors, stats.first_audio)


def test_a_turn(live: RealtimeConnection) -> None:
    """A spoken answer is counted, in messages, bytes, tokens and time to its audio."""
    result = live.ask("Hello.", response={"output_modalities": ["audio"]})
    stats = live.stats

    assert 2 == stats.messages_sent
    assert stats.messages_received > 5
    assert stats.bytes_received > len(result.audio) > 0
    assert stats.bytes_sent > 100
    assert {"completed": 1} == stats.responses
    assert [result.id] == list(stats.first_audio)
    assert 0 < stats.first_audio[result.id] < stats.age
    assert live.usage == stats.usage
    assert 0 == stats.queued_bytes


def test_text_has_no_first_audio(live: RealtimeConnection) -> None:
    """An answer in writing has no time to its audio."""
    live.ask("Hello.", response={"output_modalities": ["text"]})

    assert {} == live.stats.first_audio


def test_errors(live: RealtimeConnection) -> None:
    """Errors are counted by their code, those too that a command raised."""
    with pytest.raises(ServerError):
        live.retrieve_item("nothing")

    assert 1 == sum(live.stats.errors.values())


def test_callbacks(live: RealtimeConnection) -> None:
    """The time of callbacks is that which they take, not that in which they wait."""
    ended = threading.Event()

    @live.on(ResponseDone)
    def retrieve(event: ResponseDone) -> None:
        live.create_item(scripted.message("u2"))
        ended.set()

    live.ask("Hello.")
    assert ended.wait(PATIENCE)
    live.flush(PATIENCE)
    live.clear_input_audio()  # so that the callback has returned, and was counted
    stats = live.stats

    assert 1 == stats.callbacks
    assert 0 < stats.callback_longest == stats.callback_time < stats.age


def test_blocked() -> None:
    """The time that callers wait for space in the queue is told."""
    transport = FakeTransport(scripted.created())
    transport.stall()
    with scripted.connect(transport, max_queue=1000) as connection:
        append = connection.append_input_audio
        with pytest.raises(SendQueueFull):
            deque(map(partial(append, timeout=0.01), repeat(bytes(900), 100)))
        stats = connection.stats
        transport.resume()

    assert stats.blocked >= 0.01
    assert 900 < stats.queued_bytes <= stats.queued_bytes_most


def test_reconnects(emulator: RealtimeEmulator) -> None:
    """A connection that was lost and found again says so, and goes on counting."""
    client = RealtimeClient(
        emulator.endpoint,
        "any",
        model="m",
        proxy="",
        reconnect=ReconnectPolicy(first_delay=0.0),
    )
    with client.connect() as connection:
        notices = connection.events(Reconnected, timeout=PATIENCE)
        emulator.inject(Fault.cut())
        connection.send({"type": "input_audio_buffer.clear"})
        next(notices)
        before = connection.stats
        connection.ask("Hello.")
        after = connection.stats

    assert 1 == before.reconnects == after.reconnects
    assert before.messages_received < after.messages_received


def audio_of(response_id: str) -> ResponseOutputAudioDelta:
    return ResponseOutputAudioDelta(
        response_id=response_id,
        item_id="i",
        output_index=0,
        content_index=0,
        delta=b"",
    )


class TestClock:
    """Times, by events alone."""

    def test_other_responses(self) -> None:
        """The time is that of each response, and of its first audio only."""
        clock = ResponseClock()
        handlers = clock.handlers()
        for name in ("r1", "r2"):
            handlers[ResponseCreated](ResponseCreated(response=Response(id=name)))
        for name in ("r2", "r2", "r1", "unknown"):
            handlers[ResponseOutputAudioDelta](audio_of(name))

        assert ["r2", "r1"] == list(clock.first_audio())

    def test_bounded(self) -> None:
        """Of very many responses the last hundred are kept."""
        clock = ResponseClock()
        handlers = clock.handlers()
        for name in (f"r{number}" for number in range(150)):
            handlers[ResponseCreated](ResponseCreated(response=Response(id=name)))
            handlers[ResponseOutputAudioDelta](audio_of(name))

        assert [f"r{number}" for number in range(50, 150)] == list(clock.first_audio())
