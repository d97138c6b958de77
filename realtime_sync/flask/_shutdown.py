"""
How sessions learn that the server is about to end.

No WSGI server says so. But it gets a signal, and the process ends: both are heard here,
and each session looks now and then whether there was one. The handler of the signal
only sets a flag, for a lock might be held by the very thread that it interrupts, and
then goes on to the handler that was there before.
"""

from __future__ import annotations

import atexit
import signal
import threading
import weakref
from types import FrameType
from typing import Any, Protocol


__all__ = ["Closable", "close_at_end", "listen_for_signals"]

_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT")


class Closable(Protocol):
    """What is told that the end is near."""

    closing: bool

    def close(self, timeout: float = ...) -> bool:
        """Close all sessions."""


_open: weakref.WeakSet[Any] = weakref.WeakSet()
_former: dict[int, Any] = {}


def close_at_end(closable: Closable) -> None:
    """Tell *closable* when the process is about to end."""
    _open.add(closable)
    listen_for_signals()


def listen_for_signals() -> None:
    """
    Hear SIGTERM, SIGINT and SIGQUIT before those who listen now.

    gunicorn's workers set their own handlers after an application that was loaded by
    ``preload_app``; then call this again in the hook ``post_worker_init``. In another
    thread than the main one it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is None:  # Windows has no SIGQUIT
            continue
        former = signal.getsignal(number)
        if former is not _handle and former is not None:
            _former[number] = former
            signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    for closable in list(_open):
        closable.closing = True
    former = _former.get(number)
    if callable(former):
        former(number, frame)
    elif former == signal.SIG_DFL:
        raise SystemExit(128 + number)


@atexit.register
def _close_all() -> None:
    closables = list(_open)
    for closable in closables:
        closable.closing = True
    for closable in closables:
        closable.close(timeout=3.0)
