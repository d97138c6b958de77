"""From whatever holds PCM to pieces that the input audio buffer takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..audio import SampleAligner, looks_like_wav


__all__ = ["AudioSplitter"]

# One second of 24 kHz PCM16. The service takes 15 MiB at once, but small pieces let
# commands overtake, and turn detection hears them sooner.
_PIECE = 48_000

# Formats of the buffer protocol: bytes, and 16-bit samples with a sign. The bytes of
# floats, say, would be heard as noise.
_AUDIO_FORMATS = frozenset({"B", "b", "c", "h", "<h"})


class AudioSplitter:
    """
    Cuts audio into whole samples, and keeps half a sample for the next piece.

    Thread-safe. An even number of bytes, up to a second of audio, passes uncopied.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._aligner = SampleAligner()

    def split(self, audio: Any, sample_bytes: int) -> Sequence[bytes | memoryview]:
        """
        Return *audio* in pieces of whole samples.

        Args:
            audio: Any bytes-like object, of any length.
            sample_bytes: Bytes of a sample: 2 for PCM16, 1 for G.711.

        Raises:
            TypeError: It is not bytes-like.
            ValueError: It begins like a WAV file.
        """
        flat = _flat(audio)
        if sample_bytes == 2 and (self._aligner.rest or len(flat) % 2):
            with self._lock:
                flat = self._aligner.feed(bytes(flat))
        if len(flat) <= _PIECE:
            return (flat,) if flat else ()
        view = memoryview(flat)
        return [view[at : at + _PIECE] for at in range(0, len(view), _PIECE)]

    def reset(self) -> bool:
        """Forget half a sample; tell whether there was one."""
        with self._lock:
            had = bool(self._aligner.rest)
            self._aligner = SampleAligner()
        return had


def _flat(audio: Any) -> bytes | memoryview:
    """Return *audio* as bytes, uncopied."""
    if isinstance(audio, str):
        raise TypeError(
            "audio is bytes, not str; pass PCM bytes (base64 is done here), or a path "
            "to append_audio()"
        )
    try:
        flat = audio if type(audio) is bytes else _bytes_of(memoryview(audio))
    except TypeError as exc:
        raise TypeError(
            "audio is a contiguous bytes-like object, or an array of 16-bit samples; "
            f"append_audio() takes other arrays: {exc}"
        ) from exc
    if looks_like_wav(bytes(flat[:12])):
        raise ValueError(
            "this is a WAV file, whose header would be heard as noise; pass it to "
            "append_audio(), which reads the header and converts the rate"
        )
    return flat


def _bytes_of(view: memoryview) -> memoryview:
    """Return the bytes of *view*, as far as these are audio."""
    if view.format not in _AUDIO_FORMATS:
        raise TypeError(f"these are values of the format {view.format!r}")
    return view.cast("B")
