"""What `Telemetry` does for one connection, in terms of OpenTelemetry's API."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, time_ns
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from .._functions.calls import FunctionContext, FunctionResult
from .._version import VERSION
from ..endpoints import Endpoint
from ..errors import ConnectionClosedOK
from ..protocol._model import ServerEvent
from ..protocol.responses import Response
from ..protocol.server_events import (
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStopped,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputTextDelta,
)
from ..reconnect import Reconnected
from ..response_stream import ResponseStream
from . import names
from .content import input_messages, output_messages
from .facts import error_of, facts, fail, finish_reason


__all__ = ["Instruments", "Watch"]

_PROVIDERS: Final = {"azure": "azure.ai.openai", "openai": "openai"}
_KEPT: Final = 100  # responses whose functions may still run

Attributes = dict[str, Any]


class Instruments:
    """The tracer and the metrics, made once."""

    def __init__(self, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        self.tracer = trace.get_tracer("realtime_sync", VERSION, tracer_provider)
        meter = metrics.get_meter("realtime_sync", VERSION, meter_provider)
        seconds: dict[str, Any] = {
            "unit": "s",
            "explicit_bucket_boundaries_advisory": names.DURATION_BUCKETS,
        }
        self.duration = meter.create_histogram(
            names.DURATION, description="Time that an operation took.", **seconds
        )
        self.first_chunk = meter.create_histogram(
            names.FIRST_CHUNK,
            description="Time to the first piece of a response.",
            **seconds,
        )
        self.first_audio = meter.create_histogram(
            names.FIRST_AUDIO,
            description="Time to the first audio of a response.",
            **seconds,
        )
        self.token_usage = meter.create_histogram(
            names.TOKEN_USAGE,
            unit="{token}",
            description="Tokens that a response took.",
            explicit_bucket_boundaries_advisory=names.TOKEN_BUCKETS,
        )
        self.connections = meter.create_up_down_counter(
            names.CONNECTIONS, unit="{connection}", description="Open connections."
        )
        self.connection_duration = meter.create_histogram(
            names.CONNECTION_DURATION, description="Time that it was open.", **seconds
        )
        self.reconnects = meter.create_counter(
            names.RECONNECTS, unit="{reconnect}", description="Connections found again."
        )


@attrs.frozen
class _Asked:
    """A response that this side asked for, and where in the caller's trace."""

    stream: ResponseStream
    parent: Context
    at_ns: int
    at: float


@attrs.define
class _Open:
    """A response that goes on."""

    span: Span
    began: float
    ended_ns: int | None = None
    has_output: bool = False
    has_audio: bool = False


