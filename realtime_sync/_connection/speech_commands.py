"""The commands about the model's speech: how it is played, and interrupted."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from .._playback.player import check_player
from ..protocol.responses import Response
from ..protocol.server_events import (
    InputAudioBufferSpeechStarted,
    ResponseCreated,
    SessionUpdated,
)
from .conversation_commands import ConversationCommands


if TYPE_CHECKING:
    from .._playback.player import Loudspeaker, Player
    from ..playback import Interruption, Playback


__all__ = ["SpeechCommands"]


class SpeechCommands(ConversationCommands):
    """The commands of a session whose model speaks."""

    def _register_handlers(self) -> None:
        self._playback: Playback | None = None
        super()._register_handlers()

    @property
    def playback(self) -> Playback:
        """
        What keeps account of the speech that arrives and is played.

        It begins with the first use, so use it before the first response begins.
        """
        return self._playback or self._start_playback(None)

    def use_player(self, player: Player, *, interruptible: bool = True) -> Playback:
        """
        Let a player, such as a `Speaker`, tell what was heard; return the playback.

        What is to be played comes from its `Playback.audio()`; `play()` does both.

        Args:
            player: The player, which plays nothing else.
            interruptible: Whether the player falls silent, and the answer is cut to
                what was heard, when the server hears the user speak.

        Raises:
            TypeError: It is no player.
            RuntimeError: The playback has begun already.
        """
        check_player(player, "flush")
        if self._playback is not None:
            raise RuntimeError(
                "there is a playback already: call play() or use_player() once, and "
                "before `playback` is used otherwise"
            )
        playback = self._start_playback(player)
        if interruptible:
            self.on(InputAudioBufferSpeechStarted, playback.speech_started)
        return playback

    def play(self, player: Loudspeaker, *, interruptible: bool = True) -> Playback:
        """
        Play all of the model's speech from now on; return the playback.

        It is handed to the player by a thread, as 16-bit mono PCM of 24,000 Hz whatever
        the session's format is. This ends with the connection, or when the player
        raises, which is reported to `on_error()`. Open the player before the
        connection, so that it is closed after it::

            with Speaker() as speaker, client.connect() as connection:
                connection.play(speaker)

        Args:
            player: The player, such as a `Speaker`, which plays nothing else.
            interruptible: As for `use_player()`.

        Raises:
            TypeError: It is no player.
            RuntimeError: The playback has begun already.
        """
        from .._playback.voice import Voice

        voice = Voice(player, self._dispatcher.report)
        playback = self.use_player(voice, interruptible=interruptible)
        voice.start(playback)
        return playback

    def interrupt(self, played_ms: float | None = None) -> Interruption:
        """
        Stop the model's speech, and tell the server how much of it was heard.

        See `Playback.interrupt()`. Without `playback` or `use_player()` before the
        response, it is only cancelled.

        Args:
            played_ms: Milliseconds of the current item that were heard, if that is
                known better than by the playback.

        Raises:
            RuntimeError: *played_ms* is given, and nothing is known of what it is of.
            ConnectionClosed: The connection has ended.
        """
        self._ensure_usable()
        if played_ms is not None and self._playback is None:
            raise RuntimeError(
                "nothing kept account of the speech that played_ms is about: use "
                "`connection.playback` once before the first response"
            )
        return self.playback.interrupt(played_ms)

    def _start_playback(self, player: Player | None) -> Playback:
        from ..playback import Playback

        # No reference back: a forgotten connection must be found to be one.
        playback = Playback(weakref.proxy(self), player=player, monitor=self._monitor)
        with self._monitor.lock:
            if self._playback is not None:
                return self._playback
            self._playback = playback
        self._kept.add(playback._kept_bytes)
        handlers = playback._handlers()
        # First: callbacks and streams shall find the account up to date.
        self._absorber.register(handlers, playback._end, first=True)
        # What it missed that still counts.
        handlers[SessionUpdated](SessionUpdated(event_id="", session=self.session))
        active = self._responses.active
        if active is not None:
            now = Response(id=active, conversation_id=self.conversation.id or "")
            handlers[ResponseCreated](ResponseCreated(event_id="", response=now))
        return playback
