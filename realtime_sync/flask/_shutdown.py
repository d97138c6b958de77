"""
How sessions learn that the server is about to end.

No WSGI server says so. But it gets a signal, and the process ends: both are heard here,
and each session looks now and then whether there was one. The handler of the signal
only notes the time, for a lock might be held by the very thread that it interrupts, and
then goes on to the handler that was there before.

What that one does is its own affair: gunicorn's returns, and its worker ends later; one
that writes stacks to a log returns as well, and one that raises KeyboardInterrupt may
be caught. So sessions end, and whether the process does is seen by whether it is still
there after a while; then browsers come back to it.
"""

from __future__ import annotations

import atexit
import math
import signal
import threading
import time
import weakref
from types import FrameType
from typing import Any, Protocol


__all__ = ["Closable", "close_at_end", "is_ending", "listen_for_signals", "was_told"]

_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT")
_GRACE = 10.0  # seconds after a signal in which no session begins


class Closable(Protocol):
    """What is closed when the process ends."""

    def close(self, timeout: float = ...) -> bool:
        """Close all sessions."""


_open: weakref.WeakSet[Any] = weakref.WeakSet()
_former: dict[int, Any] = {}
_told_at = -math.inf  # when the process was last told to end


def close_at_end(closable: Closable) -> None:
    """Close *closable* when the process ends."""
    _open.add(closable)
    listen_for_signals()


def was_told(since: float) -> bool:
    """Tell whether the process was told to end after a moment of `time.monotonic()`."""
    return _told_at > since


def is_ending() -> bool:
    """Tell whether the process was told to end just now, and is there still."""
    return was_told(time.monotonic() - _GRACE)


def listen_for_signals() -> None:
    """
    Hear SIGTERM, SIGINT and SIGQUIT before those who listen now.

    One that is ignored stays so. gunicorn's workers set their own handlers after an
    application that was loaded by ``preload_app``; then call this again in the hook
    ``post_worker_init``. In another thread than the main one it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is None:  # Windows has no SIGQUIT
            continue
        former = signal.getsignal(number)
        if former not in (_handle, signal.SIG_IGN, None):
            _former[number] = former
            signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    global _told_at
    _told_at = time.monotonic()
    former = _former.get(number)
    if callable(former):
        former(number, frame)
    elif former == signal.SIG_DFL:
        raise SystemExit(128 + number)


@atexit.register
def _close_all() -> None:
    global _told_at
    _told_at = math.inf  # all of them, before the first one is waited for
    for closable in list(_open):
        closable.close(timeout=3.0)
