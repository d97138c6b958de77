"""
The picture of a session, and the table behind it.

::

    picture = timeline("call.jsonl")
    picture.plot("call.png")
    print(picture.summary())
    for turn in picture.turns():
        print(turn.index, turn.to_first_audio, turn.transcript)

A live connection is watched by a `TimelineCollector`, from its making on::

    with client.connect() as connection, TimelineCollector(connection) as collector:
        ...
        collector.timeline().plot("so far.png")

Only the picture needs the extra ``plot`` (matplotlib).

What a client plays is never on the wire. So the model's speech is shown as a player
plays it that begins at once and never stalls, up to where it was interrupted: to the
millisecond that the client told the server by truncating, if it did.
"""

from __future__ import annotations

import io
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any

import orjson

from ._connection.base import BaseConnection
from ._recording.format import Gap, Notice, RecordedEvent
from ._recording.intake import Captured, Intake
from ._recording.reader import Recording
from ._timeline.builder import Builder
from ._timeline.rows import Summary, Turn
from ._timeline.tracks import Tracks
from ._timeline.turns import summarize
from .errors import ConnectionClosed, DecodeError
from .protocol.codec import Dialect, decode_client_event, decode_server_event
from .protocol.server_events import SessionCreated
from .protocol.sessions import Session


if TYPE_CHECKING:
    from matplotlib.figure import Figure


__all__ = ["Summary", "Timeline", "TimelineCollector", "Turn", "timeline"]

_RECONNECTED = "Reconnected"
_numbers = itertools.count(1)  # name the threads


class Timeline:
    """
    A session as it went. Made by `timeline()` or by a `TimelineCollector`.

    It does not change any more, and is thread-safe. In a notebook it shows itself.

    Attributes:
        started: When it began, in UTC; None if that is not known.
    """

    def __init__(
        self, tracks: Tracks, turns: Sequence[Turn], started: datetime | None
    ) -> None:
        self._tracks = tracks
        self._turns = list(turns)
        self._summary = summarize(tracks, self._turns)
        self.started = started

    def __repr__(self) -> str:
        return f"<Timeline of {self.duration:.1f} s, {len(self._turns)} turns>"

    @property
    def duration(self) -> float:
        """Seconds up to the last event, or to the end of the speech that came by it."""
        return self._summary.duration

    def turns(self) -> list[Turn]:
        """Return a row for each turn, in order."""
        return list(self._turns)

    def summary(self) -> Summary:
        """Return the session in figures."""
        return self._summary

    def plot(
        self,
        target: str | os.PathLike[str] | Figure | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
        title: str | None = None,
    ) -> Figure:
        """
        Draw the session: in detail up to a minute and a half, beyond as an overview.

        Args:
            target: Where to save it (``.png``, ``.svg`` or ``.pdf``); or a figure of
                matplotlib to draw into, which is emptied.
            start: Seconds to begin at.
            end: Seconds to end at.
            title: What stands above it, instead of the time of day.

        Returns:
            The figure, which belongs to no window and to no global state.

        Raises:
            ImportError: matplotlib is missing.
            ValueError: *start* is not before *end*.
        """
        from ._timeline.plot import draw

        path: Path | None = None
        given: Figure | None = None
        if isinstance(target, (str, os.PathLike)):
            path = Path(target)
        else:
            given = target
        figure = draw(
            self._tracks,
            self._turns,
            self._summary,
            figure=given,
            window=(start, end),
            title=self._title() if title is None else title,
        )
        if path is not None:
            figure.savefig(path)
        return figure

    def png(self, **options: Any) -> bytes:
        """Return the picture as PNG; *options* are those of `plot()`."""
        return self._rendered("png", options)

    def svg(self, **options: Any) -> str:
        """Return the picture as SVG; *options* are those of `plot()`."""
        return self._rendered("svg", options).decode()

    def _repr_png_(self) -> bytes | None:
        try:
            return self.png()
        except ImportError:  # the text form will do
            return None

    # Private

    def _rendered(self, form: str, options: dict[str, Any]) -> bytes:
        data = io.BytesIO()
        self.plot(**options).savefig(data, format=form)
        return data.getvalue()

    def _title(self) -> str:
        if self.started is None:
            return "Session"
        return f"Session of {self.started:%Y-%m-%d %H:%M:%S} UTC"


