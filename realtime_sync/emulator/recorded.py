"""
The server's side of a recording, in step with a client: a trace becomes a test.

``RealtimeEmulator(recording="call.jsonl")`` says to every client what the server said
then, each event once the client has sent what had been sent before it, and as long
after that as it was then, divided by the settings' *speed*. So a client that does what
the recorded one did gets what that one got, ids included.

- A client's events are matched by type, in order: its first ``response.create`` is the
  recording's first. Ids that the client chose take the place of the recorded ones, and
  so does the metadata of responses.
- Audio counts by its bytes, however it is cut into events. Appends, cancels, clears and
  truncations that a client leaves out hold nothing up once something later came, and
  are not acknowledged.
- What the recording has no counterpart for is refused with the code
  ``not_in_recording``, save for what is harmless: a ``session.update``, such as that of
  ``connect(session=…)`` before a recorder was there, is acknowledged with the session
  as it is, and so are truncations and clears.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import orjson

from ..protocol import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemTruncate,
    ConversationItemTruncated,
    InputAudioBufferClear,
    InputAudioBufferCleared,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    TranscriptionSessionUpdate,
)
from ..protocol.codec import Dialect, decode_server_event
from ._clock import Clock
from ._core import Timer
from ._errors import RequestError
from ._machine import Machine
from ._recorded_script import Cue, End, Line, Script, audio_of, kind_of
from .settings import EmulatorSettings


__all__ = ["RecordedSession"]

_CLOSE_CODES = (1000, 1001, 1011)
_BULK = ("audio", "delta")


class RecordedSession(Machine):
    """
    A session without I/O that says what a recorded server said. Not thread-safe.

    Attributes:
        config: The session's configuration as the client was last told.
        responses: The responses that are done.

    Args:
        script: What was recorded; any number of sessions share it.
        settings: How fast it goes: *speed* divides the recorded delays.
        clock: What time it is.
        dialect: What the client speaks; the recording may have been in the other one.
        observe: Called with every client event that could be decoded.
    """

    def __init__(
        self,
        script: Script,
        *,
        settings: EmulatorSettings | None = None,
        clock: Clock | None = None,
        dialect: Dialect = "ga",
        observe: Callable[[ClientEvent], None] | None = None,
    ) -> None:
        super().__init__(
            settings=settings,
            clock=clock,
            new_id=None,
            dialect=dialect,
            observe=observe,
        )
        self._script = script
        self._next = 0  # the step that comes next
        self._timer: Timer | None = None
        self._waiting: dict[str, deque[Cue]] = defaultdict(deque)
        for step in script.steps:
            if isinstance(step, Cue):
                self._waiting[step.kind].append(step)
        self._matched: dict[Cue, ClientEvent] = {}
        self._furthest = -1  # the position of the last cue that came
        self._appended = 0  # bytes
        self._ids: dict[str, str] = {}
        self._metadata: dict[str, Mapping[str, str]] = {}
        self._shift = int(self._core.clock.epoch() - script.started)
        # When the last cue came: then, and now.
        self._anchor = (script.steps[0].time, self._core.clock.now())
        self.config: Any = None
        self.responses: list[Any] = []
        self.conversation = _Items()

    @property
    def id(self) -> str:
        """The id of the session."""
        return str(getattr(self.config, "id", "") or "")

    @property
    def waits_for(self) -> str | None:
        """The wire type that the client has to send for it to go on, or None."""
        steps = self._script.steps
        step = steps[self._next] if self._next < len(steps) else None
        return step.kind if isinstance(step, Cue) else None

    def receive(self, event: ClientEvent) -> list[ServerEvent]:
        """Take an event of the client; returns the events that are due now."""
        if self._observe is not None:
            self._observe(event)
        try:
            self._match(event)
        except RequestError as error:
            return self.refuse(error, event.event_id)
        self._go_on()
        return self._core.take_events()

    # From the client

    def _begin(self) -> None:
        self._go_on()

    def _match(self, event: ClientEvent) -> None:
        kind = kind_of(event)
        audio = audio_of(event)
        if audio is not None:
            self._appended += len(audio)
            self.input_audio += audio
            while (cues := self._waiting[kind]) and cues[0].total <= self._appended:
                self._note(cues.popleft(), event)
            return
        cues = self._waiting[kind]
        if cues and not (isinstance(event, SessionUpdate) and self._is_early(cues[0])):
            self._note(cues.popleft(), event)
        else:
            self._improvise(event, kind)

    def _is_early(self, cue: Cue) -> bool:
        """Tell whether the client had to send something else before *cue*."""
        return any(
            isinstance(step, Cue) and not step.is_optional and step not in self._matched
            for step in self._script.steps[self._next : cue.position]
        )

    def _note(self, cue: Cue, event: ClientEvent) -> None:
        self._matched[cue] = event
        self._furthest = max(self._furthest, cue.position)
        if cue.event.event_id and event.event_id:
            self._ids[cue.event.event_id] = event.event_id
        if isinstance(event, ConversationItemCreate):
            own = getattr(event.item, "id", None)
            if own and cue.item_id:
                self._ids[cue.item_id] = own

    def _improvise(self, event: ClientEvent, kind: str) -> None:
        """Answer what was not recorded."""
        if isinstance(event, (SessionUpdate, TranscriptionSessionUpdate)):
            self._core.emit(SessionUpdated, session=self.config)
        elif isinstance(event, InputAudioBufferClear):
            self._core.emit(InputAudioBufferCleared)
        elif isinstance(event, ConversationItemTruncate):
            self._core.emit(
                ConversationItemTruncated,
                item_id=event.item_id,
                content_index=event.content_index,
                audio_end_ms=event.audio_end_ms,
            )
        elif not isinstance(event, (ResponseCancel, OutputAudioBufferClear)):
            raise RequestError(
                f"The recording has no further '{kind}'. It goes on when the client "
                f"sends: {self.waits_for or 'nothing, for it is at its end'}.",
                code="not_in_recording",
            )

    # To the client

    def _go_on(self) -> None:
        """Say what is due; see to it that the rest is said when it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        steps, clock = self._script.steps, self._core.clock
        while self._next < len(steps) and self._core.ending is None:
            step = steps[self._next]
            if isinstance(step, Cue):
                if not self._came(step):
                    return
                self._anchor = (step.time, clock.now())
            else:
                due = self._due(step.time)
                if due > clock.now():
                    self._timer = self._core.call_at(due, self._go_on)
                    return
                if isinstance(step, End) or self._is_wanted(step):
                    self._say(step)
            self._next += 1

    def _came(self, cue: Cue) -> bool:
        return cue in self._matched or (
            cue.is_optional and self._furthest > cue.position
        )

    def _is_wanted(self, line: Line) -> bool:
        """Tell whether *line* does not acknowledge what this client left out."""
        return line.answers is None or line.answers in self._matched

    def _due(self, time: float) -> float:
        then, now = self._anchor
        return now + max(0.0, time - then) / self._core.settings.speed

    def _say(self, step: Line | End) -> None:
        if isinstance(step, End):
            code = step.code if step.code in _CLOSE_CODES else 1011
            self._core.end(code, step.reason)
            return
        payload = _replaced(step.payload, self._ids) if self._ids else step.payload
        event = decode_server_event(orjson.dumps(payload), self._script.dialect)
        if isinstance(event, (ResponseCreated, ResponseDone)):
            event = self._with_metadata(event, step.answers)
        elif isinstance(event, (SessionCreated, SessionUpdated)):
            event = self._of_today(event)
        self._keep(event)
        self._core.emit_event(event)

    def _with_metadata(
        self, event: ResponseCreated | ResponseDone, cue: Cue | None
    ) -> ServerEvent:
        """Return *event* with the metadata of the client that asked for it."""
        asked = self._matched.get(cue) if cue is not None else None
        response_id = event.response.id or ""
        if isinstance(asked, ResponseCreate):
            metadata = getattr(asked.response or None, "metadata", None)
            self._metadata[response_id] = metadata or {}
        if response_id not in self._metadata:
            return event
        metadata = self._metadata[response_id] or None
        response = attrs.evolve(event.response, metadata=metadata)
        return attrs.evolve(event, response=response)

    def _of_today(self, event: SessionCreated | SessionUpdated) -> ServerEvent:
        """Return *event* with a session that ends as long from now as it did then."""
        expires_at = getattr(event.session, "expires_at", None)
        if not expires_at:
            return event
        session: Any = attrs.evolve(event.session, expires_at=expires_at + self._shift)
        return attrs.evolve(event, session=session)

    def _keep(self, event: ServerEvent) -> None:
        """Keep what tests look at."""
        if isinstance(event, (SessionCreated, SessionUpdated)):
            self.config = event.session
        elif isinstance(event, ResponseDone):
            self.responses.append(event.response)
        else:
            self.conversation.note(event)


class _Items:
    """The items of the conversation that the client was told of."""

    def __init__(self) -> None:
        self._items: dict[str, Any] = {}

    def note(self, event: ServerEvent) -> None:
        """Take note of an item in *event*."""
        item = getattr(event, "item", None)
        if getattr(item, "id", None):
            self._items[item.id] = item  # type: ignore[union-attr]

    def items(self) -> Sequence[Any]:
        """Return them, in the order in which they came."""
        return list(self._items.values())


def _replaced(value: Any, ids: Mapping[str, str]) -> Any:
    """Return *value* with the client's ids instead of the recorded ones."""
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [_replaced(each, ids) for each in value]
    if isinstance(value, Mapping):
        return {
            name: each if name in _BULK else _replaced(each, ids)
            for name, each in value.items()
        }
    return value
