"""Durations, levels, channels, and samples that arrive in halves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync.audio import (
    SampleAligner,
    duration_ms,
    peak_dbfs,
    rms_dbfs,
    to_mono,
    ulaw_decode,
    ulaw_encode,
)
from realtime_sync.audio._samples import from_floats, from_samples, to_samples


@pytest.mark.parametrize(
    ("size", "rate", "expected"),
    [(0, 24_000, 0), (48_000, 24_000, 1000), (95, 24_000, 1), (16_001, 8_000, 1000)],
)
def test_duration_is_never_too_long(size: int, rate: int, expected: int) -> None:
    """A duration is whole milliseconds, rounded down, of whole samples."""
    assert expected == duration_ms(bytes(size), rate)


@pytest.mark.parametrize(
    "function", [duration_ms, rms_dbfs, peak_dbfs, ulaw_encode, ulaw_decode]
)
def test_text_is_no_audio(function: Callable[[Any], object]) -> None:
    """Whatever is not bytes is refused, and views of bytes are as good."""
    with pytest.raises(TypeError, match=r"audio is bytes .*, not str"):
        function("abc")

    assert function(b"abcd") == function(memoryview(b"abcd"))


def test_no_rate_is_no_duration() -> None:
    """A sampling rate is positive."""
    with pytest.raises(ValueError, match="whole number of Hz above 0, not 0"):
        duration_ms(b"abcd", 0)


def test_level_of_silence() -> None:
    """Silence and no audio have no level at all."""
    assert -math.inf == rms_dbfs(b"") == rms_dbfs(bytes(9)) == peak_dbfs(b"")
    assert -math.inf == peak_dbfs(bytes(100))


def test_levels() -> None:
    """A full square wave is at 0 dBFS, a sine of half the peak at -9."""
    square = from_samples([-32_768, -32_768])
    sine = from_floats(16_384 * math.sin(math.tau * n / 24) for n in range(2_400))

    assert 0.0 == rms_dbfs(square) == peak_dbfs(square)
    assert pytest.approx(-9.03, abs=0.01) == rms_dbfs(sine)
    assert pytest.approx(-6.02, abs=0.01) == peak_dbfs(sine)


def test_mixes_channels() -> None:
    """Each output sample is the mean of its frame; a broken frame is dropped."""
    stereo = from_samples([100, 300, -5, -5, 32_767, 32_767, 7])

    assert [200, -5, 32_767] == list(to_samples(to_mono(stereo, 2)))
    assert stereo is to_mono(stereo, 1)
    with pytest.raises(ValueError, match="channels is a whole number from 1, not 0"):
        to_mono(stereo, 0)


def test_keeps_halves_of_samples_together() -> None:
    """However bytes are cut, samples come out whole and in order."""
    aligner = SampleAligner()

    pieces = [aligner.feed(piece) for piece in (b"a", b"bc", b"", b"defg", b"h")]

    assert [b"", b"ab", b"", b"cdef", b"gh"] == pieces
    assert b"" == aligner.rest


def test_keeps_what_is_left() -> None:
    """What does not make a frame is there to be looked at."""
    aligner = SampleAligner(width=4)

    whole = aligner.feed(b"abcdef")

    assert (b"abcd", b"ef") == (whole, aligner.rest)


def test_clips() -> None:
    """What is out of range is at its end."""
    assert [32_767, -32_768] == list(to_samples(from_floats([4e4, -4e4])))
