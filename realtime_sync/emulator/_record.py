"""What a session received and sent, kept for assertions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._waiting import Condition
from ..protocol import ClientEvent, Item, Response, ServerEvent
from ..protocol.codec import Dialect


__all__ = ["SessionRecord"]


class SessionRecord:
    """
    What a client did in one session. Thread-safe, while the session goes on too.

    Attributes:
        index: 0 for the first connection of the emulator, 1 for the next.
        path: The path of the URL.
        query: The parameters of the URL.
        headers: Those of the upgrade, by lower-case name, without secrets.
        dialect: What the client speaks: ``"ga"`` or ``"preview"``.
        client_events: What the client sent, as far as it could be decoded.
        server_events: What the service said, before any fault changed it.
        closed: The close code and its reason once the session is over, else None.
    """

    def __init__(
        self,
        index: int,
        *,
        path: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        dialect: Dialect = "ga",
    ) -> None:
        self.index = index
        self.path = path
        self.query: Mapping[str, str] = query or {}
        self.headers: Mapping[str, str] = headers or {}
        self.dialect: Dialect = dialect
        self.client_events: list[ClientEvent] = []
        self.server_events: list[ServerEvent] = []
        self.closed: tuple[int, str] | None = None
        self._changed = Condition()
        self._session: Any = None

    def __repr__(self) -> str:
        return (
            f"SessionRecord(index={self.index}, path={self.path!r}, "
            f"client_events=<{len(self.client_events)}>, "
            f"server_events=<{len(self.server_events)}>, closed={self.closed})"
        )

    @property
    def id(self) -> str:
        """The id of the session."""
        return str(self._session.id)

    @property
    def config(self) -> Any:
        """The session's configuration: a session object of the protocol."""
        return self._session.config

    @property
    def input_audio(self) -> bytes:
        """All audio that the client appended, as 16-bit mono PCM at 24 kHz."""
        return bytes(self._session.input_audio)

    @property
    def items(self) -> list[Item]:
        """The items of the conversation, in order, without audio."""
        return list(self._session.conversation.items())

    @property
    def responses(self) -> list[Response]:
        """The responses that are done."""
        return list(self._session.responses)

    def wait_for(
        self, predicate: Callable[[SessionRecord], bool], timeout: float = 10.0
    ) -> None:
        """
        Wait until *predicate* holds for this record.

        Args:
            predicate: Called with this record, whenever it has changed.
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: It did not hold in time.
        """
        if not self._changed.wait_for(lambda: predicate(self), timeout):
            raise TimeoutError(f"not within {timeout} s: {self!r}")

    def wait_closed(self, timeout: float = 10.0) -> tuple[int, str]:
        """
        Wait until the session is over.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The close code and its reason; 1006 where there was no close.

        Raises:
            TimeoutError: The session goes on.
        """
        self.wait_for(lambda record: record.closed is not None, timeout)
        assert self.closed is not None
        return self.closed

    # The emulator calls these

    def attach(self, session: object) -> None:
        """Show what *session* holds."""
        self._session = session

    def note_client_event(self, event: ClientEvent) -> None:
        """Keep an event of the client."""
        with self._changed.lock:
            self.client_events.append(event)
            self._changed.notify_all()

    def note_server_events(self, events: list[ServerEvent]) -> None:
        """Keep events of the service."""
        with self._changed.lock:
            self.server_events.extend(events)
            self._changed.notify_all()

    def note_closed(self, code: int, reason: str) -> None:
        """Keep how the session ended."""
        with self._changed.lock:
            self.closed = self.closed or (code, reason)
            self._changed.notify_all()
