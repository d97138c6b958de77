"""
What time it is: the machine's, or a test's.

Everything in the emulator that waits or measures does so on one clock, so that a test
that owns the clock owns the order of events.
"""

from __future__ import annotations

import threading
import time
from numbers import Real

from .._checks import Kind


__all__ = ["Clock", "ManualClock"]

_SECONDS = Kind(Real, "a number of seconds")


class Clock:
    """The machine's clock. Thread-safe."""

    def now(self) -> float:
        """Return the seconds since an arbitrary point; never goes back."""
        return time.monotonic()

    def epoch(self) -> float:
        """Return the seconds since 1970, as in ``session.expires_at``."""
        return time.time()

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        """
        Wait for a notification of *condition*, or for a moment.

        Args:
            condition: Held by the caller, as for ``Condition.wait``.
            until: The moment on this clock, in seconds; None waits without limit.
        """
        timeout = None if until is None else max(0.0, until - self.now())
        condition.wait(timeout)


class ManualClock(Clock):
    """
    A clock that stands still until it is told to go on. Thread-safe.

    Args:
        epoch: The seconds since 1970 at which it starts.
    """

    def __init__(self, *, epoch: float = 1_700_000_000.0) -> None:
        _SECONDS.check("epoch", epoch)
        self._lock = threading.Lock()
        self._elapsed = 0.0
        self._started_at = epoch
        self._waiting: set[threading.Condition] = set()

    def now(self) -> float:
        """Return the seconds that the clock was advanced by, so far."""
        return self._elapsed

    def epoch(self) -> float:
        """Return the seconds since 1970."""
        return self._started_at + self._elapsed

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        """
        Wait for a notification of *condition*, or for *until* to be reached.

        Args:
            condition: Held by the caller, as for ``Condition.wait``.
            until: The moment on this clock, in seconds; None waits without limit.
        """
        with self._lock:
            if until is not None and until <= self._elapsed:
                return
            self._waiting.add(condition)
        # advance() notifies with the condition held, hence not before wait() let go.
        condition.wait()

    def advance(self, seconds: float) -> None:
        """
        Let time pass.

        Args:
            seconds: By how much.

        Raises:
            ValueError: *seconds* is negative.
        """
        _SECONDS.check("seconds", seconds)
        if not seconds >= 0:  # nor to what is no moment, which is NaN
            raise ValueError(f"time does not go back: {seconds} s")
        with self._lock:
            self._elapsed += seconds
            waiting, self._waiting = self._waiting, set()
        for condition in waiting:
            with condition:
                condition.notify_all()
