"""Where conversations are kept, for browsers that come back."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol


__all__ = ["MemoryStore", "SnapshotStore"]


class SnapshotStore(Protocol):
    """
    Keeps snapshots of conversations by their key. Methods are called by many threads.

    A store that other processes share, such as Redis, lets a browser go on with another
    worker. Methods that raise cost the resumption and not the session.
    """

    def get(self, key: str) -> bytes | None:
        """Return what was put for *key*, or None if it is not there any more."""

    def put(self, key: str, value: bytes, expires: float) -> None:
        """Keep *value* for *expires* seconds, in the place of what there was."""

    def delete(self, key: str) -> None:
        """Forget what was put for *key*, if anything."""


class MemoryStore:
    """
    Snapshots in the memory of this process. Thread-safe.

    Args:
        max_bytes: Bytes of all snapshots; the ones put longest ago leave first.
        clock: Returns seconds.
    """

    def __init__(
        self,
        max_bytes: int = 64 * 1024 * 1024,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> bytes | None:
        """Return what was put for *key*, or None if it is not there any more."""
        with self._lock:
            value, end = self._kept.get(key, (b"", 0.0))
            return value if end > self._clock() else None

    def put(self, key: str, value: bytes, expires: float) -> None:
        """Keep *value* for *expires* seconds, in the place of what there was."""
        with self._lock:
            self._drop(key)
            self._kept[key] = (value, self._clock() + expires)
            self._size += len(value)
            while self._size > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def delete(self, key: str) -> None:
        """Forget what was put for *key*, if anything."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        value, _ = self._kept.pop(key, (b"", 0.0))
        self._size -= len(value)
