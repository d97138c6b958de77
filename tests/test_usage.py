"""Tokens by kind, added up, and their price."""

from __future__ import annotations

from typing import Any

import model_turns as turns
import pytest

from realtime_sync._channel.monitor import Monitor
from realtime_sync.protocol.responses import (
    CachedTokensDetails,
    InputTokenDetails,
    OutputTokenDetails,
    TranscriptTextUsageDuration,
    TranscriptTextUsageTokens,
    TranscriptTokenDetails,
    Usage,
)
from realtime_sync.protocol.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
)
from realtime_sync.usage import Prices, UsageMeter, UsageTotals


USAGE = Usage(
    total_tokens=263,
    input_tokens=142,
    output_tokens=121,
    input_token_details=InputTokenDetails(
        text_tokens=119,
        audio_tokens=13,
        image_tokens=10,
        cached_tokens=69,
        cached_tokens_details=CachedTokensDetails(
            text_tokens=64, audio_tokens=5, image_tokens=0
        ),
    ),
    output_token_details=OutputTokenDetails(text_tokens=30, audio_tokens=91),
)
TOTALS = UsageTotals(
    responses=1,
    input_text=55,
    input_audio=8,
    input_image=10,
    cached_text=64,
    cached_audio=5,
    output_text=30,
    output_audio=91,
)


@pytest.fixture(name="meter")
def _meter() -> UsageMeter:
    return UsageMeter(Monitor())


def completed(**fields: object) -> ConversationItemInputAudioTranscriptionCompleted:
    return ConversationItemInputAudioTranscriptionCompleted(
        item_id="item_1", content_index=0, transcript="hi", **fields
    )


class TestTotals:
    def test_each_token_is_counted_once(self) -> None:
        """Cached tokens are a part of the input and are counted apart from it."""
        totals = UsageTotals.of(USAGE)

        assert TOTALS == totals
        assert (142, 69, 121, 263) == (
            totals.input_tokens,
            totals.cached_tokens,
            totals.output_tokens,
            totals.total_tokens,
        )

    def test_sum_of_cached_alone(self) -> None:
        """Where only the sum is told, cached tokens are text first, then audio."""
        details = InputTokenDetails(text_tokens=10, audio_tokens=5, cached_tokens=12)
        totals = UsageTotals.of(Usage(input_tokens=15, input_token_details=details))

        assert (10, 2) == (totals.cached_text, totals.cached_audio)
        assert (0, 3) == (totals.input_text, totals.input_audio)
        assert 15 == totals.input_tokens

    def test_without_details(self) -> None:
        """Tokens whose kind is not told are counted as such."""
        totals = UsageTotals.of(Usage(input_tokens=7, output_tokens=5, total_tokens=12))

        assert (7, 5) == (totals.input_other, totals.output_other)
        assert 12 == totals.total_tokens

    def test_null_and_absent_details(self) -> None:
        """A service may leave out any of it."""
        usage = Usage(
            input_token_details=InputTokenDetails(text_tokens=None), output_tokens=None
        )

        assert UsageTotals(responses=1) == UsageTotals.of(usage)

    def test_more_cached_than_there_is(self) -> None:
        """Contradictory numbers never become negative."""
        details = InputTokenDetails(
            text_tokens=119,
            cached_tokens_details=CachedTokensDetails(text_tokens=128),
        )
        totals = UsageTotals.of(Usage(input_tokens=127, input_token_details=details))

        assert (0, 128, 0) == (
            totals.input_text,
            totals.cached_text,
            totals.input_other,
        )

    def test_sum(self) -> None:
        """Totals of several sessions add up."""
        total = sum([TOTALS, TOTALS], UsageTotals())

        assert 2 == total.responses
        assert 2 * TOTALS.total_tokens == total.total_tokens
        with pytest.raises(TypeError):
            TOTALS + 1

    def test_str_shows_what_was_used(self) -> None:
        """Printed, it names what is not zero."""
        totals = UsageTotals(responses=2, input_text=1500)

        assert "responses 2, input text 1,500" == str(totals)


