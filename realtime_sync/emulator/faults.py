"""
Faults on demand: what a network and a service do to a client on a bad day.

Give them to the emulator before the connection that they are for, or during it::

    emulator.inject(Fault.http(429, retry_after=2))
    emulator.inject(Fault.close(1011, at="response.created"))
    emulator.inject(Fault.drop("response.done"), Fault.slow(10_000))

Each is used once, in the order given, unless it says otherwise; of several of a kind
that fit an event, or an upgrade, it is the first one's turn. `Fault.parse` reads
them from text such as ``close=1011@response.created``, as the command line takes them.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from attrs import evolve, field, frozen, validators


__all__ = ["Fault", "FaultKind"]

FaultKind = Literal[
    "binary",
    "close",
    "corrupt",
    "cut",
    "drop",
    "duplicate",
    "error",
    "expire",
    "fragment",
    "freeze",
    "giant",
    "http",
    "invalid_json",
    "invalid_utf8",
    "redirect",
    "refuse",
    "reorder",
    "slow",
    "unknown_event",
    "unknown_field",
]
"""What can go wrong."""

_KINDS: dict[str, FaultKind] = {kind: kind for kind in get_args(FaultKind)}
_HANDSHAKE = frozenset({"http", "redirect", "refuse"})
_MOMENTS = frozenset({"expire"})


def _check_number(value: str, kind: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"the fault {kind} takes a number, not {value!r}") from None


@frozen(kw_only=True)
class Fault:
    """
    One fault, and when it happens. The methods that make them say what each does.

    Attributes:
        kind: What goes wrong.
        at: The server event at which: its GA wire type, or its number in the
            connection, counted from 1. None is the first there is.
        after: Whether after that event rather than before it, where that matters.
        skip: How many events that fit pass unharmed before the first that does not.
        session: The number of the connection, counted from 0; None is the next.
        times: How often it happens; None without end.
        value: What the kind needs: a code, a number of bytes or of seconds, a URL.
        text: A reason or a message.
    """

    kind: FaultKind = field(validator=validators.in_(get_args(FaultKind)))
    at: str | int | None = None
    after: bool = False
    skip: int = field(default=0, validator=validators.ge(0))
    session: int | None = None
    times: int | None = 1
    value: Any = None
    text: str = ""

    # The handshake

    @classmethod
    def refuse(cls, **when: Any) -> Fault:
        """Return one that ends the TCP connection without an answer."""
        return cls(kind="refuse", **when)

    @classmethod
    def http(
        cls,
        status: int,
        *,
        message: str = "",
        retry_after: float | None = None,
        **when: Any,
    ) -> Fault:
        """
        Return one that answers the upgrade with an HTTP error.

        Args:
            status: Such as 401, 429 or 503.
            message: What the service says, or its usual words.
            retry_after: Seconds for the header ``Retry-After``.
            **when: `session` and `times`.
        """
        return cls(kind="http", value=(status, retry_after), text=message, **when)

    @classmethod
    def redirect(cls, location: str, **when: Any) -> Fault:
        """Return one that answers the upgrade with a redirect to *location*."""
        return cls(kind="redirect", value=location, **when)

    # The connection

    @classmethod
    def close(cls, code: int = 1011, reason: str = "", **when: Any) -> Fault:
        """Return one that closes the WebSocket with *code* and *reason*."""
        return cls(kind="close", value=code, text=reason, **when)

    @classmethod
    def cut(cls, **when: Any) -> Fault:
        """Return one that resets the TCP connection."""
        return cls(kind="cut", **when)

    @classmethod
    def freeze(cls, seconds: float | None = None, **when: Any) -> Fault:
        """
        Return one after which nothing is read or written, pings included.

        Args:
            seconds: How long; None is for ever.
            **when: `at`, `after`, `session` and `times`.
        """
        return cls(kind="freeze", value=seconds, **when)

    @classmethod
    def slow(cls, bytes_per_second: float, **when: Any) -> Fault:
        """Return one that sends no more than so many bytes a second from then on."""
        return cls(kind="slow", value=bytes_per_second, **when)

    @classmethod
    def expire(cls, seconds: float, **when: Any) -> Fault:
        """Return one that ends a session by its age limit after *seconds*."""
        return cls(kind="expire", value=seconds, **when)

    # Events

    @classmethod
    def drop(cls, at: str | int | None = None, **when: Any) -> Fault:
        """Return one that does not send the event."""
        return cls(kind="drop", at=at, **when)

    @classmethod
    def duplicate(cls, at: str | int | None = None, **when: Any) -> Fault:
        """Return one that sends the event twice."""
        return cls(kind="duplicate", at=at, **when)

    @classmethod
    def reorder(cls, at: str | int | None = None, **when: Any) -> Fault:
        """Return one that sends the event after the one that follows it."""
        return cls(kind="reorder", at=at, **when)

    @classmethod
    def corrupt(cls, at: str | int | None = None, **when: Any) -> Fault:
        """Return one that changes the type of a field of the event."""
        return cls(kind="corrupt", at=at, **when)

    @classmethod
    def unknown_field(cls, at: str | int | None = None, **when: Any) -> Fault:
        """Return one that adds a field to the event that nobody knows."""
        return cls(kind="unknown_field", at=at, **when)

    @classmethod
    def fragment(
        cls, pieces: int = 3, at: str | int | None = None, **when: Any
    ) -> Fault:
        """Return one that sends the event as so many WebSocket fragments."""
        return cls(kind="fragment", value=pieces, at=at, **when)

    # More messages

    @classmethod
    def unknown_event(cls, **when: Any) -> Fault:
        """Return one that sends an event of a type that nobody knows."""
        return cls(kind="unknown_event", **when)

    @classmethod
    def invalid_json(cls, **when: Any) -> Fault:
        """Return one that sends a text message that is no JSON."""
        return cls(kind="invalid_json", **when)

    @classmethod
    def invalid_utf8(cls, **when: Any) -> Fault:
        """Return one that sends a text message that is no UTF-8."""
        return cls(kind="invalid_utf8", **when)

    @classmethod
    def binary(cls, **when: Any) -> Fault:
        """Return one that sends a binary message."""
        return cls(kind="binary", **when)

    @classmethod
    def giant(cls, size: int = 17 * 1024 * 1024, **when: Any) -> Fault:
        """Return one that sends an event of *size* bytes."""
        return cls(kind="giant", value=size, **when)

    @classmethod
    def error(
        cls,
        code: str = "server_error",
        message: str = "",
        *,
        error_type: str = "server_error",
        param: str | None = None,
        event_id: str | None = None,
        **when: Any,
    ) -> Fault:
        """
        Return one that sends an error.

        Args:
            code: Such as ``"rate_limit_exceeded"``.
            message: What the service says, or its usual words.
            error_type: The class of the error: it is the server's by default.
            param: The field that is to blame.
            event_id: The client's event that is to blame.
            **when: `at`, `after`, `skip`, `session` and `times`.
        """
        value = (code, error_type, param, event_id)
        return cls(kind="error", value=value, text=message, **when)

    # Text

    @classmethod
    def parse(cls, text: str) -> Fault:
        """
        Return the fault that *text* describes.

        Args:
            text: A kind, then ``=`` and a value where the kind has one, then ``@``
                (before) or ``@@`` (after) and an event where it shall not be the
                first: ``close=1011@response.created``, ``http=429``, ``cut@@5``,
                ``slow=8000``.

        Raises:
            ValueError: It describes none.
        """
        head, sign, place = text.partition("@")
        name, _, value = head.partition("=")
        kind = _KINDS.get(name.strip().replace("-", "_"))
        if kind is None:
            known = ", ".join(_KINDS)
            raise ValueError(f"there is no fault {name.strip()!r}; there are: {known}")
        fault = _parse_value(kind, value.strip())
        if not sign:
            return fault
        after = place.startswith("@")
        place = place.removeprefix("@").strip()
        at = int(place) if place.isdigit() else place
        return evolve(fault, at=at, after=after)

    # The emulator calls these

    @property
    def is_handshake(self) -> bool:
        """Whether it happens before there is a session."""
        return self.kind in _HANDSHAKE

    @property
    def is_timed(self) -> bool:
        """Whether it happens at a time rather than at an event."""
        return self.kind in _MOMENTS

    def matches(self, event_type: str, number: int) -> bool:
        """Tell whether an event is the one; *number* counts from 1."""
        return self.at is None or self.at in (event_type, number)


def _parse_value(kind: FaultKind, value: str) -> Fault:
    if kind == "redirect":
        return Fault.redirect(value)
    if kind == "error":
        return Fault.error(value or "server_error")
    if not value:
        return _DEFAULTS.get(kind, Fault(kind=kind))
    number = _check_number(value, kind)
    if kind == "http":
        return Fault.http(int(number))
    if kind in ("close", "giant", "fragment"):
        number = int(number)
    return Fault(kind=kind, value=number)


_DEFAULTS = {
    "close": Fault.close(),
    "expire": Fault.expire(0.0),
    "fragment": Fault.fragment(),
    "giant": Fault.giant(),
    "http": Fault.http(503),
    "slow": Fault.slow(8_000.0),
}
