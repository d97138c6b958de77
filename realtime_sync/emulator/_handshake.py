"""
The HTTP before the WebSocket: which URLs there are, and how the rest is refused.

Azure and OpenAI refuse in different words; the path tells which of them is meant.
"""

from __future__ import annotations

import http
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection
from websockets.typing import Subprotocol

from ..protocol.codec import Dialect


__all__ = [
    "SUBPROTOCOL",
    "Admission",
    "Refusal",
    "add_ids",
    "admit",
    "check_key",
    "not_found",
    "openai_refusal",
    "request_ids",
    "select_subprotocol",
    "shown_keys",
]

_SECRETS = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "sec-websocket-protocol",  # browsers put their key there
    }
)
# Browsers cannot set headers, so they offer this, and their key as another one.
SUBPROTOCOL = Subprotocol("realtime")

_RETIRED = frozenset({"2024-10-01-preview"})


@frozen(kw_only=True)
class Admission:
    """
    A session that may begin.

    Attributes:
        kind: ``"realtime"``, ``"transcription"`` or ``"translation"``.
        dialect: What the client speaks.
        model: The model or deployment.
        path: The path of the URL.
        query: The parameters of the URL.
        headers: Those of the request, without secrets.
        error: A code and a message with which the session begins and ends: some
            mistakes are answered inside the WebSocket.
    """

    kind: str = "realtime"
    dialect: Dialect = "ga"
    model: str = ""
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    error: tuple[str, str] | None = None


class Refusal(Exception):
    """
    An upgrade that is answered with an HTTP error.

    Attributes:
        status: The HTTP status.
        body: The JSON of the answer.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}

    def response(self, request: Request) -> Response:
        """Return the HTTP response to *request*."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        headers = Headers(
            {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Connection": "close",
                **request_ids(request),
                **self.headers,
            }
        )
        phrase = http.HTTPStatus(self.status).phrase
        return Response(self.status, phrase, headers, body)


def request_ids(request: Request) -> dict[str, str]:
    """Return the headers by which support finds *request* again."""
    ids = {
        "apim-request-id": str(uuid.uuid4()),
        "x-request-id": str(uuid.uuid4()),
        "x-ms-region": "Emulated",
    }
    client_id = request.headers.get("x-ms-client-request-id")
    return {**ids, "x-ms-client-request-id": client_id} if client_id else ids


def select_subprotocol(
    connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Return the subprotocol that browsers need to hear, if it was offered."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def add_ids(
    connection: ServerConnection, request: Request, response: Response
) -> Response | None:
    """Add to the answer of an upgrade by what support finds it again."""
    if response.status_code == 101:
        response.headers.update(request_ids(request))
    return None


def _azure(status: int, code: str, message: str) -> Refusal:
    return Refusal(status, {"error": {"code": code, "message": message}})


def not_found() -> Refusal:
    """Return the refusal of a path that there is not."""
    return _azure(404, "404", "Resource not found")


def openai_refusal(status: int, code: str, message: str) -> Refusal:
    """Return a refusal in the words of OpenAI."""
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": code,
    }
    return Refusal(status, {"error": error})


def admit(
    request: Request,
    *,
    api_keys: Collection[str] | None,
    deployments: Collection[str] | None,
) -> Admission:
    """
    Decide about an upgrade.

    Args:
        request: The HTTP request.
        api_keys: The keys and tokens that are good; None takes any, and none.
        deployments: The deployments, or models, that there are; None has all.

    Returns:
        What kind of session it is for.

    Raises:
        Refusal: The service would refuse it.
    """
    url = urlsplit(request.path)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    path = url.path.rstrip("/")
    route = _ROUTES.get(path)
    if route is None:
        raise not_found()
    check_key(request, api_keys)
    admission = route(path, query, _public(request))
    if deployments is not None and admission.model not in ("", *deployments):
        if path.startswith("/openai/"):
            raise _azure(
                404,
                "DeploymentNotFound",
                "The API deployment for this resource does not exist. If you created "
                "the deployment within the last 5 minutes, please wait a moment and "
                "try again.",
            )
        raise openai_refusal(
            404, "model_not_found", f"The model '{admission.model}' does not exist."
        )
    return admission


