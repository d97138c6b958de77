"""The emulator plays the server's side of a recording to any client."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from emulated import Client, of_type, one, types

from realtime_sync import RealtimeClient, RealtimeConnection, ServerError
from realtime_sync._recording.reader import Recording
from realtime_sync.audio import ulaw_encode
from realtime_sync.emulator import EmulatorSettings, ManualClock, RealtimeEmulator
from realtime_sync.emulator._recorded_script import Script
from realtime_sync.emulator.recorded import RecordedSession
from realtime_sync.protocol import ServerEvent
from realtime_sync.protocol.codec import encode
from realtime_sync.recording import RecordingError


Json = dict[str, Any]

SAMPLE = Path(__file__).parents[1] / "recordings" / "format1.jsonl"
WALL = "2026-01-02T03:04:05.678901+00:00"
SESSION: Json = {"type": "realtime", "id": "sess_1", "instructions": "Be brief."}
MESSAGE: Json = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "Hello."}],
}


def sent(time: float, kind: str, **fields: Any) -> Json:
    return {"time": time, "direction": "sent", "event": {"type": kind, **fields}}


def said(time: float, kind: str, **fields: Any) -> Json:
    event = {"type": kind, "event_id": f"event_{kind}", **fields}
    return {"time": time, "direction": "received", "event": event}


def response(time: float, kind: str, **fields: Any) -> Json:
    return said(time, kind, response={"id": "resp_1", "output": [], **fields})


def append(time: float, size: int) -> Json:
    audio = base64.b64encode(bytes(size)).decode()
    return sent(time, "input_audio_buffer.append", audio=audio)


def script(path: Path, *lines: Json, dialect: str = "ga") -> Script:
    """Return the script of a recording of *lines*."""
    header = {
        "realtime_sync_recording": 1,
        "started": WALL,
        "dialect": dialect,
        "kind": "realtime",
        "created": {"type": "session.created", "session": SESSION},
    }
    text = "".join(
        json.dumps({"wall": WALL, **line}) + "\n" for line in (header, *lines)
    )
    file = path / "call.jsonl"
    file.write_text(text)
    return Script(Recording(file))


class Recorded(Client):
    """A client of a recorded session, on a clock of its own."""

    def __init__(self, script: Script, **options: Any) -> None:
        clock = ManualClock()
        options.setdefault("settings", EmulatorSettings.instant())
        machine = RecordedSession(script, clock=clock, **options)
        super().__init__(machine, dialect=options.get("dialect", "ga"))
        self.clock = clock

    def _note(self, events: list[ServerEvent]) -> None:
        # Recordings are taken as they are, so their form is not the emulator's matter.
        self.events += [json.loads(encode(event, self.dialect)) for event in events]


# In step


def test_begins_with_the_session(tmp_path: Path) -> None:
    """A recording that begins later still begins with the session as it was."""
    client = Recorded(script(tmp_path))

    assert ["session.created"] == types(client.events)
    assert SESSION["instructions"] == client.events[0]["session"]["instructions"]
    assert "sess_1" == client.machine.id


def test_session_ends_as_late_as_it_did_then(tmp_path: Path) -> None:
    """A session has as long to live as it had when it was recorded."""
    began = datetime.fromisoformat(WALL).timestamp()
    session = {**SESSION, "expires_at": int(began) + 1800}
    recorded = script(tmp_path, said(0.0, "session.created", session=session))
    client = Recorded(recorded)
    (created,) = client.events

    assert abs(created["session"]["expires_at"] - client.clock.epoch() - 1800) < 2


def test_each_event_waits_for_what_was_sent_before_it(tmp_path: Path) -> None:
    """What the server said comes once the client has sent what came before it."""
    client = Recorded(
        script(
            tmp_path,
            sent(1.0, "response.create"),
            response(1.1, "response.created"),
            sent(1.2, "input_audio_buffer.commit"),
            said(1.3, "input_audio_buffer.committed", item_id="item_1"),
            response(1.4, "response.done"),
        )
    )
    first = client.send("response.create")
    second = client.send("input_audio_buffer.commit")

    assert ["response.created"] == types(first)
    assert ["input_audio_buffer.committed", "response.done"] == types(second)


def test_order_of_other_types_is_free(tmp_path: Path) -> None:
    """Events are matched by type: another order of types waits, and is not lost."""
    client = Recorded(
        script(
            tmp_path,
            sent(1.0, "conversation.item.create", item={**MESSAGE, "id": "msg_1"}),
            said(1.1, "conversation.item.added", item={**MESSAGE, "id": "msg_1"}),
            sent(1.2, "response.create"),
            response(1.3, "response.created"),
        )
    )
    early = client.send("response.create")
    late = client.write("Hello.", id="msg_1")

    assert [] == early
    assert ["conversation.item.added", "response.created"] == types(late)


def test_waits_as_long_as_it_was(tmp_path: Path) -> None:
    """Delays are those of the recording, divided by the speed."""
    client = Recorded(
        script(
            tmp_path,
            sent(10.0, "response.create"),
            response(14.0, "response.created"),
            response(18.0, "response.done"),
        ),
        settings=EmulatorSettings(speed=4.0),
    )
    at_once = client.send("response.create")
    early = client.pass_time(0.9)
    after_one = client.pass_time(0.2)
    after_two = client.pass_time(1.0)

    assert ([], []) == (at_once, early)
    assert ["response.created"] == types(after_one)
    assert ["response.done"] == types(after_two)


def test_answer_that_was_noted_first(tmp_path: Path) -> None:
    """An acknowledgement that was recorded before its command still waits for it."""
    client = Recorded(
        script(
            tmp_path,
            said(1.000, "session.updated", session=SESSION),
            sent(1.001, "session.update", session={"type": "realtime"}),
        )
    )
    before = types(client.events)
    after = client.update()

    assert ["session.created"] == before
    assert ["session.updated"] == types(after)


def test_audio_counts_by_bytes(tmp_path: Path) -> None:
    """However audio is cut, it is heard when as much of it has come."""
    client = Recorded(
        script(
            tmp_path,
            append(1.0, 3000),
            append(1.1, 3000),
            said(
                1.2, "input_audio_buffer.speech_started", item_id="i", audio_start_ms=0
            ),
            append(1.3, 3000),
        )
    )
    audio = base64.b64encode(bytes(2000)).decode()
    heard = [client.send("input_audio_buffer.append", audio=audio) for _ in range(4)]

    assert [[], [], ["input_audio_buffer.speech_started"], []] == [
        types(each) for each in heard
    ]


def test_less_audio(tmp_path: Path) -> None:
    """A client that sends less audio is not held up once it commits it."""
    client = Recorded(
        script(
            tmp_path,
            append(1.0, 3000),
            sent(1.1, "input_audio_buffer.commit"),
            said(1.2, "input_audio_buffer.committed", item_id="item_1"),
        )
    )

    assert ["input_audio_buffer.committed"] == types(
        client.send("input_audio_buffer.commit")
    )


def test_interruption_that_does_not_happen(tmp_path: Path) -> None:
    """A client that interrupts nothing this time gets on with the next turn."""
    cut = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 5}
    client = Recorded(
        script(
            tmp_path,
            sent(1.0, "response.cancel"),
            sent(1.0, "conversation.item.truncate", **cut),
            said(1.1, "conversation.item.truncated", **cut),
            sent(2.0, "response.create"),
            response(2.1, "response.created"),
        )
    )

    assert ["response.created"] == types(client.send("response.create"))


def test_ends_as_the_server_ended_it(tmp_path: Path) -> None:
    """The server's close comes at its place, with its code."""
    end = {"code": 1001, "reason": "too old", "initiated_by": "server"}
    client = Recorded(
        script(tmp_path, sent(1.0, "response.create"), {"time": 2.0, "end": end})
    )
    before = client.machine.ending
    client.send("response.create")

    assert before is None
    assert (1001, "too old") == (
        client.machine.ending.code,
        client.machine.ending.reason,
    )


