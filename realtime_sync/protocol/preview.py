"""
The preview dialect, translated to and from the GA protocol by tables.

Everything here works on decoded JSON. Nothing outside this module knows a preview name,
except as an alias when callbacks are registered, see `PREVIEW_ALIASES`.

What differs, preview first:

- Names of events: ``response.audio.delta`` is ``response.output_audio.delta``, and so
  on. ``conversation.item.created`` is ``conversation.item.added``.
  ``transcription_session.update`` is ``session.update`` with a session whose ``type``
  is ``transcription``.
- Sessions are flat, without ``type``: ``voice`` is ``audio.output.voice``.
- Formats are words, such as ``pcm16``, instead of objects.
- ``modalities`` lists text beside audio, since audio comes with a transcript, where
  ``output_modalities`` is ``["audio"]``.
- The parts of an answer are ``text`` and ``audio``, not ``output_text`` and
  ``output_audio``.
- A chosen function is ``{"function": {"name": ...}}``.

What the preview has no place for stays where it is in the GA form, and the service
says what it thinks of it: a setting that somebody asked for is never dropped silently.
So do events, such as ``conversation.item.done``, and PCM of another rate than 24 kHz.
Only what carries no wish is left out: the ``type`` of a session, the ``object`` of an
item that a client creates, and objects that are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple


__all__ = ["PREVIEW_ALIASES", "ga_path", "to_ga", "to_preview"]

_Translate = Callable[[Any], Any]

PREVIEW_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "conversation.item.created": "conversation.item.added",
        "response.audio.delta": "response.output_audio.delta",
        "response.audio.done": "response.output_audio.done",
        "response.audio_transcript.delta": "response.output_audio_transcript.delta",
        "response.audio_transcript.done": "response.output_audio_transcript.done",
        "response.text.delta": "response.output_text.delta",
        "response.text.done": "response.output_text.done",
        "transcription_session.created": "session.created",
        "transcription_session.update": "session.update",
        "transcription_session.updated": "session.updated",
    }
)
"""The preview's names of events, with the GA names of the same events."""

_TRANSCRIPTION_PREFIX: Final = "transcription_"
_PREVIEW_NAMES: Final = {
    ga: preview
    for preview, ga in PREVIEW_ALIASES.items()
    if not preview.startswith(_TRANSCRIPTION_PREFIX)  # these go by the session's type
}

# Azure's description of 2024-10-01 has names that services gave up soon afterwards.
_OLD_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "conversation.item.truncated": ("index", "content_index"),
    "response.text.done": ("value", "text"),
}


# Values


def _keep(value: Any) -> Any:
    return value


