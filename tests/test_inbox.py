"""Events that wait for who asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from realtime_sync._channel.inbox import Backlog, Inbox
from realtime_sync._channel.monitor import Monitor
from realtime_sync._waiting import Condition
from realtime_sync.errors import ConnectionClosedError
from realtime_sync.protocol._model import ServerEvent
from realtime_sync.protocol.server_events import InputAudioBufferCleared, UnknownEvent


WAIT = 60.0  # seconds that a correct run never needs


def numbered(number: int) -> UnknownEvent:
    return UnknownEvent(payload={"type": "number", "n": number})


def broken() -> ConnectionClosedError:
    return ConnectionClosedError(1006, initiated_by="network")


def drain(inbox: Inbox) -> list[ServerEvent]:
    inbox.end(EOFError)
    events = []
    try:
        while True:
            events.append(inbox.take(0.0))
    except EOFError:
        return events


class MisleadingMonitor(Monitor):
    """Wakes whoever waits for nothing, *times* times, as a faster thread does."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []
        self._times = times

    def wait(
        self,
        condition: Condition,
        predicate: Callable[[], bool],
        timeout: float | None,
    ) -> bool:
        self.timeouts.append(timeout)
        return predicate() or len(self.timeouts) <= self._times


class SlowLock:
    """A lock; before its holder goes on behind it the first time, *then* happens."""

    def __init__(self, lock: threading.Lock, then: Callable[[], None]) -> None:
        self._lock = lock
        self._then: Callable[[], None] | None = then

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        then, self._then = self._then, None
        if then:
            then()


class TestInbox:
    def test_in_order(self) -> None:
        """Events are taken in the order in which they arrived."""
        inbox = Inbox(Monitor())
        for number in range(3):
            inbox.absorb(numbered(number))

        assert [numbered(number) for number in range(3)] == drain(inbox)

    def test_types(self) -> None:
        """Only the types that were asked for are kept."""
        inbox = Inbox(Monitor(), (InputAudioBufferCleared, "other"))
        other = UnknownEvent(payload={"type": "other"})
        for event in (numbered(1), other, InputAudioBufferCleared()):
            inbox.absorb(event)

        assert [other, InputAudioBufferCleared()] == drain(inbox)

    def test_accept(self) -> None:
        """A further condition is asked about the events of the right type only."""
        inbox = Inbox(
            Monitor(), (UnknownEvent,), lambda event: event.payload["n"] % 2 == 1
        )
        inbox.absorb(InputAudioBufferCleared())
        for number in range(4):
            inbox.absorb(numbered(number))

        assert [numbered(1), numbered(3)] == drain(inbox)

    def test_accept_raises(self) -> None:
        """A condition that raises does so where its owner waits, and nowhere else."""
        inbox = Inbox(Monitor(), accept=lambda event: 1 // 0 == 1)
        inbox.absorb(numbered(1))

        with pytest.raises(ZeroDivisionError):
            inbox.take(WAIT)

    @pytest.mark.parametrize(
        ("keys", "accept", "wanted"),
        [
            ((), None, "event"),
            ((InputAudioBufferCleared,), None, "InputAudioBufferCleared"),
            ((UnknownEvent, "new.type"), None, "UnknownEvent or new.type"),
            ((UnknownEvent,), bool, "such UnknownEvent"),
        ],
    )
    def test_timeout(self, keys: Any, accept: Any, wanted: str) -> None:
        """Nothing in time is a TimeoutError that says what, and how long it took."""
        with pytest.raises(TimeoutError) as caught:
            Inbox(Monitor(), keys, accept).take(0.001)
        assert f"no {wanted} arrived for 0.001 s" == str(caught.value)

    def test_one_timeout(self) -> None:
        """Who finds that another thread was faster waits for the rest of the time."""
        monitor = MisleadingMonitor(times=3)
        with pytest.raises(TimeoutError, match="for 60 s"):
            Inbox(monitor).take(WAIT)

        assert sorted({WAIT, *monitor.timeouts}, reverse=True)[1:] == monitor.timeouts
        assert 4 == len(monitor.timeouts)

    def test_event_with_the_end(self) -> None:
        """An event that comes with the end, while others are taken, is not skipped."""
        monitor = MisleadingMonitor(times=1)
        inbox = Inbox(monitor)

        def arrive() -> None:
            inbox.absorb(numbered(1))
            inbox.end(broken)

        monitor.lock = SlowLock(monitor.lock, arrive)  # type: ignore[assignment]

        assert numbered(1) == inbox.take(WAIT)
        with pytest.raises(ConnectionClosedError):
            inbox.take(WAIT)

    def test_end(self) -> None:
        """What arrived before the end is still taken, then the end is raised, again."""
        inbox = Inbox(Monitor())
        inbox.absorb(numbered(1))
        inbox.end(broken)

        assert numbered(1) == inbox.take(None)
        for _ in range(2):
            with pytest.raises(ConnectionClosedError):
                inbox.take(None)

    def test_end_wakes_everybody(self) -> None:
        """All who wait learn of the end."""
        inbox = Inbox(Monitor())
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(inbox.take, WAIT) for _ in range(3)]
            inbox.end(broken)
            errors = [each.exception(WAIT) for each in waiting]

        assert [ConnectionClosedError] * 3 == [type(error) for error in errors]

    def test_several_takers(self) -> None:
        """Each event goes to one of those who take, and none is lost."""
        inbox = Inbox(Monitor())
        with ThreadPoolExecutor(3) as pool:
            taken = [pool.submit(inbox.take, WAIT) for _ in range(300)]
            for number in range(300):
                inbox.absorb(numbered(number))
            numbers = {each.result(WAIT).payload["n"] for each in taken}  # type: ignore[attr-defined]

        assert set(range(300)) == numbers

    def test_limit(self) -> None:
        """When too many wait the oldest go, and whoever takes next is told how many."""
        inbox = Inbox(Monitor(), limit=3)
        for number in range(5):
            inbox.absorb(numbered(number))

        with pytest.raises(RuntimeError, match="2 events were dropped"):
            inbox.take(0.0)
        assert [numbered(number) for number in (2, 3, 4)] == drain(inbox)


class TestBacklog:
    def test_from_the_start(self) -> None:
        """The first events are kept for a script that begins to read later."""
        backlog = Backlog(Monitor())
        for number in range(200):
            backlog.absorb(numbered(number))

        assert numbered(0) == backlog.take(0.0)

    def test_not_for_ever(self) -> None:
        """When nobody reads nothing is kept; reading begins with what comes next."""
        backlog = Backlog(Monitor())
        for number in range(1000):
            backlog.absorb(numbered(number))

        assert backlog.idle
        with pytest.raises(TimeoutError):
            backlog.take(0.0)
        backlog.absorb(numbered(1000))
        assert numbered(1000) == backlog.take(0.0)

    def test_kept_once_read(self) -> None:
        """Who has begun to read misses nothing any more."""
        backlog = Backlog(Monitor())
        backlog.absorb(numbered(0))
        backlog.take(0.0)
        for number in range(1, 1000):
            backlog.absorb(numbered(number))

        assert [numbered(number) for number in range(1, 1000)] == drain(backlog)
