"""Every event that the emulator can emit, held against the published schemas."""

from __future__ import annotations

import pytest
import schemas
from emulated import SILENCE, TONES, Client, Json

from realtime_sync.emulator import EmulatorSettings, Reply, Turn, call_mcp
from realtime_sync.emulator._mcp import make_servers


pytestmark = pytest.mark.skipif(
    not schemas.PATH.exists(), reason=f"the schemas are not at {schemas.PATH}"
)

# What no session emits by itself, and who does.
_ELSEWHERE = {
    "input_audio_buffer.dtmf_event_received",  # RealtimeEmulator.press_key
}
# What the schemas of a dialect have and its service does not send.
_NEVER = {
    "ga": {
        "conversation.item.created",  # the preview's
        "transcription_session.updated",  # the preview's
    },
    "preview": {
        # Models that came with the GA, and so did MCP.
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
    },
}
_TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
_MCP = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://docs.test",
    "require_approval": "never",
}


def search(query: str) -> str:
    """Search the documentation."""
    return f"Three pages on {query}."


def answer(turn: Turn) -> Reply:
    """Call the tool that is asked for by name, or talk."""
    if turn.heard == "mcp":
        calls = [call_mcp("docs", "search", query="x"), call_mcp("docs", "none")]
        return Reply(mcp_calls=calls)
    return Reply(f"You said: {turn.heard}")


def conversation(dialect: str) -> Client:
    """Return a client that has been through all that a conversation has."""
    settings = EmulatorSettings.instant(output_audio_buffer=dialect == "ga")
    client = Client(dialect=dialect, settings=settings)
    transcription = {"model": "gpt-4o-transcribe-diarize"}
    if dialect == "ga":
        client.update(audio={"input": {"transcription": transcription}}, tools=[_TOOL])
    else:
        session: Json = {"input_audio_transcription": transcription, "tools": [_TOOL]}
        client.send("session.update", session=session)
    client.hear(TONES.speak("Hello.") + SILENCE)
    client.pass_time(5)
    item_id = _answered(client)
    client.send(
        "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=50
    )
    if dialect == "ga":
        client.send("output_audio_buffer.clear")
    client.send("conversation.item.retrieve", item_id=item_id)
    client.send("conversation.item.delete", item_id=item_id)
    client.send("conversation.item.delete", item_id=item_id)
    client.write("How is the weather in Rome?")
    client.send("response.create")
    client.send("input_audio_buffer.clear")
    key = "output_modalities" if dialect == "ga" else "modalities"
    client.write("Hello.")
    client.send("response.create", response={key: ["text"]})
    return client


def _answered(client: Client) -> str:
    done = [event for event in client.events if event["type"] == "response.done"]
    item_id: str = done[-1]["response"]["output"][0]["id"]
    return item_id


def failing(dialect: str) -> Client:
    """Return a client whose speech could not be transcribed."""

    class Deaf(type(TONES)):  # type: ignore[misc]
        def transcribe(self, pcm: bytes) -> str:
            raise RuntimeError("deaf")

    client = Client(dialect=dialect, transcription=True, speech=Deaf)
    if dialect == "preview":
        session: Json = {"input_audio_transcription": {"model": "whisper-1"}}
        client.send("transcription_session.update", session=session)
    client.hear(TONES.speak("Hello.") + SILENCE)
    return client


def idle() -> Client:
    """Return a client that was silent for long, and has met MCP servers."""
    servers = make_servers({"docs": [search]})
    client = Client(replies=answer, mcp_servers=servers)
    vad = {"type": "server_vad", "idle_timeout_ms": 5000}
    other = {**_MCP, "server_label": "other"}
    client.update(audio={"input": {"turn_detection": vad}}, tools=[_MCP, other])
    client.write("mcp")
    client.send("response.create")
    client.write("Hello.")
    client.send("response.create")
    client.pass_time(5)
    client.hear(SILENCE * 6)
    return client


@pytest.mark.parametrize("dialect", ["ga", "preview"])
def test_every_event_fits_its_schema(dialect: str) -> None:
    """Each event that a dialect has is emitted, and is as its schema says."""
    clients = [conversation(dialect), failing(dialect)]
    if dialect == "ga":
        clients.append(idle())
    events = [event for client in clients for event in client.events]
    differences = {
        line for event in events for line in schemas.differences(event, dialect)
    }
    emitted = {schemas.in_newer_names(event)["type"] for event in events}
    expected = schemas.event_types(dialect) - _ELSEWHERE - _NEVER[dialect]

    assert set() == differences
    assert set() == expected - emitted
    assert set() == emitted & _NEVER[dialect]


def test_the_check_sees() -> None:
    """What is missing, of a wrong type or not known at all is told."""
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    event: Json = {"type": "response.output_text.delta", "event_id": 7, "more": 1}

    assert [
        "$.event_id: 7 is not of type 'string'",
        "$: 'delta' is a required property",
        "$: Additional properties are not allowed ('more' was unexpected)",
    ] == sorted(
        line.partition(": ")[2] for line in schemas.differences({**event, **place})
    )
