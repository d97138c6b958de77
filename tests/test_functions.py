"""What a runner does with the function calls of responses."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from realtime_sync._channel.monitor import Monitor
from realtime_sync._worker_pool import WorkerPool
from realtime_sync.errors import (
    ConnectionClosedError,
    ConnectionClosedOK,
    DecodeError,
    LocalProtocolError,
)
from realtime_sync.functions import (
    FunctionContext,
    FunctionResult,
    FunctionRunner,
    NoResponse,
    function_tool,
)
from realtime_sync.protocol._model import UNSET
from realtime_sync.protocol.client_events import ConversationItemCreate
from realtime_sync.protocol.items import FunctionCall, InputText, Message
from realtime_sync.protocol.mcp_items import McpApprovalRequest, McpApprovalResponse
from realtime_sync.protocol.responses import Response, ResponseCreateParams
from realtime_sync.protocol.server_events import (
    ConversationItemAdded,
    ConversationItemDone,
    ResponseDone,
    ResponseOutputItemDone,
)


SOON = 10.0  # seconds within which what has to happen does


class FakeConnection:
    """Keeps what is sent, and can be waited for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.sent: list[Any] = []
        self.failure: Exception | None = None
        self.may_respond = threading.Event()
        self.may_respond.set()

    def send(self, event: ConversationItemCreate) -> None:
        self.keep(event.item)

    def create_item(self, item: Any) -> None:
        self.keep(item)

    def create_response(
        self, response: ResponseCreateParams, *, when_busy: str, timeout: float
    ) -> Any:
        assert "wait" == when_busy
        assert self.may_respond.wait(SOON)
        self.keep(response)
        return response

    def keep(self, what: Any) -> None:
        with self.changed:
            if self.failure is not None:
                raise self.failure
            self.sent.append(what)
            self.changed.notify_all()

    def wait(self, count: int) -> list[Any]:
        """Return what was sent, once there are so many items and responses."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.sent) >= count, SOON)
            return list(self.sent)


class Session:
    """A runner with its connection, and the server's part of the talk."""

    def __init__(self, runner: FunctionRunner, connection: FakeConnection) -> None:
        self.runner = runner
        self.connection = connection
        self.handlers = runner.handlers()
        self.count = 0

    def absorb(self, event: Any) -> None:
        assert self.handlers[type(event)](event) is None

    def done(self, *calls: FunctionCall, **fields: Any) -> ResponseDone:
        """Let the server say that a response is done, and return that event."""
        self.count += 1
        fields = {
            "id": f"resp_{self.count}",
            "status": "completed",
            "conversation_id": "conv_1",
            "output": calls,
            **fields,
        }
        event = ResponseDone(response=Response(**fields))
        self.absorb(event)
        return event

    def settle(self, event: ResponseDone) -> Any:
        """Wait until the runner has done all that it does about a response."""
        return self.runner.follow_up(str(event.response.id), SOON)

    def user_says(self, text: str) -> None:
        message = Message(role="user", content=[InputText(text=text)])
        self.absorb(ConversationItemAdded(item=message))


@pytest.fixture(name="connection")
def _connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture(name="start")
def _start(connection: FakeConnection) -> Iterator[Callable[..., Session]]:
    with contextlib.ExitStack() as stack:

        def start(*functions: Any, **options: Any) -> Session:
            runner = FunctionRunner(connection, functions, **options)
            stack.callback(runner.close)
            return Session(runner, connection)

        yield start
    assert [] == [
        thread for thread in threading.enumerate() if "function" in thread.name
    ]


def call(name: str, call_id: str = "call_1", /, **arguments: Any) -> FunctionCall:
    """Return a call as a model makes it."""
    return FunctionCall(name=name, call_id=call_id, arguments=json.dumps(arguments))


def outputs(sent: list[Any]) -> list[tuple[str, str]]:
    """Return call id and text of the outputs among what was sent."""
    return [(each.call_id, each.output) for each in sent if hasattr(each, "output")]


