"""Ctrl-C while the main thread sends: nothing is torn, doubled or out of order."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from servers import PATIENCE, Peer, serve, tls_contexts

from realtime_sync.transport import (
    BINARY,
    CLOSE,
    ConnectRequest,
    Frame,
    WebSocketTransport,
    close_payload,
)


pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="the system has no timer for signals"
)

INTERRUPTS = 1500
LONGEST = 0.0004  # seconds until one, which is some twenty frames


class Interrupts:
    """
    Raises `KeyboardInterrupt` at random moments, wherever the main thread is.

    Attributes:
        count: How many were raised.
    """

    def __init__(self) -> None:
        self.count = 0
        self._armed = False
        self._random = random.Random(3)
        signal.signal(signal.SIGALRM, self._strike)

    def survive(self, work: Callable[[], None]) -> None:
        """Do *work* until it is interrupted."""
        try:
            self._repeat(work)
        except KeyboardInterrupt:
            self.count += 1
        finally:
            self._armed = False

    def _repeat(self, work: Callable[[], None]) -> None:
        # Not in survive(): Python 3.13 has a loop's way back outside of the `try`.
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, self._random.uniform(1e-6, LONGEST))
        while self._armed:  # Python drops what is raised while it cleans up
            work()

    def _strike(self, *_: object) -> None:
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt


@pytest.fixture(name="interrupts")
def _interrupts() -> Iterator[Interrupts]:
    before = signal.getsignal(signal.SIGALRM)
    yield Interrupts()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def payload(number: int) -> bytes:
    """Return what frame *number* holds: its number, many times or few."""
    times = 3000 if number % 50 == 0 else number % 200
    return b"%d " % number * (times + 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("waits", [True, False])
def test_interrupted(interrupts: Interrupts, scheme: str, waits: bool) -> None:
    """Each frame arrives whole and once, or not at all if its call was interrupted."""
    server_context, client_context = tls_contexts() if scheme == "wss" else (None, None)
    received: list[Frame] = []
    complete = threading.Event()
    begun: list[int] = []
    ended: list[int] = []

    def script(peer: Peer) -> None:
        peer.accept()
        while not received or received[-1][0] != CLOSE:
            received.append(peer.read_frame())
        complete.set()

    def send() -> None:
        begun.append(len(begun))
        frames = [(BINARY, payload(len(begun) - 1))]
        if waits:
            transport.send(frames, PATIENCE)
        elif not transport.try_send(frames):
            transport.send((), PATIENCE)
        ended.append(len(begun) - 1)

    with serve(script, server_context) as server:
        transport = WebSocketTransport()
        transport.connect(ConnectRequest(url=server.url, ssl_context=client_context))
        try:
            while interrupts.count < INTERRUPTS:
                interrupts.survive(send)
            transport.send([(CLOSE, close_payload(1000))], PATIENCE)
            assert complete.wait(PATIENCE)
        finally:
            transport.abort()
            transport.release()

    numbers = [int(data.split(b" ", 1)[0]) for _, data in received[:-1]]
    assert [(BINARY, payload(number)) for number in numbers] == received[:-1]
    assert sorted(set(numbers)) == numbers
    assert set(ended) <= set(numbers) <= set(begun)
