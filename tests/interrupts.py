"""Ctrl-C at chosen moments, wherever the main thread is; for tests."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import pkgutil
import random
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

import realtime_sync


__all__ = ["Interrupts", "interrupting", "needs_timer"]

LONGEST = 0.0004  # seconds until one, which is some twenty steps of most work

# Seconds until the next one: Python drops what is raised while it cleans up.
AGAIN = 2.0

needs_timer = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no timer signals"
)


class Interrupts:
    """
    Raises `KeyboardInterrupt` while the main thread works.

    Attributes:
        count: How many were raised.
    """

    # No events anywhere: the lock of one may be held where the signal strikes.

    def __init__(self) -> None:
        self.count = 0
        self._armed = False
        self._random = random.Random(3)

    def survive(self, work: Callable[[], object], after: float | None = None) -> None:
        """Repeat *work* until it is interrupted, *after* seconds or at random."""
        if after is None:
            after = self._random.uniform(1e-6, LONGEST)
        try:
            try:
                self._repeat(work, after)
            finally:
                self._armed = False
        except KeyboardInterrupt:  # also when it comes amid the last step
            self.count += 1

    def press(self, after: float) -> None:
        """Interrupt whatever is done *after* seconds."""
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, after)

    def _repeat(self, work: Callable[[], object], after: float) -> None:
        # Not in survive(): Python 3.12 has a loop's way back outside of the `try`.
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, after, AGAIN)
        while True:
            work()

    def strike(self, *_: object) -> None:
        """Be the handler of the signal, which the kernel may deliver late."""
        if self._armed:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interrupting() -> Iterator[Interrupts]:
    """Make signals of the timer interrupt what is to survive it."""
    _import_all()
    interrupts = Interrupts()
    before = signal.signal(signal.SIGALRM, interrupts.strike)
    hook = sys.unraisablehook
    # What Python drops is no warning here; and pytest would keep it, and all around it.
    sys.unraisablehook = _ignore
    try:
        yield interrupts
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.collect()  # a socket that nobody got yet is closed with a warning
        sys.unraisablehook = hook


@functools.cache
def _import_all() -> None:
    """Let no import be interrupted: Python 3.10 keeps its locks for ever then."""
    names = ["websocket", "websockets.speedups", "numpy", "azure.core.exceptions"]
    for module in pkgutil.walk_packages(realtime_sync.__path__, "realtime_sync."):
        if not module.name.endswith("__main__"):
            names.append(module.name)
    for name in names:
        with contextlib.suppress(ImportError):  # of an extra
            importlib.import_module(name)


def _ignore(_: object) -> None:
    """Take no note of an exception that nobody can be told of."""
