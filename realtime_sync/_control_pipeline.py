"""
HTTP requests of the control API, through the pipeline of azure-core.

The pipeline is that of other Azure clients: it numbers requests, tries again what may
be tried again, signs each try with a fresh token, and logs headers without secrets.
Proxies and authorities are those of the client's connections. Redirects are never
followed, as they would carry the credential elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import attrs

from ._checks import check_timeout
from ._logging import PUBLIC_HEADERS
from ._recovery.opening import USER_AGENT
from ._secrets import hide_secrets, secrets_of
from ._wire.proxies import Proxy, choose_proxy, without_traceback
from ._wire.upgrade import refusal
from .credentials import authorization_headers, handshake_hint
from .endpoints import Endpoint
from .errors import (
    AuthenticationError,
    ConnectError,
    ControlError,
    RemoteProtocolError,
)


# Imported for their names only: azure.core takes as long to import as all the rest.
if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.rest import HttpRequest, HttpResponse

    from .client import RealtimeClient


__all__ = ["ControlPipeline"]

logger = logging.getLogger("realtime_sync.control")

_TRIES: Final = 3  # after the first, as those of other Azure clients


@attrs.define(eq=False)
class ControlPipeline:
    """
    Sends requests to the service that a client connects to. Thread-safe.

    Args:
        client: The settings: credential, headers, proxy, TLS.
        endpoint: Where the client connects to.
    """

    _client: RealtimeClient
    _endpoint: Endpoint
    _pipeline: PipelineClient[Any, Any] | None = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)

    def send(self, request: HttpRequest, timeout: float | None) -> HttpResponse:
        """
        Return the answer to a request, which was no refusal.

        Args:
            request: The request; it is authorized here.
            timeout: Seconds for all tries together; None for no limit.

        Raises:
            AuthenticationError: The server does not accept the credential.
            ControlError: The server refused the request.
            ConnectError: There was no answer.
            TimeoutError: There was none in time.
            RuntimeError: It was closed.
        """
        check_timeout(timeout)
        limits: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        with _foreign_errors(request.url, timeout):
            response: HttpResponse = self._open().send_request(
                request, connection_timeout=timeout, read_timeout=timeout, **limits
            )
        if not 200 <= response.status_code < 300:
            raise self._refused(response)
        return response

    def close(self) -> None:
        """Close what is open; idempotent."""
        self._closed = True
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.close()

    def _open(self) -> PipelineClient[Any, Any]:
        if self._closed:
            raise RuntimeError("this ControlClient is closed: make another")
        if self._pipeline is None:
            # Two threads may both make one: the second is as good, and opens nothing.
            self._pipeline = _make_pipeline(self._client, self._endpoint)
        return self._pipeline

    def _refused(self, response: HttpResponse) -> AuthenticationError | ControlError:
        headers = {name.lower(): value for name, value in response.headers.items()}
        found = refusal(response.status_code, headers, response.read())
        hide_secrets(found, secrets_of(response.request.headers))
        if isinstance(found, AuthenticationError):
            found.hint = handshake_hint(
                found.status, found.code, self._endpoint, self._client.scope
            )
            return found
        return ControlError(found)


@contextlib.contextmanager
def _foreign_errors(url: str, timeout: float | None) -> Iterator[None]:
    from azure.core import exceptions

    host = urlsplit(url).netloc
    try:
        yield
    except (
        exceptions.ServiceRequestTimeoutError,
        exceptions.ServiceResponseTimeoutError,
    ) as exc:
        words = f"{host} did not answer within {timeout} s"
        # The frames of other libraries hold the headers.
        raise TimeoutError(words) from without_traceback(exc)
    except (exceptions.ServiceRequestError, exceptions.ServiceResponseError) as exc:
        raise ConnectError(
            f"no answer from {host}: {exc.message}; check the host, the network and "
            "whether it wants a proxy (https_proxy)"
        ) from without_traceback(exc)
    except exceptions.AzureError as exc:
        raise RemoteProtocolError(
            f"the answer from {host} cannot be read: {exc.message}"
        ) from without_traceback(exc)


def _make_pipeline(
    client: RealtimeClient, endpoint: Endpoint
) -> PipelineClient[Any, Any]:
    from azure.core import PipelineClient
    from azure.core.pipeline import policies

    agent = " ".join(filter(None, (client.user_agent, USER_AGENT)))
    log = policies.HttpLoggingPolicy(logger, http_logging_level=logging.DEBUG)
    log.allowed_header_names |= PUBLIC_HEADERS
    return PipelineClient(
        base_url=endpoint.host,
        policies=[
            policies.RequestIdPolicy(),
            policies.HeadersPolicy(dict(client.headers)),
            policies.UserAgentPolicy(base_user_agent=agent),
            policies.ProxyPolicy(_proxies(endpoint, client.proxy)),
            policies.RetryPolicy(retry_total=_TRIES),
            _authorization(client, endpoint),
            policies.DistributedTracingPolicy(),
            log,
        ],
        transport=_make_transport(client.ssl_context),
    )


def _proxies(endpoint: Endpoint, proxy: str | None) -> dict[str, str]:
    # Found as for connections: `requests` would also read passwords from ~/.netrc.
    found = choose_proxy(endpoint.url, proxy)
    return {} if found is None else dict.fromkeys(("http", "https"), _address(found))


def _address(proxy: Proxy) -> str:
    if proxy.username is None:
        return str(proxy)
    login = f"{quote(proxy.username, safe='')}:{quote(proxy.password, safe='')}"
    return str(proxy).replace("://", f"://{login}@")


def _authorization(client: RealtimeClient, endpoint: Endpoint) -> Any:
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class Authorization(SansIOHTTPPolicy[Any, Any]):
        """Signs each try, as a token may have expired since the one before."""

        def on_request(self, request: Any) -> None:
            request.http_request.headers.update(
                authorization_headers(client.credential, endpoint, scope=client.scope)
            )

    return Authorization()


def _make_transport(context: ssl.SSLContext | None) -> Any:
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter

    tls = context or ssl.create_default_context()

    class Adapter(HTTPAdapter):
        """Trusts whom connections trust, and not the list that `requests` brings."""

        def init_poolmanager(self, *args: Any, **settings: Any) -> None:
            super().init_poolmanager(*args, ssl_context=tls, **settings)

        def proxy_manager_for(self, *args: Any, **settings: Any) -> Any:
            return super().proxy_manager_for(*args, ssl_context=tls, **settings)

        def cert_verify(self, *args: Any, **settings: Any) -> None:
            """Leave it to the context."""

        def build_connection_pool_key_attributes(
            self, *args: Any, **settings: Any
        ) -> Any:
            host, pool = super().build_connection_pool_key_attributes(*args, **settings)
            return host, {**pool, "cert_reqs": None}

    session = requests.Session()
    session.trust_env = False
    session.mount("https://", Adapter())
    return RequestsTransport(session=session, use_env_settings=False)
