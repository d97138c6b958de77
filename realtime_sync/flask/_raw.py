"""
The raw mode: events of the protocol, through lists of what may pass.

A client of the protocol that runs in the browser works with it, save for what the
session's owner decides. Nothing that changes the session passes, and what does pass is
made anew from the fields that are known to be harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

from ..protocol._model import ServerEvent
from ..protocol.codec import encode
from ..protocol.items import FunctionCall, FunctionCallOutput
from ..protocol.server_events import (
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDone,
    InputAudioBufferSpeechStarted,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    SessionCreated,
)
from ._desk import BadMessage, Desk


__all__ = ["RAW_CLIENT_EVENTS", "RAW_SERVER_EVENTS", "RawDesk"]

RAW_SERVER_EVENTS = frozenset(
    {
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.deleted",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.failed",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "input_audio_buffer.committed",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.timeout_triggered",
        "response.content_part.added",
        "response.content_part.done",
        "response.created",
        "response.done",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
    }
)
"""Events of the service that pass. Errors do too, without the service's words."""

Check = Callable[[Any], Any]


def _is_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise BadMessage("a field that has to be a text is none")
    return value


def _is_number(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadMessage("a field that has to be a number is none")
    return value


def _is_user_message(value: Any) -> Any:
    """Take what a user may say; what the system or the assistant says is not for it."""
    item = value if isinstance(value, dict) else {}
    content = item.get("content")
    if item.get("type") != "message" or item.get("role") != "user" or not content:
        raise BadMessage("an item is a message of the user")
    if not isinstance(content, list):
        raise BadMessage('"content" is a list')
    taken = {"type": "message", "role": "user", "content": [*map(_part, content)]}
    return {**taken, "id": _is_text(item["id"])} if item.get("id") else taken


def _part(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    name = {"input_text": "text", "input_audio": "audio"}.get(str(kind))
    if name is None:
        raise BadMessage("content is input_text or input_audio")
    return {"type": kind, name: _is_text(part.get(name))}


_FIELDS: Mapping[str, Mapping[str, Check]] = {
    "input_audio_buffer.append": {"audio": _is_text},
    "input_audio_buffer.commit": {},
    "input_audio_buffer.clear": {},
    "conversation.item.create": {
        "item": _is_user_message,
        "previous_item_id": _is_text,
    },
    "conversation.item.truncate": {
        "item_id": _is_text,
        "content_index": _is_number,
        "audio_end_ms": _is_number,
    },
    # Without its settings, which could be instructions or tools.
    "response.create": {},
    "response.cancel": {"response_id": _is_text},
    "output_audio_buffer.clear": {},
}

# What an open page does not send by itself, as it does send audio.
_SAID = {"conversation.item.create", "input_audio_buffer.commit", "response.create"}

RAW_CLIENT_EVENTS = frozenset(_FIELDS)
"""Events of the browser that pass."""


class RawDesk(Desk):
    """
    Passes on events of the protocol; see `Desk`.

    Args:
        arguments: Those of `Desk`.
        client_events: Which of `RAW_CLIENT_EVENTS` pass.
        server_events: Which of `RAW_SERVER_EVENTS` pass.
        options: Those of `Desk`.
    """

    def __init__(
        self,
        *arguments: Any,
        client_events: Collection[str] = RAW_CLIENT_EVENTS,
        server_events: Collection[str] = RAW_SERVER_EVENTS,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._client_events = RAW_CLIENT_EVENTS & frozenset(client_events)
        self._server_events = RAW_SERVER_EVENTS & frozenset(server_events)

    def listen(self) -> None:
        """Begin to pass on what the service says."""
        super().listen()
        # Of the session the browser learns that it is there, and nothing of its
        # instructions and tools.
        session = {"type": "realtime", "id": self._session_id}
        self.outbox.put(
            {"type": SessionCreated.type, "event_id": "event_0", "session": session}
        )

    # On the server's thread

    def hear(self, pcm: bytes) -> None:
        """Refuse: in this mode audio is in events."""
        raise BadMessage("audio goes into input_audio_buffer.append")

    def obey(self, message: dict[str, Any]) -> None:
        """Pass on an event that may pass."""
        kind = message["type"]
        if kind not in self._client_events:
            raise BadMessage(f"{kind[:60]} may not be sent from a browser")
        checks = _FIELDS[kind]
        event = {
            name: check(message[name])
            for name, check in checks.items()
            if message.get(name) is not None
        }
        event_id = message.get("event_id")
        if isinstance(event_id, str) and len(event_id) <= 64:
            event["event_id"] = event_id
        try:
            self.connection.send({"type": kind, **event}, timeout=10.0)
        except (TypeError, ValueError) as exc:
            raise BadMessage(f"that is no {kind}") from exc
        if kind in _SAID:
            self.note_activity()

    def complain(self, code: str, message: str) -> None:
        """Tell the browser what went wrong, in the form of the protocol."""
        error = {"type": "invalid_request_error", "code": code, "message": message}
        self.outbox.put({"type": "error", "event_id": "event_0", "error": error})

    # On the reader thread

    def _on_any(self, event: ServerEvent) -> None:
        super()._on_any(event)
        if event.type not in self._server_events or self._is_private(event):
            return
        if isinstance(event, InputAudioBufferSpeechStarted) and self._interrupts():
            self.outbox.drop_speech()
        if isinstance(event, (ResponseCreated, ResponseDone)):
            event = _without_settings(event)
        text = encode(event, "ga").decode()
        speech = isinstance(event, ResponseOutputAudioDelta)
        self.outbox.put_frame(text, speech=speech)

    def _is_private(self, event: ServerEvent) -> bool:
        """Tell whether it is about a function, where functions are not shown."""
        about = (*_item_events, ResponseOutputItemAdded, ResponseOutputItemDone)
        if self._show_tools or not isinstance(event, about):
            return False
        return isinstance(event.item, (FunctionCall, FunctionCallOutput))


_item_events = (ConversationItemAdded, ConversationItemCreated, ConversationItemDone)
_KEPT = {"id", "object", "status", "status_details", "output", "usage"}


def _without_settings(event: ResponseCreated | ResponseDone) -> Any:
    """Return the event with what a browser needs of its response."""
    payload = orjson.loads(encode(event, "ga"))
    response = payload["response"]
    payload["response"] = {name: response[name] for name in _KEPT & set(response)}
    output = payload["response"].get("output") or []
    messages = [item for item in output if item.get("type") == "message"]
    payload["response"]["output"] = messages
    return payload