class Watch:
    """
    Watches one connection. Its handlers run on the reader thread.

    Args:
        instruments: Where to write.
        endpoint: Where the connection leads to.
        content: Whether to write down what is said.
    """

    def __init__(
        self, instruments: Instruments, endpoint: Endpoint, *, content: bool
    ) -> None:
        self._instruments = instruments
        self._endpoint = endpoint
        self._content = content
        self._parent = otel_context.get_current()
        self._lock = threading.Lock()
        self._asked: list[_Asked] = []
        self._open: dict[str, _Open] = {}
        # The context of each response, and its parent's, which is also that of the
        # response that follows upon function calls.
        self._contexts: OrderedDict[str, tuple[Context, Context]] = OrderedDict()
        self._follow_up = self._parent
        self._turn_ended: tuple[int, float] | None = None
        self._connection: Callable[[], Any] = lambda: None
        self._opened_at = 0.0

    # Opening

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Trace what happens inside as the opening of the connection."""
        began = monotonic()
        attributes = self._common("connect")
        span = self._instruments.tracer.start_span(
            "connect", self._parent, SpanKind.CLIENT, attributes
        )
        try:
            with trace.use_span(span):
                yield
        except BaseException as exc:
            fail(span, attributes, exc)
            raise
        finally:
            connection = self._connection()
            if connection is not None:
                span.set_attribute(names.CONVERSATION, connection.session.id or "")
                span.set_attribute(names.REQUEST_ID, connection.client_request_id)
            self._instruments.duration.record(monotonic() - began, attributes)
            span.end()

    def attach(self, connection: Any) -> None:
        """Watch *connection* from now on."""
        self._connection = weakref.ref(connection)  # no reference back
        self._opened_at = monotonic()
        self._instruments.connections.add(1, self._place())
        connection.on(Reconnected, self._on_reconnected)

    # For the connection

    def asked(self, stream: ResponseStream) -> None:
        """Note that a response is asked for, on the thread that does."""
        current = otel_context.get_current()
        if not trace.get_current_span(current).get_span_context().is_valid:
            current = self._follow_up
        with self._lock:
            self._asked = [
                *(each for each in self._asked if not each.stream.done()),
                _Asked(stream, current, time_ns(), monotonic()),
            ]

    def call(
        self,
        context: FunctionContext,
        arguments: str,
        run: Callable[[], FunctionResult],
    ) -> FunctionResult:
        """Run a function that the model called; its own spans are children."""
        began = monotonic()
        attributes: Attributes = {
            names.OPERATION: "execute_tool",
            names.TOOL_NAME: context.name,
        }
        response_id = context.response.id or ""
        with self._lock:
            # Who runs functions may hear of the end of a response before this does.
            if going := self._open.get(response_id):
                going.ended_ns = going.ended_ns or time_ns()
        parent, self._follow_up = self._contexts.get(
            response_id, (self._parent, self._parent)
        )
        with self._instruments.tracer.start_as_current_span(
            f"execute_tool {context.name}",
            parent,
            attributes={
                **attributes,
                names.TOOL_TYPE: "function",
                names.CALL_ID: context.call_id,
            },
        ) as span:
            result = run()
            if result.error is not None:
                # What it says may be somebody's words, as arguments are.
                kind = type(result.error).__qualname__
                fail(span, attributes, result.error if self._content else kind)
            if self._content:
                span.set_attribute(names.ARGUMENTS, arguments)
                span.set_attribute(names.CALL_RESULT, result.output)
        self._instruments.duration.record(monotonic() - began, attributes)
        return result

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what to call with which events."""
        return {
            InputAudioBufferCommitted: self._on_turn_ended,
            InputAudioBufferSpeechStopped: self._on_turn_ended,
            ResponseCreated: self._on_created,
            ResponseOutputAudioDelta: self._on_audio,
            ResponseOutputTextDelta: self._on_output,
            ResponseDone: self._on_done,
        }

    def lose(self, error: Callable[[], Exception]) -> None:
        """Note that the responses that go on will have no end."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        for each in left:
            fail(each.span, {}, error())
            each.span.end()

    def end(self, error: Callable[[], Exception]) -> None:
        """Note that the connection has ended, and with it what went on."""
        self.lose(error)
        closed = error()
        place = self._place()
        self._instruments.connections.add(-1, place)
        seconds = monotonic() - self._opened_at
        ended = type(closed).__name__
        failed = not isinstance(closed, ConnectionClosedOK)
        attributes = {**place, names.ERROR_TYPE: ended} if failed else place
        self._instruments.connection_duration.record(seconds, attributes)

    # Events

    def _on_turn_ended(self, event: object) -> None:
        self._turn_ended = time_ns(), monotonic()

    def _on_created(self, event: ResponseCreated) -> None:
        response_id = event.response.id or ""
        parent, at_ns, at = self._beginning(response_id)
        attributes = self._common("chat")
        span = self._instruments.tracer.start_span(
            f"chat {attributes.get(names.REQUEST_MODEL, '')}".strip(),
            parent,
            SpanKind.CLIENT,
            {**attributes, **self._identity(), names.RESPONSE_ID: response_id},
            start_time=at_ns,
        )
        # Now, as functions may be called before the end of the response is here.
        self._contexts[response_id] = trace.set_span_in_context(span, parent), parent
        if len(self._contexts) > _KEPT:
            self._contexts.popitem(last=False)
        with self._lock:
            self._open[response_id] = _Open(span, at)

    def _beginning(self, response_id: str) -> tuple[Context, int, float]:
        """Return under what a response began, and when, on both clocks."""
        with self._lock:
            asked = self._take_asked(response_id)
        turn, self._turn_ended = self._turn_ended, None
        if asked:
            return asked[0].parent, asked[0].at_ns, asked[0].at
        return self._parent, *(turn or (time_ns(), monotonic()))

    def _take_asked(self, response_id: str) -> list[_Asked]:
        """Return the requests that a response answers; requires holding the lock."""
        asked = [each for each in self._asked if each.stream.id == response_id]
        self._asked = [each for each in self._asked if each not in asked]
        return asked

    def _on_output(self, event: ResponseOutputTextDelta) -> None:
        going = self._open.get(event.response_id)
        if going is not None and not going.has_output:
            going.has_output = True
            seconds = monotonic() - going.began
            self._instruments.first_chunk.record(seconds, self._common("chat"))

    def _on_audio(self, event: ResponseOutputAudioDelta) -> None:
        going = self._open.get(event.response_id)
        if going is not None and not going.has_audio:
            going.has_output = going.has_audio = True
            seconds = monotonic() - going.began
            common = self._common("chat")
            self._instruments.first_chunk.record(seconds, common)
            self._instruments.first_audio.record(seconds, common)
            going.span.set_attribute(names.FIRST_AUDIO, seconds)

    def _on_done(self, event: ResponseDone) -> None:
        response = event.response
        response_id = response.id or ""
        with self._lock:
            going = self._open.pop(response_id, None)
        if going is None:
            return
        attributes = self._common("chat")
        span = going.span
        if span.is_recording():
            span.set_attributes(facts(response, going.has_audio))
            if self._content:
                span.set_attributes(self._said(response))
        if response.status == "failed":
            fail(span, attributes, error_of(response))
        self._measure(response, going, attributes)
        span.end(going.ended_ns)

    def _measure(
        self, response: Response, going: _Open, attributes: Attributes
    ) -> None:
        self._instruments.duration.record(monotonic() - going.began, attributes)
        usage = response.usage
        if not usage:
            return
        for kind in ("input", "output"):
            count = getattr(usage, f"{kind}_tokens")
            if isinstance(count, int):
                self._instruments.token_usage.record(
                    count, {**attributes, names.TOKEN_TYPE: kind}
                )

    def _on_reconnected(self, event: Reconnected) -> None:
        self._instruments.reconnects.add(1, self._place())

    # Attributes

    def _place(self) -> Attributes:
        url = urlsplit(self._endpoint.url)
        return {
            names.PROVIDER: _PROVIDERS.get(self._endpoint.kind, "openai"),
            names.ADDRESS: url.hostname or "",
            names.PORT: url.port or (443 if self._endpoint.is_secure else 80),
        }

    def _common(self, operation: str) -> Attributes:
        model = {names.REQUEST_MODEL: self._endpoint.model}
        known = model if self._endpoint.model else {}
        return {names.OPERATION: operation, **known, **self._place()}

    def _identity(self) -> Attributes:
        session = getattr(self._connection(), "session", None)
        found = {
            names.CONVERSATION: getattr(session, "id", None),
            names.RESPONSE_MODEL: getattr(session, "model", None),
        }
        return {name: value for name, value in found.items() if value}

    def _said(self, response: Response) -> Attributes:
        connection = self._connection()
        items = response.output or ()
        conversation = getattr(connection, "conversation", None)
        known = [each.item for each in conversation] if conversation else []
        said = {
            names.INPUT_MESSAGES: input_messages(known, items),
            names.OUTPUT_MESSAGES: output_messages(items, finish_reason(response)),
        }
        instructions = getattr(connection.session, "instructions", None)
        return {**said, names.INSTRUCTIONS: instructions} if instructions else said
