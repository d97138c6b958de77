"""The published schemas of the protocol, which every event has to fit as well."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator


PATH = (
    Path(__file__).parents[3] / "shared" / "protocol" / "openai-realtime-schemas.json"
)
_PREFIXES = {
    "ga": "RealtimeServerEvent",
    "preview": "RealtimeBetaServerEvent",
    "translation": "RealtimeTranslationServerEvent",
}

# Where the service says null, and the schemas know no null.
_NULLS = frozenset(
    {
        "conversation_id",
        "include",
        "input_audio_noise_reduction",
        "noise_reduction",
        "status_details",
        "transcript",
        "transcription",
        "usage",
    }
)
# The schemas of the preview have come to use the names of the GA; its service has not.
_NEWER_NAMES = {
    "response.audio.": "response.output_audio.",
    "response.audio_transcript.": "response.output_audio_transcript.",
    "response.text.": "response.output_text.",
}
# The preview sends this event of the GA, and has no schema for it.
_OF_THE_GA = frozenset({"conversation.created"})
# The schema is that of the REST API, which answers with a secret; a session has an id.
_OTHERWISE = "transcription_session."
# Of a response's error the schemas know no message; the service sends one.
_MESSAGE = "Additional properties are not allowed ('message' was unexpected)"


def _read(value: Any) -> Any:
    """Return a schema as it is meant: what it does not list is not allowed."""
    if isinstance(value, list):
        return [_read(each) for each in value]
    if not isinstance(value, dict):
        return value
    # The alternatives of a oneOf overlap where they require no field.
    read = {("anyOf" if k == "oneOf" else k): _read(v) for k, v in value.items()}
    if "properties" in value and "type" in value:
        read.setdefault("additionalProperties", False)
    return read


@cache
def _validators(dialect: str) -> dict[str, Draft202012Validator]:
    """Return what checks the server events of a dialect, by wire type."""
    schemas = {name: _read(each) for name, each in json.loads(PATH.read_text()).items()}
    components = {"components": {"schemas": schemas}}
    return {
        each["properties"]["type"]["enum"][0]: Draft202012Validator(
            {**components, "$ref": f"#/components/schemas/{name}"}
        )
        for name, each in schemas.items()
        if name.startswith(_PREFIXES[dialect]) and "properties" in each
    }


def event_types(dialect: str) -> set[str]:
    """Return the wire types that a dialect has schemas for."""
    return set(_validators(dialect))


def differences(payload: dict[str, Any], dialect: str = "ga") -> list[str]:
    """Return what about an event differs from its schema, at the deepest places."""
    if payload["type"].startswith(_OTHERWISE):
        return []
    if dialect == "preview":
        payload = in_newer_names(payload)
    if payload["type"] in _OF_THE_GA:
        dialect = "ga"
    validator = _validators(dialect)[payload["type"]]
    return [
        f"{payload['type']}: {deep.json_path}: {deep.message}"
        for error in validator.iter_errors(_without_nulls(payload))
        for deep in _deepest(error)
        if not (deep.json_path.endswith("details.error") and deep.message == _MESSAGE)
    ]


def in_newer_names(payload: dict[str, Any]) -> dict[str, Any]:
    """Return an event of the preview under the names that its schemas have."""
    for old, new in _NEWER_NAMES.items():
        if payload["type"].startswith(old):
            payload = {**payload, "type": payload["type"].replace(old, new, 1)}
    if "part" in payload:
        return payload
    names = {"audio": "output_audio", "text": "output_text"}

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(each) for each in value]
        if not isinstance(value, dict):
            return value
        changed = {name: renamed(each) for name, each in value.items()}
        if value.get("type") in names:
            changed["type"] = names[value["type"]]
        return changed

    read: dict[str, Any] = renamed(payload)
    return read


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_nulls(each)
        for name, each in value.items()
        if each is not None or name not in _NULLS
    }


def _deepest(error: Any) -> list[Any]:
    if not error.context:
        return [error]
    return [deep for each in error.context for deep in _deepest(each)]
