"""A connection that is lost and found again: what comes back, and what is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import scripted
from scripted import WAIT

from realtime_sync import (
    AuthenticationError,
    ConnectError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionLost,
    HandshakeError,
    InputAudioBufferCommitted,
    RealtimeClient,
    RealtimeConnection,
    Reconnected,
    ReconnectPolicy,
    ResponseDone,
    SendQueueFull,
    ServerEvent,
    SessionExpired,
    SessionExpiring,
)
from realtime_sync._recovery.retelling import difference
from realtime_sync.emulator import (
    EmulatorSettings,
    Fault,
    ManualClock,
    RealtimeEmulator,
)


SECOND = bytes(48_000)  # of silence, as PCM at 24 kHz
SESSION: dict[str, Any] = {
    "instructions": "Be brief.",
    "output_modalities": ["text"],
    "audio": {"input": {"turn_detection": None}},
}
QUICK = ReconnectPolicy(first_delay=0.0)


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(replies=lambda conversation: "An answer.") as emulator:
        yield emulator


def client_of(emulator: RealtimeEmulator, **settings: Any) -> RealtimeClient:
    settings = {"session": SESSION, "reconnect": QUICK, "proxy": "", **settings}
    return RealtimeClient(emulator.endpoint, "key", model="m", **settings)


@pytest.fixture(name="connection")
def _connection(emulator: RealtimeEmulator) -> Iterator[RealtimeConnection]:
    with client_of(emulator).connect() as connection:
        yield connection


def said(connection: RealtimeConnection) -> list[str]:
    """What the conversation says, item by item."""
    return [item.text for item in connection.conversation]


def commands(emulator: RealtimeEmulator, session: int) -> list[str]:
    """The wire types of what a session received."""
    return [event.type for event in emulator.sessions[session].client_events]


class Notices:
    """The notices of a connection, as they come."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self._events = connection.events(Reconnected, timeout=WAIT)

    def next(self) -> Reconnected:
        notice = next(self._events)
        assert isinstance(notice, Reconnected)
        return notice


def lose(emulator: RealtimeEmulator, connection: RealtimeConnection) -> Reconnected:
    """Cut the connection, and return what is told once it is back."""
    notices = Notices(connection)
    emulator.inject(Fault.cut())
    connection.send({"type": "input_audio_buffer.clear"})
    return notices.next()


class TestPolicy:
    @pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013])
    def test_codes(self, code: int) -> None:
        """Another try makes sense where the server may be back in a moment."""
        assert QUICK.retries(ConnectionClosedError(code, initiated_by="server"))

    @pytest.mark.parametrize("code", [1000, 1002, 1005, 1007, 1008, 1009, 4000])
    def test_final_codes(self, code: int) -> None:
        """There is no other try where the answer would be the same."""
        assert not QUICK.retries(ConnectionClosedError(code, initiated_by="server"))

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_statuses(self, status: int) -> None:
        """Another try makes sense after statuses of a server that has trouble."""
        assert QUICK.retries(HandshakeError(status))

    @pytest.mark.parametrize("status", [301, 400, 403, 404, 409])
    def test_final_statuses(self, status: int) -> None:
        """There is no other try after a refusal."""
        assert not QUICK.retries(HandshakeError(status))
        assert not QUICK.retries(AuthenticationError(401))

    def test_delays(self) -> None:
        """Pauses are random, grow up to a limit, and keep to what the server asks."""
        policy = ReconnectPolicy(first_delay=1.0, max_delay=4.0)
        longest = [max(policy.delay(n) for _ in range(300)) for n in range(4)]

        for limit, found in zip([1.0, 2.0, 4.0, 4.0], longest, strict=True):
            assert limit / 2 < found <= limit
        assert min(policy.delay(2) for _ in range(300)) < 1.0
        assert 30.0 == policy.delay(0, HandshakeError(429, retry_after=30.0))

    @pytest.mark.parametrize("tries", [1_023, 1_024, 10**9])
    def test_delay_after_many_tries(self, tries: int) -> None:
        """However many tries there were, there is a pause, and it has its limit."""
        assert 0.0 <= ReconnectPolicy().delay(tries) <= 20.0

    @pytest.mark.parametrize("asked", [1e11, 1e300])
    def test_delay_that_nobody_can_wait(self, asked: float) -> None:
        """A server that asks for years is given a day, which threads can sleep."""
        policy = ReconnectPolicy(deadline=None)

        assert 86_400.0 == policy.delay(0, HandshakeError(429, retry_after=asked))

    @pytest.mark.parametrize("wrong", [{"tries": -1}, {"connect_tries": 0}])
    def test_wrong(self, wrong: dict[str, int]) -> None:
        """Settings that make no sense are refused."""
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ReconnectPolicy(**wrong)  # type: ignore[arg-type]


