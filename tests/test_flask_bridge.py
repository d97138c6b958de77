"""The bridge between browsers and the service, over the development server."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from flask import Flask, current_app, g, request
from flask_bridge import WAIT, Served

from realtime_sync import RealtimeClient, ReconnectPolicy
from realtime_sync.emulator import (
    EmulatorSettings,
    Fault,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
    call,
)
from realtime_sync.flask import Limits, MemoryStore, Realtime, Transcript, UsageReport


QUESTION = ToneSpeech().speak("What is the capital of Norway?") + bytes(48_000)


def answer(turn: Turn) -> Reply | str:
    if "weather" in turn.heard and turn.last_output is None:
        return Reply(function_calls=[call("get_weather", city="Oslo")])
    return f"You said: {turn.last_output or turn.heard}"


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(speech="tone", settings=settings, replies=answer) as emulator:
        yield emulator


SESSION = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}


@pytest.fixture(name="client")
def _client(emulator: RealtimeEmulator) -> RealtimeClient:
    # Lost is lost, so that the end of the service shows at once.
    return RealtimeClient(
        emulator.endpoint, "key", model="m", session=SESSION, reconnect=None
    )


Serve = Callable[..., Served]


@pytest.fixture(name="serve")
def _serve(client: RealtimeClient) -> Iterator[Serve]:
    """A function that serves an application with a bridge of given options."""
    opened: list[Served] = []

    def serve(**options: Any) -> Served:
        app = Flask(__name__)
        app.secret_key = "test"
        realtime = Realtime(app, client, **{"public": True, **options})
        app.extensions["bridges"] = [realtime]
        opened.append(Served(app).__enter__())
        return opened[-1]

    yield serve
    for served in opened:
        served.__exit__(None, None, None)


def bridge(served: Served) -> Realtime:
    return served.app.extensions["bridges"][0]


def test_a_spoken_question_is_answered_in_speech(serve: Serve) -> None:
    """What the microphone sends is heard, answered, and comes back as sound."""
    with serve().open() as browser:
        browser.say(QUESTION)
        heard = browser.expect_turn()

        kinds = [message["type"] for message in browser.seen]
        said = next(m for m in browser.seen if m["type"] == "said" and m["final"])
        assert "What is the capital of Norway?" == heard
        assert "You said: What is the capital of Norway?" == said["text"]
        assert said["text"] == ToneSpeech().transcribe(bytes(browser.audio))
        assert kinds.index("speech_started") < kinds.index("speech_stopped")
        assert kinds.index("response_started") < kinds.index("audio")


def test_a_written_question_is_answered(serve: Serve) -> None:
    """A text is shown as heard, and answered in pieces."""
    with serve().open() as browser:
        browser.send(type="text", text="Hello there")
        browser.expect("response_done")

        pieces = [m["delta"] for m in browser.seen if "delta" in m]
        heard = next(m for m in browser.seen if m["type"] == "heard")
        assert "Hello there" == heard["text"]
        assert "You said: Hello there" == "".join(pieces)


def test_nothing_that_comes_with_the_start_is_lost(serve: Serve) -> None:
    """A browser that starts and asks in one breath is answered."""
    with serve().open(start=False) as browser:
        start, text = b'{"type": "start"}', b'{"type": "text", "text": "Hello"}'
        frames = [bytes([0x81, 0x80 | len(m)]) + bytes(4) + m for m in (start, text)]
        browser.socket.socket.sendall(b"".join(frames))
        browser.expect("response_done")

        assert "Hello" == next(m["text"] for m in browser.seen if m["type"] == "heard")


def test_push_to_talk_waits_for_the_commit(
    serve: Serve, emulator: RealtimeEmulator
) -> None:
    """Without an open microphone, a turn ends when the browser says so."""
    with serve().open(start={"turns": "push"}) as browser:
        browser.say(QUESTION)
        browser.send(type="commit")
        heard = browser.expect_turn()

        kinds = [message["type"] for message in browser.seen]
        assert "What is the capital of Norway?" == heard
        assert "speech_started" not in kinds


def test_an_empty_turn_is_told(serve: Serve) -> None:
    """A button that was pressed too short is an error in words, and no end."""
    with serve().open(start={"turns": "push"}) as browser:
        browser.send(type="commit")
        error = browser.expect("error")
        browser.send(type="text", text="Still there?")
        browser.expect("response_done")

        assert "input_audio_buffer_commit_empty" == error["code"]
        assert "Nothing was heard." == error["message"]


def test_the_way_of_turns_can_change(serve: Serve) -> None:
    """A browser changes from push-to-talk to an open microphone."""
    with serve().open(start={"turns": "push"}) as browser:
        browser.send(type="turns", turns="open")
        browser.expect("turns", turns="open")
        browser.say(QUESTION)

        browser.expect("speech_started")
        browser.expect("response_done")


def test_clear_forgets_what_was_said(serve: Serve) -> None:
    """What is cleared is no part of the next turn."""
    with serve().open(start={"turns": "push"}) as browser:
        browser.say(QUESTION)
        browser.send(type="clear")
        browser.say(ToneSpeech().speak("Hello"))
        browser.send(type="commit")

        assert "Hello" == browser.expect_turn()


def test_an_interruption_cuts_the_answer_to_what_was_heard(
    serve: Serve, emulator: RealtimeEmulator
) -> None:
    """The model is told how much of its answer the browser has played."""
    with serve().open(start={"turns": "push"}) as browser:
        browser.send(type="text", text="Hello there")
        ids = browser.expect("audio")
        browser.expect("response_done")
        browser.send(type="played", item_id=ids["item_id"], ms=300)
        ids.pop("type")
        browser.send(type="interrupt", ms=420, **ids)
        browser.expect("interrupted")
        record = emulator.wait_for_session()
        record.wait_for(lambda record: bool(_cuts(record)), WAIT)

        (cut,) = _cuts(record)
        assert (ids["item_id"], 420) == (cut.item_id, cut.audio_end_ms)


def _cuts(record: Any) -> list[Any]:
    events = list(record.client_events)
    return [e for e in events if e.type == "conversation.item.truncate"]


def test_an_interruption_of_nothing_is_no_error(
    serve: Serve, emulator: RealtimeEmulator
) -> None:
    """A browser may interrupt what has ended, or what never was, and nobody minds."""
    with serve().open(start={"turns": "push"}) as browser:
        browser.send(type="interrupt", response_id="gone", item_id="gone", ms=100)
        browser.send(type="text", text="Hello")
        browser.expect("response_done")
        browser.send(type="text", text="Hello again")
        ids = browser.expect("audio")
        browser.expect("response_done")
        for _ in range(2):
            browser.send(**{**ids, "type": "interrupt"}, ms=50)
        browser.send(type="text", text="And again")
        browser.expect("response_done")

        assert "error" not in {message["type"] for message in browser.seen}


def test_functions_run_in_the_context_of_the_application(
    serve: Serve, emulator: RealtimeEmulator
) -> None:
    """A function finds the application, the request and the user."""
    served = serve(show_tools=True)
    found: list[str] = []

    @bridge(served).functions
    def functions(user: str) -> list[Any]:
        def get_weather(city: str) -> str:
            """Tell the weather."""
            found.append(current_app.name)
            found.append(request.headers["X-Test"])
            found.append(g.realtime_user)
            return f"sunny in {city}"

        return [get_weather]

    with served.open(additional_headers={"X-Test": "yes"}) as browser:
        browser.send(type="text", text="How is the weather?")
        called = browser.expect("tool_call")
        result = browser.expect("tool_result")
        said = browser.expect("said", final=True)

        assert [__name__, "yes", "at 127.0.0.1"] == found
        assert ("get_weather", '{"city": "Oslo"}') == (
            called["name"],
            called["arguments"],
        )
        assert "sunny in Oslo" == result["output"]
        assert "You said: sunny in Oslo" == said["text"]
        browser.expect("response_done")


def test_what_functions_do_is_shown_only_if_wanted(serve: Serve) -> None:
    """By default a browser learns that a function is called, and nothing else."""
    served = serve()

    @bridge(served).functions
    def functions(user: str) -> list[Any]:
        def get_weather(city: str) -> str:
            """Tell the weather."""
            return "secret"

        return [get_weather]

    with served.open() as browser:
        browser.send(type="text", text="How is the weather?")
        called = browser.expect("tool_call")
        result = browser.expect("tool_result")
        browser.expect("response_done")

        assert {"type", "call_id", "name"} == set(called)
        assert {"type", "call_id"} == set(result)


def test_each_user_has_settings_of_their_own(
    serve: Serve, emulator: RealtimeEmulator
) -> None:
    """The application decides for each user what the session is told."""
    served = serve(public=False)
    bridge(served).authenticate(lambda: request.headers.get("X-User"))
    bridge(served).session(lambda user: {"instructions": f"Speak with {user}."})

    with served.open(additional_headers={"X-User": "ada"}) as browser:
        browser.send(type="text", text="Hello")
        browser.expect("response_done")

    record = emulator.wait_for_session()
    update = next(e for e in record.client_events if e.type == "session.update")
    assert "Speak with ada." == update.session.instructions


def test_hooks_get_transcripts_and_usage(serve: Serve) -> None:
    """The application learns what was said and used, in the request's context."""
    served = serve()
    said: list[Transcript] = []
    used: list[UsageReport] = []
    both = threading.Event()

    @bridge(served).on_transcript
    def keep(transcript: Transcript) -> None:
        assert request.path == "/realtime"
        said.append(transcript)

    @bridge(served).on_usage
    def count(report: UsageReport) -> None:
        used.append(report)
        both.set()

    with served.open() as browser:
        browser.send(type="text", text="Hello")
        browser.expect("response_done")
        assert both.wait(WAIT)

    assert [("user", "Hello"), ("assistant", "You said: Hello")] == [
        (each.role, each.text) for each in said
    ]
    assert "at 127.0.0.1" == said[0].user == used[0].user
    assert used[0].usage.total_tokens


