"""What the codec makes of messages, and of objects: the GA protocol and what is odd."""

from __future__ import annotations

import array
import copy
import enum
import json
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtime_sync import protocol
from realtime_sync.errors import DecodeError
from realtime_sync.protocol._model import UNSET, ClientEvent, Model, UnknownObject
from realtime_sync.protocol.client_events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    SessionUpdate,
    UnknownClientEvent,
)
from realtime_sync.protocol.codec import (
    Dialect,
    decode_client_event,
    decode_server_event,
    encode,
    encode_append,
    structure,
    unstructure,
)
from realtime_sync.protocol.server_events import (
    ConversationItemAdded,
    ResponseOutputAudioDelta,
    SessionUpdated,
    UnknownEvent,
)


WIRE = Path(__file__).parent.parent / "wire"
SHARED = Path(__file__).parents[3] / "shared" / "protocol"
EXAMPLES = SHARED / "openai-realtime-examples.jsonl"

PARTS = {
    "RealtimeCreateClientSecretResponse": None,
    "RealtimeSessionCreateRequest": protocol.RealtimeSession,
    "RealtimeSessionCreateResponse": protocol.RealtimeSession,
    "RealtimeTranscriptionSessionCreateResponse": protocol.TranscriptionSession,
    "RealtimeTranscriptionSessionCreateResponseGA": protocol.TranscriptionSession,
    "RealtimeTranslationClientSecretCreateResponse": None,
    "RealtimeTranslationSession": protocol.TranslationSession,
}


def samples() -> list[Any]:
    paths = [
        path for path in sorted(WIRE.rglob("*.json")) if "preview" not in path.parts
    ]
    return [
        pytest.param(path, id="/".join(path.relative_to(WIRE).parts)) for path in paths
    ]


def examples() -> list[Any]:
    if not EXAMPLES.exists():
        mark = pytest.mark.skip(reason=f"{EXAMPLES.name} is not on this machine")
        return [pytest.param({}, marks=mark, id="absent")]
    lines = [json.loads(line) for line in EXAMPLES.read_text("utf-8").splitlines()]
    return [
        pytest.param(line, id=f"{number}-{line['schema']}")
        for number, line in enumerate(lines)
    ]


def delta(**fields: Any) -> dict[str, Any]:
    return {
        "type": "response.output_audio.delta",
        "event_id": "event_1",
        "response_id": "resp_1",
        "item_id": "item_1",
        "output_index": 0,
        "content_index": 0,
        "delta": "AAAA",
        **fields,
    }


def without(payload: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in names}


def text(payload: object) -> str:
    return json.dumps(payload)


def reencoded(payload: dict[str, Any]) -> object:
    return json.loads(encode(decode_server_event(text(payload))))


def updated(**session: Any) -> SessionUpdated:
    payload = {"type": "session.updated", "session": {"type": "realtime", **session}}
    event = decode_server_event(text(payload))
    assert isinstance(event, SessionUpdated)
    assert payload == json.loads(encode(event))
    return event


def realtime(**session: Any) -> protocol.RealtimeSession:
    event = updated(**session)
    assert isinstance(event.session, protocol.RealtimeSession)
    return event.session


# Real messages


@pytest.mark.parametrize("path", samples())
def test_samples_give_back_the_same_json(path: Path) -> None:
    """Each sample decodes to a class of its own, and encodes to equal JSON."""
    decode = decode_client_event if "client" in path.parts else decode_server_event

    event = decode(path.read_bytes())

    assert path.stem == event.type
    assert not isinstance(event, (UnknownEvent, UnknownClientEvent))
    assert json.loads(path.read_text("utf-8")) == json.loads(encode(event))


@pytest.mark.parametrize("line", examples())
def test_published_examples_give_back_the_same_json(line: dict[str, Any]) -> None:
    """What the schemas give as examples survives, odd as some of it is."""
    example, schema = line["example"], line["schema"]

    if schema in PARTS:
        cls = PARTS[schema] or protocol.Session
        part = example if PARTS[schema] else example["session"]

        assert part == unstructure(structure(part, cls))
    else:
        dialect: Dialect = "preview" if line["dialect"] == "preview" else "ga"
        decode = decode_client_event if "Client" in schema else decode_server_event

        assert example == json.loads(encode(decode(text(example), dialect), dialect))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, bytes.decode])
