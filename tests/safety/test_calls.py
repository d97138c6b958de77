"""Every public call, alone in each state of a connection, and with every other call."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import scripted
from calls import ALL, ARGUMENTS, Call, World, calls_of, public

from realtime_sync import (
    ConnectError,
    RealtimeClient,
    RealtimeConnection,
    ReconnectPolicy,
    TranscriptionConnection,
    TranslationConnection,
)
from realtime_sync._channel.channel import State
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator
from realtime_sync.transport import FakeTransport


PATIENCE = 20.0  # seconds after which a call hangs
PAIRS = 80  # of those that there are; `tests/long/pairs.py` tries them all
Opening = Callable[[contextlib.ExitStack], World]


@pytest.mark.parametrize("cls", ARGUMENTS, ids=lambda cls: cls.__name__)
def test_no_call_is_missing(cls: type) -> None:
    """What is public is tried."""
    methods = {name for name, is_method in public(cls) if is_method}

    assert set(ARGUMENTS[cls]) == methods


def attempt(call: Call, world: World) -> str | None:
    """Make a call; return what is wrong with how it ended, or None."""
    began = time.monotonic()
    try:
        call(world)
    except Exception as exc:
        if not call.allowed(exc):
            return f"{call}: {exc!r} is not documented"
        if not str(exc):
            return f"{call}: {exc!r} says nothing"
    took = time.monotonic() - began
    return f"{call}: took {took:.1f} s" if took > PATIENCE else None


# Each state. They are reached over a transport without a network, save for pairs.


def _fake(**settings: Any) -> FakeTransport:
    return FakeTransport(scripted.created(), reply=scripted.acknowledge, **settings)


def _world(
    stack: contextlib.ExitStack, transport: FakeTransport, **settings: Any
) -> World:
    settings = {"close_timeout": 0.2, **settings}
    connection = stack.enter_context(scripted.connect(transport, **settings))
    item = connection.create_item(scripted.message("item_1"), timeout=PATIENCE)
    return World(connection, connection.create_response(), item.id or "")


def is_open(stack: contextlib.ExitStack) -> World:
    """A connection that is as it should be."""
    return _world(stack, _fake())


def is_closing(stack: contextlib.ExitStack) -> World:
    """A connection whose close the server has not answered yet."""
    world = _world(stack, _fake(answers=False))
    world.connection._channel.begin_close(1000, "")
    assert world.connection._channel.state is State.CLOSING
    return world


def is_closed(stack: contextlib.ExitStack) -> World:
    """A connection that this side has closed."""
    world = _world(stack, _fake())
    world.connection.close()
    return world


def is_closed_by_server(stack: contextlib.ExitStack) -> World:
    """A connection that the server has closed."""
    transport = _fake()
    world = _world(stack, transport)
    transport.feed_close(1011, "oh no")
    assert world.connection.wait_closed(PATIENCE)
    return world


def is_broken(stack: contextlib.ExitStack) -> World:
    """A connection whose network broke."""
    transport = _fake()
    world = _world(stack, transport)
    transport.fail()
    assert world.connection.wait_closed(PATIENCE)
    return world


def is_reconnecting(stack: contextlib.ExitStack) -> World:
    """A connection that was lost, and will not come back in spite of several tries."""
    transports = [_fake()]
    lost = threading.Event()

    def make() -> FakeTransport:
        if transports:
            return transports.pop()
        lost.set()
        failure = ConnectError("nobody there")
        failure.__cause__ = ConnectionRefusedError()
        return FakeTransport(failure=failure)

    first = transports[0]
    policy = ReconnectPolicy(tries=3, first_delay=0.3, deadline=2.0)
    client = RealtimeClient(
        "ws://127.0.0.1:9",
        "key",
        model="m",
        make_transport=make,
        reconnect=policy,
        close_timeout=0.2,
    )
    connection = stack.enter_context(client.connect())
    item = connection.create_item(scripted.message("item_1"), timeout=PATIENCE)
    world = World(connection, connection.create_response(), item.id or "")
    first.fail()
    assert lost.wait(PATIENCE)
    return world


STATES: dict[str, Opening] = {
    "open": is_open,
    "closing": is_closing,
    "closed": is_closed,
    "closed by the server": is_closed_by_server,
    "broken": is_broken,
    "reconnecting": is_reconnecting,
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_each_call_in_each_state(state: str) -> None:
    """Each call ends in time, with a value or a documented exception."""

    def run(call: Call) -> str | None:
        with contextlib.ExitStack() as stack:
            return attempt(call, STATES[state](stack))

    with ThreadPoolExecutor(16) as pool:
        wrong = [each for each in pool.map(run, ALL) if each]

    assert [] == wrong


def test_each_call_in_a_callback() -> None:
    """Each call can be made in a callback, where it may have to read on by itself."""

    def run(call: Call) -> str | None:
        ended: list[str | None] = []
        done = threading.Event()
        with contextlib.ExitStack() as stack:
            transport = _fake()
            world = _world(stack, transport)

            def callback(event: object) -> None:
                ended.append(attempt(call, world))
                done.set()

            world.connection.once("x.now", callback)
            transport.feed({"type": "x.now", "event_id": "e"})
            if not done.wait(PATIENCE):
                return f"{call}: hangs in a callback"
        return ended[0]

    with ThreadPoolExecutor(16) as pool:
        wrong = [each for each in pool.map(run, ALL) if each]

    assert [] == wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_each_call_after_a_fork() -> None:
    """In a child each call ends at once, and none reaches the parent's server."""
    with contextlib.ExitStack() as stack:
        transport = _fake()
        world = _world(stack, transport)
        assert world.connection.playback is not None
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it has threads
            child = os.fork()
        if child == 0:  # pragma: no cover
            _report(writer, world)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)

        assert "done\n" == told
        world.connection.clear_input_audio(timeout=PATIENCE)


