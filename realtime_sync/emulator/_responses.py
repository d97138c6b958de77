"""
One response: from a reply to the events that carry it, in time.

A reply is prepared outside of the session, part by part, and sent by a generator that
yields the seconds to wait between two steps, or None where the next part is not there
yet. Cancelling drops it and closes what it had opened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from ..protocol import Response, ResponseCreated, ResponseDone
from ._conversation import Entry
from ._core import Core, Timer, logger
from ._output import Output
from ._plan import Plan
from ._response_parts import Part, Prepared, status_details
from ._sound import sped_up, to_wire
from ._tokens import Tokens, usage_of
from .replies import Failure


__all__ = ["ResponseRun"]


class ResponseRun:
    """
    A response in progress. Not thread-safe.

    Args:
        core: What the session's parts share.
        plan: What it was asked for.
        compose: Returns the parts of the reply; called outside of the session.
        speak: Returns text spoken at the plan's speed, as PCM; called outside of the
            session.
        output: Where it goes.
        finished: Called at the end, with this.
        cached: What the model may have read before.
        read: What the model reads.
    """

    def __init__(
        self,
        core: Core,
        plan: Plan,
        *,
        compose: Callable[[], Iterator[Part]],
        speak: Callable[[str], bytes],
        output: Output,
        finished: Callable[[ResponseRun], None],
        read: Tokens,
        cached: Tokens,
    ) -> None:
        self.plan = plan
        self.status = "in_progress"
        self.output = output
        self.result: Response | None = None
        self.read = read
        self._core = core
        self._compose = compose
        self._speak = speak
        self._finished = finished
        self._cached = cached
        self._parts: Iterator[Part] | None = None
        self._is_asking = False
        self._ready: deque[Prepared | None] = deque()  # None: there is no more
        self._steps = self._script()
        self._is_waiting = False
        self._timer: Timer | None = None

    @property
    def id(self) -> str:
        """The id of the response."""
        return self.plan.response_id

    @property
    def entries(self) -> list[Entry]:
        """The items of the response so far."""
        return self.output.entries

    def start(self) -> None:
        """Announce the response, and ask for the reply."""
        self._core.emit(
            ResponseCreated,
            response=self.plan.response(
                status="in_progress", status_details=None, output=[], usage=None
            ),
        )
        self._ask()

    def cancel(self, reason: str) -> None:
        """Stop here, for a reason such as ``"turn_detected"``."""
        self._finish("cancelled", reason=reason)

    # Outside of the session

    def _prepare(self) -> Prepared | None:
        """Return the next part of the reply, or None after the last one."""
        if self._parts is None:
            self._parts = self._compose()
        part = next(self._parts, None)
        if part is None:
            return None
        reply = part.reply
        pcm = reply.audio or b""
        if self.plan.speaks and reply.text and reply.audio is None:
            pcm = self._speak(reply.text)
        elif pcm and self.plan.speed != 1.0:
            pcm = sped_up(pcm, self.plan.speed)
        return Prepared(part, pcm, to_wire(pcm, self.plan.audio_format))

    def _drop(self) -> None:
        """Let a replier that is a generator clean up."""
        close = getattr(self._parts, "close", None)
        if close is not None:
            self._core.start_work(close, lambda _: None, lambda exc: None)

    # Inside of it

    def _ask(self) -> None:
        self._is_asking = True
        self._core.start_work(self._prepare, self._take, self._fail)

    def _fail(self, exc: Exception) -> None:
        self._is_asking = False
        logger.error("no reply for %s: %r", self.id, exc, exc_info=exc)
        # The service's words, and why: whoever sees them wrote what went wrong.
        words = f"{Failure().message} ({type(exc).__name__}: {exc})"
        self._finish("failed", error=Failure(message=words))

    def _take(self, prepared: Prepared | None) -> None:
        self._is_asking = False
        if self.status != "in_progress":
            self._drop()
            return
        self._ready.append(prepared)
        if prepared is not None and prepared.part.is_last:
            self._ready.append(None)
        elif prepared is not None:
            self._ask()  # while this part is sent
        if self._is_waiting:
            self._is_waiting = False
            self._step()
        elif self._timer is None:
            self._schedule(self._core.settings.response_delay)

    def _schedule(self, delay: float) -> None:
        self._timer = self._core.call_later(delay, self._step)

    def _step(self) -> None:
        for delay in self._steps:
            if delay is None:
                self._is_waiting = True
                return
            if delay > 0:
                self._schedule(delay)
                return

    def _script(self) -> Iterator[float | None]:
        while True:
            while not self._ready:
                yield None
            prepared = self._ready.popleft()
            if prepared is None:
                break
            reply = prepared.part.reply
            yield reply.delay
            yield from self.output.send(prepared)
            if self.output.is_overspent:
                self._finish("incomplete", reason="max_output_tokens")
                return
            if reply.failure is not None:
                self.output.close("completed")
                self._finish("failed", error=reply.failure)
                return
            if reply.incomplete is not None:
                self.output.close("completed")
                self._finish("incomplete", reason=reply.incomplete)
                return
        self.output.close("completed")
        self._finish("completed")

    # The end

    def _finish(
        self, status: str, *, reason: str | None = None, error: Failure | None = None
    ) -> None:
        if self.status != "in_progress":
            return
        if self._timer is not None:
            self._timer.cancel()
        self.output.close("incomplete")
        self.status = status
        if not self._is_asking:
            self._drop()
        self.result = self.plan.response(
            status=status,
            status_details=status_details(status, reason, error),
            output=[entry.item for entry in self.entries],
            usage=usage_of(self.read, self.output.written, self._cached),
        )
        self._core.emit(ResponseDone, response=self.result)
        self._finished(self)
