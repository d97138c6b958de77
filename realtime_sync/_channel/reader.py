"""
The reader thread: receives, decodes, keeps the state, calls back, finds a way back.

A step of it is *absorb* (decode, update the state, wake waiters) and then *dispatch*
(callbacks). A callback that waits for the server calls `Reader.read_on()` through the
monitor: it absorbs, and leaves the dispatching for later.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from time import monotonic

from .._recovery.lifetime import Lifetime, RolledOver
from .._recovery.recovery import Recovered, Recovery
from .._wire.frames import read_close
from ..errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    SessionExpired,
)
from ..protocol._model import ServerEvent
from ..reconnect import Notice
from ..transport import CLOSE, PING, PONG, TEXT, Frame, close_payload
from .absorber import Absorber
from .dispatcher import Dispatcher
from .kept import Kept
from .lanes import Lane
from .link import Link, State, broken, fault, receive, release


__all__ = ["Reader"]

logger = logging.getLogger("realtime_sync.channel")

_FAREWELL = 1.0  # seconds for saying goodbye to a session that was left


class Reader:
    """
    What the reader thread does; its attributes are its own.

    Args:
        link: What it shares with the writer.
        absorber: Decodes messages and updates the state.
        dispatcher: Calls the callbacks of an event.
        recovery: Opens the connection again after a loss; None to leave it lost.
        lifetime: Knows when the session ends.
        max_unread: Bytes of events that may wait for a callback that waits itself.
        kept: Knows how much is kept of what arrived.
        frames: What was received before, in order.

    Attributes:
        messages: How many messages arrived.
        bytes: How many bytes of messages arrived.
        reconnects: How often the connection was lost and found again.
        session_expired: Whether the server said so; its close frame follows.
    """

    def __init__(
        self,
        link: Link,
        *,
        absorber: Absorber,
        dispatcher: Dispatcher,
        recovery: Recovery | None,
        lifetime: Lifetime,
        max_unread: int,
        kept: Kept,
        frames: Sequence[Frame],
    ) -> None:
        self._link = link
        self._heartbeat = link.heartbeat
        self._absorber = absorber
        self._absorb = absorber.absorb
        self._dispatcher = dispatcher
        self._recovery = recovery
        self._lifetime = lifetime
        self._max_unread = max_unread
        self._kept = kept
        self._frames: deque[Frame] = deque(frames)
        self._notices: deque[Notice] = deque()
        self._undispatched: deque[tuple[ServerEvent, int]] = deque()
        self._undispatched_bytes = 0
        self.messages = 0
        self.bytes = 0
        self.reconnects = 0
        self.session_expired = False

    def run(self) -> None:
        """Read until the end; the body of the thread."""
        link = self._link
        link.monitor.bind_reader(self.read_on)
        try:
            self._read()
        except ConnectionClosed:
            pass  # `Link.end()` has told everybody
        except BaseException as exc:  # a fault of this library: tell every waiter
            logger.exception("the reader thread died")
            link.end(fault(exc))
        finally:
            link.monitor.unbind_reader()
            if self._recovery is not None:
                self._recovery.abandon()
            link.see_writer_off()
            link.leave()

    def read_on(self, timeout: float | None) -> None:
        """Absorb one message for a callback that waits; dispatch it when it returns."""
        started, received = monotonic(), self.bytes
        try:
            event = self._step(timeout)
        finally:
            self._dispatcher.waited += monotonic() - started
        if event is not None:
            size = self.bytes - received
            self._undispatched.append((event, size))
            self._undispatched_bytes += size
            if self._undispatched_bytes > self._max_unread:
                self._link.end(_behind(self._undispatched_bytes))
                raise self._link.error()

    # Steps

    def _read(self) -> None:
        dispatch = self._dispatcher.dispatch
        try:
            while True:
                event = self._step(None)
                if event is not None:
                    dispatch(event)
                # Not only callbacks wait: `on_error()` may where there is no event.
                if self._undispatched:
                    self._catch_up()
        finally:
            self._catch_up()  # what arrived before the end is still news

    def _catch_up(self) -> None:
        while self._undispatched:
            late, size = self._undispatched.popleft()
            self._undispatched_bytes -= size
            self._dispatcher.dispatch(late)

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
                self.messages += 1
                self.bytes += len(payload)
                if self.bytes > self._kept.due:
                    self._kept.check(self.bytes)
                if self._link.taps:
                    self._link.tell_taps("received", payload)
                return self._absorb(payload)
            self._control(opcode, payload)
        except ConnectionClosed as exc:
            self._regain(exc)
        return None

    def _receive(self, timeout: float | None) -> None:
        link = self._link
        if link.state is State.CLOSING and link.close_left() == 0.0:
            link.abort()  # the writer is stuck, and who closed is a callback
        transport = link.transport
        if transport is None or link.state is State.CLOSED:
            raise link.error()
        limits = (self._heartbeat.listen(), self._lifetime.left(), link.close_left())
        limit = timeout
        for each in limits:
            if each is not None and (limit is None or each < limit):
                limit = each
        try:
            self._frames.extend(receive(transport, limit))
        except TimeoutError:
            self._note_silence()
            if limit == timeout:
                raise
        else:
            self._heartbeat.heard()

    def _note_silence(self) -> None:
        if silence := self._heartbeat.silence():
            raise broken(silence)
        notice = self._lifetime.check()
        if notice is not None:
            self._notices.append(notice)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._link.queue.put((PONG, payload), Lane.URGENT)
        elif opcode == PONG:
            self._heartbeat.answered()
        elif opcode == CLOSE:
            raise self._closed_by_frame(payload)
        else:
            logger.warning("ignored a binary message of %d bytes", len(payload))

    def _closed_by_frame(self, payload: bytes) -> ConnectionClosed:
        code, reason = read_close(payload)
        if self._link.state is not State.OPEN:
            return ConnectionClosedOK(code, reason, initiated_by="client")
        if self.session_expired or (code == 1001 and "duration" in reason):
            return SessionExpired(code, reason, initiated_by="server")
        kind = ConnectionClosedOK if code == 1000 else ConnectionClosedError
        return kind(code, reason, initiated_by="server")

    # The way back

    def _regain(self, cause: ConnectionClosed) -> None:
        """
        Go on with another transport after a loss, or end.

        Raises:
            ConnectionClosed: The connection has ended.
        """
        link, recovery = self._link, self._recovery
        cause = link.loss or cause
        if isinstance(cause, RolledOver) and self._stays(cause):
            return None
        if link.state is State.OPEN and recovery and recovery.worthwhile(cause):
            try:
                return self._replace_transport(recovery, cause)
            except ConnectionClosed as exc:
                cause = exc
        link.end(cause)
        raise link.error()

    def _stays(self, cause: RolledOver) -> bool:
        """Tell whether the session goes on, as there is none to move to (yet)."""
        recovery, is_open = self._recovery, self._link.state is State.OPEN
        if recovery is not None and recovery.worthwhile(cause) and is_open:
            return not recovery.prepare(cause)
        self._lifetime.stay()
        return True

    def _replace_transport(self, recovery: Recovery, cause: ConnectionClosed) -> None:
        link = self._link
        planned = isinstance(cause, RolledOver)
        link.queue.hold()
        old = link.take_transport(abort=not planned)
        try:
            recovered = recovery.recover(cause, link)
        except ConnectionClosed:
            if not planned or link.state is not State.OPEN:
                release(old)
                raise
            link.use(old)
        except BaseException:
            release(old)
            raise
        else:
            if planned:
                with contextlib.suppress(ConnectionClosed, TimeoutError):
                    old.send([(CLOSE, close_payload(1000, ""))], _FAREWELL)
            release(old)
            self._adopt(recovered)

    def _adopt(self, recovered: Recovered) -> None:
        self._frames = recovered.frames
        self._notices.append(recovered.notice)
        self.session_expired = False
        self.reconnects += 1
        self._heartbeat.begin()
        self._link.use(recovered.transport)


def _behind(waiting: int) -> ConnectionClosedError:
    reason = (
        f"{waiting} bytes of events arrived while a callback waited for another one; "
        "register it with on(..., executor=pool), or raise max_unread"
    )
    return ConnectionClosedError(1009, reason, initiated_by="client")
