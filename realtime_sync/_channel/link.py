"""
What the two threads of a connection share: the transport, and how it all ends.

Whoever learns first that the connection is over calls `Link.end()`: the first cause is
kept, and everybody who waits gets an exception that tells it. The thread that leaves
last releases the transport.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Literal

from .._deadline import Deadline
from ..errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    RemoteProtocolError,
)
from ..transport import CLOSE, Frame, Transport, close_payload
from .absorber import Absorber
from .keepalive import Heartbeat
from .monitor import Monitor
from .send_queue import SendQueue


__all__ = [
    "Direction",
    "Link",
    "State",
    "Tap",
    "broken",
    "closed_by_client",
    "fault",
    "receive",
    "release",
]

Direction = Literal["sent", "received"]
Tap = Callable[[Direction, bytes], None]

_FAREWELL = 1.0  # seconds for a writer to leave a session that nobody needs any more
_THREADS = 2
_BROKEN = 1006  # RFC 6455, 7.4.1: no close frame arrived


class State(enum.Enum):
    """Where a connection is in its life."""

    OPEN = enum.auto()  # commands are taken; the network may be lost and found again
    CLOSING = enum.auto()  # one side has asked for the end
    CLOSED = enum.auto()  # nothing more will arrive


class Link:
    """
    The state of a connection between its threads; every method is thread-safe.

    Args:
        transport: An open transport; the link releases it in the end.
        monitor: Its lock guards all of this; `changed` is notified of every change.
        queue: What the writer sends.
        absorber: Is told of the end.
        heartbeat: The clock of the keepalive.
        close_timeout: Seconds for the closing handshake.

    Attributes:
        transport: The transport; None while a lost one is being replaced.
        state: Where the connection is in its life.
        loss: How the writer lost the transport, until the reader acts on it.
        farewell: Whether a close frame is the last thing to be written.
        taps: Who sees every message.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        monitor: Monitor,
        queue: SendQueue,
        absorber: Absorber,
        heartbeat: Heartbeat,
        close_timeout: float,
    ) -> None:
        self.monitor = monitor
        self.queue = queue
        self.heartbeat = heartbeat
        self.close_timeout = close_timeout
        self.changed = monitor.condition()
        self.transport: Transport | None = transport
        self.state = State.OPEN
        self.loss: ConnectionClosed | None = None
        self.farewell = False
        self.taps: tuple[Tap, ...] = ()
        self._absorber = absorber
        self._opening: Transport | None = None
        self._terminal: ConnectionClosed | None = None
        self._close_deadline = Deadline(None)
        self._parked = False  # whether the writer has left the transport alone
        self._inside = 0  # threads that have begun, and not ended
        self._left = 0  # threads that have ended
        self._dismissed = False  # whether no others are expected

    # The end

    def error(self) -> ConnectionClosed:
        """Return a new exception that says how the connection ended."""
        end = self._terminal or closed_by_client()
        again = type(end)(end.code, end.reason, initiated_by=end.initiated_by)
        again.__cause__ = end.__cause__
        return again

    def is_closed(self) -> bool:
        """Tell whether it is over."""
        return self.state is State.CLOSED

    def wait_closed(self, timeout: float | None) -> bool:
        """Wait until the connection has ended; its threads may still be about to."""
        return self.monitor.wait(self.changed, self.is_closed, timeout)

    def begin_close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, unless the end has begun."""
        with self.monitor.lock:
            if self.state is not State.OPEN:
                return
            self.state = State.CLOSING
            self._close_deadline = Deadline(self.close_timeout, "closing")
            nothing_to_close = self.transport is None
            self.changed.notify_all()
        if nothing_to_close:
            self.abort()
        else:
            self._say_farewell(code, reason, drop=False)

    def end(self, cause: ConnectionClosed) -> None:
        """Record the end and wake everybody; only the first call counts."""
        with self.monitor.lock:
            if self.state is State.CLOSED:
                return
            if self.state is State.CLOSING and cause.code == _BROKEN:
                cause = closed_by_client()  # the server hung up without an answer
            answer = self.state is State.OPEN and cause.code != _BROKEN
            self.state = State.CLOSED
            self._terminal = cause
            self._close_deadline = Deadline(0.0)
            self.changed.notify_all()
        if answer and self.transport is not None:
            self._say_farewell(cause.code, "", drop=True)
        else:
            self.queue.close(self.error)
        self._absorber.end(self.error)

    def abort(self) -> None:
        """End the connection at once, with no closing handshake."""
        self.end(closed_by_client())
        self.abort_transport()

    def abort_transport(self) -> None:
        """Wake whoever waits for the transport, or for one that is being opened."""
        for transport in (self.transport, self._opening):
            if transport is not None:
                transport.abort()

    def enter(self) -> bool:
        """Take note that a thread has begun; False if it is not expected any more."""
        with self.monitor.lock:
            if self._dismissed:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """Take note that a thread has ended; the last one releases the transport."""
        with self.monitor.lock:
            self._left += 1
            self._inside -= 1
            last = self._left == _THREADS or (self._dismissed and not self._inside)
            self.changed.notify_all()
        if last:
            self._release()

    def dismiss(self) -> None:
        """Expect no thread that has not begun: Ctrl-C came while they were started."""
        with self.monitor.lock:
            self._dismissed = True
            nobody = not self._inside
        self.abort()
        if nobody:
            self._release()

    # The transport, for the writer

    def await_transport(self) -> Transport | None:
        """Return the transport; wait, parked, while there is none; None at the end."""
        found: Transport | None = None

        def go_on() -> bool:
            nonlocal found
            is_over = self.is_closed()
            found = None if is_over else self.transport
            # In one step with that: the reader may be about to take it again.
            self._parked = found is None and not is_over
            return not self._parked

        self._park(go_on)
        return found

    def lost(
        self, transport: Transport, cause: ConnectionClosed, *, ends: bool
    ) -> None:
        """
        Tell the reader that a transport is lost, and wait until it has acted on it.

        Args:
            transport: The transport that the writer used.
            cause: How it was lost.
            ends: Whether the connection ends with it.
        """
        with self.monitor.lock:
            current = transport is self.transport
            if current and not ends:
                self.loss = self.loss or cause
        if current:
            if ends:
                self.end(cause)
            transport.abort()
        self._park(lambda: self.transport is not transport or self.is_closed())

    def close_left(self) -> float | None:
        """Return the seconds that are left for closing; None while nobody closes."""
        return None if self.state is State.OPEN else self._close_deadline.left()

    def await_close(self) -> None:
        """Give the server the rest of the close timeout to answer the close frame."""
        if not self.changed.wait_for(self.is_closed, self._close_deadline.left()):
            self.abort()

    # The transport, for the reader

    def take_transport(self, *, abort: bool) -> Transport:
        """Take the transport from the writer, and return it when the writer is off."""
        with self.monitor.lock:
            transport, self.transport = self.transport, None
            self.loss = None
        assert transport is not None
        if abort:
            transport.abort()
        self.queue.wake()
        if not self.changed.wait_for(self._is_writer_off, _FAREWELL):
            transport.abort()  # it is stuck in a send
            self.changed.wait_for(self._is_writer_off)
        with self.queue.sending:  # whoever was about to send at once has done so
            return transport

    def use(self, transport: Transport) -> None:
        """
        Go on with a transport, and let everybody send again.

        Raises:
            ConnectionClosed: The connection was closed meanwhile.
        """
        with self.monitor.lock:
            closed = self.state is not State.OPEN
            if not closed:
                self.transport, self._opening = transport, None
            self.changed.notify_all()
        if closed:
            release(transport)
            raise self.error()
        self.queue.release()

    def opening(self, transport: Transport) -> None:
        """
        Announce the transport that is being opened after a loss, so that it is aborted
        when the connection is closed meanwhile.

        Raises:
            ConnectionClosed: The connection was closed meanwhile.
        """
        with self.monitor.lock:
            self._opening = transport
            if self.state is not State.OPEN:
                raise self.error()

    def pause(self, seconds: float) -> bool:
        """Wait for so long; tell at once when the connection is closed meanwhile."""
        return not self.changed.wait_for(lambda: self.state is not State.OPEN, seconds)

    def see_writer_off(self) -> None:
        """Let the writer send its last frame, and then wake it."""
        if self.farewell:
            self.changed.wait_for(lambda: self._left > 0, self.close_timeout)
        self.abort_transport()

    # Taps

    def tap(self, tap: Tap) -> None:
        """Let *tap* see every text message from now on; see `Channel.tap()`."""
        with self.monitor.lock:
            self.taps += (tap,)

    def untap(self, tap: Tap) -> None:
        """Let *tap* see no more."""
        with self.monitor.lock:
            self.taps = tuple(each for each in self.taps if each != tap)

    def tell_taps(self, direction: Direction, message: bytes) -> None:
        """Let the taps see a message."""
        for tap in self.taps:
            tap(direction, message)

    # Private

    def _park(self, until: Callable[[], bool]) -> None:
        """Wait with the writer off the transport."""
        with self.monitor.lock:
            self._parked = True
            self.changed.notify_all()
        self.changed.wait_for(until)

    def _release(self) -> None:
        if self.transport is not None:
            self.transport.abort()
            with self.queue.sending:
                self.transport.release()

    def _is_writer_off(self) -> bool:
        return self._parked or self._left > 0

    def _say_farewell(self, code: int, reason: str, *, drop: bool) -> None:
        self.farewell = True
        last = CLOSE, close_payload(code, reason)
        self.queue.finish(last, self.error, drop=drop)


def receive(transport: Transport, timeout: float | None) -> Sequence[Frame]:
    """
    Return what arrives next.

    Raises:
        ConnectionClosedError: It broke the rules, or nothing more will arrive.
        TimeoutError: Nothing arrived in time.
    """
    try:
        return transport.receive(timeout)
    except RemoteProtocolError as exc:
        raise ConnectionClosedError(
            exc.close_code, str(exc), initiated_by="client"
        ) from exc


def release(transport: Transport) -> None:
    """Be done with a transport."""
    transport.abort()
    transport.release()


def closed_by_client() -> ConnectionClosedOK:
    """Return the end of a connection that this side closed."""
    return ConnectionClosedOK(1000, "", initiated_by="client")


def broken(reason: str) -> ConnectionClosedError:
    """Return the end of a connection that broke."""
    return ConnectionClosedError(_BROKEN, reason, initiated_by="network")


def fault(exc: BaseException) -> ConnectionClosedError:
    """Return the end of a connection of which a thread died."""
    error = broken(f"a thread of the connection died: {exc!r}")
    error.__cause__ = exc
    return error
