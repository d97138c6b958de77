"""
How threads wait for each other, such that Ctrl-C may come at any moment.

`threading.Condition` gives its lock back, and takes it again, inside of the caller's
`with`, in steps of Python. Ctrl-C between two of them ends the `with` of a thread that
does not hold the lock, or leaves one locked for ever that nobody holds. Here a thread
sleeps outside of the `with`, on a lock of its own, and a lock is held only by a `with`
on the lock itself, which CPython enters and leaves in one step.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ._deadline import Deadline


__all__ = ["Condition", "Flag", "start_thread"]

# Ctrl-C that comes just before the main thread falls asleep does not wake it, and on
# Windows it never does. So it looks now and then.
_SLICE = 0.2 if os.name == "nt" else 1.0  # seconds


class Condition:
    """
    Lets threads wait for a change of what a lock guards.

    Args:
        lock: The lock; None for a new one.

    Attributes:
        lock: The lock. Use it with `with`.
    """

    def __init__(self, lock: threading.Lock | None = None) -> None:
        self.lock = lock or threading.Lock()
        self._sleepers: set[threading.Lock] = set()

    def wait_for(
        self, predicate: Callable[[], bool], timeout: float | None = None
    ) -> bool:
        """
        Wait until *predicate* holds; call it without holding the lock.

        Args:
            predicate: Is called with the lock held. What it raises ends the waiting.
                What the caller waits for it should take as well, when it returns True:
                after that another thread may be faster.
            timeout: Seconds, or None.

        Returns:
            Whether the predicate holds; False when the time is over.
        """
        deadline = Deadline(timeout)
        sleeper = None
        while True:
            with self.lock:
                if sleeper is not None:  # it may be there yet, if nobody notified it
                    self._sleepers.discard(sleeper)
                if predicate():
                    return True
                left = deadline.left()
                if left == 0:
                    return False
                sleeper = threading.Lock()
                sleeper.acquire()
                self._sleepers.add(sleeper)
            sleeper.acquire(timeout=_nap(left))

    def notify_all(self) -> None:
        """Wake all who wait, to look again; requires holding the lock."""
        if self._sleepers:
            for sleeper in self._sleepers:
                # Ctrl-C may have ended this loop before, and left it in the set.
                if sleeper.locked():
                    sleeper.release()
            self._sleepers.clear()


class Flag:
    """An event, as `threading.Event` is one. Every method is thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._is_set = False

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        with self._changed.lock:
            self._is_set = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Set it no more."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for *timeout* seconds at most; tell whether it is."""
        return self._changed.wait_for(self.is_set, timeout)


def start_thread(thread: threading.Thread) -> None:
    """
    Start *thread*.

    `Thread.start()` waits by the means that are described above, and makes a
    `RuntimeError` of Ctrl-C now and then; here it stays `KeyboardInterrupt`. Either way
    nobody knows then whether the thread runs.
    """
    try:
        thread.start()
    except RuntimeError as exc:
        if isinstance(exc.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from exc
        raise


def _nap(left: float | None) -> float:
    """Return for how long the calling thread may sleep."""
    is_main = threading.current_thread() is threading.main_thread()
    longest = _SLICE if is_main else threading.TIMEOUT_MAX
    return longest if left is None else min(left, longest)
