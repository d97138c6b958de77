"""
What a batch does where an item is run: in a thread, a process, or another machine.

A `Task` holds all that it takes and can be pickled: the function, the item, and how to
make a client, which is made here, with a credential of this place. Each process keeps
the connections of a batch for its next items, one for each of its threads at most.
"""

from __future__ import annotations

import os
import pickle
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from .._client_maker import MakeClient, make_client
from .._waiting import Flag
from ..client import RealtimeClient
from ..connection import RealtimeConnection, TranscriptionConnection
from ..errors import (
    AuthenticationError,
    ConnectError,
    ConnectionClosed,
    ConnectionLost,
    HandshakeError,
    ResponseError,
    SendQueueFull,
    ServerError,
)
from ..protocol.server_events import RateLimitsUpdated
from ..protocol.sessions import RealtimeSession, TranscriptionSession
from ..usage import UsageTotals
from .limits import SharedLimits


__all__ = ["Outcome", "Task", "Work", "close_site", "run_task"]

AnyConnection: TypeAlias = "RealtimeConnection | TranscriptionConnection"

_MARGIN: Final = 60.0  # seconds that a session must have left to be used again
_IDLE: Final = 30.0  # seconds after which another process closes what nobody uses
_MOST_REFUSALS: Final = 20  # by rate limits, before an item has failed
_FIRST_DELAY: Final = 0.5  # seconds before the second try; doubled for each further
_LONGEST_DELAY: Final = 30.0
_RETRIED_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_RETRIED_CODES: Final = frozenset({"server_error", "rate_limit_exceeded"})
_LIMIT_CODE: Final = "rate_limit_exceeded"


@attrs.frozen(kw_only=True)
class Work:
    """
    What all tasks of a batch have in common.

    Attributes:
        batch: The id of the batch.
        function: Called with a connection and an item.
        client: A client, or what makes one.
        session: What the sessions are set up with; None for the client's own.
        retries: How often an item is tried again.
        tokens: How many an item is expected to need.
        process: The id of the process that the batch is of.
    """

    batch: str
    function: Callable[[Any, Any], Any]
    client: MakeClient
    session: RealtimeSession | TranscriptionSession | Mapping[str, Any] | None
    retries: int
    tokens: int
    process: int = attrs.field(factory=os.getpid)


@attrs.frozen(kw_only=True)
class Task:
    """An item, and what to do with it."""

    work: Work
    key: str
    item: Any


@attrs.frozen(kw_only=True)
class Outcome:
    """
    How an item has ended.

    Attributes:
        key: That of the item.
        value: What the function returned, or None.
        error: What it raised at last, or None.
        usage: The tokens that it took, failed tries included.
        seconds: From the first try to the end.
        tries: How often it was tried.
    """

    key: str
    value: Any = None
    error: Exception | None = None
    usage: UsageTotals = attrs.field(factory=UsageTotals)
    seconds: float = 0.0
    tries: int = 1


def run_task(task: Task) -> Outcome:
    """Run a task to its end; what it raises is in the outcome."""
    with _lock:
        site = _sites.get(task.work.batch)
        if site is None:
            site = _sites[task.work.batch] = _Site(task.work)
    return site.run(task)


def close_site(batch: str) -> None:
    """End all connections that this process has for a batch."""
    with _lock:
        site = _sites.pop(batch, None)
    if site is not None:
        site.close()