# Ids


def test_ids_of_this_client(tmp_path: Path) -> None:
    """Ids and metadata that the client chose take the place of the recorded ones."""
    details = {"type": "invalid_request_error", "message": "no", "event_id": "event_a"}
    client = Recorded(
        script(
            tmp_path,
            sent(1.0, "conversation.item.create", item={**MESSAGE, "id": "msg_a"}),
            said(1.1, "conversation.item.added", item={**MESSAGE, "id": "msg_a"}),
            sent(1.2, "response.create", event_id="event_a", response={"metadata": {}}),
            response(1.3, "response.created", metadata=None),
            response(1.4, "response.done", metadata=None),
            said(1.5, "error", error=details),
        )
    )
    added = client.write("Hello.", id="msg_b")
    answers = client.send(
        "response.create", event_id="event_b", response={"metadata": {"turn": "7"}}
    )

    assert "msg_b" == one(added, "conversation.item.added")["item"]["id"]
    assert [{"turn": "7"}, {"turn": "7"}] == [
        each["response"]["metadata"] for each in answers if "response" in each
    ]
    assert "event_b" == one(answers, "error")["error"]["event_id"]


def test_ids_that_the_server_chose(tmp_path: Path) -> None:
    """An item that had no name when it was recorded gets the one it has now."""
    output = {"type": "function_call_output", "call_id": "call_1", "output": "1"}
    call = {
        "type": "function_call",
        "name": "f",
        "arguments": "{}",
        "call_id": "call_1",
    }
    client = Recorded(
        script(
            tmp_path,
            said(0.99, "conversation.item.added", item={**call, "id": "item_1"}),
            sent(1.0, "conversation.item.create", item=output),
            said(1.1, "conversation.item.added", item={**output, "id": "item_2"}),
        )
    )
    answer = client.send("conversation.item.create", item={**output, "id": "item_mine"})

    assert "item_1" == one(client.events[:-1], "conversation.item.added")["item"]["id"]
    assert "item_mine" == one(answer, "conversation.item.added")["item"]["id"]


