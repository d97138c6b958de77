"""
The lock of a connection's state, and how any thread waits for that state to change.

Everything that events change (pending commands, response streams, the conversation)
shares one lock. It is never held over I/O or over user code. A waiting thread sleeps
on a condition, save one: the reader thread is what makes the state change, so when a
callback on it waits, it has to read on by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .._deadline import Deadline
from .._waiting import Condition


__all__ = ["Monitor"]


class Monitor:
    """
    One lock, its conditions, and a wait that works on every thread.

    Attributes:
        lock: Guards the state; hold it for a few statements at most.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._reader: int | None = None
        self._read_on: Callable[[float | None], None] | None = None

    def condition(self) -> Condition:
        """Return a new condition on the lock."""
        return Condition(self.lock)

    def bind_reader(self, read_on: Callable[[float | None], None]) -> None:
        """
        Make the calling thread the one that reads on while it waits.

        Args:
            read_on: Reads and absorbs what arrives next, for at most so many seconds;
                raises `TimeoutError` when nothing came, and the terminal exception when
                nothing will.
        """
        self._reader = threading.get_ident()
        self._read_on = read_on

    def unbind_reader(self) -> None:
        """Forget the reader thread, whose identity may be given to another thread."""
        self._reader = None

    def on_reader_thread(self) -> bool:
        """Tell whether the caller runs on the reader thread."""
        return self._reader == threading.get_ident()

    def wait(
        self,
        condition: Condition,
        predicate: Callable[[], bool],
        timeout: float | None,
    ) -> bool:
        """
        Wait until *predicate* holds; call it without holding the lock.

        Args:
            condition: A condition of this monitor that is notified when the predicate
                may have changed. It must be notified at the end of the connection too.
            predicate: Is called with the lock held. It must hold once the connection
                has ended.
            timeout: Seconds, or None.

        Returns:
            Whether the predicate holds; False when the time is over.
        """
        if self.on_reader_thread():
            return self._read_until(predicate, Deadline(timeout))
        return condition.wait_for(predicate, timeout)

    def read_on(self, timeout: float) -> None:
        """On the reader thread: absorb what arrives in the next seconds, if any."""
        assert self._read_on is not None
        try:
            self._read_on(timeout)
        except TimeoutError:
            return

    def _read_until(self, predicate: Callable[[], bool], deadline: Deadline) -> bool:
        assert self._read_on is not None
        while True:
            with self.lock:
                if predicate():
                    return True
            if deadline.expired():
                return False
            try:
                self._read_on(deadline.remaining())
            except TimeoutError:
                return False