class _Site:
    """What one process keeps for a batch: a client, its connections, its limits."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._limits = SharedLimits()
        self._lock = threading.Lock()
        self._client: RealtimeClient | None = None
        self._idle: list[AnyConnection] = []
        self._busy: set[AnyConnection] = set()
        self._stopped = Flag()
        self._timer: threading.Timer | None = None

    def run(self, task: Task) -> Outcome:
        attempts = _Attempts(task.work.retries)
        while True:
            value, error = None, None
            try:
                value = self._try(task, attempts)
            except Exception as exc:
                error = exc
            if error is None or not self._wait_for_next(error, attempts):
                return attempts.outcome(task.key, value, error)

    def close(self) -> None:
        self._stopped.set()
        self._limits.close()
        with self._lock:
            connections = [*self._idle, *self._busy]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def _wait_for_next(self, error: Exception, attempts: _Attempts) -> bool:
        """Wait until it is time to try again; False if there is no point."""
        delay = attempts.delay_after(error)
        if delay is None or self._stopped.is_set():
            return False
        if _is_rate_limit(error):
            self._limits.pause(delay)  # for everybody; the next try waits for it
            return True
        return not self._stopped.wait(delay)

    def _try(self, task: Task, attempts: _Attempts) -> Any:
        attempts.tries += 1
        self._limits.wait(task.work.tokens)
        connection = self._borrow()
        before = connection.usage
        is_good = False
        try:
            value = task.work.function(connection, task.item)
            is_good = True
        except (ServerError, ResponseError):
            is_good = True  # the session goes on
            raise
        finally:
            attempts.usage += _difference(connection.usage, before)
            self._give_back(connection, is_good)
        return value

    # Connections

    def _borrow(self) -> AnyConnection:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            idle, self._idle = self._idle, []
            good = list(filter(_is_fresh, idle))
            chosen = good.pop() if good else None
            self._idle = good
            if chosen is not None:
                self._busy.add(chosen)
        for each in idle:
            if each is not chosen and each not in good:
                each.close()
        return chosen or self._open()

    def _open(self) -> AnyConnection:
        connection = self._connect()
        with self._lock:
            self._busy.add(connection)
        if self._stopped.is_set():  # closed meanwhile
            connection.close()
        return connection

    def _connect(self) -> AnyConnection:
        client, session = self._get_client(), self._work.session
        kind = session.get("type") if isinstance(session, Mapping) else session
        if kind == "transcription" or isinstance(kind, TranscriptionSession):
            transcribing: Any = session
            return client.connect_transcription(transcribing)
        conversing: Any = session
        connection = client.connect(session=conversing)
        connection.on(RateLimitsUpdated)(self._limits.update)
        return connection

    def _get_client(self) -> RealtimeClient:
        with self._lock:
            if self._client is None:
                made = make_client(self._work.client)
                # An item is tried again as a whole, and a 429 is for everybody here:
                # a connection that helped itself would hide both.
                self._client = attrs.evolve(made, reconnect=None)
            return self._client

    def _give_back(self, connection: AnyConnection, is_good: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            is_kept = is_good and not self._stopped.is_set() and _is_fresh(connection)
            if is_kept:
                self._idle.append(connection)
                self._close_later()
        if not is_kept:
            connection.close()

    def _close_later(self) -> None:
        # In the batch's own process the batch does that, as soon as it is over.
        if self._busy or os.getpid() == self._work.process:
            return
        self._timer = threading.Timer(_IDLE, self._close_idle)
        self._timer.daemon = True
        self._timer.start()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


@attrs.define
class _Attempts:
    """The tries of one item, and what they took."""

    retries: int
    tries: int = 0
    refusals: int = 0
    usage: UsageTotals = attrs.field(factory=UsageTotals)
    began: float = attrs.field(factory=time.monotonic)

    def delay_after(self, error: Exception) -> float | None:
        """Return the seconds before another try; None if there shall be none."""
        is_limit = _is_rate_limit(error)
        self.refusals += is_limit
        # A rate limit says nothing about the item: being refused is no failure of it.
        failures = self.tries - self.refusals
        if self.refusals > _MOST_REFUSALS or failures > self.retries:
            return None
        if not _is_worth_another_try(error):
            return None
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            return max(0.0, float(asked))
        longest = min(_FIRST_DELAY * 2.0 ** (self.tries - 1), _LONGEST_DELAY)
        # Spread, so that those who failed together do not come back together.
        return longest * random.uniform(0.5, 1.0)

    def outcome(self, key: str, value: Any, error: Exception | None) -> Outcome:
        """Return how the item has ended."""
        return Outcome(
            key=key,
            value=value,
            error=error and _portable(error),
            usage=self.usage,
            seconds=time.monotonic() - self.began,
            tries=self.tries,
        )


def _is_fresh(connection: AnyConnection) -> bool:
    left = connection.time_left
    return not connection.closed and (left is None or left > _MARGIN)


def _difference(after: UsageTotals, before: UsageTotals) -> UsageTotals:
    names = (field.name for field in attrs.fields(UsageTotals))
    return UsageTotals(
        **{name: getattr(after, name) - getattr(before, name) for name in names}
    )


def _code(error: Exception) -> str | None:
    if isinstance(error, ServerError):
        return error.code or error.type
    if isinstance(error, ResponseError):
        details = error.response.status_details
        cause = details.error if details else None
        return (cause.code or cause.type or None) if cause else None
    return None


def _is_rate_limit(error: Exception) -> bool:
    if isinstance(error, HandshakeError):
        return error.status == 429
    return _code(error) == _LIMIT_CODE


def _is_worth_another_try(error: Exception) -> bool:
    if isinstance(error, AuthenticationError):
        return False
    if isinstance(error, HandshakeError):
        return error.status in _RETRIED_STATUS
    if isinstance(error, (ServerError, ResponseError)):
        return _code(error) in _RETRIED_CODES
    return isinstance(
        error,
        (ConnectError, ConnectionClosed, ConnectionLost, SendQueueFull, TimeoutError),
    )


def _portable(error: Exception) -> Exception:
    """Return the error, or what it says if it cannot go to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


_lock = threading.Lock()
_sites: dict[str, _Site] = {}  # of this process, by the batch