def errors(sent: list[Any]) -> list[str]:
    """Return the errors that the model got to read."""
    return [json.loads(text)["error"] for _, text in outputs(sent)]


def add(a: int, b: int = 1) -> int:
    """
    Add numbers.

    Args:
        a: One.
        b: Another.
    """
    return a + b


def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


def fail(words: str) -> None:
    """Fail."""
    raise RuntimeError(words)


def test_function_tool_describes_a_function() -> None:
    """A function becomes a tool with its name, words and parameters."""
    tool = function_tool(add)

    assert ("add", "Add numbers.") == (tool.name, tool.description)
    assert tool.parameters
    assert {
        "a": {"description": "One.", "type": "integer"},
        "b": {"description": "Another.", "type": "integer", "default": 1},
    } == tool.parameters["properties"]


def test_runner_offers_its_functions(start: Callable[..., Session]) -> None:
    """The tools are those given at the start, and those added."""
    runner = start(add).runner

    added = runner.add(greet, name="hello", description="Hi.")

    assert ("hello", "Hi.") == (added.name, added.description)
    assert ["add", "hello"] == [tool.name for tool in runner.tools]


def test_functions_can_be_named_by_a_mapping(connection: FakeConnection) -> None:
    """A mapping gives the functions their names."""
    runner = FunctionRunner(connection, {"plus": add})

    assert ["plus"] == [tool.name for tool in runner.tools]


def test_names_are_unique(start: Callable[..., Session]) -> None:
    """A second function of a name is refused."""
    runner = start(add).runner

    with pytest.raises(ValueError, match="there is a function 'add' already"):
        runner.add(add)


@pytest.mark.parametrize(
    "options", [{"max_workers": 0}, {"unknown": "perhaps"}], ids=str
)
def test_options_are_checked(
    connection: FakeConnection, options: dict[str, Any]
) -> None:
    """Options without sense are refused."""
    with pytest.raises(ValueError, match=r"max_workers is|unknown is"):
        FunctionRunner(connection, **options)


def test_output_is_sent_and_a_response_asked_for(
    start: Callable[..., Session],
) -> None:
    """A call is run with its arguments, and the model goes on with its output."""
    session = start(add)

    follow_up = session.settle(session.done(call("add", a=1, b=2)))

    sent = session.connection.sent
    assert [("call_1", "3")] == outputs(sent)
    assert [ResponseCreateParams()] == sent[1:]
    assert sent[1] is follow_up


def test_outputs_are_text_or_json(start: Callable[..., Session]) -> None:
    """Text is sent as it is, all else as JSON."""

    @attrs.frozen
    class Point:
        x: int

    session = start(greet)
    session.runner.add(lambda: [Point(1), None], name="points")

    session.settle(session.done(call("greet", "c1", name="Ada"), call("points", "c2")))

    assert [("c1", "Hello, Ada!"), ("c2", '[{"x":1},null]')] == outputs(
        session.connection.sent
    )


def test_calls_of_one_response_run_in_parallel(start: Callable[..., Session]) -> None:
    """The calls of a response run at once, and one response follows on all."""
    barrier = threading.Barrier(3, timeout=SOON)

    def meet(name: str) -> str:
        barrier.wait()
        return name

    session = start(meet)

    session.settle(
        session.done(*(call("meet", f"c{i}", name=str(i)) for i in range(3)))
    )

    sent = session.connection.sent
    assert [("c0", "0"), ("c1", "1"), ("c2", "2")] == outputs(sent)
    assert 4 == len(sent)


def test_outputs_keep_the_order_of_the_calls(start: Callable[..., Session]) -> None:
    """The first call's output is sent first, even if it is the last to be there."""
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(SOON)
        return "1"

    def second() -> str:
        second_is_done.set()
        return "2"

    session = start(first, second)

    session.settle(session.done(call("first", "c1"), call("second", "c2")))

    assert [("c1", "1"), ("c2", "2")] == outputs(session.connection.sent)


