"""WAV files: every usual coding is read, what is broken is named, writing streams."""

from __future__ import annotations

import io
import struct
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.audio import (
    Audio,
    WavWriter,
    alaw_encode,
    decode_wav,
    looks_like_wav,
    ulaw_encode,
    write_wav,
)
from realtime_sync.audio._samples import from_samples, to_samples


PCM = from_samples([0, 256, -256, 32_512, -32_768])


def wav(
    data: bytes,
    *,
    code: int = 1,
    bits: int = 16,
    channels: int = 1,
    rate: int = 24_000,
    size: int | None = None,
    before: bytes = b"",
) -> bytes:
    """Return a WAV file with anything that one may have."""
    block = channels * bits // 8
    format_ = struct.pack("<HHIIHH", code, channels, rate, rate * block, block, bits)
    if code == 0xFFFE:
        format_ += struct.pack("<HHIH14x", 22, bits, 0, 1)
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(format_)) + format_
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (PCM, {}),
        (PCM, {"code": 0xFFFE}),
        (bytes([128, 129, 127, 255, 0]), {"bits": 8}),
        (b"".join(b"\0" + PCM[n : n + 2] for n in range(0, 10, 2)), {"bits": 24}),
        (b"".join(b"\0\0" + PCM[n : n + 2] for n in range(0, 10, 2)), {"bits": 32}),
        (
            array("f", [s / 32_768 for s in to_samples(PCM)]).tobytes(),
            {"code": 3, "bits": 32},
        ),
        (
            array("d", [s / 32_768 for s in to_samples(PCM)]).tobytes(),
            {"code": 3, "bits": 64},
        ),
        (PCM, {"before": b"LIST\3\0\0\0abc\0"}),
        (PCM, {"size": 0}),
        (PCM, {"size": 0xFFFF_FFFF}),
        (PCM + b"\1", {}),
    ],
    ids=[
        *("16 bits", "extensible", "8 bits", "24 bits", "32 bits", "float", "double"),
        *("other chunk", "no size", "unknown size", "half a sample"),
    ],
)
def test_reads(data: bytes, options: dict[str, int]) -> None:
    """Each usual coding gives the same samples."""
    assert Audio(PCM, 24_000) == decode_wav(wav(data, **options))


def test_reads_telephone_codes() -> None:
    """G.711 in a WAV file is decoded, at its own rate."""
    alaw = decode_wav(wav(alaw_encode(PCM), code=6, bits=8, rate=8_000))
    ulaw = decode_wav(wav(ulaw_encode(PCM), code=7, bits=8, rate=8_000))

    assert alaw_encode(PCM) == alaw_encode(alaw.pcm)
    assert ulaw_encode(PCM) == ulaw_encode(ulaw.pcm)
    assert 8_000 == alaw.sample_rate == ulaw.sample_rate


def test_mixes_stereo() -> None:
    """Several channels become one."""
    assert [200] == list(
        to_samples(decode_wav(wav(from_samples([100, 300]), channels=2)).pcm)
    )


def test_floats_that_are_none() -> None:
    """What is no number is silent, and what is too loud is clipped."""
    data = array("f", [float("nan"), float("inf"), 2.0]).tobytes()

    assert [0, 0, 32_767] == list(
        to_samples(decode_wav(wav(data, code=3, bits=32)).pcm)
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no WAV file"),
        (b"not audio at all", "no WAV file"),
        (wav(PCM)[:-3], "cut off: 7 of 10 bytes"),
        (wav(PCM)[:30], "cut off"),
        (wav(PCM)[:36], "cut off: it has no format or no data"),
        (wav(PCM, code=2, bits=8), "format 2 in 8 bits"),
        (wav(PCM, channels=0), "broken format"),
        (wav(PCM, rate=0), "broken format"),
        (b"RIFF\0\0\0\0WAVEfmt \2\0\0\0\1\0data\0\0\0\0", "broken format"),
    ],
)
def test_names_what_is_wrong(data: bytes, message: str) -> None:
    """A file that cannot be read says why."""
    with pytest.raises(ValueError, match=message):
        decode_wav(data)


def test_every_cut_is_an_error_or_audio() -> None:
    """Wherever a file is cut, the answer is audio or a ValueError."""
    whole = wav(PCM, before=b"LIST\3\0\0\0abc\0")
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="WAV"):
            decode_wav(whole[:length])


