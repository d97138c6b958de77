"""The catalogue of wire classes: names, fields, documentation, and how objects act."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import json
import pathlib
import pickle
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import attrs
import pytest

from realtime_sync import protocol
from realtime_sync.protocol import (
    CLIENT_EVENTS,
    SERVER_EVENTS,
    TRANSLATION_CLIENT_EVENTS,
    TRANSLATION_SERVER_EVENTS,
    UNSET,
    ClientEvent,
    InputAudioBufferAppend,
    Item,
    McpTool,
    Message,
    Model,
    OutputText,
    RealtimeSession,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputTextDone,
    ServerEvent,
    ServerVad,
    UnknownClientEvent,
    UnknownEvent,
    UnknownObject,
    Unset,
)


TESTS = pathlib.Path(__file__).parents[1]
WIRE = TESTS / "wire"
SCHEMAS = TESTS.parents[1] / "shared" / "protocol" / "openai-realtime-schemas.json"

MODULES = [
    importlib.import_module(f"realtime_sync.protocol.{name}")
    for name in (
        "_model",
        "client_events",
        "items",
        "mcp_items",
        "responses",
        "server_events",
        "session_audio",
        "sessions",
        "tools",
        "translation_events",
        "vocabularies",
    )
]
TABLES = [
    CLIENT_EVENTS,
    SERVER_EVENTS,
    TRANSLATION_CLIENT_EVENTS,
    TRANSLATION_SERVER_EVENTS,
]
BASES = {Model, ClientEvent, ServerEvent}
MODELS = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Model)
    },
    key=lambda cls: cls.__name__,
)
LEAVES = [cls for cls in MODELS if cls not in BASES]
EVENTS = {wire_type: cls for table in TABLES for wire_type, cls in table.items()}

# The words in which clients command. Servers tell what has happened, or name a thing.
COMMANDS = {
    "append",
    "cancel",
    "clear",
    "close",
    "commit",
    "create",
    "delete",
    "retrieve",
    "truncate",
    "update",
}


def name(value: object) -> str:
    """Name test cases after the class or the module that they are about."""
    return getattr(value, "__name__", str(value)).rpartition(".")[-1]


def own_fields(cls: type[Model]) -> list[str]:
    return [field.name for field in attrs.fields(cls) if not field.inherited]


# How names and tables hang together


@pytest.mark.parametrize(("wire_type", "cls"), EVENTS.items())
def test_name_follows_wire_type(wire_type: str, cls: Any) -> None:
    """An event class is named after its wire type, word by word."""
    words = re.split(r"[._]", wire_type)
    expected = "".join(word.capitalize() for word in words)
    if wire_type == "error":
        expected = "ErrorEvent"

    assert expected == cls.__name__
    assert wire_type == cls.type


@pytest.mark.parametrize("table", TABLES, ids=len)
def test_words_tell_direction(table: Mapping[str, type[Model]]) -> None:
    """Client events end in a command and server events do not."""
    from_client = {cls for cls in table.values() if issubclass(cls, ClientEvent)}
    commands = {
        cls
        for wire_type, cls in table.items()
        if re.split(r"[._]", wire_type)[-1] in COMMANDS
    }

    assert from_client == commands
    assert from_client in (set(), set(table.values()))


def test_tables_hold_every_event() -> None:
    """Every event class stands in a table, save those for unknown types."""
    unknown = {UnknownEvent, UnknownClientEvent}
    events = {cls for cls in LEAVES if issubclass(cls, (ClientEvent, ServerEvent))}

    assert events - unknown == set(EVENTS.values())


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_all_is_sorted_and_complete(module: types.ModuleType) -> None:
    """A module exports every class and alias that it defines, in order."""
    defined = {
        node.name if isinstance(node, ast.ClassDef) else ast.unparse(targets[0])
        for node in ast.parse(inspect.getsource(module)).body
        if (targets := getattr(node, "targets", [getattr(node, "target", None)]))
        and isinstance(node, (ast.ClassDef, ast.Assign, ast.AnnAssign))
    }
    exported = module.__all__
    machinery = {"NOTHING", "PayloadType", "T", "__all__"}

    assert {n for n in defined - machinery if n[0] != "_"} == set(exported)
    assert _sorted(exported) == exported


def _sorted(names: Sequence[str]) -> list[str]:
    # Constants, then classes and aliases, then functions, as linters have it.
    return sorted(names, key=lambda n: (not n.isupper(), n[0].islower(), n))


def test_package_exports_everything() -> None:
    """The package exports what its modules export, in order."""
    expected = {n for module in MODULES for n in module.__all__}

    assert expected == set(protocol.__all__)
    assert _sorted(protocol.__all__) == protocol.__all__


# Documentation


@pytest.mark.parametrize("cls", MODELS, ids=name)
def test_every_field_is_documented(cls: type[Model]) -> None:
    """The docstring of a class tells every field of its own, in order."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    _, _, section = doc.partition("\nAttributes:\n")
    documented = re.findall(r"^ {4}(\w+): \S", section, flags=re.MULTILINE)

    assert own_fields(cls) == documented
    assert re.match(r"[A-Z].*[.:]$", doc.splitlines()[0]) or "\n" in doc


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_every_alias_is_documented(module: types.ModuleType) -> None:
    """A module has a docstring, and so has every constant and alias in it."""
    body = ast.parse(inspect.getsource(module)).body
    undocumented = [
        ast.unparse(node)
        for node, following in zip(body, [*body[1:], None], strict=True)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and not re.match(r"(_|T = |NOTHING)", ast.unparse(node))
        and not (
            isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        )
    ]

    assert [] == undocumented
    assert module.__doc__


