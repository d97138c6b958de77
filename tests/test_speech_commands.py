"""What the model says is played by a thread, until it is interrupted or ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync._playback.feed import AudioFeed
from realtime_sync._playback.output_settings import OutputSettings
from realtime_sync._playback.voice import Voice
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


WAIT = 60.0
TONES = ToneSpeech()
ANSWER = "One two three four five six."


class FakeSpeaker:
    """A player that keeps what it is given, and has played none of it."""

    def __init__(self) -> None:
        self.played_ms = 0
        self.heard = b""
        self.failure: Exception | None = None
        self.changed = threading.Condition()

    def write(self, pcm: bytes) -> None:
        with self.changed:
            if self.failure is not None:
                raise self.failure
            self.heard += pcm
            self.changed.notify_all()

    def flush(self) -> int:
        with self.changed:
            self.heard = b""
            return self.played_ms

    def has(self, size: int) -> bool:
        """Wait until it was given so many bytes."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.heard) >= size, WAIT)


@pytest.fixture(name="connection")
def _connection() -> Iterator[RealtimeConnection]:
    settings = EmulatorSettings.instant()
    with (
        RealtimeEmulator(
            replies=lambda turn: ANSWER, speech=TONES, settings=settings
        ) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect() as connection,
    ):
        yield connection


def test_all_speech_is_played(connection: RealtimeConnection) -> None:
    """A player gets all of the speech of all responses, in order."""
    speaker = FakeSpeaker()
    connection.play(speaker)
    first = connection.ask("Hello.", timeout=WAIT)
    second = connection.ask("And again?", timeout=WAIT)

    assert speaker.has(len(first.audio + second.audio))
    assert first.audio + second.audio == speaker.heard


@pytest.mark.parametrize("law", ["pcma", "pcmu"])
def test_telephone_speech_is_played(connection: RealtimeConnection, law: str) -> None:
    """A player gets PCM at its rate, whatever the session speaks."""
    plain = connection.ask("Hello.", timeout=WAIT).audio
    connection.update_session(
        {"audio": {"output": {"format": {"type": f"audio/{law}"}}}}
    )
    speaker = FakeSpeaker()
    connection.play(speaker)
    connection.ask("Hello.", timeout=WAIT)

    # A resampler holds back some 2 ms for what comes next.
    assert speaker.has(len(plain) - 200)
    assert TONES.transcribe(speaker.heard).startswith(ANSWER[:-1])
    assert len(speaker.heard) <= len(plain)


@pytest.mark.parametrize("player", [None, "speaker"])
def test_what_is_no_player(connection: RealtimeConnection, player: Any) -> None:
    """What cannot be written to is no player, and the connection stays without one."""
    with pytest.raises(TypeError, match=r"lacks write\(\), flush\(\), played_ms"):
        connection.play(player)

    connection.play(FakeSpeaker())


def test_what_the_player_raises_is_reported(connection: RealtimeConnection) -> None:
    """A player that fails is left alone from then on, and the session goes on."""
    speaker = FakeSpeaker()
    speaker.failure = OSError("unplugged")
    reported = threading.Event()
    errors: list[Exception] = []

    @connection.on_error
    def note(error: Exception) -> None:
        errors.append(error)
        reported.set()

    connection.play(speaker)
    connection.ask("Hello.", timeout=WAIT)

    assert reported.wait(WAIT)
    assert [speaker.failure] == errors
    assert ANSWER == connection.ask("Hello?", timeout=WAIT).transcript


def test_what_was_heard_of_nothing(connection: RealtimeConnection) -> None:
    """Who says how much was heard learns that nobody kept account of what it is of."""
    with pytest.raises(RuntimeError, match="before the first response"):
        connection.interrupt(played_ms=300)

    assert () == connection.interrupt().truncated


class FakeFeed(AudioFeed):
    """Hands out one chunk, which an interruption takes back or does not."""

    def __init__(self, *, taken_back: bool) -> None:
        self._taken_back = taken_back

    @property
    def taken_back(self) -> bool:
        return self._taken_back


@pytest.mark.parametrize(("taken_back", "heard"), [(False, b"ab"), (True, b"")])
def test_what_was_taken_back_is_not_played(taken_back: bool, heard: bytes) -> None:
    """A chunk in the thread's hand when an interruption comes is not heard after it."""
    speaker = FakeSpeaker()
    voice = Voice(speaker, report=pytest.fail)
    voice._write(b"ab", FakeFeed(taken_back=taken_back), OutputSettings())

    assert heard == speaker.heard


def test_interruptions_and_chunks_race(connection: RealtimeConnection) -> None:
    """Whenever an interruption comes, nothing is given to the player after it."""
    speaker = FakeSpeaker()
    playback = connection.play(speaker)
    for _ in range(30):
        connection.ask("Hello.", timeout=WAIT)
        playback.interrupt()
        with speaker.changed:
            heard = speaker.heard
            late = speaker.changed.wait(0.002)

        assert (b"", False) == (heard, late)
