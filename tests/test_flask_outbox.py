"""What waits for a browser, and what an interruption takes away at the last moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest


pytest.importorskip("flask")
pytest.importorskip("wsproto")

from wsproto.events import CloseConnection

from realtime_sync.flask._codes import CloseCode
from realtime_sync.flask._outbox import Outbox


WAIT = 10.0  # seconds that a correct run never needs


class Socket:
    """A browser that reads."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.said = threading.Event()

    def send(self, frame: Any) -> None:
        self.sent.append(frame)
        if frame == "words":
            self.said.set()


def test_speech_taken_away_as_it_is_about_to_be_sent() -> None:
    """It does not end the thread that sends, which has words to send after it."""
    socket = Socket()
    outbox = Outbox(socket, limit=1000, name="outbox")  # type: ignore[arg-type]
    interrupted = threading.Event()
    changed = outbox._changed
    wait_for = changed.wait_for

    def wait_and_be_interrupted(predicate: Callable[[], bool]) -> bool:
        found = wait_for(predicate)
        outbox.drop_speech()
        interrupted.set()
        return found

    changed.wait_for = wait_and_be_interrupted  # type: ignore[method-assign, assignment]
    outbox.put_frame("first")  # the wait that had begun
    outbox.put_frame("speech", speech=True)
    assert interrupted.wait(WAIT)
    outbox.put_frame("words")

    assert socket.said.wait(WAIT)
    assert outbox.finish(CloseCode.GOING_AWAY, "", WAIT)
    assert isinstance(socket.sent[-1], CloseConnection)


def test_what_waits_is_measured_in_bytes() -> None:
    """Text that is no ASCII takes what it takes on the wire."""

    class Stuck(Socket):
        """A browser that reads nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.tries, self.reads = threading.Event(), threading.Event()

        def send(self, frame: Any) -> None:
            self.tries.set()
            self.reads.wait(WAIT)

    socket = Stuck()
    outbox = Outbox(socket, limit=10, name="outbox")  # type: ignore[arg-type]
    outbox.put_frame("first")
    assert socket.tries.wait(WAIT)
    found = []
    for text in ("ü" * 5, "x"):
        outbox.put_frame(text)
        found.append(outbox.overflown)
    socket.reads.set()
    outbox.finish(CloseCode.TOO_SLOW, "", WAIT)

    assert [False, True] == found
