"""Callbacks by class of event: who is called, in which order, and what if one fails."""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from time import monotonic
from typing import Any

from .._checks import nearest, not_this
from ..protocol._model import ServerEvent
from ..protocol.client_events import CLIENT_EVENTS
from ..protocol.codec import Dialect
from ..protocol.preview import PREVIEW_ALIASES
from ..protocol.server_events import SERVER_EVENTS, UnknownEvent
from ..protocol.translation_events import TRANSLATION_SERVER_EVENTS


__all__ = ["Callback", "Dispatcher", "matches", "resolve_event_type"]

logger = logging.getLogger("realtime_sync.dispatcher")

Callback = Callable[[Any], object]

_SLOW = 1.0  # seconds after which a callback that holds up the reader is named
_EVENTS: Mapping[str, type[ServerEvent]] = {
    **TRANSLATION_SERVER_EVENTS,
    **SERVER_EVENTS,
}


class _Registration:
    """One callback as it was registered; the same callback may be registered twice."""

    __slots__ = ("call", "callback", "key", "once")

    def __init__(
        self,
        key: type[ServerEvent] | str,
        callback: Callback,
        call: Callback,
        once: bool,
    ) -> None:
        self.key = key
        self.callback = callback
        self.call = call
        self.once = once


class _Strand:
    """
    Runs one callback's calls on an executor, one at a time and in order.

    The reader never waits for it, since a callback on an executor may wait for the
    reader. When *limit* events wait, the oldest are dropped, and it is said.
    """

    def __init__(
        self,
        executor: Executor,
        call: Callable[[Any], None],
        name: str,
        limit: int = 16_384,
    ) -> None:
        self._executor = executor
        self._call = call
        self._name = name
        self._limit = limit
        self._events: deque[Any] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self._running = False
        self._behind = False  # whether events were dropped since none waited

    def __call__(self, event: object) -> None:
        with self._lock:
            falls_behind = len(self._events) == self._limit and not self._behind
            self._behind |= falls_behind
            self._events.append(event)
            starts = not self._running
            self._running = True
        if starts:
            self._start()
        if falls_behind:
            raise RuntimeError(
                f"{self._limit} events wait for {self._name} on its executor; the "
                "oldest are dropped until it has caught up: let it do less, give it an "
                "executor of its own, or register it for fewer events"
            )

    def _start(self) -> None:
        try:
            self._executor.submit(self._drain)
        except RuntimeError:  # the executor was shut down
            with self._lock:
                self._running = False
                self._events.clear()
            raise

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._events:
                    self._running = self._behind = False
                    return
                event = self._events.popleft()
            self._call(event)


