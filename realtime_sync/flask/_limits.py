"""What a browser may take: numbers, and who counts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import attrs

from ._codes import CloseCode, SessionEnd


__all__ = ["Allowance", "Census", "Limits"]


@attrs.frozen(kw_only=True)
class Limits:
    """
    What browsers may take of one process.

    Attributes:
        sessions: Sessions at the same time, in all.
        sessions_per_user: Sessions at the same time of one user; of one address where
            nobody has to log in.
        duration: Seconds that a session may last.
        idle: Seconds in which something has to be said, by either side.
        start: Seconds in which a browser has to say how it wants to start.
        message_bytes: Bytes of a message from a browser.
        bytes_per_second: Bytes from a browser, on the average; a microphone is 48,000.
        messages_per_second: Messages from a browser, on the average.
        burst: Seconds' worth of both that may come at once.
        text_characters: Characters of a text message.
        waiting_bytes: Bytes that may wait for a browser that reads slowly. Answers are
            made faster than they are spoken; a minute of speech is 2.9 million.
        send_timeout: Seconds in which a browser has to take something.
    """

    sessions: int = 100
    sessions_per_user: int = 3
    duration: float = 1800.0
    idle: float = 300.0
    start: float = 10.0
    message_bytes: int = 256 * 1024
    bytes_per_second: int = 96_000
    messages_per_second: int = 100
    burst: float = 10.0
    text_characters: int = 4000
    waiting_bytes: int = 8 * 1024 * 1024
    send_timeout: float = 20.0


class Allowance:
    """
    A bucket that fills with time, from which messages are paid. For one thread.

    Args:
        limits: How fast it fills, and how much it holds.
        clock: Returns seconds.
    """

    def __init__(
        self, limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._bytes = self._max_bytes = limits.bytes_per_second * limits.burst
        self._messages = self._max_messages = limits.messages_per_second * limits.burst
        self._at = clock()

    def pay(self, size: int) -> None:
        """
        Pay for a message of *size* bytes.

        Raises:
            SessionEnd: There is not enough.
        """
        now = self._clock()
        passed, self._at = now - self._at, now
        limits = self._limits
        earned = self._bytes + passed * limits.bytes_per_second
        self._bytes = min(earned, self._max_bytes) - size
        earned = self._messages + passed * limits.messages_per_second
        self._messages = min(earned, self._max_messages) - 1
        if self._bytes < 0:
            words = f"more than {limits.bytes_per_second} bytes in a second"
            raise SessionEnd(CloseCode.TOO_FAST, words)
        if self._messages < 0:
            words = f"more than {limits.messages_per_second} messages in a second"
            raise SessionEnd(CloseCode.TOO_FAST, words)


class Census:
    """Counts the sessions of a process and of each user. Thread-safe."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._users: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Sessions now."""
        return self._users.total()

    @contextlib.contextmanager
    def counting(self, user: str) -> Iterator[None]:
        """
        Count a session of *user* for as long as the block takes.

        Raises:
            SessionEnd: It would be one too many.
        """
        with self._lock:
            if self._users.total() >= self._limits.sessions:
                raise SessionEnd(CloseCode.FULL, "all lines are busy; try again later")
            if self._users[user] >= self._limits.sessions_per_user:
                words = f"you have {self._limits.sessions_per_user} conversations open"
                raise SessionEnd(CloseCode.TOO_MANY_SESSIONS, words)
            self._users[user] += 1
        try:
            yield
        finally:
            with self._lock:
                self._users[user] -= 1
                if not self._users[user]:
                    del self._users[user]
