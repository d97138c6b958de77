"""
Commands that wait for the server's answer, and which answer belongs to which.

The server names the command (`event_id`) in its errors, mostly, and never in its
acknowledgements. So an acknowledgement goes to the oldest command that it fits: by the
id of the item where there is one, by order where there is none. An error goes to the
command that it names; where it names none, to the oldest command of the kind that its
code or its parameter speaks of; and where that does not tell either, to nobody here.
"""

from __future__ import annotations

import itertools
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from ._monitor import Monitor
from .errors import ServerError
from .protocol._model import ServerEvent
from .protocol.responses import ErrorDetails
from .protocol.server_events import (
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    ErrorEvent,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    ResponseCreated,
    SessionUpdated,
    TranscriptionSessionUpdated,
)


__all__ = ["Acknowledgements", "Pending", "new_event_id"]

# Which command an error is about, by its code, where it names no event.
_KIND_BY_CODE: Mapping[str, str] = {
    "input_audio_buffer_commit_empty": "input_audio_buffer.commit",
    "conversation_already_has_active_response": "response.create",
    "cannot_update_voice": "session.update",
    "item_truncate_invalid_item_id": "conversation.item.truncate",
    "item_truncate_invalid_audio_end_ms": "conversation.item.truncate",
    "unsupported_content_type": "conversation.item.truncate",
    "item_delete_invalid_item_id": "conversation.item.delete",
    "item_retrieve_invalid_item_id": "conversation.item.retrieve",
    "item_create_duplicate_item_id": "conversation.item.create",
}
# … and by the first step of its parameter.
_KIND_BY_PARAM: Mapping[str, str] = {
    "session": "session.update",
    "item": "conversation.item.create",
    "previous_item_id": "conversation.item.create",
    "response": "response.create",
    "audio_end_ms": "conversation.item.truncate",
}


# A random start, then a count: as unique as a random id each, at a tenth of the cost.
_START = uuid.uuid4().hex[:16]
_numbers = itertools.count(1)


def new_event_id() -> str:
    """Return an id for a client event that no other one has."""
    return f"event_{_START}{next(_numbers):08x}"


class Pending:
    """
    A command that was sent, or is about to be, and has no answer yet.

    Attributes:
        kind: The wire type of the command.
        event_id: The id of its client event.
        answer: The event that acknowledged it, once it came.
        error: The exception that ended it, once it did.
    """

    __slots__ = ("answer", "error", "event_id", "fits", "kind")

    def __init__(
        self, kind: str, event_id: str, fits: Callable[[ServerEvent], bool]
    ) -> None:
        self.kind = kind
        self.event_id = event_id
        self.fits = fits
        self.answer: ServerEvent | None = None
        self.error: BaseException | None = None

    def settled(self) -> bool:
        """Tell whether there is an answer or an error."""
        return self.answer is not None or self.error is not None


# The acknowledgements of each kind of command. For a created item the service sends
# `added` then `done`, its preview sends `created`, and some gateways one of them alone.
ANSWERS: Mapping[str, tuple[type[ServerEvent], ...]] = {
    "session.update": (SessionUpdated, TranscriptionSessionUpdated),
    "conversation.item.create": (
        ConversationItemAdded,
        ConversationItemCreated,
        ConversationItemDone,
    ),
    "conversation.item.delete": (ConversationItemDeleted,),
    "conversation.item.retrieve": (ConversationItemRetrieved,),
    "conversation.item.truncate": (ConversationItemTruncated,),
    "input_audio_buffer.commit": (InputAudioBufferCommitted,),
    "input_audio_buffer.clear": (InputAudioBufferCleared,),
    "response.create": (ResponseCreated,),
}


class Acknowledgements:
    """The pending commands of a connection. Every method is thread-safe."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._settled = monitor.condition()
        self._pending: deque[Pending] = deque()
        self._end: Callable[[], BaseException] | None = None

    def expect(
        self,
        kind: str,
        event_id: str,
        fits: Callable[[ServerEvent], bool] = lambda event: True,
    ) -> Pending:
        """Register a command; call this before it is sent."""
        pending = Pending(kind, event_id, fits)
        with self._monitor.lock:
            if self._end is not None:
                raise self._end()
            self._pending.append(pending)
        return pending

    def wait(self, pending: Pending, timeout: float | None) -> ServerEvent:
        """
        Return the event that acknowledged *pending*.

        Raises:
            ServerError: The server refused the command.
            TimeoutError: No answer came in time. A later one is ignored.
            ConnectionClosed: The connection ended first.
        """
        try:
            in_time = self._monitor.wait(self._settled, pending.settled, timeout)
        finally:
            self.forget(pending)
        if pending.error is not None:
            raise pending.error
        if not in_time or pending.answer is None:
            raise TimeoutError(
                f"the server did not acknowledge {pending.kind} for {timeout:.4g} s; "
                "it may still do so later"
            )
        return pending.answer

    def forget(self, pending: Pending) -> None:
        """Stop waiting for an answer to *pending*."""
        with self._monitor.lock:
            if pending in self._pending:
                self._pending.remove(pending)

    def refuse(self, event: ErrorEvent) -> bool:
        """End the command that an error is about; tell whether one waited for it."""
        error = event.error
        with self._monitor.lock:
            if error.event_id:
                return self._settle_error(self._named(error.event_id), error)
            return self._settle_error(self._of_kind(_kind_of(error)), error)

    def end(self, error: Callable[[], BaseException]) -> None:
        """End every command with the exception that *error* makes."""
        with self._monitor.lock:
            self._end = error
            for pending in self._pending:
                pending.error = error()
            self._pending.clear()
            self._settled.notify_all()

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[ServerEvent], None]]:
        """Return what the reader thread calls, by class of event."""
        return {
            answer: self._acknowledge
            for answers in ANSWERS.values()
            for answer in answers
        }

    # Private

    def _acknowledge(self, event: ServerEvent) -> None:
        if not self._pending:
            return
        with self._monitor.lock:
            for pending in self._pending:
                if type(event) in ANSWERS.get(pending.kind, ()) and pending.fits(event):
                    pending.answer = event
                    self._pending.remove(pending)
                    self._settled.notify_all()
                    return

    def _named(self, event_id: str) -> Iterable[Pending]:
        return [each for each in self._pending if each.event_id == event_id]

    def _of_kind(self, kind: str | None) -> Sequence[Pending]:
        return [each for each in self._pending if each.kind == kind][:1]

    def _settle_error(self, found: Iterable[Pending], error: ErrorDetails) -> bool:
        assert self._monitor.lock.locked()
        settled = False
        for pending in found:
            pending.error = ServerError(error)
            self._pending.remove(pending)
            settled = True
        self._settled.notify_all()
        return settled


def _kind_of(error: ErrorDetails) -> str | None:
    if error.code and error.code in _KIND_BY_CODE:
        return _KIND_BY_CODE[error.code]
    step = (error.param or "").replace("[", ".").partition(".")[0]
    return _KIND_BY_PARAM.get(step)
