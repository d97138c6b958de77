"""The items of a conversation by their ids, those included that have not arrived."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol._model import Maybe
from .entry import Entry
from .order import ItemOrder


__all__ = ["EntryTable"]

_EARLY_LIMIT = 64  # items of which only a transcript has arrived


class EntryTable:
    """The entries of a conversation. Holds no lock. Iterates in the items' order."""

    def __init__(self) -> None:
        self._order = ItemOrder()
        self._entries: dict[str, Entry] = {}
        # Entries of items that have not arrived; the oldest leave first.
        self._early: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[item_id] for item_id in self._order)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._entries

    def kept_bytes(self) -> int:
        """Return about how many bytes the entries take."""
        return sum(entry.kept_bytes() for entry in self.every())

    def every(self) -> tuple[Entry, ...]:
        """Return all entries, also those of items that have not arrived."""
        return (*self._entries.values(), *self._early.values())

    def get(self, item_id: str) -> Entry | None:
        """Return the entry of an item that has arrived."""
        return self._entries.get(item_id)

    def find(self, item_id: str) -> Entry | None:
        """Return the entry of an item, or what was heard of one before it arrived."""
        return self._entries.get(item_id) or self._early.get(item_id)

    def place(self, item_id: str, previous: Maybe[str]) -> Entry:
        """Return the entry of an item that has arrived, and put it in its place."""
        entry = self._entries.get(item_id)
        if entry is None:
            entry = self._early.pop(item_id, None) or Entry(item_id)
            self._entries[item_id] = entry
        self._order.place(item_id, previous)
        return entry

    def listener(self, item_id: str) -> Entry:
        """Return the entry of an item, which may arrive later than its transcript."""
        entry = self.find(item_id)
        if entry is None:
            while len(self._early) >= _EARLY_LIMIT:
                del self._early[next(iter(self._early))]
            entry = self._early[item_id] = Entry(item_id)
        return entry

    def remove(self, item_id: str) -> None:
        """Take an item out."""
        self._order.remove(item_id)
        self._entries.pop(item_id, None)
        self._early.pop(item_id, None)

    def clear(self) -> None:
        """Take all out."""
        self._order.clear()
        self._entries.clear()
        self._early.clear()
