"""How messages move among those that wait to be sent."""

from __future__ import annotations

import enum

from .._waiting import Flag
from ..transport import Frame


__all__ = ["Entry", "Lane"]


class Lane(enum.IntEnum):  # integers are found in a set in half the time
    """How a frame moves among those that wait."""

    AUDIO = enum.auto()  # input audio: may be overtaken, and dropped by CLEAR
    COMMAND = enum.auto()  # in order
    COMMIT = enum.auto()  # in order, and claims the audio before it
    OVERTAKE = enum.auto()  # before the audio at the end of the queue
    CLEAR = enum.auto()  # drops the uncommitted audio, then in order
    URGENT = enum.auto()  # before everything: ping and pong
    MARK = enum.auto()  # no frame: stands for a caller of `flush()`


# The third is what `flush()` waits for, or the key by which a command is confirmed.
Entry = tuple[Lane, Frame, Flag | str | None]
