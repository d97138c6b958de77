"""Ctrl-C at any moment of sending leaves a connection that works."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from scripted import WAIT

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync.emulator import RealtimeEmulator


pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no timer signals"
)

ROUNDS = 80

# No events: the lock of one may be held where the signal strikes.
_ctrl_c = SimpleNamespace(armed=False, came=False)


@pytest.fixture(name="emulator", params=[False, True], ids=["ws", "wss"])
def _emulator(request: pytest.FixtureRequest) -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(tls=request.param) as emulator:
        yield emulator


# In a queue of a few messages, most of them wait for space.
@pytest.fixture(name="connection", params=[1024 * 1024, 3000], ids=["roomy", "full"])
def _connection(
    request: pytest.FixtureRequest, emulator: RealtimeEmulator
) -> Iterator[RealtimeConnection]:
    client = RealtimeClient(
        emulator.endpoint,
        "key",
        model="m",
        max_queue=request.param,
        proxy="",
        ssl_context=emulator.ssl_context(),
        session={"audio": {"input": {"turn_detection": None}}},
    )
    with client.connect() as connection:
        yield connection


@pytest.fixture(name="interrupts")
def _interrupts() -> Iterator[None]:
    """Ctrl-C, again and again, as the timer of each round says."""

    def interrupt(number: int, frame: object) -> None:
        if not _ctrl_c.armed:  # the kernel may deliver it late, by another thread
            return
        _ctrl_c.armed = False
        _ctrl_c.came = True
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    yield
    _ctrl_c.armed = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


# Audio in a burst goes by the writer thread, other commands mostly by the caller's own.
MESSAGES: dict[str, dict[str, Any]] = {
    "audio": {"type": "input_audio_buffer.append", "audio": "AAAA" * 100},
    "command": {"type": "session.update", "session": {"type": "realtime"}},
}


def send_until_interrupted(
    connection: RealtimeConnection, kind: str, after: float, first: int
) -> int:
    """Send numbered messages until Ctrl-C comes; return how many were sent for sure."""
    number = first
    _ctrl_c.came = False

    def send_on() -> None:
        nonlocal number
        _ctrl_c.armed = True
        signal.setitimer(signal.ITIMER_REAL, after)
        while not _ctrl_c.came:  # Python drops what is raised while it cleans up
            connection.send({**MESSAGES[kind], "event_id": str(number)})
            number += 1

    # Not in here: Python 3.13 has a loop's way back outside of the `try` around it.
    try:
        try:
            send_on()
        finally:
            _ctrl_c.armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:  # also when it comes amid the last step
        pass
    return number - first


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", MESSAGES)
def test_sending(
    emulator: RealtimeEmulator,
    connection: RealtimeConnection,
    interrupts: None,
    kind: str,
) -> None:
    """What was sent around Ctrl-C arrives whole, once and in order."""
    sent: list[int] = []
    first = 0
    for number in range(ROUNDS):
        after = 0.001 + number % 50 * 2e-5
        count = send_until_interrupted(connection, kind, after, first)
        sent += range(first, first + count)
        first += count + 2  # one was interrupted, perhaps before or after it was sent
    connection.flush(WAIT)
    connection.clear_input_audio(timeout=WAIT)

    record = emulator.sessions[0]
    numbers = [event.event_id for event in record.client_events]
    got = [int(number) for number in numbers if number and number.isdigit()]
    assert sorted(set(got)) == got
    assert set() == set(sent) - set(got)
    assert not [event for event in record.server_events if event.type == "error"]
