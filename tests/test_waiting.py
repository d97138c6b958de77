"""How threads wait for each other, and what Ctrl-C does to it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from interrupts import Interrupts, interrupting, needs_timer
from sleepers import await_sleepers

from realtime_sync._waiting import Condition, Flag, start_thread


WAIT = 60.0  # seconds that a correct run never needs
INTERRUPTS = 2000


@pytest.fixture(name="changed")
def _changed() -> Condition:
    return Condition()


@pytest.fixture(name="pool")
def _pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


class TornThread(threading.Thread):
    """Its start is interrupted in the clean-up of threading's own condition."""

    def start(self) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")


def test_interrupted_start() -> None:
    """Ctrl-C while a thread is started is no other error."""
    with pytest.raises(KeyboardInterrupt):
        start_thread(TornThread())


def test_started_twice() -> None:
    """What is wrong with a start is told as ever."""
    thread = threading.Thread()
    start_thread(thread)
    thread.join(WAIT)
    with pytest.raises(RuntimeError, match="once"):
        start_thread(thread)


class TestCondition:
    def test_holds_already(self, changed: Condition) -> None:
        """A predicate that holds needs no waiting, whatever the timeout."""
        assert changed.wait_for(lambda: True, 0.0)
        assert changed.wait_for(lambda: True)

    def test_time_is_over(self, changed: Condition) -> None:
        """A predicate that does not come to hold is False, and nothing is left."""
        assert not changed.wait_for(lambda: False, 0.001)
        assert not changed.lock.locked()
        assert not changed._sleepers

    @pytest.mark.parametrize("timeout", [None, math.inf, 1e12, WAIT])
    def test_notified(
        self, changed: Condition, pool: ThreadPoolExecutor, timeout: float | None
    ) -> None:
        """All who sleep look again, and those go on whose predicate holds."""
        state: list[int] = []

        def wait(count: int) -> Future[bool]:
            return pool.submit(changed.wait_for, lambda: len(state) >= count, timeout)

        first, again, second = wait(1), wait(1), wait(2)
        await_sleepers(changed, 3)
        with changed.lock:
            state.append(1)
            changed.notify_all()
        assert first.result(WAIT)
        assert again.result(WAIT)
        await_sleepers(changed, 1)
        assert not second.done()
        with changed.lock:
            state.append(2)
            changed.notify_all()
        assert second.result(WAIT)

    def test_predicate_has_the_lock(self, changed: Condition) -> None:
        """The predicate is asked with the lock, so that it may take what is there."""
        assert changed.wait_for(changed.lock.locked)
        assert not changed.lock.locked()

    def test_each_is_taken_once(
        self, changed: Condition, pool: ThreadPoolExecutor
    ) -> None:
        """What a predicate takes when it holds, no other one sees."""
        waiting: list[int] = []
        taken: list[int] = []

        def take() -> bool:
            if waiting:
                taken.append(waiting.pop())
                return True
            return False

        takers = [pool.submit(_repeat, changed, take, 250) for _ in range(4)]
        for number in range(1000):
            with changed.lock:
                waiting.append(number)
                changed.notify_all()

        assert all(each.result(WAIT) for each in takers)
        assert list(range(1000)) == sorted(taken)

    def test_predicate_raises(self, changed: Condition) -> None:
        """What a predicate raises ends the waiting."""

        def fail() -> bool:
            raise EOFError

        with pytest.raises(EOFError):
            changed.wait_for(fail)
        assert not changed.lock.locked()

    def test_shared_lock(self) -> None:
        """Two conditions of one lock have sleepers of their own."""
        lock = threading.Lock()
        first, second = Condition(lock), Condition(lock)
        with ThreadPoolExecutor(1) as pool:
            state: list[int] = []
            woken = pool.submit(first.wait_for, lambda: bool(state), WAIT)
            await_sleepers(first, 1)
            with lock:
                second.notify_all()
                assert 1 == len(first._sleepers)
                state.append(1)
                first.notify_all()
            assert woken.result(WAIT)


class TestFlag:
    def test_set(self, pool: ThreadPoolExecutor) -> None:
        """Setting it wakes all who wait; it stays set until it is cleared."""
        flag = Flag()
        woken = [pool.submit(flag.wait, WAIT) for _ in range(3)]
        await_sleepers(flag._changed, 3)
        assert not flag.is_set()
        flag.set()

        assert all(each.result(WAIT) for each in woken)
        assert flag.is_set()
        assert flag.wait()
        flag.clear()
        assert not flag.wait(0.001)


@needs_timer
class TestInterrupted:
    """Ctrl-C at any moment of the main thread's part."""

    @pytest.fixture(name="interrupts")
    def _interrupts(self) -> Iterator[Interrupts]:
        with interrupting() as interrupts:
            yield interrupts

    def test_waiting(self, changed: Condition, interrupts: Interrupts) -> None:
        """It comes out as what it is, and nobody has the lock."""
        over = threading.Event()

        def notify() -> None:
            while not over.wait(1e-5):
                with changed.lock:
                    changed.notify_all()

        with ThreadPoolExecutor(1) as pool:
            notifier = pool.submit(notify)
            try:
                for number in range(INTERRUPTS):
                    timeout = None if number % 2 else 1e-5
                    interrupts.survive(lambda t=timeout: changed.wait_for(_never, t))
                    with changed.lock:  # it would hang
                        changed.notify_all()
                    assert not changed._sleepers
            finally:
                over.set()
            notifier.result(WAIT)

        assert interrupts.count > INTERRUPTS / 2

    def test_notifying(self, changed: Condition, interrupts: Interrupts) -> None:
        """Whoever an interrupted notification did not wake is woken by the next."""
        over: list[bool] = []

        def notify() -> None:
            with changed.lock:
                changed.notify_all()

        with ThreadPoolExecutor(4) as pool:
            waiters = [
                pool.submit(changed.wait_for, lambda: bool(over), WAIT)
                for _ in range(4)
            ]
            for _ in range(INTERRUPTS):
                interrupts.survive(notify)
                assert changed.lock.acquire(timeout=WAIT)
                changed.lock.release()
            over.append(True)
            notify()
            assert all(each.result(WAIT) for each in waiters)

    def test_flag(self, interrupts: Interrupts) -> None:
        """Neither setting nor waiting leaves a flag that cannot be used."""
        flag = Flag()

        def use() -> None:
            flag.clear()
            flag.wait(1e-6)
            flag.set()
            flag.wait()

        for _ in range(INTERRUPTS):
            interrupts.survive(use)
        flag.set()
        assert flag.wait(WAIT)


def _never() -> bool:
    return False


def _repeat(condition: Condition, take: Callable[[], bool], times: int) -> bool:
    return all(condition.wait_for(take, WAIT) for _ in range(times))
