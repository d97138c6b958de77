"""Events that wait for a thread which asks: `recv()`, `events()`, `wait_for()`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from .._deadline import Deadline
from ..protocol._model import ServerEvent
from .dispatcher import matches
from .monitor import Monitor


__all__ = ["MAX_UNREAD", "Backlog", "Inbox"]

EventFilter = Callable[[ServerEvent], bool]

MAX_UNREAD = 64 * 1024 * 1024
"""Bytes that the events that wait in one place may have had as messages."""


class Inbox:
    """
    The events that arrived for one reader and that it has yet to take.

    Args:
        monitor: The connection's.
        keys: Types of events as `resolve_event_type()` returns them; none for all.
        accept: A further condition, called on the reader thread. What it raises is
            raised where the events are taken.
        limit: How many events may wait. Beyond it the oldest are dropped, and `take()`
            says so.
        max_bytes: How many bytes they may have had as messages, likewise.
        lasting: Whether a reader goes on when the connection was lost and is opened
            again; otherwise he may wait for what was lost, and is told.
    """

    def __init__(
        self,
        monitor: Monitor,
        keys: Collection[type[ServerEvent] | str] = (),
        accept: EventFilter | None = None,
        limit: int = 16_384,
        max_bytes: int = MAX_UNREAD,
        *,
        lasting: bool = True,
    ) -> None:
        self._monitor = monitor
        self._arrived = monitor.condition()
        self._keys = keys
        self._accept = accept
        self._events: deque[tuple[ServerEvent, int]] = deque()
        self._size = 0
        self._limit = limit
        self._max_bytes = max_bytes
        self._lasting = lasting
        self._dropped = 0
        self._end: Callable[[], BaseException] | None = None

    def absorb(self, event: ServerEvent, size: int = 0) -> None:
        """
        Keep *event* if it is asked for. Runs on the reader thread.

        Args:
            event: The event.
            size: The bytes of its message.
        """
        if self._keys and not any(matches(event, key) for key in self._keys):
            return
        try:
            if self._accept is not None and not self._accept(event):
                return
        except Exception as exc:  # user code: it must not end the reader thread
            failure = exc
            self.end(lambda: failure)
            return
        with self._monitor.lock:
            self._events.append((event, size))
            self._size += size
            self._make_room()
            self._arrived.notify_all()

    def end(self, error: Callable[[], BaseException]) -> None:
        """Let readers have what arrived, and then the exception that *error* makes."""
        with self._monitor.lock:
            self._end = error
            self._arrived.notify_all()

    def lose(self, error: Callable[[], BaseException]) -> None:
        """Take note that the connection was lost and is opened again."""
        if not self._lasting:
            self.end(error)

    def take(self, timeout: float | None) -> ServerEvent:
        """
        Return the next event; block until there is one.

        Raises:
            TimeoutError: There was none for *timeout* seconds.
            RuntimeError: So many events waited here that some were dropped.
            ConnectionClosed: The connection ended, and no event is left.
        """
        deadline = Deadline(timeout)
        while self._monitor.wait(self._arrived, self._ready, deadline.left()):
            with self._monitor.lock:
                # In one look: what arrives comes before the end that follows it.
                if self._dropped:
                    raise self._tell_dropped()
                if self._events:
                    return self._pop()
                end = self._end
            if end is not None:
                raise end()
            # Another thread was faster.
        raise TimeoutError(f"no {self._wanted()} arrived for {timeout:g} s")

    def _wanted(self) -> str:
        names = (key if isinstance(key, str) else key.__name__ for key in self._keys)
        wanted = " or ".join(names) or "event"
        return wanted if self._accept is None else f"such {wanted}"

    def _tell_dropped(self) -> RuntimeError:
        dropped, self._dropped = self._dropped, 0
        return RuntimeError(
            f"{dropped} events were dropped because nobody took them; take events "
            "faster, ask for fewer types, use callbacks, or raise max_unread"
        )

    def _make_room(self) -> None:
        # The newest stays, however large: the size of a message has its own limit.
        while len(self._events) > self._limit or (
            self._size > self._max_bytes and len(self._events) > 1
        ):
            self._pop()
            self._dropped += 1

    def _pop(self) -> ServerEvent:
        event, size = self._events.popleft()
        self._size -= size
        return event

    def _ready(self) -> bool:
        return bool(self._events) or self._end is not None


class Backlog(Inbox):
    """
    What `recv()` reads: the events since the connection opened.

    Nobody may ever call `recv()`. So until somebody does, only the first events are
    kept, and when those become too many they are let go and nothing more is kept; the
    first call of `recv()` then begins with the events that arrive after it.
    """

    _START = 256  # events, far more than a script leaves before it first reads

    def __init__(self, monitor: Monitor, max_bytes: int = MAX_UNREAD) -> None:
        super().__init__(monitor, max_bytes=max_bytes)
        self._used = False
        self.idle = False

    def absorb(self, event: ServerEvent, size: int = 0) -> None:
        if self.idle:
            return
        super().absorb(event, size)
        if not self._used and (len(self._events) >= self._START or self._dropped):
            with self._monitor.lock:
                self._events.clear()
                self._size = self._dropped = 0
                self.idle = True

    def take(self, timeout: float | None) -> ServerEvent:
        self._used = True
        self.idle = False
        return super().take(timeout)
