"""Credentials: which header they become, and what is refused without showing them."""

from __future__ import annotations

import http.server
import json
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
from azure.core.credentials import (
    AccessToken,
    AccessTokenInfo,
    AzureKeyCredential,
    AzureSasCredential,
)
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    get_bearer_token_provider,
)
from azure.identity.aio import AzureCliCredential as AsyncAzureCliCredential

from realtime_sync.credentials import (
    authorization_headers,
    check_credential,
    handshake_hint,
)
from realtime_sync.endpoints import Endpoint, resolve_endpoint
from realtime_sync.errors import ConnectError, HandshakeError


AZURE = resolve_endpoint("https://res.openai.azure.com", model="dep")
PREVIEW = resolve_endpoint(
    "https://res.openai.azure.com", model="dep", api_version="2025-04-01-preview"
)
OPENAI = resolve_endpoint("https://api.openai.com", model="gpt-realtime")
LOCAL = resolve_endpoint("ws://127.0.0.1:1")
GATEWAY = resolve_endpoint("wss://gw.example.org/v1/realtime")
PLAIN = resolve_endpoint("ws://gw.example.org/openai/v1/realtime")


@attrs.define
class OldCredential:
    """A credential with the older of the two methods, and a new token at each call."""

    scopes: list[str] = attrs.field(factory=list)
    error: Exception | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if self.error is not None:
            raise self.error
        self.scopes.extend(scopes)
        return AccessToken(f"old-{len(self.scopes)}", 0)


@attrs.define
class NewCredential(OldCredential):
    """A credential with both methods."""

    def get_token_info(
        self, *scopes: str, options: object | None = None
    ) -> AccessTokenInfo:
        self.scopes.extend(scopes)
        return AccessTokenInfo(f"new-{len(self.scopes)}", 0)


class FixedCredential:
    """A credential that answers what it was told to."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self._answer


class OwnKeyCredential(AzureKeyCredential):
    """Somebody's own kind of key."""


# Keys


@pytest.mark.parametrize("make", [str, AzureKeyCredential, OwnKeyCredential])
@pytest.mark.parametrize(
    ("endpoint", "headers"),
    [
        (AZURE, {"api-key": "k3y"}),
        (PREVIEW, {"api-key": "k3y"}),
        (LOCAL, {"api-key": "k3y"}),
        (PLAIN, {"api-key": "k3y"}),
        (OPENAI, {"Authorization": "Bearer k3y"}),
        (GATEWAY, {"Authorization": "Bearer k3y"}),
    ],
)
def test_a_key_goes_where_the_service_looks_for_it(
    make: Callable[[str], Any], endpoint: Endpoint, headers: dict[str, str]
) -> None:
    """Azure has a header for keys, everything else takes them as bearer tokens."""
    assert headers == authorization_headers(make("k3y"), endpoint)


def test_a_key_that_was_rotated_is_used_at_the_next_call() -> None:
    """An AzureKeyCredential can be updated while clients hold it."""
    credential = AzureKeyCredential("one")
    first = authorization_headers(credential, AZURE)
    credential.update("two")

    assert {"api-key": "one"} == first
    assert {"api-key": "two"} == authorization_headers(credential, AZURE)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("s3cr3t\n", "begins or ends with white space"),
        (" s3cr3t", "begins or ends with white space"),
        ("'s3cr3t'", "stands in quotes"),
        ("s3cr3t\r\nX-Evil: 1", "contains white space"),
        ("Bearer s3cr3t", "contains white space"),
        ("s3cr3t\x00", "contains white space"),
        ("s3cr3t…", "contains white space"),
    ],
)
def test_a_key_that_is_not_fit_for_a_header_is_refused(key: str, words: str) -> None:
    """It could add headers of its own; the message does not repeat it."""
    for credential in (key, lambda: key):
        with pytest.raises(ValueError, match=words) as caught:
            authorization_headers(credential, AZURE)

        assert "s3cr3t" not in "".join(traceback.format_exception_only(caught.value))


def test_an_azure_key_credential_is_checked_too() -> None:
    """It takes any string itself."""
    with pytest.raises(ValueError, match="AzureKeyCredential begins or ends"):
        authorization_headers(AzureKeyCredential("s3cr3t\n"), AZURE)


# Tokens


def test_a_token_is_asked_for_at_each_call() -> None:
    """Each connect has a fresh one: caching is the credential's business."""
    credential = OldCredential()

    headers = [authorization_headers(credential, AZURE) for _ in range(2)]

    assert [
        {"Authorization": "Bearer old-1"},
        {"Authorization": "Bearer old-2"},
    ] == headers


