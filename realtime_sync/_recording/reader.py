"""Reads recordings, lazily, also those that were cut off."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypedDict, cast

import attrs
import orjson

from .._checks import check_path
from ..protocol._codec_base64 import to_base64
from ..protocol.codec import Dialect
from .format import (
    AUDIO_FIELDS,
    FORMAT,
    FORMAT_KEY,
    Ending,
    Entry,
    Gap,
    Notice,
    RecordedEvent,
    RecordingError,
)
from .writer import find_parts


__all__ = ["Recording", "read_recording"]

Source = str | os.PathLike[str]

_KINDS = ("realtime", "transcription", "translation")
_DAMAGE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


class Recording:
    """
    A recording: its header, and its entries each time that it is iterated over.

    It is read as it is used, so a recording that is still being written can be read up
    to where it is. Thread-safe, as is reading by several iterators at once.

    Attributes:
        path: The file that was asked for.
        paths: Its parts, in order.
        dialect: What was spoken: ``"ga"`` or ``"preview"``.
        kind: ``"realtime"``, ``"transcription"`` or ``"translation"``.
        library: The version of the library that wrote it.
        started: When it began, in UTC.
        audio: ``"inline"``, ``"wav"``, or None if the audio was left out.
        created: The ``session.created`` of a session as it was when the recording, or
            the first part that is still there, began; in wire form.

    Raises:
        RecordingError: It is no recording, or one of a later version.
        OSError: It cannot be read.
        TypeError: *path* is none.
        ValueError: *path* is empty.
    """

    def __init__(self, path: Source) -> None:
        check_path("path", path)
        self.path = Path(path)
        self.paths = find_parts(self.path) or [self.path]
        header = _read_header(self.paths[0])
        self.dialect: Dialect = _choice(header, "dialect", ("ga", "preview"))
        self.kind: str = _choice(header, "kind", _KINDS)
        self.library = str(header.get("library", ""))
        self.started = _moment(header.get("started"))
        self.audio: Literal["inline", "wav"] | None = cast(Any, header.get("audio"))
        created = header.get("created")
        self.created: Mapping[str, Any] = created if isinstance(created, dict) else {}

    def __repr__(self) -> str:
        return f"<Recording {str(self.path)!r} of {self.started:%Y-%m-%d %H:%M:%S}>"

    @property
    def session(self) -> Mapping[str, Any]:
        """The session as it was when the recording began, in wire form."""
        session = self.created.get("session")
        return session if isinstance(session, dict) else {}

    def __iter__(self) -> Iterator[Entry]:
        """
        Yield the entries, in order.

        Raises:
            RecordingError: A line in the middle is damaged, or a part is of a later
                version. A last line that was cut off is none.
        """
        for path in self.paths:
            yield from self._read_part(path)

    def events(self) -> Iterator[RecordedEvent]:
        """Yield the messages alone, without notices, gaps and the end."""
        return (entry for entry in self if isinstance(entry, RecordedEvent))

    def _read_part(self, path: Path) -> Iterator[Entry]:
        with open(path, "rb") as file:
            if path != self.paths[0] and not _is_whole(file):
                return  # it was begun when the program ended
            file.seek(0)
            _parse_header(path, file.readline())
            parser = _Parser(path, self.dialect)
            for number, line in enumerate(file, 2):
                try:
                    entry = parser.parse(line)
                except _DAMAGE as exc:
                    if _is_cut(line):
                        return
                    raise RecordingError(
                        f"line {number} of {str(path)!r} is damaged: {exc}"
                    ) from exc
                if entry is not None:
                    yield entry


def read_recording(path: Source) -> Recording:
    """
    Open a recording that a `Recorder` wrote.

    Args:
        path: The file that the recorder was given. Further parts are found.

    Raises:
        RecordingError: It is no recording, or one of a later version.
        OSError: It cannot be read.
    """
    return Recording(path)


def _is_whole(file: BinaryIO) -> bool:
    return not _is_cut(file.readline())


def _is_cut(line: bytes) -> bool:
    """Tell whether *line* is one that the end of a program or of power cut off."""
    # Some file systems leave zeros where data did not make it.
    return not line.endswith(b"\n") or not line.strip(b"\0\r\n")


# The header


def _read_header(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return _parse_header(path, file.readline())


def _parse_header(path: Path, line: bytes) -> dict[str, Any]:
    name = str(path)
    try:
        header = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise RecordingError(
            f"{name!r} is no recording: its first line is no header"
        ) from exc
    version = header.get(FORMAT_KEY) if isinstance(header, dict) else None
    if type(version) is not int or version < 1:
        raise RecordingError(f"{name!r} is no recording: it does not say {FORMAT_KEY}")
    if version > FORMAT:
        raise RecordingError(
            f"{name!r} was written in format {version}, by realtime_sync "
            f"{header.get('library')}; this version reads up to format {FORMAT}: "
            "update the library"
        )
    return cast("dict[str, Any]", header)


def _choice(header: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> Any:
    value = header.get(name)
    if value not in choices:
        raise RecordingError(
            f"the header says {name} {value!r}, which is none of {', '.join(choices)}"
        )
    return value


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as exc:
        raise RecordingError(f"{text!r} is no time of day") from exc
    if moment.tzinfo is None:
        raise RecordingError(f"{text!r} does not say its time zone")
    return moment


# Entries


class _Stamp(TypedDict):
    time: float
    wall: datetime


@attrs.frozen
class _Parser:
    """Makes entries of the lines of one file."""

    path: Path
    dialect: Dialect

    def parse(self, line: bytes) -> Entry | None:
        """Return the entry of *line*; None if it is of an unknown kind."""
        told = orjson.loads(line)
        if type(told) is not dict:
            raise ValueError("it is no object")
        time = float(told["time"])
        if not math.isfinite(time):
            raise ValueError("its time is not finite")
        stamp: _Stamp = {"time": time, "wall": _moment(told["wall"])}
        if "event" in told or "text" in told:
            return self._message(told, stamp)
        if "notice" in told:
            notice = told["notice"]
            fields = dict(notice["fields"])
            return Notice(**stamp, name=str(notice["name"]), fields=fields)
        if "gap" in told:
            gap = told["gap"]
            return Gap(**stamp, events=int(gap["events"]), bytes=int(gap["bytes"]))
        return self._end(told["end"], stamp) if "end" in told else None

    def _end(self, end: Mapping[str, Any], stamp: _Stamp) -> Ending:
        return Ending(
            **stamp,
            code=int(end["code"]),
            reason=str(end["reason"]),
            initiated_by=str(end["initiated_by"]),
        )

    def _message(self, told: Mapping[str, Any], stamp: _Stamp) -> RecordedEvent:
        event, kind, text = told.get("event"), "", None
        if type(event) is dict:
            kind = event["type"]
            if type(kind) is not str:
                raise ValueError("its event has no type")
        else:
            event, text = {}, str(told["text"])
        size, fetch = self._audio(kind, event, told.get("audio"))
        return RecordedEvent(
            **stamp,
            direction=_choice(told, "direction", ("sent", "received")),
            type=kind,
            audio_bytes=size,
            dialect=self.dialect,
            fields=event,
            text=text,
            fetch_audio=fetch,
        )

    def _audio(
        self, kind: str, event: Any, told: Any
    ) -> tuple[int, Callable[[], str] | None]:
        """Return the bytes of streamed audio, and what fetches them from elsewhere."""
        name = AUDIO_FIELDS.get(kind)
        if name is None:
            return 0, None
        if told is None:
            text = event.get(name)
            return _size(text) if isinstance(text, str) else 0, None
        size = int(told["bytes"])
        if "file" not in told:
            return size, None
        # Beside the recording, wherever that is now; never anywhere else.
        path = self.path.with_name(Path(str(told["file"])).name)
        return size, partial(_fetch, path, int(told["offset"]), size)


def _size(text: str) -> int:
    return len(text.rstrip("=")) * 3 // 4


def _fetch(path: Path, offset: int, size: int) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return to_base64(file.read(size))
    except (OSError, ValueError) as exc:
        raise RecordingError(
            f"the audio of this recording is in {str(path)!r}, which cannot be read: "
            f"{exc}"
        ) from exc
