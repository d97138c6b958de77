"""The files of a recording: one after the other, each with a header of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import orjson

from .._version import VERSION
from .audio import AudioFormats, WavFile
from .format import FORMAT, FORMAT_KEY, Direction
from .intake import Captured
from .lines import Line, LineMaker, wall_text


__all__ = ["RecordingWriter", "find_parts", "part_path", "wav_path"]

_SESSION_EVENTS = ("session.created", "session.updated")


def part_path(path: Path, number: int) -> Path:
    """Return the file of a part: ``call.jsonl``, then ``call.1.jsonl``, and so on."""
    return path if number == 0 else path.with_name(f"{path.stem}.{number}{path.suffix}")


def wav_path(part: Path, direction: Direction) -> Path:
    """Return the WAV file of a part: ``call.sent.wav`` or ``call.received.wav``."""
    return part.with_name(f"{part.stem}.{direction}.wav")


def find_parts(path: Path) -> list[Path]:
    """Return the parts that there are of the recording *path*, in order."""
    name = re.compile(
        rf"{re.escape(path.stem)}\.([1-9][0-9]{{0,8}}){re.escape(path.suffix)}"
    )
    numbered = [
        (int(match[1]), each)
        for each in path.parent.glob("*")
        if (match := name.fullmatch(each.name))
    ]
    first = [path] if path.exists() else []
    return first + [each for _, each in sorted(numbered)]


@attrs.define(kw_only=True, eq=False)
class RecordingWriter:
    """
    Writes what was captured; the `Sink` of a recorder. Used by one thread at a time.

    Attributes:
        path: The first file.
        lines: Makes the lines.
        header: What the header says besides versions, times and the session.
        created: The ``session.created`` in wire form, kept up to date.
        max_bytes: Bytes after which another file is begun, or None.
        max_parts: How many files to keep, or None for all.
        paths: The files that there are, in order.
        written: How many events were written.
    """

    path: Path
    lines: LineMaker
    header: dict[str, Any]
    created: dict[str, Any]
    max_bytes: int | None = None
    max_parts: int | None = None
    paths: list[Path] = attrs.field(factory=list)
    written: int = 0

    _started: float = attrs.field(init=False, factory=time.monotonic)
    _started_wall: float = attrs.field(init=False, factory=time.time)
    _part: int = attrs.field(init=False, default=0)
    _size: int = attrs.field(init=False, default=0)
    _file: BinaryIO | None = attrs.field(init=False, default=None)
    _formats: AudioFormats = attrs.field(init=False, factory=AudioFormats)
    _waves: dict[Direction, WavFile] = attrs.field(init=False, factory=dict)
    _pending: list[bytes] = attrs.field(init=False, factory=list)

    def open(self) -> None:
        """
        Begin the first file.

        Raises:
            OSError: It cannot be made.
        """
        self._formats.note(self.created)
        self._begin_part()

    def write(self, batch: list[Captured]) -> None:
        """Write *batch*; it is out of this process when this returns."""
        # Measured for each batch, as the time of day may be set meanwhile.
        offset = time.time() - time.monotonic()
        for captured in batch:
            line = self.lines.make(
                captured, captured.time - self._started, captured.time + offset
            )
            if line is not None:
                self._add(line)
        self._write_out()
        for wave in self._waves.values():
            wave.sync()

    def close(self) -> None:
        """Finish the files."""
        try:
            if self._file is not None:
                self._file.close()
        finally:
            for wave in self._take_waves():
                wave.close()

    # Lines

    def _add(self, line: Line) -> None:
        if line.payload is not None:
            self.written += 1
            self._note(line)
        data = line.start + self._audio(line) + b"}\n"
        self._pending.append(data)
        self._size += len(data)
        if self.max_bytes is not None and self._size >= self.max_bytes:
            self._write_out()
            self._begin_part()

    def _note(self, line: Line) -> None:
        """Keep what the header of the next file has to say."""
        payload = line.payload
        if line.direction != "received" or payload is None:
            return
        self._formats.note(payload)
        kind = payload["type"]
        if kind.endswith(_SESSION_EVENTS) and isinstance(payload.get("session"), dict):
            self.created = {**self.created, "session": payload["session"]}

    def _audio(self, line: Line) -> bytes:
        if line.audio is None or line.direction is None:
            return b""
        told: dict[str, Any] = {"bytes": len(line.audio)}
        if self.lines.audio == "wav":
            wave = self._wave(line.direction)
            told = {"file": wave.path.name, "offset": wave.write(line.audio), **told}
            self._size += len(line.audio)
        return b',"audio":' + orjson.dumps(told)

    def _write_out(self) -> None:
        assert self._file is not None
        data, self._pending = b"".join(self._pending), []
        if data:
            # Unbuffered, so it has left this process; and whole, or this raises.
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]

    # Files

    def _wave(self, direction: Direction) -> WavFile:
        audio_format = getattr(self._formats, direction)
        wave = self._waves.get(direction)
        if wave is not None and wave.format == audio_format:
            return wave
        if wave is not None:  # a file has one format
            self._write_out()
            self._begin_part()
        path = wav_path(part_path(self.path, self._part - 1), direction)
        wave = self._waves[direction] = WavFile(path, audio_format)
        return wave

    def _begin_part(self) -> None:
        self.close()
        path = part_path(self.path, self._part)
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
        self.paths = [*self.paths, path]
        header = {
            FORMAT_KEY: FORMAT,
            "library": VERSION,
            "started": wall_text(self._started_wall),
            "part": self._part,
            **self.header,
            "created": self.lines.clean(self.created) or {},
        }
        self._part += 1
        data = orjson.dumps(header) + b"\n"
        self._size = len(data)
        self._pending.append(data)
        self._write_out()
        self._drop_old_parts()

    def _drop_old_parts(self) -> None:
        while self.max_parts is not None and len(self.paths) > self.max_parts:
            oldest, self.paths = self.paths[0], self.paths[1:]
            for path in (
                oldest,
                wav_path(oldest, "sent"),
                wav_path(oldest, "received"),
            ):
                path.unlink(missing_ok=True)

    def _take_waves(self) -> Iterator[WavFile]:
        while self._waves:
            yield self._waves.popitem()[1]
