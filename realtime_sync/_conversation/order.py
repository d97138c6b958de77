"""In which order the items of a conversation stand, in whatever order they arrive."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol._model import UNSET, Maybe


__all__ = ["ItemOrder"]


class ItemOrder:
    """
    The ids of a conversation's items, in order.

    Each item names its predecessor. One that names an item that has not arrived stands
    at the end until that does, and then moves behind it, with all that follows it.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._previous: dict[str, Maybe[str]] = {}
        self._orphans: dict[str, list[str]] = {}  # by the predecessor they wait for

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def place(self, item_id: str, previous: Maybe[str]) -> None:
        """
        Put an item in its place; the first definite word on it stands.

        Args:
            item_id: The item.
            previous: Its predecessor; None or ``root`` for the start of the
                conversation, `UNSET` where the server does not say.
        """
        if self._is_settled(item_id):
            return
        if previous == "root":
            previous = None
        if item_id in self._previous:
            if previous is UNSET:
                return
            self._leave_orphans(item_id)
        self._move(item_id, previous)
        for orphan in self._orphans.pop(item_id, ()):
            self._move(orphan, item_id)

    def remove(self, item_id: str) -> None:
        """Take an item out; those around it keep their order."""
        if item_id in self._previous:
            self._leave_orphans(item_id)
            self._ids.remove(item_id)
            del self._previous[item_id]

    def clear(self) -> None:
        """Forget all."""
        self._ids.clear()
        self._previous.clear()
        self._orphans.clear()

    def _is_settled(self, item_id: str) -> bool:
        previous = self._previous.get(item_id, UNSET)
        return previous is not UNSET and item_id not in self._orphans.get(
            previous or "", ()
        )

    def _leave_orphans(self, item_id: str) -> None:
        waits_for = self._previous[item_id]
        if waits_for and item_id in self._orphans.get(waits_for, ()):
            self._orphans[waits_for].remove(item_id)
            if not self._orphans[waits_for]:
                del self._orphans[waits_for]

    def _move(self, item_id: str, previous: Maybe[str]) -> None:
        run = self._take_run(item_id)
        at = self._place_after(item_id, previous)
        self._previous[item_id] = previous
        self._ids[at:at] = run

    def _take_run(self, item_id: str) -> list[str]:
        """Take out the item and those that stand behind it because of it."""
        if item_id not in self._previous:
            return [item_id]
        start = end = self._ids.index(item_id)
        end += 1
        while end < len(self._ids):
            if self._previous[self._ids[end]] != self._ids[end - 1]:
                break
            end += 1
        run = self._ids[start:end]
        del self._ids[start:end]
        return run

    def _place_after(self, item_id: str, previous: Maybe[str]) -> int:
        if previous is None:
            return 0
        if previous is UNSET:
            return len(self._ids)
        if self._ids and self._ids[-1] == previous:  # as nearly always
            return len(self._ids)
        if previous in self._previous and previous in self._ids:
            return self._ids.index(previous) + 1
        self._orphans.setdefault(previous, []).append(item_id)
        return len(self._ids)