def test_messages_are_bytes_or_text(kind: Any) -> None:
    """Whatever a transport has at hand is decoded."""
    event = decode_server_event(kind(text(delta()).encode()))

    assert (
        ResponseOutputAudioDelta(
            event_id="event_1",
            response_id="resp_1",
            item_id="item_1",
            output_index=0,
            content_index=0,
            delta=b"\0\0\0",
        )
        == event
    )


# Absent, null, value


def test_absent_null_and_value_are_three_things() -> None:
    """UNSET is never sent, None is null, and both come back as they were."""
    absent = protocol.SessionAudioInput()
    null = protocol.SessionAudioInput(turn_detection=None)
    value = protocol.SessionAudioInput(turn_detection=protocol.ServerVad())

    wire = [unstructure(each) for each in (absent, null, value)]

    assert wire == [
        {},
        {"turn_detection": None},
        {"turn_detection": {"type": "server_vad"}},
    ]
    assert [absent, null, value] == [
        structure(each, protocol.SessionAudioInput) for each in wire
    ]


def test_an_integer_serves_as_a_number() -> None:
    """A whole number in a field of fractions stays a whole number."""
    session = realtime(temperature=1)

    assert int is type(session.temperature)


@pytest.mark.parametrize("event_id", [None, UNSET])
def test_hot_events_may_lack_an_id(event_id: object) -> None:
    """The quick way for audio and the usual one agree on what is optional."""
    payload = delta(event_id=None) if event_id is None else without(delta(), "event_id")

    event = decode_server_event(text(payload))

    assert event_id is event.event_id
    assert payload == json.loads(encode(event))


# What is wrong


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (delta(delta=5), "$.delta: expected a string, got a number"),
        (delta(delta=None), "$.delta: expected a string, got null"),
        (delta(delta="AA!="), "$.delta: expected base64, got other characters"),
        (delta(delta="AAAé"), "$.delta: expected base64, got other characters"),
        (delta(item_id=["x"]), "$.item_id: expected a string, got an array"),
        (delta(event_id=7), "$.event_id: expected a string, got a number"),
        (delta(output_index="0"), "$.output_index: expected an integer, got a string"),
        (
            delta(output_index=True),
            "$.output_index: expected an integer, got a boolean",
        ),
        (delta(output_index=0.0), "$.output_index: expected an integer, got a number"),
        (without(delta(), "item_id"), "$.item_id: required, but absent"),
        (
            without(delta(delta=None), "item_id"),
            "$.item_id: required, but absent; $.delta: expected a string, got null",
        ),
        (
            {
                "type": "conversation.item.added",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": 5}],
                },
            },
            "$.item.content[0].text: expected a string, got a number",
        ),
        (
            {"type": "conversation.item.added", "item": "hello"},
            "$.item: expected an object, got a string",
        ),
        (
            {"type": "error", "error": [{}]},
            "$.error: expected an object, got an array",
        ),
        (
            {"type": "response.done", "response": {"metadata": {"a": "b", "c": 1}}},
            "$.response.metadata['c']: expected a string, got a number",
        ),
        (
            {
                "type": "session.updated",
                "session": {
                    "type": "realtime",
                    "temperature": True,
                    "max_output_tokens": 1.5,
                },
            },
            "$.session.max_output_tokens: expected a string or an integer, got a "
            "number; $.session.temperature: expected a number, got a boolean",
        ),
        ({}, "$.type: required, but absent"),
        ({"type": None}, "$.type: expected a string, got null"),
        ({"type": 5}, "$.type: expected a string, got a number"),
        ({"type": []}, "$.type: expected a string, got an array"),
        ([], "$: expected an object, got an array"),
        ("type", "$: expected an object, got a string"),
        (5, "$: expected an object, got a number"),
        (None, "$: expected an object, got null"),
    ],
)
def test_faults_are_told_with_their_paths(payload: object, message: str) -> None:
    """A message that breaks the form of its type says where, and is kept."""
    with pytest.raises(DecodeError) as caught:
        decode_server_event(text(payload))

    faults = dict(part.split(": ", 1) for part in message.split("; "))
    told = dict(part.split(": ", 1) for part in str(caught.value).split("; "))
    assert faults == told
    assert caught.value.path in faults
    assert text(payload).encode() == caught.value.payload


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"   ", id="blank"),
        pytest.param(b'\xef\xbb\xbf{"type": "x"}', id="byte order mark"),
        pytest.param(b'{"type": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"type": "x", "n": NaN}', id="NaN"),
        pytest.param(b'{"type": "x", "n": 1e999}', id="infinite"),
        pytest.param(b'{"type": "x", "s": "\\ud800"}', id="lone surrogate"),
        pytest.param('{"type": "x", "s": "\ud800"}', id="lone surrogate in text"),
        pytest.param(b'{"type": "x"', id="cut"),
        pytest.param(b'{"type": "x"} {}', id="two"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"type":' * 100_000, id="deep objects"),
        pytest.param(
            b'{"type": "x", "n": ' + b"[" * 900 + b"]" * 900 + b"}", id="closed"
        ),
        pytest.param(
            text(delta())[:-1].encode() + b', "n": ' + b"[" * 900 + b"]" * 900 + b"}",
            id="deep unknown field",
        ),
        pytest.param(memoryview(b'"{" "}"')[::2], id="not contiguous"),
    ],
)
def test_hostile_messages_only_raise_decode_errors(data: Any) -> None:
    """Whatever arrives, the error is a short DecodeError."""
    with pytest.raises(DecodeError) as caught:
        decode_server_event(data)

    assert caught.value.path.startswith("$")
    assert len(str(caught.value)) < 3000
    assert len(caught.value.payload) <= 4096


