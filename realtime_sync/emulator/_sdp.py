"""Offers of WebRTC calls, and answers that fit them and lead nowhere."""

from __future__ import annotations

import base64
import json
import uuid
from email import policy
from email.parser import BytesParser
from typing import Any

from ._errors import RequestError
from ._http import HttpRequest


__all__ = ["read_offer", "sdp_answer"]


def read_offer(request: HttpRequest) -> tuple[str, dict[str, Any]]:
    """Return the SDP offer and what comes with it, of either form of request."""
    kind = request.headers.get("Content-Type", "")
    if not kind.startswith("multipart/form-data"):
        return request.body.decode("utf-8", "replace"), {}
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + request.body)
    parts: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        parts[str(name)] = part.get_payload(decode=True)
    try:
        session = json.loads(parts.get("session", b"{}"))
    except ValueError as exc:
        raise RequestError(
            "The session is no JSON.", code="invalid_json", param="session"
        ) from exc
    return parts.get("sdp", b"").decode("utf-8", "replace"), session


def sdp_answer(offer: str) -> str:
    """Return an answer with the media of the offer, none of which will flow."""
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0"]
    password = base64.b64encode(uuid.uuid4().bytes).decode()
    for number, line in enumerate(
        line for line in offer.splitlines() if line.startswith("m=")
    ):
        kind, _port, rest = line.split(" ", 2)
        lines += [
            f"{kind} 9 {rest}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{number}",
            "a=inactive",
            "a=setup:active",
            "a=ice-ufrag:emulated",
            f"a=ice-pwd:{password}",
        ]
    return "\r\n".join([*lines, ""])
