"""A session of the emulator on a clock that the test owns, spoken to in JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from openai_models import check_event

from realtime_sync.emulator import EmulatorSettings, ManualClock, Session, ToneSpeech
from realtime_sync.emulator._machine import Machine
from realtime_sync.protocol import ServerEvent
from realtime_sync.protocol.codec import encode


Json = dict[str, Any]

TONES = ToneSpeech()
SILENCE = bytes(48 * 1000)  # one second


def numbered_ids() -> Any:
    """Return a maker of ids that a test can predict: ``item_1``, ``item_2``."""
    counts: dict[str, int] = {}

    def new_id(prefix: str) -> str:
        counts[prefix] = counts.get(prefix, 0) + 1
        return f"{prefix}_{counts[prefix]}"

    return new_id


class Client:
    """Speaks to a session, and keeps what it answered, as JSON."""

    def __init__(self, machine: Machine | None = None, **options: Any) -> None:
        self.clock = ManualClock()
        self.dialect = options.get("dialect", "ga")
        options.setdefault("settings", EmulatorSettings.instant())
        options.setdefault("speech", lambda: TONES)
        self.machine: Any = machine or Session(
            clock=self.clock, new_id=numbered_ids(), **options
        )
        self.events: list[Json] = []
        self._note(self.machine.start())
        self.settle()

    def send(self, event_type: str, **fields: Any) -> list[Json]:
        """Send an event, let the session settle, and return what it answered."""
        before = len(self.events)
        message = json.dumps({"type": event_type, **fields})
        self._note(self.machine.receive_message(message))
        self.settle()
        return self.events[before:]

    def send_raw(self, message: str | bytes) -> list[Json]:
        """Send a message of any kind."""
        before = len(self.events)
        self._note(self.machine.receive_message(message))
        self.settle()
        return self.events[before:]

    def hear(self, pcm: bytes, *, piece_ms: int = 100) -> list[Json]:
        """Send audio, in pieces."""
        before = len(self.events)
        size = piece_ms * 48
        for start in range(0, len(pcm), size):
            audio = base64.b64encode(pcm[start : start + size]).decode()
            self.send("input_audio_buffer.append", audio=audio)
        return self.events[before:]

    def write(self, text: str, **fields: Any) -> list[Json]:
        """Add a user's text to the conversation."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content, **fields}
        return self.send("conversation.item.create", item=item)

    def update(self, **session: Any) -> list[Json]:
        """Update a session of the GA dialect."""
        return self.send("session.update", session={"type": "realtime", **session})

    def pass_time(self, seconds: float) -> list[Json]:
        """Let time pass, step by step, and return what happened."""
        before = len(self.events)
        end = self.clock.now() + seconds
        while (due := self.machine.next_due) is not None and due <= end:
            self.clock.advance(max(0.0, due - self.clock.now()))
            self.settle()
        self.clock.advance(max(0.0, end - self.clock.now()))
        return self.events[before:]

    def settle(self) -> None:
        """Do the session's work, and take what is due."""
        while True:
            for work in self.machine.take_work():
                self._note(self.machine.complete(work.run()))
            due = self.machine.next_due
            if self.machine.ending or due is None or due > self.clock.now():
                break
            self._note(self.machine.advance())
        if work_left := self.machine.take_work():
            for work in work_left:
                self._note(self.machine.complete(work.run()))
            self.settle()

    def _note(self, events: list[ServerEvent]) -> None:
        for event in events:
            payload = json.loads(encode(event, self.dialect))
            check_event(payload, self.dialect)
            self.events.append(payload)


def types(events: list[Json]) -> list[str]:
    """Return the types of *events*; runs of the same type count once."""
    names: list[str] = []
    for event in events:
        if not names or names[-1] != event["type"]:
            names.append(event["type"])
    return names


def of_type(events: list[Json], name: str) -> list[Json]:
    """Return those of *events* that have a type."""
    return [event for event in events if event["type"] == name]


def one(events: list[Json], name: str) -> Json:
    """Return the only one of *events* that has a type."""
    found = of_type(events, name)
    assert 1 == len(found), f"{name} is in {types(events)}"
    return found[0]


def error(events: list[Json]) -> Json:
    """Return the only error of *events*, without its message."""
    details: Json = one(events, "error")["error"]
    return {name: value for name, value in details.items() if name != "message"}


def audio_of(events: list[Json]) -> bytes:
    """Return the audio of the deltas among *events*."""
    deltas = of_type(events, "response.output_audio.delta")
    return b"".join(base64.b64decode(event["delta"]) for event in deltas)


def said(events: list[Json]) -> Iterator[str]:
    """Yield the texts and transcripts of the responses that are done in *events*."""
    for event in of_type(events, "response.done"):
        for item in event["response"]["output"]:
            for part in item.get("content", ()):
                yield part.get("text") or part.get("transcript")
