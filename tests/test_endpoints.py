"""Endpoints: what people paste, what the environment says, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.endpoints import (
    Endpoint,
    resolve_endpoint,
    settings_from_environment,
)


AZURE = "https://res.openai.azure.com"
GA = "wss://res.openai.azure.com/openai/v1/realtime"
PREVIEW_VERSION = "2025-04-01-preview"
PREVIEW = (
    "wss://res.openai.azure.com/openai/realtime"
    f"?api-version={PREVIEW_VERSION}&deployment=dep"
)
OPENAI = "wss://api.openai.com/v1/realtime"


@pytest.mark.parametrize(
    "pasted",
    [
        "https://res.openai.azure.com",
        "https://res.openai.azure.com/",
        "https://res.openai.azure.com//",
        "wss://res.openai.azure.com",
        "  https://res.openai.azure.com/\n",
        "HTTPS://Res.OpenAI.Azure.com",
        "res.openai.azure.com",
        "res.openai.azure.com/",
        "res.openai.azure.com/openai/v1",
        "https://res.openai.azure.com/openai",
        "https://res.openai.azure.com/openai/",
        "https://res.openai.azure.com/openai/v1",
        "https://res.openai.azure.com//openai//v1//",
        "https://res.openai.azure.com/openai/v1/realtime",
        "wss://res.openai.azure.com/openai/v1/realtime/",
        "wss://res.openai.azure.com/openai/v1/realtime?model=dep",
        "wss://res.openai.azure.com/openai/v1/realtime?model=",
        "https://res.openai.azure.com/openai/deployments/dep",
        "https://res.openai.azure.com/openai/deployments/dep/",
    ],
)
def test_every_way_to_paste_a_resource_gives_the_ga_form(pasted: str) -> None:
    """Scheme, slashes, white space, case and a path or none make no difference."""
    endpoint = resolve_endpoint(pasted, model="dep")

    assert f"{GA}?model=dep" == endpoint.url
    assert "ga" == endpoint.dialect
    assert "azure" == endpoint.kind
    assert "api-key" == endpoint.key_header
    assert "dep" == endpoint.model
    assert endpoint.api_version is None


@pytest.mark.parametrize(
    ("pasted", "model", "version"),
    [
        (AZURE, "dep", PREVIEW_VERSION),
        (f"{AZURE}/openai", "dep", PREVIEW_VERSION),
        (f"{AZURE}/openai/realtime", "dep", PREVIEW_VERSION),
        (f"{AZURE}/openai/realtime?api-version={PREVIEW_VERSION}", "dep", None),
        (f"{AZURE}?api-version={PREVIEW_VERSION}&deployment=dep", None, None),
        (f"{AZURE}/openai/deployments/dep", None, PREVIEW_VERSION),
        (f"{AZURE}/openai/deployments/dep/realtime", None, PREVIEW_VERSION),
        (PREVIEW, None, None),
        (PREVIEW, "dep", PREVIEW_VERSION),
        (PREVIEW.replace("api-version", "API-Version"), None, None),
    ],
)
def test_a_preview_version_gives_the_preview_form(
    pasted: str, model: str | None, version: str | None
) -> None:
    """The version may be given or pasted, and chooses path, parameter and dialect."""
    endpoint = resolve_endpoint(pasted, model=model, api_version=version)

    assert PREVIEW == endpoint.url
    assert "preview" == endpoint.dialect
    assert PREVIEW_VERSION == endpoint.api_version
    assert "dep" == endpoint.model


@pytest.mark.parametrize(
    "pasted",
    [
        "https://api.openai.com",
        "api.openai.com",
        "https://api.openai.com/v1",
        "https://api.openai.com/v1/",
        "wss://api.openai.com/v1/realtime",
        "wss://api.openai.com/v1/realtime?model=gpt-realtime",
    ],
)
def test_openai_has_a_form_of_its_own(pasted: str) -> None:
    """There the path has no /openai, and the key is a bearer token."""
    endpoint = resolve_endpoint(pasted, model="gpt-realtime")

    assert f"{OPENAI}?model=gpt-realtime" == endpoint.url
    assert ("openai", "Authorization", None, "ga") == (
        endpoint.kind,
        endpoint.key_header,
        endpoint.scope,
        endpoint.dialect,
    )


def test_a_regional_host_of_openai_is_openai() -> None:
    """Data residency has hosts of its own, with the same path."""
    endpoint = resolve_endpoint("https://eu.api.openai.com", model="m")

    assert "wss://eu.api.openai.com/v1/realtime?model=m" == endpoint.url
    assert "openai" == endpoint.kind


def test_a_host_that_only_looks_like_one_of_openai_or_azure_is_another() -> None:
    """What counts is how the host's name ends, between dots."""
    for host in ("notapi.openai.com", "api.openai.com.example.org", "myazure.com"):
        assert "other" == resolve_endpoint(f"https://{host}").kind


