"""The way back to a connection, where it is long, broken off, or lost itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from proxy import Proxy
from script import message

from realtime_sync import (
    ConnectionClosed,
    ConnectionClosedError,
    RealtimeClient,
    RealtimeConnection,
    Reconnected,
    ReconnectPolicy,
    SendQueueFull,
)
from realtime_sync.emulator import (
    EmulatorSettings,
    Fault,
    RealtimeEmulator,
    Reply,
    Turn,
    call,
)


WAIT = 60.0  # seconds that a correct run never needs
SECOND = bytes(48_000)
QUICK = ReconnectPolicy(first_delay=0.0)
SESSION: dict[str, Any] = {
    "instructions": "Be brief.",
    "output_modalities": ["text"],
    "audio": {"input": {"turn_detection": None}},
}


def answer(turn: Turn) -> Reply | str:
    """Call the one function there is, and then say what it returned."""
    if turn.tools and turn.last_output is None:
        return Reply(function_calls=[call("double", number=21)])
    return turn.last_output or "An answer."


@pytest.fixture(name="emulator")
def _emulator() -> Iterator[RealtimeEmulator]:
    settings = EmulatorSettings.instant()
    with RealtimeEmulator(replies=answer, settings=settings, speech="tone") as emulator:
        yield emulator


def client_of(emulator: RealtimeEmulator, **settings: Any) -> RealtimeClient:
    settings = {"session": SESSION, "reconnect": QUICK, "proxy": "", **settings}
    credential = settings.pop("credential", "key")
    return RealtimeClient(emulator.endpoint, credential, model="m", **settings)


@pytest.fixture(name="connection")
def _connection(emulator: RealtimeEmulator) -> Iterator[RealtimeConnection]:
    with client_of(emulator).connect() as connection:
        yield connection


def ids(emulator: RealtimeEmulator, session: int = -1) -> list[str]:
    """The items that a session has in the end."""
    return [getattr(item, "id", "") for item in emulator.sessions[session].items]


def create(connection: RealtimeConnection, names: list[str]) -> None:
    """Create items, and wait for the last one only."""
    for name in names[:-1]:
        event = {"type": "conversation.item.create", "item": message(name, name)}
        connection.send(event)
    connection.create_item(message(names[-1], names[-1]), timeout=WAIT)


def cut(emulator: RealtimeEmulator, at: str, **when: Any) -> None:
    emulator.inject(Fault.cut(at=at, **when))


def names_of(count: int, prefix: str = "item") -> list[str]:
    return [f"{prefix}_{number}" for number in range(count)]


class TestReplay:
    @pytest.mark.parametrize("skip", [0, 1, 7, 14])
    def test_lost_as_well(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection, skip: int
    ) -> None:
        """What is lost while it is told is told again, from the beginning."""
        create(connection, names_of(8))
        cut(emulator, "conversation.item.added", session=1, skip=skip % 8)
        cut(emulator, "session.updated", session=2)
        cut(emulator, "input_audio_buffer.cleared", session=3)
        cut(emulator, "input_audio_buffer.cleared", session=0)
        connection.clear_input_audio(timeout=WAIT)

        assert names_of(8) == ids(emulator)
        assert 5 == len(emulator.sessions)
        assert names_of(8) == [item.id for item in connection.conversation]

    def test_hundreds_of_items(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A long conversation is told in portions, and stays in order."""
        create(connection, names_of(300))
        cut(emulator, "input_audio_buffer.cleared", session=0)
        connection.clear_input_audio(timeout=WAIT)

        assert names_of(300) == ids(emulator)

    @pytest.mark.parametrize("skip", [0, 5, 9])
    def test_amid_restoring(self, emulator: RealtimeEmulator, skip: int) -> None:
        """A conversation that is being restored is restored as a whole."""
        client = client_of(emulator)
        with client.connect() as first:
            create(first, names_of(10))
            taken = first.conversation.snapshot()
        with client.connect() as second:
            cut(emulator, "conversation.item.added", session=1, skip=skip)
            second.restore(taken, timeout=WAIT)

            assert names_of(10) == ids(emulator)
            assert 3 == len(emulator.sessions)


