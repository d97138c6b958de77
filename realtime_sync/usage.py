"""
What a session used, in tokens by kind, and what that costs by your own prices.

::

    prices = Prices(input_text=4, cached_text=0.4, input_audio=32, cached_audio=0.4,
                    output_text=16, output_audio=64)       # for a million tokens
    print(connection.usage, connection.usage.estimate_cost(prices))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ._channel.monitor import Monitor
from ._checks import check_amount, not_this
from ._shown import Shown
from .protocol._model import Maybe, ServerEvent
from .protocol.responses import (
    CachedTokensDetails,
    InputTokenDetails,
    OutputTokenDetails,
    TranscriptTextUsageDuration,
    TranscriptTextUsageTokens,
    TranscriptUsage,
    Usage,
)
from .protocol.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ResponseDone,
)


__all__ = ["Prices", "UsageMeter", "UsageTotals"]

_MILLION = 1_000_000
_KINDS = ("text", "audio", "image")
_FIELDS = {kind: f"{kind}_tokens" for kind in _KINDS}


@attrs.frozen(kw_only=True)
class Prices:
    """
    A price table, in the currency of your choice, for a million tokens of each kind.

    The library knows no prices. Give those of the kinds that you use; a kind that was
    used and has no price makes `UsageTotals.estimate_cost()` raise.

    Attributes:
        input_text: Text that the model reads.
        input_audio: Audio that it hears.
        input_image: Images that it sees.
        input_other: Input whose kind the service does not tell.
        cached_text: Text that was cached from turns before.
        cached_audio: Audio that was cached.
        cached_image: Images that were cached.
        output_text: Text that the model writes.
        output_audio: Audio that it speaks.
        output_other: Output whose kind the service does not tell.
        transcription_input_text: Text that the transcription model reads.
        transcription_input_audio: Audio that it hears.
        transcription_input_other: Its input whose kind the service does not tell.
        transcription_output: Text that it writes.
        transcription_minute: A minute of audio, for models that are billed by duration.

    Raises:
        TypeError: A price is no number.
        ValueError: It is negative, infinite or NaN.
    """

    input_text: float | None = None
    input_audio: float | None = None
    input_image: float | None = None
    input_other: float | None = None
    cached_text: float | None = None
    cached_audio: float | None = None
    cached_image: float | None = None
    output_text: float | None = None
    output_audio: float | None = None
    output_other: float | None = None
    transcription_input_text: float | None = None
    transcription_input_audio: float | None = None
    transcription_input_other: float | None = None
    transcription_output: float | None = None
    transcription_minute: float | None = None

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Prices):
            price = getattr(self, field.name)
            if price is not None:
                check_amount(field.name, price)


@attrs.frozen(kw_only=True)
class UsageTotals(Shown):
    """
    Tokens by kind, added up. Totals can be added to each other.

    Cached tokens are counted apart: ``input_text`` is what was not cached, so that
    every token is in one attribute only.

    Attributes:
        responses: Responses that have ended, of whatever status.
        input_text: Text tokens that the model read.
        input_audio: Audio tokens that it heard.
        input_image: Image tokens that it saw.
        input_other: Input tokens whose kind the service did not tell.
        cached_text: Text tokens that were cached from turns before.
        cached_audio: Audio tokens that were cached.
        cached_image: Image tokens that were cached.
        output_text: Text tokens that the model wrote.
        output_audio: Audio tokens that it spoke.
        output_other: Output tokens whose kind the service did not tell.
        transcriptions: Transcripts of input audio that were completed.
        transcription_input_text: Text tokens that the transcription model read.
        transcription_input_audio: Audio tokens that it heard.
        transcription_input_other: Its input tokens of unknown kind.
        transcription_output: Text tokens that it wrote.
        transcription_seconds: Seconds of audio, where the service bills by duration.
    """

    responses: int = 0
    input_text: int = 0
    input_audio: int = 0
    input_image: int = 0
    input_other: int = 0
    cached_text: int = 0
    cached_audio: int = 0
    cached_image: int = 0
    output_text: int = 0
    output_audio: int = 0
    output_other: int = 0
    transcriptions: int = 0
    transcription_input_text: int = 0
    transcription_input_audio: int = 0
    transcription_input_other: int = 0
    transcription_output: int = 0
    transcription_seconds: float = 0.0

    @classmethod
    def of(cls, usage: Usage) -> UsageTotals:
        """Return what one response used."""
        cached = _cached(usage.input_token_details or InputTokenDetails())
        return cls(
            responses=1,
            **_input(usage, cached),
            **{f"cached_{kind}": count for kind, count in cached.items()},
            **_output(usage),
        )

    @property
    def input_tokens(self) -> int:
        """All tokens that the model took in, cached ones included."""
        uncached = self.input_text + self.input_audio + self.input_image
        return uncached + self.input_other + self.cached_tokens

    @property
    def cached_tokens(self) -> int:
        """Those of the input tokens that were cached."""
        return self.cached_text + self.cached_audio + self.cached_image

    @property
    def output_tokens(self) -> int:
        """All tokens that the model gave out."""
        return self.output_text + self.output_audio + self.output_other

    @property
    def total_tokens(self) -> int:
        """Input and output tokens of the model, without those of the transcription."""
        return self.input_tokens + self.output_tokens

    def estimate_cost(self, prices: Prices | Mapping[str, float]) -> float:
        """
        Return what this costs by *prices*, in their currency.

        It is an estimate: your bill may round, and may have other items.

        Args:
            prices: A price table, or a mapping with the names of its attributes.

        Raises:
            ValueError: A kind of tokens was used that has no price.
            TypeError: It is neither, or has a name that no price has.
        """
        if not isinstance(prices, (Prices, Mapping)):
            raise not_this("prices are a Prices or a mapping", prices)
        if not isinstance(prices, Prices):
            prices = Prices(**prices)
        self._ensure_priced(prices)
        tokens: float = sum(
            getattr(self, name) * (getattr(prices, name) or 0) for name in _PRICED
        )
        minutes = self.transcription_seconds / 60
        return tokens / _MILLION + minutes * (prices.transcription_minute or 0)

    def _ensure_priced(self, prices: Prices) -> None:
        missing = [
            name
            for name in _PRICED
            if getattr(self, name) and getattr(prices, name) is None
        ]
        if self.transcription_seconds and prices.transcription_minute is None:
            missing.append("transcription_minute")
        if missing:
            raise ValueError(
                f"no price for {', '.join(missing)}, of which some was used; "
                "give a price, which may be 0"
            )

    def __add__(self, other: object) -> UsageTotals:
        if not isinstance(other, UsageTotals):
            return NotImplemented
        return UsageTotals(
            **{
                field.name: getattr(self, field.name) + getattr(other, field.name)
                for field in attrs.fields(UsageTotals)
            }
        )

    def __str__(self) -> str:
        used = {f.name: getattr(self, f.name) for f in attrs.fields(UsageTotals)}
        return ", ".join(f"{n.replace('_', ' ')} {v:,}" for n, v in used.items() if v)


_PRICED = tuple(
    field.name
    for field in attrs.fields(Prices)
    if field.name in attrs.fields_dict(UsageTotals)
)


class UsageMeter:
    """
    Adds up what a session uses, from the events that say so.

    Handlers run on the reader thread; *totals* may be read by any thread.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._totals = UsageTotals()

    @property
    def totals(self) -> UsageTotals:
        """What was used so far; the object does not change any more."""
        return self._totals

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return the handler for each class of events that tells of usage."""
        return {
            ResponseDone: self._on_done,
            ConversationItemInputAudioTranscriptionCompleted: self._on_transcript,
        }

    def _on_done(self, event: ResponseDone) -> None:
        usage = event.response.usage
        self._add(UsageTotals.of(usage) if usage else UsageTotals(responses=1))

    def _on_transcript(
        self, event: ConversationItemInputAudioTranscriptionCompleted
    ) -> None:
        self._add(_of_transcript(event.usage))

    def _add(self, more: UsageTotals) -> None:
        with self._monitor.lock:
            self._totals += more


def _cached(details: InputTokenDetails) -> dict[str, int]:
    """Return the cached tokens by kind."""
    by_kind = details.cached_tokens_details
    if by_kind:
        return {kind: _count(by_kind, kind) for kind in _KINDS}
    # Older services tell only the sum: fill it from the kinds, text first.
    left = details.cached_tokens or 0
    cached = {}
    for kind in _KINDS:
        cached[kind] = min(left, _count(details, kind))
        left -= cached[kind]
    return cached


def _input(usage: Usage, cached: Mapping[str, int]) -> dict[str, int]:
    """Return the input tokens that were not cached, by kind."""
    details = usage.input_token_details or InputTokenDetails()
    all_of = {kind: _count(details, kind) for kind in _KINDS}
    told = sum(max(all_of[kind], cached[kind]) for kind in _KINDS)
    return {
        **{f"input_{kind}": max(0, all_of[kind] - cached[kind]) for kind in _KINDS},
        "input_other": max(0, (usage.input_tokens or 0) - told),
    }


def _output(usage: Usage) -> dict[str, int]:
    details = usage.output_token_details or OutputTokenDetails()
    text, audio = details.text_tokens or 0, details.audio_tokens or 0
    other = max(0, (usage.output_tokens or 0) - text - audio)
    return {"output_text": text, "output_audio": audio, "output_other": other}


def _of_transcript(usage: Maybe[TranscriptUsage]) -> UsageTotals:
    if isinstance(usage, TranscriptTextUsageDuration):
        return UsageTotals(transcriptions=1, transcription_seconds=usage.seconds or 0.0)
    if not isinstance(usage, TranscriptTextUsageTokens):
        return UsageTotals(transcriptions=1)
    details = usage.input_token_details
    text, audio = (
        (details.text_tokens or 0, details.audio_tokens or 0) if details else (0, 0)
    )
    return UsageTotals(
        transcriptions=1,
        transcription_input_text=text,
        transcription_input_audio=audio,
        transcription_input_other=max(0, (usage.input_tokens or 0) - text - audio),
        transcription_output=usage.output_tokens or 0,
    )


def _count(details: InputTokenDetails | CachedTokensDetails, kind: str) -> int:
    return getattr(details, _FIELDS[kind]) or 0
