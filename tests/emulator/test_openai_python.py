"""Another client of the protocol, which was not written here, against the emulator."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from emulated import SILENCE, TONES
from openai_models import check_event
from sockets import quick


openai = pytest.importorskip("openai", reason="the openai package is not installed")

from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402

from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator  # noqa: E402


# The package opens its WebSocket in a way that websockets has come to warn about.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"
)

NOWHERE = "http://127.0.0.1:1"  # what is not the WebSocket is not there
# A deployment has the name that its owner likes; the preview's models list some.
DEPLOYMENT = "gpt-4o-realtime-preview"
VERSION = "2025-04-01-preview"
GREETING = "Hello! How can I help you?"
QUESTION, ANSWER = "What is the capital of Italy?", "The capital of Italy is Rome."
OLD_NAMES = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_text.delta": "response.text.delta",
}
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


def of_openai(endpoint: str, path: str) -> Any:
    return openai.OpenAI(
        api_key="any",
        base_url=f"{NOWHERE}/v1",
        websocket_base_url=endpoint + path,
    )


def of_azure(endpoint: str) -> Any:
    return openai.AzureOpenAI(
        api_key="any",
        api_version=VERSION,
        azure_endpoint=NOWHERE,
        websocket_base_url=f"{endpoint}/openai",
    )


# What users of the package may write: which client, which of its resources, and where.
CLIENTS: dict[str, Callable[[str], Any]] = {
    "OpenAI": lambda endpoint: of_openai(endpoint, "/v1"),
    "OpenAI-for-Azure": lambda endpoint: of_openai(endpoint, "/openai/v1"),
    "AzureOpenAI": of_azure,
    "AzureOpenAI-beta": of_azure,
    "OpenAI-beta-for-Azure": lambda endpoint: of_openai(endpoint, "/openai"),
}


class Call:
    """A connection of the package, and each of its events held against its models."""

    def __init__(self, connection: Any, dialect: str) -> None:
        self.connection = connection
        self.dialect = dialect

    def until(self, event_type: str) -> list[Any]:
        """Return the events up to one of a type."""
        events: list[Any] = []
        while not events or events[-1].type != event_type:
            data = self.connection.recv_bytes()
            check_event(json.loads(data), self.dialect)
            events.append(self.connection.parse_event(data))
        return events

    def update(self, **session: Any) -> None:
        """Update the session: *session* is what the GA has for it."""
        if self.dialect == "ga":
            session["type"] = "realtime"
        else:
            session = _in_old_form(session)
        self.connection.session.update(session=session)
        self.until("session.updated")

    def hear(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), 9600):
            audio = base64.b64encode(pcm[start : start + 9600]).decode()
            self.connection.input_audio_buffer.append(audio=audio)

    def write(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.connection.conversation.item.create(item=item)

    def deltas(self, events: list[Any], event_type: str) -> list[str]:
        """Return the deltas of a type among *events*; the type is that of the GA."""
        if self.dialect == "preview":
            event_type = OLD_NAMES[event_type]
        return [event.delta for event in events if event.type == event_type]

    def spoken(self, events: list[Any]) -> str:
        deltas = self.deltas(events, "response.output_audio.delta")
        return TONES.transcribe(b"".join(map(base64.b64decode, deltas)))


def _in_old_form(session: dict[str, Any]) -> dict[str, Any]:
    source = session.pop("audio", {}).get("input", {})
    if "output_modalities" in session:
        session["modalities"] = session.pop("output_modalities")
    if "turn_detection" in source:
        session["turn_detection"] = source["turn_detection"]
    if "transcription" in source:
        session["input_audio_transcription"] = source["transcription"]
    return session


def _dial(client_name: str, emulator: RealtimeEmulator) -> Iterator[Call]:
    with CLIENTS[client_name](emulator.endpoint) as client:
        is_ga = client_name in ("OpenAI", "OpenAI-for-Azure")
        resource = client.beta.realtime if "beta" in client_name else client.realtime
        query = {}
        if client_name == "OpenAI-beta-for-Azure":
            query = {"api-version": VERSION, "deployment": DEPLOYMENT}
        model = "gpt-realtime" if is_ga else DEPLOYMENT
        with resource.connect(model=model, extra_query=query) as connection:
            call = Call(connection, "ga" if is_ga else "preview")
            call.until("session.created")
            yield call


@pytest.fixture(name="client_name", params=CLIENTS)
def _client_name(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(name="call")
def _call(client_name: str) -> Iterator[Call]:
    """A call to an emulator that takes no time."""
    with quick() as emulator:
        yield from _dial(client_name, emulator)


@pytest.fixture(name="slow_call")
def _slow_call(client_name: str) -> Iterator[Call]:
    """A call to an emulator that speaks no faster than people do."""
    settings = EmulatorSettings(response_delay=0, speed=1, close_timeout=0.2)
    with quick(settings=settings) as emulator:
        yield from _dial(client_name, emulator)


def test_text(call: Call) -> None:
    """A question in writing, an answer in writing."""
    call.update(output_modalities=["text"])
    call.write("hello")
    call.connection.response.create()
    events = call.until("response.done")

    assert GREETING == events[-1].response.output[0].content[0].text
    assert GREETING == "".join(call.deltas(events, "response.output_text.delta"))


def test_audio(call: Call) -> None:
    """Turns of audio that the client ends."""
    call.update(audio={"input": {"turn_detection": None}})
    call.hear(TONES.speak(QUESTION))
    call.connection.input_audio_buffer.commit()
    call.connection.response.create()

    assert call.spoken(call.until("response.done")) == ANSWER


def test_vad(call: Call) -> None:
    """The service finds the turn, and what was said in it."""
    call.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    call.hear(TONES.speak(QUESTION) + SILENCE)
    events = call.until("response.done")
    transcribed = "conversation.item.input_audio_transcription.completed"
    # It runs beside the response, so either may be done first.
    if transcribed not in [event.type for event in events]:
        events += call.until(transcribed)
    found = {event.type: event for event in events}

    assert QUESTION == found[transcribed].transcript
    assert call.spoken(events) == ANSWER
    assert found["input_audio_buffer.speech_stopped"].audio_end_ms > 0


def test_barge_in(slow_call: Call) -> None:
    """Speech ends the answer."""
    slow_call.connection.response.create()
    slow_call.until(
        "response.output_audio.delta"
        if slow_call.dialect == "ga"
        else "response.audio.delta"
    )
    slow_call.hear(TONES.speak("Stop."))
    done = slow_call.until("response.done")[-1]

    assert "turn_detected" == done.response.status_details.reason


def test_tools(call: Call) -> None:
    """A function is called, and its output read out."""
    call.update(tools=[TOOL])
    call.write("How is the weather in Rome?")
    call.connection.response.create()
    asked = call.until("response.done")[-1].response.output[0]
    call.connection.conversation.item.create(
        item={
            "type": "function_call_output",
            "call_id": asked.call_id,
            "output": "It rains.",
        }
    )
    call.connection.response.create()

    assert ("get_weather", '{"city": "Rome"}') == (asked.name, asked.arguments)
    assert call.spoken(call.until("response.done")) == "It rains."


def test_cancel(slow_call: Call) -> None:
    """A response is cancelled while it is spoken."""
    slow_call.connection.response.create()
    slow_call.until("response.content_part.added")
    slow_call.connection.response.cancel()
    done = slow_call.until("response.done")[-1]

    assert "cancelled" == done.response.status
    assert "client_cancelled" == done.response.status_details.reason


def test_error(call: Call) -> None:
    """An error names its event, and the session goes on."""
    call.connection.response.cancel(event_id="mine")
    error = call.until("error")[-1].error
    call.connection.input_audio_buffer.clear()
    call.until("input_audio_buffer.cleared")

    assert ("response_cancel_not_active", "mine") == (error.code, error.event_id)


def test_items(call: Call) -> None:
    """Items are created, retrieved, truncated and deleted."""
    call.write("hello")
    call.connection.response.create()
    item_id = call.until("response.done")[-1].response.output[0].id
    items = call.connection.conversation.item
    items.truncate(item_id=item_id, content_index=0, audio_end_ms=100)
    call.until("conversation.item.truncated")
    items.retrieve(item_id=item_id)
    item = call.until("conversation.item.retrieved")[-1].item
    items.delete(item_id=item_id)
    deleted = call.until("conversation.item.deleted")[-1]

    assert item_id == item.id == deleted.item_id
    assert 4800 == len(base64.b64decode(item.content[0].audio))


def test_beta_is_switched_off() -> None:
    """OpenAI itself takes its beta client no more: an error, and close code 4000."""
    with (
        quick() as emulator,
        of_openai(emulator.endpoint, "/v1") as client,
        client.beta.realtime.connect(model=DEPLOYMENT) as connection,
    ):
        error = connection.recv().error
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv()

    assert "beta_api_shape_disabled" == error.code
    assert caught.value.rcvd is not None
    assert 4000 == caught.value.rcvd.code


@pytest.mark.parametrize(
    ("client_name", "status"), [("OpenAI", 401), ("AzureOpenAI-beta", 401)]
)
def test_wrong_key(client_name: str, status: int) -> None:
    """A wrong key is told by the package's own exception."""
    with quick(api_keys=["good"]) as emulator, pytest.raises(InvalidStatus) as caught:
        next(_dial(client_name, emulator))

    assert status == caught.value.response.status_code
