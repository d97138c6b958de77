"""The table and the picture of a session."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted import WAIT

from realtime_sync import RealtimeConnection
from realtime_sync.recording import RecordingError, read_recording
from realtime_sync.timeline import Timeline, TimelineCollector, Turn, timeline
from realtime_sync.transport import FakeTransport


Json = dict[str, Any]

SAMPLE = Path(__file__).parent / "recordings" / "format1.jsonl"
WALL = "2026-01-02T03:04:05.678901+00:00"
DETECTION = {"type": "server_vad", "silence_duration_ms": 500}
SESSION: Json = {
    "type": "realtime",
    "id": "sess_1",
    "audio": {"input": {"turn_detection": DETECTION}},
}
LOUD = b"\x00\x40" * 2400  # 100 ms at half of full scale


def sent(time: float, kind: str, **fields: Any) -> Json:
    return {"time": time, "direction": "sent", "event": {"type": kind, **fields}}


def said(time: float, kind: str, **fields: Any) -> Json:
    event = {"type": kind, "event_id": "event_1", **fields}
    return {"time": time, "direction": "received", "event": event}


def spoken(start: float, end: float) -> list[Json]:
    """What a microphone sends: 100 ms each 100 ms."""
    audio = base64.b64encode(LOUD).decode()
    count = round((end - start) * 10)
    return [
        sent(start + 0.1 * (number + 1), "input_audio_buffer.append", audio=audio)
        for number in range(count)
    ]


def response(time: float, kind: str, number: int = 1, **fields: Any) -> Json:
    body = {"id": f"resp_{number}", "output": [], "conversation_id": "c", **fields}
    return said(time, kind, response=body)


def piece(time: float, kind: str, number: int = 1, **fields: Any) -> Json:
    place = {"item_id": f"item_{number}", "output_index": 0, "content_index": 0}
    return said(time, kind, response_id=f"resp_{number}", **place, **fields)


def speech(time: float, number: int = 1, count: int = 1) -> list[Json]:
    """The model says *count* times 100 ms, all at once."""
    delta = base64.b64encode(LOUD).decode()
    kind = "response.output_audio.delta"
    return [piece(time, kind, number, delta=delta) for _ in range(count)]


def heard_by_turn_detection(start: float, end: float, item: str) -> list[Json]:
    """What the server says about speech that began with the recording's audio."""
    began = "input_audio_buffer.speech_started"
    ended = "input_audio_buffer.speech_stopped"
    ms = {"audio_start_ms": int(1000 * start)}
    end_ms = {"audio_end_ms": int(1000 * end)}
    return [
        said(start + 0.2, began, item_id=item, **ms),
        said(end, ended, item_id=item, **end_ms),
        said(end + 0.01, "input_audio_buffer.committed", item_id=item),
    ]


def recorded(path: Path, *parts: Json | Sequence[Json], **session: Any) -> Timeline:
    """Return the timeline of a recording, put in order."""
    lines = [line for part in parts for line in ([part] if "time" in part else part)]
    header = {
        "realtime_sync_recording": 1,
        "started": WALL,
        "dialect": "ga",
        "kind": "realtime",
        "created": {
            "type": "session.created",
            "event_id": "event_1",
            "session": {**SESSION, **session},
        },
    }
    ordered = sorted(lines, key=lambda line: line["time"])  # type: ignore[call-overload, index]
    text = "".join(
        json.dumps({"wall": WALL, **line}) + "\n" for line in [header, *ordered]
    )
    file = path / "call.jsonl"
    file.write_text(text)
    return timeline(file)


def one(found: Timeline) -> Turn:
    (turn,) = found.turns()
    return turn


def near(expected: Any) -> Any:
    return pytest.approx(expected, abs=0.001)


TURN = [
    *spoken(0.0, 4.0),
    *heard_by_turn_detection(1.0, 3.0, "item_u"),
    response(3.1, "response.created"),
    *speech(3.5, count=20),
    piece(3.6, "response.output_audio_transcript.delta", delta="Hello."),
    response(3.7, "response.done", status="completed"),
]

# The table


