"""Telling a new session what the old one knew, before anybody else may speak to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .._channel.acknowledgements import Acknowledgements, Pending
from .._channel.commands import field_of, kind_of, new_event_id, with_id
from .._channel.inbox import MAX_UNREAD
from .._channel.link import Tap, receive
from .._channel.monitor import Monitor
from .._conversation.restore import Loss
from .._deadline import Deadline
from ..errors import ConnectionClosedError, DecodeError
from ..protocol._model import ClientEvent
from ..protocol.client_events import (
    ConversationItemCreate,
    InputAudioBufferClear,
    SessionUpdate,
)
from ..protocol.codec import (
    Dialect,
    decode_server_event,
    encode,
    structure,
    unstructure,
)
from ..protocol.items import Message
from ..protocol.server_events import (
    ConversationItemAdded,
    ConversationItemDone,
    ErrorEvent,
    SessionCreated,
    SessionUpdated,
)
from ..transport import CLOSE, PING, PONG, TEXT, Frame
from .memory import Remembered
from .opening import Opened


__all__ = ["Patience", "Retelling", "difference"]

_Encoded = tuple[ClientEvent, bytes]  # a command, and its message

_CREATE = ConversationItemCreate.type
_FRAME_BYTES = 100  # of memory that a frame takes besides its bytes, about
_TOGETHER = 32  # commands, or
_BYTES_TOGETHER = 256 * 1024  # … bytes that are sent before answers are read
_FIXED = frozenset({"client_secret", "expires_at", "id", "model", "object", "type"})
_MERGED = frozenset({"audio", "input", "output"})  # others are replaced as a whole


def difference(
    wanted: Mapping[str, Any], there: Mapping[str, Any], fixed: frozenset[str] = _FIXED
) -> dict[str, Any]:
    """
    Return what a ``session.update`` has to say to make *there* as *wanted*.

    Args:
        wanted: The settings of the old session, in wire form.
        there: Those of the new one.
        fixed: Fields that cannot be changed.
    """
    changes: dict[str, Any] = {}
    for name, value in wanted.items():
        found = there.get(name)
        if name in fixed or value == found:
            continue
        if name in _MERGED and isinstance(value, dict) and isinstance(found, dict):
            value = difference(value, found, frozenset())
            if not value:
                continue
        changes[name] = value
    return changes


class Patience:
    """
    How long a new session may take: for as long as it goes on, up to a deadline.

    A conversation may take minutes at a slow uplink, and a dead network none.

    Args:
        seconds: How long nothing may happen; None for no limit.
        deadline: For all of it.
    """

    def __init__(self, seconds: float | None, deadline: Deadline) -> None:
        self._seconds = seconds
        self._deadline = deadline
        self._size = 0
        self.renew()

    def begin(self, size: int) -> None:
        """Begin to send so many bytes, which all may have to leave before an answer."""
        self._size = size
        self.renew()

    def renew(self) -> None:
        """Take note of progress."""
        portions = 1 + self._size // _BYTES_TOGETHER
        seconds = None if self._seconds is None else self._seconds * portions
        self._allowed = seconds
        self._still = Deadline(seconds)

    def left(self) -> float | None:
        """Return the seconds that are left."""
        left = [each.left() for each in (self._still, self._deadline)]
        return min((each for each in left if each is not None), default=None)

    def error(self, what: str) -> TimeoutError:
        """Return the exception that says what took too long."""
        if self._deadline.expired() or self._allowed is None:
            return TimeoutError(
                f"{what} was not over in time; the network or the service is too slow "
                "for this conversation: allow more time (ReconnectPolicy.deadline), or "
                "keep less of it (keep_audio=False, or delete items)"
            )
        return TimeoutError(
            f"{what} came to a standstill of {self._allowed:.3g} s; the network or the "
            "service is very slow, or gone"
        )


class Retelling:
    """
    One try to tell a new session everything; on the thread that reads.

    Args:
        opened: The new transport and session.
        dialect: The dialect that is spoken.
        patience: How long it may take.
        tap: Sees every message.
        max_bytes: How much may arrive besides the answers.

    Attributes:
        session: The new session as it now is.
        items: The items that it took, as events.
        losses: Items that it refused.
        frames: What else arrived, in order.
    """

    def __init__(
        self,
        opened: Opened,
        dialect: Dialect,
        patience: Patience,
        tap: Tap,
        max_bytes: int = MAX_UNREAD,
    ) -> None:
        self._transport = opened.transport
        self._dialect: Dialect = dialect
        self._patience = patience
        self._redaction = opened.redaction
        self._tap = tap
        self._arriving: deque[Frame] = deque(opened.frames)
        self._acknowledgements = Acknowledgements(Monitor())
        self._handlers = self._acknowledgements.handlers()
        self._told: set[str] = set()
        self._waiting: list[Pending] = []  # for an answer, or no more
        tap("received", opened.created)
        created = decode_server_event(opened.created, dialect)
        assert isinstance(created, SessionCreated)
        self.session = created.session
        self.items: list[ConversationItemAdded] = []
        self.losses: list[Loss] = []
        self.frames: deque[Frame] = deque()
        self._room = max_bytes

    def run(self, remembered: Remembered) -> None:
        """
        Tell everything, and wait until the server has taken it.

        Raises:
            ConnectionClosedError: This connection was lost, too.
            ServerError: It refuses the settings.
            TimeoutError: It takes too long.
        """
        step = "setting up the new session"
        try:
            self._set_up(remembered.session)
            if remembered.items:
                step = "telling the new session the conversation"
                self._tell(remembered.items)
        except TimeoutError as exc:
            raise self._patience.error(self._progress(step, remembered)) from exc

    def _set_up(self, wanted: Mapping[str, Any]) -> None:
        changes = difference(wanted, unstructure(self.session))
        if not changes:
            return
        told = {"type": wanted["type"], **changes} if "type" in wanted else changes
        session: Any = structure(told, type(self.session))
        update = SessionUpdate(event_id=new_event_id(), session=session)
        (pending,) = self._exchange([self._encoded(update)])
        if pending.error is not None:
            raise pending.error
        if isinstance(pending.answer, SessionUpdated):
            self.session = pending.answer.session

    def _tell(self, items: Sequence[ConversationItemCreate]) -> None:
        waiting: list[Pending] = []
        together: list[_Encoded] = []
        size = 0
        for event in items:
            command = ConversationItemCreate(
                event_id=new_event_id(), item=with_id(event.item)
            )
            self._told.add(getattr(command.item, "id", ""))
            together.append(self._encoded(command))
            size += len(together[-1][1])
            if len(together) >= _TOGETHER or size > _BYTES_TOGETHER:
                waiting += self._exchange(together)
                together, size = [], 0
        # A fence: what the server has to say of the items comes before its answer. The
        # buffer is empty, so that nothing is cleared.
        fence = self._encoded(InputAudioBufferClear(event_id=new_event_id()))
        waiting += self._exchange([*together, fence])[:-1]
        for pending in waiting:
            self._note(pending)

    def _progress(self, step: str, remembered: Remembered) -> str:
        if not self._told:
            return step
        creates = [p for p in self._waiting if kind_of(p.command) == _CREATE]
        taken = sum(pending.settled() for pending in creates)
        return f"{step} ({taken} of {len(remembered.items)} items were taken)"

    def _encoded(self, command: ClientEvent) -> _Encoded:
        return command, encode(command, self._dialect)

    def _exchange(self, commands: Sequence[_Encoded]) -> list[Pending]:
        waiting = [self._acknowledgements.expect(command) for command, _ in commands]
        self._waiting += waiting
        frames = [(TEXT, message) for _, message in commands]
        self._patience.begin(sum(len(message) for _, message in commands))
        self._transport.send(frames, self._patience.left())
        self._patience.renew()
        for _, message in commands:
            self._tap("sent", message)
        self._await(waiting)
        return waiting

    def _note(self, pending: Pending) -> None:
        sent: Any = field_of(pending.command, "item")
        if pending.error is not None:
            self.losses.append(Loss(item_id=sent.id, lost=f"it: {pending.error}"))
            return
        answer: Any = pending.answer
        item = answer.item
        if isinstance(item, Message):  # the server does not repeat what is heard in it
            item = attrs.evolve(item, content=sent.content)
        self.items.append(
            ConversationItemAdded(item=item, previous_item_id=answer.previous_item_id)
        )

    def _await(self, waiting: Sequence[Pending]) -> None:
        while not all(pending.settled() for pending in waiting):
            while not self._arriving:
                left = self._patience.left()
                self._arriving.extend(receive(self._transport, left))
            self._take(*self._arriving.popleft())

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self._tap("received", payload)
            if self._absorb(payload):
                self._patience.renew()
            else:
                self._keep((opcode, payload))
        elif opcode == PING:
            self._transport.send([(PONG, payload)], self._patience.left())
        elif opcode == CLOSE:
            code, reason = self._redaction.close(payload)
            payload = b""  # tracebacks show locals
            raise ConnectionClosedError(code, reason, initiated_by="server")

    def _keep(self, frame: Frame) -> None:
        self._room -= len(frame[1]) + _FRAME_BYTES
        if self._room < 0:
            raise ConnectionClosedError(
                1009, "the new session talks without end", initiated_by="client"
            )
        self.frames.append(frame)

    def _absorb(self, payload: bytes) -> bool:
        """Take an answer; tell whether it was one."""
        try:
            event = decode_server_event(payload, self._dialect)
        except DecodeError:
            return False  # whoever reads next reports it
        if isinstance(event, ErrorEvent):
            error = self._redaction.details(event.error)
            return self._acknowledgements.refuse(attrs.evolve(event, error=error))
        handler = self._handlers.get(type(event))
        if handler is None:
            return False
        handler(event)
        item = getattr(event, "item", None)
        told = isinstance(event, (ConversationItemAdded, ConversationItemDone))
        return not told or getattr(item, "id", None) in self._told
