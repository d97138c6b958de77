"""
Raw audio as the protocol speaks it: 16-bit little-endian PCM, here always mono.

All functions are pure, and so thread-safe.
"""

from __future__ import annotations

import math
from operator import mul

from .._checks import check_count, check_rate
from ._samples import as_bytes, from_samples, to_samples


__all__ = [
    "SAMPLE_RATE",
    "SampleAligner",
    "duration_ms",
    "peak_dbfs",
    "rms_dbfs",
    "to_mono",
]

SAMPLE_RATE = 24_000
"""The sampling rate in Hz of the protocol's ``audio/pcm``."""

_FULL_SCALE = 32_768


def duration_ms(pcm: bytes, rate: int = SAMPLE_RATE) -> int:
    """
    Return how long *pcm* lasts.

    Args:
        pcm: 16-bit mono PCM.
        rate: Its sampling rate in Hz.

    Returns:
        Whole milliseconds, rounded down: never more than there is.

    Raises:
        TypeError: *pcm* is not bytes.
        ValueError: *rate* is not positive.
    """
    check_rate(rate)
    return len(as_bytes(pcm)) // 2 * 1000 // rate


def rms_dbfs(pcm: bytes) -> float:
    """
    Return the level of *pcm*, as its root mean square.

    Args:
        pcm: 16-bit mono PCM.

    Returns:
        Decibels below full scale: 0 for a full square wave, -3 for a full sine, about
        -30 for speech, minus infinity for silence and for no audio.
    """
    samples = to_samples(pcm)
    energy = sum(map(mul, samples, samples))
    return _decibels(math.sqrt(energy / len(samples))) if energy else -math.inf


def peak_dbfs(pcm: bytes) -> float:
    """
    Return the level of the loudest sample of *pcm*.

    Args:
        pcm: 16-bit mono PCM.

    Returns:
        Decibels below full scale: 0 for audio that is, or nearly is, clipped; minus
        infinity for silence and for no audio.
    """
    samples = to_samples(pcm)
    peak = max(max(samples), -min(samples)) if samples else 0
    return _decibels(peak) if peak else -math.inf


def _decibels(magnitude: float) -> float:
    return 20 * math.log10(magnitude / _FULL_SCALE)


def to_mono(pcm: bytes, channels: int) -> bytes:
    """
    Return the mean of the channels of *pcm*.

    Args:
        pcm: 16-bit PCM with the samples of its channels in turn, as files have them.
        channels: How many there are; 1 leaves *pcm* as it is.

    Returns:
        16-bit mono PCM. A frame that is not whole at the end is dropped.

    Raises:
        ValueError: *channels* is less than 1.
    """
    check_count("channels", channels, 1)
    if channels == 1:
        return pcm
    samples = to_samples(pcm)
    del samples[len(samples) - len(samples) % channels :]
    frames = zip(*(samples[n::channels] for n in range(channels)), strict=True)
    return from_samples(sum(frame) // channels for frame in frames)


class SampleAligner:
    """
    Whole samples from pieces that may end within one.

    Sockets and pipes cut audio where they like. One byte too many, and all samples
    after it are noise: so half a sample waits here for its other half.

    Not thread-safe.

    Args:
        width: The bytes of a sample, or of a frame with all its channels.
    """

    def __init__(self, width: int = 2) -> None:
        check_count("width", width, 1)
        self._width = width
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Add *data* and return the whole samples that there are now."""
        data = self._rest + as_bytes(data)
        whole = len(data) - len(data) % self._width
        self._rest = data[whole:]
        return data[:whole]

    @property
    def rest(self) -> bytes:
        """What is left of a sample that has not all arrived."""
        return self._rest