def test_many_faults_stay_small() -> None:
    """A message full of faults does not cost more memory than it has itself."""
    content = [5] * 100_000
    item = {"type": "message", "role": "user", "content": content}
    payload = {"type": "conversation.item.added", "item": item}

    with pytest.raises(DecodeError) as caught:
        decode_server_event(text(payload))

    assert caught.value.path == "$.item.content[0]"
    assert len(str(caught.value)) < 3000
    assert len(caught.value.payload) == 4096


def test_huge_integers_become_numbers() -> None:
    """An integer of more than 64 bits is a fraction, hence wrong where one counts."""
    payload = text(delta()).replace('"output_index": 0', '"output_index": ' + "9" * 40)

    with pytest.raises(DecodeError, match=r"output_index: expected an integer"):
        decode_server_event(payload)


def test_of_fields_given_twice_the_last_one_counts() -> None:
    """Duplicate names are no fault."""
    event = decode_server_event('{"type": "x", "type": "input_audio_buffer.cleared"}')

    assert event.type == "input_audio_buffer.cleared"


def test_misuse_is_no_decode_error() -> None:
    """Arguments that nobody could have received are the caller's mistake."""
    with pytest.raises(ValueError, match="dialect is 'ga' or 'preview'"):
        decode_server_event(b"{}", "beta")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dialect is 'ga' or 'preview'"):
        encode(ResponseCreate(), "beta")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="data is bytes or str, not dict"):
        decode_server_event({"type": "error"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a model or a mapping, not str"):
        encode("response.create")  # type: ignore[arg-type]


# What is unknown


def test_unknown_server_events_keep_their_payload() -> None:
    """An event of tomorrow arrives whole, and can be sent on."""
    payload = {
        "type": "response.smell.delta",
        "event_id": "event_1",
        "smell": [1, None],
    }

    event = decode_server_event(text(payload))

    assert UnknownEvent(event_id="event_1", payload=payload) == event
    assert payload == json.loads(encode(event))


def test_unknown_client_events_keep_their_payload() -> None:
    """An event of tomorrow can be sent today, and be given an id on the way."""
    payload = {"type": "response.sniff"}

    event = decode_client_event(text(payload))

    assert UnknownClientEvent(payload=payload) == event
    assert {**payload, "event_id": "e1"} == json.loads(
        encode(attrs.evolve(event, event_id="e1"))
    )


def test_unknown_events_may_have_odd_ids() -> None:
    """Nothing is expected of an event that nobody knows, but its type."""
    payload = {"type": "x", "event_id": 5}

    event = decode_server_event(text(payload))

    assert UNSET is event.event_id
    assert payload == json.loads(encode(event))


@pytest.mark.parametrize("value", [1, "x", None, True, 1.5, [], {"a": [{}]}])
def test_unknown_fields_are_kept(value: object) -> None:
    """Fields that no attribute has are in extra, at each level, and are sent again."""
    payload = {
        "type": "response.done",
        "new": value,
        "extra": value,
        "response": {"new": value, "usage": {"new": value}},
    }

    event = decode_server_event(text(payload))

    assert {"new": value, "extra": value} == event.extra
    assert payload == json.loads(encode(event))


def test_unknown_fields_of_hot_events_are_kept() -> None:
    """The quick way for audio gives way when there is more to an event."""
    payload = delta(obfuscation="xyz")

    event = decode_server_event(text(payload))

    assert event.extra == {"obfuscation": "xyz"}
    assert payload == json.loads(encode(event))


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "conversation.item.added", "item": {"type": "dance", "steps": 3}},
        {"type": "conversation.item.added", "item": {}},
        {"type": "conversation.item.added", "item": {"type": None}},
        {
            "type": "session.updated",
            "session": {"type": "realtime", "tool_choice": {"type": "dice"}},
        },
        {
            "type": "session.updated",
            "session": {"type": "realtime", "truncation": {"type": "newest"}},
        },
        {"type": "session.updated", "session": {"type": "singing", "voice": "bass"}},
        {
            "type": "response.content_part.added",
            "item_id": "i",
            "response_id": "r",
            "output_index": 0,
            "content_index": 0,
            "part": {"type": "hologram", "rays": []},
        },
    ],
)
def test_nested_objects_of_unknown_type_are_kept(payload: dict[str, Any]) -> None:
    """A new kind of item, part, tool or session is an UnknownObject."""
    event = decode_server_event(text(payload))

    assert "UnknownObject" in repr(event)
    assert payload == json.loads(encode(event))


