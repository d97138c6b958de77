"""Another library's models of the protocol, which every event has to fit exactly."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, get_args

import pytest
import schemas


openai = pytest.importorskip("openai", reason="the openai package is not installed")


# What the service sends and these models leave out. The schemas have it, save the
# message of a response's error, which the service sends all the same.
_SENT_ANYWAY = frozenset(
    {
        *(
            f"session.{event}.session.{field}"
            for event in ("created", "updated")
            for field in ("expires_at", "id", "object")
        ),
        "response.done.response.status_details.error.message",
        # The models have it since release 3.
        "response.function_call_arguments.done.name",
    }
)
# The same of the models of the preview, which are older than its schemas.
_SENT_ANYWAY_IN_PREVIEW = _SENT_ANYWAY | {
    *(
        f"session.{event}.session.{field}"
        for event in ("created", "updated")
        for field in (
            "include",
            "prompt",
            "truncation",
            "turn_detection.idle_timeout_ms",
        )
    ),
    "response.done.response.usage.input_token_details.cached_tokens_details",
    "response.done.response.usage.input_token_details.image_tokens",
}


# An event of the preview's schemas that is newer than its models.
_NEWER = frozenset({"conversation.item.input_audio_transcription.segment"})


@cache
def _models(dialect: str) -> dict[str, Any]:
    """Return the models of a dialect's server events, by wire type."""
    from openai.types import realtime
    from openai.types.beta import realtime as beta

    if dialect == "translation":
        # Releases before 3 have no models of it.
        annotated = getattr(realtime, "RealtimeTranslationServerEvent", None)
    else:
        annotated = {"ga": realtime, "preview": beta}[dialect].RealtimeServerEvent
    if annotated is None:
        return {}
    union = get_args(annotated)[0]
    return {
        get_args(model.model_fields["type"].annotation)[0]: model
        for model in get_args(union)
    }


def check_event(payload: dict[str, Any], dialect: str = "ga") -> None:
    """Fail if *payload* breaks the models or the schemas, or holds anything else."""
    if schemas.PATH.exists():
        assert [] == schemas.differences(payload, dialect)
    if dialect == "preview" and payload["type"].startswith("transcription_session."):
        return  # The models have no such session as the service sends it.
    known = _SENT_ANYWAY_IN_PREVIEW if dialect == "preview" else _SENT_ANYWAY
    models = _models(dialect)
    if not models or (dialect == "preview" and payload["type"] in _NEWER):
        return
    model = models[payload["type"]]
    event = model.model_validate_json(json.dumps(payload), strict=True)
    unknown = sorted(set(_extras(event, payload["type"])) - known)

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
