"""
Commands that wait for the server's answer, and which answer belongs to which.

The server names the command (`event_id`) in its errors, mostly, and never in its
acknowledgements. So an acknowledgement goes to the oldest command that it fits: by the
id of the item where there is one, by order where there is none. An error goes to the
command that it names; where it names none, to the oldest command of the kind that its
code or its parameter speaks of; and where that does not tell either, to nobody here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ServerError
from ..protocol._model import ServerEvent
from ..protocol._size import size_of
from ..protocol.responses import ErrorDetails
from ..protocol.server_events import (
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
from .commands import Command, field_of, kind_of
from .monitor import Monitor


__all__ = [
    "ANSWERS",
    "TOKEN_KEY",
    "Acknowledgements",
    "Pending",
]

TOKEN_KEY = "realtime_sync"
"""The entry in a response's metadata that tells who asked for it."""

_MOST_UNAWAITED = 10_000  # commands whose answers nobody waits for
_MOST_UNAWAITED_BYTES = 16 * 1024 * 1024  # … and about what they take; one may be that

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


def _fits(command: Command) -> Callable[[ServerEvent], bool]:
    """Return what tells by an id whether an event answers *command*."""
    if kind_of(command) == "response.create":
        token = _token(command)
        return lambda event: token is None or _token(event) in (None, token)
    item = field_of(command, "item")
    item_id = field_of(item, "id") if item else field_of(command, "item_id")
    if item_id is None:
        return lambda event: True
    return lambda event: item_id == _item_id(event)


def _ignore(pending: Pending) -> None:
    """Do nothing with a command that has its answer, or is not waited for."""


def _token(event: Any) -> Any:
    response = field_of(event, "response")
    metadata = field_of(response, "metadata") if response else None
    return (metadata or {}).get(TOKEN_KEY)


def _item_id(event: Any) -> Any:
    item = getattr(event, "item", None)
    return field_of(item, "id") if item else field_of(event, "item_id")