def _report(writer: int, world: World) -> None:  # pragma: no cover
    """Make every call, and write what is wrong; then end without any clean-up."""
    try:
        for call in ALL:
            # A call that hangs must not take the parent with it.
            wrong: list[str | None] = [f"{call}: hangs"]
            thread = threading.Thread(
                target=lambda wrong=wrong, call=call: wrong.__setitem__(
                    0, attempt(call, world)
                ),
                daemon=True,
            )
            thread.start()
            thread.join(2.0)
            if wrong[0]:
                os.write(writer, f"{wrong[0]}\n".encode())
        os.write(writer, b"done\n")
    finally:
        os._exit(0)


# Pairs, over a network


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant(record=False)
    with RealtimeEmulator(replies=lambda turn: "An answer.", settings=settings) as it:
        yield it


def try_pair(emulator: RealtimeEmulator, pair: tuple[Call, Call]) -> list[str]:
    """Make two calls at once on a connection; return what is wrong."""
    client = RealtimeClient(
        emulator.endpoint,
        "key",
        model="m",
        proxy="",
        reconnect=None,
        close_timeout=2.0,
        session={
            "output_modalities": ["text"],
            "audio": {"input": {"turn_detection": None}},
        },
    )
    with client.connect() as connection:
        item = connection.create_item(scripted.message(), timeout=PATIENCE)
        world = World(connection, connection.create_response(), item.id or "")
        start = threading.Barrier(2)

        def run(call: Call) -> str | None:
            start.wait(PATIENCE)
            return attempt(call, world)

        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(run, call) for call in pair]
            return [
                f"{pair[0]} and {pair[1]}: {wrong}"
                for wrong in (future.result(PATIENCE * 3) for future in futures)
                if wrong
            ]


def all_pairs() -> list[tuple[Call, Call]]:
    """Return every pair of public calls, those of a call with itself included."""
    return [(one, other) for at, one in enumerate(ALL) for other in ALL[at:]]


def test_pairs(emulator: RealtimeEmulator) -> None:
    """Two calls at once, whichever they are, both end as each of them may."""
    pairs = random.Random(5).sample(all_pairs(), PAIRS)
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda pair: try_pair(emulator, pair), pairs)
        wrong = [each for result in results for each in result]

    assert [] == wrong


@pytest.mark.parametrize("kind", ["transcription", "translation"])
def test_calls_of_other_sessions(kind: str, emulator: RealtimeEmulator) -> None:
    """The calls of the other kinds of session end as documented, open and closed."""
    client = RealtimeClient(
        emulator.endpoint, "key", model="m", proxy="", reconnect=None, close_timeout=2.0
    )
    cls: type[RealtimeConnection] = (
        TranscriptionConnection if kind == "transcription" else TranslationConnection  # type: ignore[assignment]
    )
    connect: Any = getattr(client, f"connect_{kind}")
    wrong = []
    with connect() as connection:
        ordered = sorted(calls_of(cls), key=lambda call: "close" in call.name)
        ordered.sort(key=lambda call: call.name in ("close", "__exit__"))
        for call in [*ordered, *ordered]:
            wrong.append(attempt(call, World(connection)))

    assert [] == [each for each in wrong if each]
