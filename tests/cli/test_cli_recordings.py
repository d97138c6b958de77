"""`record`, `replay`, `inspect` and `timeline`."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import QUESTION, Run

from realtime_sync.emulator import Fault, RealtimeEmulator
from realtime_sync.recording import read_recording


@pytest.fixture(name="call")
def _call(service: list[str], run: Run, tmp_path: Path) -> Path:
    """A recording of one question and its answer."""
    ran = run("record", "call.jsonl", QUESTION, *service)

    assert 0 == ran.code
    return tmp_path / "call.jsonl"


def test_record(service: list[str], run: Run, tmp_path: Path) -> None:
    """A conversation is held as by `talk`, and written to the file."""
    ran = run("record", "call.jsonl", QUESTION, *service, "--audio", "wav", "--json")
    answer, recorded = ran.objects
    types = [each.type for each in read_recording(tmp_path / "call.jsonl").events()]

    assert ("answer", "recorded") == (answer["event"], recorded["event"])
    assert len(types) == recorded["events"]
    assert {"input_audio_buffer.append", "response.done"} <= set(types)
    assert (tmp_path / "call.received.wav").stat().st_size > 44
    assert not (tmp_path / "answer.wav").exists()


def test_record_replaces_nothing_unasked(
    call: Path, service: list[str], run: Run
) -> None:
    """A recording that there is stays, unless --overwrite is given."""
    refused = run("record", call, QUESTION, *service)
    replaced = run("record", call, QUESTION, *service, "--overwrite")

    assert 1 == refused.code
    assert "--overwrite" in refused.err
    assert 0 == replaced.code


def test_record_what_went_wrong(
    emulator: RealtimeEmulator, service: list[str], run: Run, tmp_path: Path
) -> None:
    """What was recorded up to an error is there, and the error is told."""
    emulator.inject(Fault.close(1011, "bye", at="response.created"))
    ran = run("record", "call.jsonl", QUESTION, *service)

    assert 5 == ran.code
    assert "events in call.jsonl\n" in ran.out
    assert (
        "closed by the server with code 1011: bye"
        in run("inspect", "call.jsonl").out.splitlines()[-1]
    )


def test_inspect_shows_lines(call: Path, run: Run) -> None:
    """Each event is a line with time, direction and type, and without audio."""
    ran = run("inspect", call)
    head, *lines = ran.out.splitlines()

    assert head.startswith("realtime session, ga dialect, of ")
    assert any(" > input_audio_buffer.commit" in line for line in lines)
    assert any(" < response.done" in line for line in lines)
    assert max(map(len, lines)) < 1100


def test_inspect_chooses(call: Path, run: Run) -> None:
    """Patterns choose types, and --json makes objects."""
    ran = run("inspect", call, "-t", "response.d*", "-t", "end", "--json")

    assert ["recording", "entry", "entry"] == [each["event"] for each in ran.objects]
    assert ["response.done", "end"] == [each["type"] for each in ran.objects[1:]]


def test_replay(call: Path, run: Run) -> None:
    """A replay shows what both sides said."""
    ran = run("replay", call, "--fast")

    assert 0 == ran.code
    assert "you:    " in ran.out
    assert "answer: " in ran.out


def test_replay_for_machines(call: Path, run: Run) -> None:
    """With --json every event of the server is an object, without audio."""
    ran = run("replay", call, "--fast", "--json")
    deltas = [
        each["payload"]["delta"]
        for each in ran.objects
        if each["payload"]["type"] == "response.output_audio.delta"
    ]

    assert deltas
    assert all(delta.endswith(" bytes>") for delta in deltas)


def test_timeline(call: Path, run: Run) -> None:
    """Each turn is a row, and a summary follows."""
    ran = run("timeline", call)
    title, turn, *_ = ran.out.splitlines()

    titles = ["turn", "began", "commit", "created", "audio", "last", "ended"]
    assert titles == title.split()
    assert turn.split()[0] == "1"
    assert "completed" in turn
    assert "first audio p50" in ran.out


def test_timeline_for_machines(call: Path, run: Run) -> None:
    """With --json turns and summary are objects."""
    ran = run("timeline", call, "--json")

    assert ["turn", "summary"] == [each["event"] for each in ran.objects]
    assert 1 == ran.objects[-1]["turns"]


def test_timeline_as_a_picture(call: Path, run: Run, tmp_path: Path) -> None:
    """With -o it is drawn."""
    pytest.importorskip("matplotlib")
    ran = run("timeline", call, "-o", "call.svg", "--title", "One question")

    assert "wrote call.svg\n" == ran.out
    assert "<svg" in (tmp_path / "call.svg").read_text()


@pytest.mark.parametrize("command", ["inspect", "replay", "timeline"])
def test_what_is_no_recording(command: str, run: Run, tmp_path: Path) -> None:
    """A file that is no recording is told, and that the doctor has no cure for it."""
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n')
    ran = run(command, "x.jsonl")
    what, remedy = ran.err.splitlines()

    assert 1 == ran.code
    assert "'x.jsonl' is no recording" in what
    assert "name a file that 'realtime-sync record'" in remedy
