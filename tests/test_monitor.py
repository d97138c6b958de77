"""How a thread waits for state, and how the reader thread does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime_sync._channel.monitor import Monitor


WAIT = 60.0  # seconds that a correct run never needs


@pytest.fixture(name="monitor")
def _monitor() -> Monitor:
    return Monitor()


class TestAnyThread:
    def test_holds_already(self, monitor: Monitor) -> None:
        """A predicate that holds needs no waiting, whatever the timeout."""
        assert monitor.wait(monitor.condition(), lambda: True, 0.0)

    def test_time_is_over(self, monitor: Monitor) -> None:
        """A predicate that does not come to hold in time is False."""
        assert not monitor.wait(monitor.condition(), lambda: False, 0.001)
        assert not monitor.lock.locked()

    def test_notified(self, monitor: Monitor) -> None:
        """A waiter wakes when its condition is notified; others are not asked."""
        state: list[int] = []
        changed = monitor.condition()
        with ThreadPoolExecutor(1) as pool:
            woken = pool.submit(monitor.wait, changed, lambda: bool(state), WAIT)
            with monitor.lock:
                state.append(1)
                changed.notify_all()

            assert woken.result(WAIT)

    def test_predicate_holds_the_lock(self, monitor: Monitor) -> None:
        """The predicate is asked with the lock held."""
        assert monitor.wait(monitor.condition(), monitor.lock.locked, 0.0)


class TestReaderThread:
    def test_reads_on(self, monitor: Monitor) -> None:
        """On the reader thread a wait reads, without the lock, until it is over."""
        state: list[bool] = []
        monitor.bind_reader(lambda timeout: state.append(monitor.lock.locked()))

        assert monitor.on_reader_thread()
        assert monitor.wait(monitor.condition(), lambda: len(state) == 3, WAIT)
        assert [False] * 3 == state

    def test_time_is_over(self, monitor: Monitor) -> None:
        """Reading on ends with the timeout, if only just."""
        asked: list[float | None] = []

        def read_on(timeout: float | None) -> None:
            asked.append(timeout)
            raise TimeoutError

        monitor.bind_reader(read_on)

        assert not monitor.wait(monitor.condition(), lambda: False, 5.0)
        assert not monitor.wait(monitor.condition(), lambda: False, 0.0)
        assert 1 == len(asked)
        assert asked[0] is not None
        assert 0 < asked[0] <= 5.0

    def test_end_is_raised(self, monitor: Monitor) -> None:
        """What ends the reading is raised where it was waited."""

        def read_on(timeout: float | None) -> None:
            raise EOFError

        monitor.bind_reader(read_on)

        with pytest.raises(EOFError):
            monitor.wait(monitor.condition(), lambda: False, WAIT)

    def test_another_thread(self, monitor: Monitor) -> None:
        """Any other thread waits as ever, and so does a later one of the same id."""
        monitor.bind_reader(lambda timeout: None)
        with ThreadPoolExecutor(1) as pool:
            assert not pool.submit(monitor.on_reader_thread).result(WAIT)
        monitor.unbind_reader()

        assert not monitor.on_reader_thread()

    def test_read_on_for_a_moment(self, monitor: Monitor) -> None:
        """Nothing to read for a moment is no error."""

        def read_on(timeout: float | None) -> None:
            raise TimeoutError

        monitor.bind_reader(read_on)
        monitor.read_on(0.001)
