"""Audio at the speed at which it is heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from .._checks import check_amount, check_count, check_rate, not_this
from .._waiting import Flag
from .pcm import SAMPLE_RATE


__all__ = ["paced"]


def paced(
    chunks: Iterable[bytes],
    *,
    rate: int = SAMPLE_RATE,
    bytes_per_sample: int = 2,
    speed: float = 1.0,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], bool] | None = None,
) -> Iterator[bytes]:
    """
    Yield *chunks* in real time, as a microphone would.

    A chunk is due when all before it have been heard, counted from the first one: so
    that delays neither add up nor drift, and whoever falls behind catches up.

    Args:
        chunks: Mono audio in pieces of any length.
        rate: Its sampling rate in Hz.
        bytes_per_sample: 2 for PCM, 1 for G.711.
        speed: How many times as fast as real time.
        stop: Ends it at once when set, from any thread, also within a wait.
        clock: What tells the time in seconds; never goes back.
        wait: Waits for a number of seconds and tells whether to stop; by default on
            *stop*.

    Yields:
        The chunks as they are.

    Raises:
        TypeError: *chunks* is one chunk.
        ValueError: *speed* or *rate* is not positive.
    """
    if isinstance(chunks, (bytes, bytearray, memoryview)):
        raise not_this("chunks are an iterable of bytes, such as frames()", chunks)
    check_rate(rate)
    check_count("bytes_per_sample", bytes_per_sample, 1)
    check_amount("speed", speed, or_zero=False)
    flag: threading.Event | Flag = stop or Flag()
    bytes_per_second = rate * bytes_per_sample * speed
    return _paced(chunks, bytes_per_second, flag, clock, wait or flag.wait)


def _paced(
    chunks: Iterable[bytes],
    bytes_per_second: float,
    stop: threading.Event | Flag,
    clock: Callable[[], float],
    wait: Callable[[float], bool],
) -> Iterator[bytes]:
    start, heard = None, 0
    for chunk in chunks:
        # The first chunk may be long in coming: a file to open, a person to speak.
        start = clock() if start is None else start
        delay = start + heard / bytes_per_second - clock()
        if stop.is_set() or (delay > 0 and wait(delay)):
            return
        yield chunk
        heard += len(chunk)
