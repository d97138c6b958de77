"""How a dead network is noticed: pings, and the clock of what was heard."""

from __future__ import annotations

from time import monotonic

import attrs


__all__ = ["Heartbeat", "Keepalive"]


@attrs.frozen(kw_only=True)
class Keepalive:
    """
    How a dead network is noticed: within the sum of both.

    Attributes:
        interval: Seconds between two pings, or None to send none.
        timeout: Seconds in which something has to arrive after a ping, or None.
    """

    interval: float | None = 20.0
    timeout: float | None = 20.0


class Heartbeat:
    """
    The moments of pings and of what arrived, on the clock of `monotonic()`.

    The reader thread notes when it listens and hears; the writer thread asks what is
    due. Each attribute is written by one of them, and is one word: no lock is needed.

    Attributes:
        dispatching: Whether the reader is busy with callbacks and cannot hear.
        latency: Seconds from the last answered ping to its pong, or None.
    """

    def __init__(self, keepalive: Keepalive) -> None:
        self.keepalive = keepalive
        self.dispatching = False
        self.latency: float | None = None
        self.begin()

    def begin(self) -> None:
        """Count from now on: a transport was opened."""
        self._listening_since = self._heard_at = self._pinged_at = monotonic()

    # For the reader

    def listening(self) -> None:
        """Note that the reader begins to listen."""
        self._listening_since = monotonic()

    def heard(self) -> None:
        """Note that something arrived."""
        self._heard_at = monotonic()

    def answered(self) -> None:
        """Note that what arrived last was a pong."""
        if self._heard_at >= self._pinged_at:  # else the next ping is out already
            self.latency = self._heard_at - self._pinged_at

    # For the writer

    @property
    def send_timeout(self) -> float | None:
        """Seconds that the network may take to accept what is sent, or None."""
        interval, timeout = self.keepalive.interval, self.keepalive.timeout
        return None if interval is None or timeout is None else interval + timeout

    def until_due(self) -> float | None:
        """Return the seconds until `ping_due()` or `silent()` may change."""
        interval, timeout = self.keepalive.interval, self.keepalive.timeout
        if interval is None:
            return None
        pinged_at, now = self._pinged_at, monotonic()
        moments = [pinged_at + interval]
        if timeout is not None and self._heard_at < pinged_at:
            # A reader that is busy has nothing to notice before the next ping.
            busy = self.dispatching
            since = pinged_at if busy else max(pinged_at, self._listening_since)
            moments.append(since + timeout)
        return min((each for each in moments if each > now), default=now) - now

    def silent(self) -> bool:
        """Tell whether nothing came after a ping, though the reader listened."""
        timeout = self.keepalive.timeout
        if timeout is None or self._heard_at >= self._pinged_at or self.dispatching:
            return False
        return monotonic() >= max(self._pinged_at, self._listening_since) + timeout

    def ping_due(self) -> bool:
        """Tell whether it is time to ping; from then on the answer is awaited."""
        interval, timeout = self.keepalive.interval, self.keepalive.timeout
        now = monotonic()
        if interval is None or now < self._pinged_at + interval:
            return False
        unanswered = self._heard_at < self._pinged_at
        if unanswered and timeout is not None and now < self._pinged_at + timeout:
            return False
        self._pinged_at = now
        return True