@pytest.mark.parametrize(
    ("pasted", "url"),
    [
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/openai/v1/realtime"),
        ("http://localhost:8080/", "ws://localhost:8080/openai/v1/realtime"),
        ("ws://[::1]:8080", "ws://[::1]:8080/openai/v1/realtime"),
        ("https://gw.example.org", "wss://gw.example.org/openai/v1/realtime"),
        ("https://gw.example.org/v1", "wss://gw.example.org/v1/realtime"),
        (
            "https://gw.example.org/a/openai",
            "wss://gw.example.org/a/openai/v1/realtime",
        ),
        ("https://gw.example.org/a/v1/", "wss://gw.example.org/a/v1/realtime"),
        ("https://gw.example.org/realtime", "wss://gw.example.org/realtime"),
        ("ws://gw.example.org/speak", "ws://gw.example.org/speak"),
        (
            "wss://gw.example.org/speak?team=a%20b",
            "wss://gw.example.org/speak?team=a%20b",
        ),
    ],
)
def test_other_hosts_need_no_model_and_keep_what_they_have(
    pasted: str, url: str
) -> None:
    """Emulators and gateways: the path stands, and so do parameters of their own."""
    assert url == resolve_endpoint(pasted).url


def test_the_path_of_a_gateway_decides_how_the_key_is_sent() -> None:
    """A path with /openai/ is one of Azure; any other takes a bearer token."""
    azure = resolve_endpoint("https://gw.example.org/x/openai/v1", model="m")
    plain = resolve_endpoint("https://gw.example.org/x/v1", model="m")

    assert ("api-key", "https://ai.azure.com/.default") == (
        azure.key_header,
        azure.scope,
    )
    assert ("Authorization", None) == (plain.key_header, plain.scope)


@pytest.mark.parametrize(
    ("pasted", "url"),
    [
        (AZURE, f"{GA}?intent=transcription"),
        (f"{GA}?intent=transcription", f"{GA}?intent=transcription"),
        ("https://api.openai.com", f"{OPENAI}?intent=transcription"),
        (
            f"{AZURE}?api-version={PREVIEW_VERSION}",
            PREVIEW.replace("deployment=dep", "intent=transcription"),
        ),
    ],
)
def test_transcription_stands_in_place_of_the_model(pasted: str, url: str) -> None:
    """The URL of a session that only transcribes has an intent and no model."""
    endpoint = resolve_endpoint(pasted, intent="transcription")

    assert url == endpoint.url
    assert ("transcription", None) == (endpoint.intent, endpoint.model)


@pytest.mark.parametrize(
    ("pasted", "url"),
    [
        (AZURE, f"{GA}/translations?model=m"),
        (GA, f"{GA}/translations?model=m"),
        (f"{GA}/translations/", f"{GA}/translations?model=m"),
        ("https://api.openai.com", f"{OPENAI}/translations?model=m"),
        ("https://api.openai.com/v1", f"{OPENAI}/translations?model=m"),
    ],
)
def test_translation_has_a_path_of_its_own(pasted: str, url: str) -> None:
    """The intent chooses the path, and a pasted path tells the intent."""
    endpoint = resolve_endpoint(pasted, model="m", intent="translation")

    assert url == endpoint.url
    assert "translation" == resolve_endpoint(endpoint.url).intent


