"""Recordings: what is written, what is not, and what a disk cannot do to a session."""

from __future__ import annotations

import base64
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted
from scripted import WAIT

from realtime_sync import RealtimeConnection
from realtime_sync._recording.intake import Captured, Intake
from realtime_sync._recording.writer import RecordingWriter
from realtime_sync.audio import decode_wav
from realtime_sync.reconnect import SessionExpiring
from realtime_sync.recording import (
    Ending,
    Gap,
    Notice,
    RecordedEvent,
    Recorder,
    read_recording,
)
from realtime_sync.transport import FakeTransport


Json = dict[str, Any]

PCM = bytes(range(256)) * 20


def audio_delta(pcm: bytes) -> Json:
    """A piece of the model's speech."""
    return {
        "type": "response.output_audio.delta",
        "event_id": "event_delta",
        "response_id": "resp_1",
        "item_id": "item_1",
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(pcm).decode(),
    }


def hear(
    connection: RealtimeConnection, transport: FakeTransport, *events: Any
) -> None:
    """Feed *events*, and wait until the connection has had them."""
    mark = scripted.delta("mark")
    heard = threading.Event()
    connection.once("response.output_text.delta", lambda event: heard.set())
    transport.feed(*events, mark)

    assert heard.wait(WAIT)


def lines(path: Path) -> list[Json]:
    """Return the lines of a file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def events(path: Path) -> list[tuple[str, str]]:
    """Return direction and type of each message, without the marks of `hear()`."""
    return [
        (entry.direction, entry.type)
        for entry in read_recording(path).events()
        if entry.type != "response.output_text.delta"
    ]


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "call.jsonl"


# What is in it


def test_both_directions(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A recording holds what was sent and what was received, in order."""
    with Recorder(connection, path):
        connection.append_input_audio(PCM)
        connection.flush(WAIT)
        hear(connection, transport, audio_delta(PCM))

    assert [
        ("sent", "input_audio_buffer.append"),
        ("received", "response.output_audio.delta"),
    ] == events(path)


