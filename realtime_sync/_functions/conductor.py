"""The threads on which functions run, and their outputs find the way to the server."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Literal, Protocol

from .._channel.commands import new_event_id
from .._channel.monitor import Monitor
from .._deadline import Deadline
from .._worker_pool import WorkerPool
from ..errors import ConnectionClosed
from ..protocol._model import ClientEvent
from ..protocol.client_events import ConversationItemCreate
from ..protocol.items import FunctionCallOutput, Item
from ..protocol.mcp_items import McpApprovalRequest, McpApprovalResponse
from ..protocol.responses import ResponseCreateParams
from ..response_stream import ResponseStream
from .calls import Call, FunctionResult
from .rounds import Round


__all__ = ["Approve", "Conductor", "FunctionConnection"]

logger = logging.getLogger("realtime_sync.functions")

Approve = Callable[[McpApprovalRequest], bool]
"""Tells whether the service may run a tool of an MCP server."""

# Seconds that a follow-up waits for the end of a response in progress. The longest that
# services allow, 4,096 tokens of audio, take less.
_FOLLOW_UP_TIMEOUT = 120.0


class FunctionConnection(Protocol):
    """What a runner needs of a connection. All methods are thread-safe."""

    def send(self, event: ClientEvent) -> None:
        """Queue an event."""

    def create_item(self, item: Item) -> object:
        """Add an item to the conversation; wait until it is there."""

    def create_response(
        self,
        response: ResponseCreateParams,
        *,
        when_busy: Literal["wait"],
        timeout: float | None,
    ) -> ResponseStream:
        """Ask for a response, after the one in progress; wait until it has begun."""


class Conductor:
    """
    Runs the calls of each round, sends their outputs, asks for the next response.

    Args:
        connection: Where outputs are sent.
        monitor: The lock of the connection's state, under which calls and rounds
            change.
        max_workers: How many functions may run at the same time.
        on_call: Is called with each result before it is sent.
        on_error: Is called with what went wrong and was not a function's fault.
        name: What the threads are called, before their number.
    """

    def __init__(
        self,
        connection: FunctionConnection,
        monitor: Monitor,
        *,
        max_workers: int,
        on_call: Callable[[FunctionResult], object] | None,
        on_error: Callable[[Exception], object] | None,
        name: str,
    ) -> None:
        self._connection = connection
        self._monitor = monitor
        self._changed = monitor.condition()
        self._on_call = on_call
        self._on_error = on_error
        self._closed = False
        self._workers = WorkerPool(f"{name}-function", max_workers)
        # Rounds wait for functions, so they cannot share the threads of those.
        self._coordinators = WorkerPool(f"{name}-functions")

    # Public methods

    def conduct(self, new: Round) -> None:
        """Begin with a round; do not wait."""
        self._coordinators.submit(functools.partial(self._conduct_one, new))

    def answer(self, request: McpApprovalRequest, approve: Approve) -> None:
        """Begin to answer a request; do not wait."""
        self._coordinators.submit(functools.partial(self._answer_one, request, approve))

    def wait(self, current: Round, timeout: float | None) -> bool:
        """Wait until a round is settled, or nothing more will happen to it."""
        return self._monitor.wait(
            self._changed, lambda: current.settled or self._closed, timeout
        )

    def stop(self) -> None:
        """Begin to end: no more calls, no more outputs. Idempotent."""
        with self._monitor.lock:
            self._closed = True
            self._changed.notify_all()
        self._coordinators.close(0)
        self._workers.close(0)

    def close(self, timeout: float | None) -> None:
        """End, and wait for what is running. Idempotent."""
        self.stop()
        deadline = Deadline(timeout)
        ended = self._coordinators.close(_left(deadline))
        if not (self._workers.close(_left(deadline)) and ended):
            logger.warning("a function call goes on running after close()")

    # Private methods: on the threads of the coordinators

    def _conduct_one(self, current: Round) -> None:
        try:
            self._run(current)
            if self._closed:
                logger.warning("closed: outputs of functions are dropped: %s", current)
            else:
                self._send(current)
                current.sent = True
                self._continue(current)
        except ConnectionClosed as exc:
            logger.info("closed: outputs of functions are dropped: %s", current)
            current.error = exc
        except Exception as exc:
            self._report(exc, f"outputs of functions could not be sent: {current}")
            current.error = exc
        finally:
            with self._monitor.lock:
                current.settled = True
                self._changed.notify_all()

    def _run(self, current: Round) -> None:
        waiting = [
            (call, Deadline(call.function.timeout))
            for call in current.calls
            if call.function is not None and call.result is None
        ]
        for call, _ in waiting:
            self._workers.submit(functools.partial(self._execute, call))
        for call, deadline in waiting:
            self._await(call, deadline)

    def _await(self, call: Call, deadline: Deadline) -> None:
        def is_over() -> bool:
            return self._closed or call.result is not None

        if not self._monitor.wait(self._changed, is_over, _left(deadline)):
            with self._monitor.lock:
                call.fail(call.too_late())

    def _send(self, current: Round) -> None:
        for call in current.calls:
            result = call.result
            assert result is not None
            self._tell(result)
            current.asks = current.asks and result.wants_response
            if current.response.conversation_id is None:
                continue  # there is nowhere to send it to
            item = FunctionCallOutput(call_id=result.call_id, output=result.output)
            # Without a wait for the acknowledgement: the next thing to be sent is the
            # request for a response, and that is acknowledged.
            self._connection.send(
                ConversationItemCreate(event_id=new_event_id(), item=item)
            )

    def _continue(self, current: Round) -> None:
        if current.asks:
            current.follow_up = self._connection.create_response(
                current.params(), when_busy="wait", timeout=_FOLLOW_UP_TIMEOUT
            )

    def _tell(self, result: FunctionResult) -> None:
        if self._on_call is None:
            return
        try:
            self._on_call(result)
        except Exception as exc:
            self._report(exc, "on_call failed")

    def _answer_one(self, request: McpApprovalRequest, approve: Approve) -> None:
        approved = False  # without an answer the service may not
        try:
            approved = bool(approve(request))
        except Exception as exc:
            self._report(exc, f"approve failed: MCP tool {request.name} may not run")
        answer = McpApprovalResponse(
            approval_request_id=str(request.id), approve=approved
        )
        try:
            self._connection.create_item(answer)
        except Exception as exc:
            self._report(exc, f"the answer about MCP tool {request.name} was not sent")

    def _report(self, error: Exception, words: str) -> None:
        logger.warning(words, exc_info=error)
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        except Exception:
            logger.exception("on_error failed")

    # Private methods: on the threads of the workers

    def _execute(self, call: Call) -> None:
        with self._monitor.lock:
            if self._closed or not call.start():
                return
        result = call.run()
        with self._monitor.lock:
            in_time = not self._closed and call.finish(result)
            self._changed.notify_all()
        if not in_time:
            logger.warning(
                "call %s of function %s ended too late; its output is dropped",
                *(result.call_id, result.name),
            )


def _left(deadline: Deadline) -> float | None:
    try:
        return deadline.remaining()
    except TimeoutError:
        return 0.0