def _public(request: Request) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in request.headers.raw_items()
        if name.lower() not in _SECRETS
    }


def _missing_model() -> Refusal:
    return openai_refusal(400, "missing_model", "You must provide a model parameter.")


def check_key(request: Request, api_keys: Collection[str] | None) -> None:
    """
    Let a request with a good key pass.

    Args:
        request: The HTTP request.
        api_keys: The keys and tokens that are good; None takes any, and none.

    Raises:
        Refusal: It shows none of them.
    """
    if api_keys is None or not shown_keys(request).isdisjoint(api_keys):
        return
    if _is_azure(request):
        raise _azure(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make "
            "sure to provide a valid key for an active subscription and use a correct "
            "regional API endpoint for your resource.",
        )
    raise openai_refusal(401, "invalid_api_key", "Incorrect API key provided.")


def shown_keys(request: Request) -> set[str]:
    """Return what stands where *request* may have its key."""
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    keys = {bearer, *_browser_keys(request)}
    if _is_azure(request):
        query = dict(parse_qsl(urlsplit(request.path).query))
        keys |= {request.headers.get("api-key", ""), query.get("api-key", "")}
    return keys - {""}


def _is_azure(request: Request) -> bool:
    return request.path.startswith("/openai/")


def _browser_keys(request: Request) -> list[str]:
    offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol")).split(",")
    prefix = "openai-insecure-api-key."
    return [
        name.strip().removeprefix(prefix)
        for name in offered
        if name.strip().startswith(prefix)
    ]


# One function for each URL


def _azure_ga(
    path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Admission:
    if "api-version" in query:
        # Documented as a cause of 401: the parameter belongs to the preview.
        raise _azure(
            401,
            "401",
            "The GA endpoint takes no api-version: remove it, or use the preview "
            "endpoint /openai/realtime.",
        )
    return _general(path, query, headers, query.get("model") or query.get("deployment"))


def _general(
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    model: str | None,
) -> Admission:
    intent = query.get("intent")
    if not model and not intent and "call_id" not in query:
        raise _azure(
            400,
            "OperationNotSupported",
            "The realtime operation requires either deployment=<deployment-id> or "
            "intent=transcription.",
        )
    error = None
    if intent not in (None, "transcription"):
        error = ("invalid_intent", f"Invalid intent: '{intent}'.")
    elif intent and model:
        error = (
            "invalid_parameter",
            "You must not provide a model parameter for transcription sessions.",
        )
    elif "openai-beta" in headers:
        error = (
            "beta_api_shape_disabled",
            "The beta form of this API is switched off: remove the OpenAI-Beta header.",
        )
    return Admission(
        kind="transcription" if intent else "realtime",
        model=model or ("" if intent else "gpt-realtime"),
        path=path,
        query=_without_key(query),
        headers=headers,
        error=error,
    )


def _openai_ga(
    path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Admission:
    if not (query.get("model") or query.get("intent") or query.get("call_id")):
        raise _missing_model()
    return _general(path, query, headers, query.get("model"))


def _preview(
    path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Admission:
    version = query.get("api-version", "")
    if not version:
        raise not_found()
    if not version.endswith("-preview") or version in _RETIRED:
        raise _azure(400, "BadRequest", "API version not supported")
    deployment, intent = query.get("deployment"), query.get("intent")
    if not deployment and intent != "transcription":
        # Spelt so by the service.
        raise _azure(
            400,
            "OpperationNotSupported",
            "The realtime operation requires either deployment=<deployment-id> or "
            "intent=transcription.",
        )
    return Admission(
        kind="transcription" if intent == "transcription" else "realtime",
        dialect="preview",
        model=deployment or "",
        path=path,
        query=_without_key(query),
        headers=headers,
    )


def _translations(
    path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Admission:
    if not query.get("model"):
        raise _missing_model()
    return Admission(
        kind="translation",
        model=query["model"],
        path=path,
        query=_without_key(query),
        headers=headers,
    )


def _without_key(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name != "api-key"}


_ROUTES = {
    "/openai/v1/realtime": _azure_ga,
    "/openai/v1/realtime/translations": _translations,
    "/openai/realtime": _preview,
    "/v1/realtime": _openai_ga,
    "/v1/realtime/translations": _translations,
}
