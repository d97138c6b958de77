"""Audio from wherever it is: paths, bytes, open files, arrays; and in pieces."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeGuard

from .._checks import check_count, check_path, check_rate, named
from ._extras import installed, require
from .pcm import SAMPLE_RATE, SampleAligner
from .resampling import Resampler, resample
from .wav import Audio, decode_wav, looks_like_wav


if TYPE_CHECKING:
    from typing import TypeAlias

    AudioSource: TypeAlias = (
        str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Audio | Any
    )


__all__ = ["frames", "is_stream", "load_audio"]

# How files of other kinds begin: Ogg, FLAC, AIFF, CAF, AU, and MP3 with tags.
_OTHER_KINDS = (b"OggS", b"fLaC", b"FORM", b"caff", b".snd", b"ID3")
# … and MP3 without. PCM may begin so too.
_MP3 = (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")
_RAW_SUFFIXES = (".pcm", ".raw")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)
_MOST_CHANNELS = 64
# What was resampled or filtered may overshoot a bit; what was never scaled is far off.
_HIGHEST = 2.0


def load_audio(
    source: AudioSource, rate: int = SAMPLE_RATE, *, source_rate: int | None = None
) -> Audio:
    """
    Return a whole recording as mono PCM at the rate that is wanted.

    Args:
        source: A path; bytes or an open file, with a WAV file or raw 16-bit mono PCM in
            it; a numpy array of shape (samples,) or (samples, channels), of integers
            of 8 to 32 bits or of floats from -1 to 1, where a little more is clipped;
            or an `Audio`. Other kinds of files (FLAC, Ogg, MP3, AIFF, …) need the extra
            ``audio``. URLs are not read.
        rate: The sampling rate in Hz that is wanted.
        source_rate: The sampling rate in Hz of an array, or of raw PCM. Raw bytes
            without it are taken to be at 24,000 Hz, as the protocol has them.

    Returns:
        The audio at *rate*, with its channels mixed to one.

    Raises:
        ImportError: It takes the extra ``audio`` to read this.
        OSError: The file cannot be read.
        TypeError: *source* is of another type, such as text.
        ValueError: It is no audio, is cut off, or is an array without *source_rate*.
    """
    raw_rate = SAMPLE_RATE if source_rate is None else source_rate
    check_rate(rate, raw_rate)
    audio = _load(source, raw_rate, stated=source_rate is not None)
    if audio.sample_rate == rate:
        return audio
    return Audio(resample(audio.pcm, audio.sample_rate, rate), rate)


def _load(source: AudioSource, raw_rate: int, *, stated: bool) -> Audio:
    if isinstance(source, Audio):
        return source
    if isinstance(source, (str, os.PathLike)):
        _check_file(source)
        path = Path(source)
        raw = stated or path.suffix.lower() in _RAW_SUFFIXES
        return _decode(path.read_bytes(), raw_rate, raw=raw, name=str(path))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(bytes(source), raw_rate, raw=True, name="what was passed")
    if hasattr(source, "read"):
        return _load_file(source, raw_rate)
    if hasattr(source, "__array__"):
        if not stated:
            raise ValueError("say the sampling rate of the array: source_rate=…")
        return Audio(_array_to_pcm(source), raw_rate)
    raise TypeError(
        f"{named(source)} is no source of audio: pass a path, bytes, an open file "
        "or a numpy array"
    )


def _check_file(path: str | os.PathLike[str]) -> None:
    check_path("the source", path)
    if isinstance(path, str) and _URL.match(path):
        raise ValueError(
            "URLs are not read: download the file, and pass its path or its bytes"
        )


def _load_file(file: Any, raw_rate: int) -> Audio:
    data = file.read()
    if not isinstance(data, bytes):
        raise TypeError('the file is open for text: open it with "rb"')
    name = str(getattr(file, "name", "the open file"))
    return _decode(data, raw_rate, raw=True, name=name)


def _decode(data: bytes, raw_rate: int, *, raw: bool, name: str) -> Audio:
    try:
        if looks_like_wav(data):
            return decode_wav(data)
        if raw and not data.startswith(_OTHER_KINDS):
            return Audio(data[: len(data) & ~1], raw_rate)
        return _decode_by_soundfile(data)
    except (ValueError, ImportError) as exc:
        raise type(exc)(f"{name}: {exc}") from exc


def _decode_by_soundfile(data: bytes) -> Audio:
    if not data:
        raise ValueError("the file is empty")
    if not installed("soundfile") and not data.startswith(_OTHER_KINDS + _MP3):
        raise ValueError(
            "this is no audio file that can be read; other kinds than WAV need "
            "pip install 'realtime_sync[audio]'"
        )
    soundfile = require(
        "soundfile", extra="audio", purpose="reading other files than WAV"
    )
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    except RuntimeError as exc:
        raise ValueError(f"this is no audio file that can be read ({exc})") from exc
    return Audio(_array_to_pcm(samples), rate)


def _array_to_pcm(source: Any) -> bytes:
    numpy = require("numpy", extra="audio", purpose="reading an array")
    samples = numpy.asarray(source)
    _check_array(samples, numpy)
    mono = _full_scale(samples, numpy)
    mono = mono.mean(axis=1) if mono.ndim == 2 else mono
    pcm: bytes = numpy.rint(mono).clip(-32_768, 32_767).astype("<i2").tobytes()
    return pcm


def _check_array(samples: Any, numpy: Any) -> None:
    """Refuse what would be noise, or silence."""
    shape, kind = samples.shape, samples.dtype.kind
    if samples.ndim not in (1, 2) or kind not in "iuf":
        raise ValueError(
            "an array of audio has the shape (samples,) or (samples, channels) and "
            f"holds numbers; this one is {samples.dtype} of shape {shape}"
        )
    if samples.ndim == 2 and not 1 <= shape[1] <= _MOST_CHANNELS:
        raise ValueError(
            "an array of audio has the shape (samples, channels), and this one "
            f"{shape[1]} channels: if channels come first, pass its transpose, array.T"
        )
    if kind != "f" and samples.dtype.itemsize > 4:
        raise ValueError(
            f"audio has no samples of {samples.dtype}, of which full scale is not "
            'known: pass array.astype("int16") if they are of 16 bits'
        )
    if kind == "f" and not numpy.abs(samples).max(initial=0) <= _HIGHEST:
        raise ValueError(
            "floats of audio are from -1 to 1, and this array holds other ones "
            f"(up to {numpy.abs(samples).max():g}): divide by full scale, which is "
            "32,768 for 16 bits"
        )


def _full_scale(samples: Any, numpy: Any) -> Any:
    """Return *samples* as floats where 32,768 is full scale."""
    floats = samples.astype(numpy.float64)
    if samples.dtype.kind == "f":
        return floats * 32_768
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    # Unsigned integers have their silence in the middle.
    return (floats - (half if samples.dtype.kind == "u" else 0)) / half * 32_768


def frames(
    source: AudioSource | Iterable[bytes],
    ms: int = 100,
    *,
    rate: int = SAMPLE_RATE,
    source_rate: int | None = None,
) -> Iterator[bytes]:
    """
    Yield audio in frames of the same length, whatever it comes from.

    Args:
        source: What `load_audio` takes; or an iterable of pieces of 16-bit mono PCM of
            any length, which is read as its frames are asked for, such as a
            `Microphone`.
        ms: The length of a frame in milliseconds; 20 to 100 suit a conversation.
        rate: The sampling rate in Hz that is wanted.
        source_rate: The sampling rate in Hz of an array or of raw PCM. If None, it is
            what the source has as its ``sample_rate``, or else 24,000 Hz.

    Yields:
        16-bit mono PCM at *rate*; the last frame may be shorter.

    Raises:
        ImportError: It takes the extra ``audio`` to read or to convert this.
        OSError: The file cannot be read.
        TypeError: *source*, or a piece of it, is of another type.
        ValueError: It is no audio, is cut off, or a frame would be empty.
    """
    check_count("ms", ms)
    check_rate(rate)
    size = rate * ms // 1000 * 2
    if size <= 0:
        raise ValueError(f"a frame of {ms} ms holds no sample at {rate} Hz")
    if is_stream(source):
        if source_rate is None:
            source_rate = getattr(source, "sample_rate", SAMPLE_RATE)
        check_rate(source_rate)
        return _cut(_converted(source, source_rate, rate), size)
    return _cut([load_audio(source, rate, source_rate=source_rate).pcm], size)


def is_stream(source: Any) -> TypeGuard[Iterable[bytes]]:
    """Tell whether a source is pieces that are read as they come, and not a whole."""
    whole = (str, os.PathLike, bytes, bytearray, memoryview, Audio)
    if isinstance(source, whole) or hasattr(source, "__array__"):
        return False
    return hasattr(source, "__iter__") and not hasattr(source, "read")


def _converted(
    pieces: Iterable[bytes], from_rate: int, to_rate: int
) -> Iterator[bytes]:
    resampler = Resampler(from_rate, to_rate)
    for index, piece in enumerate(pieces):
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise TypeError(f"audio comes in bytes, not in {named(piece)}")
        if index == 0 and looks_like_wav(piece):
            raise ValueError(
                "these pieces are of a WAV file, not of raw PCM: "
                "pass the file itself, or its path"
            )
        yield resampler.feed(bytes(piece))
    yield resampler.flush()


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the whole samples of *pieces* in frames of *size* bytes."""
    aligner = SampleAligner(size)
    for piece in pieces:
        whole = aligner.feed(piece)
        for start in range(0, len(whole), size):
            yield whole[start : start + size]
    if last := aligner.rest[: len(aligner.rest) & ~1]:
        yield last
