"""What a connection has done so far, counted where it is done and read by anybody."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._shown import Shown
from ..protocol._model import ServerEvent
from ..protocol.server_events import (
    ErrorEvent,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStopped,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
)
from ..usage import UsageTotals


if TYPE_CHECKING:
    from .._channel.channel import Channel
    from .._channel.dispatcher import Dispatcher
    from .._channel.send_queue import SendQueue


__all__ = ["ConnectionStats", "ResponseClock", "read_stats"]

_KEPT: Final = 100  # responses whose time to the first audio is kept


@attrs.frozen(kw_only=True)
class ConnectionStats(Shown):
    """
    A snapshot of what a connection has done since it was opened. Times are in seconds.

    The figures are each right, and were not all read at the same moment.

    Attributes:
        age: Since it was opened.
        messages_sent: Frames that were taken to be written, pongs included.
        messages_received: Text messages that arrived.
        bytes_sent: Bytes of those that were sent, without the headers of frames.
        bytes_received: Bytes of those that arrived.
        queued_bytes: Bytes that wait to be sent now.
        queued_bytes_most: The most that have waited so far.
        blocked: How long callers waited for space in the send queue, all together.
        callbacks: Events that callbacks were called for.
        callback_time: How long callbacks held up the reader thread, without the time
            that they waited for the server.
        callback_longest: The longest that the callbacks of one event took.
        reconnects: How often the connection was opened again.
        ping: From the last ping to its pong; None before the first.
        responses: Responses that have ended, by status.
        errors: Errors that the server told, by code.
        first_audio: From the end of the user's turn, or the request, to the first audio
            of a response, by its id; of the last 100 responses.
        usage: The tokens of all responses and transcriptions.
    """

    age: float = 0.0
    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    queued_bytes: int = 0
    queued_bytes_most: int = 0
    blocked: float = 0.0
    callbacks: int = 0
    callback_time: float = 0.0
    callback_longest: float = 0.0
    reconnects: int = 0
    ping: float | None = None
    responses: Mapping[str, int] = attrs.field(factory=dict)
    errors: Mapping[str, int] = attrs.field(factory=dict)
    first_audio: Mapping[str, float] = attrs.field(factory=dict)
    usage: UsageTotals = attrs.field(factory=UsageTotals)


class ResponseClock:
    """
    Times responses and counts how they end.

    The handlers run on the reader thread; everything else on any.
    """

    def __init__(self) -> None:
        self.opened_at = monotonic()
        self._turn_ended_at = 0.0
        self._began: dict[str, float] = {}  # without audio yet, by response
        self._first_audio: deque[tuple[str, float]] = deque(maxlen=_KEPT)
        self._statuses: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def asked(self) -> None:
        """Note that this side asks for a response now."""
        self._turn_ended_at = monotonic()

    def lose(self, error: object) -> None:
        """Forget the responses that will have no end: the connection was lost."""
        self._began.clear()

    def statuses(self) -> dict[str, int]:
        """Return how many responses have ended with each status."""
        return dict(self._statuses)

    def errors(self) -> dict[str, int]:
        """Return how many errors there were with each code."""
        return dict(self._errors)

    def first_audio(self) -> dict[str, float]:
        """Return the seconds to the first audio of the last responses that had some."""
        return dict(self._first_audio.copy())

    def error_handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what counts errors, in sessions of any kind."""
        return {ErrorEvent: self._on_error}

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what times responses."""
        return {
            InputAudioBufferCommitted: self._on_turn_ended,
            InputAudioBufferSpeechStopped: self._on_turn_ended,
            ResponseCreated: self._on_created,
            ResponseOutputAudioDelta: self._on_audio,
            ResponseDone: self._on_done,
        }

    def _on_turn_ended(self, event: object) -> None:
        self._turn_ended_at = monotonic()

    def _on_created(self, event: ResponseCreated) -> None:
        began, self._turn_ended_at = self._turn_ended_at, 0.0
        self._began[event.response.id or ""] = began or monotonic()

    def _on_audio(self, event: ResponseOutputAudioDelta) -> None:
        if self._began and event.response_id in self._began:
            began = self._began.pop(event.response_id)
            self._first_audio.append((event.response_id, monotonic() - began))

    def _on_done(self, event: ResponseDone) -> None:
        self._began.pop(event.response.id or "", None)
        self._statuses[event.response.status or "unknown"] += 1

    def _on_error(self, event: ErrorEvent) -> None:
        self._errors[event.error.code or event.error.type or "unknown"] += 1


def read_stats(
    clock: ResponseClock,
    channel: Channel,
    dispatcher: Dispatcher,
    queue: SendQueue,
    usage: UsageTotals,
) -> ConnectionStats:
    """Return a snapshot of what the parts of a connection count. Takes no lock."""
    return ConnectionStats(
        age=monotonic() - clock.opened_at,
        messages_sent=queue.frames_taken,
        messages_received=channel.reader.messages,
        bytes_sent=queue.bytes_taken,
        bytes_received=channel.reader.bytes,
        queued_bytes=queue.size,
        queued_bytes_most=queue.high_water,
        blocked=queue.blocked,
        callbacks=dispatcher.called,
        callback_time=dispatcher.busy,
        callback_longest=dispatcher.longest,
        reconnects=channel.reader.reconnects,
        ping=channel.heartbeat.latency,
        responses=clock.statuses(),
        errors=clock.errors(),
        first_audio=clock.first_audio(),
        usage=usage,
    )
