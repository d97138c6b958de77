"""
Who is asking: from a key or a token to the headers of the upgrade request.

- A string or an ``AzureKeyCredential`` is a key: ``api-key`` on Azure, elsewhere
  ``Authorization: Bearer``.
- A ``TokenCredential`` brings a token of Microsoft Entra ID: ``Authorization: Bearer``.
- A function without parameters returns a token: ``Authorization: Bearer``.

A function is also the way to pass a token as such, such as a client secret (``ek_…``):
``lambda: token``. Keys and tokens are put into headers and nowhere else: no message of
this module holds one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import ConnectError


# Imported for their names only: azure.core takes as long to import as all the rest, and
# azure.identity twice that.
if TYPE_CHECKING:
    from azure.core.credentials import (
        AzureKeyCredential,
        SupportsTokenInfo,
        TokenCredential,
    )

    from .endpoints import Endpoint


__all__ = [
    "Credential",
    "authorization_headers",
    "check_credential",
    "handshake_hint",
]

Credential: TypeAlias = (
    "str | AzureKeyCredential | TokenCredential | SupportsTokenInfo | Callable[[], str]"
)

_ACCEPTED: Final = (
    "give a key (a str or an AzureKeyCredential), a TokenCredential such as "
    "azure.identity.DefaultAzureCredential(), or a function that returns a token"
)
_ROLE: Final = "Cognitive Services OpenAI User"
_MESSAGE_LIMIT: Final = 300


def authorization_headers(
    credential: Credential | None, endpoint: Endpoint, *, scope: str | None = None
) -> dict[str, str]:
    """
    Return the headers that authorize one upgrade request.

    Every call asks the credential anew; those of azure-identity keep their token until
    it is about to expire. May block for as long as the credential does. Thread-safe, if
    the credential is.

    Args:
        credential: Who is asking. None sends nothing, which only emulators and
            gateways take.
        endpoint: Where to.
        scope: What to ask Microsoft Entra ID for, in place of `Endpoint.scope`.

    Returns:
        One header, or none without a credential.

    Raises:
        TypeError: The credential is of no kind that is known, or returned no string.
        ValueError: It cannot be used there: empty, not fit for a header, no scope.
        ConnectError: No token was to be had; the cause is chained.
    """
    check_credential(credential, endpoint, scope=scope)
    if credential is None:
        return {}
    if isinstance(credential, str):
        return _key_header(credential, endpoint)
    if _gives_tokens(credential):
        token = _fetch_token(credential, scope or endpoint.scope or "")
        return _bearer(token, f"the token of {type(credential).__name__}")
    if callable(credential):
        return _bearer(_call(credential), "the token that the function returned")
    return _key_header(credential.key, endpoint)  # type: ignore[union-attr]


def check_credential(
    credential: Credential | None, endpoint: Endpoint, *, scope: str | None = None
) -> None:
    """
    Find out what can be found out about a credential without asking it for a token.

    Args:
        credential: As for `authorization_headers`.
        endpoint: As there.
        scope: As there.

    Raises:
        TypeError: The credential is of no kind that is known.
        ValueError: It cannot be used there.
    """
    if credential is None:
        if endpoint.kind != "other":
            raise ValueError(f"{endpoint.host} needs a credential: {_ACCEPTED}")
    elif isinstance(credential, str):
        _check_secret(credential, "the key")
    elif isinstance(credential, type):
        raise TypeError(
            f"the credential is the class {credential.__name__}: give an instance, "
            f"{credential.__name__}()"
        )
    elif _gives_tokens(credential):
        _check_token_credential(credential, endpoint, scope)
    elif callable(credential):
        _refuse_coroutine_function(credential, credential)
    else:
        _check_secret(_key_of(credential), "the key of the AzureKeyCredential")


def handshake_hint(
    status: int, code: str | None, endpoint: Endpoint, scope: str | None
) -> str | None:
    """
    Say what to look at after the server answered the upgrade with an HTTP error.

    Args:
        status: The HTTP status.
        code: The service's own code, or None.
        endpoint: Where the request went to.
        scope: The scope that was given, or None for that of the endpoint.

    Returns:
        A sentence, or None for a status that has no usual cause.
    """
    if status == 400:
        return _hint_on_bad_request(code, endpoint)
    if status in (401, 403):
        return _hint_on_refusal(status, endpoint, scope or endpoint.scope)
    if status == 404:
        return _hint_on_not_found(endpoint)
    if status == 429:
        return (
            f"The quota or rate limit of {endpoint.model or 'the model'} on "
            f"{endpoint.host} is used up: wait, or ask for a higher one."
        )
    if status in (500, 502, 503, 504):
        return f"{endpoint.host} or its gateway is not available: try again later."
    if 200 <= status < 300:
        return (
            f"{endpoint.host} answered as for a web page: check the host and the path "
            "of the endpoint."
        )
    if 300 <= status < 400:
        return (
            f"{endpoint.host} redirects, which is never followed, as it would carry "
            "the credential elsewhere: give the URL that it redirects to."
        )
    return None


# Keys and tokens


def _key_header(key: str, endpoint: Endpoint) -> dict[str, str]:
    if endpoint.key_header == "api-key":
        return {"api-key": key}
    return {"Authorization": f"Bearer {key}"}


def _bearer(token: object, what: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_check_secret(token, what)}"}


def _check_secret(secret: object, what: str) -> str:
    """Return the secret if it can stand in a header, without ever showing it."""
    if not isinstance(secret, str):
        raise TypeError(f"{what} must be a str, not {type(secret).__name__}")
    if not secret.strip():
        raise ValueError(f"{what} is empty: {_ACCEPTED}")
    if secret != secret.strip():
        raise ValueError(
            f"{what} begins or ends with white space, such as the line break of a "
            "file that it was read from: strip it"
        )
    if secret[0] == secret[-1] and secret[0] in "'\"":
        raise ValueError(f"{what} stands in quotes, which are sent too: strip them")
    # A line break within would let the value add headers of its own.
    if not all("!" <= character <= "~" for character in secret):
        raise ValueError(
            f"{what} contains white space or characters that no header may hold: "
            "copy it again, without quotes, 'Bearer' or anything else around it"
        )
    return secret


def _key_of(credential: object) -> object:
    from azure.core.credentials import AzureKeyCredential

    if isinstance(credential, AzureKeyCredential):
        return credential.key
    raise TypeError(f"{type(credential).__name__} is no credential: {_ACCEPTED}")


def _gives_tokens(credential: object) -> bool:
    return hasattr(credential, "get_token") or hasattr(credential, "get_token_info")


def _check_token_credential(
    credential: Any, endpoint: Endpoint, scope: str | None
) -> None:
    _refuse_coroutine_function(_token_method(credential), credential)
    if not (scope or endpoint.scope):
        raise ValueError(
            f"{endpoint.host} is not known to take tokens of Microsoft Entra ID: give "
            "a key, or the scope that it needs as scope="
        )
    # As Azure clients do: whoever reads the token could use it anywhere.
    if not endpoint.is_secure and not endpoint.is_loopback:
        raise ValueError(
            f"tokens of Microsoft Entra ID are not sent without TLS: give "
            f"https://{endpoint.host}, or a key"
        )


def _token_method(credential: Any) -> Callable[..., Any]:
    # The newer of the two methods comes first, as in azure.core.
    method = getattr(credential, "get_token_info", None)
    found: Callable[..., Any] = credential.get_token if method is None else method
    return found


def _refuse_coroutine_function(function: object, credential: object) -> None:
    called = getattr(function, "__call__", None)  # noqa: B004 (of callable objects)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
        raise _asynchronous(credential)


def _refuse_awaitable_answer(answer: object, credential: object) -> None:
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()  # it would warn that nobody awaited it
        raise _asynchronous(credential)


def _asynchronous(credential: object) -> TypeError:
    name = getattr(credential, "__name__", type(credential).__name__)
    return TypeError(
        f"{name} is asynchronous: give a blocking credential (from azure.identity, "
        "not azure.identity.aio)"
    )


def _fetch_token(credential: Any, scope: str) -> object:
    from azure.core.exceptions import AzureError

    try:
        answer = _token_method(credential)(scope)
    except (AzureError, OSError) as exc:
        raise ConnectError(
            f"{type(credential).__name__} has no token for {scope}: {_headline(exc)}. "
            "Sign in (for instance with 'az login'), check the identity, or give a key"
        ) from exc
    _refuse_awaitable_answer(answer, credential)
    return getattr(answer, "token", None)


def _call(function: Callable[[], Any]) -> object:
    from azure.core.exceptions import AzureError

    try:
        token = function()
    except (AzureError, OSError) as exc:
        raise ConnectError(
            f"the function for the token failed: {_headline(exc)}"
        ) from exc
    _refuse_awaitable_answer(token, function)
    return token


def _headline(exc: Exception) -> str:
    # One line: the rest can repeat whole responses, and is in the chained exception.
    line, _, _ = str(exc).strip().partition("\n")
    return line[:_MESSAGE_LIMIT].rstrip(". ") or type(exc).__name__


# Hints


def _hint_on_bad_request(code: str | None, endpoint: Endpoint) -> str:
    # The service spells its code in both ways.
    if (code or "").lower() in ("operationnotsupported", "opperationnotsupported"):
        if endpoint.model is None and endpoint.intent is None:
            return (
                "No model was named: give model= (on Azure the name of the "
                "deployment), or open a session that only transcribes by "
                "connect_transcription()."
            )
        return (
            f"{endpoint.model or 'The model'} does not serve this kind of session: one "
            "that only transcribes is opened by connect_transcription(), one that "
            "translates by connect_translation()."
        )
    return f"The service did not take the URL; its form is {_form(endpoint)}."


def _hint_on_refusal(status: int, endpoint: Endpoint, scope: str | None) -> str:
    host = endpoint.host
    if scope is None:
        return f"Check that the key belongs to {host}, and what it may be used for."
    key = f"With a key: check that it belongs to {host} and that keys are enabled there"
    rules = ", and that its network rules admit this machine" if status == 403 else ""
    return (
        f"{key}{rules}. With Microsoft Entra ID: the token must be for the scope "
        f"{scope} (scope= sets another) and the identity needs the role '{_ROLE}' on "
        "the resource; a new role takes some minutes to apply."
    )


def _hint_on_not_found(endpoint: Endpoint) -> str:
    form = f"The form of the URL is {_form(endpoint)}"
    if endpoint.kind == "openai" or endpoint.model is None:
        return f"{form}; check the host and the model."
    return (
        f"{form}; check that {endpoint.host} has a deployment named "
        f"{endpoint.model!r} (the name of the deployment, not of its model)."
    )


def _form(endpoint: Endpoint) -> str:
    base = endpoint.url.partition("?")[0]
    if endpoint.intent == "transcription":
        name = "intent=transcription"
    elif endpoint.call_id:
        name = "call_id=ID"
    elif endpoint.dialect == "preview":
        name = "deployment=DEPLOYMENT"
    else:
        name = "model=MODEL" if endpoint.kind == "openai" else "model=DEPLOYMENT"
    if endpoint.dialect == "preview":
        return f"{base}?api-version={endpoint.api_version}&{name}"
    return f"{base}?{name} without api-version"
