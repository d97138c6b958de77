"""Ctrl-C while the main thread sends: nothing is torn, doubled or out of order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from interrupts import Interrupts, interrupting, needs_timer
from servers import PATIENCE, Peer, serve, tls_contexts

from realtime_sync.transport import (
    BINARY,
    CLOSE,
    ConnectRequest,
    Frame,
    WebSocketTransport,
    close_payload,
)


pytestmark = needs_timer

INTERRUPTS = 1500


@pytest.fixture(name="interrupts")
def _interrupts() -> Iterator[Interrupts]:
    with interrupting() as interrupts:
        yield interrupts


def payload(number: int) -> bytes:
    """Return what frame *number* holds: its number, many times or few."""
    times = 3000 if number % 50 == 0 else number % 200
    return b"%d " % number * (times + 1)


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


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_nothing_is_taken(interrupts: Interrupts, scheme: str) -> None:
    """A send that fails as the network takes nothing leaves no lock behind."""
    server_context, client_context = tls_contexts() if scheme == "wss" else (None, None)
    over = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        over.wait(PATIENCE)

    with serve(script, server_context) as server:
        transport = WebSocketTransport()
        transport.connect(ConnectRequest(url=server.url, ssl_context=client_context))
        try:
            while transport.try_send([(BINARY, bytes(100_000))]):
                pass
            for _ in range(INTERRUPTS):
                interrupts.survive(lambda: transport.try_send(()))
                if scheme == "wss":  # else it would hang, for as long as it is let
                    assert not transport._stream._lock.locked()  # type: ignore[attr-defined]
        finally:
            over.set()
            transport.abort()
            transport.release()
