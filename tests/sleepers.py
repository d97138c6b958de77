"""Tells when threads are asleep."""

from __future__ import annotations

import threading

from realtime_sync._waiting import Condition


WAIT = 60.0  # seconds that a correct run never needs


def await_sleepers(condition: Condition, count: int) -> None:
    """Return when so many threads are asleep."""
    give_up = threading.Event()
    timer = threading.Timer(WAIT, give_up.set)
    timer.start()
    while len(condition._sleepers) != count and not give_up.is_set():
        pass
    timer.cancel()
    assert len(condition._sleepers) == count
