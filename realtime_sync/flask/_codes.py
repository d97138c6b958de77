"""Why a browser's socket is closed: the codes, and what is said with them."""

from __future__ import annotations

import enum


__all__ = ["CloseCode", "SessionEnd"]


class CloseCode(enum.IntEnum):
    """
    The close codes of the bridge; docs/flask.md has them as a table.

    Those below 4000 are RFC 6455's (7.4.1), the others are this bridge's own.
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    BAD_DATA = 1007
    TOO_BIG = 1009
    FAILED = 1011
    BAD_MESSAGE = 4400
    NOT_AUTHENTICATED = 4401
    IDLE = 4408
    CONTINUED_ELSEWHERE = 4409
    TIME_IS_UP = 4410
    TOO_MANY_SESSIONS = 4429
    TOO_FAST = 4430
    TOO_SLOW = 4431
    SERVICE_LOST = 4502
    FULL = 4503


class SessionEnd(Exception):
    """
    Ends a session with a browser.

    Attributes:
        code: The close code.
        reason: What the browser is told, in a sentence; at most 123 bytes.
    """

    def __init__(self, code: CloseCode, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{int(self.code)} {self.reason}".strip()
