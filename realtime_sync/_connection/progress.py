"""How far a recording has been sent: to a callback, or to a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module


__all__ = ["reporting"]

# Of seconds of audio, by whether there is no end to be known.
_FORMATS = {
    False: "{percentage:3.0f}%|{bar}| {n:.1f} of {total:.1f} s of audio",
    True: "{n:.1f} s of audio [{elapsed}]",
}


def reporting(
    pieces: Iterable[bytes],
    rate: int,
    progress: Callable[[int], object] | bool,
    total_ms: int | None = None,
) -> Iterator[bytes]:
    """
    Yield *pieces*, and report each after it was dealt with.

    Args:
        pieces: 16-bit mono PCM.
        rate: Its sampling rate in Hz.
        progress: Is called with the milliseconds so far; True shows a bar where tqdm
            is installed.
        total_ms: How much there is, where that is known; for the bar.
    """
    if callable(progress):
        yield from _called(pieces, rate, progress)
        return
    try:
        tqdm = import_module("tqdm").tqdm
    except ImportError:
        yield from pieces
        return
    total = None if total_ms is None else total_ms / 1000
    with tqdm(total=total, bar_format=_FORMATS[total is None]) as bar:
        yield from _called(pieces, rate, lambda ms: bar.update(ms / 1000 - bar.n))


def _called(
    pieces: Iterable[bytes], rate: int, report: Callable[[int], object]
) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        yield piece
        size += len(piece)
        report(size // 2 * 1000 // rate)
