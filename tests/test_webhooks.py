"""Webhooks: what is signed is typed, and nothing else comes through."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest

from realtime_sync import (
    RealtimeCallIncoming,
    SipHeader,
    UnknownWebhook,
    WebhookError,
    parse_webhook,
)
from realtime_sync.webhooks import webhook_signature


NOW = 1_719_168_000
SECRET = "whsec_" + base64.b64encode(b"a key of the tests").decode()
OTHER = "whsec_" + base64.b64encode(b"another key").decode()
CALL = {
    "id": "evt_1",
    "object": "event",
    "type": "realtime.call.incoming",
    "created_at": NOW,
    "data": {
        "call_id": "rtc_1",
        "sip_headers": [
            {"name": "From", "value": "sip:+142555512112@sip.example.com"},
            {"name": "Via", "value": "one"},
            {"name": "Via", "value": "two"},
        ],
    },
}
BODY = json.dumps(CALL).encode()


def headers(body: bytes = BODY, secret: str = SECRET, **changes: str) -> dict[str, str]:
    """Return the headers of a webhook, some of them changed."""
    signature = webhook_signature(body, webhook_id="wh_1", timestamp=NOW, secret=secret)
    found = {"id": "wh_1", "timestamp": str(NOW), "signature": signature, **changes}
    return {f"webhook-{name}": value for name, value in found.items()}


def parse(body: bytes | str, found: dict[str, str], secret: Any = SECRET) -> Any:
    return parse_webhook(body, found, secret, now=NOW)


@pytest.mark.parametrize("body", [BODY, BODY.decode()], ids=["bytes", "text"])
def test_call_comes_in(body: bytes | str) -> None:
    """A call that comes in is typed, with its headers in order."""
    event = parse(body, headers())

    assert isinstance(event, RealtimeCallIncoming)
    assert ("evt_1", NOW, "rtc_1") == (event.id, event.created_at, event.call_id)
    assert SipHeader(name="Via", value="two") == event.data.sip_headers[2]


def test_sip_header() -> None:
    """A SIP header is found in any case; of several the first."""
    event = parse(BODY, headers())

    assert "sip:+142555512112@sip.example.com" == event.sip_header("FROM")
    assert "one" == event.sip_header("via")
    assert event.sip_header("X-None") is None


def test_unknown_type() -> None:
    """A webhook of another type keeps its payload."""
    body = b'{"type": "batch.completed", "id": "evt_2"}'
    event = parse(body, headers(body))

    assert isinstance(event, UnknownWebhook)
    assert ("batch.completed", "evt_2") == (event.type, event.payload["id"])


def test_unknown_fields() -> None:
    """Fields that are new are kept."""
    body = json.dumps({**CALL, "region": "swedencentral"}).encode()
    event = parse(body, headers(body))

    assert {"region": "swedencentral"} == event.extra


def test_names_of_headers() -> None:
    """The case of the names of headers does not matter."""
    found = {name.title(): value for name, value in headers().items()}

    assert "rtc_1" == parse(BODY, found).call_id


def test_several_secrets() -> None:
    """While one secret replaces another, both are good."""
    assert "rtc_1" == parse(BODY, headers(), [OTHER, SECRET]).call_id


def test_several_signatures() -> None:
    """One good signature among several is enough."""
    other = webhook_signature(BODY, webhook_id="wh_1", timestamp=NOW, secret=OTHER)
    good = headers()["webhook-signature"]

    assert "rtc_1" == parse(BODY, headers(signature=f"v2,x {other} {good}")).call_id


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (BODY + b" ", headers()),
        (BODY, headers(secret=OTHER)),
        (BODY, headers(id="wh_2")),
        (BODY, headers(timestamp=str(NOW + 1))),
        (BODY, headers(signature="")),
        (BODY, headers(signature="v1,")),
        (BODY, headers(signature="v1,é")),
        (BODY, headers(signature=headers()["webhook-signature"].replace("v1", "v2"))),
        (BODY, headers(timestamp="yesterday")),
        (BODY, {}),
        (b"[]", headers(b"[]")),
        (b"{", headers(b"{")),
    ],
)
def test_refused(body: bytes, found: dict[str, str]) -> None:
    """What is changed, unsigned or no object is refused."""
    with pytest.raises(WebhookError):
        parse(body, found)


@pytest.mark.parametrize("off", [-301, 301])
def test_old(off: int) -> None:
    """One that is sent again later, or comes from the future, is refused."""
    with pytest.raises(WebhookError, match=" s old"):
        parse_webhook(BODY, headers(), SECRET, now=NOW + off)


def test_machine_clock() -> None:
    """Without a time it is the machine's, on which that of the tests is long ago."""
    with pytest.raises(WebhookError, match="sent again"):
        parse_webhook(BODY, headers(), SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!"])
def test_bad_secret(secret: str) -> None:
    """A secret that cannot be one is the application's mistake."""
    with pytest.raises(ValueError, match="secret is"):
        parse(BODY, headers(), secret)


@pytest.mark.parametrize("secret", [SECRET, "plain"])
def test_openai_agrees(secret: str) -> None:
    """openai-python accepts the signatures, with either form of secret."""
    client = openai.OpenAI(api_key="any")
    with client:
        client.webhooks.verify_signature(
            BODY, headers(secret=secret), secret=secret, tolerance=10**10
        )
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.verify_signature(
                BODY + b" ", headers(secret=secret), secret=secret, tolerance=10**10
            )
