"""
One browser and its conversation: from the first message to the close.

Who owns what:

=====================  ================================================================
server's thread        the session: it receives from the browser, sends commands, waits
                       for the service, calls hooks, saves snapshots, looks at the clock
outbox thread          the only one that sends to the browser
connection's reader    calls the desk's ``_on_…`` methods, which queue and do not wait
connection's writer    sends to the service
threads of functions   run the application's functions, each in a context of its own
=====================  ================================================================
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from ..connection import RealtimeConnection
from ..errors import ConnectionClosed, RealtimeError
from ._codes import CloseCode, SessionEnd
from ._desk import BadMessage, Desk, Hooks, parse
from ._limits import Limits, Place
from ._outbox import Outbox
from ._raw import RawDesk
from ._resumption import Conversations, Held
from ._simple import SimpleDesk
from ._socket import BrowserGone, BrowserSocket


__all__ = ["ENDING", "BrowserSession", "Settings"]

ENDING = "the server ends; reconnect"
"""What a browser is told then."""

logger = logging.getLogger("realtime_sync.flask")

_SLICE = 0.1  # seconds after which the server's thread looks around
_GOODBYE = 2.0  # seconds for the last messages, and for the browser's answer
_TURNS = ("open", "push")
_MAX_ITEMS = 100  # that a browser is shown of a conversation that it goes on with


@attrs.frozen(kw_only=True)
class Settings:
    """
    What a session needs of the extension.

    Attributes:
        limits: What the user may take.
        hooks: Of the application.
        conversations: Where they are kept for a browser that comes back.
        raw: The arguments of the raw desk, or None for the bridge's own protocol.
        show_tools: Whether the browser sees what functions are given and return.
    """

    limits: Limits
    hooks: Hooks
    conversations: Conversations
    raw: Mapping[str, Any] | None
    show_tools: bool


class BrowserSession:
    """
    A session between a browser and the service. It runs on the server's thread.

    Args:
        socket: The browser.
        user: Who is in front of it.
        settings: Of the extension.
        is_closing: Tells whether the server is about to end.
        name: Of its thread.

    Attributes:
        user: Who is in front of the browser.
    """

    def __init__(
        self,
        socket: BrowserSocket,
        user: str,
        settings: Settings,
        *,
        is_closing: Callable[[], bool],
        name: str,
    ) -> None:
        self.user = user
        self._socket = socket
        self._settings = settings
        self._is_closing = is_closing
        self._outbox = Outbox(
            socket, limit=settings.limits.waiting_bytes, name=f"{name}-outbox"
        )
        self._ending: SessionEnd | None = None  # set by other threads
        self._early: list[str | bytes] = []  # messages that came with the first one

    def end(self, code: CloseCode, reason: str) -> None:
        """Let the session end soon. Any thread may call it."""
        self._ending = SessionEnd(code, reason)

    def run(self, connect: Callable[[], RealtimeConnection], place: Place) -> None:
        """
        Hold the session, from the browser's first message to the close of the socket.

        Args:
            connect: Opens the connection.
            place: Of the session, among those that there may be.
        """
        end = SessionEnd(CloseCode.FAILED, "something went wrong here")
        try:
            self._hold(connect, place)
        except SessionEnd as exc:
            end = exc
        except BrowserGone as exc:
            end = SessionEnd(CloseCode.NORMAL, str(exc))
        except ConnectionClosed as exc:
            end = _lost(exc)
        except Exception:
            logger.exception("a session with a browser failed")
        finally:
            self._close(end)

    # Private: the course of a session

    def _hold(self, connect: Callable[[], RealtimeConnection], place: Place) -> None:
        # A client of the protocol knows nothing of a start.
        raw = self._settings.raw is not None
        start = {} if raw else self._await_start()
        conversations = self._settings.conversations
        held = conversations.begin(self, self.user, start.get("resume"))
        try:
            place.on_trial = False
            if place.refusal is not None and not held.replaced:
                raise place.refusal
            with _opened(connect) as connection:
                resumed = conversations.restore(connection, held)
                desk = self._make_desk(connection, start)
                desk.listen()
                if isinstance(desk, SimpleDesk):
                    self._outbox.put(_greeting(connection, held.token, resumed))
                try:
                    self._converse(desk, held)
                finally:
                    self._keep_at_end(desk, held)
        finally:
            conversations.leave(self, held)

    def _await_start(self) -> dict[str, Any]:
        deadline = time.monotonic() + self._settings.limits.start
        while time.monotonic() < deadline:
            messages = self._receive()
            if messages:
                # What came with it is for the session.
                self._early = messages[1:]
                return _parse_start(messages[0])
            self._look_around()
        raise SessionEnd(CloseCode.IDLE, 'the first message has to be "start"')

    def _make_desk(
        self, connection: RealtimeConnection, start: Mapping[str, Any]
    ) -> Desk:
        settings = self._settings
        options: dict[str, Any] = {
            "user": self.user,
            "limits": settings.limits,
            "hooks": settings.hooks,
            "show_tools": settings.show_tools,
        }
        if settings.raw is not None:
            return RawDesk(connection, self._outbox, **settings.raw, **options)
        turns = start.get("turns", "open")
        return SimpleDesk(connection, self._outbox, turns=turns, **options)

    def _converse(self, desk: Desk, held: Held) -> None:
        started = time.monotonic()
        while True:
            for message in self._receive():
                desk.handle(message)
            # Before the hooks of the application, which may take their time.
            self._keep(desk, held)
            desk.work()
            self._look_around()
            if desk.connection.closed:
                raise _lost(None)
            self._look_at_the_clock(started, desk.active_at)

    def _keep(self, desk: Desk, held: Held) -> None:
        """Save the conversation when a turn is complete."""
        if desk.turn_complete and self._settings.conversations.is_due(held):
            self._save(desk, held)

    def _keep_at_end(self, desk: Desk, held: Held) -> None:
        if desk.forgotten:
            self._settings.conversations.forget(held)
        elif desk.changed:
            with contextlib.suppress(SessionEnd):  # it goes on elsewhere
                self._save(desk, held)
        desk.work()

    def _save(self, desk: Desk, held: Held) -> None:
        # First: what is said meanwhile is to be saved next time.
        desk.changed = desk.turn_complete = False
        self._settings.conversations.save(held, desk.connection.conversation)

    # Private: the browser

    def _receive(self) -> list[str | bytes]:
        if self._early:
            early, self._early = self._early, []
            return early
        return self._socket.receive(_SLICE, self._outbox.put_frame)

    def _look_around(self) -> None:
        if self._ending is not None:
            raise self._ending
        if self._is_closing():
            raise SessionEnd(CloseCode.GOING_AWAY, ENDING)
        if self._outbox.overflown:
            words = "messages are not read fast enough"
            raise SessionEnd(CloseCode.TOO_SLOW, words)
        if self._outbox.broken is not None:
            raise self._outbox.broken

    def _look_at_the_clock(self, started: float, active_at: float) -> None:
        limits = self._settings.limits
        now = time.monotonic()
        if now - started > limits.duration:
            words = f"a conversation lasts {limits.duration / 60:g} minutes"
            raise SessionEnd(CloseCode.TIME_IS_UP, words)
        if now - active_at > limits.idle:
            words = f"nobody said anything for {limits.idle:g} seconds"
            raise SessionEnd(CloseCode.IDLE, words)

    def _close(self, end: SessionEnd) -> None:
        """Say goodbye as well as the browser listens, and let the thread end."""
        logger.info("a session of %s with a browser ends: %s", self.user, end)
        if self._outbox.finish(end.code, end.reason, _GOODBYE):
            self._socket.wait_closed(_GOODBYE)
        self._socket.abort()
        self._outbox.join()


@contextlib.contextmanager
def _opened(
    connect: Callable[[], RealtimeConnection],
) -> Iterator[RealtimeConnection]:
    try:
        connection = connect()
    except (RealtimeError, TimeoutError) as exc:
        logger.warning("no session with the service for a browser: %s", exc)
        words = "the model's service cannot be reached"
        raise SessionEnd(CloseCode.SERVICE_LOST, words) from exc
    with connection:
        yield connection


def _lost(error: ConnectionClosed | None) -> SessionEnd:
    logger.warning("the service ended the session of a browser: %s", error)
    words = "the model's service ended the session; reconnect to go on"
    return SessionEnd(CloseCode.SERVICE_LOST, words)


def _parse_start(message: str | bytes) -> dict[str, Any]:
    try:
        start = parse(message) if isinstance(message, str) else {}
    except BadMessage:
        start = {}
    if start.get("type") != "start" or start.get("turns", "open") not in _TURNS:
        words = 'the first message has to be {"type": "start"}'
        raise SessionEnd(CloseCode.BAD_MESSAGE, words)
    return start


def _greeting(
    connection: RealtimeConnection, token: str, resumed: bool
) -> dict[str, Any]:
    said = [
        {"item_id": item.id, "role": item.role, "text": item.text}
        for item in connection.conversation.items
        if item.role in ("user", "assistant") and item.text
    ]
    return {
        "type": "connected",
        "conversation": token,
        "resumed": resumed,
        "sample_rate": 24_000,
        "items": said[-_MAX_ITEMS:],
    }
