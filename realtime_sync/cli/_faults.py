"""The emulator's faults in the command line's words, with all that they can have."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from attrs import evolve


if TYPE_CHECKING:
    from ..emulator import Fault


__all__ = ["fault_of"]

_ADDITION = re.compile(r",(session|times|reason|message|retry-after)=([^,@]*)")


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

    fault = Fault.parse(_ADDITION.sub("", text))
    changes: dict[str, Any] = {}
    for name, value in _ADDITION.findall(text):
        if name in ("reason", "message"):
            changes["text"] = value
        elif name == "retry-after":
            changes["value"] = (_status(fault), _number(value, name))
        else:
            number = _number(value, name)
            changes[name] = None if math.isinf(number) else int(number)
    return evolve(fault, **changes)


def _status(fault: Fault) -> int:
    if fault.kind != "http":
        raise ValueError("retry-after belongs to the fault http; leave it out")
    status: int = fault.value[0]
    return status


def _number(value: str, name: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} takes a number, not {value!r}") from None
