"""
`ResponseStream`: follow, await or cancel one response of the model.

::

    with connection.create_response() as response:
        for text in response.text():
            print(text, end="")
    print(response.result().usage)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

import attrs

from ._channel.monitor import Monitor
from ._responses.log import ResponseLog
from ._shown import Shown
from .errors import ConnectionClosed, ResponseError
from .protocol._model import ServerEvent
from .protocol.items import FunctionCall, Item
from .protocol.responses import Response, ResponseCreateParams, Usage
from .protocol.server_events import ResponseDone


__all__ = ["ResponseResult", "ResponseStream"]

T = TypeVar("T")


def _reason(response: Response) -> str | None:
    """Return the service's word for why *response* ended as it did, if it has one."""
    details = response.status_details
    if not details:
        return None
    error = details.error
    return details.reason or (error and (error.code or error.type)) or None


@attrs.frozen(kw_only=True)
class ResponseResult(Shown):
    """
    A response that has ended, as a whole.

    A result is no proof of success: *status* tells, and `raise_for_status()` insists.

    Attributes:
        id: The id of the response.
        status: ``completed``, ``incomplete`` or ``cancelled``.
        reason: Why it is not complete: ``max_output_tokens``, ``content_filter``,
            ``client_cancelled``, ``turn_detected``, …; None for a completed one.
        text: What the model said: its text, and the transcript where it spoke.
        transcript: The transcript alone.
        audio: The audio, in the session's output format: PCM 16 bit, 24 kHz, mono,
            unless the session was told otherwise.
        items: The output items, without audio.
        function_calls: Those of the items that are function calls. Run them only when
            *status* is ``completed``: the arguments of others may be cut short.
        usage: The tokens that the response took, or None where the service is silent.
        response: The response as the service ended it.
    """

    id: str
    status: str
    reason: str | None
    text: str
    transcript: str
    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio)} bytes>")
    items: tuple[Item, ...] = attrs.field(repr=False)
    function_calls: tuple[FunctionCall, ...]
    usage: Usage | None
    response: Response = attrs.field(repr=False)

    def raise_for_status(self) -> ResponseResult:
        """
        Insist on a complete response.

        Returns:
            The result itself, so that calls can be chained.

        Raises:
            ResponseError: The response was cancelled or is incomplete.
        """
        if self.status != "completed":
            raise ResponseError(self.response)
        return self


