"""How far a recording has been sent: to a callback, or to a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module


__all__ = ["reporting"]


def reporting(
    pieces: Iterable[bytes], rate: int, progress: Callable[[int], object] | bool
) -> Iterator[bytes]:
    """
    Yield *pieces*, and report each after it was dealt with.

    Args:
        pieces: 16-bit mono PCM.
        rate: Its sampling rate in Hz.
        progress: Is called with the milliseconds so far; True shows a bar where tqdm
            is installed.
    """
    if callable(progress):
        yield from _called(pieces, rate, progress)
        return
    try:
        tqdm = import_module("tqdm").tqdm
    except ImportError:
        yield from pieces
        return
    with tqdm(unit=" s of audio", unit_scale=True) as bar:
        yield from _called(pieces, rate, lambda ms: bar.update(ms / 1000 - bar.n))


def _called(
    pieces: Iterable[bytes], rate: int, report: Callable[[int], object]
) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        yield piece
        size += len(piece)
        report(size // 2 * 1000 // rate)
