"""
The control API: short-lived keys for browsers, and calls by WebRTC and SIP.

A connection is a WebSocket; what concerns sessions that others open is plain HTTP. A
`ControlClient` speaks it with the settings of a `RealtimeClient`::

    with ControlClient(client) as control:
        key = control.create_client_secret(expires_after=60)

A browser gets the key in place of the application's own, and a telephone call is
accepted, watched with ``client.connect(call_id=...)``, and hung up. Each method is one
request of HTTP, tried again as other Azure clients do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, urlsplit

import attrs

from ._checks import check_text, not_this
from ._control_pipeline import ControlPipeline
from .client import RealtimeClient
from .endpoints import Endpoint, resolve_endpoint
from .errors import DecodeError, RemoteProtocolError
from .protocol._model import hide
from .protocol.codec import structure, unstructure
from .protocol.sessions import RealtimeSession, TranscriptionSession, TranslationSession


if TYPE_CHECKING:
    from azure.core.rest import HttpResponse


__all__ = ["ControlClient", "EphemeralKey", "RealtimeCall"]

AnySession: TypeAlias = "RealtimeSession | TranscriptionSession | TranslationSession"

_SESSIONS: Mapping[str, type[AnySession]] = {
    "realtime": RealtimeSession,
    "transcription": TranscriptionSession,
    "translation": TranslationSession,
}
_TIMEOUT = 60.0  # seconds, for all tries of a request together


@attrs.frozen(kw_only=True)
class EphemeralKey:
    """
    A client secret: a key that lives for minutes and opens one kind of session.

    It is a credential itself: ``RealtimeClient(endpoint, key, model=...)``. A session
    that was opened with it goes on when it has expired. May be shared between threads.

    Attributes:
        value: The key (``ek_…``), which no repr shows. Send it to the browser.
        expires_at: When it ends, in seconds since 1970 (UTC).
        session: What the sessions that it opens are set up with.
    """

    value: str = attrs.field(repr=hide)
    expires_at: int
    session: AnySession

    def __call__(self) -> str:
        """Return the key, as credentials that are functions do."""
        return self.value


@attrs.frozen(kw_only=True)
class RealtimeCall:
    """
    A call that was made of an SDP offer.

    Attributes:
        call_id: Its id, for the other methods and for ``client.connect(call_id=...)``.
        answer: The SDP answer, for the peer that made the offer.
    """

    call_id: str
    answer: str


class ControlClient:
    """
    The control API of the service that a `RealtimeClient` connects to.

    It takes endpoint, credential, scope, headers, proxy and TLS from the client, opens
    nothing before it is used, and is a context manager. Thread-safe. Its methods raise

    - `AuthenticationError` where the server does not accept the credential,
    - `ControlError` where it refuses the request,
    - `ConnectError` where there is no answer, and `TimeoutError` where there is none in
      time,
    - `RuntimeError` where it was closed,

    after the tries that make sense. Times are in seconds.

    Args:
        client: Whose settings to use.

    Raises:
        TypeError: It is no client.
        ValueError: The client speaks Azure's preview, or has an endpoint that no HTTP
            operation can be derived from.
    """

    def __init__(self, client: RealtimeClient) -> None:
        if not isinstance(client, RealtimeClient):
            raise not_this("a ControlClient is made of a RealtimeClient", client)
        self._client = client
        self._endpoint = _endpoint_of(client)
        self._pipeline = ControlPipeline(client, self._endpoint)

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ControlClient {self._endpoint.host}>"

    def close(self) -> None:
        """Close the connections that are kept for the next request; idempotent."""
        self._pipeline.close()

    # Keys

    def create_client_secret(
        self,
        session: AnySession | Mapping[str, Any] | None = None,
        *,
        expires_after: int | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> EphemeralKey:
        """
        Make a key for somebody who must not have the application's own.

        Args:
            session: What the sessions that it opens are set up with, of any of the
                three types; by default the client's. One without a model gets that of
                the client. A mapping without a type is of a realtime session.
            expires_after: Seconds that it lives; the service takes 10 to 7,200, and
                600 if it is not told.
            timeout: For all tries together; None for no limit.
        """
        chosen = self._session(session)
        content: dict[str, Any] = {"session": unstructure(chosen)}
        path = "realtime/client_secrets"
        if isinstance(chosen, TranslationSession):
            path = "realtime/translations/client_secrets"
            del content["session"]["type"]
        if expires_after is not None:
            content["expires_after"] = {
                "anchor": "created_at",
                "seconds": expires_after,
            }
        response = self._post(path, timeout, json=content)
        return _read_key(response, type(chosen))

    # Calls

    def create_call(
        self,
        offer: str,
        session: RealtimeSession | Mapping[str, Any] | None = None,
        *,
        timeout: float | None = _TIMEOUT,
    ) -> RealtimeCall:
        """
        Begin a WebRTC call for a peer, such as a browser that sent you its SDP offer.

        Args:
            offer: The peer's SDP offer.
            session: What the session of the call is set up with; by default the
                client's. With an `EphemeralKey` as credential, and none of both, it is
                that of the key.
            timeout: For all tries together; None for no limit.

        Raises:
            RemoteProtocolError: The answer does not say which call it is for.
        """
        check_text("offer", offer)
        is_bound = isinstance(self._client.credential, EphemeralKey)
        if is_bound and session is None and self._client.session is None:
            body: dict[str, Any] = {"content": offer.encode()}
            kind = {"Content-Type": "application/sdp"}
        else:
            wire = json.dumps(unstructure(self._session(session)))
            body = {
                "files": {
                    "sdp": (None, offer, "application/sdp"),
                    "session": (None, wire, "application/json"),
                }
            }
            kind = {}
        headers = {"Accept": "application/sdp", **kind}
        response = self._post("realtime/calls", timeout, headers=headers, **body)
        location = urlsplit(response.headers.get("Location", "")).path
        call_id = location.rstrip("/").rpartition("/")[2]
        if not call_id:
            raise RemoteProtocolError(
                "the answer to the offer lacks the Location header with the call's id"
            )
        return RealtimeCall(call_id=call_id, answer=response.text())

    def accept_call(
        self,
        call_id: str,
        session: RealtimeSession | Mapping[str, Any] | None = None,
        *,
        timeout: float | None = _TIMEOUT,
    ) -> None:
        """
        Take a call that came in by SIP, and let the model answer it.

        Args:
            call_id: The call, see `RealtimeCallIncoming`.
            session: What its session is set up with; by default the client's.
            timeout: For all tries together; None for no limit.
        """
        self._command(call_id, "accept", timeout, unstructure(self._session(session)))

    def reject_call(
        self,
        call_id: str,
        *,
        status_code: int | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> None:
        """
        Decline a call that came in by SIP.

        Args:
            call_id: The call.
            status_code: The status that the caller gets, such as 486 (busy); the
                service takes 603 (decline) if it is not told.
            timeout: For all tries together; None for no limit.
        """
        content = None if status_code is None else {"status_code": status_code}
        self._command(call_id, "reject", timeout, content)

    def refer_call(
        self, call_id: str, target_uri: str, *, timeout: float | None = _TIMEOUT
    ) -> None:
        """
        Hand a call over to somebody else.

        Args:
            call_id: The call, which was accepted.
            target_uri: To whom, such as ``tel:+14155550123`` or
                ``sip:agent@example.com``.
            timeout: For all tries together; None for no limit.
        """
        check_text("target_uri", target_uri)
        self._command(call_id, "refer", timeout, {"target_uri": target_uri})

    def hangup_call(self, call_id: str, *, timeout: float | None = _TIMEOUT) -> None:
        """
        End a call, by WebRTC or SIP, and the connections that joined it.

        Args:
            call_id: The call.
            timeout: For all tries together; None for no limit.
        """
        self._command(call_id, "hangup", timeout, None)

    # Private

    def _command(
        self,
        call_id: str,
        verb: str,
        timeout: float | None,
        content: Mapping[str, Any] | None,
    ) -> None:
        check_text("call_id", call_id)
        path = f"realtime/calls/{quote(call_id, safe='')}/{verb}"
        self._post(path, timeout, **({} if content is None else {"json": content}))

    def _post(self, path: str, timeout: float | None, **body: Any) -> HttpResponse:
        from azure.core.rest import HttpRequest

        request = HttpRequest("POST", self._endpoint.rest_url(path), **body)
        return self._pipeline.send(request, timeout)

    def _session(self, session: AnySession | Mapping[str, Any] | None) -> AnySession:
        chosen = session if session is not None else self._client.session
        model = _as_session(chosen if chosen is not None else {})
        if isinstance(model, TranscriptionSession) or model.model:
            return model
        if self._client.model is None:
            return model
        return attrs.evolve(model, model=self._client.model)


def _endpoint_of(client: RealtimeClient) -> Endpoint:
    endpoint = resolve_endpoint(
        client.endpoint,
        model=client.model,
        api_version=client.api_version,
        partial=True,
    )
    if endpoint.dialect == "preview":
        raise ValueError(
            "the preview has no control API: leave the api_version out, so that the "
            "client speaks the GA protocol"
        )
    endpoint.rest_url("realtime/client_secrets")
    return endpoint


def _as_session(session: AnySession | Mapping[str, Any]) -> AnySession:
    if isinstance(session, (RealtimeSession, TranscriptionSession, TranslationSession)):
        return session
    if not isinstance(session, Mapping):
        raise not_this("session is a RealtimeSession or a mapping", session)
    kind = session.get("type", "realtime")
    if kind not in _SESSIONS:
        raise ValueError(f"type is one of {', '.join(_SESSIONS)}, not {kind!r}")
    return structure(session, _SESSIONS[kind])


def _read_key(response: HttpResponse, session_class: type[AnySession]) -> EphemeralKey:
    try:
        payload = response.json()
        session = structure(payload.get("session") or {}, session_class)
        return EphemeralKey(
            value=str(payload["value"]),
            expires_at=int(payload["expires_at"]),
            session=session,
        )
    except (ValueError, TypeError, KeyError, AttributeError, DecodeError) as exc:
        # Without the cause: it may repeat the answer, which holds the key.
        raise RemoteProtocolError(
            "the answer has no client secret in it: check that the endpoint is one of "
            f"the service ({type(exc).__name__})"
        ) from None
