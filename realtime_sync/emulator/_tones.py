"""
A voice of tones that carries its text, and the ear that reads it back.

Real speech needs an extra; a test of an application seldom does. What `speak` makes
here sounds like a telephone that dials, takes about as long as a person would (60 ms
for each byte of the text's UTF-8), and holds the text itself: two slots of 30 ms for
each byte, in each of them one of four low and one of four high tones, after two slots
of sync tones that say where the first one begins. What a test says is then what the
other side hears, even through G.711, and nothing has to be pretended.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from functools import cache, lru_cache
from operator import mul

from ..audio._samples import from_samples, to_samples


__all__ = ["EnergyDetector", "ToneSpeech"]

_SAMPLE_RATE = 24_000
_WINDOW_BYTES = 768 * 2
_SLOT = 720  # samples: 30 ms
_LOW_TONES = (500, 600, 700, 800)  # Hz
_HIGH_TONES = (1000, 1200, 1400, 1600)
# Outside both groups, inside the band of a telephone.
_SYNC_TONES = (400, 1800)
_PEAK = 9_000  # of 32,767, for both tones together

# The ear looks at every sixth sample: 4 kHz hold the highest tone.
_STRIDE = 6
_EAR_SLOT = _SLOT // _STRIDE
_EAR_FRAME = 20  # samples: 5 ms
_QUIET = 250  # mean magnitude, about -40 dBFS
_CLEAR = 0.5  # share of a slot's energy that its tones must hold
_PIECE = 40  # samples: 10 ms
# Up to 60 ms of quiet samples between loud ones: no pause between two texts.
_GAP = re.compile(rb"(?<=\x00)\x01{40,240}(?=\x00)")


# The voice


@cache
def _slot(*tones: int) -> bytes:
    """Return the PCM of one slot that holds *tones* (Hz), soft at both ends."""
    samples = []
    for n in range(_SLOT):
        # 2 ms of fade keep the tones from clicking.
        fade = min(1.0, (n + 0.5) / 48, (_SLOT - n - 0.5) / 48)
        wave = sum(math.sin(math.tau * tone * n / _SAMPLE_RATE) for tone in tones)
        samples.append(round(_PEAK * fade * wave / len(tones)))
    return from_samples(samples)


def _slots(text: str) -> Iterator[bytes]:
    yield from map(_slot, _SYNC_TONES)
    for byte in text.encode():
        for nibble in divmod(byte, 16):
            low, high = divmod(nibble, 4)
            yield _slot(_LOW_TONES[low], _HIGH_TONES[high])


@lru_cache(maxsize=64)
def _spoken(text: str) -> bytes:
    return b"".join(_slots(text))


# The ear


@cache
def _waves(tone: int) -> tuple[list[float], list[float]]:
    """Return a slot of cosine and of sine of *tone* (Hz) at the rate of the ear."""
    angles = [math.tau * tone * _STRIDE * n / _SAMPLE_RATE for n in range(_EAR_SLOT)]
    return [math.cos(angle) for angle in angles], [math.sin(angle) for angle in angles]


def _power(slot: array[int], tone: int) -> float:
    """Return the energy of *tone* (Hz) in *slot*."""
    cosine, sine = _waves(tone)
    power: float = sum(map(mul, slot, cosine)) ** 2 + sum(map(mul, slot, sine)) ** 2
    return power * 2 / _EAR_SLOT


def _energy(slot: array[int]) -> float:
    return sum(map(mul, slot, slot)) or 1.0


def _nibble(slot: array[int]) -> int | None:
    """Return the four bits that *slot* holds, or None when it holds no code."""
    if len(slot) < _EAR_SLOT - _EAR_FRAME:
        return None
    low = [_power(slot, tone) for tone in _LOW_TONES]
    high = [_power(slot, tone) for tone in _HIGH_TONES]
    if max(low) + max(high) < _CLEAR * _energy(slot) or min(max(low), max(high)) < 1e4:
        return None
    return low.index(max(low)) * 4 + high.index(max(high))


def _sync(heard: array[int], near: int) -> int | None:
    """Return where the first slot after the sync tones begins, or None without them."""

    def clarity(start: int) -> float:
        first = heard[start : start + _EAR_SLOT]
        second = heard[start + _EAR_SLOT : start + 2 * _EAR_SLOT]
        if len(second) < _EAR_SLOT:
            return 0.0
        return min(
            _power(first, _SYNC_TONES[0]) / _energy(first),
            _power(second, _SYNC_TONES[1]) / _energy(second),
        )

    starts = range(max(0, near - _EAR_SLOT // 2), near + _EAR_SLOT // 2, 2)
    best = max(starts, key=clarity)
    return best + 2 * _EAR_SLOT if clarity(best) > _CLEAR else None


def _read(heard: array[int], start: int) -> tuple[str, int]:
    """Return the text that begins at *start*, and where it ends."""
    nibbles = []
    while (nibble := _nibble(heard[start : start + _EAR_SLOT])) is not None:
        nibbles.append(nibble)
        start += _EAR_SLOT
    pairs = zip(nibbles[::2], nibbles[1::2], strict=False)
    code = bytes(first << 4 | second for first, second in pairs)
    # What was cut within a character loses that character.
    return code.decode(errors="ignore"), start


def _without_gaps(heard: array[int]) -> array[int]:
    """
    Return *heard* without its short silences: no text has any.

    Browsers fill in pieces of 10 ms of silence where a microphone is late.
    """
    quiet = bytes(-_QUIET < sample < _QUIET for sample in heard)
    kept, end = array("h"), 0
    for gap in _GAP.finditer(quiet):
        kept += heard[end : gap.start()]
        end = gap.end() - len(gap[0]) % _PIECE
    return kept + heard[end:]


def _loud_frames(heard: array[int]) -> list[bool]:
    starts = range(0, len(heard), _EAR_FRAME)
    frames = (heard[start : start + _EAR_FRAME] for start in starts)
    return [sum(map(abs, frame)) > _QUIET * len(frame) for frame in frames]


def _texts(heard: array[int], loud: list[bool]) -> Iterator[str]:
    """Yield each text in *heard*: one begins after silence, or right after another."""
    done = 0
    for index, now in enumerate(loud):
        near = index * _EAR_FRAME
        if near < done or not now or (index and loud[index - 1] and near != done):
            continue
        start = _sync(heard, near)
        while start is not None:
            text, done = _read(heard, start)
            yield text
            start = _sync(heard, done)


@lru_cache(maxsize=32)
def _heard(pcm: bytes) -> str:
    heard = _without_gaps(to_samples(pcm)[::_STRIDE])
    loud = _loud_frames(heard)
    if texts := list(_texts(heard, loud)):
        return " ".join(texts)
    seconds = sum(loud) * _EAR_FRAME * _STRIDE / _SAMPLE_RATE
    # Less than a syllable is a click.
    return f"(speech of {seconds:.1f} s)" if seconds >= 0.05 else ""


# Public methods


class EnergyDetector:
    """
    A speech detector that takes everything loud for speech.

    The probability rises from 0 at -55 dBFS to 1 at -35 dBFS, so that 0.5 is at
    -45 dBFS: below a quiet talker, above the noise of a quiet room.

    Not thread-safe: one belongs to one session.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, pcm: bytes) -> list[float]:
        """
        Add *pcm* and return what was found in the windows that it completed.

        Args:
            pcm: 16-bit little-endian mono PCM at 24 kHz, of any length in bytes.

        Returns:
            The probability of speech, 0 to 1, for each full window of 32 ms.
        """
        self._pending += pcm
        full = len(self._pending) - len(self._pending) % _WINDOW_BYTES
        samples = to_samples(bytes(self._pending[:full]))
        del self._pending[:full]
        starts = range(0, len(samples), _WINDOW_BYTES // 2)
        return [self._probability(samples[n : n + 768 : 3]) for n in starts]

    def reset(self) -> None:
        """Forget what was fed and has not made a full window."""
        self._pending.clear()

    def _probability(self, window: array[int]) -> float:
        # Without the mean, a microphone's constant offset is silence.
        mean_square = sum(map(mul, window, window)) / len(window)
        power = mean_square - (sum(window) / len(window)) ** 2
        dbfs = 10 * math.log10(max(power, 1.0) / 32_768**2)
        return min(1.0, max(0.0, (dbfs + 55) / 20))


class ToneSpeech:
    """
    Hearing and speaking by tones: no model, no extra, nothing to load.

    What `speak` says, `transcribe` reads back word for word. Other sound is no text to
    it: it answers how much of it there was, such as ``(speech of 1.2 s)``.

    Thread-safe.
    """

    def detector(self) -> EnergyDetector:
        """Return a new detector, which finds everything loud to be speech."""
        return EnergyDetector()

    def transcribe(self, pcm: bytes) -> str:
        """
        Return the text that the tones in *pcm* carry.

        Args:
            pcm: 16-bit little-endian mono PCM at 24 kHz.

        Returns:
            The texts that were spoken with `speak`, with a space between them; how many
            seconds of other sound there were, in brackets; or "" for silence.
        """
        return _heard(bytes(pcm))

    def speak(self, text: str, voice: str | None = None) -> bytes:
        """
        Return tones that carry *text*, 60 ms for each byte of its UTF-8.

        Args:
            text: What to say; the empty text is no audio.
            voice: Not used: all voices of tones sound alike.

        Returns:
            16-bit little-endian mono PCM at 24 kHz.
        """
        return _spoken(text) if text else b""
