"""
The two threads of a connection.

- The *reader thread* owns every receive, the decoding, the state that events change,
  the callbacks, and the way back after a loss: `Reader`.
- The *writer thread* owns the sending of what waits, pings, pongs and the close frame,
  the keepalive, and the deadline of the closing handshake: `Writer`.
- What they share is guarded by the monitor's lock: `Link`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from .._deadline import Deadline
from .._recovery.lifetime import Lifetime
from .._recovery.recovery import Recovery
from .._waiting import start_thread
from ..errors import ConnectionClosed
from ..transport import Frame, Transport
from .absorber import Absorber
from .dispatcher import Dispatcher
from .inbox import MAX_UNREAD
from .keepalive import Heartbeat, Keepalive
from .kept import MAX_KEPT, Kept
from .link import Link, State, Tap
from .monitor import Monitor
from .reader import Reader
from .send_queue import SendQueue
from .writer import Writer


__all__ = ["Channel"]

logger = logging.getLogger("realtime_sync.channel")

_GRACE = 0.5  # seconds for threads to end that have no reason left not to


class Channel:
    """
    Moves messages over a transport that is already open; every method is thread-safe.

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
        kept: Knows how much is kept of what arrived.
        name: Names the threads.
        on_thread: Is called first on each of them.
        frames: What was received before the channel took over, in order.

    Attributes:
        reader: What the reader thread does.
        heartbeat: The clock of the keepalive.
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
        kept: Kept | None = None,
        name: str,
        on_thread: Callable[[], None] = lambda: None,
        frames: Sequence[Frame] = (),
    ) -> None:
        self.heartbeat = Heartbeat(keepalive)
        self._link = Link(
            transport,
            monitor=monitor,
            queue=queue,
            absorber=absorber,
            heartbeat=self.heartbeat,
            close_timeout=close_timeout,
        )
        self.reader = Reader(
            self._link,
            absorber=absorber,
            dispatcher=dispatcher,
            recovery=recovery,
            lifetime=lifetime,
            max_unread=max_unread,
            kept=kept or Kept(MAX_KEPT),
            frames=frames,
        )
        self._writer = Writer(self._link, recovers=recovery is not None)
        self._close_timeout = close_timeout
        self._on_thread = on_thread
        # Daemons: a forgotten connection must not keep a script from ending.
        self.threads = tuple(
            threading.Thread(
                target=self._run, args=(run,), name=f"{name} {role}", daemon=True
            )
            for role, run in (
                ("writer", self._writer.run),
                ("reader", self.reader.run),
            )
        )

    @property
    def state(self) -> State:
        """Where the connection is in its life."""
        return self._link.state

    def start(self) -> None:
        """Start both threads. Nobody else uses the transport from now on."""
        self._link.queue.outlet = self._writer.send_at_once
        try:
            for thread in self.threads:
                start_thread(thread)
        except BaseException:  # Ctrl-C, or the system has no room for another thread
            self._link.dismiss()
            raise

    def note_expired(self) -> None:
        """Remember that the server called the session expired; its close follows."""
        self.reader.session_expired = True

    def error(self) -> ConnectionClosed:
        """Return a new exception that says how the connection ended."""
        return self._link.error()

    def tap(self, tap: Tap) -> None:
        """
        Let *tap* see every text message in wire form from now on.

        It is called with "received" on the reader thread, before the message is
        decoded, and with "sent" on the thread that wrote it, once it is written. It
        must neither block nor raise.
        """
        self._link.tap(tap)

    def untap(self, tap: Tap) -> None:
        """Let *tap* see no more; one that was never there is no error."""
        self._link.untap(tap)

    def wait_closed(self, timeout: float | None) -> bool:
        """Wait until the connection has ended; its threads may still be about to."""
        return self._link.wait_closed(timeout)

    def begin_close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, unless the end has begun."""
        self._link.begin_close(code, reason)

    def close(self, code: int, reason: str) -> None:
        """
        Close the connection; return when it is closed and its threads have ended.

        On one of its own threads this only begins to close. It takes about the close
        timeout at most, and calling it again is harmless.
        """
        self._link.begin_close(code, reason)
        if threading.current_thread() in self.threads:
            return
        deadline = Deadline(self._close_timeout)
        if not self._link.wait_closed(deadline.left()):
            self._link.abort()
        self._join(Deadline(max(deadline.left() or 0.0, _GRACE)))

    def abort(self) -> None:
        """End the connection at once, with no closing handshake."""
        self._link.abort()

    def _run(self, run: Callable[[], None]) -> None:
        if self._link.enter():
            self._on_thread()
            run()

    def _join(self, deadline: Deadline) -> None:
        for thread in self.threads:
            if thread.ident is not None:
                thread.join(deadline.left())
            if thread.is_alive():
                logger.warning("a callback still holds the thread %s", thread.name)
