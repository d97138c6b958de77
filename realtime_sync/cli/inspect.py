"""The command ``inspect``: what is in a recording, a line for each event."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .._logging import describe_event
from ._options import json_option
from ._output import Output


if TYPE_CHECKING:
    from ..recording import Recording


__all__ = ["inspect"]

_MARKS = {"sent": ">", "received": "<"}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-t",
    "--type",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Only events of this type, such as 'response.*'; may be repeated.",
)
@click.option("--texts", is_flag=True, help="Show what was said and written as well.")
@json_option
@click.pass_context
def inspect(
    ctx: click.Context, /, file: Path, patterns: tuple[str, ...], texts: bool
) -> None:
    """
    Show what is in the recording FILE.

    A line for each event: the second, the direction (> sent, < received), the type, and
    what it holds, with the size of audio in its place.
    """
    from ..recording import read_recording

    output: Output = ctx.find_root().obj
    recording = read_recording(file)
    output.line(
        f"{recording.kind} session, {recording.dialect} dialect, of "
        f"{recording.started:%Y-%m-%d %H:%M:%S} UTC, by realtime_sync "
        f"{recording.library}"
    )
    output.record(
        "recording",
        kind=recording.kind,
        dialect=recording.dialect,
        started=recording.started.isoformat(),
        library=recording.library,
        audio=recording.audio,
        session=dict(recording.session),
    )
    for fields in _entries(recording, patterns, texts=texts):
        output.record("entry", **fields)
        mark = _MARKS.get(fields["direction"], "!")
        # What is dim is beside the point, but on one line with it.
        output.line(
            fields["shown"], label=f"{fields['time']:9.3f} {mark} ", style="dim"
        )


def _entries(
    recording: Recording, patterns: tuple[str, ...], *, texts: bool
) -> Iterator[dict[str, Any]]:
    from ..recording import Ending, Gap, Notice, RecordedEvent

    for entry in recording:
        about: dict[str, Any] = {"time": entry.time, "direction": "", "type": ""}
        if isinstance(entry, RecordedEvent):
            about |= {"direction": entry.direction, "type": entry.type}
            about["shown"] = describe_event(entry.payload, content=texts)
        elif isinstance(entry, Gap):
            about |= {"type": "gap", "shown": f"{entry.events} events are missing"}
        elif isinstance(entry, Notice):
            about |= {"type": entry.name, "shown": f"{entry.name} {entry.fields}"}
        elif isinstance(entry, Ending):
            closed = f"closed by the {entry.initiated_by} with code {entry.code}"
            reason = f": {entry.reason}" if entry.reason else ""
            about |= {"type": "end", "shown": f"{closed}{reason}"}
        if not patterns or any(fnmatch(about["type"], each) for each in patterns):
            yield about
