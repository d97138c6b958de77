"""The way to a connection, and back to one, with as many tries as the policy allows."""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import attrs

from .._channel.link import Direction
from .._deadline import Deadline
from ..errors import ConnectError, ConnectionClosed, ServerError, SessionExpired
from ..protocol.codec import Dialect
from ..reconnect import Reconnected, ReconnectPolicy
from ..transport import Frame, Transport
from .lifetime import RolledOver
from .memory import Memory, Remembered
from .opening import Opened, Opening
from .retelling import Retelling


__all__ = ["Recovered", "Recovery", "open_persistently"]

logger = logging.getLogger("realtime_sync.reconnect")

_STABLE = 10.0  # seconds after which a connection that is lost counts as another one


@attrs.frozen(kw_only=True)
class Recovered:
    """
    A connection that is back.

    Attributes:
        transport: Is open; nobody else uses it.
        frames: What arrived on it and concerns everybody.
        notice: What to tell.
    """

    transport: Transport
    frames: deque[Frame]
    notice: Reconnected


class Road(Protocol):
    """What recovering has to know of the channel that it is for."""

    def opening(self, transport: Transport) -> None:
        """Announce a transport; raise if the connection was closed meanwhile."""

    def pause(self, seconds: float) -> bool:
        """Wait; tell at once when the connection is closed meanwhile."""

    def tell_taps(self, direction: Direction, message: bytes) -> None:
        """Show a message to the taps."""


def open_persistently(
    opening: Opening,
    timeout: float | None,
    policy: ReconnectPolicy,
    pause: Callable[[float], object],
) -> Opened:
    """
    Open a connection in the first place.

    Args:
        opening: How.
        timeout: Seconds for each try.
        policy: How often.
        pause: Waits so many seconds.

    Raises:
        ConnectError, TimeoutError: The last try failed so, or trying again is no use.
    """
    deadline = Deadline(policy.deadline)
    tries = 0
    while True:
        try:
            return opening.open(_shorter(timeout, deadline))
        except (ConnectError, TimeoutError) as exc:
            tries += 1
            delay = policy.delay(tries - 1, exc)
            useless = tries >= policy.connect_tries or not policy.retries(exc)
            if useless or _too_late(deadline, delay):
                raise
            _log_failure(exc, delay)
        pause(delay)


class Recovery:
    """
    Brings a lost connection back; everything runs on its reader thread.

    Args:
        policy: When and how often.
        opening: How to open a transport.
        open_timeout: Seconds for each try.
        dialect: The dialect that is spoken.
        memory: What the new session is told.
    """

    def __init__(
        self,
        policy: ReconnectPolicy,
        opening: Opening,
        *,
        open_timeout: float | None,
        dialect: Dialect,
        memory: Memory,
    ) -> None:
        self._policy = policy
        self._opening = opening
        self._open_timeout = open_timeout
        self._dialect: Dialect = dialect
        self._memory = memory
        self._tries = 0
        self._back_at = 0.0

    def worthwhile(self, cause: ConnectionClosed) -> bool:
        """Tell whether the connection is to be opened again after *cause*."""
        return self._policy.tries > 0 and self._policy.retries(cause)

    def recover(self, cause: ConnectionClosed, road: Road) -> Recovered:
        """
        Open the connection again and tell the new session everything.

        Raises:
            ConnectionClosed: It did not work, or the connection was closed meanwhile.
        """
        lost_at = monotonic()
        if lost_at - self._back_at > _STABLE:
            self._tries = 0
        tries_before = self._tries
        planned = isinstance(cause, RolledOver)
        logger.log(_level(planned), "%s; opening a new one", cause)
        remembered = self._memory.remember()
        if not planned:
            self._memory.lose(cause)
        opened, retelling = self._come_back(cause, road, remembered)
        if planned:  # only now is the old session given up
            self._memory.lose(cause)
        self._back_at = monotonic()

        self._memory.renew(retelling.session, retelling.items)
        repeated = self._memory.repeat()
        notice = Reconnected(
            event_id="",
            cause=cause,
            planned=planned,
            session=retelling.session,
            tries=self._tries - tries_before,
            seconds=self._back_at - lost_at,
            restored=len(retelling.items),
            losses=(*remembered.losses, *retelling.losses),
            repeated=repeated.commands,
            lost_input_audio_ms=self._memory.milliseconds(repeated.lost_audio),
            lost_responses=self._memory.lost_responses,
            resumed_responses=self._memory.resumed_responses,
            uncertain=repeated.uncertain_types,
        )
        logger.log(_level(planned), "%s", notice)
        return Recovered(
            transport=opened.transport, frames=retelling.frames, notice=notice
        )

    # Private

    def _come_back(
        self, cause: ConnectionClosed, road: Road, remembered: Remembered
    ) -> tuple[Opened, Retelling]:
        deadline = Deadline(self._policy.deadline)
        last: Exception = cause
        while self._tries < self._policy.tries and self._retries(last):
            at_once = isinstance(last, RolledOver)
            delay = 0.0 if at_once else self._policy.delay(self._tries, last)
            if _too_late(deadline, delay) or not road.pause(delay):
                break
            self._tries += 1
            try:
                return self._try(deadline, road, remembered)
            except (ConnectError, ConnectionClosed, ServerError, TimeoutError) as exc:
                logger.warning("the connection is not back: %s", exc)
                last = exc
            except Exception as exc:  # of a credential that is a function, say
                logger.exception("opening the connection again failed")
                raise _given_up(cause, exc, self._tries) from exc
        raise _given_up(cause, last, self._tries)

    def _retries(self, error: Exception) -> bool:
        """Tell whether another try makes sense, to a server that is known."""
        return self._policy.retries(error) or _is_garbled(error)

    def _try(
        self, deadline: Deadline, road: Road, remembered: Remembered
    ) -> tuple[Opened, Retelling]:
        timeout = _shorter(self._open_timeout, deadline)
        both = Deadline(timeout, "opening the connection again")
        opened = self._opening.open(timeout, road.opening)
        try:
            retelling = Retelling(
                opened,
                self._dialect,
                both,
                road.tell_taps,
                self._opening.max_message_bytes,
            )
            retelling.run(remembered)
        except BaseException:
            opened.transport.abort()
            opened.transport.release()
            raise
        return opened, retelling


def _is_garbled(error: Exception) -> bool:
    """Tell whether TLS failed, which worked before; so the network did that."""
    cause = error.__cause__ if isinstance(error, ConnectError) else None
    untrusted = isinstance(cause, ssl.SSLCertVerificationError)
    return isinstance(cause, ssl.SSLError) and not untrusted


def _level(planned: bool) -> int:
    return logging.INFO if planned else logging.WARNING


def _shorter(timeout: float | None, deadline: Deadline) -> float | None:
    left = deadline.left()
    if timeout is None or left is None:
        return left if timeout is None else timeout
    return min(timeout, left)


def _too_late(deadline: Deadline, delay: float) -> bool:
    left = deadline.left()
    return left is not None and left <= delay


def _log_failure(exc: Exception, delay: float) -> None:
    logger.warning("no connection: %s; trying again in %.1f s", exc, delay)


def _given_up(cause: ConnectionClosed, last: Exception, tries: int) -> ConnectionClosed:
    """Return how the connection ended, with why it did not come back."""
    if last is cause:
        return cause
    words = f"opening it again failed {tries} times, at last so: {last}"
    reason = f"{cause.reason}; {words}" if cause.reason else words
    kind = SessionExpired if isinstance(cause, RolledOver) else type(cause)
    error = kind(cause.code, reason, initiated_by=cause.initiated_by)
    error.__cause__ = last
    return error
