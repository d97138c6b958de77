"""What a conversation can do, command by command, against the emulated service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeClient, RealtimeConnection, ServerError
from realtime_sync.emulator import (
    EmulatorSettings,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
    call,
)
from realtime_sync.protocol import (
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
)


WAIT = 60.0  # seconds that a correct run never needs
TONES = ToneSpeech()
SILENCE = bytes(48_000)  # one second
QUESTION = "What is the capital of Norway?"
ANSWER = "The capital of Norway is Oslo."
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}
WRITTEN = {"output_modalities": ["text"], **NO_TURNS}
HEARD = {
    "audio": {
        "input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}
    }
}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def answer(turn: Turn) -> Reply:
    """A model that knows one capital, and asks a tool about the weather."""
    if turn.last_output is not None:
        return Reply(f"It is {turn.last_output}.")
    if "weather" in turn.heard and turn.tools:
        return Reply(function_calls=[call("get_weather", city="Oslo")])
    return Reply(ANSWER if "Norway" in turn.heard else f"You said: {turn.heard}")


def user_says(text: str) -> dict[str, Any]:
    """A message of the user in wire form."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


@pytest.fixture(name="emulator", params=[False, True], ids=["ws", "wss"])
def _emulator(request: pytest.FixtureRequest) -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(
        replies=answer, speech=TONES, settings=settings, tls=request.param
    ) as emulator:
        yield emulator


@pytest.fixture(name="client")
def _client(emulator: RealtimeEmulator) -> RealtimeClient:
    return RealtimeClient(
        emulator.endpoint,
        "key",
        model="gpt-realtime",
        ssl_context=emulator.ssl_context(),
    )


@pytest.fixture(name="connection")
def _connection(client: RealtimeClient) -> Iterator[RealtimeConnection]:
    with client.connect() as connection:
        yield connection


def test_configure(connection: RealtimeConnection) -> None:
    """The session is what it was set to, and what was not named stays as it was."""
    before = connection.session
    session = connection.update_session(
        {"instructions": "Be brief.", **NO_TURNS, "tools": [WEATHER]}
    )

    assert "Be brief." == session.instructions
    assert session.audio.input.turn_detection is None
    assert ["get_weather"] == [tool.name for tool in session.tools]
    assert before.id == session.id
    assert before.audio.output.voice == session.audio.output.voice
    assert connection.session is session


def test_commit_audio_with_transcription(connection: RealtimeConnection) -> None:
    """Audio that is committed becomes an item, whose transcript follows."""
    connection.update_session(HEARD)
    heard = connection.events(
        ConversationItemInputAudioTranscriptionCompleted, timeout=WAIT
    )
    connection.append_input_audio(TONES.speak(QUESTION))
    committed = connection.commit_input_audio()
    event = next(heard)

    assert committed.item_id == event.item_id
    assert QUESTION == event.transcript
    assert QUESTION == connection.conversation.transcript(event.item_id, WAIT)


def test_clear_audio(connection: RealtimeConnection) -> None:
    """Audio that was cleared cannot be committed; the session goes on."""
    connection.update_session(NO_TURNS)
    connection.append_input_audio(TONES.speak(QUESTION))
    connection.clear_input_audio()
    with pytest.raises(ServerError, match="buffer") as caught:
        connection.commit_input_audio()

    assert "input_audio_buffer_commit_empty" == caught.value.code
    assert not connection.closed


def test_send_item(connection: RealtimeConnection) -> None:
    """An item that was sent is in the conversation, with an id."""
    item = connection.create_item(user_says("Hello."))

    assert item.id
    assert "Hello." == item.content[0].text
    assert [item.id] == [each.id for each in connection.conversation]
    assert "Hello." == connection.retrieve_item(item.id).content[0].text


def test_remove_item(connection: RealtimeConnection) -> None:
    """The id of an item that was removed can be used no more."""
    item = connection.create_item(user_says("Hello."))
    connection.delete_item(item.id)
    with pytest.raises(ServerError, match=item.id):
        connection.create_item(user_says("More."), previous_item_id=item.id)
    with pytest.raises(ServerError, match=item.id):
        connection.delete_item(item.id)

    assert 0 == len(connection.conversation)


def test_generate_response(connection: RealtimeConnection) -> None:
    """A response has an id, and its items have theirs."""
    connection.update_session(WRITTEN)
    connection.create_item(user_says(QUESTION))
    stream = connection.create_response()
    result = stream.result(timeout=WAIT)

    assert stream.id
    assert stream.id == result.id
    assert "completed" == result.status
    assert [result.items[0].id] == [each.id for each in connection.conversation][1:]
    assert result.usage.total_tokens > 0
    assert 1 == connection.usage.responses


def test_cancel_response() -> None:
    """A response that is cancelled ends so, and the next one is complete."""
    slow = EmulatorSettings.instant(speed=0.5)
    with (
        RealtimeEmulator(replies=answer, speech=TONES, settings=slow) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect() as connection,
    ):
        connection.create_item(user_says(QUESTION))
        stream = connection.create_response()
        next(stream.audio(timeout=WAIT))
        stream.cancel()
        result = stream.result(timeout=WAIT)
        written = connection.create_response({"output_modalities": ["text"]})

        assert "cancelled" == result.status
        assert "client_cancelled" == result.reason
        assert "completed" == written.result(timeout=WAIT).status