@pytest.mark.parametrize("kind", [{}, {"type": None}, {"type": 5}])
def test_objects_without_type_are_read_as_the_usual_class(kind: dict[str, Any]) -> None:
    """A missing type is no obstacle, and is not made up when the object is sent."""
    audio = {
        "input": {
            "format": {**kind, "rate": 24000},
            "turn_detection": {**kind, "threshold": 0.5},
        }
    }
    session = {**kind, "audio": audio, "tools": [{**kind, "name": "f"}]}
    payload = {"type": "session.updated", "session": session}

    event = decode_server_event(text(payload))

    assert isinstance(event, SessionUpdated)
    assert isinstance(event.session, protocol.RealtimeSession)
    assert event.session.audio
    assert event.session.audio.input
    assert isinstance(event.session.audio.input.format, protocol.AudioPcm)
    assert isinstance(event.session.audio.input.turn_detection, protocol.ServerVad)
    assert event.session.tools
    assert isinstance(event.session.tools[0], protocol.FunctionTool)
    assert {"type": kind.get("type", UNSET)} == event.session.extra
    assert payload == json.loads(encode(event))


# Fields of several types


@pytest.mark.parametrize("voice", ["alloy", {"id": "voice_1"}, None])
def test_voices_are_names_or_objects(voice: object) -> None:
    """A custom voice is an object."""
    session = realtime(audio={"output": {"voice": voice}})

    assert session.audio
    assert session.audio.output
    expected = protocol.CustomVoice(id="voice_1") if isinstance(voice, dict) else voice
    assert expected == session.audio.output.voice


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("auto", "auto"),
        ({"type": "function", "name": "f"}, protocol.ToolChoiceFunction(name="f")),
        (
            {"type": "mcp", "server_label": "s"},
            protocol.ToolChoiceMcp(server_label="s"),
        ),
        ({"name": "f"}, UnknownObject(payload={"name": "f"})),
    ],
)
def test_tool_choices_are_words_or_objects(wire: object, expected: object) -> None:
    """A choice of a tool goes by its type, and has no usual class."""
    session = realtime(tool_choice=wire)

    assert expected == session.tool_choice


def test_limits_words_and_objects() -> None:
    """Other fields of several types take each of them."""
    one = realtime(max_output_tokens=5, tracing="auto", truncation="disabled")
    two = realtime(
        max_output_tokens="inf",
        tracing={"group_id": "g", "metadata": {"a": [1]}},
        truncation={"type": "retention_ratio", "retention_ratio": 0.5},
        tools=[
            {"type": "mcp", "server_label": "s", "allowed_tools": ["a"]},
            {"type": "mcp", "server_label": "s", "allowed_tools": {"read_only": True}},
        ],
    )

    assert (
        one.max_output_tokens,
        one.tracing,
        one.truncation,
    ) == (5, "auto", "disabled")
    assert two.max_output_tokens == "inf"
    assert protocol.Tracing(group_id="g", metadata={"a": [1]}) == two.tracing
    assert protocol.RetentionRatio(retention_ratio=0.5) == two.truncation
    assert [
        protocol.McpTool(server_label="s", allowed_tools=["a"]),
        protocol.McpTool(
            server_label="s", allowed_tools=protocol.McpToolFilter(read_only=True)
        ),
    ] == two.tools


