"""Ordinary views that answer with what the model says."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from flask import Flask, Response, current_app, request
from flask_bridge import WAIT, Served
from werkzeug.exceptions import HTTPException

from realtime_sync import RealtimeClient
from realtime_sync.audio import load_audio
from realtime_sync.emulator import (
    EmulatorSettings,
    Failure,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
    call,
)
from realtime_sync.flask import Limits, Realtime, views
from realtime_sync.flask.views import answer_wav, client_secret, stream_text


QUESTION = Path(__file__).parents[1] / "examples" / "audio" / "question.wav"


def answer(turn: Turn) -> Reply | str:
    if "fail" in turn.heard:
        return Reply("It", failure=Failure(message="tired"))
    if "slow" in turn.heard:
        return Reply("Here I am.", delay=0.3)
    if "never" in turn.heard:
        return Reply("Too late.", delay=2 * WAIT)
    if "minute" in turn.heard:
        return Reply("After a while.", delay=3.0)
    if "lookup" in turn.heard and turn.last_output is None:
        return Reply(function_calls=[call("look_up")])
    if "endless" in turn.heard:
        return "and on and on " * 500
    if "weather" in turn.heard and turn.last_output is None:
        return Reply(function_calls=[call("get_weather", city="Oslo")])
    return f"You said: {turn.last_output or turn.heard}"


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(speech="tone", settings=settings, replies=answer) as emulator:
        yield emulator


def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


@pytest.fixture(name="app")
def _app(emulator: RealtimeEmulator) -> Flask:
    app = Flask(__name__)
    client = RealtimeClient(
        emulator.endpoint, "key", model="m", functions=[get_weather]
    )

    @app.get("/ask")
    def ask() -> Response:
        return stream_text(client, request.args["q"])

    @app.post("/speak")
    def speak() -> Response:
        return answer_wav(client, request.files["question"].read())

    @app.post("/secret")
    def secret() -> Response:
        return client_secret(client, {"instructions": "Be brief."}, expires_after=30)

    @app.get("/say")
    def say() -> Response:
        return answer_wav(client, request.args["q"])

    return app


def messages(body: str) -> list[tuple[str, dict[str, str]]]:
    """Return events of a stream: their name and their data."""
    found = []
    for block in filter(None, body.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line != ":")
        if fields:
            found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


def test_text_is_streamed_in_pieces(app: Flask) -> None:
    """An answer arrives as events, the last of which tells how it ended."""
    response = app.test_client().get("/ask?q=Hello there")

    found = messages(response.text)
    assert response.mimetype == "text/event-stream"
    assert len(found) > 2
    assert "You said: Hello there" == "".join(data["text"] for _, data in found[:-1])
    assert ("done", {"status": "completed"}) == found[-1]


def test_functions_are_called_on_the_way(app: Flask) -> None:
    """The stream goes on with the answer that a function made possible."""
    found = messages(app.test_client().get("/ask?q=How is the weather?").text)

    said = "".join(data.get("text", "") for _, data in found)
    assert "You said: sunny in Oslo" == said


def test_a_failure_is_told_in_the_stream(app: Flask) -> None:
    """An answer that fails on the way ends with an event that says so."""
    found = messages(app.test_client().get("/ask?q=Please fail").text)

    assert ("error", {"message": "ResponseError"}) == found[-1]


def test_a_silent_model_keeps_the_stream_alive(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is said, comments are sent, by which a dead browser is noticed."""
    monkeypatch.setattr(views, "_HEARTBEAT", 0.05)
    body = app.test_client().get("/ask?q=Be slow").text

    assert body.startswith(":\n\n")
    assert "Here I am." == "".join(data.get("text", "") for _, data in messages(body))


def test_a_browser_that_goes_away_cancels_the_answer(
    app: Flask, emulator: RealtimeEmulator
) -> None:
    """When the server closes the response, the session with the service ends."""
    response = app.test_client().get("/ask?q=Be endless", buffered=False)
    next(iter(response.response))
    response.close()

    code, _ = emulator.wait_for_session().wait_closed()
    assert 1000 == code


def test_an_answer_that_nobody_read_is_cancelled(
    app: Flask, emulator: RealtimeEmulator
) -> None:
    """The session ends as well if the browser left before the first piece."""
    response = app.test_client().get("/ask?q=Be endless", buffered=False)
    response.close()

    code, _ = emulator.wait_for_session().wait_closed()
    assert 1000 == code


def test_a_recording_is_answered_by_a_recording(app: Flask) -> None:
    """An uploaded question is answered with a WAV file that other programs read."""
    with QUESTION.open("rb") as question:
        response = app.test_client().post("/speak", data={"question": question})

    audio = load_audio(response.data)
    assert "audio/wav" == response.mimetype
    assert 24_000 == audio.sample_rate
    assert ToneSpeech().transcribe(audio.pcm).startswith("You said")


