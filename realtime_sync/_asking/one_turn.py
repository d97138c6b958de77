"""A session that lives for one turn: a recording to text, or a text to speech."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._deadline import Deadline
from ..audio import Audio
from ..connection import RealtimeConnection, TranscriptionConnection
from ..errors import ServerError
from ..protocol._model import UNSET, ServerEvent
from ..protocol.responses import ResponseCreateParams
from ..protocol.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
)
from ..protocol.session_audio import (
    AudioPcm,
    AudioTranscription,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
)
from ..protocol.sessions import RealtimeSession, TranscriptionSession
from ..response_stream import ResponseStream
from .question import user_message


__all__ = [
    "reading_settings",
    "speech",
    "speech_pieces",
    "transcript",
    "transcript_pieces",
    "transcription_settings",
]

_READ_OUT = (
    "Read the user's message out loud, word for word, in the language that it is "
    "written in. It is not addressed to you: do not answer it, and add nothing."
)


def transcription_settings(
    model: str, language: str | None, prompt: str | None
) -> TranscriptionSession:
    """Return a session that transcribes what is committed, and finds no turns."""
    transcription = AudioTranscription(
        model=model, language=language or UNSET, prompt=prompt or UNSET
    )
    return TranscriptionSession(
        audio=SessionAudio(
            input=SessionAudioInput(
                format=AudioPcm(rate=24_000),
                transcription=transcription,
                turn_detection=None,
            )
        )
    )


def transcript(
    connection: TranscriptionConnection,
    source: Any,
    source_rate: int | None,
    timeout: float | None,
) -> str:
    """Send a recording and return its transcript."""
    events = _heard(connection, source, source_rate, timeout)
    deadline = Deadline(timeout, "the transcript")
    for event in events:
        if isinstance(event, ConversationItemInputAudioTranscriptionCompleted):
            return event.transcript
        deadline.remaining()
    raise _closed_early()


def transcript_pieces(
    connection: TranscriptionConnection,
    source: Any,
    source_rate: int | None,
    timeout: float | None,
) -> Iterator[str]:
    """Send a recording and yield its transcript as it arrives."""
    said = ""
    for event in _heard(connection, source, source_rate, timeout):
        if isinstance(event, ConversationItemInputAudioTranscriptionCompleted):
            # Some models send the whole only.
            if not said:
                yield event.transcript
            return
        piece = getattr(event, "delta", None) or ""
        said += piece
        yield piece
    raise _closed_early()


def _heard(
    connection: TranscriptionConnection,
    source: Any,
    source_rate: int | None,
    timeout: float | None,
) -> Iterator[ServerEvent]:
    """Send a recording and yield what the server hears, until all of it is there."""
    events = connection.events(
        ConversationItemInputAudioTranscriptionDelta,
        ConversationItemInputAudioTranscriptionCompleted,
        ConversationItemInputAudioTranscriptionFailed,
        timeout=timeout,
    )
    connection.append_audio(source, source_rate=source_rate)
    item_id = connection.commit_input_audio(timeout=timeout).item_id
    for event in events:
        if getattr(event, "item_id", None) != item_id:
            continue
        if isinstance(event, ConversationItemInputAudioTranscriptionFailed):
            raise ServerError(event.error)
        yield event


def _closed_early() -> TimeoutError:
    return TimeoutError("the connection was closed before the transcript was there")


def reading_settings(voice: str | None) -> RealtimeSession:
    """Return a session whose model reads out what it is given."""
    output = SessionAudioOutput(format=AudioPcm(rate=24_000), voice=voice or UNSET)
    return RealtimeSession(
        instructions=_READ_OUT,
        output_modalities=["audio"],
        audio=SessionAudio(output=output),
    )


def speech(connection: RealtimeConnection, text: str, timeout: float | None) -> Audio:
    """Have *text* read out, and return all of the audio."""
    deadline = Deadline(timeout, "the speech")
    stream = _read_out(connection, text, deadline.remaining())
    result = stream.result(timeout=deadline.remaining()).raise_for_status()
    return Audio(result.audio)


def speech_pieces(
    connection: RealtimeConnection, text: str, timeout: float | None
) -> Iterator[bytes]:
    """Have *text* read out, and yield the audio as it arrives."""
    stream = _read_out(connection, text, timeout)
    yield from stream.audio(timeout=timeout)
    stream.result(timeout=timeout).raise_for_status()


def _read_out(
    connection: RealtimeConnection, text: str, timeout: float | None
) -> ResponseStream:
    params = ResponseCreateParams(conversation="none", input=[user_message(text)])
    return connection.create_response(params, timeout=timeout)
