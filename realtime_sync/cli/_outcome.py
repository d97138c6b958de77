"""
How a command ends: its exit code, and two lines on what happened and what to do.

=====  ============================================================================
code   meaning
=====  ============================================================================
0      done
1      something else failed: a file, a device, an extra that is missing
2      the command line is wrong
3      no connection came about, or the network broke it
4      the service did not accept the key or the token (HTTP 401, 403)
5      the service refused, or failed
6      it took too long
130    Ctrl-C
141    whoever read the output has gone (a broken pipe)
=====  ============================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import attrs

from .._opening_errors import explain
from ..errors import (
    AuthenticationError,
    ConnectError,
    ConnectionClosed,
    HandshakeError,
    RealtimeError,
    SessionExpired,
)


__all__ = ["ExitCode", "Outcome", "outcome_of"]


class ExitCode(IntEnum):
    """What the process returns; the module's docstring explains each."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    DENIED = 4
    REFUSED = 5
    TIMED_OUT = 6
    INTERRUPTED = 130
    BROKEN_PIPE = 141


@attrs.frozen
class Outcome:
    """
    The end of a command that did not do what it should.

    Attributes:
        code: The exit code.
        what: What happened, in one line.
        remedy: What to do about it, in one line.
    """

    code: ExitCode
    what: str
    remedy: str


_DOCTOR = "'realtime-sync doctor', with the same options, shows at which step it fails"

# The library's messages say "what; do this" or "what: do this".
_SEAM = re.compile(
    r"[;:.,] (?=(?:ask|begin|call|check|choose|copy|give|install|leave|make|name|or"
    r"|pass|pip|put|replace|set|strip|take|there are|unset|use|write)\b)",
)

# What the messages call by the names of arguments has other names here.
_NAMES: Mapping[str, str] = {
    "give the name of the deployment as model=": "give its name with --model",
    "give the name of the model as model=": "give its name with --model",
    "or give the endpoint": "or give --endpoint",
    "give the credential": "name the variable that holds the key with --key-env",
    "pass an ssl_context that trusts it": "with --ca-file",
}


def outcome_of(exc: BaseException, help_command: str) -> Outcome:
    """
    Return what the exception that ended a command means for its user.

    Args:
        exc: The exception.
        help_command: The command line that shows the command's help.
    """
    for kind, make in _KINDS:
        if isinstance(exc, kind):
            outcome = make(exc)
            break
    else:
        outcome = _split(ExitCode.FAILED, str(exc), "")
    remedy = outcome.remedy or f"see '{help_command}'"
    return attrs.evolve(outcome, what=_line(outcome.what), remedy=_line(remedy))


def _line(text: str) -> str:
    """Return *text* as one line, in the command line's own terms."""
    for words, own in _NAMES.items():
        text = text.replace(words, own)
    return " ".join(text.split())


def _split(code: ExitCode, text: str, otherwise: str) -> Outcome:
    """Return the cause and the remedy that one message of the library holds."""
    seam = _SEAM.search(text)
    if seam is None:
        return Outcome(code, text, otherwise)
    return Outcome(code, text[: seam.start()], text[seam.end() :])


def _handshake(exc: HandshakeError) -> Outcome:
    denied = isinstance(exc, AuthenticationError)
    hint = exc.hint or _DOCTOR
    what = str(exc).removesuffix(f". {exc.hint}")
    return Outcome(ExitCode.DENIED if denied else ExitCode.REFUSED, what, hint)


def _connect(exc: ConnectError) -> Outcome:
    cause = exc.__cause__
    if isinstance(cause, OSError):
        why, _, remedy = explain(cause).partition("; ")
        what = str(exc).replace(f"{why}; {remedy}", why)
        return Outcome(ExitCode.UNREACHABLE, what, remedy or _DOCTOR)
    if isinstance(cause, RealtimeError) and not isinstance(cause, ConnectError):
        return Outcome(ExitCode.REFUSED, str(exc), _DOCTOR)
    return _split(ExitCode.UNREACHABLE, str(exc), _DOCTOR)


def _closed(exc: ConnectionClosed) -> Outcome:
    if isinstance(exc, SessionExpired):
        again = "run the command again: a new session begins with a new connection"
        return Outcome(ExitCode.REFUSED, str(exc), again)
    if exc.initiated_by == "network":
        return Outcome(ExitCode.UNREACHABLE, str(exc), _DOCTOR)
    return Outcome(ExitCode.REFUSED, str(exc), _DOCTOR)


def _timeout(exc: TimeoutError) -> Outcome:
    return _split(ExitCode.TIMED_OUT, str(exc) or "it took too long", _DOCTOR)


def _missing(exc: ImportError) -> Outcome:
    return _split(ExitCode.FAILED, str(exc), "install what it names")


def _system(exc: OSError) -> Outcome:
    if exc.filename is None:
        return _split(ExitCode.FAILED, str(exc), "check the device or the port")
    reason = (exc.strerror or "it cannot be used").lower()
    return Outcome(
        ExitCode.FAILED,
        f"{exc.filename}: {reason}",
        "check the path and who may use it",
    )


_KINDS: tuple[tuple[type[BaseException], Callable[[Any], Outcome]], ...] = (
    (HandshakeError, _handshake),
    (ConnectError, _connect),
    (ConnectionClosed, _closed),
    (RealtimeError, lambda exc: _split(ExitCode.REFUSED, str(exc), _DOCTOR)),
    (TimeoutError, _timeout),
    (ImportError, _missing),
    (OSError, _system),
)
