"""The control API: keys for browsers and calls, served by the emulator."""

from __future__ import annotations

import io
import json
import logging
import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from servers import PATIENCE, refused_port

from realtime_sync import (
    AuthenticationError,
    ConnectError,
    ControlClient,
    ControlError,
    EphemeralKey,
    HandshakeError,
    RealtimeClient,
    RealtimeSession,
    RemoteProtocolError,
    TranscriptionSession,
    TranslationSession,
    parse_webhook,
)
from realtime_sync.emulator import EmulatorSettings, ManualClock, RealtimeEmulator
from realtime_sync.emulator._http import HttpRequest, json_response


OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
SECRET = "whsec_dGVzdHM="
BRIEF = RealtimeSession(instructions="Be brief.")


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock(epoch=time.time())


@pytest.fixture(name="emulator")
def _emulator(clock: ManualClock) -> Iterator[RealtimeEmulator]:
    with RealtimeEmulator(
        speech="tone",
        settings=EmulatorSettings.instant(),
        api_keys=["good", "token"],
        clock=clock,
    ) as emulator:
        yield emulator


@pytest.fixture(name="client")
def _client(emulator: RealtimeEmulator) -> RealtimeClient:
    return RealtimeClient(
        emulator.endpoint, "good", model="gpt-realtime", session=BRIEF, proxy=""
    )


@pytest.fixture(name="control")
def _control(client: RealtimeClient) -> Iterator[ControlClient]:
    with ControlClient(client) as control:
        yield control


class Service:
    """Answers requests as a test says, and keeps what came."""

    def __init__(self, emulator: RealtimeEmulator) -> None:
        self.requests: list[HttpRequest] = []
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        emulator.control.answer = self.answer  # type: ignore[method-assign]

    def answer(self, request: HttpRequest) -> Any:
        self.requests.append(request)
        return json_response(*self.answers.pop(0))

    def then(self, status: int, body: Any = None, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))


@pytest.fixture(name="service")
def _service(emulator: RealtimeEmulator) -> Service:
    return Service(emulator)


KEY: Mapping[str, Any] = {"value": "ek_1", "expires_at": 5, "session": {}}


class TestClientSecrets:
    def test_opens_a_session(
        self, emulator: RealtimeEmulator, control: ControlClient
    ) -> None:
        """A key opens sessions that are set up as it says."""
        key = control.create_client_secret()
        browser = RealtimeClient(emulator.endpoint, key, model="gpt-realtime", proxy="")
        with browser.connect() as connection:
            answer = connection.ask("hello").text

        assert "Hello! How can I help you?" == answer
        assert "Be brief." == emulator.sessions[0].config.instructions
        assert key.session.instructions == "Be brief."

    def test_expires(
        self, clock: ManualClock, emulator: RealtimeEmulator, control: ControlClient
    ) -> None:
        """A key opens nothing when it has expired; what it opened goes on."""
        key = control.create_client_secret(expires_after=60)
        browser = RealtimeClient(emulator.endpoint, key, model="gpt-realtime", proxy="")
        with browser.connect() as connection:
            clock.advance(61)
            with pytest.raises(AuthenticationError):
                browser.connect()

            assert "Hello" in connection.ask("hello").text
        assert key.expires_at == int(clock.epoch()) - 1

    def test_expires_where_any_key_is_good(self, clock: ManualClock) -> None:
        """An expired key is refused also by an emulator that takes any other."""
        with RealtimeEmulator(clock=clock, speech="tone") as emulator:
            client = RealtimeClient(emulator.endpoint, "any", model="m", proxy="")
            with ControlClient(client) as control:
                key = control.create_client_secret(expires_after=10)
            clock.advance(11)
            browser = attrs.evolve(client, credential=key)
            with pytest.raises(AuthenticationError, match="has expired"):
                browser.connect()

    def test_transcription(
        self, emulator: RealtimeEmulator, control: ControlClient
    ) -> None:
        """A key for transcription opens that and nothing else."""
        key = control.create_client_secret(
            {
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "w", "language": "en"}}},
            }
        )
        browser = RealtimeClient(emulator.endpoint, key, model="gpt-realtime", proxy="")
        browser.connect_transcription().close()
        with pytest.raises(AuthenticationError, match="type transcription"):
            browser.connect()

        assert isinstance(key.session, TranscriptionSession)
        assert "en" == emulator.sessions[0].config.audio.input.transcription.language

    def test_translation(
        self, emulator: RealtimeEmulator, control: ControlClient
    ) -> None:
        """A key for translation opens a session in the language that it says."""
        key = control.create_client_secret(
            {"type": "translation", "audio": {"output": {"language": "es"}}}
        )
        browser = RealtimeClient(emulator.endpoint, key, model="gpt-realtime", proxy="")
        browser.connect_translation().close()

        assert isinstance(key.session, TranslationSession)
        assert "es" == emulator.sessions[0].config.audio.output.language

    def test_wire(self, service: Service, control: ControlClient) -> None:
        """The request has the client's model, and the seconds from its creation."""
        service.then(200, KEY)
        control.create_client_secret(expires_after=30)
        (request,) = service.requests

        assert "/openai/v1/realtime/client_secrets" == request.path
        assert "good" == request.headers["api-key"]
        assert {
            "session": {
                "type": "realtime",
                "model": "gpt-realtime",
                "instructions": "Be brief.",
            },
            "expires_after": {"anchor": "created_at", "seconds": 30},
        } == json.loads(request.body)

    def test_own_model(self, service: Service, control: ControlClient) -> None:
        """A session's own model stays."""
        service.then(200, KEY)
        control.create_client_secret(RealtimeSession(model="other"))

        assert {"type": "realtime", "model": "other"} == json.loads(
            service.requests[0].body
        )["session"]

    def test_unknown_type(self, control: ControlClient) -> None:
        """A type of session that there is not is refused before anything is sent."""
        with pytest.raises(ValueError, match="type is one of"):
            control.create_client_secret({"type": "dream"})

    @pytest.mark.parametrize("body", [b"", b"[]", {}, {**KEY, "session": 5}])
    def test_no_key(self, service: Service, control: ControlClient, body: Any) -> None:
        """An answer that is none is told as such, without what it held."""
        service.then(200, body)
        with pytest.raises(RemoteProtocolError, match="no client secret"):
            control.create_client_secret()

    def test_key_is_hidden(self) -> None:
        """The key is not in its repr; it survives pickling."""
        key = EphemeralKey(value="ek_1", expires_at=1, session=BRIEF)

        assert "ek_1" not in repr(key)
        assert "ek_1" == pickle.loads(pickle.dumps(key))()


