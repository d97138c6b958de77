"""
Which proxy leads to a server, and the way through it.

The choice is the one that `requests` makes, for the users of a network have set it up
for programs like that: ``https_proxy`` for wss, ``http_proxy`` for ws, ``all_proxy``
for both, in small or capital letters, and ``no_proxy`` with names, their sub-domains,
addresses, networks and ports. Where the environment says nothing, the settings of macOS
and Windows count.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

from ..errors import ConnectError
from .line import Line, show_address
from .opening_errors import explain


__all__ = ["Hidden", "Proxy", "choose_proxy", "parse_proxy", "without_traceback"]

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080}
_PORTS |= {"socks5": 1080, "socks5h": 1080}
_LONGEST_ANSWER = 64 * 1024  # bytes of a proxy's answer to CONNECT


@attrs.frozen(kw_only=True)
class Proxy:
    """
    A proxy.

    Attributes:
        scheme: How it is spoken to: http, https, socks4, socks4a, socks5 or socks5h.
            With socks4 and socks5 this side looks up the server's name.
        host: Its name or address.
        port: Its port.
        username: For its log-in, or None.
        password: For its log-in.
    """

    scheme: str
    host: str
    port: int
    username: str | None = attrs.field(default=None, repr=False)
    password: str = attrs.field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{show_address(self.host, self.port)}"

    def tunnel(
        self, line: Line, host: str, port: int, context: Callable[[], ssl.SSLContext]
    ) -> None:
        """
        Connect *line* to a server through this proxy.

        Args:
            line: A line that is not connected.
            host: The server's name or address.
            port: The server's port.
            context: Makes what TLS to an https proxy needs.

        Raises:
            ConnectError: The proxy refused, or it was aborted.
            OSError: TLS with the proxy failed.
            TimeoutError: The deadline has passed.
        """
        if self.scheme.startswith("socks"):
            _import_python_socks()  # before anything is dialled
        self._reach(line)
        if self.scheme == "https":
            line.secure(context(), self.host)
        if self.scheme.startswith("socks"):
            self._tunnel_by_socks(line, host, port)
        else:
            self._tunnel_by_http(line, host, port)

    def _reach(self, line: Line) -> None:
        try:
            line.connect(self.host, self.port)
        except OSError as exc:
            line.ensure_wanted()
            if isinstance(exc, TimeoutError) and exc.errno is None:
                raise  # the deadline
            raise ConnectError(
                f"no connection to the proxy {self}: {explain(exc)}. The proxy is that "
                "of proxy= or of the environment (https_proxy); no_proxy names servers "
                f"that need none ({line.step}: {exc.strerror or exc})"
            ) from exc

    def _tunnel_by_http(self, line: Line, host: str, port: int) -> None:
        target = show_address(host, port)
        line.step = f"waiting for the proxy {self} to connect to {target}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        line.sendall(Hidden(f"{head}{self._authorization()}\r\n".encode()))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):  # to the byte: what follows is TLS
            received = line.recv(1)
            answer += received
            if not received or len(answer) > _LONGEST_ANSWER:
                raise ConnectError(
                    f"the proxy {self} does not answer as an HTTP proxy does; check "
                    "its address and scheme"
                )
        self._check_status(answer.split(b"\r\n", 1)[0], target)

    def _check_status(self, line: bytes, target: str) -> None:
        version, _, status = line.decode("latin-1").partition(" ")
        if not version.startswith("HTTP/") or not status[:3].isdigit():
            raise ConnectError(f"the proxy {self} is no HTTP proxy")
        if status.startswith("407"):
            what = (
                "did not accept the user name and password"
                if self.username
                else ("asks for a user name and a password")
            )
            raise ConnectError(
                f"the proxy {self} {what} (407); write them into its address: "
                "http://user:password@host:port"
            )
        if not status.startswith("2"):
            raise ConnectError(
                f"the proxy {self} refused to connect to {target} "
                f"({status.strip()}); ask for this server to be allowed there, or name "
                "it in no_proxy"
            )

    def _authorization(self) -> str:
        if self.username is None:
            return ""
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Proxy-Authorization: Basic {login}\r\n"

    def _tunnel_by_socks(self, line: Line, host: str, port: int) -> None:
        python_socks, sync = _import_python_socks()
        remote = self.scheme in ("socks4a", "socks5h")
        if not remote:
            host = line.resolve(host, port)[0][1][0]
        line.step = f"waiting for the proxy {self} to connect to {host}"
        kind = python_socks.ProxyType[self.scheme[:6].upper()]
        proxy = sync.Proxy(
            kind,
            self.host,
            self.port,
            username=self.username,
            password=self.password,
            rdns=remote,
            forward=_Connected(line),
        )
        with self._errors_of_socks(python_socks, line, host):
            proxy.connect(host, port)

    @contextlib.contextmanager
    def _errors_of_socks(
        self, python_socks: Any, line: Line, host: str
    ) -> Iterator[None]:
        try:
            yield
        except python_socks.ProxyError as exc:
            message = f"the proxy {self} did not connect to {host}: {exc}"
            raise ConnectError(message) from without_traceback(exc)
        except python_socks.ProxyTimeoutError:
            raise line.deadline.error() from None


@attrs.frozen
class _Connected:
    """The way to a SOCKS proxy, for python-socks: a line that is open already."""

    line: Line

    def connect(self, **_: object) -> _Socket:
        return _Socket(self.line)


@attrs.frozen
class _Socket:
    """As much of a blocking socket as python-socks uses."""

    line: Line

    def recv(self, size: int) -> bytes:
        return self.line.recv(size)

    def sendall(self, data: bytes) -> None:
        self.line.sendall(Hidden(data))

    def close(self) -> None:
        """Leave it to the line, which owns the socket."""


class Hidden(bytes):
    """Bytes that no traceback with local variables shows."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


