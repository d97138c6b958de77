"""Input audio transcription: what the user said, as the client gets to read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..protocol import (
    UNSET,
    AudioTranscription,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
    ConversationItemInputAudioTranscriptionSegment,
    ErrorDetails,
    LogProbProperties,
    TranscriptTextUsageDuration,
    TranscriptTextUsageTokens,
    TranscriptTokenDetails,
)
from ._conversation import Entry
from ._core import Core, logger
from ._sound import milliseconds
from ._tokens import heard_tokens, text_tokens


__all__ = ["transcribe_entry"]


def transcribe_entry(
    core: Core, entry: Entry, config: AudioTranscription, *, logprobs: bool
) -> None:
    """
    Begin to transcribe the audio of a user's item.

    Args:
        core: What the session's parts share.
        entry: The item, with its audio at content index 0.
        config: The session's ``audio.input.transcription``.
        logprobs: Whether the client asked for them.
    """
    job = _Transcription(core, entry, config, logprobs=logprobs)
    core.start_work(entry.heard[0].text, job.done, job.failed)


class _Transcription:
    """One transcription on its way to the client."""

    def __init__(
        self, core: Core, entry: Entry, config: AudioTranscription, *, logprobs: bool
    ) -> None:
        self._core = core
        self._entry = entry
        self._item_id = entry.id
        self._model = config.model or ""
        self._logprobs = logprobs
        self._ms = milliseconds(entry.heard[0].pcm)

    def done(self, text: str) -> None:
        """Send *text*, after the delay of the settings."""
        delay = self._core.settings.transcription_delay
        self._later(delay, lambda: self._send(text.strip()))

    def failed(self, exc: Exception) -> None:
        """Report that the recogniser failed."""
        logger.warning("transcription of %s failed: %r", self._item_id, exc)
        self._core.emit(
            ConversationItemInputAudioTranscriptionFailed,
            item_id=self._item_id,
            content_index=0,
            error=ErrorDetails(
                type="transcription_error",
                code="audio_unintelligible",
                message=f"Input transcription failed: {exc}",
            ),
        )

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        if delay > 0:
            self._core.call_later(delay, call)
        else:
            call()

    def _send(self, text: str) -> None:
        if self._core.dialect == "ga" or "whisper" not in self._model:
            for piece in self._pieces(text):
                self._core.emit(
                    ConversationItemInputAudioTranscriptionDelta,
                    item_id=self._item_id,
                    content_index=0,
                    delta=piece,
                    logprobs=self._log(piece),
                )
        if "diarize" in self._model:
            self._send_segment(text)
        self._entry.change_content(0, transcript=text)
        self._core.emit(
            ConversationItemInputAudioTranscriptionCompleted,
            item_id=self._item_id,
            content_index=0,
            transcript=text,
            usage=self._usage(text),
            logprobs=self._log(text),
        )

    def _pieces(self, text: str) -> list[str]:
        # Whisper is not one for pieces: it sends what it has at once.
        if self._model == "whisper-1":
            return [text] if text else []
        return re.findall(r"\s*\S+", text)

    def _send_segment(self, text: str) -> None:
        self._core.emit(
            ConversationItemInputAudioTranscriptionSegment,
            item_id=self._item_id,
            content_index=0,
            id=self._core.new_id("seg"),
            speaker="A",
            start=0.0,
            end=self._ms / 1000,
            text=text,
        )

    def _log(self, text: str) -> Any:
        if not self._logprobs:
            return UNSET
        return [
            LogProbProperties(token=token, logprob=-0.01, bytes=list(token.encode()))
            for token in re.findall(r"\s*\S+", text)
        ]

    def _usage(self, text: str) -> Any:
        if self._model == "whisper-1":
            return TranscriptTextUsageDuration(seconds=self._ms / 1000)
        read, written = heard_tokens(self._ms), text_tokens(text)
        return TranscriptTextUsageTokens(
            total_tokens=read + written,
            input_tokens=read,
            output_tokens=written,
            input_token_details=TranscriptTokenDetails(
                text_tokens=0, audio_tokens=read
            ),
        )