def test_a_call_is_joined_by_its_id_alone() -> None:
    """The call has its model, so the URL names none, even if one is given."""
    endpoint = resolve_endpoint(AZURE, model="dep", call_id="rtc_1")

    assert f"{GA}?call_id=rtc_1" == endpoint.url
    assert "rtc_1" == endpoint.call_id
    assert endpoint == resolve_endpoint(endpoint.url, model="dep")


def test_an_intent_that_is_not_known_here_is_left_to_the_service() -> None:
    """Parameters of the service are not checked by the client."""
    assert (
        f"{GA}?model=m&intent=other"
        == resolve_endpoint(AZURE, model="m", intent="other").url
    )


def test_v1_names_the_ga_protocol() -> None:
    """As an API version, v1 is the same as none."""
    assert resolve_endpoint(AZURE, model="m") == (
        resolve_endpoint(AZURE, model="m", api_version="v1")
    )


def test_names_are_quoted() -> None:
    """A model's name cannot add parameters of its own."""
    assert (
        f"{GA}?model=a%26b%3Dc%20d%2Fe"
        == resolve_endpoint(AZURE, model="a&b=c d/e").url
    )


@pytest.mark.parametrize(
    ("pasted", "arguments", "words"),
    [
        (f"{GA}?api-version={PREVIEW_VERSION}&model=m", {}, "takes no api-version"),
        (f"{GA}?api-version=v1&model=m", {}, "takes no api-version"),
        (GA, {"model": "m", "api_version": PREVIEW_VERSION}, "takes no api-version"),
        (f"{GA}?deployment=m", {}, "model="),
        (f"{AZURE}?deployment=m", {}, "model="),
        (f"{AZURE}/openai/realtime?deployment=m", {}, "needs an api-version"),
        (
            f"{AZURE}/openai/realtime?deployment=m",
            {"api_version": "v1"},
            "needs an api-version",
        ),
        (
            f"{AZURE}/openai/realtime?api-version={PREVIEW_VERSION}&model=m",
            {},
            "deployment= in place of model=",
        ),
        (AZURE, {"model": "m", "api_version": "2024-10-21"}, "2025-04-01-preview"),
        (AZURE, {"model": "m", "api_version": "preview"}, "2025-04-01-preview"),
        (AZURE, {"model": "m", "api_version": "latest"}, "2025-04-01-preview"),
        (f"{GA}?api-version=preview", {"model": "m"}, "leave it out"),
        (f"{AZURE}/v1", {"model": "m"}, "/openai/v1/realtime"),
        (f"{AZURE}/openai/v1/responses", {"model": "m"}, "/openai/v1/realtime"),
        (f"{AZURE}/voice-live/realtime", {"model": "m"}, "/openai/v1/realtime"),
        ("wss://res.openai.azure.com/speak", {"model": "m"}, "/openai/v1/realtime"),
        (
            f"{AZURE}/openai/deployments/d/chat/completions?api-version=2024-10-21",
            {},
            "as the model",
        ),
        (
            "https://res.services.ai.azure.com/api/projects/p",
            {"model": "m"},
            "https://res.services.ai.azure.com",
        ),
        ("https://gw.example.org/speak", {}, "https://gw.example.org,"),
        (AZURE, {}, "the name of the deployment"),
        (AZURE, {"model": " "}, "the name of the deployment"),
        (AZURE, {"intent": "translation"}, "model is missing"),
        (AZURE, {"model": "m", "intent": "transcription"}, "transcription.model"),
        (f"{GA}?model=m&intent=transcription", {}, "transcription.model"),
        (
            AZURE,
            {"model": "m", "intent": "translation", "api_version": PREVIEW_VERSION},
            "cannot translate",
        ),
        (f"{GA}/translations?model=m", {"intent": "transcription"}, "give it once"),
        ("https://api.openai.com", {}, "the name of the model"),
        (
            "https://api.openai.com",
            {"model": "m", "api_version": PREVIEW_VERSION},
            "for Azure",
        ),
        ("https://api.openai.com", {"model": "m", "api_version": "preview"}, "GA"),
        (f"{OPENAI}?api-version=v1&model=m", {}, "for Azure"),
        (f"{OPENAI}?deployment=m", {}, "model="),
        ("https://api.openai.com/openai/v1", {"model": "m"}, "/v1/realtime"),
        ("http://res.openai.azure.com", {"model": "m"}, "https://res.openai"),
        ("ws://api.openai.com", {"model": "m"}, "TLS"),
    ],
)
def test_a_bad_mix_is_refused_and_the_right_form_named(
    pasted: str, arguments: dict[str, str], words: str
) -> None:
    """What the service would answer with 400, 401 or 404 is refused before dialling."""
    with pytest.raises(ValueError, match=r".") as caught:
        resolve_endpoint(pasted, **arguments)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("pasted", "arguments"),
    [
        (f"{GA}?model=one", {"model": "other"}),
        (PREVIEW, {"model": "other"}),
        (PREVIEW, {"api_version": "2024-12-17-preview"}),
        (f"{GA}?call_id=one", {"call_id": "other"}),
        (f"{GA}?model=m&intent=one", {"intent": "other"}),
        (f"{AZURE}/openai/deployments/one", {"model": "other"}),
    ],
)
def test_a_contradiction_to_what_was_pasted_is_refused(
    pasted: str, arguments: dict[str, str]
) -> None:
    """Equal is fine; different is an error that shows both."""
    with pytest.raises(ValueError, match="give it once") as caught:
        resolve_endpoint(pasted, **arguments)

    assert "'other'" in str(caught.value) or "2024-12-17" in str(caught.value)