def test_a_format_may_be_a_word() -> None:
    """Services that name a format in one word get the word back."""
    session = realtime(audio={"input": {"format": "pcm16"}})

    assert session.audio
    assert session.audio.input
    assert session.audio.input.format
    assert session.audio.input.format.type == "pcm16"


# Base64


@pytest.mark.parametrize(
    ("encoded", "raw"),
    [
        ("", b""),
        ("AAEC", b"\x00\x01\x02"),
        ("AAE=", b"\x00\x01"),
        ("AA==", b"\x00"),
        ("AAECAw", b"\x00\x01\x02\x03"),
        ("AAECA", b"\x00\x01\x02"),
        ("AAECAw=", b"\x00\x01\x02\x03"),
        ("AAH=", b"\x00\x01"),
        ("AB==", b"\x00"),
        ("AAEC...", b"\x00\x01\x02"),
        ("A", b""),
        ("...", b""),
        ("==", b""),
    ],
)
def test_base64_gives_bytes_and_the_same_text(encoded: str, raw: bytes) -> None:
    """Text that is not canonical is read as far as it goes, and remembered."""
    payload = delta(delta=encoded)
    event = decode_server_event(text(payload))
    assert isinstance(event, ResponseOutputAudioDelta)

    kept = [event, copy.deepcopy(event), pickle.loads(pickle.dumps(event))]

    assert [raw] * 3 == [each.delta for each in kept]
    assert [payload] * 3 == [json.loads(encode(each)) for each in kept]


@pytest.mark.parametrize("encoded", ["AA=A", "=AAA", "AAAA===", "-_-_", "AA\nAA", " "])
def test_what_is_no_base64_is_refused(encoded: str) -> None:
    """Characters outside the alphabet, and padding in the middle, are faults."""
    with pytest.raises(DecodeError, match=r"\$\.audio: expected base64"):
        decode_client_event(
            text({"type": "input_audio_buffer.append", "audio": encoded})
        )


# Encoding


def test_type_comes_first() -> None:
    """The type of an event is the first field that a reader sees."""
    expected = b'{"type":"response.cancel","event_id":"e","response_id":"r"}'

    assert expected == encode(protocol.ResponseCancel(response_id="r", event_id="e"))
    assert expected == encode(
        {"event_id": "e", "type": "response.cancel", "response_id": "r"}
    )


def test_an_encoded_event_takes_no_more_memory_than_its_bytes() -> None:
    """What waits to be sent costs what it is counted as, long strings included."""
    item = {"type": "message", "role": "user", "content": [{"text": "x" * 100_000}]}
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        data = encode({"type": "conversation.item.create", "item": item})
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 1.1 * len(data)


class Colour(str, enum.Enum):
    RED = "red"


def test_mappings_and_objects_may_be_mixed() -> None:
    """A mapping in wire form is accepted wherever an object is, and the reverse."""
    part: Any = {"type": "input_text", "text": Colour.RED}
    message = protocol.Message(role="user", content=(part,))

    wire = encode(
        {
            "type": "conversation.item.create",
            "item": message,
            "previous_item_id": UNSET,
            "event_id": None,
        }
    )

    assert json.loads(wire) == {
        "type": "conversation.item.create",
        "event_id": None,
        "item": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "red"}],
        },
    }


def test_bytes_become_base64_wherever_they_are() -> None:
    """Audio in a mapping needs no base64 by hand; text is taken to be base64."""
    part = {"type": "input_audio", "audio": bytearray(b"\0\0\0")}
    mapping = {"type": "input_audio_buffer.append", "audio": memoryview(b"\0\0\0")}

    assert {**part, "audio": "AAAA"} == unstructure(part)
    assert {**mapping, "audio": "AAAA"} == json.loads(encode(mapping))
    assert {**mapping, "audio": "AAAA"} == json.loads(
        encode(InputAudioBufferAppend(audio="AAAA"))  # type: ignore[arg-type]
    )


def endless() -> dict[str, Any]:
    mapping: dict[str, Any] = {"type": "x"}
    mapping["self"] = mapping
    return mapping


