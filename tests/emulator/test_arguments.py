"""What the emulator is given: mistakes are told where they are made."""

from __future__ import annotations

import math
from typing import Any

import pytest
from emulated import TONES, Client, one
from sockets import peer_of, quick

from realtime_sync.emulator import (
    EmulatorSettings,
    Failure,
    Fault,
    ManualClock,
    RealtimeEmulator,
    Reply,
    Session,
    ToneSpeech,
    call,
    default_speech,
)


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("port", "8765", "port is a whole number from 0 to 65535, not str"),
        ("host", None, "host is a str, not None"),
        ("replies", 5, "replies is a function of a Turn, or a list of replies"),
        ("replies", {"a": "b"}, "replies is a function of a Turn, or a list"),
        ("replies", ["Hello!", None], "and has None in it"),
        ("speech", None, 'speech is "auto", "real", "tone" or an object'),
        ("speech", ToneSpeech, "not the class ToneSpeech"),
        ("translate", "de", "translate is a function or None, not str"),
        ("mcp_servers", [len], "mcp_servers is a mapping of labels"),
        ("mcp_servers", {"docs": len}, "mcp_servers.'docs'. is a list of functions"),
        ("tls", "no", "tls is True or False, not str"),
        ("api_keys", "right", "api_keys is a list of keys, not str"),
        ("api_keys", [7], "api_keys is a list of keys, and has 7 in it"),
        ("deployments", "mine", "deployments is a list of names, not str"),
        ("faults", Fault.drop(), "faults is a list of faults, not .*Fault"),
        ("faults", ["drop"], r"such as Fault.drop\(\), not str"),
        ("settings", {"speed": 1}, "settings is EmulatorSettings or None, not dict"),
        ("clock", ManualClock, "clock is a Clock or None, not the class ManualClock"),
    ],
)
def test_argument_of_a_wrong_type(argument: str, value: Any, words: str) -> None:
    """What cannot be meant is a TypeError that names the argument and what fits."""
    with pytest.raises(TypeError, match=words):
        RealtimeEmulator(**{argument: value})


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("port", 70_000, "port is a whole number from 0 to 65535, not 70000"),
        ("speech", "robot", '"auto", "real" or "tone"'),
    ],
)
def test_argument_of_a_wrong_value(argument: str, value: Any, words: str) -> None:
    """What does not fit is a ValueError before anything is served."""
    with pytest.raises(ValueError, match=words):
        RealtimeEmulator(**{argument: value})


def test_wrong_keys_are_not_shown() -> None:
    """A key that was given in a wrong way stays out of the error."""
    with pytest.raises(TypeError) as caught:
        RealtimeEmulator(api_keys="secret")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value", "error"),
    [
        ("speed", 0, ValueError),
        ("speed", math.nan, ValueError),
        ("speed", "8", TypeError),
        ("response_delay", -1, ValueError),
        ("piece_ms", 0.5, ValueError),
        ("voices", "alloy", TypeError),
        ("instructions", None, TypeError),
        ("max_unsent_events", 0, ValueError),
        ("ping_interval", 0, ValueError),
        ("close_timeout", None, TypeError),
        ("record", "no", TypeError),
    ],
)
def test_wrong_setting(setting: str, value: Any, error: type[Exception]) -> None:
    """A setting that cannot be meant is refused by its name."""
    with pytest.raises(error, match=f"^{setting} is "):
        EmulatorSettings(**{setting: value})


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("text", 5, TypeError),
        ("audio", "sound", TypeError),
        ("audio", b"odd", ValueError),
        ("function_calls", call("f"), TypeError),
        ("function_calls", ["f"], TypeError),
        ("mcp_calls", [call("f")], TypeError),
        ("failure", "no", TypeError),
        ("incomplete", True, TypeError),
        ("delay", -1, ValueError),
    ],
)
def test_wrong_reply(field: str, value: Any, error: type[Exception]) -> None:
    """What no reply can have is refused where the reply is made."""
    with pytest.raises(error, match=f"^{field} (is|has) "):
        Reply(**{field: value})


@pytest.mark.parametrize("answer", [None, 5, {"text": "Hello."}, b"Hello.", [5]])
def test_reply_that_is_none(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A function that returns no reply is told in the log and the failed response."""
    client = Client(replies=lambda turn: answer)
    done = one(client.send("response.create"), "response.done")
    details = done["response"]["status_details"]
    words = "what replies returns is a Reply, a text, or an iterable of these"

    assert "failed" == done["response"]["status"]
    assert words in details["error"]["message"]
    assert words in caplog.text


def test_replier_that_raises() -> None:
    """The response says what went wrong, after the service's own words."""

    def answer(turn: object) -> str:
        raise LookupError("no such page")

    done = one(Client(replies=answer).send("response.create"), "response.done")
    message = done["response"]["status_details"]["error"]["message"]

    assert f"{Failure().message} (LookupError: no such page)" == message


def test_endpoint_before_the_start() -> None:
    """An endpoint is told only where its port is known, and then also at the end."""
    emulator = quick()
    with pytest.raises(RuntimeError, match=r"call start\(\)"):
        _ = emulator.endpoint
    with emulator:
        endpoint = emulator.endpoint

    assert endpoint == emulator.endpoint
    assert "ws://127.0.0.1:8765" == quick(port=8765).endpoint


def test_session_takes_a_function_of_speech() -> None:
    """A session asks for its speech when it needs it."""
    with pytest.raises(TypeError, match="speech is a function, not"):
        Session(speech=TONES)  # type: ignore[arg-type]


def test_tones_need_no_model() -> None:
    """A Whisper model that nobody would use is refused."""
    with pytest.raises(ValueError, match="tones need no Whisper model"):
        default_speech("tone", whisper_model="whisper")


def test_model_means_real_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names a Whisper model is not heard by tones instead."""
    monkeypatch.setattr("realtime_sync.emulator.speech._PARTS", ("no_such_part",))
    with pytest.raises(ImportError, match="real speech needs no_such_part"):
        default_speech(whisper_model="whisper")


def test_records_that_are_not_kept() -> None:
    """Nobody waits for a record where the settings say that there is none."""
    emulator = quick(settings=EmulatorSettings.instant(record=False))
    with pytest.raises(RuntimeError, match="record=False"):
        emulator.wait_for_session()


@pytest.mark.parametrize("key", ["X", "12", ""])
def test_key_that_no_telephone_has(key: str) -> None:
    """A key that is none is refused with those that there are."""
    with pytest.raises(ValueError, match=r"there are: 0123456789\*#ABCD"):
        quick().press_key(key)


def test_key_where_nobody_calls() -> None:
    """A key cannot be pressed before there is a connection."""
    with quick() as emulator:
        with pytest.raises(IndexError, match="wait_for_session"):
            emulator.press_key("5")
        with peer_of(emulator) as peer:
            emulator.wait_for_session()
            emulator.press_key("5")

            assert (
                "5" == peer.until("input_audio_buffer.dtmf_event_received")[-1]["event"]
            )


@pytest.mark.parametrize(("seconds", "error"), [("1", TypeError), (-1, ValueError)])
def test_time_that_does_not_pass(seconds: Any, error: type[Exception]) -> None:
    """Time goes on by a number of seconds, and never back."""
    with pytest.raises(error):
        ManualClock().advance(seconds)
