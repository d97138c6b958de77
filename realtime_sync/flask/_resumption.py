"""Conversations that outlive their sockets: kept in a store, told to a new session."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from .._deadline import Deadline
from .._waiting import Condition
from ..connection import RealtimeConnection
from ..errors import RealtimeError
from ._codes import CloseCode
from .stores import SnapshotStore


__all__ = ["Conversations", "Holder"]

logger = logging.getLogger("realtime_sync.flask")

_TAKEOVER = 3.0  # seconds in which a former session of a conversation has to end
_CONTINUED = "this conversation goes on in another window"
_MAX_TOKEN = 100
_STORE_FAILED = "the store of conversations failed"


class Holder(Protocol):
    """A session that holds a conversation."""

    def end(self, code: CloseCode, reason: str) -> None:
        """Let it end soon."""


class Conversations:
    """
    Who holds which conversation, and what was said in it. Thread-safe.

    A conversation has a token that nobody can guess, and the key of the store is made
    of the user and the token: with the token alone, another user finds nothing.

    Args:
        store: Keeps the snapshots; None keeps none.
        expires: Seconds for which it keeps them.
    """

    def __init__(self, store: SnapshotStore | None, expires: float) -> None:
        self._store = store
        self._expires = expires
        self._changed = Condition()
        self._holders: dict[str, Holder] = {}

    def begin(self, holder: Holder, user: str, token: Any) -> tuple[str, bytes | None]:
        """
        Take a conversation over, or begin a new one.

        Args:
            holder: The session.
            user: Whose conversation it is.
            token: What the browser has of a former session, if anything.

        Returns:
            The token, and what was said; None for a new conversation.
        """
        if isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN:
            key = _key(user, token)
            self._take_over(holder, key)
            taken = self._get(key)
            if taken is not None:
                return token, taken
            self._release(holder, key)
        token = secrets.token_urlsafe(24)
        with self._changed.lock:
            self._holders[_key(user, token)] = holder
        return token, None

    def restore(self, connection: RealtimeConnection, taken: bytes | None) -> bool:
        """
        Tell a new session with the service what was said.

        Returns:
            Whether there was something, and the service took it.
        """
        if taken is None:
            return False
        try:
            connection.restore(orjson.loads(taken))
        except (RealtimeError, ValueError, TimeoutError):
            logger.warning("a conversation could not be restored", exc_info=True)
            return False
        return True

    def save(self, user: str, token: str, connection: RealtimeConnection) -> None:
        """Keep what was said so far."""
        if self._store is None or not len(connection.conversation):
            return
        value = orjson.dumps(connection.conversation.snapshot())
        with _tolerating():
            self._store.put(_key(user, token), value, self._expires)

    def forget(self, user: str, token: str, connection: RealtimeConnection) -> None:
        """Delete what was said."""
        if self._store is not None:
            with _tolerating():
                self._store.delete(_key(user, token))

    def leave(self, holder: Holder, user: str, token: str) -> None:
        """Let another session take the conversation."""
        self._release(holder, _key(user, token))

    def _get(self, key: str) -> bytes | None:
        if self._store is None:
            return None
        try:
            return self._store.get(key)
        except Exception:
            logger.exception(_STORE_FAILED)
            return None

    def _take_over(self, holder: Holder, key: str) -> None:
        """Take a conversation from whoever has it; of several, the last one has it."""
        deadline = Deadline(_TAKEOVER)
        while (former := self._hold(holder, key)) and not deadline.expired():
            former.end(CloseCode.CONTINUED_ELSEWHERE, _CONTINUED)
            self._await_release(key, former, deadline)
        with self._changed.lock:
            self._holders[key] = holder

    def _hold(self, holder: Holder, key: str) -> Holder | None:
        """Hold a conversation that nobody holds, or return who does."""
        with self._changed.lock:
            there = self._holders.setdefault(key, holder)
            return None if there is holder else there

    def _await_release(self, key: str, former: Holder, deadline: Deadline) -> None:
        self._changed.wait_for(
            lambda: self._holders.get(key) is not former, deadline.left()
        )

    def _release(self, holder: Holder, key: str) -> None:
        with self._changed.lock:
            if self._holders.get(key) is holder:
                del self._holders[key]
                self._changed.notify_all()


@contextlib.contextmanager
def _tolerating() -> Iterator[None]:
    """Log what a store raises: a session goes on without it."""
    try:
        yield
    except Exception:
        logger.exception(_STORE_FAILED)


def _key(user: str, token: str) -> str:
    digest = hashlib.sha256(f"{user}\0{token}".encode()).hexdigest()
    return f"realtime:{digest}"
