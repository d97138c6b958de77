"""Who is called with an event, in which order, and what if a callback fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pytest

from realtime_sync._channel.dispatcher import Dispatcher, matches, resolve_event_type
from realtime_sync.protocol._model import ServerEvent
from realtime_sync.protocol.client_events import ResponseCreate
from realtime_sync.protocol.server_events import (
    InputAudioBufferCleared,
    ResponseOutputAudioDelta,
    UnknownEvent,
)


WAIT = 60.0  # seconds that a correct run never needs

CLEARED = InputAudioBufferCleared()
UNKNOWN = UnknownEvent(payload={"type": "response.smell.delta"})


class Later(Executor):
    """Runs what was submitted when the test says so."""

    def __init__(self) -> None:
        self.submitted: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.submitted.append(lambda: fn(*args, **kwargs))

    def run(self) -> None:
        while self.submitted:
            self.submitted.pop()()


@pytest.fixture(name="dispatcher")
def _dispatcher() -> Dispatcher:
    return Dispatcher()


@pytest.fixture(name="calls")
def _calls() -> list[Any]:
    """What callbacks were called with, in order."""
    return []


class TestEventTypes:
    @pytest.mark.parametrize(
        ("event_type", "resolved"),
        [
            (ServerEvent, ServerEvent),
            (InputAudioBufferCleared, InputAudioBufferCleared),
            ("input_audio_buffer.cleared", InputAudioBufferCleared),
            ("response.audio.delta", ResponseOutputAudioDelta),
            ("response.smell.delta", "response.smell.delta"),
        ],
    )
    def test_resolves(self, event_type: Any, resolved: Any) -> None:
        """Classes, wire types of both dialects and types of the future are accepted."""
        assert resolved == resolve_event_type(event_type)

    @pytest.mark.parametrize("event_type", [None, 1, int, ResponseCreate, CLEARED])
    def test_refuses(self, event_type: Any) -> None:
        """What is no type of server event is refused."""
        with pytest.raises(TypeError, match="class of server events or a wire type"):
            resolve_event_type(event_type)

    @pytest.mark.parametrize(
        ("event", "key", "expected"),
        [
            (CLEARED, InputAudioBufferCleared, True),
            (CLEARED, ServerEvent, True),
            (CLEARED, ResponseOutputAudioDelta, False),
            (CLEARED, "response.smell.delta", False),
            (UNKNOWN, UnknownEvent, True),
            (UNKNOWN, "response.smell.delta", True),
            (UNKNOWN, "response.taste.delta", False),
        ],
    )
    def test_matches(self, event: ServerEvent, key: Any, expected: bool) -> None:
        """An event matches its class, its base classes, and its unknown wire type."""
        assert expected is matches(event, key)


class TestRoutes:
    @pytest.mark.parametrize(
        "event_type",
        [InputAudioBufferCleared, ServerEvent, "input_audio_buffer.cleared"],
    )
    def test_called(
        self, dispatcher: Dispatcher, calls: list[Any], event_type: Any
    ) -> None:
        """A callback may ask by class, by base class and by wire type."""
        dispatcher.on(event_type, calls.append)
        dispatcher.dispatch(CLEARED)

        assert [CLEARED] == calls

    def test_not_called(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """Events of other classes are none of a callback's business."""
        dispatcher.on(ResponseOutputAudioDelta, calls.append)
        dispatcher.on("response.taste.delta", calls.append)
        dispatcher.dispatch(CLEARED)
        dispatcher.dispatch(UNKNOWN)

        assert [] == calls

    def test_unknown_wire_type(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """A wire type that this version does not know can be asked for."""
        dispatcher.on("response.smell.delta", calls.append)
        dispatcher.dispatch(UNKNOWN)

        assert [UNKNOWN] == calls

    def test_order(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """Callbacks are called in order of registration, however they asked."""
        dispatcher.on(ServerEvent, lambda event: calls.append(1))
        dispatcher.on(InputAudioBufferCleared, lambda event: calls.append(2))
        dispatcher.on("input_audio_buffer.cleared", lambda event: calls.append(3))
        dispatcher.on(ServerEvent, lambda event: calls.append(4))
        dispatcher.dispatch(CLEARED)

        assert [1, 2, 3, 4] == calls

    def test_registered_twice(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """A callback that is registered twice is called twice."""
        dispatcher.on(ServerEvent, calls.append)
        dispatcher.on(ServerEvent, calls.append)
        dispatcher.dispatch(CLEARED)

        assert [CLEARED] * 2 == calls

    def test_registered_later(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """A callback that comes later sees the events that come later."""
        dispatcher.dispatch(CLEARED)
        dispatcher.on(InputAudioBufferCleared, calls.append)
        dispatcher.dispatch(CLEARED)

        assert [CLEARED] == calls

    def test_registered_by_a_callback(
        self, dispatcher: Dispatcher, calls: list[Any]
    ) -> None:
        """A callback may register another one, for the next event."""
        dispatcher.on(
            ServerEvent, lambda event: dispatcher.on(ServerEvent, calls.append)
        )
        dispatcher.dispatch(CLEARED)

        assert [] == calls

        dispatcher.dispatch(CLEARED)

        assert [CLEARED] == calls

    def test_refuses_what_cannot_be_called(self, dispatcher: Dispatcher) -> None:
        """What is no callable is refused where it is registered."""
        with pytest.raises(TypeError, match="a callback is a callable"):
            dispatcher.on(ServerEvent, "print")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a callback is a callable"):
            dispatcher.on_error(None)  # type: ignore[arg-type]


class TestOff:
    def test_one(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """One callback is removed, the others of its class stay."""
        other: list[Any] = []
        dispatcher.on(InputAudioBufferCleared, calls.append)
        dispatcher.on(InputAudioBufferCleared, other.append)
        dispatcher.off(InputAudioBufferCleared, calls.append)
        dispatcher.dispatch(CLEARED)

        assert ([], [CLEARED]) == (calls, other)

    def test_all(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """Without a callback all of that very class are removed."""
        dispatcher.on(InputAudioBufferCleared, lambda event: calls.append("class"))
        dispatcher.on(ServerEvent, lambda event: calls.append("base"))
        dispatcher.off("input_audio_buffer.cleared")
        dispatcher.dispatch(CLEARED)

        assert ["base"] == calls

    def test_absent(self, dispatcher: Dispatcher) -> None:
        """Removing what is not there is no error."""
        dispatcher.off(ServerEvent)
        dispatcher.off("response.smell.delta", print)

    def test_once(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """A callback for one event is called once; its other registration goes on."""
        dispatcher.on(ServerEvent, lambda event: calls.append("once"), once=True)
        dispatcher.on(ServerEvent, lambda event: calls.append("on"))
        dispatcher.dispatch(CLEARED)
        dispatcher.dispatch(CLEARED)

        assert ["once", "on", "on"] == calls

    def test_once_removed(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """A callback for one event can be removed before that comes."""
        dispatcher.on(ServerEvent, calls.append, once=True)
        dispatcher.off(ServerEvent, calls.append)
        dispatcher.dispatch(CLEARED)

        assert [] == calls

    def test_once_within_itself(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """A callback for one event is gone before it is called."""

        def call(event: ServerEvent) -> None:
            calls.append(event)
            if len(calls) < 3:
                dispatcher.dispatch(event)

        dispatcher.on(ServerEvent, call, once=True)
        dispatcher.dispatch(CLEARED)

        assert [CLEARED] == calls


class TestErrors:
    def test_others_still_run(
        self, dispatcher: Dispatcher, calls: list[Any], caplog: Any
    ) -> None:
        """A callback that raises is logged and reported; the others still run."""
        error = ZeroDivisionError("a bug of the user's")
        errors: list[Exception] = []

        def fail(event: ServerEvent) -> None:
            raise error

        dispatcher.on(ServerEvent, fail)
        dispatcher.on(ServerEvent, calls.append)
        dispatcher.on_error(errors.append)
        dispatcher.dispatch(CLEARED)

        assert [CLEARED] == calls
        assert [error] == errors
        assert ["a bug of the user's"] == caplog.messages

    def test_failing_error_callback(self, dispatcher: Dispatcher, caplog: Any) -> None:
        """A callback for errors that raises is logged; the others still run."""
        errors: list[Exception] = []

        def fail(error: Exception) -> None:
            raise ZeroDivisionError

        dispatcher.on_error(fail)
        dispatcher.on_error(errors.append)
        dispatcher.report(ValueError("first"))

        assert 1 == len(errors)
        assert ["first", "an on_error callback raised"] == caplog.messages

    def test_slow_callback(
        self, dispatcher: Dispatcher, caplog: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A callback that holds up the reader is named, with the remedy."""
        now = 0.0

        def sleep_long(event: ServerEvent) -> None:
            nonlocal now
            now += 2.5

        monkeypatch.setattr("realtime_sync._channel.dispatcher.monotonic", lambda: now)
        dispatcher.on(ServerEvent, sleep_long)
        dispatcher.dispatch(CLEARED)

        assert 1 == len(caplog.messages)
        assert "InputAudioBufferCleared" in caplog.messages[0]
        assert "sleep_long" in caplog.messages[0]
        assert "2.5 s" in caplog.messages[0]
        assert "executor=" in caplog.messages[0]

    def test_waiting_is_not_slow(
        self, dispatcher: Dispatcher, caplog: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A callback that waits for the server holds up nothing."""
        now = 0.0

        def wait_long(event: ServerEvent) -> None:
            nonlocal now
            now += 2.5
            dispatcher.waited += 2.0

        monkeypatch.setattr("realtime_sync._channel.dispatcher.monotonic", lambda: now)
        dispatcher.on(ServerEvent, wait_long)
        with caplog.at_level(logging.WARNING):
            dispatcher.dispatch(CLEARED)

        assert [] == caplog.messages


class TestExecutor:
    def test_in_order(self, dispatcher: Dispatcher) -> None:
        """A callback on a pool gets its events one at a time and in order."""
        running = threading.Lock()
        seen: list[int] = []

        def call(event: UnknownEvent) -> None:
            assert running.acquire(blocking=False)
            seen.append(event.payload["n"])
            running.release()

        with ThreadPoolExecutor(4) as pool:
            dispatcher.on(UnknownEvent, call, executor=pool)
            for number in range(500):
                dispatcher.dispatch(UnknownEvent(payload={"type": "x", "n": number}))

        assert list(range(500)) == seen

    def test_does_not_hold_up(self, dispatcher: Dispatcher, calls: list[Any]) -> None:
        """While a callback is busy on a pool, the others are called."""
        go_on = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            dispatcher.on(ServerEvent, lambda event: go_on.wait(WAIT), executor=pool)
            dispatcher.on(ServerEvent, calls.append)
            dispatcher.dispatch(CLEARED)
            dispatcher.dispatch(CLEARED)
            seen = list(calls)
            go_on.set()

        assert [CLEARED] * 2 == seen

    def test_behind(
        self, dispatcher: Dispatcher, calls: list[Any], caplog: Any
    ) -> None:
        """When too many wait the oldest go; it is said once until it has caught up."""
        errors: list[Exception] = []
        executor = Later()
        dispatcher.on_error(errors.append)
        dispatcher.on(UnknownEvent, calls.append, executor=executor)
        for overrun in (1, 2):
            for number in range(16_384 + 3):
                dispatcher.dispatch(UnknownEvent(payload={"n": number}))

            assert overrun == len(errors)
            executor.run()
            assert list(range(3, 16_384 + 3)) == [each.payload["n"] for each in calls]
            calls.clear()

        assert str(errors[0]).startswith("16384 events wait for list.append on its")
        assert [RuntimeError] * 2 == [type(error) for error in errors]
        assert 2 == len(caplog.messages)

    def test_errors_are_reported(self, dispatcher: Dispatcher, caplog: Any) -> None:
        """A callback on a pool that raises is reported, and goes on with the next."""
        errors: list[Exception] = []

        def fail(event: ServerEvent) -> None:
            raise ZeroDivisionError("a bug")

        dispatcher.on_error(errors.append)
        with ThreadPoolExecutor(1) as pool:
            dispatcher.on(ServerEvent, fail, executor=pool)
            dispatcher.dispatch(CLEARED)
            dispatcher.dispatch(CLEARED)

        assert [ZeroDivisionError] * 2 == [type(error) for error in errors]
        assert ["a bug"] * 2 == caplog.messages

    def test_shut_down(
        self, dispatcher: Dispatcher, calls: list[Any], caplog: Any
    ) -> None:
        """A pool that was shut down is reported; the other callbacks still run."""
        errors: list[Exception] = []
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        dispatcher.on(ServerEvent, print, executor=pool)
        dispatcher.on(ServerEvent, calls.append)
        dispatcher.on_error(errors.append)
        dispatcher.dispatch(CLEARED)

        assert [RuntimeError] == [type(error) for error in errors]
        assert [CLEARED] == calls
        assert 1 == len(caplog.messages)