# Fields against the schemas of the service. A property of the preview dialect has its
# place in the GA form.

PLACES: Mapping[str, Mapping[str, str]] = {
    "session": {
        "input_audio_format": "audio.input.format",
        "input_audio_noise_reduction": "audio.input.noise_reduction",
        "input_audio_transcription": "audio.input.transcription",
        "max_response_output_tokens": "max_output_tokens",
        "modalities": "output_modalities",
        "output_audio_format": "audio.output.format",
        "speed": "audio.output.speed",
        "turn_detection": "audio.input.turn_detection",
        "voice": "audio.output.voice",
    },
    "response": {
        "modalities": "output_modalities",
        "output_audio_format": "audio.output.format",
        "voice": "audio.output.voice",
    },
}


@pytest.fixture(name="schemas", scope="module")
def _schemas() -> dict[str, Any]:
    if not SCHEMAS.exists():
        pytest.skip(f"the schemas of the service are not at {SCHEMAS}")
    schemas: dict[str, Any] = json.loads(SCHEMAS.read_bytes())
    return schemas


@pytest.mark.parametrize("cls", EVENTS.values(), ids=name)
def test_schema_properties_have_attributes(cls: Any, schemas: dict[str, Any]) -> None:
    """All that the schemas of an event know, at any depth, has a typed attribute."""
    found = [
        schema
        for title, schema in schemas.items()
        if title.startswith("Realtime")
        and schema.get("properties", {}).get("type", {}).get("enum") == [cls.type]
        and ("Client" if issubclass(cls, ClientEvent) else "Server") in title
    ]
    missing = [gap for schema in found for gap in gaps(schema, cls, schemas, cls.type)]

    assert found
    assert [] == missing


def test_schema_properties_of_references_have_attributes(
    schemas: dict[str, Any],
) -> None:
    """Items that no event of the schemas holds have attributes as well."""
    schema = schemas["RealtimeConversationItemWithReference"]

    assert [] == list(gaps(schema, Item, schemas, "item"))


