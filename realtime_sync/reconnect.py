"""
What happens when a connection is lost: which losses are mended, and what you are told.

::

    client = RealtimeClient(..., reconnect=ReconnectPolicy(tries=20))

    with client.connect() as connection:

        @connection.on(Reconnected)
        def tell(notice):
            print(notice)  # what was restored, and what could not be

After a loss the library opens a new session, sets it up as the old one was, tells it
the conversation, and sends again, in order, every command that the server had neither
acknowledged nor refused. Whoever waits for such a command goes on waiting; whoever
waits for something that is gone, such as the rest of a response, gets `ConnectionLost`.
Meanwhile callers that send wait, with their timeout, as for a full queue.

What a new session cannot be told is in the notice: see `realtime_sync.conversation`.
"""

from __future__ import annotations

import random
import ssl
from typing import ClassVar

import attrs

from ._conversation.restore import Loss
from .errors import (
    AuthenticationError,
    ConnectError,
    ConnectionClosed,
    HandshakeError,
    ServerError,
    SessionExpired,
)
from .protocol._model import ServerEvent
from .protocol.sessions import Session


__all__ = ["Notice", "ReconnectPolicy", "Reconnected", "SessionExpiring"]

# Going away, no close frame, internal error, restart, try again later: RFC 6455, 7.4.1,
# and IANA's registry of close codes. All others are an answer that would come again.
_CODES = frozenset({1001, 1006, 1011, 1012, 1013})
_STATUSES = frozenset({408, 429, *range(500, 600)})

_DOUBLINGS = 64  # of the pause, at most; it has reached its limit long before
_LONGEST_PAUSE = 86_400.0  # seconds; the system refuses to sleep for some years


@attrs.frozen(kw_only=True)
class ReconnectPolicy:
    """
    When and how often a connection is opened again.

    Between two tries a random time passes, up to a limit that doubles each time: so the
    clients of a service that restarts do not all come back at once. A server that says
    when to come back (``Retry-After``) is not asked sooner.

    Attributes:
        connect_tries: Tries to open a connection in the first place, the first one
            included. 1 for no second one.
        tries: Tries to open it again after a loss. 0 to leave a lost connection lost,
            and a session that expires to its end.
        first_delay: Seconds that the first pause takes at most.
        max_delay: Seconds that any pause takes at most, save for ``Retry-After``.
        deadline: Seconds that all tries together may take, or None.
        resume_responses: Whether a response that was in progress is asked for again, if
            this side asked for it; its stream then begins anew. Otherwise the stream
            ends with `ConnectionLost`.
        rollover: Seconds before the end of the session, where the service announces
            that, from which on the library looks for a pause to move to a new session.
            None to wait until the service ends it. The old session goes on while the
            new one is opened, and to its end if there is none to be had.
        replay_audio: Bytes of input audio that are kept, as base64, to be sent or told
            again: what is not committed, and turns that nobody has answered. The oldest
            is let go first. It only concerns turns that end with
            `commit_input_audio()`.
    """

    connect_tries: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    tries: int = attrs.field(default=10, validator=attrs.validators.ge(0))
    first_delay: float = attrs.field(default=0.5, validator=attrs.validators.ge(0))
    max_delay: float = attrs.field(default=20.0, validator=attrs.validators.ge(0))
    deadline: float | None = 120.0
    resume_responses: bool = False
    rollover: float | None = 120.0
    replay_audio: int = attrs.field(
        default=16 * 1024 * 1024, validator=attrs.validators.ge(0)
    )

    def retries(self, error: BaseException) -> bool:
        """
        Tell whether another try makes sense after *error*.

        It does after faults of the network, timeouts, the HTTP statuses 408, 429 and
        5xx, and the close codes 1001, 1006, 1011, 1012 and 1013. It does not after a
        refusal that would come again: another status or code, a certificate that cannot
        be trusted, or a server that speaks no TLS or not this protocol.
        """
        if isinstance(error, ConnectionClosed):
            return error.code in _CODES or isinstance(error, SessionExpired)
        if isinstance(error, AuthenticationError):
            return False
        if isinstance(error, HandshakeError):
            return error.status in _STATUSES
        if isinstance(error, ConnectError):
            return self._retries_cause(error.__cause__)
        return isinstance(error, TimeoutError)

    def delay(self, tries: int, error: BaseException | None = None) -> float:
        """
        Return the seconds to wait before the next try, which is a day at most.

        Args:
            tries: How many there were.
            error: What the last one failed with.
        """
        limit = min(self.max_delay, self.first_delay * 2.0 ** min(tries, _DOUBLINGS))
        pause = random.uniform(0.0, limit)
        wanted = max(pause, getattr(error, "retry_after", None) or 0.0)
        return min(wanted, _LONGEST_PAUSE)

    def _retries_cause(self, cause: BaseException | None) -> bool:
        if isinstance(cause, ServerError):
            return cause.type == "server_error"
        if isinstance(cause, ConnectionClosed):
            return self.retries(cause)
        if isinstance(cause, ssl.SSLError):  # only what a network does may pass
            return isinstance(cause, (ssl.SSLEOFError, ssl.SSLSyscallError))
        return isinstance(cause, (OSError, EOFError)) or _is_azure_away(cause)


