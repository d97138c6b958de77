"""
Messages of exceptions taken apart: what happened, and what to do about it.

The library's messages are one sentence with both, "what; do this" or "what: do this",
for whoever reads a traceback. Where they are shown in two places, they are cut here.
"""

from __future__ import annotations

import re

from ._wire.opening_errors import explain
from .errors import ConnectError, HandshakeError


__all__ = ["what_and_remedy"]

_SEAM = re.compile(
    r"[;:.,] (?=(?:ask|begin|call|check|choose|copy|for the|give|install|leave|make"
    r"|name|or|pass|pip|put|python -m|raise|replace|set|sign|strip|take|there are|unset"
    r"|use|wait|write)\b)",
    re.IGNORECASE,
)


def what_and_remedy(exc: BaseException) -> tuple[str, str]:
    """Return what happened, and what to do about it, which is empty if not said."""
    text = str(exc) or type(exc).__name__
    if isinstance(exc, HandshakeError):
        return text.removesuffix(f". {exc.hint}"), exc.hint or ""
    if isinstance(exc, ConnectError) and isinstance(exc.__cause__, OSError):
        why, _, remedy = explain(exc.__cause__).partition("; ")
        if remedy and remedy in text:
            return text.replace(f"{why}; {remedy}", why), remedy
    if isinstance(exc, OSError) and exc.filename is not None:
        reason = (exc.strerror or "it cannot be used").lower()
        return f"{exc.filename}: {reason}", "check the path, and who may use it"
    seam = _SEAM.search(text)
    if seam is None:
        return text, ""
    return text[: seam.start()], text[seam.end() :]
