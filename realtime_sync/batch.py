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

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ._asking.one_turn import transcript, transcription_settings
from ._asking.question import Question, user_message
from ._batch.arguments import check_batch
from ._batch.iterator import (
    AnySession,
    Batch,
    BatchOptions,
    ItemResult,
    default_key,
)
from ._batch.progress import BatchProgress
from ._checks import check_rate, check_timeout, not_this
from ._client_maker import MakeClient
from ._deadline import Deadline
from .connection import RealtimeConnection, TranscriptionConnection
from .protocol.codec import unstructure
from .protocol.responses import ResponseCreateParams
from .protocol.sessions import RealtimeSession


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
        TypeError: An argument is of the wrong type, an option is none, or the client
            cannot be sent to the executor.
        ValueError: A number is too small.
    """
    if not callable(function):
        raise not_this("function is called with a connection and an item", function)
    check_batch(items, client, session, options)
    wrapped = function.func if isinstance(function, partial) else function
    return Batch(
        function,
        items,
        client,
        name=getattr(wrapped, "__qualname__", type(wrapped).__name__),
        session=session,
        options=options,
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
        items: The questions: texts, or recordings as for `RealtimeClient.ask()`, whose
            paths are `pathlib.Path`, as a `str` is a text.
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
    check_batch(items, client, session, options)
    check_timeout(timeout)
    wire = {} if response is None else unstructure(response)
    return Batch(
        partial(_ask, response=wire, timeout=timeout),
        items,
        client,
        name="ask_many",
        session=session,
        options=options,
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
    check_batch(sources, client, None, options)
    check_timeout(timeout)
    if source_rate is not None:
        check_rate(source_rate)
    return Batch(
        partial(_transcribe, source_rate=source_rate, timeout=timeout),
        sources,
        client,
        name="transcribe_many",
        session=transcription_settings(model, language, prompt),
        key_of=_path_or_place,
        options=options,
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


def _path_or_place(item: object, place: int) -> str:
    return item if isinstance(item, str) else default_key(item, place)
