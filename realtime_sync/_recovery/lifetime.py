"""When the service will end a session, and when is a good moment to move on before."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import SessionExpired
from ..protocol._model import ServerEvent
from ..protocol.server_events import (
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
)
from ..reconnect import SessionExpiring


__all__ = ["Lifetime", "RolledOver"]

logger = logging.getLogger("realtime_sync.reconnect")

_NOTICE = 120.0  # seconds before the end that it is told, unless the policy says more
_SHARE = 0.25  # … but not more than this share of what the session had left
_LATEST = 10.0  # seconds before the end at which no pause is waited for any longer
_LULL = 1.0  # seconds after a turn that nothing may happen in, to be a pause
_LOOK = 0.1  # seconds between two looks for a pause
_SHORTEST = 30.0  # seconds that a session lasts at least, if it follows a planned move


class RolledOver(SessionExpired):
    """
    The library itself leaves a session that is about to expire.

    Attributes:
        time_left: Seconds until then.
    """

    time_left = 0.0


class Lifetime:
    """
    The clock of a session; everything runs on the reader thread.

    Args:
        rollover: Seconds before the end from which on to look for a pause to move to a
            new session, or None not to move.
        quiet: Tells whether no response is in progress and no command is unanswered.
    """

    def __init__(self, rollover: float | None, quiet: Callable[[], bool]) -> None:
        self._rollover = rollover
        self._quiet = quiet
        self._ends: float | None = None  # as are all of these, by `time.monotonic()`
        self._next: float | None = None
        self._lead = 0.0
        self._told = False
        self._moves = False  # whether the session is to be left before it ends
        self._speaking = False
        self._busy_at = 0.0

    def handlers(self) -> Mapping[type[ServerEvent], Callable[[Any], None]]:
        """Return what to call with which events."""
        return {
            SessionCreated: self._on_session,
            SessionUpdated: self._on_session,
            InputAudioBufferSpeechStarted: self._on_speech,
            InputAudioBufferSpeechStopped: self._on_activity,
            InputAudioBufferCommitted: self._on_activity,
            ResponseDone: self._on_activity,
        }

    def left(self) -> float | None:
        """Return the seconds until `check()` may have news, or None."""
        return None if self._next is None else max(0.0, self._next - time.monotonic())

    def check(self) -> SessionExpiring | None:
        """
        Return what to tell, if it is time for that.

        Raises:
            RolledOver: It is time to move to a new session; it is raised again and
                again, until there is one.
        """
        now = time.monotonic()
        if self._ends is None or self._next is None or now < self._next:
            return None
        if not self._told:
            self._told = True
            self._next = now if self._rollover is not None else None
            return SessionExpiring(event_id="", time_left=self._ends - now)
        self._next = now + _LOOK
        if self._is_pause(now) or now >= self._ends - min(_LATEST, self._lead / 2):
            self._moves = True
            raise _rolled_over(self._ends - now)
        return None

    def stay(self) -> None:
        """Let the session end by itself: there will be none to move to."""
        self._next = None

    def _is_pause(self, now: float) -> bool:
        return not self._speaking and now - self._busy_at > _LULL and self._quiet()

    def _on_session(self, event: SessionCreated | SessionUpdated) -> None:
        expires_at = getattr(event.session, "expires_at", None)
        if not expires_at or (self._ends and isinstance(event, SessionUpdated)):
            return
        left = expires_at - time.time()
        # What has just begun is not over: this machine's clock is wrong. And if it is
        # wrong by almost the time that sessions last, each of them seems about to end,
        # and one move would follow the other.
        if left <= (_SHORTEST if self._moves else 0.0):
            self._ends = self._next = None
            logger.info("the session ends in %.0f s by this machine's clock", left)
            return
        self._moves = False
        wanted = _NOTICE if self._rollover is None else self._rollover
        self._lead = max(0.0, min(wanted, left * _SHARE))
        self._ends = time.monotonic() + left
        self._next = self._ends - self._lead
        self._told = self._speaking = False

    def _on_speech(self, event: InputAudioBufferSpeechStarted) -> None:
        self._speaking = True

    def _on_activity(self, event: ServerEvent) -> None:
        self._speaking = False
        self._busy_at = time.monotonic()


def _rolled_over(time_left: float) -> RolledOver:
    why = "the session was about to expire"
    error = RolledOver(1000, why, initiated_by="client")
    error.time_left = time_left
    return error
