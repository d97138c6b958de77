"""Which response belongs to which turn, and what a turn took."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .rows import Summary, Turn, percentile
from .tracks import ResponseTrack, Span, Tracks, gaps_of, merged, total


__all__ = ["TurnBuilder", "summarize"]

# The client's request is noted once it was sent, so the answer may be noted first.
_INVERSION = 0.1  # seconds


@attrs.define
class _Draft:
    """A turn that goes on."""

    items: list[str] = attrs.field(factory=list)
    speech: Span | None = None
    committed: float | None = None
    texts: dict[str, str] = attrs.field(factory=dict)  # what the user wrote
    responses: list[ResponseTrack] = attrs.field(factory=list)


class TurnBuilder:
    """
    Puts what the user did and the responses into turns. Not thread-safe.

    Args:
        tracks: The lanes, which others fill.
    """

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self._drafts: list[_Draft] = []
        self._input: _Draft | None = None  # what nobody has answered so far
        self._asked: list[float] = []
        self._returned = False  # a function's output awaits its response

    def user_spoke(self, item_id: str, speech: Span, time: float) -> None:
        """Take note of speech that was committed."""
        draft = self._next_input()
        draft.items.append(item_id)
        if draft.speech is None:
            draft.speech = Span(speech.start, speech.end)
        draft.speech.end = speech.end
        draft.committed = time

    def user_wrote(self, item_id: str, text: str, time: float) -> None:
        """Take note of a message of the user that the client added."""
        draft = self._next_input()
        draft.items.append(item_id)
        draft.texts[item_id] = text
        draft.committed = time

    def function_returned(self) -> None:
        """Take note of the output of a function."""
        self._returned = True

    def asked(self, time: float) -> None:
        """Take note of a request for a response."""
        last = self._tracks.responses[-1] if self._tracks.responses else None
        recent = last is not None and last.created > time - _INVERSION
        if last is not None and recent and last.asked is None and not self._asked:
            last.asked = min(time, last.created)
        else:
            self._asked.append(time)

    def response_created(self, response: ResponseTrack) -> None:
        """Take note of a response that begins."""
        if self._asked:
            response.asked = self._asked.pop(0)
        draft = self._input
        if draft is None and self._returned and self._drafts:
            draft = self._drafts[-1]
        elif draft is None:
            draft = _Draft()
            self._drafts.append(draft)
        draft.responses.append(response)
        self._input, self._returned = None, False

    def turns(self) -> list[Turn]:
        """Return the turns so far."""
        return [self._turn(index, each) for index, each in enumerate(self._drafts)]

    # Private

    def _next_input(self) -> _Draft:
        if self._input is None:
            self._input = _Draft()
            self._drafts.append(self._input)
        return self._input

    def _turn(self, index: int, draft: _Draft) -> Turn:
        speech, responses = draft.speech, draft.responses
        last = responses[-1] if responses else None
        return Turn(
            index=index,
            speech_started=speech.start if speech else None,
            speech_ended=speech.end if speech else draft.committed,
            committed=draft.committed,
            asked=responses[0].asked if responses else None,
            created=responses[0].created if responses else None,
            first_output=_first(each.first_output for each in responses),
            first_audio=_first(each.first_audio for each in responses),
            last_output=_first(each.last_output for each in reversed(responses)),
            done=last.done if last else None,
            status=last.status if last else None,
            interrupted=self._interrupted(draft),
            transcript=self._transcript(draft),
            answer=" ".join(each.text.strip() for each in responses if each.text),
            function_calls=tuple(name for each in responses for name in each.calls),
            responses=tuple(each.id for each in responses),
        )

    def _transcript(self, draft: _Draft) -> str:
        found = {**self._tracks.texts, **draft.texts}
        texts = (found.get(item_id, "") for item_id in draft.items)
        return " ".join(text.strip() for text in texts if text)

    def _interrupted(self, draft: _Draft) -> float | None:
        for response in draft.responses:
            if response.cut is not None and self._was_cut_short(response):
                return response.cut
        return None

    def _was_cut_short(self, response: ResponseTrack) -> bool:
        """Tell whether a response was cancelled, or some of its speech not heard."""
        cut = response.cut
        assert cut is not None
        return response.status == "cancelled" or any(
            each.response_id == response.id and each.piece.end > cut + 0.001
            for each in self._tracks.model
        )


def _first(values: Iterable[float | None]) -> float | None:
    return next((each for each in values if each is not None), None)


def summarize(tracks: Tracks, turns: list[Turn]) -> Summary:
    """Return a session in figures."""
    spoken, heard = tracks.spoken(), tracks.heard()
    end = max([tracks.end, *(stop for _, stop in heard[-1:])])
    silences = gaps_of(merged([*spoken, *heard]), end)
    latencies = [turn.to_first_audio for turn in turns]
    return Summary(
        duration=end,
        turns=len(turns),
        first_audio_p50=percentile(latencies, 50),
        first_audio_p95=percentile(latencies, 95),
        interruptions=sum(turn.interrupted is not None for turn in turns),
        user_speech=total(spoken),
        model_speech=total(heard),
        silence=total(silences),
        longest_silence=max((stop - start for start, stop in silences), default=0.0),
        function_calls=len(tracks.calls),
        errors=len(tracks.errors),
        reconnects=len(tracks.reconnects),
        lost=tracks.lost,
    )
