"""
Many items over several sessions at once, on an engine that you have already.

`transcribe_many`, `ask_many` and the general `run_many` give each item a connection,
and yield results as they complete::

    for result in transcribe_many(paths, client, sessions=8, journal="calls.jsonl"):
        print(result.key, result.value if result.error is None else result.error)

The items run on any `concurrent.futures.Executor`: threads of their own by default,
your processes, or a Dask cluster by ``Client.get_executor()``. Nothing here schedules.
With a journal, a batch that was killed goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypedDict, TypeVar, cast

import attrs

from ._asking import Question, user_message
from ._batch_journal import Journal
from ._batch_loop import BatchLoop, Ending
from ._batch_progress import BatchProgress, Reporter, reporter
from ._batch_worker import MakeClient, Work, close_site
from ._deadline import Deadline
from ._one_turn import transcript, transcription_settings
from .client import RealtimeClient
from .connection import RealtimeConnection, TranscriptionConnection
from .protocol.codec import unstructure
from .protocol.responses import ResponseCreateParams
from .protocol.sessions import RealtimeSession, TranscriptionSession
from .usage import UsageTotals


if TYPE_CHECKING:
    from typing_extensions import Unpack


__all__ = [
    "Batch",
    "BatchOptions",
    "BatchProgress",
    "ItemResult",
    "ask_many",
    "run_many",
    "transcribe_many",
]

R = TypeVar("R")
T = TypeVar("T")

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
        default_key: Callable[[Any, int], str] | None = None,
    ) -> None:
        self._options = options
        self._sessions = options.get("sessions", _SESSIONS)
        if self._sessions < 1:
            raise ValueError(f"sessions must be 1 at least, not {self._sessions}")
        self._name = name
        self._items = items
        self._default_key = default_key or _place
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
            own = executor = ThreadPoolExecutor(
                self._sessions, thread_name_prefix="realtime_sync-batch"
            )
        loop = BatchLoop(
            executor,
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


def run_many(
    function: Callable[[Any, T], R],
    items: Iterable[T] | Mapping[str, T],
    client: MakeClient,
    *,
    session: AnySession | None = None,
    **options: Unpack[BatchOptions],
) -> Batch[R]:
    """
    Call *function* with a connection and an item, for each of many items.

    Each worker keeps its connection for the next item, and renews it when it has
    broken, is about to expire, or the function raised; so a conversation may hold what
    earlier items left in it. Function, items and results are pickled where the executor
    needs that, and a function that is run again must not mind.

    Args:
        function: Called with a `RealtimeConnection` (or a `TranscriptionConnection`)
            and an item, on the executor. What it returns is the item's value, what it
            raises the item's error. A journal takes values that JSON can hold.
        items: The items, by their ids if it is a mapping.
        client: A client; or a function without parameters that makes one, which is
            called once in each process. A client that holds a credential stays in its
            process: ``RealtimeClient.from_environment`` is such a function.
        session: What sessions are set up with, instead of the client's own; a
            `TranscriptionSession` opens sessions of that kind.
        options: See `BatchOptions`.

    Raises:
        TypeError: An option is none, or the client cannot be sent to the executor.
        ValueError: *sessions* is less than 1.
    """
    wrapped = function.func if isinstance(function, partial) else function
    return Batch(
        function,
        items,
        client,
        name=getattr(wrapped, "__qualname__", type(wrapped).__name__),
        session=session,
        options=_checked(options, client),
    )


def ask_many(
    items: Iterable[Question] | Mapping[str, Question],
    client: MakeClient,
    *,
    response: ResponseCreateParams | Mapping[str, Any] | None = None,
    session: RealtimeSession | Mapping[str, Any] | None = None,
    timeout: float | None = 60.0,
    **options: Unpack[BatchOptions],
) -> Batch[str]:
    """
    Ask each of many questions on its own, and yield the answers as texts.

    The questions do not know of each other: each is asked outside of the session's
    conversation. Functions that the session has are not run.

    Args:
        items: The questions: texts, or recordings as for `RealtimeClient.ask()`.
        client: As for `run_many()`.
        response: What differs from the session, for these responses. By default
            questions in writing are answered in writing.
        session: As for `run_many()`.
        timeout: Seconds to wait for an answer.
        options: See `BatchOptions`.

    Raises:
        TypeError: As for `run_many()`.
        ValueError: As for `run_many()`.
    """
    wire = {} if response is None else unstructure(response)
    return Batch(
        partial(_ask, response=wire, timeout=timeout),
        items,
        client,
        name="ask_many",
        session=session,
        options=_checked(options, client),
    )


def transcribe_many(
    sources: Iterable[Any] | Mapping[str, Any],
    client: MakeClient,
    *,
    model: str = "gpt-4o-transcribe",
    language: str | None = None,
    prompt: str | None = None,
    source_rate: int | None = None,
    timeout: float | None = 60.0,
    **options: Unpack[BatchOptions],
) -> Batch[str]:
    """
    Transcribe many recordings, and yield what is said in them.

    Args:
        sources: Paths, or whatever else `RealtimeClient.transcribe()` takes. For other
            machines send paths that they can read.
        client: As for `run_many()`.
        model: The model that transcribes; on Azure the name of its deployment.
        language: The language spoken, such as ``en``.
        prompt: Words that guide the model.
        source_rate: The sampling rate in Hz of raw PCM and arrays.
        timeout: Seconds to wait for a transcript, after the audio was sent.
        options: See `BatchOptions`.

    Raises:
        TypeError: As for `run_many()`.
        ValueError: As for `run_many()`.
    """
    return Batch(
        partial(_transcribe, source_rate=source_rate, timeout=timeout),
        sources,
        client,
        name="transcribe_many",
        session=transcription_settings(model, language, prompt),
        default_key=_path_or_place,
        options=_checked(options, client),
    )


# What runs on the executor; named, so that it can be pickled


def _ask(
    connection: RealtimeConnection,
    question: Question,
    *,
    response: Mapping[str, Any],
    timeout: float | None,
) -> str:
    wire = {"output_modalities": ["text"]} if isinstance(question, str) else {}
    message = unstructure(user_message(question))
    params = {**wire, **response, "conversation": "none", "input": [message]}
    deadline = Deadline(timeout, "the answer")
    stream = connection.create_response(params, timeout=deadline.remaining())
    return stream.result(timeout=deadline.remaining()).raise_for_status().text


def _transcribe(
    connection: TranscriptionConnection,
    source: Any,
    *,
    source_rate: int | None,
    timeout: float | None,
) -> str:
    return transcript(connection, source, source_rate, timeout)


def _place(item: object, place: int) -> str:
    return os.fspath(item) if isinstance(item, os.PathLike) else str(place)


def _path_or_place(item: object, place: int) -> str:
    return item if isinstance(item, str) else _place(item, place)


def _length(items: Iterable[Any]) -> int | None:
    return len(items) if isinstance(items, Sized) else None


def _checked(options: BatchOptions, client: MakeClient) -> BatchOptions:
    unknown = set(options) - set(BatchOptions.__annotations__)
    if unknown:
        raise TypeError(
            f"unknown options: {', '.join(sorted(unknown))}; there are "
            f"{', '.join(BatchOptions.__annotations__)}"
        )
    executor = options.get("executor")
    stays = executor is None or isinstance(executor, ThreadPoolExecutor)
    if not stays and isinstance(client, RealtimeClient):
        pickle.dumps(client)  # now, once, and not for each item
    return options
