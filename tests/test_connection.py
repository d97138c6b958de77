"""What a connection does for its user: commands, callbacks, events, audio."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import warnings
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import scripted
from scripted import WAIT
from sleepers import await_sleepers

from realtime_sync import (
    ConversationItemAdded,
    ConversationItemDone,
    DecodeError,
    ErrorEvent,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCleared,
    InputAudioBufferCommit,
    RealtimeConnection,
    ResponseCancel,
    ResponseCreated,
    ResponseDone,
    ResponseOutputTextDelta,
    ServerError,
    ServerEvent,
    SessionCreated,
    SessionUpdate,
    UnknownEvent,
)
from realtime_sync._channel.inbox import Inbox
from realtime_sync.transport import FakeTransport, Frame


SECOND = 48_000  # bytes of PCM16 at 24,000 Hz

Command = Callable[[RealtimeConnection], Any]

COMMANDS: dict[str, Command] = {
    "session.update": lambda connection: connection.update_session(
        {"type": "realtime", "instructions": "Be brief."}, timeout=WAIT
    ),
    "conversation.item.create": lambda connection: connection.create_item(
        scripted.message(), timeout=WAIT
    ),
    "conversation.item.delete": lambda connection: connection.delete_item(
        "item_1", timeout=WAIT
    ),
    "conversation.item.retrieve": lambda connection: connection.retrieve_item(
        "item_1", timeout=WAIT
    ),
    "conversation.item.truncate": lambda connection: connection.truncate_item(
        "item_1", audio_end_ms=100, timeout=WAIT
    ),
    "input_audio_buffer.commit": lambda connection: connection.commit_input_audio(
        timeout=WAIT
    ),
    "input_audio_buffer.clear": lambda connection: connection.clear_input_audio(
        timeout=WAIT
    ),
    "response.create": lambda connection: connection.create_response(timeout=WAIT),
}
UNACKNOWLEDGED: dict[str, Command] = {
    "response.cancel": lambda connection: connection.cancel_response("resp_1"),
    "output_audio_buffer.clear": lambda connection: connection.clear_output_audio(),
}


class Script:
    """Answers as a service does, save for what a test puts in front."""

    def __init__(self) -> None:
        self.refuse: Callable[[Any], Any] = lambda event: None
        self.silent = False

    def __call__(self, event: Any) -> Any:
        if self.silent:
            return ()
        refused = self.refuse(event)
        return [refused] if refused else scripted.acknowledge(event)


@pytest.fixture(name="script")
def _script() -> Script:
    return Script()


@pytest.fixture(name="transport")
def _transport(script: Script) -> FakeTransport:
    """A transport whose server answers."""
    return FakeTransport(scripted.created(), reply=script)


def appended(transport: FakeTransport) -> list[bytes]:
    """The pieces of audio that were sent."""
    return [
        event.audio
        for event in transport.sent
        if isinstance(event, InputAudioBufferAppend)
    ]


def tell_when_listening(connection: RealtimeConnection) -> threading.Event:
    """Return an event that is set once somebody waits for events from then on."""
    listening = threading.Event()
    open_inbox = connection._absorber.open_inbox

    def tell(inbox: Inbox) -> None:
        open_inbox(inbox)
        listening.set()

    connection._absorber.open_inbox = tell  # type: ignore[method-assign]
    return listening


class TestCommands:
    @pytest.mark.parametrize("kind", COMMANDS)
    def test_acknowledged(
        self, connection: RealtimeConnection, transport: FakeTransport, kind: str
    ) -> None:
        """A command returns when the server has acknowledged it."""
        COMMANDS[kind](connection)

        assert [kind] == [event.type for event in transport.sent]

    @pytest.mark.parametrize("kind", COMMANDS)
    def test_refused(
        self, connection: RealtimeConnection, script: Script, kind: str
    ) -> None:
        """A command raises what the server says of it, and the next one is fine."""
        errors: list[ErrorEvent] = []
        connection.on(ErrorEvent, errors.append)
        script.refuse = lambda event: scripted.refusal(event.event_id, code="bad")

        with pytest.raises(ServerError) as caught:
            COMMANDS[kind](connection)
        assert "bad" == caught.value.code

        script.refuse = lambda event: None
        COMMANDS[kind](connection)

        assert [] == errors

    @pytest.mark.parametrize("kind", COMMANDS)
    def test_timeout(
        self,
        connection: RealtimeConnection,
        script: Script,
        kind: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A command that is not answered in time raises, and the next one is fine."""
        script.silent = True
        monkeypatch.setattr(sys.modules[__name__], "WAIT", 0.005)
        with pytest.raises(TimeoutError):
            COMMANDS[kind](connection)

        script.silent = False
        monkeypatch.undo()
        COMMANDS[kind](connection)

    @pytest.mark.parametrize("kind", UNACKNOWLEDGED)
    def test_unacknowledged(
        self, connection: RealtimeConnection, transport: FakeTransport, kind: str
    ) -> None:
        """A command that the server never acknowledges does not wait."""
        UNACKNOWLEDGED[kind](connection)
        connection.flush(WAIT)

        assert [kind] == [event.type for event in transport.sent]

    @pytest.mark.parametrize(
        ("kind", "facts"),
        [
            ("input_audio_buffer.commit", {"code": "input_audio_buffer_commit_empty"}),
            ("session.update", {"param": "session.audio.input.turn_detection"}),
            ("conversation.item.create", {"param": "item.content[0].text"}),
            ("response.create", {"param": "response.tools"}),
        ],
    )
    def test_error_without_id(
        self,
        connection: RealtimeConnection,
        script: Script,
        kind: str,
        facts: dict[str, str],
    ) -> None:
        """An error that names no event is raised by the command that it is about."""
        script.refuse = lambda event: scripted.refusal(None, **facts)

        with pytest.raises(ServerError):
            COMMANDS[kind](connection)

    def test_error_of_nobody(
        self, connection: RealtimeConnection, transport: FakeTransport, caplog: Any
    ) -> None:
        """An error that no command waits for goes to callbacks and to the log."""
        errors: list[ErrorEvent] = []
        connection.on(ErrorEvent, errors.append)
        transport.feed(scripted.refusal("event_of_somebody", code="bad"))
        transport.feed(scripted.delta("next"))
        connection.clear_input_audio(timeout=WAIT)  # its answer comes after those

        assert ["WARNING"] == [record.levelname for record in caplog.records]
        connection.close()
        assert ["bad"] == [event.error.code for event in errors]

    def test_many_at_once(self, connection: RealtimeConnection, script: Script) -> None:
        """Commands of several threads each get their own answer or error."""
        script.refuse = lambda event: (
            scripted.refusal(event.event_id)
            if getattr(event, "item_id", "")[-1:] == "7"
            else None
        )

        def retrieve(number: int) -> Any:
            try:
                return connection.retrieve_item(f"item_{number}", timeout=WAIT).id
            except ServerError:
                return None

        with ThreadPoolExecutor(4) as pool:
            ids = list(pool.map(retrieve, range(100)))

        expected = [f"item_{n}" if n % 10 != 7 else None for n in range(100)]
        assert expected == ids

    def test_answers_of_those_who_waited(self, transport: FakeTransport) -> None:
        """Threads that wait together for the queue each get their own answer."""
        with scripted.connect(transport) as connection:

            def update(text: str) -> Any:
                change = {"type": "realtime", "instructions": text}
                return connection.update_session(change, timeout=WAIT).instructions

            texts = [str(number) for number in range(8)]
            for _ in range(25):
                connection._queue.hold()
                with ThreadPoolExecutor(len(texts)) as pool:
                    answers = [pool.submit(update, text) for text in texts]
                    await_sleepers(connection._queue._space, len(texts))
                    connection._queue.release()

                    assert texts == [answer.result(WAIT) for answer in answers]

    def test_created_item(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """An item without an id gets one; the server's form of it is returned."""
        item = connection.create_item(scripted.message(), timeout=WAIT)
        kept = connection.create_item(scripted.message("mine"), timeout=WAIT)

        assert [item.id, "mine"] == [event.item.id for event in transport.sent]  # type: ignore[attr-defined, union-attr]
        assert item.id.startswith("msg_")  # type: ignore[union-attr]
        assert "mine" == kept.id  # type: ignore[union-attr]

    def test_session(self, connection: RealtimeConnection) -> None:
        """The session is what the server last said, and update_session() returns it."""
        assert "sess_1" == connection.session.id  # type: ignore[union-attr]
        updated = connection.update_session({"instructions": "Be brief."}, timeout=WAIT)

        assert "Be brief." == updated.instructions  # type: ignore[union-attr]
        assert updated is connection.session

    def test_response(self, connection: RealtimeConnection) -> None:
        """A response can be awaited."""
        result = connection.create_response(timeout=WAIT).result(timeout=WAIT)

        assert "completed" == result.status

    def test_sends_mappings(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Any event may be sent as an object or in wire form."""
        connection.send(InputAudioBufferClear(event_id="1"))
        connection.send({"type": "input_audio_buffer.commit", "event_id": "2"})
        connection.flush(WAIT)

        assert [
            InputAudioBufferClear(event_id="1"),
            InputAudioBufferCommit(event_id="2"),
        ] == transport.sent

    @pytest.mark.parametrize("event", [None, "response.create", 1])
    def test_sends_events_only(
        self, connection: RealtimeConnection, event: Any
    ) -> None:
        """What is no event is refused where it was made."""
        with pytest.raises(TypeError):
            connection.send(event)

    def test_too_large(self, connection: RealtimeConnection) -> None:
        """An event that no service accepts is refused, with the reason."""
        with pytest.raises(ValueError, match="services refuse more"):
            connection.send(SessionUpdate(session={"instructions": "x" * 2**24}))  # type: ignore[arg-type]


class TestCallbacks:
    def test_waits_for_the_server(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """
        A callback may create an item, ask for a response and wait for its result.

        What arrives meanwhile is dispatched after it, in order.
        """
        seen: list[str] = []
        results: list[Any] = []
        done = threading.Event()

        @connection.on(ResponseOutputTextDelta)
        def react(event: ResponseOutputTextDelta) -> None:
            if event.delta == "go":
                connection.create_item(scripted.message(), timeout=WAIT)
                response = connection.create_response(timeout=WAIT)
                results.append(response.result(timeout=WAIT).status)
                seen.append("result")

        @connection.on(ServerEvent)
        def record(event: ServerEvent) -> None:
            seen.append(event.type)

        connection.on(ResponseDone, lambda event: done.set())
        transport.feed(scripted.delta("go"), scripted.delta("meanwhile"))
        assert done.wait(WAIT)

        assert ["completed"] == results
        assert [
            "result",
            ResponseOutputTextDelta.type,
            ResponseOutputTextDelta.type,
            ConversationItemAdded.type,
            ConversationItemDone.type,
            ResponseCreated.type,
            ResponseDone.type,
        ] == seen

    def test_within_another(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Callbacks that wait take turns; none is interrupted by another event."""
        log: list[str] = []
        done = threading.Event()

        @connection.on(ResponseOutputTextDelta)
        def react(event: ResponseOutputTextDelta) -> None:
            log.append(f"begin {event.delta}")
            connection.clear_input_audio(timeout=WAIT)
            log.append(f"end {event.delta}")
            if event.delta == "2":
                done.set()

        transport.feed(*(scripted.delta(str(number)) for number in range(3)))
        assert done.wait(WAIT)

        expected = [f"{word} {n}" for n in range(3) for word in ("begin", "end")]
        assert expected == log

    def test_time_is_over(
        self, connection: RealtimeConnection, transport: FakeTransport, script: Script
    ) -> None:
        """A callback that waits in vain gets a TimeoutError; the connection goes on."""
        script.silent = True
        errors: list[Exception] = []
        reported = threading.Event()
        connection.on_error(lambda error: (errors.append(error), reported.set()))

        @connection.once(ResponseOutputTextDelta)
        def react(event: ResponseOutputTextDelta) -> None:
            connection.clear_input_audio(timeout=0.005)

        events = connection.events(ResponseOutputTextDelta, timeout=WAIT)
        transport.feed(scripted.delta("wait"), scripted.delta("next"))
        texts = [next(events).delta for _ in range(2)]  # type: ignore[attr-defined]
        assert reported.wait(WAIT)
        script.silent = False
        connection.clear_input_audio(timeout=WAIT)

        assert ["wait", "next"] == texts
        assert [TimeoutError] == [type(error) for error in errors]

    def test_end_while_waiting(
        self, connection: RealtimeConnection, transport: FakeTransport, script: Script
    ) -> None:
        """A callback that waits when the connection ends is told how it ended."""
        script.silent = True
        errors: list[Any] = []
        connection.on_error(errors.append)

        @connection.on(ResponseOutputTextDelta)
        def react(event: ResponseOutputTextDelta) -> None:
            transport.feed_close(1011, "oh no")
            connection.clear_input_audio(timeout=WAIT)

        transport.feed(scripted.delta("wait"))
        assert connection.wait_closed(WAIT)
        connection.close()

        assert [(1011, "oh no")] == [(each.code, each.reason) for each in errors]

    def test_full_queue(self, transport: FakeTransport) -> None:
        """A callback that waits for space reads on, as the server may wait for that."""
        done = threading.Event()
        with scripted.connect(transport, max_queue=1000) as connection:

            @connection.once(ResponseOutputTextDelta)
            def react(event: ResponseOutputTextDelta) -> None:
                transport.stall()
                # The writer takes the first and is stuck with it.
                connection.append_input_audio(bytes(1000), timeout=WAIT)
                transport.feed(scripted.delta("unblock"))
                unblocked = connection.events(ResponseOutputTextDelta, timeout=WAIT)
                threading.Thread(
                    target=lambda: (next(unblocked), transport.resume())
                ).start()
                for _ in range(5):
                    connection.append_input_audio(bytes(1000), timeout=WAIT)
                done.set()

            transport.feed(scripted.delta("go"))
            assert done.wait(WAIT)
            connection.flush(WAIT)

            assert 6 == len(appended(transport))

    def test_flush(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A callback that flushes reads on: the reader alone can mend a loss."""
        flushed = threading.Event()

        @connection.on(ResponseOutputTextDelta)
        def flush(event: ResponseOutputTextDelta) -> None:
            connection.flush(timeout=WAIT)
            flushed.set()

        with connection._queue.sending:  # nothing leaves
            arrived = connection.events(InputAudioBufferCleared, timeout=WAIT)
            transport.feed(scripted.delta("a"))
            transport.feed({"type": "input_audio_buffer.cleared", "event_id": "b"})
            next(arrived)
            early = flushed.is_set()

        assert flushed.wait(WAIT)
        assert not early

    def test_by_wire_type(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Callbacks may ask for wire types of both dialects and of the future."""
        seen: list[str] = []

        @connection.on("response.output_text.delta")
        def ga(event: ResponseOutputTextDelta) -> None:
            seen.append("ga")

        @connection.on("response.text.delta")
        def preview(event: ResponseOutputTextDelta) -> None:
            seen.append("preview")

        @connection.on("response.smell.delta")
        def future(event: UnknownEvent) -> None:
            seen.append(event.payload["smell"])

        transport.feed(scripted.delta("1"))
        transport.feed({"type": "response.smell.delta", "smell": "coffee"})
        transport.feed_close()
        assert connection.wait_closed(WAIT)
        connection.close()

        assert ["ga", "preview", "coffee"] == seen

    def test_off_and_once(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Callbacks can be removed, and can be for one event only."""
        off: list[Any] = []
        once: list[Any] = []
        connection.on(ServerEvent, off.append)
        connection.once(ServerEvent, once.append)
        connection.off(ServerEvent, off.append)
        transport.feed(scripted.delta("1"), scripted.delta("2"))
        transport.feed_close()
        assert connection.wait_closed(WAIT)
        connection.close()

        assert [] == off
        assert ["1"] == [event.delta for event in once]

    def test_executor(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A callback on a pool may take its time, and even wait for the end."""
        closed: list[bool] = []
        with ThreadPoolExecutor(1) as pool:
            connection.on(
                ResponseOutputTextDelta,
                lambda event: closed.append(connection.wait_closed(WAIT)),
                executor=pool,
            )
            transport.feed(scripted.delta("1"), scripted.delta("2"))
            transport.feed_close()
            connection.wait_closed(WAIT)
            connection.close()

        assert [True, True] == closed

    def test_sees_the_state(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A callback sees the state that includes its event."""
        seen: list[Any] = []
        connection.on("session.updated", lambda event: seen.append(connection.session))
        updated = connection.update_session({"instructions": "now"}, timeout=WAIT)
        connection.close()

        assert [updated] == seen


class TestSlips:
    """Registering what can never be called."""

    def test_client_event(self, connection: RealtimeConnection) -> None:
        """An event of the client's never arrives."""
        with pytest.raises(ValueError, match="is what a client sends"):
            connection.on("response.create", print)

    def test_unknown_event(self, connection: RealtimeConnection, caplog: Any) -> None:
        """A wire type that may be a slip is taken, and logged with the nearest one."""
        connection.on("response.dnoe", print)

        assert ["'response.dnoe' (but 'response.done')"] == [
            message.partition("type ")[2].partition(";")[0]
            for message in caplog.messages
        ]

    def test_asynchronous(self, connection: RealtimeConnection) -> None:
        """A coroutine that nobody would await is no callback."""

        async def callback(event: ServerEvent) -> None:
            """Do nothing."""

        with pytest.raises(TypeError, match="callback is asynchronous"):
            connection.on(ResponseDone, callback)
        with pytest.raises(TypeError, match="callback is asynchronous"):
            connection.on_error(callback)  # type: ignore[arg-type]

    def test_executor(self, connection: RealtimeConnection) -> None:
        """What cannot run a callback is no executor, and is so from the start."""
        with pytest.raises(TypeError, match="Executor, not 5"):
            connection.on(ResponseDone, print, executor=5)  # type: ignore[call-overload]

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (
                lambda to: to.update_session({"instructions": 5}),
                "the session is not in wire form: .*instructions: expected a string",
            ),
            (
                lambda to: to.create_item({"type": "message", "role": "user"}),
                "the item is not in wire form: .*content",
            ),
            (
                lambda to: to.create_response({"output_modalities": "text"}),
                "the response is not in wire form: .*output_modalities",
            ),
            (
                lambda to: to.create_response(when_busy="wat"),
                "when_busy is 'raise' or 'wait' or 'cancel', not 'wat'",
            ),
        ],
    )
    def test_wire_form(
        self,
        connection: RealtimeConnection,
        transport: FakeTransport,
        call: Command,
        words: str,
    ) -> None:
        """What the caller spelt wrong is a fault of his, and nothing is sent."""
        with pytest.raises(ValueError, match=words):
            call(connection)

        assert [] == transport.sent


class TestEvents:
    def test_recv(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """recv() returns the events from the very first one on."""
        transport.feed(scripted.delta("1"))

        assert isinstance(connection.recv(WAIT), SessionCreated)
        assert "1" == connection.recv(WAIT).delta  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            connection.recv(0.001)

    def test_recv_is_bounded(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """Events that nobody receives are let go after a few hundred."""
        transport.feed(*(scripted.delta(str(number)) for number in range(1000)))
        connection.clear_input_audio(timeout=WAIT)  # its answer comes after those

        with pytest.raises(TimeoutError):
            connection.recv(0.001)
        transport.feed(scripted.delta("next"))
        assert "next" == connection.recv(WAIT).delta  # type: ignore[attr-defined]

    def test_events_from_the_call_on(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """An iterator has the events since it was made, not since it is used."""
        transport.feed(scripted.delta("before"))
        connection.clear_input_audio(timeout=WAIT)  # its answer comes after those
        events = connection.events(ResponseOutputTextDelta, timeout=WAIT)
        transport.feed(scripted.delta("1"), scripted.delta("2"))
        connection.clear_input_audio(timeout=WAIT)
        transport.feed_close()

        assert ["1", "2"] == [event.delta for event in events]  # type: ignore[attr-defined]

    def test_events_of_some_types(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """An iterator has events of the types that were asked for, in order."""
        events = connection.events(
            "input_audio_buffer.cleared", "response.smell.delta", timeout=WAIT
        )
        everything = connection.events(ServerEvent, timeout=WAIT)
        transport.feed({"type": "response.smell.delta"}, scripted.delta("1"))
        connection.clear_input_audio(timeout=WAIT)
        transport.feed_close()

        expected = ["input_audio_buffer.cleared"]
        assert expected == [
            event.type for event in events if not isinstance(event, UnknownEvent)
        ]
        assert 3 == len(list(everything))

    def test_events_time_is_over(self, connection: RealtimeConnection) -> None:
        """An iterator raises when no event arrives in time, and can go on."""
        events = connection.events(timeout=0.001)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                next(events)

    def test_iterators_are_forgotten(self, connection: RealtimeConnection) -> None:
        """An iterator that is given up keeps no more events."""
        before = len(connection._absorber._inboxes)
        events = connection.events()
        del events
        gc.collect()

        assert before == len(connection._absorber._inboxes)

    def test_wait_for(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """wait_for() returns the next event that fits, from the call on."""
        listening = tell_when_listening(connection)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(
                connection.wait_for,
                ResponseOutputTextDelta,
                lambda event: event.delta == "2",
                WAIT,
            )
            assert listening.wait(WAIT)
            transport.feed(*(scripted.delta(str(number)) for number in range(4)))

            assert "2" == waiting.result(WAIT).delta

    def test_wait_for_with_a_time_as_predicate(
        self, connection: RealtimeConnection
    ) -> None:
        """A timeout at the place of the predicate is no wait for ever."""
        with pytest.raises(TypeError, match="timeout= is the time"):
            connection.wait_for(ResponseDone, 10)  # type: ignore[call-overload]

    def test_wait_for_in_vain(self, connection: RealtimeConnection) -> None:
        """wait_for() gives up in time and leaves nothing behind."""
        before = len(connection._absorber._inboxes)
        with pytest.raises(TimeoutError):
            connection.wait_for(ServerEvent, timeout=0.001)

        assert before == len(connection._absorber._inboxes)

    def test_wait_for_with_a_failing_predicate(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """What a predicate raises is raised by wait_for(), and ends nothing."""

        def fail(event: ServerEvent) -> bool:
            raise ZeroDivisionError

        listening = tell_when_listening(connection)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(connection.wait_for, ServerEvent, fail, WAIT)
            assert listening.wait(WAIT)
            transport.feed(scripted.delta("1"))
            error = waiting.exception(WAIT)

        assert isinstance(error, ZeroDivisionError)
        connection.clear_input_audio(timeout=WAIT)

    @pytest.mark.parametrize(
        "message", [b"", b"{", b"[]", b'{"type": 1}', b'{"type": "response.done"}']
    )
    def test_cannot_be_decoded(
        self,
        connection: RealtimeConnection,
        transport: FakeTransport,
        caplog: Any,
        message: bytes,
    ) -> None:
        """A message that cannot be decoded is reported; the connection stays open."""
        errors: list[Exception] = []
        connection.on_error(errors.append)
        transport.feed(message)
        connection.clear_input_audio(timeout=WAIT)

        assert [DecodeError] == [type(error) for error in errors]
        assert not connection.closed


class TestAudio:
    @pytest.mark.parametrize(
        "audio",
        [
            b"\x01\x02\x03\x04",
            bytearray(b"\x01\x02\x03\x04"),
            memoryview(b"\x01\x02\x03\x04"),
            array("B", [1, 2, 3, 4]),
            array("h", memoryview(b"\x01\x02\x03\x04").cast("h")),
        ],
    )
    def test_bytes_like(
        self, connection: RealtimeConnection, transport: FakeTransport, audio: Any
    ) -> None:
        """Anything that holds contiguous bytes is audio."""
        connection.append_input_audio(audio)
        connection.flush(WAIT)

        assert [b"\x01\x02\x03\x04"] == appended(transport)

    def test_halves_of_a_sample(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A sample that arrives in halves is kept together."""
        for piece in (b"123", b"4", b"5", b"", b"678", b"9"):
            connection.append_input_audio(piece)
        connection.flush(WAIT)

        assert all(len(piece) % 2 == 0 for piece in appended(transport))
        assert b"12345678" == b"".join(appended(transport))

    def test_half_at_the_end(
        self, connection: RealtimeConnection, transport: FakeTransport, caplog: Any
    ) -> None:
        """Half a sample at the end of a turn is no part of the next one."""
        connection.append_input_audio(b"123")
        connection.commit_input_audio(timeout=WAIT)
        connection.append_input_audio(b"45")
        connection.flush(WAIT)

        assert [b"12", b"45"] == appended(transport)
        assert 1 == len(caplog.messages)

    @pytest.mark.parametrize("length", [2, SECOND, SECOND + 2, 5 * SECOND + 7])
    def test_pieces(
        self, connection: RealtimeConnection, transport: FakeTransport, length: int
    ) -> None:
        """Long audio is cut into pieces of at most a second."""
        audio = os.urandom(length)
        connection.append_input_audio(audio)
        connection.flush(WAIT)
        pieces = appended(transport)

        assert audio[: length // 2 * 2] == b"".join(pieces)
        assert max(len(piece) for piece in pieces) <= SECOND

    def test_bytes_of_g711(self, script: Script) -> None:
        """In a session of G.711 a sample is a byte."""
        audio = {"input": {"format": {"type": "audio/pcmu"}}}
        transport = FakeTransport(scripted.created(audio=audio), reply=script)
        with scripted.connect(transport) as connection:
            connection.append_input_audio(b"123")
            connection.flush(WAIT)

        assert [b"123"] == appended(transport)

    @pytest.mark.parametrize(
        "audio", ["MTIz", None, 1, [1, 2], memoryview(b"1234")[::2]]
    )
    def test_refused(self, connection: RealtimeConnection, audio: Any) -> None:
        """Text and whatever is not bytes-like are refused."""
        with pytest.raises(TypeError, match="bytes"):
            connection.append_input_audio(audio)

    def test_values_of_another_kind(self, connection: RealtimeConnection) -> None:
        """An array of floats is not sent as noise; the message says where it goes."""
        with pytest.raises(TypeError, match="append_audio\\(\\) takes other arrays"):
            connection.append_input_audio(array("d", [0.5]))

    def test_no_such_pace(self, connection: RealtimeConnection) -> None:
        """A pace that there is not is not taken for another one."""
        with pytest.raises(ValueError, match="pace is 'realtime' or None, not 'fast'"):
            connection.append_audio(bytes(SECOND), pace="fast")  # type: ignore[arg-type]

    def test_wav(self, connection: RealtimeConnection) -> None:
        """A WAV file is refused; the message says where it goes."""
        with pytest.raises(ValueError, match="append_audio"):
            connection.append_input_audio(b"RIFF\x24\0\0\0WAVEfmt ")

    def test_cleared(self, transport: FakeTransport) -> None:
        """Clearing drops the audio that is still queued."""
        stuck = threading.Event()
        with scripted.connect(transport) as connection, ThreadPoolExecutor(1) as pool:
            send = transport.send

            def tell(frames: Sequence[Frame], timeout: float | None = None) -> None:
                stuck.set()
                send(frames, timeout)

            transport.send = tell  # type: ignore[method-assign]
            transport.stall()
            connection.send(ResponseCancel(event_id="1"))
            assert stuck.wait(WAIT)
            connection.append_input_audio(bytes(SECOND))
            clearing = pool.submit(connection.clear_input_audio, timeout=WAIT)
            # Behind the clear there is space again, which this waits for.
            connection._queue._max_bytes = 1000
            connection.append_input_audio(b"12")
            transport.resume()
            clearing.result(WAIT)
            connection.flush(WAIT)

        assert [b"12"] == appended(transport)


CLOSES: list[tuple[tuple[Any, ...], type[Exception], str]] = [
    (("bye",), TypeError, "an int .the reason comes second., not str"),
    ((True,), TypeError, "not True"),
    ((5,), ValueError, "not 5"),
    ((1005,), ValueError, "not 1005"),
    ((1000, None), TypeError, "a close reason is a str"),
    ((1000, "x" * 124), ValueError, "at most 123 bytes"),
]


class TestLifetime:
    @pytest.mark.parametrize(("arguments", "kind", "words"), CLOSES)
    def test_close_with_nonsense(
        self,
        connection: RealtimeConnection,
        arguments: Any,
        kind: type[Exception],
        words: str,
    ) -> None:
        """What no close frame may hold leaves the connection as it was."""
        with pytest.raises(kind, match=words):
            connection.close(*arguments)

        assert " open " in repr(connection)

    def test_kept_until_the_interpreter_ends(self) -> None:
        """A connection that is closed says nothing when the modules are gone."""
        script = (
            "import os; from realtime_sync import RealtimeClient;"
            "os.kept = RealtimeClient.emulated().connect(); os.kept.close()"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )

        assert "" == done.stderr

    def test_forgotten(self, transport: FakeTransport) -> None:
        """A connection that is dropped warns, and its threads end."""
        connection = scripted.connect(transport)
        threads = connection._channel.threads
        connection.create_response(timeout=WAIT).result(timeout=WAIT)

        connections = [connection]
        del connection
        with pytest.warns(ResourceWarning, match="RealtimeConnection sess_1 open"):
            connections.clear()
        for thread in threads:
            thread.join(WAIT)
        assert transport.released

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_after_a_fork(
        self, connection: RealtimeConnection, transport: FakeTransport
    ) -> None:
        """A child process cannot use its parent's connection, nor close it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it has threads
            child = os.fork()
        if child == 0:  # pragma: no cover
            os._exit(_refusals(connection))
        _, status = os.waitpid(child, 0)

        assert 4 == os.waitstatus_to_exitcode(status)
        connection.clear_input_audio(timeout=WAIT)

    def test_import_is_light(self) -> None:
        """Importing starts no thread, and loads only what is needed at once."""
        code = (
            "import sys, threading, realtime_sync\n"
            "heavy = {'azure.identity', 'websockets', 'websocket', 'numpy', 'flask'}\n"
            "print(threading.active_count(), sorted(heavy & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert ("1 []\n", "") == (done.stdout, done.stderr)

    def test_repr(self, connection: RealtimeConnection) -> None:
        """A connection shows its session, its state and its dialect."""
        assert "<RealtimeConnection sess_1 open ga>" == repr(connection)
        connection.close()
        assert "<RealtimeConnection sess_1 closed ga>" == repr(connection)

    def test_time_left(self, script: Script) -> None:
        """The time that the service leaves a session can be read, if it says so."""
        transport = FakeTransport(
            scripted.created(expires_at=4_000_000_000), reply=script
        )
        with scripted.connect(transport) as connection:
            left = connection.time_left

        assert left is not None
        assert left > 0

    def test_time_left_unknown(self, connection: RealtimeConnection) -> None:
        """A service that does not say when a session ends leaves it unknown."""
        assert connection.time_left is None


def _refusals(connection: RealtimeConnection) -> int:
    """Count the calls that are refused in a child process."""
    calls: list[Callable[[], Any]] = [
        lambda: connection.send({"type": "response.cancel"}),
        lambda: connection.recv(0.0),
        lambda: connection.flush(0.0),
        lambda: connection.wait_for(ServerEvent, timeout=0.0),
        connection.close,
    ]
    refused = 0
    for call in calls:
        try:
            call()
        except RuntimeError:
            refused += 1
        except BaseException:
            return 99
    return refused
