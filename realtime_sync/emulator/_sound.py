"""
Sound inside the emulator is 16-bit mono PCM at 24 kHz; here is the way in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..audio import Resampler, resample
from ..audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from ..protocol import AudioPcma, AudioPcmu


__all__ = [
    "BYTES_PER_MS",
    "from_wire",
    "milliseconds",
    "sped_up",
    "stream_from_wire",
    "to_wire",
    "wire_bytes_per_ms",
]

BYTES_PER_MS: Final = 48
_RATE: Final = 24_000
_TELEPHONE_RATE: Final = 8_000
_TELEPHONE: Final = (AudioPcmu, AudioPcma)


def milliseconds(pcm: bytes | bytearray) -> int:
    """Return the whole milliseconds that *pcm* plays."""
    return len(pcm) // BYTES_PER_MS


def wire_bytes_per_ms(audio_format: object) -> int:
    """Return how many bytes a millisecond has in a session's format."""
    return 8 if isinstance(audio_format, _TELEPHONE) else BYTES_PER_MS


def stream_from_wire(audio_format: object) -> Callable[[bytes], bytes]:
    """Return what turns a stream in a session's format into PCM, piece by piece."""
    if not isinstance(audio_format, _TELEPHONE):
        return lambda audio: audio
    decode = ulaw_decode if isinstance(audio_format, AudioPcmu) else alaw_decode
    resampler = Resampler(_TELEPHONE_RATE, _RATE)
    return lambda audio: resampler.feed(decode(audio))


def from_wire(audio: bytes, audio_format: object) -> bytes:
    """Return the PCM of *audio*, which is whole and in a session's format."""
    if not isinstance(audio_format, _TELEPHONE):
        return audio
    decode = ulaw_decode if isinstance(audio_format, AudioPcmu) else alaw_decode
    return resample(decode(audio), _TELEPHONE_RATE, _RATE)


def to_wire(pcm: bytes, audio_format: object) -> bytes:
    """Return *pcm*, which is whole, in a session's format."""
    if not isinstance(audio_format, _TELEPHONE):
        return pcm
    encode = ulaw_encode if isinstance(audio_format, AudioPcmu) else alaw_encode
    return encode(resample(pcm, _RATE, _TELEPHONE_RATE))


def sped_up(pcm: bytes, speed: float) -> bytes:
    """Return *pcm* as it sounds *speed* times as fast; its pitch changes with it."""
    # In hundredths of the rate, for which resampling needs no extra.
    rate = round(100 / speed) * _RATE // 100
    return resample(pcm, _RATE, rate)
