"""One line for a turn; functions of a connection; rate limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import scripted

from realtime_sync import (
    Audio,
    ConnectionClosed,
    ConversationItemDone,
    McpApprovalRequest,
    McpApprovalResponse,
    RealtimeClient,
    RealtimeConnection,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ServerError,
    UnknownObject,
)
from realtime_sync._channel.monitor import Monitor
from realtime_sync._connection.rate_limits import RateLimits
from realtime_sync.audio import frames, write_wav
from realtime_sync.emulator import (
    EmulatorSettings,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
    Turn,
    call,
    call_mcp,
)
from realtime_sync.protocol import RateLimit, RateLimitsUpdated
from realtime_sync.transport import FakeTransport


WAIT = 60.0
TONES = ToneSpeech()
QUESTION = "What is the capital of Norway?"
PNG = b"\x89PNG\r\n\x1a\n"


def answer(turn: Turn) -> Reply:
    """A model that reads out, adds up by a tool, and repeats the rest."""
    if turn.last_output is not None:
        return Reply(f"It is {turn.last_output}.")
    if "Add" in turn.heard and turn.tools:
        return Reply(function_calls=[call("add", a=2, b=3), call("add", a=4, b=5)])
    return Reply(turn.heard)


@pytest.fixture(name="client")
def _client() -> Iterator[RealtimeClient]:
    with RealtimeEmulator(
        replies=answer, speech=TONES, settings=EmulatorSettings.instant()
    ) as emulator:
        yield RealtimeClient(emulator.endpoint, "key", model="gpt-realtime")


@pytest.fixture(name="recording")
def _recording(tmp_path: Path) -> Path:
    path = tmp_path / "question.wav"
    write_wav(path, TONES.speak(QUESTION))
    return path


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# One line for a turn


def test_ask_in_writing(client: RealtimeClient) -> None:
    """A written question has a written answer, piece by piece where wanted."""
    result = client.ask("How are you?", timeout=WAIT)
    answer = client.ask("How are you?", stream=True, timeout=WAIT)
    pieces = list(answer)

    assert "How are you?" == result.text
    assert b"" == result.audio
    assert "How are you?" == "".join(pieces)
    assert len(pieces) > 1
    assert "How are you?" == answer.result().text


def test_ask_by_recording(client: RealtimeClient, recording: Path) -> None:
    """A recording is asked as it is, and answered in speech."""
    result = client.ask(recording, timeout=WAIT)

    assert QUESTION == TONES.transcribe(result.audio)


def test_ask_about_an_image(client: RealtimeClient, tmp_path: Path) -> None:
    """The path of an image becomes a data URL, before the question."""
    path = tmp_path / "image.png"
    path.write_bytes(PNG)
    with client.connect() as connection:
        connection.ask("What is this?", images=[path], timeout=WAIT)
        message = connection.conversation.items[0].item

    assert not isinstance(message, UnknownObject)
    assert "data:image/png;base64,iVBORw0KGgo=" == message.content[0].image_url


def test_ask_about_something_else(client: RealtimeClient) -> None:
    """A question of another type is refused with the types that there are."""
    with client.connect() as connection, pytest.raises(TypeError, match="not 7"):
        connection.ask(7)  # type: ignore[arg-type]


def test_ask_with_audio_of_the_protocol(client: RealtimeClient) -> None:
    """The part of an item that has the name of a recording is told from it."""
    with client.connect() as connection, pytest.raises(TypeError) as caught:
        connection.ask(Audio(transcript="Hello."))  # type: ignore[arg-type]

    assert (
        "a question is text (str) or a recording (pathlib.Path, bytes or "
        "realtime_sync.audio.Audio), not realtime_sync.Audio"
    ) == str(caught.value)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("a.png", r"images is a list \(of one: \[image\]\), not str"),
        (Path("a.png"), "images is a list .*, not pathlib"),
        (None, "images is a list .*, not None"),
        ([PNG], "an image is a path or a URL .*, not bytes"),
    ],
    ids=repr,
)
def test_ask_about_no_images(client: RealtimeClient, images: Any, words: str) -> None:
    """One image is not taken for several, letter by letter."""
    with client.connect() as connection, pytest.raises(TypeError, match=words):
        connection.ask("What is this?", images=images)


def test_transcribe_a_path(client: RealtimeClient, recording: Path) -> None:
    """A file is transcribed in one line, and piece by piece where wanted."""
    pieces = list(client.transcribe(recording, stream=True, timeout=WAIT))

    assert QUESTION == client.transcribe(recording, timeout=WAIT)
    assert QUESTION == "".join(pieces)
    assert len(pieces) > 1


def test_transcribe_bytes_and_generators(client: RealtimeClient) -> None:
    """PCM is transcribed as bytes, and as it is generated."""
    pcm = TONES.speak(QUESTION)

    assert QUESTION == client.transcribe(pcm, language="en", timeout=WAIT)
    assert QUESTION == client.transcribe((p for p in frames(pcm)), timeout=WAIT)


def test_transcribe_nothing(client: RealtimeClient) -> None:
    """What is too short to be transcribed is refused by the server."""
    with pytest.raises(ServerError, match="buffer"):
        client.transcribe(b"", timeout=WAIT)


def test_speak(client: RealtimeClient) -> None:
    """A text is read out, and what is said arrives piece by piece where wanted."""
    audio = client.speak("Good evening.", voice="cedar", timeout=WAIT)
    pieces = list(client.speak("Good evening.", stream=True, timeout=WAIT))

    assert "Good evening." == TONES.transcribe(audio.pcm)
    assert 24_000 == audio.sample_rate
    assert audio.pcm == b"".join(pieces)
    assert len(pieces) > 1


def test_streams_close_what_they_opened(
    client: RealtimeClient, recording: Path
) -> None:
    """A loop over a streamed turn may break: nothing is left open."""
    for _ in client.ask("One two three.", stream=True, timeout=WAIT):
        break
    for _ in client.transcribe(recording, stream=True, timeout=WAIT):
        break
    for _ in client.speak("One two three.", stream=True, timeout=WAIT):
        break
    with client.ask("One two three.", stream=True, timeout=WAIT) as answer:
        connection = answer.responses[0]

    assert connection.wait(WAIT)


def test_answer_streams_to_many(client: RealtimeClient) -> None:
    """Words and audio of an answer go to different threads, functions and all."""
    with (
        client.connect(functions=[add]) as connection,
        connection.ask("Add, please.", stream=True, timeout=WAIT) as answer,
        ThreadPoolExecutor() as pool,
    ):
        words = [pool.submit(lambda: "".join(answer)) for _ in range(4)]
        audio = [pool.submit(lambda: b"".join(answer.audio())) for _ in range(4)]
        said = pool.submit(lambda: "".join(answer.transcript()))
        result = answer.result()

        assert ["It is 9."] * 4 == [each.result() for each in words]
        assert [result.audio] * 4 == [each.result() for each in audio]
        assert "It is 9." == said.result()
        assert 2 == len(answer.responses)


def test_leaving_a_streamed_answer_cancels_it() -> None:
    """Leaving the block early cancels the answer; the connection goes on."""
    slow = EmulatorSettings.instant(speed=0.5)
    with (
        RealtimeEmulator(replies=answer, speech=TONES, settings=slow) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect() as connection,
    ):
        with connection.ask("One two three four.", stream=True, timeout=WAIT) as found:
            next(found.audio())
        result = found.result()

        assert "cancelled" == result.status
        assert not connection.closed


# Functions


def test_ask_runs_functions(client: RealtimeClient) -> None:
    """Calls of functions are run, and the answer is the one that follows on them."""
    with client.connect(functions=[add]) as connection:
        result = connection.ask("Add, please.", timeout=WAIT)

    assert "It is 9." == result.transcript
    assert ["add"] == [tool.name for tool in connection.session.tools]


def test_functions_of_a_client(client: RealtimeClient) -> None:
    """Every connection of a client offers its functions, and only one its own."""
    with RealtimeEmulator(replies=answer, speech=TONES) as emulator:
        client = RealtimeClient(emulator.endpoint, "k", model="m", functions=[add])
        result = client.ask("Add, please.", timeout=WAIT)
        with client.connect(functions=()) as connection:
            plain = connection.ask("Add, please.", timeout=WAIT)

    assert "It is 9." == result.text
    assert "Add, please." == plain.transcript


def test_function_decorator(client: RealtimeClient) -> None:
    """A decorator adds a function beside the tools that the session has."""
    other = {"type": "function", "name": "other", "parameters": {"type": "object"}}
    with client.connect(session={"tools": [other]}) as connection:
        connection.function(add)

        @connection.function(name="subtract", timeout=5)
        def minus(a: int, b: int) -> int:
            """Take one number from another."""
            return a - b

        result = connection.ask("Add, please.", timeout=WAIT)

    assert ["other", "add", "subtract"] == [t.name for t in connection.session.tools]
    assert "It is 9." == result.transcript
    assert 1 == minus(3, 2)


def test_functions_are_used_once(client: RealtimeClient) -> None:
    """Functions cannot be set twice, and one name not be used twice."""
    with client.connect(functions=[add]) as connection:
        with pytest.raises(RuntimeError, match="in use"):
            connection.use_functions([add])
        with pytest.raises(ValueError, match="add"):
            connection.function(add)


def test_bad_function_closes_the_connection(client: RealtimeClient) -> None:
    """A function that no model could call is refused, and nothing is left open."""
    with pytest.raises(TypeError, match=r"args"):
        client.connect(functions=[lambda *args: None])


def test_close_while_a_function_runs(client: RealtimeClient) -> None:
    """Closing does not wait for a function for ever, which can look whether to stop."""
    running, stop = threading.Event(), threading.Event()

    def add(a: int, b: int) -> None:
        """Add two numbers, slowly."""
        running.set()
        stop.wait(WAIT)

    with client.connect(functions=[add]) as connection:
        connection.create_item(scripted.message() | {"content": [_text("Add.")]})
        connection.create_response().result(timeout=WAIT)
        running.wait(WAIT)
        stop.set()

    assert connection.closed


# Tools of MCP servers


def search(query: str) -> str:
    """Search the documentation."""
    return f"3 pages on {query}"


@pytest.mark.parametrize("approved", [True, False])
def test_mcp_tools_run_if_approved(approved: bool) -> None:
    """A tool of an MCP server is run by the service if the callback approves of it."""
    asked: list[McpApprovalRequest] = []

    def approve(request: McpApprovalRequest) -> bool:
        asked.append(request)
        return approved

    def search_then_tell(turn: Turn) -> Reply:
        if turn.last_output is None and "whales" in turn.heard:
            return Reply(mcp_calls=[call_mcp("docs", "search", query="whales")])
        return Reply(f"I found {turn.last_output}.")

    docs = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.test/"}
    with (
        RealtimeEmulator(
            replies=search_then_tell, speech=TONES, mcp_servers={"docs": [search]}
        ) as emulator,
        RealtimeClient(emulator.endpoint, "key", model="m").connect(
            session={"tools": [docs], "output_modalities": ["text"]}
        ) as connection,
    ):
        connection.use_functions(approve=approve)
        ended = connection.events(
            ResponseMcpCallCompleted, ResponseMcpCallFailed, timeout=WAIT
        )
        answered = connection.events(ConversationItemDone, timeout=WAIT)
        connection.ask("Are there whales?", timeout=WAIT)
        if approved:
            assert isinstance(next(ended), ResponseMcpCallCompleted)
        else:
            any(isinstance(e.item, McpApprovalResponse) for e in answered)
        final = connection.create_response().result(timeout=WAIT)

    assert [("docs", "search")] == [(each.server_label, each.name) for each in asked]
    assert (final.text == "I found 3 pages on whales.") is approved


def _text(text: str) -> dict[str, str]:
    return {"type": "input_text", "text": text}


# Rate limits


def test_rate_limits_are_readable(client: RealtimeClient) -> None:
    """What the service says of its limits can be read, and waiting returns at once."""
    with client.connect() as connection:
        assert {} == connection.rate_limits

        told = connection.events(RateLimitsUpdated, timeout=WAIT)
        connection.ask("Hello.", timeout=WAIT)
        next(told)
        connection.wait_for_capacity(tokens=10, timeout=WAIT)

        assert {"requests", "tokens"} == set(connection.rate_limits)


def limits(remaining: int, reset_seconds: float) -> RateLimitsUpdated:
    """What the service tells of a limit of 100 tokens."""
    return RateLimitsUpdated(
        rate_limits=[
            RateLimit(
                name="tokens",
                limit=100,
                remaining=remaining,
                reset_seconds=reset_seconds,
            )
        ]
    )


def test_waits_until_the_limit_is_reset() -> None:
    """Capacity is there again once the seconds that the service told are over."""
    now = [0.0]
    found = RateLimits(Monitor(), lambda: now[0])
    found.handlers()[RateLimitsUpdated](limits(remaining=5, reset_seconds=60))

    found.wait({"tokens": 5, "requests": 1}, timeout=0.01)
    with pytest.raises(TimeoutError, match="capacity"):
        found.wait({"tokens": 6}, timeout=0.01)
    now[0] = 60.0
    found.wait({"tokens": 6}, timeout=0.01)


def test_wakes_when_the_service_tells_of_more() -> None:
    """Who waits for capacity goes on as soon as the service says that it is there."""
    found = RateLimits(Monitor(), lambda: 0.0)
    absorb = found.handlers()[RateLimitsUpdated]
    absorb(limits(remaining=0, reset_seconds=60))
    threading.Timer(0.02, absorb, (limits(50, 60),)).start()

    found.wait({"tokens": 50}, timeout=WAIT)


def test_what_no_limit_allows_is_an_error() -> None:
    """Nobody waits for more than a limit ever allows."""
    found = RateLimits(Monitor())
    found.handlers()[RateLimitsUpdated](limits(remaining=0, reset_seconds=60))

    with pytest.raises(ValueError, match="more than the 100"):
        found.wait({"tokens": 101}, timeout=WAIT)


def test_end_of_the_connection_ends_the_wait(
    connection: RealtimeConnection, transport: FakeTransport
) -> None:
    """Waiting for capacity ends with the connection."""
    transport.feed(
        {
            "type": "rate_limits.updated",
            "event_id": "event_1",
            "rate_limits": [
                {"name": "tokens", "limit": 9, "remaining": 0, "reset_seconds": 60}
            ],
        }
    )
    connection.recv(timeout=WAIT)
    connection.recv(timeout=WAIT)
    threading.Timer(0.02, connection.close).start()

    with pytest.raises(ConnectionClosed):
        connection.wait_for_capacity(timeout=WAIT)
