"""One function that a model may call, and one call of it."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ..errors import DecodeError
from ..protocol._arguments import Arguments, output_text
from ..protocol.items import FunctionCall
from ..protocol.responses import Response
from ..protocol.tools import FunctionTool
from .schema import Signature, describe


__all__ = ["Call", "Function", "FunctionContext", "FunctionResult", "NoResponse"]

logger = logging.getLogger("realtime_sync.functions")

T = TypeVar("T")

_ERROR_LIMIT = 2000  # characters of an exception that a model gets to read


@attrs.frozen
class NoResponse(Generic[T]):
    """
    What a function returns whose output the model need not talk about.

    The output is sent, but no response is asked for: not even if other functions were
    called at the same time.

    Attributes:
        output: What the function returns to the model.
    """

    output: T = None  # type: ignore[assignment]


@attrs.frozen(kw_only=True)
class FunctionContext:
    """
    What a function may want to know about its call.

    A function that has a parameter of this type gets it; the model is not told of it.

    Attributes:
        call_id: The id of the call.
        name: The name by which the model called.
        connection: The connection that the call came from. Its methods may be used as
            in any other thread.
        response: The response that the call is a part of.
        cancelled: Is set when nobody waits for the output any more: the time is over or
            the connection was closed. A long function looks at it now and then.
    """

    call_id: str
    name: str
    connection: Any = attrs.field(repr=False)
    response: Response = attrs.field(repr=False)
    cancelled: threading.Event = attrs.field(factory=threading.Event, repr=False)


@attrs.frozen(kw_only=True)
class FunctionResult:
    """
    What came of a call.

    Attributes:
        name: The name by which the model called.
        call_id: The id of the call.
        arguments: The arguments as the model wrote them, JSON.
        output: The text that goes to the model.
        error: What went wrong, or None: an exception of the function, `DecodeError` for
            bad arguments, `TimeoutError`, or `LookupError` for an unknown function.
        wants_response: False if the function returned `NoResponse`.
        duration: Seconds that the function ran; 0.0 if it did not.
    """

    name: str
    call_id: str
    arguments: str = attrs.field(repr=False)
    output: str = attrs.field(repr=False)
    error: BaseException | None = None
    wants_response: bool = True
    duration: float = 0.0


class Function:
    """
    A Python function with all that is needed to offer and to run it. Thread-safe.

    Args:
        function: The function.
        name: What to call it, instead of its own name.
        description: What it does, instead of its docstring.
        timeout: Seconds that a call may take; None for no limit.

    Raises:
        TypeError: No model could call it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> None:
        signature = describe(
            function, name=name, description=description, inject=FunctionContext
        )
        self.timeout = timeout
        self.tool = _tool(signature)
        self.name = signature.name
        self._function = function
        self._injected = signature.injected
        self._arguments = Arguments(signature.annotations, signature.required)

    def run(self, context: FunctionContext, arguments: str) -> FunctionResult:
        """Call the function; what it raises becomes a result that a model can read."""
        started = time.monotonic()
        try:
            given = self._arguments.structure(arguments)
        except DecodeError as exc:
            words = f"the arguments of {self.name} do not fit: {exc}"
            return _failure(context, arguments, exc, f"{words}; correct them")
        given |= dict.fromkeys(self._injected, context)
        try:
            value = self._function(**given)
            is_silent = isinstance(value, NoResponse)
            output = output_text(value.output if is_silent else value)
        except (
            BaseException
        ) as exc:  # SystemExit too: it must not end the pool's thread
            # The arguments are the user's words, and not for a log.
            logger.warning(
                "function %s failed in call %s",
                *(self.name, context.call_id),
                exc_info=True,
            )
            words = f"{type(exc).__name__}: {exc}"
            failure = _failure(context, arguments, exc, words)
            return attrs.evolve(failure, duration=time.monotonic() - started)
        return FunctionResult(
            name=self.name,
            call_id=context.call_id,
            arguments=arguments,
            output=output,
            wants_response=not is_silent,
            duration=time.monotonic() - started,
        )


def _tool(signature: Signature) -> FunctionTool:
    return FunctionTool(
        name=signature.name,
        description=signature.description,
        parameters=signature.parameters,
    )


def _failure(
    context: FunctionContext, arguments: str, error: BaseException, words: str
) -> FunctionResult:
    words = words.encode(errors="replace").decode()[:_ERROR_LIMIT]
    return FunctionResult(
        name=context.name,
        call_id=context.call_id,
        arguments=arguments,
        output=output_text({"error": words}),
        error=error,
    )


class Call:
    """
    A call that a model made, from its arrival to its result.

    Its state changes under the lock of the connection's state, which the runner holds.
    """

    def __init__(
        self, item: FunctionCall, function: Function | None, context: FunctionContext
    ) -> None:
        self.function = function
        self.context = context
        self.started = False
        self.result: FunctionResult | None = None
        self._arguments = item.arguments

    def start(self) -> bool:
        """Tell whether to run the function, unless the time is over already."""
        self.started = self.result is None
        return self.started

    def finish(self, result: FunctionResult) -> bool:
        """Take the function's result; tell whether it was in time."""
        if self.result is not None:
            return False
        self.result = result
        return True

    def run(self) -> FunctionResult:
        """Run the function, without the lock."""
        assert self.function is not None
        run = functools.partial(self.function.run, self.context, self._arguments)
        around = getattr(self.context.connection, "_run_call", None)
        result: FunctionResult = (
            around(self.context, self._arguments, run) if around else run()
        )
        return result

    def fail(self, error: Exception) -> None:
        """Let the call have failed, unless it has a result."""
        if self.result is None:
            words = str(error)
            self.result = _failure(self.context, self._arguments, error, words)
            self.context.cancelled.set()

    def too_late(self) -> TimeoutError:
        """Return the error of a call that has not ended in time."""
        assert self.function is not None
        name, timeout = self.context.name, self.function.timeout
        if self.started:
            return TimeoutError(
                f"{name} did not finish within {timeout:g} s; it may still take effect"
            )
        return TimeoutError(
            f"{name} was not run, because too many functions are running; try it later"
        )
