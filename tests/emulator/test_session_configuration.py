"""What a session starts with, what a client may change, and how it is refused."""

from __future__ import annotations

import pytest
from emulated import Client, Json, error, one, types

from realtime_sync.emulator import EmulatorSettings, Session
from realtime_sync.emulator._translation import TranslationMachine
from realtime_sync.protocol import CLIENT_EVENTS, TRANSLATION_CLIENT_EVENTS


@pytest.fixture(name="client")
def _client() -> Client:
    return Client()


def session_of(client: Client) -> Json:
    updated: Json = one(client.events[-1:], "session.updated")["session"]
    return updated


class TestCreated:
    def test_first_events(self, client: Client) -> None:
        """A session begins with its configuration, then its conversation."""
        assert ["session.created", "conversation.created"] == types(client.events)

    def test_expires_at(self, client: Client) -> None:
        """The session says when it will end."""
        session = client.events[0]["session"]

        assert 1_700_000_000 + 3600 == session["expires_at"]
        assert ("realtime.session", "sess_1") == (session["object"], session["id"])

    def test_defaults(self, client: Client) -> None:
        """Turn detection is on, transcription is off, and audio is PCM."""
        audio = client.events[0]["session"]["audio"]

        assert "server_vad" == audio["input"]["turn_detection"]["type"]
        assert audio["input"]["transcription"] is None
        assert {"type": "audio/pcm", "rate": 24000} == audio["output"]["format"]

    def test_transcription(self) -> None:
        """A transcription session has neither a conversation nor a voice."""
        client = Client(transcription=True)

        assert ["session.created"] == types(client.events)
        assert "transcription" == client.events[0]["session"]["type"]
        assert "output" not in client.events[0]["session"]["audio"]

    def test_preview(self) -> None:
        """The preview dialect has a flat session."""
        client = Client(dialect="preview", model="gpt-4o-realtime-preview")
        session = client.events[0]["session"]

        assert "pcm16" == session["input_audio_format"]
        assert "gpt-4o-realtime-preview" == session["model"]
        assert "audio" not in session


class TestMerge:
    def test_only_what_is_present(self, client: Client) -> None:
        """A field that is not sent keeps its value."""
        client.update(instructions="Be brief.")
        client.update(audio={"output": {"voice": "ash"}})
        session = session_of(client)

        assert "Be brief." == session["instructions"]
        assert "ash" == session["audio"]["output"]["voice"]
        assert "server_vad" == session["audio"]["input"]["turn_detection"]["type"]

    def test_empty_values_clear(self, client: Client) -> None:
        """An empty string clears the instructions, an empty list the tools."""
        client.update(tools=[{"type": "function", "name": "f", "parameters": {}}])
        client.update(instructions="", tools=[])
        session = session_of(client)

        assert ("", []) == (session["instructions"], session["tools"])

    def test_null_turns_off(self, client: Client) -> None:
        """A null turns the turn detection off, rather than leave it alone."""
        client.update(audio={"input": {"turn_detection": None}})

        assert session_of(client)["audio"]["input"]["turn_detection"] is None

    def test_turn_detection_is_replaced(self, client: Client) -> None:
        """What a new turn detection leaves out is the default, not the former."""
        client.update(
            audio={
                "input": {"turn_detection": {"type": "server_vad", "threshold": 0.9}}
            }
        )
        client.update(
            audio={
                "input": {
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 700}
                }
            }
        )
        detection = session_of(client)["audio"]["input"]["turn_detection"]

        assert 0.5 == detection["threshold"]
        assert 700 == detection["silence_duration_ms"]
        assert detection["create_response"] is True

    def test_semantic_vad(self, client: Client) -> None:
        """Semantic turn detection has defaults of its own."""
        client.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})

        assert {
            "type": "semantic_vad",
            "eagerness": "auto",
            "create_response": True,
            "interrupt_response": True,
        } == session_of(client)["audio"]["input"]["turn_detection"]

    def test_preview(self) -> None:
        """The preview's flat fields change what they are about."""
        client = Client(dialect="preview")
        client.send("session.update", session={"voice": "ash", "turn_detection": None})
        session = session_of(client)

        assert "ash" == session["voice"]
        assert session["turn_detection"] is None

    def test_transcription_session(self) -> None:
        """A transcription session is updated as one."""
        client = Client(transcription=True)
        transcription = {"model": "whisper-1", "language": "de"}
        client.send(
            "session.update",
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": transcription}},
            },
        )

        assert transcription == session_of(client)["audio"]["input"]["transcription"]

    def test_preview_transcription_session(self) -> None:
        """The preview updates a transcription session by an event of its own."""
        client = Client(transcription=True, dialect="preview")
        answers = client.send(
            "transcription_session.update",
            session={"input_audio_transcription": {"model": "whisper-1"}},
        )

        assert ["transcription_session.updated"] == types(answers)


