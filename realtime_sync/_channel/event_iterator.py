"""An iterator over events, from its making on."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..errors import ConnectionClosedOK
from ..protocol._model import ServerEvent
from .absorber import Absorber
from .inbox import Inbox
from .monitor import Monitor


__all__ = ["EventIterator"]


class EventIterator(Iterator[ServerEvent]):
    """
    The events of some classes, from its making on.

    Args:
        absorber: Of the connection.
        monitor: Of the connection.
        keys: What `resolve_event_type()` returns for each class; none for all events.
        timeout: Seconds to wait for each event.
    """

    def __init__(
        self,
        absorber: Absorber,
        monitor: Monitor,
        keys: Collection[type[ServerEvent] | str],
        timeout: float | None,
    ) -> None:
        self._inbox = Inbox(
            monitor,
            () if ServerEvent in keys else keys,
            max_bytes=absorber.max_unread,
        )
        self._absorber = absorber
        self._timeout = timeout
        self._absorber.open_inbox(self._inbox)

    def __next__(self) -> ServerEvent:
        try:
            return self._inbox.take(self._timeout)
        except ConnectionClosedOK:
            raise StopIteration from None

    def close(self) -> None:
        """Stop keeping events for this iterator."""
        self._absorber.close_inbox(self._inbox)

    def __del__(self) -> None:
        if hasattr(self, "_inbox"):
            self.close()