def test_the_newer_method_of_a_credential_is_preferred() -> None:
    """As azure.core does it."""
    assert {"Authorization": "Bearer new-1"} == authorization_headers(
        NewCredential(), AZURE
    )


@pytest.mark.parametrize(
    ("endpoint", "given", "scope"),
    [
        (AZURE, None, "https://ai.azure.com/.default"),
        (PREVIEW, None, "https://cognitiveservices.azure.com/.default"),
        (LOCAL, None, "https://ai.azure.com/.default"),
        (AZURE, "api://mine/.default", "api://mine/.default"),
        (GATEWAY, "api://mine/.default", "api://mine/.default"),
    ],
)
def test_the_scope_is_that_of_the_endpoint_unless_given(
    endpoint: Endpoint, given: str | None, scope: str
) -> None:
    """Whatever is known of a host is only a default."""
    credential = OldCredential()

    authorization_headers(credential, endpoint, scope=given)

    assert [scope] == credential.scopes


def test_a_function_returns_a_token_that_is_sent_as_such() -> None:
    """It is called anew each time, and its token is a bearer token everywhere."""
    tokens = iter(["one", "two"])

    assert {"Authorization": "Bearer one"} == authorization_headers(
        lambda: next(tokens), AZURE
    )
    assert {"Authorization": "Bearer two"} == authorization_headers(
        lambda: next(tokens), OPENAI
    )


def test_a_token_provider_of_azure_identity_is_such_a_function() -> None:
    """It has its scope within."""
    provider = get_bearer_token_provider(OldCredential(), "api://x/.default")

    assert {"Authorization": "Bearer old-1"} == authorization_headers(provider, AZURE)


@pytest.mark.parametrize("endpoint", [OPENAI, GATEWAY])
def test_a_token_needs_a_scope(endpoint: Endpoint) -> None:
    """A host that is not known to take such tokens gets none by accident."""
    credential = OldCredential()

    with pytest.raises(ValueError, match="scope="):
        authorization_headers(credential, endpoint)

    assert [] == credential.scopes


def test_a_token_is_not_sent_in_the_clear() -> None:
    """Save to this machine, where nobody can listen."""
    credential = OldCredential()

    with pytest.raises(ValueError, match="without TLS"):
        authorization_headers(credential, PLAIN)

    assert [] == credential.scopes
    assert {"Authorization": "Bearer old-1"} == authorization_headers(credential, LOCAL)


@pytest.mark.parametrize(
    "error",
    [
        ClientAuthenticationError("AADSTS700016: no such application.\nTrace: x"),
        CredentialUnavailableError("AADSTS700016: no such application."),
        ConnectionRefusedError("AADSTS700016: no such application"),
    ],
)
def test_a_token_that_is_not_to_be_had_is_a_connect_error(error: Exception) -> None:
    """It names credential, scope and remedy, and chains the cause."""
    with pytest.raises(ConnectError) as caught:
        authorization_headers(OldCredential(error=error), AZURE)

    assert not isinstance(caught.value, HandshakeError)
    assert error is caught.value.__cause__
    assert (
        "OldCredential has no token for https://ai.azure.com/.default: AADSTS700016: "
        "no such application. Sign in (for instance with 'az login'), check the "
        "identity, or give a key"
    ) == str(caught.value)


def test_a_function_that_has_no_token_is_a_connect_error() -> None:
    """Its own mistakes pass unchanged."""

    def unavailable() -> str:
        raise CredentialUnavailableError("not signed in")

    def wrong() -> str:
        raise KeyError("a mistake")

    with pytest.raises(ConnectError, match="not signed in"):
        authorization_headers(unavailable, AZURE)
    with pytest.raises(KeyError):
        authorization_headers(wrong, AZURE)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (AccessToken("", 0), ValueError),
        (AccessToken("s3cr3t\n", 0), ValueError),
        (AccessToken(b"s3cr3t", 0), TypeError),  # type: ignore[arg-type]
        (None, TypeError),
        ("s3cr3t", TypeError),
    ],
)
def test_an_answer_that_is_no_token_is_refused(
    answer: object, kind: type[Exception]
) -> None:
    """Without showing it."""
    with pytest.raises(kind, match="the token of FixedCredential") as caught:
        authorization_headers(FixedCredential(answer), AZURE)

    assert "s3cr3t" not in "".join(traceback.format_exception_only(caught.value))


