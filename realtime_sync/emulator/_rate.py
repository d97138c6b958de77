"""From the 24 kHz of the protocol to the 16 kHz of the models that hear."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from numpy import ndarray

    Samples = ndarray[Any, Any]


__all__ = ["HISTORY", "to_16k", "to_floats"]

_TAPS = 32
_CUTOFF = 7_400 / 24_000  # of the sampling rate: under the 8 kHz that 16 kHz can hold

HISTORY = _TAPS + 1 - 3
"""The samples before the first that `to_16k` needs: 1.25 ms."""


def to_floats(pcm: bytes) -> Samples:
    """Return the samples of 16-bit little-endian *pcm* as float32 from -1 to 1."""
    import numpy

    samples = numpy.frombuffer(pcm, "<i2", len(pcm) // 2)
    return samples.astype(numpy.float32) / 32_768


@cache
def _filter() -> Samples:
    """Return the weights of two outputs, shape (33, 2), for each three inputs."""
    import numpy

    def taps(offset: float) -> Samples:
        time = numpy.arange(_TAPS) - (_TAPS / 2 - 1 + offset)
        window = numpy.cos(numpy.pi * time / (_TAPS + 1)) ** 2
        weights = numpy.sinc(2 * _CUTOFF * time) * window
        normal: Samples = weights / weights.sum()
        return normal

    # The second output lies half a sample after a whole one: its taps begin one later.
    columns = (numpy.append(taps(0), 0), numpy.append(0, taps(0.5)))
    return numpy.stack(columns, axis=1).astype(numpy.float32)


def to_16k(samples: Samples) -> Samples:
    """
    Return *samples* at two thirds of their rate, filtered, 15 samples late.

    Args:
        samples: float32 at 24 kHz, shape (n,): `HISTORY` samples from before, then new
            ones by threes.

    Returns:
        float32 at 16 kHz, shape ((n - HISTORY) * 2 / 3,).
    """
    from numpy.lib.stride_tricks import sliding_window_view

    windows = sliding_window_view(samples, HISTORY + 3)[::3]
    slower: Samples = (windows @ _filter()).reshape(-1)
    return slower