class ResponseStream(Shown):
    """
    One response while it arrives, and when it has ended.

    A connection makes it: `create_response()` for the ones that this side asks for,
    `responses()` for the ones that the server starts on its own.

    The generators may be used by several threads at once, each thread with a generator
    of its own; late, in part, or not at all. Each of them yields everything from the
    start of the response. What has arrived is kept for as long as somebody holds the
    stream, and not a byte of it longer.

    In a ``with`` block, leaving the block before the response has ended cancels it.

    All methods are thread-safe. Those that wait work in callbacks as well. Ctrl-C while
    one of them waits, or an interrupt of a notebook's kernel, cancels the response.

    When the connection was lost and the response is asked for again, see
    `ReconnectPolicy`, everything begins anew: generators go on with the first piece of
    the new response, and `result()` is that of the new one alone.
    """

    def __init__(
        self,
        monitor: Monitor,
        cancel: Callable[[ResponseStream], None],
        *,
        hidden_metadata: str | None = None,
    ) -> None:
        self._monitor = monitor
        self._changed = monitor.condition()
        self._send_cancel = cancel
        self._hidden_metadata = hidden_metadata
        self._log = ResponseLog()
        self._ended = False
        self._error: Callable[[], Exception] | None = None
        self._cancel_wanted = False
        self.request: ResponseCreateParams | None = None

    # Public properties

    @property
    def id(self) -> str | None:
        """The id of the response; None until the server has created it."""
        return (self._log.response and self._log.response.id) or None

    @property
    def response(self) -> Response | None:
        """The response as the server last described it; None before its first word."""
        response = self._log.response
        return response and _without(response, self._hidden_metadata)

    @property
    def status(self) -> str | None:
        """``in_progress``, or how the response ended; None until it is created."""
        return (self._log.response and self._log.response.status) or None

    # Public methods: pieces as they arrive

    def text(self, timeout: float | None = None) -> Iterator[str]:
        """
        Yield what the model says: text, or the transcript where it speaks.

        Args:
            timeout: Seconds to wait for each piece, or None for no limit.

        Raises:
            TimeoutError: No piece came in time; the response goes on.
            ResponseError: The response ended with status ``failed``.
            ConnectionClosed: The connection ended before the response did.
        """
        return self._follow(lambda log: log.text, timeout)

    def transcript(self, timeout: float | None = None) -> Iterator[str]:
        """Yield the transcript of what the model speaks; see `text()` for the rest."""
        return self._follow(lambda log: log.transcript, timeout)

    def audio(self, timeout: float | None = None) -> Iterator[bytes]:
        """Yield audio in the session's output format; see `text()` for the rest."""
        return self._follow(lambda log: log.audio, timeout)

    def items(self, timeout: float | None = None) -> Iterator[Item]:
        """Yield each output item once it is finished; see `text()` for the rest."""
        return self._follow(lambda log: log.items, timeout)

    def events(self, timeout: float | None = None) -> Iterator[ServerEvent]:
        """
        Yield every event of the response, from `ResponseCreated` to `ResponseDone`.

        See `text()` for the arguments and errors.
        """
        return self._follow(lambda log: log.events, timeout)

    # Public methods: the response as a whole

    def result(self, timeout: float | None = None) -> ResponseResult:
        """
        Wait for the end of the response and return it as a whole.

        Cancelled and incomplete responses have a result too: look at its *status*, or
        write ``result().raise_for_status()``.

        Args:
            timeout: Seconds to wait, or None for no limit.

        Raises:
            TimeoutError: The response has not ended in time; it goes on.
            ResponseError: The response ended with status ``failed``.
            ConnectionClosed: The connection ended before the response did.
        """
        if not self.wait(timeout):
            raise self._too_late("did not end", timeout)
        self._raise_error()
        return self._result()

    def done(self) -> bool:
        """Tell whether the response has ended, well or not."""
        return self._ended

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait for the end of the response, however it ends.

        Args:
            timeout: Seconds to wait, or None for no limit.

        Returns:
            Whether it has ended.
        """
        return self._wait(self.done, timeout)

    def wait_created(self, timeout: float | None = None) -> bool:
        """
        Wait until the server has created the response, which gives it its *id*.

        Args:
            timeout: Seconds to wait, or None for no limit.

        Returns:
            Whether it is created.

        Raises:
            ServerError: The server refused to create it.
            ConnectionClosed: The connection ended before.
        """
        known = self._monitor.wait(
            self._changed, lambda: self.id is not None or self._ended, timeout
        )
        if self.id is None:
            self._raise_error()
        return known

    def cancel(self) -> None:
        """
        Ask the server to stop generating; nothing happens if the response has ended.

        The call does not wait: `result()` then has the status ``cancelled``, or
        ``completed`` if the response was faster. What is being played goes on playing.
        """
        with self._monitor.lock:
            if self._ended:
                return
            self._cancel_wanted = True
            if self.id is None:
                return  # the router cancels it as soon as it has an id
        # The response of a connection that has ended is as cancelled as can be.
        with contextlib.suppress(ConnectionClosed):
            self._send_cancel(self)

    @property
    def cancelling(self) -> bool:
        """Whether `cancel()` was called and the response has not ended yet."""
        return self._cancel_wanted and not self._ended

    def __enter__(self) -> ResponseStream:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    def _ipython_display_(self) -> None:
        from .notebook import show

        show(self)

    def __repr__(self) -> str:
        return f"<ResponseStream {self.id or '(not created)'} {self.status or ''}>"

    # Methods for the router, on the reader thread

    def _absorb(self, event: ServerEvent) -> None:
        """Take in the next event of this response; events after its end are ignored."""
        with self._monitor.lock:
            if self._ended:
                return
            self._log.add(event)
            if isinstance(event, ResponseDone):
                self._ended = True
            self._changed.notify_all()

    def _end(self, error: Callable[[], Exception]) -> None:
        """
        End the stream with what *error* makes, unless it has ended; hold the lock.

        It is called for each caller that waits, so that none of them finds the
        traceback of another one.
        """
        if not self._ended:
            self._error = error
            self._ended = True
            self._changed.notify_all()

    def _restart(self) -> None:
        """Begin anew: the response is asked for once more; hold the lock."""
        self._log = ResponseLog()
        self._changed.notify_all()

    def _has_item(self, item_id: str) -> bool:
        """Tell whether the item belongs to this response; hold the lock."""
        return self._log.has_item(item_id)

    def _kept_bytes(self) -> int:
        """Return about how many bytes this holds; hold the lock."""
        return self._log.kept_bytes()

    # Private methods

    def _follow(
        self, choose: Callable[[ResponseLog], Sequence[T]], timeout: float | None
    ) -> Iterator[T]:
        # Lists only grow, and the end comes after the last piece. So what is read
        # without the lock is true, if *ended* is read before the rest.
        log, index = self._log, 0
        while True:
            ended = self._ended
            if log is not self._log:  # the response began anew
                log, index = self._log, 0
            pieces = choose(log)
            while index < len(pieces):
                yield pieces[index]
                index += 1
            if ended:
                break
            if not self._await_more(log, pieces, index, timeout):
                raise self._too_late("sent nothing of the kind", timeout)
        self._raise_error()

    def _await_more(
        self, log: ResponseLog, pieces: Sequence[T], index: int, timeout: float | None
    ) -> bool:
        def more() -> bool:
            return len(pieces) > index or self._ended or self._log is not log

        return self._wait(more, timeout)

    def _wait(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        try:
            return self._monitor.wait(self._changed, predicate, timeout)
        except KeyboardInterrupt:
            # Whoever gives up on an answer may go on with the session.
            self.cancel()
            raise

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error()
        if self.status == "failed":
            response = self.response
            assert response is not None
            raise ResponseError(response)

    def _too_late(self, what: str, timeout: float | None) -> TimeoutError:
        return TimeoutError(
            f"response {self.id or '(not created)'} {what} within {timeout:g} s; "
            "wait again, or cancel() it"
        )

    def _result(self) -> ResponseResult:
        response = self.response
        assert response is not None
        items = tuple(self._log.output())
        return ResponseResult(
            id=response.id or "",
            status=response.status or "",
            reason=_reason(response),
            text=self._log.words(),
            transcript=self._log.words(spoken_only=True),
            audio=b"".join(self._log.audio),
            items=items,
            function_calls=tuple(i for i in items if isinstance(i, FunctionCall)),
            usage=response.usage or None,
            response=response,
        )


def _without(response: Response, key: str | None) -> Response:
    """Return *response* without the library's own entry in its metadata."""
    if key is None or not response.metadata or key not in response.metadata:
        return response
    metadata = {k: v for k, v in response.metadata.items() if k != key}
    return attrs.evolve(response, metadata=metadata or None)
