"""The doctor stops at the step that fails, and says what to do there."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import servers
import trustme
from azure.core.credentials import AccessToken

from realtime_sync import RealtimeClient
from realtime_sync.doctor import STEPS, Check, diagnose
from realtime_sync.emulator import EmulatorSettings, Fault, RealtimeEmulator
from realtime_sync.emulator.faults import FaultKind


_QUESTION = Path(__file__).parents[1] / "examples" / "audio" / "question.wav"
# Seconds for each step where something stays away for ever; less before the session,
# for there is less to be done in them.
_PATIENCE = {"session": 0.6, "text": 1.0, "speech": 1.0}


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _emulator(**options: Any) -> RealtimeEmulator:
    settings = EmulatorSettings.instant(close_timeout=0.1)
    return RealtimeEmulator(speech="tone", settings=settings, **options)


@pytest.fixture(name="emulator")
def _running_emulator() -> Iterator[RealtimeEmulator]:
    with _emulator() as emulator:
        yield emulator


def _client(endpoint: str, key: Any = "k", **settings: Any) -> RealtimeClient:
    settings.setdefault("model", "gpt-realtime")
    return RealtimeClient(endpoint, key, close_timeout=0.2, **settings)


def _examine(make: Callable[[], RealtimeClient], timeout: float = 10.0) -> list[Check]:
    return list(diagnose(make, timeout=timeout))


def _failed(checks: list[Check]) -> Check:
    """Return the one that failed, and see to it that nothing came after it."""
    (failed,) = [check for check in checks if check.status == "failed"]
    later = checks[checks.index(failed) + 1 :]

    assert {"skipped"} >= {check.status for check in later}
    assert failed.remedy
    return failed


def test_walks_to_the_first_sound(emulator: RealtimeEmulator) -> None:
    """Where nothing is wrong all steps are taken, in order, with their times."""
    started: list[str] = []
    client = _client(emulator.endpoint)
    checks = list(diagnose(lambda: client, on_start=started.append))

    assert list(STEPS) == started == [check.name for check in checks]
    assert {"ok", "skipped"} == {check.status for check in checks}
    assert ["tunnel", "tls"] == [c.name for c in checks if c.status == "skipped"]
    assert re.fullmatch(r"first audio after \d+\.\d\d s", checks[-1].summary)
    assert all(check.seconds >= 0 for check in checks)


def test_takes_a_client(emulator: RealtimeEmulator) -> None:
    """A client does as well as a function that makes one."""
    first = next(diagnose(_client(emulator.endpoint)))

    assert ("settings", "ok") == (first.name, first.status)


@pytest.mark.parametrize(
    ("client", "options", "error", "words"),
    [
        (None, {}, TypeError, "client is a RealtimeClient, or .*, not None"),
        (RealtimeClient, {}, TypeError, "not the class itself"),
        (_client, {"timeout": -1}, ValueError, "timeout is a number from 0"),
        (_client, {"timeout": "5"}, TypeError, "timeout is a number from 0, not str"),
        (_client, {"question": b"RIFF"}, TypeError, "question is a path .* bytes"),
    ],
)
def test_wrong_argument(
    client: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """What no step could be taken with is refused at the call."""
    with pytest.raises(error, match=words):
        diagnose(client, **options)


def test_maker_of_something_else() -> None:
    """A function that makes no client fails the first step."""
    failed = next(diagnose(lambda: 7))  # type: ignore[arg-type, return-value]

    assert "failed" == failed.status
    assert "the function that makes a client returns one, not 7" == failed.summary


def test_asks_a_recorded_question(emulator: RealtimeEmulator) -> None:
    """With a recording the last step is a turn that is asked aloud."""
    client = _client(emulator.endpoint)
    checks = list(diagnose(lambda: client, question=_QUESTION))

    assert {"ok", "skipped"} == {check.status for check in checks}
    assert "input_audio_buffer.commit" in [
        event.type for event in emulator.sessions[-1].client_events
    ]


def test_shows_the_certificates() -> None:
    """TLS is told with version and chain: subject, issuer and the end of each."""
    with _emulator(tls=True) as emulator:
        client = _client(emulator.endpoint, ssl_context=emulator.ssl_context())
        checks = _examine(lambda: client)
    (tls,) = [check for check in checks if check.name == "tls"]

    assert "ok" == tls.status
    assert tls.summary.startswith("TLSv1.")
    assert re.search(
        r"certificate '.*' for .*127\.0\.0\.1.*, issuer '.*', valid until \d{4}-",
        tls.details[0],
    )
    assert "ok" == checks[-1].status


# Each fault of the emulator: the step that it ends the way at, and words of the remedy.
_FAULTS = [
    ("refuse", "upgrade", "wss://"),
    ("http=400", "upgrade", "form"),
    ("http=401", "upgrade", "key"),
    ("http=403", "upgrade", "network rules"),
    ("http=404", "upgrade", "deployment named"),
    ("http=429", "upgrade", "quota"),
    ("http=503", "upgrade", "try again later"),
    ("redirect=wss://elsewhere.example/x", "upgrade", "elsewhere.example"),
    ("close=1011", "session", "support"),
    ("close=1008", "session", "its reason"),
    ("cut", "session", "firewalls"),
    ("freeze", "session", "gateway"),
    ("slow=100", "session", "gateway"),
    ("drop@session.created", "session", "gateway"),
    ("corrupt@session.created", "session", "breaks the rules"),
    ("giant", "session", "breaks the rules"),
    ("invalid_json", "session", "breaks the rules"),
    ("invalid_utf8", "session", "breaks the rules"),
    ("error", "session", "own words"),
    ("expire=0", "text", "connect again"),
    ("close=1011@response.created", "text", "the server failed"),
    ("cut@response.created", "text", "firewalls"),
    ("freeze@response.output_text.delta", "text", "more time"),
    ("drop@response.done", "text", "more time"),
    ("corrupt@response.created", "text", "more time"),
    ("giant@response.created", "text", "breaks the rules"),
    ("freeze@response.output_audio.delta", "speech", "more time"),
    ("cut@response.output_audio.delta", "speech", "firewalls"),
]


@pytest.mark.parametrize(("fault", "step", "words"), _FAULTS, ids=lambda each: each)
def test_fault_is_found(fault: str, step: str, words: str) -> None:
    """A fault fails the step that it is in, with a remedy that fits it."""
    silent = words in ("gateway", "more time")
    with _emulator(faults=[Fault.parse(fault)]) as emulator:
        client = _client(emulator.endpoint)
        failed = _failed(_examine(lambda: client, _PATIENCE[step] if silent else 10.0))

    assert step == failed.name
    assert words in (failed.remedy or "")


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("corrupt@response.output_text.delta", "text"),
        ("invalid_json@response.created", "text"),
        ("invalid_utf8@response.created", "text"),
        ("error@response.done", "text"),
        ("invalid_json@response.output_audio.delta", "speech"),
    ],
)
def test_fault_that_is_survived_is_a_warning(fault: str, step: str) -> None:
    """Messages that make no sense are told, where the way goes on all the same."""
    with _emulator(faults=[Fault.parse(fault)]) as emulator:
        client = _client(emulator.endpoint)
        checks = _examine(lambda: client)
    (warning,) = [check for check in checks if check.status == "warning"]

    assert step == warning.name
    assert warning.details
    assert warning.remedy


@pytest.mark.parametrize(
    "fault",
    [
        "duplicate@response.done",
        "reorder@response.output_text.delta",
        "drop@response.output_text.delta",
        "fragment",
        "unknown_event",
        "unknown_field",
        "binary@response.created",
    ],
)
def test_fault_that_does_not_matter_is_passed_over(fault: str) -> None:
    """What the protocol allows, or this library copes with, is no finding."""
    with _emulator(faults=[Fault.parse(fault)]) as emulator:
        client = _client(emulator.endpoint)
        checks = _examine(lambda: client)

    assert {"ok", "skipped"} == {check.status for check in checks}


def test_every_kind_of_fault_is_tried() -> None:
    """The tables above have all kinds of faults that the emulator has."""
    source = Path(__file__).read_text()
    missing = [
        kind for kind in get_args(FaultKind) if not re.search(rf'"{kind}[=@"]', source)
    ]

    assert [] == missing


def test_wrong_host() -> None:
    """A name that there is not fails at DNS."""
    client = _client("wss://no-such-host.invalid/openai/v1/realtime")
    failed = _failed(_examine(lambda: client))

    assert "dns" == failed.name
    assert "spelling" in (failed.remedy or "")


def test_closed_port() -> None:
    """A port that nobody listens on fails at TCP."""
    client = _client(f"ws://127.0.0.1:{servers.refused_port()}")
    failed = _failed(_examine(lambda: client))

    assert "tcp" == failed.name
    assert "port" in (failed.remedy or "")


def test_certificate_that_nobody_vouches_for() -> None:
    """A certificate of an unknown authority fails at TLS, and is shown."""
    with _emulator(tls=True) as emulator:
        client = _client(emulator.endpoint)
        failed = _failed(_examine(lambda: client))

    assert "tls" == failed.name
    assert "SSL_CERT_FILE" in (failed.remedy or "")
    assert any("issuer" in line for line in failed.details)


def test_certificate_of_another_host() -> None:
    """A certificate for another host fails at TLS, and tells which it is for."""
    server, trusting = servers.tls_contexts("other.example")
    with servers.serve(lambda peer: peer.wait_eof(), server) as listener:
        client = _client(f"wss://127.0.0.1:{listener.port}", ssl_context=trusting)
        failed = _failed(_examine(lambda: client))

    assert "tls" == failed.name
    assert "host name" in (failed.remedy or "")
    assert any("for other.example" in line for line in failed.details)


def test_port_without_tls() -> None:
    """TLS to a port that does without fails at TLS."""
    refusal = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with servers.serve(lambda peer: peer.send(refusal)) as server:
        client = _client(f"wss://127.0.0.1:{server.port}")
        failed = _failed(_examine(lambda: client))

    assert "tls" == failed.name
    assert "ws://" in (failed.remedy or "")


def test_certificate_that_ends_soon() -> None:
    """A certificate in its last days is a warning."""
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", not_after=soon)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusting = ssl.create_default_context()
    issued.configure_cert(server)
    authority.configure_trust(trusting)
    with servers.serve(lambda peer: peer.wait_eof(), server) as listener:
        client = _client(f"wss://127.0.0.1:{listener.port}", ssl_context=trusting)
        with contextlib.closing(diagnose(lambda: client)) as checks:
            tls = next(check for check in checks if check.name == "tls")

    assert "warning" == tls.status
    assert "ends in 2 days" in (tls.remedy or "")


def test_wrong_key() -> None:
    """A key that is not good fails at the upgrade, and is not shown."""
    with _emulator(api_keys=["good"]) as emulator:
        client = _client(emulator.endpoint, "secret-but-wrong")
        checks = _examine(lambda: client)

    assert "upgrade" == _failed(checks).name
    assert "check that it belongs" in (_failed(checks).remedy or "")
    assert "secret-but-wrong" not in repr(checks)


def test_wrong_deployment() -> None:
    """A deployment that there is not fails at the upgrade."""
    with _emulator(deployments=["mine"]) as emulator:
        client = _client(emulator.endpoint, model="yours")
        failed = _failed(_examine(lambda: client))

    assert "upgrade" == failed.name
    assert "deployment named 'yours'" in (failed.remedy or "")


def test_preview_url_without_its_version() -> None:
    """The preview's path with the GA protocol fails at the settings."""
    failed = _failed(
        _examine(lambda: _client("wss://r.openai.azure.com/openai/realtime"))
    )

    assert "settings" == failed.name
    assert "/openai/v1/realtime" in failed.summary + (failed.remedy or "")