@pytest.mark.parametrize(
    "pasted",
    [
        f"{GA}?model=one&model=other",
        f"{AZURE}/openai/deployments/one?deployment=other"
        f"&api-version={PREVIEW_VERSION}",
    ],
)
def test_an_endpoint_that_contradicts_itself_is_refused(pasted: str) -> None:
    """Two names of a model in one URL are one too many."""
    with pytest.raises(ValueError, match=r"twice|two models"):
        resolve_endpoint(pasted)


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("my-resource", "no URL"),
        ("localhost:8080", "http://"),
        ("127.0.0.1:8080", "http://"),
        ("https:res.openai.azure.com", "no URL"),
        ("ftp://res.openai.azure.com", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("https://", "host"),
        ("https:///openai/v1", "host"),
        ("https://<resource>.openai.azure.com", "host name"),
        ("https://{resource}.openai.azure.com", "host name"),
        ("https://res.openai.azure.com:port", "port"),
        ("https://res.openai.azure.com:99999", "port"),
        ("https://[::1", "port"),
        ("https://res.openai azure.com", "white space"),
        ("https://res.openai.azure.com\n/x", "white space"),
        ("https://res.openai.azure.com\x00", "white space"),
        ("https://res.openai.azure.com/#model", "fragment"),
        ("https://res.openai.azure.com/openai/v1#", "fragment"),
        ("https://..", "host name"),
    ],
)
def test_what_is_no_url_is_refused(pasted: str, words: str) -> None:
    """The message says what is wrong, and what to give."""
    with pytest.raises(ValueError, match=words):
        resolve_endpoint(pasted, model="m")


@pytest.mark.parametrize("pasted", [None, 1, b"https://res.openai.azure.com"])
def test_only_strings_are_endpoints(pasted: object) -> None:
    """Another type is a TypeError that names it."""
    with pytest.raises(TypeError, match=type(pasted).__name__):
        resolve_endpoint(pasted)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["model", "api_version", "intent", "call_id"])
