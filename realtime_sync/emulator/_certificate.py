"""A certificate for the emulator, made on the spot, and who signed it."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any


__all__ = ["Certificate"]


class Certificate:
    """
    A certificate for a host, by an authority that nobody else knows.

    Args:
        host: The name or address that the emulator listens on.

    Raises:
        ImportError: trustme is not installed; the message says how to.
    """

    def __init__(self, host: str) -> None:
        try:
            import trustme
        except ImportError as exc:
            raise ImportError(
                "TLS needs trustme, which makes the certificate: "
                "pip install 'realtime_sync[emulator]'"
            ) from exc
        self._authority: Any = trustme.CA()
        names = dict.fromkeys([host, "localhost", "127.0.0.1", "::1"])
        self._certificate = self._authority.issue_cert(*filter(_is_name, names))
        self._folder = tempfile.TemporaryDirectory(prefix="realtime-emulator-")
        self.ca_file = Path(self._folder.name) / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def server_context(self) -> ssl.SSLContext:
        """Return what the server listens with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A client that writes its upgrade while it reads may hang on the tickets.
        context.num_tickets = 0
        self._certificate.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return what a client connects with: it trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def close(self) -> None:
        """Delete the file of the authority."""
        self._folder.cleanup()


def _is_name(host: str) -> bool:
    return host not in ("", "0.0.0.0", "::")
