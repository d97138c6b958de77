"""A server in a few words: what it says first, and how it answers each command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync.protocol._model import ClientEvent
from realtime_sync.protocol.client_events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCreate,
    SessionUpdate,
)
from realtime_sync.protocol.codec import unstructure
from realtime_sync.transport import FakeTransport


Wire = dict[str, Any]

WAIT = 60.0  # seconds that a correct run never needs


def created(**session: Any) -> Wire:
    """The first event of every session."""
    return {
        "type": "session.created",
        "event_id": "event_created",
        "session": {"type": "realtime", "id": "sess_1", **session},
    }


def delta(text: str, response_id: str = "resp_1") -> Wire:
    """A piece of a response's text; for tests it is just some event with a payload."""
    return {
        "type": "response.output_text.delta",
        "event_id": f"event_{text}",
        "response_id": response_id,
        "item_id": "item_1",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
    }


def refusal(
    event_id: str | None = None, *, code: str | None = None, param: str | None = None
) -> Wire:
    """An error that the server reports."""
    error = {
        "type": "invalid_request_error",
        "code": code,
        "message": "no",
        "param": param,
        "event_id": event_id,
    }
    return {"type": "error", "event_id": "event_error", "error": error}


def message(item_id: str | None = None) -> Wire:
    """A user's message."""
    content = [{"type": "input_text", "text": "hello"}]
    item = {"type": "message", "role": "user", "content": content}
    return {"id": item_id, **item} if item_id else item


def acknowledge(event: ClientEvent) -> Sequence[Wire]:
    """Answer a command as a service does that is content with everything."""
    answer = _ANSWERS.get(type(event))
    if answer is None:
        return ()
    return [{"event_id": "event_answer", **each} for each in answer(event)]


def connect(transport: FakeTransport, **settings: Any) -> RealtimeConnection:
    """Open a connection over *transport*."""
    settings.setdefault("close_timeout", WAIT)
    settings.setdefault("reconnect", None)
    client = RealtimeClient(
        "ws://127.0.0.1:9",
        "key",
        model="model",
        make_transport=lambda: transport,
        **settings,
    )
    return client.connect()


def _item_events(event: ConversationItemCreate) -> Sequence[Wire]:
    item = unstructure(event.item)
    facts = {"item": item, "previous_item_id": None}
    return [
        {"type": "conversation.item.added", **facts},
        {"type": "conversation.item.done", **facts},
    ]


def _response_events(event: ResponseCreate) -> Sequence[Wire]:
    asked = unstructure(event.response) if event.response else {}
    response = {
        "id": f"resp_{event.event_id}",
        "object": "realtime.response",
        "status": "in_progress",
        "metadata": asked.get("metadata"),
        "conversation_id": "conv_1",
        "output": [],
    }
    return [
        {"type": "response.created", "response": response},
        {"type": "response.done", "response": {**response, "status": "completed"}},
    ]


_ANSWERS: dict[type[ClientEvent], Callable[[Any], Sequence[Wire]]] = {
    SessionUpdate: lambda event: [
        {
            "type": "session.updated",
            "session": {"id": "sess_1", **unstructure(event.session)},
        }
    ],
    ConversationItemCreate: _item_events,
    ConversationItemDelete: lambda event: [
        {"type": "conversation.item.deleted", "item_id": event.item_id}
    ],
    ConversationItemRetrieve: lambda event: [
        {"type": "conversation.item.retrieved", "item": message(event.item_id)}
    ],
    ConversationItemTruncate: lambda event: [
        {
            "type": "conversation.item.truncated",
            "item_id": event.item_id,
            "content_index": event.content_index,
            "audio_end_ms": event.audio_end_ms,
        }
    ],
    InputAudioBufferCommit: lambda event: [
        {
            "type": "input_audio_buffer.committed",
            "item_id": "item_audio",
            "previous_item_id": None,
        }
    ],
    InputAudioBufferClear: lambda event: [{"type": "input_audio_buffer.cleared"}],
    ResponseCreate: _response_events,
}
