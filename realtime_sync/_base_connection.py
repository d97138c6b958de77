"""What every kind of connection can do: send, receive, call back, wait, close."""

from __future__ import annotations

import atexit
import logging
import os
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from ._absorber import Absorber
from ._acknowledgements import (
    ANSWERS,
    Acknowledgements,
    Command,
    Pending,
    field_of,
    identified,
    kind_of,
)
from ._channel import Channel
from ._deadline import Deadline
from ._dispatcher import Callback, Dispatcher, resolve_event_type
from ._event_iterator import EventIterator
from ._inbox import MAX_UNREAD, Backlog, Inbox
from ._keepalive import Keepalive
from ._lanes import Lane
from ._lifetime import Lifetime
from ._link import State
from ._log_fields import ConnectionFields
from ._logging import log_event
from ._memory import Memory
from ._monitor import Monitor
from ._opening import Opened, Opening
from ._recovery import Recovery
from ._retained import Retained
from ._send_queue import SendQueue
from ._shown import Shown
from ._stats import ConnectionStats, ResponseClock, read_stats
from .errors import SendQueueFull
from .protocol._model import ClientEvent, ServerEvent
from .protocol.codec import Dialect, encode
from .protocol.server_events import ErrorEvent
from .protocol.sessions import Session
from .reconnect import Notice, ReconnectPolicy
from .transport import TEXT
from .usage import UsageTotals


if TYPE_CHECKING:
    from ._function_calls import FunctionContext, FunctionResult
    from ._telemetry_watch import Watch


__all__ = ["DEFAULT_TIMEOUT", "BaseConnection"]

logger = logging.getLogger("realtime_sync.events")

E = TypeVar("E", bound=ServerEvent)
C = TypeVar("C", bound=Callback)
B = TypeVar("B", bound="BaseConnection")

DEFAULT_TIMEOUT = 30.0
"""Seconds that a command waits for its acknowledgement unless told otherwise."""

_LANES: Mapping[str, Lane] = {
    "input_audio_buffer.append": Lane.AUDIO,
    "session.input_audio_buffer.append": Lane.AUDIO,
    "input_audio_buffer.commit": Lane.COMMIT,
    "session.close": Lane.COMMIT,
    "input_audio_buffer.clear": Lane.CLEAR,
    "response.cancel": Lane.OVERTAKE,
    "conversation.item.truncate": Lane.OVERTAKE,
    "output_audio_buffer.clear": Lane.OVERTAKE,
}

# Services close with 1009 on more than about 16 MiB; better to say so here.
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_HARMLESS = frozenset({"response_cancel_not_active"})


