"""
Which response is whose: the registry between a connection and its response streams.

A response that this side asks for is known by a token in its metadata, under
``realtime_sync``. The service hands the metadata back with ``response.created`` and
``response.done``, so two threads that ask at once each get their own. The entry is
visible in events as they arrived; `ResponseStream.response` leaves it out. Only where
the server knows no metadata at all does the oldest command that waits get the response.

A response that nobody asked for was started by the server (turn detection), or by a
``response.create`` that went through `send()`. It goes to those who called
`responses()` before it began, and if there is none, to nobody: then nothing of it is
kept. A stream that its caller has dropped is not kept either.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from .._channel.monitor import Monitor
from ..protocol._model import ServerEvent
from ..protocol.responses import Response, ResponseCreateParams
from ..protocol.server_events import (
    SERVER_EVENTS,
    ResponseCreated,
    ResponseDone,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
    UnknownEvent,
)
from ..response_stream import ResponseStream
from .expectations import TOKEN_KEY, Expectations
from .server_responses import ErrorMaker, ServerResponses


__all__ = ["ResponseRouter"]

_REMEMBERED = 32  # responses that have ended, in case the server repeats itself


class ResponseRouter:
    """
    Hands the events of each response to the stream that follows it, if one does.

    Handlers run on the reader thread; everything else is thread-safe.

    Args:
        monitor: Of the connection.
        send_cancel: Is called with the id of a response to ask the server to cancel it,
            on the thread that wants it, without the lock. It should only queue.
        resumes: Whether responses that a loss cut off are asked for again.

    Attributes:
        lost: The ids of the responses that the last loss cut off.
        resumed: The ids of those of them that are asked for again.
        resumable: What to ask for.
    """

    def __init__(
        self,
        monitor: Monitor,
        send_cancel: Callable[[str], None],
        *,
        resumes: bool = False,
    ) -> None:
        self._monitor = monitor
        self._send_cancel = send_cancel
        self._resumes = resumes
        self.lost: Sequence[str] = ()
        self.resumed: list[str] = []
        self.resumable: list[ResponseCreateParams] = []
        self._idle = monitor.condition()
        self._expected = Expectations()
        # Weak: a stream lives as long as somebody holds it. Entries leave with their
        # stream, by an atomic pop, since that may happen on any thread at any moment.
        self._followed: dict[str, weakref.ref[ResponseStream]] = {}
        self._subscribers: weakref.WeakSet[ServerResponses] = weakref.WeakSet()
        self._unasked: ResponseStream | None = None  # begun, and not offered yet
        self._active: str | None = None
        self._cancelling: str | None = None
        self._side: set[str] = set()  # out-of-band responses in progress
        self._finished: deque[str] = deque(maxlen=_REMEMBERED)
        self._error: ErrorMaker | None = None

    # What is going on

    @property
    def active(self) -> str | None:
        """The id of the response that writes to the conversation now, or None."""
        return self._active

    @property
    def busy(self) -> bool:
        """Whether a response occupies the conversation, or is about to."""
        with self._monitor.lock:
            return self._is_busy()

    @property
    def cancelling(self) -> bool:
        """Whether the active response was told to stop and will be over soon."""
        return self._active is not None and self._active == self._cancelling

    def wait_idle(self, timeout: float | None = None) -> bool:
        """
        Wait until no response occupies the conversation; tell whether none does.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        idle = self._monitor.wait(self._idle, self._is_idle_or_over, timeout)
        if self._error is not None:
            raise self._error()
        return idle

    def responses(self, timeout: float | None = None) -> ServerResponses:
        """
        Follow the responses that the server starts, from this call on.

        Args:
            timeout: Seconds that iterating waits for each, or None for no limit.
        """
        subscriber = ServerResponses(self._monitor, timeout)
        with self._monitor.lock:
            self._subscribers.add(subscriber)
            if self._error is not None:
                subscriber.end(self._error)
        return subscriber

    # Asking for a response

    def expect(self, token: str | None, *, out_of_band: bool = False) -> ResponseStream:
        """
        Return the stream of a response; call it before the command is sent.

        Args:
            token: From `tag()`; None in a dialect that has no metadata.
            out_of_band: Whether it is created with ``conversation: none``.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        with self._monitor.lock:
            return self._expect(token, out_of_band)

    def expect_when_idle(
        self, token: str | None, timeout: float | None = None
    ) -> ResponseStream | None:
        """
        Wait for the conversation and take the turn, in one step.

        Of several threads that wait, one gets its stream when the response in progress
        ends; the next one when that thread's response has ended.

        Args:
            token: From `tag()`.
            timeout: Seconds to wait, 0 not to wait at all, or None for no limit.

        Returns:
            The stream, or None if the conversation stayed busy for so long.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        taken: list[ResponseStream] = []

        def take_turn() -> bool:
            if self._error is None and not self._is_busy() and not taken:
                taken.append(self._expect(token, out_of_band=False))
            return bool(taken) or self._error is not None

        self._monitor.wait(self._idle, take_turn, timeout)
        if not taken and self._error is not None:
            raise self._error()
        return taken[0] if taken else None

    def abandon(self, stream: ResponseStream) -> None:
        """Give up on a response that was asked for but not created in time."""
        with self._monitor.lock:
            self._expected.abandon(stream)
            self._idle.notify_all()

    def fail(self, stream: ResponseStream, error: Exception) -> None:
        """End a stream whose response the server refused to create."""
        with self._monitor.lock:
            self._expected.remove(stream)
            stream._end(lambda: error)
            self._idle.notify_all()

    def cancel(self, response_id: str | None = None) -> None:
        """Ask the server to cancel a response, by default the active one if any."""
        with self._monitor.lock:
            response_id = response_id or self._active
            if response_id is None:
                return
            self._cancelling = response_id
        self._send_cancel(response_id)

    def is_to_be_resumed(self, item_id: str | None) -> bool:
        """Tell whether an item is of a response that a loss now would have resumed."""
        with self._monitor.lock:
            return item_id is not None and any(
                stream._has_item(item_id) and self._would_resume(stream)
                for stream in self._streams_in_progress()
            )

    # The end

    def lose(self, error: ErrorMaker) -> None:
        """
        End what was in progress: the rest of it was lost with the connection.

        Responses that were asked for and had not begun are expected still.
        """
        with self._monitor.lock:
            self.lost = sorted(self._in_progress())
            self._resume_or_end(error)
            self._expected.drop_abandoned()
            self._forget_progress()

    def end(self, error: ErrorMaker) -> None:
        """End everything: the connection has ended, *error* makes its exception."""
        with self._monitor.lock:
            self._error = error
            self._end_all(error)
            self._forget_progress()

    def kept_bytes(self) -> int:
        """Return about how many bytes the responses in progress take that are held."""
        with self._monitor.lock:
            return sum(stream._kept_bytes() for stream in self._streams_in_progress())

    # Events

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return the handler for each class of events that responses have."""
        return {
            **dict.fromkeys(_OF_A_RESPONSE, self._on_piece),
            **dict.fromkeys(_OF_AN_ITEM, self._on_item_event),
            ResponseCreated: self._on_created,
            ResponseDone: self._on_done,
            UnknownEvent: self._on_unknown,
        }

    def _on_piece(self, event: Any) -> None:
        self._deliver(event.response_id, event)

    def _on_unknown(self, event: UnknownEvent) -> None:
        response_id = event.payload.get("response_id")
        if isinstance(response_id, str):
            self._deliver(response_id, event)

    def _on_item_event(self, event: Any) -> None:
        """Deliver one of the few events that name their item and no response."""
        with self._monitor.lock:
            streams = tuple(self._streams_with(event.item_id))
        for stream in streams:
            stream._absorb(event)

    def _on_created(self, event: ResponseCreated) -> None:
        response_id = event.response.id
        if not response_id or response_id in self._finished:
            return
        with self._monitor.lock:
            stream = self._stream_for(response_id, event.response, begins=True)
            if response_id not in self._side:
                self._active = response_id
        if stream is not None:
            stream._absorb(event)
            # Only now: whoever takes it finds a response that has its id.
            self._offer(stream)
            if stream.cancelling:
                self.cancel(response_id)

    def _on_done(self, event: ResponseDone) -> None:
        with self._monitor.lock:
            response_id = event.response.id or self._active
            if response_id is None or response_id in self._finished:
                return
            stream = self._stream_for(response_id, event.response, begins=False)
            self._followed.pop(response_id, None)
            self._finished.append(response_id)
            self._clear_active(response_id)
        # After that: whoever waits for the end may ask for the next response at once.
        if stream is not None:
            stream._absorb(event)

    # Private methods; those below hold the lock or need none

    def _deliver(self, response_id: str, event: ServerEvent) -> None:
        ref = self._followed.get(response_id)
        stream = ref() if ref is not None else None
        if stream is not None:
            stream._absorb(event)

    def _clear_active(self, response_id: str) -> None:
        if response_id in self._side:
            self._side.discard(response_id)
        else:
            # There is one at most: the end of any means that none is left.
            self._active = None
        self._idle.notify_all()

    def _in_progress(self) -> set[str]:
        return {*self._followed, *self._side, *filter(None, [self._active])}

    def _streams_in_progress(self) -> list[ResponseStream]:
        streams = [ref() for ref in list(self._followed.values())]
        return [stream for stream in streams if stream is not None]

    def _would_resume(self, stream: ResponseStream) -> bool:
        return self._resumes and bool(stream.request) and not stream.cancelling

    def _forget_progress(self) -> None:
        self._followed.clear()
        self._side.clear()
        self._active = self._cancelling = self._unasked = None
        self._idle.notify_all()

    def _resume_or_end(self, error: ErrorMaker) -> None:
        self.resumed, self.resumable = [], []
        for stream in self._streams_in_progress():
            if stream.request and self._would_resume(stream):
                self._expect_again(stream, stream.request)
            else:
                stream._end(error)

    def _end_all(self, error: ErrorMaker) -> None:
        for subscriber in list(self._subscribers):
            subscriber.end(error)
        for stream in (*self._streams_in_progress(), *self._expected.streams()):
            stream._end(error)
        self._expected.clear()

    def _offer_to_all(self, stream: ResponseStream) -> None:
        for subscriber in list(self._subscribers):
            subscriber.offer(stream)

    def _streams_with(self, item_id: str) -> Iterator[ResponseStream]:
        for ref in list(self._followed.values()):
            stream = ref()
            if stream and stream._has_item(item_id):
                yield stream

    def _expect_again(
        self, stream: ResponseStream, request: ResponseCreateParams
    ) -> None:
        self.resumed.append(stream.id or "")
        stream._restart()
        self._expected.add(
            stream,
            (request.metadata or {}).get(TOKEN_KEY),
            out_of_band=request.conversation == "none",
        )
        self.resumable.append(request)

    def _is_busy(self) -> bool:
        return self._active is not None or self._expected.hold_turn()

    def _is_idle_or_over(self) -> bool:
        return self._error is not None or not self._is_busy()

    def _expect(self, token: str | None, out_of_band: bool) -> ResponseStream:
        if self._error is not None:
            raise self._error()
        stream = self._new_stream()
        self._expected.add(stream, token, out_of_band=out_of_band)
        return stream

    def _new_stream(self) -> ResponseStream:
        # No reference back: a stream that is kept must not keep its connection.
        router = weakref.ref(self)

        def cancel(stream: ResponseStream) -> None:
            alive = router()
            if alive is not None:
                alive.cancel(stream.id)

        return ResponseStream(self._monitor, cancel, hidden_metadata=TOKEN_KEY)

    def _stream_for(
        self, response_id: str, response: Response, *, begins: bool
    ) -> ResponseStream | None:
        """Return the stream that follows the response, which may have just begun."""
        ref = self._followed.get(response_id)
        if ref is not None:
            return ref()
        if response_id == self._active or response_id in self._side:
            return None  # it began long ago, and nobody follows it
        stream = None
        out_of_band = response.conversation_id is None
        expectation = self._expected.take(response)
        if expectation is not None:
            out_of_band = out_of_band or expectation.out_of_band
            stream = expectation.stream()
        elif begins and TOKEN_KEY not in (response.metadata or {}):
            stream = self._unasked = self._new_stream() if self._subscribers else None
        if out_of_band:
            self._side.add(response_id)
        if stream is not None:
            self._follow(response_id, stream)
        return stream

    def _offer(self, stream: ResponseStream) -> None:
        """Offer a response that nobody asked for to those who follow such."""
        with self._monitor.lock:
            if stream is self._unasked:
                self._unasked = None
                self._offer_to_all(stream)

    def _follow(self, response_id: str, stream: ResponseStream) -> None:
        followed = self._followed

        def forget(ref: weakref.ref[ResponseStream]) -> None:
            followed.pop(response_id, None)

        followed[response_id] = weakref.ref(stream, forget)


_OF_A_RESPONSE = tuple(
    event_type
    for event_type in SERVER_EVENTS.values()
    if "response_id" in attrs.fields_dict(event_type)
)
_OF_AN_ITEM = (
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
)