def test_only_strings_are_arguments(name: str) -> None:
    """Another type is a TypeError that names the argument."""
    with pytest.raises(TypeError, match=name):
        resolve_endpoint(AZURE, **{name: 1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pasted",
    [
        f"{GA}?model=m&api-key=s3cr3t",
        f"{GA}?model=m&API_KEY=s3cr3t",
        f"{GA}?model=m&key=s3cr3t",
        f"{GA}?model=m&subscription-key=s3cr3t",
        "wss://gw.example.org/v1/realtime?token=s3cr3t",
        "wss://gw.example.org/v1/realtime?access_token=s3cr3t",
        "https://user:s3cr3t@res.openai.azure.com",
        "https://s3cr3t@res.openai.azure.com",
        "user:s3cr3t@res.openai.azure.com",
        "https://user:s3cr3t@res.openai.azure.com:port",
        "https://user:s3cr3t@[res",
    ],
)
def test_secrets_in_an_endpoint_are_refused_and_not_repeated(pasted: str) -> None:
    """They belong into headers; neither message nor chained exceptions show them."""
    with pytest.raises(ValueError, match=r".") as caught:
        resolve_endpoint(pasted, model="m")

    assert "s3cr3t" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("pasted", "version", "scope"),
    [
        (AZURE, None, "https://ai.azure.com/.default"),
        (AZURE, PREVIEW_VERSION, "https://cognitiveservices.azure.com/.default"),
        (
            "https://res.cognitiveservices.azure.com",
            PREVIEW_VERSION,
            "https://cognitiveservices.azure.com/.default",
        ),
        (
            "https://res.services.ai.azure.com",
            PREVIEW_VERSION,
            "https://ai.azure.com/.default",
        ),
        (
            "https://res.openai.azure.us",
            None,
            "https://cognitiveservices.azure.us/.default",
        ),
        ("https://res.services.ai.azure.us", None, "https://ai.azure.us/.default"),
        (
            "https://res.openai.azure.cn",
            PREVIEW_VERSION,
            "https://cognitiveservices.azure.cn/.default",
        ),
        ("http://localhost:1", None, "https://ai.azure.com/.default"),
    ],
)
def test_the_scope_follows_host_and_dialect(
    pasted: str, version: str | None, scope: str
) -> None:
    """Each cloud has its domain; GA and Foundry ask for another scope than preview."""
    assert scope == resolve_endpoint(pasted, model="m", api_version=version).scope


@pytest.mark.parametrize(
    ("pasted", "arguments", "url"),
    [
        (AZURE, {}, f"{AZURE}/openai/v1/realtime/calls"),
        (AZURE, {"intent": "translation"}, f"{AZURE}/openai/v1/realtime/calls"),
        (
            AZURE,
            {"api_version": PREVIEW_VERSION},
            f"{AZURE}/openai/realtime/calls?api-version={PREVIEW_VERSION}",
        ),
        ("api.openai.com", {}, "https://api.openai.com/v1/realtime/calls"),
        ("ws://[::1]:80/x/v1", {}, "http://[::1]:80/x/v1/realtime/calls"),
    ],
)
def test_http_operations_stand_beside_the_connection(
    pasted: str, arguments: dict[str, str], url: str
) -> None:
    """Same host, same root, and the version only where the form has one."""
    endpoint = resolve_endpoint(pasted, model="m", **arguments)

    assert url == endpoint.rest_url("realtime/calls")
    assert url == endpoint.rest_url("/realtime/calls")


def test_an_unfamiliar_path_has_no_http_operations() -> None:
    """The root cannot be told from it, and is not guessed."""
    endpoint = resolve_endpoint("ws://gw.example.org/speak")

    with pytest.raises(ValueError, match="/speak"):
        endpoint.rest_url("realtime/calls")