class TimelineCollector:
    """
    Watches a connection, for a `Timeline` at any time.

    It keeps no sound, only how loud it was. Thread-safe.

    Args:
        connection: An open connection of any kind.
    """

    def __init__(self, connection: BaseConnection) -> None:
        self._started = datetime.now(timezone.utc)
        self._watch = _Watch(connection.dialect)
        self._watch.begin(connection.session)
        self._intake = Intake(
            self._watch,
            limit=64 * 1024 * 1024,
            failed=connection._dispatcher.report,
            name=f"realtime_sync-timeline-{next(_numbers)}",
        )
        self._intake.watch(connection)

    def __enter__(self) -> TimelineCollector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def timeline(self, timeout: float | None = 10.0) -> Timeline:
        """
        Return the session so far.

        Args:
            timeout: Seconds to wait for what has just happened to be taken in.
        """
        self._intake.flush(timeout)
        return Timeline(*self._watch.seen(), self._started)

    def close(self) -> None:
        """Watch no more; what was seen stays."""
        self._intake.close(5.0)


class _Watch:
    """Builds the lanes while they come in, on the intake's thread."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect: Dialect = dialect
        self._began = monotonic()
        self._lock = threading.Lock()
        self._builder = Builder()

    def begin(self, session: Session) -> None:
        """Take note of the session as it is."""
        created = SessionCreated(event_id="event_timeline", session=session)
        self._builder.feed(0.0, created)

    def seen(self) -> tuple[Tracks, list[Turn]]:
        """Return the lanes and the turns so far."""
        with self._lock:
            return self._builder.tracks.copy(), self._builder.turns.turns()

    def write(self, batch: list[Captured]) -> None:
        """Take what happened."""
        for captured in batch:
            with self._lock:
                self._take(captured)

    def close(self) -> None:
        """Do nothing: what was seen stays."""

    def _take(self, captured: Captured) -> None:
        time, data = captured.time - self._began, captured.data
        if captured.kind == "sent" or captured.kind == "received":
            sent = captured.kind == "sent"
            decode = decode_client_event if sent else decode_server_event
            _feed(self._builder, time, lambda: decode(data, self._dialect))
        elif captured.kind == "gap":
            self._builder.missing(time, data[0])
        elif captured.kind == "notice":
            _notice(self._builder, time, type(data).__name__)
        elif isinstance(data, ConnectionClosed):
            self._builder.ended(time, data.code, data.reason)


def timeline(
    source: str | os.PathLike[str] | Recording | TimelineCollector | Timeline,
) -> Timeline:
    """
    Return the session that was recorded, or that is being watched.

    Args:
        source: The path of a recording, a `Recording`, or a `TimelineCollector`.

    Raises:
        RecordingError: It is no recording.
        OSError: It cannot be read.
        TypeError: It is a connection, which keeps nothing of its past.
    """
    if isinstance(source, Timeline):
        return source
    if isinstance(source, TimelineCollector):
        return source.timeline()
    if isinstance(source, BaseConnection):
        raise TypeError(
            "a connection keeps nothing of its past: make a TimelineCollector or a "
            "Recorder of it when it is opened"
        )
    recording = source if isinstance(source, Recording) else Recording(source)
    return _read(recording)


def _read(recording: Recording) -> Timeline:
    builder = Builder()
    created = orjson.dumps(recording.created)
    _feed(builder, 0.0, lambda: decode_server_event(created, recording.dialect))
    for entry in recording:
        if isinstance(entry, RecordedEvent):
            _feed(builder, entry.time, lambda: entry.event, entry.audio_bytes)  # noqa: B023 - called at once
        elif isinstance(entry, Gap):
            builder.missing(entry.time, entry.events)
        elif isinstance(entry, Notice):
            _notice(builder, entry.time, entry.name)
        else:
            builder.ended(entry.time, entry.code, entry.reason)
    return Timeline(builder.tracks, builder.turns.turns(), recording.started)


def _feed(
    builder: Builder, time: float, decode: Callable[[], Any], audio_bytes: int = 0
) -> None:
    try:
        builder.feed(time, decode(), audio_bytes)
    except DecodeError as exc:
        builder.undecodable(time, str(exc))


def _notice(builder: Builder, time: float, name: str) -> None:
    if name == _RECONNECTED:
        builder.reconnected(time)
