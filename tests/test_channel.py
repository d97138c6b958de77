"""The life of a connection: how it ends, who is told, and how silence is noticed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest
import scripted
from scripted import WAIT

from realtime_sync import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    RealtimeConnection,
    RemoteProtocolError,
    ResponseOutputTextDelta,
    SessionExpired,
)
from realtime_sync._channel.inbox import Inbox
from realtime_sync._channel.keepalive import Keepalive
from realtime_sync.transport import CLOSE, PING, PONG, FakeTransport, Frame


AUDIO = bytes(4_000)
SOON = 0.05  # seconds of a timeout that is meant to pass

Waiter = Callable[[RealtimeConnection], Any]


class WatchedTransport(FakeTransport):
    """Lets a test wait for control frames."""

    def __init__(self, *events: Any, **settings: Any) -> None:
        super().__init__(*events, **settings)
        self.pings = threading.Semaphore(0)
        self.pongs = threading.Semaphore(0)

    def send(self, frames: Sequence[Frame], timeout: float | None = None) -> None:
        super().send(frames, timeout)
        for opcode, _ in frames:
            if opcode == PING:
                self.pings.release()
            elif opcode == PONG:
                self.pongs.release()


def receive_all(connection: RealtimeConnection) -> None:
    while True:
        connection.recv(WAIT)


def append_for_ever(connection: RealtimeConnection) -> None:
    while True:
        connection.append_input_audio(AUDIO)


def flush_for_ever(connection: RealtimeConnection) -> None:
    while True:
        connection.append_input_audio(AUDIO[:2])
        connection.flush(WAIT)


class ReleasedTransport(FakeTransport):
    """Tells when nobody uses it any more."""

    def __init__(self, *events: Any) -> None:
        super().__init__(*events)
        self.gone = threading.Event()

    def release(self) -> None:
        super().release()
        self.gone.set()


WAITERS: dict[str, Waiter] = {
    "recv": receive_all,
    "wait_for": lambda connection: connection.wait_for(
        ResponseOutputTextDelta, timeout=WAIT
    ),
    "a command": lambda connection: connection.clear_input_audio(timeout=WAIT),
    "create_response": lambda connection: connection.create_response(timeout=WAIT),
    "append": append_for_ever,
    "flush": flush_for_ever,
}

ENDS: dict[str, tuple[Callable[[FakeTransport], None], type[ConnectionClosed], Any]] = {
    "1000": (
        lambda transport: transport.feed_close(1000, "bye"),
        ConnectionClosedOK,
        (1000, "bye", "server"),
    ),
    "1011": (
        lambda transport: transport.feed_close(1011, "oh no"),
        ConnectionClosedError,
        (1011, "oh no", "server"),
    ),
    "age": (
        lambda transport: transport.feed_close(1001, "maximum duration of 30 minutes"),
        SessionExpired,
        (1001, "maximum duration of 30 minutes", "server"),
    ),
    "no code": (
        lambda transport: transport.feed_frame(CLOSE),
        ConnectionClosedError,
        (1005, "", "server"),
    ),
    "network": (
        lambda transport: transport.fail(),
        ConnectionClosedError,
        (1006, "the fake broke", "network"),
    ),
    "broken rules": (
        lambda transport: transport.fail(
            RemoteProtocolError("too large", close_code=1009)
        ),
        ConnectionClosedError,
        (1009, "too large", "client"),
    ),
}


def facts(error: BaseException | None) -> tuple[int, str, str]:
    assert isinstance(error, ConnectionClosed)
    return (error.code, error.reason, error.initiated_by)


@pytest.fixture(name="quick")
def _quick(transport: FakeTransport) -> Iterator[RealtimeConnection]:
    """A connection with a small queue that does not take long to close."""
    with scripted.connect(
        transport, close_timeout=SOON, max_queue=10_000
    ) as connection:
        yield connection


@pytest.mark.parametrize("role", ["writer", "reader"])
@pytest.mark.parametrize("begun", [False, True])
def test_interrupted_while_the_threads_start(
    monkeypatch: pytest.MonkeyPatch, role: str, begun: bool
) -> None:
    """Ctrl-C amid the start of a thread, of which it is not known whether it runs."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if not thread.name.endswith(role):
            return start(thread)
        if begun:
            start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    transport = ReleasedTransport(scripted.created())
    with pytest.raises(KeyboardInterrupt):
        scripted.connect(transport)

    assert transport.gone.wait(WAIT)


