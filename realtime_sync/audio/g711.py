"""
G.711, the two codes of telephones: µ-law and A-law, 8 bits for a sample, at 8 kHz.

A code byte is a sign, an exponent of three bits and a mantissa of four, as ITU-T
Recommendation G.711 defines them (https://www.itu.int/rec/T-REC-G.711). Everything is
looked up in tables that are made at the first use, so that it is fast without any
library: less than 1 ms to encode a second of a call, and far less to decode it.

All functions are pure, and so thread-safe. PCM is 16-bit little-endian.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from functools import cache

from ._samples import as_bytes


__all__ = ["G711_RATE", "alaw_decode", "alaw_encode", "ulaw_decode", "ulaw_encode"]

G711_RATE = 8_000
"""The sampling rate of G.711 in Hz."""

_ULAW_BIAS = 132  # 33 of the 14 bits that µ-law is defined on
_ULAW_CLIP = 32_635


def ulaw_encode(pcm: bytes) -> bytes:
    """Return 16-bit *pcm* as µ-law, half as long; half a sample is dropped."""
    return _encode(pcm, _ulaw_codes())


def ulaw_decode(data: bytes) -> bytes:
    """Return µ-law *data* as 16-bit PCM, twice as long."""
    return _decode(data, *_ulaw_values())


def alaw_encode(pcm: bytes) -> bytes:
    """Return 16-bit *pcm* as A-law, half as long; half a sample is dropped."""
    return _encode(pcm, _alaw_codes())


def alaw_decode(data: bytes) -> bytes:
    """Return A-law *data* as 16-bit PCM, twice as long."""
    return _decode(data, *_alaw_values())


def _encode(pcm: bytes, codes: bytes) -> bytes:
    pcm = as_bytes(pcm)
    # Unsigned, so that a sample is an index.
    samples = array("H", pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(map(codes.__getitem__, samples))


def _decode(data: bytes, low: bytes, high: bytes) -> bytes:
    data = as_bytes(data)
    pcm = bytearray(2 * len(data))
    pcm[0::2] = data.translate(low)
    pcm[1::2] = data.translate(high)
    return bytes(pcm)


# The tables


def _ulaw_code(sample: int) -> int:
    magnitude = min(abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = magnitude >> (exponent + 3) & 0x0F
    # All bits are sent inverted, so that silence has many ones.
    return (0x80 if sample < 0 else 0) ^ (exponent << 4 | mantissa) ^ 0xFF


def _ulaw_value(code: int) -> int:
    code ^= 0xFF
    exponent, mantissa = code >> 4 & 0x07, code & 0x0F
    magnitude = ((mantissa << 3) + _ULAW_BIAS << exponent) - _ULAW_BIAS
    return -magnitude if code & 0x80 else magnitude


def _alaw_code(sample: int) -> int:
    # A-law is defined on 13 bits, with no zero: the first step is on either side of it.
    magnitude = (sample if sample >= 0 else ~sample) >> 3
    exponent = max(0, magnitude.bit_length() - 5)
    mantissa = magnitude >> max(exponent, 1) & 0x0F
    # Every second bit is sent inverted.
    return (0x80 if sample >= 0 else 0) ^ (exponent << 4 | mantissa) ^ 0x55


def _alaw_value(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 0x07, code & 0x0F
    # The middle of the step; from the second exponent on, with the bit that is implied.
    magnitude = (mantissa << 4) + (0x108 if exponent else 0x08) << max(0, exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def _codes(code: Callable[[int], int]) -> bytes:
    positive, negative = range(32_768), range(-32_768, 0)
    return bytes(map(code, [*positive, *negative]))


def _values(value: Callable[[int], int]) -> tuple[bytes, bytes]:
    """Return the low and the high byte of the value of each code."""
    values = [value(code) & 0xFFFF for code in range(256)]
    return bytes(v & 0xFF for v in values), bytes(v >> 8 for v in values)


@cache
def _ulaw_codes() -> bytes:
    return _codes(_ulaw_code)


@cache
def _ulaw_values() -> tuple[bytes, bytes]:
    return _values(_ulaw_value)


@cache
def _alaw_codes() -> bytes:
    return _codes(_alaw_code)


@cache
def _alaw_values() -> tuple[bytes, bytes]:
    return _values(_alaw_value)
