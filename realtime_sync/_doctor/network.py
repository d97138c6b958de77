"""The doctor's steps below the WebSocket: proxy, name, TCP, TLS and certificates."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from .._wire.line import Line, show_address
from .._wire.opening_errors import opening_errors
from .._wire.proxies import choose_proxy
from ..errors import ConnectError
from .way import Finding, Way


__all__ = ["check_dns", "check_proxy", "check_tcp", "check_tls", "check_tunnel"]

_SHOWN = 5  # names of a certificate
_SOON = 14  # days before its end in which a certificate is worth a word


def check_proxy(way: Way) -> Finding:
    """Find out which proxy leads to the service."""
    way.proxy = choose_proxy(way.endpoint.url, way.client.proxy)
    if way.proxy is None:
        return Finding(summary="none")
    origin = "the settings" if way.client.proxy else "the environment"
    return Finding(summary=f"{way.proxy}, from {origin}")


def check_dns(way: Way) -> Finding:
    """Look up the name of the first host on the way."""
    host, port = _first_hop(way)
    line = way.new_line()
    with opening_errors(line, show_address(host, port)):
        addresses = [address[0] for _, address in line.resolve(host, port)]
    if addresses == [host]:
        return Finding(summary=f"{host} is an address")
    details = ["the proxy looks up the service's name"] if way.proxy else []
    found = ", ".join(dict.fromkeys(addresses))
    return Finding(summary=f"{host} is {found}", details=details)


def check_tcp(way: Way) -> Finding:
    """Connect to the first host on the way."""
    host, port = _first_hop(way)
    line = way.new_line()
    with opening_errors(line, show_address(host, port)):
        line.connect(host, port)
    peer, own = line.sock.getpeername(), line.sock.getsockname()
    return Finding(
        summary=f"connected to {show_address(*peer[:2])}",
        details=[f"from {show_address(*own[:2])}"],
    )


def check_tunnel(way: Way) -> Finding | None:
    """Let the proxy connect to the service."""
    if way.proxy is None:
        return None
    host, port = _target(way)
    _open(way)
    return Finding(summary=f"{way.proxy} connected to {show_address(host, port)}")


def check_tls(way: Way) -> Finding | None:
    """Encrypt, and look at the certificates."""
    if not way.endpoint.is_secure:
        return None
    host, port = _target(way)
    assert way.line is not None
    context = way.client.ssl_context or ssl.create_default_context()
    watched = _Watched(context)
    try:
        with opening_errors(way.line, show_address(host, port)):
            way.line.secure(cast("ssl.SSLContext", watched), host)
    except ConnectError as exc:
        if isinstance(exc.__cause__, ssl.SSLCertVerificationError):
            # Nothing is sent on this one: it is only for what the other side shows.
            with contextlib.suppress(ConnectError, TimeoutError, OSError):
                way.notes.extend(_describe(_shown_chain(way, host)))
        raise
    chain = _chain(watched.tls)
    version, cipher = watched.tls.version(), (watched.tls.cipher() or ("?",))[0]
    way.hang_up()
    return Finding(
        summary=f"{version}, {cipher}", details=_describe(chain), remedy=_aging(chain)
    )


class _Watched:
    """An SSL context that lets one look at the TLS object it makes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.tls: ssl.SSLObject

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Make the TLS object; see `ssl.SSLContext.wrap_bio()`."""
        self.tls = self._context.wrap_bio(*args, **options)
        return self.tls


def _target(way: Way) -> tuple[str, int]:
    parts = urlsplit(way.endpoint.url)
    assert parts.hostname is not None
    return parts.hostname, parts.port or (443 if way.endpoint.is_secure else 80)


def _first_hop(way: Way) -> tuple[str, int]:
    if way.proxy is not None:
        return way.proxy.host, way.proxy.port
    return _target(way)


def _open(way: Way) -> Line:
    """Return a line to the service, through the proxy if there is one."""
    host, port = _target(way)
    line = way.new_line()
    with opening_errors(line, show_address(host, port)):
        if way.proxy is None:
            line.connect(host, port)
        else:
            own = way.client.ssl_context
            way.proxy.tunnel(
                line, host, port, lambda: own or ssl.create_default_context()
            )
    return line


def _shown_chain(way: Way, host: str) -> list[Any]:
    """Return the certificates that the other side shows, whatever they are worth."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    watched = _Watched(context)
    _open(way).secure(cast("ssl.SSLContext", watched), host)
    return _chain(watched.tls)


def _chain(tls: ssl.SSLObject) -> list[Any]:
    """Return the certificates of the other side, its own first."""
    from cryptography import x509  # azure-identity brings it

    return [x509.load_der_x509_certificate(data) for data in _der_chain(tls)]


def _der_chain(tls: Any) -> list[bytes]:
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        return list(tls.get_unverified_chain())
    with contextlib.suppress(AttributeError, TypeError):
        inner = tls._sslobj  # what 3.13 made public
        return [each.public_bytes(2) for each in inner.get_unverified_chain()]
    own = tls.getpeercert(binary_form=True)
    return [own] if own else []


def _describe(chain: Sequence[Any]) -> list[str]:
    lines = []
    for number, each in enumerate(chain):
        kind = "certificate" if number == 0 else "signed by"
        names = "" if number else _names(each)
        lines.append(
            f"{kind} {_name(each.subject)}{names}, issuer {_name(each.issuer)}, "
            f"valid until {_end(each):%Y-%m-%d}"
        )
    return lines


def _name(name: Any) -> str:
    from cryptography.x509.oid import NameOID

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return repr(str(common[0].value) if common else name.rfc4514_string())


def _names(certificate: Any) -> str:
    """Return the hosts that a certificate is for, for whoever uses another name."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except (x509.ExtensionNotFound, ValueError):
        return ""
    hosts = [str(each.value) for each in found]
    more = ", …" if len(hosts) > _SHOWN else ""
    return f" for {', '.join(hosts[:_SHOWN])}{more}"


def _end(certificate: Any) -> datetime.datetime:
    aware: datetime.datetime | None = getattr(certificate, "not_valid_after_utc", None)
    if aware is not None:
        return aware
    naive: datetime.datetime = certificate.not_valid_after  # before cryptography 42
    return naive.replace(tzinfo=datetime.timezone.utc)


def _aging(chain: Sequence[Any]) -> str | None:
    now = datetime.datetime.now(datetime.timezone.utc)
    for each in chain:
        days = (_end(each) - now).days
        if days < _SOON:
            return (
                f"the certificate {_name(each.subject)} ends in {days} days: tell "
                "whoever runs the server"
            )
    return None
