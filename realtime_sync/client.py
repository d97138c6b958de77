"""`RealtimeClient`: the settings of an application, and the way to a connection."""

from __future__ import annotations

import inspect
import itertools
import ssl
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from . import _client_settings as valid
from ._asking.shortcuts import Shortcuts
from ._channel.inbox import MAX_UNREAD
from ._channel.keepalive import Keepalive
from ._channel.kept import MAX_KEPT
from ._checks import FUNCTION
from ._connection.base import BaseConnection
from ._environment import settings_from_environment
from ._logging import configure_logging
from ._recovery.opening import Opened, Opening
from ._recovery.recovery import open_persistently
from .connection import (
    RealtimeConnection,
    TranscriptionConnection,
    TranslationConnection,
)
from .credentials import Credential, check_credential
from .endpoints import Endpoint, resolve_endpoint
from .protocol.sessions import RealtimeSession, TranscriptionSession, TranslationSession
from .reconnect import ReconnectPolicy
from .transport import Transport, WebSocketTransport


if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._client_settings import ClientSettings, Functions, OtherSettings
    from ._telemetry.watch import Watch
    from .telemetry import Telemetry


__all__ = ["RealtimeClient"]

C = TypeVar("C", bound=BaseConnection)
S = TypeVar("S", RealtimeConnection, TranscriptionConnection, TranslationConnection)

_NO_HEADERS: Mapping[str, str] = {}
_numbers = itertools.count(1)  # name the threads of connections


def _kept(functions: Functions) -> Functions:
    """Return functions for every connection: an iterator would be used up by one."""
    return tuple(functions) if isinstance(functions, Iterator) else functions


