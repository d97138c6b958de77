"""
From the threads of a connection to one that may take its time.

What is captured is appended to a queue, and a thread hands it in batches to a sink. The
hot path pays for reading the clock, a comparison and an append, and for no lock. So two
threads that capture at the same moment may lose count of the bytes that wait, by a
message: the account is put right whenever the queue is empty. What is lost for lack of
room is counted exactly.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from .._waiting import Flag, start_thread
from ..reconnect import Notice
from .format import Direction


if TYPE_CHECKING:
    from .._connection.base import BaseConnection


__all__ = ["Captured", "Intake", "Kind", "Sink"]

logger = logging.getLogger("realtime_sync.recording")

Kind = Literal["sent", "received", "notice", "gap", "end"]

_INTERVAL = 0.2  # seconds between two batches: what a crash of the process may cost
_BATCH = 512  # captures that are handed on at once


class Captured(NamedTuple):
    """
    Something that happened.

    Attributes:
        time: On the monotonic clock, in seconds.
        kind: What it is.
        data: A message, an event, an exception, or a count of events and of bytes.
    """

    time: float
    kind: Kind
    data: Any


class Sink(Protocol):
    """Takes what was captured, on the intake's thread."""

    def write(self, batch: list[Captured]) -> None:
        """Take *batch*, in order."""

    def close(self) -> None:
        """Finish; nothing more will come. Called once, after a failure too."""


class Intake:
    """
    A bounded queue, and the thread that empties it.

    Args:
        sink: Where everything goes.
        limit: Bytes of messages that may wait.
        failed: Is called on the intake's thread with what the sink raised, once.
        name: Of the thread.
        interval: Seconds between two batches.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        limit: int,
        failed: Callable[[Exception], None],
        name: str,
        interval: float = _INTERVAL,
    ) -> None:
        self._sink = sink
        self._limit = limit
        self._failed = failed
        self._interval = interval
        self._waiting: deque[tuple[float, Kind, Any]] = deque()
        self._bytes = 0  # about how many wait
        self._lock = threading.Lock()  # guards the two that follow
        self._lost = 0
        self._lost_bytes = 0
        self._told = (0, 0)  # of what was lost; of the intake's thread
        self._over = False  # nothing is taken any more
        self._has_failed = False
        self._leave: Callable[[], None] = lambda: None
        self._wake = Flag()
        self._finished = Flag()
        # A daemon: a forgotten recorder must not keep a script from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        start_thread(self._thread)

    @property
    def lost(self) -> int:
        """How many messages were dropped because too much waited."""
        return self._lost

    @property
    def finished(self) -> bool:
        """Whether everything has been written that will be."""
        return self._finished.is_set()

    def watch(self, connection: BaseConnection) -> None:
        """Start; capture what a connection sends, receives and tells from now on."""
        # Not the connection: a forgotten one must be found to be one.
        channel, dispatcher = connection._channel, connection._dispatcher
        self.start()
        channel.tap(self.tap)
        dispatcher.on(Notice, self.notice)
        connection._absorber.register({}, lambda error: self.end(error()))

        def leave() -> None:
            channel.untap(self.tap)
            dispatcher.off(Notice, self.notice)

        self._leave = leave

    def leave(self) -> None:
        """Capture no more of the connection."""
        self._leave()

    def close(self, timeout: float | None) -> None:
        """Capture no more, and wait until the sink has had everything."""
        self.leave()
        if not self.finished:
            self.end()
        self.join(timeout)

    # From the threads of the connection

    def tap(self, direction: Direction, message: bytes) -> None:
        """Take a message; it is dropped and counted where too much waits already."""
        size = self._bytes + len(message)
        if size > self._limit:
            self._lose(len(message))
            return
        self._bytes = size
        self._waiting.append((monotonic(), direction, message))

    def notice(self, event: object) -> None:
        """Take an event of this side."""
        self._waiting.append((monotonic(), "notice", event))

    def end(self, error: Exception | None = None) -> None:
        """Take no more after this; *error* says how the connection ended, if it did."""
        self._waiting.append((monotonic(), "end", error))
        self._wake.set()

    def flush(self, timeout: float | None) -> bool:
        """Wait until what was captured so far is written; tell whether it is."""
        # A notice that no sink sees: it is done with when all before it is.
        written = Flag()
        self._waiting.append((monotonic(), "notice", written))
        self._wake.set()
        while not self.finished and not written.is_set():
            left = self._interval if timeout is None else min(timeout, self._interval)
            if written.wait(left) or timeout is None:
                continue
            timeout -= left
            if timeout <= 0:
                break
        return written.is_set() or self.finished

    def join(self, timeout: float | None) -> None:
        """Wait until the thread has ended, unless it is the caller."""
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    # The thread

    def _run(self) -> None:
        try:
            while not self._over:
                self._wake.wait(self._interval)
                self._wake.clear()
                self._empty()
        except Exception as exc:  # the session must not suffer from it
            self._fail(exc)
        finally:
            self._over = True
            self._close()
            self._finished.set()
            self._waiting.clear()

    def _empty(self) -> None:
        while self._waiting and not self._over:
            batch, marks = self._take()
            self._sink.write(batch)
            for mark in marks:
                mark.set()

    def _take(self) -> tuple[list[Captured], list[Flag]]:
        batch: list[Captured] = []
        marks: list[Flag] = []
        for _ in range(min(_BATCH, len(self._waiting))):
            captured = Captured(*self._waiting.popleft())
            if isinstance(captured.data, Flag):
                marks.append(captured.data)
                continue
            if captured.kind == "end":
                self._over = True
                batch += self._gap()
            batch.append(captured)
            if self._over:
                break
            if captured.kind != "notice":
                self._bytes -= len(captured.data)
        if not self._waiting:
            self._bytes = 0
        if not self._over:
            batch += self._gap()
        return batch, marks

    def _lose(self, size: int) -> None:
        with self._lock:
            self._lost += 1
            self._lost_bytes += size

    def _gap(self) -> list[Captured]:
        """Return what tells of losses that were not told yet."""
        with self._lock:
            lost = (self._lost, self._lost_bytes)
        told, self._told = self._told, lost
        missing = (lost[0] - told[0], lost[1] - told[1])
        return [Captured(monotonic(), "gap", missing)] if missing[0] else []

    def _fail(self, exc: Exception) -> None:
        if self._has_failed:
            return
        self._has_failed = True
        try:
            self._failed(exc)
        except Exception:
            logger.exception("the report of a failed recording raised")

    def _close(self) -> None:
        try:
            self._sink.close()
        except Exception as exc:
            self._fail(exc)
