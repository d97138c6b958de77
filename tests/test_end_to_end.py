"""The client and the emulator, over ws and wss, doing the main job."""

from __future__ import annotations

import queue
import ssl
from collections.abc import Iterator

import pytest

from realtime_sync import (
    FunctionCall,
    RealtimeClient,
    RealtimeConnection,
    ResponseDone,
    ServerError,
)
from realtime_sync.emulator import RealtimeEmulator
from realtime_sync.emulator.speech import default_speech


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


@pytest.fixture(name="connection", params=["ws", "wss"])
def _connection(request: pytest.FixtureRequest) -> Iterator[RealtimeConnection]:
    tls = request.param == "wss"
    with RealtimeEmulator(tls=tls, speech="tone") as emulator:
        context = None
        if tls:
            context = ssl.create_default_context(cafile=emulator.ca_file)
        client = RealtimeClient(
            emulator.endpoint, "key", model="gpt-realtime", ssl_context=context
        )
        with client.connect() as connection:
            yield connection


def test_callback_answers_a_function_call_on_the_reader_thread(
    connection: RealtimeConnection,
) -> None:
    """A callback creates the item, asks for the response and waits for its result."""
    connection.update_session({"tools": [WEATHER], "output_modalities": ["text"]})
    answers: queue.Queue[str] = queue.Queue()

    @connection.on(ResponseDone)
    def answer(event: ResponseDone) -> None:
        for item in event.response.output or ():
            if isinstance(item, FunctionCall):
                connection.create_item(
                    {
                        "type": "function_call_output",
                        "call_id": item.call_id or "",
                        "output": '{"weather": "sunny"}',
                    }
                )
                result = connection.create_response().result(timeout=60)
                answers.put(result.text)

    connection.ask("What is the weather in Oslo?")

    assert "sunny" in answers.get(timeout=60)


def test_spoken_question_gets_a_spoken_answer(connection: RealtimeConnection) -> None:
    """Speech goes in, is heard, and speech comes out that says the answer."""
    speech = default_speech("tone")
    connection.update_session({"audio": {"input": {"turn_detection": None}}})
    connection.append_input_audio(speech.speak("What is the capital of Norway?"))
    committed = connection.commit_input_audio()
    result = connection.create_response().result(timeout=60)

    assert "Oslo" in result.transcript
    assert result.transcript == speech.transcribe(result.audio)
    assert committed.item_id in [item.id for item in connection.conversation.items]


def test_session_goes_on_after_a_refused_command(
    connection: RealtimeConnection,
) -> None:
    """A commit of nothing raises the server's error, and the next question works."""
    with pytest.raises(ServerError) as caught:
        connection.commit_input_audio()

    assert "input_audio_buffer_commit_empty" == caught.value.code
    assert connection.ask("What is the capital of Norway?").transcript
