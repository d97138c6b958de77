"""What every kind of connection can do: send, receive, call back, wait, close."""

from __future__ import annotations

import atexit
import logging
import os
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from .._channel.absorber import Absorber
from .._channel.acknowledgements import Acknowledgements
from .._channel.channel import Channel
from .._channel.dispatcher import Dispatcher
from .._channel.inbox import MAX_UNREAD, Backlog
from .._channel.keepalive import Keepalive
from .._channel.kept import MAX_KEPT, Kept
from .._channel.link import State
from .._channel.monitor import Monitor
from .._channel.retained import Retained
from .._channel.send_queue import SendQueue
from .._checks import not_this
from .._log_fields import ConnectionFields
from .._recovery.lifetime import Lifetime
from .._recovery.memory import Memory
from .._recovery.opening import Opened, Opening
from .._recovery.recovery import Recovery
from .._shown import Shown
from .._wire.frames import LONGEST_REASON, is_close_code
from ..protocol.codec import Dialect
from ..protocol.server_events import ErrorEvent
from ..protocol.sessions import Session
from ..reconnect import ReconnectPolicy
from ..usage import UsageTotals
from .receiving import Receiving
from .sending import Sending
from .stats import ConnectionStats, ResponseClock, read_stats


if TYPE_CHECKING:
    from .._functions.calls import FunctionContext, FunctionResult
    from .._telemetry.watch import Watch


__all__ = ["DEFAULT_TIMEOUT", "BaseConnection"]

logger = logging.getLogger("realtime_sync.events")

B = TypeVar("B", bound="BaseConnection")

DEFAULT_TIMEOUT = 30.0
"""Seconds that a command waits for its acknowledgement unless told otherwise."""

_HARMLESS = frozenset({"response_cancel_not_active"})


