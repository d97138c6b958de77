"""Another client of the protocol, which was not written here, against the emulator."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from emulated import SILENCE, TONES
from openai_models import check_event
from sockets import quick


openai = pytest.importorskip("openai", reason="the openai package is not installed")

from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator  # noqa: E402


# The package opens its WebSocket in a way that websockets has come to warn about.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"
)

# A deployment has the name that its owner likes; the preview's models list some.
DEPLOYMENT = "gpt-4o-realtime-preview"

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Returns the weather at a place.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    with quick() as emulator:
        yield emulator


def until(connection: Any, event_type: str, dialect: str = "ga") -> list[Any]:
    """Return the events up to one of a type; each has to fit the client's models."""
    events: list[Any] = []
    while not events or events[-1].type != event_type:
        event = connection.recv()
        check_event(event.to_dict(mode="json"), dialect)
        events.append(event)
    return events


def append(connection: Any, pcm: bytes) -> None:
    for start in range(0, len(pcm), 9600):
        audio = base64.b64encode(pcm[start : start + 9600]).decode()
        connection.input_audio_buffer.append(audio=audio)


def write(connection: Any, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    connection.conversation.item.create(item=item)


def spoken(events: list[Any]) -> str:
    deltas = [e.delta for e in events if e.type == "response.output_audio.delta"]
    return TONES.transcribe(b"".join(map(base64.b64decode, deltas)))


class TestOpenAI:
    @pytest.fixture(name="connection")
    def _connection(self, emulator: RealtimeEmulator) -> Iterator[Any]:
        with (
            openai.OpenAI(
                api_key="any",
                base_url="http://127.0.0.1:1/v1",
                websocket_base_url=f"{emulator.endpoint}/v1",
            ) as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            yield connection

    def test_text(self, connection: Any) -> None:
        """A question in writing, an answer in writing."""
        connection.session.update(
            session={"type": "realtime", "output_modalities": ["text"]}
        )
        write(connection, "hello")
        connection.response.create()
        done = until(connection, "response.done")[-1]

        assert "Hello! How can I help you?" == done.response.output[0].content[0].text

    def test_audio(self, connection: Any) -> None:
        """Manual turns of audio."""
        audio = {"input": {"turn_detection": None}}
        connection.session.update(session={"type": "realtime", "audio": audio})
        append(connection, TONES.speak("What is the capital of Italy?"))
        connection.input_audio_buffer.commit()
        connection.response.create()

        assert "The capital of Italy is Rome." == spoken(
            until(connection, "response.done")
        )

    def test_vad(self, connection: Any) -> None:
        """The service finds the turn."""
        audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
        connection.session.update(session={"type": "realtime", "audio": audio})
        append(connection, TONES.speak("What is the capital of Italy?") + SILENCE)
        events = until(connection, "response.done")
        names = [event.type for event in events]
        transcribed = "conversation.item.input_audio_transcription.completed"
        # It runs beside the response, so either may be done first.
        if transcribed not in names:
            until(connection, transcribed)

        assert "The capital of Italy is Rome." == spoken(events)
        assert "input_audio_buffer.speech_stopped" in names

    def test_tools(self, connection: Any) -> None:
        """A function is called, and its output read out."""
        connection.session.update(session={"type": "realtime", "tools": [TOOL]})
        write(connection, "How is the weather in Rome?")
        connection.response.create()
        call = until(connection, "response.done")[-1].response.output[0]
        connection.conversation.item.create(
            item={
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": "It rains.",
            }
        )
        connection.response.create()

        assert "get_weather" == call.name
        assert "It rains." == spoken(until(connection, "response.done"))

    def test_error(self, connection: Any) -> None:
        """An error names its event, and the session goes on."""
        connection.response.cancel(event_id="mine")
        error = until(connection, "error")[-1].error
        connection.input_audio_buffer.clear()
        until(connection, "input_audio_buffer.cleared")

        assert ("response_cancel_not_active", "mine") == (error.code, error.event_id)

    def test_items(self, connection: Any) -> None:
        """Items are created, retrieved, truncated and deleted."""
        write(connection, "hello")
        connection.response.create()
        events = until(connection, "response.done")
        item_id = events[-1].response.output[0].id
        connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=100
        )
        until(connection, "conversation.item.truncated")
        connection.conversation.item.retrieve(item_id=item_id)
        part = until(connection, "conversation.item.retrieved")[-1].item.content[0]
        connection.conversation.item.delete(item_id=item_id)
        until(connection, "conversation.item.deleted")

        assert 4800 == len(base64.b64decode(part.audio))


def test_cancel() -> None:
    """A response is cancelled while it is spoken."""
    settings = EmulatorSettings(response_delay=0, speed=1, close_timeout=0.2)
    with (
        quick(settings=settings) as emulator,
        openai.OpenAI(
            api_key="any",
            base_url="http://127.0.0.1:1/v1",
            websocket_base_url=f"{emulator.endpoint}/v1",
        ) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.response.create()
        until(connection, "response.output_audio.delta")
        connection.response.cancel()
        done = until(connection, "response.done")[-1]

    assert "client_cancelled" == done.response.status_details.reason


class TestAzure:
    @pytest.fixture(name="client")
    def _client(self, emulator: RealtimeEmulator) -> Iterator[Any]:
        with openai.AzureOpenAI(
            api_key="any",
            api_version="2025-04-01-preview",
            azure_endpoint="http://127.0.0.1:1",
            websocket_base_url=f"{emulator.endpoint}/openai",
        ) as client:
            yield client

    def test_text(self, client: Any) -> None:
        """The preview's dialect, in writing."""
        with client.beta.realtime.connect(model=DEPLOYMENT) as connection:
            connection.session.update(session={"modalities": ["text"]})
            write(connection, "hello")
            connection.response.create()
            events = until(connection, "response.done", "preview")
            deltas = [e.delta for e in events if e.type == "response.text.delta"]

        assert "Hello! How can I help you?" == "".join(deltas)

    def test_audio(self, client: Any) -> None:
        """The preview's dialect, spoken."""
        with client.beta.realtime.connect(model=DEPLOYMENT) as connection:
            connection.session.update(
                session={"input_audio_transcription": {"model": "whisper-1"}}
            )
            append(connection, TONES.speak("What is the capital of Italy?") + SILENCE)
            events = until(connection, "response.done", "preview")
            deltas = [e.delta for e in events if e.type == "response.audio.delta"]
            pcm = b"".join(map(base64.b64decode, deltas))

        assert "The capital of Italy is Rome." == TONES.transcribe(pcm)

    def test_tools_and_errors(self, client: Any) -> None:
        """The preview's dialect with a function, and a mistake."""
        with client.beta.realtime.connect(model=DEPLOYMENT) as connection:
            connection.session.update(session={"tools": [TOOL]})
            write(connection, "How is the weather in Rome?")
            connection.response.create()
            done = until(connection, "response.done", "preview")[-1]
            connection.response.cancel()
            error = until(connection, "error", "preview")[-1].error

        assert "get_weather" == done.response.output[0].name
        assert "response_cancel_not_active" == error.code

    def test_realtime_resource(self, client: Any) -> None:
        """The package's newer resource speaks the preview's URL too."""
        with client.realtime.connect(model=DEPLOYMENT) as connection:
            assert "session.created" == connection.recv().type


def test_wrong_key() -> None:
    """A wrong key is told by the package's own exception."""
    from websockets.exceptions import InvalidStatus

    with quick(api_keys=["good"]) as emulator:
        client = openai.OpenAI(
            api_key="bad",
            base_url="http://127.0.0.1:1/v1",
            websocket_base_url=f"{emulator.endpoint}/v1",
        )
        with client, pytest.raises(InvalidStatus) as caught:
            client.realtime.connect(model="gpt-realtime").enter()

    assert 401 == caught.value.response.status_code
