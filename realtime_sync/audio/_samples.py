"""Between bytes, which the wire has, and numbers, which can be computed with."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable

from .._checks import not_this


__all__ = ["as_bytes", "from_floats", "from_samples", "to_samples"]


def as_bytes(audio: bytes | bytearray | memoryview) -> bytes:
    """
    Return audio as bytes, of whatever the items of a memoryview are.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(audio, bytes):
        return audio
    if isinstance(audio, (bytearray, memoryview)):
        return bytes(audio)
    raise not_this("audio is bytes (those of an Audio are its pcm)", audio)


def to_samples(pcm: bytes) -> array[int]:
    """Return the samples of 16-bit little-endian *pcm*; half a sample is dropped."""
    pcm = as_bytes(pcm)
    samples = array("h", pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def from_samples(samples: Iterable[int]) -> bytes:
    """Return *samples*, which are in range, as 16-bit little-endian PCM."""
    pcm = array("h", samples)
    if sys.byteorder == "big":
        pcm.byteswap()
    return pcm.tobytes()


def from_floats(samples: Iterable[float]) -> bytes:
    """Return *samples*, where 32,768 is full scale, rounded and clipped, as PCM."""
    return from_samples(max(-32_768, min(32_767, round(value))) for value in samples)
