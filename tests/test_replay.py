"""Replaying recordings to a real connection, with no network."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import scripted
from scripted import WAIT

from realtime_sync import (
    ConnectionClosedError,
    RealtimeConnection,
    ResponseDone,
    ServerEvent,
    TranscriptionConnection,
    TranslationConnection,
)
from realtime_sync.recording import (
    Recorder,
    RecordingError,
    Replay,
    read_recording,
    replay,
)
from realtime_sync.transport import FakeTransport


Json = dict[str, Any]

WALL = "2026-01-02T03:04:05.678901+00:00"


def write(path: Path, *lines: Json, **header: Any) -> Path:
    """Write a recording; each line gets the time of day."""
    first = {
        "realtime_sync_recording": 1,
        "started": WALL,
        "dialect": "ga",
        "kind": "realtime",
        "created": scripted.created(),
        **header,
    }
    text = "".join(
        json.dumps({"wall": WALL, **line}) + "\n" for line in (first, *lines)
    )
    path.write_text(text)
    return path


def heard(text: str, time: float = 0.0) -> Json:
    """A line with an event that was received."""
    return {"time": time, "direction": "received", "event": scripted.delta(text)}


def ended(code: int, reason: str = "", by: str = "server") -> Json:
    """A line with the end of the connection."""
    end = {"code": code, "reason": reason, "initiated_by": by}
    return {"time": 1.0, "end": end}


def play(path: Path) -> list[str]:
    """Return the deltas that a replay gives."""
    found: list[str] = []
    with replay(path, speed=None) as playing:
        playing.connection.on(
            "response.output_text.delta", lambda event: found.append(event.delta)
        )
        playing.run(WAIT)
    return found


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "call.jsonl"


def test_callbacks_run(path: Path) -> None:
    """Callbacks get every event that was received, from the first one on."""
    lines = [heard(str(number)) for number in range(1_000)]

    assert [str(number) for number in range(1_000)] == play(write(path, *lines))


def test_state_is_as_it_was(
    connection: RealtimeConnection, transport: FakeTransport, path: Path
) -> None:
    """Session, conversation and responses come to be what they were."""
    transport._reply = scripted.acknowledge
    done = threading.Event()
    with Recorder(connection, path):
        connection.update_session({"type": "realtime", "instructions": "Be brief."})
        connection.create_item(scripted.message("msg_1"))
        connection.once(ResponseDone, lambda event: done.set())
        connection.create_response()
        done.wait(WAIT)
    with replay(path, speed=None) as playing:
        follower = playing.connection.responses(WAIT)
        playing.start()
        response = next(iter(follower)).result(timeout=WAIT)
        playing.run(WAIT)

    assert "completed" == response.status
    assert connection.session == playing.connection.session
    assert ["msg_1"] == [item.id for item in playing.connection.conversation.items]


def test_nothing_before_the_start(path: Path) -> None:
    """Nothing comes before it is started, so no callback is too late."""
    with replay(write(path, heard("one"))) as playing:
        playing.connection.recv(WAIT)  # the session, which is there from the start
        with pytest.raises(TimeoutError):
            playing.connection.recv(0.01)
        playing.start()
        playing.start()

        assert "one" == playing.connection.recv(WAIT).delta  # type: ignore[attr-defined]


def test_original_speed(path: Path) -> None:
    """In the original speed nothing comes before its time."""
    write(path, heard("one", 10.0), heard("two", 10.05), heard("three", 3610.0))
    with replay(path) as playing:
        deltas = playing.connection.events("response.output_text.delta", timeout=WAIT)
        playing.start()
        found = [next(deltas).delta, next(deltas).delta]  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            playing.run(0.01)

    assert ["one", "two"] == found
    assert playing.connection.closed


def test_speed(path: Path) -> None:
    """A hundred thousand times the speed makes an hour short."""
    write(path, heard("one"), heard("two", 3600.0))
    with replay(path, speed=100_000) as playing:
        playing.run(WAIT)

    assert playing.connection.closed


@pytest.mark.parametrize("speed", [0, -1.0, float("nan")])
def test_bad_speed(path: Path, speed: float) -> None:
    """A speed that leads nowhere is refused."""
    with pytest.raises(ValueError, match="speed is a number above 0"):
        replay(write(path), speed=speed)


def test_bad_timeout(path: Path) -> None:
    """A time to wait that is none is refused."""
    with (
        replay(write(path), speed=None) as playing,
        pytest.raises(ValueError, match="timeout is a number of seconds from 0"),
    ):
        playing.run(-1)


def test_ends_as_it_ended(path: Path) -> None:
    """The connection closes with the recorded code, and without one with 1000."""
    with replay(write(path, heard("one"), ended(1011, "oops")), speed=None) as playing:
        iterator = playing.connection.events()
        playing.start()
        next(iterator)
        with pytest.raises(ConnectionClosedError, match="oops"):
            next(iterator)


def test_breaks_as_it_broke(path: Path) -> None:
    """A network that broke breaks again, after all that was received."""
    write(path, heard("one"), ended(1006, by="network"))

    assert ["one"] == play(path)


def test_sending_goes_nowhere(path: Path) -> None:
    """What is sent is taken, and not answered."""
    with replay(write(path, heard("one"))) as playing:
        playing.connection.send({"type": "response.create"})
        playing.connection.flush(WAIT)
        with pytest.raises(TimeoutError):
            playing.connection.create_item(scripted.message(), timeout=0.01)


def test_close_early(path: Path) -> None:
    """A replay can be closed before its end, and twice."""
    playing = Replay(read_recording(write(path, heard("one"), heard("two", 3600.0))))
    playing.start()
    playing.close()
    playing.close()

    assert playing.connection.closed


def test_damaged_recording(path: Path) -> None:
    """Damage in the middle ends the connection; its error tells the damage."""
    write(path, heard("one"))
    with open(path, "a") as file:
        file.write("{\n" + json.dumps({"wall": WALL, **heard("two")}) + "\n")
    with replay(path, speed=None) as playing:
        iterator = playing.connection.events()
        playing.start()
        next(iterator)
        with pytest.raises(ConnectionClosedError) as caught:
            next(iterator)

    assert isinstance(caught.value.__cause__, RecordingError)


@pytest.mark.parametrize(
    ("kind", "session", "expected"),
    [
        ("realtime", "realtime", RealtimeConnection),
        ("transcription", "transcription", TranscriptionConnection),
        ("translation", "translation", TranslationConnection),
    ],
)
def test_kinds(path: Path, kind: str, session: str, expected: type) -> None:
    """The connection is of the kind that was recorded."""
    created = scripted.created(type=session)
    with replay(write(path, kind=kind, created=created)) as playing:
        assert expected is type(playing.connection)


def test_all_events(path: Path) -> None:
    """Events of all classes reach the callbacks, unknown ones too."""
    event = {"type": "future.event", "event_id": "event_1"}
    line = {"time": 0.0, "direction": "received", "event": event}
    found: list[ServerEvent] = []
    with replay(write(path, line), speed=None) as playing:
        playing.connection.on(ServerEvent, found.append)
        playing.run(WAIT)

    assert ["UnknownEvent"] == [type(each).__name__ for each in found]