def test_recognises_a_header() -> None:
    """A WAV file is told from raw audio by its first 12 bytes."""
    assert looks_like_wav(wav(PCM)[:12])
    assert not looks_like_wav(PCM)
    assert not looks_like_wav(b"RIFF\0\0\0\0AVI ")


def test_writes_what_others_read(tmp_path: Path) -> None:
    """A written file is a proper one."""
    path = tmp_path / "a.wav"
    write_wav(path, PCM, 16_000)

    with wave.open(str(path)) as file:
        params, frames = file.getparams(), file.readframes(99)

    assert (1, 2, 16_000, 5) == params[:4]
    assert PCM == frames
    assert path.stat().st_size == 44 + len(PCM)


def test_writes_as_audio_arrives(tmp_path: Path) -> None:
    """Pieces add up, halves of samples included, and the length so far is known."""
    path = tmp_path / "a.wav"
    with WavWriter(path) as writer:
        for n in range(0, len(PCM), 3):
            writer.write(PCM[n : n + 3])
        writer.write(bytes(48_000))
        grown = writer.duration_ms

    assert 1000 == grown
    assert PCM + bytes(48_000) == decode_wav(path.read_bytes()).pcm


def test_an_unfinished_file_can_be_read(tmp_path: Path) -> None:
    """What was written before a crash is not lost."""
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        WavWriter(file).write(PCM)

    assert PCM == decode_wav(path.read_bytes()).pcm


def test_pads_half_a_sample() -> None:
    """A file ends with a whole sample."""
    file = io.BytesIO()
    with WavWriter(file) as writer:
        writer.write(PCM + b"\1")

    assert PCM + b"\1\0" == decode_wav(file.getvalue()).pcm


class Pipe(io.BytesIO):
    """A file that cannot seek."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise OSError("a pipe cannot seek")


def test_writes_to_a_pipe() -> None:
    """Where nothing can be filled in later, the header says so and is read."""
    pipe = Pipe()
    write_wav(pipe, PCM)

    assert PCM == decode_wav(pipe.getvalue()).pcm
    assert not pipe.closed


def test_closes_once(tmp_path: Path) -> None:
    """Closing again does nothing, and writing then says what to do."""
    writer = WavWriter(tmp_path / "a.wav")
    writer.close()
    writer.close()

    with pytest.raises(RuntimeError, match="is closed"):
        writer.write(PCM)


@pytest.mark.parametrize(
    ("pcm", "rate", "error", "words"),
    [
        (b"abc", 24_000, ValueError, "even number of bytes, not 3"),
        ("abcd", 24_000, TypeError, "audio is bytes .*, not str"),
        (Audio(PCM), 24_000, TypeError, r"its pcm\), not realtime_sync\.audio"),
        (PCM, 0, ValueError, "whole number of Hz above 0, not 0"),
        (PCM, 8e3, ValueError, "whole number of Hz above 0, not 8000.0"),
    ],
)
def test_refuses_what_is_no_pcm(
    tmp_path: Path, pcm: Any, rate: Any, error: type[Exception], words: str
) -> None:
    """What is no 16-bit PCM is refused before there is a file."""
    path = tmp_path / "a.wav"
    with pytest.raises(error, match=words):
        write_wav(path, pcm, rate)

    assert not path.exists()


def test_writes_to_a_file_only() -> None:
    """A target that is no file, such as audio in its place, is a TypeError."""
    with pytest.raises(TypeError, match="a path or an open file, not bytes"):
        write_wav(PCM, PCM)  # type: ignore[arg-type]


def test_writes_samples_of_any_view() -> None:
    """A view of samples is as long as its bytes are."""
    file = io.BytesIO()
    with WavWriter(file) as writer:
        writer.write(memoryview(array("h", [1, 2, 3])))

    assert 6 == len(decode_wav(file.getvalue()).pcm)


def test_audio_is_bytes_at_a_rate() -> None:
    """What has no length or no rate is no audio; any bytes-like object is."""
    with pytest.raises(TypeError, match=r"audio is bytes .*, not str"):
        Audio("abc")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="whole number of Hz above 0"):
        Audio(PCM, 0)

    assert Audio(PCM) == Audio(bytearray(PCM))


def test_audio_shows_its_length() -> None:
    """A recording shows how long it is, not what is in it."""
    assert "<Audio 1000 ms at 24000 Hz>" == repr(Audio(bytes(48_000)))
