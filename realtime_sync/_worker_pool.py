"""Threads that run jobs: made when they are needed, and not waited for at exit."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable

from ._deadline import Deadline
from ._waiting import Condition, start_thread


__all__ = ["WorkerPool"]


class WorkerPool:
    """
    A pool of threads, as `concurrent.futures` has one, with two differences.

    `close()` is bounded, and a job that never ends does not keep the process from
    ending: the functions of users may wait for ever, and a script has to end.

    Args:
        name: What the threads are called, before their number.
        max_workers: How many there may be; None for as many as there are jobs.
    """

    def __init__(self, name: str, max_workers: int | None = None) -> None:
        self._name = name
        self._max_workers = max_workers
        self._changed = Condition()
        self._jobs: collections.deque[Callable[[], None]] = collections.deque()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    def submit(self, job: Callable[[], None]) -> bool:
        """
        Run *job* on a thread, later if all are busy. Thread-safe.

        Args:
            job: Must not raise.

        Returns:
            False if the pool is closed: then the job is not run.
        """
        with self._changed.lock:
            if self._closed:
                return False
            self._jobs.append(job)
            self._changed.notify_all()
            thread = self._new_thread()
        if thread is not None:
            start_thread(thread)  # outside of the lock: it waits for the thread
        return True

    def _new_thread(self) -> threading.Thread | None:
        is_full = len(self._threads) == self._max_workers
        if is_full or len(self._jobs) <= self._idle:
            return None
        # Daemon, so that a job that never ends does not keep the process alive.
        thread = threading.Thread(
            target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True
        )
        self._threads.append(thread)
        return thread

    def close(self, timeout: float | None = None) -> bool:
        """
        Drop the jobs that have not begun, and wait for those that have.

        It is idempotent, and a job may call it: its own thread is not waited for.

        Args:
            timeout: Seconds to wait; None for no limit.

        Returns:
            Whether all threads have ended, save the caller's own.
        """
        with self._changed.lock:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()
            # Those that are not yet alive are started by `submit()`, and end at once.
            others = {*self._threads} - {threading.current_thread()}
        deadline = Deadline(timeout)
        try:
            for thread in others:
                if thread.is_alive():
                    thread.join(deadline.remaining())
        except TimeoutError:
            return False
        return not any(thread.is_alive() for thread in others)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job()
            del job  # while this thread is idle it must keep nothing alive

    def _next(self) -> Callable[[], None] | None:
        taken: list[Callable[[], None]] = []

        def take() -> bool:
            if self._jobs:
                self._idle -= 1
                taken.append(self._jobs.popleft())
            return bool(taken) or self._closed

        with self._changed.lock:
            self._idle += 1
        self._changed.wait_for(take)
        return taken[0] if taken else None
