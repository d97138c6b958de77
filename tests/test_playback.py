"""What is heard of the model's speech, and what an interruption does."""

from __future__ import annotations

import gc
import math
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync._channel.monitor import Monitor
from realtime_sync.errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
)
from realtime_sync.playback import (
    AudioFeed,
    Interruption,
    Playback,
    Position,
    Truncation,
)
from realtime_sync.protocol._model import UNSET, ClientEvent
from realtime_sync.protocol.client_events import (
    ConversationItemDelete,
    ConversationItemTruncate,
    ResponseCancel,
)
from realtime_sync.protocol.items import OutputAudio, OutputText
from realtime_sync.protocol.responses import (
    Response,
    ResponseAudio,
    ResponseAudioOutput,
)
from realtime_sync.protocol.server_events import (
    ConversationItemDeleted,
    InputAudioBufferSpeechStarted,
    ResponseContentPartAdded,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    SessionCreated,
    SessionUpdated,
)
from realtime_sync.protocol.session_audio import (
    AudioPcm,
    AudioPcma,
    AudioPcmu,
    ServerVad,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
)
from realtime_sync.protocol.sessions import RealtimeSession


SOON = 10.0  # seconds within which what has to happen does
MS = 48  # bytes of 16-bit PCM at 24 kHz
RAMP = bytes(range(251))


class FakeConnection:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[ClientEvent] = []
        self.failure: Exception | None = None

    def send(self, event: ClientEvent) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(event)


class FakePlayer:
    """Has played what it is told, and forgets the rest."""

    def __init__(self) -> None:
        self.played_ms = 0
        self.flushed = 0
        self.failure: Exception | None = None

    def flush(self) -> int:
        if self.failure is not None:
            raise self.failure
        self.flushed += 1
        return self.played_ms