class Dispatcher:
    """
    Calls the callbacks of an event, one at a time, in order of registration.

    Registering is thread-safe, also from a callback. `dispatch()` runs on one thread.
    """

    def __init__(self, dialect: Dialect = "ga") -> None:
        self._dialect = dialect
        self._lock = threading.Lock()
        self._registrations: tuple[_Registration, ...] = ()
        # By class of event, or by wire type for events that have no class.
        self._routes: dict[type[ServerEvent] | str, tuple[_Registration, ...]] = {}
        self._error_callbacks: tuple[Callable[[Exception], object], ...] = ()
        self.waited = 0.0  # seconds that callbacks waited for the server
        self.called = 0  # events that callbacks were called for
        self.busy = 0.0  # seconds that callbacks took otherwise
        self.longest = 0.0  # seconds that those of one event took

    def on(
        self,
        event_type: type[ServerEvent] | str,
        callback: Callback,
        *,
        executor: Executor | None = None,
        once: bool = False,
    ) -> None:
        """Register *callback* for a class of events, its subclasses included."""
        key = resolve_event_type(event_type, self._dialect)
        _check_callback(callback)
        call: Callback = callback
        if executor is not None:
            if not callable(getattr(executor, "submit", None)):
                raise not_this("an executor is a concurrent.futures.Executor", executor)
            run = functools.partial(self._run, callback)
            call = _Strand(executor, run, _name(callback))
        self._add(_Registration(key, callback, call, once))

    def off(
        self, event_type: type[ServerEvent] | str, callback: Callback | None = None
    ) -> None:
        """Remove a callback of *event_type*, or all of them, if there are any."""
        key = resolve_event_type(event_type, self._dialect)
        self._remove(
            registration
            for registration in self._registrations
            if registration.key == key
            and (callback is None or registration.callback == callback)
        )

    def on_error(self, callback: Callable[[Exception], object]) -> None:
        """Register a callback for exceptions that have no caller to be raised in."""
        _check_callback(callback)
        with self._lock:
            self._error_callbacks += (callback,)

    def dispatch(self, event: ServerEvent) -> None:
        """Call every callback of *event*."""
        route = self._routes.get(type(event))
        if route is None:
            route = self._find_route(event)
        if not route:
            return
        started = monotonic() - self.waited
        for registration in route:
            if registration.once and not self._claim(registration):
                continue
            self._run(registration.call, event)
        elapsed = monotonic() - self.waited - started
        self.called += 1
        self.busy += elapsed
        if elapsed > self.longest:
            self.longest = elapsed
        if elapsed > _SLOW:
            self._warn(event, route, elapsed)

    def report(self, error: Exception) -> None:
        """Log *error* and hand it to every callback of `on_error()`."""
        logger.error("%s", error, exc_info=error)
        for callback in self._error_callbacks:
            try:
                callback(error)
            except Exception:
                logger.exception("an on_error callback raised")

    # Private

    def _run(self, call: Callback, event: Any) -> None:
        try:
            call(event)
        except Exception as exc:  # user code: one callback must not stop the others
            self.report(exc)

    def _add(self, registration: _Registration) -> None:
        with self._lock:
            self._registrations += (registration,)
            self._routes = {}

    def _remove(self, gone: Iterable[_Registration]) -> None:
        with self._lock:
            self._drop(frozenset(gone))

    def _drop(self, gone: frozenset[_Registration]) -> None:
        assert self._lock.locked()
        self._registrations = tuple(
            each for each in self._registrations if each not in gone
        )
        self._routes = {}

    def _claim(self, registration: _Registration) -> bool:
        with self._lock:
            if registration not in self._registrations:
                return False
            self._drop(frozenset((registration,)))
        return True

    def _find_route(self, event: ServerEvent) -> tuple[_Registration, ...]:
        keys: set[type | str] = set(type(event).__mro__)
        if isinstance(event, UnknownEvent):
            # Found anew each time: events of one class, but of many wire types.
            keys.add(str(event.payload.get("type")))
        with self._lock:
            route = tuple(each for each in self._registrations if each.key in keys)
            if not isinstance(event, UnknownEvent):
                self._routes[type(event)] = route
        return route

    def _warn(
        self, event: ServerEvent, route: tuple[_Registration, ...], elapsed: float
    ) -> None:
        names = ", ".join(_name(registration.callback) for registration in route)
        logger.warning(
            "callbacks of %s held up the reader thread for %.1f s: %s; register slow "
            "ones with on(..., executor=pool)",
            type(event).__name__,
            elapsed,
            names,
        )


def resolve_event_type(
    event_type: type[ServerEvent] | str, dialect: Dialect = "ga"
) -> type[ServerEvent] | str:
    """
    Return the class of events for a class or a wire type, in either dialect.

    The preview's names are accepted everywhere. The few that mean something else in
    the current protocol mean what they mean in the dialect that is spoken. A wire type
    that this version does not know stays a string: the service may have gained it.

    Raises:
        TypeError: It is neither.
        ValueError: It is the wire type of a client event, which never arrives.
    """
    if isinstance(event_type, str):
        wire_type = event_type
        if dialect == "preview" or wire_type not in _EVENTS:
            wire_type = PREVIEW_ALIASES.get(wire_type, wire_type)
        return _EVENTS.get(wire_type) or _unknown(wire_type)
    if isinstance(event_type, type) and issubclass(event_type, ServerEvent):
        return event_type
    raise TypeError(
        f"an event type is a class of server events or a wire type, not {event_type!r}"
    )


def _unknown(wire_type: str) -> str:
    """Return a wire type that no class has, if it may be one all the same."""
    if wire_type in CLIENT_EVENTS:
        raise ValueError(f"{wire_type!r} is what a client sends; it never arrives")
    near = nearest(wire_type, _EVENTS)
    logger.warning(
        "this version knows no event of the type %r%s; it is taken for one that the "
        "service has gained since",
        wire_type,
        f" (but {near!r})" if near else "",
    )
    return wire_type


def _check_callback(callback: object) -> None:
    """
    Refuse what cannot be called back.

    Raises:
        TypeError: It is no callable, or one that a loop would have to await.
    """
    if not callable(callback):
        raise not_this("a callback is a callable", callback)
    if inspect.iscoroutinefunction(callback):
        raise TypeError(
            f"the callback {_name(callback)} is asynchronous, and no loop would await "
            "it: give a plain function, which may block with executor=pool"
        )


def matches(event: ServerEvent, key: type[ServerEvent] | str) -> bool:
    """Tell whether *event* is of the type that `resolve_event_type()` returned."""
    if isinstance(key, str):
        return isinstance(event, UnknownEvent) and event.payload.get("type") == key
    return isinstance(event, key)


def _name(callback: Callback) -> str:
    return getattr(callback, "__qualname__", None) or repr(callback)
