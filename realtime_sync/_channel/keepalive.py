"""How a dead network is noticed: pings, and the clock of what was heard."""

from __future__ import annotations

from time import monotonic

import attrs

from ..transport import Transport


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

    The writer thread asks when to ping. The reader thread alone tells silence, and only
    while it listens: what keeps it busy, a callback for instance, delays what arrives,
    and is not taken for a dead network. Each attribute is written by one of them, and
    is one word: no lock is needed.

    Attributes:
        sending: What is sending, and since when, so that no ping can be sent; None
            while nothing is.
        latency: Seconds from the last answered ping to its pong, or None.
    """

    def __init__(self, keepalive: Keepalive) -> None:
        self.keepalive = keepalive
        self.sending: tuple[Transport, float] | None = None
        self.latency: float | None = None
        self.begin()

    def begin(self) -> None:
        """Count from now on: a transport was opened."""
        now = monotonic()
        self._heard_at = self._listened_at = now
        self._pinged_at = self._asked_at = now  # the last ping; the first unanswered
        self._away = 0.0  # seconds that the reader did not listen though one was due

    # For the reader

    def listen(self) -> float | None:
        """Note that the reader listens; return how long it may before `silence()`."""
        interval, timeout = self.keepalive.interval, self.keepalive.timeout
        if interval is None or timeout is None:
            return None
        now, asked_at = monotonic(), self._unanswered(interval)
        if asked_at is None:
            left = self._pinged_at + interval - now
            return left + timeout if left > 0.0 else timeout
        self._away += max(0.0, now - max(self._listened_at, asked_at))
        return max(0.0, asked_at + timeout + self._away - now)

    def heard(self) -> None:
        """Note that something arrived."""
        self._heard_at = self._listened_at = monotonic()
        self._away = 0.0

    def answered(self) -> None:
        """Note that what arrived last was a pong."""
        if self._heard_at >= self._pinged_at:  # else the next ping is out already
            self.latency = self._heard_at - self._pinged_at

    def silence(self) -> str | None:
        """Note that nothing arrived; say since when, if that has been for too long."""
        self._listened_at = now = monotonic()
        interval, timeout = self.keepalive.interval, self.keepalive.timeout
        if interval is None or timeout is None:
            return None
        asked_at = self._unanswered(interval)
        if asked_at is None or now < asked_at + timeout + self._away:
            return None
        if asked_at == self._asked_at:
            return f"nothing arrived for {timeout:g} s after a ping"
        took = interval + timeout
        return f"nothing arrived for {took:g} s, and what is being sent does not leave"

    # For the writer

    def until_due(self) -> float | None:
        """Return the seconds until the next ping is due; None if none ever is."""
        interval = self.keepalive.interval
        if interval is None:
            return None
        return max(0.0, self._pinged_at + interval - monotonic())

    def ping_due(self) -> bool:
        """Tell whether it is time to ping; from then on the answer is awaited."""
        interval, now = self.keepalive.interval, monotonic()
        if interval is None or now < self._pinged_at + interval:
            return False
        self._pinged_at = now
        if self._heard_at >= self._asked_at:
            self._asked_at = now
        return True

    def _unanswered(self, interval: float) -> float | None:
        """Return when the server was asked for the sign of life that is missing."""
        if self._heard_at < self._asked_at:
            return self._asked_at
        sending = self.sending
        if sending is None:
            return None
        transport, began = sending
        # A ping has to wait behind what is being sent. When that does not leave, the
        # ping would not, either: it counts as sent when it was due.
        return max(self._heard_at + interval, began, transport.took_at)