def test_one_worker_is_enough(start: Callable[..., Session]) -> None:
    """With one worker the calls run one after the other."""
    session = start(add, max_workers=1)

    session.settle(session.done(*(call("add", f"c{i}", a=i) for i in range(20))))

    assert [(f"c{i}", str(i + 1)) for i in range(20)] == outputs(
        session.connection.sent
    )


def test_calls_run_on_threads_with_a_name(start: Callable[..., Session]) -> None:
    """Functions run on the runner's threads, which are named and made when needed."""
    before = {*threading.enumerate()}
    session = start(name="test")
    assert before == {*threading.enumerate()}
    session.runner.add(lambda: threading.current_thread().name, name="where")

    session.settle(session.done(call("where")))

    assert [("call_1", "test-function-0")] == outputs(session.connection.sent)


def test_the_reader_is_not_held_up(start: Callable[..., Session]) -> None:
    """The handler returns while the function is running."""
    go_on = threading.Event()

    def wait() -> bool:
        return go_on.wait(SOON)

    session = start(wait)

    event = session.done(call("wait"))
    assert [] == session.connection.sent
    go_on.set()
    session.settle(event)

    assert [("call_1", "true")] == outputs(session.connection.sent)


def test_exceptions_are_outputs(
    start: Callable[..., Session], caplog: pytest.LogCaptureFixture
) -> None:
    """What a function raises is told to the model, and logged without arguments."""
    session = start(fail)

    session.settle(session.done(call("fail", words="no luck")))

    assert ["RuntimeError: no luck"] == errors(session.connection.sent)
    assert 2 == len(session.connection.sent)
    assert ["function fail failed in call call_1"] == caplog.messages


def test_a_function_cannot_end_the_pool(start: Callable[..., Session]) -> None:
    """SystemExit is an output like other exceptions, and the next call is run."""

    def leave() -> None:
        raise SystemExit(1)

    session = start(leave, add, max_workers=1)

    session.settle(session.done(call("leave", "c1"), call("add", "c2", a=1)))

    assert [("c1", '{"error":"SystemExit: 1"}'), ("c2", "2")] == outputs(
        session.connection.sent
    )


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (object(), "TypeError: Type is not JSON serializable: object"),
        ("\ud800", "UnicodeEncodeError"),
    ],
    ids=["object", "surrogate"],
)
def test_outputs_that_cannot_be_sent_are_errors(
    start: Callable[..., Session], returned: Any, words: str
) -> None:
    """What has no form in JSON is told to the model as an error."""
    session = start()
    session.runner.add(lambda: returned, name="strange")

    session.settle(session.done(call("strange")))

    assert errors(session.connection.sent)[0].startswith(words)


def test_long_errors_are_cut(start: Callable[..., Session]) -> None:
    """A model does not have to read a megabyte of an exception."""
    session = start(fail)

    session.settle(session.done(call("fail", words="x" * 10**6)))

    assert 2000 == len(errors(session.connection.sent)[0])


def test_bad_arguments_are_outputs(start: Callable[..., Session]) -> None:
    """The model learns what does not fit, with paths, and the function is not run."""
    session = start(add)

    session.settle(session.done(call("add", a="1", c=2)))

    assert [
        "the arguments of add do not fit: $.a: expected an integer, got a string; "
        "$.c: unknown, so it must not be there; correct them"
    ] == errors(session.connection.sent)


def test_unknown_functions_are_outputs(start: Callable[..., Session]) -> None:
    """The model learns which functions there are."""
    session = start(add, greet)

    session.settle(session.done(call("subtract"), call("add", "c2", a=1)))

    first, second = outputs(session.connection.sent)
    assert "no function 'subtract'; there are: add, greet" in first[1]
    assert ("c2", "2") == second


