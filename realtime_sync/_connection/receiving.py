"""How events reach the program: by callbacks, or by code that waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any, TypeVar, overload

from .._channel.absorber import Absorber
from .._channel.dispatcher import Callback, Dispatcher, resolve_event_type
from .._channel.event_iterator import EventIterator
from .._channel.inbox import Backlog, Inbox
from .._channel.monitor import Monitor
from .._checks import not_this
from ..protocol._model import ServerEvent
from ..protocol.codec import Dialect
from ..reconnect import Notice


__all__ = ["Receiving"]

E = TypeVar("E", bound=ServerEvent)
C = TypeVar("C", bound=Callback)


class Receiving:
    """The half of a connection that receives; `BaseConnection` makes its attributes."""

    _dialect: Dialect
    _monitor: Monitor
    _absorber: Absorber
    _dispatcher: Dispatcher
    _backlog: Backlog

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
            event_type: A class (`ServerEvent` for all events) or a wire type. One that
                this version does not know is logged, for it may be a slip.
            callback: Called with the event.
            executor: Runs this callback instead, one event at a time and in order. When
                16,384 events wait for it the oldest are dropped, and `on_error()` is
                told.

        Raises:
            TypeError: It is no such class, no plain function, or no executor.
            ValueError: It is the wire type of a client event.
        """
        if callback is None:
            return lambda function: self.on(event_type, function, executor=executor)
        self._dispatcher.on(event_type, callback, executor=executor)
        return callback

    @overload
    def once(
        self, event_type: type[E], *, executor: Executor | None = None
    ) -> Callable[[Callable[[E], object]], Callable[[E], object]]: ...
    @overload
    def once(
        self, event_type: str, *, executor: Executor | None = None
    ) -> Callable[[C], C]: ...
    @overload
    def once(
        self,
        event_type: type[E],
        callback: Callable[[E], object],
        *,
        executor: Executor | None = None,
    ) -> Callable[[E], object]: ...
    @overload
    def once(
        self, event_type: str, callback: C, *, executor: Executor | None = None
    ) -> C: ...
    def once(
        self,
        event_type: type[ServerEvent] | str,
        callback: Callback | None = None,
        *,
        executor: Executor | None = None,
    ) -> Any:
        """Call *callback* with the next event of a class only; see `on()`."""
        if callback is None:
            return lambda function: self.once(event_type, function, executor=executor)
        self._dispatcher.on(event_type, callback, executor=executor, once=True)
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
            RuntimeError: More waited than *max_unread* of the client allows, and the
                oldest were dropped. The next call goes on behind them.
            ConnectionClosed: The connection has ended and every event was returned.
        """
        self._ensure_usable()
        return self._backlog.take(timeout)

    @overload
    def events(
        self, event_type: type[E], /, *more: type[E], timeout: float | None = None
    ) -> Iterator[E]: ...
    @overload
    def events(
        self, *event_types: type[ServerEvent] | str, timeout: float | None = None
    ) -> Iterator[ServerEvent]: ...
    def events(
        self, *event_types: type[Any] | str, timeout: float | None = None
    ) -> Iterator[Any]:
        """
        Return an iterator over the events from this call on, not from its first use.

        It ends when the connection is closed as it should be.

        Args:
            event_types: Classes or wire types; none for all events.
            timeout: Seconds to wait for each event.

        Raises:
            TimeoutError: None arrived in *timeout* seconds.
            RuntimeError: More waited than *max_unread* of the client allows, and the
                oldest were dropped. The iterator goes on behind them.
            ConnectionClosedError: The connection broke.
        """
        self._ensure_usable()
        keys = [resolve_event_type(each, self._dialect) for each in event_types]
        return EventIterator(self._absorber, self._monitor, keys, timeout)

    @overload
    def wait_for(
        self,
        event_type: type[E],
        predicate: Callable[[E], bool] | None = None,
        timeout: float | None = None,
    ) -> E: ...
    @overload
    def wait_for(
        self,
        event_type: str,
        predicate: Callable[[Any], bool] | None = None,
        timeout: float | None = None,
    ) -> ServerEvent: ...
    def wait_for(
        self,
        event_type: type[ServerEvent] | str,
        predicate: Callable[[Any], bool] | None = None,
        timeout: float | None = None,
    ) -> ServerEvent:
        """
        Return the next event of a class that arrives from now on.

        Args:
            event_type: A class of events, or a wire type.
            predicate: A further condition. It runs on the reader thread.
            timeout: Seconds to wait.

        Raises:
            TypeError: It is no such class, or the predicate is no function.
            TimeoutError: No such event arrived in *timeout* seconds.
            ConnectionLost: The connection was lost; the event may have been, too.
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        key = resolve_event_type(event_type, self._dialect)
        if predicate is not None and not callable(predicate):
            raise not_this("predicate is a function (timeout= is the time)", predicate)
        lasting = isinstance(key, type) and issubclass(key, Notice)
        inbox = Inbox(
            self._monitor,
            (key,),
            predicate,
            max_bytes=self._absorber.max_unread,
            lasting=lasting,
        )
        self._absorber.open_inbox(inbox)
        try:
            return inbox.take(timeout)
        finally:
            self._absorber.close_inbox(inbox)

    # Private

    def _ensure_usable(self) -> None:
        raise NotImplementedError
