"""Reading recordings: old ones, cut ones, damaged ones, and those of the future."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_sync import DecodeError, SessionUpdated
from realtime_sync.recording import (
    FORMAT,
    Ending,
    Entry,
    Gap,
    Notice,
    RecordedEvent,
    RecordingError,
    read_recording,
)


Json = dict[str, Any]

SAMPLES = Path(__file__).parent / "recordings"
WALL = "2026-01-02T03:04:05.678901+00:00"
HEADER: Json = {
    "realtime_sync_recording": 1,
    "library": "0.1.0",
    "started": WALL,
    "part": 0,
    "dialect": "ga",
    "kind": "realtime",
    "audio": "inline",
    "created": {"type": "session.created", "session": {"type": "realtime"}},
}


def line(**fields: Any) -> Json:
    return {"time": 1.5, "wall": WALL, **fields}


def write(path: Path, *lines: Json | bytes) -> Path:
    """Write a recording of *lines*."""
    data = [
        each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n"
        for each in lines
    ]
    path.write_bytes(b"".join(data))
    return path


def heard(text: str) -> Json:
    """A line with an event that was received."""
    return line(direction="received", event={"type": "future", "text": text})


def texts(path: Path) -> list[str]:
    return [entry.payload["text"] for entry in read_recording(path).events()]


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "call.jsonl"


def test_header(path: Path) -> None:
    """The header is read at once."""
    recording = read_recording(write(path, HEADER))

    assert ("ga", "realtime", "0.1.0", "inline") == (
        recording.dialect,
        recording.kind,
        recording.library,
        recording.audio,
    )
    assert datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc) == recording.started
    assert {"type": "realtime"} == recording.session
    assert "call.jsonl" in repr(recording)


def test_kinds_of_lines(path: Path) -> None:
    """Each kind of line is an entry of its own class."""
    end = {"code": 1000, "reason": "bye", "initiated_by": "client"}
    write(
        path,
        HEADER,
        heard("one"),
        line(notice={"name": "Reconnected", "fields": {"attempts": 2}}),
        line(gap={"events": 3, "bytes": 4}),
        line(end=end),
    )
    wall = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
    event, *others = read_recording(path)

    assert isinstance(event, RecordedEvent)
    assert (1.5, wall, "received", "future") == (
        event.time,
        event.wall,
        event.direction,
        event.type,
    )
    assert others == [
        Notice(time=1.5, wall=wall, name="Reconnected", fields={"attempts": 2}),
        Gap(time=1.5, wall=wall, events=3, bytes=4),
        Ending(time=1.5, wall=wall, **end),
    ]


def test_unknown_lines_are_skipped(path: Path) -> None:
    """Kinds of lines, and fields, that a later version added do no harm."""
    new = {**heard("one"), "new": 1}
    write(path, {**HEADER, "new": 1}, line(new={"a": 1}), new)

    assert ["one"] == texts(path)


def test_reads_again_and_again(path: Path) -> None:
    """A recording can be iterated over more than once, and sees what was added."""
    recording = read_recording(write(path, HEADER, heard("one")))
    before = len(list(recording))
    write(path, HEADER, heard("one"), heard("two"))

    assert (1, 2) == (before, len(list(recording)))


@pytest.mark.parametrize("tail", [b'{"time":1.5,"wa', b"\0\0\0\0", b'{"time"', b"\0\n"])
def test_cut_last_line(path: Path, tail: bytes) -> None:
    """A last line that was cut off costs nothing of the rest."""
    assert ["one"] == texts(write(path, HEADER, heard("one"), tail))


def test_damaged_line(path: Path) -> None:
    """A damaged line in the middle is told with its number, after all before it."""
    entries = iter(
        read_recording(write(path, HEADER, heard("one"), b"{\n", heard("2")))
    )
    first = next(entries)

    assert isinstance(first, RecordedEvent)
    with pytest.raises(RecordingError, match=r"line 3 of '.*call\.jsonl' is damaged"):
        next(entries)


def test_event_that_breaks_its_form(path: Path) -> None:
    """An event that cannot be decoded is read, and says so when it is decoded."""
    event = {"type": "session.updated", "event_id": 1}
    (entry,) = read_recording(
        write(path, HEADER, line(direction="received", event=event))
    ).events()

    assert event == entry.payload
    with pytest.raises(DecodeError):
        _ = entry.event


def test_preview(path: Path) -> None:
    """Events of the preview are decoded as the preview's."""
    session = {"input_audio_format": "g711_ulaw"}
    event = {"type": "session.updated", "event_id": "event_1", "session": session}
    header = {**HEADER, "dialect": "preview"}
    (entry,) = read_recording(
        write(path, header, line(direction="received", event=event))
    ).events()
    decoded: Any = entry.event

    assert isinstance(decoded, SessionUpdated)
    assert "audio/pcmu" == decoded.session.audio.input.format.type  # type: ignore[union-attr]


def test_parts_in_order(path: Path) -> None:
    """Parts are read in the order of their numbers, not of their names."""
    for number in range(12):
        name = path.with_name(f"call.{number}.jsonl") if number else path
        write(name, {**HEADER, "part": number}, heard(str(number)))
    path.with_name("call.x.jsonl").write_text("something else")
    path.with_name("called.1.jsonl").write_text("something else")

    assert [str(number) for number in range(12)] == texts(path)


