"""
The first half of the reader's step: from a message to an event that the state knows.

An event meets, in this order, whatever registered a handler for its class (the
conversation, then response streams, then commands that wait), and then the inboxes. So
a callback, which comes after all of them, sees the current state. A class of events
that nobody registered for costs one look-up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from .._logging import log_event
from ..errors import ConnectionClosed, ConnectionLost, DecodeError
from ..protocol._model import ServerEvent
from ..protocol.codec import Dialect, decode_server_event
from .dispatcher import Dispatcher
from .inbox import MAX_UNREAD, Inbox
from .monitor import Monitor


__all__ = ["Absorber", "Handler"]

logger = logging.getLogger("realtime_sync.events")

# Returns whether the event was an answer that a waiting caller now has; callbacks need
# not be told again then.
Handler = Callable[..., "bool | None"]
EndHandler = Callable[[Callable[[], ConnectionClosed]], None]
LossHandler = Callable[[Callable[[], ConnectionLost]], None]


class Absorber:
    """
    Decodes messages and hands the events to the state.

    `absorb()` runs on the reader thread. Handlers may be added, and inboxes come and
    go, from any thread.

    Attributes:
        max_unread: Bytes of events that may wait in one inbox.
    """

    def __init__(
        self,
        monitor: Monitor,
        dispatcher: Dispatcher,
        dialect: Dialect,
        *,
        log_content: bool,
        max_unread: int = MAX_UNREAD,
    ) -> None:
        self._monitor = monitor
        self._dispatcher = dispatcher
        self._dialect: Dialect = dialect
        self._log_content = log_content
        self.max_unread = max_unread
        self._handlers: dict[type[ServerEvent], tuple[Handler, ...]] = {}
        self._end_handlers: tuple[EndHandler, ...] = ()
        self._loss_handlers: tuple[LossHandler, ...] = ()
        self._inboxes: tuple[Inbox, ...] = ()
        self._ended: Callable[[], ConnectionClosed] | None = None

    def register(
        self,
        handlers: Mapping[type[ServerEvent], Handler],
        end: EndHandler | None = None,
        lose: LossHandler | None = None,
        *,
        first: bool = False,
    ) -> None:
        """
        Add handlers.

        Args:
            handlers: By class of event.
            end: For the end of the connection.
            lose: For its loss, when it is going to be opened again.
            first: Whether the handlers go before those that are there.
        """
        with self._monitor.lock:
            self._merge(handlers, first=first)
            ended = self._ended
            if end is not None:
                self._end_handlers += (end,)
            if lose is not None:
                self._loss_handlers += (lose,)
        if ended is not None and end is not None:
            end(ended)

    def open_inbox(self, inbox: Inbox) -> None:
        """Let *inbox* have every event from now on."""
        with self._monitor.lock:
            self._inboxes += (inbox,)
            ended = self._ended
        if ended is not None:
            inbox.end(ended)

    def close_inbox(self, inbox: Inbox) -> None:
        """Let *inbox* have no more events."""
        with self._monitor.lock:
            self._inboxes = tuple(each for each in self._inboxes if each is not inbox)

    def absorb(self, payload: bytes) -> ServerEvent | None:
        """Return the event of a message if callbacks should be told of it."""
        try:
            event = decode_server_event(payload, self._dialect)
        except DecodeError as exc:
            self._dispatcher.report(exc)
            return None
        if logger.isEnabledFor(logging.DEBUG):
            log_event(logger, "<", event, content=self._log_content)
        answered = self.update(event)
        size = len(payload)
        for inbox in self._inboxes:
            inbox.absorb(event, size)
        return None if answered else event

    def update(self, event: ServerEvent) -> bool:
        """Let the state know an event; tell whether it answered a waiting caller."""
        answered = False
        for handler in self._handlers.get(type(event), ()):
            try:
                answered = handler(event) is True or answered
            except Exception as exc:  # a strange event must not end the connection
                self._dispatcher.report(exc)
        return answered

    def announce(self, notice: ServerEvent) -> ServerEvent:
        """Let the inboxes know a notice of this library, and return it."""
        for inbox in self._inboxes:
            inbox.absorb(notice)
        return notice

    def lose(self, error: Callable[[], ConnectionLost]) -> None:
        """Tell everybody who waits for what a new connection cannot bring."""
        with self._monitor.lock:
            inboxes, loss_handlers = self._inboxes, self._loss_handlers
        for handler in loss_handlers:
            handler(error)
        for inbox in inboxes:
            inbox.lose(error)

    def end(self, error: Callable[[], ConnectionClosed]) -> None:
        """Tell everybody who waits that nothing more will come."""
        with self._monitor.lock:
            self._ended = error
            inboxes = self._inboxes
            end_handlers = self._end_handlers
        for handler in end_handlers:
            handler(error)
        for inbox in inboxes:
            inbox.end(error)

    def _merge(
        self, handlers: Mapping[type[ServerEvent], Handler], *, first: bool
    ) -> None:
        # A copy: the reader may be looking things up.
        merged = dict(self._handlers)
        for event_type, handler in handlers.items():
            there = merged.get(event_type, ())
            merged[event_type] = (handler, *there) if first else (*there, handler)
        self._handlers = merged
