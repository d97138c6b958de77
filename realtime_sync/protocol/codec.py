"""
JSON to events and back: `decode_server_event`, `decode_client_event` and `encode`.

Nothing unknown is lost or fatal. An event of unknown type becomes `UnknownEvent` (or
`UnknownClientEvent`), a nested object of unknown type `UnknownObject`, and fields that
a class has no attribute for are kept in its ``extra``. Decoding an event and encoding
it in the same dialect gives back equal JSON. Two details of that are visible:

- An object that arrived without the ``type`` that its class has is read as the class
  that fits best; ``extra["type"]`` is then `UNSET` (or what was there instead).
- An event of the preview dialect in a spelling that its GA form does not tell, such as
  ``["audio", "text"]`` for ``["text", "audio"]``, remembers it until it is changed.

What is known is held to its type, and never converted: ``"5"`` is no number and
``true`` no integer. A message that breaks that raises `DecodeError` with the paths of
its faults, as does everything that is no JSON object with a ``type``.

All functions are thread-safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args, overload

import orjson

from ..errors import DecodeError
from ._codec_audio import AudioFrames
from ._codec_base64 import to_base64_bytes
from ._codec_decoders import Decoders, Dialect, spell_preview
from ._codec_structure import ABSENT, DETAILED, FAST, faults, wrong
from ._codec_unstructure import to_wire
from ._model import UNSET, ClientEvent, Model, ServerEvent
from .client_events import CLIENT_EVENTS, InputAudioBufferAppend, UnknownClientEvent
from .server_events import SERVER_EVENTS, UnknownEvent
from .translation_events import TRANSLATION_CLIENT_EVENTS, TRANSLATION_SERVER_EVENTS


__all__ = [
    "Dialect",
    "decode_client_event",
    "decode_server_event",
    "encode",
    "encode_append",
    "structure",
    "unstructure",
]

_Json = dict[str, Any]
M = TypeVar("M")

_MAX_WORDS: Final = 2_000  # characters of a DecodeError's message
_MAX_PAYLOAD: Final = 4_096  # bytes of the message that a DecodeError keeps


# Decoding


_CLIENT_CLASSES: Final = {**CLIENT_EVENTS, **TRANSLATION_CLIENT_EVENTS}
_SERVER_CLASSES: Final = {**SERVER_EVENTS, **TRANSLATION_SERVER_EVENTS}
_DIALECTS: Final[tuple[Dialect, ...]] = get_args(Dialect)
_CLIENT: Final = {
    dialect: Decoders(_CLIENT_CLASSES, UnknownClientEvent, dialect)
    for dialect in _DIALECTS
}
_SERVER: Final = {
    dialect: Decoders(_SERVER_CLASSES, UnknownEvent, dialect) for dialect in _DIALECTS
}

_AUDIO: Final = {dialect: AudioFrames() for dialect in _DIALECTS}
_LONG: Final = 512  # bytes; an audio delta is longer from 6 ms on


def decode_server_event(
    data: bytes | bytearray | memoryview | str, dialect: Dialect = "ga"
) -> ServerEvent:
    """
    Decode a message from the server.

    Args:
        data: The JSON text of one event, in UTF-8 if it is bytes.
        dialect: What the server speaks; the event is in GA form in either case.

    Returns:
        An object of the event's class, an `UnknownEvent` if there is none.

    Raises:
        DecodeError: If the message is no JSON object with a ``type``, or breaks the
            form that this type has. Paths in the error are those of the GA form.
    """
    try:
        if type(data) is bytes and len(data) > _LONG:
            return _decode_long(data, dialect)
        payload = orjson.loads(data)
        event: ServerEvent = _SERVER[dialect][payload["type"]](payload)
    except Exception:  # whatever it was, it is found again, with its path
        event = _decode_again(data, dialect, _SERVER)
    return event


def _decode_long(data: bytes, dialect: Dialect) -> ServerEvent:
    # Nearly all of them are audio; a short message is parsed sooner than looked up.
    audio = _AUDIO[dialect].decode(data)
    if audio is not None:
        return audio
    payload = orjson.loads(data)
    event: ServerEvent = _SERVER[dialect][payload["type"]](payload)
    _AUDIO[dialect].learn(data, event)
    return event


def decode_client_event(
    data: bytes | bytearray | memoryview | str, dialect: Dialect = "ga"
) -> ClientEvent:
    """
    Decode a message from a client, as a server or a recording has to.

    Args:
        data: The JSON text of one event, in UTF-8 if it is bytes.
        dialect: What the client speaks; the event is in GA form in either case.

    Returns:
        An object of the event's class, an `UnknownClientEvent` if there is none.

    Raises:
        DecodeError: If the message is no JSON object with a ``type``, or breaks the
            form that this type has. Paths in the error are those of the GA form.
    """
    try:
        payload = orjson.loads(data)
        event: ClientEvent = _CLIENT[dialect][payload["type"]](payload)
    except Exception:  # whatever it was, it is found again, with its path
        event = _decode_again(data, dialect, _CLIENT)
    return event


def _decode_again(data: Any, dialect: Dialect, tables: Mapping[Dialect, Any]) -> Any:
    _check_dialect(dialect)
    if not isinstance(data, (bytes, bytearray, memoryview, str)):
        raise TypeError(f"data is bytes or str, not {type(data).__name__}")
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise _error([("$", f"expected JSON, got an error: {exc}")], data) from exc
    if type(payload) is not dict:
        raise _error([("$", str(wrong(payload, "an object")))], data)
    if type(payload.get("type")) is not str:
        raise _error([("$.type", _untyped(payload))], data)
    try:
        return tables[dialect].make(payload["type"], DETAILED)(payload)
    except Exception as exc:
        raise _error(faults(exc), data) from exc


def _untyped(payload: _Json) -> str:
    return str(wrong(payload["type"], "a string")) if "type" in payload else ABSENT


def _error(told: list[tuple[str, str]], data: Any = b"") -> DecodeError:
    message = "; ".join(f"{path}: {words}" for path, words in told)
    if len(message) > _MAX_WORDS:
        message = f"{message[:_MAX_WORDS]}..."
    if isinstance(data, str):
        data = data[:_MAX_PAYLOAD].encode(errors="replace")
    start = memoryview(data[:_MAX_PAYLOAD]).tobytes()[:_MAX_PAYLOAD]
    return DecodeError(message, path=told[0][0], payload=start)


# Encoding


def encode(event: Model | Mapping[str, Any], dialect: Dialect = "ga") -> bytes:
    """
    Encode an event.

    Args:
        event: A model object, usually an event; or a mapping in wire form. Either may
            hold the other at any depth, and bytes wherever base64 is meant.
        dialect: What the other side speaks. The event is in GA form in either case; see
            `preview` for what becomes of what the preview does not have.

    Returns:
        The event as JSON in UTF-8, its ``type`` first.

    Raises:
        TypeError: If there is a value in it that JSON has no form for.
        ValueError: If there is a number in it that is not finite or does not fit into
            64 bits, a string that is no Unicode, or nesting without end.
    """
    _check_dialect(dialect)
    if type(event) is InputAudioBufferAppend and _fits_template(event):
        return encode_append(event.audio, event.event_id or None)
    wire = unstructure(event)
    if dialect == "preview":
        wire = spell_preview(event, wire)
    if "type" in wire:
        wire = {"type": wire["type"], **wire}
    return _dump(wire)


def _dump(value: object) -> bytes:
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError as exc:
        raise ValueError(f"the event cannot be written as JSON: {exc}") from exc
    # orjson makes room for escaping every character of a string, and what it returns
    # holds on to that: 8 MB for half a megabyte of base64. And messages are kept.
    return bytes(memoryview(data)) if len(data) > _LONG else data


def encode_append(
    audio: bytes | bytearray | memoryview, event_id: str | None = None
) -> bytes:
    """
    Encode an `InputAudioBufferAppend` in a tenth of the time that others take.

    Args:
        audio: Audio in the session's input format; anything that has the buffer
            protocol will do.
        event_id: The client's id for the event, if it is to have one.

    Returns:
        The same bytes that `encode` gives for the event, in both dialects.
    """
    # The name is written once and for all, and base64 needs no escapes.
    if event_id is None:
        return b"".join((_APPEND_START, to_base64_bytes(audio), _APPEND_END))
    name = _dump(event_id)
    return b"".join(
        (_APPEND_NAMED, name, _APPEND_AUDIO, to_base64_bytes(audio), _APPEND_END)
    )


_APPEND_START: Final = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_NAMED: Final = b'{"type":"input_audio_buffer.append","event_id":'
_APPEND_AUDIO: Final = b',"audio":"'
_APPEND_END: Final = b'"}'


def _fits_template(event: InputAudioBufferAppend) -> bool:
    return (
        type(event.audio) in (bytes, bytearray, memoryview)  # not base64 already
        and (event.event_id is UNSET or type(event.event_id) is str)
        and event.event_id != ""
        and not event.extra
    )


def _check_dialect(dialect: str) -> None:
    if dialect not in _DIALECTS:
        raise ValueError(f"dialect is 'ga' or 'preview', not {dialect!r}")


# Parts of events


@overload
def structure(payload: Mapping[str, Any], cls: type[M]) -> M: ...


@overload
def structure(payload: Mapping[str, Any], cls: object) -> Any: ...


def structure(payload: Mapping[str, Any], cls: Any) -> Any:
    """
    Make a model object of a mapping in wire form.

    Args:
        payload: The mapping, in GA form. It may hold model objects at any depth, and
            bytes wherever base64 is meant.
        cls: The class of the object; or a union of classes, such as ``Item``, of which
            the mapping's ``type`` chooses one; or `ClientEvent` or `ServerEvent` for
            an event of any type.

    Returns:
        The object.

    Raises:
        DecodeError: If the mapping breaks the form that the class has.
        TypeError: If there is a value in it that JSON has no form for.
        ValueError: If there is a number in it that is not finite, or nesting without
            end.
    """
    if cls is ClientEvent or cls is ServerEvent:
        decode = decode_client_event if cls is ClientEvent else decode_server_event
        return decode(encode(payload))
    wire = unstructure(payload)
    try:
        return FAST.structure(wire, cls)
    except Exception:  # found again, with its path
        try:
            return DETAILED.structure(wire, cls)
        except Exception as exc:
            raise _error(faults(exc)) from exc


def unstructure(model: Model | Mapping[str, Any]) -> dict[str, Any]:
    """
    Make a mapping in wire form of a model object, the reverse of `structure`.

    Args:
        model: The object; a mapping in wire form gives a copy of itself.

    Returns:
        Plain JSON types, in GA form, with base64 for bytes.

    Raises:
        TypeError: If there is a value in it that JSON has no form for.
        ValueError: If there is a number in it that is not finite, or nesting without
            end.
    """
    if not isinstance(model, (Model, Mapping)):
        raise TypeError(f"expected a model or a mapping, not {type(model).__name__}")
    try:
        wire: dict[str, Any] = to_wire(model)
    except RecursionError as exc:
        raise ValueError("the object is nested too deeply for JSON") from exc
    return wire