def test_version_that_the_service_retired(emulator: RealtimeEmulator) -> None:
    """A version of the preview that is gone fails at the upgrade."""
    client = _client(emulator.endpoint, api_version="2024-10-01-preview")
    failed = _failed(_examine(lambda: client))

    assert "upgrade" == failed.name
    assert "api-version" in (failed.remedy or "")


def test_preview_dialect(emulator: RealtimeEmulator) -> None:
    """The preview is walked as the GA protocol is."""
    client = _client(emulator.endpoint, api_version="2025-04-01-preview")
    checks = _examine(lambda: client)

    assert {"ok", "skipped"} == {check.status for check in checks}
    assert "preview dialect" in checks[0].details[0]


def test_model_is_missing() -> None:
    """Settings without a model fail at the settings."""
    client = _client("https://r.openai.azure.com", model=None)
    failed = _failed(_examine(lambda: client))

    assert "settings" == failed.name
    assert "model" in failed.summary


def test_proxy_that_is_not_there(emulator: RealtimeEmulator) -> None:
    """A proxy that takes no connections fails at TCP, and is named before."""
    proxy = f"http://user:password@127.0.0.1:{servers.refused_port()}"
    client = _client(emulator.endpoint, proxy=proxy)
    checks = _examine(lambda: client)

    assert "tcp" == _failed(checks).name
    assert "http://127.0.0.1" in checks[1].summary
    assert "password" not in repr(checks)


