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

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from attrs import evolve, field, frozen

from .._checks import FLAG, TEXT, Check, Kind, Range, nearest, number_of
from .._wire.frames import LONGEST_REASON, is_close_code
from ..protocol import SERVER_EVENTS, TRANSLATION_SERVER_EVENTS, ServerEvent
from ..protocol.preview import PREVIEW_ALIASES


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

Place = type[ServerEvent] | str | int | None
"""Where an event is meant: by its class, its wire type, or its number from 1."""

_KINDS: dict[str, FaultKind] = {kind: kind for kind in get_args(FaultKind)}
_HANDSHAKE = frozenset({"http", "redirect", "refuse"})
_MOMENTS = frozenset({"expire"})
_EVENTS = {**SERVER_EVENTS, **TRANSLATION_SERVER_EVENTS}

_NUMBER = Kind(
    int, "a class of server events, a wire type, a number from 1", or_none=True
)
_MAYBE_TEXT = Kind(str, "a str", or_none=True)

# What the value of each kind is made of; the other kinds have none.
_VALUES: Final[Mapping[str, tuple[tuple[str, Check], ...]]] = {
    "close": (("code", Range(1000, 4999, is_whole=True)),),
    "error": (
        ("code", TEXT),
        ("error_type", TEXT),
        ("param", _MAYBE_TEXT),
        ("event_id", _MAYBE_TEXT),
    ),
    "expire": (("seconds", Range(0)),),
    "fragment": (("pieces", Range(2, is_whole=True)),),
    "freeze": (("seconds", Range(0, or_none=True)),),
    "giant": (("size", Range(1, is_whole=True)),),
    "http": (
        ("status", Range(200, 599, is_whole=True)),
        ("retry_after", Range(0, or_none=True)),
    ),
    "redirect": (("location", TEXT),),
    "slow": (("bytes_per_second", Range(0, is_above=True)),),
}


def _ga_name(event_type: str) -> str:
    """Return the GA name of a wire type; some events have another in the preview."""
    return PREVIEW_ALIASES.get(event_type, event_type)


def _event(at: Place) -> str | int | None:
    """Return the wire type of a class, and the GA name of a wire type."""
    if isinstance(at, str):
        return _known(_ga_name(at))
    if isinstance(at, type) and issubclass(at, ServerEvent):
        return None if at is ServerEvent else _known(_ga_name(at.type))
    _NUMBER.check("at", at)
    Range(1, or_none=True).check("at", at)
    return at


def _known(wire_type: str) -> str:
    if wire_type in _EVENTS:
        return wire_type
    near = nearest(wire_type.lower(), _EVENTS)
    remedy = f"use {near!r}" if near else "protocol.SERVER_EVENTS has them all"
    raise ValueError(f"the server has no event {wire_type!r}; {remedy}")


@frozen(kw_only=True)
class Fault:
    """
    One fault, and when it happens. The methods that make them say what each does.

    Attributes:
        kind: What goes wrong.
        at: The server event at which: its class, its wire type, which is kept in GA
            form, or its number in the connection, counted from 1. None is the first
            there is.
        after: Whether after that event rather than before it, where that matters.
        skip: How many events that fit pass unharmed before the first that does not.
        session: The number of the connection, counted from 0; None is the next.
        times: How often it happens; None without end.
        value: What the kind needs: a code, a number of bytes or of seconds, a URL.
        text: A reason or a message.

    Raises:
        ValueError: It could never happen, as at an event that there is not.
        TypeError: Something is of a wrong type.
    """

    kind: FaultKind
    at: str | int | None = field(default=None, converter=_event)
    after: bool = field(default=False, validator=FLAG)
    skip: int = field(default=0, validator=Range(0, is_whole=True))
    session: int | None = field(
        default=None, validator=Range(0, is_whole=True, or_none=True)
    )
    times: int | None = field(
        default=1, validator=Range(1, is_whole=True, or_none=True)
    )
    value: Any = None
    text: str = field(default="", validator=TEXT)

    def __attrs_post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(_no_such(self.kind))
        if self.at is not None or self.after or self.skip:
            self._check_waits()
        self._check_value()

    def _check_waits(self) -> None:
        if self.is_handshake or self.is_timed:
            raise ValueError(
                f"the fault {self.kind} waits for no event; leave out at, after and "
                "skip (session says on which connection)"
            )

    def _check_value(self) -> None:
        checks = _VALUES.get(self.kind, ())
        parts = self.value if isinstance(self.value, tuple) else (self.value,)
        if not checks and self.value is not None:
            raise ValueError(f"the fault {self.kind} has no value; leave it out")
        if checks and len(parts) != len(checks):
            raise TypeError(f"make the fault {self.kind} by Fault.{self.kind}()")
        for (name, check), part in zip(checks, parts, strict=False):
            check.check(f"{name} of the fault {self.kind}", part)
        if self.kind == "redirect" and not self.value:
            raise ValueError("the fault redirect needs a URL; give it as location")
        if self.kind == "close":
            _check_close(self.value, self.text)

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
    def drop(cls, at: Place = None, **when: Any) -> Fault:
        """Return one that does not send the event."""
        return cls(kind="drop", at=at, **when)

    @classmethod
    def duplicate(cls, at: Place = None, **when: Any) -> Fault:
        """Return one that sends the event twice."""
        return cls(kind="duplicate", at=at, **when)

    @classmethod
    def reorder(cls, at: Place = None, **when: Any) -> Fault:
        """Return one that sends the event after the one that follows it."""
        return cls(kind="reorder", at=at, **when)

    @classmethod
    def corrupt(cls, at: Place = None, **when: Any) -> Fault:
        """Return one that changes the type of a field of the event."""
        return cls(kind="corrupt", at=at, **when)

    @classmethod
    def unknown_field(cls, at: Place = None, **when: Any) -> Fault:
        """Return one that adds a field to the event that nobody knows."""
        return cls(kind="unknown_field", at=at, **when)

    @classmethod
    def fragment(cls, pieces: int = 3, at: Place = None, **when: Any) -> Fault:
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
            raise ValueError(_no_such(name.strip()))
        fault = _parse_value(kind, value.strip())
        if not sign:
            return fault
        after = place.startswith("@")
        place = place.removeprefix("@").strip()
        at = int(place) if place.removeprefix("-").isdecimal() else place
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
        return self.at is None or self.at in (_ga_name(event_type), number)


def _no_such(kind: object) -> str:
    return f"there is no fault {kind!r}; there are: {', '.join(_KINDS)}"


def _check_close(code: int, reason: str) -> None:
    """Refuse what websockets would not send."""
    if not is_close_code(code):
        raise ValueError(f"the close code {code} is never sent; take another")
    if len(reason.encode()) > LONGEST_REASON:
        raise ValueError(f"a close reason has at most {LONGEST_REASON} bytes")


def _parse_value(kind: FaultKind, value: str) -> Fault:
    if kind == "redirect":
        return Fault.redirect(value)
    if kind == "error":
        return Fault.error(value or "server_error")
    if not value:
        return _DEFAULTS.get(kind) or Fault(kind=kind)
    number = number_of(value, f"the fault {kind}")
    return Fault(kind=kind, value=(number, None) if kind == "http" else number)


_DEFAULTS = {
    "close": Fault.close(),
    "expire": Fault.expire(0.0),
    "fragment": Fault.fragment(),
    "giant": Fault.giant(),
    "http": Fault.http(503),
    "slow": Fault.slow(8_000.0),
}
