"""One timeout across several steps."""

from __future__ import annotations

import time


__all__ = ["Deadline"]


class Deadline:
    """
    The moment at which a blocking call gives up.

    Args:
        timeout: Seconds from now, or None to wait for ever.
        what: What is being waited for, for the message of the `TimeoutError`.
    """

    __slots__ = ("_at", "_timeout", "_what")

    def __init__(self, timeout: float | None, what: str = "the operation") -> None:
        self._timeout = timeout
        self._what = what
        self._at = None if timeout is None else time.monotonic() + timeout

    def remaining(self) -> float | None:
        """
        Return the seconds that are left, more than zero, or None for no limit.

        Raises:
            TimeoutError: None are left.
        """
        if self._at is None:
            return None
        left = self._at - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def left(self) -> float | None:
        """Return the seconds that are left, or zero, or None for no limit."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def expired(self) -> bool:
        """Tell whether no time is left."""
        return self._at is not None and time.monotonic() >= self._at

    def error(self) -> TimeoutError:
        """Return the exception that says what took too long."""
        return TimeoutError(f"{self._what} took longer than {self._timeout:.3g} s")