def test_turn_found_by_the_server(tmp_path: Path) -> None:
    """A turn has its moments, and speech ends before the silence that tells its end."""
    transcript = said(
        3.2,
        "conversation.item.input_audio_transcription.completed",
        item_id="item_u",
        content_index=0,
        transcript="Hi there.",
        usage={"type": "duration", "seconds": 2},
    )
    turn = one(recorded(tmp_path, TURN, transcript))

    assert (near(1.0), near(2.5)) == (turn.speech_started, turn.speech_ended)
    assert (near(3.01), near(3.1), near(3.5)) == (
        turn.committed,
        turn.created,
        turn.first_audio,
    )
    assert (near(0.51), near(1.0), near(1.1)) == (
        turn.to_commit,
        turn.to_first_audio,
        turn.to_last,
    )
    assert ("Hi there.", "Hello.", "completed", None) == (
        turn.transcript,
        turn.answer,
        turn.status,
        turn.interrupted,
    )


def test_turn_that_the_client_commits(tmp_path: Path) -> None:
    """Without turn detection speech ends with the last audio before the commit."""
    turn = one(
        recorded(
            tmp_path,
            spoken(1.0, 2.0),
            sent(2.5, "input_audio_buffer.commit"),
            said(2.6, "input_audio_buffer.committed", item_id="item_u"),
            sent(2.7, "response.create"),
            response(2.8, "response.created"),
            speech(3.0),
            audio={"input": {"turn_detection": None}},
        )
    )

    assert (near(1.0), near(2.0), near(2.6), near(2.7)) == (
        turn.speech_started,
        turn.speech_ended,
        turn.committed,
        turn.asked,
    )
    assert (near(1.0), None) == (turn.to_first_audio, turn.done)


def test_written_turn(tmp_path: Path) -> None:
    """A written turn begins when it is sent; a response in text has no audio."""
    content = [{"type": "input_text", "text": "Hello?"}]
    item = {"type": "message", "role": "user", "content": content}
    turn = one(
        recorded(
            tmp_path,
            sent(1.0, "conversation.item.create", item=item),
            sent(1.1, "response.create"),
            response(1.2, "response.created"),
            piece(1.5, "response.output_text.delta", delta="Yes."),
        )
    )

    assert (near(1.0), near(1.5), None) == (
        turn.speech_ended,
        turn.first_output,
        turn.first_audio,
    )
    assert ("Hello?", "Yes.", near(0.5)) == (turn.transcript, turn.answer, turn.to_last)


def test_function_belongs_to_its_turn(tmp_path: Path) -> None:
    """What the model says after a function's output answers the same turn."""
    output = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    arguments = {"call_id": "call_1", "name": "weather", "arguments": "{}"}
    found = recorded(
        tmp_path,
        spoken(0.0, 4.0),
        heard_by_turn_detection(1.0, 3.0, "item_u"),
        response(3.1, "response.created"),
        piece(3.3, "response.function_call_arguments.done", **arguments),
        response(3.4, "response.done", status="completed"),
        sent(4.0, "conversation.item.create", item=output),
        sent(4.0, "response.create"),
        response(4.1, "response.created", 2),
        speech(4.5, 2),
        response(4.6, "response.done", 2, status="completed"),
    )
    turn = one(found)

    assert (("weather",), ("resp_1", "resp_2")) == (turn.function_calls, turn.responses)
    assert (near(2.0), near(3.1), near(3.3)) == (
        turn.to_first_audio,
        turn.created,
        turn.first_output,
    )
    assert 1 == found.summary().function_calls


def test_truncation(tmp_path: Path) -> None:
    """What was truncated was not heard, to the millisecond that the client told."""
    cut = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 700}
    found = recorded(tmp_path, TURN, sent(4.5, "conversation.item.truncate", **cut))

    assert near(4.2) == one(found).interrupted
    assert near(0.7) == found.summary().model_speech
    assert 1 == found.summary().interruptions


def test_cancellation(tmp_path: Path) -> None:
    """A cancelled response falls silent when the user begins to speak."""
    found = recorded(
        tmp_path,
        spoken(0.0, 6.0),
        heard_by_turn_detection(1.0, 3.0, "item_u"),
        response(3.1, "response.created"),
        speech(3.5, count=20),
        heard_by_turn_detection(4.0, 5.5, "item_v"),
        response(4.3, "response.done", status="cancelled"),
    )
    first = found.turns()[0]

    assert (near(4.2), "cancelled") == (first.interrupted, first.status)
    assert near(0.7) == found.summary().model_speech


def test_speaking_over_what_goes_on(tmp_path: Path) -> None:
    """Speech that cancels and truncates nothing interrupts nothing."""
    more = heard_by_turn_detection(3.6, 4.0, "item_v")
    found = recorded(tmp_path, TURN, more)

    assert [None, None] == [turn.interrupted for turn in found.turns()]
    assert near(2.0) == found.summary().model_speech


