"""
Endpoints as people paste them, taken apart.

What is refused here is wrong for every service: no URL, another scheme, a user name, a
fragment, a secret in the query, a placeholder. No message repeats what was pasted, as
that may hold a secret; host names and the names of parameters are all they contain.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

import attrs


__all__ = ["Kind", "PastedUrl", "Query", "is_preview", "take_apart"]

Kind = Literal["azure", "openai", "other"]

_SCHEMES: Final = {"https": "wss", "wss": "wss", "http": "ws", "ws": "ws"}
_HOST: Final = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9a-f.]*:[0-9a-f:.]*"
)
_PATH_CHARACTERS: Final = "/%:@!$&'()*+,;=~"

_PREVIEW_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}-preview")

_DEPLOYMENT: Final = re.compile(
    r"(?P<base>.*/openai)/deployments/(?P<name>[^/]+)(?P<rest>/.*)?"
)
_PROJECT: Final = re.compile(r"/api/projects(/|$)")

_SECRETS: Final = frozenset(
    {
        "access-token",
        "api-key",
        "apikey",
        "authorization",
        "bearer",
        "client-secret",
        "key",
        "ocp-apim-subscription-key",
        "password",
        "secret",
        "sig",
        "subscription-key",
        "token",
    }
)


@attrs.frozen(kw_only=True)
class Query:
    """
    The parameters of the protocol, None where absent or blank, and all others.

    Attributes:
        api_version: ``api-version``, of the preview form.
        deployment: ``deployment``, the model's name in the preview form.
        model: ``model``, its name in every other form.
        intent: ``intent``.
        call_id: ``call_id``.
        others: Parameters that mean nothing here, in order, for gateways.
    """

    api_version: str | None = None
    deployment: str | None = None
    model: str | None = None
    intent: str | None = None
    call_id: str | None = None
    others: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """Return the query as it stands in a URL, without the question mark."""
        named = {
            "api-version": self.api_version,
            "deployment": self.deployment,
            "model": self.model,
            "intent": self.intent,
            "call_id": self.call_id,
        }
        pairs = [(name, value) for name, value in named.items() if value is not None]
        return urlencode([*pairs, *self.others], quote_via=quote, safe="")


@attrs.frozen(kw_only=True)
class PastedUrl:
    """
    A URL in its parts; nothing is completed yet.

    Attributes:
        scheme: ``wss`` or ``ws``; ``https`` and ``http`` are turned into them.
        complete: Whether it was pasted as ``wss://`` or ``ws://``, so that even an
            unfamiliar path is meant as it stands.
        hostname: In lower case, without port and brackets.
        port: The port, or None for that of the scheme.
        path: Without doubled and trailing slashes, empty for none, and without
            ``/deployments/NAME``.
        path_deployment: That NAME, or None.
        query: What follows the question mark.
    """

    scheme: str
    complete: bool
    hostname: str
    port: int | None
    path: str
    path_deployment: str | None
    query: Query

    @property
    def kind(self) -> Kind:
        """Whose host it is."""
        name = f".{self.hostname.rstrip('.')}"
        if name.endswith(".api.openai.com"):
            return "openai"
        azure = name.endswith((".azure.com", ".azure.us", ".azure.cn"))
        return "azure" if azure else "other"

    @property
    def host(self) -> str:
        """The host and, if one was given, its port."""
        name = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return name if self.port is None else f"{name}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        address = _address(self.hostname)
        if address is not None:
            return address.is_loopback
        return f".{self.hostname}".endswith(".localhost")

    @property
    def azure_style(self) -> bool:
        """Whether its path is, or will be, one of Azure: ``/openai/…``."""
        if not self.path:
            return self.kind != "openai"
        return "/openai/" in f"{self.path}/"

    @property
    def models(self) -> tuple[str, ...]:
        """Every name of a model that it holds, wherever it stands."""
        names = (self.query.model, self.query.deployment, self.path_deployment)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def without_model(self) -> PastedUrl:
        """Return it with no name of a model in it."""
        query = attrs.evolve(self.query, model=None, deployment=None)
        return attrs.evolve(self, query=query, path_deployment=None)

    def without_api_version(self) -> PastedUrl:
        """Return it with no ``api-version`` in it."""
        return attrs.evolve(self, query=attrs.evolve(self.query, api_version=None))

    def text(self) -> str:
        """Return the URL, which can be taken apart again to the same parts."""
        scheme = self.scheme if self.complete else self.scheme.replace("ws", "http")
        path = self.path
        if self.path_deployment is not None:
            name = quote(self.path_deployment, safe="")
            base, _, rest = path.rpartition("/openai")
            path = f"{base}/openai/deployments/{name}{rest}"
        query = self.query.text()
        return f"{scheme}://{self.host}{path}{'?' if query else ''}{query}"


def take_apart(endpoint: str) -> PastedUrl:
    """
    Take an endpoint apart.

    Args:
        endpoint: A URL with or without path and query, or the name of a host.

    Raises:
        TypeError: It is no string.
        ValueError: It is none of them, or it holds what no endpoint may hold.
    """
    parts = _split(_with_scheme(_checked_text(endpoint)))
    path, deployment = _take_path(parts)
    return PastedUrl(
        scheme=_SCHEMES[parts.scheme],
        complete=parts.scheme in ("ws", "wss"),
        hostname=_hostname(parts),
        port=parts.port,
        path=path,
        path_deployment=deployment,
        query=_take_query(parts.query),
    )


def is_preview(api_version: str | None) -> bool:
    """
    Tell whether a version is one of the preview form, and not the GA protocol.

    Raises:
        ValueError: It is neither.
    """
    if api_version in (None, "v1"):
        return False
    if _PREVIEW_VERSION.fullmatch(str(api_version)):
        return True
    raise ValueError(
        f"the realtime API has no api_version {api_version!r}: leave it out (or give "
        "'v1') for the GA protocol, or give a date with -preview, such as "
        "'2025-04-01-preview', for the preview of Azure"
    )


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _checked_text(endpoint: object) -> str:
    if not isinstance(endpoint, str):
        raise TypeError(
            f"the endpoint must be a str, not {type(endpoint).__name__}: give "
            "the URL of the resource, such as 'https://my-resource.openai.azure.com'"
        )
    text = endpoint.strip()
    if not text:
        raise ValueError(
            "the endpoint is empty: give the URL of the resource, such as "
            "'https://my-resource.openai.azure.com'"
        )
    # `urlsplit` drops line breaks and tabs without a word.
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("the endpoint contains white space: give one URL")
    return text


def _with_scheme(text: str) -> str:
    if "://" in text:
        return text
    host = re.split(r"[/?#]", text, maxsplit=1)[0]
    name = host.rpartition(":")[0] or host
    if "@" in host or "." not in name or _address(name.strip("[]")) is not None:
        raise ValueError(
            "the endpoint is no URL: begin it with https:// (or with http:// or ws:// "
            "for a server on this machine), or give the whole name of the host, such "
            "as 'my-resource.openai.azure.com'"
        )
    return f"https://{text}"


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 (it raises for a port that is no number)
    except ValueError:
        # Not chained: the original message repeats what was pasted.
        raise ValueError("the endpoint has a host or port that is not valid") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(
            "the endpoint has a scheme that is not supported: use https:// or wss:// "
            "(or http:// or ws:// without TLS)"
        )
    if "@" in parts.netloc:
        raise ValueError(
            "the endpoint holds a user name or password: take it out of the URL and "
            "pass it as the credential or in a header"
        )
    if "#" in text:
        raise ValueError("the endpoint holds a fragment: leave out '#' and the rest")
    return parts


def _hostname(parts: SplitResult) -> str:
    name = parts.hostname or ""
    try:
        name = name.encode("idna").decode("ascii") if not name.isascii() else name
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name):
        raise ValueError(
            "the endpoint has no valid host name: replace what stands for the "
            "resource's name by that name, as in 'https://my-resource.openai.azure.com'"
        )
    return name


def _take_path(parts: SplitResult) -> tuple[str, str | None]:
    path = quote(re.sub("/+", "/", parts.path).rstrip("/"), safe=_PATH_CHARACTERS)
    if _PROJECT.match(path):
        raise ValueError(
            "the endpoint is that of a Foundry project, which has no realtime path: "
            f"give the resource's own, https://{parts.hostname}"
        )
    match = _DEPLOYMENT.fullmatch(path)
    if match is None:
        return path, None
    if match["rest"] not in (None, "/realtime") or "/deployments/" in match["base"]:
        raise ValueError(
            "the endpoint is the URL of another operation of that deployment: give "
            f"https://{parts.hostname} and the deployment's name as the model"
        )
    return match["base"] + (match["rest"] or ""), unquote(match["name"]).strip()


def _take_query(text: str) -> Query:
    found: dict[str, str] = {}
    others = []
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name.lower().replace("_", "-") in _SECRETS:
            raise ValueError(
                f"the endpoint holds a secret in its query ({name}=): URLs end up in "
                "logs, so take it out and pass it as the credential or in a header"
            )
        field = name.lower().replace("-", "_")
        if field == "others" or field not in attrs.fields_dict(Query):
            others.append((name, value))
        elif value.strip() and found.setdefault(field, value.strip()) != value.strip():
            raise ValueError(f"the endpoint gives {name}= twice, and differently")
    return Query(**found, others=tuple(others))
