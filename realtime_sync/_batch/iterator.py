"""A batch: an iterator that runs its items while it is iterated over."""

from __future__ import annotations

import contextlib
import contextvars
import os
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar, cast

import attrs

from .._client_maker import MakeClient
from ..protocol.sessions import RealtimeSession, TranscriptionSession
from ..usage import UsageTotals
from .journal import Journal
from .loop import BatchLoop, Ending
from .progress import BatchProgress, Reporter, reporter
from .worker import Work, close_site


__all__ = ["AnySession", "Batch", "BatchOptions", "ItemResult", "default_key"]

R = TypeVar("R")

AnySession: TypeAlias = RealtimeSession | TranscriptionSession | Mapping[str, Any]

_SESSIONS = 4
_RETRIES = 2


class BatchOptions(TypedDict, total=False):
    """
    How a batch is run; the keyword arguments that all of its functions take.

    Attributes:
        executor: Where the items run: any `concurrent.futures.Executor`, which stays
            open. By default threads that end with the batch. With processes or
            machines, *client* is a function that makes one there.
        sessions: How many items may be worked on at once, hence how many sessions; 4
            by default. Give an executor as many workers, as each keeps its connection.
        ordered: Whether results come in the order of the items, not as they complete.
        journal: A file (JSONL) that remembers what has ended. A batch with the same
            items and the same journal goes on where the last one was; what had ended
            then is yielded again, with ``replayed`` set.
        key: Returns the id of an item, by which the journal knows it again. By default
            it is the key in a mapping, of a path the path, of anything else its place.
        progress: True for a bar (extra ``progress``), or a function that is called
            with a `BatchProgress` after each item, in the thread that iterates.
        retries: How often an item is tried again after the connection broke, timed out
            or met an error of the server; 2 by default. Rate limits do not count.
        retry_errors: Whether items that ended with an error in the journal run again.
        tokens: How many tokens an item is expected to need; for rate limits.
    """

    executor: Executor | None
    sessions: int
    ordered: bool
    journal: str | os.PathLike[str] | None
    key: Callable[[Any], str] | None
    progress: Callable[[BatchProgress], object] | bool
    retries: int
    retry_errors: bool
    tokens: int


@attrs.frozen(kw_only=True)
class ItemResult(Generic[R]):
    """
    How one item has ended.

    Attributes:
        key: The id of the item.
        item: The item.
        value: What came of it; None if it failed.
        error: Why it failed; None if it did not.
        usage: The tokens that it took, failed tries included.
        seconds: From its first try to its end.
        tries: How often it was tried.
        replayed: Whether it had ended in an earlier run, and comes from the journal.
            Its value is then as JSON gives it back, its error a `RealtimeError`.
    """

    key: str
    item: Any = attrs.field(repr=False)
    value: R | None
    error: Exception | None
    usage: UsageTotals
    seconds: float
    tries: int
    replayed: bool

    def unwrap(self) -> R:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast(R, self.value)


class _Threads(ThreadPoolExecutor):
    """A batch's own threads, in the context of whoever iterates: its traces go on."""

    def __init__(self, count: int) -> None:
        super().__init__(count, thread_name_prefix="realtime_sync-batch")

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        run = contextvars.copy_context().run
        return super().submit(run, function, *args, **options)


class Batch(Generic[R]):
    """
    An iterator over the results of a batch, which runs while it is iterated over.

    At most *sessions* items are under way at once, and no more are begun while nobody
    asks for results, so a batch may be longer than the memory. It is closed at its end,
    by `close()`, or at the end of a ``with`` block. `progress` may be read by any
    thread; everything else is for one.
    """

    def __init__(
        self,
        function: Callable[[Any, Any], R],
        items: Iterable[Any],
        client: MakeClient,
        *,
        name: str,
        session: AnySession | None,
        options: BatchOptions,
        key_of: Callable[[Any, int], str] | None = None,
    ) -> None:
        self._options = options
        self._sessions = options.get("sessions", _SESSIONS)
        self._name = name
        self._items = items
        self._default_key = key_of or default_key
        self._work = Work(
            batch=uuid.uuid4().hex,
            function=function,
            client=client,
            session=session,
            retries=options.get("retries", _RETRIES),
            tokens=options.get("tokens", 0),
        )
        self._progress = BatchProgress(total=_length(items))
        self._running: Callable[[], int] = int
        self._results = self._run()

    def __iter__(self) -> Batch[R]:
        return self

    def __next__(self) -> ItemResult[R]:
        return next(self._results)

    def __enter__(self) -> Batch[R]:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is under way, and free everything. May be called twice."""
        self._results.close()

    @property
    def progress(self) -> BatchProgress:
        """How far it is, as a snapshot; ``progress.usage.estimate_cost(prices)``."""
        return self._progress

    # Private

    def _run(self) -> Generator[ItemResult[R], None, None]:
        path = self._options.get("journal")
        journal = None if path is None else Journal(path, self._name)
        try:
            if journal and self._options.get("retry_errors"):
                journal.forget_errors()
            told = reporter(self._options.get("progress", False), self._progress.total)
            with contextlib.closing(told):
                yield from self._reported(self._endings(journal), told)
        finally:
            if journal is not None:
                journal.close()

    def _endings(self, journal: Journal | None) -> Iterator[Ending]:
        executor = self._options.get("executor")
        own = None
        if executor is None:
            executor = own = _Threads(self._sessions)
        loop = BatchLoop(
            executor.submit,
            self._work,
            sessions=self._sessions,
            ordered=self._options.get("ordered", False),
            journal=journal,
        )
        self._running = loop.running
        try:
            yield from loop.endings(self._pairs())
        finally:
            loop.cancel()
            close_site(self._work.batch)
            if own is not None:
                own.shutdown()

    def _pairs(self) -> Iterator[tuple[str, Any]]:
        key = self._options.get("key")
        if isinstance(self._items, Mapping):
            yield from self._items.items()
        else:
            for place, item in enumerate(self._items):
                yield (key(item) if key else self._default_key(item, place)), item

    def _reported(
        self, endings: Iterator[Ending], told: Reporter
    ) -> Iterator[ItemResult[R]]:
        for ending in endings:
            self._count(ending)
            told.report(self._progress)
            outcome = ending.outcome
            yield ItemResult(
                key=outcome.key,
                item=ending.item,
                value=outcome.value,
                error=outcome.error,
                usage=outcome.usage,
                seconds=outcome.seconds,
                tries=outcome.tries,
                replayed=ending.replayed,
            )

    def _count(self, ending: Ending) -> None:
        before = self._progress
        self._progress = attrs.evolve(
            before,
            done=before.done + 1,
            failed=before.failed + (ending.outcome.error is not None),
            replayed=before.replayed + ending.replayed,
            running=self._running(),
            usage=before.usage + ending.outcome.usage,
        )


def default_key(item: object, place: int) -> str:
    """Return the key of an item where nobody says more: its path, or its place."""
    return os.fspath(item) if isinstance(item, os.PathLike) else str(place)


def _length(items: Iterable[Any]) -> int | None:
    return len(items) if isinstance(items, Sized) else None
