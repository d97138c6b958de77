"""What was said, in the JSON that OpenTelemetry's conventions have for messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..protocol.items import FunctionCall, FunctionCallOutput, Message


__all__ = ["input_messages", "output_messages"]

_LIMIT = 20  # messages of the input: what is new is at its end


def input_messages(items: Sequence[Any], response_items: Iterable[Any]) -> str:
    """
    Return what the model was asked, without audio.

    Args:
        items: The items of the conversation, those of the response among them.
        response_items: The output items of the response.
    """
    own = {item.id for item in response_items if item.id}
    before = [item for item in items if item.id not in own]
    return json.dumps([_message(item) for item in before[-_LIMIT:]])


def output_messages(items: Iterable[Any], finish_reason: str) -> str:
    """Return what the model answered, without audio."""
    return json.dumps(
        [{**_message(item), "finish_reason": finish_reason} for item in items]
    )


def _message(item: Any) -> dict[str, Any]:
    if isinstance(item, FunctionCall):
        part = {"id": item.call_id, "name": item.name, "arguments": item.arguments}
        return {"role": "assistant", "parts": [{"type": "tool_call", **part}]}
    if isinstance(item, FunctionCallOutput):
        part = {"id": item.call_id, "response": item.output}
        return {"role": "tool", "parts": [{"type": "tool_call_response", **part}]}
    if isinstance(item, Message):
        texts = [_text(part) for part in item.content or ()]
        parts = [{"type": "text", "content": text} for text in texts if text]
        return {"role": item.role, "parts": parts}
    return {"role": "assistant", "parts": [{"type": str(item.type)}]}


def _text(part: Any) -> str:
    return getattr(part, "text", None) or getattr(part, "transcript", None) or ""
