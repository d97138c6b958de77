"""The doctor's steps with the service itself: settings, session, a turn, speech."""

from __future__ import annotations

import platform
import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs

from .._asking.question import user_message
from .._client_maker import make_client
from .._version import VERSION
from ..client import RealtimeClient
from ..errors import (
    AuthenticationError,
    ConnectError,
    ConnectionClosed,
    RemoteProtocolError,
    ResponseError,
    SessionExpired,
)
from ..protocol.responses import ResponseCreateParams
from ..protocol.server_events import ErrorEvent
from ..response_stream import ResponseStream
from ..transport import Transport
from .way import Finding, Way


__all__ = [
    "check_session",
    "check_settings",
    "check_speech",
    "check_text",
    "check_upgrade",
    "remedy_of",
]

_QUESTION = "Say hello in one short sentence."
_SUPPORT = "try again; if it stays, the service's support needs the ids above"


def check_settings(way: Way) -> Finding:
    """Make the client, and complete its endpoint."""
    way.client = make_client(way.make_client)
    way.endpoint = way.client._resolve(model=way.client.model)
    endpoint = way.endpoint
    return Finding(
        summary=endpoint.url,
        details=[
            f"{endpoint.kind} endpoint, {endpoint.dialect} dialect, "
            f"model {endpoint.model or '(not named)'}",
            f"scope for Microsoft Entra ID: {way.client.scope or endpoint.scope}",
            f"realtime_sync {VERSION}, Python {platform.python_version()}, "
            f"{ssl.OPENSSL_VERSION}",
        ],
    )


def check_upgrade(way: Way) -> Finding:
    """Open the connection in the client's own way; a session is another step."""
    clock = _Clock()
    client = attrs.evolve(
        way.client,
        session=None,
        functions=(),
        reconnect=None,
        open_timeout=way.timeout,
        make_transport=clock.watching(way.client),
    )
    begun = time.monotonic()
    try:
        # One try: what fails is to be seen.
        way.connection = attrs.evolve(client, reconnect=None).connect()
    except Exception as exc:
        if clock.upgraded_at is None:
            raise
        way.failure = exc
    assert clock.upgraded_at is not None
    way.session_seconds = time.monotonic() - clock.upgraded_at
    ids = [f"{name} {value}" for name, value in clock.headers.items() if _is_id(name)]
    return Finding(
        summary="accepted, with a name, TCP and TLS of its own",
        details=ids,
        seconds=clock.upgraded_at - begun,
    )


def check_session(way: Way) -> Finding:
    """See whether the server made a session."""
    if isinstance(way.failure, TimeoutError):
        raise TimeoutError(
            f"no session.created came within {way.timeout:g} s"
        ) from way.failure
    if way.failure is not None:
        raise way.failure
    assert way.connection is not None
    session: Any = way.connection.session
    left = way.connection.time_left
    details = [f"ends in {left / 60:.0f} min"] if left else []
    way.connection.on_error(
        lambda exc: way.notes.append(f"a message could not be decoded: {exc}")
    )
    way.connection.on(ErrorEvent, partial(_note, way))
    return Finding(
        summary=f"{getattr(session, 'id', None) or 'created'}, "
        f"model {getattr(session, 'model', None) or '(not named)'}",
        details=details,
        seconds=way.session_seconds,
    )


def check_text(way: Way) -> Finding:
    """Let the model write a sentence."""
    assert way.connection is not None
    stream = _respond(way, "text")
    begun = time.monotonic()
    first = next(stream.text(timeout=way.timeout), None)
    waited = time.monotonic() - begun
    result = stream.result(timeout=way.timeout).raise_for_status()
    return Finding(
        summary=f"first words after {waited:.2f} s" if first else "no words",
        details=[f"answer: {_short(result.text)}"],
        remedy=_distrust(way),
    )


def check_speech(way: Way) -> Finding:
    """Let the model speak, up to the first sound."""
    assert way.connection is not None
    if way.question is not None:
        stream, begun = _ask_aloud(way)
    else:
        begun = time.monotonic()
        stream = _respond(way, "audio")
    first = next(stream.audio(timeout=way.timeout), None)
    waited = time.monotonic() - begun
    if first is None:
        stream.result(timeout=way.timeout).raise_for_status()
        raise ConnectError(
            "the response ended without a sound; check that the model is one that "
            "speaks"
        )
    stream.cancel()
    way.connection.close()
    summary = f"first audio after {waited:.2f} s"
    return Finding(summary=summary, remedy=_distrust(way), seconds=waited)


def remedy_of(name: str, exc: Exception, way: Way) -> str | None:
    """Return what to do after *exc* in a step; None where its message says enough."""
    if isinstance(exc, AuthenticationError) and way.audience:
        return f"{exc.hint or ''} The token is for {way.audience}.".strip()
    if name in _REMEDIES:
        for kind, remedy in _REMEDIES[name]:
            if isinstance(exc, kind):
                return remedy(exc) if callable(remedy) else remedy
    return None


