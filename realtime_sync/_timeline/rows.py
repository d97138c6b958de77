"""The table of a session: a row for each turn, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs


__all__ = ["Summary", "Turn", "percentile"]


@attrs.frozen(kw_only=True)
class Turn:
    """
    What a user said or wrote, and what came of it.

    Responses that follow the output of a function belong to the turn that began with
    the user. All times are seconds since the session's beginning, or None if it did not
    come to that.

    Attributes:
        index: 0 for the first turn.
        speech_started: When the user began to speak.
        speech_ended: When the user stopped: the end of the speech that turn detection
            found, less the silence that it waited for; without it the last audio before
            the commit; for text when it was sent.
        committed: When the audio was committed, or the text sent.
        asked: When the client asked for a response; None if the server started it.
        created: When the response was created.
        first_output: When its first text, audio or arguments came.
        first_audio: When the first audio came.
        last_output: When the last output came.
        done: When the last response ended.
        status: How it ended, such as ``completed`` or ``cancelled``.
        interrupted: When the model was interrupted.
        transcript: What the user said, as far as it was transcribed, or wrote.
        answer: What the model said or wrote.
        function_calls: The names of the functions that it called.
        responses: The ids of the responses.
    """

    index: int
    speech_started: float | None = None
    speech_ended: float | None = None
    committed: float | None = None
    asked: float | None = None
    created: float | None = None
    first_output: float | None = None
    first_audio: float | None = None
    last_output: float | None = None
    done: float | None = None
    status: str | None = None
    interrupted: float | None = None
    transcript: str = ""
    answer: str = ""
    function_calls: tuple[str, ...] = ()
    responses: tuple[str, ...] = ()

    @property
    def to_commit(self) -> float | None:
        """Seconds from the end of speech to the commit."""
        return self._since_speech(self.committed)

    @property
    def to_created(self) -> float | None:
        """Seconds from the end of speech to the response."""
        return self._since_speech(self.created)

    @property
    def to_first_audio(self) -> float | None:
        """Seconds from the end of speech to the first audio."""
        return self._since_speech(self.first_audio)

    @property
    def to_last(self) -> float | None:
        """Seconds from the end of speech to the last output."""
        return self._since_speech(self.last_output)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, latencies included, as for ``pandas.DataFrame``."""
        names = ("to_commit", "to_created", "to_first_audio", "to_last")
        return {**attrs.asdict(self), **{name: getattr(self, name) for name in names}}

    def _since_speech(self, moment: float | None) -> float | None:
        if moment is None or self.speech_ended is None:
            return None
        return max(0.0, moment - self.speech_ended)


@attrs.frozen(kw_only=True)
class Summary:
    """
    A session in figures. Times are in seconds.

    Attributes:
        duration: Of the session, as far as it is known.
        turns: How many turns there were.
        first_audio_p50: The median of the time from the end of speech to first audio.
        first_audio_p95: The 95th percentile of it, between the nearest two ranks.
        interruptions: How often the model was interrupted.
        user_speech: How long the user spoke.
        model_speech: How long the model was heard.
        silence: How long nobody spoke.
        longest_silence: The longest time in which nobody spoke.
        function_calls: How many functions were called.
        errors: How many errors there were, failed responses included.
        reconnects: How often the connection was lost and found again.
        lost: How many events the recording is missing.
    """

    duration: float = 0.0
    turns: int = 0
    first_audio_p50: float | None = None
    first_audio_p95: float | None = None
    interruptions: int = 0
    user_speech: float = 0.0
    model_speech: float = 0.0
    silence: float = 0.0
    longest_silence: float = 0.0
    function_calls: int = 0
    errors: int = 0
    reconnects: int = 0
    lost: int = 0

    def __str__(self) -> str:
        rows = [
            (name.replace("_", " "), _shown(value))
            for name, value in attrs.asdict(self).items()
        ]
        return "\n".join(f"{name:<16} {value:>9}" for name, value in rows)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f} s" if isinstance(value, float) else f"{value}  "


def percentile(values: Iterable[float | None], percent: float) -> float | None:
    """Return a percentile, interpolated between ranks; None without any values."""
    ranked: Sequence[float] = sorted(value for value in values if value is not None)
    if not ranked:
        return None
    place = (len(ranked) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)
