"""What leaves first, what is dropped, and who waits when there is no space."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime_sync._channel.lanes import Lane
from realtime_sync._channel.send_queue import SendQueue
from realtime_sync.errors import (
    ConnectionClosedError,
    ConnectionClosedOK,
    SendQueueFull,
)
from realtime_sync.transport import CLOSE, PONG, TEXT, Frame


WAIT = 60.0  # seconds that a correct run never needs


def closed() -> ConnectionClosedOK:
    return ConnectionClosedOK(1000, initiated_by="client")


def put(queue: SendQueue, text: str, lane: Lane = Lane.COMMAND) -> None:
    queue.put((TEXT, text.encode()), lane, WAIT)


def drain(queue: SendQueue) -> list[str]:
    """Take until nothing waits."""
    texts: list[str] = []
    while len(queue):
        texts += [payload.decode() for _, payload in queue.take() or ()]
    return texts


def await_frames(queue: SendQueue) -> Sequence[Frame] | None:
    """Take as the writer does."""
    queue.wait(WAIT)
    with queue.sending:
        return queue.take()


@pytest.fixture(name="queue")
def _queue() -> SendQueue:
    return SendQueue(max_bytes=1000)


class TestOrder:
    def test_producers_order(self, queue: SendQueue) -> None:
        """Frames leave in the order in which they were put."""
        put(queue, "a", Lane.AUDIO)
        put(queue, "b")
        put(queue, "c", Lane.COMMIT)

        assert ["a", "b", "c"] == drain(queue)

    def test_overtakes_trailing_audio_only(self, queue: SendQueue) -> None:
        """What must not wait overtakes the audio at the end, and no command."""
        put(queue, "audio 1", Lane.AUDIO)
        put(queue, "command")
        put(queue, "audio 2", Lane.AUDIO)
        put(queue, "audio 3", Lane.AUDIO)
        put(queue, "cancel", Lane.OVERTAKE)

        assert ["audio 1", "command", "cancel", "audio 2", "audio 3"] == drain(queue)

    def test_overtakers_keep_their_order(self, queue: SendQueue) -> None:
        """Two that overtake stay in the order in which they were put."""
        put(queue, "audio", Lane.AUDIO)
        put(queue, "cancel", Lane.OVERTAKE)
        put(queue, "truncate", Lane.OVERTAKE)

        assert ["cancel", "truncate", "audio"] == drain(queue)

    def test_does_not_overtake_a_commit(self, queue: SendQueue) -> None:
        """Audio that a commit has claimed is not overtaken."""
        put(queue, "audio", Lane.AUDIO)
        put(queue, "commit", Lane.COMMIT)
        put(queue, "cancel", Lane.OVERTAKE)

        assert ["audio", "commit", "cancel"] == drain(queue)

    def test_urgent_is_first(self, queue: SendQueue) -> None:
        """Pongs leave before everything else."""
        put(queue, "command")
        queue.put((PONG, b"pong"), Lane.URGENT)

        assert ["pong", "command"] == drain(queue)

    def test_batches(self) -> None:
        """The writer takes several frames at once, up to about the batch's size."""
        queue = SendQueue(max_bytes=1000, batch_bytes=4)
        for text in ("aaa", "bbb", "ccc"):
            put(queue, text)

        assert [(TEXT, b"aaa"), (TEXT, b"bbb")] == queue.take()
        assert [(TEXT, b"ccc")] == queue.take()


class TestClear:
    def test_drops_uncommitted_audio(self, queue: SendQueue) -> None:
        """Clearing the input buffer drops the audio queued since the last commit."""
        put(queue, "committed", Lane.AUDIO)
        put(queue, "commit", Lane.COMMIT)
        put(queue, "dropped 1", Lane.AUDIO)
        put(queue, "command")
        put(queue, "dropped 2", Lane.AUDIO)
        put(queue, "clear", Lane.CLEAR)
        size = queue.size

        assert ["committed", "commit", "command", "clear"] == drain(queue)
        assert len("committedcommitcommandclear") == size

    def test_makes_space(self) -> None:
        """A producer that waits for space goes on when audio is dropped."""
        queue = SendQueue(max_bytes=10)
        put(queue, "0123456789", Lane.AUDIO)
        with ThreadPoolExecutor(1) as pool:
            blocked = pool.submit(put, queue, "late")
            put(queue, "clear", Lane.CLEAR)
            blocked.result(WAIT)

        assert {"clear", "late"} == set(drain(queue))