class TestConnecting:
    @pytest.mark.parametrize(
        "fault", [Fault.refuse(), Fault.http(503), Fault.http(429, retry_after=0)]
    )
    def test_again(self, emulator: RealtimeEmulator, fault: Fault) -> None:
        """What may pass is tried again."""
        emulator.inject(fault, fault)
        with client_of(emulator).connect() as connection:
            assert not connection.closed

    def test_not_for_ever(self, emulator: RealtimeEmulator) -> None:
        """When all tries have failed the last failure is raised."""
        emulator.inject(*[Fault.http(503)] * 3)
        with pytest.raises(HandshakeError, match="503"):
            client_of(emulator).connect()

    def test_not_after_a_refusal(self, emulator: RealtimeEmulator) -> None:
        """A refusal is raised at once."""
        emulator.inject(Fault.http(401))
        with pytest.raises(AuthenticationError):
            client_of(emulator).connect()

    def test_off(self, emulator: RealtimeEmulator) -> None:
        """Without a policy there is one try."""
        emulator.inject(Fault.http(503))
        with pytest.raises(HandshakeError):
            client_of(emulator, reconnect=None).connect()

    def test_too_long(self, emulator: RealtimeEmulator) -> None:
        """Nobody waits for longer than the deadline."""
        emulator.inject(Fault.http(429, retry_after=3600))
        with pytest.raises(HandshakeError, match="429"):
            client_of(emulator).connect()

    def test_fresh_token(self, emulator: RealtimeEmulator) -> None:
        """Each try asks for a token of its own."""
        tokens = [f"token-{number}" for number in range(5)]
        emulator.inject(Fault.http(503))
        client = RealtimeClient(
            emulator.endpoint,
            lambda: tokens.pop(0),
            model="m",
            reconnect=QUICK,
            proxy="",
            session=SESSION,
        )
        with client.connect() as connection:
            lose(emulator, connection)

        assert ["token-3", "token-4"] == tokens


