"""Audio from wherever it is, at the rate that is wanted, whole and in frames."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.audio import (
    Audio,
    duration_ms,
    frames,
    load_audio,
    loading,
    resample,
    rms_dbfs,
    write_wav,
)
from realtime_sync.audio._samples import from_floats, to_samples


TONE = from_floats(8_000 * math.sin(math.tau * n / 60) for n in range(12_000))
ROOT = Path(__file__).parents[2]
ALAW = ROOT.parent / "shared/audio/audio_hello_world.wav"


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    write_wav(path, TONE)
    return path


def test_loads_from_everywhere(path: Path) -> None:
    """A path, its text, the file's bytes and the open file are the same recording."""
    data = path.read_bytes()
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), memoryview(data), file]
        loaded = [load_audio(source) for source in sources]

    assert [Audio(TONE)] * 6 == loaded
    assert Audio(TONE) == load_audio(Audio(TONE))


@pytest.mark.parametrize("source", [TONE, io.BytesIO(TONE)])
def test_raw_audio_is_at_the_rate_of_the_protocol(source: Any) -> None:
    """Bytes without a header are PCM as the protocol speaks it."""
    assert Audio(TONE) == load_audio(source)


def test_raw_audio_is_converted_from_that_rate() -> None:
    """Whatever rate is wanted, raw PCM is not taken to have it."""
    loaded = load_audio(TONE, 8_000)

    assert (8_000, duration_ms(TONE)) == (loaded.sample_rate, loaded.duration_ms)
    assert loaded.pcm == b"".join(frames([loaded.pcm], rate=8_000, source_rate=8_000))
    assert len(loaded.pcm) == len(b"".join(frames([TONE], rate=8_000)))


def test_raw_audio_may_state_its_rate(tmp_path: Path) -> None:
    """Raw PCM at another rate is converted, from bytes and from a file."""
    slow = resample(TONE, 24_000, 8_000)
    raw = tmp_path / "tone.raw"
    raw.write_bytes(slow)

    loaded = load_audio(slow, source_rate=8_000)

    assert duration_ms(TONE) == loaded.duration_ms
    assert pytest.approx(rms_dbfs(TONE), abs=0.1) == rms_dbfs(loaded.pcm)
    assert loaded == load_audio(raw, source_rate=8_000)
    assert Audio(slow) == load_audio(raw)


def test_converts_the_rate_of_a_file(tmp_path: Path) -> None:
    """A file at a telephone's rate is converted, never taken as it is."""
    path = tmp_path / "slow.wav"
    write_wav(path, resample(TONE, 24_000, 8_000), 8_000)

    loaded = load_audio(path)

    assert (24_000, duration_ms(TONE)) == (loaded.sample_rate, loaded.duration_ms)


@pytest.mark.skipif(not ALAW.exists(), reason="the recording is not there")
def test_loads_a_call() -> None:
    """A recording in A-law is audio of its length."""
    loaded = load_audio(ALAW)

    assert 1_000 < loaded.duration_ms < 2_000
    assert -40 < rms_dbfs(loaded.pcm) < -10


def test_loads_arrays() -> None:
    """Arrays of floats and of integers, with channels or without, are audio."""
    numpy = pytest.importorskip("numpy")
    samples = numpy.array(to_samples(TONE))
    arrays = [
        samples,
        samples / 32_768,
        (samples / 32_768).astype(numpy.float32),
        samples.astype(numpy.int32) << 16,
        numpy.stack([samples, samples], axis=1),
    ]

    loaded = [load_audio(a, source_rate=24_000) for a in arrays]

    assert [Audio(TONE)] * 5 == loaded
    assert [0, 32_512] == list(
        to_samples(load_audio(numpy.array([128, 255], "u1"), source_rate=24_000).pcm)
    )


def test_arrays_state_their_rate() -> None:
    """An array does not know its rate, and no rate is assumed."""
    numpy = pytest.importorskip("numpy")

    with pytest.raises(ValueError, match="source_rate"):
        load_audio(numpy.zeros(9))


@pytest.mark.parametrize("shape", [(), (2, 2, 2)])
def test_refuses_arrays_of_other_shapes(shape: tuple[int, ...]) -> None:
    """What has no frames and channels is no audio."""
    numpy = pytest.importorskip("numpy")

    with pytest.raises(ValueError, match="shape"):
        load_audio(numpy.zeros(shape), source_rate=8_000)


@pytest.mark.parametrize(
    ("samples", "kind", "words"),
    [
        ([300.0, -300.0], "f8", "up to 300.*divide by full scale"),
        ([0.1, math.nan], "f4", "up to nan"),
        ([-math.inf], "f4", "up to inf"),
        ([100, -100], "i8", "pass array.astype"),
        ([[0.0] * 65] * 2, "f4", "65 channels.*array.T"),
    ],
)
def test_refuses_arrays_of_noise(samples: Any, kind: str, words: str) -> None:
    """An array that would be noise, or silence, is refused."""
    numpy = pytest.importorskip("numpy")

    with pytest.raises(ValueError, match=words):
        load_audio(numpy.array(samples, kind), source_rate=8_000)