@pytest.mark.parametrize(
    ("pasted", "host", "secure", "loopback"),
    [
        ("https://res.openai.azure.com", "res.openai.azure.com", True, False),
        ("ws://127.0.0.1:8080", "127.0.0.1:8080", False, True),
        ("wss://localhost", "localhost", True, True),
        ("ws://a.localhost:1", "a.localhost:1", False, True),
        ("ws://[::1]:1", "[::1]:1", False, True),
        ("ws://10.0.0.1:1", "10.0.0.1:1", False, False),
        ("ws://localhost.example.org", "localhost.example.org", False, False),
    ],
)
def test_an_endpoint_knows_its_host(
    pasted: str, host: str, secure: bool, loopback: bool
) -> None:
    """Whether it is this machine, and whether the way there is encrypted."""
    endpoint = resolve_endpoint(pasted, model="m")

    assert (host, secure, loopback) == (
        endpoint.host,
        endpoint.is_secure,
        endpoint.is_loopback,
    )


def test_an_endpoint_can_be_checked_before_the_model_is_known() -> None:
    """Everything else is checked, and a model that was pasted is found."""
    assert GA == resolve_endpoint(AZURE, partial=True).url
    assert "dep" == resolve_endpoint(f"{GA}?model=dep", partial=True).model
    with pytest.raises(ValueError, match="api-version"):
        resolve_endpoint(f"{GA}?api-version={PREVIEW_VERSION}", partial=True)


def test_a_resolved_url_resolves_to_itself() -> None:
    """What was completed once is a complete endpoint."""
    for first in (
        resolve_endpoint(AZURE, model="dep"),
        resolve_endpoint(AZURE, model="dep", api_version=PREVIEW_VERSION),
        resolve_endpoint(AZURE, intent="transcription"),
        resolve_endpoint(AZURE, model="dep", intent="translation"),
        resolve_endpoint("api.openai.com", model="dep"),
        resolve_endpoint("ws://localhost:1/x?a=1&b=%2F", model="dep"),
    ):
        assert first == resolve_endpoint(first.url)


def test_a_host_name_in_another_script_is_encoded() -> None:
    """As browsers do, so that headers stay in ASCII."""
    assert (
        "wss://xn--bcher-kva.example/v1/realtime"
        == resolve_endpoint("https://bücher.example/v1").url
    )


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=80) | st.from_regex(r"(https?|wss?)://[ -~]{0,60}"))
def test_no_text_does_anything_but_resolve_or_raise_value_error(text: str) -> None:
    """And what it resolves to is printable ASCII, which cannot break a request line."""
    try:
        endpoint = resolve_endpoint(text, model="m")
    except ValueError:
        return

    assert endpoint.url.isascii()
    assert endpoint.url.isprintable()
    assert " " not in endpoint.url


# The environment


def from_environment(
    *args: str | None, env: dict[str, str], **kwargs: str
) -> tuple[str, object, str | None, str | None]:
    settings = settings_from_environment(*args, environ=env, **kwargs)  # type: ignore[arg-type]
    return (
        settings.endpoint,
        settings.credential,
        settings.model,
        settings.api_version,
    )


FULL = {
    "AZURE_OPENAI_ENDPOINT": AZURE,
    "AZURE_OPENAI_API_KEY": "azure-key",
    "AZURE_OPENAI_DEPLOYMENT": "dep",
    "OPENAI_API_VERSION": PREVIEW_VERSION,
    "OPENAI_API_KEY": "openai-key",
}


def test_the_environment_alone_is_enough() -> None:
    """For Azure all four variables are read, and the key of OpenAI is not."""
    assert (AZURE, "azure-key", "dep", PREVIEW_VERSION) == from_environment(env=FULL)


def test_openai_needs_its_key_only() -> None:
    """Without an endpoint of Azure, the key of OpenAI means OpenAI."""
    env = {"OPENAI_API_KEY": "openai-key", "OPENAI_API_VERSION": PREVIEW_VERSION}

    assert (
        "https://api.openai.com",
        "openai-key",
        "m",
        None,
    ) == from_environment(env=env, model="m")


def test_what_is_given_wins_over_every_variable() -> None:
    """An explicit argument is never overruled from outside."""
    assert (
        "https://other.openai.azure.com",
        "given",
        "given-dep",
        "v1",
    ) == (
        from_environment(
            "https://other.openai.azure.com",
            "given",
            env=FULL,
            model="given-dep",
            api_version="v1",
        )
    )