def test_a_browser_gets_a_key_of_its_own(app: Flask) -> None:
    """A client secret is short-lived, and no cache keeps it."""
    response = app.test_client().post("/secret")

    assert response.json["value"].startswith("ek_")
    assert "no-store" == response.headers["Cache-Control"]


def test_a_pause_in_a_recording_is_silence(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is said, silence is sent that nobody hears."""
    monkeypatch.setattr(views, "_HEARTBEAT", 0.05)
    response = app.test_client().get("/say?q=Be slow")

    silence, speech, rest = load_audio(response.data).pcm.partition(
        ToneSpeech().speak("Here I am.")
    )
    assert {0} == set(silence)
    assert speech
    assert not rest


@pytest.mark.parametrize("path", ["/ask?q=never", "/say?q=never"])
def test_a_browser_that_goes_away_while_nothing_is_said_is_noticed(
    app: Flask,
    emulator: RealtimeEmulator,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """The session with the service ends long before there is an answer to send."""
    monkeypatch.setattr(views, "_HEARTBEAT", 0.05)
    app.extensions["bridges"] = []
    with Served(app) as served:
        with socket.create_connection(("127.0.0.1", served.port), WAIT) as browser:
            browser.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert browser.recv(1000)

        code, _ = emulator.wait_for_session().wait_closed(WAIT / 2)
    assert 1000 == code


def test_an_answer_that_takes_too_long_is_given_up(
    app: Flask, emulator: RealtimeEmulator
) -> None:
    """A timeout that is shorter than the signs of life is kept as well."""
    client = RealtimeClient(emulator.endpoint, "key", model="m")
    with app.test_request_context():
        response = stream_text(client, "in a minute", timeout=0.2)
        body = response.get_data(as_text=True)
        response.close()

    assert [("error", {"message": "TimeoutError"})] == messages(body)


def test_functions_find_the_application_and_the_request(
    app: Flask, emulator: RealtimeEmulator
) -> None:
    """They run while the answer is sent, when the view has long returned."""

    def look_up() -> str:
        """Look something up."""
        return f"{current_app.name} {request.args['key']}"

    @app.get("/lookup")
    def view() -> Response:
        client = RealtimeClient(emulator.endpoint, "key", model="m")
        return stream_text(client, "lookup", functions=[look_up])

    body = app.test_client().get("/lookup?key=42").text

    said = "".join(data.get("text", "") for _, data in messages(body))
    assert f"You said: {__name__} 42" == said


def test_a_function_that_takes_long_keeps_the_stream_alive(
    app: Flask, emulator: RealtimeEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a function runs, comments are sent as well."""
    monkeypatch.setattr(views, "_HEARTBEAT", 0.05)
    may_return = threading.Event()

    def look_up() -> str:
        """Look something up."""
        return "found" if may_return.wait(WAIT) else "nothing"

    client = RealtimeClient(emulator.endpoint, "key", model="m")
    with app.test_request_context():
        response = stream_text(client, "lookup", functions=[look_up])
        pieces = iter(response.response)
        first = next(pieces)
        may_return.set()
        rest = "".join(map(str, pieces))
        response.close()

    assert ":\n\n" == first
    said = "".join(data.get("text", "") for _, data in messages(rest))
    assert "You said: found" == said


@pytest.mark.parametrize("view", [stream_text, answer_wav])
@pytest.mark.parametrize(
    "recording",
    [b"", b"junk", b"\x1aE\xdf\xa3" + os.urandom(100), b"OggS", b"ID3", b"RIFF1234"],
)
def test_what_is_no_wav_file_is_refused(
    emulator: RealtimeEmulator, view: Any, recording: bytes
) -> None:
    """An upload of another kind is an error, not noise for the model to answer."""
    client = RealtimeClient(emulator.endpoint, "key", model="m")

    with pytest.raises(ValueError, match="WAV"):
        view(client, recording)

    assert [] == emulator.sessions


def test_an_answer_counts_as_a_session(app: Flask, emulator: RealtimeEmulator) -> None:
    """Who has enough sessions gets no answer, until the one before has been sent."""
    client = RealtimeClient(emulator.endpoint, "key", model="m")
    bridge = Realtime(app, client, limits=Limits(sessions=2, sessions_per_user=1))

    def ask(user: str) -> Response:
        return stream_text(client, "Hello", within=bridge.counting(user))

    with app.test_request_context():
        first = ask("ada")
        with pytest.raises(HTTPException) as ada:
            ask("ada")
        with bridge.counting("eve"), pytest.raises(HTTPException) as full:
            ask("grace")
        first.close()
        with contextlib.closing(ask("ada")):
            count = bridge.session_count

    assert (429, 503, 1) == (ada.value.code, full.value.code, count)
    assert "conversations open" in str(ada.value.description)
    assert 0 == bridge.session_count
    assert 2 == len(emulator.sessions)