def test_a_hook_that_fails_costs_nothing(serve: Serve) -> None:
    """An exception of a hook is logged, and the conversation goes on."""
    served = serve()

    @bridge(served).on_transcript
    def fail(transcript: Transcript) -> None:
        raise RuntimeError("no disk")

    with served.open() as browser:
        for _ in range(2):
            browser.send(type="text", text="Hello")
            browser.expect("response_done")


def test_a_conversation_is_resumed(serve: Serve, emulator: RealtimeEmulator) -> None:
    """A browser that comes back finds what was said, and so does the model."""
    served = serve()
    with served.open() as browser:
        browser.send(type="text", text="My name is Ada.")
        browser.expect("response_done")
        token = browser.greeting["conversation"]

    with served.open(start={"resume": token}) as again:
        again.send(type="text", text="What is my name?")
        again.expect("response_done")

        said = [(item["role"], item["text"]) for item in again.greeting["items"]]
        assert again.greeting["resumed"]
        assert token == again.greeting["conversation"]
        assert ("user", "My name is Ada.") == said[0]
        assert ("assistant", "You said: My name is Ada.") == said[1]

    texts = [
        getattr(part, "text", None)
        for item in emulator.wait_for_session(index=1).items
        for part in item.content
    ]
    assert "My name is Ada." in texts