# What is no credential


async def coroutine_function() -> str:
    return "token"


class CallableAsync:
    async def __call__(self) -> str:
        return "token"


class LateAsyncCredential:
    """Only its answer tells that it is asynchronous."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return coroutine_function()


@pytest.mark.parametrize(
    "credential",
    [
        AsyncAzureCliCredential(),
        coroutine_function,
        CallableAsync(),
        lambda: coroutine_function(),
        LateAsyncCredential(),
    ],
)
def test_asynchronous_credentials_are_refused(credential: Any) -> None:
    """And no coroutine is left behind that nobody awaits."""
    with pytest.raises(TypeError, match=r"azure\.identity, not azure\.identity\.aio"):
        authorization_headers(credential, AZURE)


@pytest.mark.parametrize(
    "credential", [1, b"s3cr3t", AzureSasCredential("s3cr3t"), {"api-key": "s3cr3t"}]
)
def test_anything_else_is_a_type_error(credential: Any) -> None:
    """It names the type, and what could be given."""
    with pytest.raises(TypeError, match="AzureKeyCredential") as caught:
        authorization_headers(credential, AZURE)

    assert "s3cr3t" not in str(caught.value)
    assert type(credential).__name__ in str(caught.value)


def test_a_class_is_not_yet_a_credential() -> None:
    """Parentheses are easily forgotten."""
    with pytest.raises(TypeError, match=r"DefaultAzureCredential\(\)"):
        authorization_headers(DefaultAzureCredential, AZURE)


def test_no_credential_is_for_hosts_that_may_need_none() -> None:
    """Emulators and gateways; Azure and OpenAI never."""
    assert {} == authorization_headers(None, LOCAL)
    assert {} == authorization_headers(None, GATEWAY)
    for endpoint in (AZURE, OPENAI):
        with pytest.raises(ValueError, match="needs a credential"):
            authorization_headers(None, endpoint)


def test_a_credential_can_be_checked_without_using_it() -> None:
    """A client is made without a call over the network."""
    credential = OldCredential()
    calls: list[str] = []

    check_credential(credential, AZURE)
    check_credential(lambda: calls.append("called") or "", AZURE)

    assert [] == credential.scopes
    assert [] == calls
    with pytest.raises(ValueError, match="empty"):
        check_credential("", AZURE)


# A real credential over HTTP


@attrs.define
class TokenEndpoint:
    """What a managed identity asks: an HTTP server on this machine."""

    url: str = ""
    status: int = 200
    requests: list[tuple[dict[str, list[str]], str | None]] = attrs.field(factory=list)

    def answer(self, query: str, header: str | None) -> tuple[int, bytes]:
        self.requests.append((parse_qs(query), header))
        if self.status != 200:
            return self.status, json.dumps({"message": "no identity"}).encode()
        body = {
            "access_token": f"token-{len(self.requests)}",
            "expires_on": "4102444800",
            "resource": parse_qs(query)["resource"][0],
            "token_type": "Bearer",
        }
        return 200, json.dumps(body).encode()


@pytest.fixture(name="token_endpoint")
def _token_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenEndpoint]:
    endpoint = TokenEndpoint()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = endpoint.answer(
                urlsplit(self.path).query, self.headers.get("X-IDENTITY-HEADER")
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        endpoint.url = f"http://127.0.0.1:{server.server_port}/token"
        monkeypatch.setenv("IDENTITY_ENDPOINT", endpoint.url)
        monkeypatch.setenv("IDENTITY_HEADER", "s3cr3t-header")
        for name in ("IDENTITY_SERVER_THUMBPRINT", "AZURE_CLIENT_ID"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()


def test_a_managed_identity_is_asked_over_http(token_endpoint: TokenEndpoint) -> None:
    """A real credential: its request has the scope's resource, its token is sent."""
    with ManagedIdentityCredential() as credential:
        headers = authorization_headers(credential, AZURE)

    assert {"Authorization": "Bearer token-1"} == headers
    (query, header) = token_endpoint.requests[0]
    assert ["https://ai.azure.com"] == query["resource"]
    assert "s3cr3t-header" == header


