"""The server's side of a recording: its lines, and the client's cues before them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from .._recording.format import Ending, RecordedEvent
from .._recording.reader import Recording
from ..errors import DecodeError
from ..protocol import (
    ClientEvent,
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    UnknownClientEvent,
)
from ..protocol.codec import unstructure
from ..protocol.translation_events import SessionInputAudioBufferAppend


__all__ = ["Cue", "End", "Line", "Script", "audio_of", "kind_of"]

logger = logging.getLogger("realtime_sync.emulator")

# A client notes what it sent after it left, so the answer may be noted first. It is not
# later than this, in seconds.
_INVERSION: Final = 0.1

# Events that hold up nothing where a client does without them: how audio is cut, and
# when somebody interrupts, is never the same again.
_OPTIONAL: Final = frozenset(
    {
        "input_audio_buffer.append",
        "session.input_audio_buffer.append",
        "input_audio_buffer.clear",
        "output_audio_buffer.clear",
        "response.cancel",
        "conversation.item.truncate",
    }
)

_ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "session.update": ("session.updated",),
    "transcription_session.update": ("transcription_session.updated",),
    "conversation.item.create": (
        "conversation.item.added",
        "conversation.item.created",
    ),
    "conversation.item.delete": ("conversation.item.deleted",),
    "conversation.item.retrieve": ("conversation.item.retrieved",),
    "conversation.item.truncate": ("conversation.item.truncated",),
    "input_audio_buffer.commit": ("input_audio_buffer.committed",),
    "input_audio_buffer.clear": ("input_audio_buffer.cleared",),
    "response.create": ("response.created",),
}


@attrs.define(eq=False)
class Cue:
    """
    Something that the client sent.

    Attributes:
        time: When, in seconds since the recording began.
        kind: Its wire type.
        event: The event.
        position: Which step of the script it is.
        total: Bytes of audio that were appended up to and with it.
        item_id: Of the item that it made, whoever named it.
    """

    time: float
    kind: str
    event: ClientEvent
    position: int = 0
    total: int = 0
    item_id: str | None = None

    @property
    def is_optional(self) -> bool:
        """Whether the server goes on without it."""
        return self.kind in _OPTIONAL


@attrs.define(eq=False)
class Line:
    """
    Something that the server said.

    Attributes:
        time: When, in seconds since the recording began.
        payload: The event in wire form.
        answers: The command that it acknowledges, if it does.
    """

    time: float
    payload: Mapping[str, Any]
    answers: Cue | None = None


@attrs.define(eq=False)
class End:
    """The server ended the connection, or the network did."""

    time: float
    code: int
    reason: str


Step = Cue | Line | End


class Script:
    """
    The steps of a recording, in the order of cause and effect.

    Attributes:
        dialect: In which the lines are.
        started: When the recording began, in seconds since 1970.
        steps: All of them, the session's beginning included.

    Args:
        recording: It is read to its end and kept, its audio included.

    Raises:
        RecordingError: The recording is damaged.
    """

    def __init__(self, recording: Recording) -> None:
        self.dialect = recording.dialect
        self.started = recording.started.timestamp()
        self.steps: list[Step] = []
        self._open: list[Cue] = []  # commands without an answer so far
        self._total = 0
        for entry in recording:
            if isinstance(entry, RecordedEvent):
                self._add(entry)
            elif isinstance(entry, Ending) and entry.initiated_by != "client":
                self.steps.append(End(entry.time, entry.code, entry.reason))
        if not any(_begins(step) for step in self.steps[:1]):
            event_id = {"event_id": "event_recording"}
            self.steps.insert(0, Line(0.0, {**event_id, **recording.created}))
        self._number()

    def _add(self, entry: RecordedEvent) -> None:
        try:
            event = entry.event
        except DecodeError as exc:
            logger.warning(
                "left out what the recording has at %.3f s: %s", entry.time, exc
            )
            return
        if isinstance(event, ClientEvent):
            self._total += entry.audio_bytes
            cue = Cue(entry.time, entry.type, event, total=self._total)
            cue.item_id = _item_id(entry.payload)
            self._place(cue)
        else:
            line = Line(entry.time, entry.payload)
            self._claim(line)
            self.steps.append(line)

    def _claim(self, line: Line) -> None:
        """Find the oldest command that *line* acknowledges."""
        for cue in self._open:
            if _fits(cue, line):
                self._open.remove(cue)
                _answer(cue, line)
                return

    def _place(self, cue: Cue) -> None:
        """Add *cue* at the end, or before its answer if that was noted first."""
        for index, step in self._recent(cue.time):
            if isinstance(step, Line) and step.answers is None and _fits(cue, step):
                _answer(cue, step)
                self.steps.insert(index, cue)
                return
        self.steps.append(cue)
        if cue.kind in _ANSWERS:
            self._open.append(cue)

    def _recent(self, time: float) -> Iterator[tuple[int, Step]]:
        """Yield the steps that were noted shortly before, the oldest one first."""
        start = len(self.steps)
        while start and self.steps[start - 1].time > time - _INVERSION:
            start -= 1
        yield from list(enumerate(self.steps))[start:]

    def _number(self) -> None:
        for position, step in enumerate(self.steps):
            if isinstance(step, Cue):
                step.position = position


def kind_of(event: ClientEvent) -> str:
    """Return the wire type of *event*."""
    if isinstance(event, UnknownClientEvent):
        return str(event.payload.get("type"))
    return event.type


def audio_of(event: ClientEvent) -> bytes | None:
    """Return the audio that *event* appends; None if it is for something else."""
    if isinstance(event, (InputAudioBufferAppend, SessionInputAudioBufferAppend)):
        return event.audio
    return None


def _answer(cue: Cue, line: Line) -> None:
    line.answers = cue
    cue.item_id = cue.item_id or _item_id(line.payload)


def _fits(cue: Cue, line: Line) -> bool:
    if line.payload["type"] not in _ANSWERS.get(cue.kind, ()):
        return False
    if isinstance(cue.event, ResponseCreate):
        return _metadata(cue.event.response) == _metadata_of(line.payload)
    theirs = _item_id(line.payload)
    if cue.item_id is not None and theirs is not None:
        return cue.item_id == theirs
    if isinstance(cue.event, ConversationItemCreate):
        # The server names the items that the client did not.
        return _sort_of(unstructure(cue.event)) == _sort_of(line.payload)
    return True


def _metadata(params: Any) -> Mapping[str, Any]:
    return getattr(params, "metadata", None) or {}


def _metadata_of(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    response = payload.get("response")
    found = response.get("metadata") if isinstance(response, Mapping) else None
    return found or {}


def _item_id(payload: Mapping[str, Any]) -> str | None:
    item = payload.get("item")
    found = item.get("id") if isinstance(item, Mapping) else payload.get("item_id")
    return found if isinstance(found, str) and found else None


def _sort_of(payload: Mapping[str, Any]) -> Sequence[Any]:
    """Return what an item has in common with itself as the server tells it."""
    item = payload.get("item")
    return [dict(item or {}).get(name) for name in ("type", "role", "call_id")]


def _begins(step: Step) -> bool:
    return isinstance(step, Line) and str(step.payload["type"]).endswith(
        "session.created"
    )
