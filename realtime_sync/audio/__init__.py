"""
Audio for conversations: PCM, G.711, WAV, sampling rates, real time, and devices.

Nothing here needs more than Python, save where it says so: other files than WAV and the
best resampling need the extra ``audio``, microphone and speaker the extra ``devices``.
"""

from __future__ import annotations

from .devices import Microphone, Speaker
from .g711 import G711_RATE, alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from .loading import frames, load_audio
from .pacing import paced
from .pcm import SAMPLE_RATE, SampleAligner, duration_ms, peak_dbfs, rms_dbfs, to_mono
from .resampling import Resampler, resample
from .wav import Audio, WavWriter, decode_wav, looks_like_wav, write_wav


__all__ = [
    "G711_RATE",
    "SAMPLE_RATE",
    "Audio",
    "Microphone",
    "Resampler",
    "SampleAligner",
    "Speaker",
    "WavWriter",
    "alaw_decode",
    "alaw_encode",
    "decode_wav",
    "duration_ms",
    "frames",
    "load_audio",
    "looks_like_wav",
    "paced",
    "peak_dbfs",
    "resample",
    "rms_dbfs",
    "to_mono",
    "ulaw_decode",
    "ulaw_encode",
    "write_wav",
]
