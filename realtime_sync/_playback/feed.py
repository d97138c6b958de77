"""The way of received audio to a player that asks for it."""

from __future__ import annotations

import collections
from collections.abc import Callable

from .._channel.monitor import Monitor
from ..errors import ConnectionClosed, ConnectionClosedOK
from ..protocol._size import size_of
from .line import Part


__all__ = ["AudioFeed"]


class AudioFeed:
    """
    An iterator over audio for a player. It blocks until there is some.

    An interruption takes what it has away at once, and it goes on with the audio of the
    next response. It ends with the connection, or after `close()`.

    One thread uses it, but for `close()`, which is thread-safe.

    Args:
        monitor: The lock of the connection's state.
        chunk_ms: Milliseconds of audio in a chunk, at most.
        timeout: Seconds to wait for each chunk; None for no limit.
        handed_out: Is called, with the lock, with the bytes that were played when the
            next chunk is asked for.
    """

    def __init__(
        self,
        monitor: Monitor,
        *,
        chunk_ms: int,
        timeout: float | None,
        handed_out: Callable[[int], None],
    ) -> None:
        self._monitor = monitor
        self._changed = monitor.condition()
        self._chunk_ms = chunk_ms
        self._timeout = timeout
        self._handed_out = handed_out
        self._waiting: collections.deque[tuple[Part, memoryview]] = collections.deque()
        self._last = 0  # bytes of the last chunk
        self._closed = False
        self._error: Callable[[], ConnectionClosed] | None = None

    def __iter__(self) -> AudioFeed:
        return self

    def __next__(self) -> bytes:
        """
        Return the next chunk: some bytes of audio in the format of its response.

        Raises:
            TimeoutError: There was none in time; there may be later.
            ConnectionClosedError: The connection broke.
        """
        with self._monitor.lock:
            self._handed_out(self._last)
            self._last = 0
        while not self._closed or self._waiting:
            if not self._monitor.wait(self._changed, self._is_ready, self._timeout):
                raise TimeoutError(f"there was nothing to play for {self._timeout:g} s")
            with self._monitor.lock:
                chunk = self._take()
            if chunk:  # or an interruption was faster than this thread
                return chunk
        self._raise_end()
        raise StopIteration

    def close(self) -> None:
        """Let the iterator end; idempotent."""
        with self._monitor.lock:
            self.end(None)

    @property
    def taken_back(self) -> bool:
        """Whether an interruption came after the last chunk: it is not to be played."""
        return not self._last

    # Methods for the playback, which has the lock

    def kept_bytes(self) -> int:
        """Return about how many bytes wait."""
        return sum(size_of(audio) for _, audio in self._waiting)

    def put(self, part: Part, audio: bytes) -> None:
        """Add audio at the end."""
        self._waiting.append((part, memoryview(audio)))
        self._changed.notify_all()

    def clear(self) -> None:
        """Forget what was not handed out, and that the last chunk may be played."""
        self._waiting.clear()
        self._last = 0

    def end(self, error: Callable[[], ConnectionClosed] | None) -> None:
        """Let the iterator end: after the rest with an *error*, at once without."""
        if error is None:
            self._waiting.clear()
        self._error = self._error or error
        self._closed = True
        self._changed.notify_all()

    # Private methods

    def _is_ready(self) -> bool:
        return bool(self._waiting) or self._closed

    def _take(self) -> bytes:
        if not self._waiting:
            return b""
        part, audio = self._waiting[0]
        # Whole samples, of two bytes at most.
        size = max(2, part.rate * self._chunk_ms // 2000 * 2)
        if len(audio) > size:
            self._waiting[0] = (part, audio[size:])
        else:
            self._waiting.popleft()
        chunk = bytes(audio[:size])
        self._last = len(chunk)
        return chunk

    def _raise_end(self) -> None:
        error = self._error() if self._error else None
        if error is not None and not isinstance(error, ConnectionClosedOK):
            raise error
