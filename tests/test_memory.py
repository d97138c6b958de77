"""A long conversation takes no more memory than its words do."""

from __future__ import annotations

import gc
import multiprocessing
import tracemalloc
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


WAIT = 60.0
TURNS = 30
QUESTION = ToneSpeech().speak("What is the capital of Norway?")
SESSION = {
    "audio": {
        "input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}
    }
}


def emulate(pipe: Connection) -> None:
    """Be the service until the other end of *pipe* has enough."""
    with RealtimeEmulator(
        replies=lambda turn: "The capital of Norway is Oslo.",
        speech=ToneSpeech(),
        settings=EmulatorSettings.instant(record=False),
    ) as emulator:
        pipe.send(emulator.endpoint)
        pipe.recv()


@pytest.fixture(name="endpoint")
def _endpoint() -> Iterator[str]:
    # The emulator keeps audio, so it lives in a process of its own.
    context = multiprocessing.get_context("spawn")
    pipe, other_end = context.Pipe()
    service = context.Process(target=emulate, args=(other_end,))
    service.start()
    yield pipe.recv()
    pipe.send("enough")
    service.join(WAIT)


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
    """Return the bytes of the objects that were made since the tracing began."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_conversation_keeps_words_only(endpoint: str) -> None:
    """Of the audio of a turn nothing is kept, and without its words nothing at all."""
    client = RealtimeClient(endpoint, "key", model="m", proxy="")
    with client.connect(session=SESSION) as connection:
        converse(connection, 3)
        tracemalloc.start()
        try:
            size = converse(connection, TURNS)
            with_words = kept()
            items = len(connection.conversation)
            connection.conversation._replace([])
            without_words = kept()
        finally:
            tracemalloc.stop()

    assert 2 * (TURNS + 3) == items
    assert size > TURNS * 150_000
    assert with_words < TURNS * 5_000
    assert without_words < TURNS * 1_500