class TestBound:
    def test_full(self) -> None:
        """A producer that finds no space in time gets SendQueueFull, with the sizes."""
        queue = SendQueue(max_bytes=10)
        put(queue, "12345678")

        with pytest.raises(SendQueueFull, match=r"8 of 10 bytes.* 0\.01 s"):
            queue.put((TEXT, b"123"), Lane.AUDIO, 0.01)
        assert 1 == len(queue)

    def test_never_a_plain_timeout(self) -> None:
        """However short the timeout, it is SendQueueFull that is raised."""
        queue = SendQueue(max_bytes=1)
        put(queue, "1")

        for nanoseconds in range(300):
            with pytest.raises(SendQueueFull):
                queue.put((TEXT, b"2"), Lane.AUDIO, nanoseconds * 1e-8)

    def test_larger_than_the_queue(self) -> None:
        """A frame that is larger than the queue goes in when that is empty."""
        queue = SendQueue(max_bytes=4)
        put(queue, "123456789")

        assert ["123456789"] == drain(queue)

    def test_blocks_until_taken(self) -> None:
        """A producer blocks while the queue is full, and goes on when it is not."""
        queue = SendQueue(max_bytes=4)
        put(queue, "1234")
        with ThreadPoolExecutor(1) as pool:
            blocked = pool.submit(put, queue, "5678")
            taken = [await_frames(queue), await_frames(queue)]
            blocked.result(WAIT)

        assert [[(TEXT, b"1234")], [(TEXT, b"5678")]] == taken
        assert 4 == queue.high_water

    @pytest.mark.parametrize("lane", [Lane.OVERTAKE, Lane.CLEAR, Lane.URGENT])
    def test_control_does_not_wait(self, lane: Lane) -> None:
        """Small frames that control what goes on need no space."""
        queue = SendQueue(max_bytes=1)
        put(queue, "1")

        queue.put((TEXT, b"control"), lane, 0.0)

        assert 2 == len(queue)

    def test_many_producers(self) -> None:
        """Frames of several producers all arrive, each producer's in order."""
        queue = SendQueue(max_bytes=50)
        taken: list[str] = []

        def produce(name: str) -> None:
            for number in range(200):
                put(queue, f"{name}{number}", Lane.AUDIO)

        with ThreadPoolExecutor(3) as pool:
            for name in "abc":
                pool.submit(produce, name)
            while len(taken) < 600:
                frames = await_frames(queue)
                assert frames
                taken += [payload.decode() for _, payload in frames]

        for name in "abc":
            expected = [f"{name}{number}" for number in range(200)]
            assert expected == [text for text in taken if text[0] == name]
        assert queue.high_water <= 50
        assert 0 == queue.size


class TestTake:
    def test_nothing(self, queue: SendQueue) -> None:
        """Nothing comes back when the time is over."""
        assert () == queue.take()

    def test_wake(self, queue: SendQueue) -> None:
        """The writer can be woken without a frame."""
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(await_frames, queue)
            while not taken.done():
                queue.wake()

        assert () == taken.result()

    def test_put_wakes(self, queue: SendQueue) -> None:
        """A frame wakes the writer that waits for one."""
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(await_frames, queue)
            put(queue, "a")

            assert [(TEXT, b"a")] == taken.result(WAIT)


class TestFlush:
    def test_set_after_the_next_take(self, queue: SendQueue) -> None:
        """A flush is over when what precedes it was written, not when it was taken."""
        put(queue, "a")
        mark = queue.flush_mark()
        put(queue, "b")

        assert [(TEXT, b"a")] == queue.take()
        assert not mark.is_set()
        assert [(TEXT, b"b")] == queue.take()
        assert mark.is_set()

    def test_of_an_empty_queue(self, queue: SendQueue) -> None:
        """A flush of nothing is over as soon as the writer looks."""
        mark = queue.flush_mark()

        assert [] == queue.take()
        assert mark.is_set()

    def test_ends_with_the_queue(self, queue: SendQueue) -> None:
        """Closing the queue ends a flush."""
        put(queue, "a")
        mark = queue.flush_mark()
        queue.close(closed)

        assert mark.is_set()
        with pytest.raises(ConnectionClosedOK):
            queue.flush_mark()


