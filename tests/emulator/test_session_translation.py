"""Translation sessions: speech in, speech in another language out."""

from __future__ import annotations

import base64
import json

import pytest
from emulated import SILENCE, TONES, Json, error, numbered_ids, of_type, one, types
from openai_models import check_event

from realtime_sync.emulator import EmulatorSettings, ManualClock
from realtime_sync.emulator._translation import TranslationMachine
from realtime_sync.protocol.codec import encode


class Translated:
    """Speaks to a translation session, as JSON."""

    def __init__(self) -> None:
        self.machine = TranslationMachine(
            settings=EmulatorSettings.instant(),
            clock=ManualClock(),
            new_id=numbered_ids(),
            speech=lambda: TONES,
            translate=lambda text, language: f"{text} in {language}",
        )
        self.events: list[Json] = []
        self._note(self.machine.start())

    def send(self, name: str, **fields: object) -> list[Json]:
        before = len(self.events)
        message = json.dumps({"type": name, **fields})
        self._note(self.machine.receive_message(message))
        for work in self.machine.take_work():
            self._note(self.machine.complete(work.run()))
        while more := self.machine.advance():
            self._note(more)
        return self.events[before:]

    def hear(self, pcm: bytes) -> list[Json]:
        audio = base64.b64encode(pcm).decode()
        return self.send("session.input_audio_buffer.append", audio=audio)

    def _note(self, events: list[object]) -> None:
        for event in events:
            payload = json.loads(encode(event))  # type: ignore[arg-type]
            if payload["type"] != "error":
                check_event(payload, "translation")
            self.events.append(payload)


@pytest.fixture(name="client")
def _client() -> Translated:
    return Translated()


def text_of(events: list[Json], side: str) -> str:
    deltas = of_type(events, f"session.{side}_transcript.delta")
    return "".join(event["delta"] for event in deltas)


def test_created(client: Translated) -> None:
    """A session says what it translates into."""
    session = one(client.events, "session.created")["session"]

    assert "translation" == session["type"]
    assert {"language": "en"} == session["audio"]["output"]


def test_translates(client: Translated) -> None:
    """What was said is spoken in the other language, with its transcript."""
    client.send("session.update", session={"audio": {"output": {"language": "fr"}}})
    events = client.hear(TONES.speak("good day") + SILENCE)
    deltas = of_type(events, "session.output_audio.delta")
    spoken = b"".join(base64.b64decode(event["delta"]) for event in deltas)

    assert " good day in fr" == text_of(events, "output")
    assert "" == text_of(events, "input")
    assert "good day in fr" == TONES.transcribe(spoken)
    assert {0} == {event["elapsed_ms"] % 200 for event in deltas}


def test_input_transcript(client: Translated) -> None:
    """What was heard is written down where the client wants it."""
    transcription = {"model": "gpt-realtime-whisper"}
    client.send(
        "session.update", session={"audio": {"input": {"transcription": transcription}}}
    )
    events = client.hear(TONES.speak("good day") + SILENCE)

    assert " good day" == text_of(events, "input")


def test_close_flushes(client: Translated) -> None:
    """A session that is closed first says what is left."""
    client.hear(TONES.speak("good day"))
    events = client.send("session.close")

    assert " good day in en" == text_of(events, "output")
    assert "session.closed" == types(events)[-1]
    assert client.machine.ending is not None
    assert 1000 == client.machine.ending.code


def test_update_keeps_the_rest(client: Translated) -> None:
    """Only what is present changes."""
    noise = {"type": "near_field"}
    client.send(
        "session.update", session={"audio": {"input": {"noise_reduction": noise}}}
    )
    updated = client.send(
        "session.update", session={"audio": {"output": {"language": "de"}}}
    )[0]

    assert noise == updated["session"]["audio"]["input"]["noise_reduction"]
    assert "de" == updated["session"]["audio"]["output"]["language"]


def test_failure(client: Translated) -> None:
    """A translator that fails is reported, and the session goes on."""

    def fail(text: str, language: str) -> str:
        raise RuntimeError("no words")

    client.machine._translate = fail
    events = client.hear(TONES.speak("good day") + SILENCE)
    closing = client.send("session.close")

    assert "server_error" == error(events)["type"]
    assert ["session.closed"] == types(closing)


def test_wrong_type(client: Translated) -> None:
    """A value of the wrong type is refused."""
    audio = {"output": {"language": 7}}
    events = client.send("session.update", session={"audio": audio})

    assert "invalid_type" == error(events)["code"]


@pytest.mark.parametrize("name", ["format", "turn_detection"])
def test_fixed_input(client: Translated, name: str) -> None:
    """Translations have one format, and listen without turns."""
    audio = {"input": {name: None}}
    events = client.send("session.update", session={"audio": audio})

    assert f"session.audio.input.{name}" == error(events)["param"]


def test_events_of_conversations(client: Translated) -> None:
    """Events of other sessions are unknown here."""
    assert "type" == error(client.send("response.create"))["param"]


@pytest.mark.parametrize("session", [{"instructions": "x"}, {"model": "other"}])
def test_fixed(client: Translated, session: Json) -> None:
    """What is fixed, or not there at all, cannot be updated."""
    assert ["error"] == types(client.send("session.update", session=session))
