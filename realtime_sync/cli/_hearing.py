"""A recording to segments: what the server hears in it, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..audio import Audio
from ..connection import TranscriptionConnection
from ..protocol import (
    AudioPcm,
    AudioTranscription,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionFailed,
    ConversationItemInputAudioTranscriptionSegment,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ServerEvent,
    ServerVad,
    SessionAudio,
    SessionAudioInput,
    SessionUpdated,
    TranscriptionSession,
)
from ._subtitles import Segment


__all__ = ["hear", "hearing_session"]

# Behind the recording, so that the server finds the end of the last turn.
_SILENCE = bytes(2 * 24_000 * 2)  # two seconds


def hearing_session(
    *, model: str, language: str | None, prompt: str | None, by_turns: bool
) -> TranscriptionSession:
    """
    Return a session that transcribes.

    Args:
        model: The model that transcribes.
        language: The language that is spoken, or None.
        prompt: Words that guide the model, or None.
        by_turns: Whether the server finds turns.
    """
    transcription = AudioTranscription(model=model)
    if language is not None:
        transcription = attrs.evolve(transcription, language=language)
    if prompt is not None:
        transcription = attrs.evolve(transcription, prompt=prompt)
    return TranscriptionSession(
        audio=SessionAudio(
            input=SessionAudioInput(
                format=AudioPcm(rate=24_000),
                transcription=transcription,
                turn_detection=ServerVad() if by_turns else None,
            )
        )
    )


def hear(
    connection: TranscriptionConnection,
    audio: Audio,
    *,
    by_turns: bool,
    realtime: bool,
    on_sent: Callable[[int], object],
    timeout: float,
) -> list[Segment]:
    """
    Send a recording, and return its segments in order.

    Args:
        connection: Of a `hearing_session()`, which nothing was sent to yet.
        audio: The recording.
        by_turns: Whether the server finds turns; without, it is one segment.
        realtime: Whether to take as long as the recording does.
        on_sent: Is called with the milliseconds that were sent.
        timeout: Seconds to wait for each event, once everything was sent.

    Raises:
        TimeoutError: The server took longer.
        RealtimeError: The connection ended, or the server refused.
    """
    ledger = _Ledger(duration_ms=audio.duration_ms, by_turns=by_turns)
    events = connection.events(*ledger.kinds, timeout=timeout)
    connection.append_audio(
        audio, pace="realtime" if realtime else None, progress=on_sent
    )
    if by_turns:
        connection.append_input_audio(_SILENCE)
        # What it acknowledges comes behind all that was heard.
        connection.update_session({"audio": {"input": {"turn_detection": None}}})
    else:
        connection.commit_input_audio(timeout=timeout)
    _follow(connection, ledger, events)
    return ledger.segments()


def _follow(
    connection: TranscriptionConnection, ledger: _Ledger, events: Iterator[ServerEvent]
) -> None:
    for event in events:
        ledger.enter(event)
        if isinstance(event, SessionUpdated) and ledger.is_open:
            # Speech went on to the end, silence or not.
            connection.commit_input_audio()
        if ledger.is_settled:
            return


@attrs.define
class _Turn:
    """A stretch that the server heard speech in."""

    start_ms: int
    end_ms: int
    committed: bool = False
    text: str | None = None
    error: str | None = None
    parts: list[Segment] = attrs.Factory(list)


class _Ledger:
    """Keeps what is known of each turn, by the id of its item."""

    def __init__(self, *, duration_ms: int, by_turns: bool) -> None:
        self._duration_ms = duration_ms
        self._by_turns = by_turns
        self._turns: dict[str, _Turn] = {}
        self._all_sent = not by_turns
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            InputAudioBufferSpeechStarted: self._started,
            InputAudioBufferSpeechStopped: self._stopped,
            InputAudioBufferCommitted: self._committed,
            ConversationItemInputAudioTranscriptionSegment: self._part,
            ConversationItemInputAudioTranscriptionCompleted: self._heard,
            ConversationItemInputAudioTranscriptionFailed: self._misheard,
            SessionUpdated: self._sent,
        }

    @property
    def kinds(self) -> tuple[type[ServerEvent], ...]:
        """The events that count."""
        return tuple(self._handlers)

    @property
    def is_open(self) -> bool:
        """Whether a turn was begun and not committed."""
        return any(not turn.committed for turn in self._turns.values())

    @property
    def is_settled(self) -> bool:
        """Whether all turns are there, and the transcript of each."""
        if not self._all_sent or not (self._turns or self._by_turns):
            return False
        return all(turn.text is not None or turn.error for turn in self._turns.values())

    def enter(self, event: ServerEvent) -> None:
        """Take note of an event."""
        self._handlers[type(event)](event)

    def segments(self) -> list[Segment]:
        """Return what was heard, in order."""
        found = [segment for turn in self._turns.values() for segment in self._of(turn)]
        return sorted(found, key=lambda segment: segment.start_ms)

    def _of(self, turn: _Turn) -> list[Segment]:
        if turn.parts:
            return turn.parts
        segment = Segment(
            start_ms=turn.start_ms,
            # The silence behind the recording is none of it.
            end_ms=min(turn.end_ms, self._duration_ms),
            text=(turn.text or "").strip(),
            timing="turn" if self._by_turns else "recording",
            error=turn.error,
        )
        return [segment]

    def _turn(self, item_id: str, start_ms: int = 0) -> _Turn:
        new = _Turn(start_ms, self._duration_ms)
        return self._turns.setdefault(item_id, new)

    def _started(self, event: InputAudioBufferSpeechStarted) -> None:
        self._turn(event.item_id, event.audio_start_ms or 0)

    def _stopped(self, event: InputAudioBufferSpeechStopped) -> None:
        turn = self._turn(event.item_id)
        turn.end_ms = event.audio_end_ms or turn.end_ms

    def _committed(self, event: InputAudioBufferCommitted) -> None:
        self._turn(event.item_id).committed = True

    def _part(self, event: ConversationItemInputAudioTranscriptionSegment) -> None:
        turn = self._turn(event.item_id)
        turn.parts.append(
            Segment(
                start_ms=turn.start_ms + round(1000 * (event.start or 0.0)),
                end_ms=turn.start_ms + round(1000 * (event.end or 0.0)),
                text=event.text.strip(),
                timing="model",
                speaker=event.speaker or None,
            )
        )

    def _heard(self, event: ConversationItemInputAudioTranscriptionCompleted) -> None:
        self._turn(event.item_id).text = event.transcript

    def _misheard(self, event: ConversationItemInputAudioTranscriptionFailed) -> None:
        error = event.error
        self._turn(event.item_id).error = error.message or error.code or "failed"

    def _sent(self, event: SessionUpdated) -> None:
        self._all_sent = True
