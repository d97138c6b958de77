"""
Webhooks: what the service posts to an application of yours, checked and typed.

A call that arrives by SIP is announced by a webhook, which holds the id of the call. It
is signed after Standard Webhooks (https://www.standardwebhooks.com): ``webhook-id``,
``webhook-timestamp`` and ``webhook-signature`` are headers of the request, and the
signature is an HMAC-SHA256 over id, time and body. `parse_webhook` returns nothing that
is not signed::

    event = parse_webhook(request.get_data(), request.headers, secret)
    if isinstance(event, RealtimeCallIncoming):
        control.accept_call(event.call_id)
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import attrs

from .errors import DecodeError, WebhookError
from .protocol._model import UNSET, Maybe, Model, PayloadType
from .protocol.codec import structure


# No `from __future__ import annotations`, as in the modules of the protocol.

__all__ = [
    "IncomingCall",
    "RealtimeCallIncoming",
    "SipHeader",
    "UnknownWebhook",
    "parse_webhook",
    "webhook_signature",
]

_TOLERANCE: Final = 300.0  # seconds, as Standard Webhooks recommends
_SECRET_PREFIX: Final = "whsec_"


@attrs.frozen(kw_only=True, repr=False)
class SipHeader(Model):
    """
    A header of the SIP INVITE. Whoever calls writes what he likes into it.

    Attributes:
        name: The name of the header, such as ``From``.
        value: Its value.
    """

    name: str
    value: str


@attrs.frozen(kw_only=True, repr=False)
class IncomingCall(Model):
    """
    A call that waits to be accepted or rejected.

    Attributes:
        call_id: The id of the call, for `ControlClient` and `connect(call_id=...)`.
        sip_headers: The headers of the SIP INVITE, in order.
        sip_media_security: ``srtp``, or ``rtp`` for sound that is not encrypted.
    """

    call_id: str
    sip_headers: Sequence[SipHeader] = ()
    sip_media_security: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class RealtimeCallIncoming(Model):
    """
    Somebody calls by SIP; the call waits to be accepted or rejected.

    Attributes:
        id: The id of the webhook: the same one when it is delivered again.
        created_at: When it was made, in seconds since 1970 (UTC).
        object: Always ``event``.
        data: The call.
    """

    type: ClassVar[str] = "realtime.call.incoming"

    id: str
    created_at: int
    object: Maybe[str] = UNSET
    data: IncomingCall

    @property
    def call_id(self) -> str:
        """The id of the call."""
        return self.data.call_id

    def sip_header(self, name: str) -> str | None:
        """Return the first SIP header of a name, in any case; None if there is none."""
        wanted = name.lower()
        found = (each for each in self.data.sip_headers if each.name.lower() == wanted)
        return next((header.value for header in found), None)


@attrs.frozen(kw_only=True, repr=False)
class UnknownWebhook(Model):
    """
    A webhook of a type that this version does not know; its signature is good.

    Attributes:
        payload: The whole of it as decoded JSON.
    """

    type: ClassVar[PayloadType] = PayloadType()

    payload: Mapping[str, Any]


def parse_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: float = _TOLERANCE,
    now: float | None = None,
) -> RealtimeCallIncoming | UnknownWebhook:
    """
    Return what a webhook says, after its signature was verified.

    The same webhook may arrive twice: its ``id`` tells. Thread-safe.

    Args:
        body: The body of the request, exactly as it arrived.
        headers: The headers of the request; the case of their names does not matter.
        secret: The signing secret of the webhook (``whsec_…``), or several of them
            while one replaces another.
        tolerance: By how many seconds its time may be off, so that an old one cannot be
            sent again.
        now: The seconds since 1970, by default the machine's.

    Raises:
        WebhookError: It is not signed with this secret, is too old, or has no known
            form. Answer it with HTTP 400 and nothing else.
        ValueError: The secret is empty or malformed.
    """
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    _verify(data, headers, secret, tolerance, time.time() if now is None else now)
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise WebhookError("the webhook is signed, but no JSON") from exc
    if not isinstance(payload, dict):
        raise WebhookError("the webhook is signed, but no JSON object")
    if payload.get("type") != RealtimeCallIncoming.type:
        return UnknownWebhook(payload=payload)
    try:
        return structure(payload, RealtimeCallIncoming)
    except (DecodeError, ValueError) as exc:
        raise WebhookError(
            f"the webhook is signed, but has no known form: {exc}"
        ) from exc


def webhook_signature(
    body: bytes, *, webhook_id: str, timestamp: int, secret: str
) -> str:
    """
    Return the signature of a webhook, as the ``webhook-signature`` header has it.

    Args:
        body: The body of the request.
        webhook_id: The ``webhook-id`` header.
        timestamp: The ``webhook-timestamp`` header: seconds since 1970.
        secret: The signing secret.

    Raises:
        ValueError: The secret is empty or malformed.
    """
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    tolerance: float,
    now: float,
) -> None:
    found = {name.lower(): value for name, value in headers.items()}
    try:
        webhook_id = found["webhook-id"]
        timestamp = int(found["webhook-timestamp"])
        given = found["webhook-signature"].split()
    except (KeyError, ValueError):
        raise WebhookError(
            "the request lacks the headers of a webhook: webhook-id, "
            "webhook-timestamp (a number) and webhook-signature"
        ) from None
    secrets = [secret] if isinstance(secret, str) else list(secret)
    good = [
        webhook_signature(body, webhook_id=webhook_id, timestamp=timestamp, secret=each)
        for each in secrets
    ]
    # All are compared in constant time, so that the time tells nothing about them.
    matches = [
        hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))
        for one in good
        for other in given
    ]
    if not any(matches):
        raise WebhookError(
            "the webhook's signature is not by this secret: compare it with the "
            "webhook's settings, and pass the body exactly as it arrived"
        )
    if abs(now - timestamp) > tolerance:
        raise WebhookError(
            f"the webhook is {now - timestamp:.0f} s old, which is more than "
            f"{tolerance:g} s: it was sent again, or a clock is wrong"
        )


def _key(secret: str) -> bytes:
    if not secret.startswith(_SECRET_PREFIX):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError(
                "the webhook's secret is cut or changed: after whsec_ comes base64"
            ) from None
    if not key:
        raise ValueError("the webhook's secret is empty")
    return key
