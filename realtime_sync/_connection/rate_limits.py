"""What the service will still take, as it last said, and waiting for more of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .._channel.monitor import Monitor
from .._deadline import Deadline
from ..protocol._model import ServerEvent
from ..protocol.responses import RateLimit
from ..protocol.server_events import RateLimitsUpdated


__all__ = ["RateLimits"]


class RateLimits:
    """
    The rate limits of a session. Thread-safe.

    Args:
        monitor: Of the connection.
        now: The clock, in seconds.
    """

    def __init__(
        self, monitor: Monitor, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._monitor = monitor
        self._changed = monitor.condition()
        self._now = now
        self._told: Mapping[str, tuple[float, RateLimit]] = {}
        self._error: Callable[[], Exception] | None = None

    @property
    def current(self) -> Mapping[str, RateLimit]:
        """What the service last said of each limit, by its name."""
        return {name: limit for name, (_, limit) in self._told.items()}

    def wait(self, needs: Mapping[str, int], timeout: float | None) -> None:
        """
        Wait until no limit is known to stand in the way.

        Args:
            needs: How much of each limit is needed.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: There was not enough in time.
            ValueError: A limit never allows that much.
            ConnectionClosed: The connection has ended.
        """
        deadline = Deadline(timeout, "waiting for capacity")
        while True:
            left = self._seconds_until(needs)
            if left <= 0:
                return
            self._wait_for_news(min(left, deadline.remaining() or left))
            if self._error is not None:
                raise self._error()

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return the handler of the event that tells of limits."""
        return {RateLimitsUpdated: self._on_updated}

    def end(self, error: Callable[[], Exception]) -> None:
        """Wake those who wait: the connection has ended."""
        with self._monitor.lock:
            self._error = error
            self._changed.notify_all()

    # Private

    def _on_updated(self, event: RateLimitsUpdated) -> None:
        now = self._now()
        told = {limit.name: (now, limit) for limit in event.rate_limits if limit.name}
        with self._monitor.lock:
            # A service may leave a limit out; what it said before still holds.
            self._told = {**self._told, **told}
            self._changed.notify_all()

    def _wait_for_news(self, seconds: float) -> None:
        before = self._told
        self._monitor.wait(
            self._changed,
            lambda: self._told is not before or self._error is not None,
            seconds,
        )

    def _seconds_until(self, needs: Mapping[str, int]) -> float:
        told = self._told
        return max(
            (
                self._left_of(*told[name], need)
                for name, need in needs.items()
                if name in told
            ),
            default=0.0,
        )

    def _left_of(self, at: float, limit: RateLimit, need: int) -> float:
        if limit.limit and need > limit.limit:
            raise ValueError(
                f"{need} {limit.name} are more than the {limit.limit} of a period"
            )
        if not isinstance(limit.remaining, int) or limit.remaining >= need:
            return 0.0
        return at + (limit.reset_seconds or 0.0) - self._now()
