"""A long conversation takes no more memory than its words do."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


WAIT = 20.0
TONES = ToneSpeech()
QUESTION = TONES.speak("What is the capital of Norway?")
SESSION = {
    "audio": {
        "input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}
    }
}
# The emulator keeps audio, and lives in this process. Whatever it makes is left out,
# by looking so many calls up the stack.
_DEPTH = 16
_NOT_OURS = tracemalloc.Filter(False, "*emulator*", all_frames=True)


@pytest.fixture(name="connection")
def _connection() -> Iterator[RealtimeConnection]:
    settings = EmulatorSettings.instant(record=False)
    with (
        RealtimeEmulator(
            replies=lambda turn: "The capital of Norway is Oslo.",
            speech=TONES,
            settings=settings,
        ) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect(
            session=SESSION
        ) as connection,
    ):
        yield connection


def converse(connection: RealtimeConnection, turns: int) -> int:
    """Hold a conversation of some turns; return the bytes of audio of both sides."""
    size = 0
    for _ in range(turns):
        connection.append_input_audio(QUESTION)
        item_id = connection.commit_input_audio().item_id
        result = connection.create_response().result(timeout=WAIT)
        connection.conversation.transcript(item_id, WAIT)
        size += len(QUESTION) + len(result.audio)
    return size


def kept() -> int:
    """Return the bytes of what was made since the tracing began, and not by others."""
    gc.collect()
    ours = tracemalloc.take_snapshot().filter_traces([_NOT_OURS])
    return sum(trace.size for trace in ours.traces)


def test_conversation_keeps_words_only(connection: RealtimeConnection) -> None:
    """Of the audio of a turn nothing is kept, and without its words nothing at all."""
    turns = 20
    converse(connection, 3)
    tracemalloc.start(_DEPTH)
    try:
        size = converse(connection, turns)
        with_words = kept()
        items = len(connection.conversation)
        connection.conversation.clear()
        without_words = kept()
    finally:
        tracemalloc.stop()

    assert 2 * (turns + 3) == items
    assert size > turns * 150_000
    assert with_words < turns * 8_000
    assert without_words < 40_000