def _after_close(exc: ConnectionClosed) -> str:
    if isinstance(exc, SessionExpired):
        return "sessions end at this age: connect again, and begin a new one"
    if exc.initiated_by == "network":
        return (
            "something between here and the service cut the connection: look at "
            "proxies, firewalls and load balancers that limit connections"
        )
    if exc.initiated_by == "client":
        return _STRANGE
    words = {
        1001: "the server is going away, or the session is over: connect again",
        1008: "the server calls it a violation of its rules: look at its reason",
        1009: "a message was too large for the server: send smaller ones",
        1011: f"the server failed: {_SUPPORT}",
    }
    return words.get(exc.code, _SUPPORT)


def _after_refusal(exc: ConnectError) -> str:
    cause = exc.__cause__
    if isinstance(cause, ConnectionClosed):
        return _after_close(cause)
    if isinstance(cause, RemoteProtocolError):
        return _STRANGE
    return (
        "the server's own words are the reason: check the model and the form of the "
        f"URL, or {_SUPPORT}"
    )


def _after_failure(exc: ResponseError) -> str:
    details = exc.response.status_details
    error = details.error if details else None
    code = (error.code or error.type or "") if error else ""
    if "rate_limit" in code or "quota" in code:
        return "the quota of the model is used up: wait, or ask for a higher one"
    return _SUPPORT


_STRANGE = (
    "what answers breaks the rules of this API: check host and path of the endpoint, "
    "and look for a gateway or proxy that changes messages"
)

_SILENT = (
    "the service took the request and fell silent: give it more time (the timeout), "
    f"or {_SUPPORT}"
)

_Remedy = str | Callable[[Any], str]

_TURN: tuple[tuple[type[Exception], _Remedy], ...] = (
    (TimeoutError, _SILENT),
    (ConnectionClosed, _after_close),
    (ResponseError, _after_failure),
)

_REMEDIES: Mapping[str, tuple[tuple[type[Exception], _Remedy], ...]] = {
    "session": (
        (
            TimeoutError,
            "the upgrade was accepted and no session came: a gateway in between may "
            f"not pass on messages; otherwise {_SUPPORT}",
        ),
        (ConnectError, _after_refusal),
    ),
    "text": _TURN,
    "speech": _TURN,
}


class _Clock:
    """
    Tells when the upgrade was over, and what was answered.

    Attributes:
        upgraded_at: When it was, on the monotonic clock; None if it did not succeed.
        headers: Those of the answer.
    """

    def __init__(self) -> None:
        self.upgraded_at: float | None = None
        self.headers: Mapping[str, str] = {}

    def watching(self, client: RealtimeClient) -> Callable[[], Transport]:
        """Return what makes the transports of *client*, and looks at them."""

        def make() -> Transport:
            transport = client.make_transport()
            connect = transport.connect

            def watched(request: Any) -> Mapping[str, str]:
                self.headers = connect(request)
                self.upgraded_at = time.monotonic()
                return self.headers

            # For this one object: it stays a transport of the client's own kind.
            setattr(transport, "connect", watched)  # noqa: B010
            return transport

        return make


def _note(way: Way, event: ErrorEvent) -> None:
    # An answer may end by itself while this side leaves it, which is no fault.
    if event.error.code != "response_cancel_not_active":
        way.notes.append(f"the server reported: {_words(event)}")


def _words(event: ErrorEvent) -> str:
    error = event.error
    return str(error.message or error.code or error.type)


def _is_id(name: str) -> bool:
    return name.endswith("request-id") or name == "x-ms-region"


def _respond(way: Way, modality: str) -> ResponseStream:
    assert way.connection is not None
    params = ResponseCreateParams(
        conversation="none",
        input=[user_message(_QUESTION)],
        output_modalities=[modality],
    )
    return way.connection.create_response(params, timeout=way.timeout)


def _ask_aloud(way: Way) -> tuple[ResponseStream, float]:
    """Ask the recorded question; return the response, and when the question ended."""
    connection = way.connection
    assert connection is not None
    connection.update_session(
        {"audio": {"input": {"turn_detection": None}}}, timeout=way.timeout
    )
    connection.append_audio(way.question)
    connection.commit_input_audio(timeout=way.timeout)
    begun = time.monotonic()
    params = ResponseCreateParams(output_modalities=["audio"])
    return connection.create_response(params, timeout=way.timeout), begun


def _distrust(way: Way) -> str | None:
    if not way.notes:
        return None
    return (
        "it went on, but something on the way is not well: look for a gateway or proxy "
        "that changes messages, or try again"
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
