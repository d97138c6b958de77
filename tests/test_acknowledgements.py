"""Which answer belongs to which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync._channel.acknowledgements import ANSWERS, Acknowledgements
from realtime_sync._channel.commands import new_event_id
from realtime_sync._channel.monitor import Monitor
from realtime_sync.errors import ConnectionClosedError, ServerError
from realtime_sync.protocol._model import ServerEvent
from realtime_sync.protocol.client_events import CLIENT_EVENTS
from realtime_sync.protocol.responses import ErrorDetails
from realtime_sync.protocol.server_events import (
    ConversationItemDeleted,
    ErrorEvent,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
)


WAIT = 60.0  # seconds that a correct run never needs


def deleted(item_id: str) -> ConversationItemDeleted:
    return ConversationItemDeleted(item_id=item_id)


def error(**facts: Any) -> ErrorEvent:
    return ErrorEvent(
        error=ErrorDetails(type="invalid_request_error", message="no", **facts)
    )


def of_item(item_id: str) -> Callable[[Any], bool]:
    return lambda event: event.item_id == item_id


def broken() -> ConnectionClosedError:
    return ConnectionClosedError(1006, initiated_by="network")


@pytest.fixture(name="pending")
def _pending() -> Acknowledgements:
    return Acknowledgements(Monitor())


def feed(pending: Acknowledgements, *events: ServerEvent) -> None:
    handlers = pending.handlers()
    for event in events:
        handlers[type(event)](event)


class TestAnswers:
    def test_kinds_exist(self) -> None:
        """Every kind of command that is acknowledged is a client event."""
        assert set(ANSWERS) <= set(CLIENT_EVENTS)

    def test_by_order(self, pending: Acknowledgements) -> None:
        """Where an answer names nothing it belongs to the oldest command."""
        clears = [
            pending.expect({"type": "input_audio_buffer.clear", "event_id": name})
            for name in "ab"
        ]
        feed(pending, InputAudioBufferCleared(event_id="1"))

        assert "1" == pending.wait(clears[0], WAIT).event_id
        with pytest.raises(TimeoutError, match="did not acknowledge"):
            pending.wait(clears[1], 0.0)

    def test_by_the_order_of_sending(self, pending: Acknowledgements) -> None:
        """The oldest is the one that left first, whoever was there first."""
        first, second = (
            pending.announce({"type": "input_audio_buffer.clear", "event_id": name})
            for name in "ab"
        )
        pending.enter(second)
        pending.enter(first)
        feed(pending, InputAudioBufferCleared(event_id="1"))

        assert "1" == pending.wait(second, WAIT).event_id
        assert not first.settled()

    def test_not_sent_yet(self, pending: Acknowledgements) -> None:
        """What has not left is not answered."""
        command = {"type": "input_audio_buffer.clear", "event_id": "a"}
        waiting = pending.announce(command)
        feed(pending, InputAudioBufferCleared(event_id="1"))

        assert not waiting.settled()

    def test_entered_after_the_end(self, pending: Acknowledgements) -> None:
        """A command that enters as the connection ends does not wait for ever."""
        command = {"type": "input_audio_buffer.clear", "event_id": "a"}
        waiting = pending.announce(command)
        pending.end(broken)
        pending.enter(waiting)

        with pytest.raises(ConnectionClosedError):
            pending.wait(waiting, WAIT)

    def test_by_id(self, pending: Acknowledgements) -> None:
        """Where an answer names an item it belongs to the command about that."""
        kind = "conversation.item.delete"
        first = pending.expect({"type": kind, "event_id": "a"}, of_item("1"))
        second = pending.expect({"type": kind, "event_id": "b"}, of_item("2"))
        feed(pending, deleted("2"), deleted("3"), deleted("1"))

        assert deleted("1") == pending.wait(first, 0.0)
        assert deleted("2") == pending.wait(second, 0.0)

    def test_nobody_waits(self, pending: Acknowledgements) -> None:
        """An answer that nobody waits for is none of anybody's business."""
        other = pending.expect({"type": "input_audio_buffer.clear", "event_id": "a"})
        feed(pending, deleted("1"), InputAudioBufferCommitted(item_id="1"))

        assert not other.settled()

    def test_late_answer(self, pending: Acknowledgements) -> None:
        """An answer to a command whose caller has given up goes to nobody else."""
        kind = "conversation.item.delete"
        late = pending.expect({"type": kind, "event_id": "a"}, of_item("1"))
        with pytest.raises(TimeoutError):
            pending.wait(late, 0.0)
        again = pending.expect({"type": kind, "event_id": "b"}, of_item("2"))
        feed(pending, deleted("1"))

        assert not again.settled()

    def test_new_ids(self) -> None:
        """Ids of client events are never the same."""
        assert 1000 == len({new_event_id() for _ in range(1000)})