class TestCalls:
    def test_create(
        self,
        emulator: RealtimeEmulator,
        client: RealtimeClient,
        control: ControlClient,
    ) -> None:
        """A call is made of an offer, and can be joined until it is hung up."""
        call = control.create_call(OFFER)
        with client.connect(call_id=call.call_id) as watching:
            answer = watching.ask("hello").text
            control.hangup_call(call.call_id)

            assert watching.wait_closed(PATIENCE)
        assert "m=audio 9 UDP/TLS/RTP/SAVPF 111" in call.answer
        assert "Be brief." == emulator.control.calls[call.call_id].session.instructions
        assert "Be brief." == emulator.sessions[0].config.instructions
        assert {"call_id": call.call_id} == emulator.sessions[0].query
        assert "Hello! How can I help you?" == answer
        assert "ended" == emulator.control.calls[call.call_id].state
        with pytest.raises(HandshakeError, match="No session found"):
            client.connect(call_id=call.call_id)

    def test_create_with_key(
        self, emulator: RealtimeEmulator, client: RealtimeClient, control: ControlClient
    ) -> None:
        """With an ephemeral key the bare offer is sent, as browsers do."""
        key = control.create_client_secret()
        browser = RealtimeClient(emulator.endpoint, key, proxy="")
        with ControlClient(browser) as second:
            call = second.create_call(OFFER)

        assert OFFER == emulator.control.calls[call.call_id].offer

    def test_create_without_location(
        self, service: Service, control: ControlClient
    ) -> None:
        """An answer without the call's id is told as such."""
        service.then(201, b"v=0")
        with pytest.raises(RemoteProtocolError, match="Location"):
            control.create_call(OFFER)

    def test_accept(
        self,
        emulator: RealtimeEmulator,
        client: RealtimeClient,
        control: ControlClient,
        clock: ManualClock,
    ) -> None:
        """A call rings, is accepted, watched, handed over, and over."""
        ring = emulator.control.ring(SECRET, sip_headers={"From": "sip:me@here"})
        event: Any = parse_webhook(ring.body, ring.headers, SECRET, now=clock.epoch())
        with pytest.raises(HandshakeError):
            client.connect(call_id=event.call_id)
        control.accept_call(event.call_id, {"instructions": "Answer the phone."})
        with client.connect(call_id=event.call_id) as watching:
            assert "Answer the phone." == watching.session.instructions
            watching.update_session({"instructions": "Say goodbye."})
            control.refer_call(event.call_id, "tel:+14155550123")

            assert watching.wait_closed(PATIENCE)
        call = emulator.control.calls[event.call_id]

        assert "sip:me@here" == event.sip_header("From")
        assert "Answer the phone." == call.session.instructions
        assert ("referred", "tel:+14155550123") == (call.state, call.target_uri)
        assert "Say goodbye." == emulator.sessions[-1].config.instructions

    @pytest.mark.parametrize(("given", "sent"), [(None, 603), (486, 486)])
    def test_reject(
        self,
        emulator: RealtimeEmulator,
        control: ControlClient,
        given: int | None,
        sent: int,
    ) -> None:
        """A call is declined, and then it is no more."""
        ring = emulator.control.ring(SECRET)
        control.reject_call(ring.call_id, status_code=given)
        with pytest.raises(ControlError) as caught:
            control.accept_call(ring.call_id)

        assert sent == emulator.control.calls[ring.call_id].status_code
        assert (404, "call_id_not_found") == (caught.value.status, caught.value.code)

    def test_call_id_in_path(self, service: Service, control: ControlClient) -> None:
        """An id goes into the path as one part of it, whatever it holds."""
        service.then(200)
        control.hangup_call("../a/b")

        assert "/openai/v1/realtime/calls/..%2Fa%2Fb/hangup" == service.requests[0].path
        with pytest.raises(ValueError, match="call_id is empty"):
            control.hangup_call("")


