"""
Players for audio in a notebook, which is kept small.

A player in a saved notebook is the audio itself, as text. So it is stored as G.711,
which halves it and which every browser plays, and it is left out when it is longer than
a limit.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

from ..audio import Audio, alaw_decode, ulaw_decode
from ..audio.g711 import ulaw_encode
from ..protocol._markup import Html, tag
from ..protocol.session_audio import AudioPcm, AudioPcma, AudioPcmu


__all__ = ["DEFAULT_LIMIT", "Budget", "audio_of", "limits", "player"]

DEFAULT_LIMIT = 256 * 1024
"""Bytes of audio in what one object shows: 10.9 seconds at 24 kHz."""

_ULAW_HEADER = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")
_ULAW = 7  # the code of the format in WAV files


class _Limits:
    """
    What the user has set.

    Attributes:
        audio_bytes: Bytes of audio in what one object shows, or None for no limit.
    """

    audio_bytes: int | None = DEFAULT_LIMIT


limits = _Limits()


class Budget:
    """
    How much audio may still go into what one object shows.

    Args:
        size: Bytes, or None for no limit.
    """

    def __init__(self, size: int | None) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Take so many bytes if they are there; tell whether they were."""
        if self._left is None:
            return True
        if size > self._left:
            return False
        self._left -= size
        return True


def audio_of(data: bytes, audio_format: object) -> Audio:
    """
    Return audio of the protocol as PCM.

    Args:
        data: The audio.
        audio_format: What the session or response says of it; PCM if it says nothing.
    """
    if isinstance(audio_format, AudioPcmu):
        return Audio(ulaw_decode(data), 8_000)
    if isinstance(audio_format, AudioPcma):
        return Audio(alaw_decode(data), 8_000)
    rate: Any = audio_format.rate if isinstance(audio_format, AudioPcm) else None
    return Audio(data, rate or 24_000)


def player(audio: Audio, budget: Budget, *, autoplay: bool = False) -> Html:
    """Return a player, or where that would be too much, what there is to be played."""
    seconds = f"{audio.duration_ms / 1000:.1f} s"
    if not budget.take(len(audio.pcm) // 2):
        hint = f"{seconds} of audio are not kept in the notebook; to hear them: "
        return tag("div", hint, tag("code", "notebook.play(…)"))
    return tag(
        "audio",
        controls=True,
        autoplay=autoplay,
        preload="metadata",
        src=f"data:audio/wav;base64,{base64.b64encode(_wav(audio)).decode()}",
        style="height:34px;width:min(360px,100%);display:block",
        title=seconds,
    )


def _wav(audio: Audio) -> bytes:
    """Return a WAV file with the audio as µ-law, at its own sampling rate."""
    data = ulaw_encode(audio.pcm)
    padding = len(data) % 2
    rate = audio.sample_rate
    header = _ULAW_HEADER.pack(
        *(b"RIFF", 50 + len(data) + padding, b"WAVE"),
        *(b"fmt ", 18, _ULAW, 1, rate, rate, 1, 8, 0),
        # Formats other than PCM say how many samples there are.
        *(b"fact", 4, len(data)),
        *(b"data", len(data)),
    )
    return header + data + bytes(padding)
