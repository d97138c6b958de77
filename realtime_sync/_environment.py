"""What the environment says where arguments are silent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from ._pasted_url import PastedUrl, is_preview, take_apart


if TYPE_CHECKING:
    from .credentials import Credential


__all__ = ["Settings", "settings_from_environment"]

_OPENAI_URL: Final = "https://api.openai.com"


@attrs.frozen(kw_only=True)
class Settings:
    """
    What arguments and environment say together.

    Attributes:
        endpoint: For `resolve_endpoint`.
        credential: The credential, or None where none is needed (this machine).
        model: The model or deployment, or None where the endpoint names it.
        api_version: The API version, or None.
    """

    endpoint: str
    credential: Credential | None = attrs.field(repr=False)
    model: str | None
    api_version: str | None


def settings_from_environment(
    endpoint: str | None = None,
    credential: Credential | None = None,
    *,
    model: str | None = None,
    api_version: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """
    Fill in from the environment what was not given. Empty variables count as absent.

    - endpoint: ``AZURE_OPENAI_ENDPOINT``; without it OpenAI, if ``OPENAI_API_KEY`` is
      set. With both, it is Azure.
    - credential: ``AZURE_OPENAI_API_KEY`` for the host of ``AZURE_OPENAI_ENDPOINT``,
      ``OPENAI_API_KEY`` for ``api.openai.com``. Neither is ever sent elsewhere, so an
      ``OPENAI_API_KEY`` beside an Azure endpoint is not used. Azure without a key gets
      a ``DefaultAzureCredential``; a server on this machine needs none.
    - model: ``AZURE_OPENAI_DEPLOYMENT``, except for OpenAI.
    - api_version: ``OPENAI_API_VERSION``, except for OpenAI.

    What is given always wins: over the variables, and over what the URL in
    ``AZURE_OPENAI_ENDPOINT`` holds. What an endpoint that is given holds wins too.

    Args:
        endpoint: As for `resolve_endpoint`, or None.
        credential: A credential, or None.
        model: As for `resolve_endpoint`, or None.
        api_version: As for `resolve_endpoint`, or None.
        environ: The variables, by default those of the process, read at this call.

    Raises:
        ValueError: Something that is needed is neither given nor set, or what is set
            contradicts itself.
    """
    variables = os.environ if environ is None else environ
    env = {name: value.strip() for name, value in variables.items() if value.strip()}
    given = endpoint is not None
    pasted = take_apart(_default_endpoint(env) if endpoint is None else endpoint)
    if not given and "AZURE_OPENAI_ENDPOINT" in env:
        _check_azure_variable(pasted)
        pasted = pasted.without_model() if model else pasted
        pasted = pasted.without_api_version() if api_version else pasted
    return Settings(
        endpoint=pasted.text(),
        credential=_default_credential(pasted, env)
        if credential is None
        else credential,
        model=model or _default_model(pasted, env, given=given),
        api_version=api_version or _default_version(pasted, env, given=given),
    )


def _default_endpoint(env: Mapping[str, str]) -> str:
    if "AZURE_OPENAI_ENDPOINT" in env:
        return env["AZURE_OPENAI_ENDPOINT"]
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT"):
        if name in env:
            raise ValueError(
                f"{name} is set, but AZURE_OPENAI_ENDPOINT is not: set it to the URL "
                "of the resource, or give the endpoint"
            )
    if "OPENAI_API_KEY" in env:
        return _OPENAI_URL
    raise ValueError(
        "no endpoint: set AZURE_OPENAI_ENDPOINT to the URL of the resource (or "
        "OPENAI_API_KEY for OpenAI), or give the endpoint"
    )


def _check_azure_variable(pasted: PastedUrl) -> None:
    if pasted.kind == "openai":
        raise ValueError(
            f"AZURE_OPENAI_ENDPOINT names {pasted.host}, which is not Azure: unset it "
            "and set OPENAI_API_KEY"
        )


def _default_model(
    pasted: PastedUrl, env: Mapping[str, str], *, given: bool
) -> str | None:
    query = pasted.query
    if pasted.kind == "openai" or query.intent == "transcription" or query.call_id:
        return None
    if given and pasted.models:
        return None
    return env.get("AZURE_OPENAI_DEPLOYMENT")


def _default_version(
    pasted: PastedUrl, env: Mapping[str, str], *, given: bool
) -> str | None:
    version = env.get("OPENAI_API_VERSION")
    if version is None or pasted.kind == "openai":
        return None
    if given and (pasted.path or pasted.query.api_version):
        return None
    try:
        is_preview(version)
    except ValueError as exc:
        raise ValueError(f"OPENAI_API_VERSION: {exc}") from None
    return version


def _default_credential(pasted: PastedUrl, env: Mapping[str, str]) -> Credential | None:
    if pasted.kind == "openai":
        if "OPENAI_API_KEY" in env:
            return env["OPENAI_API_KEY"]
        raise ValueError("no credential: set OPENAI_API_KEY, or give the credential")
    key = env.get("AZURE_OPENAI_API_KEY")
    if key is not None and _is_azure_variable_for(pasted, env):
        return key
    if pasted.is_loopback:
        return None
    if key is not None:
        raise ValueError(
            "AZURE_OPENAI_API_KEY belongs to the host of AZURE_OPENAI_ENDPOINT, not to "
            f"{pasted.host}: give the credential for it"
        )
    if not pasted.azure_style:
        raise ValueError(
            f"no variable holds a credential for {pasted.host}: give the credential"
        )
    # Imported here, as it takes longer than all other imports together.
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _is_azure_variable_for(pasted: PastedUrl, env: Mapping[str, str]) -> bool:
    """Tell whether the key in the environment is for this host."""
    if "AZURE_OPENAI_ENDPOINT" not in env:
        return pasted.kind == "azure"
    return take_apart(env["AZURE_OPENAI_ENDPOINT"]).host == pasted.host
