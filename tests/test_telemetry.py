"""Spans and metrics, as OpenTelemetry's SDK exports them."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from realtime_sync import (
    AuthenticationError,
    ConnectionClosed,
    RealtimeClient,
    RealtimeConnection,
    Reconnected,
    ReconnectPolicy,
    ResponseDone,
    ResponseError,
    Telemetry,
)
from realtime_sync.emulator import (
    EmulatorSettings,
    Failure,
    Fault,
    RealtimeEmulator,
    Reply,
    ToneSpeech,
)


PATIENCE = 60.0  # seconds after which a test has failed


class Exported:
    """What the SDK has exported."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._metrics = InMemoryMetricReader()
        self.meters = MeterProvider([self._metrics])
        self.tracer = self.tracers.get_tracer("test")

    def telemetry(self, **options: Any) -> Telemetry:
        return Telemetry(
            tracer_provider=self.tracers, meter_provider=self.meters, **options
        )

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Return the spans whose name begins so, in the order of their end."""
        return [
            span
            for span in self._spans.get_finished_spans()
            if span.name[: len(name)] == name
        ]

    def span(self, name: str) -> ReadableSpan:
        (found,) = self.spans(name)
        return found

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric."""
        data = self._metrics.get_metrics_data()
        scopes = data.resource_metrics[0].scope_metrics if data else []
        return [
            point
            for scope in scopes
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.fixture(name="exported")
def _exported() -> Exported:
    return Exported()


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(
        speech=ToneSpeech(), settings=EmulatorSettings.instant()
    ) as emulator:
        yield emulator


Connect = Callable[..., RealtimeClient]


@pytest.fixture(name="make_client")
def _make_client(emulator: RealtimeEmulator, exported: Exported) -> Connect:
    def make_client(content: bool = False, **settings: Any) -> RealtimeClient:
        return RealtimeClient(
            emulator.endpoint,
            "any",
            model="gpt-realtime",
            proxy="",
            telemetry=exported.telemetry(content=content),
            **settings,
        )

    return make_client


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    with trace.get_tracer("inside").start_as_current_span("inside"):
        return f"It rains in {city}."


class TestSpokenTurn:
    """A spoken question, a function call, a spoken answer: the whole of it."""

    @pytest.fixture(name="turn")
    def _turn(self, exported: Exported, make_client: Connect) -> Exported:
        question = ToneSpeech().speak("How is the weather in Rome?")
        client = make_client(
            functions=[get_weather],
            session={"audio": {"input": {"turn_detection": None}}},
        )
        with (
            exported.tracer.start_as_current_span("view"),
            client.connect() as connection,
        ):
            connection.append_input_audio(question)
            connection.commit_input_audio()
            ended = connection.events(ResponseDone, timeout=PATIENCE)
            connection.create_response()
            next(ended)
            next(ended)
        return exported

    def test_tree(self, turn: Exported) -> None:
        """Responses are the caller's, and the function is the response's."""
        view = turn.span("view")
        first, second = turn.spans("chat")
        tool = turn.span("execute_tool")

        assert {id_of(view)} == {
            parent_of(span) for span in (turn.span("connect"), first, second)
        }
        assert id_of(first) == parent_of(tool)
        assert 1 == len(
            {span.context.trace_id for span in turn.spans() if span.context}
        )

    def test_names(self, turn: Exported) -> None:
        """The names are those of the conventions."""
        names = sorted(span.name for span in turn.spans())

        assert [
            "chat gpt-realtime",
            "chat gpt-realtime",
            "connect",
            "execute_tool get_weather",
            "view",
        ] == names
        assert trace.SpanKind.CLIENT == turn.spans("chat")[0].kind

    def test_response(self, turn: Exported, emulator: RealtimeEmulator) -> None:
        """A response has its model, tokens, reason of ending, session and times."""
        first, second = map(attributes, turn.spans("chat"))
        done = emulator.sessions[0].responses[1]

        assert ("tool_calls",) == first["gen_ai.response.finish_reasons"]
        assert ("stop",) == second["gen_ai.response.finish_reasons"]
        assert {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-realtime",
            "gen_ai.response.model": "gpt-realtime",
            "gen_ai.response.id": done.id,
            "gen_ai.conversation.id": emulator.sessions[0].id,
            "gen_ai.output.type": "speech",
            "gen_ai.usage.input_tokens": done.usage and done.usage.input_tokens,
            "gen_ai.usage.output_tokens": done.usage and done.usage.output_tokens,
            "server.address": "127.0.0.1",
            "server.port": emulator.port,
        }.items() <= second.items()
        assert second["realtime_sync.response.time_to_first_audio"] > 0
        assert "gen_ai.input.messages" not in second

    def test_times(self, turn: Exported) -> None:
        """A response begins when it is asked for, and ends with its last event."""
        first, second = turn.spans("chat")
        connect, tool = turn.span("connect"), turn.span("execute_tool")

        assert connect.end_time <= first.start_time < first.end_time  # type: ignore[operator]
        assert first.end_time <= tool.start_time <= second.start_time  # type: ignore[operator]

    def test_tool(self, turn: Exported) -> None:
        """A function call has its name and the id of the call, and no content."""
        found = attributes(turn.span("execute_tool"))

        assert found.pop("gen_ai.tool.call.id").startswith("call_")
        assert {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "get_weather",
            "gen_ai.tool.type": "function",
        } == found

    def test_metrics(self, turn: Exported) -> None:
        """Durations, tokens and times to the first piece are in histograms."""
        operations = {
            point.attributes["gen_ai.operation.name"]: point.count
            for point in turn.points("gen_ai.client.operation.duration")
        }
        tokens = {
            point.attributes["gen_ai.token.type"]: (point.count, point.sum)
            for point in turn.points("gen_ai.client.token.usage")
        }
        chats = list(map(attributes, turn.spans("chat")))
        (first_audio,) = turn.points("realtime_sync.response.time_to_first_audio")
        (first_chunk,) = turn.points("gen_ai.client.operation.time_to_first_chunk")

        assert {"connect": 1, "chat": 2, "execute_tool": 1} == operations
        assert {
            kind: (2, sum(chat[f"gen_ai.usage.{kind}_tokens"] for chat in chats))
            for kind in ("input", "output")
        } == tokens
        assert 1 == first_audio.count == first_chunk.count
        assert 0.01 == first_audio.explicit_bounds[0]
        assert 16_384 in turn.points("gen_ai.client.token.usage")[0].explicit_bounds

    def test_connections(self, turn: Exported) -> None:
        """Connections are counted up and down, and how long they lasted is known."""
        (open_ones,) = turn.points("realtime_sync.connections")
        (lasted,) = turn.points("realtime_sync.connection.duration")

        assert 0 == open_ones.value
        assert 1 == lasted.count
        assert "error.type" not in lasted.attributes


class TestContent:
    def test_said(self, exported: Exported, make_client: Connect) -> None:
        """What is said is written down if that was asked for, without audio."""
        client = make_client(
            content=True,
            functions=[get_weather],
            session={"instructions": "Be brief."},
        )
        with client.connect() as connection:
            connection.ask("How is the weather in Rome?")
        second = attributes(exported.spans("chat")[1])
        tool = attributes(exported.span("execute_tool"))
        roles = [each["role"] for each in json.loads(second["gen_ai.input.messages"])]
        (answer,) = json.loads(second["gen_ai.output.messages"])

        assert "Be brief." == second["gen_ai.system_instructions"]
        assert ["user", "assistant", "tool"] == roles
        assert ("assistant", "stop") == (answer["role"], answer["finish_reason"])
        assert [{"type": "text", "content": "It rains in Rome."}] == answer["parts"]
        assert '{"city": "Rome"}' == tool["gen_ai.tool.call.arguments"]
        assert "It rains in Rome." == tool["gen_ai.tool.call.result"]

    def test_not_asked_for(self, exported: Exported, make_client: Connect) -> None:
        """Otherwise no span holds a word of it, not even where something fails."""

        def get_weather(city: str) -> str:
            """Get the weather of a city."""
            raise ValueError(f"{city} is secret")

        with make_client(functions=[get_weather]).connect() as connection:
            connection.ask("How is the weather in Rome?")
        everything = " ".join(span.to_json() for span in exported.spans())

        assert "ValueError" in everything
        assert "Rome" not in everything
        assert "weather in" not in everything


class TestErrors:
    def test_refused(self, exported: Exported) -> None:
        """A connection that is refused is a span with the status."""
        with RealtimeEmulator(api_keys=["good"]) as emulator:
            client = RealtimeClient(
                emulator.endpoint,
                "bad",
                model="m",
                proxy="",
                telemetry=exported.telemetry(),
            )
            with pytest.raises(AuthenticationError):
                client.connect()
        span = exported.span("connect")
        (point,) = exported.points("gen_ai.client.operation.duration")

        assert trace.StatusCode.ERROR == span.status.status_code
        assert "401" == attributes(span)["error.type"] == point.attributes["error.type"]
        assert [] == exported.points("realtime_sync.connections")

    def test_response_failed(self, exported: Exported) -> None:
        """A response that failed says with what."""
        failure = Failure(message="I am tired.", code="tired")
        with RealtimeEmulator(
            speech=ToneSpeech(), replies=lambda turn: Reply(failure=failure)
        ) as emulator:
            client = RealtimeClient(
                emulator.endpoint,
                "any",
                model="m",
                proxy="",
                telemetry=exported.telemetry(),
            )
            with client.connect() as connection, pytest.raises(ResponseError):
                connection.ask("Hello.")
        span = exported.span("chat")

        assert trace.StatusCode.ERROR == span.status.status_code
        assert "tired" == attributes(span)["error.type"]

    def test_connection_broke(
        self, exported: Exported, emulator: RealtimeEmulator, make_client: Connect
    ) -> None:
        """A response whose connection breaks ends with that."""
        with make_client(reconnect=None).connect() as connection:
            emulator.inject(Fault.cut(at="response.output_audio.delta"))
            with pytest.raises(ConnectionClosed):
                connection.create_response().result(PATIENCE)
        span = exported.span("chat")
        (lasted,) = exported.points("realtime_sync.connection.duration")

        assert "ConnectionClosedError" == attributes(span)["error.type"]
        assert "ConnectionClosedError" == lasted.attributes["error.type"]

    def test_reconnected(
        self, exported: Exported, emulator: RealtimeEmulator, make_client: Connect
    ) -> None:
        """A connection that was found again is counted."""
        client = make_client(reconnect=ReconnectPolicy(first_delay=0.0))
        counted = threading.Event()
        with client.connect() as connection:
            connection.on(Reconnected, lambda event: counted.set())
            emulator.inject(Fault.cut())
            connection.send({"type": "input_audio_buffer.clear"})
            assert counted.wait(PATIENCE)
        (point,) = exported.points("realtime_sync.connection.reconnects")

        assert 1 == point.value


class TestContext:
    def test_each_thread_has_its_own(
        self, exported: Exported, make_client: Connect
    ) -> None:
        """Responses on one connection belong to those who asked, on whatever thread."""

        def ask(connection: RealtimeConnection, name: str) -> tuple[str, int]:
            with exported.tracer.start_as_current_span(name) as span:
                stream = connection.create_response({"conversation": "none"})
                stream.result(PATIENCE)
            return stream.id or "", span.get_span_context().span_id

        with (
            exported.tracer.start_as_current_span("main"),
            make_client().connect() as connection,
            ThreadPoolExecutor(4) as pool,
        ):
            asked = [pool.submit(ask, connection, f"t{n}") for n in range(20)]
            expected = dict(future.result() for future in asked)
        found = {
            attributes(span)["gen_ai.response.id"]: parent_of(span)
            for span in exported.spans("chat")
        }

        assert expected == found

    def test_turn_detection(self, exported: Exported, make_client: Connect) -> None:
        """A response that the server starts belongs to who opened the connection."""
        question = ToneSpeech().speak("Hello.") + bytes(48_000)
        with (
            exported.tracer.start_as_current_span("view"),
            make_client().connect() as connection,
        ):
            ended = connection.events(ResponseDone, timeout=PATIENCE)
            connection.append_input_audio(question)
            next(ended)
        span = exported.span("chat")

        assert id_of(exported.span("view")) == parent_of(span)

    def test_no_context(self, exported: Exported, make_client: Connect) -> None:
        """Where the caller traces nothing, a response is a trace of its own."""
        with make_client().connect() as connection:
            connection.ask("Hello.")

        assert parent_of(exported.span("chat")) is None

    def test_function_context(
        self, exported: Exported, emulator: RealtimeEmulator, make_client: Connect
    ) -> None:
        """What a function traces itself is a child of its call."""

        def get_weather(city: str) -> str:
            """Get the weather of a city."""
            with exported.tracer.start_as_current_span("inside"):
                return "It rains."

        with make_client(functions=[get_weather]).connect() as connection:
            connection.ask("How is the weather in Rome?")

        assert id_of(exported.span("execute_tool")) == parent_of(
            exported.span("inside")
        )

    def test_other_thread(self, exported: Exported, make_client: Connect) -> None:
        """The context of a caller is not that of a later one."""
        with make_client().connect() as connection:
            with exported.tracer.start_as_current_span("first"):
                connection.ask("Hello.")
            connection.ask("Hello again.")
        first, second = exported.spans("chat")

        assert id_of(exported.span("first")) == parent_of(first)
        assert parent_of(second) is None


class TestWithout:
    def test_no_sdk(self, emulator: RealtimeEmulator) -> None:
        """Without an SDK everything works, and goes nowhere."""
        client = RealtimeClient(
            emulator.endpoint, "any", model="m", proxy="", telemetry=Telemetry()
        )

        assert client.ask("Hello.").text

    def test_transcription(self, exported: Exported, make_client: Connect) -> None:
        """Sessions of other kinds are traced in being opened."""
        make_client().transcribe(ToneSpeech().speak("Hi."), source_rate=24_000)

        assert ["connect"] == [span.name for span in exported.spans()]

    def test_no_api(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the API package the message says which extra to install."""
        monkeypatch.delitem(sys.modules, "realtime_sync._telemetry.watch", False)
        monkeypatch.setitem(sys.modules, "opentelemetry", None)
        with pytest.raises(ImportError, match=r"realtime_sync\[telemetry\]"):
            Telemetry()

    def test_not_imported(self) -> None:
        """A client without telemetry does not import OpenTelemetry."""
        import subprocess

        code = (
            "import sys, realtime_sync as r; r.RealtimeClient('ws://localhost');"
            "r.LogFields; print('opentelemetry' in sys.modules)"
        )
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout

        assert "False" == out.strip()
