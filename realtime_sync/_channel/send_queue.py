"""
The queue between the threads that send commands and the thread that writes them.

When the writer sleeps and nothing waits, the thread that sends a command writes it
itself, if the network takes it at once; whatever is left is the writer's. Only one
thread sends at a time: the one that holds `sending`.

It is bounded by bytes: a producer that is faster than the network blocks, it does not
fill the memory. The order is the producers', with two exceptions. What must not wait
behind seconds of audio overtakes the input audio that is queued (never another
command). And clearing the input audio buffer drops the audio that is still queued for
it, since the server would throw it away.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import cast

from .._waiting import Condition, Flag
from ..errors import SendQueueFull
from ..transport import Frame
from .lanes import Entry, Lane
from .retained import Repeated, Retained


__all__ = ["Entered", "SendQueue"]


Outlet = Callable[[Frame], bool]
Entered = Callable[[], object]

_AT_ONCE = frozenset({Lane.AUDIO, Lane.COMMAND, Lane.COMMIT, Lane.CLEAR, Lane.OVERTAKE})
_BURST = 0.001  # seconds between two pieces of audio that make them a burst
_NOT_BLOCKING = (False,)


class SendQueue:
    """
    A bounded, closable queue of frames for one writer and any number of producers.

    Args:
        max_bytes: Payload bytes that may wait. A larger frame goes in alone.
        batch_bytes: Payload bytes that the writer takes at once, about.
        retained: Remembers what was taken, for the case of a loss.

    Attributes:
        sending: Is held by whoever takes a frame, until it has left.
        outlet: Sends a frame if that takes no waiting, and tells whether all of it has
            left; the transport keeps the rest for the writer. None where only the
            writer sends.
    """

    def __init__(
        self,
        max_bytes: int,
        batch_bytes: int = 65_536,
        *,
        retained: Retained | None = None,
    ) -> None:
        self.sending = threading.Lock()
        self.outlet: Outlet | None = None
        self._max_bytes = max_bytes
        self._batch_bytes = batch_bytes
        self._retained = retained
        self._lock = threading.Lock()
        self._space = Condition(self._lock)
        self._work = Condition(self._lock)
        self._entries: deque[Entry] = deque()
        self._size = 0
        self._held = False
        self._woken = False
        self._rest = False  # whether the transport has something left to send
        self._audio_at = 0.0  # when audio was last put
        self._error: Callable[[], BaseException] | None = None
        self.high_water = 0
        self.frames_taken = 0
        self.bytes_taken = 0
        self.blocked = 0.0  # seconds that callers waited for space, all together

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The payload bytes that wait."""
        return self._size

    def put(
        self,
        frame: Frame,
        lane: Lane = Lane.COMMAND,
        timeout: float | None = None,
        key: str | None = None,
        entered: Entered | None = None,
    ) -> None:
        """
        Add a frame; block while the queue is full or on hold.

        Args:
            frame: The frame.
            lane: How it moves.
            timeout: Seconds to wait for space; None for ever.
            key: What `confirm()` will call it; None if nothing ever confirms it.
            entered: Is called when it has its place in the order, before any frame
                behind it. It must neither block nor raise.

        Raises:
            SendQueueFull: It stayed full for *timeout* seconds.
            ConnectionClosed: The queue was closed.
        """
        entry = lane, frame, key
        at_once = self.outlet is not None and lane in _AT_ONCE
        if at_once and self._put_at_once(entry, entered):
            return
        with self._lock:
            added = self._add(entry, entered)
        if not added:
            self._add_in_time(entry, entered, timeout)

    def flush_mark(self) -> Flag:
        """Return a flag that is set once all that waits now has been taken."""
        mark = Flag()
        with self._lock:
            if self._error is not None:
                raise self._error()
            self._entries.append((Lane.MARK, (0, b""), mark))
            self._work.notify_all()
        return mark

    def wait(self, timeout: float | None) -> None:
        """Let the writer sleep until there is something for it, or until `wake()`."""
        self._work.wait_for(self._has_work, timeout)

    def take(self) -> Sequence[Frame] | None:
        """
        Return the next frames for the writer, in order; it has to hold `sending`.

        Returns:
            Some frames; none of them if there is nothing, if marks were reached, or if
            the transport still has a rest to send; None when the queue was closed and
            is empty.
        """
        with self._lock:
            if self._retained is not None:
                self._retained.written()
            if self._rest:
                self._rest = False
                return ()
            if self._entries:
                return self._take_batch()
            return None if self._error is not None else ()

    def wake(self) -> None:
        """Let `wait()` return."""
        with self._lock:
            self._woken = True
            self._work.notify_all()

    # When the connection may be lost and found again

    def confirm(self, key: str) -> Sequence[bytes]:
        """Forget a command that was answered; see `Retained.confirm()`."""
        if self._retained is None:
            return ()
        with self._lock:
            return self._retained.confirm(key)

    def give_up(self, key: str) -> None:
        """Take note that the answer to a command will not be recognized any more."""
        if self._retained is None:
            return
        with self._lock:
            self._retained.give_up(key)
            self._forget_key(key)

    def committed(self) -> None:
        """Forget the audio of a turn that the server ended by itself."""
        if self._retained is not None:
            with self._lock:
                self._retained.committed()

    def set_manual_turns(self, manual: bool) -> None:
        """Say whether audio waits for a commit of this side."""
        if self._retained is not None:
            with self._lock:
                self._retained.manual_turns = manual

    def hold(self) -> None:
        """Let whoever puts wait, as while the queue is full."""
        with self._lock:
            self._held = True

    def release(self) -> None:
        """End `hold()`."""
        with self._lock:
            self._held = False
            self._space.notify_all()

    def repeat(self, first: Sequence[Entry] = ()) -> Repeated:
        """
        Put what is not confirmed in front, since a new session knows nothing of it.

        What overtakes and what is urgent spoke of the old session and is dropped.

        Args:
            first: What goes before all of it.

        Returns:
            What was put in front after that, and what could not be.
        """
        with self._lock:
            repeated = self._retained.take_back() if self._retained else Repeated()
            waiting = (e for e in self._entries if e[0] not in _OF_THE_SESSION)
            self._entries = deque((*first, *repeated.entries, *waiting))
            self._size = sum(len(frame[1]) for _, frame, _ in self._entries)
            return repeated

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

    def _put_at_once(self, entry: Entry, entered: Entered | None) -> bool:
        """
        Send a frame on the caller's thread, if nothing is before it; tell whether.

        It saves the way over the writer, which costs more than all the rest. Audio that
        comes in a burst is better sent by the writer, many pieces at a time.
        """
        if entry[0] is Lane.AUDIO:
            now = monotonic()
            burst, self._audio_at = now - self._audio_at < _BURST, now
            if burst:
                return False
        got: list[bool] = []
        try:
            # In one go in C, so that Ctrl-C cannot come between locking and noting it.
            got.extend(map(self.sending.acquire, _NOT_BLOCKING))
            return got[0] and self._send_at_once(entry, entered)
        finally:
            if got and got[0]:
                self.sending.release()

    def _send_at_once(self, entry: Entry, entered: Entered | None) -> bool:
        with self._lock:
            outlet = self.outlet
            if self._entries or self._rest or self._held or self._error or not outlet:
                return False
            if entered is not None:
                entered()
            if self._retained is not None:
                self._retained.written()
                self._retained.take(entry)
            self.frames_taken += 1
            self.bytes_taken += len(entry[1][1])
        sent = False
        try:
            sent = outlet(entry[1])
        finally:
            if not sent:  # the network is slow, or gone, or this was interrupted
                self._leave_the_rest()
        return True

    def _leave_the_rest(self) -> None:
        with self._lock:
            self._rest = self._woken = True
            self._work.notify_all()

    def _add_in_time(
        self, entry: Entry, entered: Entered | None, timeout: float | None
    ) -> None:
        began = monotonic()
        try:
            if not self._space.wait_for(lambda: self._add(entry, entered), timeout):
                raise SendQueueFull(self._full_message(timeout))
        finally:
            waited = monotonic() - began
            with self._lock:
                self.blocked += waited

    # Private: all of these require holding the lock.

    def _add(self, entry: Entry, entered: Entered | None) -> bool:
        """Add an entry, and wake the writer; False if there is no space."""
        if self._error is not None:
            raise self._error()
        size = len(entry[1][1])
        in_order = entry[0] in _IN_ORDER
        if in_order and not self._has_space(size):
            return False
        if entered is not None:
            entered()
        # Before it is there: Ctrl-C can come after a call, and in no other place.
        self._size += size
        if self._size > self.high_water:
            self.high_water = self._size
        if in_order:
            self._entries.append(entry)
        else:  # small, and must not wait for space behind the audio
            self._insert(entry)
        self._work.notify_all()
        return True

    def _has_work(self) -> bool:
        woken, self._woken = self._woken, False
        return woken or bool(self._entries) or self._error is not None

    def _forget_key(self, key: str) -> None:
        for index, (lane, frame, found) in enumerate(self._entries):
            if found == key:
                self._entries[index] = lane, frame, None

    def _refuse(self, error: Callable[[], BaseException]) -> None:
        self._error = error
        self._space.notify_all()
        self._work.notify_all()

    def _has_space(self, size: int) -> bool:
        fits = self._size + size <= self._max_bytes or not self._entries
        return fits and not self._held

    def _full_message(self, timeout: float | None) -> str:
        if self._held:
            return (
                f"the connection is lost and was not opened again within {timeout:g} "
                "s; it goes on trying: wait longer (timeout=), or close() it"
            )
        return (
            f"the send queue stayed full ({self._size} of {self._max_bytes} bytes) for "
            f"{timeout:g} s; the network is slower than the audio: send less, wait "
            "longer (timeout=), or allow more (max_queue=)"
        )

    def _insert(self, entry: Entry) -> None:
        lane = entry[0]
        if lane is Lane.URGENT:
            # Only the latest ping needs an answer (RFC 6455, 5.5.3), so that pings of a
            # server which reads nothing take no memory.
            if self._entries and self._entries[0][0] is Lane.URGENT:
                self._size -= len(self._entries.popleft()[1][1])
            self._entries.appendleft(entry)
            return
        if lane is Lane.OVERTAKE:
            self._entries.insert(self._start_of_trailing_audio(), entry)
        else:
            self._drop_audio()
            self._entries.append(entry)

    def _start_of_trailing_audio(self) -> int:
        index = len(self._entries)
        for lane, _, _ in reversed(self._entries):
            if lane is not Lane.AUDIO:
                break
            index -= 1
        return index

    def _drop_audio(self) -> None:
        kept: deque[Entry] = deque()
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
            if isinstance(mark, Flag):
                mark.set()
        self._entries.clear()
        self._size = 0

    def _take_batch(self) -> Sequence[Frame]:
        batch: list[Frame] = []
        size = 0
        entries = self._entries
        retained = self._retained
        while entries and size < self._batch_bytes:
            lane, frame, mark = entry = entries[0]
            if lane is not Lane.MARK:
                entries.popleft()
                batch.append(frame)
                size += len(frame[1])
                if retained is not None:
                    retained.take(entry)
            elif batch:
                break  # What precedes the mark has been taken, but not yet written.
            else:
                entries.popleft()
                cast("Flag", mark).set()
        self._size -= size
        self.bytes_taken += size
        self.frames_taken += len(batch)
        self._space.notify_all()
        return batch


_IN_ORDER = frozenset({Lane.AUDIO, Lane.COMMAND, Lane.COMMIT})
_OF_THE_SESSION = frozenset({Lane.OVERTAKE, Lane.URGENT})
