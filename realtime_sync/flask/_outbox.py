"""
What waits to be sent to a browser, and the thread that sends it.

Callbacks of the connection put messages here and never wait for a slow browser. What is
more than the limit is not kept: the browser reads too slowly to be talked to, and the
session ends. An interruption takes the speech away that nobody is to hear any more.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import Any

import orjson
from wsproto.events import CloseConnection

from .._waiting import Condition
from ._codes import CloseCode
from ._socket import BrowserGone, BrowserSocket, Frame, size_in_bytes


__all__ = ["Outbox"]


class Outbox:
    """
    A bounded queue with a thread that sends. All methods are thread-safe.

    Args:
        socket: Where it is sent.
        limit: Bytes that may wait.
        name: Of the thread.
    """

    def __init__(self, socket: BrowserSocket, *, limit: int, name: str) -> None:
        self._socket = socket
        self._limit = limit
        self._changed = Condition()
        self._waiting: deque[tuple[Frame, bool]] = deque()
        self._size = 0
        self._finished = False
        self.overflown = False
        self.broken: BrowserGone | None = None
        # Daemon: a browser that does not read must not keep the process from ending.
        self._thread = threading.Thread(target=self._send, name=name, daemon=True)
        self._thread.start()

    def put(self, message: dict[str, Any], *, speech: bool = False) -> None:
        """
        Queue a message of the JSON protocol.

        Args:
            message: What to say.
            speech: Whether an interruption takes it away.
        """
        self.put_frame(orjson.dumps(message).decode(), speech=speech)

    def put_frame(self, frame: Frame, *, speech: bool = False) -> None:
        """Queue a text or binary message, or a control frame."""
        size = _size(frame)
        with self._changed.lock:
            if self._finished or self.overflown:
                return
            if self._size + size > self._limit:
                self.overflown = True
                return
            self._waiting.append((frame, speech))
            self._size += size
            self._changed.notify_all()

    def drop_speech(self) -> None:
        """Take away the speech that was not sent."""
        with self._changed.lock:
            self._waiting = deque(entry for entry in self._waiting if not entry[1])
            self._size = sum(_size(frame) for frame, _ in self._waiting)

    def finish(self, code: CloseCode, reason: str, timeout: float) -> bool:
        """
        Send what waits, save speech, then a close; take no more.

        Returns:
            Whether all of that was sent within *timeout* seconds.
        """
        self.drop_speech()
        with self._changed.lock:
            if self.overflown:
                self._waiting.clear()
            if not self._finished:
                self._finished = True
                close = CloseConnection(code=code, reason=reason)
                self._waiting.append((close, False))
            self._changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive() and self.broken is None

    def join(self) -> None:
        """Wait for the end of the thread, which an aborted socket brings about."""
        self._thread.join()

    # On its thread

    def _send(self) -> None:
        with contextlib.suppress(StopIteration):
            while True:
                frame = self._next()
                try:
                    self._socket.send(frame)
                except BrowserGone as exc:
                    self.broken = exc
                    return

    def _next(self) -> Frame:
        taken: list[Frame] = []

        def take() -> bool:
            if self._waiting:  # an interruption may be about to take it away
                frame, _ = self._waiting.popleft()
                self._size -= _size(frame)
                taken.append(frame)
            return bool(taken) or self._finished

        self._changed.wait_for(take)
        if not taken:
            raise StopIteration
        return taken[0]


def _size(frame: Frame) -> int:
    # Control frames count as what they may hold at most.
    return size_in_bytes(frame) if isinstance(frame, (str, bytes)) else 125