class BaseConnection(Shown):
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
        self._client: object = None
        self._clock = ResponseClock()
        self._fields = ConnectionFields(weakref.ref(self), name)
        self._watch = watch
        lifetime = Lifetime(
            reconnect.rollover if reconnect else None, self._memory.quiet
        )
        self._absorber.register(lifetime.handlers())
        recovery = None
        if reconnect is not None and opening is not None:
            recovery = Recovery(
                reconnect,
                opening,
                open_timeout=open_timeout,
                dialect=dialect,
                memory=self._memory,
            )
        self._channel = Channel(
            opened.transport,
            monitor=self._monitor,
            queue=self._queue,
            absorber=self._absorber,
            dispatcher=self._dispatcher,
            recovery=recovery,
            lifetime=lifetime,
            keepalive=keepalive,
            close_timeout=close_timeout,
            max_unread=max_unread,
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

    # Sending

    def send(
        self, event: ClientEvent | Mapping[str, Any], *, timeout: float | None = None
    ) -> None:
        """
        Queue a client event, and do not wait for the server.

        Args:
            event: A client event, or a mapping in wire form.
            timeout: Seconds to wait while the send queue is full; None for ever.

        Raises:
            SendQueueFull: The queue stayed full. Nothing was queued.
            ConnectionClosed: The connection has ended.
            TypeError, ValueError: It is no event, or one that cannot be encoded.
        """
        if self._reconnect is None or kind_of(event) not in ANSWERS:
            self._transmit(event, timeout)
        else:  # then it has to be known, after a loss, whether it arrived
            self._begin(identified(event), timeout, awaited=False)

    def _transmit(self, event: Command, timeout: float | None) -> None:
        payload = encode(event, self._dialect)
        if len(payload) > _MAX_MESSAGE_BYTES:
            raise ValueError(
                f"the event takes {len(payload)} bytes of JSON; services refuse more "
                f"than {_MAX_MESSAGE_BYTES}: send audio in pieces, or smaller images"
            )
        if logger.isEnabledFor(logging.DEBUG):
            with self._fields.bound():
                log_event(logger, ">", event, content=self._log_content)
        kind = kind_of(event)
        key = field_of(event, "event_id") if kind in ANSWERS else None
        self._put(payload, _LANES.get(kind, Lane.COMMAND), timeout, key)

    def flush(self, timeout: float | None = None) -> None:
        """
        Wait until everything queued so far has been handed to the network.

        Raises:
            TimeoutError: It was not in *timeout* seconds.
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        written = self._queue.flush_mark()
        if not written.wait(timeout):
            raise TimeoutError(f"the send queue was not written for {timeout:g} s")
        if self.closed:
            raise self._channel.error()

    # Receiving

    @overload
    def on(
        self, event_type: type[E], *, executor: Executor | None = None
    ) -> Callable[[Callable[[E], object]], Callable[[E], object]]: ...
    @overload
    def on(
        self, event_type: str, *, executor: Executor | None = None
    ) -> Callable[[C], C]: ...
    @overload
    def on(
        self,
        event_type: type[E],
        callback: Callable[[E], object],
        *,
        executor: Executor | None = None,
    ) -> Callable[[E], object]: ...
    @overload
    def on(
        self, event_type: str, callback: C, *, executor: Executor | None = None
    ) -> C: ...
    def on(
        self,
        event_type: type[ServerEvent] | str,
        callback: Callback | None = None,
        *,
        executor: Executor | None = None,
    ) -> Any:
        """
        Call *callback* with every event of a class; a decorator without *callback*.

        Callbacks run on the reader thread, one at a time, in the order in which they
        were registered, and see the state that includes their event. A callback may
        wait for the server, but while it does anything else no event is read. One that
        raises is logged and reported to `on_error()`.

        Args:
            event_type: A class (`ServerEvent` for all events) or a wire type.
            callback: Called with the event.
            executor: Runs this callback instead, one event at a time and in order.
        """
        if callback is None:
            return lambda function: self.on(event_type, function, executor=executor)
        self._dispatcher.on(event_type, callback, executor=executor)
        return callback

    def once(
        self, event_type: type[ServerEvent] | str, callback: Callback | None = None
    ) -> Any:
        """Call *callback* with the next event of a class only; see `on()`."""
        if callback is None:
            return lambda function: self.once(event_type, function)
        self._dispatcher.on(event_type, callback, once=True)
        return callback

    def off(
        self, event_type: type[ServerEvent] | str, callback: Callback | None = None
    ) -> None:
        """Remove *callback*, or all callbacks of that very *event_type*."""
        self._dispatcher.off(event_type, callback)

    def on_error(
        self, callback: Callable[[Exception], object]
    ) -> Callable[[Exception], object]:
        """
        Call *callback* with exceptions that have no caller to be raised in.

        These are messages that cannot be decoded and exceptions of callbacks. All of
        them are logged as well.
        """
        self._dispatcher.on_error(callback)
        return callback

    def recv(self, timeout: float | None = None) -> ServerEvent:
        """
        Return the next event, of any class.

        The first events are kept from the start, for a script that begins to receive
        after it has sent something; but a few hundred events after the start this
        stops, unless there was a call by then.

        Raises:
            TimeoutError: None arrived in *timeout* seconds.
            ConnectionClosed: The connection has ended and every event was returned.
        """
        self._ensure_usable()
        return self._backlog.take(timeout)

    def events(
        self, *event_types: type[ServerEvent] | str, timeout: float | None = None
    ) -> Iterator[ServerEvent]:
        """
        Return an iterator over the events from this call on, not from its first use.

        It ends when the connection is closed as it should be.

        Args:
            event_types: Classes or wire types; none for all events.
            timeout: Seconds to wait for each event.

        Raises:
            TimeoutError: None arrived in *timeout* seconds.
            ConnectionClosedError: The connection broke.
        """
        self._ensure_usable()
        keys = [resolve_event_type(each, self._dialect) for each in event_types]
        return EventIterator(self._absorber, self._monitor, keys, timeout)

    def wait_for(
        self,
        event_type: type[E],
        predicate: Callable[[E], bool] | None = None,
        timeout: float | None = None,
    ) -> E:
        """
        Return the next event of a class that arrives from now on.

        Args:
            event_type: A class of events.
            predicate: A further condition. It runs on the reader thread.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: No such event arrived in *timeout* seconds.
            ConnectionLost: The connection was lost; the event may have been, too.
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        key = resolve_event_type(event_type, self._dialect)
        accept = cast("Callable[[ServerEvent], bool] | None", predicate)
        lasting = isinstance(key, type) and issubclass(key, Notice)
        inbox = Inbox(
            self._monitor,
            (key,),
            accept,
            max_bytes=self._absorber.max_unread,
            lasting=lasting,
        )
        self._absorber.open_inbox(inbox)
        try:
            return cast("E", inbox.take(timeout))
        finally:
            self._absorber.close_inbox(inbox)

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
        """
        if len(reason.encode()) > 123:
            raise ValueError("a close reason has at most 123 bytes of UTF-8")
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

    def __del__(self) -> None:
        channel = getattr(self, "_channel", None)
        if channel is None or self._pid != os.getpid():
            return
        if channel.state is not State.CLOSED:
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

    def _put(
        self, payload: bytes, lane: Lane, timeout: float | None, key: str | None = None
    ) -> None:
        self._ensure_usable()
        if self._monitor.on_reader_thread():
            self._put_and_read(payload, lane, timeout, key)
        else:
            self._queue.put((TEXT, payload), lane, timeout, key)

    def _put_and_read(
        self, payload: bytes, lane: Lane, timeout: float | None, key: str | None
    ) -> None:
        """Queue on the reader thread, where blocking alone could block for ever."""
        deadline = Deadline(timeout)
        while True:
            try:
                # The server may not read before it is read from: take turns.
                return self._queue.put((TEXT, payload), lane, 0.02, key)
            except SendQueueFull:
                if deadline.expired():
                    raise
            self._monitor.read_on(0.02)

    def _command(
        self,
        event: ClientEvent,
        timeout: float | None,
        fits: Callable[[Any], bool] | None = None,
    ) -> ServerEvent:
        """Send a command and return the event that acknowledges it."""
        deadline = Deadline(timeout)
        pending = self._begin(event, timeout, fits)
        return self._acknowledgements.wait(pending, deadline.left())

    def _begin(
        self,
        event: Command,
        timeout: float | None,
        fits: Callable[[Any], bool] | None = None,
        *,
        awaited: bool = True,
    ) -> Pending:
        """Send a command, and return what will have the server's answer."""
        pending = self._acknowledgements.expect(event, fits, awaited=awaited)
        try:
            self._transmit(event, timeout)
        except BaseException:
            self._acknowledgements.forget(pending)
            raise
        return pending

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
