"""Interruption, and threads that share a connection, against the emulated service."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime_sync import (
    ConversationItemTruncated,
    RealtimeClient,
    RealtimeConnection,
    ResponseStream,
)
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


WAIT = 60.0
TONES = ToneSpeech()
LONG = "One two three four five six seven eight nine ten eleven twelve."


class FakePlayer:
    """A player that has played so many ms, and can be told to stop."""

    def __init__(self, played_ms: int) -> None:
        self.played_ms = played_ms
        self.flushed = 0

    def write(self, pcm: bytes) -> None:
        """Play nothing more than it has."""

    def flush(self) -> int:
        self.flushed += 1
        return self.played_ms


@pytest.fixture(name="connection")
def _connection() -> Iterator[RealtimeConnection]:
    # At the speed of speech, so that an answer can be interrupted.
    settings = EmulatorSettings.instant(speed=1.0)
    with (
        RealtimeEmulator(
            replies=lambda turn: LONG, speech=TONES, settings=settings
        ) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect() as connection,
    ):
        yield connection


def answer(connection: RealtimeConnection) -> ResponseStream:
    """Ask something, and return the answer as it begins to be heard."""
    content = [{"type": "input_text", "text": "Count."}]
    connection.create_item({"type": "message", "role": "user", "content": content})
    stream = connection.create_response()
    next(stream.audio(timeout=WAIT))
    return stream


def test_interrupt_cancels_and_truncates(connection: RealtimeConnection) -> None:
    """What is generated is cancelled, and what was heard is all that is left of it."""
    connection.use_player(FakePlayer(60))
    truncated = connection.events(ConversationItemTruncated, timeout=WAIT)
    stream = answer(connection)
    done = connection.interrupt()
    result = stream.result(timeout=WAIT)
    event = next(truncated)

    assert result.id == done.cancelled
    assert "cancelled" == result.status
    assert 60 == event.audio_end_ms  # type: ignore[attr-defined]
    assert 60 == connection.conversation.items[-1].audio_end_ms


def test_interrupt_when_nothing_is_said(connection: RealtimeConnection) -> None:
    """An interruption of nothing does nothing."""
    done = connection.interrupt()

    assert done.cancelled is None
    assert () == done.truncated


def test_interrupt_without_an_account(connection: RealtimeConnection) -> None:
    """Without a playback before the response it is cancelled all the same."""
    stream = answer(connection)
    done = connection.interrupt()

    assert stream.id == done.cancelled
    assert "cancelled" == stream.result(timeout=WAIT).status


@pytest.mark.parametrize("start", ["use_player", "play"])
def test_speech_of_the_user_interrupts(
    connection: RealtimeConnection, start: str
) -> None:
    """When the server hears the user speak, the player falls silent at once."""
    player = FakePlayer(60)
    getattr(connection, start)(player)
    truncated = connection.events(ConversationItemTruncated, timeout=WAIT)
    stream = answer(connection)
    connection.append_input_audio(TONES.speak("Stop it, please."))
    result = stream.result(timeout=WAIT)

    assert "cancelled" == result.status
    assert "turn_detected" == result.reason
    assert 60 == next(truncated).audio_end_ms  # type: ignore[attr-defined]
    assert 1 == player.flushed


def test_player_is_named_first(connection: RealtimeConnection) -> None:
    """A player cannot be named once the account goes by other means."""
    assert connection.playback is connection.playback
    with pytest.raises(RuntimeError, match="before"):
        connection.use_player(FakePlayer(0))


def test_threads_get_their_own_answers() -> None:
    """Threads that ask at the same time each get the answer to their question."""
    with (
        RealtimeEmulator(
            replies=lambda turn: turn.heard,
            speech=TONES,
            settings=EmulatorSettings.instant(),
        ) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect() as connection,
        ThreadPoolExecutor(8) as pool,
    ):

        def ask(text: str) -> str:
            content = [{"type": "input_text", "text": text}]
            response = connection.create_response(
                {
                    "conversation": "none",
                    "output_modalities": ["text"],
                    "input": [{"type": "message", "role": "user", "content": content}],
                }
            )
            return response.result(timeout=WAIT).text

        questions = [f"question {number}" for number in range(24)]

        assert questions == list(pool.map(ask, questions))


@pytest.mark.parametrize("when_busy", ["wait", "cancel"])
def test_second_response(connection: RealtimeConnection, when_busy: str) -> None:
    """A second response waits for the first one, or cancels it."""
    first = answer(connection)
    if when_busy == "wait":
        first.cancel()
    second = connection.create_response(
        {"output_modalities": ["text"]}, when_busy=when_busy, timeout=WAIT
    )

    assert "cancelled" == first.result(timeout=WAIT).status
    assert LONG == second.result(timeout=WAIT).text
