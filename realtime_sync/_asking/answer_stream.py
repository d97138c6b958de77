"""`AnswerStream`: an answer while it arrives, through all the responses it takes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TypeVar

from .._deadline import Deadline
from ..response_stream import ResponseResult, ResponseStream


__all__ = ["AnswerStream"]

T = TypeVar("T")

FollowUp = Callable[[ResponseResult, Deadline], "ResponseStream | None"]


class AnswerStream:
    """
    The answer to a question, while it arrives.

    ``ask(..., stream=True)`` returns it, and iterating over it yields the words::

        for words in client.ask("Who are you?", stream=True):
            print(words, end="", flush=True)

    When the model calls functions they are run, and the answer goes on with the
    response after them: the generators go through all of these. They may be used by
    several threads at once, late, in part or not at all, as those of a
    `ResponseStream`.

    In a ``with`` block, leaving the block before the end cancels the answer. That of
    `RealtimeClient.ask()` has a connection of its own, which is closed at the end of
    the answer, of the block, or of this object, whichever comes first.

    All methods are thread-safe.

    Args:
        first: The first response.
        follow_up: Waits for the response that follows on the function calls of
            another one, and returns it, or None.
        timeout: Seconds to wait for each piece; None for no limit.
    """

    def __init__(
        self,
        first: ResponseStream,
        follow_up: FollowUp,
        *,
        timeout: float | None,
    ) -> None:
        self._responses = [first]
        self._follow_up = follow_up
        self._timeout = timeout
        self._lock = threading.Lock()
        self._close: Callable[[], object] = _nothing

    @property
    def responses(self) -> tuple[ResponseStream, ...]:
        """The responses so far: one, and one more for each round of functions."""
        return tuple(self._responses)

    def text(self) -> Iterator[str]:
        """
        Yield what the model says: text, or the transcript where it speaks.

        Raises:
            TimeoutError: No piece came in time; the answer goes on.
            ResponseError: A response failed.
            ConnectionClosed: The connection ended before the answer did.
        """
        return self._follow(lambda response: response.text(self._timeout))

    def transcript(self) -> Iterator[str]:
        """Yield the transcript of what the model speaks; see `text()` for the rest."""
        return self._follow(lambda response: response.transcript(self._timeout))

    def audio(self) -> Iterator[bytes]:
        """Yield audio in the session's output format; see `text()` for the rest."""
        return self._follow(lambda response: response.audio(self._timeout))

    def result(self) -> ResponseResult:
        """
        Wait for the end, and return the last response as a whole.

        Raises:
            TimeoutError: It did not end in time; the answer goes on.
            ResponseError: A response failed.
            ConnectionClosed: The connection ended before the answer did.
        """
        return self._result_by(Deadline(self._timeout, "the answer"))

    def cancel(self) -> None:
        """
        Ask the server to stop generating; nothing happens if it has ended.

        Functions that are running go on, and so may the answer after them.
        """
        self._responses[-1].cancel()

    def close(self) -> None:
        """Cancel the answer, and close the connection if it has one of its own."""
        self.cancel()
        self._close()

    def __iter__(self) -> Iterator[str]:
        return self.text()

    def __enter__(self) -> AnswerStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _ipython_display_(self) -> None:
        from ..notebook import show

        show(self)

    def __repr__(self) -> str:
        return f"<AnswerStream {self._responses[-1]!r}>"

    # Methods for those who make it

    def _own(self, close: Callable[[], object]) -> None:
        """Call *close* at the end; also when a loop over this breaks and drops it."""
        finalizer = weakref.finalize(self, close)
        finalizer.atexit = False  # connections see to that themselves
        self._close = finalizer

    def _result_by(self, deadline: Deadline) -> ResponseResult:
        """Do as `result()` does, by a *deadline* of the caller's."""
        for response in self._responses_by(deadline):
            result = response.result(deadline.remaining())
        return result

    def _responses_by(self, deadline: Deadline) -> Iterator[ResponseStream]:
        """Yield the responses, and after each wait until *deadline* for the next."""
        index = 0
        while (response := self._response(index, deadline)) is not None:
            yield response
            index += 1
        self._close()

    # Private methods

    def _follow(self, pieces: Callable[[ResponseStream], Iterator[T]]) -> Iterator[T]:
        index = 0
        while True:
            response = self._response(index, Deadline(self._timeout, "the answer"))
            if response is None:
                break
            yield from pieces(response)
            index += 1
        # All of it has arrived, for other readers too.
        self._close()

    def _response(self, index: int, deadline: Deadline) -> ResponseStream | None:
        """Return one of the responses, the next one included; None after the last."""
        if index == len(self._responses):
            last = self._responses[-1]
            following = self._follow_up(last.result(deadline.remaining()), deadline)
            if following is None:
                return None
            with self._lock:
                if following not in self._responses:  # another reader was slower
                    self._responses.append(following)
        return self._responses[index]


def _nothing() -> None:
    """Close nothing: the connection is somebody else's."""