class TestCommands:
    @pytest.mark.parametrize("skip", range(0, 40, 8))
    def test_two_threads(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection, skip: int
    ) -> None:
        """Each thread's commands arrive once and in its order."""
        cut(emulator, "conversation.item.added", skip=skip)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(create, [connection] * 2, [names_of(20, p) for p in "ab"]))
        found = ids(emulator)

        assert names_of(20, "a") == [each for each in found if each[0] == "a"]
        assert names_of(20, "b") == [each for each in found if each[0] == "b"]

    def test_given_up(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """A command whose caller gave up waiting is not repeated by a later loss."""
        emulator.inject(Fault.drop("response.created"))
        with pytest.raises(TimeoutError):
            connection.create_response(timeout=0.2)
        cut(emulator, "input_audio_buffer.cleared", session=0)
        connection.clear_input_audio(timeout=WAIT)
        asked = [event.type for event in emulator.sessions[1].client_events]

        assert "response.create" not in asked

    def test_session_is_known_to_who_waited(
        self, connection: RealtimeConnection
    ) -> None:
        """What an update changed is in effect here before its caller goes on."""
        seen = []
        confirm = connection._acknowledgements.on_confirmed

        def look(pending: Any) -> None:
            seen.append(connection.session.instructions)  # type: ignore[union-attr]
            confirm(pending)

        connection._acknowledgements.on_confirmed = look
        connection.update_session({"instructions": "Be long."})

        assert ["Be long."] == seen

    @pytest.mark.parametrize(
        "at",
        [
            "response.created",
            "response.function_call_arguments.done",
            "response.done",
            "conversation.item.added",
        ],
    )
    @pytest.mark.parametrize("skip", [0, 1])
    def test_functions(self, emulator: RealtimeEmulator, at: str, skip: int) -> None:
        """An output is sent once, and the answer to it comes, wherever it is cut."""
        calls = []

        def double(number: int) -> int:
            """
            Double a number.

            Args:
                number: The number.
            """
            calls.append(number)
            return 2 * number

        policy = ReconnectPolicy(first_delay=0.0, resume_responses=True)
        client = client_of(emulator, functions=[double], reconnect=policy)
        with client.connect() as connection:
            cut(emulator, at, skip=skip)
            result = connection.ask("Double 21.", timeout=WAIT)
            kinds = [item.type for item in emulator.sessions[-1].items]

        assert "42" == result.text
        assert [21] == calls
        assert 1 == kinds.count("function_call_output")
        assert 1 == kinds.count("function_call")


class TestResumed:
    @pytest.mark.parametrize(
        "at",
        ["response.output_text.done", "conversation.item.done", "response.done"],
    )
    def test_answered_once(self, emulator: RealtimeEmulator, at: str) -> None:
        """An answer that is asked for again takes the place of the first one."""
        policy = ReconnectPolicy(first_delay=0.0, resume_responses=True)
        with client_of(emulator, reconnect=policy).connect() as connection:
            cut(emulator, at)

            assert "An answer." == connection.create_response().result(WAIT).text
            assert ["An answer."] == [each.text for each in connection.conversation]
            assert 1 == len(ids(emulator))


class TestOtherSessions:
    def test_transcription(self, emulator: RealtimeEmulator) -> None:
        """A transcription goes on, with its settings and the audio of the turn."""
        session = {
            "audio": {
                "input": {
                    "turn_detection": None,
                    "transcription": {"model": "whisper-1", "language": "en"},
                }
            }
        }
        with client_of(emulator, session=None).connect_transcription(session) as it:
            it.append_input_audio(SECOND)
            cut(emulator, "input_audio_buffer.committed")
            it.commit_input_audio(timeout=WAIT)
            told = emulator.sessions[1]

            assert SECOND == told.input_audio
            assert "en" == told.config.audio.input.transcription.language

    def test_translation(self, emulator: RealtimeEmulator) -> None:
        """A translation goes on into the same language."""
        session = {"audio": {"output": {"language": "es"}}}
        with client_of(emulator, session=None).connect_translation(session) as it:
            failures: list[Exception] = []
            it.on_error(failures.append)
            notices = it.events(Reconnected, timeout=WAIT)
            cut(emulator, "session.updated")
            it.update_session({"audio": {"output": {"language": "fr"}}}, timeout=WAIT)
            next(notices)

            assert "fr" == emulator.sessions[1].config.audio.output.language
            assert [] == failures

    @pytest.mark.parametrize("transcription", [False, True])
    def test_preview(self, emulator: RealtimeEmulator, transcription: bool) -> None:
        """The preview's dialect makes no difference."""
        client = client_of(emulator, api_version="2025-04-01-preview", session=None)
        opened = client.connect_transcription() if transcription else client.connect()
        with opened as connection:
            session = {"audio": {"input": {"turn_detection": None}}}
            connection.update_session(session, timeout=WAIT)
            connection.append_input_audio(SECOND)
            cut(emulator, "input_audio_buffer.committed")
            connection.commit_input_audio(timeout=WAIT)

            assert SECOND == emulator.sessions[1].input_audio
            assert emulator.sessions[1].config.audio.input.turn_detection is None


class TestRollover:
    def test_while_audio_streams_in(self) -> None:
        """No byte of a turn is lost when the session is followed by another one."""
        settings = EmulatorSettings.instant(session_seconds=2.0)
        with (
            RealtimeEmulator(settings=settings) as emulator,
            client_of(emulator).connect() as connection,
        ):
            moved = threading.Event()
            connection.on(Reconnected, lambda notice: moved.set())
            pieces = 0
            while not moved.wait(0.02):
                connection.append_input_audio(bytes([pieces % 250]) * 480)
                pieces += 1
            sessions = len(emulator.sessions)
            connection.append_input_audio(SECOND)
            connection.commit_input_audio(timeout=WAIT)
            sent = b"".join(bytes([n % 250]) * 480 for n in range(pieces))

            assert sent + SECOND == emulator.sessions[sessions - 1].input_audio


class TestGivingUp:
    def test_deadline(self, emulator: RealtimeEmulator) -> None:
        """All tries together take no longer than the policy says."""
        policy = ReconnectPolicy(first_delay=0.01, tries=10_000, deadline=0.3)
        with client_of(emulator, reconnect=policy).connect() as connection:
            emulator.inject(Fault.refuse(times=None), Fault.cut())
            with pytest.raises(ConnectionClosedError, match="opening it again failed"):
                connection.clear_input_audio(timeout=WAIT)

    def test_asked_to_wait_for_too_long(self, emulator: RealtimeEmulator) -> None:
        """A server that wants more time than there is ends the connection at once."""
        with client_of(emulator).connect() as connection:
            emulator.inject(Fault.http(429, retry_after=3600), Fault.cut())
            with pytest.raises(ConnectionClosedError, match="retry after 3600 s"):
                connection.clear_input_audio(timeout=WAIT)

    def test_waits_as_asked(self, emulator: RealtimeEmulator) -> None:
        """A server that says when to come back is not asked sooner."""
        with client_of(emulator).connect() as connection:
            notices = connection.events(Reconnected, timeout=WAIT)
            emulator.inject(Fault.http(503, retry_after=0.3), Fault.cut())
            connection.clear_input_audio(timeout=WAIT)
            notice = next(notices)

            assert isinstance(notice, Reconnected)
            assert notice.seconds >= 0.3
            assert 2 == notice.tries


class Tokens:
    """A credential: works at first, and then does what it is told."""

    def __init__(self, then: Callable[[], str]) -> None:
        self._then = then
        self._asked = 0

    def __call__(self) -> str:
        self._asked += 1
        return "token" if self._asked == 1 else self._then()


def fail_once(error: Exception) -> Callable[[], str]:
    """Return what raises *error* the first time, and then has a token."""
    errors = [error]

    def token() -> str:
        if errors:
            raise errors.pop()
        return "token"

    return token


class TestCredential:
    @pytest.mark.parametrize(
        "error", [OSError("no network"), ServiceRequestError("no network")]
    )
    def test_network(self, emulator: RealtimeEmulator, error: Exception) -> None:
        """A token that cannot be had for the moment is asked for again."""
        client = client_of(emulator, credential=Tokens(fail_once(error)))
        with client.connect() as connection:
            emulator.inject(Fault.cut())
            connection.clear_input_audio(timeout=WAIT)

            assert 2 == len(emulator.sessions)

    @pytest.mark.parametrize(
        "error", [ClientAuthenticationError("signed out"), RuntimeError("signed out")]
    )
    def test_refusal(self, emulator: RealtimeEmulator, error: Exception) -> None:
        """No token at all ends the connection, and the error tells why."""
        client = client_of(emulator, credential=Tokens(fail_once(error)))
        with client.connect() as connection:
            emulator.inject(Fault.cut())
            with pytest.raises(ConnectionClosedError, match="signed out") as caught:
                connection.clear_input_audio(timeout=WAIT)

            assert 1006 == caught.value.code


class TestClosing:
    """close() ends the way back at once, wherever it is."""

    def test_while_a_token_is_asked_for(self, emulator: RealtimeEmulator) -> None:
        """A credential that takes its time holds nobody up for longer than that."""
        asked, leave = threading.Event(), threading.Event()

        def token() -> str:
            asked.set()
            leave.wait(WAIT)
            return "token"

        client = client_of(emulator, credential=Tokens(token), close_timeout=0.2)
        with client.connect() as connection:
            emulator.inject(Fault.cut())
            waiting = self._lose(connection, asked)
            leave.set()
            self._ends(connection, waiting)

    def test_while_the_server_does_not_answer(self, emulator: RealtimeEmulator) -> None:
        """A server that never answers is not waited for."""
        accepted = threading.Event()
        with Proxy(emulator.port) as proxy:
            client = RealtimeClient(
                f"ws://127.0.0.1:{proxy.port}",
                Tokens(lambda: accepted.set() or "token"),  # type: ignore[func-returns-value]
                model="m",
                session=SESSION,
                reconnect=QUICK,
                proxy="",
            )
            with client.connect() as connection:
                emulator.inject(Fault.freeze(at="session.created", session=1))
                emulator.inject(Fault.cut())
                self._ends(connection, self._lose(connection, accepted))

    def test_amid_the_replay(
        self, emulator: RealtimeEmulator, connection: RealtimeConnection
    ) -> None:
        """Nor is one that stops while it is told the conversation."""
        create(connection, names_of(5))
        emulator.inject(Fault.freeze(at="conversation.item.done", session=1))
        cut(emulator, "input_audio_buffer.cleared", session=0)
        told = threading.Event()
        connection._channel.tap(
            lambda way, raw: told.set() if b"item_0" in raw else None
        )
        self._ends(connection, self._lose(connection, told))

    @staticmethod
    def _lose(connection: RealtimeConnection, phase: threading.Event) -> Any:
        """Lose the connection, and return who waits for it, in that phase."""
        pool = ThreadPoolExecutor(1)
        waiting = pool.submit(connection.clear_input_audio, timeout=WAIT)
        pool.shutdown(wait=False)
        assert phase.wait(WAIT)
        return waiting

    @staticmethod
    def _ends(connection: RealtimeConnection, waiting: Any) -> None:
        connection.close()

        assert connection.closed
        assert isinstance(waiting.exception(WAIT), ConnectionClosed)
        with pytest.raises((ConnectionClosed, SendQueueFull)):
            connection.append_input_audio(SECOND, timeout=WAIT)
