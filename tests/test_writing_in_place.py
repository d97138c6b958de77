"""A frame that nothing waits before: it is written by the thread that puts it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from servers import PATIENCE, Peer, serve

from realtime_sync._send_queue import Lane, SendQueue
from realtime_sync.errors import ConnectionClosedOK
from realtime_sync.transport import TEXT, ConnectRequest, Frame, WebSocketTransport


FIRST, SECOND = (TEXT, b"first"), (TEXT, b"second")
LARGE = 4 << 20  # bytes, more than the buffers of a socket hold


class Line:
    """What a producer writes to: notes the frames, and takes them all or none."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.frames: list[Frame] = []
        self.threads: set[int] = set()

    def write_now(self, frame: Frame) -> bool:
        self.threads.add(threading.get_ident())
        self.frames.append(frame)
        return self.takes


class WatchedCondition(threading.Condition):
    """Tells when somebody waits; as it does so with the lock held, nothing slips by."""

    def __init__(self, lock: threading.Lock) -> None:
        super().__init__(lock)
        self.waiting = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waiting.set()
        return super().wait(timeout)


@pytest.fixture(name="queue")
def _queue() -> SendQueue:
    return SendQueue(max_bytes=1000)


@pytest.fixture(name="pool")
def _pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def await_writer(queue: SendQueue, pool: ThreadPoolExecutor) -> Future[object]:
    """Let a writer wait in `take()`; return what it is going to take."""
    queue._work = condition = WatchedCondition(queue._lock)
    taken: Future[object] = pool.submit(queue.take, PATIENCE)
    assert condition.waiting.wait(PATIENCE)
    return taken


def closed() -> ConnectionClosedOK:
    return ConnectionClosedOK(1000, initiated_by="client")


def test_producer_writes(queue: SendQueue, pool: ThreadPoolExecutor) -> None:
    """While the writer waits, a frame is written when `put()` returns."""
    line = Line()
    queue.write_now = line.write_now
    taken = await_writer(queue, pool)
    queue.put(FIRST)
    queue.put(SECOND)

    assert [FIRST, SECOND] == line.frames
    assert {threading.get_ident()} == line.threads
    assert 0 == len(queue) == queue.size
    queue.close(closed)
    assert taken.result(PATIENCE) is None


def test_writer_goes_on(queue: SendQueue, pool: ThreadPoolExecutor) -> None:
    """A frame that did not leave at once is what the writer takes next."""
    line = Line(takes=False)
    queue.write_now = line.write_now
    taken = await_writer(queue, pool)
    queue.put(FIRST)

    assert [FIRST] == taken.result(PATIENCE)
    assert 0 == queue.size


def test_order_behind_a_producer(queue: SendQueue, pool: ThreadPoolExecutor) -> None:
    """What is put while a producer writes waits until that has ended."""
    frames: list[Frame] = []

    def write_now(frame: Frame) -> bool:
        pool.submit(queue.put, SECOND).result(PATIENCE)
        frames.append(frame)
        return True

    queue.write_now = write_now
    taken = await_writer(queue, pool)
    queue.put(FIRST)

    assert [SECOND] == taken.result(PATIENCE)
    assert [FIRST] == frames


def test_recordings_go_in_batches(queue: SendQueue, pool: ThreadPoolExecutor) -> None:
    """Audio that comes faster than anybody speaks is left to the writer."""
    line = Line()
    queue.write_now = line.write_now
    queue._audio_at = float("inf")  # just now, however slow this machine is
    taken = await_writer(queue, pool)
    queue.put(FIRST, Lane.AUDIO)

    assert [FIRST] == taken.result(PATIENCE)
    assert [] == line.frames


def test_closed_while_a_producer_writes(
    queue: SendQueue, pool: ThreadPoolExecutor
) -> None:
    """The writer learns of the end once the producer has left its place."""

    def write_now(frame: Frame) -> bool:
        queue.close(closed)
        return False

    queue.write_now = write_now
    taken = await_writer(queue, pool)
    queue.put(FIRST)

    assert taken.result(PATIENCE) is None
    assert 0 == len(queue)


def test_slow_network(pool: ThreadPoolExecutor) -> None:
    """A frame of which half has left is finished by `send()`, before any other one."""
    read_on, all_read = threading.Event(), threading.Event()
    messages: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        assert read_on.wait(PATIENCE)
        messages.extend(peer.read_frame()[1] for _ in range(3))
        all_read.set()

    large = (TEXT, bytes(LARGE))
    with serve(script) as server:
        transport = WebSocketTransport()
        transport.connect(ConnectRequest(url=server.url, timeout=PATIENCE))
        transport._line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        left = [transport.try_send(frame) for frame in (FIRST, large, SECOND)]
        read_on.set()
        transport.send([large, SECOND], PATIENCE)
        assert all_read.wait(PATIENCE)
        transport.release()

    assert [True, False, False] == left
    assert [FIRST[1], large[1], SECOND[1]] == messages


def test_unusable_transport() -> None:
    """A transport that is not open takes nothing, and `send()` tells why."""
    transport = WebSocketTransport()

    assert not transport.try_send(FIRST)
    with pytest.raises(RuntimeError, match="connect"):
        transport.send([FIRST])
