"""openai-python's client secrets, calls and webhooks, against the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from emulated import TONES

from realtime_sync.emulator import EmulatorSettings, ManualClock, RealtimeEmulator


# The package opens its WebSocket in a way that websockets has come to warn about.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"
)

OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=application 9 DTLS/SCTP 5000\r\n"
SECRET = "whsec_dGVzdHM="
SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "Be brief."}


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="emulator")
def _emulator(clock: ManualClock) -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(
        speech=TONES,
        settings=EmulatorSettings.instant(),
        api_keys=["good"],
        clock=clock,
    ) as emulator:
        yield emulator


def openai_client(emulator: RealtimeEmulator, key: str, path: str = "/v1") -> Any:
    return openai.OpenAI(
        api_key=key,
        base_url=f"{emulator.endpoint.replace('ws', 'http', 1)}{path}",
        websocket_base_url=f"{emulator.endpoint}{path}",
        max_retries=0,
    )


@pytest.fixture(name="client", params=["/v1", "/openai/v1"])
def _client(
    request: pytest.FixtureRequest, emulator: RealtimeEmulator
) -> Iterator[Any]:
    with openai_client(emulator, "good", request.param) as client:
        yield client


def test_client_secret(
    client: Any, emulator: RealtimeEmulator, clock: ManualClock
) -> None:
    """A secret is made, opens a session as it says, and expires."""
    secret = client.realtime.client_secrets.create(
        session=SESSION, expires_after={"anchor": "created_at", "seconds": 60}
    )
    with openai_client(emulator, secret.value) as browser:
        with browser.realtime.connect(model="gpt-realtime") as connection:
            created = connection.recv()
        clock.advance(60)
        with pytest.raises(Exception, match="401"):
            browser.realtime.connect(model="gpt-realtime").enter()

    assert "Be brief." == secret.session.instructions == created.session.instructions
    assert int(clock.epoch()) == secret.expires_at
    assert secret.value.startswith("ek_")


def test_transcription_secret(client: Any) -> None:
    """A secret for a session that only transcribes."""
    secret = client.realtime.client_secrets.create(session={"type": "transcription"})

    assert "transcription" == secret.session.type


def test_translation_secret(client: Any) -> None:
    """A secret for a session that translates."""
    secret = client.realtime.translations.client_secrets.create(
        session={"model": "translator", "audio": {"output": {"language": "es"}}}
    )

    assert "es" == secret.session.audio.output.language
    assert "translator" == secret.session.model


def test_call(client: Any, emulator: RealtimeEmulator) -> None:
    """A call is made of an offer, joined, and hung up."""
    answer = client.realtime.calls.create(sdp=OFFER, session=SESSION)
    call_id = answer.response.headers["location"].rpartition("/")[2]
    with client.realtime.connect(call_id=call_id) as connection:
        created = connection.recv()
        client.realtime.calls.hangup(call_id)
        events = [event.type for event in connection]

    assert 201 == answer.response.status_code
    assert "m=application 9 DTLS/SCTP 5000" in answer.text
    assert "Be brief." == created.session.instructions
    assert ["conversation.created"] == events
    assert "ended" == emulator.control.calls[call_id].state


def test_telephone(client: Any, emulator: RealtimeEmulator, clock: ManualClock) -> None:
    """A call rings by a webhook that the package takes; it is taken, and referred."""
    ringing = emulator.control.ring(SECRET)
    client.webhooks.verify_signature(
        ringing.body, ringing.headers, secret=SECRET, tolerance=10**10
    )
    client.realtime.calls.accept(ringing.call_id, **SESSION)
    client.realtime.calls.refer(ringing.call_id, target_uri="sip:agent@example.com")

    assert ringing.call_id == json.loads(ringing.body)["data"]["call_id"]
    assert "referred" == emulator.control.calls[ringing.call_id].state


def test_reject(client: Any, emulator: RealtimeEmulator) -> None:
    """A call is declined, and then there is none."""
    ringing = emulator.control.ring(SECRET)
    client.realtime.calls.reject(ringing.call_id, status_code=486)
    with pytest.raises(openai.NotFoundError):
        client.realtime.calls.accept(ringing.call_id, **SESSION)

    assert 486 == emulator.control.calls[ringing.call_id].status_code


@pytest.mark.parametrize(
    ("session", "options", "message"),
    [
        ({"type": "dream"}, {}, "session.type"),
        ({**SESSION, "voice": "x"}, {}, "session.voice"),
        (SESSION, {"expires_after": {"seconds": 1}}, "expires_after.seconds"),
        ({"type": "realtime", "audio": {"input": {"format": 5}}}, {}, "session"),
    ],
)
def test_bad_requests(client: Any, session: Any, options: Any, message: str) -> None:
    """What the service would refuse is refused, with the parameter that is wrong."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.realtime.client_secrets.create(session=session, **options)

    assert message == caught.value.param


def test_no_sdp(client: Any) -> None:
    """An offer that is none is refused."""
    with pytest.raises(openai.BadRequestError, match="no SDP"):
        client.realtime.calls.create(sdp="hello", session=SESSION)


def test_no_uri(client: Any, emulator: RealtimeEmulator) -> None:
    """A call is referred to somebody."""
    ringing = emulator.control.ring(SECRET)
    client.realtime.calls.accept(ringing.call_id, **SESSION)
    with pytest.raises(openai.BadRequestError, match="target_uri"):
        client.realtime.calls.refer(ringing.call_id, target_uri="")


@pytest.mark.parametrize("path", ["/openai/v1", "/v1"])
def test_wrong_key(emulator: RealtimeEmulator, path: str) -> None:
    """A wrong key is told by the package's own exception."""
    with (
        openai_client(emulator, "bad", path) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.realtime.client_secrets.create(session=SESSION)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("post", "/realtime/nothing", 404),
        ("post", "/realtime/calls/rtc_1/nothing", 404),
        ("post", "/elsewhere", 404),
        ("delete", "/realtime/calls/rtc_1", 405),
    ],
)
def test_no_such_route(client: Any, method: str, path: str, status: int) -> None:
    """Other paths and verbs are refused."""
    with pytest.raises(openai.APIStatusError) as caught:
        getattr(client, method)(path, cast_to=object)

    assert status == caught.value.status_code


@pytest.mark.parametrize("body", ["{", "[]"])
def test_no_json(client: Any, body: str) -> None:
    """A body that is no JSON object is refused."""
    with pytest.raises(openai.BadRequestError, match="no JSON object"):
        client.post("/realtime/client_secrets", content=body, cast_to=object)