class Tokens:
    """Gives tokens, and counts them."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("token", int(time.time()) + 3600)


class TestPipeline:
    def test_retry(self, service: Service, client: RealtimeClient) -> None:
        """What may be tried again is, with a fresh token for each try."""
        tokens = Tokens()
        service.then(503)
        service.then(429, retry_after="0")
        service.then(200, KEY)
        own = attrs.evolve(client, credential=tokens, scope="https://s/.default")
        with ControlClient(own) as control:
            control.create_client_secret()

        assert ["https://s/.default"] * 3 == tokens.scopes
        assert ["Bearer token"] * 3 == [
            each.headers["Authorization"] for each in service.requests
        ]

    def test_not_retried(self, service: Service, control: ControlClient) -> None:
        """A refusal is told with all that the service said of it."""
        error = {"error": {"code": "bad", "message": "no such thing"}}
        service.then(400, error, x_request_id="req_1")
        with pytest.raises(ControlError) as caught:
            control.create_client_secret()
        same = pickle.loads(pickle.dumps(caught.value))

        assert (400, "bad", "no such thing") == (same.status, same.code, same.message)
        assert {"x-request-id": "req_1"} == same.request_ids
        assert (
            "the server refused the request with HTTP 400; bad; no such thing; "
            "x-request-id req_1"
        ) == str(same)

    def test_wrong_key(self, client: RealtimeClient) -> None:
        """A wrong key is told with what to look at."""
        own = attrs.evolve(client, credential=AzureKeyCredential("bad"))
        with (
            ControlClient(own) as control,
            pytest.raises(AuthenticationError, match="With a key"),
        ):
            control.create_client_secret()

    def test_redirect(self, service: Service, control: ControlClient) -> None:
        """A redirect is refused, as it would carry the key elsewhere."""
        service.then(307, location="http://elsewhere.example/x")
        with pytest.raises(ControlError, match="redirect"):
            control.create_client_secret()

        assert 1 == len(service.requests)

    def test_nobody_there(self) -> None:
        """Where nobody listens, that is said."""
        client = RealtimeClient(
            f"ws://127.0.0.1:{refused_port()}", "key", model="m", proxy=""
        )
        with ControlClient(client) as control, pytest.raises(ConnectError):
            control.hangup_call("rtc_1", timeout=1)

    def test_headers(self, service: Service, client: RealtimeClient) -> None:
        """The client's headers and its User-Agent go with each request."""
        service.then(200)
        own = attrs.evolve(client, headers={"X-Team": "voice"}, user_agent="app/1")
        with ControlClient(own) as control:
            control.hangup_call("rtc_1")
        sent = service.requests[0].headers

        assert "voice" == sent["X-Team"]
        assert sent["User-Agent"].startswith("app/1 realtime-sync/")
        assert sent["x-ms-client-request-id"]

    def test_bearer_for_openai_paths(self, emulator: RealtimeEmulator) -> None:
        """Off Azure's paths a key is a bearer token."""
        service = Service(emulator)
        service.then(200)
        client = RealtimeClient(f"{emulator.endpoint}/v1", "good", model="m", proxy="")
        with ControlClient(client) as control:
            control.hangup_call("rtc_1")

        assert "Bearer good" == service.requests[0].headers["Authorization"]
        assert "/v1/realtime/calls/rtc_1/hangup" == service.requests[0].path

    def test_tls(self) -> None:
        """TLS trusts the client's context, and no one without it."""
        with RealtimeEmulator(tls=True, speech="tone") as emulator:
            client = RealtimeClient(
                emulator.endpoint,
                "key",
                model="m",
                proxy="",
                ssl_context=emulator.ssl_context(),
            )
            with ControlClient(client) as control:
                assert control.create_client_secret().value.startswith("ek_")
            stranger = attrs.evolve(client, ssl_context=None)
            with ControlClient(stranger) as control, pytest.raises(ConnectError):
                control.create_client_secret(timeout=1)

    def test_proxy(self, service: Service, client: RealtimeClient) -> None:
        """A proxy of the client's is asked, with its log-in."""
        service.then(200)
        port = client.endpoint.rpartition(":")[2]
        own = RealtimeClient(
            "ws://elsewhere.example",
            "good",
            model="m",
            proxy=f"http://me:p%40ss@127.0.0.1:{port}",
        )
        with ControlClient(own) as control:
            control.hangup_call("rtc_1")
        (request,) = service.requests

        assert request.path.startswith("http://elsewhere.example/openai/v1/")
        assert "Basic bWU6cEBzcw==" == request.headers["Proxy-Authorization"]

    def test_log_has_no_secret(
        self, control: ControlClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """At no level does the log hold a key, neither sent nor received."""
        caplog.set_level(logging.DEBUG)
        key = control.create_client_secret()

        assert "Request method: 'POST'" in caplog.text
        assert "good" not in caplog.text
        assert key.value not in caplog.text

    def test_preview(self) -> None:
        """The preview has no control API, which is said at once."""
        client = RealtimeClient(
            "wss://r.openai.azure.com",
            "key",
            model="m",
            api_version="2025-04-01-preview",
        )
        with pytest.raises(ValueError, match="preview has no control API"):
            ControlClient(client)

    def test_repr(self, control: ControlClient) -> None:
        """The repr says where to, and no secret."""
        assert repr(control).startswith("<ControlClient 127.0.0.1:")

    def test_close(self, client: RealtimeClient) -> None:
        """It can be closed twice, used or not, and then says what to do."""
        unused = ControlClient(client)
        unused.close()
        unused.close()
        with ControlClient(client) as control:
            control.create_client_secret()
        control.close()

        with pytest.raises(RuntimeError, match="is closed: make another"):
            control.create_client_secret()


class TestArguments:
    """What is wrong is said where it was passed, and nothing is sent."""

    @pytest.mark.parametrize("client", ["https://r.openai.azure.com", None])
    def test_no_client(self, client: Any) -> None:
        """It is made of a client, whose credential and settings it takes."""
        with pytest.raises(TypeError, match="is made of a RealtimeClient, not"):
            ControlClient(client)

    @pytest.mark.parametrize(
        ("send", "error", "words"),
        [
            (
                lambda c: c.create_client_secret("x"),
                TypeError,
                "RealtimeSession or a mapping, not str",
            ),
            (lambda c: c.accept_call(None), TypeError, "call_id is a str, not None"),
            (lambda c: c.accept_call(""), ValueError, "call_id is empty"),
            (lambda c: c.create_call(b"v=0"), TypeError, "offer is a str, not bytes"),
            (lambda c: c.refer_call("c", None), TypeError, "target_uri is a str"),
            (
                lambda c: c.hangup_call("c", timeout=-1),
                ValueError,
                "timeout is a number",
            ),
            (lambda c: c.hangup_call("c", timeout=math.nan), ValueError, "not nan"),
            (lambda c: c.hangup_call("c", timeout="5"), TypeError, "seconds .* str"),
        ],
    )
    def test_wrong(
        self,
        service: Service,
        control: ControlClient,
        send: Callable[[ControlClient], object],
        error: type[Exception],
        words: str,
    ) -> None:
        """An argument of the wrong type or value is named."""
        with pytest.raises(error, match=words):
            send(control)

        assert [] == service.requests


def test_unused_imports_stay_out() -> None:
    """Importing the module loads neither azure.core nor requests."""
    import subprocess
    import sys

    code = (
        "import sys, realtime_sync.control, realtime_sync.webhooks;"
        "print({'azure.core', 'requests'} & set(sys.modules))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert "set()" == io.StringIO(out).read().strip()