def gaps(
    schema: Mapping[str, Any], annotation: Any, schemas: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Yield the paths in *schema* for which *annotation* has no attribute."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for key in ("allOf", "anyOf", "oneOf"):
        for option in schema.get(key, ()):
            yield from gaps(option, annotation, schemas, path)
    if "items" in schema:
        yield from gaps(schema["items"], elements(annotation), schemas, f"{path}[]")
    properties = schema.get("properties", {})
    classes = candidates(properties, annotation)
    if properties and not classes:
        yield path
        return
    for key, value in properties.items():
        place = PLACES.get(path.rpartition(".")[2], {}).get(key, key)
        inner = attribute(place.split("."), classes)
        if inner is None:
            yield f"{path}.{key}"
        else:
            yield from gaps(value, inner, schemas, f"{path}.{key}")


def members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def elements(annotation: Any) -> Any:
    sequences = [m for m in members(annotation) if typing.get_origin(m) is Sequence]
    return union([typing.get_args(sequence)[0] for sequence in sequences])


def candidates(properties: Mapping[str, Any], annotation: Any) -> list[type[Model]]:
    """Return the classes of *annotation* that fit the ``type`` in *properties*."""
    models = [
        member
        for member in members(annotation)
        if isinstance(member, type)
        and issubclass(member, Model)
        and member is not UnknownObject
    ]
    kind = properties.get("type", {})
    tags = kind.get("enum", [kind["const"]] if "const" in kind else None)
    if not tags or not all(isinstance(getattr(m, "type", None), str) for m in models):
        return models
    return [cls for cls in models if getattr(cls, "type", None) in tags]


def attribute(place: list[str], classes: Sequence[type[Model]]) -> Any:
    """Return the annotation of an attribute, of all *classes* together, or None."""
    key, *rest = place
    fields = [attrs.fields_dict(cls).get(key) for cls in classes]
    found = [member for field in fields if field for member in members(field.type)]
    if rest:
        return attribute(rest, candidates({}, union(found)))
    if key == "type" and any(isinstance(getattr(c, key, None), str) for c in classes):
        found.append(str)
    return union(found)


def union(annotations: Sequence[Any]) -> Any:
    return typing.Union[tuple(annotations)] if annotations else None  # noqa: UP007


# Samples


@pytest.mark.parametrize(
    ("folder", "tables"),
    [
        ("client", [CLIENT_EVENTS, TRANSLATION_CLIENT_EVENTS]),
        ("server", [SERVER_EVENTS, TRANSLATION_SERVER_EVENTS]),
    ],
)
def test_every_event_has_a_sample(
    folder: str, tables: list[Mapping[str, type[Model]]]
) -> None:
    """There is a sample on the wire of every type of event."""
    samples = {path.stem for path in (WIRE / folder).glob("*.json")}

    assert {wire_type for table in tables for wire_type in table} == samples


@pytest.mark.parametrize(
    "path", sorted(WIRE.rglob("*.json")), ids=lambda p: str(p.relative_to(WIRE))
)
def test_sample_is_named_by_its_type(path: pathlib.Path) -> None:
    """A sample is named by its type and has no field that its class has not."""
    sample = json.loads(path.read_bytes())
    cls = EVENTS.get(path.stem)

    assert path.stem == sample["type"]
    assert cls is None or set(sample) <= {"type"} | set(attrs.fields_dict(cls))


# How objects act


def example(annotation: Any) -> Any:
    """Make a value of the kind that *annotation* asks for, with every field set."""
    origin = typing.get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        fields = attrs.fields(annotation)
        return annotation(
            **{f.name: example(f.type) for f in fields if f.name != "extra"}
        )
    if origin in (typing.Union, types.UnionType):
        return example(typing.get_args(annotation)[0])
    if origin is Literal:
        return typing.get_args(annotation)[0]
    if origin is Sequence:
        return [example(typing.get_args(annotation)[0])]
    if origin is Mapping:
        return {"key": example(typing.get_args(annotation)[1])}
    values: dict[Any, Any] = {bytes: b"\x01\x00" * 40, Any: [1, None], float: 0.5}
    return values[annotation] if annotation in values else annotation("7")


@pytest.mark.parametrize("cls", LEAVES, ids=name)
def test_annotations_are_objects(cls: type[Model]) -> None:
    """Type hints need no namespace, so that a class may be moved to another module."""
    assert [] == [f.name for f in attrs.fields(cls) if isinstance(f.type, str)]
    assert typing.get_type_hints(cls)


@pytest.mark.parametrize("cls", LEAVES, ids=name)
def test_objects_can_be_copied_and_pickled(cls: type[Model]) -> None:
    """A copy equals its original, by every way of copying."""
    model = example(cls)
    changed = attrs.evolve(model, extra={"new": 1})

    assert model == copy.copy(model)
    assert model == copy.deepcopy(model)
    assert model == pickle.loads(pickle.dumps(model))
    assert model != changed
    assert {"new": 1} == changed.extra


@pytest.mark.parametrize("cls", LEAVES, ids=name)
def test_optional_fields_are_unset(cls: type[Model]) -> None:
    """What need not be given is absent and not null."""
    optional = [
        field
        for field in attrs.fields(cls)
        if field.name != "extra" and field.default is not attrs.NOTHING
    ]

    assert all(field.default is UNSET for field in optional)
    assert all(Unset in members(field.type) for field in optional)
    assert all(type(None) in members(field.type) for field in optional)


@pytest.mark.parametrize("cls", LEAVES, ids=name)
def test_repr_shows_neither_audio_nor_unset(cls: type[Model]) -> None:
    """The repr of a full object is short and has no audio in it."""
    text = repr(example(cls))

    assert text.startswith(f"{cls.__name__}(")
    assert len(text) <= 1024
    assert "x01" not in text
    assert "UNSET" not in text
    assert "extra" not in text


HOT = [
    InputAudioBufferAppend,
    ResponseOutputAudioDelta,
    protocol.ResponseOutputAudioTranscriptDelta,
    protocol.ResponseOutputTextDelta,
    protocol.SessionInputAudioBufferAppend,
    protocol.SessionInputTranscriptDelta,
    protocol.SessionOutputAudioDelta,
    protocol.SessionOutputTranscriptDelta,
]


@pytest.mark.parametrize("cls", LEAVES, ids=name)
def test_objects_are_frozen_and_slotted(cls: type[Model]) -> None:
    """Only the classes of frequent events can be changed, and none takes new names."""
    model = example(cls)
    frozen = False
    try:
        model.extra = {}
    except attrs.exceptions.FrozenInstanceError:
        frozen = True

    assert (cls not in HOT) == frozen
    assert not hasattr(model, "__dict__")


def test_extra_of_new_objects_is_empty_for_good() -> None:
    """Objects share one empty mapping, which cannot be changed."""
    extra: Any = ServerVad().extra

    with pytest.raises(TypeError):
        extra["threshold"] = 1
    with pytest.raises(KeyError):
        extra["threshold"]
    assert extra == {}
    assert "{}" == repr(extra)
    assert extra is ServerVad().extra
    assert extra is copy.deepcopy(extra)
    assert extra is pickle.loads(pickle.dumps(extra))


def test_unset_is_false_and_one_of_a_kind() -> None:
    """UNSET is false, says its name, and stays itself in copies and pickles."""
    assert not UNSET
    assert "UNSET" == repr(UNSET)
    assert UNSET is copy.copy(UNSET)
    assert UNSET is copy.deepcopy(UNSET)
    assert UNSET is pickle.loads(pickle.dumps(UNSET))


def test_repr_hides_what_is_unset() -> None:
    """A repr shows null, but not what is absent."""
    vad = ServerVad(threshold=0.5, idle_timeout_ms=None)

    assert "ServerVad(threshold=0.5, idle_timeout_ms=None)" == repr(vad)


@pytest.mark.parametrize(
    "audio", [bytes(4800), bytearray(4800), memoryview(bytes(4800))]
)
def test_repr_counts_audio(audio: Any) -> None:
    """A repr tells how many bytes of audio there are, of whatever type."""
    event = InputAudioBufferAppend(audio=audio)

    assert "InputAudioBufferAppend(audio=<4800 bytes>)" == repr(event)


def test_repr_counts_long_text_of_unknown_fields() -> None:
    """Unknown JSON might hold audio in base64: its long texts are counted only."""
    event = UnknownEvent(payload={"type": "new", "list": [{"audio": "AAAA" * 99}]})
    expected = "UnknownEvent(payload={'type': 'new', 'list': [{'audio': "

    assert f"{expected}<396 characters>}}]}})" == repr(event)


def test_repr_hides_secrets() -> None:
    """A repr shows no key or token, known or unknown."""
    tool = McpTool(
        server_label="mail", authorization="s3cret", headers={"X-Key": "s3cret"}
    )
    session = RealtimeSession(
        tools=[tool],
        client_secret=protocol.ClientSecret(value="s3cret", expires_at=7),
        extra={"api_key": "s3cret", "inner": {"access_token": "s3cret", "tokens": 3}},
    )
    text = repr(session)

    assert "s3cret" not in text
    assert "authorization=<hidden>" in text
    assert "'tokens': 3" in text


def test_repr_is_limited() -> None:
    """A repr has at most 1024 characters, and long texts do not push out the rest."""
    parts = [OutputText(text="word " * 1000)] * 20
    message = repr(Message(role="assistant", content=parts))
    done = repr(
        ResponseOutputTextDone(
            response_id="r",
            item_id="i",
            output_index=0,
            content_index=0,
            text="a" * 999,
        )
    )

    assert 1024 == len(message)
    assert message.endswith("...)")
    assert done.endswith("'... <999 characters>)")


@pytest.mark.parametrize("cls", [UnknownEvent, UnknownClientEvent, UnknownObject])
def test_type_of_unknown_is_that_of_payload(cls: Any) -> None:
    """An unknown object has the type that its payload has, or none."""
    assert "pong.sent" == cls(payload={"type": "pong.sent"}).type
    assert "" == cls(payload={}).type
    assert "" == cls.type


def test_fields_are_given_by_name() -> None:
    """Wire classes take no positional arguments."""
    cls: Any = ResponseDone

    with pytest.raises(TypeError, match="positional"):
        cls(None)


def test_subclass_may_add_fields() -> None:
    """A user's own event class works as the others do."""

    @attrs.frozen(kw_only=True, repr=False)
    class PongSent(ServerEvent):
        type: ClassVar[str] = "pong.sent"

        count: int

    assert "PongSent(event_id='e', count=1)" == repr(PongSent(event_id="e", count=1))
