"""
The bridge's own protocol: PCM as binary messages, and a few words of JSON.

docs/flask.md has the messages as a table. `_desk.py` says which thread does what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._channel.commands import new_event_id
from ..errors import ServerError
from ..protocol.client_events import ConversationItemTruncate
from ..protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputText,
    Message,
)
from ..protocol.server_events import (
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
    ConversationItemTruncated,
    ErrorEvent,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
)
from ..reconnect import Reconnected
from ._codes import CloseCode, SessionEnd
from ._desk import BadMessage, Desk, turn_detection_of


__all__ = ["SimpleDesk"]

_WORDS = {
    "input_audio_buffer_commit_empty": "Nothing was heard.",
    "conversation_already_has_active_response": "An answer is on its way already.",
}
# What an interruption that came too late is told. It does no harm, and the user could
# do nothing about it.
_HARMLESS = frozenset(
    {
        "item_delete_invalid_item_id",
        "item_truncate_invalid_item_id",
        "response_cancel_not_active",
    }
)
_RESPONSE_TIMEOUT = 15.0  # seconds for the end of an answer that is cancelled


class SimpleDesk(Desk):
    """The bridge's own protocol; see `Desk`."""

    def __init__(self, *arguments: Any, turns: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._open_turns = turn_detection_of(self.connection) or {"type": "server_vad"}
        self._turns = "open"
        self._announced: str | None = None  # the item whose audio the browser expects
        self._silenced: str | None = None  # the response that nobody listens to
        self._aside: set[str] = set()  # responses outside of the conversation
        self._places: dict[str, int] = {}  # content indexes of items with audio
        self._commands: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "turns": self._set_turns,
            "commit": self._commit,
            "clear": self._clear,
            "text": self._write,
            "played": self._note_played,
            "interrupt": self._interrupt,
            "end": self._end,
        }
        self._set_turns({"turns": turns}, quiet=True)

    def listen(self) -> None:
        """Begin to pass on what the service says."""
        # Its account begins with its first use, and has to hold all that is said.
        self._playback = self.connection.playback
        super().listen()
        on = self.connection.on
        on(InputAudioBufferSpeechStarted, self._on_speech_started)
        on(InputAudioBufferSpeechStopped, self._on_speech_stopped)
        on(InputAudioBufferCommitted, self._on_committed)
        on(ConversationItemInputAudioTranscriptionDelta, self._on_heard_piece)
        on(ConversationItemInputAudioTranscriptionCompleted, self._on_heard)
        on(ConversationItemInputAudioTranscriptionFailed, self._on_not_heard)
        on(ResponseCreated, self._on_created)
        on(ResponseOutputAudioDelta, self._on_audio)
        on(ResponseOutputAudioTranscriptDelta, self._on_said_piece)
        on(ResponseOutputTextDelta, self._on_said_piece)
        on(ResponseOutputAudioTranscriptDone, self._on_said)
        on(ResponseOutputTextDone, self._on_said)
        on(ResponseOutputItemDone, self._on_output_item)
        on(ConversationItemDone, self._on_item)
        on(ConversationItemTruncated, self._on_truncated)
        on(ResponseDone, self._on_done)
        on(Reconnected, self._on_reconnected)

    # What the browser asks for, on the server's thread

    def obey(self, message: dict[str, Any]) -> None:
        """Do what a message of the JSON protocol asks for."""
        command = self._commands.get(message["type"])
        if command is None:
            raise BadMessage(f"there is no message {message['type'][:40]!r}")
        try:
            command(message)
        except ServerError as exc:
            code = str(exc.code or exc.type)
            self.complain(code, _WORDS.get(code, "The model's service refused that."))
        except TimeoutError:
            self.complain("timeout", "The model's service does not answer.")

    def _set_turns(self, message: dict[str, Any], *, quiet: bool = False) -> None:
        turns = message.get("turns", "open")
        if turns not in ("open", "push"):
            raise BadMessage('"turns" is "open" or "push"')
        if turns != self._turns:
            detection = self._open_turns if turns == "open" else None
            self.connection.update_session(
                {"audio": {"input": {"turn_detection": detection}}}
            )
            self._turns = turns
        if not quiet:
            self.outbox.put({"type": "turns", "turns": turns})

    def _commit(self, message: dict[str, Any]) -> None:
        self.note_activity()
        self.connection.commit_input_audio()
        self._respond()

    def _clear(self, message: dict[str, Any]) -> None:
        self.connection.clear_input_audio()

    def _write(self, message: dict[str, Any]) -> None:
        text = _text(message, "text", self._limits.text_characters).strip()
        if not text:
            raise BadMessage('"text" is empty')
        self.note_activity()
        content = [InputText(text=text)]
        item = self.connection.create_item(Message(role="user", content=content))
        self.changed = True
        item_id = getattr(item, "id", None) or ""
        self.outbox.put(
            {"type": "heard", "item_id": item_id, "text": text, "final": True}
        )
        self._tell(item_id, "user", text)
        self._respond()

    def _respond(self) -> None:
        self.connection.create_response(when_busy="cancel", timeout=_RESPONSE_TIMEOUT)

    def _note_played(self, message: dict[str, Any]) -> None:
        item_id, ms = _text(message, "item_id", 100), _milliseconds(message)
        if item_id in self._places:
            _heard(self._playback.played, ms, item_id)

    def _interrupt(self, message: dict[str, Any]) -> None:
        """Stop the answer that the browser has stopped playing, and cut it to that."""
        response_id = _text(message, "response_id", 100, default="")
        item_id = _text(message, "item_id", 100, default="")
        active = self.connection.active_response
        # By now another answer may be on its way, which nobody wants to stop.
        if active is None or not response_id or active == response_id:
            self._silence(response_id or active)
            if item_id in self._places:
                ms = _milliseconds(message)
                _heard(self._playback.played, ms, item_id)
            self._playback.interrupt()
        elif item_id in self._places:
            self._truncate(item_id, _milliseconds(message))
        self.outbox.put(
            {"type": "interrupted", "response_id": response_id, "item_id": item_id}
        )

    def _end(self, message: dict[str, Any]) -> None:
        """End the session, and forget what was said."""
        self.forgotten = True
        raise SessionEnd(CloseCode.NORMAL)

    def _truncate(self, item_id: str, ms: int) -> None:
        event = ConversationItemTruncate(
            event_id=new_event_id(),
            item_id=item_id,
            content_index=self._places[item_id],
            audio_end_ms=max(1, ms),
        )
        self.connection.send(event)

    def _silence(self, response_id: str | None) -> None:
        self._silenced = response_id
        self._announced = None
        self.outbox.drop_speech()

    # What the service says, on the reader thread

    def _on_error(self, event: ErrorEvent) -> None:
        if event.error.code not in _HARMLESS:
            super()._on_error(event)

    def _on_speech_started(self, event: InputAudioBufferSpeechStarted) -> None:
        interrupts = self._interrupts()
        if interrupts:
            self._silence(self.connection.active_response)
        self.outbox.put({"type": "speech_started", "interrupts": interrupts})

    def _on_speech_stopped(self, event: InputAudioBufferSpeechStopped) -> None:
        self.outbox.put({"type": "speech_stopped"})

    def _on_committed(self, event: InputAudioBufferCommitted) -> None:
        self._heard(event.item_id, text="", final=False)

    def _on_heard_piece(
        self, event: ConversationItemInputAudioTranscriptionDelta
    ) -> None:
        self._heard(event.item_id, delta=event.delta or "", final=False)

    def _on_heard(
        self, event: ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        self._heard(event.item_id, text=event.transcript, final=True)

    def _on_not_heard(
        self, event: ConversationItemInputAudioTranscriptionFailed
    ) -> None:
        self._heard(event.item_id, text="", final=True)

    def _heard(self, item_id: str, **facts: Any) -> None:
        self.outbox.put({"type": "heard", "item_id": item_id, **facts})

    def _on_created(self, event: ResponseCreated) -> None:
        response = event.response
        if response.conversation_id is None:
            self._aside.add(response.id or "")
            return
        self.outbox.put({"type": "response_started", "response_id": response.id})

    def _on_audio(self, event: ResponseOutputAudioDelta) -> None:
        if event.response_id == self._silenced or event.response_id in self._aside:
            return
        if event.item_id != self._announced:
            self._announced = event.item_id
            self._places[event.item_id] = event.content_index
            facts = {"response_id": event.response_id, "item_id": event.item_id}
            self.outbox.put({"type": "audio", **facts}, speech=True)
        self.outbox.put_frame(event.delta, speech=True)

    def _on_said_piece(
        self, event: ResponseOutputAudioTranscriptDelta | ResponseOutputTextDelta
    ) -> None:
        self._said(event, delta=event.delta, final=False)

    def _on_said(
        self, event: ResponseOutputAudioTranscriptDone | ResponseOutputTextDone
    ) -> None:
        spoken = isinstance(event, ResponseOutputAudioTranscriptDone)
        text = event.transcript if spoken else event.text  # type: ignore[union-attr]
        self._said(event, text=text, final=True)

    def _said(self, event: Any, **facts: Any) -> None:
        if event.response_id in self._aside:
            return
        ids = {"response_id": event.response_id, "item_id": event.item_id}
        self.outbox.put({"type": "said", **ids, **facts})

    def _on_output_item(self, event: ResponseOutputItemDone) -> None:
        call = event.item
        if not isinstance(call, FunctionCall) or event.response_id in self._aside:
            return
        facts = {"call_id": call.call_id, "name": call.name}
        if self._show_tools:
            facts["arguments"] = call.arguments
        self.outbox.put({"type": "tool_call", **facts})

    def _on_item(self, event: ConversationItemDone) -> None:
        self.changed = True
        if isinstance(event.item, FunctionCallOutput):
            facts = {"call_id": event.item.call_id}
            if self._show_tools:
                facts["output"] = event.item.output
            self.outbox.put({"type": "tool_result", **facts})

    def _on_truncated(self, event: ConversationItemTruncated) -> None:
        self._end_turn()

    def _on_done(self, event: ResponseDone) -> None:
        response = event.response
        if response.id in self._aside:
            self._aside.discard(response.id or "")
            return
        details = response.status_details
        reason = details.reason if details else None
        self.outbox.put(
            {
                "type": "response_done",
                "response_id": response.id,
                "status": response.status,
                "reason": reason or None,
            }
        )
        if response.status == "failed":
            self.complain("response_failed", "The model could not answer.")

    def _on_reconnected(self, event: Reconnected) -> None:
        for response_id in event.lost_responses:
            done = {"type": "response_done", "response_id": response_id}
            self.outbox.put({**done, "status": "failed", "reason": "connection_lost"})
            self.complain("connection_lost", "The model was away for a moment.")


def _heard(played: Callable[..., None], ms: int, item_id: str) -> None:
    try:
        played(ms, item_id=item_id)
    except ValueError:  # it was heard to its end, or deleted
        return


def _text(
    message: dict[str, Any], name: str, limit: int, *, default: str | None = None
) -> str:
    value = message.get(name, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or len(value) > limit:
        raise BadMessage(f'"{name}" is a text of at most {limit} characters')
    return value


def _milliseconds(message: dict[str, Any]) -> int:
    value = message.get("ms", 0)
    if not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise BadMessage('"ms" is a number of milliseconds')
    return int(value)
