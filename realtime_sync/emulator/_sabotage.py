"""How faults are done: which one is next, and what it makes of what is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, evolve, frozen

from .._checks import Kind
from ..protocol import ServerEvent
from ._handshake import Refusal
from .faults import Fault


__all__ = ["Act", "Faults", "Send", "refusal_of", "sabotaged"]

_FAULT = Kind(Fault, "what a method of Fault makes, such as Fault.drop()")
_MESSAGES = {
    401: ("401", "Access denied due to invalid subscription key."),
    429: ("429", "Requests have exceeded the call rate limit. Please retry later."),
    503: ("ServiceUnavailable", "The service is temporarily unable to process this."),
}


class Faults:
    """The faults that are yet to happen. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, *faults: Fault) -> None:
        """
        Add *faults* at the end.

        Raises:
            TypeError: One is none.
        """
        for fault in faults:
            _FAULT.check("a fault", fault)
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._faults.clear()

    def take_handshake(self, session: int) -> Fault | None:
        """Return the first fault for the upgrade of a session, or None."""
        with self._lock:
            for fault in self._faults:
                if fault.is_handshake and fault.session in (None, session):
                    self._count_off(fault)
                    return fault
        return None

    def _count_off(self, fault: Fault) -> None:
        index = self._faults.index(fault)
        if fault.times == 1:
            del self._faults[index]
        elif fault.times is not None:
            self._faults[index] = evolve(fault, times=fault.times - 1)

    def take(self, session: int, wanted: Callable[[Fault], bool]) -> list[Fault]:
        """
        Return the faults of a session that are *wanted* now, and count them off.

        Of several of one kind it is the first one's turn.
        """
        taken: list[Fault] = []
        with self._lock:
            for fault in list(self._faults):
                is_mine = fault.session in (None, session) and wanted(fault)
                if is_mine and fault.skip:
                    place = self._faults.index(fault)
                    self._faults[place] = evolve(fault, skip=fault.skip - 1)
                elif is_mine and fault.kind not in [other.kind for other in taken]:
                    taken.append(fault)
                    self._count_off(fault)
        return taken


def refusal_of(fault: Fault) -> Refusal:
    """Return the HTTP answer of a fault of the handshake."""
    if fault.kind == "redirect":
        return Refusal(302, headers={"Location": fault.value})
    status, retry_after = fault.value
    code, message = _MESSAGES.get(status, (str(status), "The request failed."))
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    body = {"error": {"code": code, "message": fault.text or message}}
    return Refusal(status, body, headers)


@frozen
class Send:
    """A message to send; *parts* says in how many fragments."""

    data: bytes
    text: bool = True
    parts: int = 1


@frozen
class Act:
    """Something to do to the connection itself."""

    fault: Fault


@define
class Sabotage:
    """The faults of one connection at work. For one thread."""

    faults: Faults
    session: int
    number: int = 0
    held: bytes | None = None

    def apply(self, event: ServerEvent, data: bytes) -> Iterator[Send | Act]:
        """Yield what to do instead of sending *event*, which is *data*."""
        self.number += 1
        if not self.faults and self.held is None:
            yield Send(data)
            return
        taken = self.faults.take(self.session, lambda fault: self._is_now(fault, event))
        for fault in taken:
            if not fault.after and fault.kind in _EXTRA:
                yield from _EXTRA[fault.kind](fault)
        yield from self._event(data, [fault.kind for fault in taken], taken)
        for fault in taken:
            if fault.after and fault.kind in _EXTRA:
                yield from _EXTRA[fault.kind](fault)

    def _is_now(self, fault: Fault, event: ServerEvent) -> bool:
        if fault.is_handshake or fault.is_timed:
            return False
        return fault.matches(event.type, self.number)

    def _event(
        self, data: bytes, kinds: list[str], taken: list[Fault]
    ) -> Iterator[Send]:
        if "corrupt" in kinds:
            data = _corrupted(data)
        if "unknown_field" in kinds:
            data = _with_unknown_field(data)
        if "reorder" in kinds and self.held is None:
            self.held = data
            return
        parts = [fault.value for fault in taken if fault.kind == "fragment"]
        if "drop" not in kinds:
            yield Send(data, parts=parts[0] if parts else 1)
        if "duplicate" in kinds:
            yield Send(data)
        if self.held is not None:
            held, self.held = self.held, None
            yield Send(held)


def sabotaged(faults: Faults, session: int) -> Sabotage:
    """Return what applies *faults* to the connection number *session*."""
    return Sabotage(faults, session)


def _corrupted(data: bytes) -> bytes:
    payload = json.loads(data)
    for name, value in payload.items():
        if name not in ("type", "event_id"):
            payload[name] = 7 if not isinstance(value, (int, float)) else "seven"
            break
    return json.dumps(payload).encode()


def _with_unknown_field(data: bytes) -> bytes:
    payload = json.loads(data)
    payload["unheard_of"] = {"nested": [1, None, "x"]}
    return json.dumps(payload).encode()


def _message(**payload: Any) -> bytes:
    return json.dumps({"event_id": "event_fault", **payload}).encode()


def _giant(fault: Fault) -> Iterator[Send]:
    empty = _message(type="emulator.giant", padding="")
    padding = "x" * (fault.value - len(empty))
    yield Send(_message(type="emulator.giant", padding=padding))


def _error(fault: Fault) -> Iterator[Send]:
    message = fault.text or "The server had an error while processing your request."
    code, error_type, param, event_id = fault.value
    error = {
        "type": error_type,
        "code": code,
        "message": message,
        "param": param,
        "event_id": event_id,
    }
    yield Send(_message(type="error", error=error))


def _act(fault: Fault) -> Iterator[Act]:
    yield Act(fault)


_EXTRA: dict[str, Callable[[Fault], Iterator[Send | Act]]] = {
    "binary": lambda fault: iter([Send(b"\x00\x01binary", text=False)]),
    "close": _act,
    "cut": _act,
    "error": _error,
    "freeze": _act,
    "giant": _giant,
    "invalid_json": lambda fault: iter([Send(b'{"type": "session.cre')]),
    "invalid_utf8": lambda fault: iter([Send(b'{"type": "\xff\xfe"}')]),
    "slow": _act,
    "unknown_event": lambda fault: iter(
        [Send(_message(type="emulator.unheard_of", value=1))]
    ),
}
