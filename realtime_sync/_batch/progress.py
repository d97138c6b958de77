"""How far a batch is: numbers for a program, or a bar for a person."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import attrs

from ..usage import UsageTotals


__all__ = ["BatchProgress", "Reporter", "reporter"]


@attrs.frozen(kw_only=True)
class BatchProgress:
    """
    How far a batch is.

    Attributes:
        done: Items that have ended, failed ones included.
        failed: Items that ended with an error.
        replayed: Those of the items that had ended in an earlier run.
        running: Items that are being worked on.
        total: How many there are; None where nobody knows before the end.
        usage: The tokens of all that have ended, in earlier runs too.
    """

    done: int = 0
    failed: int = 0
    replayed: int = 0
    running: int = 0
    total: int | None = None
    usage: UsageTotals = attrs.field(factory=UsageTotals)


class Reporter:
    """Is told how far a batch is."""

    def report(self, progress: BatchProgress) -> None:
        """Tell it."""

    def close(self) -> None:
        """Say that no more comes."""


class _Calling(Reporter):
    def __init__(self, call: Callable[[BatchProgress], object]) -> None:
        self._call = call

    def report(self, progress: BatchProgress) -> None:
        self._call(progress)


class _Bar(Reporter):
    def __init__(self, total: int | None) -> None:
        try:
            tqdm: Any = import_module("tqdm").tqdm
        except ImportError as exc:
            raise ImportError(
                "the bar of a batch needs tqdm: pip install 'realtime_sync[progress]'"
            ) from exc
        self._bar: Any = tqdm(total=total, unit="item")

    def report(self, progress: BatchProgress) -> None:
        used = progress.usage
        tokens = used.total_tokens or used.transcription_output
        self._bar.set_postfix(failed=progress.failed, tokens=tokens, refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def reporter(
    progress: Callable[[BatchProgress], object] | bool, total: int | None
) -> Reporter:
    """
    Return whom to tell.

    Args:
        progress: A function, True for a bar, or False for nobody.
        total: How many items there are, or None.

    Raises:
        ImportError: There is to be a bar, and no tqdm.
    """
    if callable(progress):
        return _Calling(progress)
    return _Bar(total) if progress else Reporter()
