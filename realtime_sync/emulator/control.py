"""
The emulated control API: client secrets, and calls that nobody hears.

`RealtimeEmulator.control` is one. It serves what `realtime_sync.ControlClient` asks
for, and lets a test be the telephone network: `ControlApi.ring` makes a call come in.
No sound travels by WebRTC or SIP here: an SDP answer fits its offer and leads nowhere,
and each connection that joins a call has a session of its own, with the call's
settings.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from attrs import define, field, frozen
from websockets.http11 import Response

from .._checks import TEXT
from ..errors import DecodeError
from ..protocol import RealtimeSession, TranscriptionSession, TranslationSession
from ..protocol._model import hide
from ..protocol.codec import structure, unstructure
from ..webhooks import webhook_signature
from ._clock import Clock
from ._errors import RequestError
from ._handshake import Admission, Refusal, check_key, not_found, openai_refusal
from ._http import HttpRequest, json_response
from ._sdp import read_offer, sdp_answer


__all__ = ["CallRecord", "ControlApi", "Ringing", "SecretRecord"]

_ROOTS: Final = ("/openai/v1/realtime/", "/v1/realtime/")
_LIFETIME: Final = 600  # seconds, where the request names none
_SESSIONS: Final[Mapping[str, type[Any]]] = {
    "realtime": RealtimeSession,
    "transcription": TranscriptionSession,
    "translation": TranslationSession,
}


@frozen(kw_only=True)
class SecretRecord:
    """
    A client secret that was made.

    Attributes:
        value: The secret.
        kind: The type of the sessions that it opens.
        session: What these are set up with.
        expires_at: When it ends, in seconds since 1970.
    """

    value: str = field(repr=hide)
    kind: str
    session: Any
    expires_at: float


@define(kw_only=True, eq=False)
class CallRecord:
    """
    A call.

    Attributes:
        call_id: Its id.
        state: ``ringing``, ``accepted``, ``rejected``, ``referred`` or ``ended``.
        session: What its session is set up with; None as long as it rings.
        offer: The SDP offer that it was made of; None for a call by SIP.
        status_code: What it was rejected with, or None.
        target_uri: To whom it was referred, or None.
    """

    call_id: str
    state: str = "ringing"
    session: Any = None
    offer: str | None = None
    status_code: int | None = None
    target_uri: str | None = None


@frozen(kw_only=True)
class Ringing:
    """
    A call that comes in, as the webhook that tells an application so.

    Attributes:
        call_id: The id of the call.
        body: The body to post to the application.
        headers: The headers to post it with; the signature is one of them.
    """

    call_id: str
    body: bytes
    headers: Mapping[str, str]


class ControlApi:
    """
    What an emulator does for requests of plain HTTP. Thread-safe.

    Attributes:
        calls: The calls, by id.
        secrets: The client secrets, by their value.

    Args:
        clock: What time it is.
        api_keys: The keys that are good; None takes any, and none.
        configure: Returns the whole configuration of a session of a kind, given what
            the client says of it; raises a `RequestError`.
        hang_up: Ends the connections that joined a call.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_keys: Collection[str] | None,
        configure: Callable[[str, Any], Any],
        hang_up: Callable[[str], None],
    ) -> None:
        self.calls: dict[str, CallRecord] = {}
        self.secrets: dict[str, SecretRecord] = {}
        self._clock = clock
        self._api_keys = api_keys
        self._configure = configure
        self._hang_up = hang_up
        self._lock = threading.Lock()

    # For tests

    def ring(
        self, secret: str, *, sip_headers: Mapping[str, str] | None = None
    ) -> Ringing:
        """
        Let a call come in; post what this returns to the application.

        Args:
            secret: The application's webhook secret (``whsec_…``).
            sip_headers: The headers of the SIP INVITE, such as ``From``.

        Raises:
            TypeError: *secret* is no text.
        """
        TEXT.check("secret", secret)
        call = CallRecord(call_id=f"rtc_{uuid.uuid4().hex}")
        with self._lock:
            self.calls[call.call_id] = call
        now = int(self._clock.epoch())
        found = [
            {"name": name, "value": value}
            for name, value in (sip_headers or {"From": "sip:+14155550123@sip"}).items()
        ]
        body = json.dumps(
            {
                "id": f"evt_{uuid.uuid4().hex}",
                "object": "event",
                "type": "realtime.call.incoming",
                "created_at": now,
                "data": {"call_id": call.call_id, "sip_headers": found},
            }
        ).encode()
        webhook_id = f"wh_{uuid.uuid4().hex}"
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(now),
            "webhook-signature": webhook_signature(
                body, webhook_id=webhook_id, timestamp=now, secret=secret
            ),
        }
        return Ringing(call_id=call.call_id, body=body, headers=headers)

    # For the server

    def good_keys(self) -> set[str] | None:
        """Return the keys and the client secrets that are good; None if any is."""
        if self._api_keys is None:
            return None
        now = self._clock.epoch()
        with self._lock:
            secrets = tuple(self.secrets.values())
        live = {each.value for each in secrets if now < each.expires_at}
        return {*self._api_keys, *live}

    def session_for(self, admission: Admission, keys: Collection[str]) -> Any:
        """
        Return what a session is set up with before its client says anything, or None.

        Args:
            admission: The session that is to be.
            keys: What the client showed as its key.

        Raises:
            Refusal: The client secret has expired, or there is no such call.
        """
        call_id = admission.query.get("call_id")
        with self._lock:
            secret = next((self.secrets[key] for key in keys if key in self.secrets), 0)
            call = self.calls.get(call_id or "")
        if isinstance(secret, SecretRecord):
            if secret.expires_at <= self._clock.epoch():
                raise openai_refusal(
                    401, "invalid_api_key", "The client secret has expired."
                )
            if secret.kind != admission.kind:
                raise openai_refusal(
                    401,
                    "invalid_api_key",
                    f"The client secret is for a session of type {secret.kind}.",
                )
        if call_id is not None:
            if call is None or call.state != "accepted":
                raise _no_call(call_id)
            return call.session
        return secret.session if isinstance(secret, SecretRecord) else None

    def answer(self, request: HttpRequest) -> Response:
        """Return the response to a request."""
        try:
            return self._route(request)
        except Refusal as refusal:
            return refusal.response(request.upgrade)
        except RequestError as error:
            details = {
                "type": error.type,
                "code": error.code,
                "param": error.param,
                "message": error.message,
            }
            return json_response(400, {"error": details})

    def _route(self, request: HttpRequest) -> Response:
        path = urlsplit(request.path).path.rstrip("/")
        root = next((each for each in _ROOTS if path.startswith(each)), None)
        if root is None:
            raise not_found()
        if request.method != "POST":
            raise openai_refusal(405, "method_not_supported", "Use POST.")
        check_key(request.upgrade, self.good_keys())
        match path.removeprefix(root).split("/"):
            case ["client_secrets"]:
                return self._create_secret(request, "realtime")
            case ["translations", "client_secrets"]:
                return self._create_secret(request, "translation")
            case ["calls"]:
                return self._create_call(request, root)
            case ["calls", call_id, verb]:
                return self._command(request, unquote(call_id), verb)
        raise not_found()

    # Client secrets

    def _create_secret(self, request: HttpRequest, default: str) -> Response:
        content = _json(request)
        kind = (content.get("session") or {}).get("type", default)
        session = self._session(kind, content.get("session") or {})
        after = content.get("expires_after") or {}
        seconds = after.get("seconds", _LIFETIME)
        if not isinstance(seconds, int) or not 10 <= seconds <= 7200:
            raise RequestError(
                f"Invalid value: {seconds}. Expected 10 to 7200.",
                code="invalid_value",
                param="expires_after.seconds",
            )
        secret = SecretRecord(
            value=f"ek_{uuid.uuid4().hex}",
            kind=kind,
            session=session,
            expires_at=int(self._clock.epoch()) + seconds,
        )
        with self._lock:
            self.secrets[secret.value] = secret
        return json_response(
            200,
            {
                "value": secret.value,
                "expires_at": secret.expires_at,
                "session": unstructure(self._configure(kind, session)),
            },
        )

    def _session(self, kind: str, payload: Mapping[str, Any]) -> Any:
        """Return what a client says of a session, if the service would take it."""
        if kind not in _SESSIONS:
            raise RequestError(
                f"Invalid value: '{kind}'.", code="invalid_value", param="session.type"
            )
        try:
            session = structure({**payload, "type": kind}, _SESSIONS[kind])
        except DecodeError as exc:
            raise RequestError(str(exc), code="invalid_type", param="session") from exc
        self._configure(kind, session)
        return session

    # Calls

    def _create_call(self, request: HttpRequest, root: str) -> Response:
        offer, payload = read_offer(request)
        if not offer.startswith("v=0"):
            raise RequestError(
                "The offer is no SDP.", code="invalid_offer", param="sdp"
            )
        call = CallRecord(
            call_id=f"rtc_{uuid.uuid4().hex}",
            state="accepted",
            session=self._session("realtime", payload),
            offer=offer,
        )
        with self._lock:
            self.calls[call.call_id] = call
        return json_response(
            201,
            sdp_answer(offer).encode(),
            {
                "Content-Type": "application/sdp",
                "Location": f"{root}calls/{call.call_id}",
            },
        )

    def _command(self, request: HttpRequest, call_id: str, verb: str) -> Response:
        with self._lock:
            call = self.calls.get(call_id)
        needed = {"accept": "ringing", "reject": "ringing"}.get(verb, "accepted")
        if verb not in ("accept", "reject", "refer", "hangup"):
            raise not_found()
        if call is None or call.state != needed:
            raise _no_call(call_id)
        content = _json(request)
        if verb == "accept":
            call.session = self._session("realtime", content)
            call.state = "accepted"
        elif verb == "reject":
            call.status_code = content.get("status_code", 603)
            call.state = "rejected"
        elif verb == "refer":
            call.target_uri = _target(content)
            call.state = "referred"
        else:
            call.state = "ended"
        if verb in ("refer", "hangup"):
            self._hang_up(call_id)
        return json_response(200)


def _no_call(call_id: str) -> Refusal:
    return openai_refusal(
        404, "call_id_not_found", f"No session found for call_id {call_id}."
    )


def _target(content: Mapping[str, Any]) -> str:
    if not content.get("target_uri"):
        raise RequestError(
            "Missing required parameter: 'target_uri'.",
            code="missing_required_parameter",
            param="target_uri",
        )
    return str(content["target_uri"])


def _json(request: HttpRequest) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        content = json.loads(request.body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RequestError("The body is no JSON object.", code="invalid_json")
    return content
