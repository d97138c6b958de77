"""What is remembered of a session for the next one, and what of it is told as lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import model_turns as turns
import pytest
import scripted
from scripted import WAIT

from realtime_sync import (
    ConnectionLost,
    RealtimeClient,
    RealtimeConnection,
    Reconnected,
    ReconnectPolicy,
    ServerError,
    TranslationConnection,
)
from realtime_sync._channel import acknowledgements
from realtime_sync.protocol._model import UNSET, ClientEvent, Maybe, ServerEvent
from realtime_sync.protocol.client_events import (
    ConversationItemCreate,
    InputAudioBufferCommit,
    ResponseCreate,
)
from realtime_sync.protocol.codec import structure
from realtime_sync.protocol.items import InputAudio, Message
from realtime_sync.protocol.server_events import (
    ConversationItemDeleted,
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
)
from realtime_sync.transport import FakeTransport


SECOND = bytes(48_000)  # of silence, as PCM at 24 kHz
KEPT_SECOND = 64_047  # bytes of the message that appends it
MANUAL: dict[str, Any] = {"input": {"turn_detection": None}}
VAD: dict[str, Any] = {"input": {"turn_detection": {"type": "server_vad"}}}


class Service:
    """A server that acknowledges all but responses, and whose line a test cuts."""

    def __init__(self, **session: Any) -> None:
        self.sessions: list[FakeTransport] = []
        self.answers = True
        self.refuses_commits = False
        self._session = session
        self._turns = 0

    def client(self, **policy: Any) -> RealtimeClient:
        """A client that comes back at once."""
        return RealtimeClient(
            "ws://127.0.0.1:9",
            "key",
            model="model",
            make_transport=self._open,
            close_timeout=WAIT,
            reconnect=ReconnectPolicy(first_delay=0.0, **policy),
        )

    def say(self, *events: ServerEvent) -> None:
        """Let the present session say something."""
        self.sessions[-1].feed(*events)

    def cut(
        self, connection: RealtimeConnection | TranslationConnection
    ) -> Reconnected:
        """Cut the line after all that was said, and return the notice."""
        notices = connection.events(Reconnected, timeout=WAIT)
        connection.flush(WAIT)
        self.sessions[-1].fail()
        notice = next(notices)
        assert isinstance(notice, Reconnected)
        return notice

    def told_audio(self) -> dict[str, int]:
        """The bytes of audio of the items that the present session was told."""
        return {
            event.item.id or "": len(part.audio or b"")
            for event in self.sessions[-1].sent
            if isinstance(event, ConversationItemCreate)
            and isinstance(event.item, Message)
            for part in event.item.content
            if isinstance(part, InputAudio)
        }

    def _open(self) -> FakeTransport:
        opened = scripted.created(**self._session)
        self.sessions.append(FakeTransport(opened, reply=self._reply))
        return self.sessions[-1]

    def _reply(self, event: ClientEvent) -> Sequence[ServerEvent | scripted.Wire]:
        if not self.answers:
            return ()
        if isinstance(event, InputAudioBufferCommit) and self.refuses_commits:
            return [scripted.refusal(event.event_id or None)]
        if isinstance(event, InputAudioBufferCommit):
            self._turns += 1
            return [InputAudioBufferCommitted(item_id=f"turn_{self._turns}")]
        if isinstance(event, ResponseCreate):
            return ()
        return scripted.acknowledge(event)


@pytest.fixture(name="service")
def _service() -> Service:
    return Service(audio=MANUAL)


@pytest.fixture(name="connection")
def _connection(service: Service) -> Iterator[RealtimeConnection]:
    with service.client().connect() as connection:
        yield connection


def say_turns(connection: RealtimeConnection, *sizes: int) -> None:
    """Say and commit turns of so many bytes."""
    for size in sizes:
        connection.append_input_audio(bytes(size))
        connection.commit_input_audio(timeout=WAIT)


class TestTranscripts:
    @pytest.mark.parametrize("answered", [False, True])
    def test_known(
        self, service: Service, connection: RealtimeConnection, answered: bool
    ) -> None:
        """A transcript that was known is known after a loss, whatever was told."""
        say_turns(connection, 9_600)
        service.say(
            ConversationItemInputAudioTranscriptionCompleted(
                item_id="turn_1", content_index=0, transcript="Hello!"
            )
        )
        if answered:
            service.say(turns.created(), turns.done())
        service.cut(connection)

        assert "Hello!" == connection.conversation.transcript("turn_1", timeout=WAIT)
        assert "completed" == connection.conversation.items[0].transcription

    def test_unknown(self, service: Service, connection: RealtimeConnection) -> None:
        """One that was not will not be, and whoever asks for it later is told, too."""
        say_turns(connection, 9_600)
        service.cut(connection)

        with pytest.raises(ConnectionLost):
            connection.conversation.transcript("turn_1", timeout=WAIT)


class TestUnansweredTurns:
    def test_several(self, service: Service, connection: RealtimeConnection) -> None:
        """All turns that nobody has answered are told again as audio."""
        say_turns(connection, 9_600, 19_200)
        notice = service.cut(connection)

        assert {"turn_1": 9_600, "turn_2": 19_200} == service.told_audio()
        assert () == notice.losses

    def test_lost_twice(self, service: Service, connection: RealtimeConnection) -> None:
        """They are told to the session after that as well."""
        say_turns(connection, 9_600)
        service.cut(connection)
        say_turns(connection, 19_200)
        service.cut(connection)

        assert {"turn_1": 9_600, "turn_2": 19_200} == service.told_audio()

    def test_answered(self, service: Service, connection: RealtimeConnection) -> None:
        """What a response has read is answered once it is done; what came later not."""
        say_turns(connection, 9_600)
        service.say(turns.created())
        connection.clear_input_audio(timeout=WAIT)  # so that it has been read
        say_turns(connection, 19_200)
        service.say(turns.done())
        notice = service.cut(connection)

        assert {"turn_2": 19_200} == service.told_audio()
        assert ["turn_1"] == [loss.item_id for loss in notice.losses]

    @pytest.mark.parametrize("status", ["cancelled", "failed"])
    def test_no_answer(
        self, service: Service, connection: RealtimeConnection, status: str
    ) -> None:
        """A response that was cancelled or failed is no answer."""
        say_turns(connection, 9_600)
        service.say(turns.created(), turns.done(status=status))
        service.cut(connection)

        assert {"turn_1": 9_600} == service.told_audio()

    def test_in_progress(
        self, service: Service, connection: RealtimeConnection
    ) -> None:
        """A response that a loss cuts off is no answer; the one after it is."""
        say_turns(connection, 9_600)
        service.say(turns.created())
        service.cut(connection)
        first = service.told_audio()
        service.say(turns.done(), turns.created("resp_2"), turns.done("resp_2"))
        service.cut(connection)

        assert {"turn_1": 9_600} == first
        assert {} == service.told_audio()

    def test_out_of_band(
        self, service: Service, connection: RealtimeConnection
    ) -> None:
        """A response outside the conversation answers nothing in it."""
        say_turns(connection, 9_600)
        service.say(
            turns.created(conversation_id=None), turns.done(conversation_id=None)
        )
        service.cut(connection)

        assert {"turn_1": 9_600} == service.told_audio()

    @pytest.mark.parametrize("as_mapping", [False, True])
    @pytest.mark.parametrize(
        ("params", "answered"),
        [
            ({}, True),
            ({"instructions": "Answer."}, True),
            ({"input": None}, True),
            ({"input": []}, False),
            ({"conversation": "none"}, False),
        ],
    )
    def test_other_input(
        self,
        service: Service,
        connection: RealtimeConnection,
        params: dict[str, Any],
        answered: bool,
        as_mapping: bool,
    ) -> None:
        """Nor does one that this side asked not to read the conversation."""
        say_turns(connection, 9_600)
        command: Any = {"type": "response.create", "response": params}
        connection.send(command if as_mapping else asking(params))
        # Servers of the preview do not say whether it is out of band.
        service.say(
            turns.created(conversation_id=UNSET), turns.done(conversation_id=UNSET)
        )
        service.cut(connection)

        assert ({} if answered else {"turn_1": 9_600}) == service.told_audio()

    def test_deleted(self, service: Service, connection: RealtimeConnection) -> None:
        """A turn that is deleted is forgotten."""
        say_turns(connection, 9_600, 19_200)
        service.say(ConversationItemDeleted(item_id="turn_1"))
        notice = service.cut(connection)

        assert {"turn_2": 19_200} == service.told_audio()
        assert () == notice.losses

    def test_bounded(self, service: Service) -> None:
        """There is room for so much; the oldest is let go, and told as lost."""
        room = 2 * KEPT_SECOND
        with service.client(replay_audio=room).connect() as connection:
            say_turns(connection, *[len(SECOND)] * 3)
            notice = service.cut(connection)
            told = service.told_audio()

        assert {"turn_2": 48_000, "turn_3": 48_000} == told
        assert ["turn_1"] == [loss.item_id for loss in notice.losses]

    def test_room_for_the_present_turn(self, service: Service) -> None:
        """The turn that is not committed yet has the room first."""
        room = 2 * KEPT_SECOND
        with service.client(replay_audio=room).connect() as connection:
            say_turns(connection, len(SECOND), len(SECOND))
            connection.append_input_audio(SECOND)
            notice = service.cut(connection)
            told = service.told_audio()

        assert {"turn_2": 48_000} == told
        assert ["turn_1"] == [loss.item_id for loss in notice.losses]
        assert 0 == notice.lost_input_audio_ms

    def test_incomplete(self, service: Service) -> None:
        """A turn of which there was no room for all is not told in part."""
        with service.client(replay_audio=KEPT_SECOND).connect() as connection:
            for _ in range(2):
                connection.append_input_audio(SECOND)
            connection.commit_input_audio(timeout=WAIT)
            notice = service.cut(connection)

            assert {} == service.told_audio()
            assert ["turn_1"] == [loss.item_id for loss in notice.losses]
            assert 0 == notice.lost_input_audio_ms  # since it was committed

    def test_turns_that_were_let_go_do_not_pile_up(self, service: Service) -> None:
        """What there was no room for is forgotten for good."""
        with service.client(replay_audio=KEPT_SECOND).connect() as connection:
            say_turns(connection, *[len(SECOND)] * 10)

            assert 2 >= len(connection._memory._unanswered)

    def test_refused_commit(
        self, service: Service, connection: RealtimeConnection
    ) -> None:
        """A commit that the server refuses keeps no audio."""
        service.refuses_commits = True
        with pytest.raises(ServerError):
            say_turns(connection, 48)
        retained = connection._queue._retained

        assert retained is not None
        assert {} == retained._turns

    def test_transcription(self) -> None:
        """A session without responses keeps no audio for them."""
        service = Service(type="transcription", audio=MANUAL)
        with service.client().connect_transcription() as connection:
            connection.append_input_audio(SECOND)
            connection.commit_input_audio(timeout=WAIT)
            retained = connection._queue._retained

            assert retained is not None
            assert {} == retained._turns


class TestLostAudio:
    @pytest.mark.parametrize(
        ("start_ms", "lost"), [(500, 1_500), (0, 2_000), (2_500, 0), (UNSET, 2_001)]
    )
    def test_speech(self, start_ms: Maybe[int], lost: int) -> None:
        """What was said since the user began to speak is lost, and not committed."""
        service = Service(audio=VAD)
        with service.client().connect() as connection:
            append(connection, SECOND, SECOND)
            service.say(started(start_ms))

            assert lost == service.cut(connection).lost_input_audio_ms
            assert 0 == service.cut(connection).lost_input_audio_ms

    def test_g711(self) -> None:
        """It is counted in the format of the session, whatever the pieces are."""
        audio = {"input": {**VAD["input"], "format": {"type": "audio/pcmu"}}}
        service = Service(audio=audio)
        with service.client().connect() as connection:
            append(connection, *[bytes(160)] * 100)
            service.say(started(500))

            assert 1_500 == service.cut(connection).lost_input_audio_ms

    @pytest.mark.parametrize(
        "end",
        [InputAudioBufferCommitted(item_id="turn_1"), InputAudioBufferCleared(), None],
    )
    def test_silence(self, end: ServerEvent | None) -> None:
        """Silence is no loss: before anybody spoke, and after it was dealt with."""
        service = Service(audio=VAD)
        with service.client().connect() as connection:
            append(connection, SECOND)
            if end is not None:
                service.say(started(0), end)

            assert 0 == service.cut(connection).lost_input_audio_ms

    def test_next_turn(self) -> None:
        """After a turn, only the next one counts."""
        service = Service(audio=VAD)
        with service.client().connect() as connection:
            append(connection, SECOND, SECOND, SECOND)
            service.say(started(0), InputAudioBufferCommitted(item_id="turn_1"))
            service.say(started(2_000))

            assert 1_000 == service.cut(connection).lost_input_audio_ms

    def test_next_session(self) -> None:
        """Each session has its own clock."""
        service = Service(audio=VAD)
        with service.client().connect() as connection:
            append(connection, SECOND, SECOND, SECOND)
            service.cut(connection)
            append(connection, SECOND)
            service.say(started(250))

            assert 750 == service.cut(connection).lost_input_audio_ms

    def test_no_room(self, service: Service) -> None:
        """What there was no room for is lost, unless it was committed."""
        with service.client(replay_audio=KEPT_SECOND).connect() as connection:
            append(connection, SECOND, SECOND)

            assert 1_000 == service.cut(connection).lost_input_audio_ms
            append(connection, SECOND, SECOND)
            connection.commit_input_audio(timeout=WAIT)
            assert 0 == service.cut(connection).lost_input_audio_ms

    def test_translation(self) -> None:
        """A translation takes what it hears, and commits nothing."""
        service = Service(type="translation")
        with service.client().connect_translation() as connection:
            append(connection, SECOND, SECOND)

            assert 0 == service.cut(connection).lost_input_audio_ms

    def test_own_turns_after_those_of_the_server(self) -> None:
        """A turn that began while the server found them is not told again in part."""
        service = Service(audio=VAD)
        with service.client().connect() as connection:
            append(connection, SECOND)
            connection.update_session({"audio": MANUAL})
            append(connection, SECOND)
            connection.commit_input_audio(timeout=WAIT)
            service.cut(connection)

            assert {} == service.told_audio()


class TestUncertain:
    @pytest.mark.parametrize(
        ("limit", "most"), [("_MOST_UNAWAITED", 2), ("_MOST_UNAWAITED_BYTES", 4_000)]
    )
    def test_given_up(
        self,
        service: Service,
        monkeypatch: pytest.MonkeyPatch,
        limit: str,
        most: int,
    ) -> None:
        """Commands that wait in too great a number are told as perhaps lost, once."""
        monkeypatch.setattr(acknowledgements, limit, most)
        service.answers = False
        with service.client().connect() as connection:
            for number in range(4):
                item = scripted.message(f"item_{number}")
                connection.send({"type": "conversation.item.create", "item": item})
            connection.flush(WAIT)
            service.answers = True
            notice = service.cut(connection)
            again = service.cut(connection)

        assert ("conversation.item.create",) == notice.uncertain
        assert 2 == notice.repeated
        assert () == again.uncertain

    def test_timed_out(self, service: Service, connection: RealtimeConnection) -> None:
        """One that somebody waited for in vain is not: he knows."""
        service.answers = False
        with pytest.raises(TimeoutError):
            connection.create_item(scripted.message("item_1"), timeout=0.001)
        service.answers = True

        assert () == service.cut(connection).uncertain


def append(
    connection: RealtimeConnection | TranslationConnection, *pieces: bytes
) -> None:
    """Send audio, and see it leave."""
    for piece in pieces:
        connection.append_input_audio(piece)
    connection.flush(WAIT)


def started(audio_start_ms: Maybe[int]) -> InputAudioBufferSpeechStarted:
    return InputAudioBufferSpeechStarted(
        item_id="turn_1", audio_start_ms=audio_start_ms
    )


def asking(params: dict[str, Any]) -> ResponseCreate:
    """The command as an object."""
    return structure({"type": "response.create", "response": params}, ResponseCreate)