def test_greeting(tmp_path: Path) -> None:
    """A response to nobody is a turn without a user."""
    turn = one(recorded(tmp_path, response(1.0, "response.created"), speech(1.5)))

    assert (None, near(1.5), None) == (
        turn.speech_ended,
        turn.first_audio,
        turn.to_first_audio,
    )


def test_request_that_was_noted_late(tmp_path: Path) -> None:
    """A request that was recorded after its response still belongs to it."""
    turn = one(
        recorded(
            tmp_path,
            response(1.000, "response.created"),
            sent(1.001, "response.create"),
            response(2.0, "response.done", status="completed"),
        )
    )

    assert near(1.0) == turn.asked


def test_summary(tmp_path: Path) -> None:
    """The summary adds up who spoke when, and what went wrong."""
    error = {"type": "server_error", "code": "oops", "message": "no"}
    end = {"code": 1011, "reason": "bad", "initiated_by": "server"}
    found = recorded(
        tmp_path,
        TURN,
        said(3.8, "error", error=error),
        {"time": 3.9, "gap": {"events": 7, "bytes": 70}},
        {"time": 6.0, "notice": {"name": "Reconnected", "fields": {}}},
        {"time": 10.0, "end": end},
    )
    summary = found.summary()

    assert (near(1.5), near(2.0), near(6.5), near(4.5)) == (
        summary.user_speech,
        summary.model_speech,
        summary.silence,
        summary.longest_silence,
    )
    assert (10.0, 1, 2, 1, 7) == (
        summary.duration,
        summary.turns,
        summary.errors,
        summary.reconnects,
        summary.lost,
    )
    assert near(1.0) == summary.first_audio_p50
    assert "first audio p95" in str(summary)


def test_percentiles(tmp_path: Path) -> None:
    """Percentiles lie between the nearest two turns."""
    parts: list[Json] = []
    for number in range(5):
        begin = 10.0 * number
        parts += [
            *spoken(begin, begin + 1.0),
            said(begin + 1.0, "input_audio_buffer.committed", item_id=f"u{number}"),
            response(begin + 1.1, "response.created", number),
            *speech(begin + 2.0 + number, number),
        ]
    summary = recorded(tmp_path, parts).summary()

    assert (near(3.0), near(4.8)) == (summary.first_audio_p50, summary.first_audio_p95)


def test_rows_as_mappings(tmp_path: Path) -> None:
    """A row can be handed to a table, latencies included."""
    row = one(recorded(tmp_path, TURN)).as_dict()

    assert {"index", "speech_ended", "to_first_audio", "answer"} <= set(row)
    assert near(1.0) == row["to_first_audio"]


def test_telephone(tmp_path: Path) -> None:
    """Audio of telephones has eight bits and 8,000 Hz."""
    audio_format = {"format": {"type": "audio/pcmu"}}
    found = recorded(
        tmp_path,
        response(1.0, "response.created"),
        speech(1.5),
        audio={"output": audio_format, "input": {**audio_format}},
    )

    assert near(0.6) == found.summary().model_speech


def test_audio_that_was_left_out(tmp_path: Path) -> None:
    """Without its audio a recording still tells how long it was."""
    (delta,) = speech(1.5)
    delta["event"]["delta"] = ""
    line = {**delta, "audio": {"bytes": 4800}}
    found = recorded(tmp_path, response(1.0, "response.created"), line)

    assert near(0.1) == found.summary().model_speech


# Where it comes from


def test_sources(tmp_path: Path) -> None:
    """A path, a recording and a timeline are all taken."""
    found = recorded(tmp_path, TURN)
    path = tmp_path / "call.jsonl"

    assert found is timeline(found)
    assert found.turns() == timeline(str(path)).turns()
    assert found.turns() == timeline(read_recording(path)).turns()
    assert "1 turns" in repr(found)


def test_bad_sources(connection: RealtimeConnection, tmp_path: Path) -> None:
    """What keeps no past, and what is no recording, is refused."""
    (tmp_path / "x").write_text("x")
    with pytest.raises(TypeError, match="TimelineCollector"):
        timeline(connection)  # type: ignore[arg-type]
    with pytest.raises(RecordingError):
        timeline(tmp_path / "x")