class TestRestored:
    def test_session_and_conversation(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """The new session is set up as the old one was, and has its conversation."""
        connection.create_item(scripted.message("item_1"))
        connection.create_response().result(WAIT)
        connection.update_session({"instructions": "Be long."})
        notice = lose(emulator, connection)

        assert ["hello", "An answer."] == said(connection)
        assert "Be long." == connection.session.instructions  # type: ignore[union-attr]
        assert 2 == notice.restored
        assert () == notice.losses
        assert 1006 == notice.cause.code
        assert not notice.planned
        told = emulator.sessions[1]
        assert ["hello", "An answer."] == [item.content[0].text for item in told.items]
        assert "An answer." == connection.create_response().result(WAIT).text

    def test_settings_that_differ(self) -> None:
        """Only what differs is told, and only what can be changed."""
        old = {
            "id": "sess_1",
            "model": "m",
            "voice": "sage",
            "tools": [{"name": "a"}],
            "audio": {"input": {"turn_detection": None, "format": {"rate": 24_000}}},
        }
        new = {
            "id": "sess_2",
            "model": "n",
            "voice": "sage",
            "tools": [],
            "audio": {
                "input": {"turn_detection": {"type": "x"}, "format": {"rate": 24_000}}
            },
        }
        expected = {
            "tools": [{"name": "a"}],
            "audio": {"input": {"turn_detection": None}},
        }

        assert expected == difference(old, new)

    @pytest.mark.parametrize(
        "at", ["conversation.item.added", "conversation.item.done"]
    )
    def test_command_without_answer(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection, at: str
    ) -> None:
        """A command whose answer was lost is done once in the new session."""
        emulator.inject(Fault.cut(at=at))
        connection.create_item(scripted.message("item_1"))
        connection.create_item(scripted.message("item_2"))

        assert ["hello", "hello"] == said(connection)
        assert ["item_1", "item_2"] == [item.id for item in emulator.sessions[1].items]

    def test_commands_in_order(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """Commands that nobody waits for arrive once each and in order."""
        emulator.inject(Fault.cut(at="conversation.item.added", skip=3))
        for number in range(10):
            connection.send(
                {
                    "type": "conversation.item.create",
                    "item": scripted.message(f"item_{number}"),
                }
            )
        connection.create_item(scripted.message("item_10"))

        assert [f"item_{number}" for number in range(11)] == [
            item.id for item in emulator.sessions[1].items
        ]

    def test_uncommitted_audio(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """Audio that this side is to commit is sent again."""
        connection.append_input_audio(SECOND)
        notice = lose_amid_audio(emulator, connection)
        connection.append_input_audio(SECOND)
        connection.commit_input_audio()

        assert 2 * SECOND == emulator.sessions[1].input_audio
        assert 0 == notice.lost_input_audio_ms

    def test_commit_without_answer(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A commit whose answer was lost commits the same audio again."""
        connection.append_input_audio(SECOND)
        emulator.inject(Fault.cut(at="input_audio_buffer.committed"))
        connection.commit_input_audio()

        assert SECOND == emulator.sessions[1].input_audio
        assert 1 == len(emulator.sessions[1].items)

    def test_question_without_answer(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """What was said and is not answered is told again, with its audio."""
        connection.append_input_audio(SECOND)
        item_id = connection.commit_input_audio().item_id
        emulator.inject(Fault.cut(at="response.created"))
        response = connection.create_response()

        assert "An answer." == response.result(WAIT).text
        assert [item_id] == [item.id for item in emulator.sessions[1].items][:1]

    def test_turns_of_the_server(self, emulator: RealtimeEmulator) -> None:
        """Audio of turns that the server finds is not repeated; silence is no loss."""
        session = {
            **SESSION,
            "audio": {"input": {"turn_detection": {"type": "server_vad"}}},
        }
        with client_of(emulator, session=session).connect() as connection:
            connection.append_input_audio(SECOND)
            notice = lose_amid_audio(emulator, connection)

            assert 0 == notice.lost_input_audio_ms
            assert b"" == emulator.sessions[1].input_audio


def lose_amid_audio(
    emulator: RealtimeEmulator, connection: RealtimeConnection
) -> Reconnected:
    """Cut the connection by a command that touches no audio."""
    notices = Notices(connection)
    emulator.inject(Fault.cut())
    connection.send({"type": "conversation.item.retrieve", "item_id": "none"})
    return notices.next()


class TestResponses:
    def test_lost(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A response in progress ends with an error; the next one works."""
        emulator.inject(Fault.cut(at="response.output_text.delta"))
        response = connection.create_response()
        with pytest.raises(ConnectionLost, match="lost with the connection"):
            response.result(WAIT)
        with pytest.raises(ConnectionLost):
            list(response.text(WAIT))

        assert "An answer." == connection.create_response().result(WAIT).text

    def test_asked_again(self, emulator: RealtimeEmulator) -> None:
        """With `resume_responses` it begins anew, and its readers with it."""
        policy = ReconnectPolicy(first_delay=0.0, resume_responses=True)
        with (
            client_of(emulator, reconnect=policy).connect() as connection,
            ThreadPoolExecutor(1) as pool,
        ):
            notices = Notices(connection)
            emulator.inject(Fault.cut(at="response.output_text.delta", skip=1))
            response = connection.create_response()
            first = response.id
            pieces = pool.submit(lambda: "".join(response.text(WAIT)))

            assert "An answer." == response.result(WAIT).text
            assert pieces.result(WAIT).endswith("An answer.")
            assert first != response.id
            assert (first,) == notices.next().resumed_responses

    def test_created_only_once(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A response that was asked for and not created is created in the new one."""
        emulator.inject(Fault.cut(at="response.created"))

        assert "An answer." == connection.create_response().result(WAIT).text
        assert 1 == commands(emulator, 1).count("response.create")


class TestWaiting:
    def test_for_an_event(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """Whoever waits for an event is told that it may be lost."""
        with ThreadPoolExecutor(1) as pool:
            inboxes = len(connection._absorber._inboxes)
            waiting = pool.submit(connection.wait_for, ResponseDone, timeout=WAIT)
            wait_until(lambda: len(connection._absorber._inboxes) > inboxes)
            lose(emulator, connection)

            assert isinstance(waiting.exception(WAIT), ConnectionLost)

    def test_for_the_notice(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """Whoever waits for the notice gets it; callbacks and `recv()` do, too."""
        heard: Future[Reconnected] = Future()
        connection.on(Reconnected, heard.set_result)
        notice = lose(emulator, connection)

        assert notice is heard.result(WAIT)
        while (event := connection.recv(WAIT)) is not notice:
            assert not isinstance(event, Reconnected)

    def test_for_a_transcript(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A transcript that had not arrived will not, and whoever waits is told."""
        connection.append_input_audio(SECOND)
        item_id = connection.commit_input_audio().item_id
        lose(emulator, connection)
        with pytest.raises(ConnectionLost):
            connection.conversation.transcript(item_id, timeout=WAIT)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, by looking, for what nobody tells of."""
    looked = threading.Event()
    while not condition():
        looked.wait(0.001)


class TestGivingUp:
    def test_refused(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A refusal ends the connection, and the error tells both causes."""
        emulator.inject(Fault.http(401))
        emulator.inject(Fault.cut(at="input_audio_buffer.cleared"))
        with pytest.raises(ConnectionClosedError, match="401") as caught:
            connection.clear_input_audio(timeout=WAIT)

        assert 1006 == caught.value.code
        assert isinstance(caught.value.__cause__, AuthenticationError)

    def test_tries(self, emulator: RealtimeEmulator) -> None:
        """After so many tries the connection is over."""
        policy = ReconnectPolicy(first_delay=0.0, tries=3)
        with client_of(emulator, reconnect=policy).connect() as connection:
            emulator.inject(*[Fault.http(503)] * 3, Fault.cut())
            connection.send({"type": "input_audio_buffer.clear"})
            with pytest.raises(ConnectionClosedError, match="failed 3 times"):
                connection.commit_input_audio(timeout=WAIT)

    @pytest.mark.parametrize("code", [1008, 4000])
    def test_final_code(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection, code: int
    ) -> None:
        """Where the server means it, the connection is over at once."""
        emulator.inject(Fault.close(code, at="input_audio_buffer.cleared"))
        with pytest.raises(ConnectionClosedError) as caught:
            connection.clear_input_audio(timeout=WAIT)

        assert code == caught.value.code
        assert 1 == len(emulator.sessions)

    def test_losing_it_again_and_again(self, emulator: RealtimeEmulator) -> None:
        """A server that takes connections only to cut them wears the tries out."""
        policy = ReconnectPolicy(first_delay=0.0, tries=5)
        with client_of(emulator, reconnect=policy).connect() as connection:
            emulator.inject(
                Fault.cut(at="input_audio_buffer.cleared", times=None),
                *[
                    Fault.cut(at="input_audio_buffer.cleared", times=None, session=n)
                    for n in range(1, 9)
                ],
            )
            with pytest.raises(ConnectionClosed):
                connection.clear_input_audio(timeout=WAIT)

        assert 6 >= len(emulator.sessions)


class TestMeanwhile:
    def test_senders_wait(self, emulator: RealtimeEmulator) -> None:
        """Whoever sends while the connection is away waits, with his timeout."""
        away, back = threading.Event(), threading.Event()

        def token() -> str:
            if away.is_set():
                back.wait(WAIT)
            return "token"

        client = RealtimeClient(
            emulator.endpoint,
            token,
            model="m",
            session=SESSION,
            reconnect=QUICK,
            proxy="",
        )
        with client.connect() as connection, ThreadPoolExecutor(1) as pool:
            away.set()
            emulator.inject(Fault.cut())
            connection.send({"type": "input_audio_buffer.clear"})
            wait_until(lambda: connection._queue._held)
            with pytest.raises(SendQueueFull, match="not opened again"):
                connection.append_input_audio(SECOND, timeout=0.01)
            waiting = pool.submit(connection.append_input_audio, SECOND)
            back.set()
            waiting.result(WAIT)
            connection.commit_input_audio()

            assert SECOND == emulator.sessions[1].input_audio

    def test_close(self, emulator: RealtimeEmulator) -> None:
        """Closing does not wait for the connection to be back."""
        policy = ReconnectPolicy(first_delay=3600.0, max_delay=3600.0, deadline=None)
        with client_of(emulator, reconnect=policy).connect() as connection:
            emulator.inject(Fault.cut())
            connection.send({"type": "input_audio_buffer.clear"})
            wait_until(lambda: connection._queue._held)
            connection.close()

            assert connection.closed
            with pytest.raises(ConnectionClosed):
                connection.append_input_audio(SECOND)

    def test_callback_that_waits(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A callback may wait for a command through a loss."""
        done: Future[Any] = Future()

        @connection.on(InputAudioBufferCommitted)
        def create(event: InputAudioBufferCommitted) -> None:
            emulator.inject(Fault.cut(at="conversation.item.added"))
            done.set_result(connection.create_item(scripted.message("item_1")))

        connection.append_input_audio(SECOND)
        connection.commit_input_audio()

        assert "item_1" == done.result(WAIT).id
        assert "item_1" in [item.id for item in emulator.sessions[1].items]


@pytest.fixture(name="brief")
def _brief() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant(session_seconds=2.0)
    with RealtimeEmulator(settings=settings) as emulator:
        yield emulator


class TestExpiry:
    def test_rolled_over(self, brief: RealtimeEmulator) -> None:
        """Before a session expires there is a notice, and then a new session."""
        with client_of(brief).connect() as connection:
            events = connection.events(SessionExpiring, Reconnected, timeout=WAIT)
            connection.create_item(scripted.message("item_1"))
            expiring, moved = next(events), next(events)

            assert isinstance(expiring, SessionExpiring)
            assert 0.0 < expiring.time_left < 1.0
            assert isinstance(moved, Reconnected)
            assert moved.planned
            assert isinstance(moved.cause, SessionExpired)
            assert ["hello"] == said(connection)

    def test_wrong_clock(self) -> None:
        """A session that is over already by this machine's clock is not given up."""
        yesterday = ManualClock(epoch=time.time() - 86_400)
        with (
            RealtimeEmulator(clock=yesterday) as emulator,
            client_of(emulator).connect() as connection,
        ):
            told: list[ServerEvent] = []
            connection.on(SessionExpiring, told.append)
            connection.clear_input_audio(timeout=WAIT)

            assert [] == told
            assert 1 == len(emulator.sessions)

    def test_expired(self, emulator: RealtimeEmulator) -> None:
        """A session that expires all the same is followed by another one."""
        policy = ReconnectPolicy(first_delay=0.0, rollover=None)
        emulator.inject(Fault.expire(0.2))
        with client_of(emulator, reconnect=policy).connect() as connection:
            moved = Notices(connection).next()

            assert not moved.planned
            assert isinstance(moved.cause, SessionExpired)


def test_connect_error_is_told(emulator: RealtimeEmulator) -> None:
    """A host that does not exist is tried a few times, and then told."""
    client = RealtimeClient(
        "ws://127.0.0.1:9", "key", model="m", reconnect=QUICK, proxy=""
    )
    with pytest.raises(ConnectError, match="nobody takes connections"):
        client.connect()
