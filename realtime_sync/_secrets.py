"""
Secrets in memory: kept out of what reporters of crashes show.

Tools such as `cgitb`, rich and error trackers show the local variables of every frame
of a traceback, so whatever holds a secret there must not show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ._logging import PUBLIC_HEADERS, redact_text
from .errors import HandshakeError


__all__ = ["SecretHeaders", "hide_secrets", "secrets_of"]


class SecretHeaders(Mapping[str, str]):
    """
    Headers that do not show their values.

    Not a `dict`, since some tools look into those whatever their `repr()` is.
    """

    __slots__ = ("_headers",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = tuple(headers.items())

    def __getitem__(self, name: str) -> str:
        for known, value in self._headers:
            if known == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


def secrets_of(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of headers that are not known to be harmless."""
    return (
        value for name, value in headers.items() if name.lower() not in PUBLIC_HEADERS
    )


def hide_secrets(exc: HandshakeError, secrets: Iterable[str]) -> None:
    """
    Take secrets out of what a server said: services echo keys, wrong ones above all.

    Args:
        exc: What was made of the answer.
        secrets: Values that were sent.
    """
    hidden = [secret for secret in secrets if secret]
    exc.body = redact_text(exc.body, hidden)
    exc.message = exc.message and redact_text(exc.message, hidden)
    exc.code = exc.code and redact_text(exc.code, hidden)
    exc.hint = exc.hint and redact_text(exc.hint, hidden)
    exc.args = (exc.status, exc.code, exc.message)
