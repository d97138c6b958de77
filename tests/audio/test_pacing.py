"""Audio in real time, by a clock that the test turns."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync.audio import paced


class Clock:
    """A clock that waiting turns forward, and that writes down for how long."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds, 6))
        self.now += seconds
        return False


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


def test_waits_for_what_was_heard(clock: Clock) -> None:
    """The first chunk comes at once, each other when those before it were heard."""
    chunks = [bytes(4_800), bytes(9_600), bytes(4_800)]

    times = [
        round(clock.now - 1_000, 6) for _ in paced(chunks, clock=clock, wait=clock.wait)
    ]

    assert [0, 0.1, 0.3] == times


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"speed": 10}, 0.01),
        ({"rate": 8_000, "bytes_per_sample": 1}, 0.6),
        ({"rate": 48_000}, 0.05),
    ],
)
def test_knows_the_format(
    clock: Clock, options: dict[str, float], expected: float
) -> None:
    """How long a chunk is depends on its rate, its samples and the speed."""
    chunks = [bytes(4_800)] * 2
    list(paced(chunks, clock=clock, wait=clock.wait, **options))  # type: ignore[arg-type]

    assert [expected] == clock.waits


def test_does_not_drift(clock: Clock) -> None:
    """Time lost in between is made up for, so that an hour takes an hour."""

    def source() -> Iterator[bytes]:
        for _ in range(36_000):
            clock.now += 0.003
            yield bytes(4_800)

    for _ in paced(source(), clock=clock, wait=clock.wait):
        clock.now += 0.005

    assert pytest.approx(3_600, abs=0.1) == clock.now - 1_000


def test_catches_up(clock: Clock) -> None:
    """Who falls behind gets the next chunks without a wait."""
    chunks = paced([bytes(4_800)] * 5, clock=clock, wait=clock.wait)
    next(chunks)
    clock.now += 0.35

    rest = list(chunks)

    assert 4 == len(rest)
    assert [0.05] == clock.waits


def test_the_time_of_the_first_chunk_does_not_count(clock: Clock) -> None:
    """The clock starts with the first chunk, however long it takes to come."""

    def slow() -> Iterator[bytes]:
        clock.now += 60
        yield bytes(4_800)
        yield bytes(4_800)

    list(paced(slow(), clock=clock, wait=clock.wait))

    assert [0.1] == clock.waits


def test_stops_within_a_wait() -> None:
    """Another thread ends a wait of an hour at once."""
    stop = threading.Event()
    hour = bytes(480)
    started = threading.Event()
    got: list[bytes] = []

    def consume() -> None:
        for chunk in paced([hour, hour], rate=1, speed=0.1, stop=stop):
            got.append(chunk)
            started.set()

    thread = threading.Thread(target=consume)
    thread.start()
    assert started.wait(5)
    stop.set()
    thread.join(5)

    assert not thread.is_alive()
    assert [hour] == got


def test_stops_before_it_starts() -> None:
    """What is stopped already yields nothing."""
    stop = threading.Event()
    stop.set()

    assert [] == list(paced([b"ab"], stop=stop))


def test_uses_the_real_clock() -> None:
    """Without a clock of the test's, chunks take the time that they last."""
    start = time.monotonic()
    list(paced([bytes(480)] * 6))

    assert 0.05 <= time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"speed": 0}, "speed is a number above 0"),
        ({"speed": math.nan}, "speed is a number above 0, not nan"),
        ({"rate": 0}, "whole number of Hz above 0, not 0"),
        ({"bytes_per_sample": 0}, "bytes_per_sample is a whole number from 1"),
    ],
)
def test_refuses_no_speed(options: dict[str, Any], words: str) -> None:
    """Time that stands still is refused when it is asked for."""
    with pytest.raises(ValueError, match=words):
        paced([], **options)


def test_refuses_one_chunk() -> None:
    """Audio in one piece has no pieces to be paced."""
    with pytest.raises(TypeError, match=r"such as frames.*, not bytes"):
        paced(bytes(480))  # type: ignore[arg-type]