class Server:
    """The server's part of the talk."""

    def __init__(self, playback: Playback) -> None:
        self.handlers = playback._handlers()

    def says(self, event: Any) -> None:
        assert self.handlers[type(event)](event) is None

    def created(self, response_id: str = "r1", **fields: Any) -> None:
        fields = {"conversation_id": "conv_1", **fields}
        self.says(ResponseCreated(response=Response(id=response_id, **fields)))

    def done(self, response_id: str = "r1", status: str = "completed") -> None:
        self.says(ResponseDone(response=Response(id=response_id, status=status)))

    def announces(
        self, item_id: str = "i1", response_id: str = "r1", part: Any = None
    ) -> None:
        self.says(
            ResponseContentPartAdded(
                part=part or OutputAudio(),
                item_id=item_id,
                response_id=response_id,
                content_index=0,
                output_index=0,
            )
        )

    def speaks(
        self,
        ms: float,
        item_id: str = "i1",
        response_id: str = "r1",
        *,
        content_index: int = 0,
        rate: int = MS,
        done: bool = False,
        sample: int | None = None,
    ) -> None:
        """Send that much audio; its bytes count up, or are all the same."""
        where: dict[str, Any] = {
            "item_id": item_id,
            "response_id": response_id,
            "content_index": content_index,
            "output_index": 0,
        }
        count = int(ms * rate)
        audio = (RAMP * (count // 251 + 1))[:count]
        if sample is not None:
            audio = bytes([sample]) * count
        self.says(ResponseOutputAudioDelta(delta=audio, **where))
        if done:
            self.says(ResponseOutputAudioDone(**where))

    def speaks_a_response(self, ms: float, number: int = 1) -> None:
        """Send a whole response with that much audio in one item."""
        self.created(f"r{number}")
        self.speaks(ms, f"i{number}", f"r{number}", done=True)
        self.done(f"r{number}")


class Clock:
    """Shows the time that it is told."""

    def __init__(self) -> None:
        self.ms = 0.0

    def __call__(self) -> float:
        return self.ms / 1000


@pytest.fixture(name="connection")
def _connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="playback")
def _playback(connection: FakeConnection, clock: Clock) -> Playback:
    return Playback(connection, clock=clock)


@pytest.fixture(name="server")
def _server(playback: Playback) -> Server:
    return Server(playback)


@pytest.fixture(name="player")
def _player() -> FakePlayer:
    return FakePlayer()


@pytest.fixture(name="played")
def _played(connection: FakeConnection, player: FakePlayer, clock: Clock) -> Playback:
    """Return a playback with a player."""
    return Playback(connection, player=player, clock=clock)


def told(connection: FakeConnection) -> list[tuple[Any, ...]]:
    """Return what the server was told, in short."""
    short: dict[type, Callable[[Any], tuple[Any, ...]]] = {
        ResponseCancel: lambda e: ("cancel", e.response_id),
        ConversationItemTruncate: lambda e: ("cut", e.item_id, e.audio_end_ms),
        ConversationItemDelete: lambda e: ("delete", e.item_id),
    }
    return [short[type(event)](event) for event in connection.sent]


def at(item_id: str, played_ms: int, received_ms: int) -> Position:
    return Position(
        item_id=item_id,
        content_index=0,
        played_ms=played_ms,
        received_ms=received_ms,
    )


# States


def test_nothing_is_going_on_at_first(playback: Playback) -> None:
    """A new playback neither generates nor plays."""
    assert not playback.generating
    assert not playback.playing
    assert playback.position is None


def test_generating_and_playing_are_two_states(
    playback: Playback, server: Server, clock: Clock
) -> None:
    """A response is generated before it is heard, and played after it is done."""
    states = []

    def look() -> None:
        states.append((playback.generating, playback.playing))

    look()
    server.created()
    look()
    server.speaks(1000, done=True)
    look()
    server.done()
    look()
    clock.ms = 999
    look()
    clock.ms = 1000
    look()

    assert [
        (False, False),
        (True, False),
        (True, True),
        (False, True),
        (False, True),
        (False, False),
    ] == states


def test_responses_out_of_band_do_not_count(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """A response outside of the conversation has no items that could be cut."""
    server.created("r9", conversation_id=None)
    server.announces(response_id="r9")
    server.speaks(100, response_id="r9")

    assert (False, False) == (playback.generating, playback.playing)
    server.done("r9")
    assert Interruption() == playback.interrupt()
    assert [] == connection.sent


def test_responses_without_conversation_or_id_are_tolerated(
    playback: Playback, server: Server
) -> None:
    """A service that is silent about the conversation means the only one."""
    server.created("r1", conversation_id=UNSET)
    server.says(ResponseCreated(response=Response()))

    assert playback.generating
    server.says(ResponseDone(response=Response()))
    assert playback.generating


# Positions


def test_reports_move_the_position(playback: Playback, server: Server) -> None:
    """What is reported of the current item is its position."""
    server.speaks(500)

    playback.played(120)

    assert at("i1", 120, 500) == playback.position
    playback.played(10_000)
    assert at("i1", 500, 500) == playback.position
    playback.played(80)  # the last report counts
    assert at("i1", 80, 500) == playback.position


def test_reports_go_on_with_the_next_item(playback: Playback, server: Server) -> None:
    """After all of an item was heard, reports are about the next one."""
    server.speaks_a_response(500)
    playback.played(500)
    server.speaks_a_response(300, 2)

    playback.played(20)

    assert at("i2", 20, 300) == playback.position


def test_reports_can_name_the_item(playback: Playback, server: Server) -> None:
    """A report about an item says that all before it was heard."""
    server.speaks_a_response(500)
    server.speaks_a_response(300, 2)

    playback.played(20, item_id="i2")

    assert at("i2", 20, 300) == playback.position
    with pytest.raises(ValueError, match="nothing of item i1 is being played"):
        playback.played(20, item_id="i1")


def test_bytes_are_counted_over_items(playback: Playback, server: Server) -> None:
    """Bytes of one item after the other are counted as they are played."""
    positions = []
    server.speaks_a_response(500)
    server.speaks_a_response(300, 2)

    for ms in (0, 400, 150, 1000, 5):
        playback.played_bytes(ms * MS)
        positions.append(playback.position)

    assert [
        at("i1", 0, 500),
        at("i1", 400, 500),
        at("i2", 50, 300),
        at("i2", 300, 300),
        at("i2", 300, 300),
    ] == positions


def test_reports_of_nothing_are_tolerated(playback: Playback) -> None:
    """A player may report silence."""
    playback.played(100)
    playback.played_bytes(100)

    assert playback.position is None


def test_reports_are_checked(playback: Playback, played: Playback) -> None:
    """Negative reports are refused, and so are reports beside a player."""
    with pytest.raises(ValueError, match="ms is a number from 0, not -1"):
        playback.played(-1)
    with pytest.raises(ValueError, match="ms is a number from 0, not nan"):
        playback.played(math.nan)
    with pytest.raises(ValueError, match="count is a number from 0"):
        playback.played_bytes(-1)
    with pytest.raises(RuntimeError, match="do not report it too"):
        played.played(1)


def test_a_player_is_asked(played: Playback, player: FakePlayer) -> None:
    """The player's milliseconds run over all items."""
    server = Server(played)
    server.speaks_a_response(500)
    server.speaks_a_response(300, 2)
    positions = []

    for ms in (0, 123, 500, 501, 799, 800, 900):
        player.played_ms = ms
        positions.append(played.position)

    assert [
        at("i1", 0, 500),
        at("i1", 123, 500),
        at("i2", 0, 300),
        at("i2", 1, 300),
        at("i2", 299, 300),
        at("i2", 300, 300),
        at("i2", 300, 300),
    ] == positions
    assert not played.playing


def test_a_players_position_is_exact(played: Playback, player: FakePlayer) -> None:
    """No millisecond is lost in computing, however long the line is."""
    server = Server(played)
    for number in range(200):
        server.speaks_a_response(333, number)
        for step in (0, 1, 111, 332):
            player.played_ms = 333 * number + step
            assert at(f"i{number}", step, 333) == played.position


def test_the_clock_guesses(playback: Playback, server: Server, clock: Clock) -> None:
    """Without reports everything is played as soon as it can be."""
    positions = []
    server.speaks_a_response(500)
    clock.ms = 200
    server.speaks_a_response(300, 2)
    for ms in (300, 500, 600, 5000):
        clock.ms = ms
        positions.append(playback.position)
    server.speaks_a_response(100, 3)
    clock.ms = 5040
    positions.append(playback.position)

    assert [
        at("i1", 300, 500),
        at("i2", 0, 300),
        at("i2", 100, 300),
        at("i2", 300, 300),
        at("i3", 40, 100),
    ] == positions


def test_the_clock_starts_with_the_first_sound(
    playback: Playback, server: Server, clock: Clock
) -> None:
    """The announcement of audio is no audio."""
    server.created()
    server.announces()
    clock.ms = 400
    server.speaks(100)
    clock.ms = 430

    assert at("i1", 30, 100) == playback.position


@pytest.mark.parametrize(
    ("audio_format", "rate"),
    [
        (AudioPcm(), 48),
        (AudioPcm(rate=16_000), 32),
        (AudioPcmu(), 8),
        (AudioPcma(), 8),
        (UNSET, 48),
    ],
)
@pytest.mark.parametrize("event_type", [SessionCreated, SessionUpdated])
def test_formats_count(
    playback: Playback, server: Server, audio_format: Any, rate: int, event_type: Any
) -> None:
    """How many bytes a millisecond has depends on the format of the session."""
    output = SessionAudioOutput(format=audio_format)
    server.says(event_type(session=RealtimeSession(audio=SessionAudio(output=output))))

    server.speaks(500, rate=rate)
    playback.played_bytes(100 * rate)

    assert at("i1", 100, 500) == playback.position


def test_a_response_may_have_a_format_of_its_own(
    playback: Playback, server: Server
) -> None:
    """The format of a response counts for it alone."""
    output = ResponseAudioOutput(format=AudioPcmu())
    server.created("r1", audio=ResponseAudio(output=output))
    server.speaks(500, rate=8)
    server.done("r1")
    server.created("r2", audio=ResponseAudio())
    server.speaks(300, "i2", "r2")

    playback.played_bytes(500 * 8 + 100 * MS)

    assert at("i2", 100, 300) == playback.position


def test_a_session_without_audio_changes_nothing(
    playback: Playback, server: Server
) -> None:
    """What a session does not say stays as it was."""
    server.says(SessionUpdated(session=RealtimeSession()))
    server.speaks(500)

    assert at("i1", 0, 500) == playback.position


def test_a_line_without_reports_stays_short(playback: Playback, server: Server) -> None:
    """A player that never tells that it has played does not fill the memory."""
    playback.played(0)
    for number in range(1000):
        server.speaks_a_response(1, number)

    assert 64 == len([*playback._line])


# Interruption


def test_interruption_cuts_what_was_heard(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """The response is cancelled first, and its item cut to what was heard."""
    server.created()
    server.speaks(2000)
    playback.played(730)

    done = playback.interrupt()

    assert [("cancel", "r1"), ("cut", "i1", 730)] == told(connection)
    assert len({event.event_id for event in connection.sent}) == 2
    assert (
        Interruption(
            position=at("i1", 730, 2000),
            cancelled="r1",
            truncated=(Truncation(item_id="i1", content_index=0, audio_end_ms=730),),
            dropped_ms=1270,
        )
        == done
    )


def test_interruption_after_generation_cancels_nothing(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """A response that is done but still heard is cut only."""
    server.speaks_a_response(2000)
    playback.played(1999.5)

    playback.interrupt()

    assert [("cut", "i1", 1999)] == told(connection)


@pytest.mark.parametrize("played_ms", [500, 500.9, 700, 1e9])
def test_nothing_is_cut_beyond_what_was_received(
    playback: Playback,
    server: Server,
    connection: FakeConnection,
    played_ms: float,
) -> None:
    """A player that is ahead of itself does not make the server refuse."""
    server.created()
    server.speaks(500.75)

    playback.interrupt(played_ms)

    assert ("cut", "i1", 500) == told(connection)[1]


def test_what_was_heard_to_its_end_is_not_cut(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """An item that was heard as a whole is as it should be."""
    server.speaks_a_response(500)
    playback.played(500)

    done = playback.interrupt()

    assert [] == connection.sent
    assert Interruption(position=at("i1", 500, 500)) == done


@pytest.mark.parametrize("played_ms", [0, 0.9, -5])
def test_what_was_not_heard_is_deleted(
    playback: Playback,
    server: Server,
    connection: FakeConnection,
    played_ms: float,
) -> None:
    """Nothing is cut to nothing: the item is deleted."""
    server.created()
    server.speaks(500)

    done = playback.interrupt(played_ms)

    assert [("cancel", "r1"), ("delete", "i1")] == told(connection)
    assert ((), ("i1",), 500) == (done.truncated, done.deleted, done.dropped_ms)


def test_what_was_announced_is_deleted(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """An item that the server has, but of which nothing came, is deleted."""
    server.created()
    server.announces()

    playback.interrupt()

    assert [("cancel", "r1"), ("delete", "i1")] == told(connection)


def test_before_the_first_item_there_is_nothing_to_cut(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """A response without items is cancelled only."""
    server.created()

    done = playback.interrupt()

    assert [("cancel", "r1")] == told(connection)
    assert Interruption(cancelled="r1") == done


def test_text_is_not_cut(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """Of text nothing is heard, so its item stays as it is."""
    server.created()
    server.announces(part=OutputText())

    playback.interrupt()

    assert [("cancel", "r1")] == told(connection)


def test_interruption_of_nothing_does_nothing(
    playback: Playback, connection: FakeConnection
) -> None:
    """If nothing is generated or played, there is nothing to do."""
    assert Interruption() == playback.interrupt()
    assert Interruption() == playback.interrupt(played_ms=100)
    assert [] == connection.sent


def test_interruption_twice_is_interruption_once(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """The second interruption finds nothing left to do, though the response goes on."""
    server.created()
    server.speaks(500)
    playback.played(100)
    playback.interrupt()
    count = len(connection.sent)

    server.speaks(500)
    again = playback.interrupt()

    assert playback.generating
    assert Interruption() == again
    assert count == len(connection.sent)


def test_what_comes_late_is_not_played(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """Audio of an interrupted response is ignored, that of the next one is not."""
    server.created()
    server.speaks(500)
    playback.interrupt(100)

    server.speaks(500)
    server.announces("i1b")
    server.speaks(500, "i1b", done=True)
    assert playback.position is None
    server.done(status="cancelled")
    server.speaks_a_response(300, 2)

    assert at("i2", 0, 300) == playback.position
    playback.interrupt(50)
    assert ("cut", "i2", 50) == told(connection)[-1]


def test_a_response_that_nobody_announced_is_ignored_as_well(
    playback: Playback, server: Server
) -> None:
    """A playback that began in the middle of a response interrupts it too."""
    server.speaks(500)
    playback.interrupt(100)

    server.speaks(500)

    assert playback.position is None


def test_every_item_of_the_line_is_dealt_with(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """Items before the position stay, the one there is cut, those behind deleted."""
    for number in (1, 2, 3):
        server.speaks_a_response(500, number)
    server.created("r4")
    server.speaks(500, "i4", "r4")
    playback.played(100, item_id="i2")

    done = playback.interrupt()

    assert [
        ("cancel", "r4"),
        ("cut", "i2", 100),
        ("delete", "i3"),
        ("delete", "i4"),
    ] == told(connection)
    assert 1400 == done.dropped_ms


@pytest.mark.parametrize("heard_ms", [400, 500])
def test_an_item_of_which_a_part_was_heard_is_not_deleted(
    playback: Playback, server: Server, connection: FakeConnection, heard_ms: int
) -> None:
    """Of an item with two parts, the second of which was not heard, the first stays."""
    server.created()
    server.speaks(500, done=True)
    server.speaks(500, content_index=1, done=True)
    server.done()

    playback.played_bytes(heard_ms * MS)
    playback.interrupt()

    assert ([("cut", "i1", 400)] if heard_ms == 400 else []) == told(connection)


def test_an_item_is_deleted_once(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """An item with two parts of which nothing was heard is deleted once."""
    server.created()
    server.speaks(500, done=True)
    server.speaks(500, content_index=1)
    playback.played(0)

    playback.interrupt()

    assert [("cancel", "r1"), ("delete", "i1")] == told(connection)


def test_parts_may_take_turns(playback: Playback, server: Server) -> None:
    """Audio of a part that was begun before belongs to it."""
    server.speaks(100)
    server.speaks(100, "i2")
    server.speaks(100)

    assert at("i1", 0, 200) == playback.position


def test_a_deleted_item_is_left_alone(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """What the user has deleted cannot be cut."""
    server.speaks_a_response(500)
    server.says(ConversationItemDeleted(item_id="i1"))
    server.says(ConversationItemDeleted(item_id="i9"))

    playback.interrupt(100)

    assert [] == connection.sent


def test_a_new_session_knows_no_old_items(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """After a reconnect what is being played cannot be cut, nor is it generated."""
    server.created()
    server.speaks(500)

    server.says(SessionCreated(session=RealtimeSession()))
    playback.interrupt(100)
    assert [] == connection.sent
    server.speaks_a_response(500, 2)
    playback.interrupt(100)

    assert [("cut", "i2", 100)] == told(connection)


def test_what_is_known_better_counts(
    playback: Playback, server: Server, clock: Clock, connection: FakeConnection
) -> None:
    """The argument of an interruption wins over what is guessed or reported."""
    server.speaks_a_response(500)
    clock.ms = 400
    assert at("i1", 400, 500) == playback.position

    playback.interrupt(150)

    assert [("cut", "i1", 150)] == told(connection)


def test_the_clock_goes_on_after_an_interruption(
    playback: Playback, server: Server, clock: Clock
) -> None:
    """What comes after an interruption is played from its arrival on."""
    server.speaks_a_response(5000)
    clock.ms = 100
    playback.interrupt()
    server.speaks_a_response(500, 2)
    clock.ms = 140

    assert at("i2", 40, 500) == playback.position


def test_the_player_is_flushed(
    played: Playback, player: FakePlayer, connection: FakeConnection
) -> None:
    """The player falls silent, and goes on where it was."""
    server = Server(played)
    server.speaks_a_response(5000)
    player.played_ms = 1234

    played.interrupt()
    server.speaks_a_response(500, 2)
    player.played_ms = 1300

    assert 1 == player.flushed
    assert [("cut", "i1", 1234)] == told(connection)
    assert at("i2", 66, 500) == played.position


def test_a_player_that_fails_is_no_reason_to_go_on(
    played: Playback, player: FakePlayer, connection: FakeConnection
) -> None:
    """A closed player does not keep the server from being interrupted."""
    server = Server(played)
    server.created()
    server.speaks(500)
    player.played_ms = 100
    assert at("i1", 100, 500) == played.position
    player.failure = RuntimeError("closed")

    played.interrupt()

    assert [("cancel", "r1"), ("cut", "i1", 100)] == told(connection)


def test_a_player_that_says_nothing_is_asked(
    played: Playback,
    player: FakePlayer,
    connection: FakeConnection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where flush() tells no position, `played_ms` does, and the log says so once."""
    monkeypatch.setattr(player, "flush", lambda: None)
    server = Server(played)
    server.speaks_a_response(5000)
    player.played_ms = 1234

    played.interrupt()
    server.speaks_a_response(500, 2)
    player.played_ms = 1300
    played.interrupt()

    assert [("cut", "i1", 1234), ("cut", "i2", 66)] == told(connection)
    assert [
        "flush() of the player returned None, not the number of milliseconds that "
        "were heard; its played_ms is believed instead"
    ] == caplog.messages


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"flush": None}, "lacks flush()"),
        ({"played_ms": lambda: 0}, "lacks played_ms"),
        ({"flush": None, "played_ms": None}, "lacks flush(), played_ms"),
    ],
)
def test_what_is_no_player(
    connection: FakeConnection,
    player: FakePlayer,
    lacking: dict[str, Any],
    words: str,
) -> None:
    """A player is looked at when it is named, and not when somebody interrupts."""
    for name, value in lacking.items():
        setattr(player, name, value)
    with pytest.raises(TypeError, match=re.escape(words)):
        Playback(connection, player=player)


def test_interruption_takes_a_number(playback: Playback) -> None:
    """A position that is none is refused before anything falls silent."""
    with pytest.raises(ValueError, match="played_ms is a number from 0"):
        playback.interrupt(math.nan)


def test_interruption_without_connection(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """If the server cannot be told, the player is silent all the same."""
    server.created()
    server.speaks(500)
    connection.failure = ConnectionClosedOK(1000, initiated_by="client")

    with pytest.raises(ConnectionClosedOK):
        playback.interrupt(100)

    assert not playback.playing


def test_interruption_without_cancel(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """If the server cancels by itself, it is told only what was heard."""
    server.created()
    server.speaks(500)

    done = playback.interrupt(100, cancel=False)
    server.speaks(500)

    assert [("cut", "i1", 100)] == told(connection)
    assert done.cancelled is None
    assert playback.position is None


STARTED = InputAudioBufferSpeechStarted(audio_start_ms=0, item_id="i9")


@pytest.mark.parametrize(
    ("detection", "cancels"),
    [
        (ServerVad(), False),
        (ServerVad(interrupt_response=True), False),
        (ServerVad(interrupt_response=False), True),
        (None, True),
    ],
)
def test_the_user_interrupts(
    playback: Playback,
    server: Server,
    connection: FakeConnection,
    detection: Any,
    cancels: bool,
) -> None:
    """The start of speech interrupts; the response is left to a server that does so."""
    audio = SessionAudio(input=SessionAudioInput(turn_detection=detection))
    server.says(SessionUpdated(session=RealtimeSession(audio=audio)))
    server.created()
    server.speaks(500)
    playback.played(100)

    playback.speech_started(STARTED)

    cancel = [("cancel", "r1")] if cancels else []
    assert [*cancel, ("cut", "i1", 100)] == told(connection)


def test_the_user_interrupts_what_the_server_has_cancelled(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """If the response is done first, it is cut all the same."""
    server.created()
    server.speaks(500)
    server.done(status="cancelled")
    playback.played(100)

    playback.speech_started(STARTED)

    assert [("cut", "i1", 100)] == told(connection)


def test_a_cancelled_response_that_was_heard_is_not_cut(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """What arrived of a cancelled response is all that the server has."""
    server.created()
    server.speaks(500)
    server.done(status="cancelled")
    playback.played(500)

    playback.interrupt()

    assert [] == connection.sent


# The feed of a player


def consume(feed: AudioFeed) -> tuple[threading.Thread, list[bytes]]:
    """Take chunks on a thread until the end; return it and what it takes."""
    chunks: list[bytes] = []
    thread = threading.Thread(target=lambda: chunks.extend(feed))
    thread.start()
    return thread, chunks


def ended(error: ConnectionClosed) -> Callable[[], ConnectionClosed]:
    return lambda: error


OK = ended(ConnectionClosedOK(1000, initiated_by="server"))


def test_feed_gives_the_audio(playback: Playback, server: Server) -> None:
    """Everything that arrives comes out, in order, in small chunks of whole samples."""
    feed = playback.audio(chunk_ms=20)
    server.speaks_a_response(50.4)
    server.speaks_a_response(1, 2)
    playback._end(OK)

    chunks = [*feed]

    assert [960, 960, 499, 48] == [len(chunk) for chunk in chunks]
    assert bytes(i % 251 for i in range(2419)) == b"".join(chunks[:3])


def test_feed_begins_with_its_call(playback: Playback, server: Server) -> None:
    """What arrived before is not played."""
    server.speaks(500)
    feed = playback.audio()
    server.speaks(10, "i2")
    playback._end(OK)

    assert [480] == [len(chunk) for chunk in feed]


def test_what_is_asked_for_was_played(playback: Playback, server: Server) -> None:
    """A chunk was played when the next one is asked for."""
    feed = playback.audio(chunk_ms=100, timeout=0)
    server.speaks(250)
    positions = []

    for _ in range(3):
        next(feed)
        positions.append(playback.position)
    with pytest.raises(TimeoutError, match="nothing to play for 0 s"):
        next(feed)

    assert [at("i1", 0, 250), at("i1", 100, 250), at("i1", 200, 250)] == positions
    assert at("i1", 250, 250) == playback.position


def test_reports_are_better_than_the_feed(playback: Playback, server: Server) -> None:
    """Once the player reports, what it takes does not count."""
    feed = playback.audio(chunk_ms=100)
    server.speaks(300)
    next(feed)
    playback.played(7)
    next(feed)

    assert at("i1", 7, 300) == playback.position


def test_a_player_is_better_than_the_feed(played: Playback, player: FakePlayer) -> None:
    """What a player that tells how far it is has been given does not count as heard."""
    feed = played.audio(chunk_ms=100)
    Server(played).speaks(300)
    next(feed)
    next(feed)
    player.played_ms = 60

    assert at("i1", 60, 300) == played.position


def test_feed_waits(playback: Playback, server: Server) -> None:
    """The player blocks until there is audio, and ends with the connection."""
    thread, chunks = consume(playback.audio())

    server.speaks(10)
    playback._end(OK)
    thread.join(SOON)

    assert not thread.is_alive()
    assert [480] == [len(chunk) for chunk in chunks]


def test_feed_stops_at_once(
    playback: Playback, server: Server, connection: FakeConnection
) -> None:
    """An interruption takes away what is left; the next response is played."""
    feed = playback.audio(chunk_ms=100, timeout=0)
    server.created()
    server.speaks(5000)
    next(feed)
    next(feed)

    done = playback.interrupt()

    assert [("cancel", "r1"), ("cut", "i1", 100)] == told(connection)
    assert 4900 == done.dropped_ms
    with pytest.raises(TimeoutError):
        next(feed)
    server.speaks(100)  # of the response that was interrupted
    with pytest.raises(TimeoutError):
        next(feed)
    server.done()
    server.speaks_a_response(30, 2)
    assert 30 * MS == len(next(feed))
    assert at("i2", 0, 30) == playback.position


def test_feed_raises_how_the_connection_broke(
    playback: Playback, server: Server
) -> None:
    """What has arrived is played, and then the player learns of it."""
    feed = playback.audio()
    server.speaks(10)
    playback._end(ended(ConnectionClosedError(1006, initiated_by="network")))

    assert 480 == len(next(feed))
    with pytest.raises(ConnectionClosedError):
        next(feed)


def test_feed_after_the_end_ends(playback: Playback) -> None:
    """Nothing is to be expected of a connection that has ended."""
    playback._end(OK)

    assert [] == [*playback.audio()]


def test_feed_can_be_closed(playback: Playback, server: Server) -> None:
    """A closed feed ends at once, whatever it has; so does one that has a successor."""
    first = playback.audio()
    server.speaks(500)
    second = playback.audio()
    server.speaks(500)
    second.close()
    second.close()

    assert [] == [*first]
    assert [] == [*second]


def test_a_feed_that_nobody_holds_keeps_nothing(
    playback: Playback, server: Server
) -> None:
    """Audio for a player that has gone away is not kept."""
    iterator: Iterator[bytes] | None = playback.audio()
    server.speaks(500)
    del iterator
    gc.collect()

    assert playback._feed() is None
    server.speaks(500)
    assert at("i1", 0, 1000) == playback.position


def test_chunks_have_a_length(playback: Playback) -> None:
    """A chunk of nothing would never end."""
    with pytest.raises(ValueError, match="chunk_ms is a whole number from 1, not 0"):
        playback.audio(chunk_ms=0)


def test_waiting_has_a_length(playback: Playback) -> None:
    """Nobody waits for less than no time."""
    with pytest.raises(ValueError, match="timeout is a number of seconds from 0"):
        playback.audio(timeout=-1)


def test_feed_on_the_reader_thread_reads_on(connection: FakeConnection) -> None:
    """A callback may play: while it waits for audio, events are read."""
    monitor = Monitor()
    playback = Playback(connection, monitor=monitor)
    server = Server(playback)
    monitor.bind_reader(lambda timeout: server.speaks(10))

    chunk = next(playback.audio())

    assert 480 == len(chunk)


def test_interruptions_race_with_the_player(connection: FakeConnection) -> None:
    """Whenever it is interrupted, nothing of an old response comes after a new one."""
    playback = Playback(connection)
    server = Server(playback)
    feed = playback.audio(chunk_ms=1)
    some_played = threading.Event()
    heard: list[int] = []

    def play() -> None:
        for chunk in feed:
            heard.append(chunk[0])
            if len(heard) % 7 == 0:
                some_played.set()

    player = threading.Thread(target=play)
    player.start()
    for number in range(250):
        item_id, response_id = f"i{number}", f"r{number}"
        server.created(response_id)
        some_played.clear()
        server.speaks(200, item_id, response_id, sample=number)
        assert some_played.wait(SOON)
        done = playback.interrupt()
        server.speaks(200, item_id, response_id, sample=number)

        assert response_id == done.cancelled
        assert {item_id} >= {cut.item_id for cut in done.truncated}
        assert all(0 < cut.audio_end_ms <= 200 for cut in done.truncated)
        assert not playback.playing
        server.done(response_id)
    playback._end(OK)
    player.join(SOON)

    assert not player.is_alive()
    assert sorted(heard) == heard


def test_two_threads_interrupt_once(connection: FakeConnection) -> None:
    """Of interruptions at the same moment one does all there is to do."""
    for number in range(300):
        playback = Playback(connection)
        server = Server(playback)
        server.created("r1")
        server.speaks(500)
        playback.played(100)
        connection.sent.clear()
        start = threading.Barrier(2, timeout=SOON)
        found: list[Interruption] = []

        def interrupt(
            start: threading.Barrier = start,
            playback: Playback = playback,
            found: list[Interruption] = found,
        ) -> None:
            start.wait()
            found.append(playback.interrupt())

        threads = [threading.Thread(target=interrupt) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)

        assert {("cancel", "r1"), ("cut", "i1", 100)} == {*told(connection)}, number
        assert 2 == len(connection.sent)
        assert 1 == len([each for each in found if each.truncated])