class TestErrors:
    def test_by_event_id(self, pending: Acknowledgements) -> None:
        """An error goes to the command that it names."""
        first = pending.expect({"type": "input_audio_buffer.clear", "event_id": "a"})
        second = pending.expect({"type": "input_audio_buffer.clear", "event_id": "b"})

        assert pending.refuse(error(event_id="b", code="some_code"))
        assert not first.settled()
        with pytest.raises(ServerError, match="no") as caught:
            pending.wait(second, 0.0)
        assert ("some_code", "b") == (caught.value.code, caught.value.event_id)

    def test_of_no_command(self, pending: Acknowledgements) -> None:
        """An error that names a command of somebody else goes to nobody here."""
        command = pending.expect({"type": "input_audio_buffer.commit", "event_id": "a"})
        empty = error(event_id="b", code="input_audio_buffer_commit_empty")

        assert not pending.refuse(empty)
        assert not command.settled()

    def test_by_code(self, pending: Acknowledgements) -> None:
        """An error without an id goes to the oldest command that its code is about."""
        clear = pending.expect({"type": "input_audio_buffer.clear", "event_id": "a"})
        commits = [
            pending.expect({"type": "input_audio_buffer.commit", "event_id": name})
            for name in "bc"
        ]

        assert pending.refuse(error(code="input_audio_buffer_commit_empty"))
        assert [False, True, False] == [each.settled() for each in (clear, *commits)]

    @pytest.mark.parametrize(
        ("param", "kind"),
        [
            ("session.audio.input", "session.update"),
            ("session", "session.update"),
            ("item.content[0].text", "conversation.item.create"),
            ("previous_item_id", "conversation.item.create"),
            ("response.tools[1]", "response.create"),
            ("audio_end_ms", "conversation.item.truncate"),
        ],
    )
    def test_by_parameter(
        self, pending: Acknowledgements, param: str, kind: str
    ) -> None:
        """An error without id and code goes to the command that its parameter has."""
        kinds = ["input_audio_buffer.clear", kind]
        commands = [pending.expect({"type": each, "event_id": each}) for each in kinds]

        assert pending.refuse(error(param=param, code=None))
        assert [False, True] == [each.settled() for each in commands]

    def test_unknown(self, pending: Acknowledgements) -> None:
        """An error that says nothing of its command goes to nobody here."""
        command = pending.expect({"type": "input_audio_buffer.clear", "event_id": "a"})

        assert not pending.refuse(error(code="server_error", param=None))
        assert not command.settled()

    def test_does_not_poison(self, pending: Acknowledgements) -> None:
        """After an error the next command of its kind is answered as ever."""
        first = pending.expect({"type": "input_audio_buffer.clear", "event_id": "a"})
        pending.refuse(error(event_id="a"))
        with pytest.raises(ServerError):
            pending.wait(first, 0.0)
        second = pending.expect({"type": "input_audio_buffer.clear", "event_id": "b"})
        feed(pending, InputAudioBufferCleared())

        assert InputAudioBufferCleared() == pending.wait(second, 0.0)


class TestEnd:
    def test_ends_all(self, pending: Acknowledgements) -> None:
        """The end of the connection ends every command, each with its own exception."""
        commands = [
            pending.expect({"type": "input_audio_buffer.clear", "event_id": name})
            for name in "ab"
        ]
        pending.end(broken)

        assert commands[0].error is not commands[1].error
        for command in commands:
            with pytest.raises(ConnectionClosedError):
                pending.wait(command, None)

    def test_after_the_end(self, pending: Acknowledgements) -> None:
        """A command after the end is refused at once."""
        pending.end(broken)

        with pytest.raises(ConnectionClosedError):
            pending.expect({"type": "input_audio_buffer.clear", "event_id": "a"})
