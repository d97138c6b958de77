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
    "WireDecoder",
    "from_wire",
    "milliseconds",
    "sped_up",
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


class WireDecoder:
    """
    Turns a stream in a session's format into PCM, piece by piece. Not thread-safe.

    Args:
        audio_format: The format, an object of the protocol; None for PCM.
    """

    def __init__(self, audio_format: object) -> None:
        self._decode = _telephone_decoder(audio_format)
        self._resampler = Resampler(_TELEPHONE_RATE, _RATE)

    def feed(self, audio: bytes) -> bytes:
        """Return the PCM of a piece; that of G.711 lags 2.3 ms behind."""
        if self._decode is None:
            return audio
        return self._resampler.feed(self._decode(audio))

    def flush(self) -> bytes:
        """Return what was held back, as where a turn ends."""
        return b"" if self._decode is None else self._resampler.flush()


def _telephone_decoder(audio_format: object) -> Callable[[bytes], bytes] | None:
    if not isinstance(audio_format, _TELEPHONE):
        return None
    return ulaw_decode if isinstance(audio_format, AudioPcmu) else alaw_decode


def from_wire(audio: bytes, audio_format: object) -> bytes:
    """Return the PCM of *audio*, which is whole and in a session's format."""
    decode = _telephone_decoder(audio_format)
    return resample(decode(audio), _TELEPHONE_RATE, _RATE) if decode else audio


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
