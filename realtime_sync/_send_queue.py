"""
The queue between the threads that send commands and the thread that writes them.

It is bounded by bytes: a producer that is faster than the network blocks, it does not
fill the memory. The order is the producers', with two exceptions. What must not wait
behind seconds of audio overtakes the input audio that is queued (never another
command). And clearing the input audio buffer drops the audio that is still queued for
it, since the server would throw it away.
"""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Callable, Sequence

from ._deadline import Deadline
from .errors import SendQueueFull
from .transport import Frame


__all__ = ["Lane", "SendQueue"]


class Lane(enum.Enum):
    """How a frame moves among those that wait."""

    AUDIO = enum.auto()  # input audio: may be overtaken, and dropped by CLEAR
    COMMAND = enum.auto()  # in order
    COMMIT = enum.auto()  # in order, and claims the audio before it
    OVERTAKE = enum.auto()  # before the audio at the end of the queue
    CLEAR = enum.auto()  # drops the uncommitted audio, then in order
    URGENT = enum.auto()  # before everything: ping and pong
    MARK = enum.auto()  # no frame: stands for a caller of `flush()`


_Entry = tuple[Lane, Frame, "threading.Event | None"]


class SendQueue:
    """
    A bounded, closable queue of frames for one writer and any number of producers.

    Args:
        max_bytes: Payload bytes that may wait. A larger frame goes in alone.
        batch_bytes: Payload bytes that the writer takes at once, about.
    """

    def __init__(self, max_bytes: int, batch_bytes: int = 65_536) -> None:
        self._max_bytes = max_bytes
        self._batch_bytes = batch_bytes
        self._lock = threading.Lock()
        self._space = threading.Condition(self._lock)
        self._work = threading.Condition(self._lock)
        self._writer_waits = False
        self._producers_wait = 0
        self._entries: deque[_Entry] = deque()
        self._size = 0
        self._error: Callable[[], BaseException] | None = None
        self.high_water = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The payload bytes that wait."""
        return self._size

    def put(
        self, frame: Frame, lane: Lane = Lane.COMMAND, timeout: float | None = None
    ) -> None:
        """
        Add a frame; block while the queue is full.

        Raises:
            SendQueueFull: It stayed full for *timeout* seconds.
            ConnectionClosed: The queue was closed.
        """
        size = len(frame[1])
        with self._lock:
            if self._error is not None:
                raise self._error()
            if self._size + size > self._max_bytes and lane in _BOUNDED:
                self._wait_for_space(size, timeout)
            self._insert(frame, lane)
            self._size += size
            if self._size > self.high_water:
                self.high_water = self._size
            if self._writer_waits:
                self._work.notify()

    def flush_mark(self) -> threading.Event:
        """Return an event that is set once all that waits now has been taken."""
        mark = threading.Event()
        with self._lock:
            if self._error is not None:
                raise self._error()
            self._entries.append((Lane.MARK, (0, b""), mark))
            self._work.notify()
        return mark

    def take(self, timeout: float | None) -> Sequence[Frame] | None:
        """
        Return the next frames for the writer, in order.

        Returns:
            Some frames, none of them when *timeout* seconds are over or only marks were
            reached, or None when the queue was closed and is empty.
        """
        with self._lock:
            if not self._entries and self._error is None:
                self._writer_waits = True
                self._work.wait(timeout)
                self._writer_waits = False
            if self._entries:
                return self._take_batch()
            return None if self._error is not None else ()

    def wake(self) -> None:
        """Let `take()` return, with nothing if there is nothing."""
        with self._lock:
            self._work.notify_all()

    def finish(
        self, last: Frame, error: Callable[[], BaseException], *, drop: bool
    ) -> None:
        """
        Refuse further frames, and let *last* be the last one that the writer takes.

        Args:
            last: The close frame.
            error: Makes the exception that producers get from now on.
            drop: Throw away all that waits; otherwise only the audio that nothing
                follows, so that commands arrive and nobody waits for audio.
        """
        with self._lock:
            if drop:
                self._drop_all()
            else:
                self._drop_audio()
            self._entries.append((Lane.URGENT, last, None))
            self._refuse(error)

    def close(self, error: Callable[[], BaseException]) -> None:
        """
        Refuse further frames, throw away what waits, and wake everybody.

        Args:
            error: Makes the exception that producers get from now on.
        """
        with self._lock:
            self._drop_all()
            self._refuse(error)

    # Private: all of these require holding the lock.

    def _refuse(self, error: Callable[[], BaseException]) -> None:
        self._error = error
        self._space.notify_all()
        self._work.notify_all()

    def _wait_for_space(self, size: int, timeout: float | None) -> None:
        deadline = Deadline(timeout)
        while self._error is None and self._entries:
            if self._size + size <= self._max_bytes:
                return
            self._producers_wait += 1
            try:
                if not self._space.wait(deadline.left()):
                    raise SendQueueFull(self._full_message(timeout))
            finally:
                self._producers_wait -= 1
        if self._error is not None:
            raise self._error()

    def _full_message(self, timeout: float | None) -> str:
        return (
            f"the send queue stayed full ({self._size} of {self._max_bytes} bytes) for "
            f"{timeout:g} s; the network is slower than the audio: send less, wait "
            "longer (timeout=), or allow more (max_queue=)"
        )

    def _insert(self, frame: Frame, lane: Lane) -> None:
        entry = (lane, frame, None)
        if lane is Lane.URGENT:
            self._entries.appendleft(entry)
            return
        if lane is Lane.CLEAR:
            self._drop_audio()
        if lane is Lane.OVERTAKE:
            self._entries.insert(self._start_of_trailing_audio(), entry)
        else:
            self._entries.append(entry)

    def _start_of_trailing_audio(self) -> int:
        index = len(self._entries)
        for lane, _, _ in reversed(self._entries):
            if lane is not Lane.AUDIO:
                break
            index -= 1
        return index

    def _drop_audio(self) -> None:
        kept: deque[_Entry] = deque()
        while self._entries and self._entries[-1][0] is not Lane.COMMIT:
            entry = self._entries.pop()
            if entry[0] is Lane.AUDIO:
                self._size -= len(entry[1][1])
            else:
                kept.appendleft(entry)
        self._entries += kept
        self._space.notify_all()

    def _drop_all(self) -> None:
        for _, _, mark in self._entries:
            if mark is not None:
                mark.set()
        self._entries.clear()
        self._size = 0

    def _take_batch(self) -> Sequence[Frame]:
        batch: list[Frame] = []
        size = 0
        entries = self._entries
        while entries and size < self._batch_bytes:
            mark = entries[0][2]
            if mark is None:
                frame = entries.popleft()[1]
                batch.append(frame)
                size += len(frame[1])
            elif batch:
                break  # What precedes the mark has been taken, but not yet written.
            else:
                entries.popleft()
                mark.set()
        self._size -= size
        if self._producers_wait:
            self._space.notify_all()
        return batch


# Control frames are small and must not wait for space behind the audio.
_BOUNDED = frozenset({Lane.AUDIO, Lane.COMMAND, Lane.COMMIT})
