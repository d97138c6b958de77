"""Faults on demand: each one happens where it should, once."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from emulated import types
from sockets import TIMEOUT, UPGRADE, emulator_threads, peer_of, quick
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from realtime_sync.emulator import EmulatorSettings, Fault, RealtimeEmulator
from realtime_sync.protocol import (
    ConversationItemCreated,
    ResponseCreate,
    ResponseCreated,
    ServerEvent,
    SessionClosed,
    UnknownEvent,
)


CREATED = "conversation.created"
PREVIEW = "/openai/realtime?api-version=2025-04-01-preview&deployment=mine"


def code_of(caught: pytest.ExceptionInfo[ConnectionClosed]) -> int | None:
    return caught.value.rcvd.code if caught.value.rcvd else None


class TestHandshake:
    @pytest.mark.parametrize("status", [401, 429, 503])
    def test_http(self, status: int) -> None:
        """An upgrade is refused once, then admitted."""
        with quick(faults=[Fault.http(status)]) as emulator:
            with pytest.raises(InvalidStatus) as caught, peer_of(emulator):
                pass
            with peer_of(emulator) as peer:
                assert "session.created" == peer.receive()["type"]

        assert status == caught.value.response.status_code

    def test_retry_after(self) -> None:
        """A refusal may say when to come again."""
        with (
            quick(faults=[Fault.http(429, retry_after=2)]) as emulator,
            pytest.raises(InvalidStatus) as caught,
            peer_of(emulator),
        ):
            pass

        assert "2" == caught.value.response.headers["Retry-After"]

    def test_times(self) -> None:
        """A fault may happen more than once."""
        with quick(faults=[Fault.http(503, times=2)]) as emulator:
            for _ in range(2):
                with pytest.raises(InvalidStatus), peer_of(emulator):
                    pass
            with peer_of(emulator) as peer:
                assert "session.created" == peer.receive()["type"]

    def test_one_after_the_other(self) -> None:
        """Each upgrade has one fault, in the order given."""
        statuses = []
        with quick(faults=[Fault.http(429), Fault.http(503)]) as emulator:
            for _ in range(2):
                with pytest.raises(InvalidStatus) as caught, peer_of(emulator):
                    pass
                statuses.append(caught.value.response.status_code)

        assert [429, 503] == statuses

    def test_session(self) -> None:
        """A fault may be for one connection."""
        with quick(faults=[Fault.http(503, session=1)]) as emulator:
            with peer_of(emulator) as peer:
                peer.receive()
            with pytest.raises(InvalidStatus), peer_of(emulator):
                pass

    def test_redirect(self) -> None:
        """An upgrade is sent elsewhere."""
        fault = Fault.redirect("http://elsewhere.test/")
        with (
            quick(faults=[fault]) as emulator,
            socket.create_connection(("127.0.0.1", emulator.port)) as plain,
        ):
            plain.sendall(UPGRADE)
            answer = plain.recv(4096).decode()

        assert answer.startswith("HTTP/1.1 302")
        assert "Location: http://elsewhere.test/" in answer

    def test_refuse(self) -> None:
        """An upgrade gets no answer."""
        with quick(faults=[Fault.refuse()]) as emulator:
            with pytest.raises((InvalidMessage, OSError)), peer_of(emulator):
                pass
            with peer_of(emulator) as peer:
                assert "session.created" == peer.receive()["type"]


class TestConnection:
    def test_close_before(self) -> None:
        """The WebSocket closes before an event."""
        fault = Fault.close(1011, "keepalive", at="response.created")
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            peer.ask("hello")
            names = types(peer.until("conversation.item.done"))
            with pytest.raises(ConnectionClosed) as caught:
                peer.receive()
            record = emulator.wait_for_session()
            closed = record.wait_closed()

        assert "response.created" not in names
        assert 1011 == code_of(caught)
        assert (1011, "keepalive") == closed

    def test_close_after(self) -> None:
        """The WebSocket closes after an event."""
        fault = Fault.close(1012, at="response.created", after=True)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            peer.ask("hello")
            peer.until("response.created")
            with pytest.raises(ConnectionClosed) as caught:
                peer.receive()

        assert 1012 == code_of(caught)

    def test_close_at_number(self) -> None:
        """An event may be meant by its number."""
        fault = Fault.close(1013, at=2)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            assert "session.created" == peer.receive()["type"]
            with pytest.raises(ConnectionClosed) as caught:
                peer.receive()

        assert 1013 == code_of(caught)

    def test_cut(self) -> None:
        """The TCP connection goes without a goodbye."""
        with (
            quick(faults=[Fault.cut(at=CREATED)]) as emulator,
            peer_of(emulator) as peer,
        ):
            with pytest.raises(ConnectionClosed) as caught:
                peer.until(CREATED)
            code, _ = emulator.wait_for_session().wait_closed()

        assert code_of(caught) is None
        assert 1006 == code

    def test_cut_of_a_session_that_is_there(self) -> None:
        """A fault may be injected while a session runs."""
        with quick() as emulator, peer_of(emulator) as peer:
            peer.until(CREATED)
            emulator.inject(Fault.cut(at="response.created"))
            peer.ask("hello")
            with pytest.raises(ConnectionClosed):
                peer.until("response.created")

    def test_freeze(self) -> None:
        """A frozen service says nothing, and answers no ping."""
        with (
            quick(faults=[Fault.freeze(at=CREATED)]) as emulator,
            peer_of(emulator, close_timeout=0.1) as peer,
        ):
            peer.receive()
            with pytest.raises(TimeoutError):
                peer.socket.recv(timeout=0.05)
            ponged = peer.socket.ping()
            is_answered = ponged.wait(0.05)

        assert not is_answered
        assert [] == emulator_threads()

    def test_freeze_for_a_while(self) -> None:
        """A service may come back to life."""
        with (
            quick(faults=[Fault.freeze(0.05, at=CREATED)]) as emulator,
            peer_of(emulator) as peer,
        ):
            assert 2 == len(peer.until(CREATED))

    def test_slow(self) -> None:
        """A slow line delivers no more than so many bytes a second."""
        with quick(faults=[Fault.slow(20_000)]) as emulator, peer_of(emulator) as peer:
            started = time.monotonic()
            size = sum(len(json.dumps(event)) for event in peer.until(CREATED))
            seconds = time.monotonic() - started

        assert seconds > 0.5 * size / 20_000

    def test_expire(self) -> None:
        """A session may be made to end early."""
        with (
            quick(faults=[Fault.expire(0)]) as emulator,
            peer_of(emulator) as peer,
            pytest.raises(ConnectionClosed) as caught,
        ):
            peer.until("nothing")

        assert 1001 == code_of(caught)

    def test_expire_one_that_is_there(self) -> None:
        """So may one that runs."""
        with quick() as emulator, peer_of(emulator) as peer:
            peer.until(CREATED)
            emulator.inject(Fault.expire(0))
            peer.until("error")
            with pytest.raises(ConnectionClosed) as caught:
                peer.receive()

        assert 1001 == code_of(caught)


class TestEvents:
    def events(self, *faults: Fault) -> list[dict[str, object]]:
        """Return what a session says with *faults*, up to an answer."""
        with quick(faults=faults) as emulator, peer_of(emulator) as peer:
            peer.send("session.update", session={"type": "realtime"})
            peer.send("response.cancel")
            return peer.until("error")

    def test_drop(self) -> None:
        """An event is not sent."""
        assert CREATED not in types(self.events(Fault.drop(CREATED)))

    def test_two_of_a_kind(self) -> None:
        """Of two equal faults each has its own event."""
        name = "conversation.item.added"
        faults = [Fault.drop(name), Fault.drop(name)]
        with quick(faults=faults) as emulator, peer_of(emulator) as peer:
            for text in ("a", "b", "c"):
                item = {"type": "message", "role": "user", "content": [], "id": text}
                peer.send("conversation.item.create", item=item)
            added = peer.until(name)[-1]

        assert "c" == added["item"]["id"]

    def test_duplicate(self) -> None:
        """An event is sent twice."""
        events = self.events(Fault.duplicate(CREATED))

        assert events[1] == events[2]

    def test_reorder(self) -> None:
        """An event is sent after the next."""
        events = self.events(Fault.reorder(CREATED))

        assert ["session.created", "session.updated", CREATED] == types(events)[:3]

    def test_corrupt(self) -> None:
        """A field of an event has a wrong type."""
        event = self.events(Fault.corrupt(CREATED))[1]

        assert 7 == event["conversation"]

    def test_unknown_field(self) -> None:
        """An event has a field that nobody knows."""
        assert "unheard_of" in self.events(Fault.unknown_field(CREATED))[1]

    def test_unknown_event(self) -> None:
        """An event comes of a type that nobody knows."""
        events = self.events(Fault.unknown_event(at=CREATED))

        assert "emulator.unheard_of" == events[1]["type"]

    def test_error(self) -> None:
        """The server reports an error of its own."""
        events = self.events(Fault.error("overloaded", "Too many.", at=CREATED))

        assert "error" == events[1]["type"]

    def test_error_of_a_client(self) -> None:
        """The server reports an error that an event of the client is blamed for."""
        fault = Fault.error(
            "invalid_value",
            "No.",
            error_type="invalid_request_error",
            param="session.voice",
            event_id="mine",
            at=CREATED,
        )
        event = self.events(fault)[1]

        assert {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "No.",
            "param": "session.voice",
            "event_id": "mine",
        } == event["error"]

    def test_skip(self) -> None:
        """Some events that fit may pass unharmed."""
        name = "conversation.item.added"
        fault = Fault.drop(name, skip=1)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            for text in ("a", "b", "c"):
                item = {"type": "message", "role": "user", "content": [], "id": text}
                peer.send("conversation.item.create", item=item)
            added = [peer.until(name)[-1]["item"]["id"] for _ in range(2)]

        assert ["a", "c"] == added

    def test_fragment(self) -> None:
        """An event comes in fragments, and is whole in the end."""
        assert CREATED in types(self.events(Fault.fragment(5, CREATED)))

    def test_fragments_are_sent(self) -> None:
        """The fragments are real."""
        fault = Fault.fragment(4, CREATED)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            peer.receive()
            pieces = list(peer.socket.recv_streaming())

        assert 4 == len(pieces)
        assert CREATED == json.loads("".join(map(str, pieces)))["type"]

    def test_giant(self) -> None:
        """A message of a given size is sent."""
        fault = Fault.giant(300_000, at=CREATED)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            peer.receive()

            assert 300_000 == len(peer.socket.recv(timeout=TIMEOUT))

    def test_invalid_json(self) -> None:
        """A message is no JSON."""
        fault = Fault.invalid_json(at=CREATED)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            peer.receive()
            message = peer.socket.recv(timeout=TIMEOUT)

            with pytest.raises(ValueError, match="Unterminated"):
                json.loads(message)

    def test_binary(self) -> None:
        """A message is binary."""
        fault = Fault.binary(at=CREATED)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            peer.receive()

            assert isinstance(peer.socket.recv(timeout=TIMEOUT), bytes)

    def test_invalid_utf8(self) -> None:
        """A text message is no UTF-8, which a client has to refuse."""
        fault = Fault.invalid_utf8(at=CREATED)
        with (
            quick(faults=[fault]) as emulator,
            peer_of(emulator) as peer,
            pytest.raises(ConnectionClosed) as caught,
        ):
            peer.until(CREATED)

        assert caught.value.sent is not None
        assert 1007 == caught.value.sent.code

    def test_after(self) -> None:
        """What is added may come after the event."""
        events = self.events(Fault.unknown_event(at=CREATED, after=True))

        assert "emulator.unheard_of" == events[2]["type"]

    def test_record_is_of_what_was_meant(self) -> None:
        """The record holds what the service said, whatever became of it."""
        with quick(faults=[Fault.drop(CREATED)]) as emulator:
            with peer_of(emulator) as peer:
                peer.receive()
            record = emulator.wait_for_session()
            record.wait_closed()

        assert CREATED in [event.type for event in record.server_events]


def test_clear() -> None:
    """Faults that did not happen can be taken back."""
    with quick(faults=[Fault.http(503)]) as emulator:
        emulator.clear_faults()
        with peer_of(emulator) as peer:
            assert "session.created" == peer.receive()["type"]


class TestParse:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("http=429", Fault.http(429)),
            ("http", Fault.http(503)),
            ("refuse", Fault.refuse()),
            ("redirect=http://x.test/", Fault.redirect("http://x.test/")),
            ("close", Fault.close()),
            (
                "close=1012@@response.created",
                Fault.close(1012, at="response.created", after=True),
            ),
            ("cut@5", Fault.cut(at=5)),
            ("freeze=2.5", Fault.freeze(2.5)),
            ("freeze", Fault.freeze()),
            ("slow=8000", Fault.slow(8000)),
            ("drop@response.done", Fault.drop("response.done")),
            ("giant=100", Fault.giant(100)),
            ("fragment=3", Fault.fragment(3)),
            ("error=busy@2", Fault.error("busy", at=2)),
            ("invalid-json", Fault.invalid_json()),
            ("expire=3", Fault.expire(3)),
        ],
    )
    def test_good(self, text: str, fault: Fault) -> None:
        """The command line's way to say it."""
        assert fault == Fault.parse(text)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "there are: binary"),
            ("explode", "there are: binary"),
            ("slow=fast", "takes a number"),
            ("close=inf", "a whole number from 1000 to 4999, not inf"),
            ("close=1011@respnse.created", "use 'response.created'"),
            ("drop@0", "at is a number from 1, not 0"),
            ("drop=5", "the fault drop has no value"),
            ("redirect", "needs a URL"),
            ("refuse@response.created", "waits for no event"),
        ],
    )
    def test_bad(self, text: str, words: str) -> None:
        """What is no fault is a ValueError that says what there is."""
        with pytest.raises(ValueError, match=words):
            Fault.parse(text)