class BaseConnection(Sending, Receiving, Shown):
    """
    A live connection with its reader and writer threads.

    Every method may be called from any thread and from callbacks. Callbacks run on the
    reader thread, one at a time; see `on()`.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        opening: Opening | None = None,
        open_timeout: float | None = None,
        reconnect: ReconnectPolicy | None = None,
        dialect: Dialect,
        keepalive: Keepalive,
        close_timeout: float,
        max_queue: int,
        max_unread: int = MAX_UNREAD,
        max_kept: int = MAX_KEPT,
        log_content: bool,
        name: str,
        watch: Watch | None = None,
    ) -> None:
        self._pid = os.getpid()
        self._dialect: Dialect = dialect
        self._opened = opened
        self._monitor = Monitor()
        self._dispatcher = Dispatcher(dialect)
        self._reconnect = reconnect
        retained = Retained(reconnect.replay_audio) if reconnect else None
        self._queue = SendQueue(max_queue, retained=retained)
        self._log_content = log_content
        self._absorber = Absorber(
            self._monitor,
            self._dispatcher,
            dialect,
            log_content=log_content,
            max_unread=max_unread,
        )
        self._acknowledgements = Acknowledgements(self._monitor)
        self._memory = Memory(
            self._absorber, self._acknowledgements, self._queue, dialect
        )
        self._backlog = Backlog(self._monitor, max_unread)
        self._absorber.open_inbox(self._backlog)
        self._kept = Kept(max_kept)
        self._client: object = None
        self._clock = ResponseClock()
        self._fields = ConnectionFields(weakref.ref(self), name)
        self._watch = watch
        self._channel = Channel(
            opened.transport,
            monitor=self._monitor,
            queue=self._queue,
            absorber=self._absorber,
            dispatcher=self._dispatcher,
            recovery=self._recovery(opening, open_timeout),
            lifetime=self._lifetime(),
            keepalive=keepalive,
            close_timeout=close_timeout,
            max_unread=max_unread,
            kept=self._kept,
            name=name,
            on_thread=self._fields.bind,
            frames=opened.frames,
        )
        self._register_handlers()
        self._absorber.absorb(opened.created)
        if watch is not None:
            self._absorber.register(watch.handlers(), watch.end, watch.lose)
            watch.attach(self)
        # Last: from here on other threads use all of the above.
        _open_channels.add(self._channel)
        self._channel.start()

    def _lifetime(self) -> Lifetime:
        """Return what knows when the session ends."""
        rollover = self._reconnect.rollover if self._reconnect else None
        lifetime = Lifetime(rollover, self._memory.quiet)
        self._absorber.register(lifetime.handlers())
        return lifetime

    def _recovery(
        self, opening: Opening | None, open_timeout: float | None
    ) -> Recovery | None:
        """Return what brings the connection back, if anything shall."""
        if self._reconnect is None or opening is None:
            return None
        return Recovery(
            self._reconnect,
            opening,
            open_timeout=open_timeout,
            dialect=self._dialect,
            memory=self._memory,
        )

    def _register_handlers(self) -> None:
        """Register what absorbs events; subclasses put their own in front."""
        self._absorber.register(self._memory.session_handlers())
        self._absorber.register(
            self._acknowledgements.handlers(), self._acknowledgements.end
        )
        self._absorber.register(self._memory.handlers())
        self._absorber.register(self._clock.error_handlers())
        self._absorber.register(
            {ErrorEvent: _ErrorHandler(self._acknowledgements, self._channel)}
        )

    # What it is

    @property
    def session(self) -> Session:
        """The session as the server last described it."""
        return self._memory.session

    @property
    def dialect(self) -> Dialect:
        """The dialect that is spoken: "ga" or "preview"."""
        return self._dialect

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, by either side."""
        return self._channel.state is State.CLOSED

    @property
    def client_request_id(self) -> str:
        """The id that the upgrade request carried, for the service's support."""
        return self._opened.client_request_id

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The headers of the upgrade response, with names in lower case."""
        return self._opened.headers

    @property
    def latency(self) -> float | None:
        """Seconds from the last ping to its pong, or None before the first."""
        return self._channel.heartbeat.latency

    @property
    def stats(self) -> ConnectionStats:
        """What the connection has done so far, as a snapshot. Takes no lock."""
        return read_stats(
            self._clock,
            self._channel,
            self._dispatcher,
            self._queue,
            getattr(self, "usage", None) or UsageTotals(),
        )

    @property
    def time_left(self) -> float | None:
        """Seconds until the service ends the session, or None if it did not say."""
        expires_at = getattr(self.session, "expires_at", None)
        return expires_at - time.time() if expires_at else None

    def __repr__(self) -> str:
        session_id = getattr(self.session, "id", None) or "no id"
        state = self._channel.state.name.lower()
        return f"<{type(self).__name__} {session_id} {state} {self._dialect}>"

    # The end

    def wait_closed(self, timeout: float | None = None) -> bool:
        """
        Wait until the connection has ended; tell whether it has.

        Raises:
            RuntimeError: The caller is a callback, which keeps it from ending.
        """
        self._ensure_usable()
        if self._monitor.on_reader_thread():
            raise RuntimeError(
                "wait_closed() in a callback would wait for itself; register the "
                "callback with on(..., executor=pool), or call close()"
            )
        return self._channel.wait_closed(timeout)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """
        Close the connection; what commands were queued is sent first.

        It takes the close timeout at most, can be called again and from any thread. In
        a callback it only begins to close.

        Args:
            code: The close code for the server (RFC 6455, 7.4).
            reason: The reason for the server, at most 123 bytes of UTF-8.

        Raises:
            TypeError, ValueError: No close frame may hold that; nothing was done.
        """
        _check_close(code, reason)
        if self._pid == os.getpid():
            self._channel.close(code, reason)

    def __enter__(self: B) -> B:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(
        self,
        # The names of the module may be gone when the interpreter ends.
        getpid: Callable[[], int] = os.getpid,
        closed: State = State.CLOSED,
    ) -> None:
        channel = getattr(self, "_channel", None)
        if channel is None or self._pid != getpid():
            return
        if channel.state is not closed:
            name = repr(self)
            channel.abort()  # first, for warnings may be errors
            warnings.warn(
                f"{name} was never closed; use it in a with statement",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    # Private

    @property
    def _resumes_responses(self) -> bool:
        return self._reconnect is not None and self._reconnect.resume_responses

    def _run_call(
        self,
        context: FunctionContext,
        arguments: str,
        run: Callable[[], FunctionResult],
    ) -> FunctionResult:
        """Run a function that the model called, so that logs and traces know whose."""
        with self._fields.bound():
            if self._watch is None:
                return run()
            return self._watch.call(context, arguments, run)

    def _ensure_usable(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError(
                "this connection belongs to the process that opened it; open another "
                "one after a fork"
            )


def _check_close(code: object, reason: object) -> None:
    if isinstance(code, bool) or not isinstance(code, int):
        raise not_this("a close code is an int (the reason comes second)", code)
    if not is_close_code(code):
        raise ValueError(
            "a close code is one of 1000 to 1003, 1007 to 1014 and 3000 to 4999 (RFC "
            f"6455, 7.4), not {code}"
        )
    if not isinstance(reason, str):
        raise not_this("a close reason is a str", reason)
    if len(reason.encode()) > LONGEST_REASON:
        raise ValueError(f"a close reason has at most {LONGEST_REASON} bytes of UTF-8")


class _ErrorHandler:
    """Gives an error to the command that it is about, or else to the log."""

    def __init__(self, acknowledgements: Acknowledgements, channel: Channel) -> None:
        self._acknowledgements = acknowledgements
        self._channel = channel

    def __call__(self, event: ErrorEvent) -> bool:
        if event.error.code == "session_expired":
            self._channel.note_expired()
        answered = self._acknowledgements.refuse(event)
        quiet = answered or event.error.code in _HARMLESS
        level = logging.DEBUG if quiet else logging.WARNING
        logger.log(level, "the server reports an error: %s", event.error)
        return answered


_open_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Say goodbye when the interpreter ends, since the threads are daemons."""
    channels = list(_open_channels)
    for channel in channels:
        channel.begin_close(1001, "")
    for channel in channels:
        channel.close(1001, "")


# A child must not say goodbye on the parent's connections.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_channels.clear)
