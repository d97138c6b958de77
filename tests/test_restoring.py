"""A conversation goes on in another process, with what the service takes back."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted

import realtime_sync
from realtime_sync import RealtimeClient, ServerError, restoration
from realtime_sync.emulator import (
    EmulatorSettings,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
    call,
)
from realtime_sync.transport import FakeTransport


WAIT = 60.0
TONES = ToneSpeech()
SAID = TONES.speak("Remember the number seven.")
SESSION = {
    "audio": {
        "input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}
    }
}

ELSEWHERE = """
import json, sys
from realtime_sync import RealtimeClient

taken = json.load(sys.stdin)
with RealtimeClient(sys.argv[1], "key", model="m", proxy="").connect() as connection:
    print(connection.restore(taken))
    print(connection.ask("How many messages?", timeout=60).transcript)
"""


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def answer(turn: Turn) -> Reply:
    """A model that adds by a tool, and otherwise counts what was said before."""
    if turn.last_output is not None:
        return Reply(f"It is {turn.last_output}.")
    if turn.tools and "Add" in turn.heard:
        return Reply(function_calls=[call("add", a=3, b=4)])
    return Reply(f"There are {len(turn.messages())}.")


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(replies=answer, speech=TONES, settings=settings) as emulator:
        yield emulator


@pytest.fixture(name="client")
def _client(emulator: RealtimeEmulator) -> RealtimeClient:
    return RealtimeClient(emulator.endpoint, "key", model="m", session=SESSION)


def go_on_elsewhere(emulator: RealtimeEmulator, taken: str) -> list[str]:
    """Restore a snapshot in another process; return the lines that this prints."""
    root = Path(realtime_sync.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, emulator.endpoint],
        input=taken,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    return done.stdout.splitlines()


def converse(client: RealtimeClient, **options: bool) -> str:
    """Speak, have a function called, and return the conversation as JSON."""
    with client.connect(functions=[add], **options) as connection:
        connection.append_input_audio(SAID)
        item_id = connection.commit_input_audio().item_id
        connection.create_response().result(timeout=WAIT)
        connection.conversation.transcript(item_id, WAIT)
        connection.ask("Add, please.", timeout=WAIT)
        return connection.conversation.to_json()


def test_goes_on_in_another_process(
    emulator: RealtimeEmulator, client: RealtimeClient
) -> None:
    """The items are there under their ids, and what is lost is told."""
    taken = converse(client)
    ids = [record["item"]["id"] for record in json.loads(taken)["items"]]
    lines = go_on_elsewhere(emulator, taken)
    items = emulator.sessions[-1].items

    assert "6 items restored" == lines[0]
    assert [
        f"lost: {ids[0]}: the user's audio, which was not kept "
        "(its transcript instead)",
        f"lost: {ids[1]}: the assistant's audio (its transcript instead)",
        f"lost: {ids[5]}: the assistant's audio (its transcript instead)",
    ] == lines[1:4]
    # Instructions, what both said and the function's output, and the question.
    assert "There are 7." == lines[4]
    assert ids == [item.id for item in items[:6]]
    assert "Remember the number seven." == items[0].content[0].text
    assert ("add", "7") == (items[3].name, items[4].output)


def test_the_text_will_do(client: RealtimeClient) -> None:
    """What `to_json()` returned is restored as it is."""
    taken = converse(client)

    assert restoration(json.loads(taken)) == restoration(taken)


@pytest.mark.parametrize(
    ("taken", "error", "words"),
    [
        (None, TypeError, "the text of .*, not None"),
        ([], TypeError, "not list"),
        ("conversation.json", ValueError, "a snapshot in writing is the text of"),
        ("[]", ValueError, "expected a snapshot of version 1, not None"),
    ],
)
def test_what_is_no_snapshot(taken: Any, error: type[Exception], words: str) -> None:
    """What was not taken from a conversation is refused, with what to take."""
    with pytest.raises(error, match=words):
        restoration(taken)


def test_audio_that_was_kept_goes_along(
    emulator: RealtimeEmulator, client: RealtimeClient
) -> None:
    """With *keep_audio* the user's audio goes on as audio; the model's cannot."""
    lines = go_on_elsewhere(emulator, converse(client, keep_audio=True))
    retrieved = emulator.sessions[-1].items[0].content[0]

    assert 2 == sum("the assistant's audio" in line for line in lines)
    assert not any("the user's audio" in line for line in lines)
    assert "input_audio" == retrieved.type


def test_kept_audio_is_in_the_conversation(client: RealtimeClient) -> None:
    """What both sides said is there to be heard, until it is cut off."""
    with client.connect(keep_audio=True) as connection:
        connection.append_input_audio(SAID)
        item_id = connection.commit_input_audio().item_id
        result = connection.create_response().result(timeout=WAIT)
        spoken = result.items[0].id
        connection.retrieve_item(item_id)  # the one before it was answered as well
        heard = connection.conversation.get(item_id).item.content[0].audio
        said = connection.conversation.get(spoken).item.content[0].audio
        connection.truncate_item(spoken, audio_end_ms=100)
        cut = connection.conversation.get(spoken).item.content[0].audio

    assert SAID == heard
    assert result.audio == said
    assert result.audio[:4800] == cut


def test_a_client_may_keep_audio(emulator: RealtimeEmulator) -> None:
    """The setting of a client holds for its connections, unless one differs."""
    client = RealtimeClient(emulator.endpoint, "key", model="m", keep_audio=True)
    kept = []
    for options in ({}, {"keep_audio": False}):
        with client.connect(**options) as connection:
            connection.ask("Hello.", timeout=WAIT)
            item = connection.conversation.items[1].item
            kept.append(bool(item.content[0].audio))

    assert [True, False] == kept


def test_a_refused_item_raises(client: RealtimeClient) -> None:
    """What the server has already it refuses, and the session goes on."""
    taken = json.loads(converse(client))
    with client.connect() as connection:
        connection.restore(taken)
        with pytest.raises(ServerError, match="already"):
            connection.restore(taken)

        assert "There are" in connection.ask("Hello.", timeout=WAIT).transcript


def test_forgotten_connection_that_keeps_audio(transport: FakeTransport) -> None:
    """Keeping audio keeps no connection: one that is forgotten is noticed."""
    connection = scripted.connect(transport, keep_audio=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del connection
        gc.collect()

    assert ["ResourceWarning"] == [each.category.__name__ for each in caught]
