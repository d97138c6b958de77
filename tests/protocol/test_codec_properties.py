"""What holds for every event: generated ones, damaged ones, and noise."""

from __future__ import annotations

import functools
import json
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_sync.errors import DecodeError
from realtime_sync.protocol import (
    CLIENT_EVENTS,
    SERVER_EVENTS,
    TRANSLATION_CLIENT_EVENTS,
    TRANSLATION_SERVER_EVENTS,
    UNSET,
    ClientEvent,
    Model,
    UnknownObject,
    Unset,
)
from realtime_sync.protocol.codec import (
    Dialect,
    decode_client_event,
    decode_server_event,
    encode,
    structure,
    unstructure,
)


WIRE = Path(__file__).parents[1] / "wire"
EVENTS = [
    *CLIENT_EVENTS.values(),
    *TRANSLATION_CLIENT_EVENTS.values(),
    *SERVER_EVENTS.values(),
    *TRANSLATION_SERVER_EVENTS.values(),
]
SAMPLES = {
    path.relative_to(WIRE).as_posix(): json.loads(path.read_text("utf-8"))
    for path in sorted(WIRE.rglob("*.json"))
}

quick = functools.partial(
    settings,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2)
    ),
    max_leaves=4,
)
ODD_NAMES = ["extra", "what the class has no attribute for", "", "$", "Type", "payload"]
UNKNOWN_OBJECTS = st.builds(
    lambda payload, kind: UnknownObject(payload={"type": f"x-{kind}", **payload}),
    st.dictionaries(TEXT.filter("type".__ne__), JSON, max_size=2),
    TEXT,
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON,
    None: st.none(),
    type(None): st.none(),
    Unset: st.just(UNSET),
    UnknownObject: UNKNOWN_OBJECTS,
    bool: st.booleans(),
    bytes: st.binary(max_size=7),
    float: NUMBERS | st.integers(-1000, 1000),
    int: INTEGERS,
    str: TEXT,
}


@functools.cache
def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a field."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([values(each) for each in args])
    if origin is Sequence:
        return st.lists(values(args[0]), max_size=2)
    if origin is Mapping:
        return st.dictionaries(TEXT, values(args[1]), max_size=2)
    return models(annotation)


@functools.cache
def models(cls: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the objects of a class, unknown fields thrown in."""
    hints = typing.get_type_hints(cls)
    names = [field.name for field in attrs.fields(cls) if field.name != "extra"]
    fields = {name: values(hints[name]) for name in names}
    keys = (st.sampled_from(ODD_NAMES) | TEXT).filter(
        lambda key: key not in {*names, "type"}
    )
    extra = st.just({}) | st.dictionaries(keys, JSON, max_size=2)
    return st.deferred(lambda: st.builds(cls, extra=extra, **fields))


def same(one: object, other: object) -> bool:
    """Compare as JSON does: 1, 1.0 and true are three things."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def decode(cls: type[Model], data: bytes, dialect: Dialect = "ga") -> Model:
    if issubclass(cls, ClientEvent):
        return decode_client_event(data, dialect)
    return decode_server_event(data, dialect)


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.__name__)
@quick(max_examples=12)
@given(data=st.data())
def test_events_survive_the_wire(cls: type[Model], data: st.DataObject) -> None:
    """Encoding and decoding any event gives an equal event, and equal JSON again."""
    event = data.draw(models(cls))

    wire = encode(event)
    decoded = decode(cls, wire)

    assert event == decoded
    assert type(event) is type(decoded)
    assert wire == encode(decoded)
    assert same(json.loads(wire), unstructure(event))
    assert event == structure(unstructure(event), cls)


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.__name__)
@quick(max_examples=6)
@given(data=st.data())
def test_events_survive_the_preview(cls: type[Model], data: st.DataObject) -> None:
    """What the preview dialect makes of an event comes back as the same JSON."""
    event = data.draw(models(cls))

    wire = encode(event, "preview")
    decoded = decode(cls, wire, "preview")

    assert same(json.loads(wire), json.loads(encode(decoded, "preview")))


@quick(max_examples=150)
@given(st.binary(max_size=40), st.sampled_from(["ga", "preview"]))
def test_noise_raises_decode_errors_alone(data: bytes, dialect: Dialect) -> None:
    """Bytes of no meaning are refused, whichever side they come from."""
    for decode_event in (decode_client_event, decode_server_event):
        with pytest.raises(DecodeError):
            decode_event(data, dialect)


@quick(max_examples=150)
@given(JSON, st.sampled_from(["ga", "preview"]))
def test_other_json_raises_decode_errors_alone(value: object, dialect: Dialect) -> None:
    """JSON that is no event is refused."""
    with pytest.raises(DecodeError):
        decode_server_event(json.dumps(value), dialect)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything inside *value*."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    inner = [place for key, each in pairs for place in places(each, (*path, key))]
    return [path, *inner]


def damaged(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    """Return *value* with something else at *path*, or nothing if it is UNSET."""
    if not path:
        return {} if change is UNSET else change
    step, *rest = path
    if change is UNSET and not rest:
        if isinstance(value, dict):
            return {key: each for key, each in value.items() if key != step}
        return [each for index, each in enumerate(value) if index != step]
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {
        key: damaged(each, tuple(rest), change) if key == step else each
        for key, each in pairs
    }
    return changed if isinstance(value, dict) else list(changed.values())


@st.composite
def damaged_samples(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from(sorted(SAMPLES)))
    sample = SAMPLES[name]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(sample)[1:] or [()]))
        sample = damaged(sample, place, draw(JSON | st.just(UNSET)))
    return name, sample


@quick(max_examples=600)
@given(damaged_samples())
def test_damaged_samples_are_refused_or_kept(case: tuple[str, Any]) -> None:
    """A message with something else in some place either is a fault, or survives."""
    name, payload = case
    dialect: Dialect = "preview" if "preview" in name else "ga"
    decode_event: Any = decode_client_event if "client" in name else decode_server_event

    try:
        event = decode_event(json.dumps(payload), dialect)
    except DecodeError:
        return

    assert same(payload, json.loads(encode(event, dialect)))
    assert event == decode_event(encode(event, dialect), dialect)