class TestEnd:
    def test_close_drops_all(self, queue: SendQueue) -> None:
        """A closed queue is empty and takes nothing."""
        put(queue, "a")
        queue.close(closed)

        assert queue.take() is None
        assert 0 == queue.size
        with pytest.raises(ConnectionClosedOK):
            put(queue, "b")

    def test_close_wakes_everybody(self) -> None:
        """Closing wakes producers that wait for space with what went wrong."""
        queue = SendQueue(max_bytes=1)
        put(queue, "1")

        def fail() -> ConnectionClosedError:
            return ConnectionClosedError(1006, initiated_by="network")

        with ThreadPoolExecutor(2) as pool:
            blocked = [pool.submit(put, queue, "2", Lane.AUDIO) for _ in range(2)]
            queue.close(fail)
            errors = [each.exception(WAIT) for each in blocked]

        assert [ConnectionClosedError] * 2 == [type(error) for error in errors]

    def test_close_wakes_the_writer(self, queue: SendQueue) -> None:
        """Closing wakes the writer, which learns that nothing will come."""
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(await_frames, queue)
            queue.close(closed)

            assert taken.result(WAIT) is None

    def test_finish_keeps_commands(self, queue: SendQueue) -> None:
        """Commands and committed audio precede the close frame; other audio goes."""
        put(queue, "committed", Lane.AUDIO)
        put(queue, "commit", Lane.COMMIT)
        put(queue, "command")
        put(queue, "dropped", Lane.AUDIO)
        queue.finish((CLOSE, b"close"), closed, drop=False)

        assert ["committed", "commit", "command", "close"] == drain(queue)
        assert queue.take() is None

    def test_finish_may_drop_all(self, queue: SendQueue) -> None:
        """A close frame that answers the server's is all that is written."""
        put(queue, "command")
        mark = queue.flush_mark()
        queue.finish((CLOSE, b"close"), closed, drop=True)

        assert ["close"] == drain(queue)
        assert mark.is_set()
        with pytest.raises(ConnectionClosedOK):
            put(queue, "late")

    def test_flush_of_what_is_kept(self, queue: SendQueue) -> None:
        """A flush before the end is over when what it waits for was written."""
        put(queue, "command")
        mark: threading.Event = queue.flush_mark()
        queue.finish((CLOSE, b"close"), closed, drop=False)

        drain(queue)

        assert mark.is_set()


class Outlet:
    """Takes what is sent at once, or as much of it as a test says."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.sent: list[str] = []

    def __call__(self, frame: Frame) -> bool:
        self.sent.append(frame[1].decode())
        return self.takes


class TestAtOnce:
    def test_nothing_waits(self, queue: SendQueue) -> None:
        """A frame that nothing is before goes out on the caller's thread."""
        queue.outlet = outlet = Outlet()
        put(queue, "a")
        put(queue, "b")

        assert ["a", "b"] == outlet.sent
        assert 0 == len(queue)

    def test_something_waits(self, queue: SendQueue) -> None:
        """Nothing overtakes what waits."""
        put(queue, "a")
        queue.outlet = outlet = Outlet()
        put(queue, "b")

        assert [] == outlet.sent
        assert ["a", "b"] == drain(queue)

    def test_somebody_sends(self, queue: SendQueue) -> None:
        """While another thread sends, a frame waits for the writer."""
        queue.outlet = outlet = Outlet()
        with queue.sending:
            put(queue, "a")

        assert [] == outlet.sent
        assert ["a"] == drain(queue)

    def test_burst_of_audio(self, queue: SendQueue) -> None:
        """Audio that comes faster than it is spoken is sent by the writer, together."""
        queue.outlet = outlet = Outlet()
        for text in "abc":
            put(queue, text, Lane.AUDIO)

        assert ["a"] == outlet.sent
        assert [(TEXT, b"b"), (TEXT, b"c")] == queue.take()

    def test_slow_network(self, queue: SendQueue) -> None:
        """What the network does not take at once is left to the writer, in order."""
        queue.outlet = outlet = Outlet(takes=False)
        put(queue, "a")
        put(queue, "b")

        assert ["a"] == outlet.sent
        assert () == await_frames(queue)
        assert [(TEXT, b"b")] == await_frames(queue)

    def test_held(self, queue: SendQueue) -> None:
        """Nothing goes out while the connection is away."""
        queue.outlet = outlet = Outlet()
        queue.hold()
        with pytest.raises(SendQueueFull):
            queue.put((TEXT, b"a"), timeout=0.0)

        assert [] == outlet.sent

    def test_closed(self, queue: SendQueue) -> None:
        """After the end there is the terminal exception, as ever."""
        queue.outlet = Outlet()
        queue.close(closed)
        with pytest.raises(ConnectionClosedOK):
            put(queue, "a")
