"""A session that lives for one turn: a recording to text, or a text to speech."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._asking import user_message
from ._deadline import Deadline
from .audio import Audio
from .connection import RealtimeConnection, TranscriptionConnection
from .errors import ServerError
from .protocol._model import UNSET
from .protocol.responses import ResponseCreateParams
from .protocol.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
)
from .protocol.session_audio import (
    AudioPcm,
    AudioTranscription,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
)
from .protocol.sessions import RealtimeSession, TranscriptionSession


__all__ = ["reading_settings", "speech", "transcript", "transcription_settings"]

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
    on_text: Callable[[str], object] | None,
    timeout: float | None,
) -> str:
    """Send a recording and return its transcript."""
    events = connection.events(
        ConversationItemInputAudioTranscriptionDelta,
        ConversationItemInputAudioTranscriptionCompleted,
        ConversationItemInputAudioTranscriptionFailed,
        timeout=timeout,
    )
    connection.append_audio(source, source_rate=source_rate)
    deadline = Deadline(timeout, "the transcript")
    item_id = connection.commit_input_audio(timeout=deadline.remaining()).item_id
    for event in events:
        if getattr(event, "item_id", None) != item_id:
            continue
        if isinstance(event, ConversationItemInputAudioTranscriptionCompleted):
            return event.transcript
        if isinstance(event, ConversationItemInputAudioTranscriptionFailed):
            raise ServerError(event.error)
        if on_text is not None:
            on_text(getattr(event, "delta", None) or "")
        deadline.remaining()
    raise TimeoutError("the connection was closed before the transcript was there")


def reading_settings(voice: str | None) -> RealtimeSession:
    """Return a session whose model reads out what it is given."""
    output = SessionAudioOutput(format=AudioPcm(rate=24_000), voice=voice or UNSET)
    return RealtimeSession(
        instructions=_READ_OUT,
        output_modalities=["audio"],
        audio=SessionAudio(output=output),
    )


def speech(
    connection: RealtimeConnection,
    text: str,
    on_audio: Callable[[bytes], object] | None,
    timeout: float | None,
) -> Audio:
    """Have *text* read out, and return all of the audio."""
    deadline = Deadline(timeout, "the speech")
    params = ResponseCreateParams(conversation="none", input=[user_message(text)])
    stream = connection.create_response(params, timeout=deadline.remaining())
    if on_audio is not None:
        for piece in stream.audio(timeout=deadline.remaining()):
            on_audio(piece)
    result = stream.result(timeout=deadline.remaining()).raise_for_status()
    return Audio(result.audio)
