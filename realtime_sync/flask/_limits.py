"""What a browser may take: numbers, and who counts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from .._checks import check_amount, check_count
from ._codes import CloseCode, SessionEnd


__all__ = ["Allowance", "Census", "Limits", "Place"]


def _check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(attribute.default, int):
        check_count(attribute.name, value, least=1)
    else:
        check_amount(attribute.name, value, or_zero=False)


def _checked(
    _: type, attributes: list[attrs.Attribute[Any]]
) -> list[attrs.Attribute[Any]]:
    return [attribute.evolve(validator=_check) for attribute in attributes]


@attrs.frozen(kw_only=True, field_transformer=_checked)
class Limits:
    """
    What browsers may take of one process. Each of them is more than 0.

    Attributes:
        sessions: Sessions at the same time, in all.
        sessions_per_user: Sessions at the same time of one user; of one address where
            nobody has to log in.
        duration: Seconds that a session may last.
        idle: Seconds in which something has to be said: aloud, such that the service
            hears it, or in writing. An answer counts, and so does the end of a turn
            with push to talk; sound alone does not.
        start: Seconds in which a browser has to say how it wants to start.
        message_bytes: Bytes of a message from a browser.
        bytes_per_second: Bytes from a browser, on the average; a microphone is 48,000.
        messages_per_second: Messages from a browser, on the average. Fragments and
            control frames are as dear as messages.
        burst: Seconds' worth of both that may come at once.
        text_characters: Characters of a text message.
        waiting_bytes: Bytes that may wait for a browser that reads slowly. Answers are
            made faster than they are spoken; a minute of speech is 2.9 million.
        send_timeout: Seconds in which a browser has to take something.
        conversation_bytes: Bytes of a conversation that is kept for a browser that
            comes back. Of a longer one the oldest items are let go. An hour of talking
            takes less than half of it.
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
    conversation_bytes: int = 256 * 1024


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

    def pay(self, size: int, messages: int = 1) -> None:
        """
        Pay for what was received.

        Args:
            size: Its bytes.
            messages: How many frames ended with it.

        Raises:
            SessionEnd: There is not enough.
        """
        now = self._clock()
        passed, self._at = now - self._at, now
        limits = self._limits
        earned = self._bytes + passed * limits.bytes_per_second
        self._bytes = min(earned, self._max_bytes) - size
        earned = self._messages + passed * limits.messages_per_second
        self._messages = min(earned, self._max_messages) - messages
        if self._bytes < 0:
            words = f"more than {limits.bytes_per_second} bytes in a second"
            raise SessionEnd(CloseCode.TOO_FAST, words)
        if self._messages < 0:
            words = f"more than {limits.messages_per_second} messages in a second"
            raise SessionEnd(CloseCode.TOO_FAST, words)


class Place:
    """
    What a session has in a census.

    Attributes:
        refusal: Why it has to end unless it takes the place of another one, or None.
        on_trial: Whether it is not known yet what becomes of it.
    """

    def __init__(self, refusal: SessionEnd | None) -> None:
        self.refusal = refusal
        self.on_trial = refusal is not None


class Census:
    """Counts the sessions of a process and of each user. Thread-safe."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._users: Counter[str] = Counter()
        self._trials: dict[str, Place] = {}  # the last one of each user

    @property
    def total(self) -> int:
        """Sessions now."""
        return self._users.total()

    @contextlib.contextmanager
    def counting(self, user: str, *, may_replace: bool = False) -> Iterator[Place]:
        """
        Count a session of *user* for as long as the block takes.

        Args:
            user: Whose session it is.
            may_replace: Whether a user who has sessions gets one more until it is known
                what it is for: it may take the place of one whose line is dead.

        Raises:
            SessionEnd: It would be one too many.
        """
        place = self._take(user, may_replace)
        try:
            yield place
        finally:
            self._give_back(user, place)

    def _take(self, user: str, may_replace: bool) -> Place:
        with self._lock:
            place = Place(self._refusal(user))
            if place.refusal is not None:
                if not may_replace or not self._has_room(user):
                    raise place.refusal
                self._trials[user] = place
            self._users[user] += 1
        return place

    def _refusal(self, user: str) -> SessionEnd | None:
        if self._users.total() >= self._limits.sessions:
            return SessionEnd(CloseCode.FULL, "all lines are busy; try again later")
        if self._users[user] >= self._limits.sessions_per_user:
            words = f"you have {self._limits.sessions_per_user} conversations open"
            return SessionEnd(CloseCode.TOO_MANY_SESSIONS, words)
        return None

    def _has_room(self, user: str) -> bool:
        """Tell whether a user may have one more on trial: one at a time."""
        last = self._trials.get(user)
        is_busy = last is not None and last.on_trial
        return not is_busy and 0 < self._users[user] <= self._limits.sessions_per_user

    def _give_back(self, user: str, place: Place) -> None:
        with self._lock:
            if self._trials.get(user) is place:
                del self._trials[user]
            self._users[user] -= 1
            if not self._users[user]:
                del self._users[user]
