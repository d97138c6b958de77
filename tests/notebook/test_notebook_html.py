"""What objects show of themselves in a notebook, and what they never show."""

from __future__ import annotations

import base64
import math
import re
from array import array
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from realtime_sync import (
    AuthenticationError,
    ClientSecret,
    ConversationItemAdded,
    ErrorDetails,
    FunctionCall,
    InputAudio,
    Message,
    OutputAudio,
    RealtimeClient,
    RealtimeSession,
    Response,
    ResponseError,
    ResponseOutputAudioDelta,
    ResponseResult,
    ServerError,
    SessionCreated,
    UnknownEvent,
    UnknownObject,
    Usage,
    UsageTotals,
    notebook,
)
from realtime_sync._channel.monitor import Monitor
from realtime_sync._notebook.audio import DEFAULT_LIMIT
from realtime_sync.audio import Audio, decode_wav
from realtime_sync.conversation import Conversation
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, Reply
from realtime_sync.protocol import AudioPcmu, ResponseAudio, ResponseAudioOutput


HOSTILE = '<script>alert(\'1\')</script>" onload="x" &amp; \ud800 <img src=x>'


class Page(HTMLParser):
    """The elements and attributes of some HTML, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    yield
    notebook.limit_audio()


def result(**fields: Any) -> ResponseResult:
    values: dict[str, Any] = {
        "id": "resp_1",
        "status": "completed",
        "reason": None,
        "text": "",
        "transcript": "",
        "audio": b"",
        "items": (),
        "function_calls": (),
        "usage": None,
        "response": Response(id="resp_1"),
    }
    return ResponseResult(**{**values, **fields})


def conversation(*items: Message | FunctionCall, keep_audio: bool) -> Conversation:
    made = Conversation(Monitor(), keep_audio=keep_audio)
    add = made._handlers()[ConversationItemAdded]
    for item in items:
        add(ConversationItemAdded(event_id="event_1", item=item))
    return made


def sine(seconds: float) -> bytes:
    samples = (int(12_000 * math.sin(n / 8)) for n in range(int(24_000 * seconds)))
    return array("h", samples).tobytes()


SPOKEN = Message(
    id="item_1",
    role="user",
    content=[InputAudio(transcript=HOSTILE, audio=sine(0.1))],
)

HOSTILES = {
    "result": result(
        text=HOSTILE,
        status=HOSTILE,
        reason=HOSTILE,
        function_calls=(FunctionCall(name=HOSTILE, arguments=HOSTILE, call_id="c"),),
    ),
    "conversation": conversation(SPOKEN, keep_audio=True),
    "item": conversation(SPOKEN, keep_audio=True).items[0],
    "error": ServerError(ErrorDetails(message=HOSTILE, code=HOSTILE)),
    "response error": ResponseError(Response(id=HOSTILE, status="failed")),
    "refused": AuthenticationError(401, message=HOSTILE, hint=HOSTILE),
    "event": ConversationItemAdded(event_id=HOSTILE, item=SPOKEN),
    "unknown event": UnknownEvent(payload={"type": HOSTILE, HOSTILE: HOSTILE}),
    "unknown object": UnknownObject(payload={"type": "x", "a": [HOSTILE]}),
}


@pytest.mark.parametrize("thing", HOSTILES.values(), ids=HOSTILES)
def test_nothing_of_what_was_said_becomes_markup(thing: Any) -> None:
    """Whatever users, models and servers say is text, never an element."""
    page = Page(thing._repr_html_())

    assert not {"script", "img"} & set(page.elements)
    assert not {"onload", "onerror"} & set(page.attributes)
    assert "<script>" in page.text
    thing._repr_html_().encode()


def test_result_says_what_it_is() -> None:
    """A result shows its words, status, function calls and tokens."""
    shown = result(
        text="Hello.",
        status="incomplete",
        reason="max_output_tokens",
        function_calls=(FunctionCall(name="add", arguments="{}", call_id="c"),),
        usage=Usage(input_tokens=1200, output_tokens=34),
    )._repr_html_()
    text = Page(shown).text

    assert "Hello." in text
    assert "incomplete · max output tokens" in text
    assert "add({})" in text
    assert "1,200 tokens in, 34 out" in text


def test_result_has_a_player() -> None:
    """A result with audio has a player, of a WAV file that is half as long."""
    pcm = sine(1.0)
    source = Page(result(audio=pcm)._repr_html_()).attributes["src"] or ""
    wav = base64.b64decode(source.removeprefix("data:audio/wav;base64,"))
    played = decode_wav(wav)

    assert 24_000 == played.sample_rate
    assert 1000 == played.duration_ms
    assert len(wav) < len(pcm) / 2 + 100
    loudest = max(array("h", played.pcm))
    assert 11_000 < loudest < 13_000


def test_player_of_telephone_audio_has_its_rate() -> None:
    """Audio in the format that the response tells is played in that."""
    output = ResponseAudioOutput(format=AudioPcmu())
    response = Response(id="r", audio=ResponseAudio(output=output))
    shown = result(audio=bytes(8000), response=response)._repr_html_()
    source = Page(shown).attributes["src"] or ""
    wav = base64.b64decode(source.removeprefix("data:audio/wav;base64,"))

    assert (8000, 1000) == (decode_wav(wav).sample_rate, decode_wav(wav).duration_ms)


def test_no_megabytes_are_stored() -> None:
    """Audio over the limit is not there, but the way to hear it is."""
    shown = result(audio=bytes(2 * DEFAULT_LIMIT + 2))._repr_html_()

    assert "<audio" not in shown
    assert "notebook.play" in shown
    assert len(shown) < 2000


def test_one_conversation_keeps_to_one_limit() -> None:
    """The limit is for what is shown together: of many players, the first ones stay."""
    items = [
        Message(
            id=f"item_{n}", role="assistant", content=[OutputAudio(audio=sine(0.5))]
        )
        for n in range(3)
    ]
    notebook.limit_audio(25_000)
    shown = conversation(*items, keep_audio=True)._repr_html_()

    assert 2 == shown.count("<audio")
    assert 1 == shown.count("notebook.play")


@pytest.mark.parametrize(("limit", "players"), [(0, 0), (None, 1)])
def test_limit_can_be_changed(limit: int | None, players: int) -> None:
    """0 is for no players, None for no limit."""
    notebook.limit_audio(limit)
    shown = Audio(bytes(2 * DEFAULT_LIMIT + 2))._repr_html_()

    assert players == shown.count("<audio")


def test_limit_is_no_negative_number() -> None:
    """A limit below zero is a mistake."""
    with pytest.raises(ValueError, match="0 bytes or more"):
        notebook.limit_audio(-1)


def test_event_shows_its_fields_and_no_audio() -> None:
    """An event shows its type and fields, and how long its audio is."""
    event = ResponseOutputAudioDelta(
        event_id="event_1",
        response_id="resp_1",
        item_id="item_1",
        output_index=0,
        content_index=0,
        delta=bytes(4800),
    )
    text = Page(event._repr_html_()).text

    assert "response.output_audio.delta" in text
    assert "4,800 bytes" in text
    assert len(event._repr_html_()) < 3000


def test_secrets_are_not_shown() -> None:
    """No secret of a session is in what it shows, known to this version or not."""
    session = RealtimeSession(
        client_secret=ClientSecret(value="geheim-1"),
        extra={"api_key": "geheim-2"},
    )

    assert "geheim" not in session._repr_html_()
    assert "geheim" not in SessionCreated(session=session)._repr_html_()


def test_long_texts_are_cut() -> None:
    """A text of a million characters does not fill the notebook."""
    shown = RealtimeSession(instructions="x" * 1_000_000)._repr_html_()

    assert len(shown) < 5000
    assert "1,000,000 characters" in shown


def test_connection_shows_state_session_and_statistics() -> None:
    """A connection shows what it is, what it was set up with, and what it used."""
    with RealtimeEmulator(
        replies=lambda turn: Reply("Hello."), settings=EmulatorSettings.instant()
    ) as emulator:
        client = RealtimeClient(emulator.endpoint, "key", model="m", proxy="")
        with client.connect(session={"output_modalities": ["text"]}) as connection:
            asked = connection.ask("Hello?")
            text = Page(connection._repr_html_()).text
            stats = Page(connection.stats._repr_html_()).text
        closed = Page(connection._repr_html_()).text

    assert "RealtimeConnection open" in text
    assert "answers intext" in text
    assert "conversation2 items" in text
    assert f"{asked.usage.total_tokens} tokens" in text  # type: ignore[union-attr]
    assert "kB sent" in text
    assert "responses1 completed" in stats
    assert "RealtimeConnection closed" in closed
    assert "time left" not in closed


def test_usage_shows_what_was_used() -> None:
    """Totals show the kinds of which there were some."""
    text = Page(UsageTotals(responses=2, input_text=1500)._repr_html_()).text

    assert "input text1,500" in text
    assert "audio" not in text
    assert "nothing" in UsageTotals()._repr_html_()


def test_html_is_well_formed() -> None:
    """Every element that is opened is closed, in order."""
    for thing in HOSTILES.values():
        open_elements: list[str] = []
        markup = re.sub(r'"[^"]*"', '""', thing._repr_html_())
        for closing, name in re.findall(r"<(/?)(\w+)", markup):
            if closing:
                assert name == open_elements.pop()
            else:
                open_elements.append(name)

        assert [] == open_elements
