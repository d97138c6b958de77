"""What the parts of one session share: its time, its ids, its queue and its work."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import define, frozen

from ..protocol import (
    ServerEvent,
)
from ._clock import Clock
from .settings import EmulatorSettings


__all__ = ["Core", "Ending", "Timer", "Work"]

logger = logging.getLogger("realtime_sync.emulator")

T = TypeVar("T")


@frozen
class Ending:
    """How the service ends a session: the WebSocket's close code and its reason."""

    code: int
    reason: str


class Timer:
    """A call that is due later, unless it is cancelled."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Drop the call. Does nothing where it was made already."""
        self.call = None


@define(eq=False)
class Work(Generic[T]):
    """
    Something that takes long, to be done outside of the session.

    Attributes:
        task: What to run, on any thread.
        done: What the session makes of the result.
        failed: What the session makes of an exception.
    """

    task: Callable[[], T]
    done: Callable[[T], None]
    failed: Callable[[Exception], None]

    def run(self) -> Callable[[], None]:
        """Do the work, and return what remains to be called in the session."""
        try:
            result = self.task()
        except Exception as exc:
            failure = exc
            return lambda: self.failed(failure)
        return lambda: self.done(result)


class Core:
    """
    The shared base of a session's parts. Not thread-safe: a session is not.

    Args:
        settings: How the service behaves.
        clock: What time it is.
        new_id: Makes an id from its prefix.
        dialect: What the client speaks: ``"ga"`` or ``"preview"``.
    """

    def __init__(
        self,
        *,
        settings: EmulatorSettings,
        clock: Clock,
        new_id: Callable[[str], str],
        dialect: str = "ga",
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.new_id = new_id
        self.dialect = dialect
        self.ending: Ending | None = None
        self.work: list[Work[Any]] = []
        self._out: list[ServerEvent] = []
        self._schedule: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._moment: float | None = None  # at which the call that runs now was due

    def emit(self, event_class: type[ServerEvent], **fields: Any) -> None:
        """Queue an event of *event_class* for the client."""
        self._out.append(event_class(event_id=self.new_id("event"), **fields))

    def emit_event(self, event: ServerEvent) -> None:
        """Queue an event that is made already."""
        self._out.append(event)

    def take_events(self) -> list[ServerEvent]:
        """Return what is queued, and forget it."""
        events, self._out = self._out, []
        return events

    def take_work(self) -> list[Work[Any]]:
        """Return what is to be done outside, and forget it."""
        work, self.work = self.work, []
        return work

    def start_work(
        self,
        task: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Ask for *task* to be run outside, and for one of the others afterwards."""
        self.work.append(Work(task, done, failed))

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """
        Schedule *call*; with 0 seconds it comes after what was due before.

        Time counts from when the call that asks for it was due, if that was scheduled
        itself: what comes at a pace keeps it, however late each step is.
        """
        now = self.clock.now() if self._moment is None else self._moment
        return self.call_at(now + seconds, call)

    def call_at(self, due: float, call: Callable[[], None]) -> Timer:
        """Schedule *call* for a moment on the clock."""
        timer = Timer(call)
        heapq.heappush(self._schedule, (due, next(self._order), timer))
        return timer

    @property
    def next_due(self) -> float | None:
        """When something is due next, in seconds on the clock, or None."""
        schedule = self._schedule
        while schedule and schedule[0][2].call is None:
            heapq.heappop(schedule)
        return schedule[0][0] if schedule else None

    def run_due(self, limit: int = 32) -> None:
        """Make the calls that are due: at most *limit* of them, so that it ends."""
        now = self.clock.now()
        for _ in range(limit):
            due = self.next_due
            if due is None or due > now or self.ending is not None:
                return
            self._moment, _, timer = heapq.heappop(self._schedule)
            try:
                if timer.call is not None:
                    timer.call()
            finally:
                self._moment = None

    def end(self, code: int, reason: str) -> None:
        """End the session once what is queued was sent. The first ending counts."""
        if self.ending is None:
            self.ending = Ending(code, reason)