def wrong(param: str | None, code: str = "invalid_value") -> Json:
    return {
        "type": "invalid_request_error",
        "code": code,
        "param": param,
        "event_id": None,
    }


VAD = "session.audio.input.turn_detection"


class TestRefused:
    @pytest.mark.parametrize(
        ("session", "param"),
        [
            ({"output_modalities": ["audio", "text"]}, "session.output_modalities"),
            ({"output_modalities": []}, "session.output_modalities"),
            ({"max_output_tokens": 0}, "session.max_output_tokens"),
            ({"max_output_tokens": 4097}, "session.max_output_tokens"),
            ({"max_output_tokens": "many"}, "session.max_output_tokens"),
            ({"tool_choice": "maybe"}, "session.tool_choice"),
            ({"model": "gpt-other"}, "session.model"),
            ({"audio": {"output": {"voice": "bob"}}}, "session.audio.output.voice"),
            ({"audio": {"output": {"speed": 2.0}}}, "session.audio.output.speed"),
            (
                {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 8000}}}},
                "session.audio.output.format.rate",
            ),
            (
                {"audio": {"input": {"format": {"type": "audio/mp3"}}}},
                "session.audio.input.format.type",
            ),
            (
                {"audio": {"input": {"noise_reduction": {"type": "loud"}}}},
                "session.audio.input.noise_reduction.type",
            ),
            (
                {"audio": {"input": {"turn_detection": {"type": "ear"}}}},
                f"{VAD}.type",
            ),
            (
                {
                    "audio": {
                        "input": {
                            "turn_detection": {"type": "server_vad", "threshold": 2}
                        }
                    }
                },
                f"{VAD}.threshold",
            ),
            (
                {
                    "audio": {
                        "input": {
                            "turn_detection": {
                                "type": "server_vad",
                                "idle_timeout_ms": 100,
                            }
                        }
                    }
                },
                f"{VAD}.idle_timeout_ms",
            ),
            (
                {
                    "audio": {
                        "input": {
                            "turn_detection": {
                                "type": "semantic_vad",
                                "eagerness": "very",
                            }
                        }
                    }
                },
                f"{VAD}.eagerness",
            ),
        ],
    )
    def test_value(self, client: Client, session: Json, param: str) -> None:
        """A bad value is named by the path of its field, and changes nothing."""
        answers = client.update(**session, instructions="never")

        assert wrong(param) == error(answers)
        assert "never" != client.machine.config.instructions

    @pytest.mark.parametrize(
        ("session", "param"),
        [
            ({"voice": "ash"}, "session.voice"),
            ({"modalities": ["text"]}, "session.modalities"),
            ({"temperature": 0.8}, "session.temperature"),
            ({"audio": {"input": {"gain": 3}}}, "session.audio.input.gain"),
            (
                {"tools": [{"type": "function", "name": "f", "meta": {}}]},
                "session.tools[0].meta",
            ),
        ],
    )
    def test_unknown_parameter(self, client: Client, session: Json, param: str) -> None:
        """A field that the GA protocol does not have is named."""
        assert wrong(param, "unknown_parameter") == error(client.update(**session))

    def test_without_type(self, client: Client) -> None:
        """A session without a type is refused: the GA protocol requires it."""
        answers = client.send("session.update", session={"instructions": "x"})

        assert wrong("session.type", "missing_required_parameter") == error(answers)

    def test_other_type(self, client: Client) -> None:
        """A conversation does not become a transcription."""
        answers = client.send("session.update", session={"type": "transcription"})

        assert wrong("session.type") == error(answers)

    def test_wrong_type_of_value(self, client: Client) -> None:
        """A value of the wrong type is named too."""
        answers = client.update(instructions=7)

        assert wrong("session.instructions", "invalid_type") == error(answers)

    def test_tool_without_name(self, client: Client) -> None:
        """A function needs a name."""
        answers = client.update(tools=[{"type": "function"}])

        assert wrong("session.tools[0].name", "missing_required_parameter") == error(
            answers
        )

    def test_voice_after_audio(self, client: Client) -> None:
        """The voice is fixed once the model has spoken; the same one may be named."""
        client.write("hello")
        client.send("response.create")

        answers = client.update(audio={"output": {"voice": "ash"}})

        assert wrong("session.audio.output.voice", "cannot_update_voice") == error(
            answers
        )
        assert ["session.updated"] == types(
            client.update(audio={"output": {"voice": "alloy"}})
        )

    def test_speed_while_a_response_is_made(self) -> None:
        """The speed stays as it is until the response is done."""
        client = Client(settings=EmulatorSettings(speed=1))
        client.send("response.create")
        faster = {"output": {"speed": 1.5}}
        during = client.update(audio=faster)
        same = client.update(audio={"output": {"speed": 1.0}})
        client.send("response.cancel")

        assert "session.audio.output.speed" == error(during)["param"]
        assert ["session.updated"] == types(same)
        assert ["session.updated"] == types(client.update(audio=faster))

    def test_tracing_is_fixed(self, client: Client) -> None:
        """Tracing that is on stays as it is."""
        client.update(tracing="auto")

        answers = client.update(tracing=None)

        assert wrong("session.tracing", "cannot_update_tracing") == error(answers)

    def test_event_id(self, client: Client) -> None:
        """An error names the event that caused it."""
        answers = client.send(
            "session.update", event_id="mine", session={"type": "realtime", "x": 1}
        )

        assert "mine" == error(answers)["event_id"]