class Pending:
    """
    A command that was sent, or is about to be, and has no answer yet.

    Attributes:
        command: The command.
        kind: Its wire type.
        event_id: The id of its client event.
        fits: Tells whether an event of the right class is its answer.
        awaited: Whether somebody waits for the answer.
        size: About how many bytes of memory it takes, if nobody does.
        answer: The event that acknowledged it, once it came.
        error: The exception that ended it, once it did.
    """

    __slots__ = (
        "answer",
        "awaited",
        "command",
        "error",
        "event_id",
        "fits",
        "kind",
        "size",
    )

    def __init__(
        self,
        command: Command,
        fits: Callable[[ServerEvent], bool] | None,
        *,
        awaited: bool,
    ) -> None:
        self.command = command
        self.kind = kind_of(command)
        self.event_id: str = field_of(command, "event_id")
        self.fits = fits or _fits(command)
        self.awaited = awaited
        self.size = 0 if awaited else size_of(command)
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
    """
    The pending commands of a connection. Every method is thread-safe.

    Those that nobody waits for are up to 10,000, and take up to 16 MiB. Beyond that the
    oldest are given up: they are carried out if they arrive, but are not sent again
    after a loss, which then tells their types as uncertain.

    Args:
        monitor: Of the connection.

    Attributes:
        on_confirmed: Is called on the reader thread with a command that was answered.
        on_given_up: Is called with one whose answer will not be recognized any more.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.on_confirmed: Callable[[Pending], None] = _ignore
        self.on_given_up: Callable[[Pending], None] = _ignore
        self._settled = monitor.condition()
        # In the order in which they are sent. A list: `enter()` appends to it without
        # the lock, which is one step, while others with the lock go through it.
        self._pending: list[Pending] = []
        self._unawaited = 0
        self._unawaited_bytes = 0
        self._end: Callable[[], BaseException] | None = None

    @property
    def waiting(self) -> bool:
        """Whether a command has no answer yet."""
        return bool(self._pending)

    def expect(
        self,
        command: Command,
        fits: Callable[[ServerEvent], bool] | None = None,
        *,
        awaited: bool = True,
    ) -> Pending:
        """
        Register a command that is sent next; see `announce()` for the arguments.

        Where several threads send, their order is known only where they meet: there
        `announce()` the command first, and `enter()` it when it has its place.
        """
        pending = self.announce(command, fits, awaited=awaited)
        self.enter(pending)
        return pending

    def announce(
        self,
        command: Command,
        fits: Callable[[ServerEvent], bool] | None = None,
        *,
        awaited: bool = True,
    ) -> Pending:
        """
        Return what will have the answer to a command, once it was entered.

        Args:
            command: Has an id, see `identified()`, and is one that is acknowledged.
            fits: Tells whether an event of the right class is its answer, if the ids of
                items do not.
            awaited: Whether `wait()` will be called.
        """
        pending = Pending(command, fits, awaited=awaited)
        forgotten: Sequence[Pending] = ()
        with self._monitor.lock:
            if self._end is not None:
                raise self._end()
            if not awaited:
                self._count(pending, 1)
                forgotten = self._forget_surplus()
        for each in forgotten:
            self.on_given_up(each)
        return pending

    def enter(self, pending: Pending) -> None:
        """Let a command be the last one to be answered; it takes no lock."""
        self._pending.append(pending)

    def wait(self, pending: Pending, timeout: float | None) -> ServerEvent:
        """
        Return the event that acknowledged *pending*.

        Raises:
            ServerError: The server refused the command.
            TimeoutError: No answer came in time. A later one is ignored.
            ConnectionClosed: The connection ended first.
        """
        try:
            in_time = self._monitor.wait(
                self._settled,
                lambda: pending.settled() or self._end is not None,
                timeout,
            )
        finally:
            self.forget(pending)
        if pending.error is not None:
            raise pending.error
        if pending.answer is None and self._end is not None:
            raise self._end()  # it was entered when all others had been told
        if not in_time or pending.answer is None:
            raise TimeoutError(
                f"the server did not acknowledge {pending.kind} for {timeout:.4g} s; "
                "it may still do so later"
            )
        return pending.answer

    def forget(self, pending: Pending) -> None:
        """Stop waiting for an answer to *pending*."""
        with self._monitor.lock:
            given_up = pending in self._pending
            if given_up:
                self._remove(pending)
            elif not (pending.awaited or pending.settled()):
                self._count(pending, -1)  # it was announced, and never entered
        if given_up:
            self.on_given_up(pending)

    def refuse(self, event: ErrorEvent) -> bool:
        """End the command that an error is about; tell whether one waited for it."""
        error = event.error
        with self._monitor.lock:
            found = (
                self._named(error.event_id)
                if error.event_id
                else self._of_kind(_kind_of(error))
            )
            self._fail(found, error)
            self._settled.notify_all()
        for pending in found:
            self.on_confirmed(pending)
        return any(pending.awaited for pending in found)

    def settle_all(
        self, kind: str, answer: Callable[[Command], ServerEvent]
    ) -> Sequence[ServerEvent]:
        """Answer the commands of a kind in the server's place; return the answers."""
        with self._monitor.lock:
            found = self._answer_all(kind, answer)
            self._settled.notify_all()
        for pending in found:
            self.on_confirmed(pending)
        return [pending.answer for pending in found if pending.answer is not None]

    def end(self, error: Callable[[], BaseException]) -> None:
        """End every command with the exception that *error* makes."""
        with self._monitor.lock:
            self._end = error
            self._fail_all(error)
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
            found = self._settle(event)
        if found is not None:
            self.on_confirmed(found)

    # Private: all of these require holding the lock.

    def _settle(self, event: ServerEvent) -> Pending | None:
        for pending in self._pending:
            if type(event) in ANSWERS[pending.kind] and pending.fits(event):
                pending.answer = event
                self._remove(pending)
                self._settled.notify_all()
                return pending
        return None

    def _answer_all(
        self, kind: str, answer: Callable[[Command], ServerEvent]
    ) -> Sequence[Pending]:
        found = [each for each in self._pending if each.kind == kind]
        for pending in found:
            pending.answer = answer(pending.command)
            self._remove(pending)
        return found

    def _fail(self, found: Sequence[Pending], error: ErrorDetails) -> None:
        for pending in found:
            pending.error = ServerError(error)
            self._remove(pending)

    def _fail_all(self, error: Callable[[], BaseException]) -> None:
        for pending in self._pending:
            pending.error = error()
        self._pending.clear()

    def _remove(self, pending: Pending) -> None:
        self._pending.remove(pending)
        if not pending.awaited:
            self._count(pending, -1)

    def _count(self, pending: Pending, sign: int) -> None:
        self._unawaited += sign
        self._unawaited_bytes += sign * pending.size

    def _forget_surplus(self) -> Sequence[Pending]:
        forgotten: list[Pending] = []
        while (
            self._unawaited > _MOST_UNAWAITED
            or self._unawaited_bytes > _MOST_UNAWAITED_BYTES
        ):
            oldest = next((each for each in self._pending if not each.awaited), None)
            if oldest is None:  # all that are announced may be waiting to be entered
                break
            self._remove(oldest)
            forgotten.append(oldest)
        return forgotten

    def _named(self, event_id: str) -> Sequence[Pending]:
        return [each for each in self._pending if each.event_id == event_id]

    def _of_kind(self, kind: str | None) -> Sequence[Pending]:
        return [each for each in self._pending if each.kind == kind][:1]


def _kind_of(error: ErrorDetails) -> str | None:
    if error.code and error.code in _KIND_BY_CODE:
        return _KIND_BY_CODE[error.code]
    step = (error.param or "").replace("[", ".").partition(".")[0]
    return _KIND_BY_PARAM.get(step)