def test_what_is_given_wins_over_the_url_in_a_variable() -> None:
    """The URL's own model and version give way, and the result resolves."""
    env = {"AZURE_OPENAI_ENDPOINT": PREVIEW, "AZURE_OPENAI_API_KEY": "k"}

    endpoint, _, model, version = from_environment(
        env=env, model="given", api_version="2024-12-17-preview"
    )

    assert (
        "wss://res.openai.azure.com/openai/realtime"
        "?api-version=2024-12-17-preview&deployment=given"
    ) == resolve_endpoint(endpoint, model=model, api_version=version).url


def test_a_deployment_in_the_path_of_a_variable_gives_way_too() -> None:
    """It is a name of the model like any other."""
    env = {
        "AZURE_OPENAI_ENDPOINT": f"{AZURE}/openai/deployments/dep",
        "AZURE_OPENAI_API_KEY": "k",
    }

    assert f"{AZURE}/openai" == from_environment(env=env, model="given")[0]
    assert f"{AZURE}/openai/deployments/dep" == from_environment(env=env)[0]


def test_variables_that_contradict_each_other_are_refused_when_resolved() -> None:
    """Neither is better than the other."""
    env = {**FULL, "AZURE_OPENAI_ENDPOINT": f"{GA}?model=another"}
    endpoint, _, model, version = from_environment(env=env)

    with pytest.raises(ValueError, match="api-version"):
        resolve_endpoint(endpoint, model=model, api_version=version)
    with pytest.raises(ValueError, match="'another'"):
        resolve_endpoint(endpoint, model=model)


def test_a_whole_url_that_is_given_needs_no_variables() -> None:
    """It has its model and its dialect, so neither is taken from outside."""
    url = f"{GA}?model=mine"

    assert (url, "azure-key", None, None) == from_environment(url, env=FULL)


def test_a_bare_endpoint_that_is_given_is_filled_in() -> None:
    """The resource itself says nothing of the deployment and the version."""
    assert (
        AZURE,
        "azure-key",
        "dep",
        PREVIEW_VERSION,
    ) == from_environment(AZURE, env=FULL)


def test_a_session_without_a_model_gets_none_from_the_environment() -> None:
    """Transcription and calls have no model in their URLs."""
    for query in ("intent=transcription", "call_id=c"):
        env = {**FULL, "AZURE_OPENAI_ENDPOINT": f"{AZURE}?{query}"}
        assert from_environment(env=env)[2] is None


@pytest.mark.parametrize(
    "endpoint",
    ["https://other.openai.azure.com", "https://gw.example.org/openai/v1"],
)
def test_a_key_is_for_its_own_host_only(endpoint: str) -> None:
    """A key in the environment is not sent to wherever the endpoint points."""
    with pytest.raises(ValueError, match="AZURE_OPENAI_API_KEY belongs to") as caught:
        from_environment(endpoint, env=FULL)

    assert "azure-key" not in str(caught.value)


def test_a_key_without_an_endpoint_is_for_azure_hosts() -> None:
    """Which of them is for the one who gives the endpoint to know."""
    env = {"AZURE_OPENAI_API_KEY": "azure-key"}

    assert "azure-key" == from_environment(AZURE, env=env)[1]
    with pytest.raises(ValueError, match="AZURE_OPENAI_API_KEY belongs to"):
        from_environment("https://gw.example.org", env=env)


def test_openai_that_is_given_takes_the_key_of_openai() -> None:
    """And nothing that belongs to Azure."""
    assert ("api.openai.com", "openai-key", None, None) == (
        "api.openai.com",
        *from_environment("api.openai.com", env=FULL)[1:],
    )


def test_a_server_on_this_machine_gets_no_key_of_another_host() -> None:
    """An emulator needs none."""
    for env in (FULL, {}):
        assert from_environment("ws://127.0.0.1:9", env=env)[1] is None


