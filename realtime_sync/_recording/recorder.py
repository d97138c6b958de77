"""`Recorder`: writes what a connection sends and receives to a file, as it happens."""

from __future__ import annotations

import atexit
import itertools
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from .._checks import check_count, check_path, check_timeout, not_this
from .._connection.base import BaseConnection
from ..connection import TranscriptionConnection, TranslationConnection
from ..protocol.codec import encode
from ..protocol.server_events import SessionCreated
from .intake import Intake
from .lines import AudioMode, LineMaker, Redact
from .writer import RecordingWriter, find_parts, wav_path


__all__ = ["Recorder"]

_numbers = itertools.count(1)  # name the threads


class Recorder:
    """
    Writes everything that a connection sends and receives to a file.

    It begins at once, and ends with `close()`, with its ``with`` statement, or with the
    connection. What was said before it began is not in the recording, but the session
    as it then was is. Keys, tokens and the headers of MCP servers are redacted; what
    people say and write is not, unless *redact* does so.

    Neither a slow nor a full disk touches the session: what cannot be written in time
    is counted and missing, and the recording says where; an error ends the recording,
    is told to `BaseConnection.on_error()` (on the recorder's thread), and is `error`.

    Thread-safe.

    Args:
        connection: An open connection, of any kind.
        path: The file, such as ``call.jsonl``.
        audio: ``"inline"`` keeps streamed audio in the lines; ``"wav"`` beside them, in
            ``call.sent.wav`` and ``call.received.wav``; None keeps only its size.
        images: Whether images stay in.
        max_bytes: Bytes after which ``call.1.jsonl`` is begun, then ``call.2.jsonl``.
        max_parts: How many of these files to keep, the newest ones; None for all.
        overwrite: Whether to replace a recording of that name.
        redact: Is called on the recorder's thread with each event as a mapping in wire
            form, before its audio is taken out; returns what to write of it, or None
            for nothing.
        max_queue: Bytes that may wait for the disk.

    Raises:
        FileExistsError: There is such a recording, and *overwrite* is false.
        OSError: The file cannot be made.
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        connection: BaseConnection,
        path: str | os.PathLike[str],
        *,
        audio: AudioMode = "inline",
        images: bool = True,
        max_bytes: int | None = None,
        max_parts: int | None = None,
        overwrite: bool = False,
        redact: Redact | None = None,
        max_queue: int = 32 * 1024 * 1024,
    ) -> None:
        if not isinstance(connection, BaseConnection):
            raise not_this("a Recorder is made of an open connection", connection)
        check_path("path", path)
        if redact is not None and not callable(redact):
            raise not_this("redact is a function that is called with events", redact)
        _check(audio, max_bytes, max_parts, max_queue)
        self._path = Path(path)
        _make_room(self._path, overwrite)
        self._writer = RecordingWriter(
            path=self._path,
            lines=LineMaker(audio=audio, images=images, redact=redact),
            header={
                "dialect": connection.dialect,
                "kind": _kind(connection),
                "audio": audio,
            },
            created=_created(connection),
            max_bytes=max_bytes,
            max_parts=max_parts,
        )
        self._writer.open()
        self._error: Exception | None = None
        self._intake = Intake(
            self._writer,
            limit=max_queue,
            failed=self._fail,
            name=f"realtime_sync-recorder-{next(_numbers)}",
        )
        self._report = connection._dispatcher.report
        self._intake.watch(connection)
        _recorders.add(self)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "failed" if self._error else "closed" if self.closed else "recording"
        return f"<Recorder {str(self._path)!r} {state}, {self.written} events>"

    @property
    def path(self) -> Path:
        """The first file."""
        return self._path

    @property
    def paths(self) -> list[Path]:
        """The files that there are so far, in order, without WAV files."""
        return list(self._writer.paths)

    @property
    def written(self) -> int:
        """How many events were written."""
        return self._writer.written

    @property
    def lost(self) -> int:
        """How many events are missing, because the disk did not keep up."""
        return self._intake.lost

    @property
    def error(self) -> Exception | None:
        """What ended the recording before its time, such as a full disk; or None."""
        return self._error

    @property
    def closed(self) -> bool:
        """Whether nothing more will be written."""
        return self._intake.finished

    def flush(self, timeout: float | None = None) -> None:
        """
        Wait until what has happened so far is in the file.

        Raises:
            TimeoutError: It was not within *timeout* seconds.
        """
        check_timeout(timeout)
        if not self._intake.flush(timeout):
            raise TimeoutError(f"the recording was not written for {timeout:g} s")

    def close(self, timeout: float | None = 5.0) -> None:
        """
        Write what has happened so far, and end. May be called again.

        Args:
            timeout: Seconds to wait for the disk.
        """
        check_timeout(timeout)
        self._intake.close(timeout)

    # Private

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._intake.leave()
        where = f"the recording {str(self._path)!r} has ended: {error}"
        told = RuntimeError(where) if not isinstance(error, OSError) else OSError(where)
        told.__cause__ = error
        self._report(told)


def _check(
    audio: object, max_bytes: int | None, max_parts: int | None, max_queue: int
) -> None:
    if audio not in ("inline", "wav", None):
        raise ValueError(f"audio is 'inline', 'wav' or None, not {audio!r}")
    limits = {"max_bytes": max_bytes, "max_parts": max_parts, "max_queue": max_queue}
    for name, limit in limits.items():
        if limit is not None:
            check_count(name, limit, 1)
    if max_parts is not None and max_bytes is None:
        raise ValueError("max_parts needs max_bytes, which says when a part is full")


def _make_room(path: Path, overwrite: bool) -> None:
    """Delete the recording that is there, or refuse to."""
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a directory: name a file in it")
    there = find_parts(path)
    if there and not overwrite:
        raise FileExistsError(
            f"there is a recording {str(there[0])!r}; take another name, or pass "
            "overwrite=True"
        )
    for part in there:
        for each in (part, wav_path(part, "sent"), wav_path(part, "received")):
            each.unlink(missing_ok=True)


def _kind(connection: BaseConnection) -> str:
    if isinstance(connection, TranscriptionConnection):
        return "transcription"
    if isinstance(connection, TranslationConnection):
        return "translation"
    return "realtime"


def _created(connection: BaseConnection) -> dict[str, Any]:
    """Return the first event of a session that is as this one is now."""
    event = SessionCreated(event_id="event_recording", session=connection.session)
    created: dict[str, Any] = orjson.loads(encode(event, connection.dialect))
    return created


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _open_recorders() -> Iterator[Recorder]:
    return (each for each in list(_recorders) if not each.closed)


@atexit.register
def _close_all() -> None:
    """Write what there is when the interpreter ends, since the threads are daemons."""
    for recorder in _open_recorders():
        recorder.close()
