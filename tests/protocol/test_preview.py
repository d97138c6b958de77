"""The preview dialect, there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtime_sync.protocol import (
    CLIENT_EVENTS,
    SERVER_EVENTS,
    AudioPcm,
    AudioPcma,
    AudioPcmu,
    AudioTranscription,
    ClientEvent,
    ConversationItemAdded,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemDone,
    ConversationItemTruncate,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    InputAudio,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    InputText,
    Message,
    Model,
    NoiseReduction,
    OutputAudio,
    OutputText,
    RealtimeSession,
    Reasoning,
    Response,
    ResponseAudio,
    ResponseAudioOutput,
    ResponseCancel,
    ResponseCreate,
    ResponseCreateParams,
    ResponseDone,
    ResponseOutputAudioDelta,
    ServerEvent,
    ServerVad,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    ToolChoiceFunction,
    TranscriptionSession,
    UnknownClientEvent,
    UnknownEvent,
    UnknownObject,
)
from realtime_sync.protocol.codec import (
    decode_client_event,
    decode_server_event,
    encode,
    structure,
)
from realtime_sync.protocol.preview import PREVIEW_ALIASES, to_ga, to_preview


WIRE = Path(__file__).parents[1] / "wire" / "preview"
SCHEMA = (
    Path(__file__).parents[3]
    / "shared"
    / "protocol"
    / "azure-realtime-preview-openapi3.yml"
)


def samples() -> list[Any]:
    paths = sorted(WIRE.rglob("*.json"))
    return [
        pytest.param(path, id="/".join(path.relative_to(WIRE).parts)) for path in paths
    ]


def on_the_wire(event: Model) -> Any:
    return json.loads(encode(event, "preview"))


def from_server(payload: dict[str, Any]) -> ServerEvent:
    return decode_server_event(json.dumps(payload), "preview")


def from_client(payload: dict[str, Any]) -> ClientEvent:
    return decode_client_event(json.dumps(payload), "preview")


@pytest.mark.parametrize("path", samples())
def test_samples_give_back_the_same_json(path: Path) -> None:
    """Each sample decodes to a class of the GA protocol, and encodes to equal JSON."""
    decode = decode_client_event if "client" in path.parts else decode_server_event
    classes = CLIENT_EVENTS if "client" in path.parts else SERVER_EVENTS

    event = decode(path.read_bytes(), "preview")

    assert classes[PREVIEW_ALIASES.get(path.stem, path.stem)] is type(event)
    assert json.loads(path.read_text("utf-8")) == on_the_wire(event)


@pytest.mark.parametrize("path", samples())
def test_decoded_samples_can_be_sent_in_the_ga_protocol(path: Path) -> None:
    """What came in the preview dialect survives encoding in the other one."""
    decode = decode_client_event if "client" in path.parts else decode_server_event
    event = decode(path.read_bytes(), "preview")

    assert event == decode(encode(event))


@pytest.mark.parametrize("path", samples())
def test_translations_leave_their_argument_alone(path: Path) -> None:
    """Both directions make new objects, and what is in preview form stays so."""
    payload = json.loads(path.read_text("utf-8"))

    ga = to_ga(payload)
    before = json.dumps(ga)
    to_preview(ga)

    assert json.loads(path.read_text("utf-8")) == payload
    assert before == json.dumps(ga)


def test_every_alias_leads_to_an_event() -> None:
    """The aliases are names that the GA protocol has, and never name themselves."""
    assert set(PREVIEW_ALIASES.values()) <= {*CLIENT_EVENTS, *SERVER_EVENTS}
    assert not {name for name, ga in PREVIEW_ALIASES.items() if name == ga}


FLAT = {
    "id": "sess_1",
    "object": "realtime.session",
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "alloy",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_alaw",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.5},
    "tools": [{"type": "function", "name": "f"}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
    "speed": 1.5,
    "new": 1,
}

NESTED = RealtimeSession(
    id="sess_1",
    object="realtime.session",
    output_modalities=["audio"],
    instructions="Be brief.",
    audio=SessionAudio(
        input=SessionAudioInput(
            format=AudioPcmu(),
            transcription=AudioTranscription(model="whisper-1"),
            noise_reduction=NoiseReduction(type="near_field"),
            turn_detection=ServerVad(threshold=0.5),
        ),
        output=SessionAudioOutput(format=AudioPcma(), voice="alloy", speed=1.5),
    ),
    tools=[FunctionTool(name="f")],
    tool_choice=ToolChoiceFunction(name="f"),
    temperature=0.8,
    max_output_tokens="inf",
    extra={"new": 1},
)


@pytest.mark.parametrize(
    ("wire_type", "cls"),
    [("session.created", SessionCreated), ("session.updated", SessionUpdated)],
)
def test_flat_sessions_have_their_ga_places(wire_type: str, cls: Any) -> None:
    """Each field of a preview session is found where the GA protocol has it."""
    payload = {"type": wire_type, "event_id": "e", "session": FLAT}

    event = from_server(payload)

    assert cls(event_id="e", session=NESTED) == event
    assert payload == on_the_wire(cls(event_id="e", session=NESTED))


def test_nulls_have_places_too() -> None:
    """What is turned off in one dialect is turned off in the other."""
    flat = dict.fromkeys(
        ["turn_detection", "input_audio_transcription", "input_audio_format"]
    )
    session = RealtimeSession(
        audio=SessionAudio(
            input=SessionAudioInput(
                format=None, transcription=None, turn_detection=None
            )
        )
    )

    event = from_client({"type": "session.update", "session": flat})

    assert SessionUpdate(session=session) == event
    assert {"type": "session.update", "session": flat} == on_the_wire(
        SessionUpdate(session=session)
    )


@pytest.mark.parametrize(
    ("wire_type", "ga_type"),
    [
        ("transcription_session.created", "session.created"),
        ("transcription_session.updated", "session.updated"),
        ("transcription_session.update", "session.update"),
    ],
)
def test_transcription_sessions_are_sessions(wire_type: str, ga_type: str) -> None:
    """Transcription has no events of its own; the type of the session tells it."""
    base = ClientEvent if ga_type == "session.update" else ServerEvent
    decode = from_client if base is ClientEvent else from_server
    payload = {
        "type": wire_type,
        "session": {
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "whisper-1", "language": "no"},
            "turn_detection": {"type": "server_vad"},
            "include": ["item.input_audio_transcription.logprobs"],
        },
    }
    session = TranscriptionSession(
        audio=SessionAudio(
            input=SessionAudioInput(
                format=AudioPcm(rate=24000),
                transcription=AudioTranscription(model="whisper-1", language="no"),
                turn_detection=ServerVad(),
            )
        ),
        include=["item.input_audio_transcription.logprobs"],
    )
    expected: Any = structure({"type": ga_type, "session": session}, base)

    event = decode(payload)

    assert expected == event
    assert payload == on_the_wire(expected)


def test_answers_have_their_ga_form() -> None:
    """The parts of an item, the voice and the modalities of a response are GA."""
    item = Message(
        role="assistant",
        content=[OutputText(text="Hi"), OutputAudio(transcript="Hi")],
        object="realtime.item",
    )
    audio = ResponseAudioOutput(voice="alloy", format=AudioPcm(rate=24000))
    response = Response(
        output=[item],
        output_modalities=["audio"],
        audio=ResponseAudio(output=audio),
        max_output_tokens=100,
        temperature=0.8,
    )
    payload = {
        "type": "response.done",
        "response": {
            "output": [
                {
                    "type": "message",
                    "object": "realtime.item",
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "Hi"},
                        {"type": "audio", "transcript": "Hi"},
                    ],
                }
            ],
            "modalities": ["text", "audio"],
            "voice": "alloy",
            "output_audio_format": "pcm16",
            "max_output_tokens": 100,
            "temperature": 0.8,
        },
    }

    event = from_server(payload)

    assert ResponseDone(response=response) == event
    assert payload == on_the_wire(ResponseDone(response=response))


def test_a_new_item_is_sent_without_object() -> None:
    """What names the kind of an item in the GA protocol is left out of commands."""
    item = Message(
        role="assistant", content=[OutputText(text="Hi")], object="realtime.item"
    )
    wire = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
    }
    params = ResponseCreateParams(input=[item], output_modalities=["text"])

    assert wire == on_the_wire(ConversationItemCreate(item=item))["item"]
    assert {"input": [wire], "modalities": ["text"]} == on_the_wire(
        ResponseCreate(response=params)
    )["response"]
    assert {**wire, "object": "realtime.item"} == on_the_wire(
        ConversationItemAdded(item=item)
    )["item"]


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "response.output_audio.delta", "delta": "AAAA"},
        {"type": "response.audio.delta", "delta": "AAAA"},
        {"type": "response.audio.delta", "delta": "AAAA", "new": {"a": 1}},
        {"type": "response.audio.delta", "delta": "AAA"},
    ],
)
def test_audio_arrives_by_any_name(payload: dict[str, Any]) -> None:
    """Services that send GA names in the preview are understood, and mirrored."""
    ids = {"event_id": "e", "response_id": "r", "item_id": "i"}
    payload = {**payload, **ids, "output_index": 0, "content_index": 0}

    event = from_server(payload)

    assert isinstance(event, ResponseOutputAudioDelta)
    assert event.type == "response.output_audio.delta"
    assert payload == on_the_wire(event)


@pytest.mark.parametrize(
    "session",
    [
        {"modalities": ["audio", "text"]},
        {"modalities": ["audio"]},
        {"modalities": "all", "voice": "alloy"},
        {"type": "realtime", "output_modalities": ["audio"]},
        {"type": "transcription", "audio": {"input": {"format": "pcm16"}}},
        {"type": "singing", "audio": {"input": {"format": "pcm16"}}},
        {"voice": "alloy", "audio": {"output": {"voice": "echo"}, "input": {}}},
        {"voice": "alloy", "audio": {"output": {}, "input": {}}},
        {"audio": {}},
        {"audio": None},
        {"turn_detection": {"type": "none"}},
        {"tool_choice": {"type": "function", "name": "f"}},
        {"tool_choice": {"type": "function", "function": {"name": "f", "new": 1}}},
        {"input_audio_format": "opus"},
        {"input_audio_format": {"type": "audio/pcm", "rate": 8000}},
        {"input_audio_format": {"type": "audio/pcm"}},
        {"input_audio_format": {"type": "opus"}},
    ],
)
def test_other_spellings_are_mirrored(session: dict[str, Any]) -> None:
    """Whatever the preview is spelt like, it comes back as it was."""
    payload = {"type": "session.created", "session": session}
    if session.get("modalities") == "all":
        payload = {"type": "x.created", "session": session}

    assert payload == on_the_wire(from_server(payload))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"type": "response.text.done", "value": "Hi", "content_index": 0},
            {"type": "response.text.done", "text": "Hi", "content_index": 0},
        ),
        (
            {"type": "conversation.item.truncated", "index": 0, "audio_end_ms": 5},
            {
                "type": "conversation.item.truncated",
                "content_index": 0,
                "audio_end_ms": 5,
            },
        ),
    ],
)
def test_the_oldest_names_of_fields_are_read(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    """The first preview called two fields otherwise than all that came later."""
    ids = {"item_id": "i", "response_id": "r", "output_index": 0}

    event = from_server({**old, **ids})

    assert from_server({**new, **ids}) == event
    assert {**old, **ids} == on_the_wire(event)


def test_a_changed_event_is_spelt_anew() -> None:
    """The spelling that an event arrived in does not outlive its contents."""
    payload = {
        "type": "session.update",
        "session": {"modalities": ["audio", "text"], "voice": "alloy"},
    }
    event = from_client(payload)
    assert isinstance(event, SessionUpdate)
    assert isinstance(event.session, RealtimeSession)

    changed = attrs.evolve(
        event, session=attrs.evolve(event.session, output_modalities=["text"])
    )

    assert payload == on_the_wire(event)
    assert on_the_wire(changed) == {
        "type": "session.update",
        "session": {"modalities": ["text"], "voice": "alloy"},
    }


def test_what_the_preview_has_no_place_for_stays() -> None:
    """A setting that somebody asked for is never dropped silently."""
    session = RealtimeSession(
        reasoning=Reasoning(effort="low"),
        audio=SessionAudio(
            input=SessionAudioInput(format=AudioPcm(rate=8000), extra={"new": 1}),
            output=SessionAudioOutput(),
        ),
    )

    assert on_the_wire(SessionUpdate(session=session))["session"] == {
        "reasoning": {"effort": "low"},
        "input_audio_format": {"type": "audio/pcm", "rate": 8000},
        "audio": {"input": {"new": 1}},
    }


def test_events_that_the_preview_has_not_are_sent_as_they_are() -> None:
    """An event of the GA protocol alone keeps its name."""
    item = Message(role="assistant", content=[OutputText(text="Hi")])

    wire = on_the_wire(ConversationItemDone(item=item))

    assert wire["type"] == "conversation.item.done"
    assert ConversationItemDone(item=item) == from_server(wire)


def test_mappings_may_be_in_either_form() -> None:
    """What is in preview form already is sent as it is."""
    ga = {"type": "realtime", "audio": {"output": {"voice": "alloy"}}}
    flat = {"voice": "alloy"}
    expected = {"type": "session.update", "session": flat}

    assert expected == json.loads(
        encode({"type": "session.update", "session": ga}, "preview")
    )
    assert expected == json.loads(encode(expected, "preview"))


@pytest.mark.parametrize("session", [None, 5, [], "x"])
def test_faults_are_left_to_the_codec(session: Any) -> None:
    """Translation minds no value that it does not understand."""
    for event in (
        {"type": "session.update", "session": session},
        {"type": "response.create", "response": session},
        {"type": "conversation.item.create", "item": session},
        {"type": "conversation.item.create", "item": {"content": [session]}},
        {"type": "response.done", "response": {"output": session}},
    ):
        assert event == to_preview(to_ga(event))


def test_unknown_events_are_not_translated() -> None:
    """What nobody knows has the same name and the same form in both dialects."""
    payload = {"type": "response.audio.smell", "modalities": ["audio"]}

    assert UnknownEvent(payload=payload) == from_server(payload)
    assert UnknownClientEvent(payload=payload) == from_client(payload)
    assert payload == on_the_wire(UnknownEvent(payload=payload))


# Azure's own description of the first preview


def is_accepted(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Check types, names, words and required fields; defaults may be left out."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return any(is_accepted(value, each, schemas) for each in schema["anyOf"])
    if "allOf" in schema and "properties" not in schema:
        return all(is_accepted(value, each, schemas) for each in schema["allOf"])
    if value is None:
        return bool(schema.get("nullable"))
    if "enum" in schema:
        return value in schema["enum"]
    if schema.get("type") == "array":
        items = schema["items"]
        return isinstance(value, list) and all(
            is_accepted(each, items, schemas) for each in value
        )
    types: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    if schema.get("type") in types:
        return isinstance(value, types[schema["type"]])
    if not schema:
        return True
    return isinstance(value, dict) and is_object_accepted(value, schema, schemas)


def is_object_accepted(
    value: dict[str, Any], schema: dict[str, Any], schemas: dict[str, Any]
) -> bool:
    branch = schema.get("discriminator", {})
    name = branch.get("mapping", {}).get(value.get(branch.get("propertyName")))
    if name is not None:
        return is_accepted(value, {"$ref": name}, schemas)
    fields, required = members(schema, schemas)
    needed = {each for each in required if "default" not in fields[each]}
    return (
        needed <= value.keys()
        and value.keys() <= fields.keys()
        and all(is_accepted(each, fields[key], schemas) for key, each in value.items())
    )


def members(
    schema: dict[str, Any], schemas: dict[str, Any]
) -> tuple[dict[str, Any], set[str]]:
    """Return the fields of an object, its bases' included, and the required ones."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    fields, required = {}, set(schema.get("required", ()))
    for base in schema.get("allOf", ()):
        more, needed = members(base, schemas)
        fields.update(more)
        required |= needed
    return {**fields, **schema.get("properties", {})}, required


