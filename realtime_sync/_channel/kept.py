"""What a connection keeps of what the server says, and the limit of that."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConnectionClosedError


__all__ = ["MAX_KEPT", "Kept"]

MAX_KEPT = 512 * 1024 * 1024
"""Bytes that are kept at the most, unless told otherwise."""

_STEPS = 8  # of the limit; so often it is added up on the way there


class Kept:
    """
    Adds up what the state of a connection takes, and ends it where that is too much.

    To count with each message would cost more than many messages do. So it is added up
    when as much has arrived as might make a difference: an eighth of the limit.

    `check()` belongs to the reader thread.

    Args:
        limit: The most bytes, about.

    Attributes:
        due: At how many received bytes to check.
    """

    def __init__(self, limit: int) -> None:
        self.due = limit // _STEPS
        self._limit = limit
        self._sizes: list[Callable[[], int]] = []

    def add(self, size: Callable[[], int]) -> None:
        """Add something that is kept; *size* tells how many bytes it takes now."""
        self._sizes.append(size)

    def check(self, received: int) -> None:
        """
        Check the limit.

        Args:
            received: Bytes that have arrived so far.

        Raises:
            ConnectionClosedError: More is kept than may be.
        """
        self.due = received + max(1, self._limit // _STEPS)
        taken = sum(size() for size in self._sizes)
        if taken > self._limit:
            reason = (
                f"{taken} bytes of the conversation and of responses are kept; raise "
                "max_kept, delete items, or let go of streams and of speech to play"
            )
            raise ConnectionClosedError(1009, reason, initiated_by="client")
