"""The doctor's step about the credential: which kind it is, and what a token is for."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ..credentials import authorization_headers
from .way import Finding, Way


__all__ = ["check_credential", "token_claims"]

_URL = re.compile(r"[a-z]+://.*")


def check_credential(way: Way) -> Finding:
    """Fetch a token, or find a key, and look at what it says of itself."""
    client, endpoint = way.client, way.endpoint
    headers = authorization_headers(client.credential, endpoint, scope=client.scope)
    kind = type(client.credential).__name__
    if not headers:
        return Finding(summary="none; only emulators and gateways do without")
    ((name, value),) = headers.items()
    claims = token_claims(value.removeprefix("Bearer "))
    if claims is None:
        what = "a key" if kind in ("str", "AzureKeyCredential") else f"from {kind}"
        return Finding(summary=f"{what}, sent as {name}")
    way.audience = _text(claims.get("aud"))
    scope = client.scope or endpoint.scope
    return Finding(
        summary=f"a token from {kind}, sent as {name}",
        details=[
            f"audience {way.audience or '(none)'}",
            f"issuer {_text(claims.get('iss')) or '(none)'}",
            _expiry(claims),
        ],
        remedy=_expired(claims) or _mismatch(way.audience, scope),
    )


def token_claims(token: str) -> Mapping[str, Any] | None:
    """
    Return what a JSON web token says, without checking its signature.

    Args:
        token: Any secret.

    Returns:
        The claims; None if it is no such token.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def _text(claim: object) -> str | None:
    if isinstance(claim, list):
        return ", ".join(map(str, claim))
    return None if claim is None else str(claim)


def _left(claims: Mapping[str, Any]) -> float | None:
    expiry = claims.get("exp")
    return expiry - time.time() if isinstance(expiry, (int, float)) else None


def _expiry(claims: Mapping[str, Any]) -> str:
    left = _left(claims)
    if left is None:
        return "no expiry"
    return f"expires in {left / 60:.0f} min" if left > 0 else "has expired"


def _expired(claims: Mapping[str, Any]) -> str | None:
    left = _left(claims)
    if left is None or left > 0:
        return None
    return "the token has expired: sign in again, or check the clock of this machine"


def _mismatch(audience: str | None, scope: str | None) -> str | None:
    """Say so where a token is for something else than what was asked for."""
    # An audience may also be the id of an application, which tells nothing here.
    if not (audience and scope and _URL.match(audience)):
        return None
    wanted = scope.removesuffix("/.default").rstrip("/")
    if audience.rstrip("/") == wanted:
        return None
    return f"the token is for {audience}, the service is asked with one for {wanted}"
