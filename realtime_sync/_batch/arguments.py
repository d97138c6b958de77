"""What a batch is called with, checked at the call and not at the first result."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from .._checks import check_count, check_path, not_this
from .._client_maker import MakeClient, check_maker
from ..client import RealtimeClient
from ..protocol.sessions import RealtimeSession, TranscriptionSession
from .iterator import AnySession, BatchOptions


__all__ = ["check_batch"]

# Each of these can be iterated over, and is one item.
_SINGLE: Final = (str, bytes, bytearray, memoryview, os.PathLike)


def check_batch(
    items: Iterable[Any] | Mapping[str, Any],
    client: MakeClient,
    session: AnySession | None,
    options: BatchOptions,
) -> None:
    """
    Refuse what no item could be run with.

    Raises:
        TypeError: It is of the wrong type, or the client cannot go to the executor.
        ValueError: A number is too small, or a path is empty.
    """
    if isinstance(items, _SINGLE) or not isinstance(items, Iterable):
        raise not_this("the items are a list (for one: [item]) or a mapping", items)
    check_maker(client)
    if not isinstance(
        session, (RealtimeSession, TranscriptionSession, Mapping, type(None))
    ):
        raise not_this("session is a RealtimeSession or a mapping", session)
    _check_options(options)
    _check_executor(options.get("executor"), client)


def _check_options(options: BatchOptions) -> None:
    unknown = set(options) - set(BatchOptions.__annotations__)
    if unknown:
        raise TypeError(
            f"unknown options: {', '.join(sorted(unknown))}; there are "
            f"{', '.join(BatchOptions.__annotations__)}"
        )
    check_count("sessions", options.get("sessions", 1), 1)
    check_count("retries", options.get("retries", 0))
    check_count("tokens", options.get("tokens", 0))
    if options.get("journal") is not None:
        check_path("journal", options["journal"])
    key, progress = options.get("key"), options.get("progress")
    if key is not None and not callable(key):
        raise not_this("key is a function that returns the id of an item", key)
    if not callable(progress) and not isinstance(progress, (bool, type(None))):
        raise not_this("progress is True, or a function", progress)


def _check_executor(executor: object, client: MakeClient) -> None:
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return
    if not callable(getattr(executor, "submit", None)):
        raise not_this(
            "executor is a concurrent.futures.Executor (for threads leave it out, and "
            "say how many by sessions=…)",
            executor,
        )
    if isinstance(client, RealtimeClient):
        pickle.dumps(client)  # now, once, and not for each item