class TestMessages:
    @pytest.mark.parametrize("message", ["{", "[]", "7", '{"event_id": "e"}'])
    def test_no_event(self, client: Client, message: str) -> None:
        """A message that is no event is refused, and the session goes on."""
        answers = client.send_raw(message)

        assert "invalid_event" == error(answers)["code"]
        assert ["session.updated"] == types(client.update())

    def test_unknown_type(self, client: Client) -> None:
        """An event of a type that nobody knows is refused by its type."""
        answers = client.send("session.destroy", event_id="e")

        assert {**wrong("type"), "event_id": "e"} == error(answers)

    def test_missing_field(self, client: Client) -> None:
        """A field that an event cannot do without is named, with the event's id."""
        answers = client.send("conversation.item.delete", event_id="e")

        assert {
            **wrong("item_id", "missing_required_parameter"),
            "event_id": "e",
        } == error(answers)

    def test_no_base64(self, client: Client) -> None:
        """Audio that is no base64 is refused."""
        answers = client.send("input_audio_buffer.append", audio="!")

        assert wrong("audio") == error(answers)


class TestExpiry:
    def test_cap(self, client: Client) -> None:
        """When its time is over a session ends with an error, code 1001 and why."""
        client.pass_time(3599)

        assert client.machine.ending is None

        events = client.pass_time(1)

        assert wrong(None, "session_expired") == error(events)
        assert 1001 == client.machine.ending.code
        assert (
            "Your session hit the maximum duration of 60 minutes."
            == client.machine.ending.reason
        )

    def test_other_cap(self) -> None:
        """The cap is a setting, and the reason says it."""
        settings = EmulatorSettings.instant(session_seconds=1800)
        client = Client(settings=settings)
        client.pass_time(1800)

        assert "30 minutes" in client.machine.ending.reason


def test_every_client_event_is_taken() -> None:
    """A session has an answer to each event that the protocol has for clients."""
    assert set(CLIENT_EVENTS.values()) == set(Session._handlers)
    assert set(TRANSLATION_CLIENT_EVENTS.values()) == set(TranslationMachine._handlers)
