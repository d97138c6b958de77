"""From speech to text: a Whisper model on CTranslate2, with a front end in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._rate import HISTORY, to_16k, to_floats


if TYPE_CHECKING:
    from ._rate import Samples


__all__ = ["Recogniser"]

_RATE = 16_000
_FFT = 400  # samples: 25 ms
_HOP = 160  # samples: 10 ms
_MAX_SAMPLES = 30 * _RATE  # what the model was trained on
_SILENCE = 10 ** (-55 / 20)  # peak: nothing that is quieter was said to anyone

# The model is four times as fast on a part of its 30 s, and then at times repeats
# itself or drops a full stop. Its own confidence tells: below this mean log probability
# the whole length is tried.
_SURE = -0.3
_MARGIN = 6 * _RATE  # samples of silence after speech that make the short try good

# Above this the model itself thinks that nobody spoke; the number is Whisper's own.
_NOBODY = 0.6


def _mel(frequency: Samples) -> Samples:
    """Return *frequency* (Hz) on Slaney's scale: linear, from 1 kHz on logarithmic."""
    import numpy

    above = 15 + 27 * numpy.log(numpy.maximum(frequency, 1) / 1000) / numpy.log(6.4)
    return numpy.where(frequency < 1000, frequency * 3 / 200, above)


def _hertz(mel: Samples) -> Samples:
    import numpy

    above: Samples = 1000 * 6.4 ** ((mel - 15) / 27)
    return numpy.where(mel < 15, mel * 200 / 3, above)


@cache
def _filters(bands: int) -> Samples:
    """Return the triangles of equal area that the model listens through."""
    import numpy

    top = _mel(numpy.array(_RATE / 2))
    edges = _hertz(numpy.linspace(0, top, bands + 2))[:, None]
    bins = numpy.fft.rfftfreq(_FFT, 1 / _RATE)
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: Samples = numpy.maximum(0, numpy.minimum(rise, fall))
    filters *= 2 / (edges[2:] - edges[:-2])
    return filters


def _features(samples: Samples, bands: int) -> Samples:
    """Return what the model sees of *samples*, shape (1, bands, len(samples) / 160)."""
    import numpy
    from numpy.lib.stride_tricks import sliding_window_view

    padded = numpy.pad(samples, _FFT // 2, mode="reflect")
    frames = sliding_window_view(padded, _FFT)[:-1:_HOP]
    spectrum = numpy.fft.rfft(frames * numpy.hanning(_FFT + 1)[:-1])
    power = _filters(bands) @ (numpy.abs(spectrum) ** 2).T
    logs = numpy.log10(numpy.maximum(power, 1e-10))
    logs = numpy.maximum(logs, logs.max() - 8)
    return numpy.ascontiguousarray(logs[None] / 4 + 1, numpy.float32)


@cache
def _bytes_of_characters() -> dict[str, int]:
    """Return the byte that each character of a token stands for."""
    # The vocabulary writes a byte as its own Latin-1 character where that can be seen,
    # and as one of the characters after U+00FF, in order, where it cannot.
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unseen = [byte for byte in range(256) if byte not in seen]
    pairs = chain(zip(seen, seen, strict=True), enumerate(unseen, 256))
    return {chr(character): byte for character, byte in pairs}


def _text(tokens: list[str]) -> str:
    code = _bytes_of_characters()
    words = (token for token in tokens if not token.startswith("<|"))
    return bytes(code[c] for word in words for c in word).decode(errors="replace")


def _pieces(samples: Samples) -> Iterator[Samples]:
    """Cut *samples* where they are quietest, so that no piece is over 30 s."""
    import numpy

    while len(samples) > _MAX_SAMPLES:
        # A pause is looked for in the last 10 s, in steps of 100 ms.
        late = samples[_MAX_SAMPLES - 10 * _RATE : _MAX_SAMPLES].reshape(
            -1, _RATE // 10
        )
        quietest = int(numpy.abs(late).mean(axis=1).argmin())
        cut = _MAX_SAMPLES - 10 * _RATE + quietest * _RATE // 10 + _RATE // 20
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


class Recogniser:
    """
    A Whisper model in the form of CTranslate2.

    Thread-safe: the model keeps a queue of its own.

    Args:
        folder: Where the model is: ``model.bin``, ``config.json`` and a vocabulary.

    Raises:
        ValueError: *folder* holds no such model.
    """

    def __init__(self, folder: Path) -> None:
        ctranslate2: Any = import_module("ctranslate2")

        try:
            # 8 bits are as right on what was tried as 32, in half the time.
            self._model: Any = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8"
            )
        except (RuntimeError, OSError) as exc:
            raise ValueError(
                f"{folder} holds no Whisper model of CTranslate2 ({exc}); "
                "ct2-transformers-converter makes one"
            ) from exc
        self._convert = ctranslate2.StorageView.from_array

    def transcribe(self, pcm: bytes) -> str:
        """Return what is said in 16-bit mono *pcm* at 24 kHz, or "" if nothing is."""
        import numpy

        samples = to_floats(pcm)
        if not len(samples) or numpy.abs(samples).max() < _SILENCE:
            return ""
        # Zeros push out what the filter holds back, and make the length one of threes.
        after = HISTORY + -len(samples) % 3
        samples = to_16k(numpy.pad(samples, (HISTORY, after)))
        texts = map(self._transcribe_piece, _pieces(samples))
        return " ".join(text for text in texts if text)

    def _transcribe_piece(self, samples: Samples) -> str:
        short = min(_MAX_SAMPLES, -(-(len(samples) + _MARGIN) // _RATE) * _RATE)
        for length in (short, _MAX_SAMPLES):
            text, score = self._try(samples, length)
            if score > _SURE:
                break
        return text

    def _try(self, samples: Samples, length: int) -> tuple[str, float]:
        """Return the text and its mean log probability, from *length* samples."""
        import numpy

        padded = numpy.pad(samples, (0, length - len(samples)))
        features = self._convert(_features(padded, self._model.n_mels))
        # Nobody says more than 10 tokens in a second; what does is a loop.
        most = 10 + 10 * len(samples) // _RATE
        result = self._model.generate(
            features,
            [self._prompt(features)],
            beam_size=1,
            max_length=min(448, 2 * most),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        if result.no_speech_prob > _NOBODY:
            return "", 0.0
        tokens = result.sequences[0]
        score = result.scores[0] if len(tokens) < most else -float("inf")
        return _text(tokens).strip(), score

    def _prompt(self, features: Any) -> list[str]:
        start = ["<|startoftranscript|>"]
        if self._model.is_multilingual:
            language = self._model.detect_language(features)[0][0][0]
            start += [language, "<|transcribe|>"]
        return [*start, "<|notimestamps|>"]
