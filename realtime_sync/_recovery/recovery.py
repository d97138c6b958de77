"""The way to a connection, and back to one, with as many tries as the policy allows."""

from __future__ import annotations

import logging
import math
import ssl
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import attrs

from .._channel.link import Direction, release
from .._deadline import Deadline
from ..errors import ConnectError, ConnectionClosed, ServerError, SessionExpired
from ..protocol.codec import Dialect
from ..reconnect import Reconnected, ReconnectPolicy
from ..transport import Frame, Transport
from .aside import Aside
from .lifetime import RolledOver
from .memory import Memory, Remembered
from .opening import Opened, Opening
from .retelling import Patience, Retelling


__all__ = ["Recovered", "Recovery", "open_persistently"]

logger = logging.getLogger("realtime_sync.reconnect")

_STABLE = 10.0  # seconds after which a connection that is lost counts as another one
_AGAIN = 5.0  # seconds after which a planned move that failed is tried again, or
_SHARE = 0.25  # … this share of what the session has left
_BRIEF = 5.0  # seconds without progress that a session waits for the one to move to

_FAILURES = (ConnectError, ConnectionClosed, ServerError, TimeoutError)


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
            return opening.open(_shorter(timeout, deadline.left()))
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
        self._aside: Aside | None = None  # opens the session to move to
        self._moves = 0  # tries to move there
        self._not_before = 0.0  # when the next one may be

    def worthwhile(self, cause: ConnectionClosed) -> bool:
        """Tell whether the connection is to be opened again after *cause*."""
        return self._policy.tries > 0 and self._policy.retries(cause)

    def prepare(self, cause: RolledOver) -> bool:
        """
        Open a connection to move to, while the present one goes on.

        Call it again and again; what fails is logged, and tried again later.

        Returns:
            Whether it is open, so that `recover()` can move there.
        """
        if monotonic() < self._not_before:
            return False
        if self._aside is None or self._aside.is_stale():
            self.abandon()
            self._moves += 1
            logger.info("%s; opening a new one", cause)
            self._aside = Aside(self._opening, self._open_timeout)
        try:
            return self._aside.result() is not None
        except Exception as exc:  # also of a credential that is a function
            self._put_off(cause, exc)
            return False

    def abandon(self) -> None:
        """Leave what `prepare()` opened, or is opening."""
        aside, self._aside = self._aside, None
        if aside is not None:
            aside.abandon()

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
        remembered = self._memory.remember()
        if isinstance(cause, RolledOver):
            opened, retelling = self._move(cause, road, remembered)
            self._memory.lose(cause)  # only now is the old session given up
            tries, level = self._moves, logging.INFO
        else:
            logger.warning("%s; opening a new one", cause)
            self.abandon()
            self._memory.lose(cause)
            opened, retelling = self._come_back(cause, road, remembered)
            tries, level = self._tries - tries_before, logging.WARNING
        self._moves, self._not_before = 0, 0.0
        self._back_at = monotonic()

        self._memory.renew(retelling.session, retelling.items)
        repeated = self._memory.repeat()
        notice = Reconnected(
            event_id="",
            cause=cause,
            planned=isinstance(cause, RolledOver),
            session=retelling.session,
            tries=tries,
            seconds=self._back_at - lost_at,
            restored=len(retelling.items),
            losses=(*remembered.losses, *retelling.losses),
            repeated=repeated.commands,
            lost_input_audio_ms=self._memory.milliseconds(repeated.lost_audio),
            lost_responses=self._memory.lost_responses,
            resumed_responses=self._memory.resumed_responses,
            uncertain=repeated.uncertain_types,
        )
        logger.log(level, "%s", notice)
        return Recovered(
            transport=opened.transport, frames=retelling.frames, notice=notice
        )

    # Private

    def _move(
        self, cause: RolledOver, road: Road, remembered: Remembered
    ) -> tuple[Opened, Retelling]:
        """Tell everything to the session that was prepared, in one short try."""
        aside, self._aside = self._aside, None
        opened = aside.result() if aside is not None else None
        assert opened is not None  # or `prepare()` would have said so
        deadline = Deadline(max(cause.time_left, _BRIEF))
        try:
            return opened, self._retell(
                opened, _shorter(_BRIEF, self._open_timeout), deadline, road, remembered
            )
        except _FAILURES as exc:
            self._put_off(cause, exc)
            raise _given_up(cause, exc, self._moves) from exc

    def _put_off(self, cause: RolledOver, exc: Exception) -> None:
        """Let the session go on for some time, or to its end if that is no use."""
        self.abandon()
        logger.warning("there is no new session to move to: %s", exc)
        left = cause.time_left
        wait = min(_AGAIN, left * _SHARE) if left > 0 else _AGAIN
        wait = max(wait, getattr(exc, "retry_after", None) or 0.0)
        self._not_before = monotonic() + wait if self._retries(exc) else math.inf

    def _come_back(
        self, cause: ConnectionClosed, road: Road, remembered: Remembered
    ) -> tuple[Opened, Retelling]:
        deadline = Deadline(self._policy.deadline)
        last: Exception = cause
        while self._tries < self._policy.tries and self._retries(last):
            delay = self._policy.delay(self._tries, last)
            if _too_late(deadline, delay) or not road.pause(delay):
                break
            self._tries += 1
            try:
                return self._try(deadline, road, remembered)
            except _FAILURES as exc:
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
        timeout = _shorter(self._open_timeout, deadline.left())
        opened = self._opening.open(timeout, road.opening)
        return opened, self._retell(
            opened, self._open_timeout, deadline, road, remembered
        )

    def _retell(
        self,
        opened: Opened,
        patience: float | None,
        deadline: Deadline,
        road: Road,
        remembered: Remembered,
    ) -> Retelling:
        try:
            road.opening(opened.transport)  # it may have been opened aside
            retelling = Retelling(
                opened,
                self._dialect,
                Patience(patience, deadline),
                road.tell_taps,
                self._opening.max_message_bytes,
            )
            retelling.run(remembered)
        except BaseException:
            release(opened.transport)
            raise
        return retelling


def _is_garbled(error: Exception) -> bool:
    """Tell whether TLS failed, which worked before; so the network did that."""
    cause = error.__cause__ if isinstance(error, ConnectError) else None
    untrusted = isinstance(cause, ssl.SSLCertVerificationError)
    return isinstance(cause, ssl.SSLError) and not untrusted


def _shorter(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


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
