"""
The audio that a player gets, as one line of parts, and how far it was heard.

A part is the audio of one content part of one item. A player plays one part after the
other without gaps, so a position on the line tells part and offset. Pure state: every
method needs the lock of the connection's state.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator


__all__ = ["Line", "Part"]

# A player that plays less than it gets would make the line longer and longer.
_MOST_PARTS = 64


class Part:
    """
    The audio of a content part, as far as it has arrived.

    Attributes:
        item_id: The item.
        content_index: The content part of the item.
        response_id: The response that generates it.
        rate: Bytes per second of its format.
        arrived: When it began to arrive, in seconds of the playback's clock.
        received: Bytes that have arrived.
        heard: Bytes of them that were heard.
        complete: Whether no more will arrive.
        deleted: Whether the server does not have the item any more.
        silenced: Whether it is not to be played any more.
    """

    __slots__ = (
        "arrived",
        "complete",
        "content_index",
        "deleted",
        "heard",
        "item_id",
        "rate",
        "received",
        "response_id",
        "silenced",
    )

    def __init__(
        self,
        *,
        item_id: str,
        content_index: int,
        response_id: str,
        rate: int,
        arrived: float,
    ) -> None:
        self.item_id = item_id
        self.content_index = content_index
        self.response_id = response_id
        self.rate = rate
        self.arrived = arrived
        self.received = 0
        self.heard = 0
        self.complete = False
        self.deleted = False
        self.silenced = False

    @property
    def heard_ms(self) -> int:
        """Milliseconds that were heard, rather less than the truth than more."""
        return self.heard * 1000 // self.rate

    @property
    def received_ms(self) -> int:
        """Milliseconds that have arrived, rounded down."""
        return self.received * 1000 // self.rate

    def is_of(self, item_id: str, content_index: int) -> bool:
        """Tell whether this is that content part of that item."""
        return self.item_id == item_id and self.content_index == content_index

    def hear(self, count: float) -> None:
        """Note that *count* bytes from the start were heard, or all that arrived."""
        # A position that was computed is a tiny bit more or less than what is meant.
        self.heard = max(self.heard, min(self.received, int(count + 0.001)))


class Line:
    """
    Parts in the order in which they are played; the first is the current one.

    Attributes:
        heard_item: The last item of which a part was heard to its end.
    """

    def __init__(self) -> None:
        self._parts: collections.deque[Part] = collections.deque()
        self._begin = 0.0  # where on the line the first part begins, in seconds
        self._free_at = 0.0  # when the part before it ended, by the clock
        self.heard_item: str | None = None

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts)

    @property
    def current(self) -> Part | None:
        """The part that is being played, or that was played last."""
        return self._parts[0] if self._parts else None

    def find(self, item_id: str, content_index: int) -> Part | None:
        """Return a part that is not over."""
        for part in reversed(self._parts):
            if part.is_of(item_id, content_index):
                return part
        return None

    def append(self, part: Part) -> None:
        """Add a part at the end."""
        self._parts.append(part)
        if len(self._parts) > _MOST_PARTS:
            self._pop()

    # How far it was heard, told in four ways

    def advance(self, count: int) -> None:
        """Note that *count* more bytes were heard."""
        while self._parts:
            part = self._parts[0]
            step = min(count, part.received - part.heard)
            part.heard += step
            count -= step
            if not self._is_over(part):
                return
            self._pop()

    def hear_until(self, seconds: float) -> None:
        """Note that all up to a position on the line was heard."""
        while self._parts:
            part = self._parts[0]
            part.hear((seconds - self._begin) * part.rate)
            if not self._is_over(part):
                return
            self._pop()

    def hear_by_clock(self, now: float) -> None:
        """Guess what was heard: everything was played as soon as it could be."""
        while self._parts:
            part = self._parts[0]
            begin = max(part.arrived, self._free_at)
            part.hear((now - begin) * part.rate)
            if not self._is_over(part):
                return
            self._free_at = begin + part.received / part.rate
            self._pop()

    def hear_of_item(self, item_id: str | None, ms: float) -> None:
        """
        Note that *ms* of an item were heard, and with it all that comes before.

        Args:
            item_id: The item; None for the current one.
            ms: Milliseconds from the start of the item's audio.

        Raises:
            ValueError: There is nothing of the item to be played.
        """
        if item_id is not None and all(part.item_id != item_id for part in self):
            raise ValueError(f"nothing of item {item_id} is being played")
        while self._parts and item_id not in (None, self._parts[0].item_id):
            self._pop()
        if item_id is None and self._parts and self._is_over(self._parts[0]):
            self._pop()
        if self._parts:
            part = self._parts[0]
            part.heard = 0  # what was known otherwise was not known as well
            part.hear(ms * part.rate / 1000)

    # The end of it

    def complete(self, response_id: str) -> None:
        """Note that no more will arrive of a response."""
        for part in self._parts:
            part.complete = part.complete or part.response_id == response_id

    def delete(self, item_id: str) -> None:
        """Note that the server does not have an item any more."""
        for part in self._parts:
            part.deleted = part.deleted or part.item_id == item_id

    def forget(self) -> None:
        """Note that the server knows nothing of all this any more."""
        for part in self._parts:
            part.complete = part.deleted = True

    def silence(self) -> set[str]:
        """
        Note that nothing of what is on the line will be played any more.

        Returns:
            The responses of which more may arrive.
        """
        for part in self._parts:
            part.silenced = True
        return {part.response_id for part in self._parts if not part.complete}

    def cut(self, now: float, position: float | None = None) -> None:
        """
        Take what is silenced from the line. What comes next begins where hearing ended.

        Args:
            now: What the clock shows.
            position: The end of what was heard, in seconds on the line, if it is known.
        """
        while self._parts and self._parts[0].silenced:
            part = self._parts.popleft()
            self._begin += part.heard / part.rate
        if position is not None:
            self._begin = position
        self._free_at = now

    def _is_over(self, part: Part) -> bool:
        # The last one stays: it is the one to ask about.
        return part.heard == part.received and len(self._parts) > 1

    def _pop(self) -> None:
        part = self._parts.popleft()
        self._begin += part.received / part.rate
        if part.received:
            self.heard_item = part.item_id
