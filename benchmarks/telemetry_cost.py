"""
What statistics, telemetry and log fields cost: ``python -m benchmarks.telemetry_cost``.

Microseconds of this thread's CPU, each the best of many rounds. The first table is what
every message pays, beside what it costs to receive at all (`benchmarks.parts`); the
second is what a response, a function call or a log record pays once.
"""

from __future__ import annotations

import logging
import timeit
from collections.abc import Callable
from time import thread_time
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from realtime_sync import LogFields, Telemetry
from realtime_sync._channel.dispatcher import Dispatcher
from realtime_sync._connection.stats import ResponseClock
from realtime_sync._functions.calls import FunctionContext, FunctionResult
from realtime_sync._log_fields import ConnectionFields
from realtime_sync._telemetry.watch import Watch
from realtime_sync.endpoints import resolve_endpoint
from realtime_sync.protocol import (
    Response,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    Usage,
)
from realtime_sync.protocol.codec import decode_server_event

from .server import audio_delta


ROUNDS = 30
CALLS = 300
DELTA = audio_delta(4800)[4:]  # without the head of the frame

_CREATED = ResponseCreated(response=Response(id="r", status="in_progress"))
_DONE = ResponseDone(
    response=Response(
        id="r",
        status="completed",
        usage=Usage(total_tokens=3, input_tokens=1, output_tokens=2),
    )
)
_AUDIO = ResponseOutputAudioDelta(
    response_id="r", item_id="i", output_index=0, content_index=0, delta=bytes(4800)
)


class Connection:
    """As much of a connection as is looked at."""

    session = SimpleNamespace(id="sess_1", model="m", instructions="Be brief.")
    conversation = ()
    active_response = "r"
    client_request_id = "1"

    def on(self, *_: object) -> None:
        """Remember nothing."""


_CONNECTION = Connection()


def microseconds(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call, timer=thread_time)
    return min(timer.repeat(ROUNDS, CALLS)) / CALLS * 1e6


class Counts:
    """The counters of a channel, and as many lines that count them."""

    def __init__(self) -> None:
        self.messages_received = 0
        self.bytes_received = 0

    def count(self) -> None:
        self.messages_received += 1
        self.bytes_received += len(DELTA)

    def nothing(self) -> None:
        """Be called, as `count()` is."""


def watch_of(kind: str) -> Watch:
    """Return what watches a connection: without an SDK, with one, or with content."""
    if kind == "no SDK":
        telemetry = Telemetry()
    else:
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
        telemetry = Telemetry(
            tracer_provider=tracers,
            meter_provider=MeterProvider([InMemoryMetricReader()]),
            content=kind == "SDK, content",
        )
    watch = telemetry.watch(resolve_endpoint("ws://localhost", model="m"))
    watch.attach(_CONNECTION)
    return watch


def turn_of(watch: Watch) -> Callable[[], None]:
    handlers = watch.handlers()

    def turn() -> None:
        handlers[ResponseCreated](_CREATED)
        handlers[ResponseOutputAudioDelta](_AUDIO)
        handlers[ResponseDone](_DONE)

    return turn


def audio_of(watch: Watch) -> Callable[[], None]:
    handlers = watch.handlers()
    handlers[ResponseCreated](_CREATED)
    on_audio = handlers[ResponseOutputAudioDelta]
    return lambda: on_audio(_AUDIO)


def call_of(watch: Watch) -> Callable[[], object]:
    context = FunctionContext(
        call_id="c", name="f", connection=_CONNECTION, response=_DONE.response
    )
    result = FunctionResult(name="f", call_id="c", arguments="{}", output="1")
    return lambda: watch.call(context, "{}", lambda: result)


def logging_with(*filters: logging.Filter) -> Callable[[], None]:
    logger = logging.Logger("benchmark")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    for each in filters:
        logger.addFilter(each)
    return lambda: logger.info("a line about %s", "something")


def main() -> None:
    clock = ResponseClock()
    on_audio = clock.handlers()[ResponseOutputAudioDelta]
    counts = Counts()
    dispatcher = Dispatcher("ga")
    dispatcher.on(ResponseOutputAudioDelta, lambda event: None)
    counting = microseconds(counts.count) - microseconds(counts.nothing)
    rows: list[tuple[str, float]] = [
        ("decode 100 ms of audio, for comparison", microseconds(_decode)),
        ("statistics: count a message and its bytes", counting),
        ("statistics: see whether audio is the first", microseconds(_call(on_audio))),
        (
            "dispatch to one callback, timing it included",
            microseconds(lambda: dispatcher.dispatch(_AUDIO)),
        ),
    ]
    watches = {kind: watch_of(kind) for kind in ("no SDK", "SDK", "SDK, content")}
    for kind, watch in watches.items():
        cost = microseconds(audio_of(watch))
        rows.append((f"telemetry, {kind}: a piece of audio", cost))
    _print("Of each message", rows)
    once: list[tuple[str, float]] = []
    for kind in watches:
        watch = watch_of(kind)
        once.append((f"telemetry, {kind}: a response", microseconds(turn_of(watch))))
        once.append((f"telemetry, {kind}: a function", microseconds(call_of(watch))))
    once.append(("a log record", microseconds(logging_with())))
    with ConnectionFields(lambda: _CONNECTION, "realtime_sync-1").bound():
        with_fields = microseconds(logging_with(LogFields()))
    once.append(("a log record with the fields", with_fields))
    _print("Of each response, function, record", once)


def _call(function: Callable[[Any], object]) -> Callable[[], object]:
    return lambda: function(_AUDIO)


def _decode() -> object:
    return decode_server_event(DELTA)


def _print(title: str, rows: list[tuple[str, float]]) -> None:
    print(f"\n| {title} | µs |\n| --- | --- |")
    for name, cost in rows:
        print(f"| {name} | {cost:.2f} |")


if __name__ == "__main__":
    main()
