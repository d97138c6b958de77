"""What the picture of a session consists of: pieces of sound, spans and moments."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from .._recording.audio import AudioFormat
from ..audio._samples import to_samples


__all__ = [
    "PEAKS_PER_SECOND",
    "Call",
    "Heard",
    "InputClock",
    "Interval",
    "Mark",
    "Piece",
    "ResponseTrack",
    "Span",
    "Tracks",
    "gaps_of",
    "merged",
    "peaks_of",
    "total",
]

Interval = tuple[float, float]

PEAKS_PER_SECOND = 100
_STRIDE = 4  # every fourth sample is enough for a picture


@attrs.define
class Mark:
    """A moment, in seconds, and what is to be said of it."""

    time: float
    label: str = ""


@attrs.define
class Span:
    """Something that lasts: from, to (None: it has not ended) and whose it is."""

    start: float
    end: float | None = None
    name: str = ""


@attrs.frozen
class Piece:
    """
    Sound between two moments.

    Attributes:
        start: In seconds.
        end: In seconds.
        peaks: How loud it is, from 0 to 1, `PEAKS_PER_SECOND` of its own seconds; empty
            if that is not known.
    """

    start: float
    end: float
    peaks: Sequence[float] = attrs.field(repr=False)

    def before(self, moment: float) -> Piece:
        """Return what lies before *moment*; it may last no time."""
        if moment >= self.end:
            return self
        end = max(moment, self.start)
        return Piece(self.start, end, self.peaks[: self._index(end)])

    def after(self, moment: float) -> Piece:
        """Return what lies after *moment*; it may last no time."""
        if moment <= self.start:
            return self
        start = min(moment, self.end)
        return Piece(start, self.end, self.peaks[self._index(start) :])

    def _index(self, moment: float) -> int:
        return int(len(self.peaks) * (moment - self.start) / (self.end - self.start))


@attrs.define
class Heard:
    """
    A piece of the model's speech.

    Attributes:
        received: When it came.
        piece: When it is played by a player that begins at once and never stalls.
        item_id: The item that it is of.
        response_id: The response that it is of.
    """

    received: float
    piece: Piece
    item_id: str
    response_id: str


@attrs.define
class Call:
    """A function call: from the end of its arguments to its output."""

    name: str
    start: float
    end: float | None = None


@attrs.define
class ResponseTrack:
    """
    A response.

    Attributes:
        id: The server's id.
        created: When it began, in seconds, as all other times.
        asked: When the client asked for it.
        first_output: When its first output came.
        first_audio: When its first audio came.
        last_output: When its last output came.
        done: When it ended.
        status: How it ended.
        text: What was said or written.
        calls: The functions that it called.
        cut: When the player fell silent, if it did before the end.
    """

    id: str
    created: float
    asked: float | None = None
    first_output: float | None = None
    first_audio: float | None = None
    last_output: float | None = None
    done: float | None = None
    status: str | None = None
    text: str = ""
    calls: list[str] = attrs.field(factory=list)
    cut: float | None = None


@attrs.define
class Tracks:
    """
    All lanes of a session. Times are seconds since its beginning.

    Attributes:
        end: When the last thing happened.
        user: What was sent of the user's sound, when it was sent.
        speech: What turn detection found, or was committed; by name the item's id.
        texts: What the user said or wrote, by the item's id.
        commits: When audio was committed.
        clears: When the buffer was cleared.
        asked: When the client asked for responses.
        responses: The responses.
        model: What was received of the model's speech.
        calls: The function calls.
        errors: What went wrong.
        reconnects: When a connection was there again.
        gaps: Where the recording is missing something.
        lost: How many events it is missing.
    """

    end: float = 0.0
    user: list[Piece] = attrs.field(factory=list)
    speech: list[Span] = attrs.field(factory=list)
    texts: dict[str, str] = attrs.field(factory=dict)
    commits: list[Mark] = attrs.field(factory=list)
    clears: list[Mark] = attrs.field(factory=list)
    asked: list[Mark] = attrs.field(factory=list)
    responses: list[ResponseTrack] = attrs.field(factory=list)
    model: list[Heard] = attrs.field(factory=list)
    calls: list[Call] = attrs.field(factory=list)
    errors: list[Mark] = attrs.field(factory=list)
    reconnects: list[Mark] = attrs.field(factory=list)
    gaps: list[Mark] = attrs.field(factory=list)
    lost: int = 0

    def copy(self) -> Tracks:
        """Return a copy that does not change when this goes on."""
        copy = attrs.evolve(self)
        for field in attrs.fields(Tracks):
            value = getattr(self, field.name)
            if isinstance(value, dict):
                setattr(copy, field.name, dict(value))
            elif isinstance(value, list):
                setattr(copy, field.name, [_copied(each) for each in value])
        return copy

    def played(self) -> Iterator[tuple[Heard, float]]:
        """Yield the model's pieces, and up to when each was played."""
        cuts = {each.id: each.cut for each in self.responses}
        for heard in self.model:
            cut = cuts.get(heard.response_id)
            end = heard.piece.end if cut is None else min(heard.piece.end, cut)
            yield heard, max(end, heard.piece.start)

    def heard(self) -> list[Interval]:
        """Return when the model was heard."""
        return merged((each.piece.start, end) for each, end in self.played())

    def spoken(self) -> list[Interval]:
        """Return when the user spoke."""
        return merged((each.start, self.until(each.end)) for each in self.speech)

    def until(self, end: float | None) -> float:
        """Return *end*, or the end of all for what has not ended."""
        return self.end if end is None else end