# What was not recorded


def test_more_than_was_recorded(tmp_path: Path) -> None:
    """A command that the recording does not have is refused, with what it waits for."""
    client = Recorded(script(tmp_path, sent(1.0, "input_audio_buffer.commit")))
    (refusal,) = client.send("response.create", event_id="event_1")

    assert ("not_in_recording", "event_1") == (
        refusal["error"]["code"],
        refusal["error"]["event_id"],
    )
    assert "input_audio_buffer.commit" in refusal["error"]["message"]


def test_harmless_extras(tmp_path: Path) -> None:
    """Settings, clears and truncations are acknowledged, cancels are ignored."""
    client = Recorded(script(tmp_path))
    update = client.update(instructions="Be long.")
    clear = client.send("input_audio_buffer.clear")
    truncate = client.send(
        "conversation.item.truncate", item_id="item_1", content_index=0, audio_end_ms=7
    )
    cancel = client.send("response.cancel")

    assert "Be brief." == one(update, "session.updated")["session"]["instructions"]
    assert ["input_audio_buffer.cleared"] == types(clear)
    assert 7 == one(truncate, "conversation.item.truncated")["audio_end_ms"]
    assert [] == cancel


def test_settings_before_the_recording(tmp_path: Path) -> None:
    """Settings of a client that sets up first are not taken for the recorded ones."""
    client = Recorded(
        script(
            tmp_path,
            sent(1.0, "input_audio_buffer.commit"),
            said(1.1, "input_audio_buffer.committed", item_id="item_1"),
            sent(2.0, "session.update", session={"type": "realtime"}),
            said(2.1, "session.updated", session={**SESSION, "instructions": "New."}),
        )
    )
    early = client.update()
    client.send("input_audio_buffer.commit")
    late = client.update()

    assert "Be brief." == one(early, "session.updated")["session"]["instructions"]
    assert "New." == one(late, "session.updated")["session"]["instructions"]


# Over a network


@pytest.fixture(name="client")
def _client() -> Iterator[RealtimeClient]:
    """A client of an emulator that plays the sample."""
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(recording=SAMPLE, settings=settings) as emulator:
        yield RealtimeClient(emulator.endpoint, "key", model="any", proxy="")


def weather(city: str) -> str:
    """Tell the weather."""
    return f"Rain in {city}."


def converse(connection: RealtimeConnection) -> list[str]:
    """Do what the client of the sample did; return what it heard."""
    heard = [
        connection.ask("Is it late?").text,
        connection.ask("What is the weather in Oslo?").text,
    ]
    connection.append_input_audio(ulaw_encode(bytes(32_000)))
    connection.commit_input_audio()
    heard.append(connection.create_response().result(timeout=60).transcript)
    with pytest.raises(ServerError, match="item_unknown"):
        connection.delete_item("item_unknown")
    return heard


def test_sample(client: RealtimeClient) -> None:
    """The program that was recorded hears the same again, as often as it likes."""
    session = {"type": "realtime", "instructions": "Be brief."}
    for _ in range(2):
        with client.connect(session=session, functions=[weather]) as connection:
            assert ["Yes.", "Rain.", "No."] == converse(connection)


def test_another_dialect() -> None:
    """A client that speaks the other dialect is told the same."""
    client = Recorded(Script(Recording(SAMPLE)), dialect="preview")
    message = {**MESSAGE, "content": [{"type": "input_text", "text": "Is it late?"}]}
    client.send("conversation.item.create", item=message)
    answer = client.send("response.create")

    assert of_type(answer, "response.audio.delta")
    assert ["response.done"] == types(answer)[-1:]


def test_no_recording(tmp_path: Path) -> None:
    """An emulator of a file that is no recording is refused at once."""
    path = tmp_path / "call.jsonl"
    path.write_text("{}\n")
    with pytest.raises(RecordingError, match="is no recording"):
        RealtimeEmulator(recording=path)
