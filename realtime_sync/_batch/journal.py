"""
The journal of a batch: a line of JSON for each item that has ended.

A line is on the disk before its result is handed out, so that a program which is killed
at any moment finds on its next run what has ended, and runs the rest. The last line may
be torn; then its item has not ended.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs
import orjson

from ..errors import RealtimeError
from ..usage import UsageTotals
from .worker import Outcome


__all__ = ["Journal"]

_FORMAT: Final = "realtime_sync batch journal"
_VERSION: Final = 1


class Journal:
    """
    Keeps outcomes in a file. Not thread-safe, and held by one process at a time.

    Args:
        path: The file; it is made where there is none.
        name: What is run, so that nobody goes on with the journal of something else.

    Raises:
        ValueError: The file is no journal, or that of something else.
        RuntimeError: Another process is at it.
        OSError: It cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        self._path = Path(path)
        self._places: dict[str, tuple[int, int]] = {}
        self._file: BinaryIO = open(self._path, "a+b")  # noqa: SIM115  # `close()`
        try:
            _lock(self._file, self._path)
            self._read(name)
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def read(self, key: str) -> Outcome:
        """Return the outcome of an item that has ended."""
        start, size = self._places[key]
        self._file.seek(start)
        return _outcome(orjson.loads(self._file.read(size)))

    def write(self, outcome: Outcome) -> None:
        """
        Keep an outcome; it is on the disk when this returns.

        Raises:
            TypeError: Its value is nothing that JSON can hold.
            ValueError: Its item has ended before.
        """
        if outcome.key in self._places:
            raise ValueError(f"the item {outcome.key!r} has ended twice")
        try:
            line = orjson.dumps(_wire(outcome)) + b"\n"
        except TypeError as exc:
            raise TypeError(
                f"the result of {outcome.key!r} cannot be written to the journal: "
                f"{exc}; return what JSON can hold, such as a text or a dict"
            ) from exc
        self._places[outcome.key] = (self._append(line), len(line))

    def forget_errors(self) -> None:
        """Take items that ended with an error for such that have not ended."""
        failed = [key for key in self._places if self.read(key).error is not None]
        for key in failed:
            del self._places[key]

    def close(self) -> None:
        """Close the file, and let others at it. May be called twice."""
        self._file.close()

    # Private

    def _append(self, line: bytes) -> int:
        start = self._file.seek(0, os.SEEK_END)
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())
        return start

    def _read(self, name: str) -> None:
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break  # torn: the program was killed while it wrote
            self._take(number, line, end, name)
            end += len(line)
        self._file.truncate(end)
        if end == 0:
            head = {"format": _FORMAT, "version": _VERSION, "name": name}
            self._append(orjson.dumps(head) + b"\n")

    def _take(self, number: int, line: bytes, start: int, name: str) -> None:
        try:
            record = orjson.loads(line)
            if number > 1:
                self._places[record["key"]] = (start, len(line))
                return
            known = (record["format"], record["version"])
            found = record["name"]
        except (ValueError, TypeError, KeyError) as exc:
            raise ValueError(
                f"{self._path}, line {number}, is none of a journal: name another file"
            ) from exc
        if known != (_FORMAT, _VERSION):
            raise ValueError(
                f"{self._path} is of another version of journals: name another file"
            )
        if found != name:
            raise ValueError(
                f"{self._path} is the journal of {found}, not of {name}: name another "
                "file"
            )


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two batches at once are not noticed there
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RuntimeError(
            f"another batch is at {path}: wait for it, or name another file"
        ) from None


def _wire(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    ended = (
        {"value": outcome.value}
        if error is None
        else {"error": {"type": type(error).__name__, "message": str(error)}}
    )
    used = attrs.asdict(outcome.usage)
    return {
        "key": outcome.key,
        **ended,
        "seconds": round(outcome.seconds, 3),
        "tries": outcome.tries,
        "usage": {name: count for name, count in used.items() if count},
    }


def _outcome(record: dict[str, Any]) -> Outcome:
    error = record.get("error")
    return Outcome(
        key=record["key"],
        value=record.get("value"),
        error=error and RealtimeError(f"{error['type']}: {error['message']}"),
        seconds=record["seconds"],
        tries=record["tries"],
        usage=UsageTotals(**record["usage"]),
    )
