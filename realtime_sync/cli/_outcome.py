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

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import attrs

from .._recording.format import RecordingError
from .._remedies import what_and_remedy
from ..errors import (
    AuthenticationError,
    ConnectError,
    ConnectionClosed,
    RealtimeError,
    ServerError,
    SessionExpired,
)


__all__ = ["ExitCode", "Outcome", "one_line", "outcome_of"]


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


_DOCTOR = (
    "'realtime-sync doctor', with the options that say which service, shows at which "
    "step it fails"
)
_NO_RECORDING = "name a file that 'realtime-sync record' or a Recorder wrote"

# What the messages call by the names of arguments has other names here.
_NAMES: Mapping[str, str] = {
    "give the name of the deployment as model=": "give its name with --model",
    "give the name of the model as model=": "give its name with --model",
    "or give the endpoint": "or give --endpoint",
    "give the credential": "name the variable that holds the key with --key-env",
    "pass an ssl_context that trusts it": "with --ca-file",
    "(scope= sets another)": "(--scope sets another)",
    "pass overwrite=True": "give --overwrite",
}


def outcome_of(exc: BaseException, help_command: str) -> Outcome:
    """
    Return what the exception that ended a command means for its user.

    Args:
        exc: The exception.
        help_command: The command line that shows the command's help.
    """
    code, usual = _kind(exc)
    what, remedy = what_and_remedy(exc)
    remedy = remedy or usual or f"see '{help_command}'"
    return Outcome(code, one_line(what), one_line(remedy))


def one_line(text: str) -> str:
    """Return *text* of the library as one line, in the command line's own terms."""
    for words, own in _NAMES.items():
        text = text.replace(words, own)
    return " ".join(text.split())


def _kind(exc: BaseException) -> tuple[ExitCode, str]:
    """Return the exit code, and what to do where the message does not say."""
    for kind, choose in _KINDS:
        if isinstance(exc, kind):
            return choose(exc)
    return ExitCode.FAILED, ""


def _connect(exc: ConnectError) -> tuple[ExitCode, str]:
    # What the server said is the cause where it closed, or refused the session.
    refused = isinstance(exc.__cause__, RealtimeError) or hasattr(exc, "status")
    return ExitCode.REFUSED if refused else ExitCode.UNREACHABLE, _DOCTOR


def _closed(exc: ConnectionClosed) -> tuple[ExitCode, str]:
    if isinstance(exc, SessionExpired):
        return ExitCode.REFUSED, "run the command again, which begins a new session"
    broken = exc.initiated_by == "network"
    return ExitCode.UNREACHABLE if broken else ExitCode.REFUSED, _DOCTOR


_KINDS: tuple[
    tuple[type[BaseException], Callable[[Any], tuple[ExitCode, str]]], ...
] = (
    (AuthenticationError, lambda _: (ExitCode.DENIED, _DOCTOR)),
    (ConnectError, _connect),
    (ConnectionClosed, _closed),
    # Nobody was connected to, or what was asked for is at fault: see the help.
    (RecordingError, lambda _: (ExitCode.FAILED, _NO_RECORDING)),
    (ServerError, lambda _: (ExitCode.REFUSED, "")),
    (RealtimeError, lambda _: (ExitCode.REFUSED, _DOCTOR)),
    (TimeoutError, lambda _: (ExitCode.TIMED_OUT, _DOCTOR)),
    (ImportError, lambda _: (ExitCode.FAILED, "install what it names")),
    (OSError, lambda _: (ExitCode.FAILED, "check the device, the address or the port")),
)