def _is_azure_away(cause: BaseException | None) -> bool:
    """Tell whether a credential of Azure could not reach whoever gives it tokens."""
    # By name, as the module takes long to import, and is if there was such an error.
    names = {kind.__name__ for kind in type(cause).__mro__}
    return not names.isdisjoint({"ServiceRequestError", "ServiceResponseError"})


class Notice(ServerEvent):
    """
    News of this library, not of the server, about a connection.

    Callbacks, `events()`, `recv()` and `wait_for()` get notices as they get events.
    """


@attrs.frozen(kw_only=True)
class Reconnected(Notice):
    """
    The connection was lost, or its session was about to end, and there is a new one.

    The notice comes before any event of the new session.

    Attributes:
        cause: How the old connection ended.
        planned: Whether this side moved on, since the session was about to expire.
        session: The new session, set up as the old one was.
        tries: How many it took.
        seconds: From the loss to now; where this side moved on, how long that held up
            whoever sends.
        restored: Items of the conversation that the new session has.
        losses: What of the conversation it has not, item by item.
        repeated: Commands that were sent again, since they had not been answered.
        lost_input_audio_ms: Milliseconds of input audio that are lost, about. Where the
            server finds the turns, since it last heard somebody begin to speak; 0 in
            silence and in translations.
        lost_responses: Ids of responses that were in progress.
        resumed_responses: Ids of those of them that were asked for again.
        uncertain: Wire types of messages of which nobody knows whether they arrived;
            they were not sent again. Also those of `send()` that waited for an answer
            in too great a number.
    """

    type: ClassVar[str] = "realtime_sync.reconnected"

    cause: ConnectionClosed
    session: Session = attrs.field(repr=False)
    planned: bool = False
    tries: int = 1
    seconds: float = 0.0
    restored: int = 0
    losses: tuple[Loss, ...] = ()
    repeated: int = 0
    lost_input_audio_ms: int = 0
    lost_responses: tuple[str, ...] = ()
    resumed_responses: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()

    def __str__(self) -> str:
        began = "moved to a new session" if self.planned else f"{self.cause}; connected"
        facts = [
            f"{began} after {self.seconds:.1f} s ({self.tries} tries)",
            f"{self.restored} items restored, {self.repeated} commands sent again",
        ]
        if self.lost_input_audio_ms:
            facts.append(f"lost: {self.lost_input_audio_ms} ms of input audio")
        facts += [f"lost: the rest of response {each}" for each in self.lost_responses]
        facts += [f"lost: {loss}" for loss in self.losses]
        facts += [f"perhaps lost: {each}" for each in self.uncertain]
        return "\n".join(facts)


@attrs.frozen(kw_only=True)
class SessionExpiring(Notice):
    """
    The service will soon end the session.

    Where the `ReconnectPolicy` has a *rollover*, the library moves to a new session by
    itself, as soon as there is a pause.

    Attributes:
        time_left: Seconds until then.
    """

    type: ClassVar[str] = "realtime_sync.session_expiring"

    time_left: float