def test_a_conversation_is_forgotten_if_the_browser_says_so(serve: Serve) -> None:
    """What a browser ends with `end` is not kept."""
    served = serve()
    with served.open() as browser:
        browser.send(type="text", text="My name is Ada.")
        browser.expect("response_done")
        browser.send(type="end")
        assert 1000 == browser.wait_closed()[0]
    with served.open(start={"resume": browser.greeting["conversation"]}) as again:
        assert not again.greeting["resumed"]


def test_what_comes_with_the_close_is_done(serve: Serve) -> None:
    """A browser that says its last word and closes in one breath is heard."""
    served = serve()
    with served.open() as browser:
        browser.send(type="text", text="My name is Ada.")
        browser.expect("response_done")
        end, close = b'{"type": "end"}', b"\x03\xe8"
        frames = bytes([0x81, 0x80 | len(end)]) + bytes(4) + end
        frames += bytes([0x88, 0x80 | len(close)]) + bytes(4) + close
        browser.socket.socket.sendall(frames)
        browser.wait_closed()
    with served.open(start={"resume": browser.greeting["conversation"]}) as again:
        assert not again.greeting["resumed"]


def test_a_conversation_moves_to_another_window(serve: Serve) -> None:
    """A conversation that is open in one window goes on in the one that resumes it."""
    served = serve()
    with served.open() as first:
        first.send(type="text", text="Hello")
        first.expect("response_done")
        token = first.greeting["conversation"]
        with served.open(start={"resume": token}) as second:
            code, _ = first.wait_closed()

            assert 4409 == code
            assert second.greeting["resumed"]


