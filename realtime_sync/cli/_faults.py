"""The emulator's faults in the command line's words, with all that they can have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import evolve

from .._checks import number_of


if TYPE_CHECKING:
    from ..emulator import Fault


__all__ = ["fault_of"]

_NAMES = (
    *("session", "times", "skip", "reason", "message", "retry-after"),
    *("type", "param", "event-id"),
)
_ADDITION = re.compile(rf",({'|'.join(_NAMES)})=([^,@]*)")

# The parts of the value of the fault `error`, behind its code.
_OF_ERROR = {"type": 1, "param": 2, "event-id": 3}


def fault_of(text: str) -> Fault:
    """
    Return the fault that *text* describes.

    Args:
        text: What `Fault.parse` takes, with additions behind commas, ahead of any
            ``@``: ``http=429,retry-after=2``, ``close=1011,reason=bye,session=1@5``.

    Raises:
        ValueError: It describes none.
        ImportError: The extra emulator is not installed.
    """
    from ..emulator import Fault

    bare = _ADDITION.sub("", text)
    head, comma, rest = bare.partition("@")[0].partition(",")
    if comma and not head.startswith("redirect"):  # a URL may have commas
        known = ", ".join(f"{name}=" for name in _NAMES)
        raise ValueError(f"{rest!r} is no addition to a fault; there are: {known}")
    fault = Fault.parse(bare)
    for name, value in _ADDITION.findall(text):
        fault = evolve(fault, **_change(fault, name, value))
    return fault


def _change(fault: Fault, name: str, value: str) -> dict[str, Any]:
    if name in ("reason", "message"):
        return {"text": value}
    if name == "retry-after":
        _belongs(fault, "http", name)
        return {"value": (fault.value[0], number_of(value, name))}
    if name in _OF_ERROR:
        _belongs(fault, "error", name)
        parts = list(fault.value)
        parts[_OF_ERROR[name]] = value
        return {"value": tuple(parts)}
    if (name, value) == ("times", "inf"):
        return {name: None}
    return {name: number_of(value, name)}


def _belongs(fault: Fault, kind: str, name: str) -> None:
    if fault.kind != kind:
        raise ValueError(f"{name} belongs to the fault {kind}; leave it out")
