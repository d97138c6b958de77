"""`ServerResponses`: the responses that the server starts on its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from .._channel.monitor import Monitor
from .._deadline import Deadline
from ..errors import ConnectionClosedOK
from ..response_stream import ResponseStream


__all__ = ["ErrorMaker", "ServerResponses"]

ErrorMaker = Callable[[], Exception]
"""Makes the exception of a connection that has ended, anew for each caller."""

_LIMIT = 32  # responses that may wait to be taken; each holds its audio


class ServerResponses(Iterator[ResponseStream]):
    """
    The responses that the server starts, from the making of this object on.

    `connection.responses()` makes it. Iterating waits for the next response and ends
    when the connection is closed as it should be, or when this object is. Call it
    before you send what the server is to respond to, so that none is missed::

        with connection.responses() as responses:
            connection.append_input_audio(pcm)
            print(responses.take(timeout=30).result().text)

    Whoever takes none finds the last 32 of them; dropping the object drops them all.

    All methods are thread-safe; of several threads that wait, one gets a response.
    """

    def __init__(self, monitor: Monitor, timeout: float | None) -> None:
        self._monitor = monitor
        self._changed = monitor.condition()
        self._timeout = timeout
        self._waiting: deque[ResponseStream] = deque(maxlen=_LIMIT)
        self._error: ErrorMaker | None = None
        self._closed = False

    def take(self, timeout: float | None = None) -> ResponseStream:
        """
        Wait for the next response.

        Args:
            timeout: Seconds to wait, or None for no limit.

        Raises:
            TimeoutError: The server started none in time.
            ConnectionClosed: The connection has ended, and all are taken.
            RuntimeError: This object is closed.
        """
        stream = self._take(timeout)
        if stream is None:
            raise RuntimeError("this iterator is closed; call responses() again")
        return stream

    def close(self) -> None:
        """Keep nothing more, and let those who wait go."""
        with self._monitor.lock:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def __next__(self) -> ResponseStream:
        try:
            stream = self._take(self._timeout)
        except ConnectionClosedOK:
            raise StopIteration from None
        if stream is None:
            raise StopIteration
        return stream

    def __enter__(self) -> ServerResponses:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Methods for the router, which holds the lock

    def offer(self, stream: ResponseStream) -> None:
        """Add a response that has just begun."""
        if not self._closed:
            self._waiting.append(stream)
            self._changed.notify_all()

    def end(self, error: ErrorMaker) -> None:
        """Let those who wait know that nothing more will come."""
        self._error = error
        self._changed.notify_all()

    # Private methods

    def _take(self, timeout: float | None) -> ResponseStream | None:
        """Return the next response, or None once this is closed."""
        deadline = Deadline(timeout, "the next response of the server")
        left = timeout
        while self._monitor.wait(self._changed, self._ready, left):
            with self._monitor.lock:
                if self._waiting:
                    return self._waiting.popleft()
            if self._closed:
                return None
            if self._error is not None:
                raise self._error()
            left = deadline.remaining()  # another thread was faster
        raise deadline.error()

    def _ready(self) -> bool:
        return bool(self._waiting) or self._closed or self._error is not None
