"""
Where to connect to: what people paste, turned into the one URL that the service takes.

Each service has its own form of URL, and a wrong mix is answered with 400, 401 or 404.

===============  =====================================================================
Azure, GA        ``wss://RESOURCE.openai.azure.com/openai/v1/realtime?model=DEPLOYMENT``
Azure, preview   ``wss://RESOURCE.openai.azure.com/openai/realtime``
                 ``?api-version=2025-04-01-preview&deployment=DEPLOYMENT``
OpenAI           ``wss://api.openai.com/v1/realtime?model=MODEL``
===============  =====================================================================

In each of them ``intent=transcription`` stands in place of the model for a session that
only transcribes (the session's configuration names the model), and ``call_id=`` joins a
call that already has one. Sessions that translate have a path of their own,
``…/realtime/translations?model=``, which the preview lacks.

Microsoft Entra ID issues a token for a scope, and the documentation names two. What is
known: Microsoft's guide for the GA form asks for ``https://ai.azure.com/.default``, the
guides and clients of the preview for ``https://cognitiveservices.azure.com/.default``,
and people report either of them to fail on some hosts of the other kind. In the clouds
for the US government and for China the domain ends in ``.us`` and ``.cn``; there only
the ``cognitiveservices`` scope is reported to work on ``openai.azure`` hosts, and the
``ai.azure`` scope on Foundry's ``services.ai.azure`` hosts. `Endpoint.scope` follows
this, and is only a default: wherever a credential is given, a scope can be given.
"""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import urlsplit

import attrs

from ._environment import Settings, settings_from_environment
from ._pasted_url import Kind, PastedUrl, Query, is_preview, take_apart


__all__ = ["Endpoint", "Settings", "resolve_endpoint", "settings_from_environment"]

_REALTIME: Final = re.compile(r"(?P<base>.*)/realtime(/translations)?")
_GA_PATH: Final = re.compile(r"/v1/realtime$|/realtime/translations$")


