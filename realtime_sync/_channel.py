"""
The two threads of a connection, and its life from open to closed.

Who owns what:

- The *reader thread* owns every receive, the decoding, the state that events change,
  the callbacks, and the way back after a loss. A step of it is *absorb* (decode, update
  the state, wake waiters) and then *dispatch* (callbacks). A callback that waits for
  the server calls `_read_on()` through the monitor: it absorbs, and leaves the
  dispatching for later.
- The *writer thread* owns the sending: what waits in the queue, pings, pongs and the
  close frame, the keepalive, and the deadline of the closing handshake. While there is
  no transport it is parked. When it sleeps, a caller's thread may send its own frame,
  as far as the network takes it without waiting; see `SendQueue.sending`.
- Whoever learns first that the connection is over calls `_end()`: the first cause is
  kept, and everybody who waits gets an exception that tells it. The thread that leaves
  last releases the transport.

The monitor's lock guards `_state`, `_terminal`, `_transport`, `_opening`, `_parked` and
`_left`. The other attributes belong to the thread that their section names.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Literal

from ._absorber import Absorber
from ._deadline import Deadline
from ._dispatcher import Dispatcher
from ._inbox import MAX_UNREAD
from ._keepalive import Heartbeat, Keepalive
from ._lanes import Lane
from ._lifetime import Lifetime, RolledOver
from ._monitor import Monitor
from ._recovery import Recovered, Recovery
from ._send_queue import SendQueue
from .errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    RemoteProtocolError,
    SessionExpired,
)
from .protocol._model import ServerEvent
from .reconnect import Notice
from .transport import CLOSE, PING, PONG, TEXT, Frame, Transport


__all__ = ["Channel", "State"]

logger = logging.getLogger("realtime_sync.channel")

Direction = Literal["sent", "received"]
Tap = Callable[[Direction, bytes], None]
_FAREWELL = 1.0  # seconds for leaving a session that nobody needs any more
_BROKEN = 1006  # RFC 6455, 7.4.1: no close frame arrived


class State(enum.Enum):
    """Where a connection is in its life."""

    OPEN = enum.auto()  # commands are taken; the network may be lost and found again
    CLOSING = enum.auto()  # one side has asked for the end
    CLOSED = enum.auto()  # nothing more will arrive


class Channel:
    """
    Moves messages over a transport that is already open.

    Args:
        transport: An open transport; the channel releases it in the end.
        monitor: The lock of the connection's state.
        queue: What the writer sends.
        absorber: Decodes messages and updates the state.
        dispatcher: Calls the callbacks of an event.
        recovery: Opens the connection again after a loss; None to leave it lost.
        lifetime: Knows when the session ends.
        keepalive: See `Keepalive`.
        close_timeout: Seconds for the closing handshake.
        max_unread: Bytes of events that may wait for a callback that waits itself.
        name: Names the threads.
        on_thread: Is called first on each of them.
        frames: What was received before the channel took over, in order.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        monitor: Monitor,
        queue: SendQueue,
        absorber: Absorber,
        dispatcher: Dispatcher,
        recovery: Recovery | None,
        lifetime: Lifetime,
        keepalive: Keepalive,
        close_timeout: float,
        max_unread: int = MAX_UNREAD,
        name: str,
        on_thread: Callable[[], None] = lambda: None,
        frames: Sequence[Frame] = (),
    ) -> None:
        self._monitor = monitor
        self._queue = queue
        self._absorber = absorber
        self._absorb = absorber.absorb
        self._dispatcher = dispatcher
        self._recovery = recovery
        self._lifetime = lifetime
        self.heartbeat = Heartbeat(keepalive)
        self._close_timeout = close_timeout
        self._max_unread = max_unread
        self._on_thread = on_thread

        self._changed = monitor.condition()
        self._transport: Transport | None = transport
        self._opening: Transport | None = None
        self._state = State.OPEN
        self._terminal: ConnectionClosed | None = None
        self._parked = False
        self._left = 0
        self._taps: tuple[Tap, ...] = ()
        self._close_deadline = Deadline(None)
        self._farewell = False  # a close frame is the last thing to be written
        self._session_expired = False

        # Of the reader thread.
        self.messages_received = 0
        self.bytes_received = 0
        self.reconnects = 0
        self._frames: deque[Frame] = deque(frames)
        self._notices: deque[Notice] = deque()
        self._undispatched: deque[tuple[ServerEvent, int]] = deque()
        self._undispatched_bytes = 0

        # Of the writer thread.
        self._loss: ConnectionClosed | None = None

        # Daemons: a forgotten connection must not keep a script from ending.
        self._reader = threading.Thread(
            target=self._run_reader, name=f"{name} reader", daemon=True
        )
        self._writer = threading.Thread(
            target=self._run_writer, name=f"{name} writer", daemon=True
        )

    # For the connection, from any thread

    @property
    def state(self) -> State:
        """Where the connection is in its life."""
        return self._state

    def start(self) -> None:
        """Start both threads. Nobody else uses the transport from now on."""
        self._queue.outlet = self._send_at_once
        self._writer.start()
        self._reader.start()

    def on_own_thread(self) -> bool:
        """Tell whether the caller is the reader or the writer."""
        return threading.current_thread() in (self._reader, self._writer)

    def note_expired(self) -> None:
        """Remember that the server called the session expired; its close follows."""
        self._session_expired = True

    def error(self) -> ConnectionClosed:
        """Return a new exception that says how the connection ended."""
        end = self._terminal or _closed_by_client()
        again = type(end)(end.code, end.reason, initiated_by=end.initiated_by)
        again.__cause__ = end.__cause__
        return again

    def tap(self, tap: Tap) -> None:
        """
        Let *tap* see every text message in wire form from now on.

        It is called with "received" on the reader thread, before the message is
        decoded, and with "sent" on the thread that wrote it, once it is written. It
        must neither block nor raise.
        """
        with self._monitor.lock:
            self._taps += (tap,)

    def untap(self, tap: Tap) -> None:
        """Let *tap* see no more; one that was never there is no error."""
        with self._monitor.lock:
            self._taps = tuple(each for each in self._taps if each != tap)

    def tell_taps(self, direction: Direction, message: bytes) -> None:
        """Let the taps see a message."""
        for tap in self._taps:
            tap(direction, message)

    def wait_closed(self, timeout: float | None) -> bool:
        """Wait until the connection has ended; its threads may still be about to."""
        return self._monitor.wait(self._changed, self._is_closed, timeout)

    def close(self, code: int, reason: str) -> None:
        """
        Close the connection; return when it is closed and its threads have ended.

        On one of its own threads this only begins to close. It takes about the close
        timeout at most, and calling it again is harmless.
        """
        self.begin_close(code, reason)
        if self.on_own_thread():
            return
        if not self.wait_closed(self._close_timeout):
            self.abort()
        self._join(Deadline(self._close_timeout))

    def abort(self) -> None:
        """End the connection at once, with no closing handshake."""
        self._end(_closed_by_client())
        self._abort_transport()

    def opening(self, transport: Transport) -> None:
        """
        Announce the transport that is being opened after a loss, so that it is aborted
        when the connection is closed meanwhile.

        Raises:
            ConnectionClosed: The connection was closed meanwhile.
        """
        with self._monitor.lock:
            self._opening = transport
            if self._state is not State.OPEN:
                raise self.error()

    def pause(self, seconds: float) -> bool:
        """Wait for so long; tell at once when the connection is closed meanwhile."""
        with self._monitor.lock:
            return not self._changed.wait_for(self._is_not_open, seconds)

    # The reader thread

    def _run_reader(self) -> None:
        self._on_thread()
        self._monitor.bind_reader(self._read_on)
        try:
            self._read()
        except ConnectionClosed:
            pass  # `_end()` has told everybody
        except BaseException as exc:  # a fault of this library: tell every waiter
            logger.exception("the reader thread died")
            self._end(_fault(exc))
        finally:
            self._monitor.unbind_reader()
            self._see_writer_off()
            self._leave()

    def _read(self) -> None:
        undispatched, dispatch = self._undispatched, self._dispatcher.dispatch

        def catch_up() -> None:
            while undispatched:
                late, size = undispatched.popleft()
                self._undispatched_bytes -= size
                dispatch(late)

        try:
            while True:
                event = self._step(None)
                if event is None:
                    continue
                self.heartbeat.dispatching = True
                dispatch(event)
                if undispatched:
                    catch_up()
                self.heartbeat.dispatching = False
        finally:
            catch_up()  # what arrived before the end is still news

    def _step(self, timeout: float | None) -> ServerEvent | None:
        """Absorb one message, through losses; return its event, if it is one."""
        if self._notices:
            return self._absorber.announce(self._notices.popleft())
        try:
            if not self._frames:
                self._receive(timeout)
            if not self._frames:  # but a notice
                return None
            opcode, payload = self._frames.popleft()
            if opcode == TEXT:
                self.messages_received += 1
                self.bytes_received += len(payload)
                if self._taps:
                    self.tell_taps("received", payload)
                return self._absorb(payload)
            self._control(opcode, payload)
        except ConnectionClosed as exc:
            self._regain(exc)
        return None

    def _read_on(self, timeout: float | None) -> None:
        """Absorb one message for a callback that waits; dispatch it when it returns."""
        started, received = monotonic(), self.bytes_received
        self.heartbeat.dispatching = False
        try:
            event = self._step(timeout)
        finally:
            self.heartbeat.dispatching = True
            self._dispatcher.waited += monotonic() - started
        if event is not None:
            size = self.bytes_received - received
            self._undispatched.append((event, size))
            self._undispatched_bytes += size
            if self._undispatched_bytes > self._max_unread:
                self._end(_behind(self._undispatched_bytes))
                raise self.error()

    def _receive(self, timeout: float | None) -> None:
        transport = self._transport
        if transport is None or self._state is State.CLOSED:
            raise self.error()
        self.heartbeat.listening()
        due = self._lifetime.left()
        try:
            if due is not None and (timeout is None or due < timeout):
                self._receive_until_due(transport, due)
            else:
                self._frames.extend(transport.receive(timeout))
        except RemoteProtocolError as exc:
            raise ConnectionClosedError(
                exc.close_code, str(exc), initiated_by="client"
            ) from exc
        self.heartbeat.heard()

    def _receive_until_due(self, transport: Transport, due: float) -> None:
        try:
            self._frames.extend(transport.receive(due))
        except TimeoutError:
            notice = self._lifetime.check()
            if notice is not None:
                self._notices.append(notice)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._queue.put((PONG, payload), Lane.URGENT)
        elif opcode == PONG:
            self.heartbeat.answered()
        elif opcode == CLOSE:
            raise self._closed_by_frame(payload)
        else:
            logger.warning("ignored a binary message of %d bytes", len(payload))

    def _closed_by_frame(self, payload: bytes) -> ConnectionClosed:
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        reason = payload[2:].decode("utf-8", "replace")
        if self._state is not State.OPEN:
            return ConnectionClosedOK(code, reason, initiated_by="client")
        if self._session_expired or (code == 1001 and "duration" in reason):
            return SessionExpired(code, reason, initiated_by="server")
        kind = ConnectionClosedOK if code == 1000 else ConnectionClosedError
        return kind(code, reason, initiated_by="server")

    def _regain(self, cause: ConnectionClosed) -> None:
        """
        Go on with another transport after a loss, or end.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        cause = self._loss or cause
        recovery = self._recovery
        if self._state is State.OPEN and recovery and recovery.worthwhile(cause):
            try:
                return self._replace_transport(recovery, cause)
            except ConnectionClosed as exc:
                cause = exc
        self._end(cause)
        raise self.error()

    def _replace_transport(self, recovery: Recovery, cause: ConnectionClosed) -> None:
        planned = isinstance(cause, RolledOver)
        self._queue.hold()
        old = self._take_transport(abort=not planned)
        try:
            recovered = recovery.recover(cause, self)
        except ConnectionClosed:
            if not planned or self._state is not State.OPEN:
                _release(old)
                raise
            self._lifetime.postpone()
            self._use(old)
        except BaseException:
            _release(old)
            raise
        else:
            if planned:
                with contextlib.suppress(ConnectionClosed, TimeoutError):
                    old.send([(CLOSE, _close_payload(1000, ""))], _FAREWELL)
            _release(old)
            self._adopt(recovered)

    def _take_transport(self, *, abort: bool) -> Transport:
        """Take the transport from the writer, and return it when the writer is off."""
        with self._monitor.lock:
            transport, self._transport = self._transport, None
            self._loss = None
        assert transport is not None
        if abort:
            transport.abort()
        self._queue.wake()
        with self._monitor.lock:
            parked = self._changed.wait_for(self._is_writer_off, _FAREWELL)
        if not parked:  # it is stuck in a send
            transport.abort()
            with self._monitor.lock:
                self._changed.wait_for(self._is_writer_off)
        with self._queue.sending:  # whoever was about to send at once has done so
            return transport

    def _adopt(self, recovered: Recovered) -> None:
        self._frames = recovered.frames
        self._notices.append(recovered.notice)
        self._session_expired = False
        self.reconnects += 1
        self.heartbeat.begin()
        self._use(recovered.transport)

    def _use(self, transport: Transport) -> None:
        with self._monitor.lock:
            closed = self._state is not State.OPEN
            if not closed:
                self._transport, self._opening = transport, None
            self._changed.notify_all()
        if closed:
            _release(transport)
            raise self.error()
        self._queue.release()

    def _see_writer_off(self) -> None:
        if self._farewell:
            with self._monitor.lock:
                self._changed.wait_for(lambda: self._left > 0, self._close_timeout)
        self._abort_transport()

    # The writer thread

    def _run_writer(self) -> None:
        self._on_thread()
        try:
            while (transport := self._await_transport()) is not None:
                try:
                    self._write(transport)
                    break
                except (ConnectionClosed, TimeoutError) as exc:
                    self._lose(transport, exc)
            self._await_close()
        except BaseException as exc:  # a fault of this library: tell every waiter
            logger.exception("the writer thread died")
            self._end(_fault(exc))
            self._abort_transport()
        finally:
            self._leave()

    def _await_transport(self) -> Transport | None:
        """Return the transport; wait, parked, while there is none; None at the end."""
        with self._monitor.lock:
            self._parked = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._transport is not None or self._is_closed()
            )
            self._parked = False
            return self._transport if self._state is not State.CLOSED else None

    def _write(self, transport: Transport) -> None:
        """Write what is queued until the queue is closed and empty."""
        queue = self._queue
        while True:
            queue.wait(self.heartbeat.until_due())
            with queue.sending:
                frames = queue.take()
                if transport is not self._transport:
                    raise _broken("the connection was lost")
                if frames is None:
                    return
                transport.send(frames, self._send_timeout())
                if self._taps:
                    self._tell_sent(frames)
                self._keep_alive(transport)

    def _send_at_once(self, frame: Frame) -> bool:
        """Send on the caller's thread; see `SendQueue.outlet`."""
        transport = self._transport
        sent = transport is not None and transport.try_send((frame,))
        if self._taps:
            self._tell_sent((frame,))
        return sent

    def _tell_sent(self, frames: Sequence[Frame]) -> None:
        for opcode, payload in frames:
            if opcode == TEXT:
                self.tell_taps("sent", payload)

    def _send_timeout(self) -> float | None:
        if self._state is not State.OPEN:
            return self._close_timeout
        return self.heartbeat.send_timeout

    def _keep_alive(self, transport: Transport) -> None:
        """Notice that nothing comes back; ping when it is time."""
        if self._state is not State.OPEN:
            return
        if self.heartbeat.silent():
            timeout = self.heartbeat.keepalive.timeout
            raise _broken(f"nothing arrived for {timeout:g} s after a ping")
        if self.heartbeat.ping_due():
            transport.send([(PING, b"realtime")], self._send_timeout())

    def _lose(self, transport: Transport, exc: Exception) -> None:
        """Tell the reader, which owns the way back, that the transport is lost."""
        cause = exc if isinstance(exc, ConnectionClosed) else _broken(str(exc))
        cause.__cause__ = cause.__cause__ or (exc if exc is not cause else None)
        ends = self._recovery is None or self._state is not State.OPEN
        with self._monitor.lock:
            current = transport is self._transport
            if current and not ends:
                self._loss = self._loss or cause
        if current:
            if ends:
                self._end(cause)
            transport.abort()
        with self._monitor.lock:
            # The reader takes the transport away, or ends the connection.
            self._parked = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._transport is not transport or self._is_closed()
            )

    def _await_close(self) -> None:
        """Give the server the rest of the close timeout to answer the close frame."""
        with self._monitor.lock:
            left = self._close_deadline.left()
            closed = self._changed.wait_for(self._is_closed, left)
        if not closed:
            self.abort()

    # Any thread

    def begin_close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, unless the end has begun."""
        with self._monitor.lock:
            if self._state is not State.OPEN:
                return
            self._state = State.CLOSING
            self._close_deadline = Deadline(self._close_timeout, "closing")
            nothing_to_close = self._transport is None
            self._changed.notify_all()
        if nothing_to_close:
            self.abort()
        else:
            self._say_farewell(code, reason, drop=False)

    def _end(self, cause: ConnectionClosed) -> None:
        """Record the end and wake everybody; only the first call counts."""
        with self._monitor.lock:
            if self._state is State.CLOSED:
                return
            if self._state is State.CLOSING and cause.code == _BROKEN:
                cause = _closed_by_client()  # the server hung up without an answer
            answer = self._state is State.OPEN and cause.code != _BROKEN
            self._state = State.CLOSED
            self._terminal = cause
            self._close_deadline = Deadline(0.0)
            self._changed.notify_all()
        if answer and self._transport is not None:
            self._say_farewell(cause.code, "", drop=True)
        else:
            self._queue.close(self.error)
        self._absorber.end(self.error)

    def _say_farewell(self, code: int, reason: str, *, drop: bool) -> None:
        self._farewell = True
        last = CLOSE, _close_payload(code, reason)
        self._queue.finish(last, self.error, drop=drop)

    def _abort_transport(self) -> None:
        for transport in (self._transport, self._opening):
            if transport is not None:
                transport.abort()

    def _leave(self) -> None:
        with self._monitor.lock:
            self._left += 1
            last = self._left == 2
            self._changed.notify_all()
        if last and self._transport is not None:
            self._transport.abort()
            with self._queue.sending:
                self._transport.release()

    def _join(self, deadline: Deadline) -> None:
        for thread in (self._reader, self._writer):
            if thread.ident is not None:
                thread.join(deadline.left())
        if self._reader.is_alive():
            logger.warning("a callback still holds the thread %s", self._reader.name)

    def _is_closed(self) -> bool:
        return self._state is State.CLOSED

    def _is_not_open(self) -> bool:
        return self._state is not State.OPEN

    def _is_writer_off(self) -> bool:
        return self._parked or self._left > 0


def _close_payload(code: int, reason: str) -> bytes:
    return b"" if code == 1005 else code.to_bytes(2, "big") + reason.encode()


def _release(transport: Transport) -> None:
    transport.abort()
    transport.release()


def _closed_by_client() -> ConnectionClosedOK:
    return ConnectionClosedOK(1000, "", initiated_by="client")


def _behind(waiting: int) -> ConnectionClosedError:
    reason = (
        f"{waiting} bytes of events arrived while a callback waited for another one; "
        "register it with on(..., executor=pool), or raise max_unread"
    )
    return ConnectionClosedError(1009, reason, initiated_by="client")


def _broken(reason: str) -> ConnectionClosedError:
    return ConnectionClosedError(_BROKEN, reason, initiated_by="network")


def _fault(exc: BaseException) -> ConnectionClosedError:
    error = _broken(f"a thread of the connection died: {exc!r}")
    error.__cause__ = exc
    return error