def without_traceback(exc: BaseException) -> BaseException:
    """Remove from *exc* and its causes the frames, whose variables hold secrets."""
    each: BaseException | None = exc
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return exc


def choose_proxy(url: str, proxy: str | None) -> Proxy | None:
    """
    Return the proxy that leads to *url*, or None where none does.

    Args:
        url: A ws or wss URL.
        proxy: The address of a proxy, empty for none, or None to do as the environment
            says.

    Raises:
        ConnectError: The environment names something that is no proxy.
        ValueError: *proxy* is none.
    """
    if proxy is not None:
        return parse_proxy(proxy) if proxy else None
    parts = urlsplit(url)
    found = _proxy_of_system(parts)
    if not found:
        return None
    try:
        return parse_proxy(found)
    except ValueError as exc:
        scheme = "https" if parts.scheme == "wss" else "http"
        raise ConnectError(
            f"{exc} (it comes from the environment: {scheme}_proxy or all_proxy)"
        ) from None


def parse_proxy(address: str) -> Proxy:
    """
    Return the proxy at *address*, such as ``http://user:password@host:port``.

    Raises:
        ValueError: It is no such address. The message does not repeat it, for it may
            hold a password.
    """
    address = address.strip()
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in _PORTS:
        raise ValueError(
            f"a proxy with the scheme {parts.scheme!r} is not supported; use one of "
            + ", ".join(_PORTS)
        )
    try:
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        host = None
    if not host:
        raise ValueError("the proxy's address must look like http://host:port")
    return Proxy(
        scheme=parts.scheme,
        host=host,
        port=port,
        username=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
    )


def _proxy_of_system(parts: SplitResult) -> str | None:
    from urllib import request  # costs as much as the rest of this library

    host = parts.hostname
    if host is None or _is_exempt(host, parts.port):
        return None
    with contextlib.suppress(TypeError, socket.gaierror):
        if request.proxy_bypass(host):
            return None
    proxies = request.getproxies()
    scheme = "https" if parts.scheme == "wss" else "http"
    return proxies.get(scheme) or proxies.get("all")


def _is_exempt(host: str, port: int | None) -> bool:
    """Tell whether no_proxy names the server."""
    text = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    entries = [entry for entry in text.replace(" ", "").split(",") if entry]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names = (host, f"{host}:{port}" if port else host)
        return any(_is_within(names, entry.lstrip(".").lower()) for entry in entries)
    return any(_is_in_network(address, entry) for entry in entries)


def _is_within(names: tuple[str, str], domain: str) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for name in names)


def _is_in_network(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, entry: str
) -> bool:
    try:
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def _import_python_socks() -> tuple[Any, Any]:
    try:
        import python_socks
        import python_socks.sync
    except ImportError as exc:
        raise ConnectError(
            "a SOCKS proxy needs the extra 'socks': pip install 'realtime_sync[socks]'"
        ) from exc
    return python_socks, python_socks.sync