class TestPlace:
    @pytest.mark.parametrize(
        ("at", "place"),
        [
            (ResponseCreated, "response.created"),
            (SessionClosed, "session.closed"),
            (ServerEvent, None),
            ("response.audio.delta", "response.output_audio.delta"),
            ("conversation.item.created", "conversation.item.added"),
            (ConversationItemCreated, "conversation.item.added"),
            (7, 7),
            (None, None),
        ],
    )
    def test_good(self, at: Any, place: object) -> None:
        """An event is meant by its class, its name in either dialect, or its number."""
        assert place == Fault.close(at=at).at

    def test_class(self) -> None:
        """A fault at a class of events happens at the first of them."""
        fault = Fault.close(1011, at=ResponseCreated)
        with quick(faults=[fault]) as emulator, peer_of(emulator) as peer:
            peer.ask("hello")
            with pytest.raises(ConnectionClosed) as caught:
                peer.until("response.created")

        assert 1011 == code_of(caught)

    def test_preview(self) -> None:
        """In the preview dialect, the GA name of an event is the same event."""
        fault = Fault.close(1011, at="conversation.item.added")
        with quick(faults=[fault]) as emulator, peer_of(emulator, PREVIEW) as peer:
            peer.ask("hello")
            with pytest.raises(ConnectionClosed) as caught:
                peer.until("conversation.item.created")

        assert 1011 == code_of(caught)

    @pytest.mark.parametrize(
        ("at", "error", "words"),
        [
            ("response.craeted", ValueError, "use 'response.created'"),
            ("response.create", ValueError, "use 'response.created'"),
            ("ResponseCreated", ValueError, "use 'response.created'"),
            ("", ValueError, "SERVER_EVENTS has them all"),
            (UnknownEvent, ValueError, "SERVER_EVENTS has them all"),
            (0, ValueError, "a number from 1, not 0"),
            (ResponseCreate, TypeError, "not the class ResponseCreate"),
            (1.5, TypeError, "a class of server events"),
            (True, TypeError, "a class of server events"),
        ],
    )
    def test_bad(self, at: Any, error: type[Exception], words: str) -> None:
        """An event that could never come is refused, with what may be meant."""
        with pytest.raises(error, match=words):
            Fault.drop(at)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fault.http(429, at="response.created"), "waits for no event"),
        (lambda: Fault.expire(1, after=True), "waits for no event"),
        (lambda: Fault.http(99), "status of the fault http is a whole number from 200"),
        (lambda: Fault.http(429, retry_after=-1), "retry_after of the fault http"),
        (lambda: Fault.close(1006), "1006 is never sent"),
        (lambda: Fault.close(1011, "x" * 124), "at most 123 bytes"),
        (lambda: Fault.slow(0), "a number above 0, not 0"),
        (lambda: Fault.freeze(-1), "seconds of the fault freeze is a number from 0"),
        (lambda: Fault.fragment(1), "pieces of the fault fragment"),
        (lambda: Fault.drop(times=0), "times is a whole number from 1, not 0"),
        (lambda: Fault.drop(session=-1), "session is a whole number from 0"),
        (lambda: Fault.drop(skip=0.5), "skip is a whole number from 0"),
        (lambda: Fault.cut(value=3), "the fault cut has no value"),
        (lambda: Fault.redirect(""), "needs a URL"),
        (lambda: Fault(kind="rain"), "there is no fault 'rain'"),  # type: ignore[arg-type]
    ],
)
def test_fault_that_never_happens(make: Callable[[], Fault], words: str) -> None:
    """A fault that could not happen, or not as it says, is refused where it is made."""
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fault.close("1011"),  # type: ignore[arg-type]
        lambda: Fault.fragment("response.done"),  # type: ignore[arg-type]
        lambda: Fault.drop(after="no"),
        lambda: Fault.drop(times="2"),
        lambda: Fault.error(5),  # type: ignore[arg-type]
        lambda: Fault(kind="http", value=429),
    ],
)
def test_fault_of_wrong_types(make: Callable[[], Fault]) -> None:
    """What is of a wrong type is refused where the fault is made."""
    with pytest.raises(TypeError):
        make()


