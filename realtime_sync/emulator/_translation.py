"""
The service's side of a translation session, without any I/O.

It listens without pause. Each time the speaker pauses, what was said is recognised,
translated and spoken in the other language.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import attrs

from ..errors import DecodeError
from ..protocol import (
    UNSET,
    AudioTranscription,
    ClientEvent,
    ServerEvent,
    ServerVad,
    SessionAudioInput,
    SessionClose,
    SessionClosed,
    SessionCreated,
    SessionInputAudioBufferAppend,
    SessionInputTranscriptDelta,
    SessionOutputAudioDelta,
    SessionOutputTranscriptDelta,
    SessionUpdate,
    SessionUpdated,
    TranslationAudio,
    TranslationAudioOutput,
    TranslationSession,
)
from ..protocol.codec import structure, unstructure
from ._clock import Clock
from ._configuration import merge, reject_unknown
from ._conversation import Conversation
from ._errors import RequestError, invalid_value, unknown_parameter
from ._machine import Handlers, Machine
from ._sound import BYTES_PER_MS, milliseconds
from ._turns import Started, Stopped, TurnDetector
from .settings import EmulatorSettings
from .speech import Speech


__all__ = ["TranslationMachine", "Translator"]

Translator = Callable[[str, str], str]
"""Translates a text into a language, which is given by its code."""

_FRAME_MS = 200
_DETECTION = ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=400)


class TranslationMachine(Machine):
    """
    The service's side of a translation. Not thread-safe.

    Args:
        settings: How the service behaves.
        clock: What time it is.
        new_id: Makes an id from its prefix.
        speech: Returns what hears and speaks; called when it is first needed.
        translate: Called with a text and a language; by default the text stays.
        model: The model that the client named.
        observe: Called with every client event that could be decoded.
    """

    def __init__(
        self,
        *,
        speech: Callable[[], Speech],
        settings: EmulatorSettings | None = None,
        clock: Clock | None = None,
        new_id: Callable[[str], str] | None = None,
        translate: Translator | None = None,
        model: str = "gpt-realtime-translate",
        observe: Callable[[ClientEvent], None] | None = None,
    ) -> None:
        super().__init__(
            settings=settings,
            clock=clock,
            new_id=new_id,
            dialect="ga",
            observe=observe,
        )
        core = self._core
        self.conversation = Conversation(core.new_id("conv"))
        self.responses: list[Any] = []
        self.config = TranslationSession(
            id=core.new_id("sess"),
            expires_at=self._expires_at,
            model=model,
            audio=TranslationAudio(
                input=SessionAudioInput(transcription=None, noise_reduction=None),
                output=TranslationAudioOutput(language="en"),
            ),
        )
        self._speech = speech
        self._translate = translate or (lambda text, language: text)
        self._turns: TurnDetector | None = None
        self._pcm = bytearray()
        self._origin_ms = 0.0
        self._started_ms: int | None = None
        self._pending = 0  # sentences on their way
        self._is_closing = False

    @property
    def id(self) -> str:
        """The id of the session."""
        return self.config.id or ""

    def _begin(self) -> None:
        self._core.emit(SessionCreated, session=self.config)

    # Client events

    def _update(self, event: SessionUpdate) -> None:
        audio = self._checked(event.session)
        if audio:
            old: Any = self.config.audio
            changes = {}
            if audio.input:
                changes["input"] = _merged(old.input, audio.input)
            if audio.output:
                changes["output"] = _merged(old.output, audio.output)
            self.config = attrs.evolve(self.config, audio=attrs.evolve(old, **changes))
        self._core.emit(SessionUpdated, session=self.config)

    def _checked(self, update: Any) -> Any:
        # Its updates have no type, so they were read as those of some other session.
        payload = {**unstructure(update), "type": "translation"}
        try:
            session = structure(payload, TranslationSession)
        except DecodeError as exc:
            raise RequestError(str(exc), code="invalid_type", param="session") from exc
        reject_unknown(session, "session")
        if session.model and session.model != self.config.model:
            raise invalid_value(
                "session.model", session.model, [str(self.config.model)]
            )
        source = session.audio and session.audio.input
        for name in ("format", "turn_detection"):
            if source and getattr(source, name) is not UNSET:
                raise unknown_parameter(f"session.audio.input.{name}")
        return session.audio

    def _append(self, event: SessionInputAudioBufferAppend) -> None:
        if self._turns is None:
            self._turns = TurnDetector(
                self._speech().detector(),
                _DETECTION,
                start_ms=0,
                min_speech_ms=self._core.settings.min_speech_ms,
            )
        self._pcm += event.audio
        if self._core.settings.record:
            self.input_audio += event.audio
        for change in self._turns.feed(event.audio):
            if isinstance(change, Started):
                self._started_ms = max(0, change.ms - 300)
            elif isinstance(change, Stopped):
                self._hear(change.ms)
        if self._started_ms is None:
            self._drop_before(self._end_ms - 1_000)

    def _close(self, event: SessionClose) -> None:
        if self._started_ms is not None:
            self._hear(int(self._end_ms))
        self._is_closing = True
        self._close_if_done()

    # Sentences

    @property
    def _end_ms(self) -> float:
        return self._origin_ms + len(self._pcm) / BYTES_PER_MS

    def _drop_before(self, ms: float) -> None:
        offset = max(0, int((ms - self._origin_ms) * BYTES_PER_MS) & ~1)
        del self._pcm[:offset]
        self._origin_ms += offset / BYTES_PER_MS

    def _hear(self, end_ms: int) -> None:
        """Translate what was said up to a moment."""
        self._drop_before(self._started_ms or 0)
        length = int((end_ms - self._origin_ms) * BYTES_PER_MS) & ~1
        pcm = bytes(self._pcm[:length])
        self._started_ms = None
        self._pending += 1
        speech, translate, config = self._speech, self._translate, self.config
        language = _language(config)

        def work() -> tuple[str, str, bytes]:
            text = speech().transcribe(pcm)
            translated = translate(text, language) if text else ""
            return text, translated, speech().speak(translated) if translated else b""

        elapsed_ms = -(-end_ms // _FRAME_MS) * _FRAME_MS
        self._core.start_work(
            work, lambda result: self._tell(*result, elapsed_ms), self._failed
        )

    def _failed(self, exc: Exception) -> None:
        self._core.emit_event(
            RequestError(
                f"The translation failed: {exc}", code=None, type="server_error"
            ).event(self._core.new_id("event"), None)
        )
        self._done()

    def _tell(self, text: str, translated: str, pcm: bytes, elapsed_ms: int) -> None:
        audio: Any = self.config.audio
        if isinstance(audio.input.transcription, AudioTranscription):
            self._words(SessionInputTranscriptDelta, text, elapsed_ms)
        self._words(SessionOutputTranscriptDelta, translated, elapsed_ms)
        size = self._core.settings.piece_ms * BYTES_PER_MS
        pieces = [pcm[start : start + size] for start in range(0, len(pcm), size)]
        self._core.call_later(
            self._core.settings.response_delay, lambda: self._play(pieces, elapsed_ms)
        )

    def _words(
        self, event_class: type[ServerEvent], text: str, elapsed_ms: int
    ) -> None:
        # A space before each sentence: clients put the pieces together as they are.
        for piece in re.findall(r"\s*\S+", f" {text.strip()}"):
            self._core.emit(event_class, delta=piece, elapsed_ms=elapsed_ms)

    def _play(self, pieces: list[bytes], elapsed_ms: int) -> None:
        if not pieces:
            self._done()
            return
        piece = pieces.pop(0)
        self._core.emit(
            SessionOutputAudioDelta,
            delta=piece,
            sample_rate=24_000,
            channels=1,
            format="pcm16",
            elapsed_ms=elapsed_ms,
        )
        seconds = milliseconds(piece) / 1000 / self._core.settings.speed
        self._core.call_later(seconds, lambda: self._play(pieces, elapsed_ms))

    def _done(self) -> None:
        self._pending -= 1
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_closing and self._pending == 0:
            self._core.emit(SessionClosed)
            self._core.end(1000, "")

    _handlers: ClassVar[Handlers] = {
        SessionUpdate: _update,
        SessionInputAudioBufferAppend: _append,
        SessionClose: _close,
    }


def _language(config: TranslationSession) -> str:
    output = config.audio and config.audio.output
    return (output and output.language) or "en"


def _merged(old: Any, new: Any) -> Any:
    return merge(attrs.evolve(old), new) if old else new