def test_unknown_functions_can_be_left_to_callbacks(
    start: Callable[..., Session],
) -> None:
    """Calls that somebody else handles get neither an output nor a follow-up."""
    session = start(add, unknown="ignore")

    alone = session.settle(session.done(call("subtract", "c0")))
    mixed = session.settle(session.done(call("add", "c1", a=1), call("subtract", "c2")))

    assert (None, None) == (alone, mixed)
    assert [("c1", "2")] == outputs(session.connection.sent)
    assert 1 == len(session.connection.sent)


def test_no_response_can_be_wanted(start: Callable[..., Session]) -> None:
    """A function can say that nothing need be said about its output."""

    def note(text: str) -> NoResponse[str]:
        return NoResponse(f"noted {text}")

    def forget() -> NoResponse[None]:
        return NoResponse()

    session = start(note, forget, add)

    first = session.settle(session.done(call("note", "c1", text="it")))
    second = session.settle(session.done(call("add", "c2", a=1), call("forget", "c3")))

    assert (None, None) == (first, second)
    assert [("c1", "noted it"), ("c2", "2"), ("c3", "null")] == (
        outputs(session.connection.sent)
    )
    assert 3 == len(session.connection.sent)


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete", "in_progress"])
def test_only_completed_responses_count(
    start: Callable[..., Session], status: str
) -> None:
    """Calls of responses that did not complete are not run."""
    session = start(add)

    event = session.done(call("add", a=1), status=status)

    assert session.settle(event) is None
    assert [] == session.connection.sent


def test_cut_calls_are_not_run(start: Callable[..., Session]) -> None:
    """A call that is incomplete, or that cannot be answered, is left out."""
    session = start(add)
    cut = attrs.evolve(call("add", "c0", a=1), status="incomplete")
    without_id = attrs.evolve(call("add", a=1), call_id=UNSET)
    whole = attrs.evolve(call("add", "c2", a=1), status="completed")

    follow_up = session.settle(session.done(cut, without_id, whole))

    assert [("c2", "2")] == outputs(session.connection.sent)
    assert follow_up is not None


def test_responses_without_calls_are_left_alone(start: Callable[..., Session]) -> None:
    """A response that only says something has no follow-up."""
    session = start(add)
    said = Message(role="assistant", content=[])

    empty = session.done(output=UNSET)
    spoken = session.done(said)  # type: ignore[arg-type]

    assert (None, None) == (session.settle(empty), session.settle(spoken))
    assert session.runner.follow_up("resp_of_old") is None
    assert [] == session.connection.sent


def test_a_call_is_run_once(start: Callable[..., Session]) -> None:
    """A response.done that arrives twice does not run its calls again."""
    ran = []

    def count() -> int:
        ran.append(1)
        return len(ran)

    session = start(count)

    event = session.done(call("count", "c1"))
    session.absorb(event)
    session.settle(event)
    session.settle(session.done(call("count", "c1"), call("count", "c2")))

    assert [("c1", "1"), ("c2", "2")] == outputs(session.connection.sent)
    assert 4 == len(session.connection.sent)


def test_ids_of_long_ago_are_forgotten(start: Callable[..., Session]) -> None:
    """What is remembered against doubles does not grow without end."""
    session = start(add, max_rounds=None)

    session.settle(session.done(*(call("add", f"c{i}", a=i) for i in range(1100))))
    session.settle(session.done(call("add", "c0", a=0), call("add", "c1099", a=0)))

    assert 1024 == len(session.runner._rounds._seen)
    assert ("c0", "1") == outputs(session.connection.sent)[-1]


def test_old_rounds_are_forgotten(start: Callable[..., Session]) -> None:
    """A follow-up, which may hold audio, is kept for the last few rounds only."""
    session = start(add, max_rounds=None)

    events = [session.done(call("add", f"c{i}", a=i)) for i in range(10)]
    for event in events:
        session.settle(event)
    session.settle(session.done(call("add", "last", a=0)))

    found = [session.settle(event) is not None for event in events]
    assert 3 == sum(found)


def test_out_of_band_calls_are_left_alone(start: Callable[..., Session]) -> None:
    """A response outside of the conversation is not answered."""
    session = start(add)

    event = session.done(call("add", a=1), conversation_id=None)

    assert session.settle(event) is None
    assert [] == session.connection.sent


