"""Ctrl-C in every call that blocks: it ends at once, and the connection goes on."""

from __future__ import annotations

import contextlib
import gc
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import scripted
from calls import ALL
from interrupts import interrupting, needs_timer
from servers import Peer, serve

from realtime_sync import RealtimeClient, ResponseOutputTextDelta, ServerEvent
from realtime_sync.emulator import RealtimeEmulator
from realtime_sync.protocol._model import ClientEvent
from realtime_sync.transport import FakeTransport


pytestmark = needs_timer

LONG = 60.0  # seconds that a call would wait
AFTER = 0.05  # seconds until Ctrl-C
SOON = 5.0  # seconds by which it has ended; it takes milliseconds
ROUNDS = 20  # of Ctrl-C at random moments
CONNECTS = 40  # in which it comes, 0.2 ms later each time


class Server:
    """A server that answers commands when it is told to, in their order."""

    def __init__(self) -> None:
        self.transport = FakeTransport(scripted.created(), reply=self._reply)
        self._answering = True
        self._kept: list[ClientEvent] = []

    def fall_silent(self) -> None:
        """Keep commands."""
        self._answering = False

    def answer(self) -> None:
        """Answer what was kept, and what comes."""
        self._answering = True
        for event in self._kept:
            self.transport.feed(*scripted.acknowledge(event))

    def _reply(self, event: ClientEvent) -> Sequence[dict[str, Any]]:
        if self._answering:
            return scripted.acknowledge(event)
        self._kept.append(event)
        return ()


def full_queue(connection: Any) -> None:
    """Send audio until the queue is full."""
    connection._server.transport.stall()
    while True:
        connection.append_input_audio(bytes(48_000))


def full_of_commands(connection: Any) -> None:
    """Send commands until the queue is full."""
    connection._server.transport.stall()
    while True:
        connection.send({"type": "x.large", "payload": "x" * 50_000})


def no_capacity(connection: Any) -> None:
    """Wait for a rate limit that is used up."""
    limit = {"name": "tokens", "limit": 10, "remaining": 0, "reset_seconds": LONG}
    event = {"type": "rate_limits.updated", "event_id": "e", "rate_limits": [limit]}
    connection._server.transport.feed(event)
    while not connection.rate_limits:
        connection.recv(LONG)
    connection.wait_for_capacity(timeout=2 * LONG)


def unsent(connection: Any) -> None:
    """Wait for audio to be sent."""
    connection._server.transport.stall()
    connection.append_input_audio(bytes(4800))
    connection.flush(LONG)


def stream(connection: Any) -> Any:
    """Return the stream of a response that the server has not begun."""
    return connection._responses.expect("token")


AUDIO = [bytes(4800)] * 600  # a minute

BLOCKING: dict[str, Callable[[Any], object]] = {
    "append_audio": lambda c: c.append_audio(AUDIO, pace="realtime"),
    "append_input_audio": full_queue,
    "ask": lambda c: c.ask("Hello?", timeout=LONG),
    "clear_input_audio": lambda c: c.clear_input_audio(timeout=LONG),
    "commit_input_audio": lambda c: c.commit_input_audio(timeout=LONG),
    "create_item": lambda c: c.create_item(scripted.message(), timeout=LONG),
    "create_response": lambda c: c.create_response(timeout=LONG).result(LONG),
    "delete_item": lambda c: c.delete_item("item_1", timeout=LONG),
    "events": lambda c: next(c.events(ServerEvent, timeout=LONG)),
    "flush": unsent,
    "function": lambda c: c.function(lambda city: "fine", name="weather"),
    "recv": lambda c: [c.recv(LONG) for _ in range(100)],
    "responses": lambda c: next(iter(c.responses(LONG))),
    "restore": lambda c: c.restore(
        {"version": 1, "items": [{"item": {"id": "again", **scripted.message()}}]},
        timeout=LONG,
    ),
    "retrieve_item": lambda c: c.retrieve_item("item_1", timeout=LONG),
    "send": full_of_commands,
    "truncate_item": lambda c: c.truncate_item("i", audio_end_ms=0, timeout=LONG),
    "update_session": lambda c: c.update_session({}, timeout=LONG),
    "use_functions": lambda c: c.use_functions([scripted.refusal]),
    "wait_closed": lambda c: c.wait_closed(LONG),
    "wait_for": lambda c: c.wait_for(ResponseOutputTextDelta, timeout=LONG),
    "wait_for_capacity": no_capacity,
    "ResponseStream.audio": lambda c: next(stream(c).audio(LONG)),
    "ResponseStream.events": lambda c: next(stream(c).events(LONG)),
    "ResponseStream.items": lambda c: next(stream(c).items(LONG)),
    "ResponseStream.result": lambda c: stream(c).result(LONG),
    "ResponseStream.text": lambda c: next(stream(c).text(LONG)),
    "ResponseStream.transcript": lambda c: next(stream(c).transcript(LONG)),
    "ResponseStream.wait": lambda c: stream(c).wait(LONG),
    "ResponseStream.wait_created": lambda c: stream(c).wait_created(LONG),
    "Conversation.transcript": lambda c: c.conversation.transcript("item_1", LONG),
    "Playback.audio": lambda c: next(iter(c.playback.audio(timeout=LONG))),
}


