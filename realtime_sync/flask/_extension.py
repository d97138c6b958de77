"""`Realtime`: the extension of Flask."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar

from flask import Flask, Response, abort, current_app, g, request
from werkzeug.exceptions import HTTPException

from .._checks import check_amount
from .._waiting import Condition
from ..client import RealtimeClient
from ..connection import RealtimeConnection
from ..protocol.sessions import RealtimeSession
from ._checks import check_limits, check_origins, checked_function, store_of
from ._codes import CloseCode, SessionEnd
from ._contexts import Functions, in_context
from ._desk import Hooks
from ._limits import Allowance, Census, Limits
from ._origins import is_allowed_origin
from ._records import Transcript, UsageReport
from ._resumption import Conversations
from ._session import ENDING, BrowserSession, Settings
from ._shutdown import close_at_end, is_ending, was_told
from ._socket import BrowserGone, BrowserSocket, find_socket, refuse
from .stores import SnapshotStore


__all__ = ["Realtime"]

logger = logging.getLogger("realtime_sync.flask")

Session = RealtimeSession | Mapping[str, Any] | None

Login = TypeVar("Login", bound=Callable[[], "str | None"])
Settle = TypeVar("Settle", bound=Callable[[str], Session])
Offer = TypeVar("Offer", bound=Callable[[str], Functions])
Hear = TypeVar("Hear", bound=Callable[[Transcript], object])
Count = TypeVar("Count", bound=Callable[[UsageReport], object])

_numbers = itertools.count(1)  # name the threads of sessions


class Realtime:
    """
    A route of a Flask application over which browsers talk to a model.

    The application holds the key, knows the user and decides what the model is told::

        realtime = Realtime(app, client)

        @realtime.authenticate
        def user() -> str | None:
            return session.get("user")

    Without `authenticate` nobody gets in, unless *public* says that all may.

    Its methods may be called from any thread; decorators before the first request.

    Args:
        app: The application; or call `init_app()` later.
        client: Opens a connection for each browser.
        path: Of the route.
        public: Whether there is no need to log in.
        origins: Further origins whose pages may connect, such as
            ``https://www.example.com``, besides those of the same host; ``*`` is any.
        limits: What browsers may take.
        store: Keeps conversations for browsers that come back; by default in the
            memory of this process. None keeps none, and so does raw mode.
        expires: Seconds for which it keeps them.
        mode: "simple" is the bridge's own protocol, "raw" relays events.
        raw_events: Events of the browser that pass in raw mode, instead of all that
            are harmless.
        show_tools: Whether the browser sees what functions are given and return.

    Raises:
        TypeError: An argument is of another type.
        ValueError: It is of that type, and cannot be meant.
    """

    def __init__(
        self,
        app: Flask | None = None,
        client: RealtimeClient | None = None,
        *,
        path: str = "/realtime",
        public: bool = False,
        origins: Collection[str] = (),
        limits: Limits | None = None,
        store: SnapshotStore | Literal["memory"] | None = "memory",
        expires: float = 3600.0,
        mode: Literal["simple", "raw"] = "simple",
        raw_events: Collection[str] | None = None,
        show_tools: bool = False,
    ) -> None:
        if mode not in ("simple", "raw"):
            raise ValueError(f'mode is "simple" or "raw", not {mode!r}')
        check_limits(limits)
        check_origins(origins)
        check_amount("expires", expires)
        self._closed = False
        self._client = client
        self._path = path
        self._public = public
        self._origins = tuple(origins)
        self._limits = limits or Limits()
        self._hooks = Hooks()
        self._settings = Settings(
            limits=self._limits,
            hooks=self._hooks,
            conversations=Conversations(
                store_of(store, mode),
                expires,
                max_bytes=self._limits.conversation_bytes,
            ),
            raw=_raw_settings(mode, raw_events),
            show_tools=show_tools,
        )
        self._census = Census(self._limits)
        self._authenticate: Callable[[], str | None] | None = None
        self._session: Callable[[str], Session] | None = None
        self._functions: Callable[[str], Functions] | None = None
        self._changed = Condition()
        self._running: set[BrowserSession] = set()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, client: RealtimeClient | None = None) -> None:
        """
        Add the route to *app*.

        Args:
            app: The application.
            client: Opens connections, if the constructor was not given one.

        Raises:
            ValueError: There is no client.
        """
        self._client = client or self._client
        if self._client is None:
            raise ValueError("name the client: Realtime(app, client)")
        app.extensions.setdefault("realtime", {})[self._path] = self
        app.add_url_rule(
            self._path, f"realtime:{self._path}", self._view, websocket=True
        )
        close_at_end(self)

    # What the application decides

    def authenticate(self, function: Login) -> Login:
        """
        Let *function* tell who is in front of a browser; a decorator.

        It runs in the request's context before anything is opened, and returns a name
        that stays the same for a user; None, an empty one or ``abort(401)`` refuses.
        """
        self._authenticate = checked_function("authenticate", function)
        return function

    def session(self, function: Settle) -> Settle:
        """
        Let *function* give the settings of a user's session; a decorator.

        It is called with the user, in the request's context, and returns what
        `RealtimeClient.connect()` takes as *session*.
        """
        self._session = checked_function("session", function)
        return function

    def functions(self, function: Offer) -> Offer:
        """
        Let *function* give the functions that a user's model may call; a decorator.

        It is called with the user, in the request's context. The functions that it
        returns run on other threads, in a context of their own: ``current_app``,
        ``request``, ``session`` and ``g.realtime_user`` work there.
        """
        self._functions = checked_function("functions", function)
        return function

    def on_transcript(self, function: Hear) -> Hear:
        """
        Call *function* with everything that was said; a decorator.

        It runs on the server's thread, in the request's context, and holds up the
        browser's microphone for as long as it takes.
        """
        self._hooks.transcript.append(checked_function("on_transcript", function))
        return function

    def on_usage(self, function: Count) -> Count:
        """Call *function* with what each response has used; see `on_transcript()`."""
        self._hooks.usage.append(checked_function("on_usage", function))
        return function

    # What it does

    @property
    def session_count(self) -> int:
        """Sessions of this process now, those included that are about to begin."""
        return self._census.total

    @property
    def closing(self) -> bool:
        """Whether the server is about to end: no session begins."""
        return self._closed or is_ending()

    @contextlib.contextmanager
    def counting(self, user: str) -> Iterator[None]:
        """
        Count something of *user* as a session, for as long as the block takes.

        It is for what talks with the model beside the bridge, such as an answer of
        `realtime_sync.flask.views`, which takes it as *within*.

        Args:
            user: As `authenticate()` returns it.

        Raises:
            HTTPException: The user has as many sessions as `Limits` allow (429), or the
                process has (503).
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._census.counting(user))
            except SessionEnd as exc:
                abort(503 if exc.code is CloseCode.FULL else 429, exc.reason)
            yield

    def close_user(self, user: str) -> int:
        """
        Close the sessions that *user* has in this process, with 4401; do not wait.

        Call it where somebody logs out: a session asks for the login only at its start.

        Args:
            user: As `authenticate()` returns it.

        Returns:
            How many there are.
        """
        with self._changed.lock:
            running = list(self._running)
        found = [session for session in running if session.user == user]
        for session in found:
            session.end(CloseCode.NOT_AUTHENTICATED, "logged out")
        return len(found)

    def close(self, timeout: float = 5.0) -> bool:
        """
        Close all sessions with 1001 and begin none any more; idempotent.

        Browsers are told to reconnect. When a process ends, this happens by itself;
        see docs/flask.md for servers that end in their own ways.

        Args:
            timeout: Seconds to wait for the sessions to end.

        Returns:
            Whether all have ended.
        """
        self._closed = True
        return self._changed.wait_for(lambda: not self._running, timeout)

    # Private: the route

    def _view(self) -> Response:
        key = self._check_request()
        found = find_socket(request.environ)
        if found is None:
            abort(501, "this server does not hand out sockets; see docs/flask.md")
        sock, kind = found
        with contextlib.ExitStack() as stack, contextlib.suppress(BrowserGone):
            try:
                user = self._user()
                # In raw mode there is no way to say whose place it is to take.
                counting = self._census.counting(user, may_replace=not self._is_raw)
                place = stack.enter_context(counting)
            except SessionEnd as exc:
                # Over the socket: of an upgrade that fails, a page learns no reason.
                logger.info("a browser gets no session: %s", exc)
                refuse(sock, key, exc)
            else:
                g.realtime_user = user
                session = self._upgrade(sock, key, user)
                stack.callback(self._leave, session)
                session.run(functools.partial(self._connect, user), place)
        return _Handled(kind)

    def _upgrade(self, sock: socket.socket, key: str, user: str) -> BrowserSession:
        begun = time.monotonic()
        browser = BrowserSocket(
            sock,
            key,
            allowance=Allowance(self._limits),
            max_message_bytes=self._limits.message_bytes,
            send_timeout=self._limits.send_timeout,
        )
        session = BrowserSession(
            browser,
            user,
            self._settings,
            # It looks now and then, and the time after a signal may be over by then.
            is_closing=lambda: self._closed or was_told(begun),
            name=f"realtime_sync-browser-{next(_numbers)}",
        )
        with self._changed.lock:
            self._running.add(session)
        return session

    @property
    def _is_raw(self) -> bool:
        return self._settings.raw is not None

    def _leave(self, session: BrowserSession) -> None:
        with self._changed.lock:
            self._running.discard(session)
            self._changed.notify_all()

    def _check_request(self) -> str:
        """Return the key of an upgrade request, of which nothing is strange."""
        origin = request.headers.get("Origin")
        if not is_allowed_origin(
            origin, host=request.host, secure=request.is_secure, allowed=self._origins
        ):
            logger.warning("a page of %s wanted to connect", origin)
            abort(403, "pages of this origin may not connect")
        key = request.headers.get("Sec-WebSocket-Key", "")
        upgrade = request.headers.get("Upgrade", "").lower()
        version = request.headers.get("Sec-WebSocket-Version")
        if upgrade != "websocket" or not key or version != "13":
            abort(426, "this is a WebSocket")
        return key

    def _user(self) -> str:
        if self.closing:
            raise SessionEnd(CloseCode.GOING_AWAY, ENDING)
        if self._authenticate is None:
            if self._public:
                return f"at {request.remote_addr}"
            logger.error(
                "nobody can log in: name a function with @realtime.authenticate, or "
                "say Realtime(..., public=True)"
            )
            raise SessionEnd(CloseCode.NOT_AUTHENTICATED, "nobody can log in here")
        try:
            user = self._authenticate()
        except HTTPException as exc:
            logger.info("a login was refused: %s", exc)
            user = None
        if not user:
            raise SessionEnd(CloseCode.NOT_AUTHENTICATED, "log in first")
        return str(user)

    def _connect(self, user: str) -> RealtimeConnection:
        assert self._client is not None
        settings = self._session(user) if self._session else None
        functions: Functions | None = None
        given = self._functions(user) if self._functions else self._client.functions
        if given:
            app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
            functions = in_context(given, app, request.environ, user)
        return self._client.connect(session=settings, functions=functions)


class _Handled(Response):
    """Tells the server that the request was answered, in its own language."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        if self._kind == "gunicorn":
            raise StopIteration
        if self._kind == "werkzeug":
            # It writes an answer, to a socket that does not take any.
            return super().__call__(environ, start_response)
        return []


def _raw_settings(
    mode: str, raw_events: Collection[str] | None
) -> Mapping[str, Any] | None:
    if mode != "raw":
        return None
    return {} if raw_events is None else {"client_events": frozenset(raw_events)}