def test_out_of_band_calls_can_be_run_for_their_effect(
    start: Callable[..., Session],
) -> None:
    """If asked, calls outside of the conversation run, and only *on_call* learns."""
    results: list[FunctionResult] = []
    session = start(add, out_of_band=True, max_rounds=1, on_call=results.append)

    for i in range(3):
        event = session.done(call("add", f"c{i}", a=i), conversation_id=None)
        assert session.settle(event) is None

    assert ["1", "2", "3"] == [result.output for result in results]
    assert [] == session.connection.sent


def test_a_conversation_without_id_is_the_conversation(
    start: Callable[..., Session],
) -> None:
    """A service that is silent about the conversation means the only one."""
    session = start(add)

    session.settle(session.done(call("add", a=1), conversation_id=UNSET))

    assert [("call_1", "2")] == outputs(session.connection.sent)


def test_what_was_text_goes_on_as_text(start: Callable[..., Session]) -> None:
    """The follow-up has the modalities of the response that it follows on."""
    session = start(add)

    session.settle(session.done(call("add", a=1), output_modalities=["text"]))

    assert (
        ResponseCreateParams(output_modalities=["text"])
        == (session.connection.sent[-1])
    )


def test_rounds_are_limited(
    start: Callable[..., Session], caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the limit calls are not run; the model has to answer without, once."""
    session = start(add, max_rounds=2)

    for i in range(4):
        session.settle(session.done(call("add", f"c{i}", a=i)))

    sent = session.connection.sent
    assert ["1", "2"] == [text for _, text in outputs(sent)[:2]]
    assert 2 * ["not run: too many calls in succession; answer without"] == (
        errors([each for each in sent if getattr(each, "call_id", "") in ("c2", "c3")])
    )
    assert [
        ResponseCreateParams(),
        ResponseCreateParams(),
        ResponseCreateParams(tool_choice="none"),
    ] == [each for each in sent if isinstance(each, ResponseCreateParams)]
    assert 2 == sum("max_rounds is 2" in each for each in caplog.messages)


def test_the_user_resets_the_limit(start: Callable[..., Session]) -> None:
    """What the user says begins a new succession; what the model says does not."""
    session = start(add, max_rounds=1)
    said = Message(role="assistant", content=[])

    session.settle(session.done(call("add", "c0", a=0)))
    session.user_says("More!")
    session.settle(session.done(call("add", "c1", a=1)))
    session.absorb(ConversationItemAdded(item=said))
    session.settle(session.done(call("add", "c2", a=2)))

    assert ["1", "2"] == [text for _, text in outputs(session.connection.sent)[:2]]
    assert "too many" in outputs(session.connection.sent)[2][1]


def test_a_call_that_takes_too_long_is_an_error(
    start: Callable[..., Session], caplog: pytest.LogCaptureFixture
) -> None:
    """The model gets an error; the function learns of it, and its output is dropped."""
    ended = threading.Event()

    def sleep(context: FunctionContext) -> str:
        assert context.cancelled.wait(SOON)
        ended.set()
        return "late"

    session = start(add)
    session.runner.add(sleep, timeout=0.001)

    session.settle(session.done(call("sleep", "c1"), call("add", "c2", a=1)))
    assert ended.wait(SOON)
    session.runner.close()

    (_, first), second = outputs(session.connection.sent)
    assert "sleep did not finish within 0.001 s; it may still take effect" in first
    assert ("c2", "2") == second
    assert ["call c1 of function sleep ended too late; its output is dropped"] == (
        caplog.messages
    )


def test_a_call_that_finds_no_worker_is_an_error(
    start: Callable[..., Session],
) -> None:
    """A call that could not begin in time is not run afterwards."""
    ran = []

    def hang(context: FunctionContext) -> None:
        context.cancelled.wait(SOON)
        assert go_on.wait(SOON)

    go_on = threading.Event()
    session = start(hang, max_workers=1)
    session.runner.add(lambda: ran.append(1), name="late", timeout=0.001)

    event = session.done(call("hang", "c1"))
    session.settle(session.done(call("late", "c2")))
    go_on.set()
    session.runner.close()

    assert [
        "late was not run, because too many functions are running; try it later"
    ] == (errors(session.connection.sent))
    assert [] == ran
    assert session.runner.follow_up(str(event.response.id), SOON) is None


def test_context_is_passed(start: Callable[..., Session]) -> None:
    """A parameter of type FunctionContext gets what is known of the call."""
    contexts = []

    def look(word: str, context: FunctionContext | None = None) -> str:
        contexts.append(context)
        return word

    session = start(look)

    event = session.done(call("look", word="a"))
    session.settle(event)

    (context,) = contexts
    assert ("call_1", "look") == (context.call_id, context.name)
    assert context.connection is session.connection
    assert event.response is context.response
    assert not context.cancelled.is_set()


def test_results_are_reported(start: Callable[..., Session]) -> None:
    """The callback learns what came of each call, in order, before it is sent."""
    reported: list[tuple[int, FunctionResult]] = []
    session = start(add, fail)
    session.runner._conductor._on_call = lambda result: reported.append(
        (len(session.connection.sent), result)
    )

    session.settle(
        session.done(
            call("add", "c1", a=1),
            call("fail", "c2", words="x"),
            call("add", "c3"),
            call("who", "c4"),
        )
    )

    assert [0, 1, 2, 3] == [count for count, _ in reported]
    results = [result for _, result in reported]
    assert ["c1", "c2", "c3", "c4"] == [result.call_id for result in results]
    assert [type(None), RuntimeError, DecodeError, LookupError] == [
        type(result.error) for result in results
    ]
    assert '{"a": 1}' == results[0].arguments
    assert results[0].duration > 0.0
    assert 0.0 == results[3].duration


def test_a_failing_callback_changes_nothing(start: Callable[..., Session]) -> None:
    """An exception of *on_call* is reported, and the output is sent."""
    reported: list[Exception] = []

    def on_call(result: FunctionResult) -> None:
        raise RuntimeError("oops")

    session = start(add, on_call=on_call, on_error=reported.append)

    session.settle(session.done(call("add", a=1)))

    assert [("call_1", "2")] == outputs(session.connection.sent)
    assert ["oops"] == [str(exc) for exc in reported]


def test_failures_to_send_are_reported(
    start: Callable[..., Session], caplog: pytest.LogCaptureFixture
) -> None:
    """What keeps outputs from being sent is reported and raised in `follow_up()`."""

    def on_error(exc: Exception) -> None:
        raise ValueError("worse")

    session = start(add, on_error=on_error)
    session.connection.failure = LocalProtocolError("not now")

    event = session.done(call("add", a=1))

    with pytest.raises(LocalProtocolError, match="not now"):
        session.settle(event)
    assert ["outputs of functions could not be sent: add", "on_error failed"] == (
        caplog.messages
    )


def test_a_connection_that_ended_is_no_failure(
    start: Callable[..., Session],
) -> None:
    """Outputs for a closed connection are dropped without a report."""
    reported: list[Exception] = []
    session = start(add, on_error=reported.append)
    session.connection.failure = ConnectionClosedOK(1000, initiated_by="server")

    event = session.done(call("add", a=1))

    with pytest.raises(ConnectionClosedOK):
        session.settle(event)
    assert [] == reported


def test_follow_up_waits(start: Callable[..., Session]) -> None:
    """The wait for a follow-up has a timeout, and can be repeated."""
    session = start(add)
    session.connection.may_respond.clear()

    event = session.done(call("add", a=1))

    with pytest.raises(TimeoutError, match=r"function calls of resp_1 .* than 0.001 s"):
        session.runner.follow_up("resp_1", 0.001)
    session.connection.may_respond.set()
    assert session.settle(event) is not None


def test_close_drops_outputs(
    start: Callable[..., Session], caplog: pytest.LogCaptureFixture
) -> None:
    """What is running at the close goes on, but its output is not sent."""
    running = threading.Event()

    def work(context: FunctionContext) -> str:
        running.set()
        assert context.cancelled.wait(SOON)
        return "late"

    session = start(work, add)

    event = session.done(call("work"))
    assert running.wait(SOON)
    session.runner.close()
    session.runner.close()
    session.done(call("add", "c2", a=1))

    assert session.settle(event) is None
    assert [] == session.connection.sent
    assert {
        "closed: outputs of functions are dropped: work",
        "call call_1 of function work ended too late; its output is dropped",
    } == {*caplog.messages}


def test_close_is_bounded(
    start: Callable[..., Session], caplog: pytest.LogCaptureFixture
) -> None:
    """A function that does not end does not keep `close()` from ending."""
    running, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        running.set()
        assert go_on.wait(SOON)

    session = start(hang)
    session.done(call("hang"))
    assert running.wait(SOON)

    session.runner.close(timeout=0.001)

    assert "a function call goes on running after close()" in caplog.messages
    go_on.set()


def test_a_function_may_close(start: Callable[..., Session]) -> None:
    """A function that closes the runner does not wait for itself."""
    closed = threading.Event()

    def hang_up() -> None:
        session.runner.close()
        closed.set()

    session = start(hang_up)
    session.done(call("hang_up"))

    assert closed.wait(SOON)
    assert [] == session.connection.sent


def test_the_end_of_the_connection_wakes_who_waits(
    start: Callable[..., Session],
) -> None:
    """The end of the connection is raised where a follow-up is waited for."""
    running = threading.Event()

    def work(context: FunctionContext) -> None:
        running.set()
        context.cancelled.wait(SOON)

    session = start(work)
    session.done(call("work"))
    assert running.wait(SOON)
    raised = []

    def wait() -> None:
        with pytest.raises(ConnectionClosedError) as caught:
            session.runner.follow_up("resp_1", SOON)
        raised.append(caught.value.code)

    waiter = threading.Thread(target=wait)
    waiter.start()
    session.runner.end(lambda: ConnectionClosedError(1006, initiated_by="network"))
    waiter.join(SOON)

    assert [1006] == raised
    assert [] == session.connection.sent


def test_a_callback_on_the_reader_thread_may_wait(connection: FakeConnection) -> None:
    """Waiting for a follow-up on the reader thread reads on."""
    monitor = Monitor()
    runner = FunctionRunner(connection, [add], monitor=monitor)
    session = Session(runner, connection)
    reads = []

    def read_on(timeout: float | None) -> None:
        reads.append(timeout)
        connection.wait(2)

    monitor.bind_reader(read_on)
    connection.may_respond.clear()
    session.done(call("add", a=1))
    connection.may_respond.set()

    follow_up = runner.follow_up("resp_1", SOON)
    monitor.unbind_reader()
    runner.close()

    assert ResponseCreateParams() == follow_up


REQUEST = McpApprovalRequest(
    id="mcpr_1", server_label="files", name="rm", arguments="{}"
)


def response_item(item: Any) -> ResponseOutputItemDone:
    """Return an item as the output of a response."""
    return ResponseOutputItemDone(item=item, output_index=0, response_id="resp_1")


@pytest.mark.parametrize("answer", [True, False])
def test_mcp_approvals_are_asked_for(
    start: Callable[..., Session], answer: bool
) -> None:
    """The callback decides, once, though the request arrives in several events."""
    asked = []

    def approve(request: McpApprovalRequest) -> bool:
        asked.append(request)
        return answer

    session = start(approve=approve)

    session.absorb(ConversationItemAdded(item=REQUEST))
    session.absorb(response_item(REQUEST))
    session.absorb(ConversationItemDone(item=REQUEST))

    assert [McpApprovalResponse(approval_request_id="mcpr_1", approve=answer)] == (
        session.connection.wait(1)
    )
    session.runner.close()
    assert [REQUEST] == asked


def test_mcp_approval_that_fails_is_none(start: Callable[..., Session]) -> None:
    """If the callback raises, the service may not run the tool."""
    reported: list[Exception] = []

    def approve(request: McpApprovalRequest) -> bool:
        raise RuntimeError("who knows")

    session = start(approve=approve, on_error=reported.append)

    session.absorb(response_item(REQUEST))

    assert [McpApprovalResponse(approval_request_id="mcpr_1", approve=False)] == (
        session.connection.wait(1)
    )
    assert ["who knows"] == [str(exc) for exc in reported]


def test_mcp_answers_that_cannot_be_sent_are_reported(
    start: Callable[..., Session],
) -> None:
    """A refused answer is reported."""
    reported = threading.Event()
    session = start(approve=lambda _: True, on_error=lambda _: reported.set())
    session.connection.failure = LocalProtocolError("not now")

    session.absorb(response_item(REQUEST))

    assert reported.wait(SOON)


def test_mcp_approvals_without_callback_are_left_alone(
    start: Callable[..., Session],
) -> None:
    """Without a callback nothing is answered, nor if there is nothing to name."""
    session = start()
    session.absorb(response_item(REQUEST))
    nameless = start(approve=lambda _: True)
    nameless.absorb(response_item(attrs.evolve(REQUEST, id=UNSET)))

    session.runner.close()
    nameless.runner.close()

    assert [] == session.connection.sent


def test_many_rounds_at_once(start: Callable[..., Session]) -> None:
    """However threads take turns, each round sends its outputs in order, then asks."""
    session = start(add, max_rounds=None, max_workers=3)

    for i in range(50):
        session.done(*(call("add", f"r{i}c{j}", a=j) for j in range(4)))

    sent = session.connection.wait(50 * 5)
    for i in range(50):
        own = [each for each in outputs(sent) if each[0].startswith(f"r{i}c")]
        assert [(f"r{i}c{j}", str(j + 1)) for j in range(4)] == own


def test_closing_races_with_calls(
    connection: FakeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """At whatever moment it is closed, no thread stays and nobody waits for ever."""
    caplog.set_level(logging.CRITICAL)
    for i in range(200):
        runner = FunctionRunner(connection, [add])
        session = Session(runner, connection)
        start = threading.Barrier(2, timeout=SOON)

        def close(start: Any = start, runner: Any = runner) -> None:
            start.wait()
            runner.close()

        closer = threading.Thread(target=close)
        closer.start()
        start.wait()
        event = session.done(call("add", f"c{i}", a=1))
        session.settle(event)
        closer.join(SOON)

        assert not closer.is_alive()
        assert not [t for t in threading.enumerate() if "function" in t.name]


def test_pool_reuses_idle_threads() -> None:
    """A pool makes a thread only if none is idle."""
    pool = WorkerPool("pool", 2)
    names = []
    for _ in range(3):
        done = threading.Event()

        def job(done: threading.Event = done) -> None:
            names.append(threading.current_thread().name)
            done.set()

        pool.submit(job)
        assert done.wait(SOON)
    assert pool.close(SOON)

    assert {*names} <= {"pool-0", "pool-1"}
    assert len(pool._threads) <= 2


def test_closed_pool_takes_no_jobs() -> None:
    """A closed pool says that it does not run a job, and drops those that wait."""
    pool = WorkerPool("pool", 1)
    ran, running, go_on = [], threading.Event(), threading.Event()

    def block() -> None:
        running.set()
        go_on.wait(SOON)

    pool.submit(block)
    assert running.wait(SOON)
    pool.submit(lambda: ran.append(1))
    assert not pool.close(0.001)
    go_on.set()

    assert pool.close(SOON)
    assert not pool.submit(lambda: ran.append(2))
    assert [] == ran


def test_pool_without_threads_closes() -> None:
    """A pool that was never used has nothing to wait for."""
    assert WorkerPool("pool").close()
