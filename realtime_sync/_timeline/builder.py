"""From the events of a session, one after the other, to its lanes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._recording.audio import AudioFormats
from ..protocol import (
    ConversationItemAdded,
    ConversationItemCreate,
    ConversationItemCreated,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemTruncate,
    ErrorEvent,
    FunctionCall,
    FunctionCallOutput,
    InputAudioBufferAppend,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Message,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    SessionCreated,
    SessionUpdated,
)
from ..protocol.codec import unstructure
from ..protocol.translation_events import (
    SessionInputAudioBufferAppend,
    SessionInputTranscriptDelta,
    SessionOutputAudioDelta,
)
from .tracks import (
    Call,
    Heard,
    InputClock,
    Mark,
    Piece,
    ResponseTrack,
    Span,
    Tracks,
    peaks_of,
)
from .turns import TurnBuilder


__all__ = ["Builder"]

_HARMLESS = frozenset({"response_cancel_not_active"})
_TRANSLATION = "translation"


class Builder:
    """
    Takes the events of a session, and puts them onto lanes. Not thread-safe.

    Attributes:
        tracks: The lanes so far.
        turns: The turns so far.
    """

    def __init__(self) -> None:
        self.tracks = Tracks()
        self.turns = TurnBuilder(self.tracks)
        self._formats = AudioFormats()
        self._input = InputClock()
        self._silence_ms = 0.0  # what turn detection waits for, and counts as speech
        self._sent_until = 0.0
        self._first_append: float | None = None  # since the last commit
        self._played_until = 0.0
        self._barged_at = -1.0  # when the user was last heard to begin
        self._by_id: dict[str, ResponseTrack] = {}
        self._known: set[str] = set()  # items of the user that have a turn
        self._names: dict[str, str] = {}  # of functions, by the call's id
        self._open_calls: dict[str, Call] = {}

    def feed(self, time: float, event: Any, audio_bytes: int = 0) -> None:
        """
        Take an event.

        Args:
            time: Seconds since the beginning.
            event: A client event or a server event.
            audio_bytes: Bytes of streamed audio in it, also if they were left out.
        """
        self.tracks.end = max(self.tracks.end, time)
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, time, event)
        elif isinstance(event, (InputAudioBufferAppend, SessionInputAudioBufferAppend)):
            self._append(time, event.audio, audio_bytes)
        elif isinstance(event, ResponseOutputAudioDelta):
            self._audio(
                time, event.response_id, event.item_id, event.delta, audio_bytes
            )
        elif isinstance(event, SessionOutputAudioDelta):
            self._audio(time, _TRANSLATION, _TRANSLATION, event.delta, audio_bytes)

    def reconnected(self, time: float) -> None:
        """Take note of a reconnect: there is a new session."""
        self.tracks.end = max(self.tracks.end, time)
        self._input = InputClock()  # it counts anew
        self.tracks.reconnects.append(Mark(time, "reconnected"))

    def missing(self, time: float, events: int) -> None:
        """Take note of events that were not recorded."""
        self.tracks.gaps.append(Mark(time, f"{events} events missing"))
        self.tracks.lost += events

    def undecodable(self, time: float, why: str) -> None:
        """Take note of a message that could not be decoded."""
        self.tracks.errors.append(Mark(time, f"undecodable: {why}"))

    def ended(self, time: float, code: int, reason: str) -> None:
        """Take note of the end of the connection."""
        self.tracks.end = max(self.tracks.end, time)
        if code not in (1000, 1001, 1005):
            self.tracks.errors.append(
                Mark(time, f"closed with {code} {reason}".strip())
            )

    # The session

    def _session(self, time: float, event: SessionCreated | SessionUpdated) -> None:
        if isinstance(event, SessionCreated):
            self._input = InputClock()  # it counts anew
        self._formats.note(unstructure(event))
        audio = getattr(event.session, "audio", None)
        detection = getattr(
            getattr(audio, "input", None) or None, "turn_detection", None
        )
        silence = getattr(detection or None, "silence_duration_ms", None)
        self._silence_ms = float(silence or 0)

    def _error(self, time: float, event: ErrorEvent) -> None:
        error = event.error
        if error.code not in _HARMLESS:
            self.tracks.errors.append(Mark(time, str(error.code or error.message)))

    # The user

    def _append(self, time: float, audio: bytes, size: int) -> None:
        audio_format = self._formats.sent
        seconds = (size or len(audio)) / audio_format.bytes_per_second
        # What a microphone sends has just been said; a file comes faster than that.
        start = max(time - seconds, self._sent_until)
        if self._first_append is None:
            self._first_append = start
        self._sent_until = time
        self._input.add(1000 * seconds, (start, time))
        self.tracks.user.append(Piece(start, time, peaks_of(audio, audio_format)))

    def _speech_started(
        self, time: float, event: InputAudioBufferSpeechStarted
    ) -> None:
        start = self._input.at(event.audio_start_ms or 0)
        self.tracks.speech.append(
            Span(time if start is None else start, None, event.item_id)
        )
        self._barged_at = time

    def _speech_stopped(
        self, time: float, event: InputAudioBufferSpeechStopped
    ) -> None:
        span = self._speech_of(event.item_id)
        if span is None or not event.audio_end_ms:
            return
        end = self._input.at(event.audio_end_ms - self._silence_ms)
        span.end = max(span.start, time if end is None else end)

    def _speech_of(self, item_id: str) -> Span | None:
        spans = (each for each in reversed(self.tracks.speech) if each.name == item_id)
        return next(spans, None)

    def _committed(self, time: float, event: InputAudioBufferCommitted) -> None:
        self.tracks.commits.append(Mark(time))
        span = self._speech_of(event.item_id)
        if span is None:  # there is no turn detection: all that was sent is speech
            first = self._first_append
            start = self._sent_until if first is None else first
            span = Span(start, self._sent_until, event.item_id)
            self.tracks.speech.append(span)
        if span.end is None:
            span.end = max(span.start, min(self._sent_until, time))
        self._first_append = None
        self._known.add(event.item_id)
        self.turns.user_spoke(event.item_id, span, time)

    def _cleared(self, time: float, event: InputAudioBufferCleared) -> None:
        self.tracks.clears.append(Mark(time))
        self._first_append = None

    def _transcribed(
        self, time: float, event: ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        self.tracks.texts[event.item_id] = event.transcript.strip()

    def _transcript_delta(
        self, time: float, event: ConversationItemInputAudioTranscriptionDelta
    ) -> None:
        texts = self.tracks.texts
        texts[event.item_id] = texts.get(event.item_id, "") + (event.delta or "")

    def _translated_delta(
        self, time: float, event: SessionInputTranscriptDelta
    ) -> None:
        texts = self.tracks.texts
        texts[_TRANSLATION] = texts.get(_TRANSLATION, "") + event.delta

    def _item_created(self, time: float, event: ConversationItemCreate) -> None:
        item = event.item
        if isinstance(item, Message) and item.role == "user":
            item_id = item.id or f"written at {time}"
            if item_id not in self._known:  # it is restored after a reconnect
                self._known.add(item_id)
                self.turns.user_wrote(item_id, _text_of(item), time)
        elif isinstance(item, FunctionCallOutput):
            call = self._open_calls.pop(item.call_id, None)
            if call is not None:
                call.end = time
            self.turns.function_returned()

    def _item_added(
        self, time: float, event: ConversationItemAdded | ConversationItemCreated
    ) -> None:
        item = event.item
        if isinstance(item, FunctionCall) and item.call_id:
            self._names[item.call_id] = item.name or ""

    # The model

    def _asked(self, time: float, event: ResponseCreate) -> None:
        self.tracks.asked.append(Mark(time))
        self.turns.asked(time)

    def _created(self, time: float, event: ResponseCreated) -> None:
        self._formats.note(unstructure(event))
        response = ResponseTrack(event.response.id or "", time)
        self._by_id[response.id] = response
        self.tracks.responses.append(response)
        self.turns.response_created(response)

    def _output(self, time: float, response_id: str) -> ResponseTrack | None:
        response = self._by_id.get(response_id)
        if response is not None:
            if response.first_output is None:
                response.first_output = time
            response.last_output = time
        return response

    def _text(
        self,
        time: float,
        event: ResponseOutputTextDelta | ResponseOutputAudioTranscriptDelta,
    ) -> None:
        response = self._output(time, event.response_id)
        if response is not None:
            response.text += event.delta

    def _audio(
        self, time: float, response_id: str, item_id: str, audio: bytes, size: int
    ) -> None:
        response = self._output(time, response_id)
        if response is not None and response.first_audio is None:
            response.first_audio = time
        audio_format = self._formats.received
        seconds = (size or len(audio)) / audio_format.bytes_per_second
        start = max(time, self._played_until)
        self._played_until = start + seconds
        piece = Piece(start, self._played_until, peaks_of(audio, audio_format))
        self.tracks.model.append(Heard(time, piece, item_id, response_id))

    def _arguments(
        self, time: float, event: ResponseFunctionCallArgumentsDelta
    ) -> None:
        self._output(time, event.response_id)

    def _called(self, time: float, event: ResponseFunctionCallArgumentsDone) -> None:
        response = self._output(time, event.response_id)
        call_id = event.call_id or ""
        name = event.name or self._names.get(call_id) or "function"
        if response is not None:
            response.calls.append(name)
        call = self._open_calls[call_id] = Call(name, time)
        self.tracks.calls.append(call)

    def _done(self, time: float, event: ResponseDone) -> None:
        response = self._by_id.get(event.response.id or "")
        if response is None:
            return
        response.done, response.status = time, event.response.status or None
        if response.status == "failed":
            details = event.response.status_details or None
            error = getattr(details, "error", None)
            label = getattr(error or None, "code", None) or "response failed"
            self.tracks.errors.append(Mark(time, str(label)))
        if response.status == "cancelled" and response.cut is None:
            # What the client truncates to, if it does, is known better.
            barged = self._barged_at > response.created
            self._cut_at(response.id, self._barged_at if barged else time, time)

    def _truncated(self, time: float, event: ConversationItemTruncate) -> None:
        """The client tells how much of an item was heard."""
        pieces = [each for each in self.tracks.model if each.item_id == event.item_id]
        left = event.audio_end_ms / 1000
        for heard in pieces:
            length = heard.piece.end - heard.piece.start
            if left <= length:
                self._cut_at(heard.response_id, heard.piece.start + left, time)
                return
            left -= length

    def _cut_at(self, response_id: str, moment: float, time: float) -> None:
        response = self._by_id.get(response_id)
        if response is not None:
            response.cut = min(moment, time)
            self._played_until = min(self._played_until, response.cut)


def _text_of(item: Message) -> str:
    texts = [
        getattr(part, "text", None) or getattr(part, "transcript", None) or ""
        for part in item.content or ()
    ]
    return " ".join(text for text in texts if text)


_HANDLERS: Mapping[type, Callable[[Builder, float, Any], None]] = {
    ConversationItemAdded: Builder._item_added,
    ConversationItemCreate: Builder._item_created,
    ConversationItemCreated: Builder._item_added,
    ConversationItemInputAudioTranscriptionCompleted: Builder._transcribed,
    ConversationItemInputAudioTranscriptionDelta: Builder._transcript_delta,
    ConversationItemTruncate: Builder._truncated,
    ErrorEvent: Builder._error,
    InputAudioBufferCleared: Builder._cleared,
    InputAudioBufferCommitted: Builder._committed,
    InputAudioBufferSpeechStarted: Builder._speech_started,
    InputAudioBufferSpeechStopped: Builder._speech_stopped,
    ResponseCreate: Builder._asked,
    ResponseCreated: Builder._created,
    ResponseDone: Builder._done,
    ResponseFunctionCallArgumentsDelta: Builder._arguments,
    ResponseFunctionCallArgumentsDone: Builder._called,
    ResponseOutputAudioTranscriptDelta: Builder._text,
    ResponseOutputTextDelta: Builder._text,
    SessionCreated: Builder._session,
    SessionInputTranscriptDelta: Builder._translated_delta,
    SessionUpdated: Builder._session,
}
