"""Rate limits that all sessions of a batch in one process obey together."""

from __future__ import annotations

import time
from collections.abc import Callable

from .._waiting import Condition
from ..protocol.server_events import RateLimitsUpdated


__all__ = ["SharedLimits"]


class SharedLimits:
    """
    What the service will still take from all sessions together. Thread-safe.

    It believes what any session was told last, counts down what was taken since, and
    holds everybody back for as long as a 429 asks to.

    Args:
        now: The clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._changed = Condition()
        self._left: dict[str, int] = {}
        self._resets: dict[str, float] = {}
        self._paused_until = 0.0
        self._is_closed = False

    def wait(self, tokens: int = 0) -> None:
        """
        Wait for the turn of one more request, and take it.

        Args:
            tokens: How many it is expected to need.

        Raises:
            RuntimeError: The batch was closed.
        """
        # Who does not know what is needed needs something.
        needs = {"requests": 1, "tokens": tokens or 1}
        seconds = 0.0

        def take() -> bool:
            nonlocal seconds
            seconds = self._seconds_until(needs)
            if seconds <= 0:
                self._count_down(needs)
            return seconds <= 0

        while not self._changed.wait_for(take, seconds):
            pass  # it is time to look again

    def update(self, event: RateLimitsUpdated) -> None:
        """Believe what a session was told."""
        with self._changed.lock:
            self._believe(event)
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Hold everybody back, as the service refused somebody."""
        with self._changed.lock:
            self._paused_until = max(self._paused_until, self._now() + seconds)
            self._changed.notify_all()

    def close(self) -> None:
        """Send all away who wait."""
        with self._changed.lock:
            self._is_closed = True
            self._changed.notify_all()

    # Private: all of these require holding the lock.

    def _believe(self, event: RateLimitsUpdated) -> None:
        for limit in event.rate_limits:
            if limit.name and isinstance(limit.remaining, int):
                self._left[limit.name] = limit.remaining
                seconds = limit.reset_seconds or 0.0
                self._resets[limit.name] = self._now() + seconds

    def _count_down(self, needs: dict[str, int]) -> None:
        for name, need in needs.items():
            if name in self._left:
                self._left[name] -= need

    def _seconds_until(self, needs: dict[str, int]) -> float:
        if self._is_closed:
            raise RuntimeError("the batch was closed")
        now = self._now()
        waits = [self._paused_until - now]
        for name, need in needs.items():
            if name not in self._left or self._left[name] >= need:
                continue
            if self._resets[name] <= now:
                # Nobody says how much there is now: the next answer will.
                del self._left[name], self._resets[name]
            else:
                waits.append(self._resets[name] - now)
        return max(waits)
