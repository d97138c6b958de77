"""From text to speech: the hibari model, which speaks at the protocol's 24 kHz."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any


__all__ = ["Voice"]

_DEFAULT = "heart"


class Voice:
    """
    A speaking voice, warmed up: the first sentence is as fast as the next.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._speakers = {_DEFAULT: self._load(_DEFAULT)}

    def speak(
        self, text: str, voice: str | None = None, *, speed: float = 1.0
    ) -> bytes:
        """Return 16-bit mono PCM at 24 kHz, the same for the same text each time."""
        import numpy

        floats = self._speaker(voice)(text, speed=speed, seed=0)
        if text.strip() and not len(floats):
            # A text that it has no sound for, such as one in Chinese, is a pause.
            floats = numpy.zeros(6_000, numpy.float32)
        pcm: bytes = (numpy.clip(floats, -1, 1) * 32_767).astype("<i2").tobytes()
        return pcm

    def _speaker(self, voice: str | None) -> Any:
        name = voice if voice and _is_here(voice) else _DEFAULT
        if name not in self._speakers:
            # Two threads may load the same voice: the second is wasted, not wrong.
            self._speakers[name] = self._load(name)
        return self._speakers[name]

    def _load(self, name: str) -> Any:
        hibari: Any = import_module("hibari")

        speaker = hibari.Hibari(name)
        speaker("Ready.", seed=0)
        return speaker


@lru_cache(maxsize=64)
def _is_here(voice: str) -> bool:
    """Tell whether *voice* is one of hibari's and needs no download."""
    voices: Any = import_module("hibari.voices")

    try:
        voices.voice_path(voice, download_missing=False)
    except (ValueError, FileNotFoundError):
        return False
    return True