def test_a_forgotten_conversation_begins_anew(serve: Serve) -> None:
    """A token that is not known any more begins a new conversation."""
    with serve().open(start={"resume": "gone"}) as browser:
        assert not browser.greeting["resumed"]
        assert "gone" != browser.greeting["conversation"]


def test_a_store_that_fails_costs_the_resumption_only(serve: Serve) -> None:
    """A session goes on without the store that does not work."""

    class Broken(MemoryStore):
        def put(self, key: str, value: bytes, expires: float) -> None:
            raise OSError("no route to the store")

        def get(self, key: str) -> bytes | None:
            raise OSError("no route to the store")

    with serve(store=Broken()).open(start={"resume": "x"}) as browser:
        browser.send(type="text", text="Hello")
        browser.expect("response_done")


def test_closing_tells_browsers_to_come_back(serve: Serve) -> None:
    """When the server ends, sockets are closed with 1001 and threads end."""
    served = serve()
    with served.open() as browser:
        closed = bridge(served).close()

        assert closed
        assert 1001 == browser.wait_closed()[0]
        assert 0 == bridge(served).session_count
    left = [t.name for t in threading.enumerate() if "browser" in t.name]
    assert [] == left


def test_the_end_of_the_service_is_told(
    serve: Serve, emulator: RealtimeEmulator
) -> None:
    """When the service ends the session, the browser is told to reconnect."""
    with serve().open() as browser:
        emulator.close()

        code, reason = browser.wait_closed()
        assert 4502 == code
        assert "reconnect" in reason


def test_a_client_that_reconnects_keeps_the_browser() -> None:
    """Where the client reconnects, the browser stays, and learns what was lost."""
    fault = Fault.close(1011, at="response.output_audio.delta", skip=1)
    app = Flask(__name__)
    with RealtimeEmulator(
        speech="tone", settings=EmulatorSettings.instant(), faults=[fault]
    ) as emulator:
        policy = ReconnectPolicy(first_delay=0.0)
        client = RealtimeClient(emulator.endpoint, "key", model="m", reconnect=policy)
        app.extensions["bridges"] = [Realtime(app, client, public=True)]
        with Served(app) as served, served.open(start={"turns": "push"}) as browser:
            browser.send(type="text", text="Hello")
            lost = browser.expect("response_done")
            error = browser.expect("error")
            browser.send(type="text", text="Once more")
            again = browser.expect("response_done")

    assert ("failed", "connection_lost") == (lost["status"], lost["reason"])
    assert "connection_lost" == error["code"]
    assert "completed" == again["status"]
    assert 2 == len(emulator.sessions)


def test_a_service_that_is_away_is_told(
    serve: Serve, emulator: RealtimeEmulator
) -> None:
    """Without a service there is a close with words, and no session."""
    served = serve()
    emulator.close()
    with served.open(start=False) as browser:
        browser.send(type="start")

        assert (4502, "the model's service cannot be reached") == browser.wait_closed()


def test_a_session_has_an_end(serve: Serve) -> None:
    """A conversation lasts as long as the limits say, and is told so."""
    with serve(limits=Limits(duration=0.3)).open() as browser:
        assert 4410 == browser.wait_closed()[0]


def test_silence_ends_a_session(serve: Serve) -> None:
    """Where nobody says anything, the session ends."""
    with serve(limits=Limits(idle=0.3)).open() as browser:
        assert 4408 == browser.wait_closed()[0]