@pytest.mark.parametrize("fault", ["drop", [Fault.drop()], None])
def test_inject_what_is_no_fault(fault: Any) -> None:
    """Only faults can be injected, and the error says how to make one."""
    with pytest.raises(TypeError, match=r"such as Fault\.drop\(\), not"):
        quick().inject(fault)


def test_every_kind_can_be_parsed_and_happens() -> None:
    """No kind is a word only."""
    kinds = ["slow=1e6", "fragment", "reorder", "duplicate", "corrupt", "error"]
    kinds += ["unknown-field", "unknown-event", "giant=99", "drop", "binary"]
    faults = [Fault.parse(f"{kind}@{number}") for number, kind in enumerate(kinds, 1)]
    with quick(faults=faults) as emulator, peer_of(emulator) as peer:
        for _ in kinds:
            peer.send("response.cancel")
        record = emulator.wait_for_session()
        record.wait_for(lambda record: len(record.server_events) > len(kinds))


def test_client_that_does_not_read() -> None:
    """A client for which too much waits is closed."""
    settings = EmulatorSettings.instant(max_unsent_events=10, close_timeout=0.2)
    emulator = RealtimeEmulator(settings=settings, speech="tone")
    emulator.inject(Fault.freeze(0.2, at=CREATED))
    with emulator, peer_of(emulator) as peer:
        peer.receive()
        for _ in range(100):
            peer.send("response.cancel")
        with pytest.raises(ConnectionClosed) as caught:
            peer.until("nothing")

    assert 1008 == code_of(caught)
