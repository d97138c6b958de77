"""
What of the model's speech was heard, and how to interrupt it.

Speech arrives faster than it is heard. So *generating* and *playing* are two states,
and an interruption has three parts: the server has to stop generating, the player has
to stop playing, and the server has to know how much was heard, or the model thinks that
it has said things that nobody heard.

::

    playback = Playback(connection, player=speaker)
    for chunk in playback.audio():      # in a thread
        speaker.write(chunk)
    playback.interrupt()                # in another one, at any time

How far the player is, is known in one of four ways, the best of which counts:

1. A *player* tells it whenever it is asked.
2. `played()` or `played_bytes()` report it.
3. What was taken from `audio()` was played when the next chunk is asked for. That is so
   for a player that blocks.
4. It is guessed by the clock: everything is played as soon as it can be.

A response outside of the conversation (``conversation: "none"``) is no part of this:
the server has no items of it that could be cut.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, Literal

from ._channel.monitor import Monitor
from ._checks import check_amount, check_count, check_timeout, named
from ._playback.feed import AudioFeed
from ._playback.interruption import (
    Interruption,
    Position,
    Truncation,
    commands,
    plan,
    position_of,
)
from ._playback.line import Line, Part
from ._playback.output_settings import OutputSettings
from ._playback.player import PlaybackConnection, Player, check_player
from .errors import ConnectionClosed
from .protocol._model import ServerEvent
from .protocol.items import Audio, OutputAudio
from .protocol.server_events import (
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


__all__ = [
    "AudioFeed",
    "Interruption",
    "Playback",
    "PlaybackConnection",
    "Player",
    "Position",
    "Truncation",
]

logger = logging.getLogger("realtime_sync.playback")


class Playback:
    """
    Keeps account of the model's speech from its arrival to the ear.

    All methods are thread-safe, and none but those of `audio()` blocks for long. It
    keeps no audio, save for an `audio()` in use.

    Args:
        connection: Where commands are sent.
        player: Tells how far it is, and is flushed by `interrupt()`.
        monitor: The lock of the connection's state.
        clock: Returns seconds, as `time.monotonic()` does.

    Raises:
        TypeError: The player is none.

    Attributes:
        settings: What the session says about the audio that arrives.
    """

    def __init__(
        self,
        connection: PlaybackConnection,
        *,
        player: Player | None = None,
        monitor: Monitor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if player is not None:
            check_player(player, "flush")
        self._connection = connection
        self._player = player
        self._monitor = monitor or Monitor()
        self._clock = clock
        self._is_misled = False  # by the player, which was told to its author
        self._told_by: Literal["reports", "feed", "clock"] = "clock"
        self._line = Line()
        self._last: Part | None = None  # the one that audio arrives for
        self._response_id: str | None = None  # of the response that is generated
        self._ignored: set[str] = set()  # responses whose audio is not played
        self.settings = OutputSettings()
        # It dies with the last one who holds it, and its audio with it.
        self._feed: Callable[[], AudioFeed | None] = lambda: None
        self._ended: Callable[[], ConnectionClosed] | None = None

    # Public properties

    @property
    def generating(self) -> bool:
        """Whether the model is at work on a response."""
        return self._response_id is not None

    @property
    def playing(self) -> bool:
        """Whether there is audio that has arrived and was not heard."""
        told = self._ask_player()
        with self._monitor.lock:
            self._sync(told)
            return any(part.heard < part.received for part in self._line)

    @property
    def position(self) -> Position | None:
        """How far the current item was heard; None if there is none."""
        told = self._ask_player()
        with self._monitor.lock:
            self._sync(told)
            return position_of(self._line.current)

    # Public methods

    def audio(self, *, chunk_ms: int = 100, timeout: float | None = None) -> AudioFeed:
        """
        Return an iterator over the audio that arrives from this call on.

        It yields the audio of one response after the other and waits in between. An
        interruption takes what is left of a response away at once. Only the newest one
        is fed.

        Args:
            chunk_ms: Milliseconds of audio in a chunk, at most. What the player has
                been given it plays, so less is better for a player that blocks.
            timeout: Seconds to wait for each chunk; None for no limit.
        """
        check_count("chunk_ms", chunk_ms, 1)
        check_timeout(timeout)
        feed = AudioFeed(
            self._monitor,
            chunk_ms=chunk_ms,
            timeout=timeout,
            handed_out=self._handed_out,
        )
        with self._monitor.lock:
            former = self._feed()
            if former is not None:
                former.end(None)
            self._feed = weakref.ref(feed)
            if self._player is None and self._told_by == "clock":
                self._told_by = "feed"
            if self._ended is not None:
                feed.end(self._ended)
        return feed

    def played(self, ms: float, *, item_id: str | None = None) -> None:
        """
        Report how much of an item was heard, and all that came before it.

        Args:
            ms: Milliseconds from the start of the item's audio. More than has arrived
                counts as all of it.
            item_id: The item; by default the current one, which is the first that was
                not heard to its end.

        Raises:
            ValueError: There is nothing of that item to be played, or *ms* is negative.
            RuntimeError: There is a player, which knows better.
        """
        with self._monitor.lock:
            self._check_report("ms", ms)
            self._line.hear_of_item(item_id, ms)

    def played_bytes(self, count: int) -> None:
        """
        Report that so many more bytes of audio were heard.

        Args:
            count: Bytes since the last report.

        Raises:
            ValueError: *count* is negative.
            RuntimeError: There is a player, which knows better.
        """
        with self._monitor.lock:
            self._check_report("count", count)
            self._line.advance(count)

    def interrupt(
        self, played_ms: float | None = None, *, cancel: bool = True
    ) -> Interruption:
        """
        Stop the model's speech: what is generated, what is played, what is remembered.

        The response in progress is cancelled, `audio()` and the player fall silent, and
        what was heard in part is cut to that on the server: never to more than has
        arrived, and never to nothing. Items of which nothing was heard are deleted.
        Nothing happens if nothing is generated or played.

        It does not wait for the server. Commands that come too late for it are refused
        with an `ErrorEvent` and do no harm.

        Args:
            played_ms: Milliseconds of the current item that were heard, if that is
                known better than by other means.
            cancel: Whether to cancel the response in progress. Not needed if the server
                does so.

        Returns:
            What was done.

        Raises:
            ValueError: *played_ms* is infinite or NaN.
            ConnectionClosed: The connection has ended. The player has fallen silent all
                the same.
        """
        if played_ms is not None:  # who takes off a delay may get less than nothing
            check_amount("played_ms", max(played_ms, 0))
        with self._monitor.lock:
            cancelled = self._silence()
        told = self._flush_player()
        with self._monitor.lock:
            self._sync(told)
            if played_ms is not None:
                self._line.hear_of_item(None, played_ms)
            done = plan(self._line, cancelled if cancel else None)
            self._line.cut(self._clock(), told)
        for event in commands(done):
            self._connection.send(event)
        return done

    def speech_started(self, event: InputAudioBufferSpeechStarted) -> None:
        """
        Interrupt because the user speaks: a callback for that event.

        ``connection.on(InputAudioBufferSpeechStarted, playback.speech_started)``

        The response is left to the server if the session says that it interrupts.
        """
        done = self.interrupt(cancel=not self.settings.server_interrupts)
        logger.debug("interrupted by item %s: %s", event.item_id, done)

    # Methods for the connection, on the reader thread

    def _kept_bytes(self) -> int:
        """Return about how many bytes of speech wait to be played."""
        with self._monitor.lock:
            feed = self._feed()
            return feed.kept_bytes() if feed is not None else 0

    def _handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what to call with which events. None of them blocks."""
        return {
            SessionCreated: self._absorb_session,
            SessionUpdated: self._absorb_session,
            ResponseCreated: self._absorb_created,
            ResponseContentPartAdded: self._absorb_part,
            ResponseOutputAudioDelta: self._absorb_audio,
            ResponseOutputAudioDone: self._absorb_audio_done,
            ResponseDone: self._absorb_done,
            ConversationItemDeleted: self._absorb_deleted,
        }

    def _end(self, error: Callable[[], ConnectionClosed]) -> None:
        """Take note that the connection has ended; what has arrived is still played."""
        with self._monitor.lock:
            self._ended = error
            self._response_id = None
            feed = self._feed()
            if feed is not None:
                feed.end(error)

    # Private methods: what arrives

    def _absorb_session(self, event: SessionCreated | SessionUpdated) -> None:
        with self._monitor.lock:
            self.settings.absorb_session(event.session)
            if isinstance(event, SessionCreated):  # perhaps after a reconnect
                self._response_id = None
                self._ignored.clear()
                self._line.forget()

    def _absorb_created(self, event: ResponseCreated) -> None:
        response = event.response
        if not response.id:
            return
        with self._monitor.lock:
            if response.conversation_id is None:
                self._ignored.add(response.id)
            else:
                self._response_id = response.id
                self.settings.absorb_response(response)

    def _absorb_part(self, event: ResponseContentPartAdded) -> None:
        if not isinstance(event.part, (Audio, OutputAudio)):
            return  # of text nothing is heard
        with self._monitor.lock:
            if event.response_id not in self._ignored:
                self._part(event)

    def _absorb_audio(self, event: ResponseOutputAudioDelta) -> None:
        with self._monitor.lock:
            if event.response_id in self._ignored:
                return
            part = self._last
            if part is None or not part.is_of(event.item_id, event.content_index):
                part = self._part(event)
            if not part.received:
                part.arrived = self._clock()
            part.received += len(event.delta)
            feed = self._feed()
            if feed is not None:
                feed.put(part, event.delta)

    def _part(self, event: ResponseContentPartAdded | ResponseOutputAudioDelta) -> Part:
        part = self._line.find(event.item_id, event.content_index)
        if part is None:
            part = Part(
                item_id=event.item_id,
                content_index=event.content_index,
                response_id=event.response_id,
                rate=self.settings.rate,
                arrived=self._clock(),
            )
            self._line.append(part)
        self._last = part
        return part

    def _absorb_audio_done(self, event: ResponseOutputAudioDone) -> None:
        with self._monitor.lock:
            part = self._line.find(event.item_id, event.content_index)
            if part is not None:
                part.complete = True

    def _absorb_done(self, event: ResponseDone) -> None:
        response_id = event.response.id or ""
        with self._monitor.lock:
            self._ignored.discard(response_id)
            self._line.complete(response_id)
            if response_id == self._response_id:
                self._response_id = None

    def _absorb_deleted(self, event: ConversationItemDeleted) -> None:
        with self._monitor.lock:
            self._line.delete(event.item_id)

    # Private methods: how far it was heard

    def _ask_player(self) -> float | None:
        """Return the player's position in seconds; call it without the lock."""
        return None if self._player is None else self._player.played_ms / 1000

    def _flush_player(self) -> float | None:
        if self._player is None:
            return None
        try:
            heard: object = self._player.flush()
        except Exception:  # one that was closed is silent; the server has to be too
            logger.warning("the player could not be flushed", exc_info=True)
            return None
        if isinstance(heard, Real):
            return float(heard) / 1000
        if not self._is_misled:
            self._is_misled = True
            logger.error(
                "flush() of the player returned %s, not the number of milliseconds "
                "that were heard; its played_ms is believed instead",
                named(heard),
            )
        return self._ask_player()

    def _sync(self, told: float | None) -> None:
        if told is not None:
            self._line.hear_until(told)
        elif self._told_by == "clock":
            self._line.hear_by_clock(self._clock())

    def _handed_out(self, count: int) -> None:
        if self._told_by == "feed":
            self._line.advance(count)

    def _check_report(self, name: str, amount: float) -> None:
        if self._player is not None:
            raise RuntimeError("the player tells what was played: do not report it too")
        check_amount(name, amount)
        self._told_by = "reports"

    # Private methods: interruption

    def _silence(self) -> str | None:
        """Play no more of what is there; return the response to be cancelled."""
        feed = self._feed()
        if feed is not None:
            feed.clear()
        response_id = self._response_id
        is_new = response_id is not None and response_id not in self._ignored
        # More may be on its way: until a response is done, it is not listened to.
        self._ignored |= self._line.silence() | {response_id or ""}
        self._last = None
        return response_id if is_new else None