@attrs.frozen(kw_only=True)
class Endpoint:
    """
    Where to connect to, and what follows from it. Safe to share between threads.

    Attributes:
        url: The whole URL, ``wss://`` or ``ws://``. It holds no secret.
        dialect: ``ga`` or ``preview``: which names of events and fields are spoken.
        kind: Whose host it is: ``azure``, ``openai``, or ``other`` for gateways,
            custom domains and emulators.
        scope: What to ask Microsoft Entra ID for by default, or None where tokens of
            Entra ID are not known to be taken.
        key_header: The header that takes a key: ``api-key`` where the path is one of
            Azure, else ``Authorization``.
        model: The model, on Azure the name of the deployment, or None.
        intent: ``transcription``, ``translation``, whatever else was asked for, or
            None for a conversation.
        call_id: The call to join, or None.
        api_version: The version of the preview form, else None.
    """

    url: str
    dialect: Literal["ga", "preview"]
    kind: Kind
    scope: str | None
    key_header: Literal["api-key", "Authorization"]
    model: str | None
    intent: str | None
    call_id: str | None
    api_version: str | None

    @property
    def host(self) -> str:
        """The host and, if it is not that of the scheme, the port."""
        return urlsplit(self.url).netloc

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted (TLS)."""
        return self.url.startswith("wss://")

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        return take_apart(self.url).is_loopback

    def rest_url(self, path: str) -> str:
        """
        Return the URL of an HTTP operation of the same service.

        Args:
            path: Below the service's root, such as ``realtime/client_secrets``.

        Raises:
            ValueError: The connection's own URL is not of a known form, so that the
                root cannot be told from it.
        """
        url = urlsplit(self.url)
        match = _REALTIME.fullmatch(url.path)
        if match is None:
            raise ValueError(
                f"no HTTP operation can be derived from {url.path or '/'}: the path of "
                "the endpoint must end in /realtime"
            )
        query = Query(api_version=self.api_version).text()
        scheme = "https" if self.is_secure else "http"
        rest = f"{match['base']}/{path.lstrip('/')}{'?' if query else ''}{query}"
        return f"{scheme}://{url.netloc}{rest}"


def resolve_endpoint(
    endpoint: str,
    *,
    model: str | None = None,
    api_version: str | None = None,
    intent: str | None = None,
    call_id: str | None = None,
    partial: bool = False,
) -> Endpoint:
    """
    Complete an endpoint to the URL that the service takes.

    What the endpoint holds already may be given again, but not differently. A bare host
    is completed to the form of its service: that of OpenAI for ``api.openai.com``, that
    of Azure for every other.

    Args:
        endpoint: The URL of the resource (``https://`` or ``wss://``, with or without a
            path), a whole URL of the service, or the name of the host alone. Plain
            ``http://`` and ``ws://`` are for emulators and gateways.
        model: The model; on Azure the name of the deployment. Azure and OpenAI cannot
            do without, unless *intent* is ``transcription`` or *call_id* is given;
            with a *call_id* the URL leaves it out, as the call has its model.
        api_version: None or ``v1`` for the GA protocol; a date with ``-preview`` for
            the preview form of Azure.
        intent: ``transcription``, ``translation``, or None for a conversation.
            ``translation`` chooses a path; any other is sent as it is.
        call_id: The call to join instead of beginning a session.
        partial: Whether the model may still be missing, so that everything else can be
            checked before it is known.

    Raises:
        TypeError: An argument is no string.
        ValueError: The parts do not go together; the message says which form is meant.
    """
    pasted = take_apart(endpoint)
    version = _merge("api_version", api_version, pasted.query.api_version)
    intent = _merge("intent", intent, _pasted_intent(pasted))
    call_id = _merge("call_id", call_id, pasted.query.call_id)
    preview = is_preview(version)
    path = _complete_path(pasted, preview=preview, translation=intent == "translation")
    _check_form(pasted, path, version)
    model = _merged_model(pasted, model, preview=preview)
    _check_intent(model, intent)
    if model is None and not (partial or call_id or intent == "transcription"):
        _require_model(pasted)
    query = Query(
        api_version=version if preview else None,
        deployment=model if preview and not call_id else None,
        model=model if not preview and not call_id else None,
        intent=None if intent == "translation" else intent,
        call_id=call_id,
        others=pasted.query.others,
    ).text()
    azure_style = preview or "/openai/" in path
    return Endpoint(
        url=f"{pasted.scheme}://{pasted.host}{path}{'?' if query else ''}{query}",
        dialect="preview" if preview else "ga",
        kind=pasted.kind,
        scope=_scope(pasted.hostname, preview=preview) if azure_style else None,
        key_header="api-key" if azure_style else "Authorization",
        model=model,
        intent=intent,
        call_id=call_id,
        api_version=version if preview else None,
    )


def _merge(name: str, given: str | None, pasted: str | None) -> str | None:
    """Return what is given in one place, or in two places equally."""
    if given is not None and not isinstance(given, str):
        raise TypeError(f"{name} must be a str, not {type(given).__name__}")
    given = (given or "").strip() or None
    if given and pasted and given != pasted:
        raise ValueError(
            f"{name} is {given!r}, but the endpoint says {_shown(pasted)!r}: give it "
            "once"
        )
    return given or pasted


def _pasted_intent(pasted: PastedUrl) -> str | None:
    translation = pasted.path.endswith("/realtime/translations")
    return _merge(
        "the path's intent", "translation" if translation else None, pasted.query.intent
    )


def _complete_path(pasted: PastedUrl, *, preview: bool, translation: bool) -> str:
    path = pasted.path
    if not path:
        path = "/openai" if pasted.azure_style else "/v1"
    if path.endswith("/openai"):
        path += "/realtime" if preview else "/v1/realtime"
    elif path.endswith("/v1"):
        path += "/realtime"
    if translation and path.endswith("/realtime"):
        path += "/translations"
    if _REALTIME.fullmatch(path) or (pasted.complete and pasted.kind == "other"):
        return path
    raise ValueError(
        f"the endpoint's path {_shown(path)} is not one of the realtime API: give the "
        f"bare URL {_bare(pasted)}, or a whole one, such as {_example(pasted.kind)}"
    )


def _check_form(pasted: PastedUrl, path: str, version: str | None) -> None:
    """Refuse what belongs to another form of URL than that of the path."""
    preview = is_preview(version)
    if pasted.kind != "other" and pasted.scheme == "ws":
        raise ValueError(
            f"{pasted.host} takes connections with TLS only: give https://{pasted.host}"
        )
    if pasted.kind == "openai":
        _check_openai_form(pasted, path, version)
    elif pasted.kind == "azure" and "/openai/" not in path:
        raise ValueError(
            f"the endpoint's path {_shown(path)} is not one of Azure: give "
            f"{_example('azure')}"
        )
    elif path.endswith("/openai/realtime") and not preview:
        raise ValueError(
            "the path /openai/realtime is that of the preview, which needs an "
            "api-version such as 2025-04-01-preview; for the GA protocol give "
            f"{_example(pasted.kind)}"
        )
    elif _GA_PATH.search(path) and (preview or pasted.query.api_version):
        raise ValueError(
            f"the path {_shown(path)} is that of the GA protocol, which takes no "
            "api-version: leave it out, or for the preview, which cannot translate, "
            f"give {_bare(pasted)}"
        )
    _check_parameters(pasted, preview=preview)


def _check_openai_form(pasted: PastedUrl, path: str, version: str | None) -> None:
    if "/openai/" in path:
        raise ValueError(
            f"the path {_shown(path)} is one of Azure, {pasted.host} is not: give "
            f"{_example('openai')}"
        )
    if pasted.query.api_version or is_preview(version):
        raise ValueError(
            f"api-version is for Azure, {pasted.host} speaks the GA protocol only: "
            f"leave it out, the form is {_example('openai')}"
        )


def _check_parameters(pasted: PastedUrl, *, preview: bool) -> None:
    if preview and pasted.query.model:
        raise ValueError(
            "the preview form takes deployment= in place of model=; for the GA "
            f"protocol, leave out the api-version and give {_example(pasted.kind)}"
        )
    if not preview and pasted.query.deployment:
        raise ValueError(
            "deployment= belongs to the preview form of Azure; the GA form has the "
            f"name in model=: give {_example(pasted.kind)}"
        )


def _merged_model(pasted: PastedUrl, given: str | None, *, preview: bool) -> str | None:
    if len(pasted.models) > 1:
        raise ValueError("the endpoint names two models: leave all but one of them out")
    known = pasted.models[0] if pasted.models else None
    return _merge("the deployment" if preview else "model", given, known)


def _check_intent(model: str | None, intent: str | None) -> None:
    if intent == "transcription" and model is not None:
        raise ValueError(
            "a transcription session takes no model in its URL: leave it out "
            f"({model!r}) and name it in session.audio.input.transcription.model"
        )


def _require_model(pasted: PastedUrl) -> None:
    if pasted.kind != "other":
        name = "the deployment" if pasted.kind == "azure" else "the model"
        raise ValueError(f"model is missing: give the name of {name} as model=")


def _scope(hostname: str, *, preview: bool) -> str:
    match = re.search(r"(\.services\.ai)?\.azure\.(com|us|cn)\.?$", hostname)
    foundry, domain = match.groups() if match else (None, "com")
    if foundry or (domain == "com" and not preview):
        return f"https://ai.azure.{domain}/.default"
    return f"https://cognitiveservices.azure.{domain}/.default"


def _shown(pasted: str) -> str:
    """Return a part for a message, unless a log-in or a secret could be in it."""
    return "(not shown)" if set("@=:%") & set(pasted) else pasted


def _bare(pasted: PastedUrl) -> str:
    return f"{pasted.scheme.replace('ws', 'http')}://{pasted.host}"


def _example(kind: Kind) -> str:
    if kind == "openai":
        return "wss://api.openai.com/v1/realtime?model=MODEL"
    host = "RESOURCE.openai.azure.com" if kind == "azure" else "HOST"
    return f"wss://{host}/openai/v1/realtime?model=DEPLOYMENT"