def test_a_managed_identity_keeps_its_token_for_each_scope(
    token_endpoint: TokenEndpoint,
) -> None:
    """Connecting again costs no request, another dialect has a token of its own."""
    with ManagedIdentityCredential() as credential:
        headers = [
            authorization_headers(credential, endpoint)["Authorization"]
            for endpoint in (AZURE, AZURE, PREVIEW)
        ]

    assert ["Bearer token-1", "Bearer token-1", "Bearer token-2"] == headers
    assert [
        ["https://ai.azure.com"],
        ["https://cognitiveservices.azure.com"],
    ] == [query["resource"] for query, _ in token_endpoint.requests]


def test_a_managed_identity_that_is_refused_is_a_connect_error(
    token_endpoint: TokenEndpoint,
) -> None:
    """The cause is chained, and the secret of the request is in no message."""
    token_endpoint.status = 400
    with (
        ManagedIdentityCredential(retry_total=0) as credential,
        pytest.raises(ConnectError, match="ManagedIdentityCredential") as caught,
    ):
        authorization_headers(credential, AZURE)

    assert isinstance(caught.value.__cause__, ClientAuthenticationError)
    assert "s3cr3t" not in "".join(traceback.format_exception_only(caught.value))


# Hints


def test_a_hint_on_401_names_scope_host_and_role() -> None:
    """What to compare with what the portal shows."""
    hint = handshake_hint(401, None, AZURE, None) or ""

    assert "https://ai.azure.com/.default" in hint
    assert "res.openai.azure.com" in hint
    assert "'Cognitive Services OpenAI User'" in hint
    assert "api://mine" in (handshake_hint(401, None, AZURE, "api://mine") or "")


def test_a_hint_on_403_adds_the_network() -> None:
    """A resource may admit some networks only."""
    assert "network rules" in (handshake_hint(403, None, AZURE, None) or "")
    assert "network rules" not in (handshake_hint(401, None, AZURE, None) or "")


def test_a_hint_on_401_of_openai_is_about_the_key() -> None:
    """There is no scope and no role."""
    hint = handshake_hint(401, None, OPENAI, None) or ""

    assert "api.openai.com" in hint
    assert "role" not in hint


@pytest.mark.parametrize(
    ("endpoint", "form"),
    [
        (AZURE, "wss://res.openai.azure.com/openai/v1/realtime?model=DEPLOYMENT"),
        (
            PREVIEW,
            "wss://res.openai.azure.com/openai/realtime"
            "?api-version=2025-04-01-preview&deployment=DEPLOYMENT",
        ),
        (OPENAI, "wss://api.openai.com/v1/realtime?model=MODEL"),
        (
            resolve_endpoint("res.openai.azure.com", intent="transcription"),
            "wss://res.openai.azure.com/openai/v1/realtime?intent=transcription",
        ),
        (
            resolve_endpoint("res.openai.azure.com", call_id="c"),
            "wss://res.openai.azure.com/openai/v1/realtime?call_id=ID",
        ),
    ],
)
@pytest.mark.parametrize("status", [400, 404])
def test_a_hint_on_400_and_404_names_the_form_of_the_url(
    status: int, endpoint: Endpoint, form: str
) -> None:
    """Each service has its own."""
    assert form in (handshake_hint(status, None, endpoint, None) or "")


def test_a_hint_on_404_names_the_deployment() -> None:
    """It is its name that Azure takes, not that of its model."""
    hint = handshake_hint(404, "DeploymentNotFound", AZURE, None) or ""

    assert "res.openai.azure.com has a deployment named 'dep'" in hint


@pytest.mark.parametrize("code", ["OperationNotSupported", "OpperationNotSupported"])
def test_a_hint_on_a_model_that_only_transcribes_says_so(code: str) -> None:
    """The service spells its code in two ways."""
    hint = handshake_hint(400, code, AZURE, None) or ""

    assert "dep does not serve" in hint
    assert "connect_transcription()" in hint


def test_a_hint_on_no_model_says_how_to_name_one() -> None:
    """Servers that are not Azure's say of a missing model that it does not fit."""
    nameless = attrs.evolve(AZURE, model=None)
    hint = handshake_hint(400, "OperationNotSupported", nameless, None) or ""

    assert "give model=" in hint


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "quota"), (503, "later"), (502, "later"), (302, "redirects")],
)
def test_hints_on_other_statuses(status: int, words: str) -> None:
    """Each says what to do next."""
    assert words in (handshake_hint(status, None, AZURE, None) or "")


def test_there_is_no_hint_where_nothing_is_known() -> None:
    """Guesses mislead."""
    assert handshake_hint(418, None, AZURE, None) is None