def test_times(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """Entries have the seconds since the beginning and the time of day."""
    with Recorder(connection, path):
        hear(connection, transport, audio_delta(PCM), audio_delta(PCM))
    recording = read_recording(path)
    entries = list(recording)

    assert 3 == len(entries)
    assert sorted(entry.time for entry in entries) == [e.time for e in entries]
    assert all(
        abs((entry.wall - recording.started).total_seconds() - entry.time) < 0.1
        for entry in entries
    )


def test_session_as_it_was(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """The header has the session as it was when the recording began."""
    session = {"type": "realtime", "id": "sess_1", "instructions": "Be brief."}
    hear(
        connection,
        transport,
        {"type": "session.updated", "event_id": "event_1", "session": session},
    )
    with Recorder(connection, path):
        pass
    recording = read_recording(path)

    assert "session.created" == recording.created["type"]
    assert "Be brief." == recording.session["instructions"]
    assert ("ga", "realtime", "inline") == (
        recording.dialect,
        recording.kind,
        recording.audio,
    )


def test_decodes_as_it_was_decoded(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """An entry gives the event, the mapping and the message."""
    with Recorder(connection, path):
        hear(connection, transport, audio_delta(PCM))
    entry = next(read_recording(path).events())

    assert PCM == entry.event.delta  # type: ignore[union-attr]
    assert audio_delta(PCM) == entry.payload
    assert audio_delta(PCM) == json.loads(entry.message)
    assert len(PCM) == entry.audio_bytes


def test_message_with_line_breaks(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A message that is spread over lines is one line of the recording."""
    with Recorder(connection, path):
        hear(connection, transport, json.dumps(audio_delta(PCM), indent=2).encode())

    assert [("received", "response.output_audio.delta")] == events(path)


def test_message_that_is_no_event(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A message that cannot be decoded is kept as text."""
    with Recorder(connection, path):
        hear(connection, transport, b'{"type": 1}', b"\xffno JSON")
    first, second, _ = read_recording(path).events()

    assert ("", b'{"type": 1}', {}) == (first.type, first.message, first.payload)
    assert "\ufffdno JSON".encode() == second.message


def test_end(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A recorder ends with its connection, and notes how that ended."""
    recorder = Recorder(connection, path)
    transport.feed_close(1001, "going away")
    connection.wait_closed(WAIT)
    recorder.close(WAIT)
    (ending,) = read_recording(path)

    assert isinstance(ending, Ending)
    assert (1001, "going away", "server") == (
        ending.code,
        ending.reason,
        ending.initiated_by,
    )
    assert recorder.closed


def test_notices(connection: RealtimeConnection, path: Path) -> None:
    """What happens on this side alone, such as a reconnect, is in it too."""
    notice = SessionExpiring(event_id="", time_left=60.0)
    with Recorder(connection, path) as recorder:
        connection._dispatcher.dispatch(notice)
        recorder.flush(WAIT)
    connection._dispatcher.dispatch(notice)
    (entry,) = read_recording(path)

    assert isinstance(entry, Notice)
    assert ("SessionExpiring", {"time_left": 60.0}) == (entry.name, entry.fields)


def test_on_a_closed_connection(connection: RealtimeConnection, path: Path) -> None:
    """A recorder of a connection that has ended ends at once."""
    connection.close()
    recorder = Recorder(connection, path)
    recorder.close(WAIT)

    assert [1000] == [entry.code for entry in read_recording(path)]  # type: ignore[union-attr]


def test_flush(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """After a flush the file can be read, while the recording goes on."""
    with Recorder(connection, path) as recorder:
        hear(connection, transport, audio_delta(PCM))
        recorder.flush(WAIT)

        assert [("received", "response.output_audio.delta")] == events(path)
        assert 2 == recorder.written
    recorder.flush(WAIT)


def test_nothing_after_close(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """What happens after the end of a recording is not in it."""
    recorder = Recorder(connection, path)
    recorder.close()
    recorder.close()
    hear(connection, transport, audio_delta(PCM))

    assert [] == events(path)


# What is not in it

SECRETS = "sk-abcdefghijklmnop"
TOOL = {
    "type": "mcp",
    "server_label": "files",
    "server_url": f"https://me:{SECRETS}@example.com/mcp?key={SECRETS}",
    "authorization": SECRETS,
    "headers": {"X-Any": SECRETS},
}


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "session.update", "session": {"type": "realtime", "tools": [TOOL]}},
        {"type": "response.create", "response": {"tools": [TOOL]}},
        {"type": "future.event", "api_key": SECRETS, "deep": [{"note": SECRETS}]},
        {"type": "future.event", "client_secret": {"value": "any words"}},
    ],
    ids=lambda event: str(event["type"]),
)
def test_no_secrets(connection: RealtimeConnection, path: Path, sent: Json) -> None:
    """Keys, tokens and headers are redacted wherever they stand."""
    with Recorder(connection, path):
        connection.send(sent)
        connection.flush(WAIT)
    written = path.read_text("utf-8")

    assert "REDACTED" in written or "<hidden>" in written
    assert SECRETS not in written
    assert "any words" not in written


def test_no_secrets_in_the_header(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """The session in the header is redacted as well."""
    session = {"type": "realtime", "id": "sess_1", "tools": [TOOL]}
    update = {"type": "session.updated", "event_id": "event_1", "session": session}
    hear(connection, transport, update)
    with Recorder(connection, path):
        pass

    assert SECRETS not in path.read_text("utf-8")
    assert "REDACTED" == read_recording(path).session["tools"][0]["authorization"]


def test_what_looks_like_a_secret_and_is_none(
    connection: RealtimeConnection, path: Path
) -> None:
    """Ids, and a function's parameters of any name, stay as they are."""
    schema = {"type": "object", "properties": {"password": {"type": "string"}}}
    sent = {
        "type": "session.update",
        "event_id": "0123456789abcdef0123456789abcdef",
        "session": {"tools": [{"type": "function", "parameters": schema}]},
    }
    with Recorder(connection, path):
        connection.send(sent)
        connection.flush(WAIT)
    (entry,) = read_recording(path).events()

    assert sent == entry.payload


def test_own_redaction(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """What the caller redacts is not written, and what it drops has no line."""

    def redact(event: Json) -> Json | None:
        if event["type"] == "response.output_text.delta":
            return None
        return {**event, "delta": ""}

    with Recorder(connection, path, redact=redact):
        hear(connection, transport, audio_delta(PCM))

    assert [""] == [entry.payload["delta"] for entry in read_recording(path).events()]


def test_without_audio(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """Without audio its size is known, and neither stream nor items hold any."""
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio", "audio": "AAAA", "transcript": "hello"}],
    }
    with Recorder(connection, path, audio=None):
        hear(connection, transport, audio_delta(PCM))
        connection.send({"type": "conversation.item.create", "item": item})
        connection.flush(WAIT)
    first, _, last = read_recording(path).events()

    assert ("", len(PCM)) == (first.payload["delta"], first.audio_bytes)
    assert {"type": "input_audio", "audio": "", "transcript": "hello"} == (
        last.payload["item"]["content"][0]
    )


def test_without_images(connection: RealtimeConnection, path: Path) -> None:
    """Without images the kind of an image is known, and it is not there."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    item = {"type": "message", "role": "user", "content": [image]}
    with Recorder(connection, path, images=False):
        connection.send({"type": "conversation.item.create", "item": item})
        connection.flush(WAIT)
    (entry,) = read_recording(path).events()

    assert "data:image/png;base64," == entry.payload["item"]["content"][0]["image_url"]


def test_nesting_without_end(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """What is nested too deeply to be searched for secrets is not written."""
    deep = (
        '{"type":"future.event","deep":' + 900 * "[" + f'"{SECRETS}"' + 900 * "]" + "}"
    )
    with Recorder(connection, path):
        hear(connection, transport, deep.encode())

    assert [("received", "future.event")] == events(path)
    assert SECRETS not in path.read_text("utf-8")


# Audio beside it


def test_wav(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """Audio is in a WAV file for each direction, and reading puts it back."""
    with Recorder(connection, path, audio="wav"):
        connection.append_input_audio(PCM)
        connection.append_input_audio(PCM[::-1])
        connection.flush(WAIT)
        hear(connection, transport, audio_delta(PCM))
    sent = [e for e in read_recording(path).events() if e.direction == "sent"]

    assert PCM + PCM[::-1] == decode_wav(path.with_suffix(".sent.wav").read_bytes()).pcm
    assert PCM == decode_wav(path.with_suffix(".received.wav").read_bytes()).pcm
    assert [PCM, PCM[::-1]] == [entry.event.audio for entry in sent]  # type: ignore[union-attr]


def test_wav_of_telephones(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """Audio of another format begins another part, as a file has one format."""
    session = {
        "type": "realtime",
        "audio": {"output": {"format": {"type": "audio/pcmu"}}},
    }
    update = {"type": "session.updated", "event_id": "event_1", "session": session}
    with Recorder(connection, path, audio="wav") as recorder:
        hear(connection, transport, audio_delta(PCM), update, audio_delta(PCM[:801]))
    second = decode_wav((path.parent / "call.1.received.wav").read_bytes())
    entries = [e for e in read_recording(path).events() if e.audio_bytes]

    assert 2 == len(recorder.paths)
    assert (8_000, 801 * 2) == (second.sample_rate, len(second.pcm))
    assert [PCM, PCM[:801]] == [entry.event.delta for entry in entries]  # type: ignore[union-attr]


# Files


def test_refuses_to_overwrite(connection: RealtimeConnection, path: Path) -> None:
    """A recording is not lost to another one of its name unless that is asked for."""
    Recorder(connection, path, audio="wav").close()
    (path.parent / "call.1.jsonl").write_bytes(b"")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        Recorder(connection, path)
    Recorder(connection, path, overwrite=True).close()

    assert [path] == read_recording(path).paths


def test_rotates(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A full file is followed by another one, and reading goes through all."""
    with Recorder(connection, path, max_bytes=10_000) as recorder:
        hear(connection, transport, *[audio_delta(PCM) for _ in range(20)])

    assert len(recorder.paths) > 5
    assert recorder.paths == read_recording(path).paths
    assert 20 == len(events(path))
    assert all(each.stat().st_size < 20_000 for each in recorder.paths)


def test_keeps_the_newest_parts(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """With a limit of parts the oldest go, and the session is still known."""
    session = {"type": "realtime", "id": "sess_1", "instructions": "Be brief."}
    update = {"type": "session.updated", "event_id": "event_1", "session": session}
    deltas = [audio_delta(PCM) for _ in range(20)]
    with Recorder(connection, path, max_bytes=10_000, max_parts=2, audio="wav"):
        hear(connection, transport, update, *deltas)
    recording = read_recording(path)

    assert 2 == len(recording.paths)
    assert not path.exists()
    assert 4 >= len(list(path.parent.iterdir()))
    assert "Be brief." == recording.session["instructions"]
    assert 0 < len(list(recording.events())) < 20


@pytest.mark.parametrize(
    "options",
    [{"audio": "mp3"}, {"max_bytes": 0}, {"max_parts": 2}, {"max_queue": 0}],
    ids=lambda options: next(iter(options)),
)
def test_bad_arguments(
    connection: RealtimeConnection, path: Path, options: Json
) -> None:
    """Arguments out of their range are refused before there is a file."""
    with pytest.raises(ValueError, match=next(iter(options))):
        Recorder(connection, path, **options)

    assert not path.exists()


@pytest.mark.parametrize(
    "options",
    [{"max_bytes": "1"}, {"max_queue": "1"}, {"redact": "text"}],
    ids=lambda options: next(iter(options)),
)
def test_arguments_of_wrong_types(
    connection: RealtimeConnection, path: Path, options: Json
) -> None:
    """Arguments of the wrong type are named before there is a file."""
    with pytest.raises(TypeError, match=f"^{next(iter(options))} is a .*, not "):
        Recorder(connection, path, **options)

    assert not path.exists()


def test_what_is_no_connection(path: Path) -> None:
    """A client has no messages: its connections have."""
    with pytest.raises(TypeError, match="of an open connection, not None"):
        Recorder(None, path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        (None, TypeError, "path is a path .*, not None"),
        ("", ValueError, "path is an empty path: name a file"),
        (".", IsADirectoryError, "'.' is a directory: name a file in it"),
    ],
)
def test_what_is_no_file(
    connection: RealtimeConnection, name: Any, error: type[Exception], words: str
) -> None:
    """A recording goes to a file, and never replaces a directory."""
    with pytest.raises(error, match=words):
        Recorder(connection, name, overwrite=True)


def test_waits_for_no_less_than_nothing(
    connection: RealtimeConnection, path: Path
) -> None:
    """A time to wait that is none is refused."""
    with Recorder(connection, path) as recorder:
        with pytest.raises(ValueError, match="timeout is a number of seconds from 0"):
            recorder.flush(float("nan"))
        with pytest.raises(TypeError, match=r"timeout is a number .*, not str"):
            recorder.close("5")  # type: ignore[arg-type]


# What may go wrong


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_disk(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A full disk ends the recording, is reported, and leaves the session alone."""
    reported: list[Exception] = []
    told = threading.Event()
    connection.on_error(reported.append)
    connection.on_error(lambda error: told.set())
    recorder = Recorder(connection, path)
    recorder._writer.close()
    recorder._writer._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    hear(connection, transport, audio_delta(PCM))

    assert told.wait(WAIT)
    recorder.close(WAIT)
    hear(connection, transport, audio_delta(PCM))
    assert isinstance(recorder.error, OSError)
    assert errno.ENOSPC == recorder.error.errno
    assert ["call.jsonl" in str(each) for each in reported] == [True]
    assert recorder.closed
    assert "failed" in repr(recorder)


def test_redaction_that_raises(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A faulty redaction ends the recording, rather than write what it would hide."""

    def redact(event: Json) -> Json:
        if event["type"] == "session.created":
            return event
        raise ZeroDivisionError

    recorder = Recorder(connection, path, redact=redact)
    hear(connection, transport, audio_delta(PCM))
    recorder.close(WAIT)

    assert isinstance(recorder.error, ZeroDivisionError)
    assert [] == events(path)


class Slow:
    """A sink that waits until it may go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.resume = threading.Event()
        self.batches: list[list[Captured]] = []

    def write(self, batch: list[Captured]) -> None:
        self.batches.append(batch)
        self.entered.set()
        self.resume.wait(WAIT)

    def close(self) -> None:
        pass


@pytest.fixture(name="sink")
def _sink() -> Iterator[Slow]:
    sink = Slow()
    yield sink
    sink.resume.set()


def test_overflow(sink: Slow) -> None:
    """What comes faster than it can be written is counted, and the place is told."""
    intake = Intake(sink, limit=100, failed=pytest.fail, name="realtime_sync-test")
    intake.start()
    intake.tap("received", b"a" * 50)
    sink.entered.wait(WAIT)
    intake.tap("received", b"b" * 90)
    intake.tap("sent", b"c" * 90)
    intake.tap("received", b"d" * 20)
    sink.resume.set()
    intake.end()
    intake.join(WAIT)
    kinds = [captured.kind for batch in sink.batches for captured in batch]
    (gap,) = [c.data for batch in sink.batches for c in batch if c.kind == "gap"]

    assert ["received", "received", "gap", "end"] == kinds
    assert (2, 110) == gap
    assert 2 == intake.lost


def test_flush_in_vain(sink: Slow) -> None:
    """A flush of what is not written in time says so."""
    intake = Intake(sink, limit=100, failed=pytest.fail, name="realtime_sync-test")
    intake.start()
    intake.tap("received", b"a")
    sink.entered.wait(WAIT)

    assert not intake.flush(0.01)
    sink.resume.set()
    intake.end()
    intake.join(WAIT)


def test_gap_is_written(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """A loss is a line of the recording."""
    with Recorder(connection, path, max_queue=100) as recorder:
        hear(connection, transport, audio_delta(PCM))
    gaps = [entry for entry in read_recording(path) if isinstance(entry, Gap)]

    assert [2] == [gap.events for gap in gaps]
    assert 2 == recorder.lost


_KILLED = """
import os, signal, sys
import scripted
from realtime_sync.recording import Recorder
from realtime_sync.transport import FakeTransport

connection = scripted.connect(FakeTransport(scripted.created()))
recorder = Recorder(connection, sys.argv[1], audio=sys.argv[2])
connection.append_input_audio(bytes(4800))
connection.flush(10)
recorder.flush(10)
if sys.argv[3] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run_and_end(path: Path, audio: str, how: str) -> subprocess.CompletedProcess[str]:
    """Record in another process that does not close anything."""
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here.parent), str(here)])
    return subprocess.run(
        [sys.executable, "-c", _KILLED, str(path), audio, how],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("audio", ["inline", "wav"])
def test_killed_process(path: Path, audio: str) -> None:
    """What was written before a program is killed can be read, WAV files included."""
    ended = run_and_end(path, audio, "kill")

    assert -signal.SIGKILL == ended.returncode, ended.stderr
    (entry,) = read_recording(path).events()
    assert bytes(4800) == entry.event.audio  # type: ignore[union-attr]


def test_forgotten_recorder(path: Path) -> None:
    """A program that closes nothing still ends, and its recording is complete."""
    ended = run_and_end(path, "inline", "end")

    assert 0 == ended.returncode, ended.stderr
    assert [("sent", "input_audio_buffer.append")] == events(path)


def test_writer_makes_whole_lines(path: Path) -> None:
    """Each batch leaves whole lines, whatever comes after it."""
    from realtime_sync._recording.lines import LineMaker

    writer = RecordingWriter(
        path=path,
        lines=LineMaker(audio="inline", images=True, redact=None),
        header={"dialect": "ga", "kind": "realtime", "audio": "inline"},
        created=scripted.created(),
    )
    writer.open()
    for number in range(3):
        message = json.dumps(scripted.delta(str(number))).encode()
        writer.write([Captured(0.0, "received", message)])

        assert number + 2 == len(lines(path))
    writer.close()
    entries = list(read_recording(path))

    assert all(isinstance(entry, RecordedEvent) for entry in entries)
