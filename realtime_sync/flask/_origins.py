"""Whose pages may open a socket: the browser tells, and cannot be made to lie."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit


__all__ = ["is_allowed_origin"]

_PORTS = {"http": 80, "https": 443}


def is_allowed_origin(
    origin: str | None, *, host: str, secure: bool, allowed: Collection[str] = ()
) -> bool:
    """
    Tell whether a page of *origin* may open a socket on *host*.

    A request without an origin comes from no browser, so no page has made it; who sends
    it has to log in all the same.

    Args:
        origin: The ``Origin`` of the request, or None.
        host: Its ``Host``, with the port if it has one.
        secure: Whether the request came by TLS; then its page has to, too.
        allowed: Further origins, such as ``https://www.example.com``; ``*`` is any.
    """
    if origin is None or "*" in allowed:
        return True
    if origin.lower().rstrip("/") in {each.lower().rstrip("/") for each in allowed}:
        return True
    try:
        page = urlsplit(origin)
        here = urlsplit(f"{page.scheme}://{host}")
        same = (page.hostname, _port(page.port, page.scheme)) == (
            here.hostname,
            _port(here.port, page.scheme),
        )
    except ValueError:  # a port that is none
        return False
    return bool(page.hostname) and same and (page.scheme == "https" or not secure)


def _port(port: int | None, scheme: str) -> int | None:
    return port or _PORTS.get(scheme)