_FORMATS: Final[Mapping[str, dict[str, Any]]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


def _format_to_ga(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return dict(_FORMATS.get(value, {"type": value}))


def _format_to_preview(value: Any) -> Any:
    if value == {"type": "audio/pcm"}:  # the rate may be left out
        return "pcm16"
    for word, known in _FORMATS.items():
        if value == known:
            return word
    is_word = (
        isinstance(value, dict)
        and value.keys() == {"type"}
        and isinstance(value["type"], str)
        and not value["type"].startswith("audio/")
    )
    return value["type"] if is_word else value


def _modalities_to_ga(value: Any) -> Any:
    return ["audio"] if value in (["text", "audio"], ["audio", "text"]) else value


def _modalities_to_preview(value: Any) -> Any:
    return ["text", "audio"] if value == ["audio"] else value


def _turn_detection_to_ga(value: Any) -> Any:
    return None if value == {"type": "none"} else value


def _tool_choice_to_ga(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("function"), dict):
        return value
    rest = {name: item for name, item in value.items() if name != "function"}
    return {**rest, **value["function"]}


def _tool_choice_to_preview(value: Any) -> Any:
    if not isinstance(value, dict) or value.get("type") != "function":
        return value
    rest = {name: item for name, item in value.items() if name != "name"}
    return {**rest, "function": {"name": value["name"]}} if "name" in value else value


# Content parts and items

_PART_TYPES: Final[Mapping[str, str]] = {"text": "output_text", "audio": "output_audio"}
_PREVIEW_PART_TYPES: Final = {ga: preview for preview, ga in _PART_TYPES.items()}


def _part(part: Any, types: Mapping[str, str]) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in types:
        return part
    return {**part, "type": types[kind]}


def _item(item: Any, types: Mapping[str, str]) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("content"), list):
        return item
    return {**item, "content": [_part(part, types) for part in item["content"]]}


def _item_to_ga(item: Any) -> Any:
    return _item(item, _PART_TYPES)


def _item_to_preview(item: Any) -> Any:
    return _item(item, _PREVIEW_PART_TYPES)


def _new_item_to_preview(item: Any) -> Any:
    item = _item_to_preview(item)
    if not isinstance(item, dict) or item.get("object") != "realtime.item":
        return item
    return {name: value for name, value in item.items() if name != "object"}


def _part_to_preview(part: Any) -> Any:
    # The other way round nothing is to do: parts of their own are ``text`` and
    # ``audio`` in both dialects.
    return _part(part, _PREVIEW_PART_TYPES)


def _each(translate: _Translate) -> _Translate:
    def translate_each(value: Any) -> Any:
        return [translate(item) for item in value] if type(value) is list else value

    return translate_each


# Objects whose fields have another name or another place


class _Field(NamedTuple):
    preview: str
    place: tuple[str, ...]  # the path to the GA field
    to_ga: _Translate = _keep
    to_preview: _Translate = _keep


_MODALITIES = _Field(
    "modalities", ("output_modalities",), _modalities_to_ga, _modalities_to_preview
)
_TOOL_CHOICE = _Field(
    "tool_choice", ("tool_choice",), _tool_choice_to_ga, _tool_choice_to_preview
)
_VOICE = _Field("voice", ("audio", "output", "voice"))
_BOTH_WAYS = (_format_to_ga, _format_to_preview)
_INPUT_FORMAT = _Field("input_audio_format", ("audio", "input", "format"), *_BOTH_WAYS)
_OUTPUT_FORMAT = _Field(
    "output_audio_format", ("audio", "output", "format"), *_BOTH_WAYS
)

_TRANSCRIPTION_SESSION: Final = (
    _INPUT_FORMAT,
    _Field("input_audio_noise_reduction", ("audio", "input", "noise_reduction")),
    _Field("input_audio_transcription", ("audio", "input", "transcription")),
    _Field(
        "turn_detection", ("audio", "input", "turn_detection"), _turn_detection_to_ga
    ),
)
_SESSION: Final = (
    *_TRANSCRIPTION_SESSION,
    _MODALITIES,
    _Field("max_response_output_tokens", ("max_output_tokens",)),
    _OUTPUT_FORMAT,
    _Field("speed", ("audio", "output", "speed")),
    _TOOL_CHOICE,
    _VOICE,
)
_RESPONSE: Final = (
    _MODALITIES,
    _Field("output", ("output",), _each(_item_to_ga), _each(_item_to_preview)),
    _OUTPUT_FORMAT,
    _VOICE,
)
_RESPONSE_PARAMS: Final = (
    _Field("input", ("input",), _each(_item_to_ga), _each(_new_item_to_preview)),
    _MODALITIES,
    _OUTPUT_FORMAT,
    _TOOL_CHOICE,
    _VOICE,
)


_OBJECTS: Final[Mapping[str, tuple[_Field, ...]]] = {
    "response": _RESPONSE_PARAMS,
    "session": _SESSION,
}


def ga_path(path: str) -> str | None:
    """
    Return where the GA protocol has a setting of the preview, or None if it is there.

    Args:
        path: Where the preview has it, such as ``session.voice``.
    """
    start, _, rest = path.partition(".")
    name = rest.partition(".")[0]
    for field in _OBJECTS.get(start, ()):
        if field.preview == name and field.place != (name,):
            return ".".join((start, *field.place))
    return None


def _object_to_ga(value: Any, fields: tuple[_Field, ...]) -> Any:
    if not isinstance(value, dict):
        return value
    ga = dict(value)
    for field in fields:
        if field.preview in ga:
            _put(ga, field.place, field.to_ga(ga.pop(field.preview)))
    return ga


def _put(target: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    *path, name = place
    for step in path:
        inner = target.get(step)
        target[step] = dict(inner) if isinstance(inner, dict) else {}
        target = target[step]
    target[name] = value


def _object_to_preview(value: Any, fields: tuple[_Field, ...]) -> Any:
    if not isinstance(value, dict):
        return value
    preview = dict(value)
    for field in fields:
        _move_to_preview(preview, field)
    return preview


def _move_to_preview(preview: dict[str, Any], field: _Field) -> None:
    *path, name = field.place
    trail = [preview]
    for step in path:
        inner = trail[-1].get(step)
        if not isinstance(inner, dict):
            return
        trail[-1][step] = dict(inner)
        trail.append(trail[-1][step])
    if name in trail[-1]:
        preview[field.preview] = field.to_preview(trail[-1].pop(name))
    for outer, step in zip(reversed(trail[:-1]), reversed(path), strict=True):
        if not outer[step]:
            del outer[step]


def _session_to_ga(session: Any) -> Any:
    ga = _object_to_ga(session, _SESSION)
    return {"type": "realtime", **ga} if isinstance(ga, dict) else ga


def _transcription_session_to_ga(session: Any) -> Any:
    ga = _object_to_ga(session, _TRANSCRIPTION_SESSION)
    return {"type": "transcription", **ga} if isinstance(ga, dict) else ga


def _session_to_preview(session: Any) -> Any:
    kind = session.get("type", "realtime") if isinstance(session, dict) else None
    if kind not in ("realtime", "transcription"):
        return session
    fields = _SESSION if kind == "realtime" else _TRANSCRIPTION_SESSION
    flat = _object_to_preview(session, fields)
    flat.pop("type", None)
    return flat


_response_to_ga = partial(_object_to_ga, fields=_RESPONSE)
_response_to_preview = partial(_object_to_preview, fields=_RESPONSE)
_params_to_ga = partial(_object_to_ga, fields=_RESPONSE_PARAMS)
_params_to_preview = partial(_object_to_preview, fields=_RESPONSE_PARAMS)


# Events: by the name on the wire they come from, the field that holds an object to
# translate, and how

_BODIES_TO_GA: Final[Mapping[str, tuple[str, _Translate]]] = {
    "conversation.item.added": ("item", _item_to_ga),
    "conversation.item.create": ("item", _item_to_ga),
    "conversation.item.created": ("item", _item_to_ga),
    "conversation.item.done": ("item", _item_to_ga),
    "conversation.item.retrieved": ("item", _item_to_ga),
    "response.create": ("response", _params_to_ga),
    "response.created": ("response", _response_to_ga),
    "response.done": ("response", _response_to_ga),
    "response.output_item.added": ("item", _item_to_ga),
    "response.output_item.done": ("item", _item_to_ga),
    "session.created": ("session", _session_to_ga),
    "session.update": ("session", _session_to_ga),
    "session.updated": ("session", _session_to_ga),
    "transcription_session.created": ("session", _transcription_session_to_ga),
    "transcription_session.update": ("session", _transcription_session_to_ga),
    "transcription_session.updated": ("session", _transcription_session_to_ga),
}

_BODIES_TO_PREVIEW: Final[Mapping[str, tuple[str, _Translate]]] = {
    "conversation.item.added": ("item", _item_to_preview),
    "conversation.item.create": ("item", _new_item_to_preview),
    "conversation.item.created": ("item", _item_to_preview),
    "conversation.item.done": ("item", _item_to_preview),
    "conversation.item.retrieved": ("item", _item_to_preview),
    "response.content_part.added": ("part", _part_to_preview),
    "response.content_part.done": ("part", _part_to_preview),
    "response.create": ("response", _params_to_preview),
    "response.created": ("response", _response_to_preview),
    "response.done": ("response", _response_to_preview),
    "response.output_item.added": ("item", _item_to_preview),
    "response.output_item.done": ("item", _item_to_preview),
    "session.created": ("session", _session_to_preview),
    "session.update": ("session", _session_to_preview),
    "session.updated": ("session", _session_to_preview),
    "transcription_session.update": ("session", _session_to_preview),
    "transcription_session.updated": ("session", _session_to_preview),
}


def to_ga(event: dict[str, Any]) -> dict[str, Any]:
    """
    Translate an event of the preview dialect to its GA form.

    Args:
        event: The decoded JSON of the event; it is not changed. Its ``type`` is a
            string.

    Returns:
        The event in GA form. Values that need no translation are shared with *event*.
    """
    name = event["type"]
    ga = {**event, "type": PREVIEW_ALIASES.get(name, name)}
    old, new = _OLD_FIELDS.get(name, ("", ""))
    if old in event and new not in event:
        ga[new] = ga.pop(old)
    return _translate_body(ga, _BODIES_TO_GA.get(name))


def to_preview(event: dict[str, Any]) -> dict[str, Any]:
    """
    Translate an event in GA form to the preview dialect.

    Args:
        event: The decoded JSON of the event, which is not changed. What it has in
            preview form already stays as it is.

    Returns:
        The event in preview form. Values that need no translation are shared with
        *event*.
    """
    name = event.get("type")
    if not isinstance(name, str):
        return event
    preview = {**event, "type": _preview_name(name, event.get("session"))}
    return _translate_body(preview, _BODIES_TO_PREVIEW.get(name))


def _preview_name(name: str, session: Any) -> str:
    if isinstance(session, dict) and session.get("type") == "transcription":
        alias = _TRANSCRIPTION_PREFIX + name
        return alias if alias in PREVIEW_ALIASES else name
    return _PREVIEW_NAMES.get(name, name)


def _translate_body(
    event: dict[str, Any], body: tuple[str, _Translate] | None
) -> dict[str, Any]:
    if body is not None and body[0] in event:
        field, translate = body
        event[field] = translate(event[field])
    return event
