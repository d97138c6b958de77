"""Ctrl-C at any moment of sending leaves a connection that works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from interrupts import Interrupts, interrupting, needs_timer
from scripted import WAIT

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync.emulator import RealtimeEmulator


pytestmark = needs_timer

ROUNDS = 80


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
def _interrupts() -> Iterator[Interrupts]:
    with interrupting() as interrupts:
        yield interrupts


# Audio in a burst goes by the writer thread, other commands mostly by the caller's own.
MESSAGES: dict[str, dict[str, Any]] = {
    "audio": {"type": "input_audio_buffer.append", "audio": "AAAA" * 100},
    "command": {"type": "session.update", "session": {"type": "realtime"}},
}


class Numbered:
    """
    Sends messages with numbers.

    Attributes:
        number: Of the next one.
        sent: Those that were sent for sure.
    """

    def __init__(self, connection: RealtimeConnection, kind: str) -> None:
        self._connection = connection
        self._message = MESSAGES[kind]
        self.number = 0
        self.sent: list[int] = []

    def send(self) -> None:
        """Send the next one, which has a number of its own also when that fails."""
        number = self.number
        self.number += 1
        self._connection.send({**self._message, "event_id": str(number)})
        self.sent.append(number)


@pytest.mark.parametrize("kind", MESSAGES)
def test_sending(
    emulator: RealtimeEmulator,
    connection: RealtimeConnection,
    interrupts: Interrupts,
    kind: str,
) -> None:
    """What was sent around Ctrl-C arrives whole, once and in order."""
    numbered = Numbered(connection, kind)
    for number in range(ROUNDS):
        interrupts.survive(numbered.send, 0.001 + number % 50 * 2e-5)
    connection.flush(WAIT)
    connection.clear_input_audio(timeout=WAIT)

    record = emulator.sessions[0]
    numbers = [event.event_id for event in record.client_events]
    got = [int(number) for number in numbers if number and number.isdigit()]
    assert sorted(set(got)) == got
    assert set() == set(numbered.sent) - set(got)
    assert not [event for event in record.server_events if event.type == "error"]
