"""Recordings on their way to the server, from wherever they are."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted

from realtime_sync import (
    InputAudioBufferAppend,
    RealtimeClient,
    RealtimeConnection,
)
from realtime_sync.audio import alaw_encode, resample, write_wav
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech
from realtime_sync.transport import FakeTransport


WAIT = 60.0
TONES = ToneSpeech()
QUESTION = "What is the capital of Norway?"
PCM = TONES.speak(QUESTION) + bytes(4_800)  # and 100 ms of silence
WRITTEN = {"output_modalities": ["text"]}
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(
        replies=lambda turn: turn.heard, speech=TONES, settings=settings
    ) as emulator:
        yield emulator


@pytest.fixture(name="connection")
def _connection(emulator: RealtimeEmulator) -> Iterator[RealtimeConnection]:
    client = RealtimeClient(emulator.endpoint, "key", model="m", session=NO_TURNS)
    with client.connect() as connection:
        yield connection


def wav(pcm: bytes, rate: int) -> bytes:
    """Return a WAV file."""
    file = io.BytesIO()
    write_wav(file, pcm, rate)
    return file.getvalue()


def at(rate: int) -> bytes:
    """Return the question at another rate."""
    return resample(PCM, 24_000, rate)


def path(folder: Path) -> Path:
    """Return the path of a telephone's recording."""
    found = folder / "question.wav"
    found.write_bytes(wav(at(8_000), 8_000))
    return found


def pieces() -> Iterator[bytes]:
    """Yield the question at 16 kHz, in pieces that are cut within samples."""
    pcm = at(16_000)
    yield from (pcm[start : start + 1_001] for start in range(0, len(pcm), 1_001))


def array() -> Any:
    """Return the question as a numpy array of floats, in stereo."""
    numpy = pytest.importorskip("numpy")
    mono = numpy.frombuffer(at(48_000), "<i2") / 32_768
    return numpy.stack([mono, mono], axis=1)


SOURCES: dict[str, Callable[[Path], tuple[Any, int | None]]] = {
    "a path": lambda folder: (path(folder), None),
    "the text of a path": lambda folder: (str(path(folder)), None),
    "an open file": lambda folder: (io.BytesIO(path(folder).read_bytes()), None),
    "bytes of a WAV file": lambda folder: (wav(at(48_000), 48_000), None),
    "bytes of PCM": lambda folder: (PCM, None),
    "bytes of PCM at another rate": lambda folder: (at(16_000), 16_000),
    "a generator at another rate": lambda folder: (pieces(), 16_000),
    "a list of pieces": lambda folder: ([PCM[:9_999], PCM[9_999:]], None),
    "an array": lambda folder: (array(), 48_000),
}


@pytest.mark.parametrize("law", [None, "pcma"])
@pytest.mark.parametrize("source", SOURCES)
def test_is_understood(
    connection: RealtimeConnection, tmp_path: Path, source: str, law: str | None
) -> None:
    """Whatever the recording is, and whatever the session takes, it is understood."""
    if law:
        connection.update_session(
            {"audio": {"input": {"format": {"type": f"audio/{law}"}}}}
        )
    recording, rate = SOURCES[source](tmp_path)
    connection.append_audio(recording, source_rate=rate)
    connection.commit_input_audio()
    answer = connection.create_response(WRITTEN)

    assert QUESTION == answer.result(timeout=WAIT).text


def test_telephone_sessions_are_asked_in_their_format(
    connection: RealtimeConnection, tmp_path: Path
) -> None:
    """A recorded question is sent in the format that the session takes."""
    connection.update_session({"audio": {"input": {"format": {"type": "audio/pcmu"}}}})
    result = connection.ask(path(tmp_path), response=WRITTEN, timeout=WAIT)

    assert QUESTION == result.text


def test_alaw_is_sent_as_it_was_meant() -> None:
    """A session of telephone audio is sent 8,000 codes for each second."""
    transport = FakeTransport(scripted.created(), reply=scripted.acknowledge)
    alaw = {"audio": {"input": {"format": {"type": "audio/pcma"}}}}
    with scripted.connect(transport, session=alaw) as connection:
        connection.append_audio(wav(at(8_000), 8_000))
        connection.flush(WAIT)
        sent = [
            event.audio
            for event in transport.sent
            if isinstance(event, InputAudioBufferAppend)
        ]

    assert alaw_encode(at(8_000)) == b"".join(sent)


@pytest.mark.parametrize(
    ("recording", "error", "words"),
    [
        (wav(PCM, 24_000)[:-1_000], ValueError, "cut off"),
        (b"RIFF\0\0\0\0WAVE", ValueError, "cut off"),
        (b"OggS" + bytes(100), (ValueError, ImportError), "no audio|reading other"),
        ([wav(PCM, 24_000)], ValueError, "pass the file itself"),
        (["text"], TypeError, "not in str"),
        ("nowhere.wav", OSError, "nowhere.wav"),
        (io.StringIO("text"), TypeError, "rb"),
        (7, TypeError, "7 is no source of audio"),
    ],
    ids=[
        "cut",
        "header",
        "no Ogg",
        "pieces of a file",
        "words",
        "nowhere",
        "text",
        "7",
    ],
)
def test_what_is_no_audio(
    emulator: RealtimeEmulator,
    connection: RealtimeConnection,
    recording: Any,
    error: type[Exception] | tuple[type[Exception], ...],
    words: str,
) -> None:
    """What is no recording raises where it was passed, and nothing of it is sent."""
    with pytest.raises(error, match=words):
        connection.append_audio(recording)
    connection.create_item(
        {"type": "message", "role": "user", "content": []}
    )  # whatever was sent has arrived

    assert b"" == emulator.sessions[0].input_audio


def test_a_text_file_is_no_recording(
    connection: RealtimeConnection, tmp_path: Path
) -> None:
    """A file that is no audio is named in the error."""
    notes = tmp_path / "notes.txt"
    notes.write_text("Buy milk.")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        connection.append_audio(notes)


def test_progress_is_told(connection: RealtimeConnection) -> None:
    """A callback is told after each 100 ms how much is queued, up to all of it."""
    told: list[int] = []
    connection.append_audio(PCM, progress=told.append)

    assert list(range(100, len(PCM) // 48, 100)) == told[:-1]
    assert len(PCM) // 48 == told[-1]


def test_progress_is_shown(
    connection: RealtimeConnection, capsys: pytest.CaptureFixture[str]
) -> None:
    """With tqdm there is a bar, which knows the end of a recording."""
    pytest.importorskip("tqdm")
    connection.append_audio(PCM, progress=True)
    whole = capsys.readouterr().err
    connection.append_audio(iter([PCM]), progress=True)
    endless = capsys.readouterr().err

    seconds = f"{len(PCM) / 48_000:.1f}"
    assert f"100%|██████████| {seconds} of {seconds} s of audio" in whole
    assert f"{seconds} s of audio" in endless


def test_no_bar_without_tqdm(
    emulator: RealtimeEmulator,
    connection: RealtimeConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without tqdm a recording is sent without a bar."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    connection.append_audio(PCM, progress=True)
    connection.commit_input_audio()

    assert PCM == emulator.sessions[0].input_audio


def test_takes_its_time(connection: RealtimeConnection) -> None:
    """At the pace of speech a recording takes as long as it lasts, but its end."""
    told: list[int] = []
    begin = time.monotonic()
    connection.append_audio(PCM[:14_400], pace="realtime", progress=told.append)
    took = time.monotonic() - begin

    assert [100, 200, 300] == told
    assert took >= 0.19