@pytest.fixture(name="schemas", scope="module")
def _schemas() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    if not SCHEMA.exists():
        pytest.skip(f"{SCHEMA.name} is not on this machine")
    loaded: dict[str, Any] = yaml.safe_load(SCHEMA.read_text("utf-8"))
    return dict(loaded["components"]["schemas"])


SESSION = attrs.evolve(
    NESTED,
    id=attrs.fields(RealtimeSession).id.default,
    object=attrs.fields(RealtimeSession).object.default,
    audio=SessionAudio(
        input=SessionAudioInput(
            format=AudioPcm(rate=24000),
            transcription=AudioTranscription(model="whisper-1"),
            turn_detection=ServerVad(threshold=0.5),
        ),
        output=SessionAudioOutput(format=AudioPcm(), voice="alloy"),
    ),
    extra={},
)


@pytest.mark.parametrize(
    "event",
    [
        SessionUpdate(session=SESSION, event_id="e"),
        SessionUpdate(session=RealtimeSession(output_modalities=["text"])),
        InputAudioBufferAppend(audio=b"\0\0"),
        InputAudioBufferCommit(event_id="e"),
        InputAudioBufferClear(),
        ConversationItemCreate(
            item=Message(
                role="user",
                content=[InputText(text="Hi"), InputAudio(transcript="Hi")],
                object="realtime.item",
                id="item_1",
                status="completed",
            ),
            previous_item_id="item_0",
        ),
        ConversationItemCreate(
            item=Message(role="system", content=[InputText(text="Hi")])
        ),
        ConversationItemCreate(
            item=FunctionCall(
                name="f", call_id="c", arguments="{}", object="realtime.item"
            )
        ),
        ConversationItemCreate(item=FunctionCallOutput(call_id="c", output="{}")),
        ConversationItemDelete(item_id="i"),
        ConversationItemTruncate(item_id="i", content_index=0, audio_end_ms=5),
        ResponseCancel(),
        ResponseCreate(),
        ResponseCreate(
            response=ResponseCreateParams(
                instructions="Be brief.",
                output_modalities=["audio"],
                audio=ResponseAudio(
                    output=ResponseAudioOutput(voice="echo", format=AudioPcma())
                ),
                max_output_tokens="inf",
                temperature=0.7,
                tools=[FunctionTool(name="f", parameters={"type": "object"})],
                tool_choice="required",
            )
        ),
    ],
    ids=lambda event: event.type,
)
def test_azures_schema_accepts_ga_objects(
    event: ClientEvent, schemas: dict[str, Any]
) -> None:
    """What a user makes of GA classes is what the preview's service describes."""
    command = {"$ref": "#/components/schemas/Realtime.RealtimeRequestCommand"}

    assert is_accepted(on_the_wire(event), command, schemas)
    assert not is_accepted({**on_the_wire(event), "new": 1}, command, schemas)


def test_a_format_of_one_word_is_unknown() -> None:
    """A format that only the service knows is an object of that type."""
    event = from_client(
        {"type": "session.update", "session": {"input_audio_format": "opus"}}
    )

    assert isinstance(event, SessionUpdate)
    assert isinstance(event.session, RealtimeSession)
    assert event.session.audio
    assert event.session.audio.input
    assert UnknownObject(payload={"type": "opus"}) == event.session.audio.input.format
