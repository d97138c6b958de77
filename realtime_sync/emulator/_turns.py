"""When a user begins and ends to speak: windows of sound to turns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from ..protocol import (
    SemanticVad,
    ServerVad,
)
from .speech import SpeechDetector


__all__ = ["WINDOW_MS", "Paused", "Started", "Stopped", "TurnDetector"]

WINDOW_MS: Final = 32
_HYSTERESIS: Final = 0.15  # as silero's own iterator has it

# What a listener waits for after a sentence that sounds finished, and at most.
_PAUSE_MS: Final = {"low": 800, "medium": 400, "auto": 400, "high": 200}
_PATIENCE_MS: Final = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}


@frozen
class Started:
    """Speech began, at *ms* of the audio that was written in the session."""

    ms: int


@frozen
class Paused:
    """Speech may have ended: time to ask whether the sentence is complete."""

    ms: int


@frozen
class Stopped:
    """Speech ended; the silence that tells so is in *ms*."""

    ms: int


Change = Started | Paused | Stopped


class TurnDetector:
    """
    Finds turns by a detector's probabilities. Not thread-safe.

    Args:
        detector: Tells how likely speech is, for each window of 32 ms.
        settings: The session's ``turn_detection``.
        start_ms: Where in the session's audio the first window will be.
        min_speech_ms: Speech that is shorter starts no turn.
    """

    def __init__(
        self,
        detector: SpeechDetector,
        settings: ServerVad | SemanticVad,
        *,
        start_ms: float,
        min_speech_ms: int,
    ) -> None:
        self.settings = settings
        self.is_speaking = False
        self._detector = detector
        self._min_speech_ms = min_speech_ms
        self._end_ms = start_ms  # of the last window
        self._speech_ms = 0
        self._silence_ms = 0
        self._has_paused = False

    def reset(self, start_ms: float) -> None:
        """Forget what was heard; the next sound is at *start_ms*."""
        self._detector.reset()
        self._end_ms = start_ms
        self._forget_turn()

    def configure(self, settings: ServerVad | SemanticVad) -> None:
        """Go on by other settings."""
        self.settings = settings

    def stop(self) -> None:
        """End the turn by a decision from outside."""
        self._forget_turn()

    def _forget_turn(self) -> None:
        self.is_speaking = False
        self._speech_ms = self._silence_ms = 0
        self._has_paused = False

    def feed(self, pcm: bytes) -> Iterator[Change]:
        """Add sound and yield the changes in it, in order."""
        threshold = self._threshold
        for probability in self._detector.feed(pcm):
            self._end_ms += WINDOW_MS
            if self.is_speaking:
                change = self._after_speech(probability, threshold)
            elif probability < threshold:
                self._speech_ms = 0
                continue
            else:
                change = self._before_speech()
            if change is not None:
                yield change

    @property
    def _threshold(self) -> float:
        if isinstance(self.settings, ServerVad) and self.settings.threshold is not None:
            return self.settings.threshold or 0.0
        return 0.5

    def _before_speech(self) -> Change | None:
        self._speech_ms += WINDOW_MS
        if self._speech_ms < self._min_speech_ms:
            return None
        started = self._end_ms - self._speech_ms
        self.is_speaking = True
        self._silence_ms = 0
        return Started(int(started))

    def _after_speech(self, probability: float, threshold: float) -> Change | None:
        if probability >= threshold:
            self._silence_ms = 0
            self._has_paused = False
        elif self._silence_ms or probability < max(0.01, threshold - _HYSTERESIS):
            self._silence_ms += WINDOW_MS
        if isinstance(self.settings, SemanticVad):
            return self._after_sentence(self.settings.eagerness or "auto")
        if self._silence_ms and self._silence_ms >= (
            self.settings.silence_duration_ms or 0
        ):
            return self._stopped()
        return None

    def _after_sentence(self, eagerness: str) -> Change | None:
        if self._silence_ms >= _PATIENCE_MS.get(eagerness, 4_000):
            return self._stopped()
        if not self._has_paused and self._silence_ms >= _PAUSE_MS.get(eagerness, 400):
            self._has_paused = True
            return Paused(int(self._end_ms))
        return None

    def _stopped(self) -> Stopped:
        self._forget_turn()
        return Stopped(int(self._end_ms))
