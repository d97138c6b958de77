"""
Python functions that a model can call.

::

    def get_weather(city: str, unit: Literal["celsius", "kelvin"] = "celsius") -> str:
        '''Tell the weather of today.'''
        ...

A `FunctionRunner` offers functions to the model and runs what the model calls:

- It runs the calls of responses that are completed. The arguments of cancelled, failed
  and incomplete ones may be cut short, and what they want done nobody may want.
- The calls of one response run at the same time, on threads of the runner's own. All
  outputs are sent in the order of the calls, and then one response is asked for; if
  another one is in progress by then, after its end.
- Whatever goes wrong with a call is its output: ``{"error": "..."}``. A model can read
  that and repair its arguments, or say that it is sorry.
- A response outside of the conversation has no place that outputs could go to. Its
  calls are run only when *out_of_band* is set, for their effect and for *on_call*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeGuard

from ._channel.monitor import Monitor
from ._functions.calls import (
    Call,
    Function,
    FunctionContext,
    FunctionResult,
    NoResponse,
)
from ._functions.conductor import Conductor, FunctionConnection
from ._functions.rounds import Round, Rounds
from .errors import ConnectionClosed
from .protocol._model import UNSET, ServerEvent, Unset
from .protocol.items import FunctionCall, Item, Message
from .protocol.mcp_items import McpApprovalRequest
from .protocol.responses import Response
from .protocol.server_events import (
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDone,
    ResponseDone,
    ResponseOutputItemDone,
)
from .protocol.tools import FunctionTool
from .response_stream import ResponseStream


__all__ = [
    "FunctionConnection",
    "FunctionContext",
    "FunctionResult",
    "FunctionRunner",
    "NoResponse",
    "function_tool",
]


def function_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
) -> FunctionTool:
    """
    Describe a function as a tool, for a session or a response.

    Types of parameters may be str, int, float, bool, None, ``Literal``, ``Union``,
    ``Optional``, ``X | Y``, enums, list, set, tuple, dict, ``TypedDict``, attrs classes
    and dataclasses, in each other too; a parameter without a type takes anything.
    ``Annotated[str, "..."]`` describes a parameter, and so does the docstring: Google's
    ``Args:``, numpy's ``Parameters`` or reST's ``:param x:``. What has a default is not
    required.

    Args:
        function: A function, a bound method or a partial.
        name: What to call it, instead of its own name.
        description: What it does, instead of its docstring up to the first section.

    Raises:
        TypeError: No model could call it: it is async, a generator, has ``*args``,
            ``**kwargs`` or positional-only parameters, no name, or a parameter of a
            type that has no JSON schema.
    """
    return Function(function, name=name, description=description).tool


class FunctionRunner:
    """
    Offers functions to the model of one connection and runs its calls.

    The functions run on threads of the runner, several at a time, so what they share
    needs a lock. They may use the connection. One that takes longer than its timeout
    goes on in its thread, and keeps that thread from running others, but its output is
    an error from then on.

    All methods are thread-safe.

    Args:
        connection: Where outputs are sent.
        functions: The functions to offer; as a mapping, by the names that they get.
        monitor: The lock of the connection's state.
        timeout: Seconds that a call may take, from its arrival on; None for no limit.
        max_workers: How many functions may run at the same time.
        max_rounds: How many times in succession the model may call functions before the
            user says something. After that calls are not run, and the model is made to
            answer without. None for no limit.
        unknown: What to do about calls of functions that are not registered here:
            "error" tells the model so, "ignore" leaves them to callbacks. Then the
            follow-up of a response with such a call is left to them as well.
        out_of_band: Whether to run the calls of responses outside of the conversation.
        approve: Is called with each `McpApprovalRequest`, on a thread of its own, and
            returns whether the service may run that tool. None leaves them to
            callbacks. The response that follows on the tool's end is not asked for.
        on_call: Is called with each `FunctionResult`, in order, before it is sent.
        on_error: Is called with exceptions that have no caller to be raised in. They
            are logged as well.
        name: What the threads are called, before their number.
    """

    def __init__(
        self,
        connection: FunctionConnection,
        functions: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]] = (),
        *,
        monitor: Monitor | None = None,
        timeout: float | None = 30.0,
        max_workers: int = 8,
        max_rounds: int | None = 10,
        unknown: Literal["error", "ignore"] = "error",
        out_of_band: bool = False,
        approve: Callable[[McpApprovalRequest], bool] | None = None,
        on_call: Callable[[FunctionResult], object] | None = None,
        on_error: Callable[[Exception], object] | None = None,
        name: str = "realtime-sync",
    ) -> None:
        if max_workers < 1:
            raise ValueError(f"max_workers is at least 1, not {max_workers}")
        if unknown not in ("error", "ignore"):
            raise ValueError(f"unknown is 'error' or 'ignore', not {unknown!r}")
        self._connection = connection
        self._monitor = monitor or Monitor()
        self._rounds = Rounds(max_rounds)
        self._timeout = timeout
        self._ignores_unknown = unknown == "ignore"
        self._out_of_band = out_of_band
        self._approve = approve
        self._functions: Mapping[str, Function] = {}
        self._ended: Callable[[], ConnectionClosed] | None = None
        self._conductor = Conductor(
            connection,
            self._monitor,
            max_workers=max_workers,
            on_call=on_call,
            on_error=on_error,
            name=name,
        )
        for own_name, function in _named(functions):
            self.add(function, name=own_name)

    # Public methods

    @property
    def tools(self) -> tuple[FunctionTool, ...]:
        """The functions as tools, for the session."""
        return tuple(function.tool for function in self._functions.values())

    def add(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | Unset | None = UNSET,
    ) -> FunctionTool:
        """
        Offer one more function. The session has to be told, with the new *tools*.

        Args:
            function: What to run; see `function_tool()`.
            name: What to call it, instead of its own name.
            description: What it does, instead of its docstring.
            timeout: Seconds that a call may take, instead of the runner's; None for no
                limit.

        Returns:
            The function as a tool.

        Raises:
            TypeError: No model could call it.
            ValueError: There is one of that name.
        """
        new = Function(
            function,
            name=name,
            description=description,
            timeout=self._timeout if timeout is UNSET else timeout,
        )
        with self._monitor.lock:
            if new.name in self._functions:
                raise ValueError(f"there is a function {new.name!r} already")
            self._functions = {**self._functions, new.name: new}
        return new.tool

    def follow_up(
        self, response_id: str, timeout: float | None = None
    ) -> ResponseStream | None:
        """
        Wait for the response that follows on the function calls of another one.

        Args:
            response_id: The id of a response that is done, one of the last few.
            timeout: Seconds to wait; None for no limit.

        Returns:
            The response that was asked for; None if there were no calls to run, or if
            none follows on them.

        Raises:
            TimeoutError: The calls took longer.
            ConnectionClosed: The connection has ended.
            RealtimeError: The outputs or the request could not be sent.
        """
        with self._monitor.lock:
            found = self._rounds.find(response_id)
        if found is None:
            return None
        if not self._conductor.wait(found, timeout):
            raise TimeoutError(
                f"the function calls of {response_id} took longer than {timeout:g} s"
            )
        if found.error is not None:
            raise found.error.with_traceback(None)
        if not found.sent and self._ended is not None:
            raise self._ended()
        return found.follow_up

    def close(self, timeout: float | None = 5.0) -> None:
        """
        Run no more calls, drop the outputs of those that are running, end the threads.

        It is idempotent and can be called by a function.

        Args:
            timeout: Seconds to wait for functions that are running. One that takes
                longer goes on in its thread, which does not keep the process alive.
        """
        with self._monitor.lock:
            self._rounds.cancel()
        self._conductor.close(timeout)

    # Methods for the connection, on the reader thread

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what to call with which events. None of them blocks."""
        return {
            ConversationItemAdded: self._absorb_item,
            ConversationItemCreated: self._absorb_item,
            ConversationItemDone: self._absorb_item,
            ResponseOutputItemDone: self._absorb_item,
            ResponseDone: self._absorb_done,
        }

    def end(self, error: Callable[[], ConnectionClosed]) -> None:
        """Take note that the connection has ended: a `close()` that does not wait."""
        with self._monitor.lock:
            self._ended = self._ended or error
            self._rounds.cancel()
        self._conductor.stop()

    # Private methods: what arrives

    def _absorb_item(self, event: ConversationItemDone) -> None:
        item = event.item
        if isinstance(item, Message) and item.role == "user":
            with self._monitor.lock:
                self._rounds.user_spoke()
        elif isinstance(item, McpApprovalRequest) and self._approve and item.id:
            # It arrives in several events, the first of which is early enough. It may
            # not wait for the response to be done: the response waits for the answer.
            with self._monitor.lock:
                is_new = self._rounds.is_new(item.id)
            if is_new:
                self._conductor.answer(item, self._approve)

    def _absorb_done(self, event: ResponseDone) -> None:
        response = event.response
        is_out_of_band = response.conversation_id is None
        if response.status != "completed" or not response.output:
            return
        if is_out_of_band and not self._out_of_band:
            return
        found = [item for item in response.output if _is_whole(item)]
        own = [item for item in found if self._is_own(item)]
        with self._monitor.lock:
            new = self._new_round(response, own)
        if new is not None:
            new.asks = new.asks and not is_out_of_band and len(own) == len(found)
            self._conductor.conduct(new)

    def _new_round(self, response: Response, items: list[FunctionCall]) -> Round | None:
        is_new = self._rounds.is_new
        calls = [self._call(item, response) for item in items if is_new(item.call_id)]
        if not calls:
            return None
        return self._rounds.open(response, calls)

    def _is_own(self, item: FunctionCall) -> bool:
        return item.name in self._functions or not self._ignores_unknown

    def _call(self, item: FunctionCall, response: Response) -> Call:
        context = FunctionContext(
            call_id=str(item.call_id),
            name=item.name,
            connection=self._connection,
            response=response,
        )
        call = Call(item, self._functions.get(item.name), context)
        if call.function is None:
            names = ", ".join(self._functions) or "none"
            call.fail(LookupError(f"no function {item.name!r}; there are: {names}"))
        return call


def _is_whole(item: Item) -> TypeGuard[FunctionCall]:
    if not isinstance(item, FunctionCall) or not item.call_id:
        return False
    return not item.status or item.status == "completed"


def _named(
    functions: Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]],
) -> Iterable[tuple[str | None, Callable[..., Any]]]:
    if isinstance(functions, Mapping):
        return functions.items()
    return [(None, function) for function in functions]