def test_a_key_for_a_server_on_this_machine_is_used() -> None:
    """When the endpoint in the environment is that server."""
    env = {**FULL, "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9"}

    assert "azure-key" == from_environment(env=env)[1]


@pytest.mark.parametrize("other", [{}, {"OPENAI_API_KEY": "openai-key"}])
def test_azure_without_a_key_gets_the_default_credential(other: dict[str, str]) -> None:
    """The key of OpenAI does not keep anyone from using Microsoft Entra ID."""
    env = {"AZURE_OPENAI_ENDPOINT": AZURE, **other}

    credential = settings_from_environment(environ=env).credential

    assert "DefaultAzureCredential" == type(credential).__name__
    credential.close()  # type: ignore[union-attr]


def test_empty_variables_count_as_absent() -> None:
    """As shells and containers leave them."""
    env = dict.fromkeys(FULL, " ") | {"OPENAI_API_KEY": " openai-key\n"}

    assert (
        "https://api.openai.com",
        "openai-key",
        None,
        None,
    ) == from_environment(env=env)


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        ((), {}, "set AZURE_OPENAI_ENDPOINT"),
        ((), {"AZURE_OPENAI_API_KEY": "k"}, "AZURE_OPENAI_ENDPOINT is not"),
        ((), {"AZURE_OPENAI_DEPLOYMENT": "d"}, "AZURE_OPENAI_ENDPOINT is not"),
        (
            (),
            {"AZURE_OPENAI_API_KEY": "k", "OPENAI_API_KEY": "k"},
            "AZURE_OPENAI_ENDPOINT is not",
        ),
        ((), {"AZURE_OPENAI_ENDPOINT": "https://api.openai.com"}, "not Azure"),
        (("api.openai.com",), {"AZURE_OPENAI_API_KEY": "k"}, "set OPENAI_API_KEY"),
        (("https://gw.example.org/v1",), {}, "no variable holds"),
        ((), {**FULL, "OPENAI_API_VERSION": "2024-10-21"}, "OPENAI_API_VERSION"),
        ((), {"AZURE_OPENAI_ENDPOINT": "res"}, "no URL"),
    ],
)
def test_an_environment_that_does_not_suffice_is_refused(
    arguments: tuple[str, ...], env: dict[str, str], words: str
) -> None:
    """The message names the variable to set."""
    with pytest.raises(ValueError, match=words):
        from_environment(*arguments, env=env)


def test_a_ga_version_in_the_environment_is_the_ga_protocol() -> None:
    """Which v1 stands for."""
    endpoint, _, model, version = from_environment(
        env={**FULL, "OPENAI_API_VERSION": "v1"}
    )

    assert (
        f"{GA}?model=dep"
        == resolve_endpoint(endpoint, model=model, api_version=version).url
    )


def test_the_variables_of_the_process_are_read_at_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not at import, so that a program may set them itself."""
    for name, value in FULL.items():
        monkeypatch.setenv(name, value)

    assert "dep" == settings_from_environment().model


def test_settings_do_not_show_the_credential() -> None:
    """Their repr may end up in a log."""
    assert "azure-key" not in repr(settings_from_environment(environ=FULL))


def test_resolving_imports_nothing_of_azure() -> None:
    """It takes longer to import than everything else, and is needed for tokens only."""
    code = (
        "import sys; from realtime_sync.endpoints import resolve_endpoint;"
        "import realtime_sync.credentials, realtime_sync._logging;"
        "resolve_endpoint('https://res.openai.azure.com', model='m');"
        "print(any(name.split('.')[0] == 'azure' for name in sys.modules))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "False" == result.stdout.strip()


def test_endpoints_are_values() -> None:
    """Equal parts are equal endpoints, and nothing changes them."""
    endpoint = resolve_endpoint(AZURE, model="m")

    assert isinstance(endpoint, Endpoint)
    assert {endpoint} == {resolve_endpoint(AZURE, model="m")}
    with pytest.raises(AttributeError):
        endpoint.url = "wss://elsewhere"  # type: ignore[misc]
