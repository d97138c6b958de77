"""When the clock of the keepalive tells silence, and when it does not."""

from __future__ import annotations

import pytest

from realtime_sync._channel.keepalive import Heartbeat, Keepalive
from realtime_sync.transport import FakeTransport


INTERVAL, TIMEOUT = 3.0, 1.0
TRANSPORT = FakeTransport()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("realtime_sync._channel.keepalive.monotonic", clock)
    return clock


@pytest.fixture(name="heartbeat")
def _heartbeat(clock: Clock) -> Heartbeat:
    """One that has heard something just now, at 0."""
    return Heartbeat(Keepalive(interval=INTERVAL, timeout=TIMEOUT))


def listen_in_vain(heartbeat: Heartbeat, clock: Clock, longest: float = 60.0) -> str:
    """Listen as the reader does, *longest* at a time; return what is told at last."""
    while True:
        patience = heartbeat.listen()
        assert patience is not None
        clock.now += min(patience, longest)
        if silence := heartbeat.silence():
            return silence


def listen_until(heartbeat: Heartbeat, clock: Clock, at: float) -> None:
    """Listen, with nothing to tell yet."""
    assert heartbeat.listen() is not None
    clock.now = at
    assert heartbeat.silence() is None


def ping(heartbeat: Heartbeat, clock: Clock, at: float) -> None:
    clock.now = at
    assert heartbeat.ping_due()


@pytest.mark.parametrize("longest", [60.0, 0.25])
def test_unanswered_ping(heartbeat: Heartbeat, clock: Clock, longest: float) -> None:
    """It is told after interval and timeout, also to who listens in short turns."""
    ping(heartbeat, clock, 3.0)

    assert "nothing arrived for 1 s after a ping" == listen_in_vain(
        heartbeat, clock, longest
    )
    assert 4.0 == clock.now


@pytest.mark.parametrize(
    ("stuck_from", "told_at"), [(0.5, 4.0), (2.5, 4.0), (3.5, 4.5)]
)
@pytest.mark.parametrize("longest", [60.0, 0.25])
def test_stuck(
    heartbeat: Heartbeat,
    clock: Clock,
    stuck_from: float,
    told_at: float,
    longest: float,
) -> None:
    """What does not leave keeps a ping from leaving, which counts as sent then."""
    clock.now = stuck_from
    heartbeat.sending = TRANSPORT, stuck_from

    assert listen_in_vain(heartbeat, clock, longest).startswith(
        "nothing arrived for 4 s"
    )
    assert told_at == clock.now


def test_bytes_that_leave(heartbeat: Heartbeat, clock: Clock) -> None:
    """While the network takes bytes a ping could not be sent, nor be answered."""
    transport = FakeTransport()
    heartbeat.sending = transport, 0.5
    listen_until(heartbeat, clock, 3.9)
    transport.took_at = 3.9
    listen_until(heartbeat, clock, 4.8)
    listen_in_vain(heartbeat, clock)

    assert 4.9 == pytest.approx(clock.now)


def test_stuck_behind_a_ping(heartbeat: Heartbeat, clock: Clock) -> None:
    """What gets stuck behind a ping gives its answer no more time."""
    ping(heartbeat, clock, 3.0)
    listen_until(heartbeat, clock, 3.5)
    heartbeat.sending = TRANSPORT, 3.5
    listen_in_vain(heartbeat, clock)

    assert 4.0 == clock.now


def test_sent_after_all(heartbeat: Heartbeat, clock: Clock) -> None:
    """A ping that could leave late has its time from then on."""
    clock.now = 2.5
    heartbeat.sending = TRANSPORT, 2.5
    listen_until(heartbeat, clock, 3.5)
    heartbeat.sending = None
    ping(heartbeat, clock, 3.5)
    listen_in_vain(heartbeat, clock)

    assert 4.5 == clock.now


def test_whatever_arrives(heartbeat: Heartbeat, clock: Clock) -> None:
    """While anything arrives nothing is told, however long the sending takes."""
    heartbeat.sending = TRANSPORT, 0.0
    for clock.now in (2.0, 5.0, 8.0):
        assert heartbeat.listen()
        heartbeat.heard()
    listen_in_vain(heartbeat, clock)

    assert 12.0 == clock.now


@pytest.mark.parametrize("stuck", [False, True])
def test_busy(heartbeat: Heartbeat, clock: Clock, stuck: bool) -> None:
    """Only time in which the reader listens counts, from the ping on."""
    listen_until(heartbeat, clock, 2.5)
    if stuck:
        clock.now = 3.0
        heartbeat.sending = TRANSPORT, 3.0
    else:
        ping(heartbeat, clock, 3.0)
    for clock.now in (50.0, 100.0):  # it comes back, twice, and listens for a moment
        listen_until(heartbeat, clock, clock.now + 0.25)
    listen_in_vain(heartbeat, clock, 0.125)

    assert 100.75 == clock.now


def test_pinged_again(clock: Clock) -> None:
    """Another ping, before the answer to the first, gives no more time."""
    heartbeat = Heartbeat(Keepalive(interval=1.0, timeout=4.0))
    ping(heartbeat, clock, 1.0)
    clock.now = 3.0  # the reader was busy until then
    listen_until(heartbeat, clock, 5.0)
    ping(heartbeat, clock, 5.0)
    listen_in_vain(heartbeat, clock)

    assert 7.0 == clock.now


def test_late_answer(clock: Clock) -> None:
    """After a late answer the next ping is no later than an interval."""
    heartbeat = Heartbeat(Keepalive(interval=1.0, timeout=60.0))
    ping(heartbeat, clock, 1.0)
    ping(heartbeat, clock, 2.0)
    listen_until(heartbeat, clock, 2.5)
    heartbeat.heard()
    patience = heartbeat.until_due()

    assert 0.5 == patience
    ping(heartbeat, clock, 3.0)
    listen_in_vain(heartbeat, clock)
    assert 63.0 == clock.now


@pytest.mark.parametrize(
    ("interval", "timeout"), [(None, None), (None, 1.0), (1.0, None)]
)
def test_never(clock: Clock, interval: float | None, timeout: float | None) -> None:
    """Without an interval or a timeout nothing is ever told."""
    heartbeat = Heartbeat(Keepalive(interval=interval, timeout=timeout))
    heartbeat.sending = TRANSPORT, 0.0
    clock.now = 1e6

    assert heartbeat.listen() is None
    assert heartbeat.silence() is None


@pytest.mark.parametrize("timeout", [0.5, 3.0, None])
def test_pings(clock: Clock, timeout: float | None) -> None:
    """A ping is due at each interval, answered or not."""
    heartbeat = Heartbeat(Keepalive(interval=2.0, timeout=timeout))
    moments = []
    for _ in range(3):
        while not heartbeat.ping_due():
            clock.now += heartbeat.until_due() or 0.0
        moments.append(clock.now)

    assert [2.0, 4.0, 6.0] == moments
