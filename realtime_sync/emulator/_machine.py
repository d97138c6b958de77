"""What sessions of all kinds have in common: how they are fed, and how they end."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..protocol import (
    ClientEvent,
    Maybe,
    ServerEvent,
    SessionUpdate,
    UnknownClientEvent,
)
from ..protocol.codec import Dialect
from ._clock import Clock
from ._core import Core, Ending, Timer, Work
from ._errors import RequestError, invalid_value
from ._wire import decode_message
from .settings import EmulatorSettings


__all__ = ["Handlers", "Machine", "random_ids"]

Handlers = Mapping[type[ClientEvent], Callable[[Any, Any], None]]


def random_ids() -> Callable[[str], str]:
    """Return a maker of ids such as ``item_3f2a9c0b1d000007``, of one session."""
    token = uuid.uuid4().hex[:12]
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}_{token}{next(numbers):06d}"


class Machine:
    """
    The base of a session without I/O. Not thread-safe.

    Args:
        settings: How the service behaves.
        clock: What time it is.
        new_id: Makes an id from its prefix.
        dialect: What the client speaks.
        observe: Called with every client event that could be decoded.
    """

    _handlers: ClassVar[Handlers] = {}

    def __init__(
        self,
        *,
        settings: EmulatorSettings | None,
        clock: Clock | None,
        new_id: Callable[[str], str] | None,
        dialect: Dialect,
        observe: Callable[[ClientEvent], None] | None,
    ) -> None:
        self._core = Core(
            settings=settings or EmulatorSettings(),
            clock=clock or Clock(),
            new_id=new_id or random_ids(),
            dialect=dialect,
        )
        self._dialect = dialect
        self._observe = observe
        self._expiry: Timer | None = None
        self.input_audio = bytearray()

    @property
    def ending(self) -> Ending | None:
        """How the service ends the session after what it said, or None."""
        return self._core.ending

    @property
    def next_due(self) -> float | None:
        """When `advance` has something to do, in seconds on the clock, or None."""
        return self._core.next_due

    @property
    def _expires_at(self) -> int:
        return int(self._core.clock.epoch() + self._core.settings.session_seconds)

    def start(self) -> list[ServerEvent]:
        """Begin; returns the first events."""
        self.expire(self._core.settings.session_seconds)
        self._begin()
        return self._core.take_events()

    def _begin(self) -> None:
        raise NotImplementedError

    def configure(self, session: Any) -> None:
        """
        Set the session up before it starts, as a client secret or a call may have it.

        Args:
            session: What differs from the defaults.

        Raises:
            RequestError: The service would refuse that.
        """
        self._handlers[SessionUpdate](self, SessionUpdate(session=session))
        self._core.take_events()  # nobody is there yet

    def expire(self, seconds: float) -> None:
        """End the session by its age limit, so many seconds from now."""
        if self._expiry is not None:
            self._expiry.cancel()
        minutes = round(self._core.settings.session_seconds / 60)
        reason = f"Your session hit the maximum duration of {minutes} minutes."

        def end() -> None:
            # The service says it twice: as an error, and as the reason of the close.
            error = RequestError(reason, code="session_expired")
            self._core.emit_event(error.event(self._core.new_id("event"), None))
            self._core.end(1001, reason)

        self._expiry = self._core.call_later(seconds, end)

    def receive_message(self, data: str | bytes) -> list[ServerEvent]:
        """Take a message of the client; returns the events that are due now."""
        try:
            event = decode_message(data, self._dialect)
        except RequestError as error:
            return self.refuse(error)
        return self.receive(event)

    def receive(self, event: ClientEvent) -> list[ServerEvent]:
        """Take an event of the client; returns the events that are due now."""
        if self._observe is not None:
            self._observe(event)
        try:
            handler = self._handlers.get(type(event))
            if handler is None:
                raise self._unknown_type(event)
            handler(self, event)
        except RequestError as error:
            return self.refuse(error, event.event_id)
        return self._core.take_events()

    def refuse(
        self, error: RequestError, cause: Maybe[str] = None
    ) -> list[ServerEvent]:
        """Return what is due, and then *error*, which the event *cause* led to."""
        self._core.emit_event(error.event(self._core.new_id("event"), cause))
        return self._core.take_events()

    def advance(self) -> list[ServerEvent]:
        """Return the events that have become due."""
        try:
            self._core.run_due()
        except RequestError as error:
            return self.refuse(error)
        return self._core.take_events()

    def take_work(self) -> list[Work[Any]]:
        """Return what is to be run outside."""
        return self._core.take_work()

    def complete(self, finish: Callable[[], None]) -> list[ServerEvent]:
        """Take what a `Work` left to be called; returns the events due now."""
        try:
            finish()
        except RequestError as error:
            return self.refuse(error)
        return self._core.take_events()

    def _unknown_type(self, event: ClientEvent) -> RequestError:
        known = [cls.type for cls in self._handlers]
        name = event.type
        if isinstance(event, UnknownClientEvent):
            name = str(event.payload.get("type"))
        return invalid_value("type", name, known)
