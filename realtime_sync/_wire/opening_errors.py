"""What the failures on the way to a server mean, and what to do about them."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator

from ..errors import ConnectError
from .line import Line


__all__ = ["explain", "opening_errors"]

_OTHER_HOST = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH
_DATED = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, …_CERT_HAS_EXPIRED

_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)

_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (
        socket.gaierror,
        "the name is not known; check its spelling, the network and, for a private "
        "endpoint, the VPN",
    ),
    (
        ssl.SSLEOFError,
        "the other side hung up during the TLS handshake; check that it speaks TLS on "
        "that port, and whether a firewall lets it through",
    ),
    (
        ssl.SSLError,
        "the TLS handshake failed; check that the port speaks TLS: an address that "
        "begins with ws:// does without",
    ),
    (
        ConnectionRefusedError,
        "nobody takes connections there; check the host and the port, and that the "
        "server is running",
    ),
    (
        ConnectionError,
        "the connection was cut; a firewall or a proxy on the way may have done that",
    ),
    (
        TimeoutError,
        "there is no answer; check the network, and whether it wants a proxy "
        "(https_proxy)",
    ),
)


@contextlib.contextmanager
def opening_errors(line: Line, target: str) -> Iterator[None]:
    """
    Translate what is raised while *line* is being opened to *target*.

    Raises:
        ConnectError: It failed; the message says at what and what can be done.
        TimeoutError: The deadline of the line has passed.
    """
    try:
        yield
    except (OSError, ValueError, AttributeError) as exc:
        line.ensure_wanted()
        if isinstance(exc, TimeoutError) and exc.errno is None:  # no error of TCP
            raise TimeoutError(
                f"no connection to {target} yet; {exc}, {line.step}; check the network "
                "and whether it wants a proxy (https_proxy), or raise open_timeout"
            ) from exc
        raise ConnectError(
            f"no connection to {target}: {explain(exc)} ({line.step}: {_words(exc)})"
        ) from exc


def explain(exc: Exception) -> str:
    """Return the cause and the remedy of *exc*, in a sentence."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _explain_certificate(exc)
    if isinstance(exc, OSError) and exc.errno in _NO_ROUTE:
        return (
            "there is no way to that network; check the network and the VPN, and "
            "whether it wants a proxy (https_proxy)"
        )
    for kind, sentence in _KINDS:
        if isinstance(exc, kind):
            return sentence
    return "it failed"


def _explain_certificate(exc: ssl.SSLCertVerificationError) -> str:
    if exc.verify_code in _OTHER_HOST:
        return (
            "the server's certificate is for another host; check the host name, and "
            "whether something between pretends to be the server"
        )
    if exc.verify_code in _DATED:
        return (
            "the server's certificate is out of date; check the clock of this machine, "
            "and tell whoever runs the server"
        )
    return (
        "this machine does not trust who signed the server's certificate; name a file "
        "with the certificate of that authority in SSL_CERT_FILE, or pass an "
        "ssl_context that trusts it (a proxy that looks into TLS has one of its own)"
    )


def _words(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return exc.verify_message
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc)