class TestMeter:
    def test_adds_up(self, meter: UsageMeter) -> None:
        """Every response counts, with or without usage, and once only."""
        handlers = meter.handlers()
        for event in (
            turns.done("a", usage=USAGE),
            turns.done("b", usage=USAGE, status="failed"),
            turns.done("c", usage=None),
        ):
            handlers[type(event)](event)

        assert 3 == meter.totals.responses
        assert 2 * TOTALS.total_tokens == meter.totals.total_tokens

    def test_transcription_by_tokens(self, meter: UsageMeter) -> None:
        """Transcription is counted apart, since it is billed apart."""
        usage = TranscriptTextUsageTokens(
            input_tokens=15,
            output_tokens=9,
            input_token_details=TranscriptTokenDetails(text_tokens=1, audio_tokens=13),
        )
        handler = meter.handlers()[ConversationItemInputAudioTranscriptionCompleted]
        handler(completed(usage=usage))
        handler(completed())

        assert 0 == meter.totals.total_tokens
        assert (
            UsageTotals(
                transcriptions=2,
                transcription_input_text=1,
                transcription_input_audio=13,
                transcription_input_other=1,
                transcription_output=9,
            )
            == meter.totals
        )

    def test_transcription_by_duration(self, meter: UsageMeter) -> None:
        """Some transcription models are billed by the minute."""
        handler = meter.handlers()[ConversationItemInputAudioTranscriptionCompleted]
        handler(completed(usage=TranscriptTextUsageDuration(seconds=30.0)))

        assert 30.0 == meter.totals.transcription_seconds
        assert 3.0 == meter.totals.estimate_cost({"transcription_minute": 6})


class TestCost:
    def test_by_the_users_prices(self) -> None:
        """Each kind costs its own price for a million tokens."""
        prices = Prices(
            input_text=4,
            cached_text=0.4,
            input_audio=32,
            cached_audio=0.5,
            input_image=5,
            output_text=16,
            output_audio=64,
        )
        expected = (
            55 * 4 + 64 * 0.4 + 8 * 32 + 5 * 0.5 + 10 * 5 + 30 * 16 + 91 * 64
        ) / 1e6

        assert expected == pytest.approx(TOTALS.estimate_cost(prices))

    def test_mapping_does(self) -> None:
        """A plain mapping is a price table too."""
        totals = UsageTotals(input_text=1_000_000)

        assert 4.0 == totals.estimate_cost({"input_text": 4})
        with pytest.raises(TypeError, match="inptu_text"):
            totals.estimate_cost({"inptu_text": 4})

    @pytest.mark.parametrize(
        ("prices", "error", "words"),
        [
            (None, TypeError, "prices are a Prices or a mapping, not None"),
            ({"input_text": "4"}, TypeError, "input_text is a number from 0, not str"),
            ({"input_text": -4}, ValueError, "input_text is a number from 0"),
        ],
    )
    def test_what_is_no_price(
        self, prices: Any, error: type[Exception], words: str
    ) -> None:
        """A price that cannot be one is named."""
        with pytest.raises(error, match=words):
            UsageTotals(input_text=1).estimate_cost(prices)

    def test_a_missing_price_is_an_error(self) -> None:
        """What has no price is never taken to be free."""
        with pytest.raises(ValueError, match="no price for input_audio, output_other"):
            UsageTotals(input_audio=1, output_other=1).estimate_cost({"input_text": 4})
        with pytest.raises(ValueError, match="transcription_minute"):
            UsageTotals(transcription_seconds=1.0).estimate_cost({})

    def test_zero_is_a_price(self) -> None:
        """A price of 0 is one."""
        assert 0.0 == UsageTotals(input_audio=1).estimate_cost({"input_audio": 0})
