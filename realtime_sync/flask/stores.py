"""Where conversations are kept, for browsers that come back."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from .._checks import check_path


__all__ = ["FileStore", "MemoryStore", "SnapshotStore"]

_SWEEP_INTERVAL = 600.0  # seconds; to look at 20,000 files takes a tenth of one
_UNFINISHED = 60.0  # seconds in which a file is written, or its writer is gone
# There may be other files in the folder, which are none of a store's business.
_OURS = re.compile(r"[0-9a-f]{64}(\.json|\..*\.tmp)")


class SnapshotStore(Protocol):
    """
    Keeps snapshots of conversations by their key. Methods are called by many threads.

    A store that other processes share, such as Redis, lets a browser go on with another
    worker; then `get()` has to return what any of them has put. Methods that raise cost
    the resumption and not the session. Values are the bridge's own: some say no more
    than that a conversation has been forgotten.
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
            value, end = self._kept.get(key, (b"", -math.inf))
            if end > self._clock():
                return value
            self._drop(key)
            return None

    def put(self, key: str, value: bytes, expires: float) -> None:
        """Keep *value* for *expires* seconds, in the place of what there was."""
        with self._lock:
            self._drop(key)
            self._kept[key] = (value, self._clock() + expires)
            self._size += len(value)
            self._make_room()

    def delete(self, key: str) -> None:
        """Forget what was put for *key*, if anything."""
        with self._lock:
            self._drop(key)

    def _make_room(self) -> None:
        while self._size > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        value, _ = self._kept.pop(key, (b"", 0.0))
        self._size -= len(value)


class FileStore:
    """
    Snapshots as files: they outlive the server, and all its processes share them.

    The conversations of your users are in these files, for this user of the machine
    only. Thread-safe.

    Args:
        folder: Where they are; it is made if it is not there.
        clock: Returns seconds, such as the times of files have them.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_path("folder", folder)
        self._folder = Path(folder)
        self._clock = clock
        self._swept_at = -math.inf

    def get(self, key: str) -> bytes | None:
        """Return what was put for *key*, or None if it is not there any more."""
        path = self._path(key)
        try:
            return path.read_bytes() if path.stat().st_mtime > self._clock() else None
        except FileNotFoundError:
            return None

    def put(self, key: str, value: bytes, expires: float) -> None:
        """Keep *value* for *expires* seconds, in the place of what there was."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        path = self._path(key)
        number, name = tempfile.mkstemp(  # for its owner only
            dir=self._folder, prefix=f"{path.stem}.", suffix=".tmp"
        )
        with open(number, "wb") as file:
            file.write(value)
        end = self._clock() + expires
        os.utime(name, (end, end))  # a file's time is when it expires
        os.replace(name, path)  # at once, for whoever reads

    def delete(self, key: str) -> None:
        """Forget what was put for *key*, if anything."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def _sweep(self) -> None:
        """Remove now and then what has expired, and what was never finished."""
        now = self._clock()
        if now - self._swept_at < _SWEEP_INTERVAL:
            return
        self._swept_at = now
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name):
                age = _UNFINISHED if path.suffix == ".tmp" else 0.0
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < now - age:
                        path.unlink()