def test_part_that_was_just_begun(path: Path) -> None:
    """A part whose header was cut off is none."""
    write(path, HEADER, heard("one"))
    path.with_name("call.1.jsonl").write_bytes(b'{"realtime_syn')

    assert ["one"] == texts(path)


def test_later_format(path: Path) -> None:
    """A recording of a later format is refused, and it is said what to do."""
    write(path, {**HEADER, "realtime_sync_recording": FORMAT + 1, "library": "9.9"})
    with pytest.raises(RecordingError, match=r"9\.9.*update the library"):
        read_recording(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b'"realtime_sync_recording"\n',
        b'{"realtime_sync_recording":true}\n',
        b'{"realtime_sync_recording":0}\n',
        b"RIFF....WAVE",
        b"\xff\xfe",
    ],
)
def test_no_recording(path: Path, data: bytes) -> None:
    """Another file is told to be no recording."""
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="is no recording"):
        read_recording(path)


@pytest.mark.parametrize("name", ["dialect", "kind", "started"])
def test_broken_header(path: Path, name: str) -> None:
    """A header that says something impossible is refused."""
    with pytest.raises(RecordingError, match="nothing"):
        read_recording(write(path, {**HEADER, name: "nothing"}))


def test_home_of_the_error() -> None:
    """The error says where it can be imported from."""
    assert "realtime_sync.recording" == RecordingError.__module__


def test_no_path() -> None:
    """What names no file is refused as such."""
    with pytest.raises(TypeError, match=r"path is a path .*, not None"):
        read_recording(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="path is an empty path"):
        read_recording("")


def test_no_file(path: Path) -> None:
    """A file that is not there is the system's error."""
    with pytest.raises(FileNotFoundError):
        read_recording(path)


def test_lost_wav(path: Path) -> None:
    """Audio whose file is gone is told when it is asked for, and not before."""
    event = {"type": "input_audio_buffer.append", "audio": ""}
    audio = {"file": "../call.sent.wav", "offset": 58, "bytes": 10}
    (entry,) = read_recording(
        write(path, HEADER, line(direction="sent", event=event, audio=audio))
    ).events()

    assert (10, "sent") == (entry.audio_bytes, entry.direction)
    with pytest.raises(RecordingError, match=r"call\.sent\.wav"):
        _ = entry.payload


@pytest.mark.parametrize(
    "sample", sorted(SAMPLES.glob("*.jsonl")), ids=lambda p: p.stem
)
def test_old_recordings(sample: Path) -> None:
    """Recordings of every format that ever was are read, to the last event."""
    recording = read_recording(sample)
    kinds = [type(entry).__name__ for entry in recording]
    decoded = [entry.event for entry in recording.events()]

    assert {"RecordedEvent", "Ending"} <= set(kinds)
    assert kinds.count("RecordedEvent") == len(decoded)
    assert recording.session["id"]


# Anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "time": st.just(1.0) | JSON,
        "wall": st.just(WALL) | JSON,
        "direction": st.sampled_from(["sent", "received"]) | JSON,
        "event": st.fixed_dictionaries({"type": st.text() | JSON}) | JSON,
        "text": JSON,
        "audio": st.fixed_dictionaries({"bytes": JSON, "file": JSON, "offset": JSON}),
        "notice": st.fixed_dictionaries({"name": JSON, "fields": JSON}) | JSON,
        "gap": st.fixed_dictionaries({"events": JSON, "bytes": JSON}) | JSON,
        "end": JSON,
    },
)
LINE = st.binary(max_size=40) | FIELDS.map(lambda fields: json.dumps(fields).encode())
ANY_HEADER = st.dictionaries(st.sampled_from(sorted(HEADER)), JSON).map(
    lambda fields: json.dumps({**HEADER, **fields}).encode()
)


def read_all(path: Path) -> list[Entry]:
    """Read a recording, or be told in a sentence why it cannot be."""
    entries: list[Entry] = []
    with contextlib.suppress(RecordingError):
        entries.extend(read_recording(path))
    for entry in entries:
        if isinstance(entry, RecordedEvent):
            with contextlib.suppress(DecodeError, RecordingError):
                _ = entry.event
    return entries


SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@settings(max_examples=60, suppress_health_check=SLOW, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    """Any bytes are a recording, or are said to be none."""
    path = tmp_path / "any.jsonl"
    path.write_bytes(data)

    read_all(path)


@settings(max_examples=50, suppress_health_check=SLOW, deadline=None)
@given(
    st.just(json.dumps(HEADER).encode()) | ANY_HEADER,
    st.lists(LINE),
    st.binary(max_size=9),
)
def test_any_lines(
    tmp_path: Path, header: bytes, given_lines: list[bytes], tail: bytes
) -> None:
    """Any lines behind a header give entries, or an error that says which line."""
    path = tmp_path / "any.jsonl"
    path.write_bytes(b"\n".join([header, *given_lines, tail]))

    read_all(path)


@settings(max_examples=60, suppress_health_check=SLOW, deadline=None)
@given(st.data())
def test_any_cut(tmp_path: Path, data: st.DataObject) -> None:
    """A recording that is cut anywhere gives all of its whole lines."""
    whole = b"".join(
        json.dumps(each).encode() + b"\n" for each in (HEADER, heard("1"), heard("2"))
    )
    start = whole.index(b"\n") + 1
    cut = data.draw(st.integers(start, len(whole)))
    path = tmp_path / "cut.jsonl"
    path.write_bytes(whole[:cut])

    assert whole[:cut].count(b"\n") - 1 <= len(read_all(path))
