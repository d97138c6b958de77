"""
Conversations that outlive their sockets: kept in a store, told to a new session.

Several processes may share a store, and a session may live on in one of them while its
browser has come back to another one. So what is kept says who wrote it: a generation,
which grows each time that a conversation is taken over, and a name of the session. A
session looks before it writes, and leaves alone what a newer one has written. Who ends
a conversation that was taken over before leaves a tombstone, which stands for it until
it would have expired.

The store does not look and write in one step. If a conversation is taken over between
the two, the older session's words stand until the newer one writes again, and if its
process is killed before that, for good.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs
import orjson

from .._conversation.restore import snapshot
from .._deadline import Deadline
from .._waiting import Condition
from ..connection import RealtimeConnection
from ..conversation import Conversation
from ..errors import RealtimeError
from ._codes import CloseCode, SessionEnd
from .stores import SnapshotStore


__all__ = ["Conversations", "Held", "Holder"]

logger = logging.getLogger("realtime_sync.flask")

_TAKEOVER = 3.0  # seconds in which a former session of a conversation has to end
_CONTINUED = "this conversation goes on in another window"
_MAX_TOKEN = 100
_STORE_FAILED = "the store of conversations failed"
_PAUSE = 20  # times as long as a save took, until the next one: a twentieth of the time


class Holder(Protocol):
    """A session that holds a conversation."""

    def end(self, code: CloseCode, reason: str) -> None:
        """Let it end soon."""


@attrs.define(kw_only=True)
class Held:
    """
    A conversation that a session holds.

    Attributes:
        key: Of the store.
        token: What the browser has of it.
        replaced: Whether another session of this process had it until now.
        taken: What was said before, as a snapshot; None if nothing was.
        generation: How many sessions have held it, this one included.
        name: Of this session, among others of the same generation.
        rests_until: When it may be saved again.
    """

    key: str
    token: str
    replaced: bool = False
    taken: bytes | None = None
    generation: int = 1
    name: str = attrs.field(factory=lambda: secrets.token_hex(8))
    rests_until: float = 0.0


class Conversations:
    """
    Who holds which conversation, and what was said in it. Thread-safe.

    A conversation has a token that nobody can guess, and the key of the store is made
    of the user and the token: with the token alone, another user finds nothing.

    Args:
        store: Keeps the snapshots; None keeps none.
        expires: Seconds for which it keeps them.
        max_bytes: Of a snapshot; the oldest items of a longer one are let go.
        clock: Returns seconds.
    """

    def __init__(
        self,
        store: SnapshotStore | None,
        expires: float,
        *,
        max_bytes: int = 256 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._expires = expires
        self._max_bytes = max_bytes
        self._clock = clock
        self._changed = Condition()
        self._holders: dict[str, Holder] = {}

    def begin(self, holder: Holder, user: str, token: Any) -> Held:
        """
        Take a conversation over, or begin a new one.

        Args:
            holder: The session.
            user: Whose conversation it is.
            token: What the browser has of a former session, if anything.
        """
        replaced = False
        if isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN:
            key = _key(user, token)
            replaced = self._take_over(holder, key)
            held = self._resume(key, token, replaced)
            if held is not None:
                return held
            self._release(holder, key)
        token = secrets.token_urlsafe(24)
        held = Held(key=_key(user, token), token=token, replaced=replaced)
        with self._changed.lock:
            self._holders[held.key] = holder
        return held

    def restore(self, connection: RealtimeConnection, held: Held) -> bool:
        """
        Tell a new session with the service what was said.

        Returns:
            Whether there was something, and the service took it.
        """
        taken, held.taken = held.taken, None
        if taken is None:
            return False
        try:
            connection.restore(orjson.loads(taken))
        except (RealtimeError, ValueError, TimeoutError):
            logger.warning("a conversation could not be restored", exc_info=True)
            return False
        return True

    def is_due(self, held: Held) -> bool:
        """Tell whether saving takes a small share of the time if it is done now."""
        return self._clock() >= held.rests_until

    def save(self, held: Held, conversation: Conversation) -> None:
        """
        Keep what was said so far.

        Raises:
            SessionEnd: Another session has taken the conversation over.
        """
        if self._store is None or not len(conversation):
            return
        begun = self._clock()
        self._write(held, _snapshot(conversation, self._max_bytes))
        now = self._clock()
        held.rests_until = now + _PAUSE * (now - begun)

    def forget(self, held: Held) -> None:
        """Delete what was said, unless another session goes on with it."""
        with contextlib.suppress(SessionEnd):
            if held.generation > 1:
                self._write(held, b"")
            elif self._store is not None:
                # Nobody else has ever had it, so nobody brings it back.
                with _tolerating():
                    self._check_is_ours(held)
                    self._store.delete(held.key)

    def leave(self, holder: Holder, held: Held) -> None:
        """Let another session take the conversation."""
        self._release(holder, held.key)

    # Private: the store

    def _resume(self, key: str, token: str, replaced: bool) -> Held | None:
        """Take what is kept, such that no session that had it writes any more."""
        found = None
        with _tolerating():
            found = self._find(key)
        if found is None or not found.snapshot:
            return None
        held = Held(
            key=key,
            token=token,
            replaced=replaced,
            taken=found.snapshot,
            generation=found.generation + 1,
        )
        with contextlib.suppress(SessionEnd):  # it learns of that when it saves
            self._write(held, found.snapshot)
        return held

    def _write(self, held: Held, taken: bytes) -> None:
        if self._store is None:
            return
        with _tolerating():
            self._check_is_ours(held)
            value = b"%d %s\n%s" % (held.generation, held.name.encode(), taken)
            self._store.put(held.key, value, self._expires)

    def _check_is_ours(self, held: Held) -> None:
        found = self._find(held.key)
        if found is None or found.generation < held.generation:
            return
        if (found.generation, found.name) != (held.generation, held.name):
            raise SessionEnd(CloseCode.CONTINUED_ELSEWHERE, _CONTINUED)

    def _find(self, key: str) -> _Kept | None:
        value = None if self._store is None else self._store.get(key)
        if value is None:
            return None
        head, _, taken = value.partition(b"\n")
        generation, _, name = head.partition(b" ")
        if not generation.isdigit():
            logger.warning("the store of conversations holds something else")
            return None
        return _Kept(int(generation), name.decode(errors="replace"), taken)

    # Private: the sessions of this process

    def _take_over(self, holder: Holder, key: str) -> bool:
        """
        Take a conversation from whoever has it; of several, the last one has it.

        Returns:
            Whether another session had it.
        """
        deadline = Deadline(_TAKEOVER)
        replaced = False
        while (former := self._hold(holder, key)) and not deadline.expired():
            replaced = True
            former.end(CloseCode.CONTINUED_ELSEWHERE, _CONTINUED)
            self._await_release(key, former, deadline)
        with self._changed.lock:
            self._holders[key] = holder
        return replaced

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


@attrs.frozen
class _Kept:
    """What a store has of a conversation."""

    generation: int
    name: str
    snapshot: bytes  # empty in a tombstone


@contextlib.contextmanager
def _tolerating() -> Iterator[None]:
    """Log what a store raises: a session goes on without it."""
    try:
        yield
    except SessionEnd:
        raise
    except Exception:
        logger.exception(_STORE_FAILED)


def _snapshot(conversation: Conversation, max_bytes: int) -> bytes:
    """Return the newest items that are no more than so many bytes."""
    kept: list[orjson.Fragment] = []
    left = max_bytes
    for item in reversed(conversation.items):
        record = orjson.dumps(snapshot([item], None)["items"][0])
        if len(record) > max_bytes:  # alone, so it would take all others with it
            continue
        left -= len(record)
        if left < 0:
            break
        kept.append(orjson.Fragment(record))
    return orjson.dumps({**snapshot([], conversation.id), "items": kept[::-1]})


def _key(user: str, token: str) -> str:
    digest = hashlib.sha256(f"{user}\0{token}".encode()).hexdigest()
    return f"realtime:{digest}"