# These wait for nothing, and CPython makes a SystemError of Ctrl-C amid a signature.
COMPUTING = {"function", "use_functions"}


@pytest.fixture(name="ctrl_c")
def _ctrl_c() -> Iterator[Callable[[], None]]:
    """Return what presses Ctrl-C in a moment, as far as this thread can tell."""
    with interrupting() as interrupts:
        yield lambda: interrupts.press(AFTER)


def test_no_call_is_missing() -> None:
    """Whatever takes a timeout is tried."""
    blocking = {
        str(call).removeprefix("RealtimeConnection.")
        for call in ALL
        if callable(member := getattr(call.cls, call.name))
        and "timeout" in inspect.signature(member).parameters
    }

    assert set() == blocking - set(BLOCKING)


@pytest.mark.parametrize("name", BLOCKING)
def test_interrupted(name: str, ctrl_c: Callable[[], None]) -> None:
    """Ctrl-C ends the call, and the next command is none the worse for it."""
    server = Server()
    with scripted.connect(server.transport, max_queue=100_000) as connection:
        connection.create_item(scripted.message("item_1"), timeout=SOON)
        connection._server = server  # type: ignore[attr-defined]
        server.fall_silent()
        ctrl_c()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            BLOCKING[name](connection)
        took = time.monotonic() - began
        server.transport.resume()
        server.answer()

        assert took < SOON
        connection.clear_input_audio(timeout=SOON)
        assert connection.create_item(scripted.message("item_2"), timeout=SOON).id
        assert not connection.closed


def test_interrupted_while_connecting(ctrl_c: Callable[[], None]) -> None:
    """Ctrl-C ends connecting, and nothing is left behind."""
    with serve(Peer.wait_eof) as server:
        client = RealtimeClient(server.url, "key", model="m", proxy="")
        ctrl_c()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.connect()

    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("tls", [False, True])
def test_interrupted_while_connecting_at_any_moment(tls: bool) -> None:
    """Wherever Ctrl-C comes, the server sees each session end, and nothing is left."""
    with RealtimeEmulator(tls=tls) as emulator, interrupting() as interrupts:
        client = RealtimeClient(
            emulator.endpoint,
            "key",
            model="m",
            proxy="",
            ssl_context=emulator.ssl_context(),
        )
        # Python 3.10 keeps its lock for ever if Ctrl-C comes amid the first import.
        client.connect().close()
        for number in range(1, CONNECTS + 1):
            interrupts.survive(lambda: client.connect().close(), number * 2e-4)
        gc.collect()  # a connection that nobody was given

        assert CONNECTS == interrupts.count
        for session in emulator.sessions:
            session.wait_closed(SOON)


def test_interrupted_between_tries(ctrl_c: Callable[[], None]) -> None:
    """Ctrl-C ends the pause between two tries."""
    from realtime_sync import HandshakeError, ReconnectPolicy

    failure = HandshakeError(503, retry_after=LONG)
    client = RealtimeClient(
        "ws://127.0.0.1:9",
        "key",
        model="m",
        reconnect=ReconnectPolicy(),
        make_transport=lambda: FakeTransport(failure=failure),
    )
    ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        client.connect()


def test_interrupted_while_closing(ctrl_c: Callable[[], None]) -> None:
    """Ctrl-C ends closing, which goes on by itself and can be called again."""
    transport = FakeTransport(scripted.created(), answers=False)
    connection = scripted.connect(transport, close_timeout=1.0)
    ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        connection.close()
    with contextlib.suppress(TimeoutError):
        connection.close()

    assert connection.closed


@pytest.mark.parametrize("name", sorted(set(BLOCKING) - COMPUTING))
def test_interrupted_at_any_moment(name: str) -> None:
    """Wherever Ctrl-C comes, all that could be done before can be done after it."""
    server = Server()
    with (
        scripted.connect(server.transport, max_queue=100_000) as connection,
        interrupting() as interrupts,
    ):
        connection._server = server  # type: ignore[attr-defined]
        for number in range(ROUNDS):
            server.fall_silent()
            interrupts.survive(lambda: BLOCKING[name](connection))
            server.transport.resume()
            server.answer()
            connection.clear_input_audio(timeout=SOON)
            item = scripted.message(f"item {number}")
            assert connection.create_item(item, timeout=SOON).id
            connection.create_response(timeout=SOON, when_busy="wait").result(SOON)
            connection.flush(SOON)

        assert ROUNDS == interrupts.count
