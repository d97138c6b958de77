"""
From one sampling rate to another.

`Resampler` is for streams: a windowed sinc, made for the two rates, that holds back no
more than 3 ms. It computes with numpy where that is installed, and in plain Python
where it is not, which takes up to a tenth of a core for one live stream. `resample` is
for whole recordings, and uses soxr where the extra ``audio`` is installed.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import mul
from typing import Any

from .._checks import check_rate
from ._extras import installed, require
from ._samples import as_bytes, from_floats, to_samples
from .pcm import SampleAligner


__all__ = ["Resampler", "resample"]

_LOBES = 16  # of the sinc on either side: how steep the filter is
_GUARD = 0.92  # of the band is kept; the filter falls off in the rest
# Every pair of usual rates is below, 11,025 Hz to 32 kHz included. Odd rates, of which
# each needs thousands of filters, are for soxr.
_MAX_PHASES = 1_280


def resample(pcm: bytes, from_rate: int, to_rate: int) -> bytes:
    """
    Return a whole recording at another sampling rate.

    Args:
        pcm: 16-bit mono PCM.
        from_rate: Its sampling rate in Hz.
        to_rate: The sampling rate in Hz that is wanted.

    Returns:
        16-bit mono PCM, as long in time.

    Raises:
        ImportError: The rates have hardly a common divisor, and soxr is not installed.
        ValueError: A rate is not positive.
    """
    check_rate(from_rate, to_rate)
    pcm = as_bytes(pcm)
    if from_rate == to_rate:
        return pcm
    if installed("soxr"):
        return _resample_by_soxr(pcm, from_rate, to_rate)
    resampler = Resampler(from_rate, to_rate)
    return resampler.feed(pcm) + resampler.flush()


def _resample_by_soxr(pcm: bytes, from_rate: int, to_rate: int) -> bytes:
    numpy = require("numpy", extra="audio", purpose="resampling by soxr")
    soxr = require("soxr", extra="audio", purpose="resampling")
    samples = numpy.frombuffer(pcm, "<i2", len(pcm) // 2)
    faster = soxr.resample(samples.astype(numpy.int16), from_rate, to_rate)
    converted: bytes = faster.astype("<i2").tobytes()
    return converted


class Resampler:
    """
    Audio at another sampling rate, piece by piece, with no seam between the pieces.

    What it holds back is 18 samples of the lower rate, 2.3 ms at 8 kHz; `flush` gives
    them out at the end.

    Not thread-safe.

    Args:
        from_rate: The sampling rate in Hz of what is fed.
        to_rate: The sampling rate in Hz that is wanted.

    Raises:
        ImportError: The rates have hardly a common divisor; the message names them.
        ValueError: A rate is not positive.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        check_rate(from_rate, to_rate)
        common = math.gcd(from_rate, to_rate)
        self._up, self._down = to_rate // common, from_rate // common
        if self._up > _MAX_PHASES:
            raise ImportError(
                f"a stream from {from_rate} to {to_rate} Hz is not supported, for lack "
                "of a common divisor: resample() can, with "
                "pip install 'realtime_sync[audio]'"
            )
        self._numpy: Any = _numpy()
        self._half = _half_width(self._up, self._down)
        self._aligner = SampleAligner()
        self._start()

    def _start(self) -> None:
        # The filter looks back: before the first sample there was silence.
        self._held = array("h", bytes(2 * (self._half - 1)))
        # Where the next output is in what is held, in parts of 1 / up of a sample.
        self._next = (self._half - 1) * self._up

    def feed(self, pcm: bytes) -> bytes:
        """
        Add *pcm* and return what can be computed now.

        Args:
            pcm: 16-bit mono PCM of any length in bytes; half a sample waits for its
                other half.

        Returns:
            16-bit mono PCM at the new rate.
        """
        if self._up == self._down:
            return self._aligner.feed(pcm)
        self._held += to_samples(self._aligner.feed(pcm))
        available = (len(self._held) - self._half) * self._up - self._next
        count = max(0, -(-available // self._down))
        converted = self._convert(count)
        self._next += count * self._down
        used = self._next // self._up - (self._half - 1)
        del self._held[:used]
        self._next -= used * self._up
        return converted

    def flush(self) -> bytes:
        """Return what was held back, and be as new."""
        if self._up == self._down:
            return b""
        rest = self.feed(bytes(2 * self._half))
        self._aligner = SampleAligner()
        self._start()
        return rest

    def _convert(self, count: int) -> bytes:
        """Return the next *count* samples at the new rate."""
        new: Any = self._numpy.empty(count) if self._numpy else [0.0] * count
        source = self._source() if count else None
        # Every up-th output needs the same filter, down samples further on.
        for first in range(min(self._up, count)):
            place, phase = divmod(self._next + first * self._down, self._up)
            taps = _taps(self._up, self._down, phase)
            begin = place - (self._half - 1)
            outputs = -(-(count - first) // self._up)
            starts = range(begin, begin + outputs * self._down, self._down)
            new[first :: self._up] = self._filtered(source, starts, taps)
        return self._to_pcm(new)

    def _source(self) -> Any:
        """Return what is held in the form that computes fastest."""
        if self._numpy is None:
            return list(map(float, self._held))
        samples = self._numpy.frombuffer(self._held, self._numpy.int16)
        view = self._numpy.lib.stride_tricks.sliding_window_view
        return view(samples, 2 * self._half)

    def _filtered(self, source: Any, starts: range, taps: Sequence[float]) -> Any:
        """Return the samples from each of *starts* on, weighted by *taps* and added."""
        if self._numpy is None:
            width = 2 * self._half
            return [_sum_of_products(source[n : n + width], taps) for n in starts]
        return source[starts.start : starts.stop : starts.step] @ taps

    def _to_pcm(self, samples: Any) -> bytes:
        if self._numpy is None:
            return from_floats(samples)
        rounded = self._numpy.rint(samples).clip(-32_768, 32_767)
        pcm: bytes = rounded.astype("<i2").tobytes()
        return pcm


def _numpy() -> Any:
    if not installed("numpy"):
        return None
    return require("numpy", extra="audio", purpose="fast resampling")


def _half_width(up: int, down: int) -> int:
    """Return how many samples the filter looks ahead."""
    # Fewer samples a second out than in: the sinc is as much wider.
    return math.ceil(_LOBES * max(1, down / up) / _GUARD)


def _sum_of_products_before_3_12(a: Sequence[float], b: Sequence[float]) -> float:
    total: float = sum(map(mul, a, b))
    return total


_sum_of_products: Callable[[Sequence[float], Sequence[float]], float] = getattr(
    math, "sumprod", _sum_of_products_before_3_12
)


# A pair of rates has one filter for each phase: few for the usual pairs.
@lru_cache(maxsize=4 * _MAX_PHASES)
def _taps(up: int, down: int, phase: int) -> Sequence[float]:
    """Return the filter for an output *phase* / *up* after a sample."""
    half = _half_width(up, down)
    band = _GUARD * min(1, up / down)
    times = [n - (half - 1) - phase / up for n in range(2 * half)]
    taps = [_sinc(band * time) * _blackman(time / half) for time in times]
    # A constant stays what it is, whatever the phase.
    total = sum(taps)
    return [tap / total for tap in taps]


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


def _blackman(x: float) -> float:
    """Return the window at *x*, which is 0 in its middle and 1 at its ends."""
    if abs(x) >= 1:
        return 0.0
    return 0.42 + 0.5 * math.cos(math.pi * x) + 0.08 * math.cos(2 * math.pi * x)