@pytest.mark.parametrize(
    ("payload", "error", "message"),
    [
        ({"at": object()}, TypeError, "object has no form in JSON"),
        ({"at": {1, 2}}, TypeError, "set has no form in JSON"),
        ({5: "x"}, TypeError, "names of fields are strings, not 5"),
        ({"at": float("nan")}, ValueError, "JSON has no number nan"),
        ({"at": float("-inf")}, ValueError, "JSON has no number -inf"),
        ({"at": 2**64}, ValueError, "cannot be written as JSON"),
        ({"at": "\ud800"}, ValueError, "cannot be written as JSON"),
        (endless(), ValueError, "nested too deeply"),
    ],
)
def test_what_json_cannot_hold_is_refused(
    payload: Any, error: type[Exception], message: str
) -> None:
    """A bad event raises where it was made, with a built-in exception."""
    with pytest.raises(error, match=message):
        encode(payload)


def test_other_numbers_and_strings_are_plain_on_the_wire() -> None:
    """Subclasses of numbers and strings are sent as what they derive from."""

    class Metres(float):
        pass

    class Steps(int):
        pass

    class Name(str):
        __slots__ = ()

    assert unstructure({"a": Metres(1.5), Name("b"): Steps(2), "c": Name("d")}) == {
        "a": 1.5,
        "b": 2,
        "c": "d",
    }


RAW = bytes(range(256)) * 3


@pytest.mark.parametrize("event_id", [None, "event_1", 'quo"te\\\n', "ü", ""])
@pytest.mark.parametrize(
    "audio", [b"", b"\0", RAW, bytearray(RAW), memoryview(RAW), memoryview(RAW)[::2]]
)
def test_the_template_gives_what_encode_gives(audio: Any, event_id: Any) -> None:
    """Input audio has its own encoder, with the same bytes as a result."""
    mapping = {"type": "input_audio_buffer.append", "audio": audio}
    if event_id is not None:
        mapping = {"type": mapping["type"], "event_id": event_id, "audio": audio}
    expected = encode(mapping)
    event = InputAudioBufferAppend(
        audio=audio, event_id=UNSET if event_id is None else event_id
    )

    assert expected == encode_append(audio, event_id)
    assert expected == encode(event)
    assert expected == encode(event, "preview")


def test_the_template_takes_any_buffer() -> None:
    """Arrays of samples are written as the bytes that they hold."""
    samples = array.array("h", [0, 1, -1])

    assert encode_append(samples.tobytes()) == encode_append(samples)  # type: ignore[arg-type]


def test_the_template_leaves_what_it_cannot() -> None:
    """Unknown fields and an id of null are written the usual way."""
    event = InputAudioBufferAppend(audio=b"", event_id=None, extra={"new": 1})

    assert json.loads(encode(event)) == {
        "type": "input_audio_buffer.append",
        "event_id": None,
        "audio": "",
        "new": 1,
    }


# Parts


def test_parts_are_structured_alone() -> None:
    """A class, or a union of them, makes objects of parts of events."""
    wire = {"type": "message", "role": "user", "content": []}
    expected = protocol.Message(role="user", content=[])

    assert expected == structure(wire, protocol.Message)
    assert expected == structure(wire, protocol.Item)
    assert wire == unstructure(expected)


def test_events_of_any_type_are_structured() -> None:
    """The bases of the events stand for all of them."""
    session = protocol.RealtimeSession(instructions="Be brief.")

    event = structure({"type": "session.update", "session": session}, ClientEvent)

    assert SessionUpdate(session=session) == event


@pytest.mark.parametrize(
    "cls", [protocol.Response, ConversationItemAdded, protocol.Item]
)
def test_parts_have_paths_too(cls: Any) -> None:
    """What is wrong with a part is told as for events."""
    wire = {"type": "message", "role": 5, "item": [], "usage": [], "content": []}

    with pytest.raises(DecodeError, match=r"^\$\.\w+: expected") as caught:
        structure(wire, cls)

    assert caught.value.payload == b""


def test_a_part_of_another_type_says_so() -> None:
    """Structuring to a class that the type does not fit keeps the type."""
    wire = {"type": "semantic_vad", "threshold": 0.5}

    vad = structure(wire, protocol.ServerVad)

    assert protocol.ServerVad(threshold=0.5, extra={"type": "semantic_vad"}) == vad
    assert wire == unstructure(vad)


def test_objects_do_not_change_what_they_were_made_of() -> None:
    """Decoded and encoded mappings are left as they were."""
    mapping = {"item": {"type": "message", "role": "user", "content": [], "new": 1}}
    before = copy.deepcopy(mapping)

    event = structure(mapping, ConversationItemCreate)
    assert isinstance(event, Model)
    encode(event, "preview")
    encode(mapping)

    assert before == mapping