def _copied(value: Any) -> Any:
    """Return a copy of what may change, or the very same."""
    changes = isinstance(value, (Span, Call, ResponseTrack))
    return attrs.evolve(value) if changes else value


class InputClock:
    """When which millisecond of the user's sound was sent."""

    def __init__(self) -> None:
        self._ends = array("d")  # milliseconds of sound up to the end of each piece
        self._spans: list[Interval] = []

    def add(self, milliseconds: float, span: Interval) -> None:
        """Take note of a piece of sound, and of when it was sent."""
        self._ends.append((self._ends[-1] if self._ends else 0.0) + milliseconds)
        self._spans.append(span)

    def at(self, milliseconds: Any) -> float | None:
        """Return when that part of the sound was sent; None if it is not known."""
        if not self._ends or not isinstance(milliseconds, (int, float)):
            return None
        index = min(bisect_left(self._ends, milliseconds), len(self._ends) - 1)
        begin = self._ends[index - 1] if index else 0.0
        length = self._ends[index] - begin
        start, end = self._spans[index]
        share = (milliseconds - begin) / length if length else 1.0
        return start + (end - start) * max(0.0, min(1.0, share))


def peaks_of(audio: bytes, audio_format: AudioFormat) -> Sequence[float]:
    """Return how loud *audio* is, from 0 to 1, `PEAKS_PER_SECOND`."""
    samples = to_samples(audio_format.to_pcm(audio))
    step = max(1, audio_format.rate // PEAKS_PER_SECOND)
    peaks = array("f")
    for start in range(0, len(samples), step):
        part = samples[start : start + step : _STRIDE]
        peaks.append(max(max(part), -min(part)) / 32_768)
    return peaks


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return *intervals* in order, with those that touch made one."""
    found: list[Interval] = []
    for start, end in sorted(each for each in intervals if each[1] > each[0]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def total(intervals: Iterable[Interval]) -> float:
    """Return how long *intervals* last together."""
    return sum((end - start for start, end in intervals), 0.0)


def gaps_of(intervals: Iterable[Interval], end: float) -> list[Interval]:
    """Return what lies between *intervals*, from 0 to *end*."""
    gaps: list[Interval] = []
    before = 0.0
    for start, stop in merged(intervals):
        if start > before:
            gaps.append((before, min(start, end)))
        before = max(before, stop)
    return gaps + ([(before, end)] if end > before else [])