def test_live(connection: RealtimeConnection, transport: FakeTransport) -> None:
    """A collector shows a connection while it goes on, and after its end."""
    done = threading.Event()
    connection.on("response.done", lambda event: done.set())
    with TimelineCollector(connection) as collector:
        before = collector.timeline()
        connection.append_input_audio(LOUD)
        connection.flush(WAIT)
        lines = [
            response(0.0, "response.created"),
            *speech(0.0, count=10),
            response(0.0, "response.done", status="completed"),
        ]
        transport.feed(*[line["event"] for line in lines], b"{")
        done.wait(WAIT)
        during = timeline(collector)
        transport.feed_close(1011, "oops")
        connection.wait_closed(WAIT)
        after = collector.timeline()
    last = collector.timeline()

    assert ([], 1) == (before.turns(), len(during.turns()))
    assert during.turns() == last.turns()
    assert near(1.0) == during.summary().model_speech
    assert (1, 2) == (during.summary().errors, after.summary().errors)


# The picture


def is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["call.png", "call.svg", "call.pdf"])
def test_files(tmp_path: Path, name: str) -> None:
    """The picture is saved in the form that the name says."""
    recorded(tmp_path, TURN).plot(tmp_path / name)
    beginning = (tmp_path / name).read_bytes()[:200]

    assert any(mark in beginning for mark in (b"PNG", b"<?xml", b"%PDF"))


def test_sample_in_all_forms() -> None:
    """A real session is drawn, in detail, with words."""
    found = timeline(SAMPLE)

    assert is_png(found.png())
    assert is_png(found._repr_png_() or b"")
    assert found.svg(title="A title").startswith("<?xml")
    assert ["Yes.", "Rain.", "No."] == [turn.answer for turn in found.turns()]


def test_everything_that_can_be_drawn(tmp_path: Path) -> None:
    """Calls, interruptions, errors, gaps, reconnects and open ends are drawn."""
    cut = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 700}
    error = {"type": "server_error", "message": "words " * 30}
    call = {"call_id": "call_1", "name": "weather", "arguments": "{}"}
    parts = [
        *TURN,
        sent(4.5, "conversation.item.truncate", **cut),
        said(4.6, "input_audio_buffer.cleared"),
        said(4.7, "error", error=error),
        {"time": 4.8, "gap": {"events": 7, "bytes": 70}},
        {"time": 5.0, "notice": {"name": "Reconnected", "fields": {}}},
        response(6.0, "response.created", 2),
        piece(6.2, "response.function_call_arguments.done", 2, **call),
        response(6.3, "response.done", 2, status="failed"),
        response(7.0, "response.created", 3),
        *speech(7.1, 3),
    ]
    found = recorded(tmp_path, parts)
    later = [{**part, "time": part["time"] + 300} for part in parts]
    overview = recorded(tmp_path, parts, later)

    assert is_png(found.png())
    assert is_png(overview.png())
    assert is_png(overview.png(start=0.0, end=20.0))


def test_nothing_at_all(tmp_path: Path) -> None:
    """An empty session has an empty picture, short or long."""
    found = recorded(tmp_path)
    end = {"code": 1000, "reason": "", "initiated_by": "client"}
    long = recorded(tmp_path, {"time": 1000.0, "end": end})

    assert is_png(found.png())
    assert is_png(long.png())
    assert (0, None) == (found.summary().turns, found.summary().first_audio_p50)


def test_into_a_figure(tmp_path: Path) -> None:
    """A figure of the caller's is drawn into, and there is no global state."""
    from matplotlib.figure import Figure

    figure = Figure()
    drawn = recorded(tmp_path, TURN).plot(figure)

    assert drawn is figure
    assert figure.axes


def test_no_global_state(tmp_path: Path) -> None:
    """Drawing does not import pyplot, and the table not even matplotlib."""
    code = (
        "import sys; from realtime_sync.timeline import timeline\n"
        f"found = timeline({str(SAMPLE)!r}); found.turns(); found.summary()\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"found.plot({str(tmp_path / 'x.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib the error says what to install, and a cell shows text."""
    found = recorded(tmp_path, TURN)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"realtime_sync\[plot\]"):
        found.plot()

    assert found._repr_png_() is None


def test_empty_window(tmp_path: Path) -> None:
    """A picture that ends before it begins is refused."""
    with pytest.raises(ValueError, match="begins at"):
        recorded(tmp_path, TURN).plot(start=3.0, end=2.0)