def test_proxy_that_refuses(emulator: RealtimeEmulator) -> None:
    """A proxy that does not let through fails at the tunnel."""
    with servers.http_proxy("user:password") as (proxy, _):
        client = _client(emulator.endpoint, proxy=f"http://127.0.0.1:{proxy.port}")
        failed = _failed(_examine(lambda: client))

    assert "tunnel" == failed.name
    assert "into its address" in (failed.remedy or "")


def test_proxy_that_leads_there(emulator: RealtimeEmulator) -> None:
    """Through a proxy that works the whole way is walked."""
    with servers.http_proxy() as (proxy, targets):
        client = _client(emulator.endpoint, proxy=f"http://127.0.0.1:{proxy.port}")
        checks = _examine(lambda: client)

    assert {"ok", "skipped"} == {check.status for check in checks}
    assert "ok" == checks[STEPS.index("tunnel")].status
    assert {emulator.endpoint.removeprefix("ws://")} == set(targets)


def test_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment names and is no proxy fails at the proxy."""
    monkeypatch.setenv("https_proxy", "gopher://127.0.0.1:70")
    client = _client("https://r.openai.azure.com")
    failed = _failed(_examine(lambda: client))

    assert "proxy" == failed.name
    assert "use one of" in failed.summary + (failed.remedy or "")


# Tokens


class FakeCredential:
    """Hands out a token with the claims that it is given."""

    def __init__(self, **claims: Any) -> None:
        parts = [{"alg": "none"}, claims]
        text = [base64.urlsafe_b64encode(json.dumps(p).encode()) for p in parts]
        self.token = ".".join(part.decode().rstrip("=") for part in text) + ".c2ln"

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


def _credential_check(credential: Any, emulator: RealtimeEmulator) -> Check:
    client = _client(emulator.endpoint, credential)
    return {check.name: check for check in _examine(lambda: client)}["credential"]


def test_token_is_told_by_what_it_says(emulator: RealtimeEmulator) -> None:
    """Audience, issuer and expiry of a token are shown, the token is not."""
    credential = FakeCredential(
        aud="https://ai.azure.com", iss="https://sts/1", exp=time.time() + 3600
    )
    check = _credential_check(credential, emulator)

    assert "ok" == check.status
    assert (
        "audience https://ai.azure.com",
        "issuer https://sts/1",
        "expires in 60 min",
    ) == check.details
    assert credential.token not in repr(check)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"aud": "https://graph.microsoft.com"}, "for https://graph.microsoft.com"),
        ({"aud": "https://ai.azure.com", "exp": 1}, "expired"),
    ],
)
def test_token_that_cannot_do(
    claims: dict[str, Any], words: str, emulator: RealtimeEmulator
) -> None:
    """A token for something else, or of yesterday, is a warning."""
    check = _credential_check(FakeCredential(**claims), emulator)

    assert "warning" == check.status
    assert words in (check.remedy or "")


@pytest.mark.parametrize("token", ["ek_123", "a.b.c", "a.W10.c", "..."])
def test_token_that_says_nothing(token: str, emulator: RealtimeEmulator) -> None:
    """What is no JSON web token is told by where it comes from."""
    check = _credential_check(lambda: token, emulator)

    assert ("ok", "from function, sent as Authorization") == (
        check.status,
        check.summary,
    )


def test_credential_without_a_token(emulator: RealtimeEmulator) -> None:
    """A credential that has no token fails at that step."""

    class Locked:
        def get_token(self, *scopes: str, **_: Any) -> AccessToken:
            raise OSError("not signed in")

    client = _client(emulator.endpoint, Locked())
    failed = _failed(_examine(lambda: client))

    assert "credential" == failed.name
    assert "az login" in failed.summary + (failed.remedy or "")


def test_audience_is_named_where_the_token_is_refused() -> None:
    """After a 401 the remedy says what the token is for."""
    with _emulator(api_keys=["good"]) as emulator:
        client = _client(emulator.endpoint, FakeCredential(aud="https://x.example"))
        failed = _failed(_examine(lambda: client))

    assert "upgrade" == failed.name
    assert "The token is for https://x.example." in (failed.remedy or "")
