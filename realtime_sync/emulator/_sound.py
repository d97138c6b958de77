"""
Sound inside the emulator is 16-bit mono PCM at 24 kHz; here is the way in and out.
"""

from __future__ import annotations

from typing import Final

from ..protocol import (
    AudioPcma,
    AudioPcmu,
)


__all__ = ["BYTES_PER_MS", "from_wire", "milliseconds", "sped_up", "to_wire"]

BYTES_PER_MS: Final = 48
_RATE: Final = 24_000
_TELEPHONE_RATE: Final = 8_000


def milliseconds(pcm: bytes | bytearray) -> int:
    """Return the whole milliseconds that *pcm* plays."""
    return len(pcm) // BYTES_PER_MS


def from_wire(audio: bytes, audio_format: object) -> bytes:
    """Return the PCM of *audio*, which is in a session's format."""
    if not isinstance(audio_format, (AudioPcmu, AudioPcma)):
        return audio
    from ..audio import resample
    from ..audio.g711 import alaw_decode, ulaw_decode

    decode = ulaw_decode if isinstance(audio_format, AudioPcmu) else alaw_decode
    return resample(decode(audio), _TELEPHONE_RATE, _RATE)


def to_wire(pcm: bytes, audio_format: object) -> bytes:
    """Return *pcm* in a session's format."""
    if not isinstance(audio_format, (AudioPcmu, AudioPcma)):
        return pcm
    from ..audio import resample
    from ..audio.g711 import alaw_encode, ulaw_encode

    encode = ulaw_encode if isinstance(audio_format, AudioPcmu) else alaw_encode
    return encode(resample(pcm, _RATE, _TELEPHONE_RATE))


def sped_up(pcm: bytes, speed: float) -> bytes:
    """Return *pcm* as it sounds *speed* times as fast; its pitch changes with it."""
    if speed == 1.0:
        return pcm
    from ..audio import resample

    return resample(pcm, _RATE, round(_RATE / speed))
