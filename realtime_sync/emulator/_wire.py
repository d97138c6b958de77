"""From a client's message to its event, or to the error that the service answers."""

from __future__ import annotations

import re
from typing import Any

import orjson

from ..errors import DecodeError
from ..protocol import (
    UNSET,
    ClientEvent,
    Maybe,
)
from ..protocol.codec import Dialect, decode_client_event
from ._errors import RequestError, missing_parameter


__all__ = ["decode_message"]


def decode_message(data: str | bytes, dialect: Dialect) -> ClientEvent:
    """
    Return the event in a text message.

    Raises:
        RequestError: It holds none, or one with a field that is missing or wrong.
    """
    try:
        return decode_client_event(data, dialect)
    except DecodeError as exc:
        error = _explain(data, exc)
        raise error from exc


def _explain(data: str | bytes, exc: DecodeError) -> RequestError:
    try:
        # What this reads can be written again; the one of the standard library takes
        # strings that are no Unicode.
        payload = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _invalid_event("The message is not valid JSON.")
    if not isinstance(payload, dict):
        return _invalid_event("The message is not a JSON object.")
    event_id: Maybe[str] = payload.get("event_id") or UNSET
    error = _explain_payload(payload, exc)
    error.event_id = event_id if isinstance(event_id, str) else UNSET
    return error


def _explain_payload(payload: dict[str, Any], exc: DecodeError) -> RequestError:
    if "type" not in payload:
        return _invalid_event("The 'type' field is missing.")
    path = re.sub(r"^\$\.?", "", exc.path)
    if path == "audio" and isinstance(payload.get("audio"), str):
        return RequestError(
            "Invalid 'audio'. Expected base64-encoded audio bytes.",
            code="invalid_value",
            param="audio",
        )
    if path and not _has(payload, path):
        return missing_parameter(path)
    return RequestError(
        f"Invalid type for '{path}': {exc}", code="invalid_type", param=path or None
    )


def _has(payload: Any, path: str) -> bool:
    for name in re.findall(r"[^.\[\]]+", path):
        if isinstance(payload, list) and name.isdigit() and int(name) < len(payload):
            payload = payload[int(name)]
        elif isinstance(payload, dict) and name in payload:
            payload = payload[name]
        else:
            return False
    return True


def _invalid_event(message: str) -> RequestError:
    return RequestError(message, code="invalid_event")