def test_text_in_text_out(connection: RealtimeConnection) -> None:
    """The pieces of a written answer join to the whole."""
    connection.update_session(WRITTEN)
    connection.create_item(user_says(QUESTION))
    stream = connection.create_response()
    pieces = list(stream.text(timeout=WAIT))
    result = stream.result(timeout=WAIT)

    assert len(pieces) > 1
    assert ANSWER == "".join(pieces)
    assert ANSWER == result.text
    assert ANSWER == result.items[0].content[0].text
    assert b"" == result.audio


def test_text_in_audio_out(connection: RealtimeConnection) -> None:
    """A spoken answer has audio, and a transcript that says the same."""
    connection.create_item(user_says(QUESTION))
    stream = connection.create_response()
    audio = b"".join(stream.audio(timeout=WAIT))
    transcript = "".join(stream.transcript(timeout=WAIT))
    result = stream.result(timeout=WAIT)

    assert ANSWER == transcript
    assert transcript == result.transcript
    assert audio == result.audio
    assert transcript == TONES.transcribe(audio)
    assert transcript == result.items[0].content[0].transcript


def test_function_call_awaited(connection: RealtimeConnection) -> None:
    """A function call is part of the result; its output leads to the answer."""
    connection.update_session({**WRITTEN, "tools": [WEATHER]})
    result = connection.ask("How is the weather in Oslo?")
    called = result.function_calls[0]
    output = {
        "type": "function_call_output",
        "call_id": called.call_id,
        "output": "sunny",
    }
    connection.create_item(output)
    final = connection.create_response().result(timeout=WAIT)

    assert "get_weather" == called.name
    assert {"city": "Oslo"} == json.loads(called.arguments)
    assert "It is sunny." == final.text


def test_function_call_by_pieces(connection: RealtimeConnection) -> None:
    """The pieces of a call's arguments join to the whole."""
    connection.update_session({**WRITTEN, "tools": [WEATHER]})
    connection.create_item(user_says("How is the weather in Oslo?"))
    events = list(connection.create_response().events(timeout=WAIT))
    pieces = [e for e in events if isinstance(e, ResponseFunctionCallArgumentsDelta)]
    whole = [e for e in events if isinstance(e, ResponseFunctionCallArgumentsDone)]

    assert '{"city": "Oslo"}' == "".join(event.delta for event in pieces)
    assert ['{"city": "Oslo"}'] == [event.arguments for event in whole]


def test_audio_in_text_out(connection: RealtimeConnection) -> None:
    """A spoken question is answered in writing."""
    connection.update_session(WRITTEN)
    connection.append_input_audio(TONES.speak(QUESTION))
    connection.commit_input_audio()
    stream = connection.create_response()

    assert ANSWER == "".join(stream.text(timeout=WAIT))


def test_audio_in_text_out_with_turn_detection(connection: RealtimeConnection) -> None:
    """The server finds the end of a spoken question, and answers by itself."""
    detection = {"type": "server_vad", "silence_duration_ms": 300}
    connection.update_session(
        {
            "output_modalities": ["text"],
            "audio": {"input": {"turn_detection": detection}},
        }
    )
    turns = connection.events(
        InputAudioBufferSpeechStarted, InputAudioBufferSpeechStopped, timeout=WAIT
    )
    with connection.responses() as responses:
        connection.append_input_audio(TONES.speak(QUESTION))
        connection.append_input_audio(SILENCE)
        result = responses.take(timeout=WAIT).result(timeout=WAIT)

    assert ANSWER == result.text
    assert isinstance(next(turns), InputAudioBufferSpeechStarted)
    assert isinstance(next(turns), InputAudioBufferSpeechStopped)


def test_audio_in_audio_out(connection: RealtimeConnection) -> None:
    """A spoken question has a spoken answer."""
    connection.update_session(NO_TURNS)
    connection.append_input_audio(TONES.speak(QUESTION))
    connection.commit_input_audio()
    result = connection.create_response().result(timeout=WAIT)

    assert ANSWER == TONES.transcribe(result.audio)


def test_retrieve_audio(connection: RealtimeConnection) -> None:
    """An item is retrieved with the audio that was sent for it."""
    connection.update_session(NO_TURNS)
    spoken = TONES.speak(QUESTION)
    connection.append_input_audio(spoken)
    item = connection.retrieve_item(connection.commit_input_audio().item_id)

    assert QUESTION == TONES.transcribe(item.content[0].audio)


def test_truncate_item(connection: RealtimeConnection) -> None:
    """A spoken answer is cut to what was heard of it, and no longer than it is."""
    result = connection.ask(QUESTION)
    item_id = result.items[0].id
    connection.truncate_item(item_id, audio_end_ms=100)
    with pytest.raises(ServerError):
        connection.truncate_item(item_id, audio_end_ms=1_000_000)

    assert connection.conversation.get(item_id).audio_end_ms == 100