def test_clips_floats_that_overshoot() -> None:
    """Floats may overshoot as a filter lets them, and an array may be empty."""
    numpy = pytest.importorskip("numpy")

    loaded = load_audio(numpy.array([1.2, -1.2]), source_rate=24_000)

    assert [32_767, -32_768] == list(to_samples(loaded.pcm))
    assert b"" == load_audio(numpy.array([]), source_rate=24_000).pcm


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("https://example.com/a.wav", "URLs are not read: download"),
        ("data:audio/wav;base64,UklGRg==", "URLs are not read"),
        ("", "the source is an empty path: name a file"),
    ],
)
def test_refuses_what_names_no_file(source: str, words: str) -> None:
    """A URL is not looked for on the disk."""
    with pytest.raises(ValueError, match=words):
        load_audio(source)


@pytest.mark.parametrize("source_rate", [0, -1])
def test_refuses_no_rate(source_rate: int) -> None:
    """A rate that is none is not taken for that of the protocol."""
    with pytest.raises(ValueError, match="whole number of Hz above 0"):
        load_audio(bytes(9), source_rate=source_rate)
    with pytest.raises(ValueError, match="whole number of Hz above 0"):
        frames([bytes(9)], source_rate=source_rate)


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "AIFF"])
def test_loads_other_files(tmp_path: Path, kind: str) -> None:
    """With the extra, other kinds of files are read, from a path and from bytes."""
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"tone.{kind.lower()}"
    samples = [sample / 32_768 for sample in to_samples(TONE)]
    soundfile.write(path, samples, 24_000, format=kind)

    loaded = load_audio(path)

    assert len(TONE) == len(loaded.pcm)
    assert pytest.approx(rms_dbfs(TONE), abs=0.5) == rms_dbfs(loaded.pcm)
    assert loaded == load_audio(path.read_bytes())


def test_other_files_name_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra, another kind of file says what to install."""
    path = tmp_path / "a.flac"
    path.write_bytes(b"fLaC....")

    def missing(module: str, *, extra: str, purpose: str) -> Any:
        raise ImportError(f"{purpose}: {module} of {extra}")

    monkeypatch.setattr(loading, "require", missing)

    with pytest.raises(ImportError, match=r"a\.flac: reading other .* soundfile"):
        load_audio(path)


@pytest.mark.parametrize("content", [b"", b"this is a text", b"fLaC is no FLAC file"])
def test_names_what_is_no_audio(tmp_path: Path, content: bytes) -> None:
    """A file that is no audio is named in the error."""
    if content.startswith(b"fLaC"):
        pytest.importorskip("soundfile")
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"notes\.txt: (this is no|the file is)"):
        load_audio(path)


def test_names_a_file_that_is_cut(path: Path) -> None:
    """A truncated file is an error with its name, not noise or half an answer."""
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(ValueError, match=r"tone\.wav: this WAV file is cut off"):
        load_audio(path)


def test_refuses_other_things(tmp_path: Path) -> None:
    """What cannot be audio is a TypeError, a path to nothing an OSError."""
    with pytest.raises(TypeError, match="no source of audio"):
        load_audio(42)
    with pytest.raises(TypeError, match='open it with "rb"'):
        load_audio(io.StringIO("text"))
    with pytest.raises(FileNotFoundError):
        load_audio(tmp_path / "missing.wav")


def test_frames_are_of_one_length(path: Path) -> None:
    """A recording comes in frames of the length asked for, the last one shorter."""
    cut = list(frames(path, 70))

    assert [3_360] * 7 + [480] == [len(frame) for frame in cut]
    assert TONE == b"".join(cut)


def test_frames_of_a_stream() -> None:
    """Pieces of any length, cut within samples too, come in whole frames."""
    pieces = (TONE[n : n + 701] for n in range(0, len(TONE), 701))

    cut = list(frames(pieces, 20))

    assert {960} == {len(frame) for frame in cut}
    assert TONE == b"".join(cut)


def test_a_stream_is_read_as_it_is_asked_for() -> None:
    """A live source is not waited for beyond the frame that is asked for."""
    read = []

    def live() -> Iterator[bytes]:
        for n in range(10):
            read.append(n)
            yield bytes(4_800)

    first = next(frames(live(), 100))

    assert 4_800 == len(first)
    assert [0] == read


def test_a_stream_is_converted() -> None:
    """A stream at another rate is converted as it goes."""
    slow = resample(TONE, 24_000, 8_000)
    pieces = [slow[n : n + 320] for n in range(0, len(slow), 320)]

    converted = b"".join(frames(pieces, source_rate=8_000))

    assert len(TONE) == len(converted)
    assert pytest.approx(rms_dbfs(TONE), abs=0.2) == rms_dbfs(converted)


def test_a_stream_may_know_its_rate() -> None:
    """A source that has a sampling rate, as a microphone has, is converted from it."""

    class Source(list[bytes]):
        sample_rate = 8_000

    source = Source([resample(TONE, 24_000, 8_000)])

    assert len(TONE) == len(b"".join(frames(source)))
    assert len(TONE) // 3 == len(b"".join(frames(source, source_rate=24_000)))


def test_a_stream_is_raw_audio(path: Path) -> None:
    """Pieces of a file, header and all, are refused, and so is text."""
    with pytest.raises(ValueError, match="pass the file itself"):
        list(frames([path.read_bytes()]))
    with pytest.raises(TypeError, match="not in str"):
        list(frames(["text"]))  # type: ignore[list-item]


def test_frames_hold_something() -> None:
    """A frame without a sample is refused before anything is read."""
    with pytest.raises(ValueError, match="holds no sample"):
        frames(b"", 0)


def test_no_audio_is_no_frame() -> None:
    """An empty recording has no frames; half a sample is dropped."""
    assert [] == list(frames(b""))
    assert [] == list(frames([b"", b"\1"]))