_SILENT_EVENT = {
    "type": "input_audio_buffer.append",
    "audio": base64.b64encode(bytes(960)).decode(),
}


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("simple", bytes(960)),
        ("simple", '{"type": "played", "item_id": "x", "ms": 1}'),
        ("simple", '{"type": "turns", "turns": "open"}'),
        ("raw", json.dumps(_SILENT_EVENT)),
        ("raw", '{"type": "input_audio_buffer.clear"}'),
    ],
)
def test_an_open_page_in_front_of_nobody_ends(
    serve: Serve, mode: str, message: str | bytes
) -> None:
    """What a page sends by itself keeps no session alive."""
    served = serve(mode=mode, limits=Limits(idle=0.4))
    with (
        served.open(start=mode == "simple") as browser,
        ThreadPoolExecutor(1) as pool,
    ):
        closed = pool.submit(browser.wait_closed)
        for _ in range(200):
            if wait([closed], timeout=0.05).done:
                break
            browser.throw(message)

        assert closed.done()
        assert 4408 == closed.result()[0]


def test_a_user_who_logs_out_elsewhere_is_closed(serve: Serve) -> None:
    """The application ends the sessions of a user, and of no other one."""
    served = serve(public=False)
    bridge(served).authenticate(lambda: request.headers.get("X-User"))
    with (
        served.open(additional_headers={"X-User": "ada"}) as ada,
        served.open(additional_headers={"X-User": "grace"}) as grace,
    ):
        closed = bridge(served).close_user("ada")

        assert 1 == closed
        assert (4401, "logged out") == ada.wait_closed()
        grace.send(type="text", text="Still here")
        grace.expect("response_done")
    assert 0 == bridge(served).close_user("nobody")


def test_an_application_finds_its_bridges(client: RealtimeClient) -> None:
    """Several of them are there by their paths, as other extensions keep theirs."""
    app = Flask(__name__)
    first = Realtime(app, client)
    second = Realtime(app, client, path="/raw", mode="raw")

    assert {"/realtime": first, "/raw": second} == app.extensions["realtime"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"limits": {"sessions": 3}}, TypeError, "limits is a Limits"),
        ({"store": "/tmp/talk"}, ValueError, r"FileStore\('/tmp/talk'\)"),
        ({"store": object()}, TypeError, "get, put and delete"),
        ({"store": MemoryStore(), "mode": "raw"}, ValueError, "leave out the store"),
        ({"origins": "https://a.example"}, TypeError, "list"),
        ({"origins": [b"https://a.example"]}, TypeError, "an origin is a str"),
        ({"origins": ["https://a.example/talk"]}, ValueError, "scheme and host"),
        ({"origins": ["a.example"]}, ValueError, "scheme and host"),
        ({"origins": ["https://*.a.example"]}, ValueError, "scheme and host"),
        ({"expires": -1}, ValueError, "a number from 0"),
        ({"mode": "cooked"}, ValueError, "simple"),
    ],
)
def test_a_wrong_argument_is_told_at_once(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """A bridge that cannot be meant so is not made, and the error says what to pass."""
    with pytest.raises(error, match=words):
        Realtime(**options)


@pytest.mark.parametrize("origin", ["*", "https://a.example", "http://a:8000/"])
def test_origins_that_may_be_named(origin: str) -> None:
    """Origins are taken as browsers send them, and with the slash of an address bar."""
    assert Realtime(origins=[origin]).session_count == 0


@pytest.mark.parametrize(
    "name", ["authenticate", "session", "functions", "on_transcript", "on_usage"]
)
def test_a_decorator_takes_a_function(name: str) -> None:
    """What is no function is refused where it is given, not when a browser comes."""
    with pytest.raises(TypeError, match=f"{name} takes a function"):
        getattr(Realtime(), name)(None)


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ({"sessions": -1}, ValueError),
        ({"sessions": 0}, ValueError),
        ({"sessions": "3"}, TypeError),
        ({"sessions": 2.5}, ValueError),
        ({"idle": 0}, ValueError),
        ({"idle": -1.0}, ValueError),
        ({"idle": float("nan")}, ValueError),
        ({"idle": None}, TypeError),
    ],
)
def test_a_limit_that_is_none(limit: dict[str, Any], error: type[Exception]) -> None:
    """A limit is a number above zero: zero is no way to say that there is none."""
    with pytest.raises(error, match=next(iter(limit))):
        Limits(**limit)