@attrs.frozen
class RealtimeClient(Shortcuts):
    """
    Immutable settings for connections. Thread-safe; one for an application is enough.

    Making it opens nothing. Times are in seconds; None switches a limit off.

    Args:
        endpoint: ``https://my-resource.openai.azure.com``, ``https://api.openai.com``,
            or a ``ws://`` or ``wss://`` URL. What people paste is accepted.
        credential: A key as `str` or `AzureKeyCredential`, any `TokenCredential` of
            azure-identity, or a callable that returns a token. It is asked anew for
            each connection.
        model: The model; on Azure the name of the deployment.
        api_version: Only for Azure's preview, such as ``2025-04-01-preview``.
        session: What every connection sets up its session with.
        functions: Python functions that the model may call, in every connection; as a
            mapping, by the names that they get. They need to be thread-safe.
        keep_audio: Whether the conversation of every connection keeps audio: the
            model's, and the user's, which is then retrieved from the server. It takes
            48 kB of memory for each second.
        scope: The Entra scope of the token, instead of the one that fits the host.
        headers: Further headers of the upgrade request.
        user_agent: Goes before this library's own in ``User-Agent``.
        proxy: A proxy URL, instead of what the environment says.
        ssl_context: For TLS, instead of the default with the system's authorities.
        open_timeout: For DNS, TCP, proxy, TLS, upgrade and the session together.
        close_timeout: For the closing handshake.
        ping_interval: Between two pings.
        ping_timeout: For anything to arrive after a ping.
        reconnect: When and how often a connection is opened again; None for never.
        max_queue: Bytes that may wait to be sent before callers block.
        max_message_bytes: Bytes of a received message that are too much.
        max_unread: Bytes of received events that may wait where nobody takes them: for
            each iterator of `events()`, for `recv()`, and for callbacks while another
            one waits for the server.
        max_kept: Bytes of what the server said that a connection may keep: the
            conversation, responses whose streams are held, speech that is to be played.
            Beyond that it ends with code 1009.
        logging_enable: Whether lines of the debug log hold texts as well, not only
            sizes; audio and secrets never.
        telemetry: Writes spans and metrics of each connection, see `Telemetry`.
        make_transport: Makes the transport of each connection; for tests.

    Raises:
        ValueError: A setting has no such value, or does not go with the endpoint.
        TypeError: A setting is of another kind; the message says of which.
    """

    endpoint: str
    credential: Credential | None = attrs.field(default=None, repr=False)
    model: str | None = attrs.field(default=None, kw_only=True, validator=valid.TEXT)
    api_version: str | None = attrs.field(
        default=None, kw_only=True, validator=valid.TEXT
    )
    session: RealtimeSession | Mapping[str, Any] | None = attrs.field(
        default=None, kw_only=True, validator=valid.SESSION
    )
    functions: Functions = attrs.field(
        default=(), kw_only=True, converter=_kept, validator=valid.FUNCTIONS
    )
    keep_audio: bool = attrs.field(default=False, kw_only=True)
    scope: str | None = attrs.field(default=None, kw_only=True, validator=valid.TEXT)
    headers: Mapping[str, str] = attrs.field(
        default=_NO_HEADERS, kw_only=True, repr=False, validator=valid.HEADERS
    )
    user_agent: str | None = attrs.field(
        default=None, kw_only=True, validator=valid.TEXT
    )
    proxy: str | None = attrs.field(
        default=None, kw_only=True, repr=False, validator=valid.TEXT
    )
    ssl_context: ssl.SSLContext | None = attrs.field(
        default=None, kw_only=True, validator=valid.SSL_CONTEXT
    )
    open_timeout: float | None = attrs.field(
        default=20.0, kw_only=True, validator=valid.SECONDS_OR_NONE
    )
    close_timeout: float = attrs.field(
        default=5.0, kw_only=True, validator=valid.SECONDS
    )
    ping_interval: float | None = attrs.field(
        default=20.0, kw_only=True, validator=valid.SECONDS_OR_NONE
    )
    ping_timeout: float | None = attrs.field(
        default=20.0, kw_only=True, validator=valid.SECONDS_OR_NONE
    )
    reconnect: ReconnectPolicy | None = attrs.field(
        default=ReconnectPolicy(), kw_only=True, validator=valid.RECONNECT
    )
    max_queue: int = attrs.field(
        default=1024 * 1024, kw_only=True, validator=valid.SIZE
    )
    max_message_bytes: int = attrs.field(
        default=16 * 1024 * 1024, kw_only=True, validator=valid.SIZE
    )
    max_unread: int = attrs.field(
        default=MAX_UNREAD, kw_only=True, validator=valid.SIZE
    )
    max_kept: int = attrs.field(default=MAX_KEPT, kw_only=True, validator=valid.SIZE)
    logging_enable: bool = attrs.field(default=False, kw_only=True)
    telemetry: Telemetry | None = attrs.field(
        default=None, kw_only=True, repr=False, validator=valid.TELEMETRY
    )
    make_transport: Callable[[], Transport] = attrs.field(
        default=WebSocketTransport,
        kw_only=True,
        repr=False,
        validator=FUNCTION,
    )

    def __attrs_post_init__(self) -> None:
        configure_logging()
        endpoint = self._resolve(model=self.model, partial=True)
        check_credential(self.credential, endpoint, scope=self.scope)

    @classmethod
    def from_environment(
        cls,
        endpoint: str | None = None,
        credential: Credential | None = None,
        *,
        model: str | None = None,
        api_version: str | None = None,
        **settings: Unpack[OtherSettings],
    ) -> RealtimeClient:
        """
        Return a client with what the environment says where arguments are silent.

        It reads ``AZURE_OPENAI_ENDPOINT``, ``AZURE_OPENAI_API_KEY``,
        ``AZURE_OPENAI_DEPLOYMENT``, ``OPENAI_API_VERSION`` and ``OPENAI_API_KEY``. With
        an Azure endpoint and no key it signs in with ``DefaultAzureCredential``.

        Args:
            endpoint: See `RealtimeClient`.
            credential: See `RealtimeClient`.
            model: See `RealtimeClient`.
            api_version: See `RealtimeClient`.
            settings: The other arguments of `RealtimeClient`.

        Raises:
            ValueError: Something is missing, or contradicts something else.
        """
        found = settings_from_environment(
            endpoint, credential, model=model, api_version=api_version
        )
        return cls(
            found.endpoint,
            found.credential,
            model=found.model,
            api_version=found.api_version,
            **settings,
        )

    @classmethod
    def emulated(cls, **settings: Unpack[ClientSettings]) -> RealtimeClient:
        """
        Return a client of an emulator that runs in this process, with no account.

        The emulator ends with the client. It needs the extra ``emulator``; with the
        extra ``speech`` it hears and speaks.

        Args:
            settings: The keyword arguments of `RealtimeClient`.
        """
        from .emulator import RealtimeEmulator

        emulator = RealtimeEmulator()
        emulator.start()
        settings.setdefault("model", "gpt-realtime")
        settings.setdefault("proxy", "")  # it is on this machine
        try:
            client = cls(emulator.endpoint, "emulator", **settings)
        except BaseException:  # nobody else knows of the emulator
            emulator.close()
            raise
        weakref.finalize(client, emulator.close)
        return client

    def connect(
        self,
        *,
        session: RealtimeSession | Mapping[str, Any] | None = None,
        functions: Functions | None = None,
        keep_audio: bool | None = None,
        call_id: str | None = None,
    ) -> RealtimeConnection:
        """
        Open a connection; return when the session exists and is set up.

        Args:
            session: Instead of the client's *session*. A call that is joined keeps its
                own, unless this is given.
            functions: Instead of the client's *functions*.
            keep_audio: Instead of the client's *keep_audio*.
            call_id: Join the session of a WebRTC or SIP call instead of a new one.

        Raises:
            ValueError: The *session* is not in wire form, or *call_id* is empty.
            AuthenticationError: The server does not accept the credential.
            HandshakeError: The server refused the upgrade.
            ConnectError: No connection came about.
            ServerError: The server refused the session's settings.
            TimeoutError: Each try took longer than *open_timeout*.
        """
        if call_id == "":
            raise ValueError(
                "call_id is empty: no call is named, None begins a session"
            )
        endpoint = self._resolve(model=self.model, call_id=call_id)
        connection = self._open(RealtimeConnection, endpoint)
        if self.keep_audio if keep_audio is None else keep_audio:
            connection._keep_audio()
        if session is None and call_id is None:
            session = self.session
        functions = functions if functions is not None else self.functions
        return _set_up(connection, session, functions)

    def connect_transcription(
        self, session: TranscriptionSession | Mapping[str, Any] | None = None
    ) -> TranscriptionConnection:
        """
        Open a session that only transcribes; raises as `connect()` does.

        Args:
            session: Its settings; the model goes into
                ``audio.input.transcription.model``.
        """
        endpoint = self._resolve(model=None, intent="transcription")
        return _set_up(self._open(TranscriptionConnection, endpoint), session)

    def connect_translation(
        self, session: TranslationSession | Mapping[str, Any] | None = None
    ) -> TranslationConnection:
        """
        Open a session that translates speech; raises as `connect()` does.

        Args:
            session: Its settings, such as ``audio.output.language``.
        """
        endpoint = self._resolve(model=self.model, intent="translation")
        return _set_up(self._open(TranslationConnection, endpoint), session)

    # Copies

    def __copy__(self) -> RealtimeClient:
        return self  # it does not change

    def __deepcopy__(self, memo: object) -> RealtimeClient:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        credential = self.credential
        # A function is pickled as its name, and asks for the token where it is called.
        if credential is not None and not inspect.isfunction(credential):
            raise TypeError(
                "a RealtimeClient with a credential is not pickled, as the credential "
                "would travel with it: send a function that makes the client where it "
                "is used, such as RealtimeClient.from_environment"
            )
        fields = attrs.fields(RealtimeClient)
        settings = {each.name: getattr(self, each.name) for each in fields}
        return partial(type(self), **settings), ()

    # Private

    def _resolve(
        self,
        *,
        model: str | None,
        intent: str | None = None,
        call_id: str | None = None,
        partial: bool = False,
    ) -> Endpoint:
        return resolve_endpoint(
            self.endpoint,
            model=None if call_id else model,
            api_version=self.api_version,
            intent=intent,
            call_id=call_id,
            partial=partial,
        )

    def _open(self, kind: type[C], endpoint: Endpoint) -> C:
        opening = Opening(
            endpoint=endpoint,
            credential=self.credential,
            scope=self.scope,
            headers=self.headers,
            user_agent=self.user_agent,
            proxy=self.proxy,
            ssl_context=self.ssl_context,
            max_message_bytes=self.max_message_bytes,
            make_transport=self.make_transport,
        )
        watch = None if self.telemetry is None else self.telemetry.watch(endpoint)
        with nullcontext() if watch is None else watch.opening():
            return self._open_watched(kind, endpoint, opening, watch)

    def _open_watched(
        self, kind: type[C], endpoint: Endpoint, opening: Opening, watch: Watch | None
    ) -> C:
        if self.reconnect is None:
            opened = opening.open(self.open_timeout)
        else:
            opened = open_persistently(
                opening, self.open_timeout, self.reconnect, time.sleep
            )
        try:
            return self._begin(kind, endpoint, opening, opened, watch)
        except BaseException:  # Ctrl-C: the server is to hear of the end
            opened.transport.abort()
            raise

    def _begin(
        self,
        kind: type[C],
        endpoint: Endpoint,
        opening: Opening,
        opened: Opened,
        watch: Watch | None,
    ) -> C:
        connection = kind(
            opened,
            opening=opening,
            open_timeout=self.open_timeout,
            reconnect=None if endpoint.call_id else self.reconnect,
            dialect=endpoint.dialect,
            keepalive=Keepalive(interval=self.ping_interval, timeout=self.ping_timeout),
            close_timeout=self.close_timeout,
            max_queue=self.max_queue,
            max_unread=self.max_unread,
            max_kept=self.max_kept,
            log_content=self.logging_enable,
            name=f"realtime_sync-{next(_numbers)}",
            watch=watch,
        )
        connection._client = self  # an emulated client must outlive its connections
        return connection


def _set_up(connection: S, session: Any, functions: Functions = ()) -> S:
    try:
        if functions and isinstance(connection, RealtimeConnection):
            connection.use_functions(functions, update=False)
            session = connection._with_tools(connection._session_model(session or {}))
        if session is not None:
            connection.update_session(session)
    except BaseException:
        connection.close()
        raise
    return connection
