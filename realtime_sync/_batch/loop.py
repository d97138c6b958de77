"""From items to how they have ended: what is begun when, and in which order it ends."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Any, Final

import attrs

from .journal import Journal
from .worker import Outcome, Task, Work, run_task


__all__ = ["BatchLoop", "Ending"]

_AHEAD: Final = 8  # so many results for each session may wait for their turn


@attrs.frozen(kw_only=True)
class Ending:
    """
    An item that has ended.

    Attributes:
        item: The item.
        outcome: How it has ended.
        replayed: Whether that was in an earlier run.
    """

    item: Any
    outcome: Outcome
    replayed: bool = False


@attrs.frozen
class _Begun:
    place: int
    key: str
    item: Any


class BatchLoop:
    """
    Runs items on an executor, some at a time. Not thread-safe.

    Args:
        submit: Begins a call of a function with an argument.
        work: What they have in common.
        sessions: How many are under way at once.
        ordered: Whether they end in their order.
        journal: What remembers those that have ended, or None.
    """

    def __init__(
        self,
        submit: Callable[..., Future[Outcome]],
        work: Work,
        *,
        sessions: int,
        ordered: bool,
        journal: Journal | None,
    ) -> None:
        self._submit = submit
        self._work = work
        self._sessions = sessions
        self._ordered = ordered
        self._journal = journal
        self._begun: dict[Future[Outcome], _Begun] = {}
        self._done: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        self._ended: dict[int, Ending] = {}  # and not yet handed out, by place
        self._next = 0  # the place that is next, if ordered
        self._keys: set[str] = set()

    def running(self) -> int:
        """Return how many items are under way."""
        return len(self._begun)

    def endings(self, pairs: Iterator[tuple[str, Any]]) -> Iterator[Ending]:
        """
        Yield how each item has ended.

        Args:
            pairs: The items, each with its key.

        Raises:
            ValueError: Two items have the same key.
            BrokenExecutor: The executor cannot go on; the items under way have not
                ended.
        """
        numbered = enumerate(pairs)
        is_more = True
        while is_more or self._begun or self._ended:
            while is_more and self._has_room():
                is_more = self._begin_next(numbered)
            yield from self._hand_out()
            if self._begun:
                self._collect(self._done.get())

    def cancel(self) -> None:
        """Give up what has not begun on the executor."""
        for future in self._begun:
            future.cancel()

    # Private

    def _has_room(self) -> bool:
        is_behind = len(self._ended) >= _AHEAD * self._sessions
        return len(self._begun) < self._sessions and not is_behind

    def _begin_next(self, numbered: Iterator[tuple[int, tuple[str, Any]]]) -> bool:
        """Begin an item; False if there is none."""
        found = next(numbered, None)
        if found is None:
            return False
        place, (key, item) = found
        if key in self._keys:
            raise ValueError(
                f"two items have the key {key!r}: give them as a mapping, or key="
            )
        self._keys.add(key)
        if self._journal is not None and key in self._journal:
            outcome = self._journal.read(key)
            self._ended[place] = Ending(item=item, outcome=outcome, replayed=True)
        else:
            task = Task(work=self._work, key=key, item=item)
            future = self._submit(run_task, task)
            self._begun[future] = _Begun(place, key, item)
            future.add_done_callback(self._done.put)
        return True

    def _hand_out(self) -> Iterator[Ending]:
        if not self._ordered:
            ended, self._ended = self._ended, {}
            yield from ended.values()
            return
        while self._next in self._ended:
            self._next += 1
            yield self._ended.pop(self._next - 1)

    def _collect(self, future: Future[Outcome]) -> None:
        begun = self._begun.pop(future)
        outcome = _outcome(future, begun.key)
        if self._journal is not None:
            self._journal.write(outcome)
        self._ended[begun.place] = Ending(item=begun.item, outcome=outcome)


def _outcome(future: Future[Outcome], key: str) -> Outcome:
    if future.cancelled():
        raise CancelledError("the executor was shut down before the batch was over")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenExecutor) or not isinstance(error, Exception):
        raise error
    # Such as a result that cannot be pickled: it concerns this item alone.
    return Outcome(key=key, error=error)
