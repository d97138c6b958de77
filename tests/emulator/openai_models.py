"""Another library's models of the protocol, which every event has to fit exactly."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest


openai = pytest.importorskip("openai", reason="the openai package is not installed")


# What the service sends and these models leave out: the schemas have the first three in
# the session objects that it returns, and the last is what its errors say.
_SENT_ANYWAY = frozenset(
    {
        "session.created.session.expires_at",
        "session.created.session.id",
        "session.created.session.object",
        "session.updated.session.expires_at",
        "session.updated.session.id",
        "session.updated.session.object",
        "response.done.response.status_details.error.message",
    }
)


@cache
def _adapter(translation: bool) -> Any:
    from openai.types import realtime
    from pydantic import TypeAdapter

    if translation:
        return TypeAdapter(realtime.RealtimeTranslationServerEvent)
    return TypeAdapter(realtime.RealtimeServerEvent)


def check_event(payload: dict[str, Any], *, translation: bool = False) -> None:
    """Fail if *payload* breaks the models, or holds what they do not know."""
    event = _adapter(translation).validate_json(json.dumps(payload), strict=True)
    unknown = sorted(set(_extras(event, payload["type"])) - _SENT_ANYWAY)

    assert payload["type"] == event.type
    assert [] == unknown


def _extras(value: Any, path: str) -> Any:
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        for name in value.model_extra or ():
            yield f"{path}.{name}"
        for name in type(value).model_fields:
            yield from _extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _extras(item, f"{path}[]")