class TestEnd:
    @pytest.mark.parametrize("end", ENDS)
    @pytest.mark.parametrize("waiter", WAITERS)
    def test_every_waiter(
        self, quick: RealtimeConnection, transport: FakeTransport, waiter: str, end: str
    ) -> None:
        """Whoever waits is told how the connection ended, and so is who comes later."""
        finish, kind, expected = ENDS[end]
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(WAITERS[waiter], quick) for _ in range(2)]
            finish(transport)
            errors = [each.exception(WAIT) for each in waiting]

        assert [kind] * 2 == [type(error) for error in errors]
        assert [expected] * 2 == [facts(error) for error in errors]
        assert errors[0] is not errors[1]
        with pytest.raises(kind):
            WAITERS[waiter](quick)

    @pytest.mark.parametrize("waiter", ["append", "flush"])
    def test_server_that_reads_nothing(
        self, quick: RealtimeConnection, transport: FakeTransport, waiter: str
    ) -> None:
        """Who waits for a server that reads nothing is woken by the end as well."""
        transport.stall()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(WAITERS[waiter], quick)
            transport.feed_close(1011, "oh no")
            error = waiting.exception(WAIT)

        assert (1011, "oh no", "server") == facts(error)

    @pytest.mark.parametrize("waiter", WAITERS)
    def test_own_close(self, quick: RealtimeConnection, waiter: str) -> None:
        """Closing the connection wakes whoever waits on it."""
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(WAITERS[waiter], quick)
            quick.close()
            error = waiting.exception(WAIT)

        assert (1000, "client") == facts(error)[::2]
        assert isinstance(error, ConnectionClosedOK)

    @pytest.mark.parametrize("end", ENDS)
    def test_response(self, end: str) -> None:
        """The end of the connection ends the response that is awaited."""
        finish, kind, expected = ENDS[end]
        transport = FakeTransport(
            scripted.created(), reply=lambda event: scripted.acknowledge(event)[:1]
        )
        with scripted.connect(transport) as connection, ThreadPoolExecutor(1) as pool:
            stream = connection.create_response(timeout=WAIT)
            waiting = pool.submit(stream.result, timeout=WAIT)
            finish(transport)
            error = waiting.exception(WAIT)

        assert kind is type(error)
        assert expected == facts(error)

    @pytest.mark.parametrize("end", ENDS)
    def test_events(
        self, quick: RealtimeConnection, transport: FakeTransport, end: str
    ) -> None:
        """An iterator ends with the connection, in silence if that was in order."""
        finish, kind, expected = ENDS[end]
        events = quick.events(timeout=WAIT)
        transport.feed(scripted.delta("last"))
        finish(transport)

        assert "last" == next(events).delta  # type: ignore[attr-defined]
        if kind is ConnectionClosedOK:
            assert [] == list(events)
        else:
            with pytest.raises(kind) as caught:
                next(events)
            assert expected == facts(caught.value)

    def test_session_expired_error(
        self, quick: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A close after the error that the session has expired is its expiry."""
        transport.feed(scripted.refusal(code="session_expired"))
        transport.feed_close(1000)

        with pytest.raises(SessionExpired):
            receive_all(quick)

    def test_cause(self, quick: RealtimeConnection, transport: FakeTransport) -> None:
        """What the server did wrong is the cause of the exception."""
        cause = RemoteProtocolError("a masked frame")
        transport.fail(cause)

        with pytest.raises(ConnectionClosedError) as caught:
            receive_all(quick)
        assert cause is caught.value.__cause__

    def test_answers_the_close(
        self, quick: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A close of the server's is answered with its code."""
        transport.feed_close(1011, "oh no")
        assert quick.wait_closed(WAIT)
        quick.close()

        assert [(CLOSE, (1011).to_bytes(2, "big"))] == transport.frames

    def test_last_events_are_dispatched(
        self, quick: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Callbacks get everything that arrived before the end."""
        texts: list[str] = []
        quick.on(ResponseOutputTextDelta, lambda event: texts.append(event.delta))
        transport.feed(*(scripted.delta(str(number)) for number in range(300)))
        transport.fail()
        assert quick.wait_closed(WAIT)
        quick.close()

        assert [str(number) for number in range(300)] == texts

    def test_fault_of_the_library(
        self, quick: RealtimeConnection, transport: FakeTransport, caplog: Any
    ) -> None:
        """A thread that dies of a bug ends the connection and says of what."""
        transport.fail(ZeroDivisionError("a bug"))

        with pytest.raises(ConnectionClosedError, match="a bug") as caught:
            receive_all(quick)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert "the reader thread died" in caplog.messages


class TestClose:
    def test_again(self, connection: RealtimeConnection) -> None:
        """Closing twice is closing once."""
        connection.close()
        connection.close(1001, "again")

        assert connection.closed
        with pytest.raises(ConnectionClosedOK):
            connection.clear_input_audio()

    def test_releases(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """After close() the threads have ended and the transport is released."""
        connection.close(4000, "done")

        assert transport.released
        assert [(CLOSE, (4000).to_bytes(2, "big") + b"done")] == transport.frames

    def test_from_two_threads(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Several threads may close at once; all return when it is closed."""
        with ThreadPoolExecutor(3) as pool:
            closing = [pool.submit(connection.close) for _ in range(3)]
            for each in closing:
                each.result(WAIT)

        assert connection.closed
        assert transport.released

    def test_from_a_callback(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A callback may close its connection."""
        connection.on(ResponseOutputTextDelta, lambda event: connection.close())
        transport.feed(scripted.delta("stop"))

        assert connection.wait_closed(WAIT)
        with pytest.raises(ConnectionClosedOK):
            connection.clear_input_audio()

    def test_unanswered(self) -> None:
        """A server that never answers the close delays it for the timeout at most."""
        transport = FakeTransport(scripted.created(), answers=False)
        connection = scripted.connect(transport, close_timeout=SOON)
        started = monotonic()
        connection.close()

        assert monotonic() - started < WAIT / 2
        assert connection.closed
        assert transport.released

    def test_server_that_reads_nothing(self, transport: FakeTransport) -> None:
        """A server that reads nothing delays the close for the timeout at most."""
        connection = scripted.connect(transport, close_timeout=SOON)
        transport.stall()
        connection.append_input_audio(AUDIO)
        started = monotonic()
        connection.close()

        assert monotonic() - started < WAIT / 2
        assert connection.closed
        assert transport.released

    def test_sends_commands_first(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Queued commands are sent before the close frame."""
        for number in range(100):
            connection.send({"type": "response.cancel", "event_id": str(number)})
        connection.close()

        sent = [event.event_id for event in transport.sent]
        assert [str(number) for number in range(100)] == sent
        assert CLOSE == transport.frames[-1][0]

    def test_stuck_writer(self, transport: FakeTransport) -> None:
        """A callback closes in time, though the server reads nothing any more."""
        with scripted.connect(
            transport, close_timeout=SOON, ping_interval=None
        ) as connection:
            transport.stall()
            connection.append_input_audio(AUDIO)  # its writer waits for the network
            connection.on(ResponseOutputTextDelta, lambda event: connection.close())
            transport.feed(scripted.delta("a"))

            assert connection.wait_closed(WAIT)

    def test_busy_callback(self, transport: FakeTransport, caplog: Any) -> None:
        """A callback that holds the reader delays the close for so long at most."""
        go_on, busy = threading.Event(), threading.Event()

        def hold(event: ResponseOutputTextDelta) -> None:
            busy.set()
            go_on.wait(WAIT)

        connection = scripted.connect(transport, close_timeout=SOON)
        connection.on(ResponseOutputTextDelta, hold)
        transport.feed(scripted.delta("hold"))
        assert busy.wait(WAIT)
        connection.close()

        assert connection.closed
        assert any("a callback still holds" in each for each in caplog.messages)
        go_on.set()

    @pytest.mark.parametrize("reason", ["x" * 124, "ä" * 62])
    def test_long_reason(self, connection: RealtimeConnection, reason: str) -> None:
        """A reason that does not fit into a close frame is refused."""
        with pytest.raises(ValueError, match="123 bytes"):
            connection.close(1000, reason)

    def test_wait_closed_in_a_callback(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A callback that waits for the end of its own thread is told what to do."""
        errors: list[Exception] = []
        reported = threading.Event()

        @connection.on_error
        def report(error: Exception) -> None:
            errors.append(error)
            reported.set()

        connection.on(ResponseOutputTextDelta, lambda event: connection.wait_closed())
        transport.feed(scripted.delta("wait"))
        assert reported.wait(WAIT)

        assert [RuntimeError] == [type(error) for error in errors]
        assert "executor=" in str(errors[0])

    def test_wait_closed(self, connection: RealtimeConnection) -> None:
        """wait_closed() tells whether the connection has ended in time."""
        assert not connection.wait_closed(0.001)
        connection.close()
        assert connection.wait_closed(0.001)

    def test_close_while_everything_happens(self) -> None:
        """Closing at any moment ends everybody, and nothing hangs."""
        for _ in range(20):
            transport = FakeTransport(scripted.created(), reply=scripted.acknowledge)
            connection = scripted.connect(transport)

            def command(connection: RealtimeConnection = connection) -> None:
                while True:
                    connection.create_response(timeout=WAIT).result(timeout=WAIT)

            with ThreadPoolExecutor(3) as pool:
                waiting = [
                    pool.submit(command),
                    pool.submit(receive_all, connection),
                    pool.submit(append_for_ever, connection),
                ]
                with suppress(ConnectionClosed):
                    connection.create_item(scripted.message(), timeout=WAIT)
                connection.close()
                errors = [each.exception(WAIT) for each in waiting]

            assert [ConnectionClosedOK] * 3 == [type(error) for error in errors]
            assert transport.released


class TestKeepalive:
    def test_answered(self) -> None:
        """Pings are answered; the time that takes can be read."""
        transport = WatchedTransport(scripted.created())
        with scripted.connect(
            transport, ping_interval=0.005, ping_timeout=WAIT
        ) as connection:
            for _ in range(3):
                assert transport.pings.acquire(timeout=WAIT)

            assert not connection.closed
            assert connection.latency is not None
            assert 0.0 <= connection.latency < WAIT

    def test_silence(self) -> None:
        """A server that answers no ping is given up after interval and timeout."""
        transport = WatchedTransport(scripted.created(), answers=False)
        with scripted.connect(
            transport, ping_interval=0.02, ping_timeout=0.02, close_timeout=SOON
        ) as connection:
            with pytest.raises(
                ConnectionClosedError, match="nothing arrived"
            ) as caught:
                receive_all(connection)

            assert (1006, "network") == facts(caught.value)[::2]

    def test_anything_is_a_sign_of_life(self) -> None:
        """A server that sends events is alive, even if it answers no ping."""
        transport = WatchedTransport(scripted.created(), answers=False)
        with scripted.connect(
            transport, ping_interval=0.005, ping_timeout=WAIT, close_timeout=SOON
        ) as connection:
            for _ in range(5):
                assert transport.pings.acquire(timeout=WAIT)
                transport.feed(scripted.delta("alive"))

            assert not connection.closed

    @pytest.mark.parametrize(
        ("interval", "timeout"), [(0.04, 0.002), (0.02, 0.02), (0.002, 0.02)]
    )
    def test_busy_callback(self, interval: float, timeout: float) -> None:
        """While a callback holds the reader nobody can hear, so that is no silence."""
        transport = WatchedTransport(scripted.created(), answers=False)
        go_on, busy = threading.Event(), threading.Event()
        takes = 0

        def hold(event: ResponseOutputTextDelta) -> None:
            busy.set()
            go_on.wait(WAIT)

        with scripted.connect(
            transport, ping_interval=None, close_timeout=SOON
        ) as connection:
            wait = connection._queue.wait

            def count(timeout: float | None) -> None:
                nonlocal takes
                takes += 1
                wait(timeout)

            connection._queue.wait = count  # type: ignore[method-assign]
            connection.on(ResponseOutputTextDelta, hold)
            transport.feed(scripted.delta("hold"))
            assert busy.wait(WAIT)
            keepalive = Keepalive(interval=interval, timeout=timeout)
            connection._channel.heartbeat.keepalive = keepalive
            connection.flush(WAIT)  # the writer looks at the clock again
            for _ in range(5):
                assert transport.pings.acquire(timeout=WAIT)

            assert not connection.closed
            # It sleeps between the pings, and looks at most a few times.
            assert takes < 30

            go_on.set()
            assert connection.wait_closed(WAIT)

    @pytest.mark.parametrize("busy", ["on_error", "predicate"])
    def test_busy_elsewhere(self, busy: str) -> None:
        """Nor is it silence while other functions of the user's hold the reader."""
        transport = WatchedTransport(scripted.created(), answers=False)
        states: list[bool] = []
        done = threading.Event()

        def hold(_: object) -> bool:
            for _ in range(5):
                assert transport.pings.acquire(timeout=WAIT)
            states.append(connection.closed)
            done.set()
            return True

        with scripted.connect(
            transport, ping_interval=0.01, ping_timeout=0.01, close_timeout=SOON
        ) as connection:
            connection.on_error(hold)
            inbox = Inbox(connection._monitor, accept=hold)
            if busy == "predicate":
                connection._absorber.open_inbox(inbox)
            bad = scripted.delta("hold") if busy == "predicate" else b"no JSON"
            transport.feed(bad)

            assert done.wait(WAIT)
            assert [False] == states

    @pytest.mark.parametrize("audio", [b"", AUDIO])
    def test_stalled_send(self, audio: bytes) -> None:
        """A server that reads nothing is given up, too, for what it does not say."""
        transport = FakeTransport(scripted.created(), answers=False)
        with scripted.connect(
            transport, ping_interval=0.02, ping_timeout=0.02, close_timeout=SOON
        ) as connection:
            transport.stall()
            if audio:
                connection.append_input_audio(audio)
            with pytest.raises(ConnectionClosedError, match="nothing arrived"):
                receive_all(connection)

    def test_stalled_send_of_a_server_that_talks(self) -> None:
        """A server that takes its time to read, but says something, is alive."""
        transport = FakeTransport(scripted.created(), answers=False)
        with scripted.connect(
            transport, ping_interval=0.02, ping_timeout=SOON, close_timeout=SOON
        ) as connection:
            events = connection.events(timeout=WAIT)
            transport.stall()
            connection.append_input_audio(AUDIO)
            began = monotonic()
            while monotonic() < began + 4 * SOON:
                transport.feed(scripted.delta("alive"))
                next(events)

            assert not connection.closed
            transport.resume()

    def test_stalled_send_of_a_busy_reader(self) -> None:
        """A server may not read before it is read from: a callback keeps it waiting."""
        transport = FakeTransport(scripted.created(), answers=False)
        go_on, busy = threading.Event(), threading.Event()

        def hold(event: ResponseOutputTextDelta) -> None:
            busy.set()
            go_on.wait(WAIT)

        with scripted.connect(
            transport, ping_interval=0.02, ping_timeout=0.02, close_timeout=SOON
        ) as connection:
            connection.on(ResponseOutputTextDelta, hold)
            transport.feed(scripted.delta("hold"))
            assert busy.wait(WAIT)
            transport.stall()
            connection.append_input_audio(AUDIO)

            assert not connection.wait_closed(4 * SOON)
            go_on.set()
            assert connection.wait_closed(WAIT)

    def test_silence_while_a_pause_is_looked_for(self) -> None:
        """To look at the clock of the session is not to have heard something."""
        transport = WatchedTransport(scripted.created(), answers=False)
        with scripted.connect(
            transport, ping_interval=0.02, ping_timeout=0.02, close_timeout=SOON
        ) as connection:
            lifetime = connection._channel.reader._lifetime
            lifetime.left = lambda: 0.001  # type: ignore[method-assign]
            transport.feed(scripted.delta("look at it"))

            with pytest.raises(ConnectionClosedError, match="nothing arrived"):
                receive_all(connection)

    def test_none(self) -> None:
        """Without an interval no ping is sent."""
        transport = WatchedTransport(scripted.created())
        with scripted.connect(transport, ping_interval=None) as connection:
            connection.flush(WAIT)

        assert not transport.pings.acquire(blocking=False)

    def test_answers_pings(
        self,
    ) -> None:
        """A ping is answered with its payload, also while a callback is busy before."""
        transport = WatchedTransport(scripted.created())
        with scripted.connect(transport):
            transport.feed_frame(PING, b"are you there")
            assert transport.pongs.acquire(timeout=WAIT)

            assert (PONG, b"are you there") in transport.frames

    def test_ping_while_a_callback_waits(self) -> None:
        """A ping is answered while a callback waits for the server."""
        transport = WatchedTransport(scripted.created())
        answered: list[bool] = []
        done = threading.Event()

        with scripted.connect(transport) as connection:

            @connection.on(ResponseOutputTextDelta)
            def wait(event: ResponseOutputTextDelta) -> None:
                transport.feed_frame(PING, b"now")
                with suppress(TimeoutError):
                    connection.clear_input_audio(timeout=SOON)
                answered.append((PONG, b"now") in transport.frames)
                done.set()

            transport.feed(scripted.delta("wait"))
            assert done.wait(WAIT)
            assert transport.pongs.acquire(timeout=WAIT)

        assert [True] == answered

    def test_ping_behind_the_end(
        self, quick: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A ping that arrives while the connection is closing does no harm."""
        transport.feed_frame(PING, b"late")
        transport.feed_close(1000)

        with pytest.raises(ConnectionClosedOK):
            receive_all(quick)

    def test_binary_is_ignored(
        self, quick: RealtimeConnection, transport: FakeTransport, caplog: Any
    ) -> None:
        """A binary message, which the protocol has none of, is logged and ignored."""
        events = quick.events(timeout=WAIT)
        transport.feed_frame(2, b"1234")
        transport.feed(scripted.delta("next"))

        assert "next" == next(events).delta  # type: ignore[attr-defined]
        assert ["ignored a binary message of 4 bytes"] == caplog.messages


class TestWaitingInOnError:
    """Where no event is dispatched, such as after a message that is no JSON."""

    def test_callbacks(self) -> None:
        """What arrives while on_error() waits is dispatched when it returns."""
        transport = FakeTransport(scripted.created(), reply=scripted.acknowledge)
        done = threading.Event()
        with scripted.connect(transport) as connection:

            @connection.on_error
            def wait(error: Exception) -> None:
                transport.feed(scripted.delta("late"))
                connection.clear_input_audio(timeout=WAIT)

            connection.on(ResponseOutputTextDelta, lambda event: done.set())
            transport.feed(b"no JSON")

            assert done.wait(WAIT)

    def test_silence(self) -> None:
        """After on_error() has waited, silence is noticed as before."""
        transport = FakeTransport(
            scripted.created(), reply=scripted.acknowledge, answers=False
        )
        with scripted.connect(
            transport, ping_interval=0.02, ping_timeout=0.02, close_timeout=SOON
        ) as connection:

            @connection.on_error
            def wait(error: Exception) -> None:
                connection.clear_input_audio(timeout=WAIT)

            transport.feed(b"no JSON")

            assert connection.wait_closed(WAIT)


def test_command_on_an_executor_that_is_behind() -> None:
    """A callback on an executor gets its answers, however many events wait for it."""
    transport = FakeTransport(scripted.created(), reply=scripted.acknowledge)
    done, go_on = threading.Event(), threading.Event()

    def command(event: ResponseOutputTextDelta) -> None:
        if not done.is_set():
            assert go_on.wait(WAIT)
            connection.clear_input_audio(timeout=WAIT)
            done.set()

    with ThreadPoolExecutor(1) as pool, scripted.connect(transport) as connection:
        connection.on(ResponseOutputTextDelta, command, executor=pool)
        connection.on("enough", lambda event: go_on.set())
        transport.feed(*(scripted.delta(str(number)) for number in range(12_000)))
        transport.feed({"type": "enough", "event_id": "event_enough"})

        assert go_on.wait(WAIT)
        assert done.wait(WAIT)


class TestTap:
    def test_both_ways(self) -> None:
        """A tap sees every message as it travels; one that is taken away none."""
        transport = FakeTransport(scripted.created())
        seen: list[tuple[str, str]] = []

        def tap(direction: str, message: bytes) -> None:
            seen.append((direction, json.loads(message)["type"]))

        with scripted.connect(transport) as connection:
            connection._channel.tap(tap)
            connection.send({"type": "input_audio_buffer.clear"})
            connection.flush(WAIT)
            events = connection.events(timeout=WAIT)
            transport.feed(scripted.delta("seen"))
            next(events)
            connection._channel.untap(tap)
            connection.send({"type": "input_audio_buffer.clear"})
            connection.flush(WAIT)

        assert ("sent", "input_audio_buffer.clear") in seen
        assert ("received", "response.output_text.delta") in seen
        assert 2 == len(seen)


def test_transport_lost_again_as_the_writer_goes_on(
    connection: RealtimeConnection,
) -> None:
    """The writer has the transport that it waited for, and is not taken for parked."""
    link = connection._channel._link
    transport = link.transport
    wait_for = link.changed.wait_for

    def wait_and_lose(predicate: Callable[[], bool]) -> bool:
        found = wait_for(predicate)
        link.transport = None  # as the reader does that loses it at this moment
        return found

    link.changed.wait_for = wait_and_lose  # type: ignore[method-assign, assignment]
    try:
        found = link.await_transport()
        assert transport is found
        assert not link._is_writer_off()
    finally:
        link.transport = transport
        del link.changed.wait_for  # type: ignore[method-assign]
