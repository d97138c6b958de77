"""A client that was not written here, against the emulator in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from realtime_sync.emulator import ToneSpeech


openai = pytest.importorskip("openai", reason="the extra test brings openai")

from openai.types.realtime import RealtimeServerEvent  # noqa: E402


# How openai opens its connection is deprecated in recent releases of websockets.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be:DeprecationWarning")

ROOT = Path(__file__).parents[2]
_SECOND = 48_000  # bytes of 16-bit PCM at 24 kHz
_PIECE = 4_800  # bytes: 100 ms
_PATIENCE = 60.0  # seconds for one event
_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Tell the weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def _serve(*arguments: str) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "realtime_sync", "emulate", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1].rstrip(";")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()  # or leaving the block would wait for ever
                raise


@pytest.fixture(name="endpoint", scope="module")
def _endpoint() -> Iterator[str]:
    """An emulator that speaks in tones, four times as fast as they play."""
    yield from _serve("--speech", "tone", "--speed", "4")


@pytest.fixture(name="speaking_endpoint", scope="module")
def _speaking_endpoint() -> Iterator[str]:
    """An emulator that really hears and speaks."""
    pytest.importorskip("hibari", reason="needs the extra speech")
    pytest.importorskip("ctranslate2", reason="needs the extra speech")
    yield from _serve("--speech", "real", "--speed", "2")


class Call:
    """A conversation of openai's client, and all that it received, validated."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[Any] = []

    def next(self) -> Any:
        data = self.connection._connection.recv(timeout=_PATIENCE, decode=False)
        _EVENT.validate_python(json.loads(data))
        event = self.connection.parse_event(data)
        assert event.type != "error", event
        self.events.append(event)
        return event

    def until(self, event_type: str) -> Any:
        while (event := self.next()).type != event_type:
            pass
        return event

    def say(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), _PIECE):
            audio = base64.b64encode(pcm[start : start + _PIECE]).decode()
            self.connection.input_audio_buffer.append(audio=audio)

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def audio(self) -> bytes:
        return b"".join(
            base64.b64decode(event.delta)
            for event in self.events
            if event.type == "response.output_audio.delta"
        )


@pytest.fixture(name="call")
def _call(endpoint: str) -> Iterator[Call]:
    """A call to the emulator that speaks in tones."""
    yield from _dial(endpoint)


@pytest.fixture(name="spoken_call")
def _spoken_call(speaking_endpoint: str) -> Iterator[Call]:
    """A call to the emulator that really speaks."""
    yield from _dial(speaking_endpoint)


def _dial(endpoint: str) -> Iterator[Call]:
    with (
        openai.OpenAI(
            api_key="any key", base_url=endpoint.replace("ws", "http", 1) + "/v1"
        ) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        call = Call(connection)
        call.until("session.created")
        yield call


def _update(call: Call, **session: Any) -> None:
    call.connection.session.update(session={"type": "realtime", **session})
    call.until("session.updated")


def test_spoken_turn(call: Call) -> None:
    """Speech starts and stops a turn by itself, is transcribed, and is answered."""
    _update(call, audio={"input": {"transcription": {"model": "whisper-1"}}})
    question = ToneSpeech().speak("What is the capital of Norway?")
    call.say(bytes(_SECOND) + question + bytes(_SECOND))

    started = call.until("input_audio_buffer.speech_started")
    stopped = call.until("input_audio_buffer.speech_stopped")
    done = call.until("response.done")
    heard = next(
        event.transcript
        for event in call.events
        if event.type == "conversation.item.input_audio_transcription.completed"
    )

    assert 600 <= started.audio_start_ms <= 1_000
    assert stopped.audio_end_ms >= 1_000 + len(question) * 1_000 // _SECOND
    assert "What is the capital of Norway?" == heard
    assert "completed" == done.response.status
    assert "The capital of Norway is Oslo." == ToneSpeech().transcribe(call.audio())


def test_tool_call(call: Call) -> None:
    """A fitting tool is called, and its output becomes the answer."""
    _update(call, tools=[WEATHER], output_modalities=["text"])
    items, response = call.connection.conversation.item, call.connection.response
    items.create(
        item={
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "What is the weather in Oslo?"}],
        }
    )
    response.create()
    asked = call.until("response.done").response.output[0]
    items.create(
        item={
            "type": "function_call_output",
            "call_id": asked.call_id,
            "output": '{"sky": "sunny"}',
        }
    )
    response.create()
    answer = call.until("response.done").response.output[0]

    assert ("get_weather", {"city": "Oslo"}) == (
        asked.name,
        json.loads(asked.arguments),
    )
    assert "The sky is sunny." == answer.content[0].text


def test_barge_in(call: Call) -> None:
    """Speech during an answer ends the answer, and a shorter one is kept of it."""
    speech = ToneSpeech()
    story = "a long story, " * 30
    call.say(speech.speak(story) + bytes(_SECOND))
    item_id = call.until("response.output_audio.delta").item_id
    call.say(speech.speak("Stop, please.") + bytes(_SECOND))
    cancelled = call.until("response.done").response
    call.connection.conversation.item.truncate(
        item_id=item_id, content_index=0, audio_end_ms=100
    )
    call.until("conversation.item.truncated")
    answered = call.until("response.done").response

    assert ("cancelled", "turn_detected") == (
        cancelled.status,
        cancelled.status_details.reason,
    )
    assert "completed" == answered.status
    assert "Stop, please." in answered.output[0].content[0].transcript
    assert call.types().count("input_audio_buffer.speech_started") == 2


def _question() -> bytes:
    with wave.open(str(ROOT / "examples" / "audio" / "question.wav")) as file:
        return file.readframes(file.getnframes())


@pytest.mark.speech
def test_barge_in_with_real_speech(spoken_call: Call) -> None:
    """A recorded voice ends the answer in the middle of a word, and is answered."""
    _update(spoken_call, audio={"input": {"transcription": {"model": "whisper-1"}}})
    question = _question() + bytes(_SECOND)
    spoken_call.say(question)
    spoken_call.until("response.output_audio.delta")
    spoken_call.say(question)
    first = spoken_call.until("response.done").response
    second = spoken_call.until("response.done").response

    assert ("cancelled", "turn_detected") == (
        first.status,
        first.status_details.reason,
    )
    assert "incomplete" == first.output[0].status
    assert 2 == spoken_call.types().count("input_audio_buffer.speech_started")
    assert "completed" == second.status
    assert len(second.output[0].content[0].transcript) > len(
        first.output[0].content[0].transcript
    )


@pytest.mark.speech
def test_spoken_turn_with_real_speech(spoken_call: Call) -> None:
    """A recorded question is understood, and answered by a voice."""
    question = _question()
    _update(spoken_call, audio={"input": {"transcription": {"model": "whisper-1"}}})
    spoken_call.say(question + bytes(_SECOND))
    done = spoken_call.until("response.done").response

    assert "completed" == done.status
    assert "conversation.item.input_audio_transcription.completed" in (
        spoken_call.types()
    )
    assert len(spoken_call.audio()) > _SECOND
